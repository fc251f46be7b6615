"""Chart patterns bar by bar: shapes wait for the break of a line, the break names pattern, side and target.

Flags are small beside their pole, whose bars widen the average range: they are looked for on a second
zigzag of half the swing. After a break no flag or pair of lines begins before the last pivot of then.

State: bars, ATR, two zigzags, FAMILIES candidates (reversal at a top, at a bottom, cup, inverse cup, flag,
two lines), the pivot whose rounding has been told, the bar
before which no line begins, the last pattern: kind, side, line, target, bar.
A candidate is dropped by a break on the wrong side or at its last bar; a new shape of the same family
replaces it.
"""

import math

from bot4.features.chart_shapes_nb import (
    DOUBLE_BOTTOM,
    DOUBLE_TOP,
    FIELDS,
    HEIGHT,
    KIND,
    LAST,
    LOWER,
    REF,
    ROUND,
    ROUNDING_BOTTOM,
    UPPER,
    WAY,
    cup_nb,
    flag_nb,
    lines_nb,
    reversal_nb,
    roundness_nb,
)
from bot4.features.pivots_nb import (
    ATR,
    COUNT,
    SUM,
    ZIGZAG,
    Vector,
    atr_nb,
    bar_nb,
    finite_bar_nb,
    newest_side_nb,
    pivot_nb,
    price_nb,
    zigzag_nb,
)
from bot4.features.ring_nb import nan_nb
from bot4.kernels.jit_nb import kernel

ZZ = 1 + ATR
FAMILIES = 6
TOPS, BOTTOMS, CUP, INVERSE_CUP, FLAGS, LINES = range(FAMILIES)
FLAG_ZZ = ZZ + ZIGZAG
CANDIDATES = FLAG_ZZ + ZIGZAG
TOLD = CANDIDATES + FAMILIES * FIELDS
CLEAN = TOLD + 1
FOUND = CLEAN + 1  # kind, side, line, target, bar
CHARTS_STATE = FOUND + 5
LEAST_ROUND = 20.0
"""A rounding takes at least so many bars."""


@kernel
def _candidate_nb(family: int) -> int:
    return CANDIDATES + family * FIELDS


@kernel
def _form_nb(s: Vector) -> None:
    """Look for shapes that end at the newest pivot."""
    count = s[ZZ + COUNT]
    top = newest_side_nb(s, ZZ) > 0.0
    reversal_nb(s, ZZ, count, _candidate_nb(TOPS if top else BOTTOMS))
    cup_nb(s, ZZ, count, _candidate_nb(INVERSE_CUP if top else CUP))
    if count >= 6.0:
        lines_nb(s, ZZ, s[CLEAN], _candidate_nb(LINES))


@kernel
def _line_at_nb(s: Vector, c: int, line: int, bar: float) -> float:
    return float(s[c + line] + s[c + line + 1] * (bar - s[c + REF]))


@kernel
def _break_nb(s: Vector, c: int, bar: float, close: float, margin: float) -> float:
    """1 where the close is above the upper line by the margin, -1 below the lower, else 0."""
    if close > _line_at_nb(s, c, UPPER, bar) + margin:
        return 1.0
    return -1.0 if close < _line_at_nb(s, c, LOWER, bar) - margin else 0.0


@kernel
def _rank_nb(kind: float, family: int) -> float:
    """Of several patterns that break at one bar the one with most pivots is told; doubles come last."""
    if kind == DOUBLE_TOP or kind == DOUBLE_BOTTOM:
        return 1.0
    return 10.0 - family


@kernel
def _watch_nb(s: Vector, bar: float, close: float, margin: float) -> bool:
    """Drop what is too old or broken; True where a pattern is complete (written to FOUND)."""
    best = -1
    rank = 0.0
    way = 0.0
    for family in range(FAMILIES):
        c = _candidate_nb(family)
        if s[c + KIND] == 0.0:
            continue
        side = _break_nb(s, c, bar, close, margin)
        good = side != 0.0 and (s[c + WAY] == 0.0 or s[c + WAY] == side)
        if good and _rank_nb(s[c + KIND], family) > rank:
            rank = _rank_nb(s[c + KIND], family)
            best = c
            way = side
        if not good and (side != 0.0 or bar >= s[c + LAST]):
            s[c + KIND] = 0.0
    if best < 0:
        return False
    line = _line_at_nb(s, best, UPPER if way > 0.0 else LOWER, bar)
    s[FOUND] = s[best + KIND]
    s[FOUND + 1] = way
    s[FOUND + 2] = line
    s[FOUND + 3] = line + way * s[best + HEIGHT]
    s[FOUND + 4] = bar
    for family in range(FAMILIES):
        c = _candidate_nb(family)
        if family >= FLAGS or (s[c + KIND] != 0.0 and _break_nb(s, c, bar, close, margin) != 0.0):
            s[c + KIND] = 0.0
    s[CLEAN] = bar_nb(s, ZZ, 0)
    return True


@kernel
def _rounding_nb(s: Vector, bar: float, close: float, margin: float) -> bool:
    """Rounding bottom (top): a close beyond the pivot before the bottom, after two rounded halves."""
    count = s[ZZ + COUNT]
    if count < 2.0 or s[TOLD] == count:
        return False
    sign = -newest_side_nb(s, ZZ)
    rim = sign * price_nb(s, ZZ, 1)
    bottom = sign * price_nb(s, ZZ, 0)
    if sign * close <= rim + margin:
        return False
    s[TOLD] = count
    left = bar_nb(s, ZZ, 0) - bar_nb(s, ZZ, 1)
    right = bar - bar_nb(s, ZZ, 0)
    first = roundness_nb(sign * pivot_nb(s, ZZ, 0, 3), left, rim, bottom)
    second = roundness_nb(sign * s[ZZ + SUM], right, rim, bottom)
    even = max(left, right) <= 3.0 * min(left, right)
    if left + right < LEAST_ROUND or not even or min(first, second) < ROUND:
        return False
    s[FOUND] = ROUNDING_BOTTOM if sign > 0.0 else ROUNDING_BOTTOM + 1.0
    s[FOUND + 1] = sign
    s[FOUND + 2] = sign * rim
    s[FOUND + 3] = sign * (2.0 * rim - bottom)
    s[FOUND + 4] = bar
    return True


@kernel
def charts_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Fold a bar. params: ATR period, swing in ATR, margin of the break in ATR.

    out: pattern that completes at this bar (1 to 20 as in `chart_shapes_nb`, 0 none), its side; the last
    pattern, its side, line, target (NaN before the first), bars since; then the kind that waits in each
    family: top, bottom, cup, inverse cup, flag, lines.
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    bar = state[0]
    atr = atr_nb(state, 1, x, params[0])
    state[0] = bar + 1.0
    if zigzag_nb(state, ZZ, bar, x, 0.0, params[1] * atr):
        _form_nb(state)
    flags = zigzag_nb(state, FLAG_ZZ, bar, x, 0.0, 0.5 * params[1] * atr)
    if flags and state[FLAG_ZZ + COUNT] >= 5.0:
        flag_nb(state, FLAG_ZZ, state[CLEAN], _candidate_nb(FLAGS))
    if math.isnan(atr):
        nan_nb(out)
        return
    margin = params[2] * atr
    found = _watch_nb(state, bar, x[3], margin)
    if not found:
        found = _rounding_nb(state, bar, x[3], margin)
    known = state[FOUND] > 0.0
    out[0] = state[FOUND] if found else 0.0
    out[1] = state[FOUND + 1] if found else 0.0
    out[2] = state[FOUND]
    out[3] = state[FOUND + 1]
    out[4] = state[FOUND + 2] if known else math.nan
    out[5] = state[FOUND + 3] if known else math.nan
    out[6] = bar - state[FOUND + 4] if known else 0.0
    for family in range(FAMILIES):
        out[7 + family] = state[_candidate_nb(family) + KIND]
