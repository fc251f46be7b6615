"""Prediction of the ML side: parity with scikit-learn first, then the time of one prediction.

    python benchmarks/bench_trees.py

100 trees of depth 6 over 50 features, 1 % of the values missing. Times are the best of several passes on
one core.
"""

import time

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from bot4.kernels.jit_nb import kernel
from bot4.learning.export import export_trees
from bot4.signals.ml.artifact import ModelMeta, to_hot
from bot4.signals.ml.trees_nb import predict_raw_nb

COLUMNS, ROWS = 50, 20_000


@kernel
def run(model, rows, out):
    for i in range(rows.shape[0]):
        out[i] = predict_raw_nb(model, rows[i])


def best(call, passes=7):
    times = []
    for _ in range(passes):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(ROWS, COLUMNS))
    y = rows[:, 0] * rows[:, 1] + 0.3 * rows[:, 2:8].sum(axis=1) + 2 * rng.normal(size=ROWS) > 0
    rows[rng.random(rows.shape) < 0.01] = np.nan
    estimator = HistGradientBoostingClassifier(
        max_depth=6, max_iter=100, learning_rate=0.05, early_stopping=False, random_state=7
    ).fit(rows, y)
    trees, baseline = export_trees(estimator)
    names = [f"x{i}" for i in range(COLUMNS)]
    meta = ModelMeta(
        features=names,
        timeframe_ns=1,
        horizon_bars=1,
        label="",
        baseline=baseline,
        scale=0.1,
        data_hash="",
        train_from=0,
        train_to=0,
        rows=ROWS,
        seed=7,
        library="",
        created_by="",
        report={},
    )
    model = to_hot(trees, list(range(COLUMNS)), meta)
    out = np.zeros(ROWS)
    run(model, rows, out)
    same = np.array_equal(out, estimator.decision_function(rows))
    print(f"parity: {'bit for bit' if same else 'BROKEN'} on {ROWS} rows, {len(trees.feature)} nodes")
    if not same:
        raise SystemExit(1)
    ours = best(lambda: run(model, rows, out)) / ROWS
    batch = best(lambda: estimator.decision_function(rows), 3) / ROWS
    single = best(lambda: estimator.decision_function(rows[:1]), 20)
    for name, seconds in (
        ("bot4, one row after the other", ours),
        ("scikit-learn, all rows at once", batch),
        ("scikit-learn, a call a row", single),
    ):
        print(f"{name:32} {seconds * 1e9:9.0f} ns a prediction {seconds / ours:8.1f} x")


if __name__ == "__main__":
    main()
