"""The Binance adapters against the served exchange: what the cards do not ask of every venue."""

import asyncio
import pickle
from decimal import Decimal
from itertools import pairwise

import pytest
from cards import batches, fresh_after_break, kinds_of
from scenes import CANARY, served, wiring

from bot4.model import codes_nb as c
from bot4.ports.secrets import ApiKey, FakeSecrets, SecretMissing
from bot4.ports.venue import (
    NotSent,
    OrderRejected,
    OrderReport,
    StreamState,
    Throttled,
    TradeReport,
    VenueUnreachable,
)
from bot4.safety.system_clock import SystemClock
from bot4.venues.binance.endpoints import served_spot, served_usdm
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.failover import FailoverFeed

pytestmark = pytest.mark.jit


async def test_spot_subscribes_with_a_signature(tmp_path):
    async with served("spot", tmp_path) as scene:
        scene.listen()
        await scene.until(lambda: scene.private == [StreamState(True)])
        assert not hasattr(scene.venue, "_listen_key")
        order, _ = await scene.resting()
        await scene.until(
            lambda: any(getattr(e, "client_id", "") == order.client_order_id for e in scene.private)
        )


async def test_the_clock_is_measured_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.face.CLOCK_EVERY_S", 0.02)
    async with served("spot", tmp_path) as scene:
        samples = scene.venue.sync._samples
        await scene.until(lambda: len(scene.venue.sync._samples) > len(samples) + 3)
        await scene.fault("status", {"path": "*/time"}, http=500)
        await asyncio.sleep(0.1)
        await scene.heal()
        n = len(scene.venue.sync._samples)
        await scene.until(lambda: len(scene.venue.sync._samples) > n)


async def test_a_ban_lets_nothing_through(tmp_path):
    async with served("perp", tmp_path) as scene:
        order, _ = await scene.resting()
        await scene.fault(
            "status", {"method": "GET", "count": 1}, http=418, code=-1003, msg="banned", retry_after=60
        )
        with pytest.raises(Throttled):
            await scene.venue.account()
        with pytest.raises(Throttled) as error:
            await scene.venue.cancel(scene.symbol, order.client_order_id)
        assert 50 * 10**9 < error.value.wait_ns <= 60 * 10**9
        assert scene.venue.health.state() >= 0 and scene.venue.limiter.share() == 1.0


async def test_rights_are_those_of_the_key(tmp_path):
    async with served("spot", tmp_path) as scene:
        assert (await scene.venue.account()).can_withdraw is False
        scene.exchange.account(CANARY[0]).can_withdraw = True
        assert (await scene.venue.account()).can_withdraw is True
        await scene.fault("status", {"path": "/sapi/*"}, http=404, code=-5000, msg="Path is invalid")
        assert (await scene.venue.account()).can_withdraw is None
        await scene.heal()
        await scene.fault("drop", {"path": "/sapi/*"})
        with pytest.raises(VenueUnreachable):
            await scene.venue.account()


async def test_many_streams_are_spread_over_connections(tmp_path, monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.market_feed.MAX_STREAMS", 2)
    async with served("spot", tmp_path) as scene:
        before = len(scene.served._sockets.open)
        most = 0

        def enough(seen):
            nonlocal most
            most = max(most, len(scene.served._sockets.open) - before)
            return kinds_of(seen)[c.EV_TRADE] >= 1 and kinds_of(seen)[c.EV_DEPTH_HEAD] >= 1

        await batches(scene, enough)
        assert most == 2


async def test_cancelling_all_of_none_is_no_error(tmp_path):
    async with served("spot", tmp_path) as scene:
        await scene.venue.cancel_all(scene.symbol)


async def test_cancel_of_a_filled_order_is_not_found(tmp_path):
    async with served("perp", tmp_path) as scene:
        order = await scene.order(1, "market", 40)
        await scene.venue.submit(order)
        with pytest.raises(Exception) as error:
            await scene.venue.cancel(scene.symbol, order.client_order_id)
        assert (type(error.value).__name__, error.value.reason) == ("NotFound", c.R_NOT_FOUND)
        assert (await scene.venue.order(scene.symbol, order.client_order_id)).state == "filled"


async def test_stops_go_to_the_service_for_conditional_orders(tmp_path):
    async with served("perp", tmp_path) as scene:
        bid, _ = scene.quote()
        stop = await scene.order(-1, "stop", 20, stop=bid * 95 // 100, purpose="stop")
        report = await scene.venue.submit(stop)
        assert report.venue_id.startswith("algo:")
        # a stop of an earlier run: this adapter has never heard of it
        again = BinanceUsdm(served_usdm(scene.port), wiring(tmp_path))
        await again.connect()
        assert (await again.order(scene.symbol, stop.client_order_id)).state == "untriggered"
        assert (await again.cancel(scene.symbol, stop.client_order_id)).state == "canceled"
        await again.close()


async def test_setting_the_margin_mode_twice(tmp_path):
    async with served("perp", tmp_path) as scene:
        for _ in range(2):
            assert (await scene.venue.set_leverage(scene.symbol, 4, "isolated")).leverage == 4


async def test_an_expired_listen_key_is_replaced_and_the_gap_told(tmp_path):
    async with served("perp", tmp_path) as scene:
        scene.listen()
        await scene.until(lambda: scene.private == [StreamState(True)])
        first = scene.venue._listen_key
        keys = scene.served.gateway.desks["usdm"].keys
        keys._until[first] = 0
        await scene.until(lambda: [e for e in scene.private if isinstance(e, StreamState)][1:] != [])
        await scene.until(lambda: scene.private[-1] == StreamState(True) and len(scene.private) == 3)
        assert scene.private[1] == StreamState(False, c.R_EXPIRED)
        assert scene.venue._listen_key != first
        order, _ = await scene.resting()
        await scene.until(
            lambda: any(getattr(e, "client_id", "") == order.client_order_id for e in scene.private)
        )


async def test_a_key_that_cannot_be_prolonged_is_replaced(tmp_path):
    async with served("perp", tmp_path, keep_s=0.05) as scene:
        scene.listen()
        await scene.until(lambda: scene.private == [StreamState(True)])
        await asyncio.sleep(0.2)  # prolonged some times, to no effect
        assert scene.private == [StreamState(True)]
        scene.served.gateway.desks["usdm"].keys.close(scene.venue._listen_key)
        await scene.until(lambda: StreamState(True) in scene.private[1:])
        assert not scene.private[1].up


async def test_old_trades_are_asked_for_by_number(tmp_path):
    async with served("spot", tmp_path) as scene:
        order = await scene.order(1, "market", 40)
        await scene.venue.submit(order)
        asked = spied(scene.venue.rest)
        trades = await scene.venue.trades(scene.symbol, 0)
        assert sum(t.quantity for t in trades) == order.intent.quantity.to_decimal()
        assert [a.get("fromId") for a in asked] == [0]


async def test_old_trades_are_asked_for_in_spans(tmp_path):
    async with served("perp", tmp_path) as scene:
        order = await scene.order(1, "market", 40)
        await scene.venue.submit(order)
        asked = spied(scene.venue.rest)
        trades = await scene.venue.trades(scene.symbol, 0)
        assert sum(t.quantity for t in trades) == order.intent.quantity.to_decimal()
        spans = [a["endTime"] - a["startTime"] for a in asked if "endTime" in a]
        assert 20 <= len(spans) <= 27 and max(spans) < 7 * 86_400_000
        starts = [a["startTime"] for a in asked]
        assert [b - a for a, b in pairwise(starts)] == [spans[0] + 1] * (len(starts) - 1)


def spied(rest):
    """Parameters of the requests for trades from now on."""
    asked, real = [], rest.get

    async def get(kind, endpoint, params=None, urgent=False):
        if endpoint.path.endswith("rades"):
            asked.append(dict(params))
        return await real(kind, endpoint, params, urgent)

    rest.get = get
    return asked


async def test_trades_of_many_pages_and_of_an_order_of_another_run(tmp_path, monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.face.PAGE", 2)
    for kind in ("spot", "perp"):
        async with served(kind, tmp_path) as scene:
            names = []
            for _ in range(5):
                order = await scene.order(1, "market", 40)
                names.append(order.client_order_id)
                report = await scene.venue.submit(order)
            scene.venue._client_ids.clear()
            trades = await scene.venue.trades(scene.symbol, report.ts_venue - 60 * 10**9)
            assert sum(t.quantity for t in trades) == 5 * order.intent.quantity.to_decimal()
            assert list(dict.fromkeys(t.client_id for t in trades)) == names


async def test_nobody_there(tmp_path):
    """A closed port: nothing was sent, and nothing is known."""
    async with served("perp", tmp_path) as scene:
        venue, order = scene.venue, await scene.order(1, "market", 40)
        await scene.resting()
    venue = BinanceUsdm(served_usdm(1), wiring(tmp_path))
    with pytest.raises(VenueUnreachable):
        await venue.connect()
    venue.listing = scene.venue.listing
    venue.sync.sample(0, SystemClock().now_ns(), SystemClock().now_ns(), SystemClock().monotonic_ns())
    venue.sync.require = lambda: None
    with pytest.raises(NotSent) as error:
        await venue.submit(order)
    assert error.value.reason == c.R_NETWORK
    with pytest.raises(VenueUnreachable):
        await venue.private().__anext__()
    await venue.close()


async def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(tmp_path):
    async with served("spot", tmp_path) as scene:
        bid, _ = scene.quote()
        order = await scene.order(1, "limit", 20, price=bid * 95 // 100)
        real = scene.venue.rest.ask

        async def torn(endpoint, params=None, urgent=False):
            return (await real(endpoint, params, urgent))[:-5]

        scene.venue.rest.ask = torn
        with pytest.raises(Exception) as error:
            await scene.venue.submit(order)
        assert type(error.value).__name__ == "OutcomeUnknown"
        with pytest.raises(VenueUnreachable, match="cannot be read"):
            await scene.venue.account()


async def test_an_unreadable_private_event_breaks_the_stream_rather_than_being_skipped(tmp_path):
    async with served("perp", tmp_path) as scene:
        scene.listen()
        await scene.until(lambda: scene.private == [StreamState(True)])
        feed = scene.venue._private
        for line in list(scene.served._sockets.open):
            line.put('{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT"}}')
        await scene.until(lambda: len(scene.private) >= 3)
        assert scene.private[1:3] == [StreamState(False, c.R_VENUE), StreamState(True)]
        assert feed.unreadable == 1


async def test_nobody_reads_the_private_stream(tmp_path, monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.private_feed.MAX_WAITING", 3)
    async with served("spot", tmp_path) as scene:
        feed = scene.venue._private
        for _ in range(6):
            order, _ = await scene.resting()
            await scene.venue.cancel(scene.symbol, order.client_order_id)
        await scene.until(lambda: StreamState(False, c.R_BACKLOG) in list(feed._queue._queue))


async def test_auto_deleveraging_is_told_as_such(tmp_path):
    async with served("perp", tmp_path) as scene:
        scene.listen()
        await scene.venue.submit(await scene.order(1, "market", 40))
        scene.exchange.adl(CANARY[0], "BTCUSDT", 10)

        def forced():
            return [e for e in scene.private if isinstance(e, TradeReport) and e.reason]

        await scene.until(forced)
        assert forced()[0].reason in (c.R_ADL, c.R_LIQUIDATED)
        assert forced()[0].quantity == Decimal("0.010")


async def test_a_snapshot_that_does_not_come_breaks_the_feed(tmp_path):
    async with served("spot", tmp_path) as scene:
        await scene.fault("status", {"method": "GET", "path": "*/depth"}, http=500, code=-1001, msg="no")
        seen = await batches(scene, lambda seen: any(b.events is None for b in seen), 20)
        assert seen[-1].reason == c.R_NETWORK
        assert all(b.events is None for b in seen)


async def test_funding_is_told_when_it_falls_due(tmp_path):
    async with served("perp", tmp_path) as scene:
        hub = scene.served._hubs["usdm"]
        real, told = hub._mark, []

        def marked(symbol):
            """Marks whose funding falls due after the first two."""
            row = real(symbol)
            told.append(row)
            due = 1_764_000_000_000 if len([r for r in told if r]) <= 2 else 4_000_000_000_000
            return row and {**row, "T": due, "r": "0.00012300"}

        hub._mark = marked
        seen = await batches(scene, lambda seen: kinds_of(seen)[c.EV_FUNDING] >= 1, 20)
        rows = seen[-1].events
        row = rows[rows["kind"] == c.EV_FUNDING][0]
        assert (row["x"], row["ts_venue"]) == (12_300, 1_764_000_000_000 * 10**6)
        assert row["price"] > 0


async def test_a_dead_source_is_replaced_within_a_second(tmp_path):
    """Two served exchanges; the first dies. The reader gets the second's whole book."""
    async with served("spot", tmp_path / "a") as one, served("spot", tmp_path / "b") as two:
        feed = FailoverFeed([("one", one.venue.market), ("two", two.venue.market)], patience_s=0.5)
        died, seen = None, []
        loop = asyncio.get_running_loop()
        stream = feed.market([one.symbol])
        async with asyncio.timeout(30):
            async for batch in stream:
                seen.append(batch)
                if died is None and kinds_of(seen)[c.EV_DEPTH_HEAD] >= 2:
                    died = loop.time()
                    await one.fault("silence", {"face": "ws"}, seconds=0)
                if died is not None and fresh_after_break(seen):
                    break
        print(f"second source after {loop.time() - died:.3f} s")
        assert feed.active == "two"
        await stream.aclose()


def test_keys_are_shown_nowhere(tmp_path):
    key = ApiKey(*CANARY)
    assert not any(part in f"{key!r} {key}" for part in CANARY)
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(key)
    secrets = FakeSecrets({"binance-spot": key})
    with pytest.raises(SecretMissing, match="known are binance-spot") as error:
        secrets.api_key("okx")
    assert not any(part in str(error.value) for part in CANARY)


async def test_an_oco_needs_a_limit_and_a_stop_of_one_size(tmp_path):
    async with served("spot", tmp_path) as scene:
        order, _ = await scene.resting()
        with pytest.raises(OrderRejected) as error:
            await scene.venue.submit_oco(order, order)
        assert error.value.reason == c.R_UNCHECKED


async def test_an_oco_to_buy_back_has_its_stop_above(tmp_path):
    async with served("spot", tmp_path) as scene:
        bid, ask = scene.quote()
        stop = await scene.order(1, "stop", 20, stop=ask * 105 // 100, price=ask * 106 // 100, purpose="stop")
        target = await scene.order(1, "limit", 20, price=bid * 95 // 100, purpose="target")
        first, second = await scene.venue.submit_oco(stop, target)
        assert (first.type, second.type) == ("stop_limit", "limit")
        scene.listen()
        await scene.venue.cancel(scene.symbol, stop.client_order_id)
        await scene.until(
            lambda: (
                len([e for e in scene.private if isinstance(e, OrderReport) and e.state == "canceled"]) == 2
            )
        )


async def test_stop_limits_keep_both_prices(tmp_path):
    for kind in ("spot", "perp"):
        async with served(kind, tmp_path / kind) as scene:
            bid, _ = scene.quote()
            order = await scene.order(
                -1, "stop", 20, stop=bid * 95 // 100, price=bid * 94 // 100, purpose="stop"
            )
            report = await scene.venue.submit(order)
            assert report.type == "stop_limit"
            found = await scene.venue.order(scene.symbol, order.client_order_id)
            assert found.price == order.intent.price.to_decimal()
            assert found.stop_price == order.intent.stop_price.to_decimal()


async def test_market_orders_are_not_amended(tmp_path):
    async with served("perp", tmp_path) as scene:
        with pytest.raises(OrderRejected):
            await scene.venue.amend(await scene.order(1, "market", 20), "b4t-1-1")


async def test_two_adapters_of_one_account_share_the_budget(tmp_path):
    async with served("spot", tmp_path) as scene:
        other = BinanceSpot(served_spot(scene.port), wiring(tmp_path))
        before = other.limiter.used("weight-1m")
        await scene.venue.account()
        assert other.limiter.used("weight-1m") >= before + 20
        await other.close()
