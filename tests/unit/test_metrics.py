"""Metrics by hand, by numpy, and by scipy where it is installed."""

import json
import math
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from bot4.research import metrics as m

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import fabricate

DAY = m.DAY_NS
R = np.array([0.01, -0.02, 0.015, 0.003, -0.004, 0.02, -0.011, 0.007])


def test_total_return_and_growth_by_hand():
    ts = np.array([0, 365 * DAY])
    assert m.total_return(np.array([100, 121])) == pytest.approx(0.21)
    assert m.cagr(ts, np.array([100, 121])) == pytest.approx(0.21)
    assert m.cagr(ts * 2, np.array([100, 121])) == pytest.approx(0.10)


def test_growth_is_not_claimed_where_it_is_not_defined():
    assert m.cagr(np.array([0, 29 * DAY]), np.array([100, 200])) is None
    assert m.cagr(np.array([0, 60 * DAY]), np.array([100, 0])) is None
    assert m.cagr(np.array([0, 60 * DAY]), np.array([1e-300, 1e300])) is None
    assert m.cagr(np.array([0]), np.array([100])) is None
    assert m.total_return(np.array([])) is None
    assert m.total_return(np.array([0, 5])) is None


def test_sharpe_volatility_and_sortino_against_numpy():
    year = 365.0
    assert m.volatility(R, year) == pytest.approx(np.std(R, ddof=1) * np.sqrt(365))
    assert m.sharpe(R, year) == pytest.approx(R.mean() / R.std(ddof=1) * np.sqrt(365))
    down = np.sqrt((np.array([0.02, 0.004, 0.011]) ** 2).sum() / 8)
    assert m.sortino(R, year) == pytest.approx(R.mean() / down * np.sqrt(365))


def test_probabilistic_sharpe_by_hand():
    """Symmetric returns: skewness nil; moments from their definitions, Phi from the standard library."""
    r = np.array([-0.01, 0.03, 0.01, -0.01, 0.03, 0.01])
    deviation = math.sqrt(4 * 0.02**2 / 6)
    kurt = (4 * 0.02**4 / 6) / deviation**4
    sr = 0.01 / (deviation * math.sqrt(6 / 5))
    z = sr * math.sqrt(5) / math.sqrt(1 + (kurt - 1) / 4 * sr**2)
    assert m.probabilistic_sharpe(r, 365.0) == pytest.approx(NormalDist().cdf(z))


def test_probabilistic_sharpe_against_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the extra `ml`")
    sr = R.mean() / R.std(ddof=1)
    skew, kurt = stats.skew(R), stats.kurtosis(R, fisher=False)
    for annual in (0.0, 2.0):
        z = (sr - annual / np.sqrt(365)) * np.sqrt(7) / np.sqrt(1 - skew * sr + (kurt - 1) / 4 * sr**2)
        assert m.probabilistic_sharpe(R, 365.0, annual) == pytest.approx(stats.norm.cdf(z))
    error = np.sqrt((1 - skew * sr + (kurt - 1) / 4 * sr**2) / 7 * 365)
    assert m.sharpe_error(R, 365.0) == pytest.approx(error)


@pytest.mark.parametrize("returns", [[], [0.01], [0.0, 0.0, 0.0], [0.01] * 50, [0.01, np.nan, 0.02]])
def test_ratios_without_variance_are_none(returns):
    r = np.array(returns)
    assert m.sharpe(r, 365.0) is None
    assert m.probabilistic_sharpe(r, 365.0) is None
    assert m.sharpe_error(r, 365.0) is None
    if len(r) < 2 or not np.isfinite(r).all() or (r >= 0).all():
        assert m.sortino(r, 365.0) is None


def test_drawdown_depth_and_duration_by_hand():
    ts = np.array([0, 1, 2, 3, 4, 5, 6, 7]) * DAY
    fall = m.max_drawdown(ts, np.array([100, 120, 90, 110, 120, 130, 125, 126]))
    assert fall.depth == pytest.approx(0.25)
    assert (fall.peak, fall.trough) == (1, 2)
    assert fall.longest_ns == 3 * DAY  # 120 at day 1, again at day 4
    unrecovered = m.max_drawdown(ts, np.array([100, 120, 90, 95, 100, 105, 110, 115]))
    assert unrecovered.longest_ns == 6 * DAY
    rising = m.max_drawdown(ts, np.arange(1, 9))
    assert (rising.depth, rising.longest_ns) == (0.0, 0)
    assert m.max_drawdown(np.array([]), np.array([])) is None
    assert m.drawdowns(np.array([])).size == 0
    assert m.drawdowns(np.array([-5.0, -6.0])).tolist() == [0.0, 0.0]
    assert m.drawdowns(np.array([10.0, -5.0]))[1] == pytest.approx(1.5)


def test_resampling_takes_the_last_known_value_and_covers_the_span():
    ts = np.array([0, 10, 25, 30, 40])
    values, step = m.resample(ts, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 10)
    assert step == 10.0
    assert values.tolist() == [1.0, 2.0, 2.0, 4.0, 5.0]
    values, step = m.resample(ts, np.arange(5.0), 15)
    assert len(values) == 4
    assert step == pytest.approx(40 / 3)
    assert values[-1] == 4.0
    assert m.resample(np.array([7]), np.array([3.0]), 10)[0].tolist() == [3.0]
    assert m.resample(np.array([]), np.array([]), 10)[0].size == 0


def test_the_step_follows_the_span_and_never_beats_the_samples():
    minute = np.arange(0, 40 * DAY, m.HOUR_NS)
    assert m.resample_step(minute) == DAY
    assert m.resample_step(minute[:100]) == m.HOUR_NS
    assert m.resample_step(minute[:10] // 60) == m.MINUTE_NS
    assert m.resample_step(np.arange(10) * 4 * m.HOUR_NS) == 4 * m.HOUR_NS
    assert m.resample_step(np.arange(10) * m.HOUR_NS // 4 * 3) == 45 * m.MINUTE_NS
    assert m.resample_step(np.array([1])) == m.MINUTE_NS


def test_returns_end_at_ruin():
    assert m.returns_of(np.array([100.0, 50.0, 0.0, 10.0])).tolist() == [-0.5, -1.0]
    assert m.returns_of(np.array([100.0, 110.0, np.nan, 10.0])) == pytest.approx([0.1])
    assert m.returns_of(np.array([100.0])).size == 0


def test_trade_figures_by_hand():
    pnl = np.array([10.0, -4.0, 0.0, 6.0])
    assert m.profit_factor(pnl) == pytest.approx(4.0)
    assert m.win_rate(pnl) == 0.5
    assert m.expectancy(pnl) == 3.0
    assert m.profit_factor(np.array([1.0])) is None
    assert m.win_rate(np.array([])) is None
    assert m.expectancy(np.array([])) is None


def test_time_mean_weighs_by_holding_time():
    assert m.time_mean(np.array([0, 10, 40]), np.array([1.0, 0.0, 9.0])) == 0.25
    assert m.time_mean(np.array([5]), np.array([3.0])) == 3.0
    assert m.time_mean(np.array([]), np.array([])) is None


def test_calmar():
    assert m.calmar(0.2, 0.1) == pytest.approx(2.0)
    assert m.calmar(0.2, 0.0) is None
    assert m.calmar(None, 0.1) is None


def test_months_compound_to_the_total_and_quiet_months_stand():
    ts = np.array(["2024-01-15", "2024-01-31", "2024-02-10", "2024-04-02"], "datetime64[ns]").astype(np.int64)
    rows = m.monthly_returns(ts, np.array([100.0, 110.0, 99.0, 198.0]))
    assert [(r.year, r.month) for r in rows] == [(2024, 1), (2024, 2), (2024, 3), (2024, 4)]
    assert [r.value for r in rows] == pytest.approx([0.1, -0.1, 0.0, 1.0])
    assert math.prod(1 + r.value for r in rows) == pytest.approx(1.98)
    across = np.array(["2023-12-31T23:59", "2024-01-01T00:00"], "datetime64[ns]").astype(np.int64)
    assert [(r.year, r.month) for r in m.monthly_returns(across, np.array([1.0, 2.0]))] == [
        (2023, 12),
        (2024, 1),
    ]
    assert m.monthly_returns(np.array([]), np.array([])) == []
    assert m.monthly_returns(across, np.array([0.0, 2.0]))[1].value is None


def test_summary_of_a_run_is_json_and_agrees_with_its_books():
    r = fabricate.record(days=40)
    s = m.summary_metrics(r)
    json.dumps(s, allow_nan=False)
    assert s["pnl_net"] == pytest.approx(s["end_equity"] - s["start_equity"])
    assert s["pnl_gross"] - s["costs"]["fees"] - s["costs"]["funding"] == pytest.approx(s["pnl_net"])
    assert s["trades"] == len(r.trades)
    assert s["wins"] == int((r.trades["pnl"] > 0).sum())
    assert s["returns_step"] == "daily"
    daily = r.equity["equity"][::288].astype(float)
    assert s["sharpe"] == pytest.approx(m.sharpe(np.diff(daily) / daily[:-1], 365.0), abs=0.5)
    assert s["max_drawdown"] == pytest.approx(r.equity["drawdown"].max())
    assert 0 < s["exposure_share"] < 1
    assert s["refused"] == sum(r.refusals.values())


def test_summary_of_nothing_and_of_one_sample():
    s = m.summary_metrics(fabricate.empty())
    json.dumps(s, allow_nan=False)
    assert s["total_return"] is None
    assert s["sharpe"] is None
    assert s["trades"] == 0
    r = fabricate.record(days=1)
    r.equity = r.equity[:1]
    one = m.summary_metrics(r)
    json.dumps(one, allow_nan=False)
    assert one["total_return"] == 0.0
    assert one["sharpe"] is None
    assert one["turnover_times_year"] is None
