"""Recorded data into the lake: `import_frames`, `import_bars`, `import_funding`.

Every function answers a report: frames (lines or rows read and accepted as such), events
written, gaps, rejected with counts by reason, seconds, warnings, the instrument and its clock
offset. Input that cannot be used raises DataError, a folder that cannot be written StorageError; what
was in the data set before stays readable.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bot4.engine.intake_bars import import_bar_file, import_funding_file
from bot4.engine.intake_frames import import_file
from bot4.engine.intake_text import Progress

_SUMS = ("frames", "events", "gaps", "crossed", "rejected", "quarantined", "skipped_files", "rounded_volumes")
_TALLIES = ("reasons", "quality")


def _paths(files: Path | str | Iterable[Path | str]) -> list[Path]:
    if isinstance(files, Path | str):
        return [Path(files)]
    return [Path(file) for file in files]


def merged(reports: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """One report out of those of several files or instruments, which stay under `imports`."""
    total: dict[str, Any] = dict(reports[0]) if len(reports) == 1 else {}
    for name in _SUMS:
        total[name] = sum(report.get(name, 0) for report in reports)
    for name in _TALLIES:
        joined: dict[str, int] = {}
        for report in reports:
            for reason, count in report.get(name, {}).items():
                joined[reason] = joined.get(reason, 0) + count
        total[name] = joined
    total["instruments"] = sorted({report["instrument"] for report in reports})
    total["instrument"] = ", ".join(total["instruments"])
    total["clock_offset_ns"] = min(report["clock_offset_ns"] for report in reports)
    total["warnings"] = list(dict.fromkeys(text for report in reports for text in report["warnings"]))
    total["seconds"] = seconds
    total["imports"] = reports
    return total


def import_frames(
    files: Path | str | Iterable[Path | str],
    venue: str,
    out: Path | str,
    instrument: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Recorded WebSocket frames (or Binance CSV captures, Bitstamp logs) into the lake at `out`.

    `venue` is binance-spot, binance-usdm or bitstamp. Without `instrument` every symbol in the
    files is imported. `rejected` counts frames that could not be read plus events that the quality
    checks quarantine (these are stored: the engine refuses them again by the same checks).
    `progress` is called with (bytes done, bytes in all) of the file at hand.
    """
    start = time.perf_counter()
    reports: list[dict[str, Any]] = []
    for path in _paths(files):
        reports += import_file(path, venue, Path(out), instrument, progress)
    return merged(reports, time.perf_counter() - start)


def import_bars(
    file: Path | str | Iterable[Path | str],
    instrument: str,
    timeframe: str,
    out: Path | str,
    market: str = "spot",
    progress: Progress | None = None,
    venue: str | None = None,
) -> dict[str, Any]:
    """Bars (csv, csv.gz, parquet; columns ts, open, high, low, close, volume) into the lake.

    `gaps` counts missing bars, `rejected` rows left out. Prices are exact; volumes keep as many
    decimals as leave tick x lot ten, rounded to the nearest lot (counted in `rounded_volumes`).
    """
    start = time.perf_counter()
    where = venue or ("binance-usdm" if market == "perp" else "binance-spot")
    reports = [
        import_bar_file(path, instrument, timeframe, Path(out), market, where, progress)
        for path in _paths(file)
    ]
    return merged(reports, time.perf_counter() - start)


def import_funding(
    file: Path | str | Iterable[Path | str], instrument: str, out: Path | str, venue: str = "binance-usdm"
) -> dict[str, Any]:
    """Funding rates (columns ts, rate) of a perpetual into the lake as EV_FUNDING events."""
    start = time.perf_counter()
    reports = [import_funding_file(path, instrument, Path(out), venue) for path in _paths(file)]
    return merged(reports, time.perf_counter() - start)
