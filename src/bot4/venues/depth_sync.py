"""Joining a REST snapshot to a stream of diffs, on rows of EVENT_DTYPE.

Until a snapshot fits, rows wait. The first diff after it must reach back to it, every further one must
follow its predecessor (spot: U is the last u + 1; futures: pu is the last u). Rows of diffs that the
snapshot holds already are left out. Nothing is repaired: a break is told, and the next snapshot begins anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_DEPTH, EV_DEPTH_HEAD, EV_SNAPSHOT_HEAD
from bot4.model.events import EVENT_DTYPE

Rows = np.ndarray[Any, Any]
NO_ROWS: Rows = np.zeros(0, EVENT_DTYPE)
MAX_WAITING = 500_000


class DepthBroken(Exception):
    """Diffs are missing, or more of them wait than can be held."""


class DepthSync:
    """The sequence of one instrument's book."""

    def __init__(self) -> None:
        self.restart()

    @property
    def synced(self) -> bool:
        """Whether rows are passed on."""
        return self._last >= 0

    @property
    def heard(self) -> bool:
        """Whether diffs wait for a snapshot: the time to ask for one."""
        return self._n_waiting > 0

    def restart(self) -> None:
        """Forget everything; rows wait again."""
        self._waiting: list[Rows] = []
        self._n_waiting = 0
        self._last = -1  # last id that was passed on; -1: no snapshot yet
        self._fresh = False

    def feed(self, rows: Rows) -> Rows:
        """Rows that may be passed on; DepthBroken at a gap."""
        if self._last < 0:
            if len(rows):
                self._waiting.append(rows)
                self._n_waiting += len(rows)
                if self._n_waiting > MAX_WAITING:
                    raise DepthBroken(f"{self._n_waiting} rows wait for a snapshot")
            return NO_ROWS
        return self._continue(rows)

    def snapshot(self, rows: Rows) -> Rows | None:
        """The snapshot and what waited and follows it; None: it is too old, ask for a newer one."""
        if not len(rows) or rows["kind"][0] != EV_SNAPSHOT_HEAD:
            return None
        last = int(rows["seq"][0])
        waited = np.concatenate(self._waiting) if self._waiting else NO_ROWS
        heads = waited[(waited["kind"] == EV_DEPTH_HEAD) & (waited["seq"] > last)]
        if len(heads):
            reaches = heads["y"][0] <= last if heads["y"][0] >= 0 else heads["x"][0] <= last + 1
            if not reaches:
                return None
        self._waiting, self._n_waiting = [], 0
        self._last, self._fresh = last, True
        following = self._continue(waited)
        # what waited is known to the reader only now
        following["ts_local"] = np.maximum(following["ts_local"], rows["ts_local"][0])
        return np.concatenate([rows, following])

    def _continue(self, rows: Rows) -> Rows:
        kinds = rows["kind"]
        of_book = (kinds == EV_DEPTH_HEAD) | (kinds == EV_DEPTH)
        if not of_book.any():
            return rows
        if self._fresh:
            rows = rows[~(of_book & (rows["seq"] <= self._last))]
            kinds = rows["kind"]
        heads = rows[kinds == EV_DEPTH_HEAD]
        if not len(heads):
            return rows
        before = np.concatenate([[self._last], heads["seq"][:-1]])
        follows = np.where(heads["y"] >= 0, heads["y"] == before, heads["x"] == before + 1)
        if self._fresh:
            follows[0] |= heads["y"][0] < self._last if heads["y"][0] >= 0 else heads["x"][0] <= self._last
            self._fresh = False
        if not follows.all():
            k = int(np.argmin(follows))
            raise DepthBroken(f"diff {int(heads['seq'][k])} does not follow {int(before[k])}")
        self._last = int(heads["seq"][-1])
        return rows
