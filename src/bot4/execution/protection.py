"""Venue-side protection: is every position covered by a stop, and for how long was it not.

The split: the engine's bracket kernel alone decides which stops there should be and emits them (sealed). The
lanes carry them out and tell every change, so that the kernel replaces what vanished. This module watches the
result: the lots of working stops against the position, the time without cover, and stops that the market has
passed. What it wants changed goes through a lane (a cancel with R_TRIGGER_NOW, after which the engine leaves
the position), never past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot4.execution.lifecycle import State
from bot4.execution.tracked import Tracked
from bot4.model.instrument import Instrument
from bot4.model.values import ONE, steps_down, steps_up

CONFIRMED = (State.WORKING, State.PARTIAL, State.CANCELING)
BUCKETS_NS = tuple(10**k for k in range(6, 13))
"""Upper bounds of the histogram of naked times: 1 ms to 1000 s; one more bucket takes the rest."""


def exit_price(mark: int, side: int, slippage: Decimal) -> int:
    """The worst price of a controlled exit, in ticks: `slippage` (a fraction) beyond `mark`, at least 1."""
    if side > 0:
        return max(1, steps_down(mark * (1 + slippage), ONE, "exit price"))
    return max(1, steps_up(mark * (1 - slippage), ONE, "exit price"))


def dust(instrument: Instrument, lots: int, price: int) -> bool:
    """Whether a spot position, at `price` ticks (0: not known), is too small to be sold by itself."""
    worth = abs(lots) * price * instrument.grid
    return instrument.kind == "spot" and 0 < worth < instrument.min_notional


def covered(position: int, orders: Sequence[Tracked]) -> int:
    """Lots that confirmed stops cover; one on its way, unknown or held here counts as none."""
    side = -1 if position > 0 else 1
    return min(
        abs(position),
        sum(t.left for t in orders if t.is_stop and t.side == side and not t.soft and t.state in CONFIRMED),
    )


def held_here(position: int, orders: Sequence[Tracked]) -> int:
    """Lots of `position` whose stop is watched by bot4 because the venue does not take it."""
    side = -1 if position > 0 else 1
    return min(abs(position), sum(t.left for t in orders if t.soft and t.live and t.side == side))


def passed(stop: Tracked, mark: int) -> bool:
    """Whether the market (ticks) is at or beyond the stop."""
    return stop.stop_price > 0 and mark > 0 and (mark - stop.stop_price) * stop.side >= 0


@dataclass(slots=True)
class NakedTime:
    """How long one instrument's position stood without full cover. Times in steady ns."""

    since: int | None = None
    worst_ns: int = 0
    total_ns: int = 0
    told: bool = False
    histogram: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_NS) + 1))  # ended spells

    def look(self, naked_lots: int, now: int) -> int:
        """Note `naked_lots` (0: covered) at `now`; the age of the present spell, 0 when covered."""
        if naked_lots <= 0:
            if self.since is not None:
                self._close(now - self.since)
            return 0
        if self.since is None:
            self.since = now
        age = now - self.since
        self.worst_ns = max(self.worst_ns, age)
        return age

    def _close(self, spell: int) -> None:
        self.worst_ns = max(self.worst_ns, spell)
        self.total_ns += spell
        self.histogram[sum(spell > bound for bound in BUCKETS_NS)] += 1
        self.since = None
        self.told = False


@dataclass(slots=True)
class PassedStops:
    """Stops that the market has passed but that did not fill, by order id and since when (steady ns)."""

    limit_ns: int
    _since: dict[int, int] = field(default_factory=dict)

    def look(self, orders: Sequence[Tracked], mark: int, now: int) -> list[int]:
        """The ids of stops passed for longer than the limit: cancel them and leave at market."""
        due: list[int] = []
        stops = [t for t in orders if t.is_stop and not t.soft and t.state in CONFIRMED and passed(t, mark)]
        ids = {t.id for t in stops}
        self._since = {k: at for k, at in self._since.items() if k in ids}
        for t in stops:
            if now - self._since.setdefault(t.id, now) > self.limit_ns:
                due.append(t.id)
        return due
