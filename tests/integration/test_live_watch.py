"""The session's watch on the whole stack: a panic ends the run flat, a sick venue gets no risk, a dead man's timer."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import exchange_of

from bot4.app.commands.trade import notice
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader

pytestmark = pytest.mark.jit


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def notes(stack, what):
    return [
        block.payload
        for block in JournalReader(stack.folder).blocks(port.NOTE)
        if block.payload["what"] == what
    ]


async def test_a_panic_cancels_closes_and_ends_the_run(stack):
    async with stack.session(sets=["panic.latency=1ms", "live.check_interval=50ms"]) as live:
        await live.ready()
        live.wish = [1.0]  # order, stop and target are calls enough for a median
        document = await live.job
    assert document["ended_by"].startswith("kill switch: latency")
    assert stack.lots == 0 and stack.open_orders() == []
    assert stack.events(c.EV_KILL)["y"].tolist() == [c.R_PANIC]
    assert [n["condition"] for n in notes(stack, "panic")] == ["latency"]
    assert stack.verified()


async def test_a_venue_that_errs_gets_no_new_risk_and_the_screen_says_so(stack):
    async with stack.session(sets=["panic.error_rate=100 %", "live.check_interval=20ms"]) as live:
        await live.enter()
        await stack.fault("status", {"method": "GET"}, http=500, code=-1000, msg="oops")
        await live.until(lambda: stack.told("the venue is unhealthy", "critical"), "the block")
        assert live.desk.blocked(stack.symbol) in (c.R_VENUE, c.R_ERRORS)
        await live.until(lambda: live.figures.venue == "unhealthy", "the figure")
        assert "venue unhealthy" in notice(live.desk, live.figures, 0, 0)
        assert any(o.request.stop_price for o in stack.open_orders())  # the stop stands
        await stack.heal()
    assert notes(stack, "health")[0]["after"] == "UNHEALTHY"
    assert stack.lots == 0  # the end of the block could still close the position


async def test_the_venues_own_timer_cancels_what_a_dead_process_left_but_not_the_stop(stack):
    async with stack.killed(sets=["live.dead_man=1s"]) as live:
        await live.enter()
        assert stack.server.gateway.desks["usdm"].countdowns  # the timer runs
        await stack.fault("drop", {"face": "rest", "path": "*/countdownCancelAll"})  # the process hangs
        [kept] = [o.id for o in stack.open_orders() if o.request.stop_price]
        made = len(stack.orders())
        # bot4 may have placed its target anew before anybody looks
        gone = lambda: len(stack.open_orders()) == 1 or len(stack.orders()) > made  # noqa: E731
        await live.until(gone, "the venue's cancels")
        assert [o.id for o in stack.open_orders() if o.request.stop_price] == [kept]
