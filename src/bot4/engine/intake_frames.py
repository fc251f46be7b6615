"""Importing recorded frames: parse, judge, write to the lake."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.audit_nb import Audit, audit_nb
from bot4.engine.intake_text import (
    Progress,
    binance_csv_frames,
    bitstamp_frames,
    packed_lines,
    text_blocks,
    text_lines,
)
from bot4.kernels.records import records
from bot4.market import binance_nb as b
from bot4.market import scan_nb as s
from bot4.market.book import new_book
from bot4.market.grid import infer_step, symbol_parts
from bot4.model import codes_nb as c
from bot4.model.errors import DataError
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import I64_MAX, decimal_amount, plain_step
from bot4.quality.checks import counts as quality_counts
from bot4.quality.checks import new_quality
from bot4.quality.checks_nb import QualityParams
from bot4.storage.files import sha256_of
from bot4.storage.lake import BASE_LATENCY_NS, LakeWriter, Source, shift_of

VENUES = ("binance-spot", "binance-usdm", "bitstamp")
OUTCOMES = {
    s.P_OTHER_SYMBOL: "other_symbol",
    s.P_IGNORED: "ignored",
    s.P_SKIPPED_TRADE: "skipped_trade",
    s.P_AMBIGUOUS: "ambiguous_snapshot",
    s.P_MALFORMED: "malformed",
    s.P_TIME: "bad_time",
    s.P_MISSING: "missing_key",
    s.P_NUMBER: "not_a_number",
    s.P_NEGATIVE: "negative",
    s.P_ZERO_PRICE: "zero_price",
    s.P_OVERFLOW: "overflow",
    s.P_OFF_GRID: "off_grid",
    s.P_SEQUENCE: "bad_sequence_ids",
    s.P_TOO_LARGE: "too_large",
}
"""Words for what became of a line, without the accepted and the blank ones."""

_EXPS = ((8, 8), (8, 4), (8, 0), (12, 8), (12, 4))
_SYMBOL = re.compile(rb'"s"\s*:\s*"([A-Za-z0-9_.\-]{2,32})"')
_FAR_OFF_NS = 60_000_000_000

Blocks = Callable[[], Iterator[bytes]]


@dataclass(slots=True)
class Parsed:
    """What one pass over a file gave."""

    parser: b.FrameParser
    delays: np.ndarray[Any, Any]  # receive minus venue time of trades and diffs, ns
    trade_lots: list[tuple[int, int]]  # (unit, decimals) of trade quantities by block
    values: int


def _parse_block(parser: b.FrameParser, block: bytes, exps: tuple[int, int], out: Any) -> tuple[Any, Any]:
    """Events of a block and the decimals they are in.

    Starts with `exps`; if numbers did not fit or were finer, the decimals that lose the fewest
    frames are taken.
    """
    buf = np.frombuffer(block, np.uint8)
    saved = [field.copy() for field in (parser.work, parser.counts, parser.bad)]

    def attempt(candidate: tuple[int, int]) -> tuple[int, int]:
        for held, old in zip((parser.work, parser.counts, parser.bad), saved):
            held[:] = old
        parser.work[b.G_PRICE_EXP], parser.work[b.G_QTY_EXP] = candidate
        _, n = b.parse_frames_nb(parser, buf, 0, len(buf), out, 0)
        lost = parser.counts[s.P_OVERFLOW] + parser.counts[s.P_OFF_GRID]
        return int(lost - saved[1][s.P_OVERFLOW] - saved[1][s.P_OFF_GRID]), n

    lost, n = attempt(exps)
    if lost:
        best = min((attempt(candidate)[0], order) for order, candidate in enumerate(_EXPS))
        if best[0] < lost:
            exps = _EXPS[best[1]]
        lost, n = attempt(exps)
    return out[:n], exps


def _parse_all(blocks: Iterable[bytes], symbol: str, many: bool, agg: bool, writer: LakeWriter) -> Parsed:
    """One pass: every block parsed and added to the writer."""
    parser = b.new_parser(symbol, 0, (8, 1), (8, 1))
    parser.work[b.G_MANY] = int(many)
    parser.work[b.G_AGG] = int(agg)
    exps = _EXPS[0]
    delays: list[np.ndarray[Any, Any]] = []
    lots: list[tuple[int, int]] = []
    values = 0
    out = np.zeros(0, EVENT_DTYPE)
    for block in blocks:
        if len(out) < len(block) // 8 + 1:
            out = records(len(block) // 8 + 1, EVENT_DTYPE)
        rows, exps = _parse_block(parser, block, exps, out)
        if not len(rows):
            continue
        writer.add(rows, *exps)
        kind = rows["kind"]
        trades = kind == c.EV_TRADE
        timed = rows[trades | (kind == c.EV_DEPTH_HEAD)]
        delays.append(timed["ts_local"] - timed["ts_venue"])
        if trades.any():
            lots.append((int(np.gcd.reduce(rows["qty"][trades])), exps[1]))
        values += int((kind != c.EV_DEPTH_HEAD).sum())
    joined = np.concatenate(delays) if delays else np.zeros(0, np.int64)
    return Parsed(parser, joined, lots, values)


def clock_offset(delays: np.ndarray[Any, Any], warnings: list[str]) -> int:
    """The least receive-minus-venue time, which is what the two clocks differ by at most.

    Delays more than a minute below the median are damaged stamps, not clocks: left out, and said.
    """
    if not len(delays):
        return 0
    floor = float(np.median(delays)) - _FAR_OFF_NS
    sound = delays[delays >= floor]
    if len(sound) < len(delays):
        warnings.append(
            f"{len(delays) - len(sound)} frames left out of the clock estimate: over a minute early"
        )
    return int(sound.min())


def _step(unit: Decimal, values: int) -> Decimal:
    return infer_step(unit, values) if unit > 0 else Decimal(1)


def _instrument(venue: str, symbol: str, grid: tuple[Decimal, Decimal], parsed: Parsed) -> Instrument:
    """The instrument as the data show it; `min_qty` is the step of the trades' quantities."""
    base, quote = symbol_parts(symbol.replace("-", "").replace("_", ""))
    perp = venue == "binance-usdm"
    name = "-".join(part for part in (base, quote) if part) + ("-PERP" if perp else "")
    tick, lot = _step(grid[0], parsed.values), _step(grid[1], parsed.values)
    least = Decimal(0)
    for unit, exp in parsed.trade_lots:
        step = decimal_amount(unit, exp)
        least = step if least == 0 else min(least, step)
    least = max(lot, infer_step(least, 0)) if least > 0 else lot
    if least % lot:
        least = lot
    return Instrument(
        symbol=name,
        venue=venue,
        base=base,
        quote=quote or "USD",
        kind="perp" if perp else "spot",
        tick=tick,
        lot=lot,
        min_qty=plain_step(least),
        max_qty=lot * (I64_MAX >> 20),
        min_notional=Decimal(0),
        inferred=True,
    )


def _audit(writer: LakeWriter, instrument: Instrument, shift: int) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of the book and of the quality checks over the staged rows, as the engine will see them."""
    audit = Audit(new_book(1), new_quality(1), QualityParams(), np.zeros(4, np.int64))
    for rows in writer.staged(instrument.tick, instrument.lot):
        rows["instrument"] = 0
        rows["ts_local"] += shift
        audit_nb(audit, rows)
    top = audit.book.top[0]
    names = ("gaps", "crossed", "stale_diffs", "dropped", "frames", "refused", "late_snapshots", "valid")
    book = {name: int(top[name]) for name in names}
    book |= {"trades": int(audit.sums[0]), "trade_lots": int(audit.sums[1])}
    return book, quality_counts(audit.quality, 0)


def _source_blocks(path: Path, venue: str, warnings: list[str], progress: Progress | None) -> Blocks:
    """A function that starts a fresh pass over the file's frames, whatever form it is in."""
    told: list[str] = []
    head = next(text_blocks(path, told), b"")
    if not head.strip():
        raise DataError(f"{path}: {told[-1] if told else 'empty'}; expected lines of RECEIVED_NS SPACE JSON")
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()

    def plain() -> Iterator[bytes]:
        warnings[:] = []
        return text_blocks(path, warnings, progress)

    if venue == "bitstamp":
        return lambda: packed_lines(bitstamp_frames(text_lines(plain()), path.name, "BTCUSD"))
    if first.startswith("TimestampOfReceive"):
        return lambda: packed_lines(binance_csv_frames(text_lines(plain()), path.name))
    if not re.search(rb"(^|\n)\s*\d{12,20} +[{\[]", head):
        raise DataError(
            f"{path}: expected recorded frames, one a line: RECEIVED_NS SPACE JSON (or a Binance CSV capture "
            f"with the header TimestampOfReceive,...); got {first[:60]!r}"
        )
    return plain


def _venue_symbol(wanted: str) -> str:
    """'BTC-USDT-PERP' or 'BTC-USDT' or 'BTCUSDT' as the venue writes it."""
    return wanted.upper().removesuffix("-PERP").replace("-", "").replace("/", "").replace("_", "")


def _symbols(blocks: Blocks, everything: bool) -> Counter[str]:
    """Venue symbols in the file's frames: in the first block, or in all."""
    found: Counter[str] = Counter()
    for block in blocks():
        found.update(name.decode().upper() for name in _SYMBOL.findall(block))
        if found and not everything:
            break
    return found


def _report(parsed: Parsed, path: Path) -> dict[str, Any]:
    """What the parser counted."""
    counts = parsed.parser.counts
    bad = parsed.parser.bad[: int(parsed.parser.work[b.T_BAD])]
    return {
        "file": path.name,
        "frames": int(counts[s.P_OK]),
        "lines": int(counts.sum()),
        "rejected": int(counts[s.P_FIRST_REJECT :].sum()),
        "reasons": {name: int(counts[code]) for code, name in OUTCOMES.items() if counts[code]},
        "first_rejected": [{"line": int(line), "reason": OUTCOMES[int(code)]} for line, code in bad],
    }


def _import_one(
    path: Path, sha: str, venue: str, symbol: str, blocks: Blocks, many: bool, writer: LakeWriter
) -> dict[str, Any] | None:
    """One symbol of one file; None if the file turns out to hold other symbols too (and `many` is off)."""
    warnings: list[str] = []
    head = next(blocks(), b"")
    agg = b'"aggTrade"' in head and b'"e":"trade"' not in head
    writer.begin(f"{sha[:12]}-{re.sub('[^A-Za-z0-9]', '', symbol)}")
    parsed = _parse_all(blocks(), symbol, many, agg, writer)
    if parsed.parser.counts[s.P_OTHER_SYMBOL] and not many:
        return None
    report = _report(parsed, path)
    if not report["frames"]:
        raise DataError(
            f"{path}: no usable frame of {symbol} in {report['lines']} lines ({report['reasons']}); expected "
            "depthUpdate, bookTicker, trade or aggTrade frames or a depth snapshot"
        )
    offset = clock_offset(parsed.delays, warnings)
    shift = shift_of(offset)
    grid = writer.grid()
    instrument = _instrument(venue, symbol, grid, parsed)
    book, quality = _audit(writer, instrument, shift)
    median = float(np.median(parsed.delays)) / 1e6 if len(parsed.delays) else 0.0
    held = {**report["reasons"], "frames": report["frames"], "rejected": report["rejected"]}
    source = Source(
        path.name, sha, 0, "frames", clock_offset_ns=offset, counts={**held, "gaps": book["gaps"]}
    )
    before = writer.dataset.rows
    index = writer.commit(instrument, source)
    kept = writer.dataset.instruments[index]
    if offset < 0:
        warnings.append(
            f"the recorder's clock ran at least {-offset / 1e6:.3f} ms behind the venue's; times are stored "
            f"as recorded and shifted by {shift / 1e6:.3f} ms on reading"
        )
    quarantined = sum(quality.values())
    return {
        **report,
        "events": writer.dataset.rows - before,
        "gaps": book["gaps"],
        "crossed": book["crossed"],
        "rejected": report["rejected"] + quarantined,
        "quarantined": quarantined,
        "quality": quality,
        "book": book,
        "instrument": kept.symbol,
        "venue": venue,
        "tick": f"{kept.tick:f}",
        "lot": f"{kept.lot:f}",
        "clock_offset_ns": offset,
        "latency_ms": {"raw": median, "corrected": median + shift / 1e6, "base": BASE_LATENCY_NS / 1e6},
        "warnings": warnings,
    }


def import_file(
    path: Path, venue: str, out: Path, instrument: str | None, progress: Progress | None
) -> list[dict[str, Any]]:
    """One file into the lake: a report for each instrument in it."""
    if venue not in VENUES:
        raise DataError(f"unknown venue {venue!r}; known are {', '.join(VENUES)}")
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    sha = sha256_of(path)
    warnings: list[str] = []
    with LakeWriter(out) as writer:
        known = writer.dataset.source_of(sha)
        if known is not None:
            return [_already(path, known.name, writer.dataset.instruments[known.instrument].symbol)]
        blocks = _source_blocks(path, venue, warnings, progress)
        if venue == "bitstamp":
            symbols = ["BTCUSD"]
        elif instrument:
            symbols = [_venue_symbol(instrument)]
        else:
            found = _symbols(blocks, everything=False) or _symbols(blocks, everything=True)
            if not found:
                raise DataError(f'{path}: no frame names a symbol; expected Binance frames with the key "s"')
            symbols = [found.most_common(1)[0][0]]
        many = bool(instrument) and len(_symbols(blocks, everything=True)) > 1
        first = _import_one(path, sha, venue, symbols[0], blocks, many, writer)
        if first is not None:
            reports = [first]
        else:
            every = sorted(name for name, n in _symbols(blocks, everything=True).items() if n > 1)
            reports = []
            for symbol in every or symbols:
                report = _import_one(path, sha, venue, symbol, blocks, True, writer)
                if report is not None:
                    reports.append(report)
        for report in reports:
            report["warnings"] = warnings + report["warnings"]
    return reports


def _already(path: Path, name: str, symbol: str) -> dict[str, Any]:
    """The report on a file whose content is in the data set."""
    return {
        "file": path.name, "frames": 0, "events": 0, "gaps": 0, "crossed": 0, "rejected": 0, "quarantined": 0,
        "reasons": {}, "quality": {}, "instrument": symbol, "clock_offset_ns": 0, "skipped_files": 1,
        "warnings": [f"{path.name}: already imported (as {name}); nothing was added"],
    }  # fmt: skip
