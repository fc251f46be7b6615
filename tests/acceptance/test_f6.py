"""F6: partial fills, fees in coins, remainders. What is held is exactly what can be sold.

The whole stack on loopback, on a market that the test writes. "Lots" are 0.001 coins on the perpetual and
0.00001 on spot.
"""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import interleave
from desk_scene import PRICE, Scene, cid, order_row, running
from live_stack import KEY, exchange_of
from virtual_time import run_virtual

from bot4.model import codes_nb as c


@pytest.fixture
async def perp(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


@pytest.fixture
async def spot(tmp_path):
    async with exchange_of("spot", tmp_path) as made:
        yield made


def traded(stack, side):
    return sum(t.qty for t in stack.trades() if t.side == side)


def never_short(stack):
    """Nothing was ever sold that was not bought before."""
    held = 0
    for trade in stack.trades():
        held += trade.side * trade.qty
        assert held >= 0
    return True


def booked_once(stack):
    fills = stack.events(c.EV_FILL)["seq"].tolist()
    return sorted(fills) == sorted(t.id for t in stack.trades())


def target(stack):
    [found] = [o for o in stack.open_orders() if not o.request.stop_price]
    return found


def stop(stack):
    [found] = [o for o in stack.open_orders() if o.request.stop_price]
    return found


async def bars(live, n):
    seen = int(live.engine.inst[0]["bars"])
    await live.until(lambda: int(live.engine.inst[0]["bars"]) >= seen + n, f"{n} bars")


async def test_f6_1_entry_filled_in_part_and_ended_is_held_less_the_fee_in_coins_and_sold_exactly(spot):
    spot.pond.asks, spot.pond.deep = 620, 0
    async with spot.session() as live:
        await live.ready()
        live.wish = [1.0]
        await live.until(lambda: live.lots > 0, "the entry")
        await live.until(lambda: len(spot.events(c.EV_CANCELED)), "the end of the rest")
        # 620 lots less 0.1 % of them, 0.62 lots: the last lot is broken
        assert live.lots == 619 and traded(spot, 1) == 620
        assert spot.coins() == Decimal("0.0061938")
        spot.pond.asks = spot.pond.bids = 500_000
        live.wish = -1.0
        await live.until(lambda: live.lots == 0, "the exit")
        live.wish = None
        assert traded(spot, -1) == 619
        assert spot.coins() == Decimal("0.0000038")
    assert len(spot.sent(purpose=c.FOR_ENTRY)) == 1
    assert booked_once(spot) and spot.verified()


async def test_f6_2_stop_filled_in_part_then_the_exit_signal_sells_no_more_than_was_bought(perp):
    # the market jumps by 5 %, which is slippage enough for a panic when the exit was decided before
    async with perp.session(sets=["panic.slippage=50 %"]) as live:
        await live.enter()
        perp.pond.bids, perp.pond.deep = 4, 0
        perp.pond.mid = stop(perp).request.stop_price - 5  # the stop takes four lots and finds no more
        live.wish = -0.6
        await live.until(lambda: traded(perp, -1) >= 4, "the stop")
        await live.until(lambda: live.lots == 0 and perp.lots == 0, "the exit")
        live.wish = None
        await bars(live, 3)
        assert traded(perp, -1) == traded(perp, 1) == 10
        assert perp.open_orders() == []
    assert never_short(perp) and booked_once(perp) and perp.verified()


async def test_f6_3_an_exit_filled_in_part_and_cancelled_by_the_user_leaves_the_rest_managed(perp):
    async with perp.session() as live:
        await live.enter()
        order = target(perp)
        perp.pond.prints.append((order.request.price, 4, 1))
        await live.until(lambda: live.lots == 6, "four lots of the target")
        perp.server.gateway.advance()
        perp.exchange.cancel(KEY, "BTCUSDT", order_id=order.id)  # the user, in the venue's own screen
        await live.until(
            lambda: sorted(o.request.qty - o.filled for o in perp.open_orders()) == [6, 6], "six and six"
        )
        assert stop(perp).request.qty == 6 and target(perp).id != order.id
        assert live.lots == perp.lots == 6
        live.wish = -0.6
        await live.until(lambda: live.lots == 0 and perp.lots == 0, "the exit")
        live.wish = None
    assert traded(perp, -1) == 10
    assert never_short(perp) and booked_once(perp) and perp.verified()


@pytest.mark.parametrize("kind", ["perp", "rebate", "spot"])
async def test_f6_4_whatever_the_fee_is_taken_in_the_ledger_equals_the_account(tmp_path, kind):
    """Quote (perpetual, spot sale), base (spot purchase), rebate. The third coin: the next test."""
    changes = {"maker_e8": -10_000} if kind == "rebate" else {}
    async with exchange_of("spot" if kind == "spot" else "perp", tmp_path, **changes) as stack:
        async with stack.session() as live:
            await live.ready()
            live.wish = [1.0]
            await live.until(lambda: live.lots > 0 and live.lots == stack.lots, "the entry")
            await bars(live, 2)
            if kind == "rebate":
                await live.until(lambda: len(stack.open_orders()) == 2, "stop and target")
                stack.pond.prints.append((target(stack).request.price, 10, 1))
            else:
                live.wish = -0.6
            await live.until(lambda: live.lots == 0, "the exit")
            live.wish = None
            await bars(live, 2)
            if kind == "rebate":
                assert stack.trades()[-1].fee < 0
            account = stack.exchange.account(KEY)
            wallet = (account.balances if kind == "spot" else account.margin)["USDT"]
            unit = Decimal(1).scaleb(-live.session.plan.money_exp)
            ours = int(live.engine.ledger.account[0]["cash"]) * unit
            assert 0 <= wallet - ours < unit * len(stack.trades())  # fees are rounded against us, by unit
            assert live.figures.cash_booked == 0
        assert booked_once(stack) and stack.verified()


def test_f6_4_a_fee_in_a_third_coin_is_valued_or_estimated_aloud():
    """The desk alone, over a scripted venue: the exchange that is served here takes no fee in a third coin."""

    def play(price_of):
        async def main(clock):
            made = Scene(clock)
            made.desk.lanes[0].book._price_of = price_of
            async with running(made) as s:
                s.desk.hand_over(order_row(1))
                await s.pass_time(0.01)
                s.exchange.fill(cid(1), Decimal("0.1"), Decimal("60000.0"), Decimal("0.01"), "BNB")
                await s.pass_time(0.01)
            return made

        return run_virtual(main)

    known = play(lambda asset: Decimal(600) if asset == "BNB" else None)
    assert known.fills() == [(1, PRICE, 100, 60_000)]  # 0.01 x 600 = 6 USDT
    assert not known.alarm.told
    guessed = play(lambda asset: None)
    assert guessed.fills() == [(1, PRICE, 100, 60_000)]  # the dearest usual rate: 0.1 % of 6000
    assert any("BNB" in text for _, text in guessed.alarm.told)


async def test_f6_5_a_remainder_below_the_least_order_is_dust_told_once_and_left_alone(spot):
    spot.pond.asks, spot.pond.deep = 9, 0  # 4.50 USDT, where an order must be 5 at least
    async with spot.session(sets=["live.reconcile_interval=1s"]) as live:
        await live.ready()
        live.wish = [1.0]
        await live.until(lambda: live.lots == 8, "eight lots, one went as fee")
        spot.pond.asks = 500_000
        await live.until(lambda: any("dust" in text for text in live.figures.explained), "its declaration")
        await bars(live, 3)
        orders = len(spot.sent())
        await spot.fault("delay", {"method": "POST", "path": "/api/v3/order*"}, ms=1)  # counts
        live.wish = -0.6
        await bars(live, 10)
        live.wish = None
        assert spot.fired("delay") == 0  # nobody tries to sell it
        assert len(spot.sent()) == orders
    assert spot.verified()


async def test_f6_6_a_fill_that_crosses_the_cancel_wins_and_no_phantom_is_left(perp):
    async with perp.session() as live:
        await live.enter()
        order = target(perp)
        await perp.fault("delay", {"method": "DELETE", "path": "/fapi/v1/*"}, ms=400)  # cancels come late
        live.wish = -0.6
        await live.until(lambda: len(perp.sent(action=c.ACT_CANCEL)), "the cancel on its way")
        perp.pond.prints.append((order.request.price, 10, 1))
        await live.until(lambda: live.lots == 0 and perp.lots == 0, "the end of the position")
        live.wish = None
        await live.until(lambda: not perp.open_orders(), "the end of its legs")
        await bars(live, 3)
        assert live.lots == perp.lots == 0
        assert len(live.desk.lanes[0].live) == 0
    assert traded(perp, -1) == 10
    assert never_short(perp) and booked_once(perp) and perp.verified()


def test_f6_7_random_interleavings_conserve_quantity_and_cash():
    """The short form; 100,000: `pytest -m slow tests/property/test_interleavings.py`."""
    found = interleave.search(400, seed=67)
    assert found is None, f"run {found[0]}: {found[1]}\n" + "\n".join(map(str, found[2]))
