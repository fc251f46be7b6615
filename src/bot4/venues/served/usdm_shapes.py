"""USD-M futures orders, trades, positions and user events as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bot4.venues.served.figures import Figures, amount, plain
from bot4.venues.served.spot_shapes import MS, SELF_TRADE, SIDES, STATES
from bot4.venues.simulator.words import Execution, Order, OrderType, OrderUpdate, State, TimeInForce

Json = dict[str, Any]
TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
    OrderType.TRAILING: "TRAILING_STOP_MARKET",
}
TIFS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK", TimeInForce.POST: "GTX"}
TRIGGERS = {"last": "CONTRACT_PRICE", "mark": "MARK_PRICE"}
CONDITIONAL = frozenset(TYPES) - {OrderType.LIMIT, OrderType.MARKET}


def order_type(order: Order) -> str:
    """The type an order has in the book: a triggered stop is a market or a limit order."""
    request = order.request
    if request.type in CONDITIONAL and order.state is not State.UNTRIGGERED:
        limit = request.type in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        return "LIMIT" if limit else "MARKET"
    return TYPES[request.type]


def order_json(order: Order, figures: Figures) -> Json:
    """An order as GET /fapi/v1/order shows it; a reply to a new order has no `time`."""
    request = order.request
    return {
        "orderId": order.id,
        "symbol": request.symbol,
        "status": STATES[order.state],
        "clientOrderId": order.client_id,
        "price": figures.price.text(request.price),
        "avgPrice": figures.average_padded(order.spent, order.filled),
        "origQty": figures.qty.text(request.qty),
        "executedQty": figures.qty.text(order.filled),
        "cumQty": figures.qty.text(order.filled),
        "cumQuote": figures.spent(order.spent),
        "timeInForce": TIFS[request.tif],
        "type": order_type(order),
        "reduceOnly": request.reduce_only,
        "closePosition": request.close_position,
        "side": SIDES[request.side],
        "positionSide": "BOTH",
        "stopPrice": figures.price.text(request.stop_price),
        "workingType": TRIGGERS[request.trigger_by],
        "priceProtect": False,
        "origType": TYPES[request.type],
        "priceMatch": "NONE",
        "selfTradePreventionMode": SELF_TRADE[request.self_trade],
        "goodTillDate": 0,
        "time": order.created_ns // MS,
        "updateTime": order.updated_ns // MS,
    }


def algo_status(order: Order) -> str:
    """Where a conditional order stands: NEW until its price comes."""
    if order.state is State.UNTRIGGERED:
        return "NEW"
    if order.state in (State.TRIGGERED, State.NEW, State.PARTIALLY_FILLED):
        return "TRIGGERED"
    if order.state is State.FILLED or order.filled:
        return "FINISHED"
    return STATES[order.state]


def algo_json(order: Order, figures: Figures, triggered_ns: int) -> Json:
    """A conditional order as the algo order endpoints show it."""
    request = order.request
    trailing = request.type is OrderType.TRAILING
    return {
        "algoId": order.id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": TYPES[request.type],
        "type": TYPES[request.type],
        "symbol": request.symbol,
        "side": SIDES[request.side],
        "positionSide": "BOTH",
        "timeInForce": TIFS[request.tif],
        "quantity": figures.qty.text(request.qty),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.id) if triggered_ns else "",
        "actualPrice": figures.average_padded(order.spent, order.filled),
        "triggerPrice": figures.price.text(request.stop_price),
        "price": figures.price.text(request.price),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": SELF_TRADE[request.self_trade],
        "workingType": TRIGGERS[request.trigger_by],
        "priceMatch": "NONE",
        "closePosition": request.close_position,
        "priceProtect": False,
        "reduceOnly": request.reduce_only,
        "activatePrice": figures.price.text(request.stop_price) if trailing else "",
        "callbackRate": plain(Decimal(request.trail_e4) / 100) if trailing else "",
        "createTime": order.created_ns // MS,
        "updateTime": order.updated_ns // MS,
        "triggerTime": triggered_ns // MS,
        "goodTillDate": 0,
    }


def trade_json(fill: Execution, figures: Figures, margin_asset: str) -> Json:
    """An own trade as GET /fapi/v1/userTrades shows it."""
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order_id,
        "side": SIDES[fill.side],
        "price": figures.price.text(fill.price),
        "qty": figures.qty.text(fill.qty),
        "realizedPnl": amount(fill.realised),
        "marginAsset": margin_asset,
        "quoteQty": figures.spent(fill.price * fill.qty),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.ts // MS,
        "positionSide": "BOTH",
        "buyer": fill.side > 0,
        "maker": fill.maker,
    }


_WHAT = {
    "new": "NEW",
    "trade": "TRADE",
    "canceled": "CANCELED",
    "rejected": "EXPIRED",
    "expired": "EXPIRED",
    "triggered": "NEW",
    "amended": "AMENDMENT",
}


def order_trade_update(told: OrderUpdate, figures: Figures, asset: str) -> Json:
    """An order update as the user stream tells it."""
    order, fill, request = told.order, told.execution, told.order.request
    forced = fill is not None and fill.kind != "trade"
    row: Json = {
        "s": request.symbol,
        "c": order.client_id,
        "S": SIDES[request.side],
        "o": "LIQUIDATION" if forced else order_type(order),
        "f": TIFS[request.tif],
        "q": figures.qty.text(request.qty),
        "p": figures.price.text(request.price),
        "ap": figures.average_padded(order.spent, order.filled),
        "sp": figures.price.text(request.stop_price),
        "x": "CALCULATED" if forced else _WHAT[told.what],
        "X": STATES[order.state],
        "i": order.id,
        "l": figures.qty.text(fill.qty if fill else 0),
        "z": figures.qty.text(order.filled),
        "L": figures.price.text(fill.price if fill else 0),
        "N": fill.fee_asset if fill else asset,
        "n": amount(fill.fee if fill else Decimal(0)),
        "T": told.ts // MS,
        "t": fill.id if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": request.reduce_only,
        "wt": TRIGGERS[request.trigger_by],
        "ot": TYPES[request.type],
        "ps": "BOTH",
        "cp": request.close_position,
        "rp": amount(fill.realised if fill else Decimal(0)),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": SELF_TRADE[request.self_trade],
        "pm": "NONE",
        "gtd": 0,
    }
    if request.type is OrderType.TRAILING:
        row["AP"] = figures.price.text(request.stop_price)
        row["cr"] = plain(Decimal(request.trail_e4) / 100)
    return {"e": "ORDER_TRADE_UPDATE", "T": told.ts // MS, "E": told.ts // MS, "o": row}


def trade_lite(told: OrderUpdate, fill: Execution, figures: Figures) -> Json:
    """A fill in the short form, which the venue sends first."""
    request = told.order.request
    return {
        "e": "TRADE_LITE",
        "E": told.ts // MS,
        "T": told.ts // MS,
        "s": request.symbol,
        "q": figures.qty.text(request.qty),
        "p": figures.price.text(request.price),
        "m": fill.maker,
        "c": told.order.client_id,
        "S": SIDES[request.side],
        "L": figures.price.text(fill.price),
        "l": figures.qty.text(fill.qty),
        "t": fill.id,
        "i": told.order.id,
    }


def algo_update(told: OrderUpdate, figures: Figures) -> Json:
    """A change of a conditional order as the user stream tells it."""
    order, request = told.order, told.order.request
    triggered = order.state is not State.UNTRIGGERED and told.what in ("triggered", "trade", "new")
    row = {
        "caid": order.client_id,
        "aid": order.id,
        "at": "CONDITIONAL",
        "o": TYPES[request.type],
        "s": request.symbol,
        "S": SIDES[request.side],
        "ps": "BOTH",
        "f": TIFS[request.tif],
        "q": figures.qty.text(request.qty),
        "X": algo_status(order),
        "ai": str(order.id) if triggered else "",
        "ap": figures.average_padded(order.spent, order.filled),
        "aq": figures.qty.text(order.filled),
        "act": "0",
        "tp": figures.price.text(request.stop_price),
        "p": figures.price.text(request.price),
        "V": SELF_TRADE[request.self_trade],
        "wt": TRIGGERS[request.trigger_by],
        "pm": "NONE",
        "cp": request.close_position,
        "pP": False,
        "R": request.reduce_only,
        "tt": told.ts // MS if triggered else 0,
        "gtd": 0,
        "rm": "" if order.reason is None else order.reason.value,
    }
    return {"e": "ALGO_UPDATE", "T": told.ts // MS, "E": told.ts // MS, "o": row}
