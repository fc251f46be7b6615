"""Bounds that hold for every equity curve and every list of fills."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.model import codes_nb as c
from bot4.model.events import EQUITY_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.research import metrics as m
from bot4.research.record import RunRecord
from bot4.research.report.axes import domain, number_ticks, thin, time_ticks

INSTRUMENT = {
    "symbol": "X",
    "venue": "v",
    "base": "X",
    "quote": "Y",
    "kind": "perp",
    "tick": "0.1",
    "lot": "0.001",
    "min_qty": "0.001",
    "max_qty": "100",
    "min_notional": "5",
    "inferred": False,
}
MULT = 10**4

equities = st.lists(st.integers(1, 10**15), min_size=1, max_size=60)
gaps = st.integers(1, 40 * m.DAY_NS)


@settings(max_examples=60, deadline=None)
@given(equities, gaps, st.integers(-(10**15), 10**15))
def test_figures_are_in_their_bounds_and_json_safe(values, gap, last):
    equity = np.zeros(len(values) + 1, EQUITY_DTYPE)
    equity["ts"] = 10**18 + np.arange(len(values) + 1) * gap
    equity["equity"] = [*values, last]  # ruin included
    s = m.summary_metrics(RunRecord(meta={"money_exp": 8}, equity=equity))
    json.dumps(s, allow_nan=False)
    assert s["max_drawdown"] >= 0.0
    if last > 0:
        assert s["max_drawdown"] <= 1.0
        assert s["total_return"] >= -1.0
    if s["sharpe_probability"] is not None:
        assert 0.0 <= s["sharpe_probability"] <= 1.0
    assert s["volatility"] is None or s["volatility"] >= 0.0


@settings(max_examples=60, deadline=None)
@given(equities, st.integers(1, 10**6))
def test_no_figure_depends_on_the_unit_of_money(values, unit):
    ts = np.arange(len(values)) * m.DAY_NS
    one, many = np.array(values, np.float64), np.array(values, np.float64) * unit
    a, b = m.max_drawdown(ts, one), m.max_drawdown(ts, many)
    assert abs(a.depth - b.depth) < 1e-9
    ra, rb = m.sharpe(m.returns_of(one), 365.0), m.sharpe(m.returns_of(many), 365.0)
    assert (ra is None) == (rb is None)


fills = st.lists(
    st.tuples(
        st.sampled_from([1, -1]), st.integers(1, 10**7), st.integers(1, 10**4), st.integers(-999, 10**6)
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(fills)
def test_round_trips_conserve_money_and_fees(rows):
    """Closed trades and the open position hold all cash flow and all fees, to the unit."""
    events, orders = np.zeros(len(rows), EVENT_DTYPE), np.zeros(len(rows), ORDER_DTYPE)
    position = cash = 0
    for i, (side, price, qty, fee) in enumerate(rows):
        events[i]["kind"], events[i]["x"], events[i]["ts_local"] = c.EV_FILL, i, i
        events[i]["price"], events[i]["qty"], events[i]["y"] = price, qty, fee
        orders[i]["id"], orders[i]["side"], orders[i]["purpose"] = i, side, c.FOR_QUOTE
        position += side * qty
        cash -= side * price * qty
    r = RunRecord(meta={"money_exp": 8, "instruments": [INSTRUMENT]}, fills=events, orders=orders)
    trips = r.round_trips
    held = sum(o.lots for o in trips.open)
    assert held == position
    assert int(trips.trades["fees"].sum()) + sum(o.fees for o in trips.open) == r.fees()
    assert np.array_equal(trips.trades["pnl"], trips.trades["gross"] - trips.trades["fees"])
    assert np.all(trips.trades["exit_ts"] >= trips.trades["entry_ts"])
    if position == 0:
        assert int(trips.trades["gross"].sum()) == cash * MULT


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=400), st.integers(4, 50))
def test_thinning_keeps_ends_and_extremes(values, limit):
    v = np.array(values)
    keep = thin(v, limit)
    assert len(keep) <= max(limit, 4)
    assert keep[0] == 0
    assert keep[-1] == len(v) - 1
    assert np.all(np.diff(keep) > 0)
    if np.isfinite(v).any():
        assert np.nanmax(v[keep]) == np.nanmax(v)
        assert np.nanmin(v[keep]) == np.nanmin(v)


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(2, 10))
def test_number_ticks_are_inside_and_few(low, width, n):
    low, high = domain(np.array([low, low + width]))
    ticks, decimals = number_ticks(low, high, n)
    air = (high - low) * 1e-6
    assert all(low - air <= t <= high + air for t in ticks)
    assert 2 <= len(ticks) <= 3 * n + 3
    assert 0 <= decimals <= 12


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4 * 10**18), st.integers(1, 10**18), st.integers(2, 12))
def test_time_ticks_are_inside_in_order_and_few(start, width, n):
    ticks = time_ticks(start, start + width, n)
    at = [t.at for t in ticks]
    assert at == sorted(set(at))
    assert all(start - 1e3 <= a <= start + width + 1e3 for a in at)
    assert len(ticks) <= n + 2
