"""Bars of one instrument out of a data set, as arrays for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_BAR
from bot4.model.errors import DataError
from bot4.storage.lake import Dataset

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Bars:
    """Columns of equal length; `ts` is the close time (ns UTC), when a bar is first known."""

    ts: Array
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    timeframe_ns: int

    def columns(self) -> tuple[Array, Array, Array, Array, Array, Array]:
        """ts, open, high, low, close, volume."""
        return self.ts, self.open, self.high, self.low, self.close, self.volume


def read_bars(dataset: Dataset, symbol: str | None = None) -> Bars:
    """All bars of `symbol` (the only instrument with bars if None), in quote and base currency."""
    parts = [chunk[chunk["kind"] == EV_BAR] for chunk in dataset.iter_events()]
    rows = np.concatenate(parts) if parts else None
    if rows is None or len(rows) == 0:
        raise DataError(f"{dataset.folder} holds no bars; training needs `bot4 data import --bars`")
    present = [dataset.instruments[k].symbol for k in np.unique(rows["instrument"])]
    if symbol is None and len(present) > 1:
        raise DataError(f"{dataset.folder} holds bars of {', '.join(present)}; name one with --instrument")
    wanted = symbol or present[0]
    if wanted not in present:
        raise DataError(f"{dataset.folder} holds no bars of {wanted}; it holds {', '.join(present)}")
    index = next(k for k in np.unique(rows["instrument"]) if dataset.instruments[k].symbol == wanted)
    rows = rows[rows["instrument"] == index]
    tick = float(dataset.instruments[index].tick)
    lot = float(dataset.instruments[index].lot)
    frame = int(np.median(rows["ts_local"] - rows["ts_venue"]))
    return Bars(
        ts=rows["ts_local"].copy(),
        open=rows["x"] * tick,
        high=rows["y"] * tick,
        low=rows["seq"] * tick,
        close=rows["price"] * tick,
        volume=rows["qty"] * lot,
        timeframe_ns=frame,
    )
