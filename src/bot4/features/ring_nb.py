"""Window primitives on flat float64 memory, for step kernels.

A ring is `n` numbers in `state` from `at` on; input number `c` (from 0) has slot `c % n`, held by the
caller as a counter that wraps. A sliding extreme costs O(1) amortised; a rolling sum is added up afresh
each time its ring wraps, so that rounding never builds up.
"""

import math
from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel

Vector = np.ndarray[Any, Any]


@kernel
def seed_ema_nb(prev: float, x: float, c: float, period: float) -> float:
    """Exponential average by TA-Lib's seed (the mean of the first `period` inputs); `c` counts inputs from 0.

    While c < period - 1 the value is the running sum, not yet an average. alpha = 2 / (period + 1).
    """
    if c >= period:
        return (x - prev) * (2.0 / (period + 1.0)) + prev
    total = prev + x
    if c == period - 1.0:
        return total / period
    return total


@kernel
def seed_wilder_nb(prev: float, x: float, c: float, period: float) -> float:
    """Wilder's average (alpha = 1 / period), seeded like `seed_ema_nb`."""
    if c >= period:
        return (prev * (period - 1.0) + x) / period
    total = prev + x
    if c == period - 1.0:
        return total / period
    return total


@kernel
def ring_at_nb(state: Vector, at: int, n: int, head: int, back: int) -> float:
    """The value `back` inputs before the newest (0: the newest, below n); `head` is the newest's slot."""
    slot = head - back
    if slot < 0:
        slot += n
    return float(state[at + slot])


@kernel
def ring_sum_nb(state: Vector, at: int, n: int) -> float:
    """Sum of all slots."""
    total = 0.0
    for i in range(n):
        total += state[at + i]
    return total


@kernel
def nan_nb(out: Vector) -> None:
    """Every output is NaN."""
    for i in range(len(out)):
        out[i] = math.nan
