"""Technical votes: rows of features -> (direction, confidence) each, and their sum.

A vote has a direction in {-1, 0, 1} and a confidence in [0, 1]. (0, 0) is an abstention: an input is
NaN, the condition is not met, or its strength is 0. Thresholds are constants of this module.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.feature_layout_nb import (
    B_IMBALANCE_1,
    B_OFI_RATIO,
    F_ADX_14,
    F_ATR_14,
    F_BB_PCT,
    F_DONCHIAN_PRIOR_HIGH,
    F_DONCHIAN_PRIOR_LOW,
    F_EMA_12,
    F_EMA_26,
    F_EMA_50,
    F_MACD_HIST,
    F_RSI_14,
    F_SAR,
    F_SUPERTREND,
    F_SUPERTREND_DIR,
    F_VOLUME_Z_20,
)

VOTE_NAMES: Final = ("trend", "momentum", "mean_reversion", "breakout", "stops", "order_flow")
N_VOTES = len(VOTE_NAMES)

(V_TREND, V_MOMENTUM, V_MEAN_REVERSION, V_BREAKOUT, V_STOPS, V_ORDER_FLOW) = range(N_VOTES)

ADX_WEAK: Final = 20.0  # below it Wilder sees no trend
ADX_SPAN: Final = 30.0
RSI_LOW: Final = 30.0
RSI_HIGH: Final = 70.0
SPIKE_Z: Final = 3.0  # volume z-score of a spike
PCT_SPAN: Final = 0.25  # a quarter of the band's width beyond the band is full confidence
STOP_ATRS: Final = 3.0  # distance of SuperTrend in ATR for full confidence


@kernel
def _clamp_nb(x: float) -> float:
    return min(max(x, 0.0), 1.0)


@kernel
def _cast_nb(votes: np.ndarray[Any, Any], vote: int, direction: float, confidence: float) -> None:
    """Write a vote; no confidence (or NaN) is an abstention."""
    cast = direction != 0.0 and confidence > 0.0
    votes[vote, 0] = direction if cast else 0.0
    votes[vote, 1] = min(confidence, 1.0) if cast else 0.0


@kernel
def _trend_nb(f: np.ndarray[Any, Any], votes: np.ndarray[Any, Any]) -> None:
    """EMA 12, 26, 50 stacked in one order; confidence (ADX - 20) / 30."""
    fast = f[F_EMA_12]
    middle = f[F_EMA_26]
    slow = f[F_EMA_50]
    direction = 0.0
    if fast > middle and middle > slow:
        direction = 1.0
    elif fast < middle and middle < slow:
        direction = -1.0
    _cast_nb(votes, V_TREND, direction, (f[F_ADX_14] - ADX_WEAK) / ADX_SPAN)


@kernel
def _momentum_nb(f: np.ndarray[Any, Any], votes: np.ndarray[Any, Any]) -> None:
    """RSI on the side of the MACD histogram; confidence |RSI - 50| / 20."""
    rsi = f[F_RSI_14]
    hist = f[F_MACD_HIST]
    direction = 0.0
    if rsi > 50.0 and hist > 0.0:
        direction = 1.0
    elif rsi < 50.0 and hist < 0.0:
        direction = -1.0
    _cast_nb(votes, V_MOMENTUM, direction, abs(rsi - 50.0) / 20.0)


@kernel
def _mean_reversion_nb(f: np.ndarray[Any, Any], votes: np.ndarray[Any, Any]) -> None:
    """Close beyond a Bollinger band and RSI beyond 30 / 70, against the move.

    Confidence is the mean of how far %B is beyond the band (full at a quarter of the width) and how far
    RSI is beyond its level (full at 15 points).
    """
    pct = f[F_BB_PCT]
    rsi = f[F_RSI_14]
    if pct < 0.0 and rsi < RSI_LOW:
        confidence = 0.5 * (_clamp_nb(-pct / PCT_SPAN) + _clamp_nb((RSI_LOW - rsi) / 15.0))
        _cast_nb(votes, V_MEAN_REVERSION, 1.0, confidence)
    elif pct > 1.0 and rsi > RSI_HIGH:
        confidence = 0.5 * (_clamp_nb((pct - 1.0) / PCT_SPAN) + _clamp_nb((rsi - RSI_HIGH) / 15.0))
        _cast_nb(votes, V_MEAN_REVERSION, -1.0, confidence)
    else:
        _cast_nb(votes, V_MEAN_REVERSION, 0.0, 0.0)


@kernel
def _breakout_nb(f: np.ndarray[Any, Any], close: float, votes: np.ndarray[Any, Any]) -> None:
    """Close beyond the channel of the 20 bars before; confidence is the volume's z-score / 3."""
    direction = 0.0
    if close > f[F_DONCHIAN_PRIOR_HIGH] and close > f[F_DONCHIAN_PRIOR_LOW]:
        direction = 1.0
    elif close < f[F_DONCHIAN_PRIOR_LOW] and close < f[F_DONCHIAN_PRIOR_HIGH]:
        direction = -1.0
    _cast_nb(votes, V_BREAKOUT, direction, f[F_VOLUME_Z_20] / SPIKE_Z)


@kernel
def _stops_nb(f: np.ndarray[Any, Any], close: float, votes: np.ndarray[Any, Any]) -> None:
    """SuperTrend and parabolic SAR on the same side of the close.

    Confidence is the distance of SuperTrend in ATR 14, full at 3; 0 on its wrong side or without ATR.
    """
    side = f[F_SUPERTREND_DIR]
    gap = side * (close - f[F_SUPERTREND])
    agree = side * (close - f[F_SAR]) > 0.0
    atr = f[F_ATR_14]
    confidence = gap / (STOP_ATRS * atr) if atr > 0.0 else 0.0
    _cast_nb(votes, V_STOPS, side if agree else 0.0, confidence)


@kernel
def _order_flow_nb(b: np.ndarray[Any, Any], votes: np.ndarray[Any, Any]) -> None:
    """Order flow and the imbalance of the best level on one side; confidence is their mean."""
    flow = b[B_OFI_RATIO]
    imbalance = b[B_IMBALANCE_1]
    direction = 0.0
    if flow > 0.0 and imbalance > 0.0:
        direction = 1.0
    elif flow < 0.0 and imbalance < 0.0:
        direction = -1.0
    _cast_nb(votes, V_ORDER_FLOW, direction, 0.5 * (abs(flow) + abs(imbalance)))


@kernel
def ta_votes_nb(
    f: np.ndarray[Any, Any], b: np.ndarray[Any, Any], close: float, votes: np.ndarray[Any, Any]
) -> None:
    """Fill `votes` (N_VOTES, 2) from a row of bar features, a row of book features and the close.

    `f` is float64[N_FEATURES], `b` float64[N_BOOK], `close` in the price unit of `f`. A vote with a NaN
    among its inputs abstains; the others do not care.
    """
    _trend_nb(f, votes)
    _momentum_nb(f, votes)
    _mean_reversion_nb(f, votes)
    _breakout_nb(f, close, votes)
    _stops_nb(f, close, votes)
    _order_flow_nb(b, votes)


@kernel
def combine_votes_nb(
    votes: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], out: np.ndarray[Any, Any]
) -> None:
    """Combine votes (N_VOTES, 2) by weights (N_VOTES,) >= 0 into out = (s_TA, c_TA).

    With S the sum of weight x direction x confidence, s_TA is the sign of S and c_TA is |S| over the
    weights of those that voted, so that an abstention neither helps nor hurts. Equal opposite sides,
    no vote, or no weight give (0, 0). c_TA is in [0, 1].
    """
    total = 0.0
    weight = 0.0
    for i in range(len(votes)):
        if votes[i, 0] != 0.0:
            total += weights[i] * votes[i, 0] * votes[i, 1]
            weight += weights[i]
    out[0] = 0.0
    out[1] = 0.0
    if weight > 0.0 and not math.isnan(total) and total != 0.0:
        out[0] = 1.0 if total > 0.0 else -1.0
        out[1] = min(abs(total) / weight, 1.0)
