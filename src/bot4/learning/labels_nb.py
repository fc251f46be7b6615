"""Triple-barrier labels, compiled."""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel


@kernel
def triple_barrier_nb(
    bars: np.ndarray[Any, Any],
    width: np.ndarray[Any, Any],
    horizon: int,
    side: np.ndarray[Any, Any],
    touch: np.ndarray[Any, Any],
) -> None:
    """First barrier that bars i+1 .. i+horizon reach, for every bar i.

    `bars`: f8 (n, 3) high, low, close. `width`: f8 (n, 2), distance of the upper and the lower barrier as
    a fraction of close i. Writes `side` i1 (1 upper, -1 lower, 0 none) and `touch` i8, the bar that
    reached it (i+horizon for none). Where one bar holds both, the lower one is taken. `touch` -1: no
    label, because a width is not positive, the close not finite, or the horizon ends after the data.
    Lopez de Prado, Advances in Financial Machine Learning (2018), 3.3; his vertical barrier is the
    horizon.
    """
    n = bars.shape[0]
    for i in range(n):
        side[i] = 0
        touch[i] = -1
        close = bars[i, 2]
        if i + horizon >= n or not (width[i, 0] > 0.0 and width[i, 1] > 0.0 and close > 0.0):
            continue
        upper = close * (1.0 + width[i, 0])
        lower = close * (1.0 - width[i, 1])
        touch[i] = i + horizon
        for j in range(i + 1, i + horizon + 1):
            if bars[j, 1] <= lower:
                side[i] = -1
                touch[i] = j
                break
            if bars[j, 0] >= upper:
                side[i] = 1
                touch[i] = j
                break
