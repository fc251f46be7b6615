"""The fourteen harmonic patterns as ratios of legs, and which of them five pivots X, A, B, C, D fit.

A row of RATIOS: lowest and highest AB/XA, BC/AB, CD/BC, AD/XA, another AD/XA (0: none), tier. A single
value has both ends equal; a pair 0, inf is free. A ratio fits between low * (1 - tolerance) and
high * (1 + tolerance), both ends included. Tier orders the names of one figure: specific patterns
before general ones, those of published sources before those without (tiers 1 and 0).

Cypher, AB=CD and three drives have rules of their own: the Cypher's D is 0.786 of XC and XC is 1.272
to 1.414 of XA; AB=CD has no X and asks CD = 1, 1.27 or 1.618 AB; three drives have six pivots.
Ratios: Carney (Gartley, bats, crabs, butterfly, shark), Oglesbee (cypher), the ZUP family for the rest.
"""

import math

import numpy as np

from bot4.features.pivots_nb import Vector
from bot4.kernels.jit_nb import kernel

N_PATTERNS = 14
(
    GARTLEY,
    BUTTERFLY,
    BAT,
    CRAB,
    DEEP_CRAB,
    ALTERNATE_BAT,
    SHARK,
    CYPHER,
    ABCD,
    THREE_DRIVES,
    NEN_STAR,
    LEONARDO,
    SEA_PONY,
    WHITE_SWAN,
) = range(N_PATTERNS)
INF = math.inf

RATIOS = np.array(
    (
        (0.618, 0.618, 0.382, 0.886, 1.13, 1.618, 0.786, 0.786, 0.0, 4.0),
        (0.786, 0.786, 0.382, 0.886, 1.618, 2.618, 1.27, 1.27, 1.618, 4.0),
        (0.382, 0.5, 0.382, 0.886, 1.618, 2.618, 0.886, 0.886, 0.0, 4.0),
        (0.382, 0.618, 0.382, 0.886, 2.24, 3.618, 1.618, 1.618, 0.0, 4.0),
        (0.886, 0.886, 0.382, 0.886, 2.0, 3.618, 1.618, 1.618, 0.0, 4.0),
        (0.382, 0.382, 0.382, 0.886, 2.0, 3.618, 1.13, 1.13, 0.0, 4.0),
        (0.0, INF, 1.13, 1.618, 1.618, 2.24, 0.886, 1.13, 0.0, 3.0),
        (0.382, 0.618, 0.0, INF, 0.0, INF, 0.0, INF, 0.0, 4.0),
        (0.0, INF, 0.382, 0.886, 1.13, 2.618, 0.0, INF, 0.0, 2.0),
        (0.0, INF, 0.0, INF, 0.0, INF, 0.0, INF, 0.0, 3.0),
        (0.382, 0.618, 1.414, 2.14, 1.128, 2.0, 1.272, 1.272, 0.0, 1.0),
        (0.5, 0.5, 0.382, 0.886, 1.128, 2.618, 0.786, 0.786, 0.0, 1.0),
        (0.128, 3.618, 0.382, 0.5, 1.618, 2.618, 0.618, 3.618, 0.0, 0.0),
        (0.382, 0.724, 2.0, 4.237, 0.5, 0.886, 0.382, 0.886, 0.0, 1.0),
    )
)
LOW_TIER = 1.0
"""Patterns up to this tier have no canonical source."""

OTHER_VALUE = 0.8
"""Score of a disputed second value against the first."""

STEPS = np.array((0.886, 1.0, 1.13, 1.27, 1.414, 1.618, 2.0, 2.24, 2.618, 3.618, 4.236))
"""Ratios at which a stop may stand: the next beyond D."""


@kernel
def fit_nb(ratio: float, low: float, high: float, tolerance: float) -> float:
    """How well a ratio fits [low, high]: 1 inside, falling to 0 at the ends of the tolerance, -1 beyond."""
    least = low * (1.0 - tolerance)
    most = high * (1.0 + tolerance)
    if not least <= ratio <= most:
        return -1.0
    if ratio < low:
        return (ratio - least) / (low - least)
    if ratio > high:
        return (most - ratio) / (most - high)
    return 1.0


@kernel
def _cypher_nb(ab: float, xc: float, d_of_xc: float, tolerance: float) -> float:
    a = fit_nb(ab, 0.382, 0.618, tolerance)
    b = fit_nb(xc, 1.272, 1.414, tolerance)
    d = fit_nb(d_of_xc, 0.786, 0.786, tolerance)
    return (a + b + d) / 3.0 if min(a, b, d) >= 0.0 else -1.0


@kernel
def _abcd_nb(bc: float, cd: float, equal: float, tolerance: float) -> float:
    a = fit_nb(bc, 0.382, 0.886, tolerance)
    b = fit_nb(cd, 1.13, 2.618, tolerance)
    first = fit_nb(equal, 1.0, 1.0, tolerance)
    others = max(fit_nb(equal, 1.27, 1.27, tolerance), fit_nb(equal, 1.618, 1.618, tolerance))
    e = max(first, OTHER_VALUE * others if others >= 0.0 else -1.0)
    return (a + b + e) / 3.0 if min(a, b, e) >= 0.0 else -1.0


@kernel
def _row_nb(code: int, ab: float, bc: float, cd: float, ad: float, tolerance: float) -> float:
    a = fit_nb(ab, RATIOS[code, 0], RATIOS[code, 1], tolerance)
    b = fit_nb(bc, RATIOS[code, 2], RATIOS[code, 3], tolerance)
    c = fit_nb(cd, RATIOS[code, 4], RATIOS[code, 5], tolerance)
    d = fit_nb(ad, RATIOS[code, 6], RATIOS[code, 7], tolerance)
    if d < 0.0 and RATIOS[code, 8] > 0.0:
        other = fit_nb(ad, RATIOS[code, 8], RATIOS[code, 8], tolerance)
        d = OTHER_VALUE * other if other >= 0.0 else -1.0
    return (a + b + c + d) / 4.0 if min(a, b, c, d) >= 0.0 else -1.0


@kernel
def five_point_nb(code: int, x: float, a: float, b: float, c: float, d: float, tolerance: float) -> float:
    """How well five alternating pivots fit pattern `code` (not three drives): 0 to 1, -1 not at all."""
    xa = abs(a - x)
    ab = abs(b - a)
    bc = abs(c - b)
    cd = abs(d - c)
    if min(xa, ab, bc, cd) <= 0.0:
        return -1.0
    if code == CYPHER:
        xc = abs(c - x)
        beyond = (c - a) * (a - x) > 0.0
        return _cypher_nb(ab / xa, xc / xa, cd / xc, tolerance) if beyond else -1.0
    if code == ABCD:
        return _abcd_nb(bc / ab, cd / bc, cd / ab, tolerance)
    return _row_nb(code, ab / xa, bc / ab, cd / bc, abs(d - a) / xa, tolerance)


@kernel
def _drive_nb(drive: float, back: float, tolerance: float) -> float:
    ratio = drive / back
    return max(fit_nb(ratio, 1.27, 1.27, tolerance), fit_nb(ratio, 1.618, 1.618, tolerance))


@kernel
def three_drives_nb(p: Vector, t: Vector, tolerance: float) -> float:
    """How well six pivots (prices p, bars t, oldest first) are three drives: 0 to 1, -1 not at all.

    Retraces 0.618 to 0.786 of the drive before them, drives 2 and 3 each 1.27 or 1.618 of the retrace
    before them. Near-equal time: the three drives differ in bars by a factor of 1.618 at most.
    """
    d1, r1 = abs(p[1] - p[0]), abs(p[2] - p[1])
    d2, r2 = abs(p[3] - p[2]), abs(p[4] - p[3])
    d3 = abs(p[5] - p[4])
    if min(d1, r1, d2, r2, d3) <= 0.0:
        return -1.0
    a = fit_nb(r1 / d1, 0.618, 0.786, tolerance)
    b = fit_nb(r2 / d2, 0.618, 0.786, tolerance)
    c = _drive_nb(d2, r1, tolerance)
    d = _drive_nb(d3, r2, tolerance)
    shortest = min(t[1] - t[0], t[3] - t[2], t[5] - t[4])
    longest = max(t[1] - t[0], t[3] - t[2], t[5] - t[4])
    if min(a, b, c, d) < 0.0 or longest > 1.618 * shortest:
        return -1.0
    return (a + b + c + d) / 4.0


@kernel
def next_step_nb(ratio: float) -> float:
    """The first of STEPS more than 2 % beyond `ratio`; a tenth beyond it where there is none."""
    for i in range(len(STEPS)):
        if STEPS[i] > ratio * 1.02:
            return float(STEPS[i])
    return ratio * 1.1
