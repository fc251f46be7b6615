"""E4: one cancels the other, and replacing, as bot4 itself does it. On the whole stack: served exchange, Binance
adapter, desk, session, journal. Races that need an exact instant are played on the desk, over a venue in memory.
"""

import sys
from collections import deque
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import EPOCH, PRICE, SPOT, Scene, cid, order_row, running, stop_row
from live_stack import exchange_of
from virtual_time import run_virtual

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.ports.venue import Capabilities
from bot4.venues.binance.spot import BinanceSpot

pytestmark = pytest.mark.jit
LIST = {"method": "POST", "path": "/api/v3/orderList/oco"}
LIMIT_S = 5.0  # no position may be without a stop for longer


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("spot", tmp_path) as made:
        yield made


def legs(stack):
    """(stop, target) of the one list that is open."""
    stop, target = sorted(stack.open_orders(), key=lambda o: not o.request.stop_price)
    assert stop.list_id == target.list_id != 0 and stop.request.qty == target.request.qty
    return stop, target


def sold(stack):
    return sum(t.qty for t in stack.trades() if t.side < 0)


def bought(stack):
    return sum(t.qty for t in stack.trades() if t.side > 0)


def booked_once(stack):
    return sorted(stack.events(c.EV_FILL)["seq"].tolist()) == sorted(t.id for t in stack.trades())


def never_naked_too_long(stack, live):
    naked = live.desk.naked[stack.symbol]
    assert naked.worst_ns < LIMIT_S * 1e9
    assert not stack.told("no stop at the venue for more than")


async def covered(stack, live):
    await live.until(lambda: live.desk.naked[stack.symbol].since is None, "the cover")


async def flat(stack, live, what):
    await live.until(lambda: live.lots == 0 and not stack.open_orders(), what)
    # a fee is taken in coins: less than a lot of what was bought is left
    assert sold(stack) == bought(stack) - 1 and stack.lots == 0


async def test_e4_stop_and_target_stand_as_one_list_and_lock_the_coins_once(stack):
    async with stack.session() as live:
        await live.enter()
        stop, _ = legs(stack)
        assert stop.request.qty == live.lots
        account = stack.exchange.account("acceptance")
        assert account.locked["BTC"] == live.lots * stack.market.lot <= stack.coins()
        await covered(stack, live)
        never_naked_too_long(stack, live)
        print(f"naked at the entry: {live.desk.naked[stack.symbol].worst_ns / 1e6:.1f} ms")
    assert len(stack.orders()) == 4  # entry, the two legs, the exit at the end: nothing was placed twice
    assert stack.verified()


async def test_e4_the_target_fills_and_the_venue_ends_the_stop(stack):
    async with stack.session() as live:
        await live.enter()
        stop, target = legs(stack)
        stack.pond.mid = target.request.price + 1
        await flat(stack, live, "the target")
        states = {o.id: o.state.value for o in stack.orders()}
        assert states[target.id] == "filled" and states[stop.id] in ("canceled", "expired")
        assert not stack.told("ended this stop by itself")
    assert booked_once(stack) and stack.verified()


async def test_e4_the_stop_fires_and_the_venue_ends_the_target(stack):
    async with stack.session() as live:
        await live.enter()
        stop, target = legs(stack)
        stack.pond.mid = stop.request.stop_price - 10
        await flat(stack, live, "the stop")
        states = {o.id: o.state.value for o in stack.orders()}
        assert states[stop.id] == "filled" and states[target.id] in ("canceled", "expired")
    assert booked_once(stack) and stack.verified()


async def test_e4_a_target_filled_in_part_gives_way_to_a_new_list_of_the_rest(stack):
    """The venue ends the stop with the first fill of the target; what rests of the target locks the coins."""
    async with stack.session() as live:
        await live.enter()
        first, target = legs(stack)
        held = live.lots
        stack.pond.prints = [(target.request.price, 400, 1)]
        await live.until(lambda: live.lots == held - 400, "the part")
        await live.until(
            lambda: sorted(o.request.qty for o in stack.open_orders()) == [held - 400] * 2, "the new list"
        )
        stop, rest = legs(stack)
        assert stop.id != first.id and stop.request.stop_price == first.request.stop_price
        assert rest.request.price == target.request.price
        never_naked_too_long(stack, live)
        print(f"naked after the part: {live.desk.naked[stack.symbol].worst_ns / 1e6:.1f} ms")
        assert not stack.told("ended this stop by itself")
        stack.pond.mid = stop.request.stop_price - 10
        await flat(stack, live, "the stop of the rest")
    assert booked_once(stack) and stack.verified()


async def test_e4_a_target_that_fills_slowly_gives_way_to_the_stop_of_the_rest(stack):
    async with stack.session() as live:
        await live.enter()
        _, target = legs(stack)
        held = live.lots
        stack.pond.prints = [(target.request.price, 400, 1)]
        stack.pond.mid = (
            target.request.price - 1
        )  # the best ask is the target's price: it stands in the queue
        stack.pond.asks = 0
        await live.until(lambda: live.lots <= held - 400, "the part")
        await live.until(
            lambda: [o.request.qty for o in stack.open_orders() if o.request.stop_price] == [live.lots],
            "the stop of the rest",
        )
        await covered(stack, live)
        never_naked_too_long(stack, live)
    assert booked_once(stack) and stack.verified()


async def test_e4_a_list_whose_reply_is_lost_is_looked_up_and_never_placed_twice(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault("drop", {"face": "user", "stream": "executionReport", "count": 2, "after": 0})
        await stack.heal()
        await stack.fault("accept_then_lose_reply", {**LIST, "count": 1})
        live.wish = [1.0]
        await live.until(lambda: len(stack.open_orders()) == 2, "the list")
        await live.until(lambda: live.lots == stack.lots and not live.desk.unknown, "the look-up")
        await covered(stack, live)
        legs(stack)
    assert sum(1 for o in stack.orders() if o.list_id) == 2
    assert stack.verified()


async def test_e4_a_list_half_reported_is_found_whole(stack):
    """The reply is lost, and so is the news of the stop: only the target is told."""
    async with stack.session(sets=["live.check_interval=1s"]) as live:
        await live.ready()
        live.wish = [1.0]
        await stack.fault("accept_then_lose_reply", {**LIST, "count": 1})
        told = []
        hear = live.desk.hear
        live.desk.hear = lambda event: (
            told.append(event) if getattr(event, "type", "") == "stop" else hear(event)
        )
        await live.until(lambda: len(stack.open_orders()) == 2, "the list")
        await live.until(lambda: live.lots == stack.lots and not live.desk.unknown, "the look-up")
        await covered(stack, live)
        assert told
        never_naked_too_long(stack, live)
    assert sum(1 for o in stack.orders() if o.list_id) == 2
    assert stack.verified()


async def test_e4_a_list_that_is_refused_leaves_the_stop_at_the_venue_and_the_target_here(stack):
    async with stack.session() as live:
        await live.ready()
        text = "The relationship of the prices for the orders is not correct."
        await stack.fault("status", {**LIST, "count": 1}, http=400, code=-2010, msg=text)
        live.wish = [1.0]
        await live.until(lambda: len(stack.open_orders()) == 1, "the stop")
        [stop] = stack.open_orders()
        assert stop.request.stop_price and stop.request.qty == live.lots and not stop.list_id
        assert stack.told("refuses stop and target as one", "warning")
        aim = int(stack.sent(purpose=c.FOR_TARGET)[0]["price"])
        stack.pond.mid = aim + 1
        await flat(stack, live, "the target that was held here")
    assert booked_once(stack) and stack.verified()


async def test_e4_a_venue_without_lists_keeps_the_stop_there_and_the_target_here(stack):
    venue = stack.adapter()
    venue.capabilities = replace(BinanceSpot.capabilities, native_oco=False)
    async with stack.session(venue=venue) as live:
        await live.enter(legs=1)
        assert stack.open_orders()[0].request.stop_price
        stack.pond.mid = int(stack.sent(purpose=c.FOR_TARGET)[0]["price"]) + 1
        await flat(stack, live, "the target")
    assert all(not o.list_id for o in stack.orders())
    assert booked_once(stack) and stack.verified()


async def test_e4_an_exit_takes_the_whole_list_back_and_sells_what_is_held(stack):
    async with stack.session() as live:
        await live.enter()
        live.wish = -1.0
        await flat(stack, live, "the exit")
        live.wish = None
        never_naked_too_long(stack, live)
        print(f"naked until the exit: {live.desk.naked[stack.symbol].worst_ns / 1e6:.1f} ms")
    assert booked_once(stack) and stack.verified()


async def test_e4_a_smaller_position_gets_a_smaller_list(stack):
    async with stack.session(sets=["safety.reduce_share=50 %"]) as live:
        await live.enter()
        held = live.lots
        live.session.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
        rest = held // 2
        await live.until(lambda: live.lots == stack.lots == rest, "the half")
        await live.until(
            lambda: [o.request.qty for o in stack.open_orders()] == [rest] * 2, "the smaller list"
        )
        legs(stack)
        never_naked_too_long(stack, live)
        print(f"naked while it shrank: {live.desk.naked[stack.symbol].worst_ns / 1e6:.1f} ms")
    assert booked_once(stack) and stack.verified()


async def test_e4_a_restart_finds_both_legs_of_an_open_list(stack):
    async with stack.killed() as live:
        await live.enter()
    stop, target = legs(stack)
    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: not live.desk.unknown, "the look-up")
        assert [o.id for o in legs(stack)] == [stop.id, target.id]
        await covered(stack, live)
        stack.pond.mid = target.request.price + 1
        await flat(stack, live, "the target")
        assert not stack.told("ended this stop by itself")
    assert booked_once(stack) and stack.verified()


# --- races, on the desk ----------------------------------------------------------------------------------
LISTS = Capabilities(market="spot", reduce_only=False, native_oco=True)
AIM = PRICE + 2000


def pair(stop, target, qty=100):
    aim = order_row(target, side=c.SELL, price=AIM, purpose=c.FOR_TARGET, reduce=True, qty=qty)
    return np.concatenate([stop_row(stop, qty=qty), aim])


def play(script):
    async def main(clock):
        made = Scene(clock, instruments=(SPOT,), capabilities=LISTS)
        made.desk.set_position(SPOT.symbol, 100, PRICE)
        made.desk.mark(SPOT.symbol, PRICE)
        async with running(made):
            await script(made)
        return made

    return run_virtual(main)


def test_e4_the_cancel_of_a_list_races_a_fill_and_only_what_is_left_is_sold():
    async def script(s):
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(1)
        s.venue.delays["cancel"] = 1.0
        s.desk.hand_over(order_row(3, side=c.SELL, price=0, purpose=c.FOR_EXIT, reduce=True))
        await s.pass_time(0.5)
        s.exchange.fill(cid(2), Decimal("0.1"), Decimal(AIM) * SPOT.tick)
        await s.pass_time(5)

    s = play(script)
    assert s.fills() == [(2, AIM, 100, 0)]
    assert cid(3) not in s.exchange.orders
    assert s.said("reject") == [(3, c.R_REDUCE_ONLY)]
    assert s.said("canceled") == [(1, c.R_SIBLING)]
    assert s.desk.lanes[0].live == [] and s.desk.lanes[0].illegal == 0


def test_e4_a_list_is_cancelled_by_one_request():
    async def script(s):
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(1)
        s.desk.hand_over(order_row(3, side=c.SELL, price=0, purpose=c.FOR_EXIT, reduce=True))
        await s.pass_time(1)

    s = play(script)
    assert s.venue.calls.count("cancel") == 1
    assert [s.exchange.orders[cid(k)].state for k in (1, 2, 3)] == ["canceled", "canceled", "new"]


def test_e4_both_requests_lost_on_the_way_leave_nothing_and_nothing_is_sent_again():
    async def script(s):
        s.venue.script["submit_oco"] = deque(["dropped"])
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(20)
        assert s.desk.unknown == {SPOT.symbol: 2} and s.exchange.placed == 0
        await s.pass_time(40)

    s = play(script)
    assert s.said("reject") == [(1, c.R_NOT_FOUND), (2, c.R_NOT_FOUND)]
    assert s.exchange.placed == 0


def test_e4_a_list_that_did_not_leave_is_sent_again_as_one():
    async def script(s):
        s.venue.script["submit_oco"] = deque(["notsent", "throttled"])
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(5)

    s = play(script)
    assert {o.list_id for o in s.exchange.orders.values()} == {"list1"}
    assert sorted(s.exchange.orders) == [cid(1), cid(2)]


def test_e4_what_the_venue_takes_back_by_itself_is_told_once():
    async def script(s):
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(1)
        s.exchange.end(cid(2), "expired", c.R_MAINTENANCE)
        await s.pass_time(1)

    s = play(script)
    told = [text for level, text in s.alarm.told if "ended this stop by itself" in text]
    assert len(told) == 1 and cid(1) in told[0]
    assert sorted(x for x, _ in s.said("canceled")) == [1, 2]


def test_e4_a_reached_target_has_its_turn_then_the_stop_goes_first():
    async def script(s):
        s.desk.hand_over(pair(1, 2))
        await s.pass_time(1)
        s.desk.mark(SPOT.symbol, AIM)
        s.exchange.fill(cid(2), Decimal("0.04"), Decimal(AIM) * SPOT.tick)
        await s.pass_time(0.01)
        s.desk.hand_over(stop_row(3, qty=60))
        await s.pass_time(0.9)
        assert s.exchange.orders[cid(2)].state == "partially_filled"  # the market is there: it may fill
        await s.pass_time(0.15)
        assert s.exchange.orders[cid(2)].state == "canceled"
        again = order_row(4, side=c.SELL, price=AIM, purpose=c.FOR_TARGET, reduce=True, qty=60)
        s.desk.hand_over(again)
        await s.pass_time(1)
        assert s.exchange.orders[cid(3)].state == "untriggered"
        assert s.exchange.orders[cid(4)].list_id  # and the target with it, although its price is reached

    s = play(script)
    assert s.desk.naked[SPOT.symbol].worst_ns < 1.5e9


def test_e4_orders_of_different_sizes_are_no_list():
    async def script(s):
        s.desk.hand_over(np.concatenate([pair(1, 2)[:1], pair(3, 4, qty=60)[1:]]))
        await s.pass_time(5)

    s = play(script)
    assert list(s.exchange.orders) == [cid(1)] and s.exchange.lists == {}


# --- replacing: a moved quote is amended -------------------------------------------------------------------
AMENDS = Capabilities(market="perp", amend=True)
QUOTES = [
    "quoter.size=0.01",
    "quoter.max_position=1",
    "quoter.skew_step=10",
    "quoter.interval=50ms",
    "safety.max_open_orders=100",
]
AMEND = {"method": "PUT", "path": "/fapi/v1/order"}


@pytest.fixture
async def perp(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        made.strategy = "quoter"
        yield made


def quotes(stack):
    """{side: price} of the quotes that stand."""
    return {o.request.side: o.request.price for o in stack.open_orders() if not o.request.reduce_only}


def bid(stack):
    [found] = [o for o in stack.open_orders() if o.request.side > 0 and not o.request.reduce_only]
    return found


async def quoting(stack, live, rise=0):
    """Quotes stand around the market, after its rise. A rise takes the ask away, and the bid has to follow."""
    stack.pond.mid += rise
    mid = stack.pond.mid
    await live.until(lambda: quotes(stack) == {1: mid - 1, -1: mid + 1}, f"quotes around {mid}")


async def test_e4_a_moved_quote_is_amended_and_keeps_its_order(perp):
    async with perp.session(sets=QUOTES) as live:
        await live.ready()
        await quoting(perp, live)
        first = bid(perp).id
        for rise in (20, 30, 40):
            await quoting(perp, live, rise)
            assert bid(perp).id == first
        assert not live.desk.unknown and live.desk.lanes[0].illegal == 0
    rows = perp.events(c.EV_CANCELED)
    assert (rows["y"] == c.R_REPLACED).sum() >= 3  # each move: the old order is told as replaced
    assert perp.verified()


async def test_e4_fills_of_an_amended_quote_are_the_new_orders_and_booked_once(perp):
    ahead = perp.pond.bids  # lots that stand before ours on each level
    async with perp.session(sets=[*QUOTES, "quoter.size=0.1"]) as live:
        await live.ready()
        await quoting(perp, live)
        await quoting(perp, live, 20)
        await live.until(lambda: live.lots == perp.lots == -100, "the ask that the rise took")
        number = bid(perp).id
        perp.pond.prints = [(bid(perp).request.price, ahead + 4, -1)]
        await live.until(lambda: live.lots == perp.lots >= -96, "a part of the bid")
        await quoting(perp, live, 20)  # an order that was filled in part is amended
        assert bid(perp).id == number and bid(perp).filled >= 4
        await live.until(lambda: live.lots == perp.lots <= -100, "the ask that the rise took")
        assert bid(perp).request.qty - bid(perp).filled <= 100
        before = live.lots
        perp.pond.prints = [(bid(perp).request.price, ahead + 3, -1)]
        await live.until(lambda: live.lots == perp.lots >= before + 3, "a part of the moved bid")
        assert not live.desk.lanes[0].overfills and not live.desk.unknown
    assert booked_once(perp) and perp.verified()


@pytest.mark.parametrize("kind", ["accept_then_lose_reply", "drop"])
async def test_e4_an_amendment_whose_reply_is_lost_is_looked_up(perp, kind):
    async with perp.session(sets=QUOTES) as live:
        await live.ready()
        await quoting(perp, live)
        await perp.fault(kind, {**AMEND, "count": 1})
        perp.pond.mid += 20
        await live.until(lambda: perp.fired(kind) == 1, "the lost reply")
        await live.until(lambda: not live.desk.unknown, "the look-up")
        await quoting(perp, live)
        assert len(quotes(perp)) == 2 and live.desk.lanes[0].illegal == 0
    assert booked_once(perp) and perp.verified()


async def test_e4_a_refused_amendment_takes_the_old_quote_away(perp):
    async with perp.session(sets=QUOTES) as live:
        await live.ready()
        await quoting(perp, live)
        await perp.fault(
            "status", {**AMEND, "count": 1}, http=400, code=-1013, msg="Filter failure: PRICE_FILTER"
        )
        perp.pond.mid += 20
        await live.until(lambda: perp.fired("status") == 1, "the refusal")
        await quoting(perp, live)
    assert booked_once(perp) and perp.verified()


async def test_e4_a_restart_follows_an_amended_quote_under_the_name_it_has_there(perp):
    async with perp.killed(sets=QUOTES) as live:
        await live.ready()
        await quoting(perp, live)
        await quoting(perp, live, 20)
        await live.until(lambda: (perp.events(c.EV_CANCELED)["y"] == c.R_REPLACED).sum() >= 1, "the news")
    number = bid(perp).id
    async with perp.session(sets=QUOTES) as live:
        await live.ready()
        await live.until(lambda: not live.desk.unknown, "the look-up")
        await quoting(perp, live)
        assert bid(perp).id == number and not perp.told("nobody follows it")
        perp.pond.prints = [(bid(perp).request.price - 1, 3, -1)]
        before = live.lots
        await live.until(lambda: live.lots == perp.lots >= before + 3, "a part of the bid")
    assert booked_once(perp) and perp.verified()


def quote_row(id, price, **more):
    return order_row(id, price=price, purpose=c.FOR_QUOTE, **more)


def moved(old, new, old_price=PRICE, new_price=PRICE + 10, **more):
    """The engine's batch for a quote that moved."""
    row = quote_row(old, old_price)
    row["action"], row["status"], row["reason"] = c.ACT_CANCEL, c.ST_CANCELING, c.R_REQUOTE
    return np.concatenate([row, quote_row(new, new_price, **more)])


def replacing(script):
    async def main(clock):
        made = Scene(clock, capabilities=AMENDS)
        made.desk.mark("BTC-USDT-PERP", PRICE + 100)
        made.desk.hand_over(quote_row(1, PRICE))
        async with running(made):
            await made.pass_time(1)
            await script(made)
        lane = made.desk.lanes[0]
        assert lane.illegal == lane.overfills == 0
        return made

    return run_virtual(main)


def standing(s):
    return [(o.client_id, int(o.price / SPOT.tick)) for o in s.exchange.open_orders(None)]


def test_e4_an_amendment_that_races_a_fill_leaves_no_more_than_was_asked_for():
    async def script(s):
        s.venue.delays["amend"] = 1.0
        s.desk.hand_over(moved(1, 2))
        await s.pass_time(0.5)
        s.exchange.fill(cid(1), Decimal("0.03"), Decimal(PRICE) * SPOT.tick)
        await s.pass_time(1)
        assert standing(s) == [(cid(1), PRICE + 10)]
        s.exchange.fill(cid(1), Decimal("0.07"), Decimal(PRICE + 10) * SPOT.tick)  # all there is
        await s.pass_time(1)

    s = replacing(script)
    assert s.fills() == [(1, PRICE, 30, 0), (2, PRICE + 10, 70, 0)]
    assert s.said("canceled") == [(1, c.R_REPLACED), (2, c.R_RECONCILED)]
    assert s.desk.lanes[0].live == []


def test_e4_an_amendment_of_an_order_that_is_gone_is_refused_and_nothing_stands():
    async def script(s):
        s.venue.delays["amend"] = 1.0
        s.desk.hand_over(moved(1, 2))
        await s.pass_time(0.5)
        s.exchange.fill(cid(1), Decimal("0.1"), Decimal(PRICE) * SPOT.tick)
        await s.pass_time(2)

    s = replacing(script)
    assert standing(s) == [] and s.fills() == [(1, PRICE, 100, 0)]
    assert s.desk.lanes[0].live == []


def test_e4_a_cancel_during_an_amendment_ends_both():
    async def script(s):
        s.venue.delays["amend"] = 1.0
        s.desk.hand_over(moved(1, 2))
        await s.pass_time(0.5)
        row = quote_row(2, PRICE + 10)
        row["action"], row["status"], row["reason"] = c.ACT_CANCEL, c.ST_CANCELING, c.R_REQUOTE
        s.desk.hand_over(row)
        await s.pass_time(2)

    s = replacing(script)
    assert standing(s) == []
    assert [x for x, _ in s.said("canceled")] == [1, 2]


def test_e4_an_amendment_that_was_lost_on_the_way_ends_with_the_old_order():
    async def script(s):
        s.venue.script["amend"] = deque(["dropped"])
        s.desk.hand_over(moved(1, 2))
        await s.pass_time(0.01)
        assert s.desk.unknown == {"BTC-USDT-PERP": 1}
        await s.pass_time(2)

    s = replacing(script)
    assert standing(s) == [] and s.desk.unknown == {}
    assert s.said("reject") == [(2, c.R_NOT_FOUND)] and [x for x, _ in s.said("canceled")] == [1]


@pytest.mark.parametrize("told", [True, False])
def test_e4_after_a_crash_trades_that_were_not_booked_go_to_the_order_that_had_them(told):
    """Thirty lots fill the first order; it is amended; the process dies, and the journal knows of neither."""
    rows = np.concatenate([quote_row(1, PRICE), quote_row(2, PRICE + 10)])

    async def main(clock):
        first = Scene(clock, capabilities=AMENDS)
        first.desk.mark("BTC-USDT-PERP", PRICE + 100)
        first.desk.hand_over(rows[:1])
        async with running(first):
            await first.pass_time(1)
            first.exchange.fill(cid(1), Decimal("0.03"), Decimal(PRICE) * SPOT.tick)
            await first.pass_time(1)
            if not told:
                first.venue.script["amend"] = deque(["lost"])
            first.desk.hand_over(moved(1, 2))
            await first.pass_time(0.01)
        second = Scene(clock, capabilities=AMENDS, store=first.store, exchange=first.exchange)
        second.exchange.fill(cid(1), Decimal("0.02"), Decimal(PRICE + 10) * SPOT.tick)
        second.desk.recover(rows, EPOCH, np.empty(0, EVENT_DTYPE))
        async with running(second):
            await second.pass_time(5)
            assert standing(second) == [(cid(1), PRICE + 10)]
            second.exchange.fill(cid(1), Decimal("0.08"), Decimal(PRICE + 10) * SPOT.tick)
            await second.pass_time(5)
        return second

    s = run_virtual(main)
    assert sorted(s.fills()) == [(1, PRICE, 30, 0), (2, PRICE + 10, 20, 0), (2, PRICE + 10, 80, 0)]
    assert s.said("canceled") == [(1, c.R_REPLACED)] and s.desk.lanes[0].live == []
    assert s.desk.lanes[0].overfills == s.desk.lanes[0].illegal == 0


def test_e4_only_the_price_of_a_working_quote_is_amended():
    """Another side or the same price is cancelled and placed anew; so is all where the venue cannot amend."""

    async def script(s):
        s.desk.hand_over(moved(1, 2, new_price=PRICE))
        await s.pass_time(1)
        assert "amend" not in s.venue.calls
        s.desk.hand_over(moved(2, 3, side=c.SELL, new_price=PRICE + 500))
        await s.pass_time(1)
        assert "amend" not in s.venue.calls

    replacing(script)
