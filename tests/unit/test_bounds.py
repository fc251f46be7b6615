"""What is bounded stays so: beyond its capacity it drops or refuses, and says how often."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from bot4.app.bounds import bounds
from bot4.execution.fills import TradeBook
from bot4.execution.idempotency import Intents
from bot4.model import codes_nb as c
from bot4.model.errors import SafetyError
from bot4.model.events import EVENT_DTYPE
from bot4.monitoring import alarms
from bot4.ports.clock import FakeClock
from bot4.ports.intents import FakeIntents
from bot4.ports.venue import StreamState
from bot4.safety.breaker import Breaker, Level, Rule
from bot4.venues import depth_sync
from bot4.venues.binance import face, market_feed, private_feed
from bot4.venues.clock_sync import MAX_SAMPLES, ClockSync


def test_every_bound_has_a_capacity_and_says_what_is_beyond():
    found = bounds()
    assert len({b.name for b in found}) == len(found) >= 10
    assert all(b.capacity > 0 and b.unit and b.beyond for b in found)


def test_known_orders(monkeypatch):
    monkeypatch.setattr(face, "KNOWN_ORDERS", 3)
    known = face.Known()
    for k in range(5):
        known.keep(str(k), "x")
    known.keep("2", "y")
    assert list(known) == ["3", "4", "2"] and known.forgotten == 2


async def test_private_events(monkeypatch):
    monkeypatch.setattr(private_feed, "MAX_WAITING", 3)

    class Lines:
        messages = [
            private_feed.aiohttp.WSMessage(private_feed.aiohttp.WSMsgType.TEXT, b'{"e":"x"}', None)
        ] * 9

        def __aiter__(self):
            return self

        async def __anext__(self):
            return self.messages.pop()

    plan = private_feed.PrivatePlan(None, None, lambda name, raw: (StreamState(True),), FakeClock())
    feed = private_feed.PrivateFeed(plan)
    assert await feed._read(Lines()) == c.R_BACKLOG
    assert feed._queue.empty()


async def test_market_messages(monkeypatch):
    monkeypatch.setattr(market_feed, "MAX_BYTES", 100)
    lane = market_feed.Lane(0, "BTCUSDT", None, None, depth_sync.DepthSync(), bytearray(), [])
    feed = market_feed.MarketFeed(market_feed.FeedPlan((), None, None, FakeClock(5), None), [lane])
    feed._routes = {b"btcusdt@trade": (lane, False)}
    feed._heard = [0]

    class Lines:
        n = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.n += 1
            if self.n > 4:
                raise StopAsyncIteration
            kind = market_feed.aiohttp.WSMsgType.TEXT
            return market_feed.aiohttp.WSMessage(kind, b'{"stream":"btcusdt@trade","data":{}}', None)

    await asyncio.wait_for(feed._pump(Lines(), 0), 10)
    assert feed._failed == c.R_BACKLOG


def test_book_changes_before_a_snapshot(monkeypatch):
    monkeypatch.setattr(depth_sync, "MAX_WAITING", 3)
    sync = depth_sync.DepthSync()
    rows = np.zeros(4, EVENT_DTYPE)
    rows["kind"][0] = c.EV_DEPTH_HEAD
    rows["kind"][1:] = c.EV_DEPTH
    with pytest.raises(depth_sync.DepthBroken, match="4 rows wait"):
        sync.feed(rows)


def test_clock_samples():
    sync = ClockSync(FakeClock(5), "x")
    for k in range(MAX_SAMPLES + 9):
        sync.sample(k, k, k, k)
    assert len(sync._samples) == MAX_SAMPLES


def test_intents():
    intents = Intents(FakeIntents(), 10**18, 2)
    intents.claim([("a", "1"), ("b", "2")], 1)
    intents.done("1", 2)
    intents.claim([("c", "3")], 3)
    assert len(intents) == 2 and intents.find("1") is None
    with pytest.raises(SafetyError, match="2 intents are live"):
        intents.claim([("d", "4")], 4)


def test_trade_numbers():
    from desk_scene import PERP

    book = TradeBook(PERP, 4, 2, lambda asset: None, None)
    for number in range(5):
        book.remember(number)
    assert [book.seen(n) for n in range(5)] == [False, False, False, True, True]


def test_calls_of_a_breaker():
    rule = replace(Rule("x", Level.VENUE), remembered=3, errors_to_open=10**6, min_calls=10**6)
    breaker = Breaker(rule, lambda change: None)
    for k in range(9):
        breaker.record(True, k)
    assert len(breaker._calls) == 3 and len(breaker._healthy) == 3


def test_alarms_that_wait():
    hub = alarms.AlarmHub([], FakeClock())
    hub.tell("critical", "first")
    for k in range(alarms.MOST_WAITING + 5):
        hub.tell("info", str(k))
    assert len(hub._waiting) == alarms.MOST_WAITING and hub.lost == 6
    assert hub._waiting[0] == ("critical", "first")
