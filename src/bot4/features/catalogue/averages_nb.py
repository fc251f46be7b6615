"""Step kernels of moving averages of the close. Seeds are those of TA-Lib.

`s[0]` counts inputs; the rest of the memory stands in each docstring where it is not plain.
"""

import math

from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    VOLUME,
    Vector,
    back_nb,
    highest_nb,
    line_nb,
    lowest_nb,
    moments_nb,
    push_nb,
    roll_nb,
    slope_nb,
    wma_nb,
)
from bot4.features.window_nb import ema_nb, wilder_nb
from bot4.kernels.jit_nb import kernel


@kernel
def sma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean of n closes; a flat window has exactly its price."""
    n = int(p[0])
    c = x[CLOSE]
    s[0] += 1.0
    s[1] = s[1] + 1.0 if c == s[2] else 0.0
    s[2] = c
    total = roll_nb(s, 3, n, c)
    out[0] = (c if s[1] >= n - 1.0 else total / n) if s[0] >= n else math.nan


@kernel
def ema_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Exponential average."""
    c = s[0]
    s[0] = c + 1.0
    s[1] = ema_nb(s[1], x[CLOSE], c, p[0])
    out[0] = s[1] if c >= p[0] - 1.0 else math.nan


@kernel
def rma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Wilder's average."""
    c = s[0]
    s[0] = c + 1.0
    s[1] = wilder_nb(s[1], x[CLOSE], c, p[0])
    out[0] = s[1] if c >= p[0] - 1.0 else math.nan


@kernel
def wma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Linearly weighted average."""
    n = int(p[0])
    s[0] += 1.0
    value = wma_nb(s, 1, n, x[CLOSE])
    out[0] = value if s[0] >= n else math.nan


@kernel
def chain_nb(s: Vector, at: int, x: float, c: float, n: float, depth: int) -> bool:
    """Averages of averages: s[at + k] is EMA k of `depth`, seeded by the one before; True when all are."""
    value = x
    for k in range(depth):
        if c < 0.0:
            return False
        s[at + k] = ema_nb(s[at + k], value, c, n)
        value = s[at + k]
        c -= n - 1.0
    return c >= 0.0


@kernel
def dema_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """2 EMA - EMA(EMA)."""
    warm = chain_nb(s, 1, x[CLOSE], s[0], p[0], 2)
    s[0] += 1.0
    out[0] = 2.0 * s[1] - s[2] if warm else math.nan


@kernel
def tema_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))."""
    warm = chain_nb(s, 1, x[CLOSE], s[0], p[0], 3)
    s[0] += 1.0
    out[0] = s[3] + (3.0 * s[1] - 3.0 * s[2]) if warm else math.nan


@kernel
def t3_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Tillson's T3: six averages in a chain, mixed by the volume factor v."""
    warm = chain_nb(s, 1, x[CLOSE], s[0], p[0], 6)
    s[0] += 1.0
    v = p[1]
    vv = v * v
    c1 = -vv * v
    c2 = 3.0 * (vv - c1)
    c3 = -6.0 * vv - 3.0 * (v - c1)
    c4 = 1.0 + 3.0 * v - c1 + 3.0 * vv
    out[0] = c1 * s[6] + c2 * s[5] + c3 * s[4] + c4 * s[3] if warm else math.nan


@kernel
def trima_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean of means: triangular weights."""
    n = int(p[0])
    a = (n + 1) // 2
    b = n - a + 1
    s[0] += 1.0
    inner = roll_nb(s, 1, a, x[CLOSE]) / a
    if s[0] < a:
        out[0] = math.nan
        return
    value = roll_nb(s, 3 + a, b, inner) / b
    out[0] = value if s[0] >= n else math.nan


@kernel
def hma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Hull: WMA of (2 WMA(n/2) - WMA(n)) over the root of n."""
    n = int(p[0])
    half = n // 2
    root = int(math.sqrt(n))
    s[0] += 1.0
    fast = wma_nb(s, 1, half, x[CLOSE])
    slow = wma_nb(s, 7 + half, n, x[CLOSE])
    out[0] = math.nan
    if s[0] < n:
        return
    value = wma_nb(s, 13 + half + n, root, 2.0 * fast - slow)
    if s[0] >= n + root - 1:
        out[0] = value


@kernel
def kama_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Kaufman's adaptive average. Memory: inputs, value, last close, closes (n + 1), path of n moves.

    A path of 0 counts as fully efficient.
    """
    n = int(p[0])
    c = x[CLOSE]
    count = s[0]
    s[0] = count + 1.0
    last = s[2]
    s[2] = c
    back = push_nb(s, 3, n, c)
    out[0] = math.nan
    if count == 0.0:
        return
    path = roll_nb(s, 4 + n, n, abs(c - last))
    if count < n:
        return
    if count == n:
        s[1] = last
    move = c - back
    efficiency = 1.0
    if path > 0.0 and path > move:
        efficiency = abs(move / path)
    slow = 2.0 / (p[2] + 1.0)
    alpha = efficiency * (2.0 / (p[1] + 1.0) - slow) + slow
    s[1] += (c - s[1]) * (alpha * alpha)
    out[0] = s[1]


@kernel
def zlema_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Ehlers' and Way's zero-lag average: EMA of the close plus its move over half the period."""
    n = int(p[0])
    lag = (n - 1) // 2
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 2, lag + 1, x[CLOSE])
    out[0] = math.nan
    if c < lag:
        return
    value = 2.0 * x[CLOSE] - back_nb(s, 2, lag + 1, lag)
    s[1] = ema_nb(s[1], value, c - lag, p[0])
    if c - lag >= n - 1:
        out[0] = s[1]


@kernel
def vwma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Closes weighted by volume; the plain mean of the window where none has volume."""
    n = int(p[0])
    s[0] += 1.0
    value = roll_nb(s, 1, n, x[CLOSE] * x[VOLUME])
    volume = roll_nb(s, 3 + n, n, x[VOLUME])
    plain = roll_nb(s, 5 + 2 * n, n, x[CLOSE])
    s[7 + 3 * n] = s[7 + 3 * n] + 1.0 if x[VOLUME] == 0.0 else 0.0
    out[0] = math.nan
    if s[0] >= n:
        dry = s[7 + 3 * n] >= n or volume <= 0.0
        out[0] = plain / n if dry else value / volume


@kernel
def alma_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Arnaud Legoux: a Gaussian window. The weights (oldest first, sum 1) follow the parameters."""
    n = int(p[0])
    s[0] += 1.0
    push_nb(s, 1, n, x[CLOSE])
    total = 0.0
    head = int(s[1])
    for i in range(n):
        j = head + i
        if j >= n:
            j -= n
        total += p[3 + i] * s[2 + j]
    out[0] = total if s[0] >= n else math.nan


@kernel
def frama_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Ehlers' fractal average of (high + low) / 2. Six sliding extremes; value; the halves' bars.

    Dimension from the ranges of both halves and of the whole; alpha = exp(-4.6 (D - 1)) in [0.01, 1].
    """
    n = int(p[0])
    half = n // 2
    c = s[0]
    s[0] = c + 1.0
    size = 2 * n + 2
    top = highest_nb(s, 4, n, c, x[HIGH])
    bottom = lowest_nb(s, 4 + size, n, c, x[LOW])
    at = 4 + 2 * size
    small = 2 * half + 2
    new_top = highest_nb(s, at, half, c, x[HIGH])
    new_bottom = lowest_nb(s, at + small, half, c, x[LOW])
    ring = at + 2 * small
    old_high = push_nb(s, ring, half, new_top)
    old_low = push_nb(s, ring + half + 1, half, new_bottom)
    price = (x[HIGH] + x[LOW]) / 2.0
    out[0] = math.nan
    if c < n - 1:
        s[1] = price
        return
    n1 = (new_top - new_bottom) / half
    n2 = (old_high - old_low) / half
    n3 = (top - bottom) / n
    if n1 + n2 > 0.0 and n3 > 0.0:
        s[2] = (math.log(n1 + n2) - math.log(n3)) / math.log(2.0)
    alpha = min(max(math.exp(-4.6 * (s[2] - 1.0)), 0.01), 1.0)
    s[1] += alpha * (price - s[1])
    out[0] = s[1]


@kernel
def vidya_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chande's average: EMA whose alpha is scaled by |CMO| of n moves; seeded by the close at bar n."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    move = x[CLOSE] - s[2] if c > 0.0 else 0.0
    s[2] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    up = roll_nb(s, 3, n, max(move, 0.0))
    down = roll_nb(s, 5 + n, n, max(-move, 0.0))
    if c < n:
        return
    if c == n:
        s[1] = x[CLOSE]
    total = up + down
    strength = abs(up - down) / total if total > 0.0 else 0.0
    s[1] += strength * (2.0 / (n + 1.0)) * (x[CLOSE] - s[1])
    out[0] = s[1]


@kernel
def mcginley_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """McGinley's dynamic line, seeded by the mean of n closes; it follows falls faster than rises."""
    n = p[0]
    c = s[0]
    s[0] = c + 1.0
    out[0] = math.nan
    if c < n:
        s[1] += x[CLOSE]
        if c == n - 1.0:
            s[1] /= n
            out[0] = s[1]
        return
    ratio = x[CLOSE] / s[1] if s[1] > 0.0 else 1.0
    s[1] += (x[CLOSE] - s[1]) / max(n * ratio * ratio * ratio * ratio, 1.0)
    out[0] = s[1]


@kernel
def linreg_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Least-squares line of n closes: its end, one step beyond, start, slope a bar, angle in degrees."""
    n = int(p[0])
    s[0] += 1.0
    base, first, weighted = line_nb(s, 1, n, x[CLOSE])
    if s[0] < n:
        for k in range(5):
            out[k] = math.nan
        return
    slope = slope_nb(n, first, weighted)
    start = base + (first - slope * 0.5 * n * (n - 1.0)) / n
    out[0] = start + slope * (n - 1.0)
    out[1] = start + slope * n
    out[2] = start
    out[3] = slope
    out[4] = math.degrees(math.atan(slope))


@kernel
def midpoint_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Middle of the highest and the lowest of n closes."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_nb(s, 1, n, c, x[CLOSE])
    low = lowest_nb(s, 3 + 2 * n, n, c, x[CLOSE])
    out[0] = (high + low) / 2.0 if c >= n - 1.0 else math.nan


@kernel
def midprice_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Middle of the highest high and the lowest low of n bars."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_nb(s, 1, n, c, x[HIGH])
    low = lowest_nb(s, 3 + 2 * n, n, c, x[LOW])
    out[0] = (high + low) / 2.0 if c >= n - 1.0 else math.nan


@kernel
def envelope_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean of n closes, and bands a fixed percentage from it."""
    n = int(p[0])
    s[0] += 1.0
    mid = roll_nb(s, 1, n, x[CLOSE]) / n
    warm = s[0] >= n
    out[0] = mid * (1.0 + p[1] / 100.0) if warm else math.nan
    out[1] = mid if warm else math.nan
    out[2] = mid * (1.0 - p[1] / 100.0) if warm else math.nan


@kernel
def accbands_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Headley's acceleration bands: means of the highs and lows, widened by the relative range."""
    n = int(p[0])
    s[0] += 1.0
    total = x[HIGH] + x[LOW]
    wide = 4.0 * (x[HIGH] - x[LOW]) / total if total != 0.0 else 0.0
    upper = roll_nb(s, 1, n, x[HIGH] * (1.0 + wide)) / n
    mid = roll_nb(s, 3 + n, n, x[CLOSE]) / n
    lower = roll_nb(s, 5 + 2 * n, n, x[LOW] * (1.0 - wide)) / n
    warm = s[0] >= n
    out[0] = upper if warm else math.nan
    out[1] = mid if warm else math.nan
    out[2] = lower if warm else math.nan


@kernel
def alligator_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' jaw, teeth and lips: Wilder averages 13, 8, 5 of the median price, 8, 5, 3 bars late.

    Memory: inputs, three averages, then rings of 9, 6 and 4 of them.
    """
    c = s[0]
    s[0] = c + 1.0
    price = (x[HIGH] + x[LOW]) / 2.0
    at = 4
    for k in range(3):
        n = 13.0 if k == 0 else (8.0 if k == 1 else 5.0)
        shift = 8 if k == 0 else (5 if k == 1 else 3)
        s[1 + k] = wilder_nb(s[1 + k], price, c, n)
        old = push_nb(s, at, shift, s[1 + k])
        out[k] = old if c >= 20.0 else math.nan
        at += shift + 1
    if len(out) > 3:
        jaw = out[0]
        teeth = out[1]
        lips = out[2]
        out[3] = abs(jaw - teeth)
        out[4] = -abs(teeth - lips)


@kernel
def bb_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Bollinger: mean +- k population deviations, place in the band, relative width.

    A flat window has %B 0.5 and width 0.
    """
    n = int(p[0])
    c = x[CLOSE]
    s[0] += 1.0
    mean, variance = moments_nb(s, 1, n, c)
    if s[0] < n:
        for k in range(5):
            out[k] = math.nan
        return
    band = p[1] * math.sqrt(variance)
    out[0] = mean + band
    out[1] = mean
    out[2] = mean - band
    out[3] = (c - (mean - band)) / (2.0 * band) if band > 0.0 else 0.5
    out[4] = 2.0 * band / mean if mean != 0.0 else 0.0
