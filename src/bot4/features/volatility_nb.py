"""Volatility: Bollinger bands, ATR, range estimators, returns, z-score of the close.

Conventions as in `trend_nb`. Volatilities are a bar's, as a fraction; nothing is annualised here.
"""

import math
from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_ATR_14,
    F_BB_LOWER,
    F_BB_MID,
    F_BB_PCT,
    F_BB_UPPER,
    F_BB_WIDTH,
    F_CLOSE_Z_50,
    F_GARMAN_KLASS_20,
    F_LOGRET_1,
    F_LOGRET_5,
    F_LOGRET_15,
    F_NATR_14,
    F_PARKINSON_20,
    F_REALISED_VOL_30,
    F_STDDEV_20,
    K_FLAT,
    RING_MASK,
    S_ATR_14,
    S_BB_SUM,
    S_CZ_SUM,
    S_GARMAN,
    S_PARKINSON,
    S_PREV_CLOSE,
    S_RETURN_SQ,
    W_CLOSE,
    W_GARMAN,
    W_PARKINSON,
    W_RETURN,
)
from bot4.features.window_nb import log_ratio_nb, moments_nb, roll_nb, wilder_nb, z_score_nb
from bot4.kernels.jit_nb import kernel

_FOUR_LN2 = 4.0 * math.log(2.0)
_TWO_LN2_1 = 2.0 * math.log(2.0) - 1.0


@kernel
def bollinger_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float
) -> None:
    """Bollinger(20, 2) bands, %B, width, and the standard deviation (population) of 20 closes.

    Width is (upper - lower) / mid. A flat window has %B 0.5 and width 0. Warm at bar 19.
    """
    mean, deviation = moments_nb(s, S_BB_SUM, W_CLOSE, n, 20, k[K_FLAT])
    if n < 19:
        return
    band = 2.0 * deviation
    out[F_BB_UPPER] = mean + band
    out[F_BB_MID] = mean
    out[F_BB_LOWER] = mean - band
    out[F_STDDEV_20] = deviation
    out[F_BB_PCT] = (c - (mean - band)) / (2.0 * band) if band > 0.0 else 0.5
    out[F_BB_WIDTH] = 2.0 * band / mean if mean != 0.0 else 0.0


@kernel
def atr_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float, true_range: float) -> None:
    """ATR 14 in price and NATR 14 in percent of the close (0 at price 0); warm at bar 14."""
    if n == 0:
        return
    atr = wilder_nb(s[S_ATR_14], true_range, n - 1, 14)
    s[S_ATR_14] = atr
    if n >= 14:
        out[F_ATR_14] = atr
        out[F_NATR_14] = atr / c * 100.0 if c != 0.0 else 0.0


@kernel
def range_vol_nb(
    s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, bar: tuple[float, float, float, float]
) -> None:
    """Parkinson (1980) and Garman-Klass (1980) volatility of 20 bars; warm at bar 19.

    `bar` is open, high, low, close. Parkinson: mean ln^2(H/L) / (4 ln 2); Garman-Klass: mean of
    ln^2(H/L) / 2 - (2 ln 2 - 1) ln^2(C/O), which is never negative where L <= O, C <= H.
    """
    o, h, lo, c = bar
    span = log_ratio_nb(h, lo)
    body = log_ratio_nb(c, o)
    square = span * span
    s[W_PARKINSON + (n & RING_MASK)] = square
    s[W_GARMAN + (n & RING_MASK)] = max(0.5 * square - _TWO_LN2_1 * body * body, 0.0)
    parkinson = roll_nb(s, S_PARKINSON, W_PARKINSON, n, 20)
    garman = roll_nb(s, S_GARMAN, W_GARMAN, n, 20)
    if n >= 19:
        out[F_PARKINSON_20] = math.sqrt(max(parkinson, 0.0) / (20.0 * _FOUR_LN2))
        out[F_GARMAN_KLASS_20] = math.sqrt(max(garman, 0.0) / 20.0)


@kernel
def returns_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float) -> None:
    """Log returns over 1, 5 and 15 bars, and the root mean square of the last 30 one-bar returns.

    Realised volatility takes no mean away (Andersen and Bollerslev, 1998); warm at bar 30.
    """
    if n == 0:
        s[W_RETURN] = 0.0
        return
    r = log_ratio_nb(c, s[S_PREV_CLOSE])
    s[W_RETURN + (n & RING_MASK)] = r * r
    total = roll_nb(s, S_RETURN_SQ, W_RETURN, n, 30)
    out[F_LOGRET_1] = r
    if n >= 5:
        out[F_LOGRET_5] = log_ratio_nb(c, s[W_CLOSE + ((n - 5) & RING_MASK)])
        if n >= 15:
            out[F_LOGRET_15] = log_ratio_nb(c, s[W_CLOSE + ((n - 15) & RING_MASK)])
            if n >= 30:
                out[F_REALISED_VOL_30] = math.sqrt(max(total, 0.0) / 30.0)


@kernel
def close_z_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float
) -> None:
    """Z-score of the close among the last 50 (population deviation, 0 if flat); warm at bar 49."""
    mean, deviation = moments_nb(s, S_CZ_SUM, W_CLOSE, n, 50, k[K_FLAT])
    if n >= 49:
        out[F_CLOSE_Z_50] = z_score_nb(c, mean, deviation)
