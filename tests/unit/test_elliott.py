"""Elliott counts: planted figures are found, broken rules are not, nothing is told early."""

import numpy as np
import pytest

from bot4.features.elliott import DEGREE_NAMES, KIND_NAMES, past_counts, standing_counts, waves_of
from bot4.features.elliott_nb import KEPT
from bot4.features.elliott_rules_nb import guide_nb, pivots_of_nb
from bot4.features.library import get
from bot4.features.plan import run_feature
from helpers.planted import broken_impulse, elliott_rows, impulse_points, walk

ELLIOTT = get("elliott")
COLUMN = {o.name: k for k, o in enumerate(ELLIOTT.declaration.outputs)}


def counts_at(rows: np.ndarray, at: np.ndarray):
    """Counts of the smallest degree that end at the last planted point."""
    state = ELLIOTT.new_state()
    run_feature(ELLIOTT, rows, state)
    return [p for p in past_counts(state) if p.degree == "subminuette" and p.last_bar == at[-1]]


def share_found(side: int, n: int) -> float:
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(n):
        rows, at = elliott_rows(impulse_points(rng), side, rng)
        told = counts_at(rows, at)
        found += any(p.kind == "impulse" and p.side == side and p.first_bar == at[0] for p in told)
    return found / n


@pytest.mark.jit
@pytest.mark.parametrize("side", [1, -1])
def test_1000_planted_impulses_are_found(side):
    assert share_found(side, 1000) >= 0.95


@pytest.mark.parametrize("side", [1, -1])
def test_a_few_planted_impulses_without_the_compiler(side):
    assert share_found(side, 2) == 1.0


@pytest.mark.jit
def test_1000_with_a_rule_broken_are_no_impulses():
    rng = np.random.default_rng(12)
    rules = set()
    for k in range(1000):
        points, rule = broken_impulse(rng)
        rules.add(rule)
        rows, _ = elliott_rows(points, 1 - 2 * (k % 2), rng)
        state = ELLIOTT.new_state()
        run_feature(ELLIOTT, rows, state)
        assert all(p.kind != "impulse" for p in past_counts(state)), rule
    assert rules == {"second", "third", "fourth"}


FIGURES = {
    # points in units of the first leg, all beginning upwards
    "impulse": [0, 1, 0.4, 2.0, 1.4, 2.4],
    "contracting_diagonal": [0, 1, 0.3, 1.2, 0.75, 1.25],
    "expanding_diagonal": [0, 1, 0.3, 1.4, 0.5, 1.8],
    "zigzag": [0, 1, 0.45, 1.45],
    "flat": [0, 1, 0.05, 1.05],
    "expanded_flat": [0, 1, -0.25, 1.37],
    "double_three": [0, 1, 0.5, 1.5, 0.8, 1.8, 1.25, 2.3],
    "triple_three": [0, 1, 0.5, 1.5, 0.8, 1.8, 1.25, 2.3, 1.6, 2.6, 2.1, 3.1],
    "contracting_triangle": [0, 1, 0.35, 0.8, 0.5, 0.7],
    "expanding_triangle": [0, 0.3, -0.12, 0.48, -0.4, 0.9],
}


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_named(name, side):
    rows, at = elliott_rows(np.array(FIGURES[name], dtype=float), side, np.random.default_rng(1), unit=0.2)
    told = counts_at(rows, at)
    assert [p.kind for p in told] == [name]
    assert told[0].side == side and told[0].first_bar == at[0]
    assert pivots_of_nb(KIND_NAMES.index(name)) == len(FIGURES[name]) == len(waves_of(name)) + 1


def test_labels_stand_at_the_turning_points():
    rows, at = elliott_rows(np.array(FIGURES["impulse"]), 1, np.random.default_rng(2), unit=0.2)
    state = ELLIOTT.new_state()
    run_feature(ELLIOTT, rows, state)
    (count, *_) = standing_counts(state)
    assert [w.label for w in count.waves] == ["0", "1", "2", "3", "4", "5"]
    assert [w.bar for w in count.waves] == at.tolist()
    assert [w.price for w in count.waves] == rows[at, 3].tolist()


def test_larger_swings_are_of_larger_degree():
    degrees = []
    for unit in (0.02, 0.2):
        rows, _ = elliott_rows(np.array(FIGURES["impulse"]), 1, np.random.default_rng(3), unit=unit)
        state = ELLIOTT.new_state()
        run_feature(ELLIOTT, rows, state)
        degrees.append(max(DEGREE_NAMES.index(c.degree) for c in standing_counts(state)))
    assert degrees[0] + 3 <= degrees[1]


def test_nothing_is_told_before_the_last_pivot_is_confirmed():
    rows, at = elliott_rows(np.array(FIGURES["impulse"]), 1, np.random.default_rng(4), unit=0.2)
    out = run_feature(ELLIOTT, rows)
    assert not (out[: at[-1] + 1, COLUMN["subminuette"]] == 1.0).any()
    first = np.nonzero(out[:, COLUMN["subminuette"]] == 1.0)[0][0]
    assert rows[first, 3] <= rows[at[-1], 1] / 1.005 < rows[first - 1, 3]
    np.testing.assert_array_equal(run_feature(ELLIOTT, rows[: first + 1]), out[: first + 1])


def test_a_count_falls_beyond_its_last_pivot():
    """A bar that goes below the leg and above the pivot confirms nothing, and ends the count."""
    rows, at = elliott_rows(np.array(FIGURES["impulse"]), 1, np.random.default_rng(5), unit=0.2)
    rows = rows[: at[5] + 4].copy()
    before = run_feature(ELLIOTT, rows)[-1]
    assert before[COLUMN["subminuette"]] == 1.0 and before[COLUMN["limit"]] == rows[at[5], 1]
    rows[-1, 1] = rows[at[5], 1] * 1.0001
    after = run_feature(ELLIOTT, rows)[-1]
    assert after[COLUMN["subminuette"]] == 0.0 and np.isnan(after[COLUMN["limit"]])


def test_scores_shares_and_alternatives_are_consistent():
    out = run_feature(ELLIOTT, walk(5000, 6))
    told = out[out[:, COLUMN["confirmed"]] == 1.0]
    assert len(told) > 100
    assert (told[:, COLUMN["share"]] < 1.0).all() and (told[:, COLUMN["share"]] >= 0.0).all()
    alone = told[told[:, COLUMN["other"]] == 0.0]
    many = told[told[:, COLUMN["other"]] != 0.0]
    assert len(alone) and len(many)
    assert many[:, COLUMN["share"]].mean() < alone[:, COLUMN["share"]].max()
    side = np.sign(told[:, COLUMN["count"]])
    assert ((told[:, COLUMN["limit"]] - told[:, COLUMN["target"]]) * side > 0.0).all()


def test_history_keeps_the_last_counts_as_they_were():
    state = ELLIOTT.new_state()
    rows = walk(6000, 7)
    run_feature(ELLIOTT, rows[:5800], state)
    before = past_counts(state)
    run_feature(ELLIOTT, rows[5800:], state)
    after = past_counts(state)
    assert len(before) == len(after) == KEPT
    kept = [p for p in before if p in after]
    assert kept == list(after[: len(kept)]) and all(p.last_bar < p.confirmed_bar for p in after)


@pytest.mark.parametrize(
    ("ratio", "score"),
    [(0.5, 1.0), (0.618 * 1.03, 1.0), (0.618 * 1.33, 0.0), (0.618 * 1.18, 0.5), (0.0, 0.0)],
)
def test_guidelines_fade(ratio, score):
    assert guide_nb(ratio, 0.5, 0.618, 0.03) == pytest.approx(score, abs=1e-9)
