"""Spot order lists: one cancels the other."""

from __future__ import annotations

from bot4.venues.served import intake
from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.errors import VenueError
from bot4.venues.served.spot_orders import CONDITIONAL, LIMITED, PRICED, TYPES, order_type
from bot4.venues.served.spot_shapes import Json, canceled_json, list_json, placed_json
from bot4.venues.simulator.words import ListUpdate, Market, Order, Refused, Request, TimeInForce

TAKING = frozenset(("LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"))


def _leg(call: Call, market: Market, side: int, lots: int, names: str) -> Request:
    """One leg from the parameters that begin with `names` (above, below)."""
    word = order_type(call, f"{names}Type")
    tif = TimeInForce.GTC
    if word == "LIMIT_MAKER":
        tif = TimeInForce.POST
    elif word in LIMITED:
        tif = intake.tif(call, f"{names}TimeInForce")
    return Request(
        symbol=market.symbol,
        side=side,
        type=TYPES[word],
        qty=lots,
        price=intake.price(call, market, f"{names}Price") if word in PRICED else 0,
        stop_price=intake.price(call, market, f"{names}StopPrice") if word in CONDITIONAL else 0,
        tif=tif,
        client_id=intake.client_id(call, f"{names}ClientOrderId"),
        iceberg_qty=intake.quantity(call, market, f"{names}IcebergQty", needed=False),
        self_trade=intake.self_trade(call),
    )


def _placed(call: Call, market: Market, legs: tuple[Request, Request]) -> Reply:
    list_client = intake.client_id(call, "listClientOrderId")
    exchange, memory = call.desk.exchange, call.desk.memory
    try:
        list_id, orders = exchange.place_oco(call.account, legs[0], legs[1], list_client)
    except Refused as error:
        raise call.desk.refused(error, market.symbol) from error
    figures = call.desk.figures(market.symbol)
    told = memory.lists[call.account][list_id]
    reply = list_json(told, list(orders))
    reply["orderReports"] = [placed_json(order, [], figures, "RESULT") for order in orders]
    return reply


def place(call: Call) -> Reply:
    """POST orderList/oco: a taking leg on one side of the price, a stop on the other."""
    market, side = call.market(), intake.side(call)
    lots = intake.quantity(call, market)
    legs = {order_type(call, f"{n}Type"): _leg(call, market, side, lots, n) for n in ("above", "below")}
    taking = [leg for word, leg in legs.items() if word in TAKING]
    stops = [leg for word, leg in legs.items() if word not in TAKING and word in CONDITIONAL]
    if len(taking) != 1 or len(stops) != 1:
        raise VenueError(-1158, "A limit or take-profit leg and a stop-loss leg are needed.")
    return _placed(call, market, (taking[0], stops[0]))


def place_legacy(call: Call) -> Reply:
    """POST order/oco, the older form: `price` for the maker leg, `stopPrice` for the stop."""
    market, side = call.market(), intake.side(call)
    lots = intake.quantity(call, market)
    limited = "stopLimitPrice" in call.parameters
    maker = Request(
        symbol=market.symbol,
        side=side,
        type=TYPES["LIMIT"],
        qty=lots,
        price=intake.price(call, market),
        tif=TimeInForce.POST,
        client_id=intake.client_id(call, "limitClientOrderId"),
    )
    stop = Request(
        symbol=market.symbol,
        side=side,
        type=TYPES["STOP_LOSS_LIMIT" if limited else "STOP_LOSS"],
        qty=lots,
        price=intake.price(call, market, "stopLimitPrice", needed=limited),
        stop_price=intake.price(call, market, "stopPrice"),
        tif=intake.tif(call, "stopLimitTimeInForce", needed=limited),
        client_id=intake.client_id(call, "stopClientOrderId"),
    )
    return _placed(call, market, (maker, stop))


def _named(call: Call, client_name: str) -> ListUpdate:
    number = call.parameters.whole("orderListId", 0)
    client_id = call.parameters.text(client_name)
    if not number and not client_id:
        raise VenueError(
            -1102, f"Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!"
        )
    for told in call.desk.memory.lists[call.account].values():
        if told.list_id == number or (not number and told.list_client_id == client_id):
            return told
    raise VenueError(-2018, "Order list does not exist.")


def _orders(call: Call, told: ListUpdate) -> list[Order]:
    return [call.desk.exchange.order(call.account, told.symbol, order_id=i) for i in told.orders]


def query(call: Call) -> Reply:
    """GET orderList."""
    told = _named(call, "origClientOrderId")
    return list_json(told, _orders(call, told))


def cancel(call: Call) -> Reply:
    """DELETE orderList: both legs are cancelled."""
    call.market()
    try:
        told = _named(call, "listClientOrderId")
    except VenueError as error:
        raise VenueError(-2011, "Unknown order list sent.") if error.code == -2018 else error from error
    try:
        call.desk.exchange.cancel(call.account, told.symbol, order_id=told.orders[0])
    except Refused as error:
        raise VenueError(-2011, "Unknown order list sent.") from error
    orders, figures = _orders(call, told), call.desk.figures(told.symbol)
    reply = list_json(call.desk.memory.lists[call.account][told.list_id], orders)
    reply["orderReports"] = [canceled_json(order, figures, f"cancel-{told.list_id}") for order in orders]
    return reply


def open_lists(call: Call) -> Reply:
    """GET openOrderList."""
    found = [told for told in call.desk.memory.lists[call.account].values() if told.state == "executing"]
    return [list_json(told, _orders(call, told)) for told in found]


def all_lists(call: Call) -> Reply:
    """GET allOrderList."""
    found = list(call.desk.memory.lists[call.account].values())
    limit = call.parameters.whole("limit", 500, 1, 1000)
    rows: list[Json] = [list_json(told, _orders(call, told)) for told in found[-limit:]]
    return rows


ROUTES = (
    Route("POST", "orderList/oco", place, 1, "signed", 2, "orderList.place.oco"),
    Route("POST", "order/oco", place_legacy, 1, "signed", 2, "orderList.place"),
    Route("GET", "orderList", query, 4, "signed", 0, "orderList.status"),
    Route("DELETE", "orderList", cancel, 1, "signed", 0, "orderList.cancel"),
    Route("GET", "openOrderList", open_lists, 6, "signed", 0, "openOrderLists.status"),
    Route("GET", "allOrderList", all_lists, 20, "signed", 0, "allOrderLists"),
)
