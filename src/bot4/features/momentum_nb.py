"""Momentum: oscillators of the close and of its place in the range.

Conventions as in `trend_nb`: one call folds bar `n` and returns its features, NaN until warm, by
TA-Lib's seeds and rules.
"""

import math
from typing import Any

from bot4.features.layout_nb import Q_HEAD_14, Q_HEAD_15, Q_HEAD_20, RING_MASK
from bot4.features.window_nb import ema_nb, extreme_bar_nb, push_high_nb, push_low_nb, wilder_nb
from bot4.kernels.jit_nb import kernel


@kernel
def rsi_nb(s: Any, n: int, c: float) -> tuple[float, float]:
    """RSI (Wilder, 1978) and CMO in TA-Lib's smoothed form (Chande, 1994), 14 bars; warm at bar 14.

    Where no close has ever moved both are 0 (TA-Lib's value; not the 50 that some charts show).
    """
    if n == 0:
        return math.nan, math.nan
    move = c - s["prev_close"]
    gain = wilder_nb(s["gain"], max(move, 0.0), n - 1, 14)
    loss = wilder_nb(s["loss"], max(-move, 0.0), n - 1, 14)
    s["gain"] = gain
    s["loss"] = loss
    if n < 14:
        return math.nan, math.nan
    total = gain + loss
    if total <= 0.0:
        return 0.0, 0.0
    return 100.0 * (gain / total), 100.0 * ((gain - loss) / total)


@kernel
def macd_nb(s: Any, n: int, c: float) -> tuple[float, float, float]:
    """MACD(12, 26, 9) line, signal and histogram (Appel); all warm at bar 33.

    As in TA-Lib the fast average is seeded by the last 12 of the first 26 closes.
    """
    s["macd_slow"] = ema_nb(s["macd_slow"], c, n, 26)
    if n >= 14:
        s["macd_fast"] = ema_nb(s["macd_fast"], c, n - 14, 12)
    if n < 25:
        return math.nan, math.nan, math.nan
    line = s["macd_fast"] - s["macd_slow"]
    s["macd_signal"] = ema_nb(s["macd_signal"], line, n - 25, 9)
    if n < 33:
        return math.nan, math.nan, math.nan
    return line, s["macd_signal"], line - s["macd_signal"]


@kernel
def trix_nb(s: Any, n: int, c: float) -> float:
    """Rate of change in percent of a triple EMA 15 of the close (Hutson, 1983); warm at bar 43."""
    s["trix_1"] = ema_nb(s["trix_1"], c, n, 15)
    if n < 14:
        return math.nan
    s["trix_2"] = ema_nb(s["trix_2"], s["trix_1"], n - 14, 15)
    if n < 28:
        return math.nan
    prev = s["trix_3"]
    s["trix_3"] = ema_nb(prev, s["trix_2"], n - 28, 15)
    if n < 43:
        return math.nan
    return (s["trix_3"] / prev - 1.0) * 100.0 if prev != 0.0 else 0.0


@kernel
def roc_nb(s: Any, n: int, c: float) -> tuple[float, float]:
    """Rate of change in percent and momentum over 10 bars; warm at bar 10. ROC from a price 0 is 0."""
    if n < 10:
        return math.nan, math.nan
    back = s["closes"][(n - 10) & RING_MASK]
    return (c / back - 1.0) * 100.0 if back != 0.0 else 0.0, c - back


@kernel
def cci_nb(s: Any, n: int) -> float:
    """Commodity channel index, 20 bars (Lambert, 1980); warm at bar 19; a flat window gives 0.

    The mean absolute deviation has no O(1) recursion; a loop over 20 values in four sums costs
    less than an ordered tree would.
    """
    if n < 19:
        return math.nan
    x = s["typicals"]
    a = b = c = d = 0.0
    for i in range(n - 19, n + 1, 4):
        a += x[i & RING_MASK]
        b += x[(i + 1) & RING_MASK]
        c += x[(i + 2) & RING_MASK]
        d += x[(i + 3) & RING_MASK]
    mean = ((a + b) + (c + d)) / 20.0
    a = b = c = d = 0.0
    for i in range(n - 19, n + 1, 4):
        a += abs(x[i & RING_MASK] - mean)
        b += abs(x[(i + 1) & RING_MASK] - mean)
        c += abs(x[(i + 2) & RING_MASK] - mean)
        d += abs(x[(i + 3) & RING_MASK] - mean)
    deviation = ((a + b) + (c + d)) / 20.0
    distance = x[n & RING_MASK] - mean
    # Below 1e-14 of the price both are rounding, not movement.
    if deviation <= 1e-14 * abs(mean) or abs(distance) <= 1e-14 * abs(mean):
        return 0.0
    return float(distance / (0.015 * deviation))


@kernel
def _stochastic_nb(s: Any, n: int, fast: float) -> tuple[float, float]:
    """Smooth the raw %K twice by means of 3; both lines are warm at bar 17."""
    fasts = s["fast_k"]
    slows = s["slow_k"]
    fasts[n & RING_MASK] = fast
    if n < 15:
        return math.nan, math.nan
    slow = (fasts[(n - 2) & RING_MASK] + fasts[(n - 1) & RING_MASK] + fast) / 3.0
    slows[n & RING_MASK] = slow
    if n < 17:
        return math.nan, math.nan
    return slow, (slows[(n - 2) & RING_MASK] + slows[(n - 1) & RING_MASK] + slow) / 3.0


@kernel
def oscillators_nb(s: Any, n: int, c: float) -> tuple[float, float, float]:
    """Stochastic(14, 3, 3) %K and %D and Williams %R 14; warm at bars 17, 17, 13.

    Call it after `push_range_nb`. Where the range is 0 all three take 0 (TA-Lib's value).
    """
    if n < 13:
        return math.nan, math.nan, math.nan
    high = s["highs"][extreme_bar_nb(s["high_queue"], Q_HEAD_14) & RING_MASK]
    low = s["lows"][extreme_bar_nb(s["low_queue"], Q_HEAD_14) & RING_MASK]
    span = high - low
    k, d = _stochastic_nb(s, n, (c - low) / (span / 100.0) if span > 0.0 else 0.0)
    return k, d, (high - c) / span * -100.0 if span > 0.0 else 0.0


@kernel
def aroon_nb(s: Any, n: int) -> tuple[float, float]:
    """Aroon 14 up and down (Chande, 1995); warm at bar 14. Call it after `push_range_nb`."""
    if n < 14:
        return math.nan, math.nan
    up = 14 - (n - extreme_bar_nb(s["high_queue"], Q_HEAD_15))
    down = 14 - (n - extreme_bar_nb(s["low_queue"], Q_HEAD_15))
    return (100.0 / 14.0) * up, (100.0 / 14.0) * down


@kernel
def donchian_nb(s: Any) -> tuple[float, float]:
    """High and low of the 20 bars that the queues hold."""
    return (
        s["highs"][extreme_bar_nb(s["high_queue"], Q_HEAD_20) & RING_MASK],
        s["lows"][extreme_bar_nb(s["low_queue"], Q_HEAD_20) & RING_MASK],
    )


@kernel
def push_range_nb(s: Any, n: int) -> None:
    """Push bar n into the queues of highs and lows."""
    push_high_nb(s["high_queue"], s["highs"], n)
    push_low_nb(s["low_queue"], s["lows"], n)
