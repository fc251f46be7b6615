"""How often to look: the interval between samples shrinks with the root of volatility. x: trade rows."""

import math
from typing import Any

import numpy as np

from bot4.features.micro.rows_nb import T_PRICE, T_TS, faded_nb, whole_trade_nb
from bot4.kernels.jit_nb import kernel


@kernel
def interval_nb(base: float, ratio: float, least: float, most: float) -> float:
    """Base / sqrt(ratio) within [least, most]; ratio is volatility over usual. `most` where nothing moves."""
    if not ratio > 0.0:
        return most
    return min(max(base / math.sqrt(ratio), least), most)


@kernel
def sampler_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Adaptive sampling of a stream of trades.

    params: interval at usual volatility, least and most interval, time constants of volatility now and of
    the usual, all in s. Volatility is the root of faded squared log returns a second. out: interval now in
    s; 1 where this trade is to be sampled, else 0; volatility over the usual. Four times the volatility
    halves the interval. Warm at the second trade, which is sampled.
    """
    for j in range(3):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    if state[0] == 0.0:
        state[0] = 1.0
        state[1] = x[T_TS]
        state[2] = x[T_PRICE]
        state[7] = -math.inf
        return
    dt = max(x[T_TS] - state[1], 0.0)
    r = math.log(x[T_PRICE] / state[2])
    quick = faded_nb(dt, params[3])
    slow = faded_nb(dt, params[4])
    # squared returns and the time they took, both faded: their quotient is variance a second
    state[3] = state[3] * quick + r * r
    state[4] = state[4] * quick + params[3] * (1.0 - quick)
    state[5] = state[5] * slow + r * r
    state[6] = state[6] * slow + params[4] * (1.0 - slow)
    state[1] += dt
    state[2] = x[T_PRICE]
    now = state[3] / state[4] if state[4] > 0.0 else 0.0
    usual = state[5] / state[6] if state[6] > 0.0 else 0.0
    ratio = math.sqrt(now / usual) if usual > 0.0 else 1.0
    wait = interval_nb(params[0], ratio, params[1], params[2])
    due = state[1] - state[7] >= wait
    if due:
        state[7] = state[1]
    out[0] = wait
    out[1] = 1.0 if due else 0.0
    out[2] = ratio
