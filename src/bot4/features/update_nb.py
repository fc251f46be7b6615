"""One closed bar into the features of one instrument."""

import math
from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_ADX_14,
    F_AROON_DOWN_14,
    F_AROON_UP_14,
    F_ATR_14,
    F_BB_LOWER,
    F_BB_MID,
    F_BB_PCT,
    F_BB_UPPER,
    F_BB_WIDTH,
    F_CCI_20,
    F_CLOSE_Z_50,
    F_CMO_14,
    F_DEMA_20,
    F_DONCHIAN_HIGH_20,
    F_DONCHIAN_LOW_20,
    F_DONCHIAN_PRIOR_HIGH,
    F_DONCHIAN_PRIOR_LOW,
    F_EMA_12,
    F_EMA_26,
    F_EMA_50,
    F_GARMAN_KLASS_20,
    F_HOUR_COS,
    F_HOUR_SIN,
    F_KAMA_10,
    F_KELTNER_LOWER,
    F_KELTNER_MID,
    F_KELTNER_UPPER,
    F_LINREG_SLOPE_20,
    F_LOGRET_1,
    F_LOGRET_5,
    F_LOGRET_15,
    F_MACD,
    F_MACD_HIST,
    F_MACD_SIGNAL,
    F_MFI_14,
    F_MINUS_DI_14,
    F_MOM_10,
    F_NATR_14,
    F_OBV,
    F_PARKINSON_20,
    F_PLUS_DI_14,
    F_REALISED_VOL_30,
    F_ROC_10,
    F_RSI_14,
    F_SAR,
    F_SMA_10,
    F_SMA_20,
    F_SMA_50,
    F_STDDEV_20,
    F_STOCH_D,
    F_STOCH_K,
    F_SUPERTREND,
    F_SUPERTREND_DIR,
    F_TRIX_15,
    F_VOLUME_Z_20,
    F_VWAP_20,
    F_WILLR_14,
    F_WMA_20,
    G_ADX,
    G_ATR,
    G_BOLLINGER,
    G_CCI,
    G_CHANNEL,
    G_CLOCK,
    G_CLOSE_Z,
    G_DEMA,
    G_EMA,
    G_KAMA,
    G_LINEAR,
    G_MACD,
    G_MFI,
    G_OBV,
    G_RANGE,
    G_RANGE_VOL,
    G_RETURNS,
    G_ROC,
    G_RSI,
    G_SAR,
    G_SMA,
    G_TRIX,
    G_VOLUME_Z,
    G_VWAP,
    GROUP_OF,
    N_FEATURES,
    N_GROUPS,
    RING_MASK,
    FeatureState,
)
from bot4.features.momentum_nb import (
    aroon_nb,
    cci_nb,
    donchian_nb,
    macd_nb,
    oscillators_nb,
    push_range_nb,
    roc_nb,
    rsi_nb,
    trix_nb,
)
from bot4.features.trend_nb import adx_nb, channel_nb, dema_nb, emas_nb, kama_nb, linear_nb, sar_nb, sma_nb
from bot4.features.volatility_nb import atr_nb, bollinger_nb, close_z_nb, range_vol_nb, returns_nb
from bot4.features.volume_nb import mfi_nb, obv_nb, volume_z_nb, vwap_nb
from bot4.features.window_nb import true_range_nb
from bot4.kernels.jit_nb import kernel

_DAY_NS = 86_400_000_000_000
_TURN = 2.0 * math.pi / 86_400_000_000_000.0

# Groups by what they read, as bits, so that a family nobody asked for costs one test.
_AVERAGES = 1 << G_EMA | 1 << G_LINEAR | 1 << G_DEMA | 1 << G_KAMA | 1 << G_MACD | 1 << G_TRIX
_CLOSES = 1 << G_RSI | 1 << G_BOLLINGER | 1 << G_ROC | 1 << G_RETURNS | 1 << G_CLOSE_Z
_TRUE_RANGES = 1 << G_ATR | 1 << G_ADX | 1 << G_CHANNEL
_RANGES = 1 << G_RANGE | 1 << G_CCI | 1 << G_SAR | 1 << G_RANGE_VOL
_VOLUMES = 1 << G_MFI | 1 << G_OBV | 1 << G_VWAP | 1 << G_VOLUME_Z
_BEYOND_CLOSE = _TRUE_RANGES | _RANGES | _VOLUMES


@kernel
def _averages_nb(s: Any, n: int, c: float) -> None:
    """Averages of the close."""
    groups = s["groups"]
    out = s["out"]
    if groups & (1 << G_EMA):
        out[F_EMA_12], out[F_EMA_26], out[F_EMA_50] = emas_nb(s, n, c)
    if groups & (1 << G_LINEAR):
        out[F_WMA_20], out[F_LINREG_SLOPE_20] = linear_nb(s, n, c)
    if groups & (1 << G_DEMA):
        out[F_DEMA_20] = dema_nb(s, n, c)
    if groups & (1 << G_KAMA):
        out[F_KAMA_10] = kama_nb(s, n, c)
    if groups & (1 << G_MACD):
        out[F_MACD], out[F_MACD_SIGNAL], out[F_MACD_HIST] = macd_nb(s, n, c)
    if groups & (1 << G_TRIX):
        out[F_TRIX_15] = trix_nb(s, n, c)


@kernel
def _closes_nb(s: Any, n: int, c: float) -> None:
    """Moves and spread of the close."""
    groups = s["groups"]
    out = s["out"]
    if groups & (1 << G_RSI):
        out[F_RSI_14], out[F_CMO_14] = rsi_nb(s, n, c)
    if groups & (1 << G_ROC):
        out[F_ROC_10], out[F_MOM_10] = roc_nb(s, n, c)
    if groups & (1 << G_BOLLINGER):
        upper, mid, lower, percent, width, deviation = bollinger_nb(s, n, c)
        out[F_BB_UPPER] = upper
        out[F_BB_MID] = mid
        out[F_BB_LOWER] = lower
        out[F_BB_PCT] = percent
        out[F_BB_WIDTH] = width
        out[F_STDDEV_20] = deviation
    if groups & (1 << G_RETURNS):
        one, five, fifteen, realised = returns_nb(s, n, c)
        out[F_LOGRET_1] = one
        out[F_LOGRET_5] = five
        out[F_LOGRET_15] = fifteen
        out[F_REALISED_VOL_30] = realised
    if groups & (1 << G_CLOSE_Z):
        out[F_CLOSE_Z_50] = close_z_nb(s, n, c)


@kernel
def _true_ranges_nb(s: Any, n: int, bar: tuple[float, float, float]) -> None:
    """Features of the true range."""
    h, lo, c = bar
    groups = s["groups"]
    out = s["out"]
    true_range = true_range_nb(h, lo, s["prev_close"])
    if groups & (1 << G_ATR):
        out[F_ATR_14], out[F_NATR_14] = atr_nb(s, n, c, true_range)
    if groups & (1 << G_ADX):
        out[F_ADX_14], out[F_PLUS_DI_14], out[F_MINUS_DI_14] = adx_nb(s, n, h, lo, true_range)
    if groups & (1 << G_CHANNEL):
        upper, mid, lower, trend, side = channel_nb(s, n, (h, lo, c, true_range))
        out[F_KELTNER_UPPER] = upper
        out[F_KELTNER_MID] = mid
        out[F_KELTNER_LOWER] = lower
        out[F_SUPERTREND] = trend
        out[F_SUPERTREND_DIR] = side


@kernel
def _extremes_nb(s: Any, n: int, c: float) -> None:
    """Donchian 20 (and the channel of the 20 bars before), Aroon, stochastic, Williams %R."""
    out = s["out"]
    if n >= 20:
        out[F_DONCHIAN_PRIOR_HIGH], out[F_DONCHIAN_PRIOR_LOW] = donchian_nb(s)
    push_range_nb(s, n)
    out[F_STOCH_K], out[F_STOCH_D], out[F_WILLR_14] = oscillators_nb(s, n, c)
    out[F_AROON_UP_14], out[F_AROON_DOWN_14] = aroon_nb(s, n)
    if n >= 19:
        out[F_DONCHIAN_HIGH_20], out[F_DONCHIAN_LOW_20] = donchian_nb(s)


@kernel
def _ranges_nb(s: Any, n: int, bar: tuple[float, float, float, float]) -> None:
    """Features of high and low."""
    o, h, lo, c = bar
    groups = s["groups"]
    out = s["out"]
    if groups & (1 << G_RANGE):
        _extremes_nb(s, n, c)
    if groups & (1 << G_CCI):
        out[F_CCI_20] = cci_nb(s, n)
    if groups & (1 << G_SAR):
        out[F_SAR] = sar_nb(s, n, h, lo)
    if groups & (1 << G_RANGE_VOL):
        out[F_PARKINSON_20], out[F_GARMAN_KLASS_20] = range_vol_nb(s, n, (o, h, lo, c))


@kernel
def _volumes_nb(s: Any, n: int, c: float, v: float) -> None:
    """Features of volume."""
    groups = s["groups"]
    out = s["out"]
    if groups & (1 << G_MFI):
        out[F_MFI_14] = mfi_nb(s, n, v)
    if groups & (1 << G_OBV):
        out[F_OBV] = obv_nb(s, n, c, v)
    if groups & (1 << G_VWAP):
        out[F_VWAP_20] = vwap_nb(s, n, v)
    if groups & (1 << G_VOLUME_Z):
        out[F_VOLUME_Z_20] = volume_z_nb(s, n, v)


@kernel
def _clock_nb(ts: int) -> tuple[float, float]:
    """Hour of the day (UTC) as a point on the circle, from the event's time."""
    angle = (ts % _DAY_NS) * _TURN
    return math.sin(angle), math.cos(angle)


@kernel
def _remember_nb(s: Any, n: int, bar: tuple[float, float, float, float, float]) -> None:
    """Write what the groups beyond the close read into the rings; count the runs without change."""
    _, h, lo, c, v = bar
    slot = n & RING_MASK
    s["flat_volume"] = s["flat_volume"] + 1 if n > 0 and v == s["volumes"][(n - 1) & RING_MASK] else 0
    s["dry"] = s["dry"] + 1 if v <= 0.0 else 0
    s["highs"][slot] = h
    s["lows"][slot] = lo
    s["volumes"][slot] = v
    s["typicals"][slot] = (h + lo + c) / 3.0


@kernel
def fold_bar_nb(s: Any, ts: int, bar: tuple[float, float, float, float, float]) -> None:
    """Fold one bar into the record `s` and its row `s["out"]`, unless a field is not finite."""
    o, h, lo, c, v = bar
    n = s["bars"]
    groups = s["groups"]
    out = s["out"]
    if not math.isfinite(o + h + lo + c + v):
        return
    s["flat"] = s["flat"] + 1 if n > 0 and c == s["prev_close"] else 0
    s["closes"][n & RING_MASK] = c
    if groups & _BEYOND_CLOSE:
        _remember_nb(s, n, bar)
    if groups & (1 << G_SMA):
        out[F_SMA_10], out[F_SMA_20], out[F_SMA_50] = sma_nb(s, n, c)
    if groups & _AVERAGES:
        _averages_nb(s, n, c)
    if groups & _CLOSES:
        _closes_nb(s, n, c)
    if groups & _TRUE_RANGES:
        _true_ranges_nb(s, n, (h, lo, c))
    if groups & _RANGES:
        _ranges_nb(s, n, (o, h, lo, c))
    if groups & _VOLUMES:
        _volumes_nb(s, n, c, v)
    if groups & (1 << G_CLOCK):
        out[F_HOUR_SIN], out[F_HOUR_COS] = _clock_nb(ts)
    s["prev_close"] = c
    s["prev_high"] = h
    s["prev_low"] = lo
    s["bars"] = n + 1


@kernel
def start_nb(s: Any, mask: np.ndarray[Any, Any]) -> None:
    """Take the mask (uint8[N_GROUPS]) of a fresh record as bits and make its row NaN."""
    bits = 0
    for g in range(N_GROUPS):
        if mask[g] != 0:
            bits |= 1 << g
    s["groups"] = bits
    s["first"] = N_FEATURES
    out = s["out"]
    for j in range(N_FEATURES):
        out[j] = math.nan
        if mask[GROUP_OF[j]] != 0:
            s["first"] = min(s["first"], j)
            s["end"] = j + 1


@kernel
def update_bar_nb(
    fs: FeatureState,
    inst: int,
    ts: int,
    o: float,
    h: float,
    lo: float,
    c: float,
    v: float,
    mask: np.ndarray[Any, Any],
) -> None:
    """Fold one closed bar of instrument `inst` and write `fs.values[inst, :]`.

    `ts` is the time at which the bar was known (integer ns UTC); prices in quote currency, volume in
    any unit. `mask` is uint8[N_GROUPS]; the mask of an instrument's first bar holds from then on. A
    value is NaN until its warm-up (see `bot4.features.registry`) and stays NaN where its group is
    masked; afterwards it is finite for every finite bar. A bar with a field that is not finite is
    left out: it changes nothing.
    """
    s = fs.state[inst]
    if s["bars"] == 0:
        start_nb(s, mask)
    fold_bar_nb(s, ts, (o, h, lo, c, v))
    out = s["out"]
    for j in range(s["first"], s["end"]):
        fs.values[inst, j] = out[j]
