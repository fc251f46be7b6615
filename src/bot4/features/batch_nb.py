"""The streaming kernel over a history."""

from typing import Any

import numpy as np

from bot4.features.layout_nb import N_COUNTERS, N_FEATURES, N_STATE, FeatureState
from bot4.features.update_nb import fold_bar_nb
from bot4.kernels.jit_nb import kernel


@kernel
def batch_nb(
    ts: np.ndarray[Any, Any],
    o: np.ndarray[Any, Any],
    h: np.ndarray[Any, Any],
    lo: np.ndarray[Any, Any],
    c: np.ndarray[Any, Any],
    v: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    mask: np.ndarray[Any, Any],
) -> None:
    """Features of a whole history into `out` (n, N_FEATURES), by the same code bar after bar.

    Row i is what `update_bar_nb` leaves after bar i, bit for bit, for finite bars; a bar that is
    left out (not finite) has a row of NaN. `ts` int64, the bars float64, `mask` uint8[N_GROUPS].
    """
    s = np.zeros(N_STATE)
    k = np.zeros(N_COUNTERS, np.int64)
    for i in range(len(c)):
        row = out[i]
        for j in range(N_FEATURES):
            row[j] = np.nan
        fold_bar_nb(s, k, row, ts[i], (o[i], h[i], lo[i], c[i], v[i]), mask)


@kernel
def stream_nb(
    fs: FeatureState,
    inst: int,
    ts: np.ndarray[Any, Any],
    o: np.ndarray[Any, Any],
    h: np.ndarray[Any, Any],
    lo: np.ndarray[Any, Any],
    c: np.ndarray[Any, Any],
    v: np.ndarray[Any, Any],
    mask: np.ndarray[Any, Any],
) -> None:
    """Fold a run of bars into a living state; only the last values are kept (warming up from history)."""
    s = fs.state[inst]
    k = fs.counters[inst]
    row = fs.values[inst]
    for i in range(len(c)):
        fold_bar_nb(s, k, row, ts[i], (o[i], h[i], lo[i], c[i], v[i]), mask)
