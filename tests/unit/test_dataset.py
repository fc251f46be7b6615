"""From bars to a table."""

import numpy as np
import pytest
from market_samples import HOUR, noise, past_returns

from bot4.learning.dataset import MODEL_FEATURES, build, data_hash, make_bars
from bot4.learning.engine_features import FEATURE_NAMES, engine_features
from bot4.model.errors import DataError


def make(bars, features=past_returns, names=MODEL_FEATURES, **changes):
    return build(
        bars, features, names, **({"timeframe_ns": HOUR, "horizon_bars": 4, "max_rows": 10_000} | changes)
    )


def test_rows_line_up_with_bars_and_labels():
    bars = noise(1, 200)
    data = make(bars)
    first = len(MODEL_FEATURES)
    assert data.names == MODEL_FEATURES
    assert len(data.y) == 200 - first - 4
    assert data.notes == (f"first {first} bars left out: features warm up",)
    assert data.t0[0] == bars.ts[first] + HOUR
    row = 7
    at = first + row
    assert data.X[row, 2] == np.log(bars.c)[at] - np.log(bars.c)[at - 3]
    assert data.ret[row] == bars.c[at + 4] / bars.c[at] - 1
    assert data.t1[row] == bars.ts[at + 4] + HOUR
    assert data.overlap == 4


def test_too_many_rows_are_thinned_evenly_and_told():
    data = make(noise(1, 400), max_rows=100)
    assert data.stride == 4
    assert len(data.y) <= 100
    assert set(np.diff(data.t0)) == {4 * HOUR}
    assert data.notes[-1] == "1 row in 4 of 368 taken, to stay within 100"
    assert data.overlap == 1


def test_empty_columns_infinite_rows_and_later_gaps():
    def holes(*bars):
        out = past_returns(*bars)
        out[:, 3] = np.nan
        out[100, 5] = np.inf
        out[110, 6] = np.nan
        return out

    data = make(noise(1, 200), holes)
    assert MODEL_FEATURES[3] not in data.names
    assert len(data.names) == len(MODEL_FEATURES) - 1
    assert f"columns without any value left out: {MODEL_FEATURES[3]}" in data.notes
    assert "1 rows with an infinite feature left out" in data.notes
    assert 101 * HOUR not in data.t0
    assert np.isnan(data.X[data.t0 == 111 * HOUR]).sum() == 1  # a hole is kept: the trees know what to do


def test_what_cannot_be_learnt_from_is_named():
    with pytest.raises(DataError, match="no row is left"):
        make(noise(1, 30))
    with pytest.raises(DataError, match="no bar has a label"):
        make(noise(1, 3))
    with pytest.raises(DataError, match="does not compute hour_cos"):
        make(noise(1, 50), names=MODEL_FEATURES[:-1])
    bars = noise(1, 20)
    with pytest.raises(DataError, match="unequal length"):
        make_bars(*bars[:5], bars.v[1:])
    with pytest.raises(DataError, match="bar 1"):
        make_bars(bars.ts[::-1], *bars[1:])


def test_the_hash_names_the_data():
    bars = noise(1, 50)
    same = make_bars(*[np.array(a) for a in bars])
    assert data_hash(bars) == data_hash(same)
    same.v[49] += 1e-9
    assert data_hash(bars) != data_hash(same)


def test_engine_features_hold_every_model_column_and_no_price():
    """Ten times the price and a hundred times the volume change no column, but for rounding."""
    bars = noise(2, 160)
    bars = bars._replace(v=1 + np.random.default_rng(1).random(160))
    scaled = [a * 10 for a in bars[1:5]]
    columns = [FEATURE_NAMES.index(name) for name in MODEL_FEATURES]
    small = engine_features(*bars)[:, columns]
    large = engine_features(bars.ts, *scaled, bars.v * 100)[:, columns]
    assert np.isfinite(small[-1]).all()
    assert np.allclose(small, large, rtol=1e-6, atol=1e-7, equal_nan=True)
