"""`bot4 train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.app.config import load
from bot4.learning.bars import read_bars
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
    """Train, validate, save; costs are those of the default configuration."""
    dataset = Dataset.open(data)
    costs = load()
    with bootstrap.progress(as_json) as bar:
        bars, timeframe = read_bars(dataset, instrument)
        settings = Settings(
            timeframe_ns=timeframe,
            horizon_bars=horizon,
            max_rows=max_rows,
            folds=folds,
            seed=seed,
            cost=2 * (costs["fees.taker"] + costs["venue.half_spread"]),
        )
        meta, report = train_to_dir(
            out, bars, settings=settings, created_by=f"bot4 train --data {data} --out {out}", progress=bar
        )
    document = {
        "model": str(out),
        "data_hash": meta.data_hash,
        "dataset_hash": dataset.content_hash(),
        "trees_sha256": meta.trees_sha256,
        "horizon_bars": horizon,
        "seed": seed,
        **as_plain(report),
    }
    if as_json:
        return document
    bootstrap.shown(document, rows(document))
    return None


def rows(d: dict[str, Any]) -> list[tuple[str, str]]:
    """The report as a table."""
    mean, every, sure = d["mean"], d["every"], d["confident"]
    lines = [
        ("verdict", d["verdict"]),
        ("rows | folds", f"{d['rows']:,} (every {d['stride']}. bar) | {len(d['folds'])}"),
        ("balanced accuracy", f"{mean['balanced'] * 100:.2f} % (chance band {d['chance_band'] * 100:.2f})"),
        ("AUC | log loss | Brier", f"{mean['auc']:.4f} | {mean['log_loss']:.4f} | {mean['brier']:.4f}"),
        ("train minus test", f"{d['gap'] * 100:.2f} points"),
        ("permuted labels", f"{d['shuffled_balanced'] * 100:.2f} %"),
        ("acting on every prediction", f"{_bp(every)}"),
        ("acting on the surest tenth", f"{_bp(sure)}"),
        ("model", d["model"]),
    ]
    return [*lines, *(("note", note) for note in d["notes"])]


def _bp(e: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v * 1e4:.1f} bp" if isinstance(v, float) else f"{k} {v}" for k, v in e.items())
