"""Volume: money flow, on-balance volume, rolling VWAP, z-score of volume.

Conventions as in `trend_nb`. Volume is in any unit, never negative.
"""

from typing import Any

import numpy as np

from bot4.features.layout_nb import (
    F_MFI_14,
    F_OBV,
    F_VOLUME_Z_20,
    F_VWAP_20,
    K_DRY,
    K_FLAT_VOLUME,
    K_STILL,
    RING_MASK,
    S_MFI_DOWN,
    S_MFI_UP,
    S_OBV,
    S_PREV_CLOSE,
    S_VWAP_PV,
    S_VWAP_V,
    S_VZ_SUM,
    W_FLOW,
    W_PV,
    W_TYPICAL,
    W_VOLUME,
)
from bot4.features.window_nb import moments_nb, roll_nb, window_sum_nb, z_score_nb
from bot4.kernels.jit_nb import kernel

_DWARFS = 1e3


@kernel
def _flows_afresh_nb(s: np.ndarray[Any, Any], n: int) -> None:
    up = 0.0
    down = 0.0
    for i in range(n - 13, n + 1):
        flow = s[W_FLOW + (i & RING_MASK)]
        up += max(flow, 0.0)
        down += max(-flow, 0.0)
    s[S_MFI_UP] = up
    s[S_MFI_DOWN] = down


@kernel
def mfi_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, v: float
) -> None:
    """Money flow index, 14 bars (Quong and Soudack, 1989); warm at bar 14.

    Where the window has no money flow (no volume, or no move of the typical price) it is 0
    (TA-Lib's value).
    """
    if n == 0:
        s[W_FLOW] = 0.0
        return
    typical = s[W_TYPICAL + (n & RING_MASK)]
    move = typical - s[W_TYPICAL + ((n - 1) & RING_MASK)]
    flow = typical * v
    if abs(move) <= 1e-15 * abs(typical):  # the rounding of (h + lo + c) / 3
        flow = 0.0
    elif move < 0.0:
        flow = -flow
    old = s[W_FLOW + ((n - 14) & RING_MASK)] if n > 14 else 0.0
    s[W_FLOW + (n & RING_MASK)] = flow
    k[K_STILL] = k[K_STILL] + 1 if flow == 0.0 else 0
    s[S_MFI_UP] += max(flow, 0.0) - max(old, 0.0)
    s[S_MFI_DOWN] += max(-flow, 0.0) - max(-old, 0.0)
    if n < 14:
        return
    if (n & RING_MASK) == 0 or abs(old) > _DWARFS * min(s[S_MFI_UP], s[S_MFI_DOWN]):
        _flows_afresh_nb(s, n)
    total = s[S_MFI_UP] + s[S_MFI_DOWN]
    if k[K_STILL] >= 14 or total <= 0.0:
        out[F_MFI_14] = 0.0
    else:
        out[F_MFI_14] = 100.0 * (min(max(s[S_MFI_UP], 0.0), total) / total)


@kernel
def obv_nb(s: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, c: float, v: float) -> None:
    """On-balance volume (Granville, 1963) from the first bar on, which counts as a rise."""
    if n == 0 or c > s[S_PREV_CLOSE]:
        s[S_OBV] += v
    elif c < s[S_PREV_CLOSE]:
        s[S_OBV] -= v
    out[F_OBV] = s[S_OBV]


@kernel
def vwap_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, v: float
) -> None:
    """Volume-weighted typical price of 20 bars; the plain mean where none has volume; warm at bar 19."""
    s[W_PV + (n & RING_MASK)] = s[W_TYPICAL + (n & RING_MASK)] * v
    value = roll_nb(s, S_VWAP_PV, W_PV, n, 20)
    volume = roll_nb(s, S_VWAP_V, W_VOLUME, n, 20)
    if n < 19:
        return
    if k[K_DRY] >= 20 or volume <= 0.0:
        out[F_VWAP_20] = window_sum_nb(s, W_TYPICAL, n, 20) / 20.0
    else:
        out[F_VWAP_20] = value / volume


@kernel
def volume_z_nb(
    s: np.ndarray[Any, Any], k: np.ndarray[Any, Any], out: np.ndarray[Any, Any], n: int, v: float
) -> None:
    """Z-score of volume among the last 20 (population deviation, 0 if flat); warm at bar 19."""
    mean, deviation = moments_nb(s, S_VZ_SUM, W_VOLUME, n, 20, k[K_FLAT_VOLUME])
    if n >= 19:
        out[F_VOLUME_Z_20] = z_score_nb(v, mean, deviation)
