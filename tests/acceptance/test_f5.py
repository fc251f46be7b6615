"""F5: trading on frozen data. The whole stack on loopback; waits are shortened by settings.

F5.4 is about candle streams, which bot4 does not take: its bars are made from trades. A hole in those is filled in
from the venue's candles; it is done on spot, which has candles of a second.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import live_stack
from live_stack import exchange_of

from bot4.engine import layout_nb as lay
from bot4.model import codes_nb as c
from bot4.research.session import choose
from bot4.safety.killswitch import KillSwitch
from bot4.venues.binance.market_feed import Patience

pytestmark = pytest.mark.jit

QUICK = Patience(silent_s=1.5, frozen_s=0.5, backoff_base_s=0.02, backoff_most_s=0.2)
"""The mark prices, which have a connection of their own, come once a second."""
DEPTH = {"method": "GET", "path": "/fapi/v1/depth"}


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def impatient(stack):
    """The adapter, with little patience for a silent or frozen feed."""
    venue = stack.adapter()
    patience = QUICK if stack.kind == "perp" else replace(QUICK, silent_s=0.5)
    venue.wiring = replace(venue.wiring, patience=patience)
    return venue


def status(live):
    return int(live.engine.inst[0]["status"])


async def disconnected(live):
    await live.until(lambda: status(live) == c.STATUS_DISCONNECTED, "the broken feed")


async def again(live):
    await live.until(lambda: status(live) == c.STATUS_OK, "the feed again")


async def test_f5_1_a_silent_socket_that_answers_pings_is_stale_blocks_entries_and_is_replaced(stack):
    async with stack.session(venue=impatient(stack)) as live:
        await live.ready()
        await stack.fault("silence", {"face": "ws"})
        live.wish = 1.0
        await disconnected(live)
        before = len(stack.orders())
        await live.until(lambda: live.figures.feed_breaks >= 3, "new sockets that are silent too")
        assert len(stack.orders()) == before  # nothing is sent on data that stands still
        assert stack.events(c.EV_STATUS)["y"].tolist()[0] == c.R_STALE_DATA
        await stack.heal()
        await stack.fault("delay", DEPTH, ms=1)  # counts the snapshots: the cross-check by REST
        await again(live)
        await live.until(lambda: live.lots != 0, "the entry on fresh data")
    assert stack.fired("delay") >= 1
    assert stack.verified()


async def test_f5_2_messages_whose_venue_time_stands_still_are_stale_by_event_time(stack):
    async with stack.session(venue=impatient(stack)) as live:
        await live.ready()
        await stack.fault("freeze", {"face": "ws"})
        await disconnected(live)
        assert c.R_STALE_DATA in stack.events(c.EV_STATUS)["y"].tolist()
        assert len(stack.orders()) == 0
        await stack.heal()
        await again(live)


async def test_f5_3_a_gap_in_the_sequence_makes_the_book_invalid_until_a_new_snapshot(stack):
    async with stack.session(sets=["strategy.exit_threshold=100 %"]) as live:
        await live.ready()
        await stack.fault("delay", DEPTH, ms=300)
        await stack.fault("gap", {"face": "ws", "stream": "btcusdt@depth*", "count": 1}, messages=2)
        await disconnected(live)
        assert stack.events(c.EV_STATUS)["y"].tolist() == [c.R_BOOK_INVALID]
        live.wish = 1.0
        await again(live)
        assert stack.fired("delay") >= 1
        assert len(stack.events(c.EV_FILL)) == 0  # nothing was sent while the book was invalid
        await live.until(lambda: live.lots != 0, "the entry on the new book")
    assert stack.verified()


async def test_f5_3_a_crossed_book_is_invalid_until_a_new_snapshot_and_nothing_is_sent_from_it(stack):
    async with stack.session(sets=["strategy.exit_threshold=100 %"]) as live:
        await live.ready()
        await stack.fault("delay", DEPTH, ms=300)  # so that the time without a book is long enough to be seen
        cross = {"face": "ws", "stream": "btcusdt@depth*", "count": 1}
        await stack.fault("alter", cross, find=r'"b":\[', put='"b":[["51000.00","1.000"],')
        await live.until(lambda: status(live) == c.STATUS_CROSSED, "the crossed book")
        mark = int(live.engine.inst[0]["mark"])
        live.wish = 1.0
        assert abs(mark - stack.pond.mid) <= 2  # not the middle of the crossed book
        await live.until(lambda: stack.told("the book is crossed"), "the word of it")
        refused = live.engine.clock
        await again(live)
        assert stack.fired("delay") >= 1  # a snapshot was asked for
        assert int(refused[lay.CK_FILLS]) == 0 and len(stack.events(c.EV_FILL)) == 0
        await live.until(lambda: live.lots != 0, "the entry on the new book")
    assert stack.verified()


@pytest.fixture
async def spot(tmp_path):
    async with exchange_of("spot", tmp_path) as made:
        yield made


async def test_f5_4_two_missing_candles_are_filled_in_and_marked_before_any_signal(spot):
    async with spot.session(sets=["bars.interval=1s"], venue=impatient(spot)) as live:
        await live.ready()
        row = live.engine.inst[0]
        await live.until(lambda: spot.told("bars filled in"), "the bars from before the start")
        assert row["bars"] >= 1  # the market has traded for some seconds before the start
        until = int(row["hole"])
        await live.until(lambda: row["bar_open"] >= until, "a bar made from trades")

        before, breaks = len(spot.told("bars filled in")), live.figures.feed_breaks
        await spot.fault("silence", {"face": "ws"})
        await disconnected(live)
        live.wish = 1.0
        decided = int(live.engine.clock[lay.CK_DECISIONS])
        await live.until(lambda: live.figures.feed_breaks >= breaks + 5, "more than two seconds of silence")
        await spot.heal()
        await live.until(lambda: len(spot.told("bars filled in")) > before, "the missing bars", 60)
        assert int(live.engine.clock[lay.CK_DECISIONS]) == decided  # no signal before they came
        again_from = int(row["hole"])
        await live.until(lambda: live.lots != 0, "the entry on a whole bar")
        assert row["bar_open"] >= again_from
    bars = spot.bars()
    assert (bars["flags"] & c.FLAG_BACKFILL != 0).all()  # marked; and in the journal
    (ends,) = np.nonzero(bars["flags"] & c.FLAG_LAST)
    holes = np.split(bars, ends + 1)[1:]
    assert max(map(len, holes)) >= 3  # the cut one, those that were skipped, and that of the return
    assert all((np.diff(hole["ts_venue"]) == 10**9).all() for hole in holes)
    told = {k.open_ns: k for k in spot.exchange.klines("BTCUSDT", 10**9, 5000)}
    for bar in bars:
        candle = told[int(bar["ts_venue"])]
        prices = [int(bar[name]) for name in ("x", "y", "seq", "price")]
        assert prices == [candle.open, candle.high, candle.low, candle.close]
    assert spot.verified()


async def test_f5_5_private_stream_dead_order_state_comes_by_polling_and_entries_are_limited(stack):
    async with stack.session() as live:
        await live.enter()
        await stack.fault("status", {"method": "POST", "path": "/fapi/v1/listenKey"}, http=503)
        await stack.fault("close", {"face": "time"})
        await live.until(lambda: not live.desk.stream_up, "the lost stream")
        live.wish = -1.0  # out, and then short: an entry
        await live.until(lambda: live.lots == stack.lots == 0, "the exit, learned by asking")
        refused = live.engine.safety.refusals
        await live.until(lambda: refused[c.R_PRIVATE_DOWN] > 0, "a refused entry")
        assert stack.lots == 0
        live.wish = None
        await stack.heal()
        await live.until(lambda: live.desk.stream_up, "the stream again")
    assert stack.verified()


async def test_f5_6_maintenance_is_waited_out_without_a_ban_and_the_run_recovers_by_itself(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault("maintenance", {"face": "time"}, seconds=3)
        began = time.monotonic()
        await disconnected(live)
        await again(live)
        assert time.monotonic() - began >= 2.0
        breaks = live.figures.feed_breaks
        assert 2 <= breaks <= 40  # 3 s with waits that grow to 0.2 s and 1 s: no storm
        await live.until(lambda: live.desk.stream_up and live.control["reconciled"] == 1, "agreement")
        live.wish = 1.0
        await live.until(lambda: live.lots != 0, "an entry after it")
        assert not stack.switch.latched
    assert stack.verified()


async def test_f5_7_all_feeds_dead_with_a_position_keeps_its_stop_alarms_and_sends_nothing(stack):
    async with stack.session(venue=impatient(stack)) as live:
        await live.enter()
        held, kept = stack.lots, {o.id for o in stack.open_orders()}
        await stack.fault("silence", {"face": "ws"})
        await stack.fault("status", {"method": "POST", "path": "/fapi/v1/listenKey"}, http=503)
        await stack.fault("close", {"face": "user"})
        await disconnected(live)
        live.wish = -1.0
        await live.until(lambda: live.figures.feed_breaks >= 3, "more attempts")
        assert stack.told("no market data (stale_data) while a position is open", "critical")
        assert (stack.lots, {o.id for o in stack.open_orders()}) == (held, kept)
        assert live.lots == held
        live.wish = None
        await stack.heal()
        await again(live)
    assert stack.lots == 0 and stack.verified()


BLOCKING = '''
import time
from pathlib import Path

from bot4.strategies.api import Strategy

BLOCK = Path(__file__).with_name("block")


class Block(Strategy):
    """Holds the event loop up once, then decides on what it saw before."""

    def on_bar(self, bar):
        if not BLOCK.exists():
            return None
        BLOCK.unlink()
        time.sleep(2.0)
        return 1.0
'''


async def test_f5_8_an_event_loop_blocked_by_user_code_trips_the_watchdog_and_its_decision_is_refused(
    stack, monkeypatch
):
    """Scaled down: 30 missed beats of a second are 5 of 100 ms here, and the block takes 2 s instead of 30."""
    made = []

    def watching(*arguments, **more):
        made.append(KillSwitch(*arguments, beat_ns=10**8, max_missed=5))
        made[0].start()
        return made[0]

    monkeypatch.setattr(live_stack, "KillSwitch", watching)
    (stack.base / "block.py").write_text(BLOCKING)
    stack.strategy = f"{stack.base / 'block.py'}:Block"
    assert choose(stack.strategy).spec
    async with stack.session() as live:
        await live.ready()
        (stack.base / "block").touch()
        await stack.job
    made[0].close()
    assert "no heartbeat for" in made[0].cause.detail
    assert stack.told("no heartbeat for", "critical")
    assert stack.events(c.EV_REJECT)["y"].tolist() == [
        c.R_KILLED
    ]  # decided, approved, and stopped at the desk
    assert stack.orders() == [] and stack.lots == 0
    assert len(stack.events(c.EV_FILL)) == 0
    assert stack.verified()
