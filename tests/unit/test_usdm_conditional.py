"""Conditional futures orders as the live venue numbers them: one number while waiting, another in the book."""

import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bot4.model import codes_nb as c
from bot4.ports.clock import FakeClock
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.ports.venue import NotFound, NotSent, OrderReport, TradeReport, VenueUnreachable
from bot4.venues.binance import face
from bot4.venues.binance.endpoints import served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.rules import Listing
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.binance.wire import ExchangeInfo

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from approving import Approver

INFO = """{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","contractType":"PERPETUAL","baseAsset":"BTC",
 "quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},
 {"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"}]}]}"""
SYMBOL, NAME = "BTC-USDT-PERP", "b4t-1-1"


def algo(status="TRIGGERED", number="777"):
    return {
        "algoId": 5, "clientAlgoId": NAME, "symbol": "BTCUSDT", "side": "SELL", "orderType": "STOP", "quantity": "0.02",
        "algoStatus": status, "triggerPrice": "59000", "price": "58000", "reduceOnly": True, "actualOrderId": number,
    }  # fmt: skip


def in_book(status="NEW", filled="0"):
    return {
        "symbol": "BTCUSDT", "orderId": 777, "clientOrderId": "madeByTheVenue", "status": status, "type": "LIMIT",
        "side": "SELL", "origQty": "0.02", "executedQty": filled, "price": "58000", "avgPrice": "58000",
    }  # fmt: skip


class Scripted:
    """Answers by path; an exception is raised. Keeps what was asked."""

    def __init__(self, venue, answers):
        self.answers, self.asked = answers, []
        venue.rest.ask, venue.rest.get = self.ask, self.get

    async def ask(self, endpoint, params=None, urgent=False):
        key = f"{endpoint.method} {endpoint.path.rsplit('/', 1)[1]}"
        self.asked.append((key, dict(params or {})))
        answer = self.answers[key]
        if callable(answer):
            answer = answer(dict(params or {}))
        if isinstance(answer, Exception):
            raise answer
        return msgspec.json.encode(answer)

    async def get(self, kind, endpoint, params=None, urgent=False):
        return msgspec.json.decode(await self.ask(endpoint, params, urgent), type=kind, strict=False)


@pytest.fixture
def venue(tmp_path):
    secrets = FakeSecrets({"binance-usdm": ApiKey("k", "s")})
    made = BinanceUsdm(served_usdm(1), Wiring(FakeClock(10**18), secrets, tmp_path, parsers=None))
    symbols = msgspec.json.decode(INFO, type=ExchangeInfo, strict=False).symbols
    made.listing = Listing("binance-usdm", symbols, {})
    made.sync.sample(0, 10**18, 10**18, 0)
    yield made
    made.limiter.close()


def by_number(answer):
    """The book knows the order by its number only."""
    return lambda params: answer if "orderId" in params else NotFound("no", c.R_NOT_FOUND)


async def test_a_triggered_order_is_found_under_its_first_client_id(venue):
    told = Scripted(
        venue, {"GET order": by_number(in_book("PARTIALLY_FILLED", "0.01")), "GET algoOrder": algo()}
    )
    report = await venue.order(SYMBOL, NAME)
    assert (report.client_id, report.venue_id, report.state) == (NAME, "777", "partially_filled")
    assert (report.filled, report.type, report.stop_price) == (Decimal("0.01"), "stop_limit", 59000)
    told.answers["GET order"] = by_number(in_book())
    assert (await venue.order(SYMBOL, NAME)).state == "triggered"
    told.answers["GET order"] = NotFound("gone", c.R_NOT_FOUND)
    assert (await venue.order(SYMBOL, NAME)).state == "triggered"


async def test_a_triggered_order_is_cancelled_in_the_book(venue):
    told = Scripted(venue, {
        "DELETE order": by_number({**in_book("CANCELED")}), "DELETE algoOrder": NotFound("no", c.R_NOT_FOUND),
        "GET algoOrder": algo(),
    })  # fmt: skip
    venue._waiting.keep(NAME, "")  # the news that it triggered has not come yet
    report = await venue.cancel(SYMBOL, NAME)
    assert (report.client_id, report.state) == (NAME, "canceled")
    assert told.asked[-1] == ("DELETE order", {"symbol": "BTCUSDT", "orderId": "777"})


async def test_a_cancel_whose_order_cannot_be_shown_is_still_a_cancel(venue):
    Scripted(venue, {
        "DELETE order": NotFound("no", c.R_NOT_FOUND), "DELETE algoOrder": {"algoId": 5, "clientAlgoId": NAME},
        "GET algoOrder": VenueUnreachable("no", c.R_NETWORK),
    })  # fmt: skip
    report = await venue.cancel(SYMBOL, NAME)
    assert (report.client_id, report.state, report.filled) == (NAME, "canceled", 0)


async def test_an_order_nobody_knows_is_not_found(venue):
    gone = NotFound("no", c.R_NOT_FOUND)
    Scripted(venue, {
        "DELETE order": gone, "DELETE algoOrder": gone, "GET algoOrder": gone, "GET order": gone,
    })  # fmt: skip
    for call in (venue.cancel, venue.order):
        with pytest.raises(NotFound):
            await call(SYMBOL, NAME)


async def test_fills_of_a_triggered_order_carry_its_first_client_id(venue):
    news = msgspec.json.encode({"e": "ALGO_UPDATE", "T": 1764000000001, "E": 1764000000001, "o": {
        "caid": NAME, "aid": 5, "s": "BTCUSDT", "S": "SELL", "o": "STOP", "X": "TRIGGERED", "q": "0.02", "ai": "777",
    }})  # fmt: skip
    (report,) = venue._decode("ALGO_UPDATE", news)
    assert (report.state, report.venue_id) == ("triggered", "777")
    fill = msgspec.json.encode({"e": "ORDER_TRADE_UPDATE", "T": 1764000000002, "E": 1764000000002, "o": {
        "s": "BTCUSDT", "c": "madeByTheVenue", "S": "SELL", "o": "LIMIT", "ot": "STOP", "x": "TRADE", "X": "FILLED", "i": 777,
        "q": "0.02", "p": "58000", "z": "0.02", "T": 1764000000002, "ap": "58000", "t": 9, "l": "0.02", "L": "58000", "n": "0.1",
        "N": "USDT", "R": True,
    }})  # fmt: skip
    trade, order = venue._decode("ORDER_TRADE_UPDATE", fill)
    assert isinstance(trade, TradeReport) and isinstance(order, OrderReport)
    assert trade.client_id == order.client_id == NAME
    assert (order.type, order.state, order.reduce_only) == ("stop_limit", "filled", True)
    assert venue._decode("TRADE_LITE", fill) == ()
    done = news.replace(b"TRIGGERED", b"FINISHED")
    assert venue._decode("ALGO_UPDATE", done) == ()  # the order in the book has told how it ended
    assert (
        venue._decode("ALGO_UPDATE", news.replace(b"TRIGGERED", b"EXPIRED").replace(b"777", b""))[0].state
        == "expired"
    )


async def test_open_orders_join_book_and_waiting(venue):
    Scripted(venue, {"GET openOrders": [in_book()], "GET openAlgoOrders": [algo("NEW", ""), algo()]})
    venue._triggered("777", NAME)
    first, second = await venue.open_orders(SYMBOL)
    assert (first.client_id, second.client_id, second.state) == (NAME, NAME, "untriggered")


async def test_liquidation_is_told_with_its_reason(venue):
    text = msgspec.json.encode({"e": "ORDER_TRADE_UPDATE", "T": 1764000000002, "E": 1764000000002, "o": {
        "s": "BTCUSDT", "c": "autoclose-1", "S": "SELL", "o": "LIQUIDATION", "x": "CALCULATED", "X": "FILLED", "i": 778,
        "q": "0.02", "p": "50000", "z": "0.02", "T": 1764000000002, "ap": "50000", "t": 0, "l": "0.02", "L": "50000",
    }})  # fmt: skip
    trade, order = venue._decode("ORDER_TRADE_UPDATE", text)
    assert trade.reason == order.reason == c.R_LIQUIDATED


async def test_rules_without_a_list_of_funding_intervals(venue):
    rules = msgspec.json.decode(INFO)
    told = Scripted(
        venue, {"GET exchangeInfo": rules, "GET fundingInfo": VenueUnreachable("404", c.R_VENUE, -5000)}
    )
    (rule,) = await venue.rules()
    assert rule.funding_interval_ns == 8 * 3600 * 10**9
    told.answers["GET fundingInfo"] = VenueUnreachable("lost", c.R_NETWORK)
    with pytest.raises(VenueUnreachable):
        await venue.rules()


async def test_owners_of_trades(venue, monkeypatch):
    monkeypatch.setattr(face, "KNOWN_ORDERS", 2)
    for k in range(5):
        venue._remember(str(k), f"b4t-1-{k + 1}")
    assert list(venue._client_ids) == ["3", "4"]
    Scripted(venue, {"GET order": NotFound("old", c.R_NOT_FOUND)})
    assert await venue._owner("BTCUSDT", "4") == "b4t-1-5"
    assert await venue._owner("BTCUSDT", "1") == ""


async def test_nothing_is_signed_a_second_apart(venue):
    venue.sync.forget()
    venue.sync.sample(0, 10**18 + 2 * 10**9, 10**18 + 2 * 10**9, 0)
    instrument = venue.listing.rules[SYMBOL].instrument
    with pytest.raises(NotSent) as error:
        await venue.submit(Approver()(instrument, 1, "limit", 20, price=600_000))
    assert error.value.reason == c.R_CLOCK
    with pytest.raises(VenueUnreachable):
        await venue.account()
