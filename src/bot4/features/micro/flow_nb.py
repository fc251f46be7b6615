"""Order flow of trades: toxicity, persistence, sizes, clusters, counts. See `spread_nb` for the contract."""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import T_PRICE, T_QTY, T_TS, aggressor_nb, faded_nb, whole_trade_nb
from bot4.features.micro.windows_nb import (
    PAIR_HEAD,
    SUM_HEAD,
    correlation_nb,
    one_deviation_nb,
    one_mean_nb,
    one_push_nb,
    pair_count_nb,
    pair_mean_y_nb,
    pair_push_nb,
    pair_size,
    pair_var_x_nb,
    sum_mean_nb,
    sum_push_nb,
    sum_size,
)
from bot4.kernels.jit_nb import kernel

_FULL: Final = 1.0 - 1e-12  # a bucket short of this by rounding alone is full


def vpin_state(params: tuple[float, ...]) -> int:
    """Slots of `vpin_step_nb`."""
    return 4 + sum_size(int(params[1]))


@kernel
def vpin_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """VPIN of trades by aggressor, in equal buckets (Easley, Lopez de Prado and O'Hara, 2012). x: trade.

    params: volume of a bucket, number of buckets. A trade that fills its bucket goes on in the next. out:
    mean of |bought - sold| / volume over the last full buckets, in [0, 1]; part of the open bucket that is
    filled. Warm when the number of buckets has been filled.
    """
    volume = params[0]
    buckets = int(params[1])
    out[0] = math.nan
    out[1] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    state[0] = x[T_PRICE]
    state[1] = side
    left = x[T_QTY]
    if state[2] + left >= volume * _FULL:
        room = max(volume - state[2], 0.0)
        sum_push_nb(state, 4, buckets, min(abs(state[3] + side * room) / volume, 1.0))
        left = max(left - room, 0.0)
        state[2] = 0.0
        state[3] = 0.0
        whole = math.floor(left / volume)
        for _ in range(int(min(whole, 1.0 * buckets))):
            sum_push_nb(state, 4, buckets, abs(side))
        left -= whole * volume
    state[2] += left
    state[3] += side * left
    out[0] = sum_mean_nb(state, 4, buckets)
    out[1] = min(state[2] / volume, 1.0)
    if out[0] != out[0]:
        out[1] = math.nan


def vpin_bar_state(params: tuple[float, ...]) -> int:
    """Slots of `vpin_bar_step_nb`."""
    return 8 + pair_size(int(params[2])) + 2 * sum_size(int(params[1]))


@kernel
def _buy_part_nb(move: float, deviation: float) -> float:
    """Part of the volume taken as bought: the normal distribution at the standardised price change."""
    if deviation <= 0.0:
        return 0.5
    return 0.5 * math.erfc(-move / deviation / math.sqrt(2.0))


@kernel
def vpin_bar_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """VPIN of bars in buckets of the usual volume of some bars. x: bar.

    params: bars of usual volume a bucket holds (a fiftieth of a day: 29 of one minute), number of buckets,
    window of the usual volume and of the deviation of price changes, 1 to split volume by the price change
    (bulk classification, Easley and others, 2012) or 0 by the aggressors' buy volume (better where it is
    known). out: sum of |bought - sold| over sum of volume of the last buckets, in [0, 1]. A bar may fill no
    more than the number of buckets. Warm after the window and the buckets.
    """
    buckets = int(params[1])
    window = int(params[2])
    out[0] = math.nan
    bulk = params[3] > 0.0
    if not 0.0 < x[3] < math.inf or not 0.0 <= x[4] < math.inf or not (bulk or 0.0 <= x[6] <= x[4]):
        return
    if state[0] > 0.0:
        pair_push_nb(state, 8, window, x[3] - state[1], x[4])
    move = x[3] - state[1]
    state[0] = 1.0
    state[1] = x[3]
    n = pair_count_nb(state, 8, window)
    if n < window:
        return
    part = 0.5
    if bulk:
        part = _buy_part_nb(move, math.sqrt(pair_var_x_nb(state, 8, window) / n))
    elif x[4] > 0.0:
        part = x[6] / x[4]
    usual = pair_mean_y_nb(state, 8, window) * params[0]
    _fill_buckets_nb(state, (8 + PAIR_HEAD + 2 * window, buckets), x[4], 2.0 * part - 1.0, usual)
    imbalances = 8 + PAIR_HEAD + 2 * window
    if state[imbalances] < buckets:
        return
    total = state[imbalances + SUM_HEAD + buckets + 1]
    out[0] = min(max(state[imbalances + 1] / total, 0.0), 1.0) if total > 0.0 else 0.0


@kernel
def _fill_buckets_nb(
    state: np.ndarray[Any, Any], rings: tuple[int, int], volume: float, sign: float, usual: float
) -> None:
    """Pour `volume` of mean side `sign` into buckets; state[2:5] is the open one: size, filled, signed."""
    at, buckets = rings
    other = at + SUM_HEAD + buckets
    left = volume
    for _ in range(buckets):
        if state[2] <= 0.0:
            state[2] = usual
        if state[2] <= 0.0 or state[3] + left < state[2] * _FULL:
            break
        room = max(state[2] - state[3], 0.0)
        sum_push_nb(state, at, buckets, abs(state[4] + sign * room))
        sum_push_nb(state, other, buckets, state[2])
        left = max(left - room, 0.0)
        state[2] = 0.0
        state[3] = 0.0
        state[4] = 0.0
    else:
        left = 0.0
    state[3] += left
    state[4] += sign * left


def sign_state(params: tuple[float, ...]) -> int:
    """Slots of `sign_step_nb`."""
    return 4 + int(params[1]) + pair_size(int(params[0]))


@kernel
def sign_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Autocorrelation of the aggressors' sides at a lag of trades; order splitting shows as persistence.

    Lillo and Farmer, 2004. params: window (pairs), lag. out: correlation in [-1, 1], 0 where all trades
    have one side; sum of sides over window (of the later trades), in [-1, 1]. Warm after window + lag
    trades.
    """
    window = int(params[0])
    lag = int(params[1])
    out[0] = math.nan
    out[1] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    state[0] = x[T_PRICE]
    state[1] = side
    slot = 4 + int(state[2]) % lag
    if state[2] >= lag:
        pair_push_nb(state, 4 + lag, window, state[slot], side)
    state[slot] = side
    state[2] += 1.0
    if pair_count_nb(state, 4 + lag, window) < window:
        return
    out[0] = correlation_nb(state, 4 + lag, window)
    out[1] = pair_mean_y_nb(state, 4 + lag, window)


@kernel
def size_classes_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Who trades: parts of the value traded by size of the trade, faded by exp(-age / tau).

    params: tau in s; bounds in the quote currency between small, medium, large and whale. out: parts of the
    four (sum 1); signed value of whales over all value, in [-1, 1]. Warm at once.
    """
    for j in range(5):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    keep = faded_nb(x[T_TS] - state[2], params[0]) if state[3] > 0.0 else 0.0
    state[0] = x[T_PRICE]
    state[1] = side
    state[2] = max(x[T_TS], state[2]) if state[3] > 0.0 else x[T_TS]
    state[3] = 1.0
    value = x[T_PRICE] * x[T_QTY]
    size = 0
    for j in range(3):
        if value >= params[1 + j]:
            size = j + 1
    total = 0.0
    for j in range(4):
        state[4 + j] = state[4 + j] * keep + (value if j == size else 0.0)
        total += state[4 + j]
    state[8] = state[8] * keep + (side * value if size == 3 else 0.0)
    for j in range(4):
        out[j] = state[4 + j] / total
    out[4] = state[8] / total


@kernel
def clustering_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Clustering of trades in time.

    params: fast and slow time constants in s, window (intervals). out: faded rate a second (fast); fast
    over slow rate, 1 in a steady market; burstiness (sd - mean) / (sd + mean) of the intervals, -1 regular,
    0 Poisson, 1 bursty (Goh and Barabasi, 2008). Warm after window + 1 trades.
    """
    window = int(params[2])
    for j in range(3):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    now = max(x[T_TS], state[1]) if state[0] > 0.0 else x[T_TS]
    if state[0] > 0.0:
        gap = now - state[1]
        state[2] = state[2] * faded_nb(gap, params[0])
        state[3] = state[3] * faded_nb(gap, params[1])
        one_push_nb(state, 5, window, gap)
    state[0] = 1.0
    state[1] = now
    state[2] += 1.0 / params[0]
    state[3] += 1.0 / params[1]
    if state[5] < window:
        return
    out[0] = state[2]
    out[1] = state[2] / state[3]
    mean = one_mean_nb(state, 5, window)
    deviation = one_deviation_nb(state, 5, window)
    both = deviation + mean
    out[2] = (deviation - mean) / both if both > 0.0 else 0.0


@kernel
def pin_counts_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Buys and sells a period, as PIN needs them (see `pin`). x: trade.

    params: length of a period in s, aligned to the Unix epoch. out: buys and sells of the last full period,
    its number since the epoch. The period in which the stream starts is not full and never given. A trade
    of an earlier period than the open one counts in the open one. Trades of unknown side count for neither.
    """
    for j in range(3):
        out[j] = math.nan
    if not whole_trade_nb(x):
        return
    side = aggressor_nb(x, state[0], state[1])
    state[0] = x[T_PRICE]
    state[1] = side
    period = math.floor(x[T_TS] / params[0])
    if state[2] == 0.0:
        state[2] = 1.0
        state[3] = period
    if period > state[3]:
        if state[2] > 1.0:
            state[6] = state[4]
            state[7] = state[5]
            state[8] = state[3]
            state[2] = 3.0
        if period > state[3] + 1.0:  # periods without a trade lie between
            state[6] = 0.0
            state[7] = 0.0
            state[8] = period - 1.0
            state[2] = 3.0
        state[2] = max(state[2], 2.0)
        state[3] = period
        state[4] = 0.0
        state[5] = 0.0
    state[4] += 1.0 if side > 0.0 else 0.0
    state[5] += 1.0 if side < 0.0 else 0.0
    if state[2] < 3.0:
        return
    out[0] = state[6]
    out[1] = state[7]
    out[2] = state[8]
