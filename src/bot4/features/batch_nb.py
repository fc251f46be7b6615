"""The streaming kernel over a history."""

from typing import Any

import numpy as np

from bot4.features.layout_nb import N_FEATURES, STATE_DTYPE, FeatureState
from bot4.features.update_nb import fold_bar_nb, start_nb
from bot4.kernels.jit_nb import kernel, kernel_with_heap


@kernel_with_heap
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
    """Features of a whole history into `out` (n, N_FEATURES), by the streaming kernel bar after bar.

    Row i is what `update_bar_nb` leaves after bar i, bit for bit. `ts` int64, the bars float64, `mask`
    uint8[N_GROUPS].
    """
    s = np.zeros(1, STATE_DTYPE)[0]
    start_nb(s, mask)
    row = s["out"]
    for i in range(len(c)):
        fold_bar_nb(s, ts[i], (o[i], h[i], lo[i], c[i], v[i]))
        for j in range(N_FEATURES):
            out[i, j] = row[j]


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
    """Fold a run of bars into a living state and keep only the last values (warm-up from history)."""
    s = fs.state[inst]
    if s["bars"] == 0:
        start_nb(s, mask)
    for i in range(len(c)):
        fold_bar_nb(s, ts[i], (o[i], h[i], lo[i], c[i], v[i]))
    row = s["out"]
    for j in range(N_FEATURES):
        fs.values[inst, j] = row[j]
