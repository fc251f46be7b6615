"""What each bar feature is: group, parameters, warm-up, unit, range, source."""

import math
from typing import Final, NamedTuple

from bot4.features.layout_nb import GROUP_NAMES, GROUP_OF
from bot4.model.feature_layout_nb import FEATURE_NAMES

INF: Final = math.inf


class Feature(NamedTuple):
    """One feature. `warmup` is the number of bars needed for the first value."""

    name: str
    index: int  # type: ignore[assignment]  # the column; shadows tuple.index, which nobody calls
    group: str
    params: tuple[float, ...]
    warmup: int
    unit: str  # price, percent, ratio, volume, log, 1 (a pure number)
    range: tuple[float, float]
    source: str


_POSITIVE: Final = (0.0, INF)
_ANY: Final = (-INF, INF)
_PERCENT: Final = (0.0, 100.0)
_UNIT: Final = (-1.0, 1.0)

_ROWS: Final[tuple[tuple[str, tuple[float, ...], int, str, tuple[float, float], str], ...]] = (
    ("sma_10", (10,), 10, "price", _POSITIVE, "mean of the closes; TA-Lib SMA"),
    ("sma_20", (20,), 20, "price", _POSITIVE, "mean of the closes; TA-Lib SMA"),
    ("sma_50", (50,), 50, "price", _POSITIVE, "mean of the closes; TA-Lib SMA"),
    ("ema_12", (12,), 12, "price", _POSITIVE, "TA-Lib EMA"),
    ("ema_26", (26,), 26, "price", _POSITIVE, "TA-Lib EMA"),
    ("ema_50", (50,), 50, "price", _POSITIVE, "TA-Lib EMA"),
    ("wma_20", (20,), 20, "price", _POSITIVE, "TA-Lib WMA"),
    ("linreg_slope_20", (20,), 20, "price a bar", _ANY, "least squares; TA-Lib LINEARREG_SLOPE"),
    ("dema_20", (20,), 39, "price", _ANY, "Mulloy 1994; TA-Lib DEMA"),
    ("kama_10", (10, 2, 30), 11, "price", _POSITIVE, "Kaufman 1995; TA-Lib KAMA"),
    ("rsi_14", (14,), 15, "percent", _PERCENT, "Wilder 1978; TA-Lib RSI"),
    ("cmo_14", (14,), 15, "percent", (-100.0, 100.0), "Chande 1994; TA-Lib CMO"),
    ("macd", (12, 26, 9), 34, "price", _ANY, "Appel; TA-Lib MACD"),
    ("macd_signal", (12, 26, 9), 34, "price", _ANY, "Appel; TA-Lib MACD"),
    ("macd_hist", (12, 26, 9), 34, "price", _ANY, "Appel; TA-Lib MACD"),
    ("bb_upper", (20, 2), 20, "price", _ANY, "Bollinger 2001; TA-Lib BBANDS"),
    ("bb_mid", (20, 2), 20, "price", _POSITIVE, "Bollinger 2001; TA-Lib BBANDS"),
    ("bb_lower", (20, 2), 20, "price", _ANY, "Bollinger 2001; TA-Lib BBANDS"),
    ("bb_pct", (20, 2), 20, "ratio", _ANY, "Bollinger 2001: (close - lower) / (upper - lower)"),
    ("bb_width", (20, 2), 20, "ratio", _POSITIVE, "Bollinger 2001: (upper - lower) / mid"),
    ("stddev_20", (20,), 20, "price", _POSITIVE, "population deviation; TA-Lib STDDEV"),
    ("atr_14", (14,), 15, "price", _POSITIVE, "Wilder 1978; TA-Lib ATR"),
    ("natr_14", (14,), 15, "percent", _POSITIVE, "ATR / close; TA-Lib NATR"),
    ("adx_14", (14,), 28, "percent", _PERCENT, "Wilder 1978; TA-Lib ADX"),
    ("plus_di_14", (14,), 15, "percent", _PERCENT, "Wilder 1978; TA-Lib PLUS_DI"),
    ("minus_di_14", (14,), 15, "percent", _PERCENT, "Wilder 1978; TA-Lib MINUS_DI"),
    ("aroon_up_14", (14,), 15, "percent", _PERCENT, "Chande 1995; TA-Lib AROON"),
    ("aroon_down_14", (14,), 15, "percent", _PERCENT, "Chande 1995; TA-Lib AROON"),
    ("stoch_k", (14, 3, 3), 18, "percent", _PERCENT, "Lane; TA-Lib STOCH"),
    ("stoch_d", (14, 3, 3), 18, "percent", _PERCENT, "Lane; TA-Lib STOCH"),
    ("willr_14", (14,), 14, "percent", (-100.0, 0.0), "Williams; TA-Lib WILLR"),
    ("donchian_high_20", (20,), 20, "price", _POSITIVE, "TA-Lib DONCHIAN"),
    ("donchian_low_20", (20,), 20, "price", _POSITIVE, "TA-Lib DONCHIAN"),
    ("donchian_prior_high", (20,), 21, "price", _POSITIVE, "the channel one bar before"),
    ("donchian_prior_low", (20,), 21, "price", _POSITIVE, "the channel one bar before"),
    ("cci_20", (20,), 20, "1", _ANY, "Lambert 1980; TA-Lib CCI"),
    ("mfi_14", (14,), 15, "percent", _PERCENT, "Quong and Soudack 1989; TA-Lib MFI"),
    ("obv", (), 1, "volume", _ANY, "Granville 1963; TA-Lib OBV"),
    ("roc_10", (10,), 11, "percent", (-100.0, INF), "TA-Lib ROC"),
    ("mom_10", (10,), 11, "price", _ANY, "TA-Lib MOM"),
    ("trix_15", (15,), 44, "percent", _ANY, "Hutson 1983; TA-Lib TRIX"),
    ("keltner_upper", (20, 10, 2), 20, "price", _ANY, "Chester Keltner, Raschke; TA-Lib KC"),
    ("keltner_mid", (20, 10, 2), 20, "price", _POSITIVE, "EMA of the typical price; TA-Lib KC"),
    ("keltner_lower", (20, 10, 2), 20, "price", _ANY, "Chester Keltner, Raschke; TA-Lib KC"),
    ("supertrend", (10, 3), 11, "price", _ANY, "Seban; TA-Lib SUPERTREND"),
    ("supertrend_dir", (10, 3), 11, "1", _UNIT, "Seban; TA-Lib SUPERTREND"),
    ("sar", (0.02, 0.2), 2, "price", _ANY, "Wilder 1978; TA-Lib SAR"),
    ("vwap_20", (20,), 20, "price", _POSITIVE, "TA-Lib VWMA of the typical price"),
    ("parkinson_20", (20,), 20, "log", _POSITIVE, "Parkinson 1980, a bar"),
    ("garman_klass_20", (20,), 20, "log", _POSITIVE, "Garman and Klass 1980, a bar"),
    ("logret_1", (1,), 2, "log", _ANY, "ln(close / close 1 bar ago)"),
    ("logret_5", (5,), 6, "log", _ANY, "ln(close / close 5 bars ago)"),
    ("logret_15", (15,), 16, "log", _ANY, "ln(close / close 15 bars ago)"),
    ("realised_vol_30", (30,), 31, "log", _POSITIVE, "Andersen and Bollerslev 1998, root mean square a bar"),
    ("volume_z_20", (20,), 20, "1", _ANY, "(volume - mean) / population deviation"),
    ("close_z_50", (50,), 50, "1", _ANY, "(close - mean) / population deviation"),
    ("hour_sin", (), 1, "1", _UNIT, "sine of the UTC time of day"),
    ("hour_cos", (), 1, "1", _UNIT, "cosine of the UTC time of day"),
)

FEATURES: Final = tuple(
    Feature(name, index, GROUP_NAMES[GROUP_OF[index]], params, warmup, unit, bounds, source)
    for index, (name, params, warmup, unit, bounds, source) in enumerate(_ROWS)
)
by_name: Final = {feature.name: feature for feature in FEATURES}

assert tuple(feature.name for feature in FEATURES) == FEATURE_NAMES
