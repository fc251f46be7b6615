"""Walk-forward splits, purged and embargoed; never shuffled.

Every test block lies after its training rows. A training row is dropped when its label looks into the
time that any test label looks at (purge), or ends less than the embargo before it (a feature that smooths
over many bars carries the past into the test block). Lopez de Prado, Advances in Financial Machine
Learning (2018), chapter 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bot4.model.errors import CallerError

Array = np.ndarray[Any, Any]


class Split(NamedTuple):
    """Indices of training and of test rows, ascending; how many rows the purge dropped."""

    train: Array
    test: Array
    purged: int


def meets_any(a: Array, b: Array, t0: Array, t1: Array) -> Array:
    """Tell for each closed interval [a, b] whether it meets any of the closed intervals [t0, t1].

    An interval does not meet [a, b] if it starts after b or ends before a, and never both; so counting
    the two kinds is exact, whatever the order or nesting.
    """
    after = len(t0) - np.searchsorted(np.sort(t0), b, side="right")
    before = np.searchsorted(np.sort(t1), a, side="left")
    return np.asarray(after + before < len(t0))


def purge(candidates: Array, test: Array, t0: Array, t1: Array, *, embargo_ns: int) -> Array:
    """The candidate rows whose label, widened by the embargo on both sides, meets no test label."""
    a, b = t0[candidates] - embargo_ns, t1[candidates] + embargo_ns
    return candidates[~meets_any(a, b, t0[test], t1[test])]


def walk_forward(
    t0: Array,
    t1: Array,
    *,
    folds: int,
    embargo_ns: int,
    test_ns: int | None = None,
    train_ns: int | None = None,
) -> list[Split]:
    """`folds` test blocks in the order of time, each with the purged rows before it.

    Without `test_ns` the rows are cut into folds + 1 equal blocks, the first for training only; with it
    the test blocks are the last `folds` spans of that length (30 days, say). `train_ns` keeps only that
    much time before a test block (rolling), otherwise all of it is used (anchored). `t0` must ascend.
    CallerError if the rows do not suffice: no fold may be left without training or test rows.
    """
    n = len(t0)
    spans = [span for span in (test_ns, train_ns) if span is not None]
    if folds < 1 or embargo_ns < 0 or min(spans, default=1) < 1:
        raise CallerError("folds must be 1 or more, the embargo 0 or more, test_ns and train_ns positive")
    if n != len(t1) or n < 2 * (folds + 1):
        raise CallerError(f"{n} labelled rows do not suffice for {folds} folds")
    if np.any(np.diff(t0) < 0) or np.any(t1 < t0):
        raise CallerError("labels must ascend in t0 and end after they begin")
    if test_ns is None:
        edges = np.linspace(0, n, folds + 2).astype(np.int64)[1:]
    else:
        marks = t0[-1] + 1 - test_ns * np.arange(folds, -1, -1, dtype=np.int64)
        edges = np.searchsorted(t0, marks, side="left")
    splits = []
    for k in range(folds):
        test = np.arange(edges[k], edges[k + 1])
        first = 0
        if train_ns is not None and len(test):
            first = int(np.searchsorted(t0, t0[test[0]] - train_ns, side="left"))
        before = np.arange(first, edges[k])
        train = purge(before, test, t0, t1, embargo_ns=embargo_ns) if len(test) else before
        if not len(test) or not len(train):
            what = "test" if not len(test) else "training"
            raise CallerError(
                f"fold {k + 1} has no {what} rows: use fewer folds, a shorter embargo or more data"
            )
        splits.append(Split(train, test, len(before) - len(train)))
    return splits


def audit(splits: Sequence[Split], t0: Array, t1: Array, *, embargo_ns: int = 0) -> list[str]:
    """Every way in which the splits could leak, in words; empty if they are sound.

    Written apart from `walk_forward`: it sweeps over the merged test intervals instead of counting.
    """
    faults = []
    for k, split in enumerate(splits):
        name = f"fold {k + 1}"
        if not len(split.train) or not len(split.test):
            faults.append(f"{name}: no training or no test rows")
            continue
        if np.any(np.diff(split.train) <= 0) or np.any(np.diff(split.test) <= 0):
            faults.append(f"{name}: rows are not in the order of time (shuffled)")
        common = np.intersect1d(split.train, split.test)
        if len(common):
            faults.append(f"{name}: {len(common)} rows are in training and in test")
        if t0[split.train].max() >= t0[split.test].min():
            faults.append(f"{name}: training reaches past the start of the test block")
        crossing = _crossing(split, t0, t1, embargo_ns)
        if crossing:
            faults.append(f"{name}: {crossing} training labels reach into the time of a test label")
    for k in range(1, len(splits)):
        if len(splits[k].test) and len(splits[k - 1].test) and splits[k].test[0] <= splits[k - 1].test[-1]:
            faults.append(f"fold {k + 1}: its test block does not come after the one before")
    return faults


def _crossing(split: Split, t0: Array, t1: Array, embargo_ns: int) -> int:
    order = np.argsort(t0[split.test], kind="stable")
    start, end = t0[split.test][order], np.maximum.accumulate(t1[split.test][order])
    new = np.concatenate(([True], start[1:] > end[:-1]))  # merge overlapping test intervals
    begin = start[new]
    stop = end[np.concatenate((np.flatnonzero(new)[1:] - 1, [len(end) - 1]))]
    a, b = t0[split.train] - embargo_ns, t1[split.train] + embargo_ns
    last = np.searchsorted(begin, b, side="right") - 1  # the last merged span that starts by b
    return int(np.sum((last >= 0) & (stop[np.maximum(last, 0)] >= a)))
