"""Scales of the charts: round ticks for numbers and times, and thinning of long series."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

S = 10**9
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAYS = (1, 2, 4, 7, 14)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Tick(NamedTuple):
    """A place on an axis and its label."""

    at: float
    text: str


def thin(values: Array, limit: int) -> Array:
    """Indices of at most `limit` samples that keep the first, the last and each bucket's extremes.

    Buckets hold equal counts; the least and the greatest sample of each stay, so no peak and no trough is
    lost, which matters more in a drawdown than a smooth line. NaN stays where a whole bucket is NaN.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n)
    buckets = max(1, (limit - 2) // 2)
    edges = np.linspace(0, n, buckets + 1).astype(np.int64)
    v = np.asarray(values, np.float64)
    low = np.where(np.isnan(v), np.inf, v)
    high = np.where(np.isnan(v), -np.inf, v)
    keep = {0, n - 1}
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        keep.add(a + int(np.argmin(low[a:b])))
        keep.add(a + int(np.argmax(high[a:b])))
    return np.array(sorted(keep))


def domain(values: Array, *also: float, pad: float = 0.06) -> tuple[float, float]:
    """(low, high) around the finite values and `also`, with some air; never empty."""
    v = np.asarray(values, np.float64)
    v = np.concatenate([v[np.isfinite(v)], np.array([a for a in also if math.isfinite(a)])])
    if len(v) == 0:
        return 0.0, 1.0
    low, high = float(v.min()), float(v.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # flat, or told apart by rounding alone
        air = abs(low) * 0.01 or 0.1
        return low - air, high + air
    air = (high - low) * pad
    return low - air, high + air


def number_ticks(low: float, high: float, n: int) -> tuple[list[float], int]:
    """About `n` round values in [low, high], at least three, and the decimals that tell them apart.

    Steps of 1, 2 or 5 times a power of ten (Heckbert, "Nice Numbers for Graph Labels", 1990).
    """
    raw = (high - low) / max(1, n)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [m * power for m in (10, 5, 2, 1, 0.5, 0.2)]
    fitting = [s for s in steps if raw <= s * 1.0000001]
    for step in steps[len(fitting) - 1 :]:
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first >= 2:
            break
    return [k * step for k in range(first, last + 1)], max(0, -math.floor(math.log10(step) + 1e-9))


def time_ticks(t0: int, t1: int, n: int) -> list[Tick]:
    """At most about `n` ticks in [t0, t1] (ns UTC) at round instants, labelled in UTC."""
    wanted = max(1, t1 - t0) / max(1, n)
    for seconds in _STEPS:
        if seconds * S >= wanted:
            return _clock(t0, t1, seconds)
    for days in _DAYS:
        if days * 86400 * S >= wanted:
            return _days(t0, t1, days)
    months = next((m for m in _MONTHS if m * 30 * 86400 * S >= wanted), _MONTHS[-1])
    return _months(t0, t1, months)


def _when(ns: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(seconds=ns // S)


def _clock(t0: int, t1: int, seconds: int) -> list[Tick]:
    step = seconds * S
    out = []
    for t in range(-(-t0 // step) * step, t1 + 1, step):
        when = _when(t)
        if when.hour == when.minute == when.second == 0:
            text = f"{when.day} {when:%b}"
        else:
            text = f"{when:%H:%M:%S}" if seconds < 60 else f"{when:%H:%M}"
        out.append(Tick(float(t), text))
    return out


def _days(t0: int, t1: int, days: int) -> list[Tick]:
    step = days * 86400 * S
    first = -(-t0 // (86400 * S)) * 86400 * S
    return [Tick(float(t), f"{_when(t).day} {_when(t):%b}") for t in range(first, t1 + 1, step)]


def _months(t0: int, t1: int, months: int) -> list[Tick]:
    out = []
    start, end = _when(t0), _when(t1)
    at = start.year * 12 + start.month - 1
    at += -at % months
    while at <= end.year * 12 + end.month - 1:
        when = dt.datetime(at // 12, at % 12 + 1, 1, tzinfo=dt.UTC)
        ns = int((when - _EPOCH).total_seconds()) * S
        if t0 <= ns <= t1:
            text = f"{when:%Y}" if months >= 12 else f"{when:%b} {when:%Y}"
            out.append(Tick(float(ns), text))
        at += months
    return out
