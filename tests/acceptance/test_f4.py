"""F4: the stop that was not there. On the whole stack: served exchange, Binance adapter, desk, session, journal.

Two scenarios need what that exchange cannot do (a stop-limit of ours, an entry that fills in parts over time):
they run on the desk, and on a session, over a scripted venue.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from tests.helpers.fake_venue import BTC, FakeVenue
from tests.integration.test_live import World

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, PRICE, Scene, cid, running, stop_row
from live_stack import exchange_of
from virtual_time import run_virtual

from bot4.model import codes_nb as c
from bot4.ports.venue import TradeReport

pytestmark = pytest.mark.jit
STOPS = {"method": "POST", "path": "/fapi/v1/algoOrder"}
ALWAYS_LONG = """
from bot4.strategies.api import Strategy

class Long(Strategy):
    def on_bar(self, bar):
        return 1.0
"""
DISTANCE = "risk.emergency_stop=1 %"
HALF = "safety.reduce_share=50 %"


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def stops(stack):
    return [o for o in stack.open_orders() if o.request.stop_price]


def refused(stack, reason):
    """Refusals by the desk or the venue, as the journal has them."""
    rows = stack.events(c.EV_REJECT)
    return rows[rows["y"] == reason]


async def bars(live, n):
    """Let the strategy be asked `n` times more."""
    row = live.engine.inst[0]
    end = int(row["bars"]) + n
    await live.until(lambda: int(row["bars"]) >= end, f"{n} bars")


async def learnt(live, n):
    """Wait until the session has read the venue's rules `n` times more."""
    read, learn = [], live.desk.learn

    def counted(rules):
        learn(rules)
        read.append(rules)

    live.desk.learn = counted
    await live.until(lambda: len(read) >= n, "the rules")


async def test_f4_1_a_stop_type_that_is_not_taken_is_held_here_and_ends_entries(stack):
    async with stack.session(sets=[DISTANCE]) as live:
        await live.ready()
        await stack.fault(
            "status", STOPS, http=400, code=-4120, msg="Order type not supported for this endpoint"
        )
        live.wish = 1.0
        await live.until(lambda: live.lots == 10, "the entry")
        await live.until(lambda: stack.told("held here"), "the alarm")
        assert stack.symbol in stack.told("the position is naked there", "critical")[0]
        assert live.desk.blocked(stack.symbol) == c.R_EXIT_FILTER
        live.wish = None
        await live.until(lambda: len(stack.open_orders()) == 1, "the target")
        stack.pond.mid -= 5100  # through the stop, which only bot4 knows
        await live.until(lambda: live.lots == stack.lots == 0, "the exit of the stop that is held here")
        live.wish = 1.0
        await bars(live, 5)
        assert live.lots == 0  # nothing is opened that cannot be protected
    assert stack.fired("status") == 1  # and the venue is not asked again and again
    status = stack.events(c.EV_STATUS)
    assert (c.STATUS_QUARANTINED, c.R_EXIT_FILTER) in zip(status["x"].tolist(), status["y"].tolist())
    assert stack.verified()


async def test_f4_2_a_stop_that_would_trigger_at_once_is_an_exit_with_a_capped_price(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault(
            "status", {**STOPS, "count": 1}, http=400, code=-2021, msg="Order would immediately trigger."
        )
        live.wish = [1.0]
        await live.until(lambda: stack.told("passed already"), "the word of it")
        await live.until(lambda: live.lots == stack.lots == 0 and len(stack.orders()) >= 2, "the exit")
        out = next(o for o in stack.orders() if o.request.side < 0 and o.filled)
        assert out.request.reduce_only and out.filled == 10
        assert out.request.price == pytest.approx(stack.pond.mid * 0.99, rel=1e-3)  # not at any price
        await live.until(lambda: not stack.open_orders(), "the target's end")
    assert stack.verified()


@pytest.mark.parametrize(("name", "value"), [("price_down", "0.97"), ("min_notional", "490")])
async def test_f4_3_a_stop_that_a_filter_would_refuse_keeps_the_entry_from_being_sent(tmp_path, name, value):
    """On spot: the stop, 5 % away, is beyond the band; or it is worth 475 USDT where 490 is the least."""
    async with exchange_of("spot", tmp_path) as stack:
        async with stack.session(sets=["live.rules_interval=100ms", "bars.interval=300ms"]) as live:
            await live.ready()
            await stack.call(
                "POST", "admin",
                {"do": "set_market", "product": "spot", "symbol": "BTCUSDT", "changes": {name: value}},
            )  # fmt: skip
            await learnt(live, 2)  # the first may have been asked for before the change
            live.wish = [1.0]
            await live.until(lambda: len(stack.events(c.EV_REJECT)), "the refusal")
            assert live.lots == 0
        assert len(refused(stack, c.R_EXIT_FILTER)) == 1
        assert stack.orders() == []
        assert len(stack.told("would refuse the stop or the exit", "critical")) == 1
        assert stack.verified()


async def test_f4_4_a_stop_whose_reply_is_lost_is_looked_up_never_doubled_and_nothing_is_dumped(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault("drop", {"face": "user", "stream": "ALGO_UPDATE"})
        await stack.fault("accept_then_lose_reply", {**STOPS, "count": 1})
        live.wish = [1.0]
        await live.until(lambda: len(stack.events(c.EV_UNKNOWN)) == 1, "the unknown stop")
        await live.until(lambda: live.lots == 10 and not live.desk.unknown, "the look-up")
        await bars(live, 5)
        assert len(stops(stack)) == 1 and stops(stack)[0].request.qty == 10
        assert live.lots == stack.lots == 10
    assert len([o for o in stack.orders() if o.request.stop_price]) == 1
    assert stack.verified()


async def test_f4_5_a_crash_between_cancel_and_new_stop_is_mended_at_the_restart(stack):
    """The stop moves because the position is halved: the old one is cancelled, and nothing more goes out."""
    async with stack.killed(sets=[HALF]) as live:
        await live.enter()
        await stack.fault("drop", {"face": "user", "stream": "ALGO_UPDATE"})
        await stack.fault("accept_then_lose_reply", {**STOPS, "method": "DELETE"})
        live.session.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
        await live.until(lambda: stack.lots == live.lots == 5 and not stops(stack), "the gap")
    await stack.heal()
    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: [o.request.qty for o in stops(stack)] == [5], "the stop")
        assert live.desk.naked[stack.symbol].worst_ns < live.desk.settings.naked_limit_ns
        assert live.lots == stack.lots == 5
    assert not stack.told("no stop at the venue for more than")
    assert stack.verified()


def test_f4_6_a_stop_limit_that_the_market_gapped_through_becomes_a_market_exit():
    """On the desk: bot4's own stops are stop-market; one with a limit stands at the venue unfilled here."""

    async def main(clock):
        s = Scene(clock)
        async with running(s):
            s.desk.set_position(PERP.symbol, 100, PRICE)
            s.desk.hand_over(stop_row(1))
            await s.pass_time(0.1)
            s.desk.mark(PERP.symbol, PRICE - 1500)  # beyond the stop, and no fill comes
            await s.pass_time(s.desk.settings.escalate_ns / 1e9 - 0.1)
            assert s.said("canceled") == []
            await s.pass_time(2.0)
        return s

    s = run_virtual(main)
    # taken back with a reason after which the engine leaves the position at market
    assert s.said("canceled") == [(1, c.R_TRIGGER_NOW)]
    assert s.exchange.orders[cid(1)].state == "canceled"


class InParts(FakeVenue):
    """Fills an entry in three parts, the later ones when told."""

    waiting = ()

    async def submit(self, order):
        if order.intent.purpose != "entry":
            return await super().submit(order)
        await self._alive()
        client_id = order.client_order_id
        self.submitted.append(client_id)
        self._report(order)
        self.waiting = [(client_id, Decimal(n) * BTC.lot) for n in (4, 4, 2)]
        self.next_part()
        return self.reports[client_id]

    def next_part(self):
        client_id, quantity = self.waiting.pop(0)
        report = self.reports[client_id]
        filled = report.filled + quantity
        self.move(report.side * quantity, self.price)
        trade = TradeReport(
            report.symbol, str(len(self.own) + 1), client_id, report.venue_id, report.side, self.price,
            quantity, Decimal(0), "USDT", False, 0,
        )  # fmt: skip
        self.own.append(trade)
        self.events.put_nowait(trade)
        state = "filled" if filled == report.quantity else "partially_filled"
        self._set(client_id, state=state, filled=filled, average=self.price)

    def covered(self):
        """Lots of the stops that work."""
        live = [self.reports[k] for k in self.working()]
        return int(sum(r.quantity for r in live if r.reduce_only and r.type == "stop") / BTC.lot)


async def test_f4_7_a_stop_covers_what_is_filled_at_once_and_grows_with_it(tmp_path):
    """On a session over a scripted venue: the served book fills a market order whole or not at all."""
    world = World(tmp_path / "journal", tmp_path)
    world.venue = InParts()
    (tmp_path / "long.py").write_text(ALWAYS_LONG)
    world.strategy = f"{tmp_path / 'long.py'}:Long"

    async def steps(w):
        await w.reconciled()
        feed = asyncio.create_task(w.trade_bars(60))
        await w.until(lambda: w.lots == 4, "the first part")
        feed.cancel()
        for lots in (4, 8, 10):
            await w.until(lambda n=lots: w.lots == n == w.venue.covered(), f"{lots} covered lots")
            if w.venue.waiting:
                w.venue.next_part()
        w.stop()

    await world.run(steps)
    assert world.venue.position == 0


async def test_f4_8_after_a_partial_exit_the_stop_is_no_larger_than_the_position(stack):
    async with stack.session(sets=[HALF]) as live:
        await live.enter()
        assert [o.request.qty for o in stops(stack)] == [10]
        live.session.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
        await live.until(lambda: live.lots == stack.lots == 5, "the half")
        await live.until(lambda: [o.request.qty for o in stops(stack)] == [5], "the smaller stop")
        assert all(o.request.reduce_only for o in stack.open_orders())
        stack.pond.mid -= 26000  # through it: what is sold is what is held
        await live.until(lambda: live.lots == stack.lots == 0, "the stop")
    sold = sum(o.filled for o in stack.orders() if o.request.side < 0)
    assert sold == sum(o.filled for o in stack.orders() if o.request.side > 0) == 10
    assert stack.verified()


async def test_f4_9_a_stop_that_the_venue_silently_cancelled_is_missed_within_one_check(stack):
    check = "live.check_interval=300ms"
    async with stack.session(sets=[check, "live.reconcile_interval=10m"]) as live:
        await live.enter()
        stop = stops(stack)[0]
        await stack.call(
            "POST", "admin",
            {"do": "cancel", "product": "usdm", "symbol": "BTCUSDT", "key": "acceptance", "order_id": stop.id},
        )  # fmt: skip
        assert not stops(stack)
        await live.until(lambda: len(stops(stack)) == 1, "the new stop")
        assert stack.told("the venue ended this stop by itself", "critical")
        assert live.lots == stack.lots == 10
    told = stack.events(c.EV_CANCELED)
    assert len(told) >= 1 and stack.verified()
