"""Streaming features of information and rivalry. x: trade rows; see `micro.spread_nb` for the contract."""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import (
    T_PRICE,
    T_TS,
    aggressor_nb,
    faded_nb,
    mid_of_trade_nb,
    whole_trade_nb,
)
from bot4.kernels.jit_nb import kernel

RIVALRY_STATE: Final = 10


@kernel
def belief_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """What a Glosten-Milgrom maker believes after each trade, and the quotes that follow.

    V lies `reach` above or below the mid. A buy multiplies the odds of "above" by (1 + a) / (1 - a), a sell
    divides them. The log odds fade by exp(-age / tau), since V is drawn anew. params: informed part a
    (below 1), reach in basis points, tau in s. out: probability of "above"; expected value over the mid
    less 1; half the spread of such a maker, over the mid. Warm at once; a trade of unknown side only fades
    the odds.
    """
    for j in range(3):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    keep = faded_nb(x[T_TS] - state[2], params[2]) if state[3] > 0.0 else 0.0
    state[0] = x[T_PRICE]
    state[1] = side
    state[2] = max(x[T_TS], state[2]) if state[3] > 0.0 else x[T_TS]
    state[3] = 1.0
    a = params[0]
    state[4] = state[4] * keep + side * math.log((1.0 + a) / (1.0 - a))
    p = 1.0 / (1.0 + math.exp(-state[4]))
    buys = p * (1.0 + a) + (1.0 - p) * (1.0 - a)
    above = p * (1.0 + a) / buys
    below = p * (1.0 - a) / (2.0 - buys)
    reach = params[1] * 1e-4
    out[0] = p
    out[1] = reach * (2.0 * p - 1.0)
    out[2] = reach * (above - below)


@kernel
def cooperation_nb(margin: float, undercut: float) -> float:
    """Least discount factor at which two makers keep their quote rather than undercut it by `undercut`.

    Of a unit of flow T = margin - undercut takes all, R = margin / 2 shares, P = T / 2 shares after the
    undercut, S = 0 gets nothing: (T - R) / (T - P). 0 where undercutting does not pay even once (no
    dilemma).
    """
    temptation = margin - undercut
    reward = 0.5 * margin
    if not temptation > reward:
        return 0.0
    return (temptation - reward) / (0.5 * temptation)


@kernel
def rivalry_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Rivalry of makers, seen from what takers pay and how far prices then run.

    The faded half-spread paid, w = d (price - mid) / mid, is what makers quote; the faded signed move of
    the mid to the next trade, d (mid' - mid) / mid, is what informed flow costs them, c. params: tau in s;
    by how many basis points an undercutter betters the quote. out: w; c; margin (w - c) / w (0 where w is
    not positive); least discount factor at which two makers keep w (see `cooperation_nb`): near 1 a fat
    margin invites undercutting, 0 says that the quote holds by itself. Warm at the second trade with a
    quote.
    """
    for j in range(4):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    state[0] = x[T_PRICE]
    state[1] = side
    mid = mid_of_trade_nb(x)
    if mid != mid or side == 0.0:
        return
    if state[3] > 0.0:
        keep = faded_nb(x[T_TS] - state[2], params[0])
        state[4] = state[4] * keep + side * (x[T_PRICE] - mid) / mid
        state[5] = state[5] * keep + 1.0
        state[6] = state[6] * keep + state[8] * (mid - state[9]) / state[9]
        state[7] = state[7] * keep + 1.0
        wide = state[4] / state[5]
        adverse = state[6] / state[7]
        out[0] = wide
        out[1] = adverse
        out[2] = (wide - adverse) / wide if wide > 0.0 else 0.0
        out[3] = cooperation_nb(wide - adverse, params[1] * 1e-4)
    state[2] = max(x[T_TS], state[2]) if state[3] > 0.0 else x[T_TS]
    state[3] = 1.0
    state[8] = side
    state[9] = mid
