"""USD-M conditional orders: stops, take-profits and trailing stops, on their own endpoints."""

from __future__ import annotations

from bot4.venues.served import intake
from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError, on_cancel
from bot4.venues.served.usdm_orders import MS, STOPS, check_position_side, placing_error, reduce_only
from bot4.venues.served.usdm_shapes import CONDITIONAL, Json, algo_json
from bot4.venues.simulator.words import Market, Order, OrderType, Refused, Request, State, TimeInForce

LIMITED = (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


def request_of(call: Call, market: Market) -> Request:
    """The core's request for a conditional order."""
    parameters = call.parameters
    if parameters.need("algoType") != "CONDITIONAL":
        raise VenueError(-1130, "Data sent for parameter 'algoType' is not valid.")
    kind = STOPS.get(parameters.need("type").upper())
    if kind is None:
        raise VenueError(-1116, "Invalid orderType.")
    check_position_side(call)
    closing = parameters.flag("closePosition")
    if closing and ("quantity" in parameters or "reduceOnly" in parameters):
        raise VenueError(-4136, "Close position is exclusive with quantity and reduceOnly.")
    if closing and kind not in (OrderType.STOP, OrderType.TAKE_PROFIT):
        raise VenueError(-4136, "Target strategy invalid for orderType, closePosition.")
    trailing = kind is OrderType.TRAILING
    working = parameters.text("workingType", "CONTRACT_PRICE")
    if working not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise VenueError(-1130, "Data sent for parameter 'workingType' is not valid.")
    limited = kind in LIMITED
    return Request(
        symbol=market.symbol,
        side=intake.side(call),
        type=kind,
        qty=0 if closing else intake.quantity(call, market),
        price=intake.price(call, market) if limited else 0,
        stop_price=intake.price(call, market, "activatePrice", needed=False)
        if trailing
        else intake.price(call, market, "triggerPrice"),
        tif=intake.tif(call, needed=False) if limited else TimeInForce.GTC,
        client_id=intake.client_id(call, "clientAlgoId"),
        reduce_only=reduce_only(call),
        close_position=closing,
        trigger_by="mark" if working == "MARK_PRICE" else "last",
        trail_e4=_callback(call) if trailing else 0,
        self_trade=intake.self_trade(call),
    )


def _callback(call: Call) -> int:
    rate = call.parameters.need_decimal("callbackRate")
    steps = rate * 100
    if not 10 <= steps <= 1000 or steps != int(steps):
        raise VenueError(-2007, "Invalid callBack rate.")
    return int(steps)


def _shown(call: Call, order: Order) -> Json:
    figures = call.desk.figures(order.request.symbol)
    return algo_json(order, figures, call.desk.memory.triggered.get(order.id, 0))


def place(call: Call) -> Reply:
    """POST algoOrder."""
    market = call.market()
    request = request_of(call, market)
    try:
        return _shown(call, call.desk.exchange.place(call.account, request))
    except Refused as error:
        raise placing_error(call, market, request, error) from error


def _named(call: Call) -> Order:
    number, client_id = call.parameters.whole("algoId", 0), call.parameters.text("clientAlgoId")
    if not number and not client_id:
        raise VenueError(-1102, "Param 'clientalgoid' or 'algoid' must be sent, but both were empty/null!")
    for order in _all(call):
        if order.id == number or (not number and order.client_id == client_id):
            return order
    raise VenueError(-2013, "Order does not exist.")


def _all(call: Call) -> list[Order]:
    """Conditional orders of the account, newest first."""
    symbol = call.parameters.text("symbol")
    names = [call.desk.market(symbol).symbol] if symbol else list(call.desk.exchange.markets)
    found = [order for name in names for order in call.all_orders(name) if order.request.type in CONDITIONAL]
    return sorted(found, key=lambda order: -order.id)


def query(call: Call) -> Reply:
    """GET algoOrder."""
    return _shown(call, _named(call))


def cancel(call: Call) -> Reply:
    """DELETE algoOrder; -2011 once it has triggered."""
    try:
        order = _named(call)
    except VenueError as error:
        raise on_cancel(error) from error
    if order.state is not State.UNTRIGGERED:
        raise VenueError(-2011, "Unknown order sent.")
    try:
        call.desk.exchange.cancel(call.account, order.request.symbol, order_id=order.id)
    except Refused as error:
        raise VenueError(-2011, "Unknown order sent.") from error
    return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}


def open_orders(call: Call) -> Reply:
    """GET openAlgoOrders."""
    return [_shown(call, order) for order in _all(call) if order.state is State.UNTRIGGERED]


def cancel_open(call: Call) -> Reply:
    """DELETE algoOpenOrders of one symbol."""
    call.market()
    for order in _all(call):
        if order.state is State.UNTRIGGERED:
            call.desk.exchange.cancel(call.account, order.request.symbol, order_id=order.id)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def history(call: Call) -> Reply:
    """GET allAlgoOrders of one symbol."""
    call.market()
    limit = call.parameters.whole("limit", 500, 1, 1000)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    first = call.parameters.whole("algoId", 0)
    found = [o for o in _all(call) if o.id >= first and start <= o.created_ns // MS <= end]
    return [_shown(call, order) for order in reversed(found[:limit])]


ROUTES = (
    Route("POST", "algoOrder", place, 0, "signed", 1, "algoOrder.place"),
    Route("GET", "algoOrder", query, 1, "signed"),
    Route("DELETE", "algoOrder", cancel, 1, "signed", 0, "algoOrder.cancel"),
    Route("GET", "openAlgoOrders", open_orders, lambda p: 1 if "symbol" in p else 40, "signed"),
    Route("DELETE", "algoOpenOrders", cancel_open, 1, "signed"),
    Route("GET", "allAlgoOrders", history, 5, "signed"),
    Route("GET", "historicalAlgoOrders", history, 5, "signed"),
)
