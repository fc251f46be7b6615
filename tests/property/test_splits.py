"""Purged walk-forward splits against a brute-force oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.learning.splits import Split, audit, meets_any, purge, walk_forward
from bot4.model.errors import CallerError


@st.composite
def label_sets(draw, least=12):
    """Labels in time with ties, gaps, points and long overlapping intervals."""
    steps = draw(st.lists(st.integers(0, 5), min_size=least, max_size=60))
    spans = draw(st.lists(st.integers(0, 12), min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(np.array(steps, np.int64))
    return t0, t0 + np.array(spans, np.int64)


def meet(a0, a1, b0, b1):
    return a0 <= b1 and b0 <= a1


def overlaps(split, t0, t1, embargo):
    """Every pair, one by one."""
    return [
        (i, j)
        for i in split.train.tolist()
        for j in split.test.tolist()
        if meet(t0[i] - embargo, t1[i] + embargo, t0[j], t1[j])
    ]


@given(label_sets(), st.integers(1, 4), st.integers(0, 6), st.booleans())
@settings(max_examples=250, deadline=None)
def test_walk_forward_keeps_exactly_what_may_be_kept(labels, folds, embargo, rolling):
    t0, t1 = labels
    train_ns = 40 if rolling else None
    try:
        splits = walk_forward(t0, t1, folds=folds, embargo_ns=embargo, train_ns=train_ns)
    except CallerError:
        return
    assert len(splits) == folds
    last = -1
    for split in splits:
        assert split.test[0] > last
        last = split.test[-1]
        assert overlaps(split, t0, t1, embargo) == []
        before = [i for i in range(split.test[0]) if not rolling or t0[i] >= t0[split.test[0]] - 40]
        kept = [
            i
            for i in before
            if not any(meet(t0[i] - embargo, t1[i] + embargo, t0[j], t1[j]) for j in split.test)
        ]
        assert split.train.tolist() == kept
        assert split.purged == len(before) - len(kept)
    assert splits[-1].test[-1] == len(t0) - 1
    assert audit(splits, t0, t1, embargo_ns=embargo) == []


@given(label_sets(), st.randoms(use_true_random=False), st.integers(0, 4))
@settings(max_examples=250, deadline=None)
def test_audit_counts_every_crossing_label(labels, chance, embargo):
    t0, t1 = labels
    n = len(t0)
    cut = chance.randint(1, n - 1)
    split = Split(np.arange(cut), np.arange(cut, n), 0)
    bad = {i for i, _ in overlaps(split, t0, t1, embargo)}
    faults = audit([split], t0, t1, embargo_ns=embargo)
    said = [f for f in faults if "reach into" in f]
    assert [f.split()[2] for f in said] == ([str(len(bad))] if bad else [])


@given(label_sets(), st.data())
@settings(max_examples=150, deadline=None)
def test_purge_looks_both_ways(labels, data):
    """Test blocks in the middle, with holes: training rows on both sides."""
    t0, t1 = labels
    mark = np.array(data.draw(st.lists(st.booleans(), min_size=len(t0), max_size=len(t0))))
    test, rest = np.flatnonzero(mark), np.flatnonzero(~mark)
    kept = purge(rest, test, t0, t1, embargo_ns=3)
    expected = [i for i in rest if not any(meet(t0[i] - 3, t1[i] + 3, t0[j], t1[j]) for j in test)]
    assert kept.tolist() == expected
    assert meets_any(t0, t1, t0[test], t1[test]).tolist() == [
        any(meet(t0[i], t1[i], t0[j], t1[j]) for j in test) for i in range(len(t0))
    ]


def hourly(n, horizon=15):
    t0 = np.arange(n, dtype=np.int64)
    return t0, t0 + horizon


def test_ten_monthly_folds_with_a_week_of_embargo():
    t0, t1 = hourly(24 * 400)
    splits = walk_forward(t0, t1, folds=10, embargo_ns=24 * 7, test_ns=24 * 30)
    assert [len(s.test) for s in splits] == [720] * 10
    assert [s.purged for s in splits] == [24 * 7 + 15] * 10  # labels end 15 later, then a week
    assert all(t0[s.test[0]] - t1[s.train[-1]] == 24 * 7 + 1 for s in splits)
    assert len(walk_forward(t0, t1, folds=2, embargo_ns=0, train_ns=100)[1].train) == 100 - 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 0}, "folds"),
        ({"embargo_ns": -1}, "embargo"),
        ({"folds": 60}, "do not suffice"),
        ({"embargo_ns": 1000}, "no training rows"),
        ({"test_ns": 100, "folds": 1}, "no training rows"),
        ({"test_ns": 0}, "positive"),
        ({"train_ns": 0}, "positive"),
    ],
)
def test_impossible_demands_are_refused(change, message):
    t0, t1 = hourly(100)
    with pytest.raises(CallerError, match=message):
        walk_forward(t0, t1, **({"folds": 3, "embargo_ns": 5} | change))


def test_a_test_window_without_rows_is_refused():
    t0 = np.concatenate((np.arange(50), np.arange(1000, 1050)))
    with pytest.raises(CallerError, match="fold 1 has no test rows"):
        walk_forward(t0, t0, folds=3, embargo_ns=0, test_ns=300)


def test_unordered_labels_are_refused():
    t0, t1 = hourly(100)
    with pytest.raises(CallerError, match="ascend"):
        walk_forward(t0[::-1], t1, folds=2, embargo_ns=0)
    with pytest.raises(CallerError, match="ascend"):
        walk_forward(t0, t0 - 1, folds=2, embargo_ns=0)


def test_audit_names_each_fault():
    t0, t1 = hourly(60)
    rows = np.arange(60)
    shuffled = Split(rows[:20][::-1], rows[40:], 0)
    assert any("shuffled" in f for f in audit([shuffled], t0, t1))
    both = Split(rows[:30], rows[25:50], 0)
    assert any("5 rows are in training and in test" in f for f in audit([both], t0, t1))
    late = Split(np.r_[0:10, 50:60], rows[30:35], 0)
    assert any("past the start" in f for f in audit([late], t0, t1))
    assert any("no training" in f for f in audit([Split(rows[:0], rows, 0)], t0, t1))
    twice = [Split(rows[:5], rows[40:50], 0), Split(rows[:5], rows[40:50], 0)]
    assert any("does not come after" in f for f in audit(twice, t0, t1))


def test_a_copied_label_is_at_chance_under_the_splits_and_found_by_a_shuffled_split():
    """Labels in blocks of 40 rows; the model remembers the nearest row.

    Neighbours in training give it away.
    """
    rng = np.random.default_rng(3)
    t0 = np.arange(4000, dtype=np.int64)
    y = np.repeat(rng.integers(0, 2, 100), 40)
    t1 = t0 // 40 * 40 + 39

    def nearest(train, test):
        at = np.clip(np.searchsorted(train, test), 1, len(train) - 1)
        closer = np.where(test - train[at - 1] <= train[at] - test, at - 1, at)
        return float(np.mean(y[train[closer]] == y[test]))

    honest = [nearest(s.train, s.test) for s in walk_forward(t0, t1, folds=5, embargo_ns=40)]
    order = rng.permutation(4000)
    naive = nearest(np.sort(order[:3000]), np.sort(order[3000:]))
    assert naive > 0.9
    assert abs(np.mean(honest) - 0.5) < 0.1
