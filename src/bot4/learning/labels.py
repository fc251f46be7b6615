"""Labels with the interval of time that each one looks at.

A label of bar i is decided at t0, the close of bar i (a bar's `ts` is its open), and known at t1. Whoever
splits data for validation must keep [t0, t1] of training and of test apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bot4.learning.labels_nb import triple_barrier_nb
from bot4.model.errors import DataError

Array = np.ndarray[Any, Any]


class Labels(NamedTuple):
    """One row a labelled bar, ascending in time."""

    row: Array  # i8, index of the bar
    y: Array  # i1, 1 rise, 0 not (fixed horizon); -1, 0, 1 (triple barrier)
    ret: Array  # f8, close of t1 over close of t0, minus 1
    t0: Array  # i8 ns, decision
    t1: Array  # i8 ns, the label is known


def fixed_horizon(ts: Array, close: Array, *, timeframe_ns: int, horizon_bars: int) -> Labels:
    """Label 1 if the close `horizon_bars` later is higher, else 0 (an unchanged close is not a rise).

    Bars whose horizon ends after the data, or runs over missing bars, have no label; neither has a bar
    whose close, now or then, is not a positive number.
    """
    _check(ts, close, timeframe_ns, horizon_bars)
    row = _whole(ts, timeframe_ns, horizon_bars)
    then, now = close[row + horizon_bars], close[row]
    good = (now > 0) & (then > 0) & np.isfinite(now) & np.isfinite(then)
    row = row[good]
    ret = close[row + horizon_bars] / close[row] - 1.0
    t0 = ts[row] + timeframe_ns
    return Labels(row, (ret > 0).astype(np.int8), ret, t0, t0 + horizon_bars * timeframe_ns)


def triple_barrier(
    ts: Array, hlc: tuple[Array, Array, Array], width: Array, *, timeframe_ns: int, horizon_bars: int
) -> Labels:
    """The first of an upper, a lower and a time barrier; see `triple_barrier_nb`.

    `hlc`: high, low, close. `width`: f8 (n, 2), upper and lower distance as a fraction of close (for
    example twice the volatility of the horizon); NaN gives no label. `ret` is at the barrier for 1 and
    -1, at the close for 0. A bar near the end has no label even if a barrier was reached: keeping only
    the fast ones would bias.
    """
    high, low, close = hlc
    _check(ts, close, timeframe_ns, horizon_bars)
    side = np.zeros(len(ts), np.int8)
    touch = np.zeros(len(ts), np.int64)
    bars = np.column_stack((high, low, close)).astype(np.float64)
    triple_barrier_nb(bars, np.ascontiguousarray(width, np.float64), horizon_bars, side, touch)
    row = _whole(ts, timeframe_ns, horizon_bars)
    row = row[touch[row] >= 0]
    y, hit = side[row], touch[row]
    ret = np.select([y > 0, y < 0], [width[row, 0], -width[row, 1]], close[hit] / close[row] - 1.0)
    return Labels(row, y, ret, ts[row] + timeframe_ns, ts[hit] + timeframe_ns)


def _whole(ts: Array, timeframe_ns: int, horizon_bars: int) -> Array:
    """Bars whose whole horizon is in the data without a gap."""
    n = max(len(ts) - horizon_bars, 0)
    span = ts[horizon_bars:] - ts[:n]
    return np.flatnonzero(span == horizon_bars * timeframe_ns)


def _check(ts: Array, close: Array, timeframe_ns: int, horizon_bars: int) -> None:
    if horizon_bars < 1 or timeframe_ns < 1:
        raise DataError("horizon_bars and timeframe_ns must be positive")
    if len(ts) != len(close):
        raise DataError(f"{len(ts)} times but {len(close)} closes")
    if np.any(np.diff(ts) <= 0):
        at = int(np.flatnonzero(np.diff(ts) <= 0)[0]) + 1
        raise DataError(f"bar {at}: its time does not come after the bar before")
