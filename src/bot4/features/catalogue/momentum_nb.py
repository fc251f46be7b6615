"""Step kernels of momentum. Seeds are those of TA-Lib; `s[0]` counts inputs."""

import math

from bot4.features.catalogue.averages_nb import chain_nb
from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    VOLUME,
    Vector,
    back_nb,
    highest_nb,
    line_nb,
    lowest_nb,
    nan_nb,
    push_nb,
    ratio_nb,
    roll_nb,
    slope_nb,
    wma_nb,
)
from bot4.features.window_nb import ema_nb, wilder_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel


@inlined
def strength_nb(s: Vector, at: int, move: float, c: float, n: float) -> float:
    """RSI from Wilder's averages of gains and losses; c counts moves. 0 where nothing ever moved. Block 2."""
    s[at] = wilder_nb(s[at], max(move, 0.0), c, n)
    s[at + 1] = wilder_nb(s[at + 1], max(-move, 0.0), c, n)
    total = s[at] + s[at + 1]
    return 100.0 * (s[at] / total) if total > 0.0 else 0.0


@kernel
def rsi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Wilder's relative strength."""
    c = s[0]
    move = x[CLOSE] - s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c > 0.0:
        value = strength_nb(s, 2, move, c - 1.0, p[0])
        if c >= p[0]:
            out[0] = value


@kernel
def cmo_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chande's oscillator in TA-Lib's smoothed form, and from plain sums."""
    n = int(p[0])
    c = s[0]
    move = x[CLOSE] - s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    nan_nb(out)
    if c == 0.0:
        return
    strength_nb(s, 2, move, c - 1.0, p[0])
    up = roll_nb(s, 4, n, max(move, 0.0))
    down = roll_nb(s, 6 + n, n, max(-move, 0.0))
    if c < n:
        return
    total = s[2] + s[3]
    out[0] = 100.0 * ((s[2] - s[3]) / total) if total > 0.0 else 0.0
    out[1] = 100.0 * ((up - down) / (up + down)) if up + down > 0.0 else 0.0


@kernel
def pair_nb(s: Vector, at: int, x: float, c: float, fast: float, slow: float) -> None:
    """A fast and a slow average in s[at], s[at + 1], each seeded by its own first inputs."""
    s[at] = ema_nb(s[at], x, c, fast)
    s[at + 1] = ema_nb(s[at + 1], x, c, slow)


@kernel
def _signal_nb(p: Vector, s: Vector, value: float, c: float, out: Vector) -> None:
    """Line, its average and their difference, from the line `value` that begins at input slow - 1."""
    first = p[1] - 1.0
    s[3] = ema_nb(s[3], value, c - first, p[2])
    if c >= first + p[2] - 1.0:
        out[0] = value
        out[1] = s[3]
        out[2] = value - s[3]


@kernel
def macd_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Difference of a fast and a slow average, its average, and the distance of both.

    As in TA-Lib the fast average is seeded by the last of the closes that seed the slow one.
    """
    c = s[0]
    s[0] = c + 1.0
    s[2] = ema_nb(s[2], x[CLOSE], c, p[1])
    if c >= p[1] - p[0]:
        s[1] = ema_nb(s[1], x[CLOSE], c - (p[1] - p[0]), p[0])
    nan_nb(out)
    if c >= p[1] - 1.0:
        _signal_nb(p, s, s[1] - s[2], c, out)


@kernel
def apo_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Difference of a fast and a slow average, without a signal line."""
    c = s[0]
    s[0] = c + 1.0
    pair_nb(s, 1, x[CLOSE], c, p[0], p[1])
    out[0] = s[1] - s[2] if c >= p[1] - 1.0 else math.nan


@kernel
def ppo_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """As MACD, in percent of the slow average."""
    c = s[0]
    s[0] = c + 1.0
    pair_nb(s, 1, x[CLOSE], c, p[0], p[1])
    nan_nb(out)
    if c >= p[1] - 1.0:
        _signal_nb(p, s, 100.0 * ratio_nb(s[1] - s[2], s[2], 0.0), c, out)


@kernel
def pvo_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """PPO of the volume; 0 where the slow average is 0."""
    c = s[0]
    s[0] = c + 1.0
    pair_nb(s, 1, x[VOLUME], c, p[0], p[1])
    nan_nb(out)
    if c >= p[1] - 1.0:
        _signal_nb(p, s, 100.0 * ratio_nb(s[1] - s[2], s[2], 0.0), c, out)


@kernel
def mom_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Close less the close n bars before."""
    back = push_nb(s, 1, int(p[0]), x[CLOSE])
    out[0] = x[CLOSE] - back if s[0] >= p[0] else math.nan
    s[0] += 1.0


@kernel
def roc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Change over n bars in percent, as a fraction, as a ratio; from a price 0 it is no change."""
    back = push_nb(s, 1, int(p[0]), x[CLOSE])
    warm = s[0] >= p[0]
    ratio = ratio_nb(x[CLOSE], back, 1.0)
    out[0] = (ratio - 1.0) * 100.0 if warm else math.nan
    out[1] = ratio_nb(x[CLOSE] - back, back, 0.0) if warm else math.nan
    out[2] = ratio if warm else math.nan
    s[0] += 1.0


@kernel
def logret_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """ln(close / close n bars before); 0 where a price is not positive."""
    back = push_nb(s, 1, int(p[0]), x[CLOSE])
    out[0] = math.nan
    if s[0] >= p[0]:
        out[0] = math.log(x[CLOSE] / back) if back > 0.0 and x[CLOSE] > 0.0 else 0.0
    s[0] += 1.0


@kernel
def tsi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Blau's true strength: twice smoothed move over twice smoothed absolute move; 0 where nothing moved."""
    c = s[0]
    move = x[CLOSE] - s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    c -= 1.0
    s[2] = ema_nb(s[2], move, c, p[0])
    s[3] = ema_nb(s[3], abs(move), c, p[0])
    c -= p[0] - 1.0
    if c < 0.0:
        return
    s[4] = ema_nb(s[4], s[2], c, p[1])
    s[5] = ema_nb(s[5], s[3], c, p[1])
    if c >= p[1] - 1.0:
        out[0] = 100.0 * ratio_nb(s[4], s[5], 0.0)


@kernel
def trix_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Change in percent of a triple exponential average."""
    prev = s[3]
    warm = chain_nb(s, 1, x[CLOSE], s[0], p[0], 3)
    s[0] += 1.0
    out[0] = math.nan
    if warm and s[0] > 3.0 * p[0] - 2.0:
        out[0] = (s[3] / prev - 1.0) * 100.0 if prev != 0.0 else 0.0


@kernel
def kst_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Pring's know sure thing: weighted means of four rates of change, and its mean of p[0]."""
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 1, 31, x[CLOSE])
    nan_nb(out)
    total = 0.0
    at = 33
    for k in range(4):
        lag = 10 + 5 * k if k < 3 else 30
        n = 10 if k < 3 else 15
        if c >= lag:
            back = back_nb(s, 1, 31, lag)
            total += (k + 1.0) * roll_nb(s, at, n, 100.0 * ratio_nb(x[CLOSE] - back, back, 0.0)) / n
        at += n + 2
    if c < 44.0:
        return
    n = int(p[0])
    mean = roll_nb(s, at, n, total) / n
    if c >= 43 + n:
        out[0] = total
        out[1] = mean


@kernel
def dpo_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Close n / 2 + 1 bars before less the mean of n closes up to now."""
    n = int(p[0])
    shift = n // 2 + 1
    s[0] += 1.0
    push_nb(s, 1, shift + 1, x[CLOSE])
    total = roll_nb(s, 3 + shift, n, x[CLOSE])
    out[0] = back_nb(s, 1, shift + 1, shift) - total / n if s[0] >= max(n, shift + 1) else math.nan


@kernel
def coppock_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Coppock's curve: weighted average of the sum of two rates of change."""
    n = int(p[0])
    longest = int(max(p[1], p[2]))
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 1, longest + 1, x[CLOSE])
    out[0] = math.nan
    if c < longest:
        return
    a = back_nb(s, 1, longest + 1, int(p[1]))
    b = back_nb(s, 1, longest + 1, int(p[2]))
    total = 100.0 * (ratio_nb(x[CLOSE], a, 1.0) - 1.0) + 100.0 * (ratio_nb(x[CLOSE], b, 1.0) - 1.0)
    value = wma_nb(s, 3 + longest, n, total)
    if c >= longest + n - 1:
        out[0] = value


@kernel
def _weighted_nb(s: Vector, at: int, x: float) -> float:
    """(x + 2 x1 + 2 x2 + x3) / 6 over the last four inputs. Block 3."""
    value = (x + 2.0 * s[at] + 2.0 * s[at + 1] + s[at + 2]) / 6.0
    s[at + 2] = s[at + 1]
    s[at + 1] = s[at]
    s[at] = x
    return float(value)


@kernel
def rvgi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Ehlers' relative vigour: smoothed bodies over smoothed ranges, and its signal line."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    body = _weighted_nb(s, 1, x[CLOSE] - x[OPEN])
    span = _weighted_nb(s, 4, x[HIGH] - x[LOW])
    nan_nb(out)
    if c < 3.0:
        return
    up = roll_nb(s, 10, n, body)
    way = roll_nb(s, 12 + n, n, span)
    if c < n + 2:
        return
    value = ratio_nb(up, way, 0.0)
    signal = _weighted_nb(s, 7, value)
    if c >= n + 5:
        out[0] = value
        out[1] = signal


@kernel
def ao_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' awesome oscillator and accelerator (its distance from its mean of p[2])."""
    a, b, n = int(p[0]), int(p[1]), int(p[2])
    s[0] += 1.0
    price = (x[HIGH] + x[LOW]) / 2.0
    fast = roll_nb(s, 1, a, price) / a
    slow = roll_nb(s, 3 + a, b, price) / b
    nan_nb(out)
    if s[0] < b:
        return
    value = fast - slow
    mean = roll_nb(s, 5 + a + b, n, value) / n
    if s[0] >= b + n - 1:
        out[0] = value
        out[1] = value - mean


@kernel
def eri_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Elder's ray: high and low less the exponential average of the close."""
    c = s[0]
    s[0] = c + 1.0
    s[1] = ema_nb(s[1], x[CLOSE], c, p[0])
    warm = c >= p[0] - 1.0
    out[0] = x[HIGH] - s[1] if warm else math.nan
    out[1] = x[LOW] - s[1] if warm else math.nan


@kernel
def qstick_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean body of n bars."""
    n = int(p[0])
    s[0] += 1.0
    total = roll_nb(s, 1, n, x[CLOSE] - x[OPEN])
    out[0] = total / n if s[0] >= n else math.nan


@kernel
def bop_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Balance of power: body over range; 0 where there is no range."""
    span = x[HIGH] - x[LOW]
    out[0] = (x[CLOSE] - x[OPEN]) / span if span > 0.0 else 0.0


@kernel
def imi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chande's intraday momentum: rising bodies over all bodies; 50 where there is none."""
    n = int(p[0])
    s[0] += 1.0
    body = x[CLOSE] - x[OPEN]
    up = max(roll_nb(s, 1, n, max(body, 0.0)), 0.0)
    down = max(roll_nb(s, 3 + n, n, max(-body, 0.0)), 0.0)
    out[0] = math.nan
    if s[0] >= n:
        out[0] = 100.0 * up / (up + down) if up + down > 0.0 else 50.0


@kernel
def er_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Kaufman's efficiency: way over path of n moves; 0 where nothing moved."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    back = push_nb(s, 2, n, x[CLOSE])
    out[0] = math.nan
    if c == 0.0:
        return
    path = roll_nb(s, 3 + n, n, abs(x[CLOSE] - last))
    if c >= n:
        out[0] = min(abs(x[CLOSE] - back) / path, 1.0) if path > 0.0 else 0.0


@kernel
def fosc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chande's forecast oscillator: close less the line's forecast of a bar before, in percent."""
    n = int(p[0])
    c = s[0]
    forecast = s[1]
    s[0] = c + 1.0
    base, first, weighted = line_nb(s, 2, n, x[CLOSE])
    out[0] = math.nan
    if c >= n - 1:
        slope = slope_nb(n, first, weighted)
        s[1] = base + (first - slope * 0.5 * n * (n - 1.0)) / n + slope * n
    if c >= n:
        out[0] = 100.0 * ratio_nb(x[CLOSE] - forecast, x[CLOSE], 0.0)


@kernel
def vhf_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """White's vertical horizontal filter: range of n closes over their path; 0 where nothing moved."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    high = highest_nb(s, 2, n, c, x[CLOSE])
    low = lowest_nb(s, 4 + 2 * n, n, c, x[CLOSE])
    move = abs(x[CLOSE] - last) if c > 0.0 else 0.0
    path = roll_nb(s, 6 + 4 * n, n, move)
    out[0] = math.nan
    if c >= n:
        out[0] = (high - low) / path if path > 0.0 else 0.0
