"""The desk's answers on their way to the engine, as rows of EVENT_DTYPE."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from bot4.model.events import EVENT_DTYPE


class Outbox:
    """Collects answers in order; `take` hands them over once, stamped with the local time."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, ...]] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def put(
        self,
        kind: int,
        instrument: int,
        *,
        x: int = 0,
        y: int = 0,
        price: int = 0,
        qty: int = 0,
        seq: int = 0,
        flags: int = 0,
        ts_venue: int = 0,
    ) -> None:
        """Add one answer; `ts_venue` 0 means that the venue gave none."""
        self._rows.append((ts_venue, 0, price, qty, x, y, seq, instrument, 0, kind, flags, 0))

    def take(self, now_ns: int, venue: int = 0) -> np.ndarray[Any, Any]:
        """All rows so far; ts_local (and a missing ts_venue) becomes `now_ns`, ns UTC."""
        rows = np.array(list(self._rows), EVENT_DTYPE) if self._rows else np.empty(0, EVENT_DTYPE)
        self._rows.clear()
        rows["ts_local"] = now_ns
        rows["ts_venue"][rows["ts_venue"] == 0] = now_ns
        rows["venue"] = venue
        return rows
