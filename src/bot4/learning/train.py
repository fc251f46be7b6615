"""Train the model of the ML side, and say honestly what it is worth.

A gradient-boosted classifier (scikit-learn) learns whether the close is higher `horizon_bars` later. Its
worth is measured by purged walk-forward validation only; the model that is handed out is then fitted on
all rows. The same data, settings and library give the same model: a fixed seed, no early stopping, one
thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bot4.learning import leaks
from bot4.learning.dataset import Array, Bars, Dataset, FeatureFunction, build, data_hash, make_bars
from bot4.learning.engine_features import FEATURE_NAMES, engine_features
from bot4.learning.export import export_trees
from bot4.learning.scores import Expectancy, Scores, calibration_slope, expectancy, independent_count, scores
from bot4.learning.splits import Split, walk_forward
from bot4.model.errors import CallerError, MissingExtra
from bot4.signals.ml.artifact import ModelMeta, save_model

Progress = Callable[[int, int, str], None]

EMBARGO_BARS = 200
"""Default distance between training labels and the test block: longer than the longest look-back of the
features, and 7 days of hourly bars are 168."""

SUSPICIOUS = 0.55
"""Above this accuracy out of sample, look for a leak before believing it: 55 % on five-minute bars would
already be an information ratio above 30."""

_CAUSAL_BARS = 2000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to train. `cost` is a round trip (fees, spread, slippage) as a fraction of notional."""

    timeframe_ns: int
    horizon_bars: int = 15
    max_rows: int = 400_000
    folds: int = 5
    embargo_bars: int = EMBARGO_BARS
    seed: int = 7
    cost: float = 0.002
    iterations: int = 100
    depth: int = 6
    learning_rate: float = 0.05

    def __post_init__(self) -> None:
        for name in ("timeframe_ns", "horizon_bars", "max_rows", "folds", "iterations", "depth"):
            if getattr(self, name) < 1:
                raise CallerError(f"{name} must be 1 or more")
        if self.embargo_bars < 0 or self.seed < 0 or self.cost < 0 or not self.learning_rate > 0:
            raise CallerError(
                "embargo_bars, seed and cost must not be negative, learning_rate must be positive"
            )


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """One test block and its scores. Times are ns UTC."""

    train_rows: int
    test_rows: int
    purged: int
    test_from: int
    test_to: int
    test: Scores
    train_balanced: float
    gap: float  # balanced accuracy in training minus in test


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured out of sample, and what to make of it."""

    rows: int
    columns: list[str]
    stride: int
    notes: list[str]
    rise_share: float
    folds: list[Fold]
    mean: Scores
    std: Scores  # between folds; 0 for one fold
    gap: float  # mean train-test gap
    dispersion: float  # largest minus smallest balanced accuracy of the folds
    independent: int  # test labels that do not overlap
    chance_band: float  # two standard errors of balanced accuracy by chance
    shuffled_balanced: float  # the same pipeline on permuted labels, last fold
    shuffled_band: float  # two standard errors of that
    calibration_slope: float
    scale: float  # 95th percentile of |p - 0.5| out of fold
    cost: float
    every: Expectancy  # acting on every prediction
    confident: Expectancy  # acting on the surest tenth, bound taken from earlier folds
    suspicious: bool
    verdict: str


class Trained(NamedTuple):
    """A fitted estimator, its report, and what it was fitted on."""

    estimator: Any
    report: Report
    data: Dataset
    settings: Settings


def train(
    ts: Array,
    o: Array,
    h: Array,
    l: Array,  # noqa: E741
    c: Array,
    v: Array,
    *,
    settings: Settings,
    progress: Progress | None = None,
    features: FeatureFunction = engine_features,
    names: tuple[str, ...] = FEATURE_NAMES,
    known_at: Array | None = None,
) -> Trained:
    """Validate walk-forward, then fit on all rows.

    `ts` open times i8 ns UTC ascending, the rest f8. `known_at` (i8 ns, one a bar) says when a bar was
    really available, if later than its close it is refused. `progress(done, total, text)` is called
    before every step and at the end. LookAheadError if a leak is found, DataError or CallerError if the
    history does not suffice, MissingExtra without scikit-learn.
    """
    classifier()
    bars = make_bars(ts, o, h, l, c, v)
    tell = _Steps(progress, settings.folds + 4)
    if known_at is not None:
        leaks.refuse(leaks.known_at_leaks(known_at, bars.ts + settings.timeframe_ns))
    tell("features and labels")
    data = build(
        bars,
        features,
        names,
        timeframe_ns=settings.timeframe_ns,
        horizon_bars=settings.horizon_bars,
        max_rows=settings.max_rows,
    )
    if data.y.min() == data.y.max():
        raise CallerError("every label is the same: the market only rose, or never rose; use more data")
    tell("search for leaks")
    embargo = settings.embargo_bars * settings.timeframe_ns
    splits = walk_forward(data.t0, data.t1, folds=settings.folds, embargo_ns=embargo)
    _refuse_leaks(bars, data, splits, embargo, features, names)
    folds, out = [], np.full(len(data.y), np.nan)
    for k, split in enumerate(splits):
        tell(f"fold {k + 1} of {len(splits)}: {len(split.train)} rows")
        fold, out[split.test] = _one_fold(data, split, settings)
        folds.append(fold)
    tell("control: the same with permuted labels")
    shuffled = shuffled_control(data, splits[-1], settings)
    tell(f"final fit: {len(data.y)} rows")
    estimator = fit(data.X, data.y, settings, data.overlap)
    report = _report(data, splits, folds, out, shuffled, settings)
    tell("done")
    return Trained(estimator, report, data, settings)


def train_to_dir(
    folder: Path,
    bars: Bars,
    *,
    settings: Settings,
    created_by: str,
    progress: Progress | None = None,
    features: FeatureFunction = engine_features,
    names: tuple[str, ...] = FEATURE_NAMES,
    known_at: Array | None = None,
) -> tuple[ModelMeta, Report]:
    """Train and write the artefact into `folder`; the meta as written and the report.

    `created_by`: the command that trains, for the record. The same bars, settings and library give the
    same files.
    """
    bars = make_bars(*bars)
    done = train(
        *bars, settings=settings, progress=progress, features=features, names=names, known_at=known_at
    )
    trees, baseline = export_trees(done.estimator)
    version = classifier()[1]
    meta = ModelMeta(
        features=list(done.data.names),
        timeframe_ns=settings.timeframe_ns,
        horizon_bars=settings.horizon_bars,
        label=f"close {settings.horizon_bars} bars later is higher",
        baseline=baseline,
        scale=done.report.scale,
        data_hash=data_hash(bars),
        train_from=int(done.data.t0[0]),
        train_to=int(done.data.t1[-1]),
        rows=len(done.data.y),
        seed=settings.seed,
        library=f"scikit-learn {version}",
        created_by=created_by,
        report=as_plain(done.report) | {"settings": msgspec.to_builtins(settings)},
    )
    return save_model(folder, trees, meta), done.report


def as_plain(report: Report) -> dict[str, Any]:
    """The report as dicts and lists, for JSON and tables; what could not be measured is None."""
    plain: dict[str, Any] = _plain(report)
    return plain


def classifier() -> tuple[Any, str]:
    """The estimator class and the library's version; MissingExtra without scikit-learn."""
    try:
        import sklearn
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        raise MissingExtra("scikit-learn", "ml") from None
    return HistGradientBoostingClassifier, str(sklearn.__version__)


def fit(X: Array, y: Array, settings: Settings, overlap: int = 1) -> Any:
    """A fitted classifier; `overlap` is how many consecutive rows share a label's time.

    A leaf holds at least 20 labels that do not overlap (as far as a twentieth of the rows allows):
    neighbours whose horizons overlap are nearly one observation. One thread: sums of floats in several
    threads would depend on their number.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if y.min() == y.max():
        raise CallerError(
            "every training label is the same: the market only rose, or never rose; use more data"
        )
    estimator = classifier()[0](
        max_depth=settings.depth,
        max_iter=settings.iterations,
        learning_rate=settings.learning_rate,
        min_samples_leaf=max(20, min(20 * overlap, len(y) // 20)),
        early_stopping=False,
        random_state=settings.seed,
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        return estimator.fit(X, y)


def shuffled_control(data: Dataset, split: Split, settings: Settings) -> float:
    """Balanced accuracy of the same pipeline on labels permuted over all rows (from the seed).

    Near 0.5 in a sound pipeline: permuted labels cannot be known from features. If features were made from
    the labels, or test rows stood in training, it would not be.
    """
    y = data.y[permutation(len(data.y), settings.seed)]
    p = _proba(fit(data.X[split.train], y[split.train], settings, data.overlap), data.X[split.test])
    return scores(p, y[split.test], 0).balanced


def permutation(n: int, seed: int) -> Array:
    """A permutation of 0..n-1 from an integer seed: argsort of splitmix64 keys (Steele, Lea, Flood 2014)."""
    z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed * 2**32 % 2**64)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(z ^ (z >> np.uint64(31)), kind="stable")


class _Steps:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, text: str) -> None:
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total, text)
        self._done += 1


def _proba(estimator: Any, X: Array) -> Array:
    return np.asarray(estimator.predict_proba(X)[:, 1])


def _refuse_leaks(
    bars: Bars,
    data: Dataset,
    splits: list[Split],
    embargo_ns: int,
    features: FeatureFunction,
    names: tuple[str, ...],
) -> None:
    found = leaks.column_leaks(data.X, data.names, data.y, data.ret)
    found += leaks.split_leaks(splits, data.t0, data.t1, embargo_ns)
    found += leaks.causality_leaks(features, [a[:_CAUSAL_BARS] for a in bars], names)
    leaks.refuse(found)


def _one_fold(data: Dataset, split: Split, settings: Settings) -> tuple[Fold, Array]:
    y = data.y[split.train]
    estimator = fit(data.X[split.train], y, settings, data.overlap)
    p = _proba(estimator, data.X[split.test])
    major = int(2 * int(y.sum()) > len(y))
    test = scores(p, data.y[split.test], major)
    trained = scores(_proba(estimator, data.X[split.train]), y, major).balanced
    fold = Fold(
        train_rows=len(split.train),
        test_rows=len(split.test),
        purged=split.purged,
        test_from=int(data.t0[split.test[0]]),
        test_to=int(data.t1[split.test[-1]]),
        test=test,
        train_balanced=trained,
        gap=trained - test.balanced,
    )
    return fold, p


def _report(
    data: Dataset, splits: list[Split], folds: list[Fold], out: Array, shuffled: float, settings: Settings
) -> Report:
    table = np.array([fold.test for fold in folds])
    mean, std = Scores(*table.mean(axis=0).tolist()), Scores(*table.std(axis=0).tolist())
    at = np.concatenate([split.test for split in splits])
    independent = independent_count(data.t0[at], data.t1[at])
    band = 2.0 * 0.5 / float(np.sqrt(independent))
    every = expectancy(out[at], data.ret[at], data.t0[at], data.t1[at], cost=settings.cost)
    return Report(
        rows=len(data.y),
        columns=list(data.names),
        stride=data.stride,
        notes=list(data.notes),
        rise_share=float(np.mean(data.y)),
        folds=folds,
        mean=mean,
        std=std,
        gap=float(np.mean([fold.gap for fold in folds])),
        dispersion=float(table[:, 1].max() - table[:, 1].min()),
        independent=independent,
        chance_band=band,
        shuffled_balanced=shuffled,
        shuffled_band=1.0 / float(np.sqrt(len(splits[-1].test))),
        calibration_slope=calibration_slope(out[at], data.y[at]),
        scale=max(float(np.quantile(np.abs(out[at] - 0.5), 0.95)), 1e-6),
        cost=settings.cost,
        every=every,
        confident=_confident(data, splits, out, settings),
        suspicious=mean.accuracy > SUSPICIOUS or mean.balanced > SUSPICIOUS,
        verdict=_verdict(mean, band, every, shuffled, 1.0 / float(np.sqrt(len(splits[-1].test)))),
    )


def _confident(data: Dataset, splits: list[Split], out: Array, settings: Settings) -> Expectancy:
    """Acting on the surest tenth.

    The bound of a fold comes from the folds before it; the first has none and is left out.
    """
    least = np.full(len(out), np.inf)
    for k in range(1, len(splits)):
        earlier = np.concatenate([split.test for split in splits[:k]])
        least[splits[k].test] = np.quantile(np.abs(out[earlier] - 0.5), 0.9)
    at = np.concatenate([split.test for split in splits])
    return expectancy(out[at], data.ret[at], data.t0[at], data.t1[at], cost=settings.cost, least=least[at])


def _verdict(mean: Scores, band: float, every: Expectancy, shuffled: float, shuffled_band: float) -> str:
    if not abs(shuffled - 0.5) <= 1.5 * shuffled_band:
        return (
            f"do not use: on permuted labels it scores {shuffled:.1%} where 50 % is due; the pipeline leaks"
        )
    edge = f"balanced accuracy {mean.balanced:.1%}; chance is 50 % give or take {band:.1%}"
    if not mean.balanced > 0.5 + band:
        return f"no better than chance: {edge}"
    parts = [f"better than chance: {edge}"]
    if every.net > 2 * every.net_error:
        parts.append(f"gains {every.net:.3%} a trade after costs")
    elif every.net > 0:
        parts.append(f"{every.net:.3%} a trade after costs, which is not distinguishable from nothing")
    else:
        parts.append(f"yet it loses {-every.net:.3%} a trade after costs")
    if mean.log_loss > math.log(2.0):
        parts.append(f"its probabilities are too sure: log loss {mean.log_loss:.4f} where a coin has 0.6931")
    if mean.accuracy > SUSPICIOUS or mean.balanced > SUSPICIOUS:
        parts.append(f"suspiciously good (above {SUSPICIOUS:.0%}): look for a leak before believing it")
    return "; ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
