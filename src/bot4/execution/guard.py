"""The desk's own gate before the wire: the venue's filters as they are now, and absolute caps.

The compiled gate approved the order on the rules that the run started with; this looks at what the venue
states now, at our other orders, and at amounts that no configuration may exceed. It can only refuse, and only
new risk. Every check is asked; the first that refuses gives the reason, all are told to the watcher. A check
that fails itself refuses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
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


class Case(NamedTuple):
    """What the checks of one order look at, in the venue's units."""

    symbol: str
    side: int
    purpose: int
    draft: Draft
    reference: Decimal  # the mark, or the order's own price; not positive: unknown
    worth: Decimal  # quote currency
    rules: Rules | None  # as the venue states them now
    stop: Decimal | None
    target: Decimal | None
    resting: list[Resting]


def reference_reason(case: Case) -> int:
    """R_UNCHECKED without a price to judge by."""
    return R_OK if case.reference > 0 else R_UNCHECKED


def filter_reason(case: Case) -> int:
    """The venue's filters as it states them now."""
    return R_OK if case.rules is None else order_reason(case.rules, case.draft, case.reference)


def exit_reason(case: Case) -> int:
    """R_EXIT_FILTER when the venue would take the entry but not its stop or its exit."""
    if case.rules is None or case.stop is None or filter_reason(case) != R_OK:
        return R_OK
    return plan_reason(case.rules, case.draft, case.stop, case.target, case.reference)


def cap_reason(case: Case, cap: Decimal) -> int:
    """R_MAX_ORDER above the absolute cap of one order."""
    return R_MAX_ORDER if case.worth > cap else R_OK


def self_trade_reason(case: Case) -> int:
    """R_SELF for an order that would trade with one of ours."""
    draft = case.draft
    answer = prevent_self_trade(SelfTrade.CANCEL_NEWEST, case.side, draft.price, draft.quantity, case.resting)
    return R_SELF if answer.send < draft.quantity else R_OK


class Turnover:
    """New risk sent within a running window, in quote currency."""

    def __init__(self, cap: Decimal, window_ns: int) -> None:
        self._cap = cap
        self._window = window_ns
        self._sent: deque[tuple[int, Decimal]] = deque()
        self._sum = Decimal(0)

    def fits(self, notional: Decimal, now: int) -> bool:
        """Whether `notional` more stays within the cap."""
        while self._sent and now - self._sent[0][0] >= self._window:
            self._sum -= self._sent.popleft()[1]
        return self._sum + notional <= self._cap

    def count(self, notional: Decimal, now: int) -> None:
        """`notional` is sent."""
        self._sent.append((now, notional))
        self._sum += notional


TEXTS: dict[str, tuple[Level, str]] = {
    "funding": ("info", "an entry waits for a dear funding payment to pass"),
    "exit_filter": ("critical", "the venue would refuse the stop or the exit: no entry"),
    "order_cap": ("critical", "an order of {worth:f} is above the absolute cap"),
    "turnover": ("critical", "turnover is at its cap; new risk waits"),
}
"""What is told, once a symbol, when a check refuses; the others refuse silently, as the gate does."""


class Guard:
    """Refuses orders of new risk that the venue would refuse, or that nobody can have meant."""

    def __init__(self, settings: DeskSettings, alarm: Alarm) -> None:
        self._settings = settings
        self._alarm = alarm
        self._rules: dict[str, Rules] = {}
        self._turnover = Turnover(settings.turnover_cap, settings.turnover_ns)
        self._told: set[tuple[str, str]] = set()
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

    def funding_reason(self, case: Case, wall: int) -> int:
        """R_EDGE while an entry waits for a dear funding payment to pass, and 5 minutes more."""
        known = self._funding.get(case.symbol)
        if known is None or case.purpose != FOR_ENTRY:
            return R_OK
        interval = (case.rules.funding_interval_ns if case.rules is not None else None) or USUAL_INTERVAL_NS
        rate, due = known
        advice = funding_advice(case.side, rate, wall, due, interval, self._settings.funding_threshold_e8)
        if not advice.enter:
            self._waits[case.symbol, case.side] = advice.until
        waits = advice.just_paid and wall < self._waits.get((case.symbol, case.side), 0)
        return R_EDGE if not advice.enter or waits else R_OK

    def turnover_reason(self, case: Case, now: int) -> int:
        """R_TURNOVER when the order would exceed what may be sent within the window."""
        return R_OK if self._turnover.fits(case.worth, now) else R_TURNOVER

    def _case(self, t: Tracked, lane: Lane, plan: Plan) -> Case:
        instrument, mark = lane.book.instrument, lane.price
        tick = instrument.tick
        price = t.price * tick if t.price else None
        quantity = t.qty * instrument.lot
        reference = (mark or t.price) * tick
        planned = plan.stop > 0
        return Case(
            symbol=instrument.symbol,
            side=t.side,
            purpose=t.purpose,
            draft=Draft(t.side, quantity, price, t.stop_price * tick if t.stop_price else None),
            reference=reference,
            worth=quantity * instrument.contract * max(reference, price or reference),
            rules=self._rules.get(instrument.symbol),
            stop=plan.stop * tick if planned else None,
            target=plan.target * tick if planned and plan.target else None,
            resting=[
                Resting(o.id, o.side, o.price * tick if o.price else None, o.left * instrument.lot)
                for o in lane.live
                if not o.stop_price and o.id != t.id
            ],
        )

    def failed(self, t: Tracked, lane: Lane, plan: Plan, now: int, wall: int) -> dict[str, int]:
        """Every check that refuses the order, with its reason, in their fixed order; empty: it may be sent.

        `now` on the steady clock, `wall` in ns UTC. An order without one counts in the turnover.
        """
        case = self._case(t, lane, plan)
        checks: dict[str, Callable[[], int]] = {
            "funding": lambda: self.funding_reason(case, wall),
            "venue_filters": lambda: filter_reason(case),
            "exit_filter": lambda: exit_reason(case),
            "order_cap": lambda: cap_reason(case, self._settings.order_cap),
            "self_trade": lambda: self_trade_reason(case),
            "turnover": lambda: self.turnover_reason(case, now),
        }
        found = {"reference_price": reference_reason(case)}
        if found["reference_price"] == R_OK:
            found = {name: self._asked(case.symbol, name, check) for name, check in checks.items()}
        found = {name: reason for name, reason in found.items() if reason != R_OK}
        for name, reason in found.items():
            if name in TEXTS and reason != R_UNCHECKED:
                level, text = TEXTS[name]
                self._tell(case.symbol, name, level, text.format(worth=case.worth))
        if not found:
            self._turnover.count(case.worth, now)
        return found

    def _asked(self, symbol: str, name: str, check: Callable[[], int]) -> int:
        """The check's answer; R_UNCHECKED when its own code fails, which is told."""
        try:
            return check()
        except Exception as error:  # noqa: BLE001 - a check that cannot be asked refuses
            self._tell(symbol, f"{name} failed", "critical", f"the check {name} failed inside: {error!r}")
            return R_UNCHECKED

    def _tell(self, symbol: str, name: str, level: Level, text: str) -> None:
        if (symbol, name) not in self._told:
            self._told.add((symbol, name))
            self._alarm.tell(level, f"{symbol}: {text}")
