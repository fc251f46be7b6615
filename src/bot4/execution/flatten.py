"""Closes an account from outside the run that traded on it: cancels everything, then closes, reduce-only.

It knows the account only from the venue, asks before every step, and keeps nothing: each round looks at what
is there now, so that a lost reply or a fill in between is seen by the next. Its gate is never enabled, so
that nothing but an order that reduces what the venue itself has just reported can pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot4.model.instrument import Instrument
from bot4.model.values import Quantity, Rate
from bot4.model.words import Intent
from bot4.ports.clock import Clock
from bot4.ports.venue import OrderReport, PositionReport, Rules, Venue, VenueError
from bot4.safety.gate import Gate, GateContext, Refused
from bot4.safety.state import gate_params, new_safety

Note = Callable[[dict[str, Any]], None]
NEW_RISK_MONEY = 1
"""The largest order of new risk, in money units: the gate wants a limit, and none is ever sent."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is at the venue."""

    orders: tuple[OrderReport, ...] = ()
    positions: tuple[PositionReport, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.orders or self.positions)

    def __str__(self) -> str:
        held = [f"{p.quantity:f} {p.symbol}" for p in self.positions]
        return ", ".join([f"{len(self.orders)} open orders", *held])


class Flattener:
    """Flattens the whole account behind `venue`; `note` takes what is done, for the journal."""

    def __init__(self, venue: Venue, clock: Clock, epoch: int, note: Note) -> None:
        self._venue = venue
        self._clock = clock
        self._note = note
        self._gate = Gate(new_safety(gate_params(NEW_RISK_MONEY)), "guard", epoch)
        self._rules: dict[str, Rules] = {}

    def learn(self, rules: Sequence[Rules]) -> None:
        """The instruments, as the venue states them."""
        self._rules = {rule.instrument.symbol: rule for rule in rules}

    async def look(self) -> Left:
        """What is at the venue now; VenueError: it is not known."""
        orders = await self._venue.open_orders()
        account = await self._venue.account()
        return Left(tuple(orders), tuple(p for p in account.positions if p.quantity))

    async def round(self) -> Left:
        """Look, cancel all, close what is held; what was found. VenueError from looking: nothing is known.

        A step that fails is noted, and the others are done all the same: the next round sees what came of it.
        """
        left = await self.look()
        for symbol in sorted({order.symbol for order in left.orders}):
            try:
                await self._venue.cancel_all(symbol)
                self._note({"what": "cancelled all", "symbol": symbol})
            except VenueError as error:
                self._note({"what": "cancel failed", "symbol": symbol, "error": str(error)})
        for position in left.positions:
            await self.close(position)
        return left

    async def close(self, position: PositionReport) -> None:
        """Close one position, as the venue has just reported it; what came of it is noted, never raised."""
        rule = self._rules.get(position.symbol)
        said = {"symbol": position.symbol, "quantity": f"{position.quantity:f}"}
        if rule is None:
            self._note({"what": "close failed", **said, "error": "the venue does not list it"})
            return
        approved = self._gate.approve(
            closing(position, rule), {}, context(position, rule.instrument, self._clock.now_ns())
        )
        if isinstance(approved, Refused):
            self._note({"what": "close refused by the gate", **said, "error": str(approved)})
            return
        try:
            report = await self._venue.submit(approved)
            self._note({"what": "closed", **said, "order": approved.client_order_id, "state": report.state})
        except VenueError as error:
            self._note(
                {"what": "close failed", **said, "order": approved.client_order_id, "error": str(error)}
            )


def closing(position: PositionReport, rule: Rules) -> Intent:
    """A reduce-only market order for as much of `position` as one order may be."""
    most = min(rule.market_max_qty or rule.instrument.max_qty, rule.instrument.max_qty)
    quantity = rule.instrument.round_qty_down(min(abs(position.quantity), most))
    side = -1 if position.quantity > 0 else 1
    return Intent(position.symbol, side, "market", quantity, None, None, True, "flatten")


def context(position: PositionReport, instrument: Instrument, now: int) -> GateContext:
    """What the gate is told: the position as the venue has just reported it, and nothing on its way."""
    spec = instrument.record(instrument.money_exp(), Rate(0), Rate(0), 1)
    mark = position.mark_price
    return GateContext(
        instrument=instrument,
        spec=spec,
        now=now,
        ref_price=None if mark is None else instrument.round_price(mark, 1),
        open_orders=0,
        position=instrument.round_qty_down(position.quantity),
        reducing=Quantity(0, instrument.lot),
    )
