"""What every declared feature must hold, whoever declared it: found by itself in the catalogue."""

import numpy as np
import pytest

from bot4.features.declare import Feature
from bot4.features.library import defaults
from bot4.features.plan import Plan, run_feature
from helpers.feature_rows import MAKERS

N = 700
FEATURES = defaults()


def rows_of(feature: Feature, seed: int = 1, n: int = N) -> np.ndarray:
    need = max(n, 2 * feature.warmup + 200)
    return np.ascontiguousarray(MAKERS[feature.declaration.inputs.name](need, seed))


def plain(feature: Feature, rows: np.ndarray) -> np.ndarray:
    """The step kernel as plain Python, row by row."""
    step = getattr(feature.declaration.step, "py_func", feature.declaration.step)
    state = feature.new_state()
    out = np.full((len(rows), len(feature.columns)), np.nan)
    for x, o in zip(rows, out, strict=True):
        step(feature.constants, state, x, o)
    return out


each = pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)


@each
def test_streaming_equals_batch_and_a_restored_snapshot_goes_on_the_same(feature):
    rows = rows_of(feature)
    batch = run_feature(feature, rows)
    plan = Plan([feature])
    arena = plan.new_arena()
    streamed = np.empty_like(batch)
    half = len(rows) // 2
    for i in range(half):
        plan.step(arena, rows[i])
        streamed[i] = plan.values(arena)
    arena = arena.copy()  # the snapshot
    for i in range(half, len(rows)):
        plan.step(arena, rows[i])
        streamed[i] = plan.values(arena)
    np.testing.assert_array_equal(streamed, batch)


@pytest.mark.jit
@each
def test_compiled_equals_plain_python(feature):
    rows = rows_of(feature)[: max(300, feature.warmup + 60)]
    np.testing.assert_allclose(run_feature(feature, rows), plain(feature, rows), rtol=1e-12, atol=1e-13)


@each
def test_warm_up_is_as_declared(feature):
    out = run_feature(feature, rows_of(feature))
    first = feature.warmup - 1
    assert np.isnan(out[:first]).all()
    if feature.declaration.sparse:
        assert not np.isnan(out[first:]).all(axis=0).any()
    else:
        assert not np.isnan(out[first:]).any()


@each
def test_range_is_as_declared(feature):
    for seed in (2, 3):
        out = run_feature(feature, rows_of(feature, seed))
        for column, spec in zip(out.T, feature.declaration.outputs, strict=True):
            seen = column[~np.isnan(column)]
            slack = 1e-9 * max(1.0, abs(spec.low) if np.isfinite(spec.low) else 0.0)
            assert (seen >= spec.low - slack).all(), (spec.name, seen.min())
            assert (seen <= spec.high + slack).all(), (spec.name, seen.max())


@each
def test_nothing_looks_ahead(feature):
    rows = rows_of(feature)
    cut = len(rows) - 60
    other = rows.copy()
    other[cut:] = MAKERS[feature.declaration.inputs.name](len(rows), 9)[cut:]
    np.testing.assert_array_equal(run_feature(feature, rows)[:cut], run_feature(feature, other)[:cut])


@each
def test_a_step_keeps_to_its_own_memory(feature):
    rows = rows_of(feature)
    guard = 64
    wide = np.full(feature.state_size + 2 * guard, 7.25)
    state = wide[guard:-guard]
    state[:] = feature.new_state()
    run_feature(feature, rows, state)
    assert (wide[:guard] == 7.25).all()
    assert (wide[-guard:] == 7.25).all()


@each
def test_flat_prices_without_volume_give_defined_values(feature):
    if feature.declaration.inputs.name != "bar" or feature.declaration.sparse:
        pytest.skip("bars only; a sparse feature may stay NaN")
    rows = rows_of(feature)
    rows[:, :4] = 100.0
    rows[:, 4] = rows[:, 6] = rows[:, 7] = 0.0
    out = run_feature(feature, rows)
    assert np.isfinite(out[feature.warmup - 1 :]).all()


@each
def test_a_bad_bar_never_stops_the_stream_nor_leaves_an_infinity(feature):
    """A NaN bar may leave NaN (recursive averages keep it); it must not crash or give an infinity."""
    rows = rows_of(feature)
    rows[feature.warmup + 20] = np.nan
    out = run_feature(feature, rows)
    assert not np.isinf(out).any()
