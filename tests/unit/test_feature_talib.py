"""Declared features against TA-Lib, on real one-minute bars where they are, else on made ones."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bot4.features.library import column, get
from bot4.features.plan import run_feature
from helpers.feature_rows import bars
from helpers.talib_oracle import CALLS, LATER, columns, results

pytest.importorskip("talib")
SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = next(
    (
        path
        for place in (SHARED, SHARED.parents[1] / "shared")
        if (path := place / "data/ohlcv/btc_perp_1m_202201.csv.gz").exists()
    ),
    None,
)


@cache
def rows_of(real: bool) -> np.ndarray:
    made = bars(3000, 11)
    made[:, 4] += 1e-3  # TA-Lib divides by volume 0
    if not real:
        return made
    table = np.loadtxt(REAL, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4, 5), max_rows=6000)
    filled = np.full((len(table), 8), np.nan)
    filled[:, :5] = table
    filled[:, 5] = 1_640_995_260.0 + 60.0 * np.arange(len(table))
    return filled


@pytest.mark.parametrize("real", [False, True], ids=["made", "real"])
@pytest.mark.parametrize("call", CALLS, ids=lambda c: f"{c.feature}-{c.function}")
def test_a_feature_equals_talib(call, real):
    """Within 1e-9 of the value, or of its own usual size where it passes through 0."""
    if real and REAL is None:
        pytest.skip("no recorded bars here")
    rows = rows_of(real)
    feature = get(call.feature)
    ours = run_feature(feature, rows)
    for name, want in results(call, columns(rows)).items():
        got = ours[:, column(name).output]
        first = max(feature.warmup - 1, int(np.argmax(~np.isnan(want))))
        if name not in LATER:
            assert int(np.argmax(~np.isnan(want))) == feature.warmup - 1, "warm-up"
        scale = max(np.nanmedian(np.abs(want[first:])), 1e-300)
        if column(name).feature.declaration.outputs[column(name).output].unit.startswith("price"):
            scale = max(scale, np.median(rows[:, 3]))
        error = np.abs(got - want)[first:] / np.maximum(np.abs(want[first:]), scale)
        assert error.max() < 1e-9, (name, error.max())
