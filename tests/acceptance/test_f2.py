"""F2: the reply is lost after the exchange took the order. Nothing is sent twice, nothing is forgotten.

The whole stack on loopback: served exchange with its fault plan, Binance adapter, desk, session, journal.
"""

import sys
from collections import deque
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, Scene, order_row, running
from live_stack import Halting, exchange_of
from virtual_time import run_virtual

from bot4.execution.lease import Lease
from bot4.model import codes_nb as c
from bot4.model.errors import SafetyError
from bot4.ports.lease import FakeLease
from bot4.ports.venue import Capabilities
from bot4.safety.gate import sealed
from bot4.safety.system_clock import SystemClock

ORDER = {"method": "POST", "path": "/fapi/v1/order"}
LOOKS = ("order", "algoOrder", "openOrders", "openAlgoOrders", "userTrades")


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def entries(stack):
    """Orders of new risk that the exchange took."""
    return [o for o in stack.orders() if not o.request.reduce_only]


async def private_stream_off(stack):
    """Nothing comes by the private stream: only questions can tell."""
    await stack.fault("drop", {"face": "user"})


async def test_f2_1_reply_lost_after_the_fill_one_position_one_order_one_fill(stack):
    async with stack.session() as live:
        await live.ready()
        await private_stream_off(stack)
        await stack.fault("accept_then_lose_reply", {**ORDER, "count": 1})
        live.wish = 1.0
        await live.until(lambda: live.desk.unknown, "the unknown order")
        await live.until(lambda: live.lots == stack.lots == 10 and not live.desk.unknown, "the look-up")
        live.wish = None
        await live.until(lambda: len(stack.open_orders()) == 2, "its protection")
    assert stack.fired("accept_then_lose_reply") == 1
    assert len(entries(stack)) == 1
    fills = stack.events(c.EV_FILL)
    assert sorted(fills["seq"].tolist()) == sorted(t.id for t in stack.trades())
    assert len(stack.events(c.EV_UNKNOWN)) == 1
    assert stack.verified()


async def test_f2_2_the_look_up_says_not_found_for_a_while_it_stays_unknown_until_it_shows(stack):
    async with stack.session(sets=["live.unknown_alarm=300ms"]) as live:
        await live.ready()
        await private_stream_off(stack)
        await stack.fault("not_found_for", {**ORDER, "count": 1}, seconds=600)
        await stack.fault("accept_then_lose_reply", {**ORDER, "count": 1})
        live.wish = 1.0
        await live.until(lambda: stack.told("outcome is unknown"), "the alarm after the limit")
        bars = int(live.engine.inst[0]["bars"])
        await live.until(lambda: int(live.engine.inst[0]["bars"]) >= bars + 5, "five bars that want to enter")
        assert live.desk.unknown == {stack.symbol: 1}
        assert live.desk.blocked(stack.symbol) == c.R_UNKNOWN_ORDER
        assert len(stack.orders()) == 1 and len(stack.events(c.EV_REJECT)) == 0
        live.wish = None
        stack.server.gateway.desks["usdm"].hidden.clear()  # now it can be seen
        await live.until(lambda: live.lots == stack.lots == 10 and not live.desk.unknown, "the look-up")
    assert len(stack.told("outcome is unknown", "critical")) == 1
    assert len(entries(stack)) == 1 and stack.verified()


@pytest.mark.parametrize("how", ["status", "drop"])
async def test_f2_3_a_look_up_that_fails_never_counts_as_not_found_and_the_exposure_stays_counted(stack, how):
    """Absence would be believed after 100 ms: a failing look-up that counted would show within a second."""
    async with stack.session(sets=["live.not_found_time=100ms", "live.unknown_alarm=300ms"]) as live:
        await live.ready()
        await private_stream_off(stack)
        for path in LOOKS:
            more = {"http": 503, "msg": "down"} if how == "status" else {}
            await stack.fault(how, {"method": "GET", "path": f"/fapi/v1/{path}"}, **more)
        await stack.fault("accept_then_lose_reply", {**ORDER, "count": 1})
        live.wish = [1.0]
        await live.until(lambda: live.desk.unknown, "the unknown order")
        before = stack.fired(how)
        await live.until(lambda: stack.fired(how) >= before + 5, "look-ups that fail")
        await live.until(lambda: stack.told("outcome is unknown", "critical"), "the alarm")
        assert live.desk.unknown == {stack.symbol: 1} and live.lots == 0
        assert live.desk.worst_exposure(stack.symbol) == 10  # as if it had filled
        assert len(stack.events(c.EV_REJECT, c.EV_CANCELED)) == 0
        await stack.heal()
        await live.until(lambda: live.lots == stack.lots == 10 and not live.desk.unknown, "the look-up")
    assert len(entries(stack)) == 1 and stack.verified()


async def test_f2_3_failing_look_ups_do_not_make_an_order_absent_even_while_sweeps_show_nothing(stack):
    """The order never arrived, open orders and trades say nothing of it, but nobody has said "not found"."""
    async with stack.session(sets=["live.not_found_time=100ms", "live.unknown_alarm=300ms"]) as live:
        await live.ready()
        for path in ("order", "algoOrder"):
            await stack.fault("status", {"method": "GET", "path": f"/fapi/v1/{path}"}, http=503, msg="down")
        await stack.fault("drop", {**ORDER, "count": 1})
        live.wish = [1.0]
        await live.until(lambda: stack.told("outcome is unknown", "critical"), "the alarm")
        await live.until(lambda: stack.fired("status") >= 5, "look-ups that fail")
        assert live.desk.unknown == {stack.symbol: 1}
        document = await live.end()
    assert any("unknown outcome remain" in text for text in document["warnings"])
    assert len(stack.events(c.EV_REJECT)) == 0
    assert not stack.orders() and stack.verified()


async def test_f2_4_a_real_refusal_is_told_once_and_not_tried_again(stack):
    async with stack.session() as live:
        await live.ready()
        # the venue raises its least order after bot4 has read the rules
        changes = {"min_notional": "1000"}
        await stack.call(
            "POST",
            "admin",
            {"do": "set_market", "product": "usdm", "symbol": "BTCUSDT", "changes": changes},
        )
        await stack.fault("delay", ORDER, ms=1)  # counts the orders that arrive
        live.wish = [1.0]
        await live.until(lambda: len(stack.events(c.EV_REJECT)), "the refusal")
        bars = int(live.engine.inst[0]["bars"])
        await live.until(lambda: int(live.engine.inst[0]["bars"]) >= bars + 5, "five bars more")
        assert stack.fired("delay") == 1
    rejected = stack.events(c.EV_REJECT)
    assert rejected["y"].tolist() == [c.R_MIN_NOTIONAL]
    assert rejected["x"].tolist() == stack.sent(purpose=c.FOR_ENTRY)["id"].tolist()
    assert stack.lots == 0 and not stack.orders() and stack.verified()


@pytest.mark.parametrize("arrives", [True, False])
async def test_f2_5_killed_around_the_send_the_intent_is_on_the_disk_and_the_restart_resolves_it(
    stack, arrives
):
    venue = Halting(stack.adapter(), after=arrives)
    async with stack.killed(venue=venue, sets=["live.not_found_time=200ms"]) as live:
        await live.ready()
        venue.armed = True
        live.wish = [1.0]
        await live.until(venue.halted.is_set, "the order on its way")
    sent = stack.sent(purpose=c.FOR_ENTRY)
    assert len(sent) == 1
    # what arrived may have been told by the private stream before the kill
    assert arrives or len(stack.events(c.EV_ACK, c.EV_FILL)) == 0
    assert (stack.folder / "intents.b4i").stat().st_size > 0
    assert len(stack.orders()) == arrives

    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: not live.desk.unknown and live.lots == stack.lots, "the look-up")
        assert live.lots == (10 if arrives else 0)
    assert len(entries(stack)) == arrives  # never sent again
    if not arrives:
        assert stack.told("no such order", "warning")
    assert stack.verified()


async def test_f2_6_the_same_signal_twice_or_from_two_workers_makes_one_order(stack, tmp_path):
    store, clock = FakeLease(), SystemClock()
    async with stack.session(lease=Lease(store, "first", clock)) as live:
        await live.enter()
        [row] = stack.sent(purpose=c.FOR_ENTRY)
        first = np.array([row])
        live.desk.hand_over(first)  # the same order again
        second = first.copy()
        second["id"] += 1000  # the same decision under another number
        live.desk.hand_over(second)
        await live.until(lambda: c.R_DUPLICATE in stack.events(c.EV_REJECT)["y"], "the refusal")
        # a second worker: on the same journal, and on another one for the same account
        with pytest.raises(SafetyError, match="another process trades"):
            await stack.second(stack.folder)
        with pytest.raises(SafetyError, match="first trades this account"):
            await stack.second(tmp_path / "other", Lease(store, "second", clock, alive=lambda name: True))
        assert live.lots == stack.lots == 10
    assert len(entries(stack)) == 1
    assert store.read() is None  # given back at the end


@pytest.mark.parametrize("twins", [False, True])
def test_f2_7_without_look_up_the_order_is_matched_by_its_traces_or_left_to_a_person(twins):
    """The desk alone, over a scripted venue: every venue that is served here can look up client ids."""
    caps = Capabilities(market="perp", client_id_lookup=False)

    async def main(clock):
        made = Scene(clock, capabilities=caps, anonymous=True)
        async with running(made) as s:
            s.venue.script["submit"] = deque(["lost"])
            s.venue.streaming = False
            s.desk.hand_over(order_row(1))
            await s.pass_time(0.01)
            s.exchange.fill(s.desk.lanes[0].live[0].client_id, Decimal("0.1"), Decimal("60000.0"))
            if twins:  # an order of somebody else that looks the same
                s.exchange.place(sealed(order_row(9), PERP, "test", 7))
            await s.pass_time(60)
        return made

    s = run_virtual(main)
    assert s.venue.calls.count("submit") == 1
    if twins:
        assert s.desk.unknown == {PERP.symbol: 1} and s.fills() == []
        assert s.desk.blocked(PERP.symbol) == c.R_UNKNOWN_ORDER
        assert sum("by hand" in text for _, text in s.alarm.told) == 1
    else:
        assert not s.desk.unknown and [f[2] for f in s.fills()] == [100]
