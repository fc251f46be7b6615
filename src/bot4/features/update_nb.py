"""One closed bar into the features of one instrument."""

import math
from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_HOUR_COS,
    F_HOUR_SIN,
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
    K_BARS,
    K_DRY,
    K_FLAT,
    K_FLAT_VOLUME,
    RING_MASK,
    S_PREV_CLOSE,
    S_PREV_HIGH,
    S_PREV_LOW,
    W_CLOSE,
    W_HIGH,
    W_LOW,
    W_TYPICAL,
    W_VOLUME,
    FeatureState,
)
from bot4.features.momentum_nb import cci_nb, macd_nb, range_nb, roc_nb, rsi_nb, trix_nb
from bot4.features.trend_nb import adx_nb, channel_nb, dema_nb, emas_nb, kama_nb, linear_nb, sar_nb, sma_nb
from bot4.features.volatility_nb import atr_nb, bollinger_nb, close_z_nb, range_vol_nb, returns_nb
from bot4.features.volume_nb import mfi_nb, obv_nb, volume_z_nb, vwap_nb
from bot4.features.window_nb import true_range_nb
from bot4.kernels.jit_nb import kernel

_DAY_NS = 86_400_000_000_000
_TURN = 2.0 * math.pi / 86_400_000_000_000.0


@kernel
def _clock_nb(out: np.ndarray[Any, Any], ts: int) -> None:
    """Hour of the day (UTC) as a point on the circle, from the event's time."""
    angle = (ts % _DAY_NS) * _TURN
    out[F_HOUR_SIN] = math.sin(angle)
    out[F_HOUR_COS] = math.cos(angle)


@kernel
def _remember_nb(s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], n: int, c: float, v: float) -> None:
    """Write close and volume into their rings and count the runs in which they stand still."""
    slot = n & RING_MASK
    k[K_FLAT] = k[K_FLAT] + 1 if n > 0 and c == s[S_PREV_CLOSE] else 0
    k[K_FLAT_VOLUME] = k[K_FLAT_VOLUME] + 1 if n > 0 and v == s[W_VOLUME + ((n - 1) & RING_MASK)] else 0
    k[K_DRY] = k[K_DRY] + 1 if v <= 0.0 else 0
    s[W_CLOSE + slot] = c
    s[W_VOLUME + slot] = v


@kernel
def _average_nb(
    s: np.ndarray[Any, Any],
    k: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    n: int,
    c: float,
    mask: np.ndarray[Any, Any],
) -> None:
    """Run the groups that read the close alone."""
    if mask[G_SMA]:
        sma_nb(s, out, n)
    if mask[G_EMA]:
        emas_nb(s, out, n, c)
    if mask[G_LINEAR]:
        linear_nb(s, k, out, n, c)
    if mask[G_DEMA]:
        dema_nb(s, out, n, c)
    if mask[G_KAMA]:
        kama_nb(s, k, out, n, c)
    if mask[G_RSI]:
        rsi_nb(s, out, n, c)
    if mask[G_MACD]:
        macd_nb(s, out, n, c)
    if mask[G_BOLLINGER]:
        bollinger_nb(s, k, out, n, c)
    if mask[G_ROC]:
        roc_nb(s, out, n, c)
    if mask[G_TRIX]:
        trix_nb(s, out, n, c)
    if mask[G_RETURNS]:
        returns_nb(s, out, n, c)
    if mask[G_CLOSE_Z]:
        close_z_nb(s, k, out, n, c)


@kernel
def _ranged_nb(
    s: np.ndarray[Any, Any],
    k: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    n: int,
    bar: tuple[float, float, float, float],
    mask: np.ndarray[Any, Any],
) -> None:
    """Run the groups that read high, low and close."""
    o, h, lo, c = bar
    if mask[G_ATR] or mask[G_ADX] or mask[G_CHANNEL]:
        true_range = true_range_nb(s, h, lo)
        if mask[G_ATR]:
            atr_nb(s, out, n, c, true_range)
        if mask[G_ADX]:
            adx_nb(s, out, n, h, lo, true_range)
        if mask[G_CHANNEL]:
            channel_nb(s, k, out, n, (h, lo, c, true_range))
    if mask[G_RANGE]:
        range_nb(s, k, out, n, c)
    if mask[G_CCI]:
        cci_nb(s, out, n)
    if mask[G_SAR]:
        sar_nb(s, k, out, n, h, lo)
    if mask[G_RANGE_VOL]:
        range_vol_nb(s, out, n, (o, h, lo, c))


@kernel
def _volumes_nb(
    s: np.ndarray[Any, Any],
    k: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    n: int,
    c: float,
    v: float,
    mask: np.ndarray[Any, Any],
) -> None:
    """Run the groups that read volume."""
    if mask[G_MFI]:
        mfi_nb(s, k, out, n, v)
    if mask[G_OBV]:
        obv_nb(s, out, n, c, v)
    if mask[G_VWAP]:
        vwap_nb(s, k, out, n, v)
    if mask[G_VOLUME_Z]:
        volume_z_nb(s, k, out, n, v)


@kernel
def fold_bar_nb(
    s: np.ndarray[Any, Any],
    k: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    ts: int,
    bar: tuple[float, float, float, float, float],
    mask: np.ndarray[Any, Any],
) -> None:
    """Fold one bar into one instrument's rows; the body of `update_bar_nb` and of `batch_nb`."""
    o, h, lo, c, v = bar
    if not math.isfinite(o + h + lo + c + v):
        return
    n = k[K_BARS]
    slot = n & RING_MASK
    _remember_nb(s, k, n, c, v)
    s[W_HIGH + slot] = h
    s[W_LOW + slot] = lo
    s[W_TYPICAL + slot] = (h + lo + c) / 3.0
    _average_nb(s, k, out, n, c, mask)
    _ranged_nb(s, k, out, n, (o, h, lo, c), mask)
    _volumes_nb(s, k, out, n, c, v, mask)
    if mask[G_CLOCK]:
        _clock_nb(out, ts)
    s[S_PREV_CLOSE] = c
    s[S_PREV_HIGH] = h
    s[S_PREV_LOW] = lo
    k[K_BARS] = n + 1


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
    any unit; `mask` uint8[N_GROUPS], the same on every call. A value is NaN until its warm-up (see
    `bot4.features.registry`) and stays NaN where its group is masked; afterwards it is finite for every
    finite bar. A bar with a field that is not finite is left out: it changes nothing.
    """
    fold_bar_nb(fs.state[inst], fs.counters[inst], fs.values[inst], ts, (o, h, lo, c, v), mask)
