"""Spot orders: place, query, cancel, replace, amend."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from bot4.venues.served import intake
from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError, on_cancel
from bot4.venues.served.spot_shapes import Json, canceled_json, order_json, placed_json, trade_json
from bot4.venues.simulator.words import Market, Order, OrderType, Refusal, Refused, Request, TimeInForce

TYPES = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
LIMITED = frozenset(("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"))
PRICED = LIMITED | {"LIMIT_MAKER"}
CONDITIONAL = frozenset(("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"))


def order_type(call: Call, name: str = "type") -> str:
    """The order type by the venue's name; -1116 when unknown."""
    word = call.parameters.need(name).upper()
    if word not in TYPES:
        raise VenueError(-1116, "Invalid orderType.")
    return word


def _not_wanted(call: Call, word: str) -> None:
    unwanted = {"MARKET": ("price", "timeInForce", "stopPrice"), "LIMIT_MAKER": ("timeInForce", "stopPrice")}
    for name in (*unwanted.get(word, ()), *(("stopPrice",) if word == "LIMIT" else ())):
        if name in call.parameters:
            raise VenueError(-1106, f"Parameter '{name}' sent when not required.")


def _market_quantity(call: Call, market: Market, side: int) -> tuple[int, Decimal | None]:
    if "quantity" in call.parameters and "quoteOrderQty" in call.parameters:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    quote = call.parameters.decimal("quoteOrderQty")
    if quote is None:
        return intake.quantity(call, market), None
    if quote <= 0:
        raise VenueError(-1013, "Invalid quote order qty.")
    lots = intake.quote_to_lots(call, market, quote, side > 0)
    if lots < market.min_qty:
        raise VenueError(-1013, "Filter failure: NOTIONAL")
    return lots, quote


def request_of(call: Call, market: Market) -> tuple[Request, Decimal | None]:
    """The core's request for a new order, and the quote quantity when one was given."""
    side, word = intake.side(call), order_type(call)
    _not_wanted(call, word)
    quote: Decimal | None = None
    if word == "MARKET":
        lots, quote = _market_quantity(call, market, side)
    else:
        lots = intake.quantity(call, market)
    kind, stop, trail = TYPES[word], 0, 0
    if word in CONDITIONAL:
        trail = call.parameters.whole("trailingDelta", 0, low=1) if "trailingDelta" in call.parameters else 0
        stop = intake.price(call, market, "stopPrice", needed=not trail)
        kind = OrderType.TRAILING if trail else kind
    tif = intake.tif(call) if word in LIMITED else TimeInForce.GTC
    request = Request(
        symbol=market.symbol,
        side=side,
        type=kind,
        qty=lots,
        price=intake.price(call, market) if word in PRICED else 0,
        stop_price=stop,
        tif=TimeInForce.POST if word == "LIMIT_MAKER" else tif,
        client_id=intake.client_id(call),
        trail_e4=trail,
        iceberg_qty=intake.quantity(call, market, "icebergQty", needed=False),
        self_trade=intake.self_trade(call),
    )
    return request, quote


def _reply_kind(call: Call, word: str) -> str:
    default = "FULL" if word in ("LIMIT", "MARKET") else "ACK"
    kind = call.parameters.text("newOrderRespType", default)
    if kind not in ("ACK", "RESULT", "FULL"):
        raise VenueError(-1130, "Invalid newOrderRespType.")
    return kind


def place(call: Call) -> Reply:
    """POST order."""
    market = call.market()
    request, quote = request_of(call, market)
    kind = _reply_kind(call, order_type(call))
    memory = call.desk.memory
    with memory.watching() as fills:
        try:
            order = call.desk.exchange.place(call.account, request)
        except Refused as error:
            raise call.desk.refused(error, market.symbol) from error
    if quote is not None:
        memory.quote_qty[order.id] = quote
    own = [fill for fill in fills if fill.order_id == order.id]
    return placed_json(order, own, call.desk.figures(market.symbol), kind, quote)


def test(call: Call) -> Reply:
    """POST order/test: the parameters are read, nothing is placed."""
    request_of(call, call.market())
    return {}


def _shown(call: Call, order: Order) -> Json:
    quote = call.desk.memory.quote_qty.get(order.id)
    return order_json(order, call.desk.figures(order.request.symbol), quote)


def query(call: Call) -> Reply:
    """GET order."""
    return _shown(call, call.order())


def cancel(call: Call) -> Reply:
    """DELETE order; a leg of an order list takes the whole list with it."""
    try:
        order = call.order()
        done = call.desk.exchange.cancel(call.account, order.request.symbol, order_id=order.id)
    except VenueError as error:
        raise on_cancel(error) from error
    except Refused as error:
        raise VenueError(-2011, "Unknown order sent.") from error
    cancel_id = call.parameters.text("newClientOrderId", f"cancel-{done.id}")
    return canceled_json(done, call.desk.figures(order.request.symbol), cancel_id)


def open_orders(call: Call) -> Reply:
    """GET openOrders, of one symbol or of all."""
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    return [_shown(call, o) for o in call.open_orders(symbol)]


def cancel_open(call: Call) -> Reply:
    """DELETE openOrders of one symbol; -2011 when there is none."""
    market = call.market()
    gone = call.desk.exchange.cancel_all(call.account, market.symbol)
    if not gone:
        raise VenueError(-2011, "Unknown order sent.")
    figures = call.desk.figures(market.symbol)
    return [canceled_json(order, figures, f"cancel-{order.id}") for order in gone]


def all_orders(call: Call) -> Reply:
    """GET allOrders of one symbol."""
    market = call.market()
    orders = call.all_orders(market.symbol)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    first, limit = call.parameters.whole("orderId", 0), call.parameters.whole("limit", 500, 1, 1000)
    found = [o for o in orders if o.id >= first and start <= o.created_ns // 1_000_000 <= end]
    return [_shown(call, o) for o in (found[:limit] if first or start else found[-limit:])]


def my_trades(call: Call) -> Reply:
    """GET myTrades of one symbol."""
    market = call.market()
    first, limit = call.parameters.whole("fromId", 0), call.parameters.whole("limit", 500, 1, 1000)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    number = call.parameters.whole("orderId", 0)
    fills = call.desk.exchange.my_trades(
        call.account, market.symbol, from_id=first, start_ns=start * 1_000_000, limit=100_000
    )
    lists = {o.id: o.list_id for o in call.all_orders(market.symbol)}
    chosen = [f for f in fills if f.ts // 1_000_000 <= end and number in (0, f.order_id)]
    chosen = chosen[:limit] if first or start else chosen[-limit:]
    figures = call.desk.figures(market.symbol)
    return [trade_json(fill, lists.get(fill.order_id, 0), figures) for fill in chosen]


def _tried(action: Callable[[Call], Reply], call: Call) -> tuple[bool, Reply]:
    try:
        return True, action(call)
    except VenueError as error:
        return False, error.body()


def _cancel_named(call: Call) -> Reply:
    parameters = call.parameters.renamed(
        {
            "orderId": "cancelOrderId",
            "origClientOrderId": "cancelOrigClientOrderId",
            "newClientOrderId": "cancelNewClientOrderId",
        }
    )
    return cancel(Call(call.desk, parameters, call.account, call.now_ms))


def cancel_replace(call: Call) -> Reply:
    """POST order/cancelReplace: a cancel, then a new order, in one step."""
    mode = call.parameters.need("cancelReplaceMode")
    if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        raise VenueError(-1130, "Invalid cancelReplaceMode.")
    request_of(call, call.market())
    canceled, cancel_reply = _tried(_cancel_named, call)
    if not canceled and mode == "STOP_ON_FAILURE":
        data: Json = {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": cancel_reply,
            "newOrderResponse": None,
        }
        raise VenueError(-2022, "Order cancel-replace failed.", data=data)
    placed, place_reply = _tried(place, call)
    data = {
        "cancelResult": "SUCCESS" if canceled else "FAILURE",
        "newOrderResult": "SUCCESS" if placed else "FAILURE",
        "cancelResponse": cancel_reply,
        "newOrderResponse": place_reply,
    }
    if placed and canceled:
        return data
    if placed or canceled:
        raise VenueError(-2021, "Order cancel-replace partially failed.", status=409, data=data)
    raise VenueError(-2022, "Order cancel-replace failed.", data=data)


def amend(call: Call) -> Reply:
    """PUT order/amend/keepPriority: a smaller quantity, the place in the queue is kept."""
    order = call.order()
    market = call.market()
    lots = intake.quantity(call, market, "newQty")
    if lots >= order.request.qty:
        raise VenueError(-2038, "Order amend rejected: newQty must be less than the original quantity.")
    try:
        done = call.desk.exchange.amend(
            call.account, market.symbol, order_id=order.id, price=order.request.price, qty=lots
        )
    except Refused as error:
        code = -2013 if error.why is Refusal.UNKNOWN_ORDER else -2038
        raise VenueError(code, "The requested action would change no state; rejecting.") from error
    return {
        "transactTime": done.updated_ns // 1_000_000,
        "executionId": done.id,
        "amendedOrder": _shown(call, done),
    }


ROUTES = (
    Route("POST", "order", place, 1, "signed", 1, "order.place"),
    Route("POST", "order/test", test, 1, "signed", 0, "order.test"),
    Route("GET", "order", query, 4, "signed", 0, "order.status"),
    Route("DELETE", "order", cancel, 1, "signed", 0, "order.cancel"),
    Route("POST", "order/cancelReplace", cancel_replace, 1, "signed", 1, "order.cancelReplace"),
    Route("PUT", "order/amend/keepPriority", amend, 4, "signed", 0, "order.amend.keepPriority"),
    Route(
        "GET",
        "openOrders",
        open_orders,
        lambda p: 6 if "symbol" in p else 80,
        "signed",
        0,
        "openOrders.status",
    ),
    Route("DELETE", "openOrders", cancel_open, 1, "signed", 0, "openOrders.cancelAll"),
    Route("GET", "allOrders", all_orders, 20, "signed", 0, "allOrders"),
    Route("GET", "myTrades", my_trades, 20, "signed", 0, "myTrades"),
)
