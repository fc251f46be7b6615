"""Labels and the time they look at."""

import numpy as np
import pytest

from bot4.learning.labels import fixed_horizon, triple_barrier
from bot4.learning.labels_nb import triple_barrier_nb
from bot4.model.errors import DataError

TF = 60


def times(n, missing=()):
    return np.array([1000 * TF + i * TF for i in range(n) if i not in missing], np.int64)


def test_fixed_horizon_by_hand():
    close = np.array([10.0, 11.0, 10.0, 10.0, 12.0])
    labels = fixed_horizon(times(5), close, timeframe_ns=TF, horizon_bars=2)
    assert labels.row.tolist() == [0, 1, 2]  # the last two look beyond the data
    assert labels.y.tolist() == [0, 0, 1]  # an unchanged close is not a rise
    assert labels.ret == pytest.approx([0.0, 10 / 11 - 1, 0.2])
    assert labels.t0.tolist() == [1001 * TF, 1002 * TF, 1003 * TF]  # decided at the close of the bar
    assert (labels.t1 - labels.t0).tolist() == [2 * TF] * 3


def test_no_label_runs_over_missing_bars():
    ts = times(10, missing=(4, 5))
    close = np.arange(1.0, 9.0)
    labels = fixed_horizon(ts, close, timeframe_ns=TF, horizon_bars=2)
    assert labels.row.tolist() == [0, 1, 4, 5]
    assert (labels.t1 == ts[labels.row + 2] + TF).all()


def test_bad_closes_have_no_label():
    close = np.array([1.0, np.nan, 3.0, 0.0, 5.0, np.inf, 7.0, 8.0])
    labels = fixed_horizon(times(8), close, timeframe_ns=TF, horizon_bars=1)
    assert labels.row.tolist() == [6]


def test_shorter_than_the_horizon_is_no_label():
    labels = fixed_horizon(times(3), np.ones(3), timeframe_ns=TF, horizon_bars=3)
    assert len(labels.row) == 0


@pytest.mark.parametrize(
    ("ts", "n", "horizon", "message"),
    [
        (times(3)[::-1], 3, 1, "bar 1"),
        (times(3)[[0, 1, 1]], 3, 1, "bar 2"),
        (times(3), 2, 1, "2 closes"),
        (times(3), 3, 0, "positive"),
    ],
)
def test_wrong_input_is_named(ts, n, horizon, message):
    with pytest.raises(DataError, match=message):
        fixed_horizon(ts, np.ones(n), timeframe_ns=TF, horizon_bars=horizon)


def oracle(h, low, c, up, down, horizon):
    out = []
    for i in range(len(c) - horizon):
        result = (0, i + horizon)
        for j in range(i + 1, i + horizon + 1):
            top, bottom = h[j] >= c[i] * (1 + up), low[j] <= c[i] * (1 - down)
            if bottom:
                result = (-1, j)
            elif top:
                result = (1, j)
            if top or bottom:
                break
        out.append(result)
    return out


def walk(seed, n):
    rng = np.random.default_rng(seed)
    c = 100 * np.exp(np.cumsum(rng.normal(size=n) * 0.01))
    return c * (1 + rng.random(n) * 0.01), c * (1 - rng.random(n) * 0.01), c


def test_triple_barrier_equals_a_plain_scan():
    h, low, c = walk(1, 150)
    width = np.tile([0.02, 0.015], (150, 1))
    labels = triple_barrier(times(150), (h, low, c), width, timeframe_ns=TF, horizon_bars=8)
    expected = oracle(h, low, c, 0.02, 0.015, 8)
    assert set(labels.y.tolist()) == {-1, 0, 1}
    assert labels.y.tolist() == [side for side, _ in expected]
    assert labels.t1.tolist() == [1000 * TF + (at + 1) * TF for _, at in expected]
    assert labels.ret[labels.y == 1] == pytest.approx(0.02)
    assert labels.ret[labels.y == -1] == pytest.approx(-0.015)
    none = labels.y == 0
    assert labels.ret[none] == pytest.approx(c[labels.row[none] + 8] / c[labels.row[none]] - 1)


def test_triple_barrier_compiled_equals_plain():
    h, low, c = walk(2, 60)
    bars = np.column_stack((h, low, c))
    width = np.tile([0.02, 0.02], (60, 1))
    width[5] = np.nan
    width[6] = 0.0
    results = []
    for form in (triple_barrier_nb, getattr(triple_barrier_nb, "py_func", triple_barrier_nb)):
        side, touch = np.full(60, 9, np.int8), np.full(60, 9)
        form(bars, width, 5, side, touch)
        results.append((side.tolist(), touch.tolist()))
    assert results[0] == results[1]
    assert results[0][1][5:7] == [-1, -1]
    assert results[0][1][-5:] == [-1] * 5


def test_triple_barrier_takes_the_worse_of_an_ambiguous_bar_and_skips_gaps():
    ts = times(7, missing=(4,))
    c = np.full(6, 100.0)
    h, low = c.copy(), c.copy()
    h[1], low[1] = 110.0, 90.0
    width = np.full((6, 2), 0.05)
    labels = triple_barrier(ts, (h, low, c), width, timeframe_ns=TF, horizon_bars=2)
    assert labels.row.tolist() == [0, 1]
    assert labels.y.tolist() == [-1, 0]
