"""USD-M futures orders: place, modify, query, cancel, batches, and the dead-man switch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot4.venues.served import intake
from bot4.venues.served.desk import Call, Desk, Reply, Route
from bot4.venues.served.errors import VenueError, mandatory, on_cancel
from bot4.venues.served.parameters import Parameters
from bot4.venues.served.usdm_shapes import CONDITIONAL, Json, order_json, trade_json
from bot4.venues.simulator.words import (
    Market,
    Order,
    OrderType,
    Refusal,
    Refused,
    Request,
    State,
    TimeInForce,
)

PLAIN = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
STOPS = {
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderType.TRAILING,
}
MAX_BATCH = {"new": 5, "cancel": 10}
MS = 1_000_000


def check_position_side(call: Call) -> None:
    """-4061 when the request's position side is not of the account's mode."""
    hedge = call.customer().hedge_mode
    word = call.parameters.text("positionSide", "BOTH")
    if word not in ("BOTH", "LONG", "SHORT"):
        raise VenueError(-1130, "Data sent for parameter 'positionSide' is not valid.")
    if (word == "BOTH") == hedge:
        raise VenueError(-4061, "Order's position side does not match user's setting.")


def reduce_only(call: Call) -> bool:
    """The flag of that name."""
    return call.parameters.flag("reduceOnly")


def request_of(call: Call, market: Market) -> Request:
    """The core's request for a new plain order; -4120 for a conditional one, as the venue has it now."""
    side, word = intake.side(call), call.parameters.need("type").upper()
    if word in STOPS:
        raise VenueError(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        )
    if word not in PLAIN:
        raise VenueError(-1116, "Invalid orderType.")
    check_position_side(call)
    limited = word == "LIMIT"
    if not limited and "price" in call.parameters:
        raise VenueError(-1106, "Parameter 'price' sent when not required.")
    if call.parameters.text("timeInForce") == "GTD":
        raise VenueError(-4188, "Good-till-date orders are not modelled by this venue.")
    if "priceMatch" in call.parameters and call.parameters.text("priceMatch") != "NONE":
        raise VenueError(-4184, "Price match is not modelled by this venue.")
    return Request(
        symbol=market.symbol,
        side=side,
        type=PLAIN[word],
        qty=intake.quantity(call, market),
        price=intake.price(call, market) if limited else 0,
        tif=intake.tif(call) if limited else TimeInForce.GTC,
        client_id=intake.client_id(call),
        reduce_only=reduce_only(call),
        self_trade=intake.self_trade(call),
    )


def _shown(call: Call, order: Order) -> Json:
    return order_json(order, call.desk.figures(order.request.symbol))


def _replied(call: Call, order: Order) -> Json:
    row = _shown(call, order)
    del row["time"]
    if call.parameters.text("newOrderRespType", "ACK") == "ACK" and order.state is State.FILLED:
        zero = replace(order, state=State.NEW, filled=0, spent=0)
        row |= {k: v for k, v in _shown(call, zero).items() if k != "time"}
    return row


def place(call: Call) -> Reply:
    """POST order. An ACK (the default) tells nothing of fills; RESULT does."""
    market = call.market()
    if call.parameters.text("newOrderRespType", "ACK") not in ("ACK", "RESULT"):
        raise VenueError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    request = request_of(call, market)
    try:
        order = call.desk.exchange.place(call.account, request)
    except Refused as error:
        raise placing_error(call, market, request, error) from error
    return _replied(call, order)


def placing_error(call: Call, market: Market, request: Request, error: Refused) -> VenueError:
    """What the venue says when the core refuses a new order: some refusals have several codes here."""
    if error.why is Refusal.LOT_SIZE and request.qty > market.max_qty:
        return VenueError(-4005, "Quantity greater than max quantity.")
    if error.why is Refusal.LOT_SIZE and request.qty < market.min_qty:
        return VenueError(-4004, "Quantity less than min quantity.")
    if error.why is Refusal.PERCENT_PRICE and request.price:
        code, word = (-4016, "higher") if request.side > 0 else (-4024, "lower")
        return VenueError(code, f"Limit price can't be {word} than the PERCENT_PRICE filter allows.")
    return call.desk.refused(error, market.symbol)


def test(call: Call) -> Reply:
    """POST order/test."""
    request_of(call, call.market())
    return {}


def found_order(call: Call) -> Order:
    """The order a request names; a stop that has not triggered is no order here (-2013)."""
    order = call.order()
    if order.state is State.UNTRIGGERED or (
        order.request.type in CONDITIONAL and order.id not in call.desk.memory.triggered
    ):
        raise VenueError(-2013, "Order does not exist.")
    return order


def query(call: Call) -> Reply:
    """GET order."""
    return _shown(call, found_order(call))


def query_open(call: Call) -> Reply:
    """GET openOrder: -2013 unless it is open."""
    order = found_order(call)
    if order.state not in (State.NEW, State.PARTIALLY_FILLED, State.TRIGGERED):
        raise VenueError(-2013, "Order does not exist.")
    return _shown(call, order)


def cancel(call: Call) -> Reply:
    """DELETE order."""
    try:
        order = found_order(call)
        done = call.desk.exchange.cancel(call.account, order.request.symbol, order_id=order.id)
    except VenueError as error:
        raise on_cancel(error) from error
    except Refused as error:
        raise VenueError(-2011, "Unknown order sent.") from error
    return _shown(call, done)


def modify(call: Call) -> Reply:
    """PUT order: another price and quantity; only a smaller quantity keeps the place in the queue."""
    order, market = found_order(call), call.market()
    if order.request.type is not OrderType.LIMIT:
        raise VenueError(-4107, "Only limit orders can be modified.")
    if SIDES.get(call.parameters.text("side", "")) not in (None, order.request.side):
        raise VenueError(-1117, "Invalid side.")
    lots, ticks = intake.quantity(call, market), intake.price(call, market)
    if (lots, ticks) == (order.request.qty, order.request.price):
        raise VenueError(-5027, "No need to modify the order.")
    try:
        done = call.desk.exchange.amend(call.account, market.symbol, order_id=order.id, qty=lots, price=ticks)
    except Refused as error:
        raise call.desk.refused(error, market.symbol) from error
    return _shown(call, done)


SIDES = intake.SIDES


def _batch(call: Call, name: str, limit: int) -> list[Parameters]:
    text = call.parameters.need(name)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise mandatory(name) from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise mandatory(name)
    if not 0 < len(rows) <= limit:
        raise VenueError(-4082, "Invalid number of batch place orders.")
    return [Parameters({str(k): _text(v) for k, v in row.items()}) for row in rows]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _each(action: Callable[[Call], Reply], call: Call, rows: list[Parameters]) -> Reply:
    found: list[object] = []
    for row in rows:
        try:
            found.append(action(Call(call.desk, row, call.account, call.now_ms)))
        except VenueError as error:
            found.append(error.body())
    return found


def place_batch(call: Call) -> Reply:
    """POST batchOrders: up to five; each has its own reply or error."""
    return _each(place, call, _batch(call, "batchOrders", MAX_BATCH["new"]))


def cancel_batch(call: Call) -> Reply:
    """DELETE batchOrders by `orderIdList` or `origClientOrderIdList`."""
    market = call.market()
    sent = {name.lower(): name for name in call.parameters.names()}  # clients write these names both ways
    name = "orderIdList" if "orderidlist" in sent else "origClientOrderIdList"
    try:
        rows = json.loads(call.parameters.need(sent.get(name.lower(), name)))
    except json.JSONDecodeError as error:
        raise mandatory(name) from error
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_BATCH["cancel"]:
        raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
    one = "orderId" if name == "orderIdList" else "origClientOrderId"
    return _each(cancel, call, [Parameters({"symbol": market.symbol, one: str(row)}) for row in rows])


def open_orders(call: Call) -> Reply:
    """GET openOrders: those in the book; stops stand under openAlgoOrders."""
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    orders = call.open_orders(symbol)
    return [_shown(call, o) for o in orders if o.state is not State.UNTRIGGERED]


def cancel_open(call: Call) -> Reply:
    """DELETE allOpenOrders of one symbol; stops stay."""
    cancel_resting(call.desk, call.account, call.market().symbol)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def cancel_resting(desk: Desk, account: str, symbol: str) -> None:
    """Cancel what rests in the book of `symbol`, not the stops."""
    for order in desk.exchange.open_orders(account, symbol):
        if order.state is not State.UNTRIGGERED:
            desk.exchange.cancel(account, symbol, order_id=order.id)


def all_orders(call: Call) -> Reply:
    """GET allOrders of one symbol."""
    market = call.market()
    triggered = call.desk.memory.triggered
    first, limit = call.parameters.whole("orderId", 0), call.parameters.whole("limit", 500, 1, 1000)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    found = [
        o
        for o in call.all_orders(market.symbol)
        if o.id >= first
        and start <= o.created_ns // MS <= end
        and (o.request.type not in CONDITIONAL or o.id in triggered)
    ]
    return [_shown(call, o) for o in (found[:limit] if first or start else found[-limit:])]


def user_trades(call: Call) -> Reply:
    """GET userTrades of one symbol."""
    market = call.market()
    first, limit = call.parameters.whole("fromId", 0), call.parameters.whole("limit", 500, 1, 1000)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    number = call.parameters.whole("orderId", 0)
    fills = call.desk.exchange.my_trades(
        call.account, market.symbol, from_id=first, start_ns=start * MS, limit=100_000
    )
    chosen = [f for f in fills if f.ts // MS <= end and number in (0, f.order_id)]
    chosen = chosen[:limit] if first or start else chosen[-limit:]
    figures = call.desk.figures(market.symbol)
    return [trade_json(fill, figures, market.quote) for fill in chosen]


def force_orders(call: Call) -> Reply:
    """GET forceOrders: own liquidations and deleveragings."""
    symbol = call.parameters.text("symbol")
    kept = [o for o in call.desk.memory.forced[call.account] if symbol in ("", o.request.symbol)]
    return [_shown(call, order) for order in kept]


def countdown(call: Call) -> Reply:
    """POST countdownCancelAll: cancels the symbol's orders unless called again in time; 0 stops the clock."""
    market = call.market()
    call.parameters.need("countdownTime")
    ms = call.parameters.whole("countdownTime", 0)
    key = (call.account, market.symbol)
    if ms:
        call.desk.countdowns[key] = call.now_ms + ms
    else:
        call.desk.countdowns.pop(key, None)
    return {"symbol": market.symbol, "countdownTime": str(ms)}


ROUTES = (
    Route("POST", "order", place, 0, "signed", 1, "order.place"),
    Route("POST", "order/test", test, 0, "signed"),
    Route("GET", "order", query, 1, "signed", 0, "order.status"),
    Route("PUT", "order", modify, 1, "signed", 1, "order.modify"),
    Route("DELETE", "order", cancel, 1, "signed", 0, "order.cancel"),
    Route("POST", "batchOrders", place_batch, 5, "signed", 5),
    Route("DELETE", "batchOrders", cancel_batch, 1, "signed"),
    Route("GET", "openOrder", query_open, 1, "signed"),
    Route("GET", "openOrders", open_orders, lambda p: 1 if "symbol" in p else 40, "signed"),
    Route("DELETE", "allOpenOrders", cancel_open, 1, "signed"),
    Route("GET", "allOrders", all_orders, 5, "signed"),
    Route("GET", "userTrades", user_trades, 5, "signed"),
    Route("GET", "forceOrders", force_orders, lambda p: 20 if "symbol" in p else 50, "signed"),
    Route("POST", "countdownCancelAll", countdown, 10, "signed"),
)
