"""Prices, quantities and words of a new order, from text to the core's ticks and lots."""

from __future__ import annotations

import re
from decimal import Decimal

from bot4.model.values import places
from bot4.venues.served.desk import Call
from bot4.venues.served.errors import Product, VenueError
from bot4.venues.served.figures import Scale
from bot4.venues.simulator.words import Market, SelfTrade, TimeInForce

SIDES = {"BUY": 1, "SELL": -1}
SPOT_TIFS = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
USDM_TIFS = SPOT_TIFS | {"GTX": TimeInForce.POST}
SELF_TRADE = {
    "NONE": SelfTrade.NONE,
    "EXPIRE_TAKER": SelfTrade.EXPIRE_TAKER,
    "EXPIRE_MAKER": SelfTrade.EXPIRE_MAKER,
    "EXPIRE_BOTH": SelfTrade.EXPIRE_BOTH,
    "DECREMENT": SelfTrade.DECREMENT,
}
CLIENT_ID = {"spot": re.compile(r"[a-zA-Z0-9-_]{1,36}"), "usdm": re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")}


def side(call: Call) -> int:
    """1 for BUY, -1 for SELL; -1117 otherwise."""
    found = SIDES.get(call.parameters.need("side").upper())
    if found is None:
        raise VenueError(-1117, "Invalid side.")
    return found


def tif(call: Call, name: str = "timeInForce", needed: bool = True) -> TimeInForce:
    """The time in force; -1102 when needed and absent, -1115 when unknown."""
    words = SPOT_TIFS if call.desk.product == "spot" else USDM_TIFS
    default = "" if needed else "GTC"
    return call.parameters.choice(name, words, -1115, "Invalid timeInForce.", default)


def self_trade(call: Call) -> SelfTrade:
    """The self-trade prevention mode."""
    return call.parameters.choice(
        "selfTradePreventionMode", SELF_TRADE, -1130, "Invalid selfTradePreventionMode.", "EXPIRE_MAKER"
    )


def client_id(call: Call, name: str = "newClientOrderId") -> str:
    """The client's own id of an order, empty when none was sent."""
    text = call.parameters.text(name)
    rule = CLIENT_ID[call.desk.product]
    if text and not rule.fullmatch(text):
        if call.desk.product == "usdm" and len(text) > 36:
            raise VenueError(-4015, "Client order id length should be less than 36 chars.")
        raise VenueError(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '^{rule.pattern}$'."
        )
    return text


def _off_grid(product: Product, name: str, value: Decimal, scale: Scale, filter_name: str) -> VenueError:
    if product == "usdm":
        if filter_name == "PRICE_FILTER" and places(value) <= max(2, scale.decimals):
            return VenueError(-4014, "Price not increased by tick size.")
        return VenueError(-1111, "Precision is over the maximum defined for this asset.")
    if places(value) > 8:
        return VenueError(-1111, f"Parameter '{name}' has too much precision.")
    return VenueError(-1013, f"Filter failure: {filter_name}")


def price(call: Call, market: Market, name: str = "price", needed: bool = True) -> int:
    """A price in ticks; 0 when absent and not needed."""
    value = call.parameters.need_decimal(name) if needed else call.parameters.decimal(name)
    if value is None or (value == 0 and not needed):
        return 0
    if value <= 0:
        code = (-4001, "Price less than 0.") if call.desk.product == "usdm" else (-1013, "Invalid price.")
        raise VenueError(*code)
    scale = call.desk.figures(market.symbol).price
    steps = scale.steps(value)
    if steps is None:
        raise _off_grid(call.desk.product, name, value, scale, "PRICE_FILTER")
    return steps


def quantity(call: Call, market: Market, name: str = "quantity", needed: bool = True) -> int:
    """A quantity in lots; 0 when absent and not needed."""
    value = call.parameters.need_decimal(name) if needed else call.parameters.decimal(name)
    if value is None:
        return 0
    if value <= 0:
        if call.desk.product == "usdm":
            raise VenueError(-4003, "Quantity less than or equal to zero.")
        raise VenueError(-1013, "Invalid quantity.")
    scale = call.desk.figures(market.symbol).qty
    steps = scale.steps(value)
    if steps is None:
        raise _off_grid(call.desk.product, name, value, scale, "LOT_SIZE")
    return steps


def quote_to_lots(call: Call, market: Market, quote: Decimal, buy: bool) -> int:
    """Lots that `quote` pays for (or brings in) at the book as it stands, rounded down."""
    _, bids, asks = call.desk.exchange.depth(market.symbol, 5000)
    unit = market.tick * market.lot
    left, lots = quote, 0
    for level_price, level_qty in asks if buy else bids:
        cost = unit * level_price * level_qty
        if cost >= left:
            return lots + int(left / (unit * level_price))
        left -= cost
        lots += level_qty
    return lots
