"""Sizing against a second writing in plain Python, a Monte Carlo of growth, and hostile inputs."""

import math
import os

import numpy as np
import pytest
from risk_scene import EQUITY, PRICE, SPOT, explain, plain, scene

from bot4.model import codes_nb as c
from bot4.model import explain_nb as ex
from bot4.risk.sizing_nb import bracket_nb, size_nb, stops_nb

SLOW = os.environ.get("NUMBA_DISABLE_JIT") == "1"
WIDE = {
    "max_order": 1.0,
    "max_position": 1.0,
    "max_asset": 1.0,
    "max_heat": 10.0,
    "max_open_risk": 1.0,
    "max_leverage": 20.0,
}


def size(risk, spec, x=None, **changes):
    args = {
        "led_equity": EQUITY,
        "pos_qty": 0,
        "inst": 0,
        "direction": 1,
        "score_abs": 0.8,
        "price": PRICE,
        "atr_ticks": 250.0,
        "sigma_year": 0.6,
        "cost_fraction": 0.001,
    }
    args.update(changes)
    qty = size_nb(risk, spec, *args.values(), explain() if x is None else x)
    return qty, int(risk.state[0]["last_reason"])


def oracle(equity, price, score, atr, sigma, cost, dd_factor=1.0, order=0.02, kelly=0.25, haircut=0.5):
    """Lots by the rule of R1, for a flat account of one instrument whose order limit binds first."""
    stop = max(1, min(math.floor(2 * atr + 0.5), price * 5 // 100))
    reach = max(1, math.floor(1.5 * stop + 0.5))
    gain, loss = reach / price - cost, stop / price + cost
    p = 0.5 + 0.2 * score
    edge = p * reach / price - (1 - p) * stop / price - cost
    if edge <= 0 or edge < 0.02 * stop / price:
        return 0
    f_full = (p * gain - (1 - p) * loss) / gain  # (p b - q) / b, the textbook form
    f = f_full * haircut * kelly * score * min(1.0, 0.15 / sigma) * dd_factor
    notional = min(equity * f / loss, equity * order)
    return int(notional // price)


def test_every_step_is_in_the_explain_record():
    risk, spec = scene(**WIDE)
    risk.state["dd_factor"] = 0.5
    risk.state["drawdown"] = 0.16
    x = explain()
    qty, reason = size(risk, spec, x)
    assert reason == c.R_OK
    expected = {
        ex.EX_PRICE: 500.0,
        ex.EX_POSITION: 0.0,
        ex.EX_EQUITY: 1_000_000.0,
        ex.EX_DRAWDOWN: 0.16,
        ex.EX_ATR: 2.5,
        ex.EX_SIGMA: 0.6,
        ex.EX_STOP: 495.0,
        ex.EX_TARGET: 507.5,
        ex.EX_P_WIN: 0.66,
        ex.EX_WIN: 0.015,
        ex.EX_LOSS: 0.01,
        ex.EX_COST: 0.001,
        ex.EX_EDGE: 0.66 * 0.015 - 0.34 * 0.01 - 0.001,
        ex.EX_EDGE_R: 0.55,
        ex.EX_KELLY_FULL: 0.5 * (0.66 - 0.34 * 0.011 / 0.014),
        ex.EX_KELLY_QUARTER: 0.125 * (0.66 - 0.34 * 0.011 / 0.014),
        ex.EX_F_CONFIDENCE: 0.8,
        ex.EX_F_VOLATILITY: 0.25,
        ex.EX_F_DRAWDOWN: 0.5,
    }
    for slot, value in expected.items():
        assert x[slot] == pytest.approx(value, rel=1e-12), ex.NAMES[slot]
    notional = 1e6 * x[ex.EX_KELLY_QUARTER] * 0.8 * 0.25 * 0.5 / 0.011
    assert x[ex.EX_NOTIONAL_KELLY] == pytest.approx(notional, rel=1e-12)
    assert x[ex.EX_NOTIONAL] == pytest.approx(notional, abs=0.01)
    assert qty == x[ex.EX_QTY] == notional // 500
    assert x[ex.EX_HEAT] == pytest.approx(qty * 500 * 0.6 / 1e6, rel=1e-12)
    assert x[ex.EX_OPEN_RISK] == pytest.approx(qty * 5 / 1e6, rel=1e-12)
    assert x[: ex.EX_ATR][[ex.EX_S_TA, ex.EX_SCORE, ex.EX_MODE]].tolist() == [-1.0] * 3  # others' slots
    assert not np.isnan(x[ex.EX_ATR : ex.EX_FAILED]).any()  # the last one is the gate's


FACTORS = {
    "haircut": ({"edge_haircut": 0.25}, {}, ex.EX_KELLY_FULL, 0.5),
    "quarter": ({"kelly_fraction": 0.125}, {}, ex.EX_KELLY_QUARTER, 0.5),
    "volatility": ({}, {"sigma_year": 1.2}, ex.EX_F_VOLATILITY, 0.5),
    "calm markets do not raise": ({"vol_target": 1.2}, {"sigma_year": 0.6}, ex.EX_F_VOLATILITY, 4.0),
}


@pytest.mark.parametrize("name", FACTORS)
def test_each_factor_acts_once(name):
    params, inputs, slot, ratio = FACTORS[name]
    before, after = explain(), explain()
    size(*scene(**WIDE), before)
    size(*scene(**{**WIDE, **params}), after, **inputs)
    assert after[slot] / before[slot] == pytest.approx(ratio, rel=1e-12)
    assert after[ex.EX_NOTIONAL_KELLY] / before[ex.EX_NOTIONAL_KELLY] == pytest.approx(ratio, rel=1e-12)


def test_drawdown_factor_acts_once():
    x, y = explain(), explain()
    risk, spec = scene(**WIDE)
    size(risk, spec, x)
    risk.state["dd_factor"] = 0.5
    size(risk, spec, y)
    assert y[ex.EX_NOTIONAL_KELLY] == x[ex.EX_NOTIONAL_KELLY] / 2


def test_full_kelly_maximises_growth():
    """Bets drawn a million times: log growth is greatest within 2 % of the f* in the explain record."""
    risk, spec = scene(edge_haircut=1.0, **WIDE)
    x = explain()
    size(risk, spec, x, cost_fraction=0.0)
    p, b, f_star = x[ex.EX_P_WIN], x[ex.EX_WIN] / x[ex.EX_LOSS], x[ex.EX_KELLY_FULL]
    wins = (np.random.default_rng(3).random(1_000_000) < p).mean()
    fractions = np.linspace(0.5 * f_star, 1.5 * f_star, 2_001)
    growth = wins * np.log1p(fractions * b) + (1 - wins) * np.log1p(-fractions)
    assert fractions[growth.argmax()] == pytest.approx(f_star, rel=0.02)


def test_a_lost_trade_costs_the_fraction_at_risk():
    """Notional = capital x f / L: when the stop is hit, costs included, f of the capital is gone."""
    risk, spec = scene(kelly_fraction=1.0, vol_target=10.0, **WIDE)
    x = explain()
    size(risk, spec, x, score_abs=1.0)
    lost = x[ex.EX_NOTIONAL_KELLY] * (x[ex.EX_LOSS] + x[ex.EX_COST])
    assert lost / x[ex.EX_EQUITY] == pytest.approx(x[ex.EX_KELLY_FULL], rel=1e-12)


@pytest.mark.parametrize("target_r", [0.5, 1.0, 1.5, 3.0])
def test_no_size_up_to_break_even(target_r):
    """p <= 1 / (1 + b) gives nothing; a little above gives something."""
    even = 1 / (1 + target_r)
    for p, wanted in ((even - 0.01, 0), (even, 0), (even + 0.05, 1)):
        risk, spec = scene(prob_base=p, prob_slope=0.0, target_r=target_r, min_edge_r=0.0, **WIDE)
        qty, reason = size(risk, spec, cost_fraction=0.0, atr_ticks=500.0)
        if p == even:
            assert qty <= 1  # a last bit of p may be edge; it is worth less than a lot or two
        else:
            assert (qty > 0) == bool(wanted)
            assert reason == (c.R_OK if wanted else c.R_EDGE)


def test_least_edge_is_measured_in_r_after_costs():
    # gross edge 0.65 R of 1 %, cost 0.62 % leaves 0.03 R, 0.64 % leaves 0.01 R
    assert size(*scene(**WIDE), cost_fraction=0.0062)[1] == c.R_OK
    assert size(*scene(**WIDE), cost_fraction=0.0064) == (0, c.R_EDGE)


def test_random_inputs_equal_the_oracle():
    rng = np.random.default_rng(4)
    risk, spec = scene()
    sizer = plain(size_nb)
    hits = 0
    for _ in range(2_000):
        equity = int(10 ** rng.uniform(3, 15))
        price = int(10 ** rng.uniform(1, 7))
        score, sigma, cost = rng.random(), 10 ** rng.uniform(-2, 1), rng.random() * 0.01
        atr = price * 10 ** rng.uniform(-4, -1)
        dd_factor = float(rng.choice([0.0, 0.37, 1.0]))
        risk.state["dd_factor"] = dd_factor
        args = (risk, spec, equity, 0, 0, 1, score, price, atr, sigma, cost)
        got = size_nb(*args, explain())
        assert got == sizer(*args, explain())
        want = oracle(equity, price, score, atr, sigma, cost, dd_factor)
        slack = 1 if want < equity * 0.02 // price else 0  # a float just below a whole lot
        assert abs(got - want) <= slack * max(1, want * 1e-12)
        hits += got > 0
    assert hits > 500


def test_a_hundred_thousand_random_inputs_stay_within_bounds():
    rng = np.random.default_rng(5)
    n = 2_000 if SLOW else 100_000
    risk, spec = scene(2)
    x = explain()
    wild = np.array([0.0, -1.0, np.nan, np.inf, -np.inf, 1e308, 5e-324])
    floats = 10.0 ** rng.uniform(-6, 6, (n, 4))
    odd = rng.random((n, 4)) < 0.03
    floats[odd] = wild[rng.integers(0, len(wild), int(odd.sum()))]
    ints = (10.0 ** rng.uniform(0, 17, (n, 3))).astype(np.int64) * rng.choice([1, 1, 1, 1, -1], (n, 3))
    side = rng.integers(-2, 3, n)
    factor = rng.random(n)
    for i in range(n):
        risk.state["dd_factor"] = factor[i]
        equity, pos, price = ints[i].tolist()
        score, atr, sigma, cost = floats[i].tolist()
        qty = size_nb(risk, spec, equity, pos, 1, int(side[i]), score, price, atr, sigma, cost % 0.02, x)
        assert qty >= 0
        assert qty * price * 50 <= max(equity, 0)
        assert (qty > 0) == (risk.state[0]["last_reason"] == c.R_OK)


BAD = {
    "led_equity": [0, -5, 2**62],
    "price": [0, -1, 2**60],
    "direction": [0, 2, -3],
    "score_abs": [np.nan, np.inf, -0.1],
    "atr_ticks": [np.nan, np.inf, 0.0, -1.0],
    "sigma_year": [np.nan, np.inf, 0.0, -1.0],
    "cost_fraction": [np.nan, np.inf, -0.001, 1.0],
    "pos_qty": [2**61, -(2**61)],
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_known_is_refused(name):
    risk, spec = scene()
    for value in BAD[name]:
        x = explain()
        assert size(risk, spec, x, **{name: value}) == (0, c.R_UNCHECKED), value
        assert np.isnan(x[ex.EX_QTY])
    spec["money_mult"] = 0
    assert size(risk, spec) == (0, c.R_UNCHECKED)


def test_no_score_no_size():
    assert size(*scene(), score_abs=0.0) == (0, c.R_ZERO_SIZE)
    x = explain()
    size(*scene(), x, score_abs=7.0)
    assert x[ex.EX_F_CONFIDENCE] == 1.0


def test_after_a_hard_stop_nothing_is_sized():
    risk, spec = scene()
    risk.state["halted"] = c.R_DRAWDOWN_HARD
    assert size(risk, spec) == (0, c.R_DRAWDOWN_HARD)
    risk.state["halted"] = 0
    risk.state["dd_factor"] = 0.0
    assert size(risk, spec) == (0, c.R_ZERO_SIZE)


def test_spot_is_not_sold_short():
    risk, spec = scene(kind=SPOT)
    assert size(risk, spec, direction=-1) == (0, c.R_SHORT_SPOT)
    assert size(risk, spec, direction=1)[0] > 0
    assert size(*scene(), direction=-1)[0] > 0


def test_order_cap_is_exact():
    # 2 % of 100 000 000 is 2 000 000 units; at a price of 50 000 that is 40 lots
    risk, spec = scene()
    assert size(risk, spec)[0] == 40
    assert size(risk, spec, led_equity=EQUITY - 1)[0] == 39


def test_position_cap_counts_what_is_held_and_pending():
    risk, spec = scene(max_order=1.0)
    assert size(risk, spec, pos_qty=15)[0] == 25
    assert size(risk, spec, pos_qty=-15)[0] == 40  # the other way: the position limit of its own side
    assert size(risk, spec, pos_qty=40) == (0, c.R_MAX_POSITION)
    risk.instr["pending_exposure"] = 5 * PRICE
    assert size(risk, spec, pos_qty=15)[0] == 20


def test_asset_cap_sums_instruments_of_one_asset():
    risk, spec = scene(3, max_order=1.0, max_position=1.0)
    risk.instr["asset"] = [0, 1, 0]
    risk.instr["sigma_year"] = 0.6
    risk.instr["exposure"] = [0, 70 * PRICE, 90 * PRICE]
    assert size(risk, spec)[0] == 10  # 5 % is 100 lots
    risk.instr["pending_exposure"] = [0, 0, 10 * PRICE]
    assert size(risk, spec) == (0, c.R_MAX_ASSET)


def test_heat_cap():
    risk, spec = scene(2, **{**WIDE, "max_heat": 0.25})
    risk.instr["sigma_year"][1] = 1.0
    risk.instr["exposure"][1] = 25_000_000 - 300 * PRICE  # heat 0.25 less 0.15
    x = explain()
    qty, _ = size(risk, spec, x, sigma_year=0.5)
    assert x[ex.EX_CAP_HEAT] == pytest.approx(600 * 500)
    assert qty in (599, 600)
    assert x[ex.EX_HEAT] <= 0.25 * (1 + 1e-12)
    risk.instr["exposure"][1] = 25_000_000
    assert size(risk, spec) == (0, c.R_HEAT)
    for unknown in (np.nan, 0.0, -1.0):
        risk.instr["sigma_year"][1] = unknown
        assert size(risk, spec) == (0, c.R_UNCHECKED)


def test_open_risk_cap():
    risk, spec = scene(2, **{**WIDE, "max_open_risk": 0.01, "kelly_fraction": 1.0})
    risk.instr["sigma_year"][1] = 0.1
    risk.instr["exposure"][1] = 10 * PRICE
    risk.instr["open_risk"][1] = 1_000_000 - 100 * 500  # room for 100 lots with a stop 500 ticks away
    assert size(risk, spec)[0] == 100
    risk.instr["open_risk"][1] = 1_000_000
    assert size(risk, spec) == (0, c.R_OPEN_RISK)
    # a held position without a stop counts whole
    risk.instr["open_risk"][1] = 0
    assert size(risk, spec, pos_qty=19)[0] == 100
    risk.instr["stop"][0] = PRICE - 100
    risk.params["max_open_risk"] = 0.005
    assert size(risk, spec, pos_qty=19)[0] == (500_000 - 19 * 100) // 500


def test_leverage_cap_leaves_room_for_costs():
    risk, spec = scene(2, **{**WIDE, "max_leverage": 1.0})
    risk.instr["sigma_year"][1] = 0.1
    risk.instr["exposure"][1] = EQUITY - 100 * PRICE
    assert size(risk, spec)[0] == 99
    risk.instr["exposure"][1] = EQUITY
    assert size(risk, spec) == (0, c.R_LEVERAGE)


def test_rules_of_the_instrument():
    risk, spec = scene()
    spec["max_qty"] = 7
    assert size(risk, spec)[0] == 7
    spec["max_qty"] = 10**9
    spec["min_qty"] = 41
    assert size(risk, spec) == (0, c.R_MIN_QTY)
    spec["min_qty"] = 1
    spec["min_notional"] = 40 * PRICE
    assert size(risk, spec)[0] == 40
    spec["min_notional"] += 1
    assert size(risk, spec) == (0, c.R_MIN_NOTIONAL)
    spec["min_notional"] = 0
    risk.params["min_notional_money"] = 40 * PRICE + 1
    assert size(risk, spec) == (0, c.R_MIN_NOTIONAL)
    assert size(*scene(), led_equity=50 * PRICE - 1) == (0, c.R_MAX_ORDER)  # 2 % is less than a lot


@pytest.mark.parametrize("how", ["compiled", "plain"])
def test_stops_stand_on_the_right_sides(how):
    bracket = bracket_nb if how == "compiled" else plain(bracket_nb)
    risk, _ = scene()
    rng = np.random.default_rng(6)
    for _ in range(3_000):
        entry = int(10 ** rng.uniform(0.4, 15))
        atr = entry * 10 ** rng.uniform(-8, 2)
        way = int(rng.choice([1, -1]))
        stop, target = bracket(risk.params[0], way, entry, atr)
        risked, gained = way * (entry - stop), way * (target - entry)
        assert risked >= 1
        assert gained >= 1
        assert risked <= max(1, entry // 20)
        assert abs(gained - 1.5 * risked) <= 0.5
        assert abs(risked - 2 * atr) <= 1 or risked in (1, entry // 20)


def test_stops_kernel_writes_or_refuses():
    risk, spec = scene()
    out = np.zeros(2, np.int64)
    assert stops_nb(spec, 0, 1, PRICE, 250.0, risk.params, out) == c.R_OK
    assert out.tolist() == [49_500, 50_750]
    assert plain(stops_nb)(spec, 0, -1, PRICE, 250.0, risk.params, out) == c.R_OK
    assert out.tolist() == [50_500, 49_250]
    assert stops_nb(spec, 0, 1, PRICE, 1e9, risk.params, out) == c.R_OK
    assert out.tolist() == [47_500, 53_750]  # the emergency stop
    for bad in ((0, PRICE, 1.0), (1, 1, 1.0), (1, 2**60, 1.0), (1, PRICE, np.nan), (1, PRICE, 0.0)):
        assert stops_nb(spec, 0, *bad, risk.params, out) == c.R_UNCHECKED
        assert out.tolist() == [0, 0]
    spec["money_mult"] = 0
    assert stops_nb(spec, 0, 1, PRICE, 250.0, risk.params, out) == c.R_UNCHECKED


def test_short_target_stays_above_zero():
    risk, _ = scene(target_r=100.0, emergency_stop=0.5)
    assert bracket_nb(risk.params[0], -1, 100, 20.0) == (140, 1)
