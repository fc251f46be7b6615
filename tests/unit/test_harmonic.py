"""Harmonic patterns: planted ones are found and named, limits are exact, nothing is known early."""

import math

import numpy as np
import pytest

from bot4.features.harmonic import PATTERNS, living_setups, names_of
from bot4.features.harmonic_nb import ACTIVE, zone_nb
from bot4.features.harmonic_ratios_nb import (
    CYPHER,
    RATIOS,
    fit_nb,
    five_point_nb,
    next_step_nb,
    three_drives_nb,
)
from bot4.features.library import get
from bot4.features.plan import run_feature
from helpers.planted import BOXES, harmonic_rows, walk

HARMONIC = get("harmonic_14_1")
COLUMN = {o.name: k for k, o in enumerate(HARMONIC.declaration.outputs)}


def find(rows: np.ndarray, name: str, side: int, at: int) -> tuple[bool, tuple[str, ...], str]:
    """(found at the planted D, all names that fit there, the name told)."""
    out = run_feature(HARMONIC, rows)
    for i in np.nonzero(out[:, COLUMN["confirmed"]] == 1.0)[0]:
        row = out[i]
        if row[COLUMN["point_d"]] == rows[at, 3] and row[COLUMN["side"]] == side:
            assert i > at
            fits = names_of(int(row[COLUMN["fits"]]))
            return name in fits, fits, PATTERNS[int(row[0]) - 1]
    return False, (), ""


def rates(name: str, side: int, n: int) -> tuple[float, float]:
    """Share detected, and share named right where nothing else fits."""
    rng = np.random.default_rng(17)
    detected = alone = right = 0
    for _ in range(n):
        rows, at = harmonic_rows(name, side, rng)
        found, fits, told = find(rows, name, side, at[-1])
        detected += found
        if fits == (name,):
            alone += 1
            right += told == name
    return detected / n, right / max(alone, 1)


@pytest.mark.jit
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("name", PATTERNS)
def test_planted_patterns_are_found_and_named(name, side):
    """The thousand of each that the specification asks for: `benchmarks/patterns.py`; here a fifth."""
    detected, right = rates(name, side, 200)
    assert detected >= 0.99
    assert right == 1.0


@pytest.mark.parametrize("name", ["gartley", "cypher", "three_drives", "abcd"])
def test_a_few_planted_patterns_without_the_compiler(name):
    detected, _ = rates(name, 1, 2)
    assert detected == 1.0


def test_the_tolerance_ends_exactly_at_3_percent():
    for value in (0.618, 0.786, 1.27, 1.618):
        low, high = value * (1.0 - 0.03), value * (1.0 + 0.03)
        assert fit_nb(low, value, value, 0.03) == 0.0 and fit_nb(high, value, value, 0.03) == 0.0
        assert fit_nb(np.nextafter(low, 0.0), value, value, 0.03) == -1.0
        assert fit_nb(np.nextafter(high, 9.0), value, value, 0.03) == -1.0
        assert fit_nb(value, value, value, 0.03) == 1.0


def test_ranges_are_widened_by_the_tolerance():
    assert fit_nb(0.382, 0.382, 0.886, 0.03) == 1.0 and fit_nb(0.5, 0.382, 0.886, 0.03) == 1.0
    assert fit_nb(0.886 * 1.03, 0.382, 0.886, 0.03) == pytest.approx(0.0, abs=1e-12)
    assert fit_nb(0.886 * 1.0301, 0.382, 0.886, 0.03) == -1.0


@pytest.mark.parametrize("name", BOXES)
def test_the_table_is_that_of_the_specification(name):
    row = RATIOS[PATTERNS.index(name)]
    box = np.array(BOXES[name]).ravel()
    free = name == "shark"
    np.testing.assert_array_equal(row[2 * free : 8], box[2 * free :])


def test_one_ratio_off_is_another_pattern_or_none():
    """A Gartley's points; then each ratio in turn beyond its limit."""
    x, a, b, c = 0.0, 1.0, 0.382, 0.73
    d = 1.0 - 0.786
    gartley = PATTERNS.index("gartley")
    assert five_point_nb(gartley, x, a, b, c, d, 0.03) > 0.9
    assert five_point_nb(gartley, x, a, 0.45, c, d, 0.03) == -1.0
    assert five_point_nb(gartley, x, a, b, 0.99, d, 0.03) == -1.0
    assert five_point_nb(gartley, x, a, b, c, 0.15, 0.03) == -1.0
    assert five_point_nb(gartley, x, a, a, c, d, 0.03) == -1.0  # a leg of length 0


def test_a_second_value_scores_less():
    butterfly = PATTERNS.index("butterfly")
    first = five_point_nb(butterfly, 0.0, 1.0, 0.214, 0.75, -0.27, 0.03)
    second = five_point_nb(butterfly, 0.0, 1.0, 0.214, 0.89, -0.618, 0.03)
    assert first == pytest.approx(1.0) and second == pytest.approx(0.95)


def test_three_drives_want_like_times():
    p = np.array([0.0, -1.0, -0.3, -1.189, -0.567, -1.357])
    t = np.array([0.0, 10.0, 15.0, 25.0, 30.0, 40.0])
    assert three_drives_nb(p, t, 0.03) > 0.9
    late = t.copy()
    late[5] = 60.0
    assert three_drives_nb(p, late, 0.03) == -1.0


def test_stop_stands_at_the_next_ratio():
    assert next_step_nb(1.0) == 1.13 and next_step_nb(1.27) == 1.414 and next_step_nb(1.618) == 2.0
    assert next_step_nb(5.0) == 5.5


def test_the_zone_lies_where_both_legs_project():
    gartley = PATTERNS.index("gartley")
    low, high = zone_nb(gartley, 0.0, 1.0, 0.382, 0.73, 0.03, False)
    assert low <= 1.0 - 0.786 <= high and high - low <= 0.05
    assert math.isnan(zone_nb(gartley, 0.0, 1.0, 0.382, 0.4, 0.03, False)[0])  # BC is too short to reach it
    low, high = zone_nb(CYPHER, 0.0, 1.0, 0.5, 1.3, 0.03, False)
    assert low <= 1.3 - 0.786 * 1.3 <= high


@pytest.mark.parametrize("side", [1, -1])
def test_setup_of_a_gartley(side):
    rng = np.random.default_rng(2)
    rows, at = harmonic_rows("gartley", side, rng)
    x, a, _, _, d = rows[at, 3]
    state = HARMONIC.new_state()
    out = run_feature(HARMONIC, rows[: at[-1] + 1], state)
    assert (out[13:, COLUMN["confirmed"]] == 0.0).all()  # D has been reached, and is not known
    last = out[-1]
    assert last[COLUMN["forming"]] > 0.0 and last[COLUMN["forming_side"]] == side
    out = run_feature(HARMONIC, rows[at[-1] + 1 :], state)
    row = out[out[:, COLUMN["confirmed"]] == 1.0][0]
    assert row[COLUMN["stop"]] == pytest.approx(x)
    for name, share in (("first", 0.382), ("second", 0.618), ("third", 1.0), ("extended", 1.272)):
        assert row[COLUMN[f"{name}_target"]] == pytest.approx(d + share * (a - d))
    assert row[COLUMN["zone_low"]] - 0.02 * abs(a - x) <= d <= row[COLUMN["zone_high"]] + 0.02 * abs(a - x)
    assert row[COLUMN["signal"]] * side > 0.0


def test_living_setups_are_listed_bounded_and_end():
    state = HARMONIC.new_state()
    rows = walk(4000, 3)
    most = 0
    for i in range(0, len(rows), 10):
        out = run_feature(HARMONIC, rows[i : i + 10], state)[-1]
        setups = living_setups(state)
        if i > 20:
            assert len(setups) == out[COLUMN["living"]] <= ACTIVE
        most = max(most, len(setups))
        for s in setups:
            assert s.pattern in s.fits and 0.0 <= s.score <= 1.0
            assert (s.targets[0] - s.point_d) * s.side > 0.0 and (s.point_d - s.stop) * s.side > 0.0
            assert rows[i : i + 10, 3].size and i + 9 - s.confirmed_bar <= 201
            later = rows[s.confirmed_bar + 1 : i + 10]
            if s.side > 0:
                assert (later[:, 2] > s.stop).all() and (later[:, 1] < s.targets[2]).all()
            else:
                assert (later[:, 1] < s.stop).all() and (later[:, 2] > s.targets[2]).all()
    assert most >= 2


def test_patterns_without_a_source_weigh_nothing_unless_asked():
    for seed in range(40):
        rows, _ = harmonic_rows("white_swan", 1, np.random.default_rng(seed))
        silent = run_feature(get("harmonic_14_1"), rows)
        asked = run_feature(get("harmonic_14_1_0.03_1"), rows)
        i = np.nonzero(silent[:, COLUMN["confirmed"]] == 1.0)[0][-1]
        if PATTERNS[int(silent[i, 0]) - 1] == "white_swan" and silent[i, COLUMN["living"]] == 1.0:
            assert silent[i, COLUMN["signal"]] == 0.0 and asked[i, COLUMN["signal"]] > 0.0
            return
    raise AssertionError("no white swan was planted alone")


def test_nothing_known_changes_later():
    rows, _ = harmonic_rows("bat", 1, np.random.default_rng(5))
    whole = run_feature(HARMONIC, rows)
    for cut in (60, 90, len(rows) - 5):
        np.testing.assert_array_equal(run_feature(HARMONIC, rows[:cut]), whole[:cut])
