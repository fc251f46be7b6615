"""Step kernels of bounded oscillators. Seeds are those of TA-Lib; `s[0]` counts inputs."""

import math

from bot4.features.catalogue.momentum_nb import pair_nb, strength_nb
from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    Vector,
    highest_nb,
    lowest_nb,
    nan_nb,
    push_nb,
    ratio_nb,
    ring_sum_nb,
    roll_nb,
)
from bot4.features.window_nb import ema_nb, wilder_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel


@inlined
def place_nb(s: Vector, at: int, n: int, c: float, x: Vector) -> float:
    """Where the close stands in the range of n bars, 0 to 100; 0 where there is no range. Block 4 n + 4."""
    high = highest_nb(s, at, n, c, x[HIGH])
    low = lowest_nb(s, at + 2 * n + 2, n, c, x[LOW])
    span = high - low
    return (x[CLOSE] - low) / (span / 100.0) if span > 0.0 else 0.0


@kernel
def stoch_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Slow stochastic: %K smoothed by a mean of p[1], %D a mean of p[2]. Both warm together."""
    n, a, b = int(p[0]), int(p[1]), int(p[2])
    c = s[0]
    s[0] = c + 1.0
    fast = place_nb(s, 1, n, c, x)
    nan_nb(out)
    if c < n - 1:
        return
    at = 5 + 4 * n
    k = roll_nb(s, at, a, fast) / a
    if c < n + a - 2:
        return
    d = roll_nb(s, at + a + 2, b, k) / b
    if c >= n + a + b - 3:
        out[0] = k
        out[1] = d


@kernel
def stochf_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Fast stochastic: %K as it is, %D a mean of p[1]."""
    n, b = int(p[0]), int(p[1])
    c = s[0]
    s[0] = c + 1.0
    fast = place_nb(s, 1, n, c, x)
    nan_nb(out)
    if c < n - 1:
        return
    d = roll_nb(s, 5 + 4 * n, b, fast) / b
    if c >= n + b - 2:
        out[0] = fast
        out[1] = d


@kernel
def stochrsi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Fast stochastic of RSI."""
    n, a, b = int(p[0]), int(p[1]), int(p[2])
    c = s[0]
    move = x[CLOSE] - s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    nan_nb(out)
    if c == 0.0:
        return
    value = strength_nb(s, 2, move, c - 1.0, p[0])
    if c < n:
        return
    c -= n
    high = highest_nb(s, 4, a, c, value)
    low = lowest_nb(s, 6 + 2 * a, a, c, value)
    if c < a - 1:
        return
    span = high - low
    k = (value - low) / (span / 100.0) if span > 0.0 else 0.0
    d = roll_nb(s, 8 + 4 * a, b, k) / b
    if c >= a + b - 2:
        out[0] = k
        out[1] = d


@kernel
def kdj_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Stochastic smoothed twice by Wilder's average; J = 3 K - 2 D."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    fast = place_nb(s, 3, n, c, x)
    nan_nb(out)
    c -= n - 1.0
    if c < 0.0:
        return
    s[1] = wilder_nb(s[1], fast, c, p[1])
    c -= p[1] - 1.0
    if c < 0.0:
        return
    s[2] = wilder_nb(s[2], s[1], c, p[2])
    if c >= p[2] - 1.0:
        out[0] = s[1]
        out[1] = s[2]
        out[2] = 3.0 * s[1] - 2.0 * s[2]


@kernel
def willr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' %R; 0 where there is no range."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_nb(s, 1, n, c, x[HIGH])
    low = lowest_nb(s, 3 + 2 * n, n, c, x[LOW])
    span = high - low
    value = (high - x[CLOSE]) / (span / -100.0) if span > 0.0 else 0.0
    out[0] = value if c >= n - 1 else math.nan


@kernel
def cci_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Commodity channel index: the mean absolute deviation has no recursion, so it costs O(n)."""
    n = int(p[0])
    s[0] += 1.0
    price = (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0
    push_nb(s, 1, n, price)
    out[0] = math.nan
    if s[0] < n:
        return
    mean = ring_sum_nb(s, 2, n) / n
    total = 0.0
    for i in range(n):
        total += abs(s[2 + i] - mean)
    deviation = total / n
    distance = price - mean
    # below 1e-14 of the price both are rounding, not movement
    flat = deviation <= 1e-14 * abs(mean) or abs(distance) <= 1e-14 * abs(mean)
    out[0] = 0.0 if flat else distance / (0.015 * deviation)


@kernel
def ultosc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' ultimate oscillator: buying pressure over true range in three windows, weights 4, 2, 1."""
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    bottom = min(x[LOW], last)
    pressure = x[CLOSE] - bottom
    span = max(x[HIGH], last) - bottom
    at = 2
    total = 0.0
    for k in range(3):
        n = int(p[k])
        up = roll_nb(s, at, n, pressure)
        way = roll_nb(s, at + n + 2, n, span)
        at += 2 * n + 4
        weight = 4.0 if k == 0 else (2.0 if k == 1 else 1.0)
        if way > 0.0:
            total += weight * min(max(up, 0.0) / way, 1.0)
    if c >= max(p[0], p[1], p[2]):
        out[0] = 100.0 * (total / 7.0)


@kernel
def _swing_nb(s: Vector, at: int, n: int, c: float, x: float, half: float) -> float:
    """Place of x in the range of n inputs, 0 to 100, smoothed by `half`. Block 4 n + 6."""
    high = highest_nb(s, at + 2, n, c, x)
    low = lowest_nb(s, at + 4 + 2 * n, n, c, x)
    if high > low:
        s[at] = 100.0 * (x - low) / (high - low)
    s[at + 1] = s[at] if c == 0.0 else s[at + 1] + half * (s[at] - s[at + 1])
    return float(s[at + 1])


@kernel
def stc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Schaff's trend cycle: a stochastic of a stochastic of MACD, which stays where there is no range."""
    n = int(p[2])
    c = s[0]
    s[0] = c + 1.0
    pair_nb(s, 1, x[CLOSE], c, p[0], p[1])
    out[0] = math.nan
    c -= p[1] - 1.0
    if c < 0.0:
        return
    first = _swing_nb(s, 3, n, c, s[1] - s[2], p[3])
    second = _swing_nb(s, 9 + 4 * n, n, c, first, p[3])
    if c >= 2.0 * n - 2.0:
        out[0] = second


@kernel
def fisher_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Ehlers' Fisher transform of the median price's place in its range, and its value a bar before."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    price = (x[HIGH] + x[LOW]) / 2.0
    high = highest_nb(s, 3, n, c, price)
    low = lowest_nb(s, 5 + 2 * n, n, c, price)
    nan_nb(out)
    if c < n - 1:
        return
    place = (price - low) / (high - low) - 0.5 if high > low else 0.0
    s[1] = min(max(0.66 * place + 0.67 * s[1], -0.999), 0.999)
    prev = s[2]
    s[2] = 0.5 * math.log((1.0 + s[1]) / (1.0 - s[1])) + 0.5 * prev
    if c >= n:
        out[0] = s[2]
        out[1] = prev


@kernel
def crsi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Connors' RSI: mean of RSI, RSI of the streak, and rank of the last return among n; costs O(n)."""
    n = int(p[2])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    move = x[CLOSE] - last
    old = s[2]
    if move > 0.0:
        s[2] = max(old, 0.0) + 1.0
    elif move < 0.0:
        s[2] = min(old, 0.0) - 1.0
    else:
        s[2] = 0.0
    a = strength_nb(s, 3, move, c - 1.0, p[0])
    # the streak's first bar has no streak before it: 0 stands in
    b = strength_nb(s, 5, s[2] - old, c - 1.0, p[1])
    change = ratio_nb(move, last, 0.0)
    below = 0
    for i in range(n):
        below += 1 if s[8 + i] < change else 0
    push_nb(s, 7, n, change)
    if c > max(n, p[0], p[1]):
        out[0] = (a + b + 100.0 * below / n) / 3.0


@kernel
def smi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Blau's stochastic momentum: distance from the middle of the range, smoothed twice; and its average."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_nb(s, 6, n, c, x[HIGH])
    low = lowest_nb(s, 8 + 2 * n, n, c, x[LOW])
    nan_nb(out)
    c -= n - 1.0
    if c < 0.0:
        return
    s[1] = ema_nb(s[1], x[CLOSE] - (high + low) / 2.0, c, p[2])
    s[2] = ema_nb(s[2], high - low, c, p[2])
    c -= p[2] - 1.0
    if c < 0.0:
        return
    s[3] = ema_nb(s[3], s[1], c, p[1])
    s[4] = ema_nb(s[4], s[2], c, p[1])
    c -= p[1] - 1.0
    if c < 0.0:
        return
    value = 200.0 * ratio_nb(s[3], s[4], 0.0)
    s[5] = ema_nb(s[5], value, c, p[3])
    if c >= p[3] - 1.0:
        out[0] = value
        out[1] = s[5]
