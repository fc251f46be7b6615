"""The driver: feeds the compiled loop, calls cold strategies, empties the rings into the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine import loop_nb as loop
from bot4.engine.state import Engine
from bot4.model.codes_nb import EV_HALT, EV_KILL, EV_MODE, EV_VIEW
from bot4.model.events import EVENT_DTYPE, INPUT_DTYPE
from bot4.model.feature_layout_nb import N_BOOK, N_FEATURES
from bot4.ports import journal as port
from bot4.ports.journal import Journal
from bot4.venues.simulator.state_nb import SimState

ColdView = Callable[[int], float | None]
"""Given the instrument whose bar closed, the strategy's score or None."""

_NO_INPUTS = np.empty(0, INPUT_DTYPE)
_NO_EVENTS = np.empty(0, EVENT_DTYPE)


class Driver:
    """Runs one engine over one stream.

    With `inputs` (a journal's) the engine is replayed: nothing is simulated, every answer, kill, mode
    change and cold view comes from the journal at its recorded position.
    """

    def __init__(
        self,
        engine: Engine,
        sim: SimState,
        journal: Journal,
        native: Any,
        *,
        cold: ColdView | None = None,
        inputs: np.ndarray[Any, Any] | None = None,
        keep_market: bool = False,
        timers: bool = True,
    ) -> None:
        self.engine = engine
        self._sim = sim
        self._journal = journal
        self._native = native
        self._cold = cold
        self._keep_market = keep_market
        self.heard: Callable[[np.ndarray[Any, Any]], None] | None = None
        """Is told of changes of the engine's breakers (TRIP_DTYPE) once they are journalled."""
        self._inputs = _NO_INPUTS if inputs is None else inputs
        self._cur = np.zeros(loop.N_CURSOR, np.int64)
        self._cur[loop.CU_SIM] = int(inputs is None)
        self._cur[loop.CU_TIMERS] = int(timers)
        self._scratch = np.zeros(1, EVENT_DTYPE)
        self._desk = tuple(np.zeros(size) for size in (N_FEATURES, N_BOOK, lay.N_CONTEXT, lay.N_MEMORY))
        self._outside = _NO_EVENTS
        self._window = _NO_EVENTS
        self._items = np.empty(0, np.int64)
        self._stamps = np.empty(0, np.int64)
        self._room = np.empty(0, np.int64)
        self._room_ts = np.empty(0, np.int64)
        self._limit = -(2**62)

    @property
    def now(self) -> int:
        """Engine time, ns UTC."""
        return int(self.engine.clock[lay.CK_NOW])

    @property
    def folded(self) -> int:
        """Events folded so far."""
        return int(self.engine.clock[lay.CK_POS])

    def _take(self, events: np.ndarray[Any, Any]) -> None:
        """Join new events to what is left of the window, and list the exchange items anew.

        What the exchange saw before the last limit, but reached us only now, is still to be shown to the
        simulated one: late, in order, before anything else. Only rows kept from before were shown already.
        """
        limit = self._limit
        window = self._left_over(events)
        self._window = window
        self._cur[loop.CU_LOCAL] = loop.first_after_nb(window, limit)
        if self._cur[loop.CU_SIM] == 0:
            return
        if len(self._room) < 2 * len(window):
            self._room = np.empty(2 * len(window), np.int64)
            self._room_ts = np.empty(2 * len(window), np.int64)
        items, stamps = self._room, self._room_ts
        kept = len(window) - len(events)
        n = loop.exchange_items_nb(window, kept, limit, items, stamps)
        if n < 0:
            n = loop.unsorted_items_nb(window, kept, limit, items, stamps)
            order = np.argsort(stamps[:n], kind="stable")
            items[:n], stamps[:n] = items[:n][order], stamps[:n][order]
        self._items, self._stamps = items[:n], stamps[:n]
        self._cur[loop.CU_EXCHANGE] = 0

    def _left_over(self, events: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The rows of the window that one side has still to see, then `events`."""
        first = int(self._cur[loop.CU_LOCAL])
        waiting = self._items[self._cur[loop.CU_EXCHANGE] :]
        if len(waiting):
            first = min(first, int(waiting.min()) >> 1)
        left = self._window[first:]
        if not len(left):
            return events
        # as plain integers: numpy copies records field by field
        plain = [np.ascontiguousarray(rows).view(np.int64) for rows in (left, events)]
        return np.concatenate(plain).view(EVENT_DTYPE)

    def push(self, events: np.ndarray[Any, Any], limit: int) -> None:
        """Take market events (in local order) and fold everything up to local time `limit`."""
        if self._keep_market:
            self._journal.append(port.MARKET, events)
        self._take(events)
        self._run(limit)
        self._limit = max(self._limit, limit)
        self.flush()

    def fold(self, events: np.ndarray[Any, Any]) -> None:
        """Fold what is not market data (EVENT_DTYPE) now, in order; it is journalled on return."""
        self._say(events)
        self._run(self._limit)
        self.flush()

    def tell(self, kind: int, x: int, y: int = 0, *, instrument: int = 0, flags: int = 0) -> None:
        """Fold a word of the cold plane (a kill, a mode, a view) now; it is journalled on return."""
        event = np.zeros(1, EVENT_DTYPE)
        event["kind"] = kind
        event["x"] = x
        event["y"] = y
        event["instrument"] = instrument
        event["flags"] = flags
        event["ts_local"] = event["ts_venue"] = self.now
        self.fold(event)

    def kill(self, reason: int) -> None:
        """Raise the kill latch inside the fold: cancel, flatten, refuse from here on."""
        self.tell(EV_KILL, 0, reason)

    def mode(self, mode: int, reason: int, *, authorised: bool = False) -> None:
        """Ask for a control mode."""
        self.tell(EV_MODE, mode, reason, flags=int(authorised))

    def halt(self, scope: int, reason: int, *, instrument: int = 0) -> None:
        """Raise the partial kill of SCOPE_* `scope` inside the fold: cancel, close, refuse there."""
        self.tell(EV_HALT, scope, reason, instrument=instrument)

    def unhalt(self, scope: int, reason: int, *, instrument: int = 0, authorised: bool) -> None:
        """Ask for the release of a partial kill."""
        self.tell(EV_HALT, -scope, reason, instrument=instrument, flags=int(authorised))

    def _say(self, events: np.ndarray[Any, Any]) -> None:
        """Fold `events` next, before what was said earlier and is not folded yet."""
        left = self._outside[self._cur[loop.CU_OUTSIDE] : self._cur[loop.CU_N_OUTSIDE]]
        self._outside = np.concatenate([events, left]) if len(left) else events
        self._cur[loop.CU_OUTSIDE] = 0
        self._cur[loop.CU_N_OUTSIDE] = len(self._outside)

    def _run(self, limit: int) -> None:
        while True:
            why = loop.run_nb(
                self.engine.core,
                self.engine.model,
                self._sim,
                self._window,
                len(self._window),
                self._items,
                self._stamps,
                self._inputs,
                self._outside,
                limit,
                self._cur,
                self._scratch,
                self._native,
                self._desk,
            )
            if why == loop.FULL:
                self._spill()
            elif why == loop.WAKE:
                self._wake()
            else:
                return

    def _wake(self) -> None:
        """Ask the cold strategy about each closed bar; its answers are inputs of the fold."""
        n = self.engine.n
        woken = self.engine.core["wake"][0][: n[lay.N_WAKE]].copy()
        n[lay.N_WAKE] = 0
        if self._cold is None:
            return
        events = np.zeros(len(woken), EVENT_DTYPE)
        for k, inst in enumerate(woken):
            score = self._cold(int(inst)) or 0.0
            events[k]["kind"] = EV_VIEW
            events[k]["instrument"] = inst
            events[k]["x"] = (score > 0) - (score < 0)
            events[k]["y"] = round(abs(score) * 1e9)
        events["ts_local"] = events["ts_venue"] = self.now
        self._say(events)

    def flush(self) -> None:
        """Empty the outgoing rings into the journal and commit."""
        self._empty()
        self._journal.commit()

    def _spill(self) -> None:
        """Make room in the rings in the middle of a fold."""
        self.flush()

    def _empty(self) -> None:
        """Empty the outgoing rings into the journal."""
        core, n = self.engine.core, self.engine.n
        for kind, ring, slot in (
            (port.INPUTS, "recorded", lay.N_RECORDED),
            (port.DECISIONS, "decisions", lay.N_DECISIONS),
            (port.ORDERS, "sent", lay.N_ORDERS),
            (port.EQUITY, "curve", lay.N_EQUITY),
            (port.TRIPS, "trips", lay.N_TRIPS),
        ):
            if n[slot]:
                self._journal.append(kind, core[ring][0][: n[slot]])
                if kind == port.TRIPS and self.heard is not None:
                    self.heard(core[ring][0][: n[slot]].copy())
                n[slot] = 0
        self._cur[loop.CU_SENT] = 0

    def warm(self) -> None:
        """Compile or load the loop before time matters; folds nothing."""
        self._run(self._limit)
