"""Importing bars and funding rates from tables."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.audit_nb import Audit, audit_nb
from bot4.engine.intake_table import BAD, KLINE, decimals, pick_columns, read_table, same_scale, times_ns
from bot4.engine.intake_text import Progress
from bot4.kernels.records import records
from bot4.market.book import new_book
from bot4.market.grid import infer_step
from bot4.model import codes_nb as c
from bot4.model.errors import DataError
from bot4.model.events import EVENT_DTYPE, RATE_SCALE
from bot4.model.instrument import Instrument
from bot4.model.times import duration_ns, duration_text
from bot4.model.values import I64_MAX, decimal_amount, places, plain_step
from bot4.quality.checks import counts as quality_counts
from bot4.quality.checks import new_quality
from bot4.quality.checks_nb import QualityParams
from bot4.storage.files import sha256_of
from bot4.storage.lake import LakeWriter, Source

Array = np.ndarray[Any, Any]

MAX_EXP = 10  # decimals of tick x lot that the account's money can hold
MAX_LOT_VALUE = 1000  # quote currency; no venue's smallest order costs more
_LEAST_NS = 946_684_800 * 10**9  # 2000-01-01
_MOST_NS = 4_102_444_800 * 10**9  # 2100-01-01


def instrument_named(text: str, market: str, venue: str) -> tuple[str, str, str, str]:
    """(symbol, base, quote, kind) of 'BTC-USDT', 'BTC/USDT' or 'BTC-USDT-PERP'."""
    if market not in ("spot", "perp"):
        raise DataError(f"market {market!r} is not spot or perp")
    name = text.strip().upper().replace("/", "-").replace("_", "-")
    perp = market == "perp" or name.endswith("-PERP")
    base, _, quote = name.removesuffix("-PERP").partition("-")
    if not base or not quote or "-" in quote:
        raise DataError(f"{text!r} is not an instrument; write for example BTC-USDT or BTC-USDT-PERP")
    return f"{base}-{quote}" + ("-PERP" if perp else ""), base, quote, "perp" if perp else "spot"


def _reject(columns: dict[str, Array], tally: dict[str, int], reason: str, bad: Array) -> dict[str, Array]:
    """Drop the rows marked bad and count them."""
    n = int(bad.sum())
    if not n:
        return columns
    tally[reason] = tally.get(reason, 0) + n
    return {name: values[~bad] for name, values in columns.items()}


def clean_bars(columns: dict[str, Array], tally: dict[str, int], width: int) -> dict[str, Array]:
    """Sound bars in order of time, each once; what is dropped is counted by reason in `tally`.

    `columns`: int64 arrays ts (ns), open, high, low, close, volume; BAD marks what could not be read.
    """
    cols = _reject(columns, tally, "bad_time", (columns["ts"] < _LEAST_NS) | (columns["ts"] > _MOST_NS))
    prices = ("open", "high", "low", "close")
    unread = cols["volume"] == BAD
    for name in prices:
        unread = unread | (cols[name] == BAD)
    cols = _reject(cols, tally, "not_a_number", unread)
    below = np.zeros(len(cols["ts"]), bool)
    for name in prices:
        below |= cols[name] <= 0
    cols = _reject(cols, tally, "price_not_positive", below)
    cols = _reject(cols, tally, "negative_volume", cols["volume"] < 0)
    body_low = np.minimum(cols["open"], cols["close"])
    body_high = np.maximum(cols["open"], cols["close"])
    cols = _reject(cols, tally, "inconsistent", (cols["low"] > body_low) | (cols["high"] < body_high))
    ts = cols["ts"]
    if len(ts) > 1 and (np.diff(ts) < 0).any():
        tally["out_of_order"] = int((ts < np.maximum.accumulate(ts)).sum())
        order = np.argsort(ts, kind="stable")
        cols = {name: values[order] for name, values in cols.items()}
        ts = cols["ts"]
    again = np.zeros(len(ts), bool)
    again[1:] = ts[1:] == ts[:-1]
    return _reject(cols, tally, "duplicate", again)


def _check_width(ts: Array, width: int, path: Path) -> int:
    """Missing bars between the first and the last; DataError if the bars are of another width."""
    steps = np.diff(ts)
    if not len(steps):
        return 0
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[counts.argmax()])
    if usual < width or (usual > width and not (values == width).any()):
        raise DataError(
            f"{path}: bars are {duration_text(usual)} apart, the timeframe given is {duration_text(width)}"
        )
    return int((steps // width - 1).clip(0).sum())


def _whole_lots(volume: Array, exp: int, tick: Decimal) -> tuple[Array, int, int]:
    """Volumes with so few decimals that tick x lot has at most MAX_EXP: (lots, decimals, rounded)."""
    room = max(0, MAX_EXP - places(tick))
    while exp > 0 and not (volume % 10).any():
        volume, exp = volume // 10, exp - 1
    if exp <= room:
        return volume, exp, 0
    unit = 10 ** (exp - room)
    lots = (volume + unit // 2) // unit
    return lots, room, int((lots * unit != volume).sum())


def finer_lot(lot: Decimal, tick: Decimal, price: Decimal) -> Decimal:
    """The lot itself if it costs at most MAX_LOT_VALUE at `price`, else a finer one that costs at most 1.

    Volumes in whole coins do not tell the venue's lot, and with a lot that dear nothing could be traded.
    """
    if lot * price <= MAX_LOT_VALUE:
        return lot
    room = MAX_EXP - places(tick)
    while lot * price > 1 and -int(lot.as_tuple().exponent) < room:
        lot = lot.scaleb(-1)
    return plain_step(lot)


def _bar_rows(cols: dict[str, Array], width: int) -> Array:
    """EV_BAR events."""
    rows = records(len(cols["ts"]), EVENT_DTYPE)
    rows["kind"] = c.EV_BAR
    rows["ts_venue"] = cols["ts"]
    rows["ts_local"] = cols["ts"] + width
    rows["price"], rows["x"], rows["y"] = cols["close"], cols["open"], cols["high"]
    rows["seq"], rows["qty"] = cols["low"], cols["volume"]
    return rows


def _price_unit(cols: dict[str, Array]) -> int:
    return int(np.gcd.reduce([int(np.gcd.reduce(cols[name])) for name in ("open", "high", "low", "close")]))


def _empty(path: Path, symbol: str, warning: str) -> dict[str, Any]:
    return {
        "file": path.name, "frames": 0, "events": 0, "gaps": 0, "rejected": 0, "reasons": {},
        "instrument": symbol, "clock_offset_ns": 0, "skipped_files": 1, "warnings": [warning],
    }  # fmt: skip


def _audit_bars(writer: LakeWriter, tick: Decimal, lot: Decimal) -> dict[str, int]:
    """What the quality checks will refuse of the staged bars."""
    audit = Audit(new_book(1, 16384, 16, 1), new_quality(1), QualityParams(), np.zeros(4, np.int64))
    for rows in writer.staged(tick, lot):
        audit_nb(audit, rows)
    return quality_counts(audit.quality, 0)


def _overlap(writer: LakeWriter, name: tuple[str, str], kind: str, cols: dict[str, Array], width: int) -> int:
    """How many rows are held already; they are taken out of `cols`. DataError if the widths differ."""
    data = writer.dataset
    index = data.find(*name)
    if index < 0:
        return 0
    for source in data.sources:
        if source.instrument == index and source.kind == kind and source.timeframe_ns != width:
            raise DataError(
                f"{data.folder} holds {duration_text(source.timeframe_ns)} bars of {name[0]}; "
                f"{duration_text(width)} bars need a folder of their own"
            )
    seen = np.isin(cols["ts"], data.venue_times(index, kind))
    for key in cols:
        cols[key] = cols[key][~seen]
    return int(seen.sum())


def import_bar_file(
    path: Path, instrument: str, timeframe: str, out: Path, market: str, venue: str, progress: Progress | None
) -> dict[str, Any]:
    """One file of bars into the lake: its report."""
    width = duration_ns(timeframe)
    if width <= 0:
        raise DataError(f"timeframe {timeframe!r} is not positive")
    symbol, base, quote, kind = instrument_named(instrument, market, venue)
    warnings: list[str] = []
    whole = read_table(path, warnings, progress)
    for name in ("venue", "exchange", "coin", "symbol"):
        if name in whole.columns and whole[name].n_unique() > 1:
            raise DataError(f"{path}: holds bars of several values of {name!r}; give one instrument a file")
    table = pick_columns(whole, KLINE, path)
    sha = sha256_of(path)
    tally: dict[str, int] = {}
    prices, price_exp = same_scale([decimals(table[name]) for name in ("open", "high", "low", "close")])
    volume, qty_exp = decimals(table["volume"])
    raw = dict(zip(("open", "high", "low", "close"), prices), ts=times_ns(table["ts"]), volume=volume)
    cols = clean_bars(raw, tally, width)
    if not len(cols["ts"]):
        raise DataError(f"{path}: no usable bar in {table.height} rows ({tally})")
    missing = _check_width(cols["ts"], width, path)
    tick = infer_step(decimal_amount(_price_unit(cols), price_exp), 4 * len(cols["ts"]))
    cols["volume"], qty_exp, rounded = _whole_lots(cols["volume"], qty_exp, tick)
    with LakeWriter(out) as writer:
        if writer.dataset.source_of(sha) is not None:
            return _empty(path, symbol, f"{path.name}: already imported; nothing was added")
        held = _overlap(writer, (symbol, venue), "bars", cols, width)
        if held:
            tally["overlap"] = held
            warnings.append(f"{path.name}: {held} bars are in the data set already and were left out")
        if not len(cols["ts"]):
            return {**_empty(path, symbol, warnings[-1]), "rejected": sum(tally.values()), "reasons": tally}
        writer.begin(f"{sha[:12]}-bars")
        writer.add(_bar_rows(cols, width), price_exp, qty_exp)
        tick, lot = (plain_step(step) if step else Decimal(1) for step in writer.grid())
        tick, lot = infer_step(tick, 4 * len(cols["ts"])), infer_step(lot, len(cols["ts"]))
        lot = finer_lot(lot, tick, decimal_amount(int(cols["close"].max()), price_exp))
        made = Instrument(
            symbol, venue, base, quote, kind, tick, lot, lot, lot * (I64_MAX >> 20), Decimal(0), inferred=True
        )
        quality = _audit_bars(writer, tick, lot)
        source = Source(path.name, sha, 0, "bars", width, counts=dict(tally))
        index = writer.commit(made, source)
        made = writer.dataset.instruments[index]
    dropped = sum(n for reason, n in tally.items() if reason != "out_of_order")
    return {
        "file": path.name,
        "frames": table.height,
        "events": len(cols["ts"]),
        "gaps": missing,
        "rejected": dropped,
        "reasons": tally,
        "rounded_volumes": rounded,
        "quality": quality,
        "quarantined": sum(quality.values()),
        "instrument": symbol,
        "venue": venue,
        "tick": f"{made.tick:f}",
        "lot": f"{made.lot:f}",
        "clock_offset_ns": 0,
        "warnings": warnings,
    }


def import_funding_file(path: Path, instrument: str, out: Path, venue: str) -> dict[str, Any]:
    """One file of funding rates (ts, rate) into the lake as EV_FUNDING: its report."""
    symbol, base, quote, kind = instrument_named(instrument, "perp", venue)
    warnings: list[str] = []
    table = pick_columns(read_table(path, warnings), ("ts", "rate"), path)
    sha = sha256_of(path)
    tally: dict[str, int] = {}
    rate, exp = decimals(table["rate"])
    cols = {"ts": times_ns(table["ts"]), "rate": rate}
    cols = _reject(cols, tally, "bad_time", (cols["ts"] < _LEAST_NS) | (cols["ts"] > _MOST_NS))
    cols = _reject(cols, tally, "not_a_number", cols["rate"] == BAD)
    unit = 10**exp
    cols = _reject(cols, tally, "absurd_rate", np.abs(cols["rate"]) >= unit)
    rates = np.rint(cols["rate"] * (RATE_SCALE / unit)).astype(np.int64)
    if exp <= 8:
        rates = cols["rate"] * (RATE_SCALE // unit)
    cols["rate"] = rates
    order = np.argsort(cols["ts"], kind="stable")
    if (np.diff(cols["ts"]) < 0).any():
        tally["out_of_order"] = int((cols["ts"] < np.maximum.accumulate(cols["ts"])).sum())
    cols = {name: values[order] for name, values in cols.items()}
    again = np.zeros(len(order), bool)
    again[1:] = cols["ts"][1:] == cols["ts"][:-1]
    cols = _reject(cols, tally, "duplicate", again)
    if not len(cols["ts"]):
        raise DataError(f"{path}: no usable funding rate in {table.height} rows ({tally})")
    with LakeWriter(out) as writer:
        if writer.dataset.source_of(sha) is not None:
            return _empty(path, symbol, f"{path.name}: already imported; nothing was added")
        held = _overlap(writer, (symbol, venue), "funding", cols, 0)
        if held:
            tally["overlap"] = held
        if not len(cols["ts"]):
            return _empty(path, symbol, f"{path.name}: all {held} rates are in the data set already")
        rows = records(len(cols["ts"]), EVENT_DTYPE)
        rows["kind"] = c.EV_FUNDING
        rows["ts_venue"] = rows["ts_local"] = cols["ts"]
        rows["x"] = cols["rate"]
        writer.begin(f"{sha[:12]}-funding")
        writer.add(rows, 0, 0)
        index = writer.dataset.find(symbol, venue)
        one = Decimal(1)
        made = Instrument(
            symbol, venue, base, quote, kind, one, one, one, one * (I64_MAX >> 20), Decimal(0), inferred=True
        )
        if index >= 0:
            made = writer.dataset.instruments[index]
        writer.commit(made, Source(path.name, sha, 0, "funding", counts=dict(tally)))
    return {
        "file": path.name,
        "frames": table.height,
        "events": len(rows),
        "gaps": 0,
        "rejected": sum(n for reason, n in tally.items() if reason != "out_of_order"),
        "reasons": tally,
        "instrument": symbol,
        "venue": venue,
        "clock_offset_ns": 0,
        "warnings": warnings,
    }
