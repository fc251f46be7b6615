"""Window primitives over the rings of an instrument's record.

A rolling sum is updated in O(1) and added up afresh when its ring wraps (every 64 bars) and
whenever the value that leaves dwarfs what stays. So rounding never builds up over millions of
bars, and a huge value that has left the window leaves no residue behind.
"""

import math
from typing import Any

import numpy as np

from bot4.features.layout_nb import Q_BARS, Q_HEAD_14, Q_HEAD_15, Q_HEAD_20, Q_TAIL, RING_MASK
from bot4.kernels.jit_nb import kernel

# A leaving value this many times the remaining sum has eaten 3 of its 15 digits.
DWARFS = 1e3


@kernel
def window_sum_nb(ring: np.ndarray[Any, Any], n: int, window: int) -> float:
    """Sum of the last `window` entries of a ring, oldest first; bar n is the newest."""
    total = 0.0
    for i in range(n - window + 1, n + 1):
        total += ring[i & RING_MASK]
    return total


@kernel
def stale_nb(n: int, old: float, total: float) -> bool:
    """Whether a rolling sum of non-negative values must be added up afresh after `old` has left it."""
    return (n & RING_MASK) == 0 or old > DWARFS * total


@kernel
def centre_nb(m: np.ndarray[Any, Any], ring: np.ndarray[Any, Any], n: int, window: int) -> None:
    """Set m to sum (x - base), sum (x - base)^2, base, with the newest value as base.

    Taking a base away first keeps the digits that x^2 would cancel.
    """
    base = ring[n & RING_MASK]
    first = 0.0
    second = 0.0
    for i in range(n - window + 1, n + 1):
        d = ring[i & RING_MASK] - base
        first += d
        second += d * d
    m[0] = first
    m[1] = second
    m[2] = base


@kernel
def blurred_nb(n: int, m: np.ndarray[Any, Any], old: float, window: int) -> bool:
    """Whether m must be centred afresh after `old` (off the base) has left.

    So it is far from the base, or after a giant has left: then the difference of squares has no
    digits left.
    """
    spread = m[1] - m[0] * m[0] / window
    return (n & RING_MASK) == 0 or spread * DWARFS < m[1] or old * old > DWARFS * spread


@kernel
def deviation_nb(m: np.ndarray[Any, Any], window: int) -> float:
    """Population standard deviation from the sums in m."""
    mean = m[0] / window
    return math.sqrt(max(m[1] / window - mean * mean, 0.0))


@kernel
def z_score_nb(x: float, mean: float, deviation: float) -> float:
    """(x - mean) / deviation, 0 where the window is flat."""
    if deviation <= 0.0:
        return 0.0
    return (x - mean) / deviation


@kernel
def log_ratio_nb(a: float, b: float) -> float:
    """ln(a / b), 0 where either is not positive (such a price never passes the quality stage)."""
    if a <= 0.0 or b <= 0.0:
        return 0.0
    return math.log(a / b)


@kernel
def ema_nb(prev: float, x: float, n: float, period: float) -> float:
    """Exponential average by TA-Lib's seed: the mean of the first `period` inputs.

    `n` is the number of the input, from 0. While n < period-1 the value returned is the running
    sum (not yet an average). alpha = 2 / (period + 1).
    """
    if n >= period:
        return (x - prev) * (2.0 / (period + 1.0)) + prev
    total = prev + x
    if n == period - 1:
        return total / period
    return total


@kernel
def wilder_nb(prev: float, x: float, n: float, period: float) -> float:
    """Wilder's average (alpha = 1 / period), seeded like `ema_nb`; `n` counts inputs from 0."""
    if n >= period:
        return (prev * (period - 1.0) + x) / period
    total = prev + x
    if n == period - 1:
        return total / period
    return total


@kernel
def true_range_nb(high: float, low: float, prev_close: float) -> float:
    """Largest of high - low and the distances of both from the close before (Wilder, 1978)."""
    return max(high - low, abs(high - prev_close), abs(low - prev_close))


@kernel
def push_high_nb(q: np.ndarray[Any, Any], ring: np.ndarray[Any, Any], n: int) -> None:
    """Push bar n into the queue of falling highs and move its three window heads.

    Lemire, "Streaming maximum-minimum filter", 2006: each bar enters and leaves once, so the
    cost is O(1) amortised. Of equal highs the newest stays (Aroon counts from the last one).
    """
    tail = q[Q_TAIL]
    head = q[Q_HEAD_20]
    x = ring[n & RING_MASK]
    while tail > head and ring[q[Q_BARS + ((tail - 1) & RING_MASK)] & RING_MASK] <= x:
        tail -= 1
    _enter_nb(q, n, tail)


@kernel
def push_low_nb(q: np.ndarray[Any, Any], ring: np.ndarray[Any, Any], n: int) -> None:
    """Push bar n into the queue of rising lows; see `push_high_nb`."""
    tail = q[Q_TAIL]
    head = q[Q_HEAD_20]
    x = ring[n & RING_MASK]
    while tail > head and ring[q[Q_BARS + ((tail - 1) & RING_MASK)] & RING_MASK] >= x:
        tail -= 1
    _enter_nb(q, n, tail)


@kernel
def _enter_nb(q: np.ndarray[Any, Any], n: int, tail: int) -> None:
    """Put bar n at `tail` and let each head leave the bars that its window no longer holds."""
    q[Q_BARS + (tail & RING_MASK)] = n
    q[Q_TAIL] = tail + 1
    q[Q_HEAD_14] = _head_nb(q, q[Q_HEAD_14], tail, n - 13)
    q[Q_HEAD_15] = _head_nb(q, q[Q_HEAD_15], tail, n - 14)
    q[Q_HEAD_20] = _head_nb(q, q[Q_HEAD_20], tail, n - 19)


@kernel
def _head_nb(q: np.ndarray[Any, Any], head: int, tail: int, oldest: int) -> int:
    head = min(head, tail)
    while q[Q_BARS + (head & RING_MASK)] < oldest:
        head += 1
    return head


@kernel
def extreme_bar_nb(q: np.ndarray[Any, Any], head: int) -> int:
    """Bar number of the extreme of the window whose head slot is `head`."""
    return int(q[Q_BARS + (q[head] & RING_MASK)])
