"""Fitting Stoikov's microprice to recorded quotes: the cold side of `microprice_nb`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bot4.features.micro.microprice_nb import fitted_step_nb, state_nb
from bot4.features.micro.rows_nb import BOOK_WIDTH, X_ASK_PX, X_BID_PX, whole_book_nb
from bot4.features.plan_nb import run_feature_nb
from bot4.kernels.call_nb import machine_of
from bot4.kernels.jit_nb import JIT_OFF

Array = np.ndarray[Any, Any]
FEWEST_MOVES = 100
WORST_CONDITION = 1e8


class Microprice(NamedTuple):
    """A fitted table. `adjust` and `moves`: (spreads, buckets), G in ticks (NaN: never seen) and moves."""

    tick: float
    adjust: Array
    moves: Array

    @property
    def params(self) -> Array:
        """What the kernel `fitted_step_nb` takes."""
        spreads, buckets = self.adjust.shape
        return np.concatenate(([buckets, spreads, self.tick], self.adjust.reshape(-1)))


def states(rows: Array, buckets: int, spreads: int, tick: float) -> tuple[Array, Array, Array]:
    """State, sign and mid in ticks of each row of book rows; state -1 where the book is not whole."""
    place = np.full(len(rows), -1, np.int64)
    sign = np.zeros(len(rows))
    for i, x in enumerate(rows):
        if whole_book_nb(x):
            place[i], sign[i] = state_nb(x, buckets, spreads, tick)
    return place, sign, (rows[:, X_BID_PX] + rows[:, X_ASK_PX]) / (2.0 * tick)


def fit(rows: Array, tick: float, buckets: int = 5, spreads: int = 2) -> Microprice:
    """The table of book rows (n, 43) in order of time, every change of the best quotes among them.

    `buckets` are those of the absolute imbalance, `spreads` the ticks of the widest state. Moves are counted
    together with their mirrors, and G = E[jump + G of the next state] is solved at once. ValueError for
    rows of another shape, a tick that is not positive, fewer than 100 moves, or moves from which no fair
    value follows (the imbalance never changes sides).
    """
    rows = np.ascontiguousarray(rows, np.float64)
    if rows.ndim != 2 or rows.shape[1] != BOOK_WIDTH:
        raise ValueError(f"book rows have {BOOK_WIDTH} columns; these are {rows.shape}")
    if not tick > 0.0 or buckets < 1 or spreads < 1:
        raise ValueError(f"tick {tick}, {buckets} buckets, {spreads} spreads: all must be positive")
    place, sign, mid = states(rows, buckets, spreads, tick)
    jump = np.diff(mid)
    a, b, sa, sb = place[:-1], place[1:], sign[:-1], sign[1:]
    moved = (a >= 0) & (b >= 0) & (sa != 0.0) & ((jump != 0.0) | (a != b) | (sa != sb))
    if moved.sum() < FEWEST_MOVES:
        raise ValueError(f"a fit needs at least {FEWEST_MOVES} moves of the quotes; here are {moved.sum()}")
    a, b, sa, sb, jump = a[moved], b[moved], sa[moved], sb[moved], jump[moved]
    n = buckets * spreads
    moves = np.bincount(a, minlength=n).astype(np.float64)
    jumps = np.bincount(a, sa * jump, minlength=n)
    flow = np.bincount(a * n + b, sa * sb, minlength=n * n).reshape(n, n)
    seen = moves > 0
    # a state that was only reached last has no move of its own: it counts as the mid
    matrix = np.eye(int(seen.sum())) - flow[np.ix_(seen, seen)] / moves[seen, None]
    if np.linalg.cond(matrix) > WORST_CONDITION:
        raise ValueError("the imbalance never changes sides: no fair value follows from these quotes")
    adjust = np.full(n, np.nan)
    adjust[seen] = np.linalg.solve(matrix, jumps[seen] / moves[seen])
    return Microprice(tick, adjust.reshape(spreads, buckets), moves.reshape(spreads, buckets))


def applied(table: Microprice, rows: Array) -> Array:
    """The streaming kernel over book rows: (n, 2), microprice less mid over mid, and in ticks."""
    rows = np.ascontiguousarray(rows, np.float64)
    out = np.full((len(rows), 2), np.nan)
    state = np.zeros(1)
    if JIT_OFF:
        for i in range(len(rows)):
            fitted_step_nb(table.params, state, rows[i], out[i])
    elif len(rows):
        address = machine_of(fitted_step_nb).address
        run_feature_nb(address, table.params, state, rows.reshape(-1), out.reshape(-1), BOOK_WIDTH)
    return out
