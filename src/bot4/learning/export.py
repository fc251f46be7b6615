"""From a fitted scikit-learn estimator to plain arrays of trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.model.errors import CallerError
from bot4.signals.ml.artifact import TreeArrays


def export_trees(estimator: Any) -> tuple[TreeArrays, float]:
    """The trees of a fitted binary HistGradientBoostingClassifier, and its baseline raw score.

    CallerError for several classes or categorical splits, which the hot plane does not know.
    """
    if estimator.n_trees_per_iteration_ != 1:
        raise CallerError("only two classes can be exported")
    nodes = [stage[0].nodes for stage in estimator._predictors]
    sizes = [len(tree) for tree in nodes]
    roots = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype("<i4")
    flat = np.concatenate(nodes)
    if flat["is_categorical"].any():
        raise CallerError("trees with categorical splits cannot be exported")
    base = np.repeat(roots, sizes)
    leaf = flat["is_leaf"].astype(bool)
    trees = TreeArrays(
        feature=np.where(leaf, 0, flat["feature_idx"]).astype("<i4"),
        threshold=np.where(leaf, 0.0, flat["num_threshold"]).astype("<f8"),
        left=np.where(leaf, -1, base + flat["left"].astype(np.int64)).astype("<i4"),
        right=np.where(leaf, -1, base + flat["right"].astype(np.int64)).astype("<i4"),
        value=np.where(leaf, flat["value"], 0.0).astype("<f8"),
        missing_left=np.where(leaf, 0, flat["missing_go_to_left"]).astype("|u1"),
        roots=roots,
    )
    return trees, float(estimator._baseline_prediction[0, 0])
