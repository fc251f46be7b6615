"""Finding an order whose client id the venue cannot look up: by time, side, size, price and position.

Pure. One and only one candidate that everything fits is a match; more than one is for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot4.ports.venue import OrderReport, TradeReport


@dataclass(frozen=True, slots=True)
class Lost:
    """What is known of the lost order: limit price None for a market order, `sent_ns` in ns UTC."""

    side: int
    quantity: Decimal
    price: Decimal | None
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """The order at the venue."""

    venue_id: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The venue shows nothing that could be it."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several could be it, or what fits contradicts the position: a person must say."""

    candidates: tuple[str, ...]


def _fits_order(lost: Lost, report: OrderReport, window_ns: int) -> bool:
    return (
        report.side == lost.side
        and report.quantity == lost.quantity
        and report.price == lost.price
        and abs(report.ts_venue - lost.sent_ns) <= window_ns
    )


def _fits_trade(lost: Lost, trade: TradeReport, window_ns: int) -> bool:
    if trade.side != lost.side or trade.quantity > lost.quantity:
        return False
    if not -window_ns <= trade.ts_venue - lost.sent_ns:
        return False
    return lost.price is None or (trade.price - lost.price) * lost.side <= 0


def match_lost(
    lost: Lost,
    open_orders: Sequence[OrderReport],
    trades: Sequence[TradeReport],
    unexplained: Decimal,
    taken: frozenset[str],
    window_ns: int,
) -> Found | Nothing | Ambiguous:
    """The order that `lost` became, or why not.

    `unexplained` is the venue's position minus ours, signed, in base units: what the trades found must add up
    to. `taken` are venue ids that belong to orders already known.
    """
    filled: dict[str, Decimal] = {}
    for trade in trades:
        if trade.venue_id not in taken and _fits_trade(lost, trade, window_ns):
            filled[trade.venue_id] = filled.get(trade.venue_id, Decimal(0)) + trade.quantity
    working = {r.venue_id for r in open_orders if r.venue_id not in taken and _fits_order(lost, r, window_ns)}
    candidates = sorted(working | filled.keys())
    if not candidates:
        return Nothing() if unexplained == 0 else Ambiguous(())
    if len(candidates) > 1:
        return Ambiguous(tuple(candidates))
    only = candidates[0]
    if filled.get(only, Decimal(0)) * lost.side != unexplained:
        return Ambiguous((only,))
    return Found(only)
