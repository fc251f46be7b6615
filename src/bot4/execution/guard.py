"""The desk's own gate before the wire: the venue's filters as they are now, and absolute caps.

The compiled gate approved the order on the rules that the run started with; this looks at what the venue
states now, at our other orders, and at amounts that no configuration may exceed. It can only refuse, and only
new risk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from bot4.execution.filters import (
    Draft,
    Resting,
    SelfTrade,
    changed,
    order_reason,
    plan_reason,
    prevent_self_trade,
)
from bot4.execution.funding import funding_advice
from bot4.execution.lane import Lane
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked
from bot4.model.codes_nb import (
    FOR_ENTRY,
    R_EDGE,
    R_EXIT_FILTER,
    R_MAX_ORDER,
    R_OK,
    R_SELF,
    R_TURNOVER,
    R_UNCHECKED,
)
from bot4.ports.alarm import Alarm, Level
from bot4.ports.venue import Rules

USUAL_INTERVAL_NS = 8 * 3600 * 10**9


class Plan(NamedTuple):
    """Where stop and target of the coming entry will be, in ticks; 0: not known before it fills."""

    stop: int = 0
    target: int = 0


class Turnover:
    """New risk sent within a running window, in quote currency."""

    def __init__(self, cap: Decimal, window_ns: int) -> None:
        self._cap = cap
        self._window = window_ns
        self._sent: deque[tuple[int, Decimal]] = deque()
        self._sum = Decimal(0)

    def allows(self, notional: Decimal, now: int) -> bool:
        """Whether `notional` more stays within the cap; it is counted when so."""
        while self._sent and now - self._sent[0][0] >= self._window:
            self._sum -= self._sent.popleft()[1]
        if self._sum + notional > self._cap:
            return False
        self._sent.append((now, notional))
        self._sum += notional
        return True


class Guard:
    """Refuses orders of new risk that the venue would refuse, or that nobody can have meant."""

    def __init__(self, settings: DeskSettings, alarm: Alarm) -> None:
        self._settings = settings
        self._alarm = alarm
        self._rules: dict[str, Rules] = {}
        self._turnover = Turnover(settings.turnover_cap, settings.turnover_ns)
        self._told: set[tuple[str, int]] = set()
        self._funding: dict[str, tuple[int, int]] = {}
        self._waits: dict[tuple[str, int], int] = {}

    def funding(self, symbol: str, rate_e8: int, next_ns: int) -> None:
        """The rate of the next funding payment, and when it falls due (ns UTC)."""
        self._funding[symbol] = (rate_e8, next_ns)

    def learn(self, rules: Sequence[Rules]) -> dict[str, str]:
        """The venue's rules now: symbols whose meaning changed since the last time, with what changed.

        Those keep their old rules and are to be quarantined; for the others the new rules hold.
        """
        wrong: dict[str, str] = {}
        for now in rules:
            symbol = now.instrument.symbol
            known = self._rules.get(symbol)
            what = changed(known, now) if known is not None else []
            if what:
                wrong[symbol] = "; ".join(what)
            else:
                self._rules[symbol] = now
        return wrong

    def _funding_holds(self, t: Tracked, symbol: str, wall: int) -> bool:
        """Whether an entry waits for a dear funding payment to pass, and then 5 minutes more."""
        known = self._funding.get(symbol)
        if known is None or t.purpose != FOR_ENTRY:
            return False
        rules = self._rules.get(symbol)
        interval = (rules.funding_interval_ns if rules is not None else None) or USUAL_INTERVAL_NS
        rate, due = known
        advice = funding_advice(t.side, rate, wall, due, interval, self._settings.funding_threshold_e8)
        if not advice.enter:
            self._waits[symbol, t.side] = advice.until
        return not advice.enter or (advice.just_paid and wall < self._waits.get((symbol, t.side), 0))

    def reason(self, t: Tracked, lane: Lane, plan: Plan, now: int, wall: int) -> int:
        """Why the order may not be sent, or R_OK, then it counts in the turnover.

        `now` on the steady clock, `wall` in ns UTC.
        """
        symbol = lane.book.instrument.symbol
        if self._funding_holds(t, symbol, wall):
            return self._tell(symbol, R_EDGE, "an entry waits for a dear funding payment to pass", "info")
        instrument, live, mark = lane.book.instrument, lane.live, lane.price
        reference = (mark or t.price) * instrument.tick
        price = t.price * instrument.tick if t.price else None
        quantity = t.qty * instrument.lot
        if reference <= 0:
            return R_UNCHECKED
        rules = self._rules.get(instrument.symbol)
        if rules is not None:
            trigger = t.stop_price * instrument.tick if t.stop_price else None
            draft = Draft(t.side, quantity, price, trigger)
            reason = order_reason(rules, draft, reference)
            if reason == R_OK and plan.stop > 0:
                stop, target = plan.stop * instrument.tick, plan.target * instrument.tick
                reason = plan_reason(rules, draft, stop, target or None, reference)
            if reason == R_EXIT_FILTER:
                self._tell(instrument.symbol, reason, "the venue would refuse the stop or the exit: no entry")
            if reason != R_OK:
                return reason
        worth = quantity * instrument.contract * max(reference, price or reference)
        if worth > self._settings.order_cap:
            return self._tell(
                instrument.symbol, R_MAX_ORDER, f"an order of {worth:f} is above the absolute cap"
            )
        resting = [
            Resting(o.id, o.side, o.price * instrument.tick if o.price else None, o.left * instrument.lot)
            for o in live
            if not o.stop_price and o.id != t.id
        ]
        answer = prevent_self_trade(SelfTrade.CANCEL_NEWEST, t.side, price, quantity, resting)
        if answer.send < quantity:
            return R_SELF
        if not self._turnover.allows(worth, now):
            return self._tell(instrument.symbol, R_TURNOVER, "turnover is at its cap; new risk waits")
        return R_OK

    def _tell(self, symbol: str, reason: int, text: str, level: Level = "critical") -> int:
        if (symbol, reason) not in self._told:
            self._told.add((symbol, reason))
            self._alarm.tell(level, f"{symbol}: {text}")
        return reason
