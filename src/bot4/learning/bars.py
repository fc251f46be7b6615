"""Bars of one instrument out of a data set, as arrays for training."""

from __future__ import annotations

import numpy as np

from bot4.learning.dataset import Bars
from bot4.model.codes_nb import EV_BAR
from bot4.model.errors import DataError
from bot4.storage.lake import Dataset


def read_bars(dataset: Dataset, symbol: str | None = None) -> tuple[Bars, int]:
    """All bars of `symbol` (the only instrument with bars if None), and their length in ns."""
    parts = [chunk[chunk["kind"] == EV_BAR] for chunk in dataset.iter_events()]
    rows = np.concatenate(parts) if parts else None
    if rows is None or len(rows) == 0:
        raise DataError(f"{dataset.folder} holds no bars; training needs `bot4 data import --bars`")
    held = {dataset.instruments[k].symbol: k for k in np.unique(rows["instrument"])}
    if symbol is None and len(held) > 1:
        raise DataError(f"{dataset.folder} holds bars of {', '.join(held)}; name one with --instrument")
    wanted = symbol or next(iter(held))
    if wanted not in held:
        raise DataError(f"{dataset.folder} holds no bars of {wanted}; it holds {', '.join(held)}")
    rows = rows[rows["instrument"] == held[wanted]]
    tick = float(dataset.instruments[held[wanted]].tick)
    lot = float(dataset.instruments[held[wanted]].lot)
    bars = Bars(
        rows["ts_venue"].copy(),
        rows["x"] * tick,
        rows["y"] * tick,
        rows["seq"] * tick,
        rows["price"] * tick,
        rows["qty"] * lot,
    )
    return bars, dataset.bar_ns()
