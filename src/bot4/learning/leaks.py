"""Detectors of look-ahead in a training set. Each finds one way in which a backtest can lie.

They return `Leak`s; `refuse` turns any into a LookAheadError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bot4.learning.splits import Split, audit
from bot4.model.errors import LookAheadError

Array = np.ndarray[Any, Any]

LIMIT = 0.99
_SAMPLE = 50_000


class Leak(NamedTuple):
    """What leaks, and how it was seen."""

    kind: str  # column | transform | split | known_at | causality
    text: str


def refuse(leaks: Sequence[Leak]) -> None:
    """LookAheadError naming every leak; nothing if there is none."""
    if leaks:
        raise LookAheadError("; ".join(f"{leak.kind}: {leak.text}" for leak in leaks))


def auc(score: Array, y: Array) -> float:
    """Area under the ROC curve of `score` for y = 1, ties counted half (Mann-Whitney); NaN with one class."""
    order = np.argsort(score, kind="stable")
    _, first, count = np.unique(score[order], return_index=True, return_counts=True)
    ranks = np.empty(len(score))
    ranks[order] = np.repeat(first + (count + 1) / 2.0, count)
    up = np.asarray(y) > 0
    n1, n0 = int(up.sum()), int((~up).sum())
    if not n1 or not n0:
        return float("nan")
    return float((ranks[up].sum() - n1 * (n1 + 1) / 2.0) / (n1 * n0))


def column_leaks(X: Array, names: Sequence[str], y: Array, ret: Array, limit: float = LIMIT) -> list[Leak]:
    """Columns that are, all but exactly, the label or the return that it looks at.

    Seen by |correlation| above `limit` with y or ret, or by an AUC above `limit` (or below 1 - limit).
    Rows are thinned evenly to 50 000. NaN rows of a column are left out; a column with fewer than 20
    values is not judged.
    """
    step = -(-len(y) // _SAMPLE)
    X, y, ret = X[::step], np.asarray(y[::step], np.float64), ret[::step]
    found = []
    for c, name in enumerate(names):
        ok = np.isfinite(X[:, c])
        x = X[ok, c]
        if len(x) < 20 or x.min() == x.max():
            continue
        seen = {
            "correlation with the label": _corr(x, y[ok]),
            "correlation with the future return": _corr(x, ret[ok]),
            "AUC for the label, as 2 AUC - 1": 2.0 * auc(x, y[ok]) - 1.0,
        }
        bounds = (limit, limit, 2.0 * limit - 1.0)
        for (what, value), bound in zip(seen.items(), bounds, strict=True):
            if abs(value) > bound:
                found.append(Leak("column", f"{name} has a {what} of {value:.4f}"))
                break
    return found


def transform_leaks(fitted: Sequence[tuple[Array, Array]], X: Array, splits: Sequence[Split]) -> list[Leak]:
    """Scalers that saw more than the training rows of their fold.

    `fitted`: mean and standard deviation of every column, as each fold's scaler holds them. They are
    computed again from the fold's training rows (NaN left out); a difference above 1e-6 of the spread is
    a leak.
    """
    found = []
    for k, ((mean, std), split) in enumerate(zip(fitted, splits, strict=True)):
        rows = X[split.train]
        true_mean, true_std = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
        spread = np.where(true_std > 0, true_std, 1.0)
        off = (np.abs(mean - true_mean) > 1e-6 * spread) | (np.abs(std - true_std) > 1e-6 * spread)
        if off.any():
            found.append(
                Leak(
                    "transform",
                    f"fold {k + 1}: {int(off.sum())} columns were scaled with rows outside training",
                )
            )
    return found


def split_leaks(splits: Sequence[Split], t0: Array, t1: Array, embargo_ns: int = 0) -> list[Leak]:
    """Faults of the splits, by `splits.audit`."""
    return [Leak("split", fault) for fault in audit(splits, t0, t1, embargo_ns=embargo_ns)]


def known_at_leaks(known_at: Array, t0: Array) -> list[Leak]:
    """Rows whose data became known (back-filled, revised) only after the decision."""
    late = np.flatnonzero(known_at > t0)
    if not len(late):
        return []
    return [
        Leak("known_at", f"{len(late)} rows were known only after their decision, first row {int(late[0])}")
    ]


def causality_leaks(
    features: Callable[..., Array], bars: Sequence[Array], names: Sequence[str]
) -> list[Leak]:
    """Features that change when the bars after T are replaced by nonsense.

    `features(ts, o, h, l, c, v)` gives a matrix (bars, columns). The second half of the bars is corrupted
    (prices tripled, volume zero); the first half of the features must stay the same bit for bit.
    """
    half = len(bars[0]) // 2
    ruined = [bars[0], *(array.copy() for array in bars[1:])]
    for array in ruined[1:5]:
        array[half:] *= 3.0
    ruined[5][half:] = 0.0
    whole, cut = features(*bars)[:half], features(*ruined)[:half]
    changed = [
        name for c, name in enumerate(names) if not np.array_equal(whole[:, c], cut[:, c], equal_nan=True)
    ]
    if not changed:
        return []
    return [Leak("causality", f"{', '.join(changed)}: earlier values change with later bars")]


def _corr(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm > 0 else 0.0
