"""`bot4 data import|list|check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app import bootstrap
from bot4.engine.inspect import check_dataset
from bot4.engine.intake import import_bars, import_frames, import_funding
from bot4.model.errors import ConfigError, DataError
from bot4.model.times import instant_text
from bot4.storage.lake import Dataset


def import_(
    *,
    files: list[Path],
    out: Path,
    venue: str | None,
    bars: list[Path],
    funding: list[Path],
    instrument: str | None,
    timeframe: str | None,
    market: str,
    as_json: bool,
) -> dict[str, Any] | None:
    """Import whatever was named, one result."""
    if not files and not bars and not funding:
        raise ConfigError("name frame files (with --venue), --bars FILE or --funding FILE")
    parts: list[dict[str, Any]] = []
    with bootstrap.progress(as_json) as bar:
        if files:
            if venue is None:
                raise ConfigError("frames need --venue binance-usdm, binance-spot or bitstamp")
            parts.append(import_frames(files, venue, out, progress=bar))
        for path in bars:
            if instrument is None or timeframe is None:
                raise ConfigError("--bars needs --instrument (BTC-USDT) and --timeframe (1m)")
            parts.append(import_bars(path, instrument, timeframe, out, market, progress=bar))
        for path in funding:
            if instrument is None:
                raise ConfigError("--funding needs --instrument (BTC-USDT-PERP)")
            parts.append(import_funding(path, instrument, out))
    document = join(parts)
    if as_json:
        return document
    bootstrap.shown(document, [(k, str(v)) for k, v in document.items() if k != "warnings"])
    return None


def join(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Results of several imports: numbers add up, lists join, tables merge, the rest is the last one's."""
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            old = whole.get(key)
            numbers = isinstance(value, int | float) and isinstance(old, int | float)
            if isinstance(value, bool) or old is None:
                whole[key] = value
            elif (numbers and not key.startswith("clock")) or (
                isinstance(value, list) and isinstance(old, list)
            ):
                whole[key] = old + value
            elif isinstance(value, dict) and isinstance(old, dict):
                whole[key] = join([old, value])
            else:
                whole[key] = value
    return whole


def list_(*, folder: Path, as_json: bool) -> dict[str, Any] | None:
    """What a data set holds."""
    dataset = Dataset.open(folder)
    document = dataset.describe()
    if as_json:
        return document
    table = Table("instrument", "venue", "rows", "first", "last", "tick", "lot", header_style="bold")
    for row in document["instruments"]:
        table.add_row(
            row["symbol"],
            row["venue"],
            f"{row['rows']:,}",
            instant_text(row["first"]),
            instant_text(row["last"]),
            row["tick"],
            row["lot"],
        )
    Console().print(table)
    return None


def check(*, folder: Path, as_json: bool) -> dict[str, Any] | None:
    """Verify hashes, fold the books, run the quality checks."""
    dataset = Dataset.open(folder)
    with bootstrap.progress(as_json) as bar:
        document = check_dataset(dataset, progress=bar)
    if not as_json:
        bootstrap.shown(document, [(k, str(v)) for k, v in document.items() if k != "warnings"])
    if document["damaged"]:
        error = DataError(f"data set {folder} is damaged: " + "; ".join(document["damaged"]))
        error.document = document
        raise error
    return document if as_json else None
