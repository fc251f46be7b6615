"""Boosted trees in the hot plane against scikit-learn and a plain walk."""

import math

import numpy as np
import pytest
from tree_samples import meta_for, random_trees

from bot4.learning.export import export_trees
from bot4.model.errors import CallerError
from bot4.signals.ml.artifact import TreeArrays, to_hot
from bot4.signals.ml.trees_nb import (
    empty_model,
    ml_signal_nb,
    ml_step_nb,
    predict_proba_nb,
    predict_raw_nb,
)

sklearn = pytest.importorskip("sklearn.ensemble")


def fitted(seed, *, iterations=19, rows=1500, columns=6, depth=6):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    X[:, 1] = np.round(X[:, 1])  # ties, so that values fall on thresholds
    X[rng.random(X.shape) < 0.05] = np.nan
    score = np.nan_to_num(X[:, 0]) * np.nan_to_num(X[:, 1]) + np.isnan(X[:, 2]) + rng.normal(size=rows)
    model = sklearn.HistGradientBoostingClassifier(
        max_depth=depth, max_iter=iterations, early_stopping=False, random_state=seed
    )
    return model.fit(X, score > 0), X


def probes(model, X, rng):
    """Rows seen in training, rows exactly on thresholds, and rows of NaN and infinities."""
    nodes = np.concatenate([stage[0].nodes for stage in model._predictors])
    inner = nodes[nodes["is_leaf"] == 0]
    rows = [X[:100], rng.normal(size=(50, X.shape[1])) * 10]
    on = np.tile(X[5], (len(inner), 1))
    on[np.arange(len(inner)), inner["feature_idx"]] = inner["num_threshold"]
    above = on.copy()
    above[np.arange(len(inner)), inner["feature_idx"]] = np.nextafter(inner["num_threshold"], np.inf)
    extremes = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308], size=(60, X.shape[1]))
    return np.concatenate([*rows, on[:200], above[:200], extremes])


@pytest.mark.parametrize(("seed", "iterations", "depth"), [(1, 19, 6), (2, 8, 3), (3, 1, 6)])
def test_equals_scikit_learn_bit_for_bit(seed, iterations, depth):
    model, X = fitted(seed, iterations=iterations, depth=depth)
    trees, baseline = export_trees(model)
    rng = np.random.default_rng(seed)
    where = rng.permutation(11)[:6]  # the engine keeps the columns elsewhere, between others
    hot = to_hot(trees, where.tolist(), meta_for(6, baseline))
    rows = probes(model, X, rng)
    engine = np.full((len(rows), 11), np.nan)
    engine[:, where] = rows
    got = np.array([predict_raw_nb(hot, f) for f in engine])
    assert np.array_equal(got, model.decision_function(rows))
    proba = np.array([predict_proba_nb(hot, f) for f in engine])
    assert np.allclose(proba, model.predict_proba(rows)[:, 1], rtol=0, atol=1e-15)
    plain = getattr(predict_raw_nb, "py_func", predict_raw_nb)
    assert [plain(hot, f) for f in engine[::40]] == got[::40].tolist()


def walk(trees, baseline, x):
    """The same, written as a person would."""
    total = baseline
    for node in trees.roots:
        while trees.left[node] >= 0:
            value = x[trees.feature[node]]
            left = bool(trees.missing_left[node]) if math.isnan(value) else value <= trees.threshold[node]
            node = trees.left[node] if left else trees.right[node]
        total += trees.value[node]
    return total


@pytest.mark.parametrize("n_trees", [1, 7, 8, 9, 23])
def test_equals_a_plain_walk_on_random_trees(n_trees):
    rng = np.random.default_rng(n_trees)
    trees = random_trees(rng, n_trees, 4)
    hot = to_hot(trees, [2, 0, 3, 1], meta_for(4, 0.25))
    for _ in range(60):
        f = rng.choice([np.nan, np.inf, -np.inf, 0.0, rng.normal(), rng.normal()], size=4)
        assert predict_raw_nb(hot, f) == walk(trees, 0.25, f[[2, 0, 3, 1]])


def test_trees_may_stand_in_any_order():
    """Two stumps whose nodes are mixed; the second root stands first."""
    trees = TreeArrays(
        feature=np.zeros(6, "<i4"),
        threshold=np.array([1.0, 2.0, 0, 0, 0, 0], "<f8"),
        left=np.array([3, 2, -1, -1, -1, -1], "<i4"),
        right=np.array([5, 4, -1, -1, -1, -1], "<i4"),
        value=np.array([0, 0, 10.0, 1.0, 20.0, 2.0], "<f8"),
        missing_left=np.array([0, 1, 0, 0, 0, 0], "|u1"),
        roots=np.array([1, 0], "<i4"),
    )
    hot = to_hot(trees, [0], meta_for(1, 100.0))
    got = [predict_raw_nb(hot, np.array([x])) for x in (0.0, 1.5, 2.5, np.nan)]
    assert got == [111.0, 112.0, 122.0, 112.0]


def test_no_model_abstains():
    none = empty_model()
    out = np.array([9.0, 9.0])
    f = np.ones(3)
    assert math.isnan(predict_raw_nb(none, f))
    assert math.isnan(ml_step_nb(none, f, out))
    assert out.tolist() == [0.0, 0.0]


def test_extreme_scores_stay_probabilities():
    for baseline, p in ((1000.0, 1.0), (-1000.0, 0.0)):
        hot = to_hot(random_trees(np.random.default_rng(0), 1, 1), [0], meta_for(1, baseline))
        with np.errstate(over="ignore"):  # plain numpy warns where the compiled form does not
            assert predict_proba_nb(hot, np.zeros(1)) == p


@pytest.mark.parametrize(
    ("p", "bounds", "scale", "expected"),
    [
        (0.55, (0.5, 0.5), 0.1, (1.0, 0.5)),
        (0.45, (0.5, 0.5), 0.1, (-1.0, 0.5)),
        (0.9, (0.5, 0.5), 0.1, (1.0, 1.0)),
        (0.5, (0.5, 0.5), 0.1, (0.0, 0.0)),
        (0.55, (0.4, 0.6), 0.1, (0.0, 0.0)),
        (0.45, (0.4, 0.6), 0.1, (0.0, 0.0)),
        (0.39, (0.4, 0.6), 0.2, (-1.0, 0.55)),
        (math.nan, (0.5, 0.5), 0.1, (0.0, 0.0)),
        (1.5, (0.5, 0.5), 0.1, (0.0, 0.0)),
        (-0.1, (0.5, 0.5), 0.1, (0.0, 0.0)),
        (0.9, (0.5, 0.5), 0.0, (0.0, 0.0)),
        (0.9, (0.5, 0.5), math.nan, (0.0, 0.0)),
        (0.45, (0.3, 0.4), 0.1, (0.0, 0.0)),  # senseless bounds never turn a fall into a rise
    ],
)
def test_signal(p, bounds, scale, expected):
    for form in (ml_signal_nb, getattr(ml_signal_nb, "py_func", ml_signal_nb)):
        out = np.full(2, 7.0)
        form(p, bounds[0], bounds[1], scale, out)
        assert out == pytest.approx(expected, abs=1e-12)


def test_step_is_predict_then_signal():
    model, X = fitted(5)
    trees, baseline = export_trees(model)
    hot = to_hot(trees, list(range(6)), meta_for(6, baseline, scale=0.3, p_lo=0.45, p_hi=0.55))
    for f in X[:50]:
        out, expected = np.zeros(2), np.zeros(2)
        p = ml_step_nb(hot, f, out)
        ml_signal_nb(p, 0.45, 0.55, 0.3, expected)
        assert p == predict_proba_nb(hot, f)
        assert out.tolist() == expected.tolist()


def test_export_refuses_what_the_hot_plane_does_not_know():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(300, 2)).astype(float)
    make = sklearn.HistGradientBoostingClassifier
    with pytest.raises(CallerError, match="two classes"):
        export_trees(make(max_iter=2).fit(X, np.arange(300) % 3))
    with pytest.raises(CallerError, match="categorical"):
        export_trees(make(max_iter=2, categorical_features=[0]).fit(X, X[:, 0] % 2))
