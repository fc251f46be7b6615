"""Trend: moving averages, regression, directional movement, channels and stops.

Every function folds bar `n` (counted from 0) of one instrument: it reads the state row `s` and the
counters `k`, and writes its features into `out` once they are warm. Seeds and rules are those of
TA-Lib 0.8, whose results are the oracle of the tests.
"""

from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_ADX_14,
    F_DEMA_20,
    F_EMA_12,
    F_EMA_26,
    F_EMA_50,
    F_KAMA_10,
    F_KELTNER_LOWER,
    F_KELTNER_MID,
    F_KELTNER_UPPER,
    F_LINREG_SLOPE_20,
    F_MINUS_DI_14,
    F_PLUS_DI_14,
    F_SAR,
    F_SMA_10,
    F_SMA_20,
    F_SMA_50,
    F_SUPERTREND,
    F_SUPERTREND_DIR,
    F_WMA_20,
    K_FLAT,
    K_SAR_LONG,
    K_ST_UP,
    RING_MASK,
    S_ADX,
    S_ATR_10,
    S_DEMA_1,
    S_DEMA_2,
    S_DM_MINUS,
    S_DM_PLUS,
    S_DM_TR,
    S_EMA_12,
    S_EMA_26,
    S_EMA_50,
    S_KAMA,
    S_KAMA_PATH,
    S_KELTNER,
    S_LIN_BASE,
    S_LIN_SUM,
    S_LIN_WSUM,
    S_PREV_CLOSE,
    S_PREV_HIGH,
    S_PREV_LOW,
    S_SAR,
    S_SAR_AF,
    S_SAR_EP,
    S_SMA_10,
    S_SMA_20,
    S_SMA_50,
    S_ST_LOWER,
    S_ST_UPPER,
    W_CLOSE,
    W_TYPICAL,
)
from bot4.features.window_nb import ema_nb, roll_nb, wilder_nb
from bot4.kernels.jit_nb import kernel

# Kaufman, "Trading Systems and Methods": averages of 2 and 30 bars bound the smoothing.
_KAMA_SLOW = 2.0 / 31.0
_KAMA_SPAN = 2.0 / 3.0 - 2.0 / 31.0
# Wilder, "New Concepts in Technical Trading Systems", 1978.
_SAR_STEP = 0.02
_SAR_MAX = 0.2
_DWARFS = 1e3


@kernel
def sma_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int) -> None:
    """Simple averages of 10, 20 and 50 closes; warm at bars 9, 19, 49."""
    a = roll_nb(s, S_SMA_10, W_CLOSE, n, 10)
    b = roll_nb(s, S_SMA_20, W_CLOSE, n, 20)
    c = roll_nb(s, S_SMA_50, W_CLOSE, n, 50)
    if n >= 9:
        out[F_SMA_10] = a / 10.0
        if n >= 19:
            out[F_SMA_20] = b / 20.0
            if n >= 49:
                out[F_SMA_50] = c / 50.0


@kernel
def emas_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """Exponential averages of 12, 26 and 50 closes; warm at bars 11, 25, 49."""
    s[S_EMA_12] = ema_nb(s[S_EMA_12], c, n, 12)
    s[S_EMA_26] = ema_nb(s[S_EMA_26], c, n, 26)
    s[S_EMA_50] = ema_nb(s[S_EMA_50], c, n, 50)
    if n >= 11:
        out[F_EMA_12] = s[S_EMA_12]
        if n >= 25:
            out[F_EMA_26] = s[S_EMA_26]
            if n >= 49:
                out[F_EMA_50] = s[S_EMA_50]


@kernel
def _linear_afresh_nb(s: np.ndarray[Any, Any], n: int) -> None:
    base = s[W_CLOSE + (n & RING_MASK)]
    total = 0.0
    weighted = 0.0
    for i in range(20):
        d = s[W_CLOSE + ((n - 19 + i) & RING_MASK)] - base
        total += d
        weighted += (i + 1.0) * d
    s[S_LIN_BASE] = base
    s[S_LIN_SUM] = total
    s[S_LIN_WSUM] = weighted


@kernel
def linear_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float
) -> None:
    """Weighted average (weights 1..20) and slope of the least-squares line of 20 closes a bar.

    Both follow from sum x and sum j x, kept relative to a base price. A flat window has its price
    and slope 0. Warm at bar 19.
    """
    if n < 19:
        return
    if n == 19 or (n & RING_MASK) == 0:
        _linear_afresh_nb(s, n)
    else:
        d = c - s[S_LIN_BASE]
        old = s[W_CLOSE + ((n - 20) & RING_MASK)] - s[S_LIN_BASE]
        s[S_LIN_WSUM] += 20.0 * d - s[S_LIN_SUM]
        s[S_LIN_SUM] += d - old
        if abs(old) > _DWARFS * (abs(d) + abs(s[S_LIN_SUM])):
            _linear_afresh_nb(s, n)
    if k[K_FLAT] >= 19:
        out[F_WMA_20] = c
        out[F_LINREG_SLOPE_20] = 0.0
        return
    out[F_WMA_20] = s[S_LIN_BASE] + s[S_LIN_WSUM] / 210.0
    # (n sum xy - sum x sum y) / (n sum x^2 - (sum x)^2) with x = 0..19
    out[F_LINREG_SLOPE_20] = (20.0 * (s[S_LIN_WSUM] - s[S_LIN_SUM]) - 190.0 * s[S_LIN_SUM]) / 13300.0


@kernel
def dema_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """Double exponential average, 2 EMA - EMA(EMA), 20 bars (Mulloy, 1994); warm at bar 38."""
    s[S_DEMA_1] = ema_nb(s[S_DEMA_1], c, n, 20)
    if n >= 19:
        s[S_DEMA_2] = ema_nb(s[S_DEMA_2], s[S_DEMA_1], n - 19, 20)
        if n >= 38:
            out[F_DEMA_20] = 2.0 * s[S_DEMA_1] - s[S_DEMA_2]


@kernel
def _path_nb(s: np.ndarray[Any, Any], n: int) -> float:
    """Way of the last 10 moves of the close."""
    path = 0.0
    for i in range(n - 9, n + 1):
        path += abs(s[W_CLOSE + (i & RING_MASK)] - s[W_CLOSE + ((i - 1) & RING_MASK)])
    return path


@kernel
def kama_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float
) -> None:
    """Kaufman's adaptive average, 10 bars; warm at bar 10. A path of 0 counts as fully efficient."""
    if n < 10:
        return
    back = s[W_CLOSE + ((n - 10) & RING_MASK)]
    if n == 10:
        s[S_KAMA] = s[S_PREV_CLOSE]
    if n == 10 or (n & RING_MASK) == 0:
        path = _path_nb(s, n)
    else:
        old = abs(back - s[W_CLOSE + ((n - 11) & RING_MASK)])
        path = s[S_KAMA_PATH] + abs(c - s[S_PREV_CLOSE]) - old
        if old > _DWARFS * path:
            path = _path_nb(s, n)
    if k[K_FLAT] >= 10:
        path = 0.0
    s[S_KAMA_PATH] = path
    move = c - back
    efficiency = 1.0
    if path > 0.0 and path > move:
        efficiency = abs(move / path)
    alpha = efficiency * _KAMA_SPAN + _KAMA_SLOW
    s[S_KAMA] = (c - s[S_KAMA]) * (alpha * alpha) + s[S_KAMA]
    out[F_KAMA_10] = s[S_KAMA]


@kernel
def adx_nb(
    s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, h: float, lo: float, true_range: float
) -> None:
    """+DI, -DI (warm at bar 14) and ADX (warm at bar 27), 14 bars (Wilder, 1978).

    Without any true range, or without any directional movement, the DI are 0 and ADX keeps its value.
    """
    if n == 0:
        return
    up = h - s[S_PREV_HIGH]
    down = s[S_PREV_LOW] - lo
    plus = up if up > 0.0 and up > down else 0.0
    minus = down if down > 0.0 and up < down else 0.0
    if n >= 14:
        s[S_DM_PLUS] -= s[S_DM_PLUS] / 14.0
        s[S_DM_MINUS] -= s[S_DM_MINUS] / 14.0
        s[S_DM_TR] -= s[S_DM_TR] / 14.0
    s[S_DM_PLUS] += plus
    s[S_DM_MINUS] += minus
    s[S_DM_TR] += true_range
    if n < 14:
        return
    p = 0.0
    m = 0.0
    if s[S_DM_TR] > 0.0:
        p = 100.0 * (s[S_DM_PLUS] / s[S_DM_TR])
        m = 100.0 * (s[S_DM_MINUS] / s[S_DM_TR])
    out[F_PLUS_DI_14] = p
    out[F_MINUS_DI_14] = m
    if p + m > 0.0:
        dx = 100.0 * (abs(m - p) / (p + m))
        if n <= 27:
            s[S_ADX] += dx
        else:
            s[S_ADX] = (s[S_ADX] * 13.0 + dx) / 14.0
    if n >= 27:
        if n == 27:
            s[S_ADX] /= 14.0
        out[F_ADX_14] = s[S_ADX]


@kernel
def channel_nb(
    s: np.ndarray[Any, Any],
    k: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    n: int,
    bar: tuple[float, float, float, float],
) -> None:
    """Keltner channel (EMA 20 of typical price +- 2 ATR 10) and SuperTrend(10, 3).

    `bar` is high, low, close, true range. Keltner is warm at bar 19, SuperTrend at bar 10, where it
    starts upward (TA-Lib's and ta4j's convention). SuperTrend's direction is 1 or -1.
    """
    h, lo, c, true_range = bar
    s[S_KELTNER] = ema_nb(s[S_KELTNER], s[W_TYPICAL + (n & RING_MASK)], n, 20)
    if n == 0:
        return
    s[S_ATR_10] = wilder_nb(s[S_ATR_10], true_range, n - 1, 10)
    if n < 10:
        return
    atr = s[S_ATR_10]
    if n >= 19:
        out[F_KELTNER_MID] = s[S_KELTNER]
        out[F_KELTNER_UPPER] = s[S_KELTNER] + 2.0 * atr
        out[F_KELTNER_LOWER] = s[S_KELTNER] - 2.0 * atr
    middle = (h + lo) / 2.0
    upper = middle + 3.0 * atr
    lower = middle - 3.0 * atr
    if n == 10:
        s[S_ST_UPPER] = upper
        s[S_ST_LOWER] = lower
        k[K_ST_UP] = 1
    else:
        # Each band only moves towards the price, until a close beyond it lets it go.
        prev = s[S_PREV_CLOSE]
        if upper < s[S_ST_UPPER] or prev > s[S_ST_UPPER]:
            s[S_ST_UPPER] = upper
        if lower > s[S_ST_LOWER] or prev < s[S_ST_LOWER]:
            s[S_ST_LOWER] = lower
        if k[K_ST_UP] == 1:
            if c < s[S_ST_LOWER]:
                k[K_ST_UP] = 0
        elif c > s[S_ST_UPPER]:
            k[K_ST_UP] = 1
    if k[K_ST_UP] == 1:
        out[F_SUPERTREND] = s[S_ST_LOWER]
        out[F_SUPERTREND_DIR] = 1.0
    else:
        out[F_SUPERTREND] = s[S_ST_UPPER]
        out[F_SUPERTREND_DIR] = -1.0


@kernel
def sar_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, h: float, lo: float
) -> None:
    """Parabolic stop and reverse, step 0.02, maximum 0.2 (Wilder, 1978); warm at bar 1.

    The short side is the long side of the mirrored prices (negation is exact), so one branch serves both.
    """
    if n == 0:
        return
    prev_high = s[S_PREV_HIGH]
    prev_low = s[S_PREV_LOW]
    if n == 1:
        down = prev_low - lo
        short = down > 0.0 and h - prev_high < down
        k[K_SAR_LONG] = 0 if short else 1
        s[S_SAR_AF] = _SAR_STEP
        s[S_SAR_EP] = lo if short else h
        s[S_SAR] = prev_high if short else prev_low
        prev_high = h
        prev_low = lo
    side = 1.0 if k[K_SAR_LONG] == 1 else -1.0
    high = h if side > 0.0 else -lo
    low = lo if side > 0.0 else -h
    last_high = prev_high if side > 0.0 else -prev_low
    last_low = prev_low if side > 0.0 else -prev_high
    stop = side * s[S_SAR]
    extreme = side * s[S_SAR_EP]
    if low <= stop:
        stop = max(extreme, last_high, high)
        out[F_SAR] = side * stop
        k[K_SAR_LONG] = 1 - k[K_SAR_LONG]
        s[S_SAR_AF] = _SAR_STEP
        s[S_SAR_EP] = side * low
        s[S_SAR] = side * max(stop + _SAR_STEP * (low - stop), last_high, high)
        return
    out[F_SAR] = side * stop
    if high > extreme:
        extreme = high
        s[S_SAR_AF] = min(s[S_SAR_AF] + _SAR_STEP, _SAR_MAX)
    s[S_SAR_EP] = side * extreme
    s[S_SAR] = side * min(stop + s[S_SAR_AF] * (extreme - stop), last_low, low)
