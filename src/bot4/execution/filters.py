"""Pre-trade validation against what the venue states, checked before anything is sent. Pure.

Each check gives an R_* code, R_OK when it passes. Prices and quantities are Decimals on the venue's side of
things: this is where its rules, its contract size and its units meet ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot4.model.codes_nb import (
    R_DELISTED,
    R_EXIT_FILTER,
    R_INSTRUMENT,
    R_MAX_QTY,
    R_MIN_NOTIONAL,
    R_MIN_QTY,
    R_OK,
    R_PRICE_BAND,
    R_PRICE_TICK,
    R_QTY_LOT,
    R_UNCHECKED,
)
from bot4.ports.venue import Rules


@dataclass(frozen=True, slots=True)
class Draft:
    """An order to be checked: `price` None for a market order, `trigger` its stop price."""

    side: int
    quantity: Decimal
    price: Decimal | None
    trigger: Decimal | None = None
    closes: bool = False  # reduce-only


def price_reason(rules: Rules, price: Decimal, reference: Decimal) -> int:
    """On the tick, positive, and within the venue's band around `reference`."""
    if price <= 0 or price % rules.instrument.tick != 0:
        return R_PRICE_TICK
    if reference <= 0 and (rules.price_up is not None or rules.price_down is not None):
        return R_UNCHECKED
    if rules.price_up is not None and price > reference * rules.price_up:
        return R_PRICE_BAND
    if rules.price_down is not None and price < reference * rules.price_down:
        return R_PRICE_BAND
    return R_OK


def quantity_reason(rules: Rules, draft: Draft) -> int:
    """On the lot, at least the least, at most the most (for market orders their own bound)."""
    instrument = rules.instrument
    if draft.quantity <= 0 or draft.quantity % instrument.lot != 0:
        return R_QTY_LOT
    if draft.quantity < instrument.min_qty:
        return R_MIN_QTY
    most = instrument.max_qty
    if draft.price is None and rules.market_max_qty is not None:
        most = min(most, rules.market_max_qty)
    return R_MAX_QTY if draft.quantity > most else R_OK


def order_reason(rules: Rules, draft: Draft, reference: Decimal) -> int:
    """All filters of the venue; `reference` is the price that its band and market orders are measured by."""
    if rules.status in ("closing", "delisted") and not draft.closes:
        return R_DELISTED
    if rules.status == "halted":
        return R_INSTRUMENT
    reason = quantity_reason(rules, draft)
    for price in (draft.price, draft.trigger):
        if reason == R_OK and price is not None:
            reason = price_reason(rules, price, reference)
    if reason != R_OK:
        return reason
    at = draft.price or draft.trigger or reference
    if at <= 0:
        return R_UNCHECKED
    worth = notional(rules, draft.quantity, at)
    return R_MIN_NOTIONAL if worth < rules.instrument.min_notional and not draft.closes else R_OK


def plan_reason(rules: Rules, entry: Draft, stop: Decimal, target: Decimal | None, reference: Decimal) -> int:
    """The entry, and whether its stop and its exit would be taken too: R_EXIT_FILTER when they would not.

    The stop is tried at its price for the whole quantity; as an exit of a spot venue must reach the minimal
    notional too, that is tried at the stop, where it is worth least for a long.
    """
    reason = order_reason(rules, entry, reference)
    if reason != R_OK:
        return reason
    legs = [Draft(-entry.side, entry.quantity, None, stop, closes=True)]
    if target is not None:
        legs.append(Draft(-entry.side, entry.quantity, target, closes=True))
    for leg in legs:
        if order_reason(rules, leg, reference) != R_OK:
            return R_EXIT_FILTER
        worth = notional(rules, leg.quantity, leg.price or leg.trigger or reference)
        if rules.instrument.kind == "spot" and worth < rules.instrument.min_notional:
            return R_EXIT_FILTER
    return R_OK


def notional(rules: Rules, quantity: Decimal, price: Decimal) -> Decimal:
    """Worth in quote currency: quantity x contract x price."""
    return quantity * rules.instrument.contract * price


def changed(known: Rules, now: Rules) -> list[str]:
    """What of an instrument's meaning has changed: any of it quarantines it until a person agrees."""
    out: list[str] = []
    if known.contract_size != now.contract_size:
        out.append(f"contract size was {known.contract_size}, is {now.contract_size}")
    for name in ("tick", "lot", "base", "quote", "kind"):
        before, after = getattr(known.instrument, name), getattr(now.instrument, name)
        if before != after:
            out.append(f"{name} was {before}, is {after}")
    return out


def first_fill_off(expected: Decimal, filled: Decimal, tolerance: Decimal) -> bool:
    """Whether the first fill's notional differs from the order's by more than `tolerance` (a fraction)."""
    if expected <= 0:
        return True
    return abs(filled - expected) > tolerance * expected


class SelfTrade(StrEnum):
    """What to do when an order of ours would meet another of ours."""

    CANCEL_NEWEST = "cancel newest"
    CANCEL_OLDEST = "cancel oldest"
    CANCEL_BOTH = "cancel both"
    DECREMENT = "decrement"


@dataclass(frozen=True, slots=True)
class Resting:
    """An order of ours at the venue: `price` None for a market order still on its way."""

    id: int
    side: int
    price: Decimal | None
    left: Decimal


@dataclass(frozen=True, slots=True)
class SelfTradeAnswer:
    """What may be sent of the new order (0: nothing), and which resting orders go: (id, what may stay)."""

    send: Decimal
    changes: tuple[tuple[int, Decimal], ...]


def crosses(side: int, price: Decimal | None, other: Resting) -> bool:
    """Whether an order could trade with `other`."""
    if other.side == side:
        return False
    if price is None or other.price is None:
        return True
    return (price - other.price) * side >= 0


def prevent_self_trade(
    policy: SelfTrade, side: int, price: Decimal | None, quantity: Decimal, resting: list[Resting]
) -> SelfTradeAnswer:
    """Keep a new order from meeting our own; `resting` in the order in which the venue would match."""
    met = [other for other in resting if crosses(side, price, other)]
    if not met:
        return SelfTradeAnswer(quantity, ())
    if policy is SelfTrade.CANCEL_NEWEST:
        return SelfTradeAnswer(Decimal(0), ())
    gone = tuple((other.id, Decimal(0)) for other in met)
    if policy is SelfTrade.CANCEL_OLDEST:
        return SelfTradeAnswer(quantity, gone)
    if policy is SelfTrade.CANCEL_BOTH:
        return SelfTradeAnswer(Decimal(0), gone)
    changes: list[tuple[int, Decimal]] = []
    left = quantity
    for other in met:
        cut = min(left, other.left)
        if cut > 0:
            changes.append((other.id, other.left - cut))
            left -= cut
    return SelfTradeAnswer(left, tuple(changes))
