"""Spot orders, trades and user events as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bot4.venues.served.figures import Figures, amount
from bot4.venues.simulator.words import (
    AccountUpdate,
    Execution,
    ListUpdate,
    Order,
    OrderType,
    OrderUpdate,
    SelfTrade,
    State,
    TimeInForce,
)

Json = dict[str, Any]
MS = 1_000_000
SIDES = {1: "BUY", -1: "SELL"}
TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
    OrderType.TRAILING: "STOP_LOSS",
}
STATES = {
    State.NEW: "NEW",
    State.UNTRIGGERED: "NEW",
    State.TRIGGERED: "NEW",
    State.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    State.FILLED: "FILLED",
    State.CANCELED: "CANCELED",
    State.REJECTED: "REJECTED",
    State.EXPIRED: "EXPIRED",
}
TIFS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK", TimeInForce.POST: "GTC"}
SELF_TRADE = {
    SelfTrade.NONE: "NONE",
    SelfTrade.EXPIRE_TAKER: "EXPIRE_TAKER",
    SelfTrade.EXPIRE_MAKER: "EXPIRE_MAKER",
    SelfTrade.EXPIRE_BOTH: "EXPIRE_BOTH",
    SelfTrade.DECREMENT: "DECREMENT",
}


def type_of(order: Order) -> str:
    """The venue's name of an order's type."""
    request = order.request
    if request.type is OrderType.LIMIT and request.tif is TimeInForce.POST:
        return "LIMIT_MAKER"
    return TYPES[request.type]


def _core(order: Order, figures: Figures, quote_qty: Decimal | None) -> Json:
    request = order.request
    return {
        "symbol": request.symbol,
        "orderId": order.id,
        "orderListId": order.list_id or -1,
        "clientOrderId": order.client_id,
        "price": figures.price.text(request.price),
        "origQty": figures.qty.text(request.qty),
        "executedQty": figures.qty.text(order.filled),
        "origQuoteOrderQty": amount(quote_qty or Decimal(0)),
        "cummulativeQuoteQty": figures.spent(order.spent),
        "status": STATES[order.state],
        "timeInForce": TIFS[request.tif],
        "type": type_of(order),
        "side": SIDES[request.side],
    }


def _extras(order: Order, figures: Figures) -> Json:
    request = order.request
    found: Json = {}
    if request.stop_price:
        found["stopPrice"] = figures.price.text(request.stop_price)
    if request.trail_e4:
        found["trailingDelta"] = request.trail_e4
    if request.iceberg_qty:
        found["icebergQty"] = figures.qty.text(request.iceberg_qty)
    return found


def order_json(order: Order, figures: Figures, quote_qty: Decimal | None = None) -> Json:
    """An order as GET /api/v3/order shows it."""
    request = order.request
    row = _core(order, figures, quote_qty)
    row["stopPrice"] = figures.price.text(request.stop_price)
    row["icebergQty"] = figures.qty.text(request.iceberg_qty)
    row |= _extras(order, figures)
    row["time"] = order.created_ns // MS
    row["updateTime"] = order.updated_ns // MS
    row["isWorking"] = order.state is not State.UNTRIGGERED
    row["workingTime"] = -1 if order.state is State.UNTRIGGERED else order.created_ns // MS
    row["selfTradePreventionMode"] = SELF_TRADE[request.self_trade]
    return row


def placed_json(
    order: Order, fills: list[Execution], figures: Figures, reply: str, quote_qty: Decimal | None = None
) -> Json:
    """The reply to a new order: ACK, RESULT or FULL."""
    if reply == "ACK":
        keys = ("symbol", "orderId", "orderListId", "clientOrderId")
        core = _core(order, figures, quote_qty)
        return {key: core[key] for key in keys} | {"transactTime": order.updated_ns // MS}
    row = _core(order, figures, quote_qty)
    row["transactTime"] = order.updated_ns // MS
    row |= _extras(order, figures)
    row["workingTime"] = -1 if order.state is State.UNTRIGGERED else order.created_ns // MS
    row["selfTradePreventionMode"] = SELF_TRADE[order.request.self_trade]
    if reply == "FULL":
        row["fills"] = [
            {
                "price": figures.price.text(fill.price),
                "qty": figures.qty.text(fill.qty),
                "commission": amount(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.id,
            }
            for fill in fills
        ]
    return row


def canceled_json(order: Order, figures: Figures, cancel_id: str) -> Json:
    """The reply to a cancel; `cancel_id` is the client id of the cancel request."""
    row = _core(order, figures, None)
    row |= {"origClientOrderId": order.client_id, "clientOrderId": cancel_id}
    row |= _extras(order, figures)
    row["transactTime"] = order.updated_ns // MS
    row["selfTradePreventionMode"] = SELF_TRADE[order.request.self_trade]
    return row


def trade_json(fill: Execution, order_list: int, figures: Figures) -> Json:
    """An own trade as GET /api/v3/myTrades shows it."""
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order_id,
        "orderListId": order_list or -1,
        "price": figures.price.text(fill.price),
        "qty": figures.qty.text(fill.qty),
        "quoteQty": figures.spent(fill.price * fill.qty),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.ts // MS,
        "isBuyer": fill.side > 0,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


_WHAT = {
    "new": "NEW",
    "trade": "TRADE",
    "canceled": "CANCELED",
    "rejected": "REJECTED",
    "expired": "EXPIRED",
    "triggered": "NEW",
    "amended": "REPLACED",
}


def execution_report(told: OrderUpdate, figures: Figures, report_id: int, cancel_id: str = "") -> Json:
    """An order update as the user stream tells it."""
    order, fill, request = told.order, told.execution, told.order.request
    waiting = order.state is State.UNTRIGGERED
    row: Json = {
        "e": "executionReport",
        "E": told.ts // MS,
        "s": request.symbol,
        "c": cancel_id or order.client_id,
        "S": SIDES[request.side],
        "o": type_of(order),
        "f": TIFS[request.tif],
        "q": figures.qty.text(request.qty),
        "p": figures.price.text(request.price),
        "P": figures.price.text(request.stop_price),
        "F": figures.qty.text(request.iceberg_qty),
        "g": order.list_id or -1,
        "C": order.client_id if cancel_id else "",
        "x": _WHAT[told.what],
        "X": STATES[order.state],
        "r": "NONE" if order.reason is None else order.reason.value.upper(),
        "i": order.id,
        "l": figures.qty.text(fill.qty if fill else 0),
        "z": figures.qty.text(order.filled),
        "L": figures.price.text(fill.price if fill else 0),
        "n": amount(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": told.ts // MS,
        "t": fill.id if fill else -1,
        "I": report_id,
        "w": order.state in (State.NEW, State.TRIGGERED, State.PARTIALLY_FILLED),
        "m": bool(fill and fill.maker),
        "M": fill is not None,
        "O": order.created_ns // MS,
        "Z": figures.spent(order.spent),
        "Y": figures.spent(fill.price * fill.qty if fill else 0),
        "Q": "0.00000000",
        "V": SELF_TRADE[request.self_trade],
    }
    if not waiting:
        row["W"] = order.created_ns // MS
    if request.trail_e4:
        row["d"] = request.trail_e4
    return row


def account_position(told: AccountUpdate) -> Json:
    """Changed balances as the user stream tells them."""
    return {
        "e": "outboundAccountPosition",
        "E": told.ts // MS,
        "u": told.ts // MS,
        "B": [
            {"a": asset, "f": amount(total - locked), "l": amount(locked)}
            for asset, total, locked in told.balances
        ],
    }


def balance_update(asset: str, change: Decimal, ts: int) -> Json:
    """A deposit as the user stream tells it."""
    return {"e": "balanceUpdate", "E": ts // MS, "a": asset, "d": amount(change), "T": ts // MS}


_LIST_STATUS = {
    "executing": ("EXEC_STARTED", "EXECUTING"),
    "all_done": ("ALL_DONE", "ALL_DONE"),
    "rejected": ("RESPONSE", "REJECT"),
}


def list_status(told: ListUpdate, client_ids: dict[int, str]) -> Json:
    """An OCO update as the user stream tells it."""
    status, order_status = _LIST_STATUS[told.state]
    return {
        "e": "listStatus",
        "E": told.ts // MS,
        "s": told.symbol,
        "g": told.list_id,
        "c": "OCO",
        "l": status,
        "L": order_status,
        "r": "NONE",
        "C": told.list_client_id,
        "T": told.ts // MS,
        "O": [{"s": told.symbol, "i": i, "c": client_ids.get(i, "")} for i in told.orders],
    }


def list_json(told: ListUpdate, orders: list[Order]) -> Json:
    """An order list as GET /api/v3/orderList shows it."""
    status, order_status = _LIST_STATUS[told.state]
    return {
        "orderListId": told.list_id,
        "contingencyType": "OCO",
        "listStatusType": status,
        "listOrderStatus": order_status,
        "listClientOrderId": told.list_client_id,
        "transactionTime": told.ts // MS,
        "symbol": told.symbol,
        "orders": [
            {"symbol": told.symbol, "orderId": order.id, "clientOrderId": order.client_id} for order in orders
        ],
    }
