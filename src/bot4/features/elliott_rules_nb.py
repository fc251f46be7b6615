"""Elliott's figures on consecutive pivots: the rules that reject, the guidelines that score.

A figure of n pivots is read from the newest n pivots of a zigzag, p[0] (its start) to p[n - 1]. Each
function returns how well the guidelines hold, 0 to 1, or -1 where a rule is broken. `sign` is 1 where the
figure begins upwards.

Rules (Frost and Prechter, 1978): wave 2 never takes back all of wave 1; wave 3 is never the shortest
of 1, 3 and 5; wave 4 does not enter the prices of wave 1, except in a diagonal.
"""

from bot4.features.pivots_nb import Vector, price_nb
from bot4.kernels.jit_nb import kernel

N_KINDS = 10
(
    IMPULSE,
    CONTRACTING_DIAGONAL,
    EXPANDING_DIAGONAL,
    ZIGZAG_CORRECTION,
    FLAT,
    EXPANDED_FLAT,
    DOUBLE_THREE,
    TRIPLE_THREE,
    CONTRACTING_TRIANGLE,
    EXPANDING_TRIANGLE,
) = range(1, N_KINDS + 1)

FADE = 0.3
"""A guideline scores 0 at this relative distance beyond the tolerance."""


@kernel
def guide_nb(ratio: float, low: float, high: float, tolerance: float) -> float:
    """Score a ratio against [low, high]: 1 within the tolerance of it, fading to 0 at FADE beyond."""
    if ratio < low:
        off = 1.0 - ratio / low
    elif ratio > high:
        off = ratio / high - 1.0
    else:
        return 1.0
    return max(0.0, 1.0 - max(off - tolerance, 0.0) / FADE)


@kernel
def leg_nb(s: Vector, at: int, n: int, i: int) -> float:
    """Length of leg i (from 1) of a figure of n pivots."""
    return abs(price_nb(s, at, n - 1 - i) - price_nb(s, at, n - i))


@kernel
def _p_nb(s: Vector, at: int, n: int, i: int, sign: float) -> float:
    """Price of pivot i, upside down for a figure that begins downwards."""
    return sign * price_nb(s, at, n - 1 - i)


@kernel
def impulse_nb(s: Vector, at: int, sign: float, tolerance: float) -> float:
    """Waves 1 to 5 from six pivots.

    Guidelines: wave 2 takes back 0.5 to 0.618; wave 3 is 1.618 of wave 1; wave 4 takes back 0.382, or
    0.236 to 0.5; wave 5 equals wave 1 or 0.618 of waves 1 to 3; waves 2 and 4 differ in depth
    (alternation). A fifth that stops short of the third halves the score.
    """
    p0, p1, p2 = _p_nb(s, at, 6, 0, sign), _p_nb(s, at, 6, 1, sign), _p_nb(s, at, 6, 2, sign)
    p3, p4, p5 = _p_nb(s, at, 6, 3, sign), _p_nb(s, at, 6, 4, sign), _p_nb(s, at, 6, 5, sign)
    w1, w3, w5 = p1 - p0, p3 - p2, p5 - p4
    if p2 < p0 or (w3 < w1 and w3 < w5) or p4 <= p1 or p3 <= p1:
        return -1.0
    second = (p1 - p2) / w1
    fourth = (p3 - p4) / w3
    whole = 0.618 * (p3 - p0)
    score = (
        guide_nb(second, 0.5, 0.618, tolerance)
        + guide_nb(w3 / w1, 1.618, 1.618, tolerance)
        + 0.5 * (guide_nb(fourth, 0.236, 0.5, tolerance) + guide_nb(fourth, 0.382, 0.382, tolerance))
        + max(guide_nb(w5, w1, w1, tolerance), guide_nb(w5, whole, whole, tolerance))
        + min(abs(second - fourth) / 0.15, 1.0)
    ) / 5.0
    return score if p5 > p3 else 0.5 * score


@kernel
def diagonal_nb(s: Vector, at: int, sign: float, tolerance: float, expanding: bool) -> float:
    """Leading or ending diagonal: five waves whose fourth overlaps the first, between two closing lines.

    Contracting: each wave shorter than the one two before it; expanding: longer (then wave 3 is not the
    shortest because wave 1 is). Each of waves 3 and 5 goes beyond the one before. Guidelines: waves 2 and
    4 take back 0.66 to 0.81.
    """
    p0, p1, p2 = _p_nb(s, at, 6, 0, sign), _p_nb(s, at, 6, 1, sign), _p_nb(s, at, 6, 2, sign)
    p3, p4, p5 = _p_nb(s, at, 6, 3, sign), _p_nb(s, at, 6, 4, sign), _p_nb(s, at, 6, 5, sign)
    w1, w2, w3, w4, w5 = p1 - p0, p1 - p2, p3 - p2, p3 - p4, p5 - p4
    if p2 < p0 or p4 > p1 or p4 <= p2 or p3 <= p1 or p5 <= p3:
        return -1.0
    if expanding and not (w3 > w1 and w5 > w3 and w4 > w2):
        return -1.0
    if not expanding and not (w3 < w1 and w5 < w3 and w4 < w2):
        return -1.0
    return 0.5 * (guide_nb(w2 / w1, 0.66, 0.81, tolerance) + guide_nb(w4 / w3, 0.66, 0.81, tolerance))


@kernel
def three_nb(s: Vector, at: int, n: int, first: int, tolerance: float) -> tuple[int, float]:
    """Kind and score of the correction A-B-C in legs first + 1 to first + 3 of a figure of n pivots.

    B takes back 0.382 to 0.786 of A in a zigzag, 0.9 to 1.05 in a flat, 1.05 to 1.38 in an expanded flat,
    each within the tolerance. C goes beyond the end of A (a flat's may miss it by a tenth of A).
    Guideline: C equals A or 1.618 A.
    """
    a = leg_nb(s, at, n, first + 1)
    b = leg_nb(s, at, n, first + 2)
    c = leg_nb(s, at, n, first + 3)
    beyond = c - b
    back = b / a
    kind = 0
    if 0.382 * (1.0 - tolerance) <= back <= 0.786 * (1.0 + tolerance):
        kind = ZIGZAG_CORRECTION if beyond > 0.0 else 0
    elif 0.9 * (1.0 - tolerance) <= back <= 1.05:
        kind = FLAT if beyond >= -0.1 * a else 0
    elif 1.05 < back <= 1.38 * (1.0 + tolerance):
        kind = EXPANDED_FLAT if beyond > 0.0 else 0
    if kind == 0:
        return 0, -1.0
    if kind == ZIGZAG_CORRECTION:
        depth = guide_nb(back, 0.5, 0.618, tolerance)
    else:
        depth = (
            guide_nb(back, 0.95, 1.05, tolerance) if kind == FLAT else guide_nb(back, 1.236, 1.382, tolerance)
        )
    length = max(guide_nb(c / a, 1.0, 1.0, tolerance), guide_nb(c / a, 1.618, 1.618, tolerance))
    return kind, 0.5 * (depth + length)


@kernel
def combination_nb(s: Vector, at: int, threes: int, sign: float, tolerance: float) -> float:
    """W-X-Y (two threes) or W-X-Y-X-Z (three), joined by X waves.

    Each three is a correction by `three_nb` in one direction; an X takes back 0.236 to 1.0 of the three
    before it. Guidelines: X takes back 0.382 to 0.618, the threes are of equal length.
    """
    n = 4 * threes
    total = 0.0
    for j in range(threes):
        kind, score = three_nb(s, at, n, 4 * j, tolerance)
        if kind == 0:
            return -1.0
        total += score
    for j in range(threes - 1):
        span = _p_nb(s, at, n, 4 * j + 3, sign) - _p_nb(s, at, n, 4 * j, sign)
        later = _p_nb(s, at, n, 4 * j + 7, sign) - _p_nb(s, at, n, 4 * j + 4, sign)
        if span <= 0.0 or later <= 0.0:
            return -1.0
        back = leg_nb(s, at, n, 4 * j + 4) / span
        if not 0.236 * (1.0 - tolerance) <= back <= 1.0:
            return -1.0
        total += guide_nb(back, 0.382, 0.618, tolerance) + guide_nb(later / span, 1.0, 1.0, tolerance)
    return total / (3.0 * threes - 2.0)


@kernel
def triangle_nb(s: Vector, at: int, sign: float, tolerance: float, expanding: bool) -> float:
    """A-B-C-D-E of six pivots; contracting (or with one flat side): every leg shorter, expanding: longer.

    Ends stay inside (go beyond) the ends two before them. Guideline: each leg is 0.618 (1.618) of
    the one before.
    """
    score = 0.0
    for i in range(2, 6):
        ratio = leg_nb(s, at, 6, i) / leg_nb(s, at, 6, i - 1)
        if (ratio <= 1.0) if expanding else (ratio >= 1.0):
            return -1.0
        score += (
            guide_nb(ratio, 1.382, 1.618, tolerance)
            if expanding
            else guide_nb(ratio, 0.618, 0.786, tolerance)
        )
    return score / 4.0


@kernel
def pivots_of_nb(kind: int) -> int:
    """How many pivots a figure has."""
    if ZIGZAG_CORRECTION <= kind <= EXPANDED_FLAT:
        return 4
    if kind == DOUBLE_THREE:
        return 8
    return 12 if kind == TRIPLE_THREE else 6


@kernel
def figure_nb(s: Vector, at: int, kind: int, newest: float, tolerance: float) -> float:
    """Score of the newest pivots as a figure of this kind, -1 where they are none.

    `newest` is 1 where the newest pivot is a high. A figure with an odd number of legs ends as it begins, so
    `newest` is its sign as well: all figures here have 3, 5, 7 or 11 legs.
    """
    if kind == IMPULSE:
        return impulse_nb(s, at, newest, tolerance)
    if kind == CONTRACTING_DIAGONAL or kind == EXPANDING_DIAGONAL:
        return diagonal_nb(s, at, newest, tolerance, kind == EXPANDING_DIAGONAL)
    if kind == DOUBLE_THREE or kind == TRIPLE_THREE:
        return combination_nb(s, at, 2 if kind == DOUBLE_THREE else 3, newest, tolerance)
    if kind == CONTRACTING_TRIANGLE or kind == EXPANDING_TRIANGLE:
        return triangle_nb(s, at, newest, tolerance, kind == EXPANDING_TRIANGLE)
    found, score = three_nb(s, at, 4, 0, tolerance)
    return score if found == kind else -1.0
