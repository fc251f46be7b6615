"""Bars of longer time frames from trades or from shorter bars, in O(1) an event, closed bars only.

A frame is float64 (9,): end of the bar being built in s (0: none), then its open, high, low, close, volume,
buy volume, number of trades, and its length in s. Bars end at multiples of the length since 1970, UTC; a
period without any event has no bar. The closed bar is written as a row of kind bar.
"""

import math

from bot4.features.ring_nb import BUY, CLOSE, HIGH, LOW, OPEN, TRADES, TS, VOLUME, Vector
from bot4.kernels.jit_nb import kernel

END = 0
LENGTH = 8
FRAME_SIZE = 9


@kernel
def emit_nb(frame: Vector, out: Vector) -> None:
    """Write the bar being built into `out` and begin anew."""
    out[OPEN] = frame[1]
    out[HIGH] = frame[2]
    out[LOW] = frame[3]
    out[CLOSE] = frame[4]
    out[VOLUME] = frame[5]
    out[TS] = frame[END]
    out[BUY] = frame[6]
    out[TRADES] = frame[7]
    frame[END] = 0.0


@kernel
def _merge_nb(frame: Vector, end: float, x: Vector) -> None:
    if frame[END] == 0.0:
        frame[END] = end
        frame[1] = x[OPEN]
        frame[2] = x[HIGH]
        frame[3] = x[LOW]
        frame[5] = 0.0
        frame[6] = 0.0
        frame[7] = 0.0
    frame[2] = max(frame[2], x[HIGH])
    frame[3] = min(frame[3], x[LOW])
    frame[4] = x[CLOSE]
    frame[5] += x[VOLUME]
    frame[6] += x[BUY]
    frame[7] += x[TRADES]


@kernel
def close_until_nb(frame: Vector, now: float, out: Vector) -> bool:
    """Close the bar whose end has come by `now` (s); whether there was one, in `out`."""
    if frame[END] == 0.0 or now < frame[END]:
        return False
    emit_nb(frame, out)
    return True


@kernel
def fold_bar_nb(frame: Vector, x: Vector, out: Vector) -> int:
    """Fold a closed shorter bar. 0: nothing closed; 1: `out[:8]` closed; 2: `out[8:16]` closed as well.

    Two bars close at once after a gap: the one left open before it, and one that this bar completes.
    """
    length = frame[LENGTH]
    end = math.ceil(x[TS] / length) * length
    closed = 0
    if frame[END] != 0.0 and end != frame[END]:
        emit_nb(frame, out[:8])
        closed = 1
    _merge_nb(frame, end, x)
    if x[TS] >= end:
        emit_nb(frame, out[8 * closed : 8 * closed + 8])
        closed += 1
    return closed


@kernel
def fold_trade_nb(frame: Vector, ts: float, price: float, qty: float, buy: bool, out: Vector) -> bool:
    """Fold a trade at `ts` (s); whether it closed the bar before it, in `out[:8]`; the rest is scratch.

    A trade at the very end of a bar belongs to the next one.
    """
    length = frame[LENGTH]
    end = (math.floor(ts / length) + 1.0) * length
    closed = frame[END] != 0.0 and end != frame[END]
    if closed:
        emit_nb(frame, out[:8])
    x = out[8:16]
    for k in range(4):
        x[k] = price
    x[VOLUME] = qty
    x[BUY] = qty if buy else 0.0
    x[TRADES] = 1.0
    _merge_nb(frame, end, x)
    return bool(closed)


@kernel
def confluence_nb(strengths: Vector, weights: Vector) -> float:
    """Weighted mean of the strengths that are known, in [-1, 1]; NaN where none is.

    Only the weights of the strengths used stand in the denominator; a strength beyond [-1, 1] is cut.
    """
    total = 0.0
    used = 0.0
    for k in range(len(strengths)):
        if not math.isnan(strengths[k]) and weights[k] > 0.0:
            total += weights[k] * min(max(strengths[k], -1.0), 1.0)
            used += weights[k]
    return total / used if used > 0.0 else math.nan
