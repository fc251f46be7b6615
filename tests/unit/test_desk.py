"""The desk against a venue that loses, hides, refuses and repeats (failure classes F2, F4, F6, F9)."""

import sys
from collections import deque
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, PRICE, SPOT, Scene, cancel_row, cid, order_row, running, stop_row
from virtual_time import run_virtual

from bot4.execution.settings import DeskSettings
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, SafetyError
from bot4.model.events import EVENT_DTYPE
from bot4.ports.venue import Capabilities, OrderRejected, StreamState, Unsupported, VenueUnreachable
from bot4.safety.breaker import Breaker, Cause, Level, Rule, State
from bot4.safety.gate import sealed

D = Decimal
NO_FILLS = np.empty(0, EVENT_DTYPE)
SIXTY = D("60000.0")


def play(script, **scene):
    """Run `script(scene)` with the desk at work, in virtual time; the scene."""

    async def main(clock):
        made = Scene(clock, **scene)
        async with running(made):
            await script(made)
        return made

    return run_virtual(main)


def test_an_order_is_placed_acknowledged_and_filled():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.04"), SIXTY, D("0.96"))
        s.exchange.fill(cid(1), D("0.06"), D("59999.9"), D("-0.00001"))
        await s.pass_time(0.01)
        assert (
            s.store.records[-1].state == "pending"
        )  # that it is done waits for company: no write of its own
        await s.pass_time(1.5)

    s = play(script)
    assert [k for k, *_ in s.heard] == ["ack", "fill", "fill"]
    assert s.fills() == [(1, PRICE, 40, 9600), (1, 599_999, 60, 0)]
    assert s.desk.worst_exposure(PERP.symbol) == 100
    assert s.store.records[0].state == "pending" and s.store.records[-1].state == "done"


def test_f2_1_a_lost_reply_is_looked_up_and_never_sent_again():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        s.desk.hand_over(order_row(1))
        s.exchange.listeners.append(lambda e: None)
        await s.pass_time(0.01)
        assert s.said("unknown") == [(1, c.R_TIMEOUT)]
        assert s.desk.blocked(PERP.symbol) == c.R_UNKNOWN_ORDER and s.desk.worst_exposure(PERP.symbol) == 100
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(5)

    s = play(script)
    assert s.venue.calls.count("submit") == 1 and s.exchange.placed == 1
    assert len(s.fills()) == 1 and s.desk.blocked(PERP.symbol) == c.R_OK


def test_f2_2_not_found_for_a_while_keeps_it_unknown_and_blocks_entries():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        for method in ("order", "open_orders", "trades"):
            s.venue.always[method] = "hidden"
        s.desk.hand_over(order_row(1))
        await s.pass_time(29)
        assert s.desk.unknown == {PERP.symbol: 1}
        s.desk.hand_over(order_row(2))
        s.desk.hand_over(stop_row(3))
        await s.pass_time(0.5)
        assert s.said("reject") == [(2, c.R_UNKNOWN_ORDER)]  # the entry waits for evidence, the stop does not
        assert (3, 0) in s.said("ack") or cid(3) in s.exchange.orders
        s.venue.always.clear()
        await s.pass_time(12)

    s = play(script)
    assert s.desk.unknown == {} and s.exchange.placed == 2
    assert len(s.alarm.told) == 0  # found within the time that is allowed


def test_f2_3_a_failing_network_never_counts_as_not_found():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        for method in ("order", "open_orders", "trades"):
            s.venue.always[method] = "unreachable"
        s.desk.hand_over(order_row(1))
        await s.pass_time(600)
        assert s.said("reject") == [] and s.desk.unknown == {PERP.symbol: 1}
        assert s.desk.worst_exposure(PERP.symbol) == 100
        assert sum("outcome is unknown" in text for _, text in s.alarm.told) == 1
        s.venue.always.clear()
        await s.pass_time(15)

    s = play(script)
    assert s.said("ack") == [(1, 0)]


def test_absence_needs_time_repetition_and_a_sweep_that_agrees():
    async def script(s):
        s.venue.script["submit"] = deque(["dropped"])
        s.desk.hand_over(order_row(1))
        await s.pass_time(29)
        assert s.said("reject") == []
        await s.pass_time(20)

    s = play(script)
    assert s.said("reject") == [(1, c.R_NOT_FOUND)] and s.venue.calls.count("submit") == 1


def test_absence_is_not_believed_while_open_orders_show_the_order():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        s.venue.always["order"] = "hidden"
        s.venue.always["open_orders"] = "unreachable"
        s.desk.hand_over(order_row(1))
        await s.pass_time(120)
        assert s.said("reject") == []
        del s.venue.always["open_orders"]
        await s.pass_time(12)

    s = play(script)
    assert s.said("reject") == [] and s.said("ack") == [(1, 0)]


def test_an_order_taken_as_gone_that_lives_is_cancelled():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        for method in ("order", "open_orders", "trades"):
            s.venue.always[method] = "hidden"
        s.desk.hand_over(order_row(1))
        await s.pass_time(60)
        assert s.said("reject") == [(1, c.R_NOT_FOUND)]
        s.venue.always.clear()
        s.venue.streaming = True
        s.exchange.fill(cid(1), D("0.03"), SIXTY)
        await s.pass_time(1)

    s = play(script)
    assert s.exchange.orders[cid(1)].state == "canceled"
    assert [f[2] for f in s.fills()] == [30]  # money is booked, whatever was thought before
    assert any("lives at the venue" in text for _, text in s.alarm.told)


def test_f2_4_a_real_refusal_is_told_once_and_never_retried():
    async def script(s):
        s.venue.script["submit"] = deque([OrderRejected("filter", c.R_MIN_NOTIONAL, -1013)])
        s.desk.hand_over(order_row(1))
        await s.pass_time(60)

    s = play(script)
    assert s.heard == [("reject", 1, c.R_MIN_NOTIONAL)] and s.venue.calls.count("submit") == 1


def test_a_duplicate_id_at_the_venue_means_that_it_is_there():
    async def script(s):
        s.venue.script["submit"] = deque([OrderRejected("duplicate", c.R_DUPLICATE)])
        s.exchange.place(_approved(s, 1))
        s.desk.hand_over(order_row(1))
        await s.pass_time(5)

    s = play(script)
    assert s.said("reject") == [] and s.said("ack")


def _approved(s, id):
    return sealed(order_row(id), PERP, "test", 7)


def test_f2_5_after_a_crash_a_pending_intent_is_looked_up_and_an_unwritten_one_was_never_sent():
    async def first(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)

    before = play(first)
    rows = np.concatenate([order_row(1), order_row(2)])

    async def second(s):
        s.desk.recover(rows, 7, NO_FILLS)
        await s.pass_time(3)
        s.desk.hand_over(order_row(1))  # the driver hands over again what it is not sure of
        await s.pass_time(3)

    s = play(second, store=before.store, exchange=before.exchange)
    assert s.heard == [("unknown", 1, c.R_TIMEOUT), ("reject", 2, c.R_EXPIRED), ("ack", 1, 0)]
    assert s.venue.calls.count("submit") == 0 and s.exchange.placed == 1


def test_fills_before_a_crash_are_not_booked_again():
    async def first(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.04"), SIXTY)
        await s.pass_time(0.01)

    before = play(first)
    fills = np.array(before.rows, EVENT_DTYPE)

    async def second(s):
        s.desk.recover(order_row(1, filled=40, ts_created=1_700_000_000_000_000_000), 7, fills)
        s.desk.set_position(PERP.symbol, 40, PRICE)
        s.exchange.fill(cid(1), D("0.06"), SIXTY)
        await s.pass_time(6)

    s = play(second, store=before.store, exchange=before.exchange)
    assert [f[2] for f in s.fills()] == [60] and s.desk.worst_exposure(PERP.symbol) == 100


def test_f2_6_one_decision_makes_one_order():
    async def script(s):
        s.desk.hand_over(order_row(1, decision=5))
        s.desk.hand_over(order_row(2, decision=5))
        s.desk.hand_over(order_row(1, decision=5))
        await s.pass_time(1)

    s = play(script)
    assert s.exchange.placed == 1 and s.said("reject") == [(2, c.R_DUPLICATE)]


@pytest.mark.parametrize("twins", [False, True])
def test_f2_7_without_lookup_an_order_is_matched_or_left_to_a_person(twins):
    caps = Capabilities(market="perp", client_id_lookup=False)

    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        s.desk.hand_over(order_row(1))
        if twins:
            s.exchange.place(_approved(s, 9))
        await s.pass_time(60)

    s = play(script, capabilities=caps, anonymous=True)
    if twins:
        assert s.said("ack") == [] and s.desk.unknown
        assert any("by hand" in text for _, text in s.alarm.told)
    else:
        assert s.said("ack") == [(1, 0)] and not s.desk.unknown


def test_f9_2_five_refusals_open_the_breaker():
    async def script(s):
        s.venue.always["submit"] = OrderRejected("no money", c.R_FUNDS)
        for k in range(1, 9):
            s.desk.hand_over(order_row(k))
            await s.pass_time(0.1)
        assert s.venue.calls.count("submit") == 5
        assert s.said("reject")[5:] == [(k, c.R_BREAKER) for k in (6, 7, 8)]
        s.venue.always.clear()
        await s.pass_time(61)
        s.desk.hand_over(order_row(9))
        await s.pass_time(0.1)

    s = play(script)
    assert cid(9) in s.exchange.orders
    assert [text.split(":")[0] for _, text in s.alarm.told] == [
        "breaker orders is OPEN", "breaker orders is HALF_OPEN", "breaker orders is CLOSED",
    ]  # fmt: skip
    assert "the venue refuses orders: funds; new risk stops for 60 s" in s.alarm.told[0][1]


def test_half_open_breakers_of_the_session_let_one_order_at_a_time_through():
    async def script(s):
        gate = Breaker(Rule("latency", Level.VENUE, timeout_ns=10**9, successes_to_close=2))
        s.desk.gate(PERP.symbol, [gate])
        gate.trip(Cause.LATENCY, "slow", s.clock.monotonic_ns())
        s.desk.hand_over(order_row(1))
        s.desk.hand_over(stop_row(2))
        await s.pass_time(0.5)
        assert s.said("reject") == [(1, c.R_LATENCY)] and cid(2) in s.exchange.orders  # the stop passes
        await s.pass_time(1)
        s.desk.hand_over(np.concatenate([order_row(3, price=400_000), order_row(4, price=400_000)]))
        await s.pass_time(0.5)
        sent = [x for x in (3, 4) if cid(x) in s.exchange.orders]
        assert sent == [3, 4], s.heard  # one after the other: the place is free when the answer is there
        assert gate.state is State.HALF_OPEN and not gate.shut(s.clock.monotonic_ns())
        gate.allow(s.clock.monotonic_ns())  # a probe that never answers
        s.desk.hand_over(order_row(5, price=400_000))
        await s.pass_time(0.5)
        assert (5, c.R_LATENCY) in s.said("reject")
        gate.sign(True, 0)
        gate.sign(True, 0)
        s.desk.hand_over(order_row(6, price=400_000))
        await s.pass_time(0.5)
        assert cid(6) in s.exchange.orders

    play(script)


def test_f9_5_nothing_of_new_risk_is_sent_when_a_lost_network_returns():
    async def script(s):
        s.venue.always["submit"] = "notsent"
        s.desk.hand_over(order_row(1))
        s.desk.hand_over(order_row(2, side=c.SELL, purpose=c.FOR_FLATTEN, reduce=True, price=0))
        await s.pass_time(0.2)
        s.desk.stop_risk()
        s.desk.hand_over(order_row(3))
        await s.pass_time(10)
        s.venue.always.clear()
        await s.pass_time(15)

    s = play(script)
    assert set(s.exchange.orders) == {cid(2)}  # the exit alone
    assert {x for x, _ in s.said("reject")} == {1, 3}


def test_orders_of_new_risk_grow_too_old_to_be_sent():
    async def script(s):
        s.venue.script["submit"] = deque(["throttled"])
        s.venue.wait_ns = 3 * 10**9
        s.desk.hand_over(order_row(1))
        await s.pass_time(10)

    s = play(script)
    assert s.said("reject") == [(1, c.R_EXPIRED)] and s.exchange.placed == 0


def test_back_pressure_refuses_new_risk_but_never_a_stop():
    async def script(s):
        s.venue.delays["submit"] = 1.0
        rows = [order_row(k) for k in range(1, 7)] + [stop_row(k) for k in range(7, 12)]
        s.desk.hand_over(np.concatenate(rows))
        await s.pass_time(0.01)

    s = play(script, settings=DeskSettings(queue_limit=4))
    assert s.said("reject") == [(5, c.R_BACKLOG), (6, c.R_BACKLOG)]


def test_a_fill_wins_over_a_cancel():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.venue.delays["cancel"] = 0.1
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(1)

    s = play(script)
    assert [k for k, *_ in s.heard] == ["ack", "fill"]


@pytest.mark.parametrize("word", ["lost", "dropped", "notsent", "throttled"])
def test_a_cancel_goes_on_until_the_order_is_gone(word):
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.venue.script["cancel"] = deque([word, word])
        s.venue.streaming = False
        s.desk.hand_over(cancel_row(order_row(1), c.R_SIBLING))
        await s.pass_time(15)

    s = play(script)
    assert s.exchange.orders[cid(1)].state == "canceled" and s.said("canceled") == [(1, c.R_SIBLING)]


def test_a_cancel_of_an_order_that_was_not_sent_stays_here():
    async def script(s):
        s.venue.script["submit"] = deque(["throttled"])
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(5)

    s = play(script)
    assert (
        s.heard == [("canceled", 1, c.R_SIGNAL)] and s.exchange.placed == 0 and "cancel" not in s.venue.calls
    )


def test_a_cancel_of_an_order_never_seen_here_is_looked_up():
    async def script(s):
        s.exchange.place(_approved(s, 1))
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(5)

    s = play(script)
    assert s.exchange.orders[cid(1)].state == "canceled" and s.said("canceled")


def test_an_unknown_order_is_cancelled_as_soon_as_it_is_seen():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.script["cancel"] = deque(["hidden"])
        s.venue.script["order"] = deque(["hidden", "hidden"])
        s.venue.streaming = False
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(10)

    s = play(script)
    assert s.exchange.orders[cid(1)].state == "canceled" and s.said("canceled") == [(1, c.R_SIGNAL)]


def test_without_the_private_stream_orders_are_polled():
    async def script(s):
        s.venue.streaming = False
        s.exchange.listeners[:] = []
        s.venue.stream.put_nowait(StreamState(False, c.R_NETWORK))
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.5)
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(3)
        s.venue.stream.put_nowait(StreamState(True))
        await s.pass_time(0.1)

    s = play(script)
    assert s.said("stream") == [(c.STATUS_DISCONNECTED, c.R_NETWORK), (c.STATUS_OK, 0)]
    assert [f[2] for f in s.fills()] == [100]


def test_f4_9_a_stop_that_the_venue_dropped_is_noticed():
    async def script(s):
        s.desk.hand_over(stop_row(1))
        await s.pass_time(0.1)
        s.venue.streaming = False
        s.exchange.end(cid(1), "canceled", c.R_MAINTENANCE)
        await s.pass_time(6)

    s = play(script)
    assert s.said("canceled") == [(1, c.R_MAINTENANCE)]


def test_the_end_waits_for_the_trades_before_it():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.venue.streaming = False
        s.exchange.fill(cid(1), D("0.062"), SIXTY)
        s.exchange.end(cid(1))
        s.venue.always["trades"] = "hidden"
        s.desk.hear(s.exchange.orders[cid(1)])
        await s.pass_time(10)
        assert s.said("canceled") == []  # told to be 0.062 filled, the trade is not there yet
        s.venue.always.clear()
        await s.pass_time(3)

    s = play(script)
    assert [k for k, *_ in s.heard] == ["ack", "fill", "canceled"]


def test_events_twice_and_in_any_order_change_nothing():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.venue.streaming = False
        new = s.exchange.orders[cid(1)]
        a = s.exchange.fill(cid(1), D("0.04"), SIXTY)
        part = s.exchange.orders[cid(1)]
        b = s.exchange.fill(cid(1), D("0.06"), SIXTY)
        full = s.exchange.orders[cid(1)]
        for event in (full, b, new, a, part, b, a, new, full):
            s.desk.hear(event)
        await s.pass_time(8)

    s = play(script)
    assert sorted(f[2] for f in s.fills()) == [40, 60] and len(s.heard) == 3
    assert s.desk.lanes[0].book.holding.lots == 100


def test_f6_1_a_fee_in_coins_shortens_the_position_by_whole_lots():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.062"), SIXTY, D("0.000062"), "BTC")
        s.exchange.fill(cid(1), D("0.038"), SIXTY, D("0.000038"), "BTC")
        await s.pass_time(0.01)

    s = play(script, instruments=(SPOT,))
    # one lot (60.0 USDT) covers both fees of together 0.0001 coins; 0.0009 are dust
    assert s.fills() == [(1, PRICE, 61, 600_000), (1, PRICE, 38, 0)]
    assert s.said("canceled") == [(1, c.R_RECONCILED)]
    assert s.desk.lanes[0].book.holding.lots == 99 and s.desk.lanes[0].book.holding.dust == D("0.0009")


def test_a_fill_that_goes_wholly_into_its_fee_is_money_spent():
    async def script(s):
        s.desk.hand_over(order_row(1, qty=1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.001"), SIXTY, D("0.000001"), "BTC")
        await s.pass_time(0.01)

    s = play(script, instruments=(SPOT,))
    assert s.said("cash") == [(-600_000, c.R_RECONCILED)] and s.fills() == []


def test_a_fee_in_a_third_coin_is_valued_or_estimated_aloud():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), SIXTY, D("0.01"), "BNB")
        await s.pass_time(0.01)

    s = play(script)
    assert s.fills() == [(1, PRICE, 100, 60_000)]  # 0.1 % of 6000
    assert any("BNB" in text for _, text in s.alarm.told)


def test_a_trade_that_fits_no_order_pauses_the_instrument():
    async def script(s):
        s.desk.hand_over(order_row(1, qty=10))
        await s.pass_time(0.01)
        trade = s.exchange.fill(cid(1), D("0.01"), SIXTY)
        await s.pass_time(0.01)
        s.desk.hand_over(order_row(2))
        await s.pass_time(0.01)
        s.desk.hear(replace(trade, trade_id="99", quantity=D("0.05"), client_id=cid(2), side=-1))
        s.desk.hear(replace(trade, trade_id="98", quantity=D("0.00005"), client_id=cid(2)))
        s.desk.hand_over(order_row(3))
        await s.pass_time(0.01)

    s = play(script)
    assert s.said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED)]
    assert s.said("reject") == [(3, c.R_RECONCILED)]


@pytest.mark.parametrize("wrong", [{"side": -1}, {"quantity": D("0.011")}])
def test_a_trade_of_the_other_side_or_too_large_is_not_booked(wrong):
    async def script(s):
        s.desk.hand_over(order_row(1, qty=10))
        await s.pass_time(0.01)
        real = s.exchange.fill(cid(1), D("0.001"), SIXTY)
        await s.pass_time(0.01)
        s.desk.hear(replace(real, trade_id="99", **wrong))
        await s.pass_time(0.01)

    s = play(script)
    assert s.said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED)]
    assert [qty for _, _, qty, _ in s.fills()] == [1]
    assert s.desk.lanes[0].overfills == 1 and s.desk.lanes[0].book.holding.lots == 1


def test_f4_1_a_stop_type_that_is_not_offered_is_held_here_and_entries_end():
    async def script(s):
        s.desk.set_position(PERP.symbol, 100, PRICE)
        s.venue.script["submit"] = deque([Unsupported("use another endpoint", c.R_VENUE, -4120)])
        s.desk.mark(PERP.symbol, PRICE)
        s.desk.hand_over(stop_row(1))
        await s.pass_time(0.1)
        s.desk.hand_over(order_row(2))
        await s.pass_time(6)
        assert s.exchange.placed == 0
        s.desk.mark(PERP.symbol, PRICE - 1001)
        await s.pass_time(0.1)

    s = play(script)
    assert s.said("ack") == [(1, 0)]
    assert s.said("reject") == [(2, c.R_EXIT_FILTER)]
    sent = s.exchange.orders[cid(1)]
    assert (sent.type, sent.side, sent.reduce_only) == ("limit", -1, True)
    assert sent.price == D("59301.0")  # 1 % beyond the mark of 59899.9, up to the tick
    assert any("naked" in text for _, text in s.alarm.told)
    assert s.desk.naked[PERP.symbol].worst_ns > 5e9


def test_a_venue_without_stops_is_never_asked_for_one():
    async def script(s):
        s.desk.hand_over(stop_row(1))
        await s.pass_time(1)
        s.desk.hand_over(cancel_row(stop_row(1)))
        await s.pass_time(1)

    s = play(script, capabilities=Capabilities(market="perp", stop_orders=False))
    assert "submit" not in s.venue.calls and "cancel" not in s.venue.calls
    assert [k for k, *_ in s.heard] == ["status", "ack", "canceled"]


def test_f4_2_a_stop_that_would_trigger_at_once_becomes_a_capped_exit():
    async def script(s):
        s.venue.script["submit"] = deque([OrderRejected("would trigger", c.R_TRIGGER_NOW, -2021)])
        s.desk.hand_over(stop_row(1))
        await s.pass_time(0.1)

    s = play(script)
    assert s.exchange.orders[cid(1)].price == D("59301.0") and s.said("reject") == []


def test_f4_4_a_stop_whose_reply_is_lost_is_not_placed_twice():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.desk.hand_over(stop_row(1))
        await s.pass_time(5)

    s = play(script)
    assert s.exchange.placed == 1 and not s.desk.unknown


def test_f4_6_a_stop_that_the_market_passed_unfilled_is_taken_back_for_a_market_exit():
    async def script(s):
        s.desk.set_position(PERP.symbol, 100, PRICE)
        s.desk.hand_over(stop_row(1))
        await s.pass_time(0.1)
        s.desk.mark(PERP.symbol, PRICE - 1500)
        await s.pass_time(5)

    s = play(script)
    assert s.said("canceled") == [(1, c.R_TRIGGER_NOW)]


def test_naked_time_is_measured_and_told():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(7)
        s.desk.hand_over(stop_row(2))
        await s.pass_time(1)

    s = play(script)
    naked = s.desk.naked[PERP.symbol]
    assert naked.since is None and 6.9e9 < naked.worst_ns < 7.2e9 and sum(naked.histogram) == 1
    assert sum("had no stop" in text for _, text in s.alarm.told) == 1


def test_an_adapter_that_breaks_leaves_the_outcome_unknown():
    async def script(s):
        s.venue.script["submit"] = deque([KeyError("bug")])
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.05)

    s = play(script)
    assert s.said("unknown") == [(1, c.R_INTERNAL)] and any("failed inside" in t for _, t in s.alarm.told)


def test_a_row_that_the_gate_did_not_leave_is_refused():
    async def script(s):
        with pytest.raises(SafetyError):
            s.desk.hand_over(order_row(1, status=c.ST_WORKING))

    assert play(script).exchange.placed == 0


def test_a_venue_that_hides_own_trades_is_refused():
    with pytest.raises(ConfigError, match="own trades"):
        play(None, capabilities=Capabilities(market="perp", own_trades=False))


def test_a_setting_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="poll_ns"):
        DeskSettings(poll_ns=0)


def test_cancels_pass_while_a_submit_hangs():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.1)
        s.venue.delays["submit"] = 30
        s.desk.hand_over(order_row(2))
        await s.pass_time(0.1)
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(0.1)

    s = play(script)
    assert s.said("canceled") == [(1, c.R_SIGNAL)]


def test_answers_are_awaited_and_risk_is_stopped_and_allowed():
    async def script(s):
        s.desk.stop_risk(c.R_VENUE)
        s.desk.hand_over(order_row(1))
        rows = await s.desk.answers()
        assert (rows["kind"].tolist(), rows["y"].tolist()) == ([c.EV_REJECT], [c.R_VENUE])
        assert s.desk.blocked(PERP.symbol) == c.R_VENUE
        s.desk.hand_over(cancel_row(order_row(1)))  # a cancel that crossed the refusal asks nobody
        s.desk.allow_risk()
        s.desk.hand_over(order_row(2))
        assert (await s.desk.answers())["x"].tolist() == [2]

    s = play(script)
    assert set(s.exchange.orders) == {cid(2)} and "order" not in s.venue.calls
    s.desk.stop_risk()
    s.desk.stop_risk(c.R_VENUE)
    s.desk.allow_risk()
    assert s.desk.blocked(PERP.symbol) == c.R_KILLED  # a kill is never undone


def test_a_private_stream_that_breaks_is_opened_again():
    opened = []

    def breaking(s):
        steady = s.venue.private

        async def broken():
            opened.append(1)
            raise VenueUnreachable("reset", c.R_NETWORK)
            yield

        async def ends():
            opened.append(2)
            return
            yield

        ways = [broken, ends]
        s.venue.private = lambda: (ways.pop(0) if ways else steady)()

    async def script(s):
        await s.pass_time(1)
        assert opened == [1, 2] and not s.desk.stream_up
        s.venue.stream.put_nowait(StreamState(True))
        account = await s.venue.account()
        s.venue.stream.put_nowait(account)
        await s.pass_time(0.1)
        assert s.desk.stream_up and s.desk.last_account is account
        s.desk.hear(replace(s.exchange.place(_approved(s, 1)), symbol="OTHER"))

    async def main(clock):
        made = Scene(clock)
        breaking(made)
        async with running(made):
            await script(made)
        return made

    s = run_virtual(main)
    assert s.said("stream")[0][0] == c.STATUS_DISCONNECTED


def test_a_cancel_that_was_taken_but_not_carried_out_is_watched():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        slow, cancel = [1, 2], s.venue.cancel

        async def taken(symbol, client_id):
            return s.exchange.orders[client_id] if slow and slow.pop() else await cancel(symbol, client_id)

        s.venue.cancel = taken
        s.desk.hand_over(cancel_row(order_row(1)))
        await s.pass_time(5)

    s = play(script)
    assert s.exchange.orders[cid(1)].state == "canceled" and s.said("canceled") == [(1, c.R_SIGNAL)]


def test_new_risk_that_cannot_be_sent_is_given_up_after_three_retries():
    async def script(s):
        s.venue.always["submit"] = "notsent"
        s.desk.hand_over(order_row(1))
        await s.pass_time(10)

    s = play(script)
    assert s.said("reject") == [(1, c.R_NETWORK)] and s.venue.calls.count("submit") == 4


def test_a_report_that_is_off_the_grid_pauses():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.desk.hear(replace(s.exchange.orders[cid(1)], filled=D("0.00005"), state="partially_filled"))
        await s.pass_time(0.01)

    assert play(script).said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED)]


def test_a_refusal_that_comes_by_the_stream_counts_for_the_breaker():
    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.desk.hear(replace(s.exchange.orders[cid(1)], state="rejected", reason=c.R_FUNDS))
        await s.pass_time(0.01)

    assert (
        play(script, settings=DeskSettings(refusals=1)).alarm.told[-1][1].startswith("breaker orders is OPEN")
    )


def test_fills_that_are_told_only_after_the_end_are_still_booked():
    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.venue.streaming = False
        gone = replace(s.exchange.orders[cid(1)], state="canceled")
        s.desk.hear(gone)  # the venue said: nothing filled
        trade = s.exchange.fill(cid(1), D("0.04"), SIXTY)
        s.exchange.end(cid(1))
        s.desk.hear(s.exchange.orders[cid(1)])  # and then: 0.04 filled
        await s.pass_time(3)
        assert trade.quantity == D("0.04")

    s = play(script)
    assert [f[2] for f in s.fills()] == [40] and len(s.said("canceled")) == 1


def test_without_lookup_absence_still_needs_time():
    caps = Capabilities(market="spot", client_id_lookup=False)

    async def script(s):
        s.venue.script["submit"] = deque(["dropped"])
        s.desk.hand_over(order_row(1))
        await s.pass_time(20)
        assert s.said("reject") == []
        await s.pass_time(40)

    s = play(script, instruments=(SPOT,), capabilities=caps, anonymous=True)
    assert s.said("reject") == [(1, c.R_NOT_FOUND)]


def test_a_lost_order_that_filled_is_matched_by_its_trades():
    caps = Capabilities(market="perp", client_id_lookup=False)

    async def script(s):
        s.venue.script["submit"] = deque(["lost"])
        s.venue.streaming = False
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(10)

    s = play(script, capabilities=caps, anonymous=True)
    assert [f[2] for f in s.fills()] == [100] and not s.desk.unknown


def test_ended_orders_are_forgotten_after_an_hour():
    async def script(s):
        for k in (1, 2):
            s.venue.script["submit"] = deque([OrderRejected("no", c.R_VENUE)])
            s.desk.hand_over(order_row(k))
            await s.pass_time(3700)

    assert set(play(script).desk.lanes[0].orders) == {2}


def test_a_first_fill_far_from_the_order_halts_the_instrument():
    async def script(s):
        s.desk.mark(PERP.symbol, PRICE)
        s.desk.hand_over(order_row(1, price=0))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), D("60600.1"))
        await s.pass_time(0.01)

    s = play(script)
    assert s.said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED)] and len(s.fills()) == 1
    assert "first fill" in s.alarm.told[0][1]


def test_s1_nothing_of_new_risk_leaves_once_the_latch_is_up_and_what_reduces_still_does():
    """The latch rises between two orders; nobody has told the desk to stop yet."""

    async def script(s):
        s.desk.hand_over(order_row(1))
        await s.pass_time(0.01)
        s.exchange.fill(cid(1), D("0.1"), SIXTY)
        await s.pass_time(0.01)
        s.desk.latch = np.ones(1, np.uint8)
        for number in range(2, 1002):
            s.desk.hand_over(order_row(number))
        s.desk.hand_over(stop_row(2000))
        await s.pass_time(2)
        s.desk.stop_risk()
        await s.pass_time(2)

    s = play(script)
    assert s.exchange.placed == 2
    assert s.venue.calls.count("submit") == 2
