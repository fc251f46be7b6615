"""Stoikov's microprice: where the mid is expected to go, given imbalance and spread. x: book rows.

Stoikov, "The micro-price: a high-frequency estimator of future prices", 2018. A state is a bucket of the
best level's imbalance and a spread in ticks. The adjustment G of a state solves G = E[jump + G of the next
state], which is the sum of his series G1 + B G1 + B B G1 + ...

Bids and asks are mirrors, so G of a mirrored state is -G. Only states with more bids are held; a state with
more asks is its mirror with sign -1; equal sizes have sign 0 and G = 0.

Table: for each of `buckets` x `spreads` states, spread by spread, G in ticks (NaN: never seen).
"""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import X_ASK_PX, X_ASK_QTY, X_BID_PX, X_BID_QTY, whole_book_nb
from bot4.kernels.jit_nb import kernel

FIXED: Final = 3
"""Where the table begins in the parameters of `fitted_step_nb`."""
HEAD: Final = 4
"""Where the table begins in the memory of `learning_step_nb`: there, state, sign, mid go before it."""


def learning_state(n: int) -> int:
    """Numbers of memory for n states: head, table, moves, sums of jumps, moves from each to each."""
    return HEAD + 3 * n + n * n


@kernel
def state_nb(x: np.ndarray[Any, Any], buckets: int, spreads: int, tick: float) -> tuple[int, float]:
    """State of a whole book and its sign: 1 more bids, -1 more asks, 0 equal.

    Bucket k of `buckets` holds absolute imbalances from k / buckets up to the next; spreads beyond `spreads`
    ticks count as that many, those below one tick as one.
    """
    bid = x[X_BID_QTY]
    ask = x[X_ASK_QTY]
    imbalance = (bid - ask) / (bid + ask)
    bucket = min(int(abs(imbalance) * buckets), buckets - 1)
    wide = (x[X_ASK_PX] - x[X_BID_PX]) / tick + 0.5
    spread = spreads if wide >= spreads else max(int(wide), 1)
    sign = 0.0
    if imbalance > 0.0:
        sign = 1.0
    elif imbalance < 0.0:
        sign = -1.0
    return (spread - 1) * buckets + bucket, sign


@kernel
def fitted_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """The microprice by a fitted table. No memory.

    params: buckets, spreads, tick, then the table. out: microprice less mid over mid; the same in ticks. NaN
    for a book that is not whole or a state that was never seen in the fit.
    """
    out[0] = math.nan
    out[1] = math.nan
    if not whole_book_nb(x):
        return
    at, sign = state_nb(x, int(params[0]), int(params[1]), params[2])
    # equal sizes are their own mirror: 0, seen or not
    move = sign * params[FIXED + at] if sign != 0.0 else 0.0
    out[0] = move * params[2] / (0.5 * (x[X_BID_PX] + x[X_ASK_PX]))
    out[1] = move


@kernel
def _learn_nb(
    params: np.ndarray[Any, Any], state: np.ndarray[Any, Any], to: tuple[int, float], jump: float
) -> None:
    """Count the move from the state held to `to` with a jump in ticks, and solve the state's own equation.

    The rest of the equations stand still meanwhile (Gauss-Seidel, one row a move).
    """
    n = int(params[0]) * int(params[1])
    at = int(state[1])
    sign = state[2]
    place, other = to
    keep = 1.0 - 1.0 / params[3]
    seen = HEAD + n
    row = HEAD + 3 * n + at * n
    state[seen + at] = state[seen + at] * keep + 1.0
    state[seen + n + at] = state[seen + n + at] * keep + sign * jump
    total = state[seen + n + at]
    for j in range(n):
        state[row + j] *= keep
        if j == place:
            state[row + j] += sign * other
        total += state[row + j] * state[HEAD + j]
    # one more move, to the mid: bounded while little has been seen
    state[HEAD + at] = total / (state[seen + at] + 1.0)


@kernel
def learning_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """The microprice by a table that is learnt on the way. O(states) a row.

    params: buckets, spreads, tick, memory: moves out of a state fade by 1 - 1 / memory at each. A row in the
    same state at the same mid is no move. out: microprice less mid over mid; the same in ticks, moves that
    the state's value rests on. The row's own move is counted first: what is learnt from it was known. NaN
    for a book that is not whole, after which moves are counted anew, and in a state that was never left.
    """
    for j in range(3):
        out[j] = math.nan
    if not whole_book_nb(x):
        state[0] = 0.0
        return
    buckets = int(params[0])
    spreads = int(params[1])
    place, sign = state_nb(x, buckets, spreads, params[2])
    mid = 0.5 * (x[X_BID_PX] + x[X_ASK_PX])
    if state[0] > 0.0:
        jump = (mid - state[3]) / params[2]
        if state[2] != 0.0 and (jump != 0.0 or place != int(state[1]) or sign != state[2]):
            _learn_nb(params, state, (place, sign), jump)
    state[0] = 1.0
    state[1] = place
    state[2] = sign
    state[3] = mid
    seen = state[HEAD + buckets * spreads + place]
    if sign != 0.0 and not seen > 0.0:
        return
    out[1] = sign * state[HEAD + place]
    out[0] = out[1] * params[2] / mid
    out[2] = seen
