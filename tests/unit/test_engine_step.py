"""The step on markets made by hand: who comes first, what is decided, how it is protected."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import engine_scene as es
from engine_scene import MINUTE, START, S, Scene, bar, book, event, flat_bars, instrument, quote, trade

from bot4.engine.build import money_units
from bot4.engine.state import state_hash
from bot4.kernels.jit_nb import JIT_OFF
from bot4.ledger.ledger_nb import conserved_nb
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError
from bot4.ports import journal as port
from bot4.strategies.api import compiled_strategy

FIX = "strategy.fixed_size=0.5"  # 500 lots


def bought(*sets, bars=30, **kw):
    """A scene that is long 500 lots after bar 21, bought at bar 20's close."""
    scene = Scene(FIX, *sets, **kw)
    scene.scores[20] = 0.8
    scene.push(flat_bars(1, bars))
    return scene


# --- who comes first ---------------------------------------------------------------------


def test_equal_times_exchange_answers_timers_market():
    """The replay must find this order again; another one would be another trade."""
    scene = Scene(FIX, "venue.entry_latency=0s", "venue.response_latency=0s", strategy="cold")
    scene.scores[20] = 0.8
    scene.push(flat_bars(1, 22))
    inputs = scene.blocks(port.INPUTS)
    assert inputs["event"]["kind"].tolist()[:1] == [c.EV_VIEW]
    kinds = inputs["event"]["kind"].tolist()
    assert kinds.index(c.EV_ACK) < kinds.index(c.EV_FILL)
    assert (np.diff(inputs["pos"]) >= 0).all()
    view = inputs[inputs["event"]["kind"] == c.EV_VIEW][0]
    # first timer, and the timer of the bar's instant, before the bar whose close is looked at
    assert view["pos"] == 3
    answers = inputs["event"][inputs["event"]["kind"] == c.EV_FILL]
    assert answers["ts_local"][0] == START + 20 * MINUTE  # the venue answered within the instant
    assert scene.clock("CK_MARKET") == 22


def test_a_timer_goes_before_the_market_of_its_instant():
    scene = Scene("quoter.size=0.1", bars=False, timer_ns=S, strategy="quoter")
    ts = START + 5 * S
    scene.push(np.concatenate([book(ts - 1, 1000, 1001, 1), book(ts, 1002, 1003, 2)]))
    assert scene.engine.clock[3] == ts + S  # CK_TIMER
    sent = scene.blocks(port.ORDERS)
    assert set(sent["price"].tolist()) == {1000, 1001}  # quoted before the move was known


def test_time_bars_close_on_the_timer_without_a_trade():
    scene = Scene(bars=False, timer_ns=S, bar_ns=10 * S)
    rows = [
        quote(START + S, 1000, 1001, 1),
        trade(START + 2 * S, 1000, 5, 1),
        trade(START + 3 * S, 1001, 7, 2),
    ]
    scene.push(np.concatenate(rows), START + 12 * S)
    row = scene.engine.inst[0]
    assert row["bars"] == 1
    assert (row["open"], row["close"], row["volume"]) == pytest.approx((100.0, 100.1, 0.012))


@pytest.mark.parametrize("chunks", [1, 2, 7, 60])
def test_chunks_do_not_change_anything(chunks):
    """How the feed is cut must not show: a paper run and a backtest cut differently."""
    rows = flat_bars(1, 60)
    scene = Scene(FIX)
    scene.scores.update({20: 0.8, 35: -0.9, 50: -0.9})
    for part in np.array_split(rows, chunks):
        scene.push(part)
    scene.driver.push(rows[:0], START + 61 * MINUTE)
    whole = Scene(FIX)
    whole.scores.update({20: 0.8, 35: -0.9, 50: -0.9})
    whole.push(rows, START + 61 * MINUTE)
    assert state_hash(scene.engine) == state_hash(whole.engine)
    assert scene.blocks(port.ORDERS).tobytes() == whole.blocks(port.ORDERS).tobytes()


# --- decisions ---------------------------------------------------------------------------


def test_enter_hold_leave():
    scene = Scene(FIX)
    scene.scores.update({20: 0.8, 30: -0.8})
    scene.push(flat_bars(1, 25))
    assert scene.position() == 500
    assert scene.outcome()[0] == c.D_HOLD
    scene.push(flat_bars(26, 31))
    assert scene.position() == 0
    made = scene.blocks(port.DECISIONS)
    assert made["outcome"].tolist() == [c.D_NO_SIGNAL, c.D_ENTER, c.D_HOLD, c.D_EXIT, c.D_NO_SIGNAL]
    enter, leave = made[1], made[3]
    assert (enter["side"], enter["qty"], enter["order"]) == (1, 500, 1)
    assert (leave["reason"], leave["side"]) == (c.R_OPPOSITE, -1)
    assert leave["order"] > enter["order"]
    assert conserved_nb(scene.engine.ledger)


def test_time_stop():
    scene = bought("strategy.time_stop=5")
    assert scene.position() == 0
    made = scene.blocks(port.DECISIONS)
    left = made[made["outcome"] == c.D_EXIT]
    assert left["reason"].tolist() == [c.R_TIME_STOP]
    assert left["ts"][0] == START + 26 * MINUTE or left["ts"][0] == START + 25 * MINUTE


@pytest.mark.parametrize(
    ("score", "outcome"),
    [(0.0, c.D_NO_SIGNAL), (0.19, c.D_BELOW_THRESHOLD), (-0.19, c.D_BELOW_THRESHOLD), (0.2, c.D_ENTER)],
)
def test_threshold(score, outcome):
    scene = Scene(FIX)
    scene.scores[20] = score
    scene.push(flat_bars(1, 20))
    assert scene.outcome()[0] == outcome


def test_an_order_on_its_way_is_not_doubled():
    scene = Scene(FIX, "venue.entry_latency=50s", "safety.max_order_value=100000000")
    scene.scores.update({20: 0.8, 21: 0.8})
    scene.push(flat_bars(1, 20))
    scene.push(flat_bars(21, 21))
    assert len(scene.orders()) >= 1
    assert abs(scene.position()) <= 500


def test_spot_is_never_short():
    scene = Scene(FIX, instruments=[instrument(kind="spot")])
    scene.scores[20] = -0.9
    scene.push(flat_bars(1, 25))
    assert scene.position() == 0
    assert (c.D_REFUSED, c.R_SHORT_SPOT) in {
        (int(d["outcome"]), int(d["reason"])) for d in scene.blocks(port.DECISIONS)
    }


def test_kelly_without_an_edge_does_not_trade():
    scene = Scene("risk.probability_slope=0")
    scene.scores[20] = 0.9
    scene.push(flat_bars(1, 20))
    assert scene.outcome() == (c.D_REFUSED, c.R_EDGE)
    assert scene.engine.safety.refusals[c.R_EDGE] == 1


def test_every_decision_is_journalled_when_asked():
    few, all_ = Scene(), Scene("journal.decisions=all")
    for scene in (few, all_):
        scene.push(flat_bars(1, 40))
    assert len(few.blocks(port.DECISIONS)) == 1
    assert len(all_.blocks(port.DECISIONS)) == 40
    assert few.clock("CK_HASH") == all_.clock("CK_HASH")


def test_two_instruments_that_enter_at_once_both_know_their_orders():
    """The decision of the first was left without its order when both bars closed at one instant."""
    always = compiled_strategy(lambda features, book, context, memory: 0.9)
    pair = [instrument(), instrument("ETH-USDT")]
    how = {"strategy": "compiled", "native": always.native, "bars": False, "bar_ns": 10 * S, "timer_ns": S}
    scene = Scene(FIX, instruments=pair, **how)
    rows = []
    for k in range(1, 400):
        for inst in (0, 1):
            rows += [quote(START + k * S, 1000 + k % 3, 1001 + k % 3, k, inst),
                     trade(START + k * S, 1000 + k % 3, 5, k, inst)]  # fmt: skip
    scene.push(np.concatenate(rows))
    made = scene.blocks(port.DECISIONS)
    enters = made[made["outcome"] == c.D_ENTER]
    assert set(enters["instrument"].tolist()) == {0, 1}
    assert (enters["order"] > 0).all()


def test_a_refused_entry_is_journalled_as_refused():
    scene = Scene("strategy.fixed_size=40", "safety.max_order_value=1000")
    scene.scores[20] = 0.8
    scene.push(flat_bars(1, 20))
    last = scene.blocks(port.DECISIONS)[-1]
    assert last["outcome"] == c.D_REFUSED
    assert last["order"] == 0
    assert scene.engine.safety.refusals[last["reason"]] == 1


# --- data that may not be traded on ------------------------------------------------------


def test_stale_quotes_are_not_traded_on():
    scene = Scene(FIX, "quality.stale_after=5s", bars=False, bar_ns=10 * S, timer_ns=S)
    scene.scores[2] = 0.9
    rows = [quote(START + S, 1000, 1001, 1)] + [trade(START + k * S, 1000, 5, k) for k in range(1, 12)]
    scene.push(np.concatenate(rows), START + 25 * S)
    assert scene.outcome() == (c.D_REFUSED, c.R_STALE_DATA)
    assert scene.clock("CK_STALE") == 1


@pytest.mark.parametrize("status", [c.STATUS_GAP, c.STATUS_DISCONNECTED])
def test_a_status_closes_the_entry(status):
    scene = Scene(FIX)
    scene.scores[20] = 0.9
    rows = flat_bars(1, 20)
    scene.push(rows[:-1])
    scene.push(np.concatenate([event(c.EV_STATUS, START + 19 * MINUTE + 1, x=status), rows[-1:]]))
    assert scene.outcome() == (c.D_REFUSED, c.R_BOOK_INVALID)


def test_no_quote_no_entry():
    scene = Scene(FIX, bars=False, bar_ns=10 * S, timer_ns=S)
    scene.scores[1] = 0.9
    scene.push(np.concatenate([trade(START + k * S, 1000, 5, k) for k in range(1, 12)]), START + 12 * S)
    assert scene.outcome() == (c.D_REFUSED, c.R_BOOK_INVALID)


def test_an_outlier_goes_no_further():
    scene = Scene("quality.outlier_move=2 %")
    scene.push(flat_bars(1, 40))
    before = int(scene.engine.inst[0]["mark"])
    scene.push(bar(41, 900_000))
    assert scene.engine.inst[0]["quarantined"] == 1
    assert scene.clock("CK_QUARANTINED") == 1
    assert scene.engine.inst[0]["mark"] == before


# --- protection --------------------------------------------------------------------------


def test_a_position_has_exactly_its_stop_and_target():
    scene = bought()
    legs = scene.orders(c.ST_WORKING)
    assert sorted(legs["purpose"].tolist()) == [c.FOR_STOP, c.FOR_TARGET]
    assert set(legs["qty"].tolist()) == {500}
    assert (legs["flags"] & c.OF_REDUCE_ONLY).all()
    row = scene.engine.inst[0]
    assert row["stop"] < 500_000 < row["target"]


@pytest.mark.parametrize(
    ("low", "high", "purpose"), [(480_000, 500_100, c.FOR_STOP), (499_900, 520_000, c.FOR_TARGET)]
)
def test_the_bracket_closes_the_position_and_its_sibling_goes(low, high, purpose):
    scene = bought()
    scene.push(bar(31, 500_000, high, low))
    scene.push(flat_bars(32, 33))
    assert scene.position() == 0
    orders = scene.orders()
    assert orders[orders["purpose"] == purpose]["status"].tolist() == [c.ST_FILLED]
    other = c.FOR_STOP + c.FOR_TARGET - purpose
    assert orders[orders["purpose"] == other]["status"].tolist() == [c.ST_CANCELED]
    assert conserved_nb(scene.engine.ledger)


def test_a_gap_through_the_stop_is_counted_as_loss():
    scene = bought()
    stop = int(scene.engine.inst[0]["stop"])
    scene.push(bar(31, stop - 1000, stop - 900, stop - 1100, open_=stop - 1000))
    scene.push(flat_bars(32, 33, stop - 1000))
    account = scene.engine.ledger.account[0]
    assert scene.position() == 0
    assert account["gap_loss"] == 1000 * 500 * int(scene.engine.spec[0]["money_mult"])


def test_an_ambiguous_bar_takes_the_worse_and_says_what_the_better_was():
    scene = bought()
    row = scene.engine.inst[0]
    stop, target = int(row["stop"]), int(row["target"])
    scene.push(bar(31, 500_000, target + 50, stop - 50))
    scene.push(flat_bars(32, 33))
    account = scene.engine.ledger.account[0]
    assert scene.position() == 0
    assert account["ambiguous"] == 1
    assert account["ambiguous_diff"] == (target - stop) * 500 * int(scene.engine.spec[0]["money_mult"])


def test_short_positions_are_mirrored():
    scene = Scene(FIX)
    scene.scores[20] = -0.8
    scene.push(flat_bars(1, 30))
    row = scene.engine.inst[0]
    assert scene.position() == -500
    assert row["target"] < 500_000 < row["stop"]
    stop = int(row["stop"])
    scene.push(bar(31, stop + 500, stop + 600, stop + 400, open_=stop + 500))
    scene.push(flat_bars(32, 33, stop + 500))
    assert scene.position() == 0
    assert scene.engine.ledger.account[0]["gap_loss"] == 500 * 500 * int(scene.engine.spec[0]["money_mult"])


def test_a_kill_cancels_flattens_and_refuses_from_then_on():
    scene = bought()
    scene.scores[35] = 0.9
    scene.driver.kill(c.R_OPERATOR)
    scene.push(flat_bars(31, 40))
    assert scene.position() == 0
    assert scene.mode == c.MODE_EMERGENCY
    assert len(scene.orders(c.ST_WORKING, c.ST_PENDING, c.ST_PARTIAL)) == 0
    refused = {(int(d["outcome"]), int(d["reason"])) for d in scene.blocks(port.DECISIONS)}
    assert (c.D_REFUSED, c.R_MODE) in refused
    before = state_hash(scene.engine)
    scene.driver.kill(c.R_FILE)  # a second kill changes no position and no mode
    assert scene.mode == c.MODE_EMERGENCY
    assert before != state_hash(scene.engine)


@pytest.mark.parametrize("mode", [c.MODE_REDUCE, c.MODE_PAUSE])
def test_modes_close_entries_but_never_exits(mode):
    scene = Scene(FIX)
    scene.scores.update({20: 0.8, 30: -0.8, 34: 0.8})
    scene.push(flat_bars(1, 25))
    held = scene.position()
    scene.driver.mode(mode, c.R_OPERATOR)
    assert scene.mode == mode
    scene.push(flat_bars(26, 32))
    assert abs(scene.position()) < held
    scene.push(flat_bars(33, 40))
    assert scene.position() == 0
    refused = {(int(d["outcome"]), int(d["reason"])) for d in scene.blocks(port.DECISIONS)}
    assert (c.D_REFUSED, c.R_MODE) in refused
    scene.driver.mode(c.MODE_NORMAL, c.R_OPERATOR, authorised=True)
    assert scene.mode == c.MODE_NORMAL


@pytest.mark.parametrize(
    ("limit", "mode"),
    [("risk.daily_loss=0.5 %", c.MODE_PAUSE), ("risk.drawdown_day=0.5 %", c.MODE_PAUSE),
     ("risk.drawdown_soft=0.5 %", c.MODE_REDUCE)],
)  # fmt: skip
def test_losses_change_the_mode(limit, mode):
    scene = bought(limit, "strategy.fixed_size=1", "risk.stop_atr=1000", "risk.emergency_stop=90 %")
    assert scene.mode == c.MODE_NORMAL
    scene.push(flat_bars(31, 33, 480_000))
    assert scene.mode == mode
    assert scene.engine.safety.control[0]["mode_reason"] in (
        c.R_DAILY_LOSS, c.R_DRAWDOWN_DAY, c.R_DRAWDOWN_SOFT,
    )  # fmt: skip


def test_the_hard_drawdown_flattens_and_stays():
    scene = bought(
        "risk.drawdown_soft=0.2 %", "risk.drawdown_hard=0.5 %", "strategy.fixed_size=1", "risk.stop_atr=1000",
        "risk.emergency_stop=90 %",
    )  # fmt: skip
    scene.push(flat_bars(31, 40, 480_000))
    assert scene.mode == c.MODE_EMERGENCY
    assert scene.position() == 0


def test_a_pause_for_the_day_is_lifted_the_next_day():
    scene = bought(
        "risk.daily_loss=0.5 %", "strategy.fixed_size=1", "risk.stop_atr=1000", "risk.emergency_stop=90 %"
    )
    scene.push(flat_bars(31, 33, 480_000))
    assert scene.mode == c.MODE_PAUSE
    day = 24 * 60
    scene.push(flat_bars(day + 1, day + 3, 480_000))
    assert scene.mode == c.MODE_NORMAL


# --- money -------------------------------------------------------------------------------


def test_funding_is_paid_received_and_substituted():
    scene = bought(bars=25)
    paid = lambda: int(scene.engine.ledger.account[0]["funding"])  # noqa: E731
    scene.push(event(c.EV_FUNDING, START + 26 * MINUTE, x=10_000, price=500_000, seq=5))
    one = paid()
    scene.push(event(c.EV_FUNDING, START + 27 * MINUTE, x=-10_000, price=500_000, seq=6))
    assert paid() == pytest.approx(0, abs=1)
    scene.push(event(c.EV_FUNDING, START + 28 * MINUTE, x=-10_000, price=500_000, seq=-1))
    assert paid() == one  # a substitute is always paid
    assert (scene.clock("CK_FUNDINGS"), scene.clock("CK_SUBSTITUTED")) == (3, 1)
    assert conserved_nb(scene.engine.ledger)


def test_funding_of_nobody():
    scene = Scene()
    scene.push(np.concatenate([flat_bars(1, 2), event(c.EV_FUNDING, START + 3 * MINUTE, x=10_000, seq=5)]))
    assert scene.clock("CK_FUNDINGS") == 0


def test_answers_to_nothing_are_counted_not_folded():
    scene = Scene()
    scene.push(flat_bars(1, 3))
    before = scene.engine.ledger.account.copy()
    for kind in (c.EV_ACK, c.EV_FILL, c.EV_REJECT, c.EV_CANCELED):
        scene.driver.tell(kind, 999_999, 0)
    assert scene.clock("CK_ANOMALIES") == 4
    assert (scene.engine.ledger.account == before).all()


def test_a_doubled_fill_is_an_anomaly():
    scene = bought()
    fills = scene.blocks(port.INPUTS)["event"]
    fill = fills[fills["kind"] == c.EV_FILL][:1]
    scene.driver._say(fill.copy())
    scene.driver._run(scene.driver._limit)
    assert scene.position() == 500
    assert scene.clock("CK_ANOMALIES") == 1


# --- quoter ------------------------------------------------------------------------------


def quoter(*sets):
    return Scene(
        "quoter.size=0.1", "quoter.max_position=0.2", "quoter.skew_step=0.1", "quoter.interval=1s", *sets,
        strategy="quoter", bars=False, timer_ns=S,
    )  # fmt: skip


def test_the_quoter_stands_at_the_touch_on_both_sides():
    scene = quoter()
    scene.push(book(START + S // 2, 1000, 1010, 1), START + 2 * S)
    live = scene.orders(c.ST_WORKING)
    assert sorted((int(o["side"]), int(o["price"]), int(o["qty"])) for o in live) == [
        (-1, 1010, 100),
        (1, 1000, 100),
    ]
    scene.push(book(START + 2 * S + 1, 1000, 1010, 2), START + 4 * S)
    assert len(scene.blocks(port.ORDERS)) == 2  # what stands well is left alone


def test_the_quoter_moves_and_skews():
    scene = quoter()
    scene.push(book(START + S // 2, 1000, 1010, 1), START + 2 * S)
    scene.push(trade(START + 2 * S + 10**8, 999, 10_000, 1, seller=True), START + 4 * S)
    assert scene.position() == 100
    live = scene.orders(c.ST_WORKING)
    prices = {(int(o["side"]), int(o["price"])) for o in live if o["purpose"] == c.FOR_QUOTE}
    assert prices == {
        (1, 999),
        (-1, 1010),
    }  # one step of inventory: the bid a tick lower, the ask at the touch
    assert scene.engine.inst[0]["stop"] < 1000 < scene.engine.inst[0]["target"]


def test_the_quoter_stops_buying_at_its_limit():
    scene = quoter("quoter.max_position=0.1")
    scene.push(book(START + S // 2, 1000, 1010, 1), START + 2 * S)
    scene.push(trade(START + 2 * S + 10**8, 999, 10_000, 1, seller=True), START + 4 * S)
    live = scene.orders(c.ST_WORKING)
    assert {int(o["side"]) for o in live if o["purpose"] == c.FOR_QUOTE} == {-1}


def test_the_quoter_needs_a_book():
    scene = quoter()
    scene.push(quote(START + S // 2, 1000, 1010, 1), START + 2 * S)
    assert scene.outcome() == (c.D_REFUSED, c.R_BOOK_INVALID)


def test_the_quoter_withdraws_when_it_may_not_trade():
    scene = quoter()
    scene.push(book(START + S // 2, 1000, 1010, 1), START + 2 * S)
    scene.driver.mode(c.MODE_PAUSE, c.R_OPERATOR)
    scene.push(book(START + 2 * S + 1, 1000, 1010, 2), START + 4 * S)
    assert len(scene.orders(c.ST_WORKING, c.ST_PENDING)) == 0
    assert scene.outcome() == (c.D_REFUSED, c.R_MODE)


# --- driver ------------------------------------------------------------------------------


def test_a_cold_strategy_is_asked_once_a_bar_of_each_instrument():
    pair = [instrument(), instrument("ETH-USDT")]
    scene = Scene(instruments=pair)
    rows = np.concatenate([np.concatenate([bar(k, 500_000), bar(k, 30_000, inst=1)]) for k in range(1, 6)])
    scene.push(rows)
    assert [(inst, k) for _, inst, k in scene.asked] == [(i, k) for k in range(1, 6) for i in (0, 1)]


def test_a_replay_needs_no_strategy_and_no_venue():
    live = Scene(FIX)
    live.scores.update({20: 0.8, 30: -0.8})
    live.push(flat_bars(1, 40))
    live.driver.kill(c.R_OPERATOR)
    inputs = live.blocks(port.INPUTS)

    def never(inst):
        raise AssertionError("a replay does not ask")

    again = Scene(FIX, inputs=inputs, cold=never)
    again.driver._cold = None
    again.push(flat_bars(1, 40))
    assert state_hash(again.engine) == state_hash(live.engine)
    for kind in (port.ORDERS, port.DECISIONS, port.EQUITY):
        assert again.blocks(kind).tobytes() == live.blocks(kind).tobytes()


@pytest.mark.skipif(not JIT_OFF, reason="another ring size is another record, for which all is compiled anew")
def test_rings_are_emptied_before_they_overflow(monkeypatch):
    monkeypatch.setattr("bot4.engine.build.RING", 128)
    small = Scene("journal.decisions=all", FIX)
    small.scores.update({20: 0.8, 60: -0.8})
    small.push(flat_bars(1, 300))
    monkeypatch.undo()
    large = Scene("journal.decisions=all", FIX)
    large.scores.update({20: 0.8, 60: -0.8})
    large.push(flat_bars(1, 300))
    for kind in (port.DECISIONS, port.ORDERS, port.INPUTS, port.EQUITY):
        assert small.blocks(kind).tobytes() == large.blocks(kind).tobytes()
    assert small.journal.commits > large.journal.commits


def test_market_is_kept_when_asked():
    scene = Scene(keep_market=True)
    rows = flat_bars(1, 5)
    scene.push(rows)
    assert scene.blocks(port.MARKET).tobytes() == rows.tobytes()


def test_warming_up_folds_nothing():
    scene = Scene()
    before = state_hash(scene.engine)
    scene.driver.warm()
    assert state_hash(scene.engine) == before
    assert scene.driver.folded == 0


def test_the_equity_curve_has_a_point_a_step():
    scene = bought()
    curve = scene.blocks(port.EQUITY)
    assert (np.diff(curve["ts"]) > 0).all()
    assert len(curve) == 31
    assert curve["exposure"][-1] > 0
    assert curve["exposure"][5] == 0


# --- plans -------------------------------------------------------------------------------


def test_plans_come_back_from_json():
    scene = Scene(instruments=[instrument(), instrument("ETH-USDT")])
    plan = scene.plan
    assert type(plan).from_json(plan.to_json()) == plan
    assert plan.currency == "USDT"
    mixed = type(plan).from_json(
        {**plan.to_json(), "instruments": [instrument().to_json(), instrument("A-EUR").to_json()]}
    )
    with pytest.raises(ConfigError, match="one account holds one currency"):
        _ = mixed.currency


def test_money_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="too large"):
        Scene("account.capital=500000000", instruments=[instrument(tick="0.0000001", lot="0.0000001")])
    assert money_units(es.Decimal("1.5"), 8, "x") == 150_000_000


def test_trend_cross_needs_means_that_are_kept():
    with pytest.raises(ConfigError, match="moving averages are kept over 10, 20, 50 bars"):
        Scene("strategy.fast=11", strategy="trend_cross")
    Scene("strategy.fast=10", strategy="trend_cross")


@pytest.mark.parametrize("kind", ["tick", "volume"])
def test_other_bars(kind):
    scene = Scene(
        f"bars.kind={kind}", "bars.ticks=10", "bars.volume=0.05", bars=False, bar_ns=10 * S, timer_ns=S
    )
    scene.push(np.concatenate([trade(START + k * S, 1000, 5, k) for k in range(1, 51)]))
    assert scene.engine.inst[0]["bars"] == 5
