"""Sums and cross moments of the last w values, inside a state vector at an offset.

Rounding lives at most one lap of the ring. Of a sum, a second one grows over the lap and takes the place of
the running one when the lap is full; moments are added up afresh then. The same happens when a value leaves
that dwarfs what stays. A step costs O(1), amortised.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel

DWARFS: Final = 1e3  # a leaving value this many times the rest has eaten 3 of its 15 digits

SUM_HEAD: Final = 3  # count, running sum, sum of this lap; then the ring
ONE_HEAD: Final = 5  # count, slot, base, sum, sum of squares; then the ring
PAIR_HEAD: Final = 9  # count, slot; base x, y; sums x, y, xx, yy, xy; then the ring of pairs
_N, _SLOT, _BX, _BY, _SX, _SY, _SXX, _SYY, _SXY = range(PAIR_HEAD)
_1_BASE, _1_SUM, _1_SQUARES = range(2, ONE_HEAD)


def sum_size(window: int) -> int:
    """Slots that a rolling sum of `window` values takes."""
    return SUM_HEAD + window


def one_size(window: int) -> int:
    """Slots that rolling mean and deviation of `window` values take."""
    return ONE_HEAD + window


def pair_size(window: int) -> int:
    """Slots that rolling moments of `window` pairs take."""
    return PAIR_HEAD + 2 * window


@kernel
def sum_push_nb(s: np.ndarray[Any, Any], at: int, window: int, value: float) -> None:
    """Push a finite value into the rolling sum at `at`."""
    n = s[at]
    k = int(n) % window
    slot = at + SUM_HEAD + k
    old = s[slot] if n >= window else 0.0
    s[slot] = value
    s[at] = n + 1.0
    s[at + 1] += value - old
    s[at + 2] += value
    if k == window - 1:
        s[at + 1] = s[at + 2]
        s[at + 2] = 0.0
    elif abs(old) > DWARFS * abs(s[at + 1]):
        total = 0.0
        for i in range(min(int(n) + 1, window)):
            total += s[at + SUM_HEAD + i]
        s[at + 1] = total


@kernel
def sum_mean_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Mean of the window at `at`; NaN until it is full."""
    if s[at] < window:
        return math.nan
    return float(s[at + 1] / window)


@inlined
def one_push_nb(s: np.ndarray[Any, Any], at: int, window: int, value: float) -> None:
    """Push a finite value into the rolling mean and deviation at `at`."""
    n = s[at + _N]
    k = int(s[at + _SLOT])
    slot = at + ONE_HEAD + k
    if n == 0.0:
        s[at + _1_BASE] = value
    full = n >= window
    old = s[slot] - s[at + _1_BASE] if full else 0.0
    new = value - s[at + _1_BASE]
    s[slot] = value
    s[at + _N] = n + 1.0
    s[at + _SLOT] = k + 1.0 if k + 1 < window else 0.0
    s[at + _1_SUM] += new - old
    s[at + _1_SQUARES] += new * new - old * old
    spread = s[at + _1_SQUARES] - s[at + _1_SUM] * s[at + _1_SUM] / window
    if k + 1 == window or (full and max(old * old, s[at + _1_SQUARES]) > DWARFS * spread > 0.0):
        _one_afresh_nb(s, at, window)


@kernel
def _one_afresh_nb(s: np.ndarray[Any, Any], at: int, window: int) -> None:
    """Add a full window up anew off its mean."""
    ring = at + ONE_HEAD
    mean = 0.0
    for i in range(ring, ring + window):
        mean += s[i]
    mean /= window
    first = 0.0
    second = 0.0
    for i in range(ring, ring + window):
        e = s[i] - mean
        first += e
        second += e * e
    s[at + _1_BASE] = mean
    s[at + _1_SUM] = first
    s[at + _1_SQUARES] = second


@inlined
def one_mean_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Mean of the values in the window (of those seen while it fills)."""
    return float(s[at + _1_BASE] + s[at + _1_SUM] / max(min(s[at + _N], float(window)), 1.0))


@inlined
def one_deviation_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Population deviation of the values in the window."""
    n = max(min(s[at + _N], float(window)), 1.0)
    return math.sqrt(max(s[at + _1_SQUARES] - s[at + _1_SUM] * s[at + _1_SUM] / n, 0.0) / n)


@inlined
def one_z_nb(s: np.ndarray[Any, Any], at: int, window: int, value: float) -> float:
    """(value - mean) / population deviation, 0 where the window does not vary beyond rounding."""
    mean = one_mean_nb(s, at, window)
    deviation = one_deviation_nb(s, at, window)
    return (value - mean) / deviation if deviation > 1e-13 * abs(mean) else 0.0


@kernel
def pair_push_nb(s: np.ndarray[Any, Any], at: int, window: int, x: float, y: float) -> None:
    """Push a finite pair into the rolling moments at `at`; sums are taken off a base near the values."""
    n = s[at + _N]
    k = int(s[at + _SLOT])
    ring = at + PAIR_HEAD
    if n == 0.0:
        s[at + _BX] = x
        s[at + _BY] = y
    full = n >= window
    dx = s[ring + 2 * k] - s[at + _BX] if full else 0.0
    dy = s[ring + 2 * k + 1] - s[at + _BY] if full else 0.0
    s[ring + 2 * k] = x
    s[ring + 2 * k + 1] = y
    s[at + _N] = n + 1.0
    s[at + _SLOT] = k + 1.0 if k + 1 < window else 0.0
    ex = x - s[at + _BX]
    ey = y - s[at + _BY]
    s[at + _SX] += ex - dx
    s[at + _SY] += ey - dy
    s[at + _SXX] += ex * ex - dx * dx
    s[at + _SYY] += ey * ey - dy * dy
    s[at + _SXY] += ex * ey - dx * dy
    if k == window - 1 or _blurred_nb(s, at, window, dx, dy):
        pair_afresh_nb(s, at, window)


@kernel
def _blurred_nb(s: np.ndarray[Any, Any], at: int, window: int, dx: float, dy: float) -> bool:
    """Whether the digits of a variance have gone with a leaving giant or a base far away."""
    n = min(s[at + _N], float(window))
    if n < window:
        return False
    vx = s[at + _SXX] - s[at + _SX] * s[at + _SX] / n
    vy = s[at + _SYY] - s[at + _SY] * s[at + _SY] / n
    return bool(
        dx * dx > DWARFS * vx > 0.0
        or dy * dy > DWARFS * vy > 0.0
        or s[at + _SXX] > DWARFS * vx > 0.0
        or s[at + _SYY] > DWARFS * vy > 0.0
    )


@kernel
def pair_afresh_nb(s: np.ndarray[Any, Any], at: int, window: int) -> None:
    """Add the window up anew off its mean."""
    n = min(int(s[at + _N]), window)
    ring = at + PAIR_HEAD
    mx = 0.0
    my = 0.0
    for i in range(n):
        mx += s[ring + 2 * i]
        my += s[ring + 2 * i + 1]
    mx /= n
    my /= n
    s[at + _BX] = mx
    s[at + _BY] = my
    for j in range(_SX, _SXY + 1):
        s[at + j] = 0.0
    for i in range(n):
        ex = s[ring + 2 * i] - mx
        ey = s[ring + 2 * i + 1] - my
        s[at + _SX] += ex
        s[at + _SY] += ey
        s[at + _SXX] += ex * ex
        s[at + _SYY] += ey * ey
        s[at + _SXY] += ex * ey


@kernel
def pair_count_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Pairs in the window at `at`."""
    return float(min(s[at + _N], float(window)))


@kernel
def pair_var_x_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Sum of squares of x about its mean, never below 0."""
    n = max(pair_count_nb(s, at, window), 1.0)
    return float(max(s[at + _SXX] - s[at + _SX] * s[at + _SX] / n, 0.0))


@kernel
def pair_var_y_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Sum of squares of y about its mean, never below 0."""
    n = max(pair_count_nb(s, at, window), 1.0)
    return float(max(s[at + _SYY] - s[at + _SY] * s[at + _SY] / n, 0.0))


@kernel
def pair_cov_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Sum of products of x and y about their means."""
    n = max(pair_count_nb(s, at, window), 1.0)
    return float(s[at + _SXY] - s[at + _SX] * s[at + _SY] / n)


@kernel
def pair_mean_x_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Mean of x."""
    return float(s[at + _BX] + s[at + _SX] / max(pair_count_nb(s, at, window), 1.0))


@kernel
def pair_mean_y_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Mean of y."""
    return float(s[at + _BY] + s[at + _SY] / max(pair_count_nb(s, at, window), 1.0))


@kernel
def slope_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Least-squares slope of y on x; 0 where x does not vary."""
    vx = pair_var_x_nb(s, at, window)
    scale = abs(s[at + _BX]) * 1e-13
    if vx <= scale * scale * window:
        return 0.0
    return pair_cov_nb(s, at, window) / vx


@kernel
def correlation_nb(s: np.ndarray[Any, Any], at: int, window: int) -> float:
    """Pearson correlation in [-1, 1]; 0 where one side does not vary."""
    vx = pair_var_x_nb(s, at, window)
    vy = pair_var_y_nb(s, at, window)
    sx = abs(s[at + _BX]) * 1e-13
    sy = abs(s[at + _BY]) * 1e-13
    if vx <= sx * sx * window or vy <= sy * sy * window:
        return 0.0
    r = pair_cov_nb(s, at, window) / (math.sqrt(vx) * math.sqrt(vy))
    return min(1.0, max(-1.0, r))
