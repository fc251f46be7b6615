"""Faults at work: which rules fire on which request or message, drawn under a seed, all logged."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Any

from bot4.ports.clock import Clock
from bot4.venues.served.faults_plan import Do, Rule

S = 1_000_000_000
LOG_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a request or message looks like to the rules."""

    face: str
    product: str
    method: str = ""
    path: str = ""
    stream: str = ""
    account: str = ""
    symbol: str = ""


@dataclass(slots=True)
class _Armed:
    """A rule that holds, with its counts."""

    id: int
    rule: Rule
    since_ns: int
    seed: int
    matched: int = 0
    fired: int = 0
    drawn: int = 0

    def draw(self) -> float:
        """The next number in (0, 1): a hash of seed, rule and count, so that a rule repeats itself."""
        self.drawn += 1
        text = f"{self.seed}/{self.id}/{self.drawn}".encode()
        return (int.from_bytes(hashlib.blake2b(text, digest_size=7).digest()) + 0.5) / 2**56


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule that fires now."""

    rule_id: int
    rule: Rule
    delay_ns: int

    @property
    def do(self) -> Do:
        """What happens."""
        return self.rule.do


class Faults:
    """Holds the rules, decides which fire, and keeps the log. Windows run on the steady clock."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._armed: dict[int, _Armed] = {}
        self._next = 1
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_KEPT)

    def add(self, rules: list[Rule]) -> list[int]:
        """Let rules hold from now on; their numbers."""
        numbers = []
        now_ns = self._clock.monotonic_ns()
        for rule in rules:
            self._armed[self._next] = _Armed(self._next, rule, now_ns, self._seed)
            numbers.append(self._next)
            self._next += 1
        return numbers

    def clear(self, rule_id: int | None = None) -> int:
        """Let one rule, or all, hold no more; how many that were."""
        gone = [rule_id] if rule_id in self._armed else list(self._armed) if rule_id is None else []
        for number in gone:
            self._armed.pop(number)
        return len(gone)

    def listing(self) -> list[dict[str, Any]]:
        """The rules that hold, with how often they matched and fired."""
        return [
            {
                "id": a.id,
                "name": a.rule.name,
                "face": a.rule.match.face,
                "kind": a.rule.do.kind,
                "matched": a.matched,
                "fired": a.fired,
            }
            for a in self._armed.values()
        ]

    def __bool__(self) -> bool:
        """Whether any rule holds: without one, traffic takes the short way."""
        return bool(self._armed)

    def firing(self, traffic: Traffic) -> list[Firing]:
        """The rules that fire on this request or message, in the order they were set; each is logged."""
        found = []
        now_ns = self._clock.monotonic_ns()
        for armed in self._armed.values():
            if self._fires(armed, traffic, now_ns):
                armed.fired += 1
                firing = Firing(armed.id, armed.rule, _delay(armed))
                self._write(armed, traffic, firing)
                found.append(firing)
        return found

    def due(self) -> list[Firing]:
        """Rules of the face `time` that are due; each fires once."""
        found = []
        now_ns = self._clock.monotonic_ns()
        for armed in self._armed.values():
            match = armed.rule.match
            if match.face != "time" or armed.fired or now_ns - armed.since_ns < match.after * S:
                continue
            armed.matched += 1
            armed.fired += 1
            if armed.draw() < match.probability:
                firing = Firing(armed.id, armed.rule, 0)
                traffic = Traffic("time", match.product, symbol=match.symbol, account=match.account)
                self._write(armed, traffic, firing)
                found.append(firing)
        return found

    def _fires(self, armed: _Armed, traffic: Traffic, now_ns: int) -> bool:
        match = armed.rule.match
        age = (now_ns - armed.since_ns) / S
        if age < match.after or (match.for_ and age >= match.after + match.for_):
            return False
        if not _matches(armed.rule, traffic):
            return False
        armed.matched += 1
        if match.nth and armed.matched != match.nth:
            return False
        if match.count and armed.fired >= match.count:
            return False
        return match.probability >= 1 or armed.draw() < match.probability

    def _write(self, armed: _Armed, traffic: Traffic, firing: Firing) -> None:
        self.log.append(
            {
                "time": self._clock.now_ns() // 1_000_000,
                "rule": armed.id,
                "name": armed.rule.name,
                "kind": firing.do.kind,
                "face": traffic.face,
                "product": traffic.product,
                "what": traffic.stream or f"{traffic.method} {traffic.path}".strip(),
                "account": traffic.account,
                "symbol": traffic.symbol,
                "delay_ms": firing.delay_ns / 1e6,
            }
        )


def _matches(rule: Rule, traffic: Traffic) -> bool:
    match = rule.match
    return match.face == traffic.face and all(
        not glob or fnmatchcase(value, glob)
        for glob, value in (
            (match.product, traffic.product),
            (match.method, traffic.method),
            (match.path, traffic.path),
            (match.stream, traffic.stream),
            (match.account, traffic.account),
            (match.symbol, traffic.symbol),
        )
    )


def _delay(armed: _Armed) -> int:
    """How long a `delay` lasts: fixed, or log-normal with median `ms` and shape `sigma`."""
    do = armed.rule.do
    if do.kind != "delay":
        return 0
    factor = math.exp(do.sigma * NormalDist().inv_cdf(armed.draw())) if do.sigma else 1.0
    return int(do.ms * factor * 1_000_000)
