"""Circuit breakers: one machine (`breaker_nb`) for calls that fail and for values that leave their range.

    CLOSED     work passes; failures are counted
    OPEN       nothing passes until the time-out is over
    HALF_OPEN  a few probes pass; enough successes close, one failure opens again

There is no way from OPEN to CLOSED but through HALF_OPEN. A breaker opens when one of these holds:

- `errors_to_open` failures within `window_ns`;
- the error rate is above `rate` with probability `confidence`, by the Beta-binomial posterior with a uniform
  prior, so that five failures in ten calls do not open a breaker on a rate of one half by chance;
- a value reached `high` (it is tried again, and closes, only at `low` or below: hysteresis);
- somebody tripped it, with a reason; or a breaker it depends on opened.

`rate` is tuned downwards while all is well: the posterior of the healthy error rate, over a bounded number of
calls, sets it within [rate_floor, rate]. A machine that hardly ever errs opens earlier than at one half.

After Nygard, "Release It!" (2007), for the machine; the posterior tail is the regularised incomplete beta
function, for whole parameters a sum of binomial terms.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np

from bot4.model.codes_nb import (
    R_BREAKER,
    R_ERRORS,
    R_LATENCY,
    R_LOSS,
    R_OPERATOR,
    R_SPREAD,
    R_TOXIC_FLOW,
    R_VOLUME,
)
from bot4.model.errors import ConfigError
from bot4.safety.breaker_nb import (
    BREAKER_DTYPE,
    admit_nb,
    forget_nb,
    half_open_nb,
    measure_nb,
    pass_nb,
    shut_nb,
    trip_nb,
)

SECOND = 10**9
MINUTE = 60 * SECOND


class State(IntEnum):
    """Of a breaker; the numbers are those of the metrics."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


_STATES = tuple(State)


class Level(StrEnum):
    """What an open breaker stops."""

    POSITION = "position"
    STRATEGY = "strategy"
    VENUE = "venue"
    SYSTEM = "system"


class Cause(StrEnum):
    """Why a breaker opened."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"
    TOXIC_FLOW = "toxic_flow"
    SPREAD = "spread"
    VOLUME = "volume"
    API_ERRORS = "api_errors"
    RISK_LIMIT = "risk_limit"
    MANUAL = "manual"


REASONS = {
    Cause.ERROR_RATE: R_ERRORS,
    Cause.LATENCY: R_LATENCY,
    Cause.TOXIC_FLOW: R_TOXIC_FLOW,
    Cause.SPREAD: R_SPREAD,
    Cause.VOLUME: R_VOLUME,
    Cause.API_ERRORS: R_BREAKER,
    Cause.RISK_LIMIT: R_LOSS,
    Cause.MANUAL: R_OPERATOR,
}
"""With what reason new risk is refused while a breaker is open because of this."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Settings of one breaker. Without `high` it watches no value.

    `errors_to_open` 0: failures are not counted, only their rate is judged.
    `scope` is what it stands for: a symbol, a venue, or "" for all.
    """

    name: str
    level: Level
    errors_to_open: int = 5
    window_ns: int = 5 * MINUTE
    timeout_ns: int = 5 * MINUTE
    probes: int = 1
    successes_to_close: int = 3
    rate: float = 0.5
    rate_floor: float = 0.2
    confidence: float = 0.95
    min_calls: int = 10
    remembered: int = 1000
    high: float | None = None
    low: float | None = None
    value_cause: Cause = Cause.LATENCY
    depends_on: tuple[str, ...] = ()
    scope: str = ""

    def __post_init__(self) -> None:
        counts = ("window_ns", "timeout_ns", "probes", "successes_to_close", "min_calls")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"breaker {self.name}: {name} must be at least 1")
        if self.errors_to_open < 0:
            raise ConfigError(f"breaker {self.name}: errors_to_open must not be negative")
        if not 0.0 < self.rate_floor <= self.rate < 1.0 or not 0.5 <= self.confidence < 1.0:
            raise ConfigError(
                f"breaker {self.name}: need 0 < rate_floor <= rate < 1 and confidence in [0.5, 1)"
            )
        if (self.high is None) != (self.low is None):
            raise ConfigError(f"breaker {self.name}: high and low come together")
        if self.high is not None and self.low is not None and not self.low < self.high:
            raise ConfigError(f"breaker {self.name}: low must be below high, or it would flap")


@dataclass(frozen=True, slots=True)
class Change:
    """One transition, for the journal and for `bot4 why`. `ts` in ns of the caller's clock.

    `value` against `limit` is what was measured, NaN where it is no number; `wait_ns`: how long it is open.
    """

    breaker: str
    level: Level
    before: State
    after: State
    cause: Cause | None
    detail: str
    ts: int
    scope: str = ""
    value: float = math.nan
    limit: float = math.nan
    wait_ns: int = 0


def tail(failures: int, successes: int, rate: float) -> float:
    """P(error rate > `rate`) under Beta(1 + failures, 1 + successes).

    Equal to P(Binomial(n + 1, rate) <= failures) with n = failures + successes; summed in logarithms, so
    that thousands of calls neither overflow nor underflow.
    """
    n = failures + successes + 1
    ln_p, ln_q = math.log(rate), math.log1p(-rate)
    total = 0.0
    for k in range(failures + 1):
        ln = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * ln_p + (n - k) * ln_q
        total += math.exp(ln)
    return min(1.0, total)


@dataclass
class Breaker:
    """One breaker. Every method takes the time, so that it can be replayed; `tell` hears each transition."""

    rule: Rule
    tell: Callable[[Change], None] = lambda change: None
    cause: Cause | None = None
    detail: str = ""
    _calls: deque[tuple[int, bool]] = field(default_factory=deque)
    _healthy: deque[bool] = field(default_factory=deque)
    _rows: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(1, BREAKER_DTYPE))
    _seen: tuple[float, float] = (math.nan, math.nan)  # what was measured last, against what

    def __post_init__(self) -> None:
        rule, row = self.rule, self._rows[0]
        self._healthy = deque(maxlen=rule.remembered)
        row["timeout"], row["probes"], row["needed"] = rule.timeout_ns, rule.probes, rule.successes_to_close
        row["value"] = -math.inf
        self._state = self._rows["state"]
        row["high"] = math.nan if rule.high is None else rule.high
        row["low"] = math.nan if rule.low is None else rule.low

    @property
    def state(self) -> State:
        """Where it stands."""
        return _STATES[int(self._state[0])]

    @property
    def opened_ns(self) -> int:
        """When it opened last, or its time-out began anew."""
        return int(self._rows[0]["opened"])

    def allow(self, now: int) -> bool:
        """Whether one piece of work may begin now; a probe that is let through is recorded or forgotten."""
        before = self.state
        admitted = bool(admit_nb(self._rows, 0, now))
        if self.state is not before:
            self._changed(before, self.cause, "time-out is over", now)
        return admitted

    def shut(self, now: int) -> bool:
        """Whether `allow` would refuse now; asks without taking a probe's place."""
        return bool(shut_nb(self._rows, 0, now))

    def try_again(self, now: int) -> None:
        """Be half open once the time-out is over, without work that asks: signs come by themselves."""
        if half_open_nb(self._rows, 0, now):
            self._changed(State.OPEN, self.cause, "time-out is over", now)

    def forget(self) -> None:
        """A piece of work that was let through came to nothing: it says nothing, another may probe."""
        forget_nb(self._rows, 0)

    def record(self, good: bool, now: int, cause: Cause = Cause.API_ERRORS, detail: str = "") -> None:
        """What became of a piece of work. Late answers of an open breaker change nothing."""
        if self.state is State.HALF_OPEN:
            self.forget()
        self.sign(good, now, cause, detail)

    def sign(self, good: bool, now: int, cause: Cause = Cause.API_ERRORS, detail: str = "") -> None:
        """A good or a bad sign from work that asked nobody; otherwise as `record`."""
        if self.state is State.HALF_OPEN:
            if not good:
                self._open(cause, detail or "a probe failed", now)
            elif pass_nb(self._rows, 0):
                self._close(now)
        elif self.state is State.CLOSED:
            self._count(good, now, cause, detail)

    def _count(self, good: bool, now: int, cause: Cause, detail: str) -> None:
        calls = self._calls
        calls.append((now, good))
        while calls and now - calls[0][0] > self.rule.window_ns:
            self._healthy.append(calls.popleft()[1])
        if len(calls) > self.rule.remembered:
            self._healthy.append(calls.popleft()[1])
        if good:
            return
        bad = sum(1 for _, fine in calls if not fine)
        if 0 < self.rule.errors_to_open <= bad:
            self._seen = (float(bad), float(self.rule.errors_to_open))
            self._open(cause, detail or f"{bad} errors in {self.rule.window_ns / 1e9:g} s", now)
        elif len(calls) >= self.rule.min_calls:
            rate = self.tuned_rate()
            if tail(bad, len(calls) - bad, rate) > self.rule.confidence:
                self._seen = (bad / len(calls), rate)
                text = f"error rate above {rate:.0%}: {bad} of {len(calls)} calls"
                self._open(Cause.ERROR_RATE, detail or text, now)

    def tuned_rate(self) -> float:
        """The rate at which it opens now: ten times the healthy posterior mean, within its hard bounds.

        More good calls never raise it, more bad ones never lower it.
        """
        bad = sum(1 for fine in self._healthy if not fine)
        mean = (1 + bad) / (2 + len(self._healthy))
        return min(self.rule.rate, max(self.rule.rate_floor, 10.0 * mean))

    def measure(self, value: float, now: int, detail: str = "") -> None:
        """A watched value. One that is not a number opens: it cannot be judged."""
        high = self.rule.high
        if high is None:
            raise ConfigError(f"breaker {self.rule.name} watches no value")
        before = self.state
        if not measure_nb(self._rows, 0, value, 0, now):
            return
        self._seen = (value, high)
        if self.state is State.OPEN:
            self._changed(before, self.rule.value_cause, detail or f"{value:g} reached {high:g}", now)
        elif self.state is State.HALF_OPEN:
            self._changed(before, self.cause, "time-out is over", now)
        else:
            self._close(now)

    def trip(self, cause: Cause, detail: str, now: int) -> None:
        """Open it now; an open one starts its time-out anew."""
        self._seen = (math.nan, math.nan)
        self._open(cause, detail, now)

    def _open(self, cause: Cause, detail: str, now: int) -> None:
        before = self.state
        self._calls.clear()
        if trip_nb(self._rows, 0, 0, now):
            self._changed(before, cause, detail, now)
        else:
            self.cause, self.detail = cause, detail

    def _close(self, now: int) -> None:
        self._calls.clear()
        passed = self.rule.successes_to_close
        self._changed(State.HALF_OPEN, None, f"{passed} good signs", now)

    def _changed(self, before: State, cause: Cause | None, detail: str, now: int) -> None:
        self.cause, self.detail = cause, detail
        rule, after = self.rule, self.state
        wait = rule.timeout_ns if after is State.OPEN else 0
        change = Change(
            rule.name, rule.level, before, after, cause, detail, now, rule.scope, *self._seen, wait
        )
        self.tell(change)


class Breakers:
    """All breakers of a process, with who depends on whom; opening one opens its dependants at once."""

    def __init__(self, rules: Iterable[Rule], tell: Callable[[Change], None]) -> None:
        self._tell = tell
        self._all: dict[str, Breaker] = {}
        self._dependants: dict[str, list[str]] = {}
        for rule in rules:
            if rule.name in self._all:
                raise ConfigError(f"breaker {rule.name} is declared twice")
            self._all[rule.name] = Breaker(rule, self._heard)
        for name, breaker in self._all.items():
            for other in breaker.rule.depends_on:
                if other not in self._all:
                    raise ConfigError(f"breaker {name} depends on {other}, which does not exist")
                self._dependants.setdefault(other, []).append(name)
        self._refuse_cycles()

    def __getitem__(self, name: str) -> Breaker:
        return self._all[name]

    def __iter__(self) -> Iterable[Breaker]:
        return iter(self._all.values())

    def _refuse_cycles(self) -> None:
        """Two breakers that depend on each other would hold each other open for ever."""
        done: set[str] = set()

        def walk(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise ConfigError(f"breakers depend on each other in a circle: {' -> '.join((*path, name))}")
            if name not in done:
                for other in self._all[name].rule.depends_on:
                    walk(other, (*path, name))
                done.add(name)

        for name in self._all:
            walk(name, ())

    def try_again(self, now: int) -> None:
        """Half open what may be tried at `now`: time-out over, value low, nothing it depends on is open."""
        for breaker in self._all.values():
            if all(self._all[other].state is not State.OPEN for other in breaker.rule.depends_on):
                breaker.try_again(now)

    def _heard(self, change: Change) -> None:
        """Tell, then open the dependants; one that is open already is not visited again."""
        self._tell(change)
        if change.after is State.OPEN:
            for name in self._dependants.get(change.breaker, ()):
                breaker = self._all[name]
                if breaker.state is not State.OPEN:
                    cause = change.cause or Cause.MANUAL
                    breaker.trip(cause, f"{change.breaker} opened: {change.detail}", change.ts)

    def open_at(self, level: Level) -> list[Breaker]:
        """The breakers of a level that do not let work pass now (open or half-open)."""
        return [b for b in self._all.values() if b.rule.level is level and b.state is not State.CLOSED]
