"""Harmonic patterns on confirmed pivots: name, score, reversal zone, stop, targets, those still alive.

State: bars, ATR, zigzag, then ACTIVE setups of FIELDS numbers, then the setup that waits for its D.
A setup lives until its stop or its third target is touched, or `life` bars have passed. When all places
are taken the oldest gives way.
"""

import math

from bot4.features.harmonic_ratios_nb import (
    ABCD,
    CYPHER,
    LOW_TIER,
    N_PATTERNS,
    RATIOS,
    THREE_DRIVES,
    fit_nb,
    five_point_nb,
    next_step_nb,
    three_drives_nb,
)
from bot4.features.pivots_nb import (
    ATR,
    COUNT,
    ZIGZAG,
    Vector,
    atr_nb,
    bar_nb,
    finite_bar_nb,
    newest_side_nb,
    price_nb,
    zigzag_nb,
)
from bot4.features.ring_nb import nan_nb
from bot4.kernels.jit_nb import kernel

ZZ = 1 + ATR
ACTIVE = 8
FIELDS = 13
(
    CODE,
    SIDE,
    SCORE,
    MASK,
    POINT_D,
    CONFIRMED,
    STOP,
    TARGET_1,
    TARGET_2,
    TARGET_3,
    TARGET_X,
    ZONE_LOW,
    ZONE_HIGH,
) = range(FIELDS)
SETUPS = ZZ + ZIGZAG
FORMING = SETUPS + ACTIVE * FIELDS  # code + 1, side, zone low, zone high
SCRATCH = FORMING + 4  # six prices, six bars
HARMONIC_STATE = SCRATCH + 12
ZONE = 0.05
"""The reversal zone is at most this share of XA wide."""


@kernel
def zone_nb(
    code: int, x: float, a: float, b: float, c: float, tolerance: float, other: bool
) -> tuple[float, float]:
    """The potential reversal zone of D: overlap of what XA and BC project; NaN where there is none.

    XA's level widened by the tolerance, but no more than ZONE of XA in all, and the span that CD/BC
    allows. The Cypher projects 0.786 of XC instead. `other` takes the second AD/XA.
    """
    way = 1.0 if a > x else -1.0
    xa = abs(a - x)
    if code == CYPHER:
        level = c - way * 0.786 * abs(c - x)
        half = min(tolerance * 0.786 * abs(c - x), 0.5 * ZONE * xa)
        return level - half, level + half
    low_ratio = RATIOS[code, 8] if other else RATIOS[code, 6]
    high_ratio = RATIOS[code, 8] if other else RATIOS[code, 7]
    near = max(
        low_ratio * (1.0 - tolerance),
        RATIOS[code, 4] * (1.0 - tolerance) * abs(c - b) / xa - (c - a) * way / xa,
    )
    far = min(
        high_ratio * (1.0 + tolerance),
        RATIOS[code, 5] * (1.0 + tolerance) * abs(c - b) / xa - (c - a) * way / xa,
    )
    if near > far:
        return math.nan, math.nan
    middle = min(max(0.5 * (low_ratio + high_ratio), near), far)
    near = max(near, middle - 0.5 * ZONE)
    far = min(far, middle + 0.5 * ZONE)
    first = a - way * near * xa
    last = a - way * far * xa
    return min(first, last), max(first, last)


@kernel
def _levels_nb(s: Vector, at: int, code: int, start: float, a: float, d: float) -> None:
    """Set stop and targets after D; the stop is X while D lies inside XA, else the next ratio beyond."""
    span = abs(a - start)
    move = a - d
    ratio = abs(move) / span
    inside = ratio < 1.0 and code != ABCD and code != THREE_DRIVES
    beyond = 1.0 if inside else next_step_nb(ratio)
    s[at + STOP] = a - (1.0 if move > 0.0 else -1.0) * beyond * span
    s[at + TARGET_1] = d + 0.382 * move
    s[at + TARGET_2] = d + 0.618 * move
    s[at + TARGET_3] = d + move
    s[at + TARGET_X] = d + 1.272 * move


@kernel
def _place_nb(s: Vector) -> int:
    """Start of a free place, or of the oldest setup."""
    best = 0
    for i in range(ACTIVE):
        at = SETUPS + i * FIELDS
        if s[at + SIDE] == 0.0:
            return at
        if s[at + CONFIRMED] < s[SETUPS + best * FIELDS + CONFIRMED]:
            best = i
    return SETUPS + best * FIELDS


@kernel
def _score_nb(s: Vector, code: int, tolerance: float) -> float:
    """How well the newest pivots fit a pattern; -1 where not or where pivots are missing."""
    count = s[ZZ + COUNT]
    if code == THREE_DRIVES:
        if count < 6.0:
            return -1.0
        for k in range(6):
            s[SCRATCH + k] = price_nb(s, ZZ, 5 - k)
            s[SCRATCH + 6 + k] = bar_nb(s, ZZ, 5 - k)
        return three_drives_nb(s[SCRATCH : SCRATCH + 6], s[SCRATCH + 6 : SCRATCH + 12], tolerance)
    if count < (4.0 if code == ABCD else 5.0):
        return -1.0
    x = price_nb(s, ZZ, 4) if count >= 5.0 else price_nb(s, ZZ, 2)
    return five_point_nb(
        code, x, price_nb(s, ZZ, 3), price_nb(s, ZZ, 2), price_nb(s, ZZ, 1), price_nb(s, ZZ, 0), tolerance
    )


@kernel
def _complete_nb(s: Vector, bar: float, tolerance: float) -> bool:
    """Name the figure that the newest pivot completes; True where it is one."""
    best = -1
    rank = -1.0
    top = -1.0
    mask = 0
    for code in range(N_PATTERNS):
        score = _score_nb(s, code, tolerance)
        if score < 0.0:
            continue
        mask |= 1 << code
        if RATIOS[code, 9] + 0.5 * score > rank:
            rank = RATIOS[code, 9] + 0.5 * score
            top = score
            best = code
    if best < 0:
        return False
    at = _place_nb(s)
    d = price_nb(s, ZZ, 0)
    a = price_nb(s, ZZ, 3)
    s[at + CODE] = best
    s[at + SIDE] = -newest_side_nb(s, ZZ)
    s[at + SCORE] = top
    s[at + MASK] = mask
    s[at + POINT_D] = d
    s[at + CONFIRMED] = bar
    s[at + ZONE_LOW] = d
    s[at + ZONE_HIGH] = d
    if best == ABCD or best == THREE_DRIVES:
        c = price_nb(s, ZZ, 1)
        leg = price_nb(s, ZZ, 2)
        _levels_nb(s, at, best, c - (a - leg) if best == ABCD else leg, c, d)
    else:
        x = price_nb(s, ZZ, 4)
        b = price_nb(s, ZZ, 2)
        c = price_nb(s, ZZ, 1)
        _levels_nb(s, at, best, x, a, d)
        other = RATIOS[best, 8] > 0.0 and abs(d - a) > 0.5 * (RATIOS[best, 6] + RATIOS[best, 8]) * abs(a - x)
        s[at + ZONE_LOW], s[at + ZONE_HIGH] = zone_nb(best, x, a, b, c, tolerance, other)
    return True


@kernel
def _forming_nb(s: Vector, tolerance: float) -> None:
    """The best pattern that the newest four pivots X, A, B, C may still become, and its zone."""
    s[FORMING] = 0.0
    if s[ZZ + COUNT] < 4.0:
        return
    x, a, b, c = price_nb(s, ZZ, 3), price_nb(s, ZZ, 2), price_nb(s, ZZ, 1), price_nb(s, ZZ, 0)
    ab = abs(b - a) / abs(a - x)
    bc = abs(c - b) / abs(b - a)
    rank = -1.0
    for code in range(N_PATTERNS):
        if code == ABCD or code == THREE_DRIVES or RATIOS[code, 9] <= LOW_TIER:
            continue
        fit = min(
            fit_nb(ab, RATIOS[code, 0], RATIOS[code, 1], tolerance),
            fit_nb(bc, RATIOS[code, 2], RATIOS[code, 3], tolerance),
        )
        if code == CYPHER:
            beyond = (c - a) * (a - x) > 0.0
            fit = min(fit, fit_nb(abs(c - x) / abs(a - x), 1.272, 1.414, tolerance)) if beyond else -1.0
        if fit < 0.0 or RATIOS[code, 9] + 0.5 * fit <= rank:
            continue
        low, high = zone_nb(code, x, a, b, c, tolerance, False)
        if math.isnan(low):
            continue
        rank = RATIOS[code, 9] + 0.5 * fit
        s[FORMING] = code + 1.0
        s[FORMING + 1] = newest_side_nb(s, ZZ)
        s[FORMING + 2] = low
        s[FORMING + 3] = high


@kernel
def _age_nb(s: Vector, bar: float, x: Vector, life: float) -> None:
    """End the setups that touched the stop or the third target, or are too old."""
    for i in range(ACTIVE):
        at = SETUPS + i * FIELDS
        side = s[at + SIDE]
        if side == 0.0 or s[at + CONFIRMED] == bar:
            continue
        stopped = x[2] <= s[at + STOP] if side > 0.0 else x[1] >= s[at + STOP]
        reached = x[1] >= s[at + TARGET_3] if side > 0.0 else x[2] <= s[at + TARGET_3]
        if stopped or reached or bar - s[at + CONFIRMED] > life:
            s[at + SIDE] = 0.0


@kernel
def _report_nb(s: Vector, weight: float, out: Vector) -> None:
    newest = -1
    active = 0.0
    signal = 0.0
    weights = 0.0
    for i in range(ACTIVE):
        at = SETUPS + i * FIELDS
        if s[at + SIDE] == 0.0:
            continue
        active += 1.0
        w = weight if RATIOS[int(s[at + CODE]), 9] <= LOW_TIER else 1.0
        weights += w
        signal += w * s[at + SIDE] * s[at + SCORE]
        if newest < 0 or s[at + CONFIRMED] > s[newest + CONFIRMED]:
            newest = at
    out[3] = active
    out[4] = signal / weights if weights > 0.0 else 0.0
    if newest >= 0:
        out[0] = s[newest + CODE] + 1.0
        out[1] = s[newest + SIDE]
        out[2] = s[newest + SCORE]
        out[6] = s[newest + MASK]
        out[7] = s[newest + POINT_D]
        out[8] = s[newest + ZONE_LOW]
        out[9] = s[newest + ZONE_HIGH]
        for j in range(5):
            out[10 + j] = s[newest + STOP + j]


@kernel
def harmonic_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Harmonic patterns. params: ATR period, swing in ATR, tolerance, weight without source, life in bars.

    out: of the newest living setup the pattern (1 to 14 as in RATIOS, 0 none), side (1 bullish), score;
    number of living setups; signal -1 to 1: mean of side * score, by weight; 1 at the bar that confirms a D;
    all patterns the figure fits, as bits; D, zone, stop, targets at 0.382, 0.618, 1, 1.272 of AD (NaN
    without setup); pattern that waits for its D, its side and zone.
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    bar = state[0]
    atr = atr_nb(state, 1, x, params[0])
    fresh = zigzag_nb(state, ZZ, bar, x, 0.0, params[1] * atr)
    state[0] = bar + 1.0
    nan_nb(out)
    found = False
    if fresh:
        found = _complete_nb(state, bar, params[2])
        _forming_nb(state, params[2])
    _age_nb(state, bar, x, params[4])
    if math.isnan(atr):
        return
    for j in range(7):
        out[j] = 0.0
    _report_nb(state, params[3], out)
    out[5] = 1.0 if found else 0.0
    out[15] = state[FORMING]
    out[16] = state[FORMING + 1] if state[FORMING] > 0.0 else 0.0
    if state[FORMING] > 0.0:
        out[17] = state[FORMING + 2]
        out[18] = state[FORMING + 3]
