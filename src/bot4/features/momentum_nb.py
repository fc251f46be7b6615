"""Momentum: oscillators of the close and of its place in the range.

Conventions as in `trend_nb`: one call folds bar `n`, features are written once warm, seeds and rules
are TA-Lib's.
"""

from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_AROON_DOWN_14,
    F_AROON_UP_14,
    F_CCI_20,
    F_CMO_14,
    F_DONCHIAN_HIGH_20,
    F_DONCHIAN_LOW_20,
    F_DONCHIAN_PRIOR_HIGH,
    F_DONCHIAN_PRIOR_LOW,
    F_MACD,
    F_MACD_HIST,
    F_MACD_SIGNAL,
    F_MOM_10,
    F_ROC_10,
    F_RSI_14,
    F_STOCH_D,
    F_STOCH_K,
    F_TRIX_15,
    F_WILLR_14,
    K_HIGHS,
    K_LOWS,
    Q_HEAD_14,
    Q_HEAD_15,
    Q_HEAD_20,
    RING_MASK,
    S_GAIN,
    S_LOSS,
    S_MACD_FAST,
    S_MACD_SIGNAL,
    S_MACD_SLOW,
    S_PREV_CLOSE,
    S_TRIX_1,
    S_TRIX_2,
    S_TRIX_3,
    W_CLOSE,
    W_FAST_K,
    W_HIGH,
    W_LOW,
    W_SLOW_K,
    W_TYPICAL,
)
from bot4.features.window_nb import ema_nb, push_high_nb, push_low_nb, queue_bar_nb, wilder_nb
from bot4.kernels.jit_nb import kernel


@kernel
def rsi_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """RSI (Wilder, 1978) and CMO in TA-Lib's smoothed form (Chande, 1994), 14 bars; warm at bar 14.

    Where no close has ever moved both are 0 (TA-Lib's value; not the 50 that some charts show).
    """
    if n == 0:
        return
    move = c - s[S_PREV_CLOSE]
    gain = wilder_nb(s[S_GAIN], max(move, 0.0), n - 1, 14)
    loss = wilder_nb(s[S_LOSS], max(-move, 0.0), n - 1, 14)
    s[S_GAIN] = gain
    s[S_LOSS] = loss
    if n < 14:
        return
    total = gain + loss
    if total > 0.0:
        out[F_RSI_14] = 100.0 * (gain / total)
        out[F_CMO_14] = 100.0 * ((gain - loss) / total)
    else:
        out[F_RSI_14] = 0.0
        out[F_CMO_14] = 0.0


@kernel
def macd_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """MACD(12, 26, 9) line, signal and histogram (Appel); all warm at bar 33.

    As in TA-Lib the fast average is seeded by the last 12 of the first 26 closes.
    """
    s[S_MACD_SLOW] = ema_nb(s[S_MACD_SLOW], c, n, 26)
    if n < 14:
        return
    s[S_MACD_FAST] = ema_nb(s[S_MACD_FAST], c, n - 14, 12)
    if n < 25:
        return
    line = s[S_MACD_FAST] - s[S_MACD_SLOW]
    signal = ema_nb(s[S_MACD_SIGNAL], line, n - 25, 9)
    s[S_MACD_SIGNAL] = signal
    if n >= 33:
        out[F_MACD] = line
        out[F_MACD_SIGNAL] = signal
        out[F_MACD_HIST] = line - signal


@kernel
def trix_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """Rate of change in percent of a triple EMA 15 of the close (Hutson, 1983); warm at bar 43."""
    s[S_TRIX_1] = ema_nb(s[S_TRIX_1], c, n, 15)
    if n < 14:
        return
    s[S_TRIX_2] = ema_nb(s[S_TRIX_2], s[S_TRIX_1], n - 14, 15)
    if n < 28:
        return
    prev = s[S_TRIX_3]
    s[S_TRIX_3] = ema_nb(prev, s[S_TRIX_2], n - 28, 15)
    if n >= 43:
        out[F_TRIX_15] = (s[S_TRIX_3] / prev - 1.0) * 100.0 if prev != 0.0 else 0.0


@kernel
def roc_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """Rate of change in percent and momentum over 10 bars; warm at bar 10. ROC from a price 0 is 0."""
    if n < 10:
        return
    back = s[W_CLOSE + ((n - 10) & RING_MASK)]
    out[F_MOM_10] = c - back
    out[F_ROC_10] = (c / back - 1.0) * 100.0 if back != 0.0 else 0.0


@kernel
def cci_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int) -> None:
    """Commodity channel index, 20 bars (Lambert, 1980); warm at bar 19; a flat window gives 0.

    The mean absolute deviation has no O(1) recursion; a loop over 20 values in four sums costs
    less than an ordered tree would.
    """
    if n < 19:
        return
    a = b = c = d = 0.0
    for i in range(n - 19, n + 1, 4):
        a += s[W_TYPICAL + (i & RING_MASK)]
        b += s[W_TYPICAL + ((i + 1) & RING_MASK)]
        c += s[W_TYPICAL + ((i + 2) & RING_MASK)]
        d += s[W_TYPICAL + ((i + 3) & RING_MASK)]
    mean = ((a + b) + (c + d)) / 20.0
    a = b = c = d = 0.0
    for i in range(n - 19, n + 1, 4):
        a += abs(s[W_TYPICAL + (i & RING_MASK)] - mean)
        b += abs(s[W_TYPICAL + ((i + 1) & RING_MASK)] - mean)
        c += abs(s[W_TYPICAL + ((i + 2) & RING_MASK)] - mean)
        d += abs(s[W_TYPICAL + ((i + 3) & RING_MASK)] - mean)
    deviation = ((a + b) + (c + d)) / 20.0
    distance = s[W_TYPICAL + (n & RING_MASK)] - mean
    # Below 1e-14 of the price both are rounding, not movement.
    if deviation > 1e-14 * abs(mean) and abs(distance) > 1e-14 * abs(mean):
        out[F_CCI_20] = distance / (0.015 * deviation)
    else:
        out[F_CCI_20] = 0.0


@kernel
def _stochastic_nb(
    s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float, extremes: tuple[float, float]
) -> None:
    high, low = extremes
    span = high - low
    fast = (c - low) / (span / 100.0) if span > 0.0 else 0.0
    out[F_WILLR_14] = (high - c) / span * -100.0 if span > 0.0 else 0.0
    s[W_FAST_K + (n & RING_MASK)] = fast
    if n < 15:
        return
    slow = (s[W_FAST_K + ((n - 2) & RING_MASK)] + s[W_FAST_K + ((n - 1) & RING_MASK)] + fast) / 3.0
    s[W_SLOW_K + (n & RING_MASK)] = slow
    if n >= 17:
        out[F_STOCH_K] = slow
        out[F_STOCH_D] = (
            s[W_SLOW_K + ((n - 2) & RING_MASK)] + s[W_SLOW_K + ((n - 1) & RING_MASK)] + slow
        ) / 3.0


@kernel
def range_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float
) -> None:
    """Donchian 20, Aroon 14, Stochastic(14, 3, 3), Williams %R 14 from one pair of queues.

    Warm at bars 19 (the channel of the 20 bars before this one: 20), 14, 17, 13. Where the range is
    0 the stochastic and %R are 0 (TA-Lib's value).
    """
    if n >= 20:
        out[F_DONCHIAN_PRIOR_HIGH] = s[W_HIGH + (queue_bar_nb(k, K_HIGHS, Q_HEAD_20) & RING_MASK)]
        out[F_DONCHIAN_PRIOR_LOW] = s[W_LOW + (queue_bar_nb(k, K_LOWS, Q_HEAD_20) & RING_MASK)]
    push_high_nb(k, K_HIGHS, s, W_HIGH, n)
    push_low_nb(k, K_LOWS, s, W_LOW, n)
    if n < 13:
        return
    high = s[W_HIGH + (queue_bar_nb(k, K_HIGHS, Q_HEAD_14) & RING_MASK)]
    low = s[W_LOW + (queue_bar_nb(k, K_LOWS, Q_HEAD_14) & RING_MASK)]
    _stochastic_nb(s, out, n, c, (high, low))
    if n < 14:
        return
    out[F_AROON_UP_14] = (100.0 / 14.0) * (14 - (n - queue_bar_nb(k, K_HIGHS, Q_HEAD_15)))
    out[F_AROON_DOWN_14] = (100.0 / 14.0) * (14 - (n - queue_bar_nb(k, K_LOWS, Q_HEAD_15)))
    if n >= 19:
        out[F_DONCHIAN_HIGH_20] = s[W_HIGH + (queue_bar_nb(k, K_HIGHS, Q_HEAD_20) & RING_MASK)]
        out[F_DONCHIAN_LOW_20] = s[W_LOW + (queue_bar_nb(k, K_LOWS, Q_HEAD_20) & RING_MASK)]
