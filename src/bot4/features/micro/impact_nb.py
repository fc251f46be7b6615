"""Price impact: how far prices move for what is traded. x: bars; see `spread_nb` for the contract."""

import math
from typing import Any

import numpy as np

from bot4.features.micro.windows_nb import (
    correlation_nb,
    pair_count_nb,
    pair_push_nb,
    pair_size,
    pair_var_x_nb,
    pair_var_y_nb,
    slope_nb,
    sum_mean_nb,
    sum_push_nb,
    sum_size,
)
from bot4.kernels.jit_nb import kernel


@kernel
def _whole_bar_nb(x: np.ndarray[Any, Any]) -> bool:
    return bool(0.0 < x[3] < math.inf and 0.0 <= x[4] < math.inf and 0.0 <= x[6] <= x[4])


def amihud_state(params: tuple[float, ...]) -> int:
    """Slots of `amihud_step_nb`."""
    return 2 + sum_size(int(params[0]))


@kernel
def amihud_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Illiquidity: mean of |return| / value traded, times a million (Amihud, 2002).

    params: window (bars with volume). out: per million of the quote currency. A bar without volume says
    nothing about impact and is left out; the value stands. Warm after window + 1 bars with volume.
    """
    window = int(params[0])
    close = x[3]
    out[0] = math.nan
    if not 0.0 < close < math.inf or not 0.0 <= x[4] < math.inf:
        return
    value = close * x[4]
    if state[0] > 0.0 and value > 0.0:
        sum_push_nb(state, 2, window, 1e6 * abs(close / state[1] - 1.0) / value)
    state[0] = 1.0
    state[1] = close
    out[0] = sum_mean_nb(state, 2, window)


def kyle_state(params: tuple[float, ...]) -> int:
    """Slots of `kyle_step_nb`."""
    return 2 + pair_size(int(params[0]))


@kernel
def kyle_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Kyle's lambda: slope of price changes on signed volume (Kyle, 1985; Hasbrouck, 2007, ch. 7).

    params: window (bars), fewest bars before a value is given. Signed volume is what aggressors bought less
    what they sold. out: price per unit of volume; R squared; t statistic of the slope; depth 1 / lambda (0
    where lambda is not positive). Where the signed volume does not vary all are 0.
    """
    window = int(params[0])
    for j in range(4):
        out[j] = math.nan
    if not _whole_bar_nb(x):
        return
    if state[0] > 0.0:
        pair_push_nb(state, 2, window, 2.0 * x[6] - x[4], x[3] - state[1])
    state[0] = 1.0
    state[1] = x[3]
    n = pair_count_nb(state, 2, window)
    if n < params[1] or n < 3.0:
        return
    slope = slope_nb(state, 2, window)
    r = correlation_nb(state, 2, window)
    left = max(1.0 - r * r, 1e-300)
    out[0] = slope
    out[1] = r * r
    out[2] = r * math.sqrt((n - 2.0) / left) if left > 1e-12 else math.copysign(1e6, r)
    out[3] = 1.0 / slope if slope > 0.0 else 0.0


@kernel
def root_impact_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Impact of the signed root of value on log returns (Hasbrouck, 2009, eq. 7; Goyenko and others, 2009).

    params: window (bars), fewest bars. Regressor: sign(v) sqrt(|v|), v the value bought less sold by
    aggressors. out: log return per root of the quote currency; R squared. 0 where the regressor does not
    vary.
    """
    window = int(params[0])
    out[0] = math.nan
    out[1] = math.nan
    if not _whole_bar_nb(x):
        return
    if state[0] > 0.0:
        v = (2.0 * x[6] - x[4]) * x[3]
        pair_push_nb(state, 2, window, math.copysign(math.sqrt(abs(v)), v), math.log(x[3] / state[1]))
    state[0] = 1.0
    state[1] = x[3]
    if pair_count_nb(state, 2, window) < params[1]:
        return
    r = correlation_nb(state, 2, window)
    out[0] = slope_nb(state, 2, window)
    out[1] = r * r


@kernel
def kyle_model_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """One-period Kyle (1985) from observed moments of price change and order flow over the window.

    In that equilibrium the flow y = insider + noise has twice the variance of the noise, and the price
    moves by lambda y, which explains half the variance of value. So sigma_u = sd(y) / sqrt 2, sigma_v =
    sqrt 2 sd(lambda y), and lambda = sigma_v / (2 sigma_u). params: window (bars), fewest bars. out: lambda
    = sd(price change) / sd(flow), in price a unit of volume; sigma_u, in volume; sigma_v, in price;
    insider's expected gain sigma_u sigma_v / 2, in the quote currency a bar. All 0 where the flow does not
    vary.
    """
    window = int(params[0])
    for j in range(4):
        out[j] = math.nan
    if not _whole_bar_nb(x):
        return
    if state[0] > 0.0:
        pair_push_nb(state, 2, window, 2.0 * x[6] - x[4], x[3] - state[1])
    state[0] = 1.0
    state[1] = x[3]
    n = pair_count_nb(state, 2, window)
    if n < params[1] or n < 2.0:
        return
    flow = math.sqrt(pair_var_x_nb(state, 2, window) / n)
    move = math.sqrt(pair_var_y_nb(state, 2, window) / n)
    noise = flow / math.sqrt(2.0)
    value = math.sqrt(2.0) * move
    out[0] = value / (2.0 * noise) if noise > 0.0 else 0.0
    out[1] = noise
    out[2] = value if noise > 0.0 else 0.0
    out[3] = 0.5 * noise * out[2]
