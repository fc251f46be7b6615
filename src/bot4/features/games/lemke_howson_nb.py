"""One Nash equilibrium of a two-player game by complementary pivoting (Lemke and Howson, 1964).

Everything lies in one flat float64 vector, so the same code serves a solver and a streaming feature.
Strategies of the row player bear the labels 0 .. m-1, those of the column player m .. m+n-1; the column of
a label stands at the same place in both tableaux. Ties of the ratio test are broken lexicographically, so
degenerate games end too.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.jit_nb import kernel

SOLVED: Final = 0
TOO_MANY_PIVOTS: Final = 1
NO_RATIO: Final = 2  # no bounded pivot: payoffs that are not finite

TIE: Final = 1e-11  # ratios nearer than this, relative to their size, are equal: entries are of order 1


@kernel
def work_size_nb(m: int, n: int) -> int:
    """Numbers of working memory of an m x n game: two tableaux and their bases."""
    return (m + n) * (m + n + 1) + m + n


@kernel
def _better_nb(work: np.ndarray[Any, Any], rows: tuple[int, int], shape: tuple[int, int, int, int]) -> bool:
    """Whether row `rows[0]` has the lexicographically smaller ratio than row `rows[1]`.

    shape: width of a row, entering column, first slack column, number of slack columns.
    """
    new, old = rows
    width, column, first, count = shape
    for k in range(count + 1):
        at = width - 1 if k == 0 else first + k - 1
        a = work[new + at] / work[new + column]
        b = work[old + at] / work[old + column]
        if abs(a - b) > TIE * max(1.0, abs(a), abs(b)):
            return bool(a < b)
    return False


@kernel
def _pivot_nb(work: np.ndarray[Any, Any], start: int, rows: int, width: int, at: tuple[int, int]) -> None:
    """Bring column at[1] into the basis in row at[0]."""
    row = start + at[0] * width
    column = at[1]
    scale = work[row + column]
    for k in range(width):
        work[row + k] /= scale
    work[row + column] = 1.0
    for i in range(rows):
        other = start + i * width
        factor = work[other + column]
        if i != at[0] and factor != 0.0:
            for k in range(width):
                work[other + k] -= factor * work[row + k]
            work[other + column] = 0.0
            if work[other + width - 1] < 0.0:
                work[other + width - 1] = 0.0


@kernel
def _fill_nb(
    work: np.ndarray[Any, Any], a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], m: int, n: int
) -> None:
    """Tableaux of B'x <= 1 (n rows) and A y <= 1 (m rows); payoffs brought to [1, 2]."""
    width = m + n + 1
    for k in range((m + n) * width):
        work[k] = 0.0
    low_a = a[0]
    high_a = a[0]
    low_b = b[0]
    high_b = b[0]
    for k in range(m * n):
        low_a = min(low_a, a[k])
        high_a = max(high_a, a[k])
        low_b = min(low_b, b[k])
        high_b = max(high_b, b[k])
    span_a = high_a - low_a if high_a > low_a else 1.0
    span_b = high_b - low_b if high_b > low_b else 1.0
    for i in range(m):
        for j in range(n):
            work[j * width + i] = 1.0 + (b[i * n + j] - low_b) / span_b
            work[(n + i) * width + m + j] = 1.0 + (a[i * n + j] - low_a) / span_a
    bases = (m + n) * width
    for j in range(n):
        work[j * width + m + j] = 1.0
        work[j * width + width - 1] = 1.0
        work[bases + j] = m + j
    for i in range(m):
        work[(n + i) * width + i] = 1.0
        work[(n + i) * width + width - 1] = 1.0
        work[bases + n + i] = i


@kernel
def _read_nb(work: np.ndarray[Any, Any], m: int, n: int, mix: np.ndarray[Any, Any]) -> None:
    """The mixed strategies of both players from the final tableaux, each summing to 1."""
    width = m + n + 1
    bases = (m + n) * width
    for k in range(m + n):
        mix[k] = 0.0
    for r in range(m + n):
        label = int(work[bases + r])
        if (label < m) == (r < n):
            mix[label] = max(work[r * width + width - 1], 0.0)
    rows = 0.0
    columns = 0.0
    for k in range(m):
        rows += mix[k]
    for k in range(m, m + n):
        columns += mix[k]
    for k in range(m + n):
        total = rows if k < m else columns
        mix[k] = mix[k] / total if total > 0.0 else math.nan


@kernel
def lemke_howson_nb(
    game: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int, int],
    drop: int,
    work: np.ndarray[Any, Any],
    mix: np.ndarray[Any, Any],
) -> int:
    """Solve game = (A, B, m, n), payoffs flat by rows, and write both players' mixes, m then n, into `mix`.

    `drop` is the label that is given up first (0 .. m+n-1); another may lead to another equilibrium. `work`
    has `work_size_nb(m, n)` numbers. Returns SOLVED, TOO_MANY_PIVOTS or NO_RATIO (mix is then NaN).
    """
    a, b, m, n = game
    width = m + n + 1
    bases = (m + n) * width
    _fill_nb(work, a, b, m, n)
    entering = drop
    first = drop < m  # which tableau: x and slacks of the columns, or y and slacks of the rows
    code = TOO_MANY_PIVOTS
    for _ in range(200 * (m + n) * (m + n)):
        start = 0 if first else n * width
        rows = n if first else m
        leaving = _leaving_nb(work, start, rows, (width, entering, m if first else 0, rows))
        if leaving < 0:
            code = NO_RATIO
            break
        _pivot_nb(work, start, rows, width, (leaving, entering))
        base = bases + leaving + (0 if first else n)
        label = int(work[base])
        work[base] = entering
        if label == drop:
            _read_nb(work, m, n, mix)
            return SOLVED
        entering = label  # held twice now, once in each tableau: it enters in the other
        first = not first
    for k in range(m + n):
        mix[k] = math.nan
    return code


@kernel
def _leaving_nb(work: np.ndarray[Any, Any], start: int, rows: int, shape: tuple[int, int, int, int]) -> int:
    """The row that blocks the entering column first, -1 if none does."""
    width, column, _, _ = shape
    best = -1
    for i in range(rows):
        at = start + i * width
        if work[at + column] > 1e-12 and (best < 0 or _better_nb(work, (at, start + best * width), shape)):
            best = i
    return best


@kernel
def regret_nb(
    game: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int, int], mix: np.ndarray[Any, Any]
) -> float:
    """The most that either player could gain by another strategy, in payoffs; 0 in equilibrium."""
    a, b, m, n = game
    best_a = -math.inf
    best_b = -math.inf
    value_a = 0.0
    value_b = 0.0
    for i in range(m):
        gain = 0.0
        for j in range(n):
            gain += a[i * n + j] * mix[m + j]
        best_a = max(best_a, gain)
        value_a += mix[i] * gain
    for j in range(n):
        gain = 0.0
        for i in range(m):
            gain += b[i * n + j] * mix[i]
        best_b = max(best_b, gain)
        value_b += mix[m + j] * gain
    return max(best_a - value_a, best_b - value_b)
