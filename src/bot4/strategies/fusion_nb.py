"""Hybrid fusion (X7): half technical, half learned, each weighted by its confidence."""

import math

import numpy as np

from bot4.kernels.jit_nb import kernel


@kernel
def fuse_nb(s_ta: float, c_ta: float, s_ml: float, c_ml: float) -> float:
    """Fused score: 0.5 s_TA c_TA + 0.5 s_ML c_ML, in [-1, 1].

    s in {-1, 0, 1}, c in [0, 1]. The halves are constants: nothing at run time changes them. An
    abstaining side (s = 0 or c = 0) contributes nothing, so that the other alone can reach 0.5 at
    most. NaN in gives NaN: the caller takes it for "no opinion".
    """
    return 0.5 * s_ta * c_ta + 0.5 * s_ml * c_ml


@kernel
def view_of_nb(score: float, threshold: float) -> int:
    """-1, 0 or 1: the direction of a fused score, 0 below the threshold or for NaN."""
    if math.isnan(score) or abs(score) < threshold:
        return 0
    return 1 if score > 0.0 else -1


@kernel
def trend_cross_nb(features: np.ndarray, fast: int, slow: int) -> float:
    """Moving-average cross, long or flat: 1 while the fast mean is above the slow one, else -1.

    `features` is one row of bar features, `fast` and `slow` its columns. NaN until both are warm.
    """
    a = features[fast]
    b = features[slow]
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return 1.0 if a > b else -1.0
