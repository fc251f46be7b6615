"""Paper trading: the market's time follows the wall clock (times a speed), the venue is simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bot4.model.codes_nb import R_END
from bot4.model.events import EVENT_DTYPE
from bot4.model.times import NS
from bot4.ports.clock import Clock
from bot4.research.session import Session
from bot4.safety.killswitch import KillSwitch
from bot4.venues.simulator.sources import Source

TICK_NS = 50 * 10**6
WIND_DOWN_NS = 10 * NS["s"]
FASTEST_STEP_NS = 10 * NS["s"]


@dataclass
class Paper:
    """One paper session. `speed` market seconds a second, 0: as fast as it goes."""

    session: Session
    source: Source
    clock: Clock
    switch: KillSwitch
    speed: float
    warmup_ns: int
    duration_ns: int | None
    show: Callable[[int, float], None]
    control: Callable[[], None] = lambda: None  # looks for commands of the operator
    _at: int = 0

    def run(self) -> tuple[int, str, float]:
        """Until time is up, the data ends or the switch trips: (last instant, why, seconds folding)."""
        driver = self.session.driver
        self._at = self.source.start_ns
        now = self.source.start_ns + self.warmup_ns
        spent = self._fold(now)
        begin = resumed = self.clock.monotonic_ns()
        why = "end of data"
        while not self.source.finished():
            wall = self.clock.monotonic_ns()
            self.switch.beat()
            self.control()
            if self.switch.latched:
                why = "kill switch"
                break
            if self.duration_ns is not None and wall - begin >= self.duration_ns:
                why = "time is up"
                break
            step = FASTEST_STEP_NS if self.speed == 0 else 0
            now = (
                now + step
                if step
                else self.source.start_ns + self.warmup_ns + int((wall - resumed) * self.speed)
            )
            spent += self._fold(now)
            self.show(now, (wall - begin) / 1e9)
            if not step:
                self.clock.sleep(max(0, TICK_NS - (self.clock.monotonic_ns() - wall)))
        if self.switch.latched:
            cause = self.switch.cause
            driver.kill(cause.reason if cause is not None else R_END)
            now = self._wind_down(now)
        driver.push(np.empty(0, EVENT_DTYPE), now)
        return now, why, spent

    def _fold(self, now: int) -> float:
        """Fold the market up to `now`, a minute of it at a time; seconds spent."""
        begin = self.clock.monotonic_ns()
        while self._at < now:
            self._at = min(now, self._at + 60 * NS["s"])
            self.session.driver.push(self.source.until(self._at), self._at)
            self.switch.beat()
        return (self.clock.monotonic_ns() - begin) / 1e9

    def _wind_down(self, now: int) -> int:
        """After a kill: let the market go on until everything is canceled and flat, at most 10 s of it."""
        engine = self.session.engine
        end = now + WIND_DOWN_NS
        while now < end and (engine.ledger.positions["qty"] != 0).any():
            now += TICK_NS
            self._fold(now)
        return now
