"""Mode Reduce in the engine: the schedule on event time, stops that shrink along, its beginning and its end."""

import math

import numpy as np
import pytest
from tests.helpers.engine_scene import MINUTE, START, S, Scene, event, flat_bars, instrument

from bot4.engine.layout_nb import CK_NOW
from bot4.model import codes_nb as c
from bot4.model.events import INPUT_DTYPE
from bot4.ports import journal as port

PRICE = 500_000
BARS = 30
LIVE = (c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL, c.ST_CANCELING)
QUIET = ("risk.stop_atr=1000", "risk.emergency_stop=90 %", "risk.target_r=100")


def held(*sets, size="0.1", **kw):
    """A long position (100 lots of 0.001) at bar BARS, protected; a look a minute."""
    scene = Scene(f"strategy.fixed_size={size}", *QUIET, *sets, **kw)
    scene.scores[20] = 0.9
    scene.push(flat_bars(1, BARS, PRICE))
    assert scene.position() > 0
    return scene


def each_bar(scene, first, last, price=PRICE):
    """The position after each bar."""
    found = []
    for k in range(first, last + 1):
        scene.push(flat_bars(k, k, price))
        found.append(scene.position())
    return found


def sold(scene):
    """(time, lots) of the orders that mode Reduce made."""
    rows = scene.blocks(port.ORDERS)
    rows = rows[(rows["action"] == c.ACT_NEW) & (rows["purpose"] == c.FOR_FLATTEN)]
    assert (rows["flags"] == c.OF_REDUCE_ONLY).all()
    return [(int(r["ts_created"]), int(r["qty"])) for r in rows]


def cover(scene, purpose):
    rows = scene.orders(*LIVE)
    return sum(int(r["qty"] - r["filled"]) for r in rows if r["purpose"] == purpose)


def test_the_first_step_is_at_once_and_the_next_when_its_time_has_come():
    scene = held("safety.reduce_interval=5m", "safety.reduce_share=25 %", "safety.reduce_floor=0 %")
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    begun = scene.driver.now
    after = each_bar(scene, BARS + 1, BARS + 20)
    assert after == [75] * 5 + [50] * 5 + [25] * 5 + [0] * 5
    times = [(t - begun) // MINUTE for t, _ in sold(scene)]
    assert times == [0, 5, 10, 15]
    assert [q for _, q in sold(scene)] == [25] * 4


def test_the_floor_stays_with_a_stop_and_a_target_of_its_size():
    scene = held()
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    assert each_bar(scene, BARS + 1, BARS + 30)[-1] == 50
    assert [q for _, q in sold(scene)] == [25, 25]
    assert cover(scene, c.FOR_STOP) == cover(scene, c.FOR_TARGET) == 50


def test_stops_shrink_with_each_step():
    scene = held("safety.reduce_floor=0 %", "safety.reduce_interval=2m")
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    for k in range(BARS + 1, BARS + 10):
        scene.push(flat_bars(k, k, PRICE))
        assert cover(scene, c.FOR_STOP) <= scene.position()
        scene.push(event(c.EV_STATUS, scene.driver.now, x=c.STATUS_OK), until=START + k * MINUTE + 20 * S)
        assert cover(scene, c.FOR_STOP) == scene.position()
    assert scene.position() == 0


def test_a_second_press_changes_nothing():
    scene = held("safety.reduce_floor=0 %")
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    for k in range(BARS + 1, BARS + 5):
        scene.driver.mode(c.MODE_REDUCE, c.R_COMMAND)
        scene.push(flat_bars(k, k, PRICE))
    assert scene.position() == 75
    assert scene.engine.safety.control[0]["mode_reason"] == c.R_OPERATOR


def test_a_remainder_below_the_least_order_closes_whole_and_small_steps_wait():
    """Least order: 5 USDT at 50000 = 0.0001, so one lot of 0.001; with 200 USDT it is four lots."""
    some = instrument()
    some = some.__class__(**{**{f: getattr(some, f) for f in some.__dataclass_fields__}, "min_notional": 200})
    scene = held("safety.reduce_floor=0 %", "safety.reduce_share=10 %", size="0.01", instruments=[some])
    assert scene.position() == 10
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    after = each_bar(scene, BARS + 1, BARS + 60)
    assert after[0] == 10  # one lot is due, four are the least
    assert sorted(set(after), reverse=True) == [10, 6, 0]  # two would stay: closed with the rest
    assert [q for _, q in sold(scene)] == [4, 6]


def test_after_pause_a_lowering_to_reduce_begins_a_schedule_and_normal_ends_it():
    scene = held("safety.reduce_floor=0 %")
    scene.driver.mode(c.MODE_PAUSE, c.R_OPERATOR)
    assert each_bar(scene, BARS + 1, BARS + 2) == [100, 100]
    scene.driver.mode(c.MODE_REDUCE, c.R_COMMAND, authorised=True)
    assert each_bar(scene, BARS + 3, BARS + 4) == [75, 75]
    scene.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    assert each_bar(scene, BARS + 5, BARS + 20)[-1] == 75
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)  # a new beginning counts from what is held now
    assert each_bar(scene, BARS + 21, BARS + 21) == [56]


def test_without_market_data_a_step_waits_and_is_made_up_step_by_step():
    scene = held("safety.reduce_floor=0 %", "safety.reduce_interval=1m", timer_ns=MINUTE)
    scene.push(event(c.EV_STATUS, scene.driver.now + 1, x=c.STATUS_DISCONNECTED, y=c.R_NETWORK))
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    for _ in range(3):
        scene.driver.push(np.empty(0, scene.blocks(port.INPUTS)["event"].dtype), scene.driver.now + MINUTE)
    assert sold(scene) == []
    scene.engine.inst[0]["status"] = c.STATUS_OK  # as a whole book does; there is none in bars
    after = each_bar(scene, BARS + 5, BARS + 9)
    assert after[-1] == 0
    assert [q for _, q in sold(scene)] == [25] * 4


def test_a_step_on_its_way_is_not_sent_again():
    """The venue is slow: looks pass, and the same lots are not closed twice."""
    scene = Scene(*QUIET, inputs=np.empty(0, INPUT_DTYPE), timers=False)
    scene.push(flat_bars(1, 1, PRICE))
    scene.driver.fold(event(c.EV_ADOPT, scene.driver.now, x=100, price=PRICE, y=c.R_ADOPTED))
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    for _ in range(5):
        scene.driver.fold(event(c.EV_TIMER, scene.driver.now + S))
    assert [q for _, q in sold(scene)] == [25]


def test_an_entry_that_fills_late_joins_the_schedule():
    """It was on its way when the mode changed: what it brought shrinks with the rest."""
    scene = Scene("strategy.fixed_size=0.1", *QUIET, "safety.reduce_floor=0 %", "venue.entry_latency=10s")
    scene.scores[20] = 0.9
    scene.push(flat_bars(1, 20, PRICE))
    assert scene.position() == 0
    assert len(scene.orders(c.ST_PENDING)) == 1
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    after = each_bar(scene, 21, 50)
    assert max(after) in (0, 75, 100)  # the cancel may have come first
    assert after[-1] == 0


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_an_authorised_release_holds_though_drawdown_asked_for_the_mode(mode):
    """Without the release of drawdown's own latch the next timer would raise the mode again."""
    limit = "risk.drawdown_soft=0.5 %" if mode == "soft" else "risk.drawdown_hard=0.5 %"
    sets = [limit] if mode == "soft" else ["risk.drawdown_soft=0.4 %", limit]
    scene = held(*sets, size="1")
    scene.push(flat_bars(BARS + 1, BARS + 3, 480_000))
    assert scene.mode == (c.MODE_REDUCE if mode == "soft" else c.MODE_EMERGENCY)
    scene.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    scene.push(flat_bars(BARS + 4, BARS + 12, 480_000))
    assert scene.mode == c.MODE_NORMAL
    assert scene.engine.risk.state[0]["dd_factor"] < 0.01  # sizes grow slowly from nothing


def test_after_an_emergency_and_its_release_a_new_position_has_its_stop_again():
    scene = held()
    scene.driver.mode(c.MODE_EMERGENCY, c.R_OPERATOR)
    assert each_bar(scene, BARS + 1, BARS + 3)[-1] == 0
    scene.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    scene.scores[BARS + 4] = 0.9
    assert each_bar(scene, BARS + 4, BARS + 6)[-1] == 100
    assert cover(scene, c.FOR_STOP) == cover(scene, c.FOR_TARGET) == 100


def test_every_mode_change_leaves_one_row_whoever_asked():
    scene = held("risk.drawdown_soft=0.5 %", size="1")
    scene.push(flat_bars(BARS + 1, BARS + 3, 480_000))  # by itself
    scene.driver.mode(c.MODE_PAUSE, c.R_COMMAND)
    scene.driver.mode(c.MODE_PAUSE, c.R_COMMAND)  # no change
    scene.driver.kill(c.R_FILE)
    scene.driver.kill(c.R_FILE)
    rows = scene.blocks(port.DECISIONS)
    rows = rows[rows["outcome"] == c.D_MODE_CHANGED]
    assert [(int(r["qty"]), int(r["action"]), int(r["reason"])) for r in rows] == [
        (c.MODE_NORMAL, c.MODE_REDUCE, c.R_DRAWDOWN_SOFT),
        (c.MODE_REDUCE, c.MODE_PAUSE, c.R_COMMAND),
        (c.MODE_PAUSE, c.MODE_EMERGENCY, c.R_FILE),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_model_exposure_never_rises_steps_are_bounded_and_the_floor_is_reached_in_time(seed):
    """Random schedules, two instruments (one short), prices that move, fills that are partial or refused."""
    chance = np.random.default_rng(seed)
    share = int(chance.integers(500, 6000))
    floor = int(chance.integers(0, 6000))
    minutes = int(chance.integers(1, 6))
    pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
    scene = Scene(
        f"safety.reduce_share={share / 100} %", f"safety.reduce_floor={floor / 100} %",
        f"safety.reduce_interval={minutes}m", "strategy.fixed_size=0.9", *QUIET, instruments=pair,
        timer_ns=10 * S,
    )  # fmt: skip
    scene.scores.update({20: 0.9, (1, 20): -0.9})

    def both(k, price=PRICE, volume=10**6):
        rows = [flat_bars(k, k, price) for _ in pair]
        rows[1]["instrument"] = 1
        rows = np.concatenate(rows)
        rows["qty"] = volume
        scene.push(rows)

    for k in range(1, BARS + 1):
        both(k)
    base = [abs(scene.position(i)) for i in (0, 1)]
    assert all(base)
    assert scene.position(0) > 0 > scene.position(1)
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    begun, before = scene.driver.now, list(base)
    steps = math.ceil((10_000 - floor) / share)
    end = BARS + (steps - 1) * minutes + 3
    for k in range(BARS + 1, end + 1):
        both(k, PRICE + int(chance.integers(-500, 500)), int(chance.choice([10**6, 10**4])))
        now = [abs(scene.position(i)) for i in (0, 1)]
        assert all(a <= b for a, b in zip(now, before)), "exposure rose"
        due = 1 + (int(scene.engine.clock[CK_NOW]) - begun) // (minutes * MINUTE)
        for i, lots in enumerate(now):
            least = base[i] * (10_000 - min(due * share, 10_000 - floor)) // 10_000
            assert lots >= least - 1, "more was closed than the schedule allows"
        before = now
    for i, lots in enumerate(before):
        assert lots <= max(base[i] * floor // 10_000, 0), "the floor was not reached in time"
    for row in scene.blocks(port.ORDERS):
        if row["purpose"] == c.FOR_FLATTEN and row["action"] == c.ACT_NEW:
            assert row["qty"] <= math.ceil(base[int(row["instrument"])] * share / 10_000) + 1
