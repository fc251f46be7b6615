"""Step kernels of price levels: pivots of the last whole period, retracements of a range.

A period of p[0] seconds counts from the start of 1970, UTC; a bar belongs to the one that it closes in or
at the end of. Levels come from the last finished period only, so they never change within one.

Memory: period number, open, high, low, close of the running period; the same of the last; 1 if there is one.
"""

import math

from bot4.features.ring_nb import CLOSE, HIGH, LOW, OPEN, TS, Vector, highest_at_nb, lowest_at_nb, nan_nb
from bot4.kernels.jit_nb import kernel


@kernel
def _periods_nb(p: Vector, s: Vector, x: Vector) -> bool:
    """Fold a bar into the running period; whether s[5..8] hold the last period's prices."""
    period = math.ceil(x[TS] / p[0]) if math.isfinite(x[TS]) else s[0]
    if period != s[0]:
        if s[0] != 0.0:
            s[9] = 1.0
            for k in range(4):
                s[5 + k] = s[1 + k]
        s[0] = period
        s[1] = x[OPEN]
        s[2] = x[HIGH]
        s[3] = x[LOW]
    s[2] = max(s[2], x[HIGH])
    s[3] = min(s[3], x[LOW])
    s[4] = x[CLOSE]
    return bool(s[9] == 1.0)


@kernel
def _write_nb(out: Vector, pivot: float, span: float, ratios: tuple[float, float, float]) -> None:
    out[0] = pivot
    for k in range(3):
        out[1 + k] = pivot + ratios[k] * span
        out[4 + k] = pivot - ratios[k] * span


@kernel
def _ladder_nb(out: Vector, pivot: float, high: float, low: float) -> None:
    """The floor traders' three resistances and supports around a pivot."""
    out[0] = pivot
    out[1] = 2.0 * pivot - low
    out[2] = pivot + (high - low)
    out[3] = high + 2.0 * (pivot - low)
    out[4] = 2.0 * pivot - high
    out[5] = pivot - (high - low)
    out[6] = low - 2.0 * (high - pivot)


@kernel
def pivot_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Pivot (H + L + C) / 3 and three levels each side."""
    nan_nb(out)
    if _periods_nb(p, s, x):
        _ladder_nb(out, (s[6] + s[7] + s[8]) / 3.0, s[6], s[7])


@kernel
def woodie_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Pivot (H + L + 2 O) / 4 with the running period's open, and three levels each side."""
    nan_nb(out)
    if _periods_nb(p, s, x):
        _ladder_nb(out, (s[6] + s[7] + 2.0 * s[1]) / 4.0, s[6], s[7])


@kernel
def fibonacci_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Pivot (H + L + C) / 3 and 0.382, 0.618 and 1 of the range each side."""
    nan_nb(out)
    if _periods_nb(p, s, x):
        _write_nb(out, (s[6] + s[7] + s[8]) / 3.0, s[6] - s[7], (0.382, 0.618, 1.0))


@kernel
def camarilla_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Close +- 1.1 range / 12, 6, 4, 2: levels 1 to 4 up, then 1 to 4 down."""
    nan_nb(out)
    if _periods_nb(p, s, x):
        span = 1.1 * (s[6] - s[7])
        for k in range(4):
            part = (
                span / 12.0 if k == 0 else (span / 6.0 if k == 1 else (span / 4.0 if k == 2 else span / 2.0))
            )
            out[k] = s[8] + part
            out[4 + k] = s[8] - part


@kernel
def demark_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """DeMark's pivot, one level up, one down: the weight goes to the side the period closed on."""
    nan_nb(out)
    if not _periods_nb(p, s, x):
        return
    o, high, low, c = s[5], s[6], s[7], s[8]
    if c < o:
        total = high + 2.0 * low + c
    elif c > o:
        total = 2.0 * high + low + c
    else:
        total = high + low + 2.0 * c
    out[0] = total / 4.0
    out[1] = total / 2.0 - low
    out[2] = total / 2.0 - high


@kernel
def fib_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Levels 23.6, 38.2, 50, 61.8, 78.6 % of the way back from the newer extreme of n bars to the older."""
    n = int(p[0])
    c = s[0]
    s[0] = c + 1.0
    high = highest_at_nb(s, 1, n, c, x[HIGH])
    low = lowest_at_nb(s, 3 + 2 * n, n, c, x[LOW])
    nan_nb(out)
    if c < n - 1:
        return
    rising = s[3 + int(s[1])] >= s[5 + 2 * n + int(s[3 + 2 * n])]
    start = high if rising else low
    way = low - high if rising else high - low
    out[0] = start + 0.236 * way
    out[1] = start + 0.382 * way
    out[2] = start + 0.5 * way
    out[3] = start + 0.618 * way
    out[4] = start + 0.786 * way
