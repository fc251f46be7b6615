"""Bars that a hole in the trades has cost, fetched from the venue's candles.

Bars are made from trades, so a feed that broke, and the time before a start, leave bars that miss trades.
The engine makes nothing of those (`hole` in its record of the instrument). When the feed is back, this
waits for the end of the bar in which it came back, fetches all closed candles since the last good bar, and
folds them marked FLAG_BACKFILL: features take them in, nothing is decided on them, and a Python strategy
finds them in its history. From the next bar on trading goes on. A candle that does not come is asked for
again; until then there is no signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bot4.engine.build import Plan
from bot4.engine.live import LiveDriver
from bot4.model.codes_nb import EV_BAR, FLAG_BACKFILL, FLAG_LAST, STATUS_OK
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.venue import BarReport, Venue, VenueError

SECOND = 10**9
WARM = 300
"""Bars fetched where none is known yet, so that features are warm; never more than this at once."""
LATE_NS = 2 * SECOND
"""A candle may come so late; after that there was no trade in it."""
GRACE_NS = SECOND // 20
LOOK_S = 0.02
RETRY_S = 0.5


class Backfill:
    """Fills the holes of one session.

    `time_bars`: bars are of time, so that the venue may have the same ones. `observe` is told of each
    instrument whose bar was folded, for strategies that keep a history.
    """

    def __init__(
        self,
        driver: LiveDriver,
        plan: Plan,
        venue: Venue,
        clock: Clock,
        alarm: Alarm,
        observe: Callable[[int], object],
        time_bars: bool,
    ) -> None:
        self.filled = 0
        self.possible = time_bars and plan.bar_ns in venue.capabilities.bar_lengths
        self._driver = driver
        self._bar_ns = plan.bar_ns
        self._instruments = plan.instruments
        self._venue = venue
        self._clock = clock
        self._alarm = alarm
        self._observe = observe
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @property
    def flags(self) -> int:
        """What the word of a broken feed carries: whether bars will follow."""
        return FLAG_BACKFILL if self.possible else 0

    def broke(self, instruments: Sequence[int]) -> None:
        """The trades of these instruments have a hole from now on; it is filled once the feed is back."""
        for inst in instruments if self.possible else ():
            old = self._tasks.get(inst)
            if old is not None:
                old.cancel()
            self._tasks[inst] = asyncio.create_task(self._fill(inst), name=f"back-fill {inst}")

    async def run(self) -> None:
        """Raise what goes wrong in a filling; ended by cancellation."""
        try:
            while True:
                for task in self._tasks.values():
                    if task.done() and not task.cancelled():
                        task.result()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _fill(self, inst: int) -> None:
        row = self._driver.engine.inst[inst]
        while int(row["status"]) != STATUS_OK:
            await asyncio.sleep(LOOK_S)
        until, told = self._next(self._clock.now_ns()), False
        while True:
            await asyncio.sleep(max(0, until + GRACE_NS - self._clock.now_ns()) / SECOND)
            try:
                found = await self._ask(inst, until)
            except VenueError as error:
                if not told:
                    told = True
                    self._tell(inst, "warning", f"missing bars could not be fetched ({error}); no signal yet")
                await asyncio.sleep(RETRY_S)
                continue
            now = self._clock.now_ns()
            if now - until >= self._bar_ns:  # bars that have closed meanwhile are missing too
                until = self._next(now) - self._bar_ns
            elif found and (found[-1].open_ns >= until - self._bar_ns or now - until >= LATE_NS):
                self._fold(inst, found)
                return
            elif now - until >= LATE_NS:  # nothing was ever traded: the next bar may be the first
                until = self._next(now)
            else:
                await asyncio.sleep(RETRY_S)

    def _next(self, now: int) -> int:
        """When the bar of `now` closes."""
        return (now // self._bar_ns + 1) * self._bar_ns

    async def _ask(self, inst: int, until: int) -> Sequence[BarReport]:
        row = self._driver.engine.inst[inst]
        since = until - WARM * self._bar_ns
        if int(row["bars"]):
            since = max(since, int(row["bar_open"]) + self._bar_ns)
        return await self._venue.bars(self._instruments[inst].symbol, self._bar_ns, since, until)

    def _fold(self, inst: int, found: Sequence[BarReport]) -> None:
        """One bar at a time: each is observed before the next one is known."""
        rows = bar_rows(self._instruments[inst], inst, found, self._clock.now_ns())
        for k in range(len(rows)):
            before = int(self._driver.engine.inst[inst]["bars"])
            self._driver.market(rows[k : k + 1].copy())
            if int(self._driver.engine.inst[inst]["bars"]) > before:
                self._observe(inst)
        self.filled += len(rows)
        self._tell(inst, "info", f"{len(rows)} bars filled in from the venue's candles; signals go on")

    def _tell(self, inst: int, level: Any, text: str) -> None:
        self._alarm.tell(level, f"{self._instruments[inst].symbol}: {text}")


def bar_rows(instrument: Instrument, inst: int, found: Sequence[BarReport], now: int) -> np.ndarray[Any, Any]:
    """EV_BAR rows (EVENT_DTYPE) of candles, known at `now` (ns); the last one says that it is the last."""
    rows = np.zeros(len(found), EVENT_DTYPE)
    rows["kind"], rows["instrument"], rows["flags"] = EV_BAR, inst, FLAG_BACKFILL
    rows["ts_local"] = now
    for row, bar in zip(rows, found, strict=True):
        row["ts_venue"] = bar.open_ns
        row["x"], row["y"], row["seq"], row["price"] = (
            round(price / instrument.tick) for price in (bar.open, bar.high, bar.low, bar.close)
        )
        row["qty"] = round(bar.volume / instrument.lot)
    rows["flags"][-1:] |= FLAG_LAST
    return rows
