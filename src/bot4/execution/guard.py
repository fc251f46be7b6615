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
from bot4.execution.lane import Lane
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked
from bot4.model.codes_nb import R_EXIT_FILTER, R_MAX_ORDER, R_OK, R_SELF, R_TURNOVER, R_UNCHECKED
from bot4.ports.alarm import Alarm
from bot4.ports.venue import Rules


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

    def reason(self, t: Tracked, lane: Lane, plan: Plan, now: int) -> int:
        """Why the order may not be sent, or R_OK, then it counts in the turnover."""
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

    def _tell(self, symbol: str, reason: int, text: str) -> int:
        if (symbol, reason) not in self._told:
            self._told.add((symbol, reason))
            self._alarm.tell("critical", f"{symbol}: {text}")
        return reason
