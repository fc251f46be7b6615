"""`bot4 train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.learning.bars import read_bars
from bot4.learning.dataset import make_bars
from bot4.learning.train import Settings, as_plain, train_to_dir
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
        meta, report = train_to_dir(
            out,
            make_bars(*bars.columns()),  # stamped by their close, as the engine folds them
            settings=Settings(
                timeframe_ns=bars.timeframe_ns,
                horizon_bars=horizon,
                folds=folds,
                max_rows=max_rows,
                seed=seed,
            ),
            created_by=f"bot4 train --data {data}",
            progress=bar,
        )
    document = {"model": str(out), "trees_sha256": meta.trees_sha256, **as_plain(report)}
    if as_json:
        return document
    bootstrap.shown(document, [(k, str(v)) for k, v in document.items() if not isinstance(v, list | dict)])
    return None
