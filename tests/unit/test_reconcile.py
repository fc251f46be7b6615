"""Comparison with the venue (F3, F6.5, F9.6, E13): each difference explained, none guessed."""

import sys
from collections import deque
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import EPOCH, OWNER, PERP, PRICE, SPOT, Scene, cid, order_row, running, stop_row
from virtual_time import run_virtual

from bot4.execution.adopt import cash_outside
from bot4.execution.fills import trade_number
from bot4.execution.reconcile import Kind, Local, Remote, reconcile
from bot4.model import codes_nb as c
from bot4.ports.venue import OrderReport, Rules, TradeReport
from bot4.safety.gate import sealed

D = Decimal
MULT = 1  # tick x lot in money units of 1e-4


def order(client_id, lots=10, **more):
    base = OrderReport(
        PERP.symbol, client_id, "1", "new", 1, "limit", lots * PERP.lot, D(0), D(60000), None, None, False, 0
    )
    return replace(base, **more)


def trade(id, side, lots, price="60000", client_id="", **more):
    base = TradeReport(
        PERP.symbol, id, client_id, "9", side, D(price), lots * PERP.lot, D(0), "USDT", False, 0
    )
    return replace(base, **more)


def local(position=0, live=(), booked=(), instrument=PERP, **more):
    numbers = {trade_number(k) for k in booked}
    return Local(
        instrument, OWNER, position, PRICE if position else 0, frozenset(live), numbers.__contains__, **more
    )


def remote(position=0, orders=(), trades=(), average=PRICE, mark=PRICE):
    return Remote(position, average, orders, trades, mark)


def kinds(found):
    return [d.kind for d in found.differences]


def test_f3_1_equal_views_differ_in_nothing():
    ours = local(-20, live=[cid(1)], booked=["5"])
    found = reconcile(ours, remote(-20, [order(cid(1))], [trade("5", -1, 20)]), starting=True)
    assert found.differences == () and found.agreed and found.table() == "ledger and venue agree"


def test_f3_2_a_position_older_than_the_history_is_adopted_at_the_venues_average():
    found = reconcile(local(), remote(30, average=598_000), starting=True)
    [d] = found.differences
    assert (d.kind, d.lots, d.average, d.reason) == (Kind.ADOPTED, 30, 598_000, c.R_ADOPTED)
    assert not found.agreed and "adopted" in found.table() and "0.03 there, 0 here" in found.table()


def test_f3_3_working_orders_are_kept_though_fills_do_not_rebuild_the_position():
    found = reconcile(local(0, live=[cid(1)]), remote(30, [order(cid(1))]), starting=True)
    assert kinds(found) == [Kind.ADOPTED]


def test_f3_4_closed_by_hand_is_booked_with_the_real_trades():
    found = reconcile(local(20), remote(0, trades=[trade("7", -1, 20, "60100")]), starting=False)
    [d] = found.differences
    assert (d.kind, d.lots, len(d.outside)) == (Kind.CLOSED_OUTSIDE, 0, 1)
    # adoption returns the cost (20 lots x 60000 = 1200 USDT); 2 USDT more came in
    assert cash_outside(d, PERP, 4, (20, PRICE)) == 20_000


@pytest.mark.parametrize(("reason", "kind"), [(c.R_LIQUIDATED, Kind.LIQUIDATED), (c.R_ADL, Kind.DELEVERAGED)])
def test_f3_5_what_the_venue_closed_is_recorded_as_such(reason, kind):
    gone = trade("8", -1, 20, "50000", reason=reason, fee=D(3))
    [d] = reconcile(local(20), remote(0, trades=[gone]), starting=False).differences
    assert (d.kind, d.reason) == (kind, reason)
    assert cash_outside(d, PERP, 4, (20, PRICE)) == -203 * 10_000


@pytest.mark.parametrize("missing", ["position", "open_orders", "trades"])
@pytest.mark.parametrize("starting", [True, False])
def test_f3_6_a_failed_question_is_unknown_never_flat(missing, starting):
    found = reconcile(local(20, live=[cid(1)]), replace(remote(0), **{missing: None}), starting=starting)
    assert kinds(found) == [Kind.UNKNOWN] and found.unknown and not found.agreed
    assert missing in found.table()


def test_f3_8_the_same_trades_twice_change_nothing():
    missing = trade("5", 1, 10, client_id=cid(1))
    ours = local(10, live=[cid(1)])
    seen = remote(20, [order(cid(1), 20, filled=D("0.010"), state="partially_filled")], [missing, missing])
    assert kinds(reconcile(ours, seen, starting=False)) == [Kind.MISSING_FILL]
    after = replace(ours, position=20, booked=lambda n: n == 5)
    assert reconcile(after, seen, starting=False).agreed


def test_orders_ended_found_and_of_others():
    found = reconcile(
        local(0, live=[cid(1)]),
        remote(0, [order(cid(2)), order("", venue_id="77"), order("someone-else")]),
        starting=False,
    )
    assert kinds(found) == [Kind.ORDER_ENDED, Kind.ORDER_FOUND, Kind.LEFT_ALONE, Kind.LEFT_ALONE]
    assert not found.agreed and "77" in found.table()
    assert reconcile(local(), remote(0, [order("x")]), starting=False).agreed


def test_what_nothing_explains_is_a_mismatch_and_one_lot_is_rounding():
    assert kinds(reconcile(local(20), remote(10), starting=False)) == [Kind.MISMATCH]
    assert kinds(reconcile(local(20), remote(21), starting=False)) == [Kind.DUST]
    assert kinds(reconcile(local(20, unknown_lots=10), remote(10), starting=False)) == [Kind.UNKNOWN]


def test_f9_6_coins_beyond_our_inventory_are_the_users():
    rich = remote(5_000_000)
    found = reconcile(local(10, instrument=SPOT), rich, starting=True)
    assert kinds(found) == [Kind.LEFT_ALONE] and found.agreed and "4999.99 BTC" in found.table()
    found = reconcile(local(0, instrument=SPOT), rich, starting=True)
    assert kinds(found) == [Kind.LEFT_ALONE]  # nothing of it is adopted, so nothing of it can be sold


def test_a_spot_holding_that_was_sold_by_hand_shrinks_ours():
    sold = trade("7", -1, 6, "60000", client_id="hand")
    [d] = reconcile(
        local(10, instrument=SPOT), remote(4, trades=[sold], mark=PRICE), starting=False
    ).differences
    assert (d.kind, d.lots) == (Kind.CLOSED_OUTSIDE, 4)


def test_f6_5_dust_is_declared_and_does_not_keep_the_ledgers_apart():
    tiny = replace(SPOT, min_notional=D(100))
    found = reconcile(local(1, instrument=tiny), remote(1), starting=False)
    assert kinds(found) == [Kind.DUST] and found.agreed and "less than the minimal" in found.table()


# --- carried out by the desk -----------------------------------------------------------------------


def play(script, **scene):
    async def main(clock):
        made = Scene(clock, **scene)
        async with running(made):
            await script(made)
        return made

    return run_virtual(main)


def test_a_start_adopts_then_agrees():
    async def script(s):
        s.exchange.positions[PERP.symbol] = D("-0.03")
        s.desk.mark(PERP.symbol, 590_000)
        first = await s.desk.reconcile(starting=True)
        second = await s.desk.reconcile(starting=True)
        assert not first.agreed and second.agreed and s.desk.reconciled is second
        s.listen()

    s = play(script)
    assert s.said("adopt") == [(-30, c.R_ADOPTED)] and int(s.rows[0]["price"]) == 590_000
    assert s.desk.worst_exposure(PERP.symbol) == 30


def test_a_start_without_answers_stays_unknown():
    async def script(s):
        s.venue.always["account"] = "unreachable"
        found = await s.desk.reconcile(starting=True)
        assert found.unknown and s.desk.drain().size == 0

    assert any("could not be compared" in t for _, t in play(script).alarm.told)


def test_lost_fills_are_found_within_a_minute():
    async def script(s):
        await s.desk.reconcile(starting=True)
        s.desk.hand_over(order_row(1))
        await s.pass_time(1)
        s.venue.streaming = False
        s.exchange.fill(cid(1), D("0.04"), D(60000))
        await s.pass_time(61)

    s = play(script)
    assert [f[2] for f in s.fills()] == [40] and s.desk.reconciled.agreed


def test_closed_by_hand_is_told_and_booked_once():
    async def script(s):
        await s.desk.reconcile(starting=True)
        s.desk.hand_over(order_row(1))
        await s.pass_time(1)
        s.exchange.fill(cid(1), D("0.1"), D(60000))
        await s.pass_time(1)
        by_hand = sealed(order_row(1, side=c.SELL, reduce=True), PERP, "hand", EPOCH)
        s.exchange.place(by_hand)
        s.exchange.fill(by_hand.client_order_id, D("0.1"), D(60100), D(2))
        await s.pass_time(200)

    s = play(script)
    assert s.said("adopt") == [(0, c.R_ADOPTED)] and s.said("cash") == [(80_000, c.R_ADOPTED)]
    assert s.desk.worst_exposure(PERP.symbol) == 0 and s.desk.reconciled.agreed


def test_a_mismatch_pauses_until_it_is_gone():
    async def script(s):
        await s.desk.reconcile(starting=True)
        s.exchange.positions[PERP.symbol] = D("0.02")
        await s.pass_time(61)
        assert s.desk.blocked(PERP.symbol) == c.R_RECONCILED
        s.exchange.positions[PERP.symbol] = D(0)
        await s.pass_time(61)

    s = play(script)
    assert s.said("status") == [(c.STATUS_QUARANTINED, c.R_RECONCILED), (c.STATUS_OK, 0)]


def test_an_order_of_ours_that_nobody_follows_is_cancelled():
    async def script(s):
        stray = sealed(stop_row(50), PERP, OWNER, EPOCH - 1)
        s.exchange.place(stray)
        s.venue.script["cancel"] = deque(["unreachable"])
        await s.desk.reconcile(starting=True)
        await s.desk.reconcile(starting=True)
        s.exchange.place(sealed(stop_row(51), PERP, OWNER, EPOCH - 1))
        await s.pass_time(5)

    s = play(script)
    assert s.exchange.open_orders(None) == []


def test_a_changed_contract_quarantines_the_instrument():
    async def script(s):
        s.desk.learn([Rules(PERP, "trading")])
        s.desk.learn([Rules(PERP, "trading", contract_size=D(10))])
        s.desk.hand_over(order_row(1))
        await s.pass_time(1)

    s = play(script)
    assert s.said("reject") == [(1, c.R_INSTRUMENT)] and "contract size was 1, is 10" in s.alarm.told[0][1]


def test_what_the_stream_lost_is_found_by_comparison():
    async def script(s):
        await s.desk.reconcile(starting=True)
        s.desk.hand_over(order_row(1))
        s.desk.hand_over(order_row(2, price=PRICE - 10))
        await s.pass_time(0.1)
        s.venue.streaming = False
        s.exchange.fill(cid(1), D("0.04"), D(60000))
        s.exchange.end(cid(2))
        found = await s.desk.reconcile(starting=False)
        assert {d.kind for d in found.differences} == {Kind.MISSING_FILL, Kind.ORDER_ENDED}
        await s.pass_time(0.1)

    s = play(script)
    assert [f[2] for f in s.fills()] == [40] and s.said("canceled") == [(2, 0)]


def test_a_position_off_the_grid_is_not_understood():
    async def script(s):
        s.exchange.positions[PERP.symbol] = D("0.00005")
        found = await s.desk.reconcile(starting=True)
        assert found.unknown

    assert any("position" in text for _, text in play(script).alarm.told)


def test_the_venues_average_is_taken_and_a_stray_that_ended_is_forgotten():
    async def script(s):
        s.exchange.balances["BTC"] = D("0.5")
        s.exchange.place(sealed(order_row(50), SPOT, OWNER, EPOCH - 1))
        s.venue.script["cancel"] = deque(["hidden"])
        first = await s.desk.reconcile(starting=True)
        assert [d.kind for d in first.differences] == [Kind.ORDER_FOUND, Kind.LEFT_ALONE]
        assert s.desk.lanes[0].strays == {}

    play(script, instruments=(SPOT,))


@pytest.mark.parametrize(
    ("fee", "asset", "expected"), [("2", "USDT", 0), ("0.001", "BTC", -581_000), ("1", "BNB", 20_000)]
)
def test_fees_of_trades_outside(fee, asset, expected):
    sold = trade("7", -1, 20, "60100", fee=D(fee), fee_asset=asset)
    [d] = reconcile(local(20), remote(0, trades=[sold]), starting=False).differences
    assert cash_outside(d, PERP, 4, (20, PRICE)) == expected
