"""What a fold's predictions are worth: skill, calibration, money after costs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bot4.learning.leaks import auc

Array = np.ndarray[Any, Any]


class Scores(NamedTuple):
    """Scores of probabilities `p` of a rise against what came."""

    accuracy: float
    balanced: float  # mean of the hit rates of rises and of falls; NaN with one class
    auc: float
    log_loss: float  # nats
    brier: float
    majority: float  # accuracy of always saying what was commoner in training


def scores(p: Array, y: Array, majority_class: int) -> Scores:
    """All scores of one set; p in (0, 1), y in {0, 1}. A probability of exactly 0.5 counts as "no rise"."""
    up = y > 0
    said = p > 0.5
    hits = [float(np.mean(said[side] == up[side])) if side.any() else float("nan") for side in (up, ~up)]
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    return Scores(
        accuracy=float(np.mean(said == up)),
        balanced=sum(hits) / 2,
        auc=auc(p, y),
        log_loss=float(-np.mean(np.where(up, np.log(clipped), np.log1p(-clipped)))),
        brier=float(np.mean((p - up) ** 2)),
        majority=float(np.mean(up == bool(majority_class))),
    )


class Expectancy(NamedTuple):
    """Acting on predictions one after the other, never two at once; fractions of notional a trade."""

    trades: int
    gross: float  # mean before costs
    net: float  # mean after costs
    net_error: float  # standard error of the mean
    hit_rate: float  # trades that gained after costs


def expectancy(
    p: Array, ret: Array, t0: Array, t1: Array, *, cost: float, least: float | Array = 0.0
) -> Expectancy:
    """Mean gain of following p (long above 0.5, short below) until its horizon, at `cost` a round trip.

    A prediction is acted on if |p - 0.5| > `least` (one bound, or one a row) and the trade before has
    ended. Without trades all means are NaN.
    """
    wish = np.flatnonzero(np.abs(p - 0.5) > least)
    taken = []
    free = -(2**63)
    for i in wish.tolist():
        if t0[i] >= free:
            taken.append(i)
            free = t1[i]
    if not taken:
        nan = float("nan")
        return Expectancy(0, nan, nan, nan, nan)
    at = np.array(taken)
    gross = np.sign(p[at] - 0.5) * ret[at]
    net = gross - cost
    error = float(net.std(ddof=1) / np.sqrt(len(at))) if len(at) > 1 else float("nan")
    return Expectancy(len(at), float(gross.mean()), float(net.mean()), error, float(np.mean(net > 0)))


def calibration_slope(p: Array, y: Array) -> float:
    """Least-squares slope through zero of y - 0.5 on p - 0.5: 1 calibrated, 0 no skill, below 1 too sure."""
    d = p - 0.5
    power = float(d @ d)
    return float(d @ (y - 0.5) / power) if power > 0 else 0.0


def independent_count(t0: Array, t1: Array) -> int:
    """Count the most labels that can be taken without two overlapping in time (greedy by their end)."""
    count = 0
    free = -(2**63)
    for begin, end in sorted(zip(t0.tolist(), t1.tolist(), strict=True), key=lambda pair: pair[1]):
        if begin >= free:
            count += 1
            free = end
    return count
