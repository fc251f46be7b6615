"""Panic conditions: observations that stop trading by themselves.

    slippage     a fill more than 3 % worse than the mid price at its decision
    staleness    a symbol being quoted from which nothing, not even a pong, came for 500 ms
    errors       more than 10 % of at least 20 calls in 60 s failed
    latency      median round trip of the last 10 s above one second

Staleness concerns a symbol: its scope is paused, and only when every source of a traded symbol is stale is
it a panic of the whole. The others are. The fifth, a wide spread, is measured here in multiples of its own
median of the last hour, and judged by a breaker of its symbol; below 5 bp it counts as nothing, because
where the normal spread is one tick (0.02 bp on a large perpetual), three ticks are an ordinary moment. The
monitor decides nothing itself: it answers with what it saw, and whoever runs it trips the kill switch or
pauses the scope. All times come from the caller, in ns of a clock that never goes back; thresholds are
exclusive, so that a value at the limit is still healthy.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bot4.model.errors import ConfigError

SECOND = 10**9
MS = 10**6


class Condition(StrEnum):
    """What trips."""

    SLIPPAGE = "slippage"
    STALENESS = "staleness"
    ERRORS = "errors"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds; fractions, multiples and ns."""

    slippage: float = 0.03
    stale_ns: int = 500 * MS
    spread_floor: float = 5e-4
    spread_window_ns: int = 3600 * SECOND
    spread_sample_ns: int = SECOND
    spread_min_samples: int = 60
    error_rate: float = 0.10
    error_window_ns: int = 60 * SECOND
    error_min_calls: int = 20
    latency_ns: int = SECOND
    latency_window_ns: int = 10 * SECOND
    latency_min_samples: int = 5

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"panic limit {name} must be positive, got {getattr(self, name)}")


class Seen(NamedTuple):
    """A condition that holds. `scope` is a symbol, a `venue:symbol` source, or "all"."""

    condition: Condition
    scope: str
    measured: float
    limit: float

    @property
    def whole(self) -> bool:
        """Whether it concerns everything, not one symbol."""
        return self.scope == "all"

    def __str__(self) -> str:
        return f"{self.condition} {self.measured:g} above {self.limit:g} ({self.scope})"


class Median:
    """Running median of samples no older than `window_ns`; O(log n) to find, O(n) to shift, n bounded."""

    def __init__(self, window_ns: int) -> None:
        self._window = window_ns
        self._queue: deque[tuple[int, float]] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, value: float, now: int) -> None:
        """Add a finite sample and forget those that are too old."""
        self._queue.append((now, value))
        insort(self._sorted, value)
        self.forget(now)

    def forget(self, now: int) -> None:
        """Drop samples older than the window."""
        while self._queue and now - self._queue[0][0] > self._window:
            _, old = self._queue.popleft()
            del self._sorted[bisect_left(self._sorted, old)]

    def value(self) -> float:
        """The median, NaN without samples."""
        n = len(self._sorted)
        if n == 0:
            return math.nan
        return (self._sorted[n // 2] + self._sorted[(n - 1) // 2]) / 2


class Panic:
    """Observes; `look` says which conditions hold now, each observation says at once if it is one."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._heard: dict[tuple[str, str], int] = {}
        self._quoted: set[str] = set()
        self._spreads: dict[str, Median] = {}
        self._sampled: dict[str, int] = {}
        self._calls: deque[tuple[int, bool]] = deque()
        self._latency = Median(self.limits.latency_window_ns)

    def fill(self, symbol: str, side: int, price: float, decision_mid: float) -> Seen | None:
        """A fill: `side` 1 bought, -1 sold. Without a known decision price it cannot be judged: a panic."""
        slip = side * (price - decision_mid) / decision_mid if decision_mid > 0 else math.nan
        if slip <= self.limits.slippage:
            return None
        return Seen(Condition.SLIPPAGE, "all", slip, self.limits.slippage)

    def heard(self, venue: str, symbol: str, now: int) -> None:
        """Anything came from this source: a message, or a pong of its socket."""
        self._heard[(venue, symbol)] = now

    def quoting(self, symbols: set[str]) -> None:
        """The symbols that are being traded on now; only these can be stale."""
        self._quoted = set(symbols)

    def spread_times(self, symbol: str, bid: float, ask: float, now: int) -> float:
        """A quote's spread in multiples of the median before it; inf for an empty or crossed book.

        0 while there is no median yet, and where the spread is below the floor.
        """
        relative = 2.0 * (ask - bid) / (ask + bid) if bid > 0 and ask > 0 else math.nan
        if not relative >= 0 or not math.isfinite(relative):
            return math.inf
        normal = self._spreads.setdefault(symbol, Median(self.limits.spread_window_ns))
        times = relative / normal.value() if normal.value() > 0 else 0.0
        enough = len(normal) >= self.limits.spread_min_samples
        last = self._sampled.get(symbol)
        if last is None or now - last >= self.limits.spread_sample_ns:
            self._sampled[symbol] = now
            normal.add(relative, now)
        return times if enough and relative > self.limits.spread_floor else 0.0

    def call(self, good: bool, now: int) -> Seen | None:
        """A call to a venue ended."""
        self._calls.append((now, good))
        return self._errors(now)

    def _errors(self, now: int) -> Seen | None:
        while self._calls and now - self._calls[0][0] > self.limits.error_window_ns:
            self._calls.popleft()
        n = len(self._calls)
        if n < self.limits.error_min_calls:
            return None
        rate = sum(1 for _, good in self._calls if not good) / n
        if rate <= self.limits.error_rate:
            return None
        return Seen(Condition.ERRORS, "all", rate, self.limits.error_rate)

    def median_latency(self, now: int) -> float:
        """Median round trip of the window, ns; NaN where it holds too few."""
        self._latency.forget(now)
        few = len(self._latency) < self.limits.latency_min_samples
        return math.nan if few else self._latency.value()

    def latency(self, round_trip_ns: int, now: int) -> Seen | None:
        """A round trip was measured."""
        self._latency.add(float(round_trip_ns), now)
        if len(self._latency) < self.limits.latency_min_samples:
            return None
        median = self._latency.value()
        if median <= self.limits.latency_ns:
            return None
        return Seen(Condition.LATENCY, "all", median, self.limits.latency_ns)

    def look(self, now: int) -> list[Seen]:
        """Staleness of what is being quoted, by source and as a whole; to be called by a timer."""
        seen = []
        for symbol in sorted(self._quoted):
            ages = {venue: now - ts for (venue, s), ts in self._heard.items() if s == symbol}
            stale = {venue: age for venue, age in ages.items() if age > self.limits.stale_ns}
            limit = float(self.limits.stale_ns)
            seen += [
                Seen(Condition.STALENESS, f"{venue}:{symbol}", float(age), limit)
                for venue, age in sorted(stale.items())
            ]
            if len(stale) == len(ages):  # also when nothing was ever heard
                worst = float(min(stale.values())) if stale else math.inf
                seen.append(Seen(Condition.STALENESS, "all", worst, limit))
        return seen
