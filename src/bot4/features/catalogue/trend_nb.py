"""Step kernels of direction, channels and stops. Seeds are those of TA-Lib; `s[0]` counts inputs."""

import math

from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    TS,
    Vector,
    back_nb,
    highest_at_nb,
    highest_nb,
    lowest_at_nb,
    lowest_nb,
    nan_nb,
    push_nb,
    roll_nb,
    when_nb,
)
from bot4.features.window_nb import ema_nb, true_range_nb, wilder_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel


@inlined
def _direct_nb(s: Vector, x: Vector, n: float) -> float:
    """Wilder's sums of directional movement and true range; returns the bar's number.

    Memory s[0..6]: inputs, last high, low, close, plus, minus, range.
    """
    c = s[0]
    if c > 0.0:
        up = x[HIGH] - s[1]
        down = s[2] - x[LOW]
        if c >= n:
            s[4] -= s[4] / n
            s[5] -= s[5] / n
            s[6] -= s[6] / n
        s[4] += up if up > 0.0 and up > down else 0.0
        s[5] += down if down > 0.0 and up < down else 0.0
        s[6] += true_range_nb(x[HIGH], x[LOW], s[3])
    s[0] = c + 1.0
    s[1] = x[HIGH]
    s[2] = x[LOW]
    s[3] = x[CLOSE]
    return float(c)


@inlined
def _strength_nb(s: Vector) -> float:
    """DX: distance of both directions over their sum; the one before (s[7]) where there is none."""
    if s[6] > 0.0:
        plus = 100.0 * (s[4] / s[6])
        minus = 100.0 * (s[5] / s[6])
        if plus + minus > 0.0:
            s[7] = 100.0 * (abs(minus - plus) / (plus + minus))
    return float(s[7])


@kernel
def _adx_nb(s: Vector, x: Vector, n: float) -> float:
    """ADX in s[8], NaN until it is warm; bars without directional movement leave it as it is."""
    c = _direct_nb(s, x, n)
    if c < n:
        return math.nan
    moved = s[6] > 0.0 and s[4] + s[5] > 0.0
    dx = _strength_nb(s)
    if moved:
        s[8] = s[8] + dx if c <= 2.0 * n - 1.0 else (s[8] * (n - 1.0) + dx) / n
    if c == 2.0 * n - 1.0:
        s[8] /= n
    return float(s[8]) if c >= 2.0 * n - 1.0 else math.nan


@kernel
def plus_di_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Upward movement in percent of the true range; 0 where there is no range."""
    c = _direct_nb(s, x, p[0])
    out[0] = math.nan
    if c >= p[0]:
        out[0] = 100.0 * (s[4] / s[6]) if s[6] > 0.0 else 0.0


@kernel
def minus_di_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Downward movement in percent of the true range; 0 where there is no range."""
    c = _direct_nb(s, x, p[0])
    out[0] = math.nan
    if c >= p[0]:
        out[0] = 100.0 * (s[5] / s[6]) if s[6] > 0.0 else 0.0


@kernel
def dm_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Wilder's sums of upward and downward movement."""
    c = _direct_nb(s, x, p[0])
    warm = c >= p[0] - 1.0
    out[0] = s[4] if warm else math.nan
    out[1] = s[5] if warm else math.nan


@kernel
def dx_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Directional index."""
    c = _direct_nb(s, x, p[0])
    out[0] = math.nan
    if c >= p[0]:
        out[0] = _strength_nb(s)


@kernel
def adx_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Average directional index."""
    out[0] = _adx_nb(s, x, p[0])


@kernel
def adxr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean of ADX and ADX n - 1 bars before."""
    n = int(p[0])
    value = _adx_nb(s, x, p[0])
    out[0] = math.nan
    if s[0] < 2 * n:
        return
    push_nb(s, 9, n, value)
    if s[0] >= 3 * n - 1:
        out[0] = (value + back_nb(s, 9, n, n - 1)) / 2.0


@kernel
def aroon_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Bars since the highest high and the lowest low of n + 1, as percentages, and their distance."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    size = n + 1
    highest_at_nb(s, 1, size, c, x[HIGH])
    lowest_at_nb(s, 3 + 2 * size, size, c, x[LOW])
    nan_nb(out)
    if c < n:
        return
    factor = 100.0 / n
    up = n - (c - when_nb(s, 1))
    down = n - (c - when_nb(s, 3 + 2 * size))
    out[0] = factor * up
    out[1] = factor * down
    out[2] = factor * (up - down)


@kernel
def vortex_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Way from low to high and from high to low over n bars, over the true range; 0 where there is none."""
    n = int(p[0])
    c = s[0]
    last_high, last_low, last = s[1], s[2], s[3]
    s[0] = c + 1.0
    s[1] = x[HIGH]
    s[2] = x[LOW]
    s[3] = x[CLOSE]
    nan_nb(out)
    if c == 0.0:
        return
    up = roll_nb(s, 4, n, abs(x[HIGH] - last_low))
    down = roll_nb(s, 6 + n, n, abs(x[LOW] - last_high))
    way = roll_nb(s, 8 + 2 * n, n, true_range_nb(x[HIGH], x[LOW], last))
    if c >= n:
        out[0] = up / way if way > 0.0 else 0.0
        out[1] = down / way if way > 0.0 else 0.0


@kernel
def donchian_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Highest high and lowest low of n bars, their middle and relative width."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_nb(s, 1, n, c, x[HIGH])
    low = lowest_nb(s, 3 + 2 * n, n, c, x[LOW])
    nan_nb(out)
    if c >= n - 1:
        mid = (high + low) / 2.0
        out[0] = high
        out[1] = low
        out[2] = mid
        out[3] = (high - low) / mid if mid != 0.0 else 0.0


@kernel
def donchian_prior_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """The channel of the n bars before this one. Memory s[1], s[2]: the channel of the last bar."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    nan_nb(out)
    if c >= n:
        out[0] = s[1]
        out[1] = s[2]
    s[1] = highest_nb(s, 3, n, c, x[HIGH])
    s[2] = lowest_nb(s, 5 + 2 * n, n, c, x[LOW])


@kernel
def keltner_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Exponential average of the typical price +- k Wilder averages of the true range, and the width.

    As in TA-Lib both averages are seeded so that they warm together.
    """
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    warm = max(p[0] - 1.0, p[1])
    k = c - (warm - (p[0] - 1.0))
    if k >= 0.0:
        s[2] = ema_nb(s[2], (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0, k, p[0])
    k = c - (warm - p[1] + 1.0)
    if k >= 0.0:
        s[3] = wilder_nb(s[3], true_range_nb(x[HIGH], x[LOW], last), k, p[1])
    nan_nb(out)
    if c >= warm:
        band = p[2] * s[3]
        out[0] = s[2] + band
        out[1] = s[2]
        out[2] = s[2] - band
        out[3] = 2.0 * band / s[2] if s[2] != 0.0 else 0.0


@kernel
def _bands_nb(s: Vector, last: float, upper: float, lower: float, close: float) -> None:
    """SuperTrend's bands s[3], s[4] and side s[5]: a band moves towards the price until a close passes it."""
    if upper < s[3] or last > s[3]:
        s[3] = upper
    if lower > s[4] or last < s[4]:
        s[4] = lower
    if s[5] > 0.0:
        if close < s[4]:
            s[5] = -1.0
    elif close > s[3]:
        s[5] = 1.0


@kernel
def supertrend_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """A stop p[1] ATR from the middle of the bar, which turns when a close passes it, and its side."""
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    nan_nb(out)
    if c == 0.0:
        return
    s[2] = wilder_nb(s[2], true_range_nb(x[HIGH], x[LOW], last), c - 1.0, p[0])
    if c < p[0]:
        return
    middle = (x[HIGH] + x[LOW]) / 2.0
    upper = middle + p[1] * s[2]
    lower = middle - p[1] * s[2]
    if c == p[0]:
        s[3] = upper
        s[4] = lower
        s[5] = 1.0
    else:
        _bands_nb(s, last, upper, lower, x[CLOSE])
    out[0] = s[4] if s[5] > 0.0 else s[3]
    out[1] = s[5]


@kernel
def _sar_start_nb(p: Vector, s: Vector, x: Vector) -> None:
    down = s[2] - x[LOW]
    short = down > 0.0 and x[HIGH] - s[1] < down
    s[3] = -1.0 if short else 1.0
    s[4] = p[0]
    s[5] = x[LOW] if short else x[HIGH]
    s[6] = s[1] if short else s[2]
    s[1] = x[HIGH]
    s[2] = x[LOW]


@kernel
def sar_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Parabolic stop and reverse, and its side. The short side is the long side of mirrored prices.

    Memory: inputs, last high, last low, side, step, extreme, stop.
    """
    c = s[0]
    s[0] = c + 1.0
    nan_nb(out)
    if c == 1.0:
        _sar_start_nb(p, s, x)
    last_h = s[1]
    last_l = s[2]
    s[1] = x[HIGH]
    s[2] = x[LOW]
    if c == 0.0:
        return
    side = s[3]
    high = x[HIGH] if side > 0.0 else -x[LOW]
    low = x[LOW] if side > 0.0 else -x[HIGH]
    last_high = last_h if side > 0.0 else -last_l
    last_low = last_l if side > 0.0 else -last_h
    stop = side * s[6]
    extreme = side * s[5]
    if low <= stop:
        stop = max(extreme, last_high, high)
        s[3] = -side
        s[4] = p[0]
        s[5] = side * low
        s[6] = side * max(stop + p[0] * (low - stop), last_high, high)
    else:
        if high > extreme:
            extreme = high
            s[4] = min(s[4] + p[0], p[1])
        s[5] = side * extreme
        s[6] = side * min(stop + s[4] * (extreme - stop), last_low, low)
    out[0] = side * stop
    out[1] = s[3]


@kernel
def fractal_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' fractals: the newest confirmed swing high and low, k bars on each side; NaN before the first.

    A swing is known k bars after it stood, never earlier. Memory: inputs, high, low, rings of 2 k + 1.
    """
    k = int(p[0])
    n = 2 * k + 1
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 3, n, x[HIGH])
    push_nb(s, 4 + n, n, x[LOW])
    if c >= n - 1:
        high = back_nb(s, 3, n, k)
        low = back_nb(s, 4 + n, n, k)
        top = True
        bottom = True
        for i in range(n):
            if i != k:
                top = top and back_nb(s, 3, n, i) < high
                bottom = bottom and back_nb(s, 4 + n, n, i) > low
        s[1] = high if top else s[1]
        s[2] = low if bottom else s[2]
    out[0] = s[1] if s[1] != 0.0 else math.nan
    out[1] = s[2] if s[2] != 0.0 else math.nan


@kernel
def clock_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Sine and cosine of the place in a period of p[0] seconds (from the start of 1970, UTC)."""
    turn = 2.0 * math.pi / p[0]
    rest = x[TS] % p[0]
    out[0] = math.sin(turn * rest)
    out[1] = math.cos(turn * rest)
