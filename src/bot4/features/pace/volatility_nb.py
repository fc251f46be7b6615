"""Volatility that follows the market: EWMA and GARCH(1,1) filters, regimes. x: bars."""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.jit_nb import kernel

LOW: Final = 0.0
USUAL: Final = 1.0
HIGH: Final = 2.0


@kernel
def _return_nb(state: np.ndarray[Any, Any], close: float) -> float:
    """Log return on the last close in state[1], which is replaced; NaN while state[0] says there is none."""
    r = math.log(close / state[1]) if state[0] > 0.0 else math.nan
    state[0] = 1.0
    state[1] = close
    return r


@kernel
def ewma_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Deviation of the next log return: s2' = lambda s2 + (1 - lambda) r2 (RiskMetrics, 1996).

    params: lambda, bars before the first value. The sum of weights is divided out, so it starts without a
    seed. out: a bar. Warm after params[1] returns.
    """
    out[0] = math.nan
    if not 0.0 < x[3] < math.inf:
        return
    r = _return_nb(state, x[3])
    if r != r:
        return
    keep = params[0]
    state[2] = keep * state[2] + (1.0 - keep) * r * r
    state[3] = keep * state[3] + (1.0 - keep)
    state[4] += 1.0
    if state[4] >= params[1]:
        out[0] = math.sqrt(state[2] / state[3])


@kernel
def garch_filter_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """GARCH(1,1) with fitted parameters, one return a step (Bollerslev, 1986).

    params: mean, omega, alpha, beta, variance before the first return. x: return. out: deviation that was
    expected for this return, standardised residual, deviation expected for the next. Warm at once. A return
    that is not finite gives NaN and changes nothing.
    """
    for j in range(3):
        out[j] = math.nan
    if not abs(x[0]) < math.inf:
        return
    if state[0] == 0.0:
        state[1] = params[4]
    state[0] = 1.0
    e = x[0] - params[0]
    deviation = math.sqrt(state[1])
    out[0] = deviation
    out[1] = e / deviation
    state[1] = params[1] + params[2] * e * e + params[3] * state[1]
    out[2] = math.sqrt(state[1])


@kernel
def garch_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """GARCH(1,1) of bars by variance targeting (Engle and Mezrich, 1996).

    omega = (1 - alpha - beta) v, v the faded mean square of returns over `span` bars. params: alpha, beta
    (sum below 1), span, bars before the first value. out: deviation expected for the next return; last
    return over what was expected for it (0 where nothing was); expected over long-run deviation.
    """
    for j in range(3):
        out[j] = math.nan
    if not 0.0 < x[3] < math.inf:
        return
    r = _return_nb(state, x[3])
    if r != r:
        return
    keep = 1.0 - 1.0 / params[2]
    state[2] = keep * state[2] + (1.0 - keep) * r * r
    state[3] = keep * state[3] + (1.0 - keep)
    long_run = state[2] / state[3]
    expected = state[4] if state[5] > 0.0 else long_run
    z = r / math.sqrt(expected) if expected > 0.0 else 0.0
    state[4] = (1.0 - params[0] - params[1]) * long_run + params[0] * r * r + params[1] * expected
    state[5] += 1.0
    if state[5] >= params[3]:
        out[0] = math.sqrt(state[4])
        out[1] = z
        out[2] = math.sqrt(state[4] / long_run) if long_run > 0.0 else 1.0


@kernel
def regime_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Regimes of volatility and of trend, with hysteresis so that a state does not flicker.

    Volatility: fast over slow faded deviation. HIGH above `high`, LOW below 1 / high, back to usual past
    the root of those bounds. Trend: faded mean of returns over its standard error, up or down beyond
    `trend`, ended below half of it. params: fast span, slow span (bars), high, trend. out: volatility state
    0, 1, 2; trend state -1, 0, 1; bars in the volatility state; bars in the trend state; fast over slow;
    the trend statistic. Warm after slow span + 1 bars.
    """
    for j in range(6):
        out[j] = math.nan
    if not 0.0 < x[3] < math.inf:
        return
    r = _return_nb(state, x[3])
    if r != r:
        return
    fast = 1.0 / params[0]
    slow = 1.0 / params[1]
    state[2] += fast * (r * r - state[2])
    state[3] += slow * (r * r - state[3])
    state[4] += fast * (r - state[4])
    state[5] += 1.0
    if state[5] < params[1]:
        return
    ratio = math.sqrt(state[2] / state[3]) if state[3] > 0.0 else 1.0
    # a faded mean of span n has the variance s2 / (2 n - 1)
    error = math.sqrt(state[3] / (2.0 * params[0] - 1.0))
    trend = state[4] / error if error > 0.0 else 0.0
    volatility = _next_volatility_nb(state[6] if state[10] > 0.0 else USUAL, ratio, params[2])
    direction = _next_trend_nb(state[7], trend, params[3])
    state[8] = state[8] + 1.0 if state[10] > 0.0 and volatility == state[6] else 1.0
    state[9] = state[9] + 1.0 if state[10] > 0.0 and direction == state[7] else 1.0
    state[6] = volatility
    state[7] = direction
    state[10] = 1.0
    out[0] = volatility
    out[1] = direction
    out[2] = state[8]
    out[3] = state[9]
    out[4] = ratio
    out[5] = trend


@kernel
def _next_volatility_nb(now: float, ratio: float, high: float) -> float:
    inner = math.sqrt(high)
    if ratio > high or (now == HIGH and ratio > inner):
        return HIGH
    if ratio * high < 1.0 or (now == LOW and ratio * inner < 1.0):
        return LOW
    return USUAL


@kernel
def _next_trend_nb(now: float, trend: float, bound: float) -> float:
    if trend > bound or (now > 0.0 and trend > 0.5 * bound):
        return 1.0
    if trend < -bound or (now < 0.0 and trend < -0.5 * bound):
        return -1.0
    return 0.0
