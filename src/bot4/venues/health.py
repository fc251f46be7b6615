"""How a venue is doing: Healthy, Degraded, Throttled, Unhealthy, by what its answers show.

    unhealthy   more than 5 % errors
    throttled   more than 80 % of the rate limit used
    degraded    latency above 1000 ms

The severest that holds is the grade. Worse counts at once, better only after three good windows of 5 s.
Means are exponentially weighted over 60 s; the last window alone counts too once it has 20 samples, so that a
venue that breaks is seen within one window. Under 20 samples in all the grade is UNKNOWN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from bot4.ports.clock import Clock

LATENCY_MS = 1000.0
ERROR_RATE = 0.05
USAGE = 0.80
MIN_SAMPLES = 20
SPAN_NS = 60 * 10**9
WINDOW_NS = 5 * 10**9
GOOD_WINDOWS = 3


class Health(IntEnum):
    """Grades, from good to bad; UNKNOWN ranks behind HEALTHY, because nothing speaks against it yet."""

    HEALTHY = 0
    UNKNOWN = 1
    DEGRADED = 2
    THROTTLED = 3
    UNHEALTHY = 4


def grade(latency_ms: float, error_rate: float, usage: float) -> Health:
    """The severest class that holds. Each limit itself is still good; NaN is never good."""
    if not error_rate <= ERROR_RATE:
        return Health.UNHEALTHY
    if not usage <= USAGE:
        return Health.THROTTLED
    if not latency_ms <= LATENCY_MS:
        return Health.DEGRADED
    return Health.HEALTHY


@dataclass(slots=True)
class Tally:
    """Weighted sums of samples: count, errors, latencies (ms, of answers that came)."""

    count: float = 0.0
    errors: float = 0.0
    answers: float = 0.0
    latency: float = 0.0

    def scale(self, factor: float) -> None:
        """Let the past weigh `factor` of what it did."""
        self.count *= factor
        self.errors *= factor
        self.answers *= factor
        self.latency *= factor

    def add(self, latency_ms: float, ok: bool) -> None:
        """One call more; a failed call has no latency of its own."""
        self.count += 1.0
        if ok:
            self.answers += 1.0
            self.latency += latency_ms
        else:
            self.errors += 1.0

    def means(self) -> tuple[float, float]:
        """(latency ms, error rate); 0 where there is nothing to divide by."""
        latency = self.latency / self.answers if self.answers > 0 else 0.0
        return latency, self.errors / self.count if self.count > 0 else 0.0


class HealthMonitor:
    """The grade of one venue, kept from its calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._long = Tally()
        self._window = Tally()
        self._samples = 0
        self._good = 0
        self._grade = Health.UNKNOWN
        self._usage = 0.0
        now = clock.monotonic_ns()
        self._last = now
        self._opened = now

    def sample(self, latency_ms: float, ok: bool) -> None:
        """A call ended: how long it took, and whether the venue answered sensibly."""
        self._advance()
        self._samples += 1
        self._long.add(latency_ms, ok)
        self._window.add(latency_ms, ok)
        self._judge()

    def usage(self, share: float) -> None:
        """The used share of the tightest rate limit, 0 to 1."""
        self._advance()
        self._usage = share
        self._judge()

    def state(self) -> Health:
        """The grade now."""
        self._advance()
        return self._grade

    def _advance(self) -> None:
        now = self._clock.monotonic_ns()
        if now > self._last:
            self._long.scale(math.exp((self._last - now) / SPAN_NS))
            self._last = now
        if now - self._opened >= WINDOW_NS:
            self._close_window()
            self._opened += (now - self._opened) // WINDOW_NS * WINDOW_NS

    def _current(self) -> Health:
        if self._samples < MIN_SAMPLES:
            return Health.THROTTLED if self._usage > USAGE else Health.UNKNOWN
        found = grade(*self._long.means(), self._usage)
        if self._window.count >= MIN_SAMPLES:
            found = max(found, grade(*self._window.means(), self._usage))
        return found

    def _judge(self) -> None:
        now = self._current()
        if now > self._grade or self._grade is Health.UNKNOWN:
            self._grade = now
            self._good = 0

    def _close_window(self) -> None:
        """A window without calls proves nothing and is not counted as good."""
        now = self._current()
        if self._window.count > 0:
            self._good = self._good + 1 if now < self._grade else 0
            if self._good >= GOOD_WINDOWS:
                self._grade = now
                self._good = 0
        self._window = Tally()
