"""Step kernels of statistics of the close and of its returns; `s[0]` counts inputs."""

import math

from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    VOLUME,
    Vector,
    back_nb,
    highest_at_nb,
    lowest_at_nb,
    moments_nb,
    nan_nb,
    push_nb,
    ratio_nb,
)
from bot4.features.window_nb import log_ratio_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel


@kernel
def extreme_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Highest and lowest of n closes, and how many bars ago each stood (the newest of equals)."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_at_nb(s, 1, n, c, x[CLOSE])
    low = lowest_at_nb(s, 3 + 2 * n, n, c, x[CLOSE])
    nan_nb(out)
    if c >= n - 1:
        out[0] = high
        out[1] = low
        out[2] = c - s[3 + int(s[1])]
        out[3] = c - s[5 + 2 * n + int(s[3 + 2 * n])]


@kernel
def _sort_in_nb(s: Vector, at: int, held: int, x: float) -> None:
    """Insert x into the sorted numbers s[at : at + held]."""
    i = at + held
    while i > at and s[i - 1] > x:
        s[i] = s[i - 1]
        i -= 1
    s[i] = x


@kernel
def _sort_out_nb(s: Vector, at: int, held: int, x: float) -> None:
    """Remove one x from the sorted numbers s[at : at + held]; found by halving."""
    low = at
    high = at + held - 1
    while low < high:
        middle = (low + high) // 2
        if s[middle] < x:
            low = middle + 1
        else:
            high = middle
    for i in range(low, at + held - 1):
        s[i] = s[i + 1]


@kernel
def percentile_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Percentile p[1] of n closes, linear between neighbours. Memory: ring, then the window sorted.

    Found by halving, kept by shifting up to n numbers. A NaN stays out: the last close stands in for it.
    """
    n = int(p[0])
    c = s[0]
    value = x[CLOSE] if not math.isnan(x[CLOSE]) else s[1]
    s[0] = c + 1.0
    s[1] = value
    old = push_nb(s, 2, n, value)
    at = 3 + n
    held = int(min(c, n))
    if held == n:
        _sort_out_nb(s, at, n, old)
        held -= 1
    _sort_in_nb(s, at, held, value)
    out[0] = math.nan
    if c >= n - 1:
        place = p[1] / 100.0 * (n - 1.0)
        i = min(int(place), n - 2) if n > 1 else 0
        part = place - i
        upper = s[at + i + 1] if n > 1 else s[at]
        out[0] = s[at + i] + part * (upper - s[at + i])


@kernel
def percentrank_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Share in percent of the n closes before that lie below this one; costs O(n)."""
    n = int(p[0])
    warm = s[0] >= n
    s[0] += 1.0
    below = 0
    for i in range(n):
        below += 1 if s[2 + i] < x[CLOSE] else 0
    push_nb(s, 1, n, x[CLOSE])
    out[0] = 100.0 * below / n if warm else math.nan


@kernel
def shape_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Skew and excess kurtosis of n log returns (population); 0 if flat; costs O(n)."""
    n = int(p[0])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    nan_nb(out)
    if c == 0.0:
        return
    mean, variance = moments_nb(s, 2, n, log_ratio_nb(x[CLOSE], last))
    if c < n:
        return
    third = 0.0
    fourth = 0.0
    for i in range(n):
        d = s[8 + i] - mean
        third += d * d * d
        fourth += d * d * d * d
    out[0] = ratio_nb(third / n, variance * math.sqrt(variance), 0.0)
    out[1] = fourth / n / (variance * variance) - 3.0 if variance > 0.0 else 0.0


@kernel
def _centre_pair_nb(s: Vector, at: int, n: int, a: float, b: float) -> None:
    for k in range(5):
        s[at + k] = 0.0
    s[at + 5] = a
    s[at + 6] = b
    for i in range(n):
        d = s[at + 8 + i] - a
        e = s[at + 9 + n + i] - b
        s[at] += d
        s[at + 1] += e
        s[at + 2] += d * d
        s[at + 3] += e * e
        s[at + 4] += d * e


@inlined
def pair_sums_nb(s: Vector, at: int, n: int, a: float, b: float) -> tuple[float, float, float]:
    """Sums over n pairs of squared deviations of a, of b, and of their product.

    Block 2 n + 9: five sums off two bases, the bases, two rings. Added up afresh when the rings wrap, and
    when nothing but rounding would be left.
    """
    old = push_nb(s, at + 7, n, a) - s[at + 5]
    was = push_nb(s, at + 8 + n, n, b) - s[at + 6]
    d = a - s[at + 5]
    e = b - s[at + 6]
    s[at] += d - old
    s[at + 1] += e - was
    s[at + 2] += d * d - old * old
    s[at + 3] += e * e - was * was
    s[at + 4] += d * e - old * was
    saa = s[at + 2] - s[at] * s[at] / n
    sbb = s[at + 3] - s[at + 1] * s[at + 1] / n
    blurred = saa * 1e3 < s[at + 2] or sbb * 1e3 < s[at + 3]
    if blurred or old * old > 1e3 * saa or was * was > 1e3 * sbb or s[at + 7] == 0.0:
        _centre_pair_nb(s, at, n, a, b)
        saa = s[at + 2] - s[at] * s[at] / n
        sbb = s[at + 3] - s[at + 1] * s[at + 1] / n
    return saa, sbb, s[at + 4] - s[at] * s[at + 1] / n


@kernel
def correlation_nb(saa: float, sbb: float, sab: float) -> float:
    """Correlation from the sums of `pair_sums_nb`, 0 where a side is flat."""
    if saa <= 0.0 or sbb <= 0.0:
        return 0.0
    return min(max(sab / math.sqrt(saa * sbb), -1.0), 1.0)


@kernel
def correl_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Correlation of close and volume over n bars; 0 where either is flat."""
    n = int(p[0])
    s[0] += 1.0
    saa, sbb, sab = pair_sums_nb(s, 1, n, x[CLOSE], x[VOLUME])
    out[0] = correlation_nb(saa, sbb, sab) if s[0] >= n else math.nan


@kernel
def beta_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Slope of the low's return on the high's return over n bars; 0 where the high's is flat."""
    n = int(p[0])
    c = s[0]
    high, low = s[1], s[2]
    s[0] = c + 1.0
    s[1] = x[HIGH]
    s[2] = x[LOW]
    out[0] = math.nan
    if c == 0.0:
        return
    a = ratio_nb(x[HIGH] - high, high, 0.0)
    saa, _, sab = pair_sums_nb(s, 3, n, a, ratio_nb(x[LOW] - low, low, 0.0))
    if c >= n:
        out[0] = sab / saa if saa > 0.0 else 0.0


@kernel
def autocorr_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Correlation of n log returns with those p[1] bars before; 0 if flat."""
    n, lag = int(p[0]), int(p[1])
    c = s[0]
    last = s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c == 0.0:
        return
    r = log_ratio_nb(x[CLOSE], last)
    old = push_nb(s, 2, lag, r)
    if c <= lag:
        return
    saa, sbb, sab = pair_sums_nb(s, 3 + lag, n, r, old)
    if c >= n + lag:
        out[0] = correlation_nb(saa, sbb, sab)


@kernel
def hurst_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Growth of the deviation of log returns from 1 to p[1] bars, n of each: 0.5 is a random walk.

    H = ln(deviation of p[1] bars / deviation of 1 bar) / ln p[1]; 0.5 where a deviation is 0.
    """
    n, k = int(p[0]), int(p[1])
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 1, k + 1, x[CLOSE])
    out[0] = math.nan
    if c < k:
        return
    _, one = moments_nb(s, 3 + k, n, log_ratio_nb(x[CLOSE], back_nb(s, 1, k + 1, 1)))
    _, many = moments_nb(s, 9 + k + n, n, log_ratio_nb(x[CLOSE], back_nb(s, 1, k + 1, k)))
    if c >= k + n - 1:
        out[0] = 0.5 * math.log(many / one) / math.log(k) if one > 0.0 and many > 0.0 else 0.5


@kernel
def _order_nb(a: float, b: float, c: float) -> int:
    """Which of the six orders three numbers stand in; of equals the older counts as smaller."""
    if a <= b:
        if b <= c:
            return 0
        return 1 if a <= c else 2
    if a <= c:
        return 3
    return 4 if b <= c else 5


@kernel
def entropy_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Permutation entropy (Bandt and Pompe, 2002) of n triples of closes, 0 (one order) to 1 (all alike).

    Memory: inputs, two closes, six counts, ring of orders.
    """
    n = int(p[0])
    c = s[0]
    a, b = s[1], s[2]
    s[0] = c + 1.0
    s[1] = b
    s[2] = x[CLOSE]
    out[0] = math.nan
    if c < 2.0:
        return
    order = _order_nb(a, b, x[CLOSE])
    old = int(push_nb(s, 9, n, float(order)))
    if c >= n + 2:
        s[3 + old] -= 1.0
    s[3 + order] += 1.0
    if c < n + 1:
        return
    total = 0.0
    for k in range(6):
        share = s[3 + k] / n
        if share > 0.0:
            total -= share * math.log(share)
    out[0] = total / math.log(6.0)
