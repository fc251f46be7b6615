"""Spreads: what a round trip costs, from prices alone or from trades and quotes.

Every step takes (params, state, x, out), all float64. A row that is not whole (see `rows_nb`) changes
nothing and gives NaN. `*_state` says how many slots of state a set of parameters needs.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import (
    T_PRICE,
    T_TS,
    X_ASK_PX,
    X_BID_PX,
    aggressor_nb,
    mid_of_trade_nb,
    whole_book_nb,
    whole_trade_nb,
)
from bot4.features.micro.windows_nb import (
    SUM_HEAD,
    pair_count_nb,
    pair_cov_nb,
    pair_push_nb,
    pair_size,
    sum_mean_nb,
    sum_push_nb,
    sum_size,
)
from bot4.kernels.jit_nb import kernel

_CS: Final = 3.0 - 2.0 * math.sqrt(2.0)


def roll_state(params: tuple[float, ...]) -> int:
    """Slots of `roll_step_nb`."""
    return 3 + pair_size(int(params[0]))


@kernel
def roll_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Spread from the bounce of prices: 2 sqrt(-cov of consecutive price changes) (Roll, 1984).

    params: window (pairs of changes), column of the price in x. out: spread in units of price; spread over
    price. Where the covariance is not negative the estimate does not exist and 0 is given. Warm after
    window + 2 prices.
    """
    window = int(params[0])
    price = x[int(params[1])]
    out[0] = math.nan
    out[1] = math.nan
    if not 0.0 < price < math.inf:
        return
    prices = state[0]
    if prices > 0.0:
        change = price - state[1]
        if prices > 1.0:
            pair_push_nb(state, 3, window, state[2], change)
        state[2] = change
    state[0] = min(prices + 1.0, 2.0)
    state[1] = price
    if pair_count_nb(state, 3, window) < window:
        return
    cov = pair_cov_nb(state, 3, window) / window
    out[0] = 2.0 * math.sqrt(-cov) if cov < 0.0 else 0.0
    out[1] = out[0] / price


def corwin_schultz_state(params: tuple[float, ...]) -> int:
    """Slots of `corwin_schultz_step_nb`."""
    return 4 + sum_size(int(params[0]))


@kernel
def high_low_spread_nb(h1: float, l1: float, h2: float, l2: float) -> float:
    """Spread of two adjacent bars over the price, may be negative (Corwin and Schultz, 2012, eq. 14, 18)."""
    a = math.log(h1 / l1)
    b = math.log(h2 / l2)
    g = math.log(max(h1, h2) / min(l1, l2))
    beta = a * a + b * b
    alpha = (math.sqrt(2.0 * beta) - math.sqrt(beta)) / _CS - math.sqrt(g * g / _CS)
    e = math.exp(alpha)
    return 2.0 * (e - 1.0) / (1.0 + e)


@kernel
def corwin_schultz_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Mean spread from highs and lows of adjacent bars (Corwin and Schultz, 2012).

    params: window (pairs of bars); 1 to move a bar that opens in a gap back to the close before (their
    overnight rule), 0 to take it as it is; 1 to count a negative estimate as 0, 0 to average it with its
    sign. x: bar. out: mean over the window; the newest pair alone, never negative. Both are parts of the
    price. Warm after window + 1 bars.
    """
    window = int(params[0])
    high = x[1]
    low = x[2]
    out[0] = math.nan
    out[1] = math.nan
    if not 0.0 < low <= high < math.inf or not 0.0 < x[3] < math.inf:
        return
    if state[0] > 0.0:
        shift = 0.0
        if params[1] > 0.0:
            shift = max(state[3] - high, 0.0) - max(low - state[3], 0.0)
        raw = high_low_spread_nb(state[1], state[2], high + shift, max(low + shift, 1e-9 * low))
        sum_push_nb(state, 4, window, max(raw, 0.0) if params[2] > 0.0 else raw)
        out[1] = max(raw, 0.0)
    state[0] = 1.0
    state[1] = high
    state[2] = low
    state[3] = x[3]
    mean = sum_mean_nb(state, 4, window)
    out[0] = max(mean, 0.0) if mean == mean else mean
    if mean != mean:
        out[1] = math.nan


@kernel
def quoted_spread_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Quoted spread and its time-weighted mean. x: book row.

    params: time constant in s of the mean. out: (ask - bid) / mid; its mean, weighted by how long each quote
    stood and faded by exp(-age / tau). Warm at once.
    """
    out[0] = math.nan
    out[1] = math.nan
    if not whole_book_nb(x):
        return
    spread = (x[X_ASK_PX] - x[X_BID_PX]) / (0.5 * (x[X_ASK_PX] + x[X_BID_PX]))
    if state[0] == 0.0:
        state[2] = spread
    else:
        dt = max(x[0] - state[1], 0.0)
        keep = math.exp(-dt / params[0])
        state[2] = state[2] * keep + state[3] * (1.0 - keep)
    state[0] = 1.0
    state[1] = x[0]
    state[3] = spread
    out[0] = spread
    out[1] = state[2]


def trade_cost_state(params: tuple[float, ...]) -> int:
    """Slots of `trade_cost_step_nb`."""
    return 8 + 2 * sum_size(int(params[0])) + 4 * int(params[2])


@kernel
def trade_cost_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Effective and realised spread and price impact of trades, as parts of the mid. x: trade row.

    Effective: 2 d (price - mid) / mid, d the side of the aggressor. Realised: the same against the first
    mid at least `horizon` later; what the maker keeps. Impact: the difference (Huang and Stoll, 1996).
    params: window (trades), horizon in s, most trades waiting for their later mid (the oldest is let go
    beyond). out: mean effective, mean realised, mean impact over the trades whose horizon has passed; part
    of effective that was kept. A trade without quote or side is left out. Warm when `window` trades have
    matured.
    """
    window = int(params[0])
    room = int(params[2])
    realised = 8 + SUM_HEAD + window
    waiting = realised + SUM_HEAD + window
    for j in range(4):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    state[0] = x[T_PRICE]
    state[1] = side
    mid = mid_of_trade_nb(x)
    if mid == mid:
        while state[2] < state[3]:
            at = waiting + 4 * (int(state[2]) % room)
            if state[at] + params[1] > x[T_TS]:
                break
            sum_push_nb(
                state, 8, window, 2.0 * state[at + 1] * (state[at + 2] - state[at + 3]) / state[at + 3]
            )
            sum_push_nb(state, realised, window, 2.0 * state[at + 1] * (state[at + 2] - mid) / state[at + 3])
            state[2] += 1.0
        if side != 0.0:
            if state[3] - state[2] >= room:
                state[2] += 1.0
            at = waiting + 4 * (int(state[3]) % room)
            state[at] = x[T_TS]
            state[at + 1] = side
            state[at + 2] = x[T_PRICE]
            state[at + 3] = mid
            state[3] += 1.0
    effective = sum_mean_nb(state, 8, window)
    if effective != effective:
        return
    kept = sum_mean_nb(state, realised, window)
    out[0] = effective
    out[1] = kept
    out[2] = effective - kept
    out[3] = kept / effective if effective > 0.0 else 0.0
