"""Paper trading: the market's time follows the wall clock (times a speed), the venue is simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bot4.model.codes_nb import R_END
from bot4.model.events import EVENT_DTYPE
from bot4.model.times import NS
from bot4.ports.clock import Clock
from bot4.research.session import Session
from bot4.safety.killswitch import KillSwitch
from bot4.venues.simulator.generative import GenParams, new_generative
from bot4.venues.simulator.generative_book_nb import ROOM
from bot4.venues.simulator.generative_nb import generate_nb

TICK_NS = 50 * 10**6
WIND_DOWN_NS = 10 * NS["s"]
FASTEST_STEP_NS = 10 * NS["s"]


class Source(Protocol):
    """A market that can be asked for everything up to an instant."""

    start_ns: int

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """Events not given before whose local time is at most `ts`, or a little later."""

    def finished(self) -> bool:
        """Whether there will be no more."""


class GenerativeSource:
    """The synthetic market."""

    def __init__(self, params: GenParams, seed: int, start_ns: int) -> None:
        self.start_ns = start_ns
        self._gen = new_generative(params, seed, start_ns)
        self._room = np.zeros(400_000, EVENT_DTYPE)

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """Everything up to `ts`, generated now."""
        parts = []
        while True:
            n = int(generate_nb(self._gen, ts, self._room, 0))
            parts.append(self._room[:n].copy())
            if n <= len(self._room) - ROOM:
                return np.concatenate(parts)

    def finished(self) -> bool:
        """The synthetic market never ends."""
        return False

    def chunks(self, limit: int) -> Iterator[np.ndarray[Any, Any]]:
        """The same market again from its start to `limit`, a minute at a time."""
        at = self.start_ns
        while at < limit:
            at = min(limit, at + 60 * NS["s"])
            yield self.until(at)


class RecordedSource:
    """Recorded chunks, handed out by time.

    An event is due as soon as it happens at the venue, which for a bar is its opening print: the
    simulated exchange must see it then, the engine when it is received.
    """

    def __init__(self, chunks: Iterator[np.ndarray[Any, Any]], start_ns: int) -> None:
        self.start_ns = start_ns
        self._chunks = chunks
        self._held = np.empty(0, EVENT_DTYPE)
        self._due = np.empty(0, np.int64)  # of each held event or of a later one, whichever is first
        self._next_due = -(2**63)  # of the chunk that was read last
        self._over = False
        self._asked = self._last = start_ns

    def _read(self) -> None:
        """Hold one chunk more."""
        chunk = next(self._chunks, None)
        if chunk is None:
            self._over = True
            return
        self._held = np.concatenate([self._held, chunk])
        due = np.minimum(self._held["ts_venue"], self._held["ts_local"])
        self._due = np.minimum.accumulate(due[::-1])[::-1]
        self._next_due = int(due[-len(chunk) :].min())

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """The recorded events that are due by `ts`, and those received before one of them."""
        while not self._over and self._next_due <= ts:
            self._read()
        n = int(np.searchsorted(self._due, ts, side="right"))
        given = self._held[:n].copy()
        self._held, self._due = self._held[n:], self._due[n:]
        self._asked = ts
        if n:
            self._last = int(given["ts_local"][-1])
        return given

    def finished(self) -> bool:
        """Whether the recording is used up, and its last event received."""
        return self._over and len(self._held) == 0 and self._asked >= self._last


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
