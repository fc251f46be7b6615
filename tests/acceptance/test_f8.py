"""F8: tail events, on the whole stack on loopback.

What needs a market made by hand, price by price (F8.1, F8.2, and the rules of F8.3 and F8.8), is in
test_f8_margin.py.
"""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, exchange_of

from bot4.engine import layout_nb as lay
from bot4.model import codes_nb as c
from bot4.venues.binance.endpoints import WEIGHT

pytestmark = pytest.mark.jit


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


NO_STOPS = {"method": "POST", "path": "/fapi/v1/algoOrder"}
MARK = {"face": "ws", "stream": "btcusdt@markPrice*"}


def row(live):
    return live.engine.inst[0]


async def short_with_a_stop_held_here(stack, live):
    """The venue takes no stop: it is held here, and the engine's mark alone decides when it fires."""
    await stack.fault("status", NO_STOPS, http=400, code=-4120, msg="use another endpoint")
    await live.ready()
    await live.until(lambda: row(live)["second"] > 0, "a second source")
    live.wish = -1.0
    await live.until(lambda: live.lots < 0 and live.lots == stack.lots, "the entry")
    live.wish = None
    await live.until(lambda: any(t.soft for t in live.desk.lanes[0].live), "the stop held here")
    await live.until(lambda: len(stack.open_orders()) == 1, "the target")


async def test_f8_3_times_fifty_that_the_index_does_not_confirm_is_quarantined_and_nothing_follows(stack):
    stack.hold_mark()
    async with stack.session(sets=["quality.confirm_time=1m", "live.margin=isolated"]) as live:
        await short_with_a_stop_held_here(stack, live)
        mark, lots = int(row(live)["mark"]), live.lots
        sent = len(stack.orders())
        stack.pond.mid *= 50
        await live.until(lambda: row(live)["doubt"] != 0, "the doubt")
        await live.until(lambda: stack.told("no second source confirms it", "critical"), "the word of it")
        seen = int(live.engine.clock[lay.CK_QUARANTINED])
        await live.until(lambda: live.engine.clock[lay.CK_QUARANTINED] > seen + 20, "more of those prices")
        assert int(row(live)["mark"]) == mark and live.lots == stack.lots == lots
        assert len(stack.orders()) == sent  # neither the stop nor anything else
        assert live.control["mode"] == c.MODE_NORMAL  # no loss that nobody has confirmed
        stack.pond.mid //= 50
        await live.until(lambda: row(live)["doubt"] == 0, "the end of the doubt")
        await live.until(lambda: stack.told("out of doubt"), "the word of it")
    assert stack.lots == 0 and stack.verified()


async def test_f8_3_times_fifty_that_the_index_confirms_runs_the_stop_and_loses_no_more_than_the_cap(stack):
    async with stack.session(sets=["live.margin=isolated", "panic.slippage=100 %"]) as live:
        await short_with_a_stop_held_here(stack, live)
        cap = abs(live.lots) * stack.pond.mid * stack.market.tick * stack.market.lot  # the position, before
        wallet = stack.exchange.account(KEY).margin["USDT"]
        stack.pond.mid *= 50  # the exchange's own mark follows within a second
        await live.until(lambda: stack.lots == 0, "the way out: the stop, or the venue's liquidation")
        await live.until(lambda: live.lots == 0, "the books to follow")
        lost = wallet - stack.exchange.account(KEY).margin["USDT"]
        assert lost <= cap * Decimal("1.01")
    assert stack.verified()


@pytest.mark.parametrize("bad", ['"NaN"', "null", '"0"', '"-5"', '""', "[]"])
async def test_f8_4_a_ticker_that_is_no_price_moves_nothing_and_quarantines_the_instrument(stack, bad):
    stack.pond.restless = True
    async with stack.session() as live:
        await live.enter()
        held, kept = live.lots, {o.id for o in stack.open_orders()}
        alter = {"face": "ws", "stream": "btcusdt@bookTicker", "count": 3}
        await stack.fault("alter", alter, find='"b":"[^"]*"', put=f'"b":{bad}')
        await live.until(lambda: live.desk.blocked("BTC-USDT-PERP") != 0, "the quarantine")
        assert stack.told("NaN, null, zero", "critical")
        assert row(live)["status"] == c.STATUS_QUARANTINED
        await live.until(lambda: stack.fired("alter") == 3, "all of them")
        assert abs(int(row(live)["mark"]) - stack.pond.mid) <= 2  # no PnL of -100 %
        assert live.lots == held and {o.id for o in stack.open_orders()} == kept
        assert live.engine.risk.state[0]["drawdown"] < 0.01
    assert stack.lots == 0 and stack.verified()


async def test_f8_4_a_trade_or_a_mark_without_a_price_does_the_same(stack):
    async with stack.session() as live:
        await live.enter()
        await stack.fault(
            "alter", {"face": "ws", "stream": "btcusdt@trade", "count": 2}, find='"p":"[^"]*",', put=""
        )
        await live.until(lambda: stack.fired("alter") == 2, "trades without a price")
        await live.until(lambda: live.desk.blocked("BTC-USDT-PERP") != 0, "the quarantine")
        await stack.heal()
        await stack.fault("alter", {**MARK, "count": 1}, find='"p":"[^"]*"', put='"p":"NaN"')
        await live.until(lambda: stack.fired("alter") >= 3, "a mark that is no number")
        before = int(row(live)["second_ts"])
        await live.until(lambda: int(row(live)["second_ts"]) > before, "the next mark: the feed lives on")
        assert abs(int(row(live)["mark"]) - stack.pond.mid) <= 2
    assert stack.lots == 0 and stack.verified()


async def test_f8_5_a_delisting_takes_no_entry_and_leaves_the_way_out(stack):
    async with stack.session(sets=["live.rules_interval=200ms"]) as live:
        await live.enter()
        closing = {
            "do": "set_market",
            "product": "usdm",
            "symbol": "BTCUSDT",
            "changes": {"status": "closing"},
        }
        await stack.call("POST", "admin", closing)
        live.wish = -1.0  # the exit is taken, the entry behind it is not
        await live.until(lambda: live.lots == stack.lots == 0, "the exit")
        await live.until(lambda: len(stack.events(c.EV_REJECT)), "the refused entry")
        assert stack.lots == 0
        assert all(o.request.reduce_only or o.request.side > 0 for o in stack.orders())
    assert stack.verified()


async def test_f8_6_a_position_that_is_deleveraged_is_followed_told_and_not_traded_against(stack):
    async with stack.session() as live:
        await live.enter()
        half = abs(stack.lots) // 2
        adl = {"do": "adl", "product": "usdm", "symbol": "BTCUSDT", "key": "acceptance"}
        await stack.call("POST", "admin", {**adl, "quantity": f"{half * 0.001:.3f}"})
        await live.until(lambda: live.lots == stack.lots, "the books to follow")
        await live.until(
            lambda: (
                sum(o.request.qty for o in stack.open_orders() if o.request.type.name == "STOP")
                == abs(live.lots)
            ),
            "the stop of the smaller position",
        )
        assert abs(live.lots) < 10
        assert stack.told("deleveraged by the venue", "critical")
    assert stack.lots == 0 and stack.verified()


async def test_f8_7_with_the_rate_limit_used_up_the_reserve_lets_the_way_out_through(stack):
    venue = stack.adapter()
    async with stack.session(venue=venue) as live:
        await live.enter()
        while venue.limiter.take({WEIGHT: 40}) == 0:  # somebody else on this address uses up the rest
            continue
        assert venue.limiter.used(WEIGHT) >= 1880
        stack.pond.mid -= stack.pond.mid // 10  # the flash
        live.stop()
        await stack.job
    assert stack.lots == 0 and stack.open_orders() == []


async def test_f8_8_a_loss_limit_that_cannot_be_looked_at_reduces_and_a_drawdown_is_found_afterwards(stack):
    """The market is silent and falls meanwhile: blind, then reduced, then seen."""
    sets = ["safety.unknown_after=500ms", "quality.stale_after=300ms", "risk.drawdown_soft=0.1 %"]
    async with stack.session(sets=sets) as live:
        await live.enter()
        kept = {o.id for o in stack.open_orders()}
        await stack.fault("silence", {"face": "ws"})
        await live.until(lambda: live.control["mode"] == c.MODE_REDUCE, "mode Reduce")
        assert live.control["mode_reason"] == c.R_PNL_UNKNOWN
        await live.until(lambda: stack.told("has not been known for too long", "critical"), "the word of it")
        assert live.lots == stack.lots != 0  # nothing is sold blindly
        assert {o.id for o in stack.open_orders()} == kept
        notes = [b for b in stack.notes() if b["what"] == "result"]
        assert notes and notes[0]["known"] is False
    assert stack.lots == 0 and stack.verified()


async def test_f8_8_a_venue_that_does_not_tell_the_account_reduces_too(stack):
    sets = ["safety.unknown_after=500ms", "live.reconcile_interval=1s"]
    async with stack.session(sets=sets) as live:
        await live.enter()
        await stack.fault("status", {"method": "GET", "path": "/fapi/v3/account"}, http=503)
        await live.until(lambda: live.control["mode_reason"] == c.R_PNL_UNKNOWN, "mode Reduce")
        assert live.control["mode"] == c.MODE_REDUCE and live.lots == stack.lots != 0
        await stack.heal()
        await live.until(lambda: live.control["mode"] == c.MODE_NORMAL, "agreement, and the end of it")
        await live.until(lambda: stack.told("the result is known again"), "the word of it")
    assert stack.lots == 0 and stack.verified()
