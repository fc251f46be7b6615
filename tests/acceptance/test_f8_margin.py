"""F8.1, F8.2, F8.3, F8.8 on the engine with markets made by hand, where every price is certain.

The same rules on the whole stack stand in test_f8.py.
"""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from engine_scene import START, S, Scene, bar, book, event, flat_bars, instrument, trade

from bot4.ledger.ledger_nb import conserved_nb, equity_nb
from bot4.model import codes_nb as c
from bot4.ports import journal as port

pytestmark = pytest.mark.jit

WIDE = ("risk.emergency_stop=99 %", "risk.stop_atr=1000000", "strategy.time_stop=1000000")
FAR = ("risk.emergency_stop=40 %", "risk.stop_atr=1000000", "strategy.time_stop=1000000")
TWO = ("BTC-USDT", "ETH-USDT")


def pair():
    return [instrument(symbol) for symbol in TWO]


def equity(scene):
    return Decimal(int(equity_nb(scene.engine.ledger, scene.engine.spec))).scaleb(-scene.plan.money_exp)


def liquidations(scene):
    rows = scene.blocks(port.INPUTS)["event"]
    return rows[rows["kind"] == c.EV_LIQUIDATED]


def refused(scene):
    rows = scene.blocks(port.DECISIONS)
    return rows[rows["reason"] == c.R_LIQUIDATION_NEAR]


def fills(scene):
    rows = scene.blocks(port.INPUTS)["event"]
    return rows[rows["kind"] == c.EV_FILL]


# --- F8.1 ------------------------------------------------------------------------------------------------


def both(k, prices=(500_000, 500_000), **more):
    return np.concatenate([bar(k, price, inst=inst, **more) for inst, price in enumerate(prices)])


def with_two(*sets, fixed):
    """Two perpetuals, each asked for at a bar of its own, sized in coins (50,000 USDT each)."""
    scene = Scene(f"strategy.fixed_size={fixed}", *FAR, *sets, instruments=pair())
    scene.scores = {30: -1.0, (1, 31): -1.0}
    scene.push(np.concatenate([both(k) for k in range(1, 35)]))
    return scene


def test_f8_1_an_order_that_cuts_the_liquidation_distance_of_a_position_under_the_limit_is_denied():
    """Two shorts of 60,000 on 100,000, maintenance 30 %: with E = 99,940 and 18,000 for the other one, each is
    liquidated at (60,000 + 99,940 - 18,000) / (1.2 x 1.3) = 90,987, 82 % away. Without the other's
    maintenance it would seem to be 105 %."""
    near = with_two("risk.liquidation_distance=83 %", "risk.maintenance=30 %", fixed="1.2")
    assert [near.position(0), near.position(1)] == [-1200, 0]
    (told,) = refused(near)  # in the journal, with its reason
    assert (int(told["instrument"]), int(told["outcome"])) == (1, c.D_REFUSED)
    far = with_two("risk.liquidation_distance=81 %", "risk.maintenance=30 %", fixed="1.2")
    assert [far.position(0), far.position(1)] == [-1200, -1200]  # nothing else is in the way


def test_f8_1_isolated_positions_do_not_answer_for_each_other():
    """Isolated, 1x: each is liquidated at 2 / 1.3 of its entry, 53.8 % away, whatever the other needs."""
    sets = ("live.margin=isolated", "risk.maintenance=30 %")
    assert with_two("risk.liquidation_distance=53 %", *sets, fixed="1.2").position(1) == -1200
    denied = with_two("risk.liquidation_distance=54 %", *sets, fixed="1.2")
    assert [denied.position(0), denied.position(1)] == [0, 0]
    assert len(refused(denied)) == 2


# --- F8.2 ------------------------------------------------------------------------------------------------


def gapped(*sets, last, fixed="0.04", side=-1.0, after=1, stop=()):
    """One position of 2,000 USDT (400 lots at 50,000), then the bar `last`, then quiet at its close."""
    scene = Scene(f"strategy.fixed_size={fixed}", *(stop or WIDE), *sets)
    scene.scores = {30: side}
    close = int(last["price"][0])
    rest = [bar(33 + k, close) for k in range(after)]
    scene.push(np.concatenate([flat_bars(1, 31), last, *rest]))
    return scene


def test_f8_2_a_bar_that_gaps_wholly_past_the_liquidation_price_liquidates_isolated():
    """Every price of the bar lies beyond: low <= liquidation <= high would not see it."""
    scene = gapped("live.margin=isolated", last=bar(32, 25_000_000, 26_000_000, 24_000_000, 25_000_000))
    (row,) = liquidations(scene)
    assert scene.position() == 0
    assert (int(row["price"]), int(row["qty"]), int(row["x"])) == (1_000_000, 40, c.BUY)
    fee = Decimal("1")  # of the entry: 5 bp of 2,000
    assert equity(scene) == 100_000 - fee - 2_000  # the margin is lost, and no more
    assert conserved_nb(scene.engine.ledger)
    assert not (scene.orders(c.ST_WORKING, c.ST_PENDING)).size  # stop and target ended with it


def test_f8_2_cross_margin_answers_with_the_whole_account_and_never_with_more():
    scene = gapped(last=bar(32, 2_500_000, open_=2_500_000), fixed="1.9")
    assert len(liquidations(scene)) == 1
    assert scene.position() == 0
    assert equity(scene) == 0
    assert scene.mode == c.MODE_EMERGENCY  # nothing is left to trade with
    assert conserved_nb(scene.engine.ledger)


def test_f8_2_touching_the_price_inside_the_range_liquidates_too():
    """Isolated short, 1x, maintenance 1 %: at 2 / 1.01 of the entry, 990,099.01 ticks."""
    touched = gapped("live.margin=isolated", last=bar(32, 500_000, 990_100, 500_000))
    assert len(liquidations(touched)) == 1
    short_of = gapped("live.margin=isolated", last=bar(32, 500_000, 990_099, 500_000))
    assert len(liquidations(short_of)) == 0
    assert short_of.position() == -40


def test_f8_2_a_stop_before_the_liquidation_price_fills_at_the_gap_price_first():
    near = ("risk.emergency_stop=5 %", "risk.stop_atr=1000000", "strategy.time_stop=1000000")
    scene = gapped("live.margin=isolated", last=bar(32, 700_000, open_=700_000), stop=near)
    assert len(liquidations(scene)) == 0
    stopped = fills(scene)[-1]
    assert int(stopped["price"]) == 700_000 and int(stopped["flags"]) & c.FLAG_GAP


def test_f8_2_a_bar_that_opens_beyond_the_liquidation_price_leaves_no_chance_to_the_stop():
    near = ("risk.emergency_stop=5 %", "risk.stop_atr=1000000", "strategy.time_stop=1000000")
    scene = gapped("live.margin=isolated", last=bar(32, 1_200_000, open_=1_200_000), stop=near)
    (row,) = liquidations(scene)
    assert int(row["price"]) == 1_000_000
    assert len(fills(scene)) == 1  # the entry


def test_f8_2_under_cross_margin_the_other_positions_follow():
    """Two shorts of 60,000: one goes to 2.8 times, which uses up all that the other could answer with."""
    scene = Scene("strategy.fixed_size=1.2", *FAR, instruments=pair())
    scene.scores = {30: -1.0, (1, 31): -1.0}
    scene.push(np.concatenate([both(k) for k in range(1, 34)]))
    assert [scene.position(0), scene.position(1)] == [-1200, -1200]
    scene.push(np.concatenate([bar(k, 1_400_000) for k in (34, 35)]))  # no word of the other one
    taken = liquidations(scene)
    assert sorted(taken["instrument"].tolist()) == [0, 1]
    assert int(taken["price"][taken["instrument"] == 1][0]) == 500_000  # at its price
    assert equity(scene) == 0
    assert conserved_nb(scene.engine.ledger)


def test_f8_2_funding_can_use_the_margin_up():
    scene = Scene("strategy.fixed_size=1.9", *WIDE)
    scene.scores = {30: -1.0}
    scene.push(flat_bars(1, 33))
    assert scene.position() == -1900
    due = START + 33 * 60 * S + S
    rows = [event(c.EV_FUNDING, due + k, x=-99_000_000) for k in range(3)]
    scene.push(np.concatenate([*rows, flat_bars(34, 35)]))
    assert len(liquidations(scene)) == 1 and scene.position() == 0


def ticks(k, mid, seq, inst=0):
    """One second of a market: a book around `mid`, and a trade at it."""
    ts = START + k * S
    return np.concatenate([book(ts, mid - 1, mid + 1, seq, inst), trade(ts + 1, mid, 5, seq, inst)])


def tick_scene(*sets, score=-1.0, at=3):
    scene = Scene(
        "strategy.fixed_size=0.04", "bars.interval=1s", "live.margin=isolated", *WIDE, *sets,
        bars=False, bar_ns=S, timer_ns=S // 10,
    )  # fmt: skip
    scene.scores = {at: score}
    return scene


def test_f8_2_the_tick_simulator_liquidates_at_the_middle_of_the_book():
    scene = tick_scene("quality.confirm_move=10000 %", "quality.outlier_move=100 %")
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(1, 8)]))
    assert scene.position() == -40
    scene.push(np.concatenate([ticks(k, 25_000_000, k) for k in range(8, 12)]))
    (row,) = liquidations(scene)
    assert int(row["price"]) == 999_998 and scene.position() == 0  # sold at the bid
    assert conserved_nb(scene.engine.ledger)


# --- F8.3 ------------------------------------------------------------------------------------------------


def index(k, price):
    return event(c.EV_MARK, START + k * S - 2, price=price, x=price)


def held_short(*sets):
    scene = tick_scene(*sets)
    scene.push(
        np.concatenate([np.concatenate([index(k, 500_000), ticks(k, 500_000, k)]) for k in range(1, 8)])
    )
    assert scene.position() == -40
    return scene


def row_of(scene):
    return scene.engine.inst[0]


def test_f8_3_times_fifty_that_the_index_denies_is_quarantined_and_nothing_follows():
    scene = held_short()
    scene.scores = dict.fromkeys(range(8, 40), 1.0)  # it would like to leave, and to buy
    before = equity(scene)
    for k in range(8, 30):  # the venue's own stop, which watches trades, is not what is looked at here
        jump = book(START + k * S, 24_999_999, 25_000_001, k)
        scene.push(np.concatenate([index(k, 500_000), jump, trade(START + k * S + 1, 500_000, 5, k)]))
    assert int(row_of(scene)["mark"]) == 500_000  # no mark, no loss, for as long as the index says so
    assert int(row_of(scene)["doubt"]) > 0
    assert equity(scene) == before
    assert scene.position() == -40 and not len(liquidations(scene))
    assert scene.mode == c.MODE_NORMAL
    assert scene.clock("CK_QUARANTINED") >= 22
    scene.push(
        np.concatenate([np.concatenate([index(k, 500_100), ticks(k, 500_100, k)]) for k in range(30, 33)])
    )
    assert int(row_of(scene)["doubt"]) == 0


def test_f8_3_times_fifty_that_the_index_confirms_is_the_price_at_once():
    scene = held_short()
    scene.push(np.concatenate([index(8, 25_000_000), ticks(9, 25_000_000, 9), ticks(10, 25_000_000, 10)]))
    assert int(row_of(scene)["mark"]) == 25_000_000
    assert len(liquidations(scene)) == 1
    assert scene.position() == 0
    assert equity(scene) >= 100_000 - 2_000 - 2  # the cap that was set before the entry: its margin


def test_f8_3_without_a_second_source_a_price_that_stands_is_real_after_a_bounded_time():
    scene = tick_scene("quality.outlier_move=100 %")
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(1, 4)]))
    assert int(row_of(scene)["mark"]) == 500_000
    scene.push(np.concatenate([ticks(k, 25_000_000, k) for k in range(4, 6)]))
    assert int(row_of(scene)["mark"]) == 500_000  # not before it has stood for quality.confirm_time
    scene.push(trade(START + 11 * S, 25_000_000, 1, 99))  # the timer looks, though the book is silent
    assert int(row_of(scene)["mark"]) == 25_000_000


def test_f8_3_no_entry_while_the_price_is_in_doubt():
    scene = tick_scene("quality.outlier_move=100 %", at=10**6)
    scene.push(
        np.concatenate([np.concatenate([index(k, 500_000), ticks(k, 500_000, k)]) for k in range(1, 6)])
    )
    scene.push(book(START + 6 * S, 24_999_999, 25_000_001, 6))
    scene.scores = dict.fromkeys(range(40), 1.0)
    scene.push(np.concatenate([trade(START + k * S + 10, 500_000, 1, 50 + k) for k in (6, 7)]))
    assert scene.outcome() == (c.D_REFUSED, c.R_PRICE_DOUBT)
    assert scene.position() == 0


# --- F8.8 ------------------------------------------------------------------------------------------------


def test_f8_8_a_result_that_is_not_known_for_too_long_reduces_and_sells_nothing_blindly():
    scene = tick_scene("safety.unknown_after=10s", "quality.stale_after=2s")
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(1, 8)]))
    assert scene.position() == -40 and scene.mode == c.MODE_NORMAL
    scene.driver.push(np.empty(0, scene.blocks(port.INPUTS)["event"].dtype), START + 17 * S)
    assert scene.mode == c.MODE_NORMAL  # silent since 7 s: stale from 9 s on
    scene.driver.push(np.empty(0, scene.blocks(port.INPUTS)["event"].dtype), START + 20 * S)
    control = scene.engine.safety.control[0]
    assert (scene.mode, int(control["mode_reason"])) == (c.MODE_REDUCE, c.R_PNL_UNKNOWN)
    assert scene.position() == -40  # its stop stands; nothing is closed at a price of the past
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(21, 24)]))
    assert scene.mode == c.MODE_NORMAL


def test_f8_8_a_failing_comparison_with_the_venue_reduces_too():
    scene = tick_scene("safety.unknown_after=10s")
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(1, 8)]))
    scene.driver.tell(c.EV_RECONCILED, 0, c.R_NOT_RECONCILED)
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(8, 25)]))
    assert (scene.mode, scene.position()) == (c.MODE_REDUCE, -40)
    scene.driver.tell(c.EV_RECONCILED, 1, c.R_RECONCILED)
    scene.push(np.concatenate([ticks(k, 500_000, k) for k in range(25, 28)]))
    assert scene.mode == c.MODE_NORMAL
