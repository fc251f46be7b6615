"""Training: finds what is there, does not find what is not, repeats exactly, refuses leaks."""

import itertools
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from market_samples import HOUR, bars_of, noise, past_returns, planted
from tree_samples import meta_for

from bot4.learning import train as training
from bot4.learning.dataset import MODEL_FEATURES, Bars
from bot4.learning.engine_features import FEATURE_NAMES, engine_features
from bot4.learning.export import export_trees
from bot4.learning.train import Settings, as_plain, permutation, train, train_to_dir
from bot4.model.errors import CallerError, DataError, LookAheadError, MissingExtra
from bot4.signals.ml.artifact import load_model, to_hot
from bot4.signals.ml.trees_nb import predict_proba_nb, predict_raw_nb

pytest.importorskip("sklearn")

SMALL = Settings(timeframe_ns=HOUR, horizon_bars=3, folds=3, embargo_bars=30, iterations=40, depth=4)
INJECTED = {"features": past_returns, "names": MODEL_FEATURES}
INDEX = {name: i for i, name in enumerate(FEATURE_NAMES)}


@pytest.fixture(scope="module")
def on_planted():
    return train(*planted(11, 8000), settings=SMALL, **INJECTED)


@pytest.fixture(scope="module")
def on_noise():
    return train(*noise(5, 16_000), settings=msgspec.structs.replace(SMALL, horizon_bars=1), **INJECTED)


def test_a_planted_signal_is_found(on_planted):
    report = on_planted.report
    assert report.mean.balanced > 0.55
    assert report.mean.accuracy > report.mean.majority + 0.05
    assert report.mean.auc > 0.55
    assert report.mean.brier < 0.25
    assert report.every.gross > 0.002
    assert report.verdict.startswith("better than chance")
    assert report.suspicious
    assert "look for a leak" in report.verdict
    assert report.gap == pytest.approx(np.mean([f.train_balanced - f.test.balanced for f in report.folds]))
    scores = [f.test.balanced for f in report.folds]
    assert report.dispersion == pytest.approx(max(scores) - min(scores))


def test_noise_stays_noise(on_noise):
    report = on_noise.report
    assert abs(report.mean.balanced - 0.5) < 0.015
    assert abs(report.mean.auc - 0.5) < 0.02
    assert report.verdict.startswith("no better than chance")
    assert not report.suspicious
    assert report.every.net < 0
    assert abs(report.calibration_slope) < 0.4


def test_permuted_labels_are_at_chance(on_planted, on_noise):
    for done in (on_planted, on_noise):
        assert abs(done.report.shuffled_balanced - 0.5) < 1.5 * done.report.shuffled_band


def test_folds_are_purged_and_in_order(on_planted):
    folds = on_planted.report.folds
    assert [f.purged for f in folds] == [33] * 3  # 30 of embargo, 3 of horizon
    assert all(a.test_from < b.test_from for a, b in itertools.pairwise(folds))
    assert [f.train_rows for f in folds] == sorted(f.train_rows for f in folds)


def test_reload_predicts_the_same_and_the_artefact_repeats(tmp_path):
    bars = planted(3, 1500)
    quick = msgspec.structs.replace(SMALL, iterations=9, folds=2)
    made = [
        train_to_dir(tmp_path / name, bars, settings=quick, created_by="bot4 train", **INJECTED)[0]
        for name in ("a", "b")
    ]
    assert made[0] == made[1]
    for name in ("model.json", "trees.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    done = train(*bars, settings=quick, **INJECTED)
    hot, meta = load_model(tmp_path / "a", {name: i for i, name in enumerate(MODEL_FEATURES)})
    rows = done.data.X[:300]
    assert np.array_equal([predict_raw_nb(hot, x) for x in rows], done.estimator.decision_function(rows))
    assert meta.report["verdict"] == done.report.verdict
    assert meta.report["folds"][0]["test"]["balanced"] == done.report.folds[0].test.balanced
    assert meta.report["settings"] == msgspec.to_builtins(quick)
    assert (meta.created_by, meta.seed, meta.rows) == ("bot4 train", 7, len(done.data.y))
    other = bars._replace(v=bars.v * 2)
    changed, _ = train_to_dir(tmp_path / "c", other, settings=quick, created_by="x", **INJECTED)
    assert changed.data_hash != meta.data_hash


def test_the_seed_moves_the_control_only():
    order = permutation(500, 7)
    assert sorted(order.tolist()) == list(range(500))
    assert not np.array_equal(order, permutation(500, 8))
    assert np.array_equal(order, permutation(500, 7))
    assert abs(np.corrcoef(order, np.arange(500))[0, 1]) < 0.15


def test_progress_counts_up_to_the_end():
    seen = []
    train(
        *planted(3, 900),
        settings=msgspec.structs.replace(SMALL, iterations=2, folds=2),
        progress=lambda done, total, text: seen.append((done, total, text)),
        **INJECTED,
    )
    assert [done for done, _, _ in seen] == list(range(7))
    assert {total for _, total, _ in seen} == {6}
    assert seen[-1] == (6, 6, "done")
    assert seen[2][2].startswith("fold 1 of 2")


def future(ts, o, h, low, c, v):
    out = past_returns(ts, o, h, low, c, v)
    out[:-3, 4] = np.log(c[3:] / c[:-3])
    return out


def normalised(ts, o, h, low, c, v):
    out = past_returns(ts, o, h, low, c, v)
    out[:, 4] = (c - c.min()) / (c.max() - c.min())
    return out


@pytest.mark.parametrize(
    ("features", "message"), [(future, "column: natr_14"), (normalised, "causality: natr_14")]
)
def test_leaks_stop_training(features, message):
    with pytest.raises(LookAheadError, match=message):
        train(*planted(3, 900), settings=SMALL, features=features, names=MODEL_FEATURES)


def test_backfilled_bars_stop_training():
    bars = planted(3, 900)
    known = bars.ts + HOUR
    quick = msgspec.structs.replace(SMALL, iterations=1, folds=1)
    assert train(*bars, settings=quick, known_at=known, **INJECTED).report.folds
    known[500] += 1
    with pytest.raises(LookAheadError, match="known_at: 1 rows"):
        train(*bars, settings=quick, known_at=known, **INJECTED)


def test_a_pipeline_that_knows_permuted_labels_is_not_to_be_used(on_planted):
    """If the control scores, the verdict says so, whatever the rest looks like."""
    report = on_planted.report
    verdict = training._verdict(report.mean, report.chance_band, report.every, 0.58, 0.02)
    assert verdict.startswith("do not use")


def test_verdicts_about_money(on_planted):
    report = on_planted.report
    expect = {
        (0.004, 0.001): "gains 0.400% a trade after costs",
        (0.0004, 0.001): "not distinguishable from nothing",
        (-0.001, 0.001): "loses 0.100% a trade after costs",
    }
    for (net, error), words in expect.items():
        every = report.every._replace(net=net, net_error=error)
        assert words in training._verdict(report.mean, 0.01, every, 0.5, 0.02)
    assert "too sure" not in report.verdict
    sure = report.mean._replace(log_loss=0.7)
    assert "too sure: log loss 0.7000" in training._verdict(sure, 0.01, report.every, 0.5, 0.02)


def test_one_sided_markets_and_wrong_settings_are_refused():
    up = planted(3, 600)
    rising = Bars(up.ts, *[100 + np.arange(600.0)] * 4, up.v)
    with pytest.raises(CallerError, match="only rose"):
        train(*rising, settings=SMALL, **INJECTED)
    with pytest.raises(DataError):
        train(*[a[:2] for a in up], settings=SMALL, **INJECTED)
    with pytest.raises(CallerError, match="horizon_bars"):
        Settings(timeframe_ns=1, horizon_bars=0)
    with pytest.raises(CallerError, match="cost"):
        Settings(timeframe_ns=1, cost=-0.1)


def test_a_fold_that_saw_one_side_only_is_refused():
    """Up for the whole first block, then noise: the first fold has nothing to tell apart."""
    returns = np.random.default_rng(1).normal(size=900) * 0.01
    returns[:260] = np.abs(returns[:260])
    with pytest.raises(CallerError, match="every training label"):
        train(*bars_of(returns), settings=SMALL, **INJECTED)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"bot4\[ml\]"):
        train(*noise(1, 100), settings=SMALL, **INJECTED)


def test_the_report_is_plain_data(on_planted):
    plain = as_plain(on_planted.report)
    assert msgspec.json.decode(msgspec.json.encode(plain)) == plain
    assert set(plain["mean"]) == {"accuracy", "balanced", "auc", "log_loss", "brier", "majority"}


def shared():
    root = Path(__file__).parents[2]
    folders = [os.environ.get("BOT4_SHARED", ""), root / "../shared", root / "../../shared"]
    paths = [Path(folder) / "data/ohlcv/binance_spot_1h/BTC_USDT.parquet" for folder in folders if folder]
    return next((path for path in paths if path.exists()), None)


def real_bars(n):
    pl = pytest.importorskip("polars")
    path = shared()
    if path is None:
        pytest.skip("recorded bars are absent: set BOT4_SHARED to the folder that holds data/")
    frame = pl.read_parquet(path).tail(n)
    ts = frame["ts"].dt.epoch("ns").to_numpy()
    return Bars(
        ts, *[frame[k].cast(pl.Float64).to_numpy() for k in ("open", "high", "low", "close", "volume")]
    )


def parity(bars):
    """Train on the engine's features; every bar's row, warm-up NaNs included, must give the same answer."""
    quick = msgspec.structs.replace(SMALL, iterations=20, folds=2)
    done = train(*bars, settings=quick)
    trees, baseline = export_trees(done.estimator)
    rows = engine_features(*bars)
    rows[::7, INDEX["rsi_14"]] = np.nan
    columns = [INDEX[name] for name in done.data.names]
    hot = to_hot(trees, columns, meta_for(len(columns), baseline))
    some = rows[:: max(1, len(rows) // 300)]
    assert np.isnan(rows[0]).any()
    expected = done.estimator.decision_function(some[:, columns])
    assert np.array_equal([predict_raw_nb(hot, f) for f in some], expected)
    proba = [predict_proba_nb(hot, f) for f in some]
    assert np.allclose(proba, done.estimator.predict_proba(some[:, columns])[:, 1], rtol=0, atol=1e-12)


def test_inference_parity_on_generated_bars():
    parity(planted(9, 700))


def test_inference_parity_on_recorded_bars():
    parity(real_bars(900))
