"""Swings: pivots by reversal (zigzag) and by neighbours (fractals), average true range, on flat memory.

A pivot is reported at the bar at which price has come back from it far enough, never before, and
never moves again. How far is `ratio` (up by 1 + ratio, down by 1 / (1 + ratio), the same way in
logarithms) plus `width` in price; one of them is 0. Within one bar the order of high and low is
unknown: a bar that extends the swing does not also reverse it.

A zigzag is ZIGZAG numbers of a state from `at` on: direction of the running leg (0: none yet), its
extreme price and bar, the farthest price back from it and its bar, number of pivots, sums of closes
since the last pivot (all, up to the extreme, up to the farthest), then a ring of PIVOTS pivots:
price, bar, bar of confirmation, sum of closes from the pivot before.
"""

import math
from typing import Any

import numpy as np

from bot4.features.window_nb import wilder_nb
from bot4.kernels.jit_nb import kernel

Vector = np.ndarray[Any, Any]

DIRECTION, EXTREME, EXTREME_BAR, BACK, BACK_BAR, COUNT, SUM, SUM_EXTREME, SUM_BACK = range(9)
RING = 10
PIVOTS = 16
PIVOT_FIELDS = 4
ZIGZAG = RING + PIVOTS * PIVOT_FIELDS
ATR = 3


@kernel
def finite_bar_nb(x: Vector) -> bool:
    """Whether open, high, low and close are numbers above 0."""
    total = x[0] + x[1] + x[2] + x[3]
    return math.isfinite(total) and min(x[0], x[1], x[2], x[3]) > 0.0


@kernel
def atr_nb(s: Vector, at: int, x: Vector, period: float) -> float:
    """Average true range (Wilder, 1978; seeded by the mean of the first `period`); NaN until warm.

    Memory: ATR numbers from `at` on: bars, average, last close. The first range is high - low.
    """
    span = x[1] - x[2]
    if s[at] > 0.0:
        span = max(span, abs(x[1] - s[at + 2]), abs(x[2] - s[at + 2]))
    s[at + 1] = wilder_nb(s[at + 1], span, s[at], period)
    s[at] += 1.0
    s[at + 2] = x[3]
    return float(s[at + 1]) if s[at] >= period else math.nan


@kernel
def pivot_nb(s: Vector, at: int, k: int, field: int) -> float:
    """A field of pivot k (0 = newest): 0 price, 1 bar, 2 bar of confirmation, 3 sum of closes of its leg."""
    slot = (int(s[at + COUNT]) - 1 - k) & (PIVOTS - 1)
    return float(s[at + RING + slot * PIVOT_FIELDS + field])


@kernel
def price_nb(s: Vector, at: int, k: int) -> float:
    """Price of pivot k, 0 = newest."""
    return pivot_nb(s, at, k, 0)


@kernel
def bar_nb(s: Vector, at: int, k: int) -> float:
    """Bar number of pivot k, 0 = newest."""
    return pivot_nb(s, at, k, 1)


@kernel
def newest_side_nb(s: Vector, at: int) -> float:
    """1 where the newest pivot is a high, -1 where it is a low, 0 where there is none."""
    return -float(s[at + DIRECTION]) if s[at + COUNT] > 0.0 else 0.0


@kernel
def _record_nb(s: Vector, at: int, bar: float) -> None:
    """The extreme becomes a pivot; the farthest price back becomes the extreme of the new leg."""
    slot = at + RING + (int(s[at + COUNT]) & (PIVOTS - 1)) * PIVOT_FIELDS
    s[slot] = s[at + EXTREME]
    s[slot + 1] = s[at + EXTREME_BAR]
    s[slot + 2] = bar
    s[slot + 3] = s[at + SUM_EXTREME]
    s[at + COUNT] += 1.0
    s[at + SUM] -= s[at + SUM_EXTREME]
    s[at + SUM_EXTREME] = s[at + SUM_BACK] - s[at + SUM_EXTREME]
    s[at + EXTREME] = s[at + BACK]
    s[at + EXTREME_BAR] = s[at + BACK_BAR]


@kernel
def _extend_nb(s: Vector, at: int, bar: float, price: float, close: float) -> None:
    s[at + EXTREME] = price
    s[at + EXTREME_BAR] = bar
    s[at + SUM_EXTREME] = s[at + SUM]
    s[at + BACK] = close
    s[at + BACK_BAR] = bar
    s[at + SUM_BACK] = s[at + SUM]


@kernel
def _retreat_nb(s: Vector, at: int, bar: float, price: float) -> None:
    s[at + BACK] = price
    s[at + BACK_BAR] = bar
    s[at + SUM_BACK] = s[at + SUM]


@kernel
def _first_leg_nb(s: Vector, at: int, bar: float, x: Vector, ratio: float, width: float) -> bool:
    """Before the first pivot: the extreme holds the highest high, the farthest the lowest low."""
    if s[at + EXTREME] == 0.0:
        _extend_nb(s, at, bar, x[1], x[3])
        s[at + BACK] = x[2]
        return False
    falls = x[2] <= s[at + EXTREME] / (1.0 + ratio) - width and x[2] < s[at + EXTREME]
    rises = x[1] >= s[at + BACK] * (1.0 + ratio) + width and x[1] > s[at + BACK]
    if falls:
        _retreat_nb(s, at, bar, x[2])
        s[at + DIRECTION] = -1.0
        _record_nb(s, at, bar)
    elif rises:
        s[at + EXTREME], s[at + BACK] = s[at + BACK], x[1]
        s[at + EXTREME_BAR], s[at + BACK_BAR] = s[at + BACK_BAR], bar
        s[at + SUM_EXTREME], s[at + SUM_BACK] = s[at + SUM_BACK], s[at + SUM]
        s[at + DIRECTION] = 1.0
        _record_nb(s, at, bar)
    else:
        if x[1] > s[at + EXTREME]:
            s[at + EXTREME] = x[1]
            s[at + EXTREME_BAR] = bar
            s[at + SUM_EXTREME] = s[at + SUM]
        if x[2] < s[at + BACK]:
            _retreat_nb(s, at, bar, x[2])
    return bool(falls or rises)


@kernel
def _reset_back_nb(s: Vector, at: int, close: float, bar: float) -> None:
    """After a pivot: nothing has come back yet from the new extreme."""
    s[at + BACK] = close
    s[at + BACK_BAR] = bar
    s[at + SUM_BACK] = s[at + SUM]


@kernel
def zigzag_nb(s: Vector, at: int, bar: float, x: Vector, ratio: float, width: float) -> bool:
    """Fold a bar (finite prices above 0) into the zigzag at `at`; True where it confirms a pivot.

    `bar` is the bar's number. A NaN width (no average range yet) confirms nothing, nor does a price that
    has not moved: no leg has length 0.
    """
    s[at + SUM] += x[3]
    way = s[at + DIRECTION]
    if way == 0.0:
        if not _first_leg_nb(s, at, bar, x, ratio, width):
            return False
        _reset_back_nb(s, at, x[3], bar)
        return True
    if way > 0.0:
        if x[1] > s[at + EXTREME]:
            _extend_nb(s, at, bar, x[1], x[3])
            return False
        if x[2] < s[at + BACK]:
            _retreat_nb(s, at, bar, x[2])
        if not s[at + BACK] <= s[at + EXTREME] / (1.0 + ratio) - width or s[at + BACK] == s[at + EXTREME]:
            return False
    else:
        if x[2] < s[at + EXTREME]:
            _extend_nb(s, at, bar, x[2], x[3])
            return False
        if x[1] > s[at + BACK]:
            _retreat_nb(s, at, bar, x[1])
        if not s[at + BACK] >= s[at + EXTREME] * (1.0 + ratio) + width or s[at + BACK] == s[at + EXTREME]:
            return False
    s[at + DIRECTION] = -way
    _record_nb(s, at, bar)
    _reset_back_nb(s, at, x[3], bar)
    return True


@kernel
def zigzag_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """The last confirmed pivot. params: ATR period, swing in ATR, swing in percent (0: by ATR).

    out: price of the last pivot (NaN before the first), 1 high or -1 low or 0, bars since the pivot, 1
    at the bar that confirms one, direction of the running leg. state: bars, ATR, zigzag.
    """
    if not finite_bar_nb(x):
        for i in range(5):
            out[i] = math.nan
        return
    width = atr_nb(state, 1, x, params[0])
    fresh = step_swing_nb(state, 1 + ATR, state[0], x, width, params[1], params[2])
    state[0] += 1.0
    known = state[1 + ATR + COUNT] > 0.0
    out[0] = price_nb(state, 1 + ATR, 0) if known else math.nan
    out[1] = newest_side_nb(state, 1 + ATR)
    out[2] = state[0] - 1.0 - bar_nb(state, 1 + ATR, 0) if known else 0.0
    out[3] = 1.0 if fresh else 0.0
    out[4] = state[1 + ATR + DIRECTION]
    if math.isnan(width):
        for i in range(5):
            out[i] = math.nan


@kernel
def step_swing_nb(
    s: Vector, at: int, bar: float, x: Vector, atr: float, swing: float, percent: float
) -> bool:
    """Fold a bar by percent where `percent` is above 0, else by `swing` average ranges."""
    if percent > 0.0:
        return zigzag_nb(s, at, bar, x, percent / 100.0, 0.0)
    return zigzag_nb(s, at, bar, x, 0.0, swing * atr)


@kernel
def fractal_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Fractal pivots (Williams, 1995): a high above the n highs on both sides, a low likewise.

    params: n. out: last fractal high and low (NaN before the first), 1 at the bar that confirms a
    high (n bars after it), -1 a low, 0 neither, 2 both. Of equal highs the first is not a fractal.
    state: bars, last high, last low, then rings of 2 n + 1 highs and lows.
    """
    n = int(params[0])
    size = 2 * n + 1
    if not finite_bar_nb(x):
        for i in range(3):
            out[i] = math.nan
        return
    bar = int(state[0])
    state[3 + bar % size] = x[1]
    state[3 + size + bar % size] = x[2]
    state[0] = bar + 1.0
    if bar < size - 1:
        for i in range(3):
            out[i] = math.nan
        return
    middle = (bar - n) % size
    top, foot = True, True
    for i in range(size):
        if i != middle:
            top = top and state[3 + i] < state[3 + middle]
            foot = foot and state[3 + size + i] > state[3 + size + middle]
    if top:
        state[1] = state[3 + middle]
    if foot:
        state[2] = state[3 + size + middle]
    out[0] = state[1] if state[1] > 0.0 else math.nan
    out[1] = state[2] if state[2] > 0.0 else math.nan
    out[2] = (1.0 if top else 0.0) - (1.0 if foot else 0.0)
    if top and foot:
        out[2] = 2.0
