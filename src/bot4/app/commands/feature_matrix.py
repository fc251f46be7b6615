"""`bot4 features matrix`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.learning.feature_matrix import Options, build_matrix
from bot4.learning.matrix_sources import Instrument, Sources, from_bar_file, from_dataset, series_of
from bot4.model.errors import ConfigError, DataError
from bot4.storage.lake import Dataset


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
    as_json: bool,
) -> dict[str, Any] | None:
    """Build a matrix on disk and say what it holds."""
    found, bar_ns = _instruments(data, bars, tuple(instruments))
    if reference and reference not in {i.symbol for i in found}:
        known = ", ".join(i.symbol for i in found)
        raise ConfigError(f"--reference {reference}: no such instrument here; there is {known}")
    sources = Sources(found, bar_ns, reference, dict(series_of(s) for s in series))
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
    }
    if as_json:
        return document
    bootstrap.shown(document, [(k, f"{v:,}" if isinstance(v, int) else str(v)) for k, v in document.items()])
    return None


def _instruments(
    data: Path | None, bars: list[str], names: tuple[str, ...]
) -> tuple[tuple[Instrument, ...], int]:
    """Instruments of a data set or of bar files, all with bars of one length."""
    if (data is None) == (not bars):
        raise ConfigError("name a data set with --data, or files with --bars SYMBOL=FILE")
    if data is not None:
        return from_dataset(Dataset.open(data), names)
    read = [from_bar_file(b) for b in bars]
    lengths = {length for _, length in read}
    if len(lengths) > 1:
        raise DataError(f"bars of different length: {sorted(n // 10**9 for n in lengths)} s")
    return tuple(i for i, _ in read if not names or i.symbol in names), lengths.pop()
