"""Ichimoku against brute force over whole windows."""

import numpy as np
import pytest

from bot4.features.ichimoku import cloud_ahead
from bot4.features.library import get
from bot4.features.plan import run_feature
from helpers.planted import rows_of_closes, walk


def middle(rows: np.ndarray, n: int) -> np.ndarray:
    """(highest high + lowest low) / 2 of n bars, NaN before."""
    windows = np.lib.stride_tricks.sliding_window_view
    out = np.full(len(rows), np.nan)
    out[n - 1 :] = (windows(rows[:, 1], n).max(axis=1) + windows(rows[:, 2], n).min(axis=1)) / 2.0
    return out


def later(x: np.ndarray, d: int) -> np.ndarray:
    """x drawn d bars to the right."""
    return np.concatenate((np.full(d, np.nan), x[:-d]))


def check(name: str, rows: np.ndarray) -> None:
    feature = get(name)
    short, mid, long, d = map(int, feature.params)
    out = run_feature(feature, rows)
    tenkan, kijun, lead_b = middle(rows, short), middle(rows, mid), middle(rows, long)
    lead_a = (tenkan + kijun) / 2.0
    close = rows[:, 3]
    wanted = (tenkan, kijun, later(lead_a, d), later(lead_b, d), close - later(close, d), lead_a, lead_b)
    for k, line in enumerate(wanted):
        np.testing.assert_array_equal(out[:, k], line)


@pytest.mark.jit
def test_lines_equal_brute_force_exactly_on_1e5_bars():
    check("ichimoku", walk(100_000, 1))


@pytest.mark.parametrize("name", ["ichimoku", "ichimoku_20_60_120_30", "ichimoku_1_1_1_1"])
def test_lines_equal_brute_force_for_other_windows(name):
    check(name, walk(400, 2))


def test_support_and_resistance_are_the_nearest_lines():
    rows = walk(400, 3)
    out = run_feature(get("ichimoku"), rows)
    for i in range(100, 400):
        lines = out[i, :4]
        below, above = lines[lines <= rows[i, 3]], lines[lines > rows[i, 3]]
        np.testing.assert_equal(out[i, 8], below.max() if len(below) else np.nan)
        np.testing.assert_equal(out[i, 9], above.min() if len(above) else np.nan)


def test_a_rising_line_scores_100_a_falling_one_0_and_a_flat_one_50():
    line = np.arange(1.0, 201.0)
    for closes, score in ((100.0 + line, 100.0), (400.0 - line, 0.0), (np.full(200, 7.0), 50.0)):
        out = run_feature(get("ichimoku"), rows_of_closes(closes))
        assert np.isnan(out[:77, 7]).all()
        assert (out[77:, 7] == score).all()


def test_strength_by_hand():
    """Five parts, each read off the lines of one bar."""
    rows = walk(300, 4)
    out = run_feature(get("ichimoku"), rows)
    for i in (120, 200, 299):
        t, k, a, b, lag, la, lb = out[i, :7]
        close = rows[i, 3]
        top, foot = max(a, b), min(a, b)
        beyond = close - top if close > top else min(close - foot, 0.0)
        width = rows[i - 25 : i + 1, 1].max() - rows[i - 25 : i + 1, 2].min()
        parts = [10 + 10 * np.sign(v) for v in (beyond, t - k, la - lb, lag)]
        assert out[i, 7] == pytest.approx(sum(parts) + 10 + 10 * np.clip(beyond / width, -1, 1))


@pytest.mark.parametrize("bars", [1, 30, 60, 300])
def test_the_cloud_ahead_is_what_the_next_bars_show(bars):
    feature = get("ichimoku")
    rows = walk(340, 5)
    state = feature.new_state()
    run_feature(feature, rows[:bars], state)
    ahead = cloud_ahead(feature.params, state)
    shown = run_feature(feature, rows)[bars : bars + 26, 2:4]
    np.testing.assert_array_equal(ahead, shown)
