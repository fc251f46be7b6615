"""Volatility: Bollinger bands, ATR, range estimators, returns, z-score of the close.

Conventions as in `trend_nb`. Volatilities are a bar's, as a fraction; nothing is annualised here.
"""

import math
from typing import Any

from bot4.features.layout_nb import RING_MASK
from bot4.features.window_nb import (
    blurred_nb,
    centre_nb,
    deviation_nb,
    log_ratio_nb,
    stale_nb,
    wilder_nb,
    window_sum_nb,
    z_score_nb,
)
from bot4.kernels.jit_nb import kernel

_FOUR_LN2 = 4.0 * math.log(2.0)
_TWO_LN2_1 = 2.0 * math.log(2.0) - 1.0


@kernel
def bollinger_nb(s: Any, n: int, c: float) -> tuple[float, float, float, float, float, float]:
    """Bollinger(20, 2) upper, mid, lower, %B, width, and standard deviation of 20 closes.

    The deviation is the population's; width is (upper - lower) / mid. A flat window has %B 0.5 and
    width 0. Warm at bar 19.
    """
    if n < 19:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    m = s["bollinger"]
    closes = s["closes"]
    d = c - m[2]
    old = closes[(n - 20) & RING_MASK] - m[2]
    m[0] += d - old
    m[1] += d * d - old * old
    if n == 19 or blurred_nb(n, m, old, 20):
        centre_nb(m, closes, n, 20)
    mean = m[2] + m[0] / 20.0
    deviation = deviation_nb(m, 20)
    if s["flat"] >= 19:
        mean = c
        deviation = 0.0
    band = 2.0 * deviation
    percent = (c - (mean - band)) / (2.0 * band) if band > 0.0 else 0.5
    width = 2.0 * band / mean if mean != 0.0 else 0.0
    return mean + band, mean, mean - band, percent, width, deviation


@kernel
def atr_nb(s: Any, n: int, c: float, true_range: float) -> tuple[float, float]:
    """ATR 14 in price and NATR 14 in percent of the close (0 at price 0); warm at bar 14."""
    if n == 0:
        return math.nan, math.nan
    atr = wilder_nb(s["atr_14"], true_range, n - 1, 14)
    s["atr_14"] = atr
    if n < 14:
        return math.nan, math.nan
    return atr, atr / c * 100.0 if c != 0.0 else 0.0


@kernel
def range_vol_nb(s: Any, n: int, bar: tuple[float, float, float, float]) -> tuple[float, float]:
    """Parkinson (1980) and Garman-Klass (1980) volatility of 20 bars; warm at bar 19.

    `bar` is open, high, low, close. Parkinson: mean ln^2(H/L) / (4 ln 2); Garman-Klass: mean of
    ln^2(H/L) / 2 - (2 ln 2 - 1) ln^2(C/O), which is never negative where L <= O, C <= H.
    """
    o, h, lo, c = bar
    span = log_ratio_nb(h, lo)
    body = log_ratio_nb(c, o)
    spans = s["spans"]
    bodies = s["bodies"]
    garman_klass = max(0.5 * span * span - _TWO_LN2_1 * body * body, 0.0)
    old_span = spans[(n - 20) & RING_MASK]
    old_body = bodies[(n - 20) & RING_MASK]
    spans[n & RING_MASK] = span * span
    bodies[n & RING_MASK] = garman_klass
    s["parkinson"] += span * span - old_span
    s["garman_klass"] += garman_klass - old_body
    if stale_nb(n, old_span, s["parkinson"]) or stale_nb(n, old_body, s["garman_klass"]):
        s["parkinson"] = window_sum_nb(spans, n, 20)
        s["garman_klass"] = window_sum_nb(bodies, n, 20)
    if n < 19:
        return math.nan, math.nan
    return (
        math.sqrt(max(s["parkinson"], 0.0) / (20.0 * _FOUR_LN2)),
        math.sqrt(max(s["garman_klass"], 0.0) / 20.0),
    )


@kernel
def returns_nb(s: Any, n: int, c: float) -> tuple[float, float, float, float]:
    """Log returns over 1, 5 and 15 bars, and the root mean square of the last 30 one-bar returns.

    Realised volatility takes no mean away (Andersen and Bollerslev, 1998); warm at bars 1, 5, 15, 30.
    """
    squares = s["squares"]
    closes = s["closes"]
    if n == 0:
        squares[0] = 0.0
        return math.nan, math.nan, math.nan, math.nan
    one = log_ratio_nb(c, s["prev_close"])
    old = squares[(n - 30) & RING_MASK]
    squares[n & RING_MASK] = one * one
    s["square_sum"] += one * one - old
    if stale_nb(n, old, s["square_sum"]):
        s["square_sum"] = window_sum_nb(squares, n, 30)
    return (
        one,
        log_ratio_nb(c, closes[(n - 5) & RING_MASK]) if n >= 5 else math.nan,
        log_ratio_nb(c, closes[(n - 15) & RING_MASK]) if n >= 15 else math.nan,
        math.sqrt(max(s["square_sum"], 0.0) / 30.0) if n >= 30 else math.nan,
    )


@kernel
def close_z_nb(s: Any, n: int, c: float) -> float:
    """Z-score of the close among the last 50 (population deviation, 0 if flat); warm at bar 49."""
    if n < 49:
        return math.nan
    m = s["close_z"]
    closes = s["closes"]
    d = c - m[2]
    old = closes[(n - 50) & RING_MASK] - m[2]
    m[0] += d - old
    m[1] += d * d - old * old
    if n == 49 or blurred_nb(n, m, old, 50):
        centre_nb(m, closes, n, 50)
    if s["flat"] >= 49:
        return 0.0
    return z_score_nb(c, m[2] + m[0] / 50.0, deviation_nb(m, 50))
