"""Zigzag, fractals, market structure and levels against lists worked out from whole columns."""

import math

import numpy as np
import pytest

from bot4.features.library import get
from bot4.features.plan import run_feature
from bot4.features.structure_nb import N_LEVELS
from helpers.planted import joined, rows_of_closes, walk


def wilder(rows: np.ndarray, n: int) -> np.ndarray:
    """Average true range by its definition, NaN before the first."""
    before = np.concatenate(([np.nan], rows[:-1, 3]))
    spans = np.fmax(rows[:, 1] - rows[:, 2], np.fmax(abs(rows[:, 1] - before), abs(rows[:, 2] - before)))
    out = np.full(len(rows), np.nan)
    total = 0.0
    for i, span in enumerate(spans):
        if i < n:
            total += span
            if i == n - 1:
                out[i] = total / n
        else:
            out[i] = (out[i - 1] * (n - 1.0) + span) / n
    return out


def all_pivots(rows: np.ndarray, ratio: float, width: np.ndarray) -> list[tuple[int, float, int, int]]:
    """(side, price, bar, bar of confirmation) of every pivot; each search begins anew at the last pivot."""
    found: list[tuple[int, float, int, int]] = []
    high, low, close = rows[:, 1], rows[:, 2], rows[:, 3]
    i, top, foot = 0, (high[0], 0), (low[0], 0)
    side = 0
    while not side and i < len(rows) - 1:
        i += 1
        if low[i] <= top[0] / (1 + ratio) - width[i]:
            side, ext = -1, (low[i], i)
            found.append((1, top[0], top[1], i))
        elif high[i] >= foot[0] * (1 + ratio) + width[i]:
            side, ext = 1, (high[i], i)
            found.append((-1, foot[0], foot[1], i))
        else:
            top = (high[i], i) if high[i] > top[0] else top
            foot = (low[i], i) if low[i] < foot[0] else foot
    seen_from = i
    back = (close[i], i)
    for i in range(seen_from + 1, len(rows)):
        lead, other = (high, low) if side > 0 else (low, high)
        if side * lead[i] > side * ext[0]:
            ext, back = (lead[i], i), (close[i], i)
            continue
        if side * other[i] < side * back[0]:
            back = (other[i], i)
        limit = ext[0] / (1 + ratio) - width[i] if side > 0 else ext[0] * (1 + ratio) + width[i]
        if side * back[0] <= side * limit:
            found.append((side, ext[0], ext[1], i))
            ext, back, side = back, (close[i], i), -side
    return found


@pytest.mark.parametrize("name", ["zigzag_14_3", "zigzag_14_1.5", "zigzag_14_3_0.7"])
def test_zigzag_equals_the_list_of_all_pivots(name):
    rows = walk(1500, 4)
    feature = get(name)
    out = run_feature(feature, rows)
    percent = feature.params[2]
    width = feature.params[1] * wilder(rows, 14) if not percent else np.zeros(len(rows))
    pivots = all_pivots(rows, percent / 100.0, width)
    pivots = [p for p in pivots if p[3] >= 13]
    told = np.nonzero(out[:, 3] == 1.0)[0]
    assert told.tolist() == [p[3] for p in pivots]
    assert len(told) > 20
    np.testing.assert_array_equal(out[told, 0], [p[1] for p in pivots])
    np.testing.assert_array_equal(out[told, 1], [p[0] for p in pivots])
    np.testing.assert_array_equal(out[told, 2], [p[3] - p[2] for p in pivots])


def test_a_pivot_is_known_only_after_the_reversal_and_never_moves():
    closes, at = joined([100, 110, 104, 115, 100], [30, 20, 30, 30])
    rows = rows_of_closes(closes)
    out = run_feature(get("zigzag_14_3_4"), rows)
    told = np.nonzero(out[:, 3] == 1.0)[0]
    # 110 / 1.04 is passed after 4.23 of 6 on the way to 104: 15 of 20 bars; 104 * 1.04 after 4.16 of 11:
    # 12 of 30; 115 / 1.04 after 4.42 of 15: 9 of 30. The low at bar 0 is told while nothing is warm.
    assert told.tolist() == [at[1] + 15, at[2] + 12, at[3] + 9]
    assert out[told, 0].tolist() == [110.0, 104.0, 115.0]
    shorter = run_feature(get("zigzag_14_3_4"), rows[: told[1] + 1])
    np.testing.assert_array_equal(shorter, out[: told[1] + 1])


def test_alternating_sides_and_extremes_between_confirmations():
    out = run_feature(get("zigzag"), walk(3000, 8))
    told = out[out[:, 3] == 1.0]
    assert (told[1:, 1] == -told[:-1, 1]).all()
    assert (np.diff(told[:, 0]) * told[1:, 1] > 0).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fractals_equal_windows(n):
    rows = walk(400, 5)
    out = run_feature(get(f"fractal_pivot_{n}"), rows)
    last_high = last_low = math.nan
    for i in range(2 * n, len(rows)):
        m = i - n
        around = [k for k in range(m - n, m + n + 1) if k != m]
        top = all(rows[m, 1] > rows[k, 1] for k in around)
        foot = all(rows[m, 2] < rows[k, 2] for k in around)
        last_high = rows[m, 1] if top else last_high
        last_low = rows[m, 2] if foot else last_low
        np.testing.assert_array_equal(out[i, :2], [last_high, last_low])
        assert out[i, 2] == (2 if top and foot else int(top) - int(foot))


def test_structure_names_steps_breaks_and_turns():
    prices = [100, 110, 105, 120, 112, 118, 100, 108]
    closes, at = joined(prices, [40, 20, 40, 30, 20, 40, 20])
    out = run_feature(get("market_structure_14_8"), rows_of_closes(closes))
    breaks = [(i, v) for i, v in enumerate(out[:, 3]) if v in (1.0, -1.0)]
    turns = [(i, v) for i, v in enumerate(out[:, 4]) if v in (1.0, -1.0)]
    # 110 is broken on the way to 120 (5 of 15, so the 14th of 40 bars), 112 on the way down from 118
    assert breaks == [(at[2] + 14, 1.0)]
    assert turns == [(at[5] + 14, -1.0)]
    assert out[at[3], 0] == 1.0 and out[-1, 0] == -1.0
    # once 112 is confirmed the highs have gone 110, 120 and the lows 105, 112
    assert out[at[5], 1:3].tolist() == [1.0, 1.0]
    # once 118 is confirmed the last high is lower
    assert out[at[6] - 1, 1] == -1.0
    assert out[at[6], 5:7].tolist() == [118.0, 112.0]


def levels_oracle(rows: np.ndarray, swing: float, merge: float) -> list[tuple[float, int, float, int]]:
    atr = wilder(rows, 14)
    pivots = {p[3]: p for p in all_pivots(rows, 0.0, swing * atr)}
    levels: list[list[float]] = []
    out = []
    for i in range(len(rows)):
        if i in pivots:
            price = pivots[i][1]
            close_by = [v for v in levels if abs(v[0] - price) <= merge * atr[i]]
            if close_by:
                best = min(close_by, key=lambda v: abs(v[0] - price))
                best[1] += 1
                best[0] += (price - best[0]) / best[1]
                best[2] = i
            else:
                if len(levels) == N_LEVELS:
                    levels.remove(min(levels, key=lambda v: (v[1], v[2])))
                levels.append([price, 1, i])
        below = [v for v in levels if v[0] <= rows[i, 3]]
        above = [v for v in levels if v[0] > rows[i, 3]]
        low = max(below, default=[math.nan, 0])
        high = min(above, default=[math.nan, 0])
        out.append((low[0], int(low[1]), high[0], int(high[1])))
    return out


def test_levels_equal_the_list_of_levels():
    rows = walk(1500, 6)
    out = run_feature(get("levels_14_2_0.5"), rows)
    wanted = np.array(levels_oracle(rows, 2.0, 0.5))
    np.testing.assert_array_equal(out[13:, :4], wanted[13:])
    assert (out[13:, 1] > 2).any()
    atr = wilder(rows, 14)
    np.testing.assert_allclose(out[13:, 4], ((rows[:, 3] - wanted[:, 0]) / atr)[13:], rtol=1e-9)


@pytest.mark.parametrize("name", ["zigzag", "fractal_pivot", "market_structure", "levels", "harmonic", "chart",
                                  "elliott", "ichimoku", "volume_profile", "candle"])  # fmt: skip
def test_a_bar_that_is_no_bar_gives_nan_and_leaves_the_memory_alone(name):
    feature = get(name)
    rows = walk(300, 2)
    whole = run_feature(feature, rows)
    for bad in (math.nan, math.inf, 0.0, -1.0):
        broken = np.insert(rows, 150, rows[150], axis=0)
        broken[150, 3] = bad
        out = run_feature(feature, broken)
        assert np.isnan(out[150]).all()
        np.testing.assert_array_equal(np.delete(out, 150, axis=0), whole)


@pytest.mark.parametrize("name", ["zigzag", "market_structure", "levels", "harmonic", "chart", "elliott"])
def test_a_constant_price_finds_nothing(name):
    rows = rows_of_closes(np.full(200, 50.0), volume=0.0)
    out = run_feature(get(name), rows)
    if name == "zigzag":
        assert (out[13:, 3] == 0.0).all() and np.isnan(out[:, 0]).all()
    counts = {"harmonic": 0, "chart": 0, "elliott": 18}
    if name in counts:
        assert (out[20:, counts[name]] == 0.0).all()
    assert not np.isinf(out).any()
