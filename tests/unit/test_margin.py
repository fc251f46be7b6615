"""Liquidation: the distance in the risk layer and the simulated venue's own rule, each beside an exact oracle."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from risk_scene import plain

from bot4.ledger.state import POSITION_DTYPE
from bot4.model.codes_nb import BUY, EV_LIQUIDATED, R_LIQUIDATION_NEAR, R_OK, R_UNCHECKED, SELL
from bot4.model.events import EVENT_DTYPE, INSTRUMENT_DTYPE
from bot4.quality import second_nb as gate
from bot4.risk import margin_nb as m
from bot4.risk.state import default_params
from bot4.venues.simulator import liquidation_nb as sim_rule
from bot4.venues.simulator import state_nb as s
from bot4.venues.simulator.make import SimParams, new_sim
from bot4.venues.simulator.sim_nb import sim_pop_reply_nb

RATES = st.integers(100_000, 20_000_000)  # 0.1 % to 20 %
FORMS = [lambda k: k, plain]


def spec_of(rates, kind=1, mult=3):
    spec = np.zeros(len(rates), INSTRUMENT_DTYPE)
    spec["money_mult"], spec["kind"], spec["maintenance"] = mult, kind, rates
    return spec


def held(*rows):
    """Positions of (lots, mark, average entry)."""
    positions = np.zeros(len(rows), POSITION_DTYPE)
    for row, (qty, mark, average) in zip(positions, rows):
        row["qty"], row["mark"], row["cost"] = qty, mark, qty * average * 3
    return positions


# --- the distance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@given(
    qty=st.integers(-(10**6), 10**6).filter(bool),
    mark=st.integers(1, 10**7),
    equity=st.integers(1, 10**13),
    others=st.integers(0, 10**12),
    rate=RATES,
)
@example(qty=1000, mark=50_000, equity=30_000_000, others=0, rate=1_000_000)
def test_at_the_cross_price_equity_is_the_maintenance_margin(form, qty, mark, equity, others, rate):
    price = Fraction(form(m.cross_price_nb)(qty, mark, 3, rate, equity, others))
    there = equity + qty * 3 * (price - mark)
    needed = others + Fraction(rate, 10**8) * abs(qty) * 3 * price
    size = max(equity, others, abs(qty) * mark * 3)
    assert abs(there - needed) <= size * Fraction(1, 10**9)


@pytest.mark.parametrize("form", FORMS)
def test_binance_s_own_formula_gives_the_same(form):
    """LP = (WB - TMM1 + UPNL1 + cum - side x size x EP) / (size x MMR - side x size), in coins and quote."""
    wallet, others_needed, others_profit = 1_535_443.01, 71_200.81144, -56_354.57
    size, entry, rate, side = 109.488, 32_481.980, 0.025, -1
    binance = (wallet - others_needed + others_profit - side * size * entry) / (size * rate - side * size)
    mark = 31_967.27
    equity = wallet + others_profit + side * size * (mark - entry)
    ticks = form(m.cross_price_nb)(
        -109_488, 3_196_727, 1, 2_500_000, round(equity * 1e5), round(others_needed * 1e5)
    )
    assert ticks / 100 == pytest.approx(binance, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("leverage", [1, 3, 20])
def test_the_isolated_price_is_where_margin_and_profit_equal_maintenance(form, side, leverage):
    price = form(m.isolated_price_nb)(side * 7, 50_000.0, float(leverage), 1_000_000)
    assert 50_000 / leverage + side * (price - 50_000) == pytest.approx(0.01 * price, abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_distance_of_long_and_short(form):
    assert form(m.distance_nb)(5, 100, 90.0) == pytest.approx(0.1)
    assert form(m.distance_nb)(-5, 100, 130.0) == pytest.approx(0.3)
    assert form(m.distance_nb)(5, 100, 120.0) < 0  # would be liquidated now


@pytest.mark.parametrize("form", FORMS)
def test_an_order_is_judged_by_what_it_does_to_each_position(form):
    params = default_params(min_distance=0.3)[0]
    spec = spec_of([1_000_000, 1_000_000])
    check = form(m.liquidation_check_nb)
    short = held((-1000, 100_000, 100_000), (0, 100_000, 0))  # 300 M on `cash` less its proceeds
    money = 120_000_000 + 300_000_000
    assert check(params, spec, short, money, 1, 100, 100_000, 0) == R_OK
    assert check(params, spec, short, money, 1, -2_000, 100_000, 0) == R_LIQUIDATION_NEAR
    assert check(params, spec, short, money, 0, 500, 100_000, 0) == R_OK  # a hedge: farther away than before
    near = 50_000_000 + 300_000_000
    assert check(params, spec, short, near, 0, 500, 100_000, 0) == R_OK  # below already, but better
    assert check(params, spec, short, near, 0, -1, 100_000, 0) == R_LIQUIDATION_NEAR
    assert check(params, spec, short, money, 1, 1, 0, 0) == R_UNCHECKED
    params["min_distance"] = np.nan
    assert check(params, spec, short, money, 1, 1, 100_000, 0) == R_UNCHECKED


@pytest.mark.parametrize("form", FORMS)
def test_spot_answers_for_nothing_and_is_not_liquidated(form):
    params = default_params(min_distance=1.0)[0]
    spec = spec_of([1_000_000, 1_000_000])
    spec["kind"] = [0, 1]
    rows = held((10**6, 100_000, 100_000), (0, 100_000, 0))
    assert form(m.liquidation_check_nb)(params, spec, rows, 10**8, 0, 10**6, 100_000, 0) == R_OK
    assert form(m.pool_nb)(spec, rows, 10**8, 1, 0, 100_000) == (10**8, 0)


@pytest.mark.parametrize("form", FORMS)
def test_the_average_entry_of_more_of_less_and_of_the_other_side(form):
    (row,) = held((100, 120, 100))
    assert form(m.average_nb)(row, 3, 100, 200) == 150.0
    assert form(m.average_nb)(row, 3, -50, 200) == 100.0
    assert form(m.average_nb)(row, 3, -150, 200) == 200.0


# --- the simulated venue ---------------------------------------------------------------------------------


def venue(margin, cash, rows, spec, leverage=1):
    """A bar-mode venue that holds rows of (lots, entry) at their entries as last prices."""
    state = new_sim(len(rows), spec, SimParams(bars=True, margin=margin, cash=cash, leverage=leverage), 1)
    sim = state.core[0]
    for k, (lots, entry) in enumerate(rows):
        sim["held"][0, k] = lots
        sim["meta"][k, s.M_COST] = lots * entry
        sim["meta"][k, s.M_PRICE] = entry
    return state, sim


@pytest.mark.parametrize("form", FORMS)
@given(
    lots=st.integers(-(10**4), 10**4).filter(bool),
    entry=st.integers(100, 10**6),
    price=st.integers(1, 10**7),
    leverage=st.integers(1, 20),
    rate=RATES,
)
def test_an_isolated_position_fails_by_its_own_margin_and_loses_just_that(
    form, lots, entry, price, leverage, rate
):
    spec = spec_of([rate])
    cash = 10**15
    state, sim = venue(s.MARGIN_ISOLATED, cash, [(lots, entry)], spec, leverage)
    margin = abs(lots) * entry * 3 // leverage
    equity = margin + lots * (price - entry) * 3
    needed = -(-Fraction(rate, 10**8) * abs(lots) * price * 3 // 1)
    fails = equity <= needed
    assert bool(form(sim_rule.fails)(sim, spec, 0, price)) == fails
    assert bool(form(sim_rule.liquidate)(sim, spec, 0, price)) == fails
    out = np.zeros(1, EVENT_DTYPE)
    assert sim_pop_reply_nb(state, out, 0) == fails
    if not fails:
        return
    told = out[0]
    assert (told["kind"], told["qty"], told["x"]) == (EV_LIQUIDATED, abs(lots), SELL if lots > 0 else BUY)
    realised = lots * (int(told["price"]) - entry) * 3 - int(told["y"])
    assert realised == -margin or int(told["price"]) == 1  # the margin, to the unit
    assert sim["held"][0, 0] == 0
    assert int(sim["ctl"][s.C_CASH]) == cash + lots * int(told["price"]) * 3 - int(told["y"])


@pytest.mark.parametrize("form", FORMS)
@given(
    first=st.integers(-(10**4), 10**4).filter(bool),
    second=st.integers(-(10**4), 10**4),
    price=st.integers(1, 10**6),
    equity=st.integers(1, 10**10),
    rate=RATES,
)
def test_cross_positions_fail_together_and_leave_nothing_and_no_debt(
    form, first, second, price, equity, rate
):
    spec = spec_of([rate, rate])
    rows = [(first, 50_000), (second, 70_000)]
    cash = equity - sum(lots * entry * 3 for lots, entry in rows)
    _, sim = venue(s.MARGIN_CROSS, cash, rows, spec)
    there = equity + first * (price - 50_000) * 3
    needed = sum(
        -(-Fraction(rate, 10**8) * abs(q) * p * 3 // 1) for q, p in ((first, price), (second, 70_000))
    )
    fails = there <= needed
    assert bool(form(sim_rule.liquidate)(sim, spec, 0, price)) == fails
    if fails:
        assert sim["held"][0].tolist() == [0, 0]
        assert int(sim["ctl"][s.C_CASH]) == 0  # all of it, and no debt


@pytest.mark.parametrize("form", FORMS)
def test_without_margin_nothing_is_looked_at(form):
    spec = spec_of([1_000_000])
    _, sim = venue(s.MARGIN_NONE, 0, [(-10, 100)], spec)
    assert not form(sim_rule.fails)(sim, spec, 0, 10**6)
    spot = spec_of([1_000_000], kind=0)
    _, sim = venue(s.MARGIN_CROSS, 0, [(10, 100)], spot)
    assert not form(sim_rule.fails)(sim, spot, 0, 1)


# --- the price gate --------------------------------------------------------------------------------------

ROW = np.dtype([(name, "<i8") for name in ("mark", "second", "second_ts", "doubt", "doubted")])
WAIT = 5


def row_of(**fields):
    row = np.zeros(1, ROW)
    for name, value in fields.items():
        row[name] = value
    return row[0]


def oracle(row, price, ts, move):
    """The rule in words: (verdict, doubt) for a row that is not changed."""
    near = lambda a, b: max(a, b) <= min(a, b) * (1 + move)  # noqa: E731
    asked = row["second"] > 0 and ts - row["second_ts"] <= WAIT
    if row["mark"] > 0 and near(row["mark"], price):
        return gate.GATE_PASS
    if row["mark"] == 0 and not asked:
        return gate.GATE_PASS
    if asked:
        return gate.GATE_CONFIRMED if near(row["second"], price) else gate.GATE_DOUBT
    stood = row["doubt"] > 0 and near(row["doubted"], price) and ts - row["doubt"] >= WAIT
    return gate.GATE_CONFIRMED if stood else gate.GATE_DOUBT


@pytest.mark.parametrize("form", FORMS)
@given(
    mark=st.sampled_from([0, 100, 5_000]),
    second=st.sampled_from([0, 95, 5_100]),
    second_ts=st.integers(1, 20),
    doubt=st.sampled_from([0, 3, 9]),
    doubted=st.sampled_from([100, 5_000]),
    price=st.sampled_from([90, 119, 125, 4_900, 5_000]),
    ts=st.integers(10, 20),
)
def test_the_gate_is_the_rule_in_words(form, mark, second, second_ts, doubt, doubted, price, ts):
    row = row_of(mark=mark, second=second, second_ts=second_ts, doubt=doubt, doubted=doubted)
    wanted = oracle(row, price, ts, 0.2)
    assert form(gate.price_gate_nb)(row, price, ts, 0.2, WAIT) == wanted
    assert (row["doubt"] != 0) == (wanted == gate.GATE_DOUBT)
    assert form(gate.price_gate_nb)(row_of(mark=100), 10**6, 10, 0.0, WAIT) == gate.GATE_PASS  # turned off


@pytest.mark.parametrize("form", FORMS)
def test_a_doubted_price_that_moves_on_begins_its_time_anew(form):
    row = row_of(mark=100)
    ask = form(gate.price_gate_nb)
    assert ask(row, 5_000, 10, 0.2, WAIT) == gate.GATE_DOUBT
    assert ask(row, 9_000, 14, 0.2, WAIT) == gate.GATE_DOUBT
    assert ask(row, 9_100, 18, 0.2, WAIT) == gate.GATE_DOUBT
    assert ask(row, 9_200, 19, 0.2, WAIT) == gate.GATE_CONFIRMED
