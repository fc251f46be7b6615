"""Chart patterns: planted shapes are found at the break of their line, with the right target."""

import numpy as np
import pytest

from bot4.features.chart_patterns import SHAPES
from bot4.features.chart_patterns_nb import FAMILIES, TOPS
from bot4.features.chart_shapes_nb import (
    ASCENDING_TRIANGLE,
    BROADENING,
    CHANNEL,
    DESCENDING_TRIANGLE,
    FALLING_WEDGE,
    RECTANGLE,
    RISING_WEDGE,
    SYMMETRIC_TRIANGLE,
    name_lines_nb,
    roundness_nb,
)
from bot4.features.library import get
from bot4.features.plan import run_feature
from helpers.planted import CHART_NAMES, chart_rows, joined, mirrored, rows_of_closes, walk

CHART = get("chart")


def told(rows: np.ndarray) -> list[tuple[int, str]]:
    out = run_feature(CHART, rows)
    return [(int(i), SHAPES[int(out[i, 0])]) for i in np.nonzero(out[:, 0] > 0.0)[0]]


@pytest.mark.jit
def test_recall_and_precision_on_shapes_with_10_percent_noise():
    """More of each, and the rates on random walks: `benchmarks/patterns.py`."""
    right = wrong = 0
    for name in CHART_NAMES:
        for side in (1, -1):
            rng = np.random.default_rng(21)
            hits = 0
            for _ in range(100):
                rows, _ = chart_rows(name, side, rng)
                names = [n for _, n in told(rows)]
                hits += mirrored(name, side) in names
                right += names.count(mirrored(name, side))
                wrong += len(names) - names.count(mirrored(name, side))
            assert hits >= 90, (name, side, hits)
    assert right / (right + wrong) >= 0.8


@pytest.mark.parametrize("name", CHART_NAMES)
@pytest.mark.parametrize("side", [1, -1])
def test_each_shape_without_noise_is_told_after_its_last_turning_point(name, side):
    rows, begin = chart_rows(name, side, np.random.default_rng(1), noise=0.0)
    found = told(rows)
    assert (mirrored(name, side)) in [n for _, n in found]
    assert all(i > begin for i, n in found if n == mirrored(name, side))


def test_the_break_is_a_close_beyond_the_line_by_a_quarter_of_the_average_range():
    closes, _ = joined([182.0, 180.0, 182.0, 200.0, 190.0, 200.0, 170.0], [20, 20, 15, 15, 15, 40])
    rows = rows_of_closes(closes)
    out = run_feature(CHART, rows)
    (i,) = np.nonzero(out[:, 0] > 0.0)[0]
    assert SHAPES[int(out[i, 0])] == "double_top" and out[i, 1] == -1.0
    assert out[i, 4] == 190.0 and out[i, 5] == 180.0
    spans = rows[:, 1] - rows[:, 2]
    atr = spans[:14].mean()
    for k in range(14, i + 1):
        before = atr
        atr = (atr * 13.0 + spans[k]) / 14.0
    assert rows[i, 3] < 190.0 - 0.25 * atr
    assert rows[i - 1, 3] >= 190.0 - 0.25 * before
    assert out[i + 3, 6] == 3.0 and out[i + 3, 2] == out[i, 0]


def test_a_top_that_rises_above_itself_is_no_top():
    closes, _ = joined([182.0, 180.0, 200.0, 190.0, 200.0, 194.0, 215.0, 150.0], [20, 20, 15, 15, 10, 20, 60])
    assert "double_top" not in [n for _, n in told(rows_of_closes(closes))]


@pytest.mark.parametrize(
    ("up", "down", "narrow", "name"),
    [
        (0.0, 0.6, 0.4, ASCENDING_TRIANGLE),
        (-0.6, 0.0, 0.4, DESCENDING_TRIANGLE),
        (-0.3, 0.3, 0.4, SYMMETRIC_TRIANGLE),
        (0.6, 1.2, 0.4, RISING_WEDGE),
        (-1.2, -0.6, 0.4, FALLING_WEDGE),
        (0.0, 0.0, 1.0, RECTANGLE),
        (1.0, 1.0, 1.0, CHANNEL),
        (-0.9, -1.0, 1.1, CHANNEL),
        (0.5, -0.5, 2.0, BROADENING),
    ],
)
def test_lines_are_named_by_how_they_run(up, down, narrow, name):
    assert name_lines_nb(up, down, narrow) == name


def test_roundness_of_a_v_and_of_a_parabola():
    t = np.linspace(0.0, 1.0, 1001)
    assert roundness_nb((10.0 - t).sum(), 1001.0, 10.0, 9.0) == pytest.approx(0.5, abs=1e-3)
    assert roundness_nb((9.0 + (1.0 - t) ** 2).sum(), 1001.0, 10.0, 9.0) == pytest.approx(2 / 3, abs=1e-3)
    assert roundness_nb(5.0, 0.0, 10.0, 9.0) == 0.0


def test_a_v_is_not_rounded():
    closes, _ = joined([182.0, 180.0, 200.0, 180.0, 215.0], [20, 20, 30, 50])
    assert not any(n.startswith("rounding") for _, n in told(rows_of_closes(closes)))


def test_a_shape_waits_until_its_break_or_its_last_bar():
    """A double top that price leaves alone is forgotten after as many bars as it took."""
    closes, _ = joined([182.0, 180.0, 182.0, 200.0, 190.0, 200.0, 193.0, 196.0], [20, 20, 15, 15, 15, 10, 60])
    out = run_feature(CHART, rows_of_closes(closes))
    assert out.shape[1] == 7 + FAMILIES
    waits = np.nonzero(out[:, 7 + TOPS] == SHAPES.index("double_top"))[0]
    assert len(waits) and (np.diff(waits) == 1).all()
    # the second top stands at bar 85; the leg into the first began at bar 20
    assert waits[0] > 85 and waits[-1] == 85 + 65 - 1
    assert not out[14:, 0].any()


def test_nothing_known_changes_later():
    rows = walk(3000, 9)
    whole = run_feature(CHART, rows)
    assert (whole[:, 0] > 0.0).sum() > 5
    for cut in (700, 1500, 2900):
        np.testing.assert_array_equal(run_feature(CHART, rows[:cut]), whole[:cut])
