"""`bot4 features matrix`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from bot4.app import bootstrap
from bot4.features.matrix_graph import BUYS
from bot4.learning.feature_matrix import Options, build_matrix
from bot4.learning.matrix_sources import (
    Instrument,
    Sources,
    from_bar_file,
    from_dataset,
    from_trades,
    series_of,
)
from bot4.model.errors import ConfigError, DataError
from bot4.model.times import duration_ns
from bot4.storage.lake import Dataset

_REMEDIES = {
    BUYS: "bar files with the columns taker_buy_volume and trades (--bars SYMBOL=FILE), "
    "or recorded trades (--data DIR --timeframe 1m)",
    "a reference instrument": "--reference SYMBOL",
    "funding rates": "a data set of bars and funding (bot4 data import --funding)",
    "index_price": "--series index_price=FILE@DELAY",
    "open_interest": "--series open_interest=FILE@DELAY",
}


class Read(NamedTuple):
    """Instruments with bars of one length, when these are complete, what the reader should know."""

    instruments: tuple[Instrument, ...]
    bar_ns: int
    delay_ns: int = 0
    warnings: tuple[str, ...] = ()


def matrix(
    *,
    data: Path | None,
    bars: list[str],
    out: Path,
    columns: int,
    jobs: int,
    partition: str,
    instruments: list[str],
    reference: str,
    series: list[str],
    timeframe: str,
    as_json: bool,
) -> dict[str, Any] | None:
    """Build a matrix on disk and say what it holds and what it lacks."""
    read = _instruments(data, bars, tuple(instruments), timeframe)
    if reference and reference not in {i.symbol for i in read.instruments}:
        known = ", ".join(i.symbol for i in read.instruments)
        raise ConfigError(f"--reference {reference}: no such instrument here; there is {known}")
    known_series = dict(series_of(s) for s in series)
    sources = Sources(read.instruments, read.bar_ns, reference, known_series, read.delay_ns)
    with bootstrap.progress(as_json) as bar:
        manifest = build_matrix(sources, out, Options(columns, jobs, partition), progress=bar)
    document = {
        "out": str(out),
        "rows": manifest["rows"],
        "columns": len(manifest["columns"]),
        "instruments": manifest["instruments"],
        "parts": len(manifest["parts"]),
        "content_hash": manifest["content_hash"],
        "nan": manifest["nan"],
        "left_out": manifest["left_out"],
        "warnings": list(read.warnings),
    }
    if as_json:
        return document
    rows = [
        (k, ", ".join(v) if isinstance(v, list) else f"{v:,}" if isinstance(v, int) else str(v))
        for k, v in document.items()
        if k not in ("left_out", "warnings")
    ]
    rows += [(f"without {k}", _lack(k, v)) for k, v in manifest["left_out"].items()]
    bootstrap.shown(document, rows)
    return None


def _lack(missing: str, names: list[str]) -> str:
    """What is left out for want of an input, all of it in the manifest, and where to get it."""
    return f"{len(names)} columns left out ({names[0]} ...); to have them: {_REMEDIES[missing]}"


def _instruments(data: Path | None, bars: list[str], names: tuple[str, ...], timeframe: str) -> Read:
    """Instruments of a data set or of bar files, all with bars of one length."""
    if (data is None) == (not bars):
        raise ConfigError("name a data set with --data, or files with --bars SYMBOL=FILE")
    if data is not None:
        return _of_dataset(Dataset.open(data), names, timeframe)
    if timeframe:
        raise ConfigError("--timeframe makes bars of recorded trades: name a data set with --data")
    read = [from_bar_file(b) for b in bars]
    lengths = {length for _, length in read}
    if len(lengths) > 1:
        raise DataError(f"bars of different length: {sorted(n // 10**9 for n in lengths)} s")
    held = [i.symbol for i, _ in read]
    unknown = [n for n in names if n not in held]
    if unknown:
        raise ConfigError(
            f"--instrument {', '.join(unknown)}: no such file named; there is {', '.join(held)}"
        )
    return Read(tuple(i for i, _ in read if not names or i.symbol in names), lengths.pop())


def _of_dataset(dataset: Dataset, names: tuple[str, ...], timeframe: str) -> Read:
    """Bars as imported, or made of trades where a time frame is named."""
    if timeframe:
        bar_ns = duration_ns(timeframe)
        if bar_ns <= 0:
            raise ConfigError(f"--timeframe {timeframe}: it must be longer than nothing")
        made = from_trades(dataset, names, bar_ns)
        return Read(made.instruments, bar_ns, made.delay_ns, (*dataset.warnings, *made.warnings))
    if not any(s.kind == "bars" for s in dataset.sources):
        raise ConfigError(f"{dataset.folder} holds no bars; make them of its trades with --timeframe 1m")
    found, bar_ns = from_dataset(dataset, names)
    return Read(found, bar_ns, 0, tuple(dataset.warnings))
