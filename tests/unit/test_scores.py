"""Scores against scikit-learn and by hand."""

import math

import numpy as np
import pytest

from bot4.learning.scores import calibration_slope, expectancy, independent_count, scores


def test_scores_equal_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 400)
    p = np.clip(0.4 * y + rng.random(400) * 0.6, 0.001, 0.999)
    got = scores(p, y, 1)
    said = p > 0.5
    assert got.accuracy == pytest.approx(metrics.accuracy_score(y, said))
    assert got.balanced == pytest.approx(metrics.balanced_accuracy_score(y, said))
    assert got.auc == pytest.approx(metrics.roc_auc_score(y, p))
    assert got.log_loss == pytest.approx(metrics.log_loss(y, p))
    assert got.brier == pytest.approx(metrics.brier_score_loss(y, p))
    assert got.majority == y.mean()
    assert scores(p, y, 0).majority == pytest.approx(1 - y.mean())


def test_one_class_has_no_balanced_accuracy_and_certainty_stays_finite():
    got = scores(np.array([0.0, 1.0]), np.array([1, 1]), 1)
    assert math.isnan(got.balanced)
    assert math.isnan(got.auc)
    assert math.isfinite(got.log_loss)


def test_expectancy_by_hand():
    """Horizon 2: the trade of row 0 blocks row 1; a trade may begin when the other ends."""
    t0 = np.arange(6)
    p = np.array([0.6, 0.9, 0.3, 0.5, 0.45, 0.7])
    ret = np.array([0.01, -0.5, -0.02, 0.3, 0.01, 0.03])
    got = expectancy(p, ret, t0, t0 + 2, cost=0.002)
    assert got.trades == 3  # rows 0, 2, 4
    assert got.gross == pytest.approx((0.01 + 0.02 - 0.01) / 3)
    assert got.net == pytest.approx(got.gross - 0.002)
    assert got.net_error == pytest.approx(np.std([0.01, 0.02, -0.01], ddof=1) / math.sqrt(3))
    assert got.hit_rate == pytest.approx(2 / 3)
    sure = expectancy(p, ret, t0, t0 + 2, cost=0.0, least=np.array([1, 0.3, 1, 1, 1, 0.1]))
    assert sure.trades == 2  # row 1 until 3, then row 5
    assert expectancy(p, ret, t0, t0 + 2, cost=0.0, least=0.35).trades == 1
    none = expectancy(p, ret, t0, t0 + 2, cost=0.0, least=0.9)
    assert none.trades == 0
    assert math.isnan(none.net)
    assert math.isnan(expectancy(p[:1], ret[:1], t0[:1], t0[:1] + 2, cost=0.0).net_error)


def test_calibration_slope():
    rng = np.random.default_rng(2)
    p = rng.random(200_000)
    y = rng.random(200_000) < p
    assert calibration_slope(p, y) == pytest.approx(1.0, abs=0.01)
    assert calibration_slope(p, rng.random(200_000) < 0.5) == pytest.approx(0.0, abs=0.01)
    assert calibration_slope(np.full(4, 0.5), np.ones(4)) == 0.0


def test_independent_count():
    t0 = np.arange(31)
    assert independent_count(t0, t0 + 15) == 3  # 0-15, 15-30, 30-45
    assert independent_count(np.array([0, 1, 2]), np.array([100, 2, 3])) == 2
