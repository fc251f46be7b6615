"""What the exchange checks before it takes an order: the filters of the market, then the money."""

from __future__ import annotations

import re
from decimal import Decimal

from bot4.model import codes_nb as c
from bot4.venues.simulator import margin
from bot4.venues.simulator.bank import ZERO, Bank
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import Registry
from bot4.venues.simulator.triggers import Triggers, triggers_at
from bot4.venues.simulator.words import (
    Account,
    Market,
    OrderType,
    Refusal,
    Refused,
    Request,
    SelfTrade,
    TimeInForce,
)

CONDITIONAL = (
    OrderType.STOP,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
    OrderType.TRAILING,
)
PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)  # a tuple: found by identity
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
MAX_TICKS = 1 << 40


def reference(listing: Listing) -> Decimal:
    """The price that bands refer to, in ticks: a perp's mark, else last trade or middle; 0: unknown."""
    if listing.perp:
        return margin.mark_of(listing) / listing.market.tick
    if listing.last is not None:
        return Decimal(listing.last)
    return (listing.mid() or ZERO) / listing.market.tick


def check(bank: Bank, registry: Registry, account: Account, listing: Listing, r: Request) -> None:
    """Refused unless the order passes every filter of its market; the money is another matter."""
    m = listing.market
    if m.status != "trading" and not (m.status == "closing" and r.reduce_only):
        raise Refused(Refusal.NOT_TRADING, f"{m.symbol} is {m.status}")
    if account.hedge_mode and listing.perp:
        raise Refused(Refusal.MODE, "hedge mode is not simulated; switch to one-way mode")
    if r.side not in (1, -1):
        raise Refused(Refusal.INTERNAL, f"side must be 1 or -1, got {r.side}")
    if r.client_id:
        if not _CLIENT_ID.fullmatch(r.client_id):
            raise Refused(
                Refusal.BAD_CLIENT_ID, f"client id {r.client_id!r}: 1 to 36 of A-Z a-z 0-9 . : / _ -"
            )
        if registry.client_open(account.key, m.symbol, r.client_id):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, f"client id {r.client_id!r} is in use")
    _check_kind(listing, r)
    if not r.close_position:
        check_quantity(m, r)
    if r.type in PRICED:
        check_price(listing, r.side, r.price, r.qty, r.reduce_only)
    elif not r.close_position:
        _check_market_notional(listing, r)
    _check_room(registry, account, m, r)
    _check_position(bank, account, listing, r)
    _check_book(listing, r)


def _check_kind(listing: Listing, r: Request) -> None:
    if not listing.perp and (r.reduce_only or r.close_position):
        raise Refused(Refusal.REDUCE_ONLY, "reduce-only and close-position exist on perps only")
    if r.close_position and r.type not in (OrderType.STOP, OrderType.TAKE_PROFIT):
        raise Refused(Refusal.MODE, "close-position goes with stop and take-profit market orders")
    if r.tif is TimeInForce.POST and r.type not in PRICED:
        raise Refused(Refusal.MODE, "post-only goes with limit orders")
    if r.iceberg_qty and (
        r.type not in PRICED or r.tif is not TimeInForce.GTC or not 0 < r.iceberg_qty < r.qty
    ):
        raise Refused(Refusal.LOT_SIZE, "an iceberg is a GTC limit order that shows less than its quantity")
    if r.type is OrderType.TRAILING:
        if not 1 <= r.trail_e4 <= 2000:
            raise Refused(Refusal.PRICE_FILTER, f"callback rate {r.trail_e4}e-4: 1 to 2000")
    elif r.type in CONDITIONAL and not 0 < r.stop_price < MAX_TICKS:
        raise Refused(Refusal.PRICE_FILTER, f"stop price {r.stop_price} ticks")


def check_quantity(m: Market, r: Request) -> None:
    """Refused unless the lots lie within the market's bounds."""
    if r.type in PRICED:
        if not m.min_qty <= r.qty <= m.max_qty or r.qty <= 0:
            raise Refused(Refusal.LOT_SIZE, f"quantity {r.qty} lots: {m.min_qty} to {m.max_qty}")
    elif not m.min_qty <= r.qty <= m.market_max_qty or r.qty <= 0:
        raise Refused(Refusal.MARKET_LOT_SIZE, f"quantity {r.qty} lots: {m.min_qty} to {m.market_max_qty}")


def check_price(listing: Listing, side: int, price: int, qty: int, reduce_only: bool) -> None:
    """Refused unless a limit price is in the band and price x quantity above the least notional.

    On perps the band bounds what is against the market only: buys from above, sells from below.
    """
    m = listing.market
    if not 0 < price < MAX_TICKS:
        raise Refused(Refusal.PRICE_FILTER, f"price {price} ticks")
    ref = reference(listing)
    if ref > 0:
        high = price > ref * m.price_up and (side > 0 or not listing.perp)
        low = price < ref * m.price_down and (side < 0 or not listing.perp)
        if high or low:
            raise Refused(Refusal.PERCENT_PRICE, f"price {price * m.tick} is too far from {ref * m.tick}")
    if not reduce_only and price * qty * listing.unit < m.min_notional:
        raise Refused(Refusal.MIN_NOTIONAL, f"notional {price * qty * listing.unit} below {m.min_notional}")


def _check_market_notional(listing: Listing, r: Request) -> None:
    price = Decimal(r.stop_price) if r.stop_price else reference(listing)
    if price > 0 and not r.reduce_only and price * r.qty * listing.unit < listing.market.min_notional:
        raise Refused(Refusal.MIN_NOTIONAL, f"notional below {listing.market.min_notional}")


def _check_room(registry: Registry, account: Account, m: Market, r: Request) -> None:
    if registry.open_count(account.key, m.symbol) >= m.max_orders:
        raise Refused(Refusal.MAX_ORDERS, f"{m.max_orders} open orders in {m.symbol}")
    if r.type in CONDITIONAL:
        stops = sum(
            1
            for held in registry.open(account.key, m.symbol)
            if held.slot < 0 and held.request.type in CONDITIONAL
        )
        if stops >= m.max_stops:
            raise Refused(Refusal.MAX_STOPS, f"{m.max_stops} conditional orders in {m.symbol}")


def _check_position(bank: Bank, account: Account, listing: Listing, r: Request) -> None:
    if r.reduce_only and r.type not in CONDITIONAL:
        held = bank.position(account, listing.market.symbol).qty
        if held * r.side >= 0:
            raise Refused(Refusal.REDUCE_ONLY, "there is no position that the order would reduce")


def check_post(listing: Listing, r: Request) -> None:
    """Refused when a post-only order would take."""
    quote = listing.quote
    facing = 0 if quote is None else (quote.ask if r.side > 0 else quote.bid)
    if r.tif is TimeInForce.POST and facing and (r.price - facing) * r.side >= 0:
        raise Refused(Refusal.WOULD_TAKE, f"a post-only order at {r.price} would meet {facing}")


def _check_book(listing: Listing, r: Request) -> None:
    quote = listing.quote
    facing = 0 if quote is None else (quote.ask if r.side > 0 else quote.bid)
    if r.type is OrderType.MARKET and facing == 0:
        raise Refused(Refusal.NO_LIQUIDITY, f"{listing.market.symbol}: the other side of the book is empty")
    if r.type is OrderType.LIMIT:
        check_post(listing, r)
    if r.type in CONDITIONAL and r.type is not OrderType.TRAILING:
        low, high = Triggers.prices(listing, r.trigger_by)
        if low is not None and high is not None and triggers_at(r, low, high):
            raise Refused(Refusal.WOULD_TRIGGER, f"stop price {r.stop_price} is already reached")


def columns(account_row: int, order_id: int, r: Request, left: int, price: int) -> tuple[int, ...]:
    """The order for the compiled book, columns N_* of `venue_nb`; price 0 is a market order."""
    ends = price == 0 or r.tif in (TimeInForce.IOC, TimeInForce.FOK)
    return (
        order_id,
        account_row,
        r.side,
        c.TYPE_LIMIT if price else c.TYPE_MARKET,
        c.TIF_IOC if ends else c.TIF_GTC,
        c.OF_REDUCE_ONLY if r.reduce_only or r.close_position else 0,
        _POLICIES.index(r.self_trade),
        price,
        left,
        r.iceberg_qty,
    )


_POLICIES = tuple(SelfTrade)  # in the order of SELF_* in `state_nb`
