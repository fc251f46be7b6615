"""One instrument beside another, and perpetual beside spot. See `micro.spread_nb` for the contract.

PAIR rows: close time in s, close and volume of the instrument, close and volume of its reference (such as
BTC), both bars closed at that time. CARRY rows: time in s, price of the perpetual, index price, funding
rate of a period (a fraction), time of the next funding in s, length of a period in s, open interest in base
units.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bot4.features.micro.windows_nb import (
    ONE_HEAD,
    correlation_nb,
    one_mean_nb,
    one_push_nb,
    one_size,
    one_z_nb,
    pair_count_nb,
    pair_mean_x_nb,
    pair_push_nb,
    pair_size,
    pair_var_y_nb,
    slope_nb,
)
from bot4.kernels.jit_nb import kernel

PAIR_FIELDS: Final = ("ts_close_s", "close", "volume", "ref_close", "ref_volume")
CARRY_FIELDS: Final = (
    "ts_s",
    "price",
    "index_price",
    "funding_rate",
    "next_funding_s",
    "period_s",
    "open_interest",
)
YEAR_S: Final = 365.0 * 86400.0


@kernel
def beta_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Beta and correlation of log returns with the reference. x: pair.

    params: window (bars). out: beta (0 where the reference stood still), correlation, deviation of the
    unexplained return a bar, newest return less beta times the reference's. Warm after window + 1 rows.
    """
    window = int(params[0])
    for j in range(4):
        out[j] = math.nan
    if not 0.0 < x[1] < math.inf or not 0.0 < x[3] < math.inf:
        return
    own = 0.0
    ref = 0.0
    if state[0] > 0.0:
        own = math.log(x[1] / state[1])
        ref = math.log(x[3] / state[2])
        pair_push_nb(state, 3, window, ref, own)
    state[0] = 1.0
    state[1] = x[1]
    state[2] = x[3]
    n = pair_count_nb(state, 3, window)
    if n < window:
        return
    beta = slope_nb(state, 3, window)
    r = correlation_nb(state, 3, window)
    out[0] = beta
    out[1] = r
    out[2] = math.sqrt(max(1.0 - r * r, 0.0) * pair_var_y_nb(state, 3, window) / n)
    out[3] = own - beta * ref


@kernel
def relative_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Strength beside the reference: z-score of the log ratio of closes, its change over the window. x: pair.

    params: window (bars). out: z-score (population; 0 where the ratio stood still), log ratio less the one
    window - 1 bars ago. Warm after window rows.
    """
    window = int(params[0])
    out[0] = math.nan
    out[1] = math.nan
    if not 0.0 < x[1] < math.inf or not 0.0 < x[3] < math.inf:
        return
    ratio = math.log(x[1] / x[3])
    one_push_nb(state, 0, window, ratio)
    if state[0] < window:
        return
    out[0] = one_z_nb(state, 0, window, ratio)
    out[1] = ratio - state[ONE_HEAD + int(state[1])]  # the oldest: the next takes its slot


@kernel
def basis_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Basis of a perpetual over its index. x: carry.

    params: window (rows). out: price / index - 1; its z-score over the window; its mean over the window.
    Warm after window rows.
    """
    window = int(params[0])
    for j in range(3):
        out[j] = math.nan
    if not 0.0 < x[1] < math.inf or not 0.0 < x[2] < math.inf:
        return
    basis = x[1] / x[2] - 1.0
    one_push_nb(state, 0, window, basis)
    if state[0] < window:
        return
    out[0] = basis
    out[1] = one_z_nb(state, 0, window, basis)
    out[2] = one_mean_nb(state, 0, window)


@kernel
def funding_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Funding: what holding the perpetual long costs. x: carry.

    params: window (funding periods). A rate counts once a period: when the next funding time changes. out:
    rate as a year's sum (rate x year / period); z-score among the last periods' rates, 0 until the window
    is full; part of the period that is left, in [0, 1]; mean of the window a year, of those seen so far.
    Warm at once. An unknown rate, time or period gives NaN.
    """
    window = int(params[0])
    for j in range(4):
        out[j] = math.nan
    known = abs(x[3]) < math.inf and abs(x[0]) < math.inf and abs(x[4]) < math.inf and 0.0 < x[5] < math.inf
    if not known:
        return
    if state[0] == 0.0 or x[4] > state[1]:
        one_push_nb(state, 2, window, x[3])
        state[0] = 1.0
        state[1] = x[4]
    yearly = YEAR_S / x[5]
    out[0] = x[3] * yearly
    out[1] = one_z_nb(state, 2, window, x[3]) if state[2] >= window else 0.0
    out[2] = min(max((x[4] - x[0]) / x[5], 0.0), 1.0)
    out[3] = one_mean_nb(state, 2, window) * yearly


@kernel
def open_interest_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Change of open interest, and whether price and interest move together. x: carry.

    params: window (rows). out: log change over the last row; log change over the window; correlation of its
    changes with those of the price. Positive: new money follows the move; negative: positions are closed.
    Warm after window + 1 rows with open interest.
    """
    window = int(params[0])
    for j in range(3):
        out[j] = math.nan
    if not 0.0 < x[6] < math.inf or not 0.0 < x[1] < math.inf:
        return
    change = 0.0
    if state[0] > 0.0:
        change = math.log(x[6] / state[1])
        pair_push_nb(state, 3, window, change, math.log(x[1] / state[2]))
    state[0] = 1.0
    state[1] = x[6]
    state[2] = x[1]
    if pair_count_nb(state, 3, window) < window:
        return
    out[0] = change
    out[1] = pair_mean_x_nb(state, 3, window) * window
    out[2] = correlation_nb(state, 3, window)


def pair_state(head: int) -> Callable[[tuple[float, ...]], int]:
    """A function from parameters to slots: `head` numbers, then moments of params[0] pairs."""
    return lambda params: head + pair_size(int(params[0]))


def one_state(head: int) -> Callable[[tuple[float, ...]], int]:
    """The same for mean and deviation of params[0] values."""
    return lambda params: head + one_size(int(params[0]))
