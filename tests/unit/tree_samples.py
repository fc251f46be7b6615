"""Small models for the tests of `signals.ml`."""

import numpy as np

from bot4.signals.ml.artifact import ModelMeta, TreeArrays


def meta_for(n_columns, baseline, **changes):
    base = {
        "features": [f"x{i}" for i in range(n_columns)],
        "timeframe_ns": 60,
        "horizon_bars": 3,
        "label": "close 3 bars later is higher",
        "baseline": baseline,
        "scale": 0.1,
        "data_hash": "h",
        "train_from": 1,
        "train_to": 2,
        "rows": 3,
        "seed": 7,
        "library": "scikit-learn",
        "created_by": "test",
        "report": {},
    }
    return ModelMeta(**(base | changes))


def random_trees(rng, n_trees, columns):
    """Trees of random shape, some of one leaf; infinite thresholds among them (a split on missing alone)."""
    feature, threshold, left, right, value, missing, roots = [], [], [], [], [], [], []

    def grow(level):
        node = len(feature)
        for column in (feature, threshold, left, right, value, missing):
            column.append(0)
        if level == 0 or rng.random() < 0.3:
            left[node] = right[node] = -1
            value[node] = rng.normal()
            return node
        feature[node] = int(rng.integers(columns))
        threshold[node] = float(rng.choice([rng.normal(), np.inf, -np.inf, 0.0]))
        missing[node] = int(rng.integers(2))
        left[node] = grow(level - 1)
        right[node] = grow(level - 1)
        return node

    for _ in range(n_trees):
        roots.append(grow(int(rng.integers(0, 7))))
    types = ("<i4", "<f8", "<i4", "<i4", "<f8", "|u1", "<i4")
    lists = (feature, threshold, left, right, value, missing, roots)
    return TreeArrays(*(np.array(a, t) for a, t in zip(lists, types, strict=True)))
