"""Breakers of a live session: what is seen of the venue and of its markets, and what an open one stops.

    errors     venue    rate of calls that fail, by the tuned posterior of `safety.breaker`
    latency    venue    median round trip of the last ten seconds
    market     a symbol its spread, in multiples of its own median

A symbol's opens with either of the venue's. While it is open new risk on the symbol is paused, which the
engine is told, so that decisions are refused with the breaker's reason; while half open, a few orders pass as
probes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot4.execution.desk import Desk
from bot4.safety.breaker import REASONS, Breaker, Breakers, Cause, Change, Level, Rule, State

SECOND = 10**9
MS = 10**6
HOLD_NS = 40 * MS
"""A spread must be wide for so long: a book that was eaten into is refilled within a few milliseconds."""
CALM_PART = 2 / 3
"""A spread is calm again at this part of what opens its breaker."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the session's breakers open. `spread_times`: in multiples of the median, exclusive."""

    spread_times: float = 3.0
    latency_ns: int = 800 * MS
    error_rate: float = 0.5
    timeout_ns: int = 300 * SECOND
    probes: int = 1

    def rules(self, symbols: Sequence[str], venue: str = "venue") -> list[Rule]:
        """The registry's rules: the venue's two, then one a symbol that depends on both."""
        rate = self.error_rate
        latency = self.latency_ns / MS
        times = math.nextafter(self.spread_times, math.inf)
        made = [
            Rule(
                "errors",
                Level.VENUE,
                errors_to_open=0,
                window_ns=60 * SECOND,
                rate=rate,
                rate_floor=min(0.2, rate),
                scope=venue,
                timeout_ns=self.timeout_ns,
                probes=self.probes,
            ),
            Rule(
                "latency",
                Level.VENUE,
                high=latency,
                low=latency / 2,
                scope=venue,
                timeout_ns=self.timeout_ns,
                probes=self.probes,
            ),
        ]
        for symbol in symbols:
            made.append(
                Rule(
                    f"market {symbol}",
                    Level.POSITION,
                    high=times,
                    low=times * CALM_PART,
                    value_cause=Cause.SPREAD,
                    depends_on=("errors", "latency"),
                    scope=symbol,
                    timeout_ns=self.timeout_ns,
                    probes=self.probes,
                )
            )
        return made


class SessionBreakers:
    """The registry of one session, and what follows at the desk. `tell` hears each change."""

    def __init__(
        self, thresholds: Thresholds, symbols: Sequence[str], desk: Desk, tell: Callable[[Change], None]
    ) -> None:
        self.all = Breakers(thresholds.rules(symbols), self._changed)
        self._symbols = list(symbols)
        self._desk = desk
        self._tell = tell
        self._paused: dict[str, int] = {}  # symbol: with what reason
        self._sampled: dict[str, int] = {}
        self._wide: dict[str, tuple[int, float]] = {}  # symbol: since when its spread is wide, how wide
        for symbol in symbols:
            desk.gate(symbol, [self.all["errors"], self.all["latency"], self.market(symbol)])

    def market(self, symbol: str) -> Breaker:
        """The breaker of one symbol."""
        return self.all[f"market {symbol}"]

    def called(self, good: bool, now: int) -> None:
        """A call ended: the venue answered, or failed."""
        self.all["errors"].sign(good, now, Cause.ERROR_RATE)

    def round_trip(self, median_ns: float, took_ns: int, now: int) -> None:
        """A round trip of `took_ns`; the median is NaN of too few. A probe is judged by itself."""
        breaker = self.all["latency"]
        value = median_ns if median_ns == median_ns else float(took_ns)
        if median_ns == median_ns or breaker.state is State.HALF_OPEN:
            breaker.measure(value / MS, now, f"median round trip {value / MS:.0f} ms")

    def no_round_trip(self, now: int) -> None:
        """None within the window: nothing slow is known, so that a probe may be tried."""
        if self.all["latency"].state is State.OPEN:
            self.all["latency"].measure(0.0, now)

    def spread(self, symbol: str, times: float, now: int) -> None:
        """A symbol's spread in multiples of its median; good signs count once a second."""
        breaker = self.market(symbol)
        wide = not times < (breaker.rule.high or 0.0)
        if wide and now - self._wide.setdefault(symbol, (now, times))[0] < HOLD_NS:
            self._wide[symbol] = (self._wide[symbol][0], times)
            return
        if not wide:
            self._wide.pop(symbol, None)
        if breaker.state is State.HALF_OPEN and not wide:
            if now - self._sampled.get(symbol, -SECOND) < SECOND:
                return
            self._sampled[symbol] = now
        breaker.measure(times, now, f"spread {times:.3g} times its median")

    def look(self, now: int) -> None:
        """Try what may be tried, and keep pauses that something else stood in the way of."""
        for symbol, (since, times) in list(self._wide.items()):
            if now - since >= HOLD_NS:
                self.spread(symbol, times, now)
        self.all.try_again(now)
        for symbol in self._symbols:
            breaker = self.market(symbol)
            if breaker.state is State.OPEN and symbol not in self._paused:
                self._pause(symbol, breaker.cause)

    def _changed(self, change: Change) -> None:
        self._tell(change)
        symbol = change.scope
        if change.level is not Level.POSITION:
            return
        if change.after is State.OPEN:
            self._pause(symbol, change.cause)
        elif symbol in self._paused:
            self._desk.resume(symbol, self._paused.pop(symbol))

    def _pause(self, symbol: str, cause: Cause | None) -> None:
        reason = REASONS[cause or Cause.MANUAL]
        if self._desk.pause(symbol, reason):
            self._paused[symbol] = reason
