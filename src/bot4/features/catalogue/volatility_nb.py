"""Step kernels of volatility; nothing is annualised. Seeds are those of TA-Lib; `s[0]` counts inputs."""

import math

from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    Vector,
    highest_nb,
    line_nb,
    lowest_nb,
    moments_nb,
    nan_nb,
    push_nb,
    ratio_nb,
    ring_sum_nb,
    roll_nb,
    slope_nb,
)
from bot4.features.window_nb import ema_nb, log_ratio_nb, true_range_nb, wilder_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel

_FOUR_LN2 = 4.0 * math.log(2.0)
_TWO_LN2_1 = 2.0 * math.log(2.0) - 1.0


@kernel
def trange_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """True range."""
    out[0] = true_range_nb(x[HIGH], x[LOW], s[1]) if s[0] > 0.0 else math.nan
    s[0] += 1.0
    s[1] = x[CLOSE]


@kernel
def _atr_nb(s: Vector, x: Vector, n: float) -> float:
    """Wilder's average of the true range in s[2], NaN until warm. Memory s[0..2]."""
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    if c == 0.0:
        return math.nan
    s[2] = wilder_nb(s[2], true_range_nb(x[HIGH], x[LOW], last), c - 1.0, n)
    return float(s[2]) if c >= n else math.nan


@kernel
def atr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Wilder's average true range."""
    out[0] = _atr_nb(s, x, p[0])


@kernel
def natr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """ATR in percent of the close; 0 at price 0."""
    atr = _atr_nb(s, x, p[0])
    out[0] = atr / x[CLOSE] * 100.0 if x[CLOSE] != 0.0 else 0.0 * atr


@kernel
def atr_bands_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Close +- k ATR."""
    atr = _atr_nb(s, x, p[0])
    out[0] = x[CLOSE] + p[1] * atr
    out[1] = x[CLOSE] - p[1] * atr


@kernel
def chandelier_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Exits k ATR below the highest high and above the lowest low of n bars."""
    n = int(p[0])
    c = s[0]
    atr = _atr_nb(s, x, p[0])
    high = highest_nb(s, 3, n, c, x[HIGH])
    low = lowest_nb(s, 5 + 2 * n, n, c, x[LOW])
    out[0] = high - p[1] * atr
    out[1] = low + p[1] * atr


@kernel
def stddev_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Population deviation of n closes; 0 if they are flat."""
    n = int(p[0])
    s[0] += 1.0
    _, variance = moments_nb(s, 1, n, x[CLOSE])
    out[0] = math.sqrt(variance) if s[0] >= n else math.nan


@kernel
def var_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Population variance of n closes."""
    n = int(p[0])
    s[0] += 1.0
    _, variance = moments_nb(s, 1, n, x[CLOSE])
    out[0] = variance if s[0] >= n else math.nan


@kernel
def avgdev_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean absolute deviation of n closes; costs O(n)."""
    n = int(p[0])
    s[0] += 1.0
    push_nb(s, 1, n, x[CLOSE])
    out[0] = math.nan
    if s[0] >= n:
        mean = ring_sum_nb(s, 2, n) / n
        total = 0.0
        for i in range(n):
            total += abs(s[2 + i] - mean)
        out[0] = total / n


@kernel
def cvi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chaikin volatility: change in percent over p[1] bars of the average range; 0 from a range 0."""
    back = int(p[1])
    c = s[0]
    s[0] = c + 1.0
    s[1] = ema_nb(s[1], x[HIGH] - x[LOW], c, p[0])
    out[0] = math.nan
    if c < p[0] - 1.0:
        return
    old = push_nb(s, 2, back, s[1])
    if c >= p[0] - 1.0 + back:
        out[0] = 100.0 * ratio_nb(s[1] - old, old, 0.0)


@kernel
def mass_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Dorsey's mass index: sum over p[1] bars of the average range over its own average; 1 each if flat."""
    n = int(p[1])
    c = s[0]
    s[0] = c + 1.0
    s[1] = ema_nb(s[1], x[HIGH] - x[LOW], c, p[0])
    out[0] = math.nan
    c -= p[0] - 1.0
    if c < 0.0:
        return
    s[2] = ema_nb(s[2], s[1], c, p[0])
    c -= p[0] - 1.0
    if c < 0.0:
        return
    total = roll_nb(s, 3, n, ratio_nb(s[1], s[2], 1.0))
    if c >= n - 1:
        out[0] = total


@inlined
def _relative_nb(p: Vector, s: Vector, x: Vector) -> float:
    """Dorsey's relative volatility, NaN until warm. Memory: inputs, last close, up, down, moments of p[1]."""
    m = int(p[1])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    _, variance = moments_nb(s, 4, m, x[CLOSE])
    first = max(m - 1.0, 1.0)
    if c < first:
        return math.nan
    deviation = math.sqrt(variance)
    c -= first
    s[2] = wilder_nb(s[2], deviation if x[CLOSE] > last else 0.0, c, p[0])
    s[3] = wilder_nb(s[3], deviation if x[CLOSE] < last else 0.0, c, p[0])
    if c < p[0] - 1.0:
        return math.nan
    return 100.0 * ratio_nb(s[2], s[2] + s[3], 0.5)


@kernel
def rvi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Share of the deviation of rising bars; 50 where nothing moves."""
    out[0] = _relative_nb(p, s, x)


@kernel
def inertia_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """End of the least-squares line of p[2] values of the relative volatility index."""
    n = int(p[2])
    value = _relative_nb(p, s, x)
    out[0] = math.nan
    if math.isnan(value):
        return
    at = 10 + int(p[1])
    s[at] += 1.0
    base, first, weighted = line_nb(s, at + 1, n, value)
    if s[at] >= n:
        slope = slope_nb(n, first, weighted)
        out[0] = base + first / n + slope * 0.5 * (n - 1.0)


@kernel
def adr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean range of n bars."""
    n = int(p[0])
    s[0] += 1.0
    total = roll_nb(s, 1, n, x[HIGH] - x[LOW])
    out[0] = total / n if s[0] >= n else math.nan


@kernel
def parkinson_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Root of the mean ln^2(H/L) / (4 ln 2)."""
    n = int(p[0])
    s[0] += 1.0
    span = log_ratio_nb(x[HIGH], x[LOW])
    total = roll_nb(s, 1, n, span * span)
    out[0] = math.sqrt(max(total, 0.0) / (n * _FOUR_LN2)) if s[0] >= n else math.nan


@kernel
def garman_klass_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Root of the mean ln^2(H/L) / 2 - (2 ln 2 - 1) ln^2(C/O)."""
    n = int(p[0])
    s[0] += 1.0
    span = log_ratio_nb(x[HIGH], x[LOW])
    body = log_ratio_nb(x[CLOSE], x[OPEN])
    total = roll_nb(s, 1, n, max(0.5 * span * span - _TWO_LN2_1 * body * body, 0.0))
    out[0] = math.sqrt(max(total, 0.0) / n) if s[0] >= n else math.nan


@kernel
def _drift_free_nb(x: Vector) -> float:
    """Rogers' and Satchell's term of one bar."""
    up = log_ratio_nb(x[HIGH], x[CLOSE]) * log_ratio_nb(x[HIGH], x[OPEN])
    return up + log_ratio_nb(x[LOW], x[CLOSE]) * log_ratio_nb(x[LOW], x[OPEN])


@kernel
def rogers_satchell_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Root of the mean of ln(H/C) ln(H/O) + ln(L/C) ln(L/O)."""
    n = int(p[0])
    s[0] += 1.0
    total = roll_nb(s, 1, n, _drift_free_nb(x))
    out[0] = math.sqrt(max(total, 0.0) / n) if s[0] >= n else math.nan


@kernel
def yang_zhang_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Sample variance of overnight and of open-to-close returns, and Rogers-Satchell, in Yang's mix."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    _, night = moments_nb(s, 2, n, log_ratio_nb(x[OPEN], last))
    _, day = moments_nb(s, 8 + n, n, log_ratio_nb(x[CLOSE], x[OPEN]))
    free = roll_nb(s, 14 + 2 * n, n, _drift_free_nb(x)) / n
    if c >= n:
        k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
        sample = n / (n - 1.0)
        out[0] = math.sqrt(max(sample * (night + k * day) + (1.0 - k) * free, 0.0))


@kernel
def realised_vol_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Root mean square of n log returns; no mean is taken away."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    r = log_ratio_nb(x[CLOSE], last)
    total = roll_nb(s, 2, n, r * r)
    if c >= n:
        out[0] = math.sqrt(max(total, 0.0) / n)


@kernel
def hist_vol_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Sample deviation of n log returns."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    _, variance = moments_nb(s, 2, n, log_ratio_nb(x[CLOSE], last))
    if c >= n:
        out[0] = math.sqrt(variance * n / (n - 1.0))


@kernel
def ulcer_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Root mean square over n bars of the fall in percent from the highest of n closes."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    top = highest_nb(s, 1, n, c, x[CLOSE])
    out[0] = math.nan
    if c < n - 1:
        return
    fall = 100.0 * ratio_nb(x[CLOSE] - top, top, 0.0)
    total = roll_nb(s, 3 + 2 * n, n, fall * fall)
    if c >= 2 * n - 2:
        out[0] = math.sqrt(max(total, 0.0) / n)


@kernel
def choppiness_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Logarithm of path over range, base n, in percent; 100 where there is no range."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    high = highest_nb(s, 2, n, c, x[HIGH])
    low = lowest_nb(s, 4 + 2 * n, n, c, x[LOW])
    way = true_range_nb(x[HIGH], x[LOW], last) if c > 0.0 else 0.0
    path = roll_nb(s, 6 + 4 * n, n, way)
    out[0] = math.nan
    if c >= n:
        span = high - low
        out[0] = 100.0 * math.log(path / span) / math.log(n) if span > 0.0 and path > 0.0 else 100.0


@kernel
def squeeze_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """1 while Bollinger's bands lie inside Keltner's (of means), and the line's end of the close's distance.

    The distance is from the mean of the channel's middle and the mean close, each of its own bar.
    """
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    mean, variance = moments_nb(s, 2, n, x[CLOSE])
    high = highest_nb(s, 8 + n, n, c, x[HIGH])
    low = lowest_nb(s, 10 + 3 * n, n, c, x[LOW])
    nan_nb(out)
    if c == 0.0:
        return
    way = roll_nb(s, 12 + 5 * n, n, true_range_nb(x[HIGH], x[LOW], last)) / n
    if c < n - 1:
        return
    distance = x[CLOSE] - ((high + low) / 2.0 + mean) / 2.0
    base, first, weighted = line_nb(s, 14 + 6 * n, n, distance)
    if c >= 2 * n - 2 and c >= n:
        out[0] = 1.0 if p[1] * math.sqrt(variance) < p[2] * way else 0.0
        out[1] = base + first / n + slope_nb(n, first, weighted) * 0.5 * (n - 1.0)


@kernel
def heikin_ashi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Averaged bars; the first open is the middle of the first body. Memory: inputs, last open, close."""
    close = (x[OPEN] + x[HIGH] + x[LOW] + x[CLOSE]) / 4.0
    start = (s[1] + s[2]) / 2.0 if s[0] > 0.0 else (x[OPEN] + x[CLOSE]) / 2.0
    out[0] = start
    out[1] = max(x[HIGH], start, close)
    out[2] = min(x[LOW], start, close)
    out[3] = close
    s[0] += 1.0
    s[1] = start
    s[2] = close


@kernel
def price_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Means of a bar's prices: typical, weighted close, median, average."""
    out[0] = (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0
    out[1] = (x[HIGH] + x[LOW] + 2.0 * x[CLOSE]) / 4.0
    out[2] = (x[HIGH] + x[LOW]) / 2.0
    out[3] = (x[OPEN] + x[HIGH] + x[LOW] + x[CLOSE]) / 4.0


@kernel
def twap_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean of the average price of n bars."""
    n = int(p[0])
    s[0] += 1.0
    total = roll_nb(s, 1, n, (x[OPEN] + x[HIGH] + x[LOW] + x[CLOSE]) / 4.0)
    out[0] = total / n if s[0] >= n else math.nan


@kernel
def z_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Distance of the close from the mean of n in population deviations; 0 if flat."""
    n = int(p[0])
    s[0] += 1.0
    mean, variance = moments_nb(s, 1, n, x[CLOSE])
    value = (x[CLOSE] - mean) / math.sqrt(variance) if variance > 0.0 else 0.0
    out[0] = value if s[0] >= n else math.nan
