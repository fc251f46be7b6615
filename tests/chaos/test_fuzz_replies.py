"""A bounded run of the reply fuzzer, and what its long runs have found; the long one is `fuzz_replies.py`."""

import asyncio
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import fuzz_replies as f
import pytest
import reply_samples as r
from fuzz_replies import Finding, Served, Socket, Stage, Step, fuzz, written

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, PRICE, Scene, cid, order_row, running
from virtual_time import run_virtual

from bot4.model import codes_nb as c
from bot4.model.errors import StorageError
from bot4.ports.venue import (
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    StreamState,
    Throttled,
    VenueUnreachable,
)
from bot4.venues.binance.private_feed import PrivateFeed

D = Decimal
SINCE = (r.NOW_MS - 1000) * f.MS
NEW = r.rest_usdm(status="NEW", executedQty="0", avgPrice="0")


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
async def test_mutated_replies_never_leak_and_no_nonsense_is_accepted(seed):
    found = await fuzz(1500, seed)
    assert found["findings"] == 0
    assert found["steps"] > 35


# --- what it has found -----------------------------------------------------------------------------------


def submit(stage, name="usdm"):
    return stage.fresh(name).submit(stage.orders[name]["entry"])


def cancel(stage, name="usdm"):
    return stage.fresh(name).cancel(f.SYMBOLS[name], r.ENTRY)


def look(stage, name="usdm"):
    return stage.fresh(name).order(f.SYMBOLS[name], r.ENTRY)


def ok(value):
    return Served(200, value if isinstance(value, bytes) else written(value))


ABYSS = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"," + written(NEW)[1:]
TWO_POSITIONS = {
    "GET account": ok(r.account_usdm()),
    "GET positionRisk": ok([*r.positions_usdm(), r.positions_usdm()[0]]),
    "GET dual": ok({"dualSidePosition": False}),
}
OF_COMMANDS = {
    "not a number": NEW | {"origQty": "NaN"},
    "endless": NEW | {"executedQty": "Infinity"},
    "a signalling NaN": NEW | {"price": "sNaN"},
    "an exponent that fills the memory": NEW | {"price": "1E+999999999"},
    "negative": NEW | {"executedQty": "-0.01"},
    "more filled than ordered": NEW | {"executedQty": "0.03"},
    "a state that is not known": NEW | {"status": "SOON"},
    "a side that is not known": NEW | {"side": "buy"},
    "another symbol": NEW | {"symbol": "ETHUSDT"},
    "another order": NEW | {"clientOrderId": "b4t-1-9"},
    "another quantity": NEW | {"origQty": "0.02000001"},
    "the other side": NEW | {"side": "SELL"},
    "another century": NEW | {"updateTime": 10**15},
    "a number beyond 64 bits": NEW | {"orderId": 2**63},
    "another encoding": written(NEW).replace(b"BOTH", b"\xff"),
    "a depth without an end": ABYSS,
    "an error as a success": {"code": -2010, "msg": "no"},
}


@pytest.mark.parametrize("what", OF_COMMANDS)
async def test_a_strange_answer_to_a_command_leaves_its_outcome_unknown(stage, what):
    stage.session.answers = {"POST order": ok(OF_COMMANDS[what])}
    with pytest.raises(OutcomeUnknown, match="POST /fapi/v1/order"):
        await submit(stage)


QUESTIONS = {
    "an order in an unknown state": ({"GET order": ok(r.rest_usdm(status="SOON"))}, look),
    "another order": ({"GET order": ok(r.rest_usdm(clientOrderId=r.FOREIGN))}, look),
    "gone, by a success": ({"GET order": ok({"code": -2013, "msg": "gone"})}, look),
    "gone, by a server that failed": ({"GET order": Served(500, written({"code": -2013}))}, look),
    "gone, by a redirect": ({"GET order": Served(302, written({"code": -2013}))}, look),
    "a position twice": (TWO_POSITIONS, lambda s: s.fresh("usdm").account()),
    "a coin twice": (
        {"GET account": ok(r.account_spot() | {"balances": r.account_spot()["balances"][:1] * 2})},
        lambda s: s.fresh("spot").account(),
    ),
    "an order of another symbol among ours": (
        {"GET openOrders": ok([r.rest_spot(), r.rest_spot(symbol="ETHUSDT")])},
        lambda s: s.fresh("spot").open_orders("BTC-USDT"),
    ),
    "a trade without its side": (
        {"GET myTrades": ok([{k: v for k, v in r.trades_spot()[0].items() if k != "isBuyer"}])},
        lambda s: s.fresh("spot").trades("BTC-USDT", SINCE),
    ),
    "a trade of 1970": (
        {"GET myTrades": ok([r.trades_spot()[0] | {"time": 5}])},
        lambda s: s.fresh("spot").trades("BTC-USDT", SINCE),
    ),
    "a time that goes round": (
        {"GET time": Served(400, written({"code": -1021, "msg": "Timestamp"}))},
        lambda s: s.fresh("usdm").rest.measure(1),
    ),
    "a clock of 1970": ({"GET time": ok({"serverTime": 5})}, lambda s: s.fresh("usdm").rest.measure(1)),
    "a listen key that is a path": (
        {"POST listenKey": ok({"listenKey": "../x?y"})},
        lambda s: s.fresh("usdm")._open_private(),
    ),
}


@pytest.mark.parametrize("what", QUESTIONS)
async def test_a_strange_answer_to_a_question_tells_nothing(stage, what):
    answers, call = QUESTIONS[what]
    stage.session.answers = {"GET apiRestrictions": ok({"enableWithdrawals": False})} | answers
    with pytest.raises(VenueUnreachable):
        await call(stage)


async def test_an_order_in_a_refusal_is_no_refusal(stage):
    stage.session.answers = {"POST order": Served(400, written(NEW))}
    with pytest.raises(OutcomeUnknown, match="with an order"):
        await submit(stage)
    stage.session.answers = {"POST order": Served(400, b"<html>no</html>")}
    with pytest.raises(OrderRejected):
        await submit(stage)


async def test_a_command_refused_for_its_time_was_not_sent_though_the_clock_does_not_answer(stage):
    stage.session.answers = {"POST order": Served(400, written({"code": -1021, "msg": "Timestamp"}))}
    with pytest.raises(NotSent):
        await submit(stage)
    assert not stage.venues["usdm"].sync.measured


async def test_a_question_without_a_clock_is_told_as_one(stage):
    stage.session.answers = {"GET order": Served(400, written({"code": -1021, "msg": "Timestamp"}))}
    with pytest.raises(VenueUnreachable):
        await look(stage)


@pytest.mark.parametrize("wait", ["²", "9" * 5000, "soon", "-1", "9" * 14])
async def test_a_strange_wait_is_bounded(stage, wait):
    body = written({"code": -1003, "msg": "slow"})
    stage.session.answers = {
        "POST order": Served(429, body, {"Retry-After": wait, "x-mbx-used-weight-1m": wait})
    }
    with pytest.raises(Throttled) as error:
        await submit(stage)
    assert 0 < error.value.wait_ns <= 3 * 86_400 * 10**9


@pytest.mark.parametrize("body", [{"code": -1000, "msg": 5}, {"code": None}, b"", b"null", b"5", b"<html>"])
async def test_orders_are_cancelled_only_by_an_answer_that_says_so(stage, body):
    stage.session.answers = {"DELETE allOpenOrders": ok(body), "DELETE algoOpenOrders": ok({"code": 200})}
    with pytest.raises(OutcomeUnknown):
        await stage.fresh("usdm").cancel_all("BTC-USDT-PERP")


@pytest.mark.parametrize("told", [{"countdownTime": "0"}, {"symbol": "ETHUSDT"}, {"countdownTime": None}])
async def test_a_count_down_is_set_only_as_it_was_asked_for(stage, told):
    body = {"symbol": "BTCUSDT", "countdownTime": "60000"} | told
    stage.session.answers = {"POST countdownCancelAll": ok(body)}
    with pytest.raises(OutcomeUnknown):
        await stage.fresh("usdm").set_dead_man("BTC-USDT-PERP", 60_000 * f.MS)


@pytest.mark.parametrize("gone", ["leverage", "marginType"])
async def test_leverage_and_margin_that_are_not_told_are_not_taken_as_set(stage, gone):
    row = {k: v for k, v in r.positions_usdm()[0].items() if k != gone}
    fine = ok({"code": 200, "msg": "success"})
    answers = {"POST marginType": fine, "POST leverage": fine, "GET positionRisk": ok([row])}
    for leverage, mode in ((1, "cross"), (5, "isolated")):
        stage.session.answers = answers
        with pytest.raises(OrderRejected):
            await stage.fresh("usdm").set_leverage("BTC-USDT-PERP", leverage, mode)


async def test_an_oco_that_lacks_a_leg_is_of_unknown_outcome(stage):
    body = r.list_of_spot()
    body["orderReports"][1]["clientOrderId"] = "other"
    stage.session.answers = {"POST oco": ok(body)}
    orders = stage.orders["spot"]
    with pytest.raises(OutcomeUnknown, match="lacks"):
        await stage.fresh("spot").submit_oco(orders["stop"], orders["target"])


async def test_pages_of_trades_that_go_back_end_the_reading(stage, monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.face.PAGE", 2)
    stage.session.answers = {"GET myTrades": ok(r.trades_spot()), "GET order": ok(r.rest_spot())}
    with pytest.raises(VenueUnreachable, match="asked from"):
        await stage.fresh("spot").trades("BTC-USDT", SINCE)


def listed(change):
    info = r.info(True)
    change(info["symbols"])
    return {"GET exchangeInfo": ok(info), "GET fundingInfo": ok([])}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[0]["filters"][0].update(tickSize="NaN"),
        lambda rows: rows[0]["filters"][1].update(stepSize="1E-999999"),
        lambda rows: rows[0]["filters"][1].update(maxQty="0.0001"),
        lambda rows: rows[0]["filters"].append(rows[0]["filters"][0]),
        lambda rows: rows[0].update(baseAsset="ETH"),
        lambda rows: rows.append(rows[0]),
        lambda rows: rows.__setitem__(0, None),
    ],
)
async def test_a_strange_symbol_is_not_listed_and_hides_no_other(stage, change):
    stage.session.answers = listed(change)
    venue = stage.fresh("usdm")
    assert [rule.instrument.symbol for rule in await venue.rules()] == ["ETH-USDT-PERP"]
    assert venue.listing.wire == {"ETH-USDT-PERP": "ETHUSDT"} and len(venue.listing.unreadable) == 1


# --- private events --------------------------------------------------------------------------------------


async def heard(stage, name, *bodies):
    """(why the stream's reading ended, the events) of messages."""
    feed = PrivateFeed(stage.fresh(name)._private_plan())
    reason = await feed._read(Socket([b if isinstance(b, bytes) else written(b) for b in bodies]))
    return reason, list(feed._queue._queue)


STRANGE_EVENTS = {
    "without a name": ("usdm", {k: v for k, v in r.report_usdm().items() if k != "e"}),
    "without its trade's number": ("spot", {k: v for k, v in r.report_spot().items() if k != "t"}),
    "without its futures trade's number": ("usdm", {"e": "ORDER_TRADE_UPDATE", "o": {
        k: v for k, v in r.report_usdm()["o"].items() if k != "t"}}),
    "without its fee": ("spot", {k: v for k, v in r.report_spot().items() if k != "n"}),
    "of an unknown state": ("usdm", r.report_usdm(X="SOON")),
    "of a trade beyond what is filled": ("usdm", r.report_usdm(l="0.015")),
    "of a price that is none": ("usdm", r.report_usdm(L="NaN")),
    "of another encoding": ("usdm", written(r.report_usdm()).replace(b"LIMIT", b"\xff", 1)),
    "without an end": ("usdm", b'{"e":"ORDER_TRADE_UPDATE","x":' + b"[" * 5000),
    "null": ("usdm", b"null"),
    "of a coin twice": ("spot", r.positions_spot() | {"B": r.positions_spot()["B"][:1] * 2}),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE_EVENTS)
async def test_a_strange_private_event_ends_the_stream_so_that_orders_are_asked_for(stage, what):
    name, body = STRANGE_EVENTS[what]
    assert await heard(stage, name, body) == (c.R_VENUE, [])


async def test_an_event_that_is_not_of_money_is_passed_over(stage):
    reason, events = await heard(stage, "usdm", {"e": "TRADE_LITE", "i": 1}, {"id": 1, "result": None})
    assert (reason, events) == (c.R_NETWORK, [])


async def test_a_reader_that_fails_inside_is_told_as_a_stream_that_is_down(stage):
    def decode(name, raw):
        raise KeyError(name)

    async def opened():
        return Socket([written(r.report_usdm())])

    plan = replace(stage.fresh("usdm")._private_plan(), open=opened, keep=None, decode=decode)
    feed = PrivateFeed(plan)
    await feed.start()
    told = []
    async with asyncio.timeout(20):
        async for event in feed.events():
            told.append(event)
            if len(told) == 3:
                break
    assert told == [StreamState(True), StreamState(False, c.R_INTERNAL), StreamState(True)]
    assert feed.unreadable >= 1
    await feed.stop()


@pytest.mark.parametrize(
    "change", [{"p": "NaN"}, {"p": "0.02"}, {"r": "no"}, {"r": "1E+99"}, {"s": "ETHUSDT"}, {"T": 10**16}]
)
async def test_a_strange_mark_is_passed_over(stage, change):
    body = r.mark_price()
    body["data"] |= change
    step = Step("mark", "usdm", {"message": body}, f.mark())
    assert await f.tried(stage, step, []) is None


async def test_a_due_time_that_moves_before_it_comes_charges_nothing(stage):
    instrument = stage.listings["usdm"].rules["BTC-USDT-PERP"].instrument
    lane = f.market_feed.Lane(0, "BTCUSDT", instrument, None, f.DepthSync(), bytearray(), [])
    feed = f.market_feed.MarketFeed(None, [lane])
    now = r.NOW_MS * f.MS
    for due_ms in (r.NOW_MS + 600_000, r.NOW_MS + 1_200_000):
        body = r.mark_price()
        body["data"]["T"] = due_ms
        feed._mark(lane, now, written(body))
    assert not lane.funding
    body["data"]["T"] = r.NOW_MS + 2_400_000
    feed._mark(lane, now + 1_200_000 * f.MS, written(body))
    assert [(due, rate) for _, due, rate, _ in lane.funding] == [((r.NOW_MS + 1_200_000) * f.MS, 10_000)]


# --- the desk --------------------------------------------------------------------------------------------


def play(script):
    async def main(clock):
        made = Scene(clock)
        async with running(made):
            await script(made)
        return made

    return run_virtual(main)


@pytest.mark.parametrize("error", [KeyError("x"), OverflowError("too large"), TypeError("none")])
def test_a_private_event_that_cannot_be_taken_in_is_told_and_compared(error):
    async def script(s):
        await s.desk.reconcile(starting=True)
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        lane = s.desk.lanes[0]
        steady, calls = lane.heard, []

        def heard(event, now):
            calls.append(event)
            if len(calls) == 1:
                raise error
            steady(event, now)

        lane.heard = heard
        s.venue.stream.put_nowait(s.exchange.orders[cid(1)])
        await s.pass_time(0.01)
        assert any("could not be taken in" in text for level, text in s.alarm.told if level == "critical")
        await s.pass_time(2)

    s = play(script)
    assert s.said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED), (c.STATUS_OK, 0)]
    assert s.desk.reconciled.agreed


def test_an_answer_that_cannot_be_taken_in_is_told_and_the_order_looked_up():
    async def script(s):
        await s.desk.reconcile(starting=True)
        lane = s.desk.lanes[0]
        steady, calls = lane.answered, []

        def answered(ask, answer, now):
            calls.append(ask)
            if len(calls) == 1:
                raise OverflowError("too large")
            steady(ask, answer, now)

        lane.answered = answered
        s.desk.hand_over(order_row(1))
        await s.pass_time(120)

    s = play(script)
    assert s.said("ack") == [(1, 0)]
    assert s.venue.calls.count("submit") == 1


def test_a_disk_that_fails_still_ends_the_desk():
    def heard(event, now):
        raise StorageError("full")

    async def main(clock):
        made = Scene(clock)
        task = asyncio.ensure_future(made.desk.run())
        made.desk.lanes[0].heard = heard
        made.desk.hand_over(order_row(1))
        await made.pass_time(0.01)
        made.venue.stream.put_nowait(made.exchange.orders[cid(1)])
        await asyncio.wait([task], timeout=5)
        return task.exception()

    assert isinstance(run_virtual(main).exceptions[0], StorageError)


@pytest.mark.parametrize("change", [{"filled": D("0.2"), "quantity": D("0.2")}, {"side": -1}])
def test_a_report_of_another_order_under_our_id_pauses(change):
    async def script(s):
        s.desk.hand_over(order_row(1, qty=100))
        await s.pass_time(0.01)
        s.desk.hear(replace(s.exchange.orders[cid(1)], **change))
        await s.pass_time(0.01)
        assert s.desk.lanes[0].orders[1].owed == 0

    assert play(script).said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED)]


def test_a_trade_worth_more_than_there_can_be_is_not_booked():
    async def script(s):
        s.desk.hand_over(order_row(1, qty=100))
        await s.pass_time(0.01)
        trade = s.exchange.fill(cid(1), D("0.1"), PRICE * PERP.tick)
        s.desk.hear(replace(trade, price=D(10) ** 17))
        s.desk.hear(replace(trade, fee=D(10) ** 19, trade_id="2"))
        await s.pass_time(0.001)

    s = play(script)
    assert s.said("status")[0] == (c.STATUS_QUARANTINED, c.R_RECONCILED)
    assert all(price == PRICE for _, price, _, _ in s.fills())


# --- the fuzzer itself -----------------------------------------------------------------------------------


async def test_the_fuzzer_sees_an_adapter_that_believes_everything(monkeypatch):
    for name in ("amounts", "signed", "filled", "word"):
        monkeypatch.setattr(f"bot4.venues.binance.checks.{name}", lambda *_, **__: None)
    with pytest.raises(Finding):
        await fuzz(3000, 1)


async def test_the_fuzzer_sees_an_error_that_leaks(monkeypatch):
    monkeypatch.setattr("bot4.venues.binance.checks.RecursionError", KeyError, raising=False)
    with pytest.raises(Finding, match="leaks"):
        await fuzz(20_000, 1)


def test_the_fuzzer_sees_an_event_of_money_that_is_passed_over():
    with pytest.raises(Finding, match="ignored"):
        f.ignored("usdm", written(r.report_usdm()))
    with pytest.raises(Finding, match="without a name"):
        f.ignored("usdm", b'{"x":1}')
