"""`bot4 train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.learning.bars import read_bars
from bot4.learning.train import train_to_dir
from bot4.storage.lake import Dataset


def train(
    *,
    data: Path,
    out: Path,
    horizon: int,
    folds: int,
    max_rows: int,
    instrument: str | None,
    seed: int,
    as_json: bool,
) -> dict[str, Any] | None:
    """Train, validate, save."""
    dataset = Dataset.open(data)
    bars = read_bars(dataset, instrument)
    with bootstrap.progress(as_json) as bar:
        report = train_to_dir(
            out,
            *bars.columns(),
            timeframe_ns=bars.timeframe_ns,
            horizon_bars=horizon,
            folds=folds,
            max_rows=max_rows,
            seed=seed,
            data_hash=dataset.content_hash(),
            progress=bar,
        )
    if as_json:
        return report
    bootstrap.shown(report, [(k, str(v)) for k, v in report.items() if not isinstance(v, list | dict)])
    return None
