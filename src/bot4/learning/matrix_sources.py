"""What a feature matrix is made of: bars, a reference, funding and external series, joined as known.

A value enters a row only if it was known when the row's bar closed: bars of the reference that closed no
later, funding that was settled, series whose time plus their delay has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from bot4.features.matrix_graph import Graph, Inputs
from bot4.learning.bars import read_bars
from bot4.learning.dataset import Bars, make_bars
from bot4.market.buckets import new_buckets
from bot4.market.buckets_nb import BUCKET_DTYPE, OPEN, flush_nb, fold_trades_nb
from bot4.model.codes_nb import EV_FUNDING
from bot4.model.errors import DataError
from bot4.storage.lake import Dataset

Array = np.ndarray[Any, Any]
NS = 1_000_000_000
LATE_NS = 2 * NS
DAY_NS = 86_400 * NS


class Known(NamedTuple):
    """Values and the time, i8 ns UTC ascending, at which each became known."""

    at: Array
    values: Array

    def as_of(self, times: Array) -> tuple[Array, Array]:
        """The last value known at each time (NaN before the first), and its age in s."""
        place = np.searchsorted(self.at, times, side="right") - 1
        there = place >= 0
        values = np.full(len(times), np.nan)
        age = np.full(len(times), np.nan)
        values[there] = self.values[place[there]]
        age[there] = (times[there] - self.at[place[there]]) / NS
        return values, age


class Instrument(NamedTuple):
    """One instrument's history. `buys` f8 (n, 2): buy volume and trades of each bar, None if unknown."""

    symbol: str
    bars: Bars
    buys: Array | None
    funding: Known | None  # settled rates

    def inputs(self, bar_ns: int) -> Array:
        """Rows of a block for the bars, float64 (8, n): closing times in s, buys NaN where unknown."""
        b = self.bars
        close_s = (b.ts + bar_ns) / NS
        buys = self.buys if self.buys is not None else np.full((len(b.ts), 2), np.nan)
        return np.stack((b.o, b.h, b.l, b.c, b.v, close_s, buys[:, 0], buys[:, 1]))


class Sources(NamedTuple):
    """All that a matrix is made of."""

    instruments: tuple[Instrument, ...]
    bar_ns: int
    reference: str  # "" for none
    series: Mapping[str, Known]
    delay_ns: int = 0  # bars of trades are complete that long after their end

    def asked(self, rank: bool) -> Inputs:
        """What the graph may count on."""
        carry = {"index_price", "open_interest"} & set(self.series)
        return Inputs(
            bar_s=self.bar_ns / NS,
            buys=all(i.buys is not None for i in self.instruments),
            reference=bool(self.reference),
            funding=any(i.funding is not None for i in self.instruments),
            index_price="index_price" in carry,
            open_interest="open_interest" in carry,
            series=tuple(sorted(set(self.series) - carry)),
            rank=rank and len(self.instruments) > 1,
        )


def joined(sources: Sources, instrument: Instrument, graph: Graph) -> Array:
    """Input rows of a graph for one instrument, float64 (inputs, bars), as known at each bar's close."""
    given = instrument.inputs(sources.bar_ns)
    times = instrument.bars.ts + sources.bar_ns
    rows = {name: given[k] for k, name in enumerate(graph.inputs[:8])}
    nothing = np.full(len(times), np.nan)
    if "ref_close" in graph.inputs:
        other = next(i for i in sources.instruments if i.symbol == sources.reference)
        at = other.bars.ts + sources.bar_ns
        rows["ref_close"] = Known(at, other.bars.c).as_of(times)[0]
        rows["ref_volume"] = Known(at, other.bars.v).as_of(times)[0]
    if "funding_rate" in graph.inputs:
        rows.update(_carry(instrument.funding, times))
        for name in ("index_price", "open_interest"):
            rows[name] = sources.series[name].as_of(times)[0] if name in sources.series else nothing
    for name, known in sources.series.items():
        if name in graph.inputs and name not in rows:
            rows[name], rows[f"{name}_age_s"] = known.as_of(times)
    return np.stack([rows[name] for name in graph.inputs])


def _carry(funding: Known | None, times: Array) -> dict[str, Array]:
    """Last settled rate; the next time and the period follow from the last two settlements."""
    nothing = np.full(len(times), np.nan)
    if funding is None or len(funding.at) < 2:
        return {"funding_rate": nothing, "next_funding_s": nothing, "period_s": nothing}
    step = np.diff(funding.at, prepend=np.nan) / NS
    period = Known(funding.at, step).as_of(times)[0]
    rate, age = funding.as_of(times)
    return {"funding_rate": rate, "next_funding_s": times / NS - age + period, "period_s": period}


def from_dataset(dataset: Dataset, symbols: tuple[str, ...]) -> tuple[tuple[Instrument, ...], int]:
    """Bars and funding of the named instruments (of all that have bars if none is), and the bars' length."""
    bar_ns = dataset.bar_ns()
    rates: dict[int, list[Array]] = {}
    for chunk in dataset.iter_events():
        rows = chunk[chunk["kind"] == EV_FUNDING]
        for k in np.unique(rows["instrument"]):
            rates.setdefault(int(k), []).append(rows[rows["instrument"] == k])
    names = symbols or tuple(dict.fromkeys(_with_bars(dataset)))
    found = []
    for name in names:
        bars, _ = read_bars(dataset, name)
        funding = None
        for k, parts in rates.items():
            if dataset.instruments[k].symbol == name:
                events = np.concatenate(parts)
                funding = Known(events["ts_local"].copy(), events["x"] * 1e-8)
        found.append(Instrument(name, bars, None, funding))
    return tuple(found), bar_ns


class FromTrades(NamedTuple):
    """Bars made of recorded trades, and what their reader should know."""

    instruments: tuple[Instrument, ...]
    delay_ns: int
    warnings: tuple[str, ...]


def from_trades(dataset: Dataset, symbols: tuple[str, ...], bar_ns: int) -> FromTrades:
    """Bars of `bar_ns` by venue time, with buy volume, of the named instruments' trades (of all if none is).

    A trade that arrives up to LATE_NS of venue time after its bar's end still counts; later ones are left
    out and told. DataError where an instrument has no trades or fewer than two bars.
    """
    known = [i.symbol for i in dataset.instruments]
    unknown = [s for s in symbols if s not in known]
    if unknown:
        raise DataError(f"{dataset.folder} has no {', '.join(unknown)}; it holds {', '.join(known)}")
    delay = min(LATE_NS, (OPEN - 2) * bar_ns)
    chosen = [k for k, name in enumerate(known) if not symbols or name in symbols]
    state = {k: new_buckets(bar_ns, delay) for k in chosen}
    parts: dict[int, list[Array]] = {k: [] for k in chosen}
    for chunk in dataset.iter_events():
        out = np.zeros(len(chunk) + OPEN, BUCKET_DTYPE)
        for k in chosen:
            parts[k].append(out[: fold_trades_nb(state[k], chunk, k, out)].copy())
    found, warnings = [], []
    for k in chosen:
        out = np.zeros(OPEN, BUCKET_DTYPE)
        buckets = np.concatenate([*parts[k], out[: flush_nb(state[k], out)]])
        if len(buckets) < 2:
            raise DataError(
                f"{dataset.folder}: the trades of {known[k]} fill {len(buckets)} bars; at least 2"
            )
        late = int(state[k].clock[0]["late"])
        if late:
            warnings.append(f"{known[k]}: {late:,} trades came after their bar was closed and were left out")
        tick, lot = float(dataset.instruments[k].tick), float(dataset.instruments[k].lot)
        o, h, low, c = (buckets[name] * tick for name in ("open", "high", "low", "close"))
        bars = Bars(buckets["number"] * bar_ns, o, h, low, c, buckets["volume"] * lot)
        buys = np.column_stack((buckets["buy_volume"] * lot, buckets["trades"].astype(np.float64)))
        found.append(Instrument(known[k], bars, buys, None))
    return FromTrades(tuple(found), delay, tuple(warnings))


def _with_bars(dataset: Dataset) -> Iterator[str]:
    for source in dataset.sources:
        if source.kind == "bars":
            yield dataset.instruments[source.instrument].symbol


def from_bar_file(text: str) -> tuple[Instrument, int]:
    """SYMBOL=FILE as an instrument, and the bars' length: a parquet or csv file with one bar a row.

    Columns: ts (open time), open, high, low, close, volume, and, where known, taker_buy_volume (or
    buy_volume) and trades. The length is the most frequent step. DataError names what is missing.
    """
    symbol, _, path = text.partition("=")
    if not symbol or not path:
        raise DataError(f"--bars {text!r}: write SYMBOL=FILE, such as BTC-USDT=btc_1m.parquet")
    file = Path(path)
    frame = _table(file)
    missing = [c for c in ("ts", "open", "high", "low", "close", "volume") if c not in frame.columns]
    if missing:
        raise DataError(
            f"{file}: columns {', '.join(missing)} are missing; it has {', '.join(frame.columns)}"
        )
    if not frame["ts"].dtype.is_temporal():
        raise DataError(f"{file}: column 'ts' holds no times (ISO dates or times are read)")
    ts = frame["ts"].cast(pl.Datetime("ns")).cast(pl.Int64).to_numpy()
    values = [frame[c].cast(pl.Float64).to_numpy() for c in ("open", "high", "low", "close", "volume")]
    bars = make_bars(ts, *values)
    if len(ts) < 2:
        raise DataError(f"{file}: at least two bars are needed")
    steps, counts = np.unique(np.diff(bars.ts), return_counts=True)
    buy = next((c for c in ("taker_buy_volume", "buy_volume") if c in frame.columns), "")
    buys = None
    if buy and "trades" in frame.columns:
        buys = np.column_stack([frame[c].cast(pl.Float64).to_numpy() for c in (buy, "trades")])
    return Instrument(symbol, bars, buys, None), int(steps[counts.argmax()])


def _table(file: Path) -> pl.DataFrame:
    """A parquet or csv file; DataError if it cannot be read."""
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        return pl.read_csv(file, try_parse_dates=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot read {file}: {error}") from error


def series_of(text: str) -> tuple[str, Known]:
    """NAME=FILE@DELAY as a series: a csv or parquet file, its first column a time, its second the value.

    DELAY (1d, 6h, 0s) is how long after its time a value is published; it must be said, since a series
    often bears the date that it describes. DataError names what is wrong.
    """
    name, _, rest = text.partition("=")
    path, at, delay = rest.rpartition("@")
    units = {"s": NS, "m": 60 * NS, "h": 3600 * NS, "d": DAY_NS}
    if not name.isidentifier() or not at or not delay[:-1].isdigit() or delay[-1] not in units:
        raise DataError(f"--series {text!r}: write NAME=FILE@DELAY, such as fear_greed=fng.csv@1d")
    file = Path(path)
    frame = _table(file)
    if frame.width < 2:
        raise DataError(f"{file}: a time and a value are needed, found {frame.columns}")
    time, value = frame.to_series(0), frame.to_series(1)
    if not time.dtype.is_temporal():
        raise DataError(f"{file}: column {time.name!r} holds no times (ISO dates or times are read)")
    times = time.cast(pl.Datetime("ns")).cast(pl.Int64).to_numpy() + int(delay[:-1]) * units[delay[-1]]
    values = value.cast(pl.Float64, strict=False).to_numpy()
    order = np.argsort(times, kind="stable")
    return name, Known(np.ascontiguousarray(times[order]), np.ascontiguousarray(values[order]))
