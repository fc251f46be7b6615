"""Market structure (higher highs and lows, breaks) and support and resistance, from confirmed pivots."""

import math

from bot4.features.pivots_nb import (
    ATR,
    COUNT,
    ZIGZAG,
    Vector,
    atr_nb,
    finite_bar_nb,
    newest_side_nb,
    price_nb,
    zigzag_nb,
)
from bot4.features.ring_nb import nan_nb
from bot4.kernels.jit_nb import kernel

ZZ = 1 + ATR
AFTER = ZZ + ZIGZAG
TREND, BROKEN_HIGH, BROKEN_LOW = AFTER, AFTER + 1, AFTER + 2
STRUCTURE_STATE = AFTER + 3

N_LEVELS = 16
LEVEL_FIELDS = 3
LEVELS_STATE = AFTER + N_LEVELS * LEVEL_FIELDS


@kernel
def _step_nb(now: float, before: float) -> float:
    return 1.0 if now > before else (-1.0 if now < before else 0.0)


@kernel
def structure_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Market structure. params: ATR period, swing in ATR.

    out: trend; 1 higher, -1 lower, 0 equal or unknown of the last two swing highs, and lows; break: a
    close beyond the last swing, with the trend (1 up, -1 down); turn: the same against the trend,
    which turns it; last swing high and low. Each swing breaks once. A trend starts with the first break.
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    atr = atr_nb(state, 1, x, params[0])
    fresh = zigzag_nb(state, ZZ, state[0], x, 0.0, params[1] * atr)
    state[0] += 1.0
    if math.isnan(atr):
        nan_nb(out)
        return
    count = state[ZZ + COUNT]
    side = newest_side_nb(state, ZZ)
    first_high = 0 if side > 0.0 else 1
    first_low = 1 - first_high
    high = price_nb(state, ZZ, first_high) if count > first_high else math.nan
    low = price_nb(state, ZZ, first_low) if count > first_low else math.nan
    if fresh and side > 0.0:
        state[BROKEN_HIGH] = 0.0
    if fresh and side < 0.0:
        state[BROKEN_LOW] = 0.0
    out[1] = _step_nb(high, price_nb(state, ZZ, first_high + 2)) if count > first_high + 2 else 0.0
    out[2] = _step_nb(low, price_nb(state, ZZ, first_low + 2)) if count > first_low + 2 else 0.0
    way = 0.0
    if x[3] > high and state[BROKEN_HIGH] == 0.0:
        way = 1.0
        state[BROKEN_HIGH] = 1.0
    elif x[3] < low and state[BROKEN_LOW] == 0.0:
        way = -1.0
        state[BROKEN_LOW] = 1.0
    against = way != 0.0 and state[TREND] == -way
    out[3] = 0.0 if against else way
    out[4] = way if against else 0.0
    if way != 0.0:
        state[TREND] = way
    out[0] = state[TREND]
    out[5] = high
    out[6] = low


@kernel
def _place_level_nb(s: Vector, price: float, bar: float, merge: float) -> None:
    """Merge a pivot into the nearest level within `merge`, or put it in the weakest slot.

    A level: mean price of its pivots, number of touches, bar of the last. Weakest: empty, else
    fewest touches, else oldest.
    """
    best = -1
    gap = math.inf
    weakest = 0
    for i in range(N_LEVELS):
        at = AFTER + i * LEVEL_FIELDS
        weak = AFTER + weakest * LEVEL_FIELDS
        if s[at + 1] < s[weak + 1] or (s[at + 1] == s[weak + 1] and s[at + 2] < s[weak + 2]):
            weakest = i
        if s[at + 1] > 0.0 and abs(s[at] - price) <= min(merge, gap):
            gap = abs(s[at] - price)
            best = i
    at = AFTER + (best if best >= 0 else weakest) * LEVEL_FIELDS
    if best < 0:
        s[at] = price
        s[at + 1] = 1.0
    else:
        s[at + 1] += 1.0
        s[at] += (price - s[at]) / s[at + 1]
    s[at + 2] = bar


@kernel
def levels_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Support and resistance. params: ATR period, swing in ATR, merge in ATR.

    out: nearest level at or below the close, its touches, nearest above, its touches (NaN and 0
    where there is none), their distances from the close in ATR (NaN where none or the ATR is 0).
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    atr = atr_nb(state, 1, x, params[0])
    fresh = zigzag_nb(state, ZZ, state[0], x, 0.0, params[1] * atr)
    if fresh:
        _place_level_nb(state, price_nb(state, ZZ, 0), state[0], params[2] * atr)
    state[0] += 1.0
    nan_nb(out)
    if math.isnan(atr):
        return
    out[1] = 0.0
    out[3] = 0.0
    for i in range(N_LEVELS):
        at = AFTER + i * LEVEL_FIELDS
        if state[at + 1] == 0.0:
            continue
        if state[at] <= x[3] and not state[at] <= out[0]:
            out[0] = state[at]
            out[1] = state[at + 1]
        if state[at] > x[3] and not state[at] >= out[2]:
            out[2] = state[at]
            out[3] = state[at + 1]
    if atr > 0.0:
        out[4] = (x[3] - out[0]) / atr
        out[5] = (out[2] - x[3]) / atr
