"""The driver of a live run: answers come from outside, and an order is on the disk before it is handed over.

The fold is that of a replay: market events in the order in which they came, everything else (answers,
timers, kills, words about the account) at its recorded position. Timers are inputs too, so that the
fold asks no clock and a journal replays bit for bit, wherever it was cut off.

What one call journals ends with a COMMIT block. What stands behind the last COMMIT of a journal was never
acted upon: no order of it was handed over, and a recovery drops it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine.driver import ColdView, Driver
from bot4.engine.state import Engine
from bot4.model.codes_nb import EV_TIMER
from bot4.model.events import COMMIT_DTYPE, EVENT_DTYPE, INPUT_DTYPE, ORDER_DTYPE
from bot4.ports import journal as port
from bot4.ports.journal import Journal
from bot4.venues.simulator.state_nb import SimState

SYNC_NS = 10**9
"""Market data and timers alone are made durable this often; orders and answers at once."""


class LiveDriver(Driver):
    """Folds what comes, and gives out the orders that are durable (`take`)."""

    def __init__(
        self,
        engine: Engine,
        sim: SimState,
        journal: Journal,
        native: Any,
        *,
        cold: ColdView | None = None,
    ) -> None:
        none = np.empty(0, INPUT_DTYPE)
        super().__init__(engine, sim, journal, native, cold=cold, inputs=none, keep_market=True, timers=False)
        self._limit = self.now
        self._made: list[np.ndarray[Any, Any]] = []
        self._durable: list[np.ndarray[Any, Any]] = []
        self._marked = self.folded
        self._synced = self.now

    def market(self, events: np.ndarray[Any, Any]) -> None:
        """Fold market events as they came; local times never go back (the rows are changed so)."""
        if not len(events):
            return
        stamps = np.maximum(events["ts_local"], self._limit + 1)
        events["ts_local"] = np.maximum.accumulate(stamps)
        self.push(events, int(events["ts_local"][-1]))

    def timer(self, now: int) -> None:
        """Let the protection timer fire at `now` (ns)."""
        event = np.zeros(1, EVENT_DTYPE)
        event["kind"] = EV_TIMER
        event["ts_local"] = event["ts_venue"] = max(now, self.now)
        self.fold(event)

    def take(self) -> np.ndarray[Any, Any]:
        """Orders and cancels (ORDER_DTYPE) approved and made durable since the last call."""
        rows = np.concatenate(self._durable) if self._durable else np.empty(0, ORDER_DTYPE)
        self._durable = []
        return rows

    def _spill(self) -> None:
        """Make room without ending the group: nothing of it may be acted upon yet."""
        n = self.engine.n[lay.N_ORDERS]
        if n:
            self._made.append(self.engine.core["sent"][0][:n].copy())
        self._empty()

    def flush(self) -> None:
        """Journal what was folded, end the group, and release its orders once they are durable."""
        told = self.engine.core["recorded"][0]["event"]["kind"][: self.engine.n[lay.N_RECORDED]]
        answered = bool((told != EV_TIMER).any())
        self._spill()
        if self.folded != self._marked:
            mark = np.zeros(1, COMMIT_DTYPE)
            mark["pos"], mark["ts"] = self.folded, self.now
            mark["next_order_id"] = self.engine.safety.control[0]["next_order_id"]
            self._journal.append(port.COMMIT, mark)
            self._marked = self.folded
        if answered or self._made or self.now - self._synced >= SYNC_NS:
            self._journal.commit()
            self._synced = self.now
        self._durable += self._made
        self._made = []
