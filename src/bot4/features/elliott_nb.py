"""Elliott counts of nine degrees, each on its own zigzag, ranked against the counts that fit as well.

Degree k has swings of percent * growth^k. At each confirmed pivot all figures that end there are
scored; they are ranked by score times EVIDENCE, the surprise of the figure in bits: minus log2 of how
often pivots of a random walk pass its rules. A count's share is its rank over the sum of the ranks of all
figures that fit plus DOUBT, the bits that "none of these" is worth. A count falls when price goes beyond
its last pivot.

State: bars, nine zigzags, nine counts of FIELDS numbers, the newest count's degree (from 1), then a
history of the last KEPT counts: degree, kind with sign, score, share, bars of first and last pivot, bar of
confirmation.
"""

import math

import numpy as np

from bot4.features.elliott_rules_nb import N_KINDS, figure_nb, pivots_of_nb
from bot4.features.pivots_nb import (
    COUNT,
    ZIGZAG,
    Vector,
    bar_nb,
    finite_bar_nb,
    newest_side_nb,
    price_nb,
    zigzag_nb,
)
from bot4.features.ring_nb import nan_nb
from bot4.kernels.jit_nb import kernel

DEGREES = 9
FIELDS = 8
KIND, SCORE, SHARE, OTHER, OTHER_SCORE, LIMIT, TARGET, CONFIRMED = range(FIELDS)
KEPT = 32
KEPT_FIELDS = 7
COUNTS = 1 + DEGREES * ZIGZAG
NEWEST = COUNTS + DEGREES * FIELDS
N_KEPT = NEWEST + 1
HISTORY = N_KEPT + 1
ELLIOTT_STATE = HISTORY + KEPT * KEPT_FIELDS

EVIDENCE = np.array((0.0, 3.9, 6.3, 6.2, 2.3, 3.6, 3.6, 3.4, 5.3, 6.9, 6.9))
"""Bits of surprise by kind (slot 0 unused); measured by `benchmarks/patterns.py` on random walks."""

DOUBT = 2.0


@kernel
def _target_nb(s: Vector, at: int, kind: int) -> float:
    """Where the move after the figure is expected: 0.382 back of five waves, the start of a correction.

    After a triangle: its widest leg from its end.
    """
    n = pivots_of_nb(kind)
    last = price_nb(s, at, 0)
    start = price_nb(s, at, n - 1)
    if kind <= 3:
        return last - 0.382 * (last - start)
    if kind >= 9:
        widest = 0.0
        for i in range(n - 1):
            widest = max(widest, abs(price_nb(s, at, i) - price_nb(s, at, i + 1)))
        return last - newest_side_nb(s, at) * widest
    return start


@kernel
def _keep_nb(s: Vector, degree: int, bar: float) -> None:
    """Write the degree's count into the history."""
    zz = 1 + degree * ZIGZAG
    c = COUNTS + degree * FIELDS
    at = HISTORY + (int(s[N_KEPT]) % KEPT) * KEPT_FIELDS
    s[at] = degree
    s[at + 1] = s[c + KIND]
    s[at + 2] = s[c + SCORE]
    s[at + 3] = s[c + SHARE]
    s[at + 4] = bar_nb(s, zz, pivots_of_nb(int(abs(s[c + KIND]))) - 1)
    s[at + 5] = bar_nb(s, zz, 0)
    s[at + 6] = bar
    s[N_KEPT] += 1.0


@kernel
def count_nb(s: Vector, degree: int, bar: float, tolerance: float) -> None:
    """Count anew the figures that end at the newest pivot of a degree."""
    zz = 1 + degree * ZIGZAG
    c = COUNTS + degree * FIELDS
    side = newest_side_nb(s, zz)
    for i in range(FIELDS):
        s[c + i] = 0.0
    best = 0.0
    second = 0.0
    total = DOUBT
    for kind in range(1, N_KINDS + 1):
        if s[zz + COUNT] < pivots_of_nb(kind):
            continue
        score = figure_nb(s, zz, kind, side, tolerance)
        if score < 0.0:
            continue
        rank = score * EVIDENCE[kind]
        total += rank
        if s[c + KIND] == 0.0 or rank > best:
            second = best
            s[c + OTHER], s[c + OTHER_SCORE] = s[c + KIND], s[c + SCORE]
            best = rank
            s[c + KIND], s[c + SCORE] = kind * side, score
        elif s[c + OTHER] == 0.0 or rank > second:
            second = rank
            s[c + OTHER], s[c + OTHER_SCORE] = kind * side, score
    if s[c + KIND] == 0.0:
        return
    s[c + SHARE] = best / total
    s[c + LIMIT] = price_nb(s, zz, 0)
    s[c + TARGET] = _target_nb(s, zz, int(abs(s[c + KIND])))
    s[c + CONFIRMED] = bar
    s[NEWEST] = degree + 1.0
    _keep_nb(s, degree, bar)


@kernel
def _fallen_nb(s: Vector, degree: int, x: Vector) -> bool:
    c = COUNTS + degree * FIELDS
    if s[c + KIND] > 0.0:
        return bool(x[1] > s[c + LIMIT])
    return bool(s[c + KIND] < 0.0 and x[2] < s[c + LIMIT])


@kernel
def elliott_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Fold a bar. params: percent of the smallest degree, growth a degree, tolerance.

    out: count and score of each degree, smallest first (kind 1 to 10, negative where the figure begins
    downwards, 0 none); then of the newest count its kind with sign, degree 1 to 9, score, share, the
    next best kind and its score, 1 at the bar that confirms a count, the price beyond which it falls and its
    target (both NaN without a count).
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    bar = state[0]
    state[0] = bar + 1.0
    before = state[N_KEPT]
    ratio = params[0] / 100.0
    for degree in range(DEGREES):
        c = COUNTS + degree * FIELDS
        if state[c + KIND] != 0.0 and _fallen_nb(state, degree, x):
            for i in range(FIELDS):
                state[c + i] = 0.0
        if zigzag_nb(state, 1 + degree * ZIGZAG, bar, x, ratio, 0.0):
            count_nb(state, degree, bar, params[2])
        ratio *= params[1]
        out[2 * degree] = state[c + KIND]
        out[2 * degree + 1] = state[c + SCORE]
    newest = int(state[NEWEST]) - 1
    at = 2 * DEGREES
    for i in range(6):
        out[at + i] = 0.0
    out[at + 6] = 1.0 if state[N_KEPT] > before else 0.0
    out[at + 7] = math.nan
    out[at + 8] = math.nan
    if newest < 0 or state[COUNTS + newest * FIELDS + KIND] == 0.0:
        return
    c = COUNTS + newest * FIELDS
    out[at] = state[c + KIND]
    out[at + 1] = newest + 1.0
    for i in range(4):
        out[at + 2 + i] = state[c + SCORE + i]
    out[at + 7] = state[c + LIMIT]
    out[at + 8] = state[c + TARGET]
