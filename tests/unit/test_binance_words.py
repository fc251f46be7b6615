"""Binance's words: errors, rules, orders, events; each with figures as the venue writes them."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bot4.model import codes_nb as c
from bot4.model.errors import InstrumentError
from bot4.model.values import plain_step
from bot4.ports.venue import (
    NotFound,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    Throttled,
    Unsupported,
    VenueUnreachable,
)
from bot4.venues.binance.endpoints import SPOT, USDM, polls
from bot4.venues.binance.errors import Answer, error_of
from bot4.venues.binance.orders import algo_report, forced_reason, report_of, trade_of, type_of
from bot4.venues.binance.rules import Listing, contract_unit
from bot4.venues.binance.wire import AlgoReply, ExchangeInfo, OrderReply, TradeReply
from bot4.venues.limits import predict_weight, slowed
from bot4.venues.quirks import QUIRKS, harmless, quirk

SPOT_INFO = """{"symbols":[
 {"symbol":"PEPEUSDT","status":"TRADING","baseAsset":"PEPE","quoteAsset":"USDT","orderTypes":["LIMIT"],
  "filters":[{"filterType":"PRICE_FILTER","minPrice":"0.00000001","maxPrice":"1.00000000","tickSize":"1e-8"},
   {"filterType":"LOT_SIZE","minQty":"1.00","maxQty":"9000000000.00","stepSize":"1.00000000"},
   {"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"1.2","bidMultiplierDown":"0.2","askMultiplierUp":"5",
    "askMultiplierDown":"0.8","avgPriceMins":5},
   {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true},
   {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200},{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":5}]},
 {"symbol":"ODDUSDT","status":"BREAK","baseAsset":"ODD","quoteAsset":"USDT","filters":[]}]}"""

USDM_INFO = """{"symbols":[
 {"symbol":"1000SHIBUSDT","status":"TRADING","contractType":"PERPETUAL","baseAsset":"1000SHIB","quoteAsset":"USDT",
  "maintMarginPercent":"2.5000","filters":[
   {"filterType":"PRICE_FILTER","minPrice":"0.000001","maxPrice":"2","tickSize":"0.0000010"},
   {"filterType":"LOT_SIZE","minQty":"1","maxQty":"50000000","stepSize":"1"},
   {"filterType":"MARKET_LOT_SIZE","minQty":"1","maxQty":"20000000","stepSize":"1"},
   {"filterType":"PERCENT_PRICE","multiplierUp":"1.1000","multiplierDown":"0.9000","multiplierDecimal":"4"},
   {"filterType":"MIN_NOTIONAL","notional":"5"},{"filterType":"MAX_NUM_ORDERS","limit":200},
   {"filterType":"MAX_NUM_ALGO_ORDERS","limit":10}]},
 {"symbol":"BTCUSDT_261225","status":"TRADING","contractType":"CURRENT_QUARTER","baseAsset":"BTC","quoteAsset":"USDT",
  "filters":[]}]}"""


def listing(text, venue, hours=None):
    return Listing(venue, msgspec.json.decode(text, type=ExchangeInfo, strict=False).symbols, hours or {})


def test_bands_by_side_take_the_narrower():
    rule = listing(SPOT_INFO, "binance-spot").rules["PEPE-USDT"]
    assert (rule.price_up, rule.price_down) == (Decimal("1.2"), Decimal("0.8"))


def test_tiny_steps_are_exact():
    found = listing(SPOT_INFO, "binance-spot")
    instrument = found.rules["PEPE-USDT"].instrument
    assert instrument.tick == Decimal("0.00000001")
    assert str(instrument.tick) == "1E-8" or f"{instrument.tick:f}" == "0.00000001"
    assert instrument.price("0.00001234").ticks == 1234
    assert (instrument.lot, instrument.min_qty, instrument.min_notional) == (1, 1, 5)
    rule = found.rules["PEPE-USDT"]
    assert (rule.max_orders, rule.max_stops, rule.funding_interval_ns, rule.maintenance) == (
        200,
        5,
        None,
        None,
    )
    assert found.on_wire("PEPE-USDT") == "PEPEUSDT"
    assert "PRICE_FILTER" in found.unreadable["ODDUSDT"]
    with pytest.raises(InstrumentError, match="not listed"):
        found.on_wire("ODD-USDT")
    assert str(plain_step(Decimal("1E+1"))) == "10"


def test_units_of_many_coins():
    found = listing(USDM_INFO, "binance-usdm", {"1000SHIBUSDT": 4})
    assert list(found.rules) == ["1000SHIB-USDT-PERP"]  # dated futures are left out
    rule = found.rules["1000SHIB-USDT-PERP"]
    assert (rule.contract_size, rule.instrument.base) == (1000, "SHIB")
    assert rule.maintenance == Decimal("0.025")
    assert rule.funding_interval_ns == 4 * 3600 * 10**9
    assert rule.market_max_qty == 20_000_000
    assert (rule.max_orders, rule.max_stops) == (200, 10)
    assert (rule.price_up, rule.price_down) == (Decimal("1.1"), Decimal("0.9"))
    for base, expected in {
        "1INCH": ("1INCH", 1), "1MBABYDOGE": ("BABYDOGE", 10**6), "1000000MOG": ("MOG", 10**6), "BTC": ("BTC", 1),
    }.items():  # fmt: skip
        assert contract_unit(base) == expected


@pytest.mark.parametrize(
    ("status", "code", "text", "command", "question", "reason"),
    [
        (400, -2010, "Account has insufficient balance for requested action.", OrderRejected, VenueUnreachable, c.R_FUNDS),
        (400, -2010, "Order would immediately match and take.", OrderRejected, VenueUnreachable, c.R_POST_WOULD_TAKE),
        (400, -2010, "Stop price would trigger immediately.", OrderRejected, VenueUnreachable, c.R_TRIGGER_NOW),
        (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", OrderRejected, VenueUnreachable, c.R_PRICE_BAND),
        (400, -1013, "Filter failure: MARKET_LOT_SIZE", OrderRejected, VenueUnreachable, c.R_MAX_QTY),
        (400, -1013, "Filter failure: LOT_SIZE", OrderRejected, VenueUnreachable, c.R_QTY_LOT),
        (400, -1013, "Filter failure: NOTIONAL", OrderRejected, VenueUnreachable, c.R_MIN_NOTIONAL),
        (400, -2019, "Margin is insufficient.", OrderRejected, VenueUnreachable, c.R_MARGIN),
        (400, -4120, "Order type not supported", Unsupported, VenueUnreachable, c.R_UNCHECKED),
        (400, -9999, "something new", OrderRejected, VenueUnreachable, c.R_VENUE),
        (400, -2011, "Unknown order sent.", NotFound, NotFound, c.R_NOT_FOUND),
        (400, -2013, "Order does not exist.", NotFound, NotFound, c.R_NOT_FOUND),
        (400, -1021, "Timestamp outside", NotSent, VenueUnreachable, c.R_CLOCK),
        (400, -1007, "Timeout waiting", OutcomeUnknown, VenueUnreachable, c.R_TIMEOUT),
        (400, -1015, "Too many new orders", Throttled, Throttled, c.R_ORDER_RATE),
        (429, 0, "", Throttled, Throttled, c.R_THROTTLED),
        (418, -1003, "banned", Throttled, Throttled, c.R_THROTTLED),
        (502, 0, "<html>", OutcomeUnknown, VenueUnreachable, c.R_VENUE),
        (503, -1, "Unknown error, please check your request or try again later.", OutcomeUnknown, VenueUnreachable, c.R_VENUE),
    ],
)  # fmt: skip
def test_what_a_failed_reply_means(status, code, text, command, question, reason):
    answer = Answer(status, code, text, venue="binance-usdm")
    for is_command, kind in ((True, command), (False, question)):
        error = error_of(answer, is_command, "POST /x")
        assert type(error) is kind
        assert error.reason == reason
        assert error.code == code


def test_shed_load_is_not_an_unknown_outcome():
    """Taken for unknown, every order in a busy hour would have to be looked up before the next."""
    for venue in ("binance-spot", "binance-usdm"):
        busy = Answer(503, -1008, "Server is currently overloaded.", venue=venue)
        assert isinstance(error_of(busy, True, "x"), Throttled)
    closed = Answer(503, 0, "Service Unavailable.", venue="binance-usdm")
    assert type(error_of(closed, True, "x")) is OrderRejected
    assert isinstance(error_of(Answer(429, 0, "", 7 * 10**9), True, "x"), Throttled)
    assert error_of(Answer(429, 0, "", 7 * 10**9), True, "x").wait_ns == 7 * 10**9


def test_take_profit_means_two_things():
    assert type_of("TAKE_PROFIT", spot=True) == "take_profit"
    assert type_of("TAKE_PROFIT", spot=False) == "take_profit_limit"
    assert type_of("STOP", spot=False) == "stop_limit"
    assert type_of("SOMETHING_NEW", spot=True) == "something_new"


def decoded(kind, text):
    return msgspec.json.decode(text, type=kind, strict=False)


def test_a_cancel_report_keeps_the_orders_id():
    reply = decoded(
        OrderReply,
        '{"symbol":"BTCUSDT","origClientOrderId":"b4t-1-1","orderId":4,"orderListId":-1,"clientOrderId":"cancelMyOrder1",'
        '"transactTime":1684804350068,"price":"2.00000000","origQty":"1.00000000","executedQty":"0.40000000",'
        '"cummulativeQuoteQty":"0.80000000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY"}',
    )
    report = report_of(reply, "BTC-USDT", spot=True)
    assert (report.client_id, report.state, report.filled) == ("b4t-1-1", "canceled", Decimal("0.4"))
    assert report.average == 2
    assert report.ts_venue == 1684804350068 * 10**6
    assert report.list_id == ""


def test_forced_orders_carry_their_reason():
    assert forced_reason("autoclose-1596107620040000020") == c.R_LIQUIDATED
    assert forced_reason("adl_autoclose") == c.R_ADL
    assert forced_reason("settlement_autoclose-9") == c.R_DELISTED
    assert forced_reason("b4t-1-1") == 0
    reply = decoded(
        TradeReply,
        '{"symbol":"BTCUSDT","id":698759,"orderId":25851813,"side":"SELL","price":"7819.01","qty":"0.002","buyer":false,'
        '"realizedPnl":"-0.91539999","quoteQty":"15.63802","commission":"-0.07819010","commissionAsset":"USDT",'
        '"time":1569514978020,"positionSide":"BOTH","maker":true}',
    )
    trade = trade_of(reply, "BTC-USDT-PERP", "adl_autoclose")
    assert (trade.reason, trade.side, trade.maker) == (c.R_ADL, -1, True)
    assert trade.fee == Decimal("-0.07819010")  # a rebate


def test_a_conditional_order_before_and_after_its_price():
    text = (
        '{"algoId":2146760,"clientAlgoId":"b4t-1-2","algoType":"CONDITIONAL","orderType":"STOP_MARKET","symbol":"BNBUSDT",'
        '"side":"SELL","positionSide":"BOTH","timeInForce":"GTC","quantity":"0.01","algoStatus":"%s","actualOrderId":"%s",'
        '"triggerPrice":"750.000","price":"0.000","reduceOnly":true,"createTime":1750485492076,"updateTime":0}'
    )
    waiting = algo_report(decoded(AlgoReply, text % ("NEW", "")), "BNB-USDT-PERP")
    assert (waiting.state, waiting.venue_id, waiting.type) == ("untriggered", "algo:2146760", "stop")
    assert (waiting.stop_price, waiting.price, waiting.reduce_only) == (750, None, True)
    assert waiting.ts_venue == 1750485492076 * 10**6
    assert algo_report(decoded(AlgoReply, text % ("TRIGGERED", "77")), "X").venue_id == "77"
    assert algo_report(decoded(AlgoReply, text % ("EXPIRED", "")), "X").reason == c.R_EXPIRED
    with pytest.raises(msgspec.ValidationError, match="A_NEW_WORD"):  # not known is not gone
        decoded(AlgoReply, text % ("A_NEW_WORD", ""))


def test_prices_keep_all_their_digits():
    """A float on the way would turn 0.1 + 1e-8 into something else."""
    reply = decoded(
        OrderReply,
        '{"symbol":"X","orderId":1,"clientOrderId":"","price":0.10000001,"origQty":"123456789.00000001","executedQty":"0",'
        '"status":"EXPIRED","timeInForce":"IOC","type":"LIMIT","side":"SELL"}',
    )
    report = report_of(reply, "X", spot=True)
    assert (report.price, report.quantity) == (Decimal("0.10000001"), Decimal("123456789.00000001"))
    assert report.reason == c.R_IOC


def test_predicted_weight_of_both_products():
    for product, limit in (("spot", 6000), ("usdm", 2400)):
        for n in (1, 10):
            assert predict_weight(polls(product), n) < 0.8 * limit
        pace = slowed(polls(product), 100, limit)
        assert 0.1 <= pace < 1.0
        slow = polls(product, pace, 12 * pace)
        assert predict_weight(slow, 100) < 0.8 * limit + 0.2 * 100 * 50  # book snapshots keep their pace


def test_quirks_are_data_with_a_test_each():
    tests = "\n".join(p.read_text() for p in Path(__file__).parents[1].rglob("test_*.py"))
    for row in QUIRKS:
        assert f"def {row.test}(" in tests, f"{row.venue} {row.id}: no {row.test}"
        assert row.what and row.since and row.source
    for venue in ("binance-spot", "binance-usdm"):
        assert len([row for row in QUIRKS if row.venue == venue]) >= 3
    assert harmless("binance-spot", "/api/v3/openOrders", -2011)
    assert not harmless("binance-spot", "/api/v3/order", -2011)
    with pytest.raises(KeyError):
        quirk("binance-spot", "no such")


def test_commands_are_marked():
    """A command taken for a question would be reported as unreachable, and be sent again."""
    for table in (SPOT, USDM):
        for name, endpoint in table.items():
            listen_key = name.startswith("key_")
            assert endpoint.command == (endpoint.method != "GET" and not listen_key), name
            assert endpoint.weight >= 1
