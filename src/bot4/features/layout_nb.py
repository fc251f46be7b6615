"""Groups of bar features and the layout of their state.

One instrument has one float64 row (scalars, then rings) and one int64 row (counters, then the
two monotonic queues). A group is a set of features that share state; a mask of groups says what
is computed, and it stays the same for the life of a state (a group switched on later would read
unseeded averages).
"""

from typing import Any, Final, NamedTuple

import numpy as np

from bot4.model.feature_layout_nb import *  # noqa: F403  (the one list of indices, seen from here too)
from bot4.model.feature_layout_nb import FEATURE_NAMES, N_FEATURES

GROUP_NAMES: Final = (
    "sma",
    "ema",
    "linear",
    "dema",
    "kama",
    "rsi",
    "macd",
    "bollinger",
    "atr",
    "adx",
    "range",
    "cci",
    "mfi",
    "obv",
    "roc",
    "trix",
    "channel",
    "sar",
    "vwap",
    "range_vol",
    "returns",
    "volume_z",
    "close_z",
    "clock",
)
N_GROUPS = len(GROUP_NAMES)

(
    G_SMA,
    G_EMA,
    G_LINEAR,
    G_DEMA,
    G_KAMA,
    G_RSI,
    G_MACD,
    G_BOLLINGER,
    G_ATR,
    G_ADX,
    G_RANGE,
    G_CCI,
    G_MFI,
    G_OBV,
    G_ROC,
    G_TRIX,
    G_CHANNEL,
    G_SAR,
    G_VWAP,
    G_RANGE_VOL,
    G_RETURNS,
    G_VOLUME_Z,
    G_CLOSE_Z,
    G_CLOCK,
) = range(N_GROUPS)

_SIZES: Final = (
    ("sma", 3),
    ("ema", 3),
    ("linear", 2),
    ("dema", 1),
    ("kama", 1),
    ("rsi", 2),
    ("macd", 3),
    ("bollinger", 6),
    ("atr", 2),
    ("adx", 3),
    ("range", 9),
    ("cci", 1),
    ("mfi", 1),
    ("obv", 1),
    ("roc", 2),
    ("trix", 1),
    ("channel", 5),
    ("sar", 1),
    ("vwap", 1),
    ("range_vol", 2),
    ("returns", 4),
    ("volume_z", 1),
    ("close_z", 1),
    ("clock", 2),
)
GROUP_OF: Final = tuple(GROUP_NAMES.index(name) for name, size in _SIZES for _ in range(size))
"""Group of each feature, in the order of FEATURE_NAMES."""

# --- the float64 row: scalars ---------------------------------------------------
(
    S_PREV_CLOSE,
    S_PREV_HIGH,
    S_PREV_LOW,
    S_SMA_10,
    S_SMA_20,
    S_SMA_50,
    S_EMA_12,
    S_EMA_26,
    S_EMA_50,
    S_LIN_SUM,
    S_LIN_WSUM,
    S_LIN_BASE,
    S_DEMA_1,
    S_DEMA_2,
    S_KAMA,
    S_KAMA_PATH,
    S_GAIN,
    S_LOSS,
    S_MACD_FAST,
    S_MACD_SLOW,
    S_MACD_SIGNAL,
    S_BB_SUM,
    S_BB_SQ,
    S_BB_BASE,
    S_ATR_14,
    S_DM_PLUS,
    S_DM_MINUS,
    S_DM_TR,
    S_ADX,
    S_MFI_UP,
    S_MFI_DOWN,
    S_OBV,
    S_TRIX_1,
    S_TRIX_2,
    S_TRIX_3,
    S_ATR_10,
    S_KELTNER,
    S_ST_UPPER,
    S_ST_LOWER,
    S_SAR,
    S_SAR_EP,
    S_SAR_AF,
    S_VWAP_PV,
    S_VWAP_V,
    S_PARKINSON,
    S_GARMAN,
    S_RETURN_SQ,
    S_VZ_SUM,
    S_VZ_SQ,
    S_VZ_BASE,
    S_CZ_SUM,
    S_CZ_SQ,
    S_CZ_BASE,
) = range(53)

# --- the float64 row: rings of 64 bars, slot of bar n = offset + (n & RING_MASK) ---
RING = 64  # longer than the longest window (50), a power of two
RING_MASK = RING - 1
W_CLOSE = 64
W_HIGH = W_CLOSE + RING
W_LOW = W_HIGH + RING
W_VOLUME = W_LOW + RING
W_TYPICAL = W_VOLUME + RING
W_FLOW = W_TYPICAL + RING  # money flow, signed by the move of the typical price
W_PV = W_FLOW + RING
W_FAST_K = W_PV + RING
W_SLOW_K = W_FAST_K + RING
W_PARKINSON = W_SLOW_K + RING
W_GARMAN = W_PARKINSON + RING
W_RETURN = W_GARMAN + RING
N_STATE = W_RETURN + RING

# --- the int64 row ----------------------------------------------------------------
K_BARS = 0  # bars folded so far
K_FLAT = 1  # consecutive bars whose close equals the close before
K_DRY = 2  # consecutive bars without volume
K_SAR_LONG = 3
K_ST_UP = 4
K_STILL = 5  # consecutive bars without money flow
K_FLAT_VOLUME = 6  # consecutive bars whose volume equals the volume before
# A monotonic queue: tail, then one head for each window (14, 15, 20 bars), then bar numbers.
K_HIGHS = 8
K_LOWS = K_HIGHS + 8 + RING
Q_TAIL = 0
Q_HEAD_14 = 1
Q_HEAD_15 = 2
Q_HEAD_20 = 3
Q_BARS = 8
N_COUNTERS = K_LOWS + 8 + RING


class FeatureState(NamedTuple):
    """State of the bar features, one instrument a row (see `bot4.features.state`)."""

    state: np.ndarray[Any, Any]  # float64 (n, N_STATE)
    counters: np.ndarray[Any, Any]  # int64 (n, N_COUNTERS)
    values: np.ndarray[Any, Any]  # float64 (n, N_FEATURES); NaN until warm, NaN where masked


assert len(GROUP_OF) == N_FEATURES == len(FEATURE_NAMES)
