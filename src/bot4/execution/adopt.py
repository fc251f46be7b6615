"""Differences with the venue as events of the engine: positions taken over, cash that moved outside.

The ledger books EV_ADOPT as if the position had been traded at `average` (cost against cash, nothing
realised). What the real trades moved beyond that follows as EV_CASH, so that cash and equity are the
venue's to the last unit.
"""

from __future__ import annotations

from decimal import Decimal

from bot4.execution.outbox import Outbox
from bot4.execution.reconcile import Difference, Kind
from bot4.model.codes_nb import EV_ADOPT, EV_CASH
from bot4.model.instrument import Instrument
from bot4.model.values import steps_down, unit_of

BOOKED = (Kind.ADOPTED, Kind.CLOSED_OUTSIDE, Kind.LIQUIDATED, Kind.DELEVERAGED)
"""Differences that change the position without an order of ours."""


def cash_outside(
    difference: Difference, instrument: Instrument, money_exp: int, before: tuple[int, int]
) -> int:
    """Money units to book as cash, beside the adoption of the new position; rounded against us.

    `before` is (signed lots, average ticks) of the old position. Without trades (an adoption of an old
    position) there is nothing to book: the account's cash was read with the position already paid.
    """
    if not difference.outside:
        return 0
    flow = Decimal(0)
    for trade in difference.outside:
        flow -= trade.side * trade.price * trade.quantity * instrument.contract
        if trade.fee_asset == instrument.quote:
            flow -= trade.fee
        elif trade.fee_asset == instrument.base:
            flow -= trade.fee * trade.price
    lots, average = before
    flow += (difference.lots * difference.average - lots * average) * instrument.grid
    return steps_down(flow, unit_of(money_exp), "cash")


def tell_adoption(
    out: Outbox,
    index: int,
    difference: Difference,
    instrument: Instrument,
    money_exp: int,
    before: tuple[int, int],
) -> None:
    """Put the events of one difference of the kinds BOOKED; `before` as in `cash_outside`."""
    cash = cash_outside(difference, instrument, money_exp, before)
    out.put(EV_ADOPT, index, x=difference.lots, y=difference.reason, price=difference.average)
    if cash:
        out.put(EV_CASH, index, x=cash, y=difference.reason)
