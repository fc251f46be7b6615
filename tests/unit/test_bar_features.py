"""Declared features as a Python strategy sees them."""

import numpy as np
import pytest

from bot4.features.library import column
from bot4.features.plan import run_feature
from bot4.model.errors import StrategyError
from bot4.model.feature_layout_nb import N_FEATURES
from bot4.research.bar_features import BarFeatures
from bot4.strategies.api import Bar
from helpers.feature_rows import bars

ENGINE = np.arange(float(N_FEATURES))


def bar(row):
    return Bar(round(row[5] * 1e9), *row[:5])


def test_each_instrument_has_its_own_values_after_its_own_closed_bars():
    names = ("hma_16", "bb_upper_20_2.5", "supertrend_7_2", "session_vwap")
    made = BarFeatures(names, 2)
    streams = [bars(120, seed) for seed in (1, 2)]
    for k in range(120):
        for inst, rows in enumerate(streams):
            values = made.fold(inst, bar(rows[k]), ENGINE)
            for name in names:
                at = column(name)
                want = run_feature(at.feature, rows[: k + 1])[-1, at.output]
                np.testing.assert_array_equal(values[made.index[name]], want)
            assert values[made.index["rsi_14"]] == ENGINE[10]


def test_both_the_written_and_the_full_name_are_known():
    made = BarFeatures(("bb_20_2.5", "macd_signal"), 1)
    assert {"bb_upper_20_2.5", "bb_pct_20_2.5", "macd_hist_12_26_9"} <= made.index.keys()
    assert "bb_20_2.5" not in made.index  # five outputs: no one value


def test_what_the_engine_computes_stays_the_engines():
    made = BarFeatures(("rsi_14",), 1)
    assert made.index["rsi_14"] < N_FEATURES


def test_a_strategy_without_features_pays_nothing():
    made = BarFeatures((), 3)
    assert made.plan is None
    np.testing.assert_array_equal(made.fold(2, bar(bars(2, 1)[0]), ENGINE), ENGINE)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("hmaa_16",), "no feature is called 'hmaa_16'; near it: hma"),
        (("rsi_1",), "n is 1; it must be 2 to"),
        ("rsi_14", r"write a tuple, features = \('rsi_14',\)"),
    ],
)
def test_a_wrong_name_is_refused_at_start(names, words):
    with pytest.raises(StrategyError, match=words):
        BarFeatures(names, 1)
