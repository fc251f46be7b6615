"""Trend: moving averages, regression, directional movement, channels and stops.

Every function folds bar `n` (counted from 0) of the instrument whose record is `s` and returns its
features, NaN until they are warm. Seeds and rules are those of TA-Lib 0.8, whose results are
the oracle of the tests.
"""

import math
from typing import Any

from bot4.features.layout_nb import RING_MASK
from bot4.features.window_nb import DWARFS, ema_nb, stale_nb, wilder_nb, window_sum_nb
from bot4.kernels.jit_nb import kernel

# Kaufman, "Trading Systems and Methods": averages of 2 and 30 bars bound the smoothing.
_KAMA_SLOW = 2.0 / 31.0
_KAMA_SPAN = 2.0 / 3.0 - 2.0 / 31.0
# Wilder, "New Concepts in Technical Trading Systems", 1978.
_SAR_STEP = 0.02
_SAR_MAX = 0.2


@kernel
def _smas_afresh_nb(s: Any, n: int) -> None:
    s["sma_10"] = window_sum_nb(s["closes"], n, 10)
    s["sma_20"] = window_sum_nb(s["closes"], n, 20)
    s["sma_50"] = window_sum_nb(s["closes"], n, 50)


@kernel
def sma_nb(s: Any, n: int, c: float) -> tuple[float, float, float]:
    """Simple averages of 10, 20 and 50 closes; warm at bars 9, 19, 49.

    A ring starts as zeros, so what leaves a window that is not yet full is 0.
    """
    closes = s["closes"]
    old = closes[(n - 50) & RING_MASK]
    s["sma_10"] += c - closes[(n - 10) & RING_MASK]
    s["sma_20"] += c - closes[(n - 20) & RING_MASK]
    s["sma_50"] += c - old
    if stale_nb(n, max(closes[(n - 10) & RING_MASK], closes[(n - 20) & RING_MASK], old), s["sma_10"]):
        _smas_afresh_nb(s, n)
    if s["flat"] >= 49:  # one price: the averages are equal to the last bit, so none crosses another
        return c, c, c
    return (
        s["sma_10"] / 10.0 if n >= 9 else math.nan,
        s["sma_20"] / 20.0 if n >= 19 else math.nan,
        s["sma_50"] / 50.0 if n >= 49 else math.nan,
    )


@kernel
def emas_nb(s: Any, n: int, c: float) -> tuple[float, float, float]:
    """Exponential averages of 12, 26 and 50 closes; warm at bars 11, 25, 49."""
    s["ema_12"] = ema_nb(s["ema_12"], c, n, 12)
    s["ema_26"] = ema_nb(s["ema_26"], c, n, 26)
    s["ema_50"] = ema_nb(s["ema_50"], c, n, 50)
    return (
        s["ema_12"] if n >= 11 else math.nan,
        s["ema_26"] if n >= 25 else math.nan,
        s["ema_50"] if n >= 49 else math.nan,
    )


@kernel
def _linear_afresh_nb(s: Any, n: int) -> None:
    closes = s["closes"]
    base = closes[n & RING_MASK]
    total = 0.0
    weighted = 0.0
    for i in range(20):
        d = closes[(n - 19 + i) & RING_MASK] - base
        total += d
        weighted += (i + 1.0) * d
    s["lin_base"] = base
    s["lin_sum"] = total
    s["lin_wsum"] = weighted


@kernel
def linear_nb(s: Any, n: int, c: float) -> tuple[float, float]:
    """Weighted average (weights 1..20) of 20 closes and slope of their least-squares line, a bar.

    Both follow from sum x and sum j x, kept relative to a base price. A flat window has its price
    and slope 0. Warm at bar 19.
    """
    if n < 19:
        return math.nan, math.nan
    if n == 19 or (n & RING_MASK) == 0:
        _linear_afresh_nb(s, n)
    else:
        d = c - s["lin_base"]
        old = s["closes"][(n - 20) & RING_MASK] - s["lin_base"]
        s["lin_wsum"] += 20.0 * d - s["lin_sum"]
        s["lin_sum"] += d - old
        if abs(old) > DWARFS * (abs(d) + abs(s["lin_sum"])):
            _linear_afresh_nb(s, n)
    if s["flat"] >= 19:
        return c, 0.0
    # (n sum xy - sum x sum y) / (n sum x^2 - (sum x)^2) with x = 0..19
    slope = (20.0 * (s["lin_wsum"] - s["lin_sum"]) - 190.0 * s["lin_sum"]) / 13300.0
    return s["lin_base"] + s["lin_wsum"] / 210.0, slope


@kernel
def dema_nb(s: Any, n: int, c: float) -> float:
    """Double exponential average, 2 EMA - EMA(EMA), 20 bars (Mulloy, 1994); warm at bar 38."""
    s["dema_1"] = ema_nb(s["dema_1"], c, n, 20)
    if n >= 19:
        s["dema_2"] = ema_nb(s["dema_2"], s["dema_1"], n - 19, 20)
    if n < 38:
        return math.nan
    return float(2.0 * s["dema_1"] - s["dema_2"])


@kernel
def _path_nb(s: Any, n: int) -> float:
    """Way of the last 10 moves of the close."""
    closes = s["closes"]
    path = 0.0
    for i in range(n - 9, n + 1):
        path += abs(closes[i & RING_MASK] - closes[(i - 1) & RING_MASK])
    return path


@kernel
def kama_nb(s: Any, n: int, c: float) -> float:
    """Kaufman's adaptive average, 10 bars; warm at bar 10. A path of 0 counts as fully efficient."""
    if n < 10:
        return math.nan
    closes = s["closes"]
    back = closes[(n - 10) & RING_MASK]
    if n == 10:
        s["kama"] = s["prev_close"]
    if n == 10 or (n & RING_MASK) == 0:
        path = _path_nb(s, n)
    else:
        old = abs(back - closes[(n - 11) & RING_MASK])
        path = s["kama_path"] + abs(c - s["prev_close"]) - old
        if old > DWARFS * path:
            path = _path_nb(s, n)
    if s["flat"] >= 10:
        path = 0.0
    s["kama_path"] = path
    move = c - back
    efficiency = 1.0
    if path > 0.0 and path > move:
        efficiency = abs(move / path)
    alpha = efficiency * _KAMA_SPAN + _KAMA_SLOW
    s["kama"] += (c - s["kama"]) * (alpha * alpha)
    return float(s["kama"])


@kernel
def adx_nb(s: Any, n: int, h: float, lo: float, true_range: float) -> tuple[float, float, float]:
    """ADX (warm at bar 27), +DI and -DI (warm at bar 14), 14 bars (Wilder, 1978).

    Without any true range, or without any directional movement, the DI are 0 and ADX keeps its value.
    """
    if n == 0:
        return math.nan, math.nan, math.nan
    up = h - s["prev_high"]
    down = s["prev_low"] - lo
    if n >= 14:
        s["dm_plus"] -= s["dm_plus"] / 14.0
        s["dm_minus"] -= s["dm_minus"] / 14.0
        s["dm_range"] -= s["dm_range"] / 14.0
    s["dm_plus"] += up if up > 0.0 and up > down else 0.0
    s["dm_minus"] += down if down > 0.0 and up < down else 0.0
    s["dm_range"] += true_range
    if n < 14:
        return math.nan, math.nan, math.nan
    plus = 0.0
    minus = 0.0
    if s["dm_range"] > 0.0:
        plus = 100.0 * (s["dm_plus"] / s["dm_range"])
        minus = 100.0 * (s["dm_minus"] / s["dm_range"])
    if plus + minus > 0.0:
        dx = 100.0 * (abs(minus - plus) / (plus + minus))
        s["adx"] = s["adx"] + dx if n <= 27 else (s["adx"] * 13.0 + dx) / 14.0
    if n == 27:
        s["adx"] /= 14.0
    return s["adx"] if n >= 27 else math.nan, plus, minus


@kernel
def _supertrend_nb(s: Any, n: int, h: float, lo: float, c: float) -> tuple[float, float]:
    middle = (h + lo) / 2.0
    upper = middle + 3.0 * s["atr_10"]
    lower = middle - 3.0 * s["atr_10"]
    prev = s["prev_close"]
    if n == 10:
        s["supertrend_up"] = 1
        s["st_upper"] = upper
        s["st_lower"] = lower
        return lower, 1.0
    # Each band only moves towards the price, until a close beyond it lets it go.
    if upper < s["st_upper"] or prev > s["st_upper"]:
        s["st_upper"] = upper
    if lower > s["st_lower"] or prev < s["st_lower"]:
        s["st_lower"] = lower
    if s["supertrend_up"] == 1:
        if c < s["st_lower"]:
            s["supertrend_up"] = 0
    elif c > s["st_upper"]:
        s["supertrend_up"] = 1
    if s["supertrend_up"] == 1:
        return s["st_lower"], 1.0
    return s["st_upper"], -1.0


@kernel
def channel_nb(
    s: Any, n: int, bar: tuple[float, float, float, float]
) -> tuple[float, float, float, float, float]:
    """Keltner channel (upper, mid, lower), SuperTrend(10, 3) and its direction (1 or -1).

    `bar` is high, low, close, true range. Keltner is EMA 20 of the typical price +- 2 ATR 10, warm at
    bar 19; SuperTrend is warm at bar 10, where it starts upward (TA-Lib's and ta4j's convention).
    Keltner's ATR is seeded by the true ranges of bars 10 to 19, so that both its lines start at bar 19.
    """
    h, lo, c, true_range = bar
    s["keltner"] = ema_nb(s["keltner"], s["typicals"][n & RING_MASK], n, 20)
    if n > 0:
        s["atr_10"] = wilder_nb(s["atr_10"], true_range, n - 1, 10)
    if n < 10:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    s["keltner_atr"] = wilder_nb(s["keltner_atr"], true_range, n - 10, 10)
    trend, side = _supertrend_nb(s, n, h, lo, c)
    if n < 19:
        return math.nan, math.nan, math.nan, trend, side
    band = 2.0 * s["keltner_atr"]
    mid = s["keltner"]
    return mid + band, mid, mid - band, trend, side


@kernel
def _sar_start_nb(s: Any, h: float, lo: float) -> None:
    """Take the side of the larger directional move; the stop starts at the first bar's far end."""
    down = s["prev_low"] - lo
    short = down > 0.0 and h - s["prev_high"] < down
    s["sar_long"] = 0 if short else 1
    s["sar_step"] = _SAR_STEP
    s["sar_extreme"] = lo if short else h
    s["sar"] = s["prev_high"] if short else s["prev_low"]


@kernel
def sar_nb(s: Any, n: int, h: float, lo: float) -> float:
    """Parabolic stop and reverse, step 0.02, maximum 0.2 (Wilder, 1978); warm at bar 1.

    The short side is the long side of the mirrored prices (negation is exact), so one branch serves both.
    """
    if n == 0:
        return math.nan
    prev_high = s["prev_high"]
    prev_low = s["prev_low"]
    if n == 1:
        _sar_start_nb(s, h, lo)
        prev_high = h
        prev_low = lo
    side = 1.0 if s["sar_long"] == 1 else -1.0
    high = h if side > 0.0 else -lo
    low = lo if side > 0.0 else -h
    last_high = prev_high if side > 0.0 else -prev_low
    last_low = prev_low if side > 0.0 else -prev_high
    stop = side * s["sar"]
    extreme = side * s["sar_extreme"]
    if low <= stop:
        stop = max(extreme, last_high, high)
        s["sar_long"] = 1 - s["sar_long"]
        s["sar_step"] = _SAR_STEP
        s["sar_extreme"] = side * low
        s["sar"] = side * max(stop + _SAR_STEP * (low - stop), last_high, high)
        return float(side * stop)
    if high > extreme:
        extreme = high
        s["sar_step"] = min(s["sar_step"] + _SAR_STEP, _SAR_MAX)
    s["sar_extreme"] = side * extreme
    s["sar"] = side * min(stop + s["sar_step"] * (extreme - stop), last_low, low)
    return float(side * stop)
