"""Window primitives on flat float64 memory, for step kernels.

Each primitive owns a block of the feature's memory `s` from `at` on, zeros at first. Rolling sums are added
up afresh each time their ring wraps and when the value that leaves dwarfs what stays, so rounding never
builds up and a NaN or a giant leaves nothing behind. All cost O(1) a step, amortised.
"""

import math
from typing import Any

import numpy as np

from bot4.features.window_nb import DWARFS
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel

Vector = np.ndarray[Any, Any]

OPEN = 0
HIGH = 1
LOW = 2
CLOSE = 3
VOLUME = 4
TS = 5
BUY = 6
TRADES = 7


@kernel
def nan_nb(out: Vector) -> None:
    """Every output is NaN."""
    for i in range(len(out)):
        out[i] = math.nan


@inlined
def push_nb(s: Vector, at: int, n: int, x: float) -> float:
    """Put x into a ring and return what leaves it (0 while it fills). Block: head, n values."""
    h = int(s[at])
    old = s[at + 1 + h]
    s[at + 1 + h] = x
    s[at] = 0.0 if h + 1 == n else h + 1.0
    return float(old)


@inlined
def back_nb(s: Vector, at: int, n: int, k: int) -> float:
    """The value k pushes before the newest of a ring (0: the newest; k < n)."""
    i = int(s[at]) - 1 - k
    if i < 0:
        i += n
    return float(s[at + 1 + i])


@kernel
def ring_sum_nb(s: Vector, at: int, n: int) -> float:
    """Sum of n numbers from `at` on."""
    total = 0.0
    for i in range(n):
        total += s[at + i]
    return total


@inlined
def roll_nb(s: Vector, at: int, n: int, x: float) -> float:
    """Rolling sum of the last n inputs. Block (n + 2): sum, head, n values."""
    old = push_nb(s, at + 1, n, x)
    total = s[at] + (x - old)
    if s[at + 1] == 0.0 or abs(old) > DWARFS * abs(total):
        total = ring_sum_nb(s, at + 2, n)
    s[at] = total
    return float(total)


@kernel
def _centre_nb(s: Vector, at: int, n: int, base: float) -> None:
    first = 0.0
    second = 0.0
    for i in range(n):
        d = s[at + 6 + i] - base
        first += d
        second += d * d
    s[at] = first
    s[at + 1] = second
    s[at + 2] = base


@inlined
def moments_nb(s: Vector, at: int, n: int, x: float) -> tuple[float, float]:
    """Mean and population variance of the last n inputs; a flat window has exactly its value and 0.

    Block (n + 6): sum and sum of squares off a base, base, inputs equal to the one before, last, head, ring.
    """
    s[at + 3] = s[at + 3] + 1.0 if x == s[at + 4] else 0.0
    s[at + 4] = x
    old = push_nb(s, at + 5, n, x) - s[at + 2]
    d = x - s[at + 2]
    s[at] += d - old
    s[at + 1] += d * d - old * old
    spread = s[at + 1] - s[at] * s[at] / n
    if s[at + 5] == 0.0 or spread * DWARFS < s[at + 1] or old * old > DWARFS * spread:
        _centre_nb(s, at, n, x)
    if s[at + 3] >= n - 1.0:
        return x, 0.0
    mean = s[at] / n
    return s[at + 2] + mean, max(s[at + 1] / n - mean * mean, 0.0)


@kernel
def _centre_line_nb(s: Vector, at: int, n: int, base: float) -> None:
    first = 0.0
    weighted = 0.0
    head = int(s[at + 5])
    for i in range(n):
        j = head + i
        if j >= n:
            j -= n
        d = s[at + 6 + j] - base
        first += d
        weighted += (i + 1.0) * d
    s[at] = first
    s[at + 1] = weighted
    s[at + 2] = base


@inlined
def line_nb(s: Vector, at: int, n: int, x: float) -> tuple[float, float, float]:
    """Base, sum of d and sum of j d over the last n inputs, d = input - base, j = 1 for the oldest to n.

    Block (n + 6) as in `moments_nb`. A flat window has base x and both sums exactly 0.
    """
    s[at + 3] = s[at + 3] + 1.0 if x == s[at + 4] else 0.0
    s[at + 4] = x
    old = push_nb(s, at + 5, n, x) - s[at + 2]
    d = x - s[at + 2]
    s[at + 1] += n * d - s[at]
    s[at] += d - old
    if s[at + 5] == 0.0 or abs(old) > DWARFS * (abs(d) + abs(s[at])):
        _centre_line_nb(s, at, n, x)
    if s[at + 3] >= n - 1.0:
        return x, 0.0, 0.0
    return s[at + 2], s[at], s[at + 1]


@inlined
def wma_nb(s: Vector, at: int, n: int, x: float) -> float:
    """Average with weights 1 (oldest) to n of the last n inputs. Block n + 6."""
    base, _, weighted = line_nb(s, at, n, x)
    return base + weighted / (0.5 * n * (n + 1.0))


@inlined
def slope_nb(n: int, first: float, weighted: float) -> float:
    """Slope of the least-squares line, per input, from the sums of `line_nb`; 0 for one input."""
    if n < 2:
        return 0.0
    # (n sum xy - sum x sum y) / (n sum x^2 - (sum x)^2) with x = 0..n-1
    sx = 0.5 * n * (n - 1.0)
    sxx = n * (n - 1.0) * (2.0 * n - 1.0) / 6.0
    return (n * (weighted - first) - sx * first) / (n * sxx - sx * sx)


@kernel
def _turn_nb(s: Vector, at: int, n: int) -> None:
    """Make a finished block of n inputs its own suffix maxima."""
    best = s[at + n - 1]
    for i in range(n - 2, -1, -1):
        best = s[at + i] if s[at + i] > best else best
        s[at + i] = best


@inlined
def highest_nb(s: Vector, at: int, n: int, c: float, x: float) -> float:
    """Largest of the last n inputs, or of all while there are fewer; c counts inputs from 0. Block n + 2.

    Blocks of n inputs (van Herk 1992, Gil and Werman 1993): the largest so far of this block, and the largest
    of the rest of the block before. No branch depends on the values. Place in the block, largest, ring.
    """
    k = int(s[at])
    best = x if k == 0 or x > s[at + 1] else s[at + 1]
    s[at + 1] = best
    s[at + 2 + k] = x
    if k + 1 == n:
        _turn_nb(s, at + 2, n)
        s[at] = 0.0
        return float(best)
    s[at] = k + 1.0
    rest = s[at + 3 + k]
    return float(rest if rest > best and c >= n else best)


@inlined
def lowest_nb(s: Vector, at: int, n: int, c: float, x: float) -> float:
    """Smallest of the last n inputs; see `highest_nb` (negation is exact)."""
    return -highest_nb(s, at, n, c, -x)


@kernel
def highest_at_nb(s: Vector, at: int, n: int, c: float, x: float) -> float:
    """Largest of the last n inputs, and its place for `when_nb` (Lemire, 2006). Block 2 n + 2.

    Of equal inputs the newest stays. Head, number held, their input numbers, their values.
    """
    h = int(s[at])
    m = int(s[at + 1])
    if m > 0 and s[at + 2 + h] <= c - n:
        h = 0 if h + 1 == n else h + 1
        m -= 1
    while m > 0:
        k = h + m - 1
        if k >= n:
            k -= n
        if s[at + 2 + n + k] > x:
            break
        m -= 1
    k = h + m
    if k >= n:
        k -= n
    s[at + 2 + k] = c
    s[at + 2 + n + k] = x
    s[at] = h
    s[at + 1] = m + 1.0
    return float(s[at + 2 + n + h])


@kernel
def lowest_at_nb(s: Vector, at: int, n: int, c: float, x: float) -> float:
    """Smallest of the last n inputs; see `highest_at_nb` (negation is exact)."""
    return -highest_at_nb(s, at, n, c, -x)


@inlined
def when_nb(s: Vector, at: int) -> float:
    """Input number of the extreme that `highest_at_nb` or `lowest_at_nb` has just found."""
    return float(s[at + 2 + int(s[at])])


@inlined
def ratio_nb(a: float, b: float, otherwise: float) -> float:
    """The ratio a / b, or `otherwise` where b is 0."""
    return a / b if b != 0.0 else otherwise
