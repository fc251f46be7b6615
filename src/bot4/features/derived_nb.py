"""Columns made of columns: lags, changes, rolling statistics, interactions.

SERIES rows hold one value, TWO rows two. A value that is not finite is not known: it gives NaN and changes
nothing, so a window counts known values.
"""

import math
from typing import Any

import numpy as np

from bot4.features.micro.windows_nb import (
    correlation_nb,
    one_deviation_nb,
    one_mean_nb,
    one_push_nb,
    pair_count_nb,
    pair_mean_x_nb,
    pair_mean_y_nb,
    pair_push_nb,
    pair_var_x_nb,
    pair_var_y_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def lag_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """The value params[0] known values ago, and the change since. State: count, slot, ring."""
    lag = int(params[0])
    out[0] = math.nan
    out[1] = math.nan
    if not abs(x[0]) < math.inf:
        return
    k = int(state[1])
    if state[0] >= lag:
        out[0] = state[2 + k]
        out[1] = x[0] - state[2 + k]
    state[2 + k] = x[0]
    state[0] += 1.0
    state[1] = k + 1.0 if k + 1 < lag else 0.0


@kernel
def rolling_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Mean, population deviation and z-score of the last params[0] values; z is 0 where they do not vary."""
    window = int(params[0])
    for j in range(3):
        out[j] = math.nan
    if not abs(x[0]) < math.inf:
        return
    one_push_nb(state, 0, window, x[0])
    if state[0] < window:
        return
    mean = one_mean_nb(state, 0, window)
    deviation = one_deviation_nb(state, 0, window)
    out[0] = mean
    out[1] = deviation
    out[2] = (x[0] - mean) / deviation if deviation > 1e-13 * abs(mean) else 0.0


@kernel
def place_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Place of the value between least and greatest of the last params[0] values, in [0, 1]; 0.5 where flat.

    Two monotone queues (Lemire, 2006), O(1) amortised. State: count, head and tail of either queue, then
    numbers and values of the rising and of the falling queue.
    """
    window = int(params[0])
    out[0] = math.nan
    v = x[0]
    if not abs(v) < math.inf:
        return
    n = state[0]
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0  # least, greatest
        queue = 5 + 2 * window * side
        head = state[1 + 2 * side]
        tail = state[2 + 2 * side]
        while tail > head and sign * state[queue + 2 * (int(tail - 1.0) % window) + 1] >= sign * v:
            tail -= 1.0
        if tail > head and state[queue + 2 * (int(head) % window)] <= n - window:
            head += 1.0
        slot = queue + 2 * (int(tail) % window)
        state[slot] = n
        state[slot + 1] = v
        state[1 + 2 * side] = head
        state[2 + 2 * side] = tail + 1.0
    state[0] = n + 1.0
    if n + 1.0 < window:
        return
    least = state[5 + 2 * (int(state[1]) % window) + 1]
    greatest = state[5 + 2 * window + 2 * (int(state[3]) % window) + 1]
    out[0] = (v - least) / (greatest - least) if greatest > least else 0.5


@kernel
def interaction_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Two columns together over the last params[0] rows in which both are known.

    out: product of their z-scores, bounded to [-25, 25]; correlation. 0 where one does not vary.
    """
    window = int(params[0])
    out[0] = math.nan
    out[1] = math.nan
    if not abs(x[0]) < math.inf or not abs(x[1]) < math.inf:
        return
    pair_push_nb(state, 0, window, x[0], x[1])
    n = pair_count_nb(state, 0, window)
    if n < window:
        return
    out[1] = correlation_nb(state, 0, window)
    za = _z_nb(x[0], pair_mean_x_nb(state, 0, window), math.sqrt(pair_var_x_nb(state, 0, window) / n))
    zb = _z_nb(x[1], pair_mean_y_nb(state, 0, window), math.sqrt(pair_var_y_nb(state, 0, window) / n))
    out[0] = za * zb


@kernel
def _z_nb(value: float, mean: float, deviation: float) -> float:
    """Z-score within [-5, 5], 0 where there is no deviation beyond rounding."""
    z = (value - mean) / deviation if deviation > 1e-13 * abs(mean) else 0.0
    return min(max(z, -5.0), 5.0)


@kernel
def over_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """A / b - 1: a price beside another, without its scale. NaN where b is not above 0. No state."""
    out[0] = x[0] / x[1] - 1.0 if abs(x[0]) < math.inf and 0.0 < x[1] < math.inf else math.nan


@kernel
def bar_parts_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """What one bar looks like, without scale. x: bar. State: whether there was a close, the close.

    out: log return on the close before (NaN for the first bar); log of high over low; body, upper and lower
    wick over the range (0, where the bar has none); log of 1 + volume.
    """
    for j in range(6):
        out[j] = math.nan
    if not 0.0 < x[2] <= x[1] < math.inf or not 0.0 < x[3] < math.inf or not 0.0 <= x[4] < math.inf:
        return
    if state[0] > 0.0:
        out[0] = math.log(x[3] / state[1])
    state[0] = 1.0
    state[1] = x[3]
    span = x[1] - x[2]
    out[1] = math.log(x[1] / x[2])
    out[2] = (x[3] - x[0]) / span if span > 0.0 else 0.0
    out[3] = (x[1] - max(x[0], x[3])) / span if span > 0.0 else 0.0
    out[4] = (min(x[0], x[3]) - x[2]) / span if span > 0.0 else 0.0
    out[5] = math.log1p(x[4])


@kernel
def ranks_nb(values: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
    """Rank of each value among the known ones, in [0, 1]: part below plus half of ties; NaN if unknown.

    A single known value has 0.5.
    """
    n = len(values)
    for i in range(n):
        out[i] = math.nan
        if not abs(values[i]) < math.inf:
            continue
        below = 0.0
        known = 0.0
        for j in range(n):
            if abs(values[j]) < math.inf:
                known += 1.0
                if values[j] < values[i]:
                    below += 1.0
                elif values[j] == values[i] and j != i:
                    below += 0.5
        out[i] = below / (known - 1.0) if known > 1.0 else 0.5
