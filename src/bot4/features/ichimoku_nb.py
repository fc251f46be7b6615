"""Ichimoku Kinko Hyo (Hosoda, 1969) with its cloud, lagging line and strength, none of it seeing ahead.

Displacement d: the cloud under bar t consists of the spans computed at bar t - d (some charts say
t - d + 1). The lagging line is the close drawn d bars back; the only comparison that is known at bar t
is the close of t with the close of t - d.
"""

import math

from bot4.features.pivots_nb import Vector, finite_bar_nb
from bot4.features.ring_nb import highest_nb, lowest_nb, nan_nb, push_nb
from bot4.kernels.jit_nb import kernel

Pair = tuple[float, float]

QUEUES = 1
"""The state: bars, then queues of highs and lows of the three windows, then rings of spans and closes."""


@kernel
def rings_at_nb(short: int, middle: int, long: int) -> int:
    """Where the rings begin: span A, span B, close, each 1 + displacement numbers."""
    return QUEUES + 2 * (2 * (short + middle + long) + 6)


@kernel
def _middle_nb(s: Vector, at: int, n: int, x: Vector) -> tuple[float, float]:
    """Middle and width of the range of the last n bars; the middle is NaN until they are n."""
    c = s[0]
    high = highest_nb(s, at, n, c, x[1])
    low = lowest_nb(s, at + 2 * n + 2, n, c, x[2])
    return ((high + low) / 2.0 if c >= n - 1.0 else math.nan), high - low


@kernel
def _points_nb(difference: float) -> float:
    """20 above, 0 below, 10 where equal."""
    return 20.0 if difference > 0.0 else (0.0 if difference < 0.0 else 10.0)


@kernel
def strength_nb(closes: tuple[float, float], lines: Pair, cloud: Pair, lead: Pair, width: float) -> float:
    """Trend strength 0 (falls) to 100 (rises), 20 points for each of five.

    Close over the cloud (10 within it); Tenkan over Kijun; lead A over lead B; close over the close d bars
    ago; distance of the close from the cloud, from 0 at one Kijun range below to 20 at one above.
    """
    close, lagged = closes
    top = max(cloud[0], cloud[1])
    foot = min(cloud[0], cloud[1])
    beyond = close - top if close > top else (close - foot if close < foot else 0.0)
    far = min(max(beyond / width, -1.0), 1.0) if width > 0.0 else 0.0
    return (
        _points_nb(beyond)
        + _points_nb(lines[0] - lines[1])
        + _points_nb(lead[0] - lead[1])
        + _points_nb(close - lagged)
        + 10.0
        + 10.0 * far
    )


@kernel
def ichimoku_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Fold a bar. params: Tenkan, Kijun, Senkou B, displacement, in bars.

    out: Tenkan, Kijun, span A and B of the cloud under this bar, close minus the close d bars ago, lead A and
    B (of the cloud d bars ahead), strength, nearest support and resistance among the four lines.
    NaN until each is known, and where no line lies on that side.
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    short, middle, long, d = int(params[0]), int(params[1]), int(params[2]), int(params[3])
    tenkan, _ = _middle_nb(state, QUEUES, short, x)
    at = QUEUES + 4 * short + 4
    kijun, width = _middle_nb(state, at, middle, x)
    at += 4 * middle + 4
    lead_b, _ = _middle_nb(state, at, long, x)
    lead_a = (tenkan + kijun) / 2.0
    rings = rings_at_nb(short, middle, long)
    full = state[0] >= d
    span_a = push_nb(state, rings, d, lead_a)
    span_b = push_nb(state, rings + d + 1, d, lead_b)
    lagged = push_nb(state, rings + 2 * d + 2, d, x[3])
    state[0] += 1.0
    if not full:
        span_a, span_b, lagged = math.nan, math.nan, math.nan
    out[0], out[1], out[2], out[3] = tenkan, kijun, span_a, span_b
    out[4] = x[3] - lagged
    out[5], out[6] = lead_a, lead_b
    out[7], out[8], out[9] = math.nan, math.nan, math.nan
    for i in range(4):
        if out[i] <= x[3] and not out[i] <= out[8]:
            out[8] = out[i]
        if out[i] > x[3] and not out[i] >= out[9]:
            out[9] = out[i]
    if not math.isnan(span_b):
        out[7] = strength_nb((x[3], lagged), (tenkan, kijun), (span_a, span_b), (lead_a, lead_b), width)
