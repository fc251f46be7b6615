"""Each detector finds its leak, and is silent without one."""

import numpy as np
import pytest

from bot4.learning.leaks import (
    Leak,
    auc,
    causality_leaks,
    column_leaks,
    known_at_leaks,
    refuse,
    split_leaks,
    transform_leaks,
)
from bot4.learning.splits import Split, walk_forward
from bot4.model.errors import LookAheadError


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    ret = rng.normal(size=2000) * 0.01
    return rng.normal(size=(2000, 4)), (ret > 0).astype(np.int8), ret


NAMES = ("a", "b", "c", "d")


def test_sound_columns_pass(table):
    X, y, ret = table
    X[:, 0] += 40 * ret  # skill is no leak
    X[:, 1] = 1.0
    X[:1990, 2] = np.nan
    assert column_leaks(X, NAMES, y, ret) == []


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda y, ret: y * 1.0, "correlation with the label"),
        (lambda y, ret: 1.0 - y, "correlation with the label"),
        (lambda y, ret: ret * 7 + 2, "correlation with the future return"),
        (lambda y, ret: -np.cbrt(ret), "AUC"),
    ],
)
def test_the_label_in_disguise_is_found(table, make, what):
    X, y, ret = table
    X[:, 2] = make(y, ret)
    X[::50, 2] = np.nan
    found = column_leaks(X, NAMES, y, ret)
    assert [leak.kind for leak in found] == ["column"]
    assert found[0].text.startswith("c has a")
    assert what in found[0].text


def test_a_long_table_is_thinned(table):
    X, y, ret = (np.tile(a, (40, 1)) if a.ndim == 2 else np.tile(a, 40) for a in table)
    X[:, 0] = ret
    assert [leak.text[0] for leak in column_leaks(X, NAMES, y, ret)] == ["a"]


def test_a_scaler_fitted_before_the_split_is_found(table):
    X = table[0] + np.linspace(0, 3, 2000)[:, None]
    t0 = np.arange(2000)
    splits = walk_forward(t0, t0, folds=3, embargo_ns=0)
    inside = [(X[s.train].mean(axis=0), X[s.train].std(axis=0)) for s in splits]
    assert transform_leaks(inside, X, splits) == []
    before = [(X.mean(axis=0), X.std(axis=0))] * 3
    assert [leak.text.split(":")[0] for leak in transform_leaks(before, X, splits)] == [
        "fold 1",
        "fold 2",
        "fold 3",
    ]


def test_a_label_horizon_across_the_split_is_found():
    t0 = np.arange(100)
    naive = [Split(np.arange(80), np.arange(80, 100), 0)]
    assert split_leaks(naive, t0, t0) == []
    assert (
        split_leaks(naive, t0, t0 + 15)[0].text
        == "fold 1: 15 training labels reach into the time of a test label"
    )


def test_a_backfilled_value_is_found():
    t0 = np.arange(10) * 60
    assert known_at_leaks(t0, t0) == []
    late = t0.copy()
    late[[4, 7]] += 1
    assert known_at_leaks(late, t0)[0].text == "2 rows were known only after their decision, first row 4"


def make_bars(n=300):
    rng = np.random.default_rng(2)
    c = 100 * np.exp(np.cumsum(rng.normal(size=n) * 0.01))
    return [np.arange(n), c, c * 1.01, c * 0.99, c, rng.random(n)]


def past(ts, o, h, low, c, v):
    return np.column_stack((c / np.concatenate(([np.nan], c[:-1])), v))


def whole_series(ts, o, h, low, c, v):
    return np.column_stack((c / c.max(), v))


def one_bar_ahead(ts, o, h, low, c, v):
    return np.column_stack((c, np.concatenate((v[1:], [0.0]))))


def test_features_that_see_later_bars_are_found():
    assert causality_leaks(past, make_bars(), ("x", "volume")) == []
    assert causality_leaks(whole_series, make_bars(), ("x", "volume"))[0].text.startswith("x:")
    assert causality_leaks(one_bar_ahead, make_bars(), ("x", "volume"))[0].text.startswith("volume:")


def test_refuse_names_every_leak():
    refuse([])
    with pytest.raises(LookAheadError, match="column: a; split: b"):
        refuse([Leak("column", "a"), Leak("split", "b")])


def test_auc_equals_scikit_learn_with_ties():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    score, y = np.round(rng.normal(size=500), 1), rng.integers(0, 2, 500)
    assert auc(score, y) == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)
    assert np.isnan(auc(score, np.ones(500)))
