"""Groups of bar features and the layout of their state.

One instrument is one record of STATE_DTYPE, which kernels take as one pointer (an array argument costs
seven words and a reference count a call). A group is a set of features that share state; a mask of
groups says what is computed. The mask of the first bar holds for the life of a state, since a group
switched on later would read unseeded averages.
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

RING = 64  # longer than the longest window (50), a power of two
RING_MASK = RING - 1

# A monotonic queue: tail, then one head for each window (14, 15, 20 bars), then bar numbers.
Q_TAIL = 0
Q_HEAD_14 = 1
Q_HEAD_15 = 2
Q_HEAD_20 = 3
Q_BARS = 8

_RINGS: Final = (
    "closes",
    "highs",
    "lows",
    "volumes",
    "typicals",
    "flows",  # money flow, signed by the move of the typical price
    "values",  # typical price x volume
    "fast_k",
    "slow_k",
    "spans",  # ln^2(high / low)
    "bodies",  # Garman-Klass terms
    "squares",  # squared log returns
)
_MOMENTS: Final = ("bollinger", "volume_z", "close_z")  # sum and sum of squares off a base, base
_COUNTERS: Final = (
    "bars",  # folded so far
    "groups",  # bit g: group g is computed
    "first",  # the features computed lie in [first, end)
    "end",
    "flat",  # consecutive bars whose close equals the close before
    "flat_volume",  # the same of volume
    "dry",  # consecutive bars without volume
    "still",  # consecutive bars without money flow
    "sar_long",
    "supertrend_up",
)
_SCALARS: Final = (
    "prev_close",
    "prev_high",
    "prev_low",
    "sma_10",
    "sma_20",
    "sma_50",
    "ema_12",
    "ema_26",
    "ema_50",
    "lin_sum",
    "lin_wsum",
    "lin_base",
    "dema_1",
    "dema_2",
    "kama",
    "kama_path",
    "gain",
    "loss",
    "macd_fast",
    "macd_slow",
    "macd_signal",
    "atr_14",
    "dm_plus",
    "dm_minus",
    "dm_range",
    "adx",
    "flow_up",
    "flow_down",
    "obv",
    "trix_1",
    "trix_2",
    "trix_3",
    "atr_10",
    "keltner",
    "keltner_atr",
    "st_upper",
    "st_lower",
    "sar",
    "sar_extreme",
    "sar_step",
    "vwap_value",
    "vwap_volume",
    "parkinson",
    "garman_klass",
    "square_sum",
)
STATE_DTYPE: Final = np.dtype(
    [(name, "<i8") for name in _COUNTERS]
    + [(name, "<f8") for name in _SCALARS]
    + [(name, "<f8", (3,)) for name in _MOMENTS]
    + [("high_queue", "<i8", (Q_BARS + RING,)), ("low_queue", "<i8", (Q_BARS + RING,))]
    + [("out", "<f8", (N_FEATURES,))]
    + [(name, "<f8", (RING,)) for name in _RINGS],
    align=True,
)
"""State of one instrument; the slot of bar n in a ring is n & RING_MASK."""


class FeatureState(NamedTuple):
    """State of the bar features, one instrument a row (see `bot4.features.state`)."""

    state: np.ndarray[Any, Any]  # STATE_DTYPE (n,)
    values: np.ndarray[Any, Any]  # float64 (n, N_FEATURES); NaN until warm, NaN where masked


assert len(GROUP_OF) == N_FEATURES == len(FEATURE_NAMES)
