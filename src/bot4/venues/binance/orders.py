"""bot4's orders as request parameters, and the venue's orders as reports."""

from __future__ import annotations

from decimal import Decimal

from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder
from bot4.model.values import plain
from bot4.ports.venue import BarReport, OrderReport, TradeReport
from bot4.venues.binance import checks
from bot4.venues.binance.checks import ALGO_STATES, STATES
from bot4.venues.binance.wire import AlgoReply, Candle, OrderReply, TradeReply
from bot4.venues.ids import encode

MS = 1_000_000
ZERO = Decimal(0)

TYPES = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "STOP_LOSS": "stop",
    "STOP_LOSS_LIMIT": "stop_limit",
    "STOP_MARKET": "stop",
    "STOP": "stop_limit",
    "TAKE_PROFIT_MARKET": "take_profit",
    "TAKE_PROFIT_LIMIT": "take_profit_limit",
    "TRAILING_STOP_MARKET": "trailing",
}
"""The venue's types; TAKE_PROFIT is a market order on spot and a limit order on futures."""

REASONS: dict[str, int] = {"canceled": c.R_VENUE, "rejected": c.R_VENUE, "expired": c.R_EXPIRED}
FORCED = {
    "autoclose-": c.R_LIQUIDATED,
    "adl_autoclose": c.R_ADL,
    "settlement_autoclose-": c.R_DELISTED,
    "delivery_autoclose-": c.R_DELISTED,
}
"""Client ids of orders that the venue itself places, by how they begin."""

STOPS = frozenset({"stop", "stop_limit", "take_profit", "take_profit_limit", "trailing"})


def side_of(word: str) -> int:
    """1 for BUY, -1 for SELL."""
    return 1 if word == "BUY" else -1


def forced_reason(client_id: str) -> int:
    """Why the venue placed an order by itself; 0 for an order of a customer."""
    return next((reason for begin, reason in FORCED.items() if client_id.startswith(begin)), 0)


def type_of(word: str, spot: bool) -> str:
    """bot4's word for a type of the venue."""
    if word == "TAKE_PROFIT":
        return "take_profit" if spot else "take_profit_limit"
    return TYPES.get(word, word.lower())


def positive(number: Decimal | None) -> Decimal | None:
    """The venue writes 0 where there is no price."""
    return number if number is not None and number > 0 else None


def spot_params(order: ApprovedOrder, wire_symbol: str) -> dict[str, object]:
    """Parameters of POST /api/v3/order. Spot knows no reduce-only: the gate has checked the holding."""
    intent = order.intent
    params: dict[str, object] = {
        "symbol": wire_symbol,
        "side": "BUY" if intent.side > 0 else "SELL",
        "quantity": plain(intent.quantity.to_decimal()),
        "newClientOrderId": encode("binance-spot", order.client_order_id),
    }
    if intent.type == "market":
        params |= {"type": "MARKET", "newOrderRespType": "FULL"}
    elif intent.type == "stop":
        params |= {"type": "STOP_LOSS", "newOrderRespType": "RESULT"}
        if intent.price is not None:
            params |= {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": _price(intent.price)}
        params["stopPrice"] = _price(intent.stop_price)
    else:
        params |= {"type": "LIMIT", "price": _price(intent.price), "newOrderRespType": "RESULT"}
        if intent.tif == "post":
            params["type"] = "LIMIT_MAKER"
        else:
            params["timeInForce"] = intent.tif.upper()
    return params


def usdm_params(order: ApprovedOrder, wire_symbol: str) -> dict[str, object]:
    """Parameters of POST /fapi/v1/order, for limit and market orders."""
    intent = order.intent
    params: dict[str, object] = {
        "symbol": wire_symbol,
        "side": "BUY" if intent.side > 0 else "SELL",
        "type": intent.type.upper(),
        "quantity": plain(intent.quantity.to_decimal()),
        "newClientOrderId": encode("binance-usdm", order.client_order_id),
        "newOrderRespType": "RESULT",
    }
    if intent.reduce_only:
        params["reduceOnly"] = "true"
    if intent.type == "limit":
        params["price"] = _price(intent.price)
        params["timeInForce"] = {"gtc": "GTC", "ioc": "IOC", "post": "GTX"}[intent.tif]
    return params


def algo_params(order: ApprovedOrder, wire_symbol: str) -> dict[str, object]:
    """Parameters of POST /fapi/v1/algoOrder, for conditional orders."""
    intent = order.intent
    params: dict[str, object] = {
        "algoType": "CONDITIONAL",
        "symbol": wire_symbol,
        "side": "BUY" if intent.side > 0 else "SELL",
        "type": "STOP_MARKET" if intent.price is None else "STOP",
        "quantity": plain(intent.quantity.to_decimal()),
        "triggerPrice": _price(intent.stop_price),
        "workingType": "CONTRACT_PRICE",
        "clientAlgoId": encode("binance-usdm", order.client_order_id),
    }
    if intent.price is not None:
        params |= {"price": _price(intent.price), "timeInForce": "GTC"}
    if intent.reduce_only:
        params["reduceOnly"] = "true"
    return params


def oco_params(target: ApprovedOrder, stop: ApprovedOrder, wire_symbol: str) -> dict[str, object]:
    """Parameters of POST /api/v3/orderList/oco: the stop on one side of the market, the target beyond."""
    sells = stop.intent.side < 0
    above, below = (target, stop) if sells else (stop, target)
    params: dict[str, object] = {
        "symbol": wire_symbol,
        "side": "SELL" if sells else "BUY",
        "quantity": plain(stop.intent.quantity.to_decimal()),
        "newOrderRespType": "RESULT",
    }
    for where, leg in (("above", above), ("below", below)):
        params[where + "ClientOrderId"] = encode("binance-spot", leg.client_order_id)
        if leg is target:
            params |= {where + "Type": "LIMIT_MAKER", where + "Price": _price(leg.intent.price)}
        elif leg.intent.price is None:
            params |= {where + "Type": "STOP_LOSS", where + "StopPrice": _price(leg.intent.stop_price)}
        else:
            params |= {
                where + "Type": "STOP_LOSS_LIMIT",
                where + "StopPrice": _price(leg.intent.stop_price),
                where + "Price": _price(leg.intent.price),
                where + "TimeInForce": "GTC",
            }
    return params


def _price(price: object) -> str:
    """A price of an intent as text; the gate has seen to it that there is one."""
    return plain(price.to_decimal()) if price is not None else ""  # type: ignore[attr-defined]


def report_of(reply: OrderReply, symbol: str, spot: bool) -> OrderReport:
    """The report of an order by REST."""
    kind = type_of(reply.orig_type or reply.type, spot)
    state = STATES[reply.status]
    if state == "new" and kind in STOPS and spot and not reply.is_working:
        state = "untriggered"
    average = reply.avg_price
    if average is None and reply.executed_qty and reply.cummulative_quote_qty is not None:
        average = reply.cummulative_quote_qty / reply.executed_qty
    client_id = reply.orig_client_order_id or reply.client_order_id
    reason = forced_reason(client_id) or REASONS.get(state, 0)
    if state == "expired" and (reply.time_in_force == "IOC" or kind == "market"):
        reason = c.R_IOC
    return OrderReport(
        symbol=symbol,
        client_id=client_id,
        venue_id=str(reply.order_id),
        state=state,
        side=side_of(reply.side),
        type=kind,
        quantity=reply.orig_qty,
        filled=reply.executed_qty,
        price=positive(reply.price),
        stop_price=positive(reply.stop_price),
        average=positive(average) if reply.executed_qty else None,
        reduce_only=reply.reduce_only,
        ts_venue=(reply.update_time or reply.transact_time or reply.time) * MS,
        reason=reason,
        list_id=str(reply.order_list_id) if reply.order_list_id >= 0 else "",
    )


def algo_report(reply: AlgoReply, symbol: str) -> OrderReport:
    """The report of a conditional order that has not filled anything yet."""
    state = ALGO_STATES[reply.algo_status]
    return OrderReport(
        symbol=symbol,
        client_id=reply.client_algo_id,
        venue_id=reply.actual_order_id or f"algo:{reply.algo_id}",
        state=state,
        side=side_of(reply.side),
        type=type_of(reply.order_type, spot=False),
        quantity=reply.quantity,
        filled=ZERO,
        price=positive(reply.price),
        stop_price=positive(reply.trigger_price),
        average=None,
        reduce_only=reply.reduce_only,
        ts_venue=(reply.update_time or reply.create_time) * MS,
        reason=REASONS.get(state, 0),
    )


def trade_of(reply: TradeReply, symbol: str, client_id: str) -> TradeReport:
    """The report of an own trade by REST."""
    spot = reply.is_buyer is not None
    return TradeReport(
        symbol=symbol,
        trade_id=str(reply.id),
        client_id=client_id,
        venue_id=str(reply.order_id),
        side=(1 if reply.is_buyer else -1) if spot else side_of(reply.side),
        price=reply.price,
        quantity=reply.qty,
        fee=reply.commission,
        fee_asset=reply.commission_asset,
        maker=reply.is_maker if spot else reply.maker,
        ts_venue=reply.time * MS,
        reason=forced_reason(client_id),
    )


def bar_of(candle: Candle) -> BarReport:
    """A row of klines; ValueError for one that no market can make."""
    opened, high, low, close, volume = candle[1:6]
    checks.times(candle[0], candle[6])
    checks.amounts(open=opened, high=high, low=low, close=close, volume=volume)
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError(f"the candle of {candle[0]} does not hold its own prices")
    return BarReport(candle[0] * MS, candle[1], candle[2], candle[3], candle[4], candle[5])
