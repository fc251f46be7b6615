"""F3: bot4 comes back while orders and a position stand at the venue. Nothing is made up, nothing is doubled.

The whole stack on loopback. "Killed" ends a session at once; its files stay as they were at that instant.
"""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, exchange_of

from bot4.model import codes_nb as c
from bot4.model.errors import SafetyError
from bot4.ports.venue import VenueUnreachable

QUICK = ["live.not_found_time=300ms"]


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def numbers(orders):
    return sorted(o.id for o in orders)


def booked_once(stack):
    """Every execution of the account is in the journal, once, and nothing else is."""
    fills = stack.events(c.EV_FILL)["seq"].tolist()
    return sorted(fills) == sorted(t.id for t in stack.trades())


def money(live, stack):
    """The ledger's money and the venue's wallet, in units."""
    ledger = live.engine.ledger
    wallet = stack.exchange.account(KEY).margin["USDT"].scaleb(live.session.plan.money_exp)
    return int(ledger.account[0]["cash"]) + int(ledger.positions[0]["cost"]), wallet


async def test_f3_1_a_warm_restart_with_an_open_short_makes_nothing_up(stack):
    async with stack.killed() as live:
        await live.enter(-1.0)
    legs = numbers(stack.open_orders())
    fills = len(stack.events(c.EV_FILL))
    async with stack.session() as live:
        await live.ready()
        assert (live.lots, stack.lots) == (-10, -10)
        assert numbers(stack.open_orders()) == legs
        assert live.figures.explained == [] and live.figures.adopted == []
        assert live.figures.epoch == 2 and live.figures.cash_booked == 0
        assert len(stack.events(c.EV_FILL)) == fills and len(stack.events(c.EV_ADOPT, c.EV_CASH)) == 0
    assert booked_once(stack) and stack.verified()


async def test_f3_2_a_position_older_than_the_trades_is_taken_over_at_the_venues_average_and_owned(tmp_path):
    async with exchange_of("perp", tmp_path, held=10) as stack:
        entry = stack.exchange.positions(KEY)[0].entry
        async with stack.session(adopt=True, sets=["live.leverage=20"]) as live:
            await live.ready()
            await live.until(lambda: len(stack.open_orders()) == 2, "its stop and target")
            assert live.lots == stack.lots == 10
            assert {o.request.qty for o in stack.open_orders()} == {10}
            [adopted] = stack.events(c.EV_ADOPT)
            assert Decimal(int(adopted["price"])) * stack.market.tick == entry
            assert stack.told("adopted", "critical") and "taken over" in live.figures.adopted[0]
            live.wish = -1.0  # the strategy that owns it now closes it
            await live.until(lambda: live.lots <= 0 and stack.lots <= 0, "the exit")
            assert len(stack.sent(purpose=c.FOR_EXIT)) == 1
            live.wish = None
        assert stack.verified()


async def test_f3_3_working_orders_are_kept_though_no_fills_rebuild_the_position(stack):
    async with stack.killed() as live:
        await live.enter()
    legs = numbers(stack.open_orders())
    stack.by_hand(1, 5)  # a change for which the venue shows no trades
    stack.exchange._registry.trades = lambda *asked: []
    async with stack.session() as live:
        await live.ready()
        assert live.lots == stack.lots == 15
        assert "no trades tell why" in live.figures.adopted[0]
        await live.until(lambda: sum(o.request.qty for o in stack.open_orders()) == 30, "cover for all of it")
        assert set(legs) <= set(numbers(stack.open_orders()))  # kept, and five lots more beside them
        assert len(stack.sent(action=c.ACT_CANCEL)) == 0
    assert stack.verified()


async def test_f3_4_closed_by_hand_meanwhile_real_trades_right_profit_and_no_new_stop(stack):
    async with stack.killed() as live:
        await live.enter()
    stack.pond.mid += 500
    await until(lambda: stack.exchange.quote("BTCUSDT").bid == stack.pond.mid - 1)
    stack.by_hand(-1, 10)
    async with stack.session() as live:
        await live.ready()
        assert live.lots == stack.lots == 0
        await live.until(lambda: not stack.open_orders(), "the end of its legs")
        stops = len(stack.sent(purpose=c.FOR_STOP))
        bars = int(live.engine.inst[0]["bars"])
        await live.until(lambda: int(live.engine.inst[0]["bars"]) >= bars + 3, "three bars more")
        assert len(stack.sent(purpose=c.FOR_STOP)) == stops and not stack.open_orders()
        ours, theirs = money(live, stack)
        assert ours == int(theirs)  # profit and fees of the trades by hand are in the ledger
        assert live.figures.cash_booked == 0
        assert "closed outside" in stack.told("BTC-USDT-PERP", "critical")[-1]
    [adopted] = stack.events(c.EV_ADOPT)
    assert (int(adopted["x"]), int(adopted["y"])) == (0, c.R_ADOPTED)
    assert stack.verified()


@pytest.mark.parametrize(
    ("what", "word", "reason"), [("adl", "deleveraged", c.R_ADL), ("force", "liquidated", c.R_LIQUIDATED)]
)
async def test_f3_5_liquidated_or_deleveraged_meanwhile_is_recorded_as_that(stack, what, word, reason):
    async with stack.killed() as live:
        await live.enter()
    admin = {"product": "usdm", "symbol": "BTCUSDT"}
    if what == "adl":
        await stack.call("POST", "admin", {"do": "adl", "key": KEY, "quantity": "0.010", **admin})
    else:
        changes = {"maintenance": "300"}
        await stack.call("POST", "admin", {"do": "set_market", "changes": changes, **admin})
        await until(lambda: stack.lots == 0)
    taken = len(stack.orders())
    async with stack.session() as live:
        await live.ready()
        assert live.lots == stack.lots == 0
        await live.until(lambda: not stack.open_orders(), "the end of its legs")
        bars = int(live.engine.inst[0]["bars"])
        await live.until(lambda: int(live.engine.inst[0]["bars"]) >= bars + 3, "three bars more")
        assert stack.told(word, "critical")
        ours, theirs = money(live, stack)
        assert ours == int(theirs)
    [adopted] = stack.events(c.EV_ADOPT)
    assert (int(adopted["x"]), int(adopted["y"])) == (0, reason)
    assert len(stack.orders()) == taken  # no order for what is not there any more
    assert stack.verified()


async def test_f3_6_a_position_that_cannot_be_asked_for_is_unknown_not_flat(stack):
    async with stack.killed() as live:
        await live.enter()
    legs = numbers(stack.open_orders())
    sent = len(stack.sent())
    await stack.fault("status", {"method": "GET", "path": "/fapi/v*/positionRisk"}, http=503, msg="down")
    async with stack.session() as live:
        await live.until(
            lambda: live.session is not None and stack.told("no entries yet", "warning"), "a word"
        )
        await live.until(lambda: live.figures.reconciliations >= 2, "a second try")
        assert live.control["reconciled"] == 0
        assert live.lots == 10 and numbers(stack.open_orders()) == legs
        assert len(stack.sent()) == sent and len(stack.events(c.EV_ADOPT)) == 0
        await stack.heal()
        await live.ready()
        assert live.lots == stack.lots == 10 and numbers(stack.open_orders()) == legs
        assert live.figures.adopted == []
    assert booked_once(stack) and stack.verified()


async def test_f3_7_a_plan_that_had_not_reached_the_venue_stands_there_after_the_restart_once(stack):
    async with stack.killed(sets=QUICK) as live:
        await live.ready()
        await stack.fault("drop", {"method": "POST", "path": "/fapi/v1/algoOrder"})  # no stop arrives
        live.wish = [1.0]
        await live.until(lambda: live.lots == 10 and len(stack.sent(purpose=c.FOR_STOP)), "a naked position")
        await live.until(lambda: len(stack.open_orders()) == 1, "the target")
    plan = stack.sent(purpose=c.FOR_STOP)[0]
    await stack.heal()
    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: len(stack.open_orders()) == 2, "the stop", seconds=10)
        await live.until(lambda: not live.desk.unknown, "the look-up of the lost one")
        stops = [o for o in stack.open_orders() if o.request.stop_price]
        assert [(o.request.stop_price, o.request.qty) for o in stops] == [(int(plan["stop_price"]), 10)]
        assert [o.request.qty for o in stack.open_orders() if not o.request.stop_price] == [10]
        naked = live.desk.naked[stack.symbol]
        await live.until(lambda: naked.since is None, "the desk's own word of it")
    assert booked_once(stack) and stack.verified()


def without_lists(stack):
    venue = stack.adapter()
    venue.capabilities = replace(venue.capabilities, native_oco=False)
    return venue


async def test_f3_7_without_lists_the_stop_stands_and_the_target_that_waits_here_is_kept_in_mind(tmp_path):
    async with exchange_of("spot", tmp_path) as stack:
        async with stack.killed(sets=QUICK, venue=without_lists(stack)) as live:
            await live.enter(legs=1)
        stop = numbers(stack.open_orders())
        aim = int(stack.sent(purpose=c.FOR_TARGET)[0]["price"])
        async with stack.session(venue=without_lists(stack)) as live:
            await live.ready()
            await live.until(lambda: not live.desk.unknown, "the look-up of the target")
            assert live.lots == stack.lots == 999 and numbers(stack.open_orders()) == stop
            stack.pond.mid = aim + 1  # the best bid is the target's price
            await live.until(lambda: live.lots == 0 and not stack.open_orders(), "the target")
        sells = [t for t in stack.trades() if t.side < 0]
        assert sum(t.qty for t in sells) == 999 and min(t.price for t in sells) >= aim
        assert booked_once(stack) and stack.verified()


async def test_f3_8_the_same_trades_told_again_change_nothing(stack):
    venue = stack.adapter()
    async with stack.killed(venue=venue) as live:
        await live.enter()
        told = await venue.trades(stack.symbol, 0)
        before = live.engine.ledger.positions.tobytes(), live.engine.ledger.account.tobytes()
        for trade in [*told, *told]:
            live.desk.hear(trade)
        live.session.driver.fold(stack.events(c.EV_FILL))  # and even to the engine itself
        assert live.lots == 10 and live.desk.blocked(stack.symbol) == c.R_OK
        assert stack.alarm.told == []  # a repetition is no contradiction
        assert (live.engine.ledger.positions.tobytes(), live.engine.ledger.account.tobytes()) == before
    async with stack.session() as live:
        await live.ready()
        for trade in told:
            live.desk.hear(trade)
        assert live.lots == stack.lots == 10 and live.desk.blocked(stack.symbol) == c.R_OK
    assert set(stack.events(c.EV_FILL)["seq"].tolist()) == {t.id for t in stack.trades()}
    assert stack.verified()


def test_f3_8_killed_at_random_instants_nothing_is_lost_or_doubled(tmp_path):
    """Ten kills of a real process. The long form: `bot4 drill kill --times 200` (or more)."""
    environment = {**os.environ, "BOT4_CONTROL_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "bot4.app.main", "drill", "kill", "--times", "10", "--seed", "8", "--json"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert done.returncode == 0, (found, done.stderr)
    assert (found["kills"], found["lost"], found["doubled"], found["faults"]) == (10, 0, 0, [])
    assert found["replay"]["identical"]


async def test_f3_9_a_new_journal_on_an_account_with_positions_is_refused(tmp_path):
    """bot4 has no journal in memory: an empty folder is the only empty start there is."""
    async with exchange_of("perp", tmp_path, held=5) as stack:
        for _ in range(2):  # the journal that the first try has begun is no licence for the second
            with pytest.raises(SafetyError, match=r"the account holds BTC-USDT-PERP.*--adopt"):
                async with stack.session() as live:
                    live.wish = 1.0
                    await live.ready()
        assert stack.lots == 5 and len(stack.orders()) == 1  # the user's own
        assert len(stack.sent()) == 0


async def test_f3_9_an_account_that_does_not_answer_is_not_taken_for_empty(tmp_path):
    async with exchange_of("perp", tmp_path, held=5) as stack:
        down = {"method": "GET", "path": "/fapi/v*/positionRisk"}
        await stack.fault("status", down, http=503, msg="down")
        with pytest.raises(VenueUnreachable):  # not even a journal is begun
            async with stack.session() as live:
                await live.ready()
        await stack.heal()
        await stack.fault("status", {**down, "nth": 2}, http=503, msg="down")
        with pytest.raises(SafetyError, match="--adopt"):
            async with stack.session() as live:
                await live.ready()
        assert stack.told("no entries yet", "warning")
        assert stack.lots == 5 and len(stack.sent()) == 0 and len(stack.events(c.EV_ADOPT)) == 0
