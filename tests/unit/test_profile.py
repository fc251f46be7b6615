"""The volume profile against profiles built anew from the bars of the window."""

import math

import numpy as np
import pytest

from bot4.features.library import get
from bot4.features.plan import run_feature
from bot4.features.profile_nb import BINS, WIDTH, bins_at_nb, width_nb
from helpers.planted import rows_of_closes, walk

TICK, LOT = 0.01, 1e-5


def brute(rows: np.ndarray, width: float) -> dict[int, int]:
    """Bin -> lots of these bars."""
    bins: dict[int, int] = {}
    for _, high, low, close, volume in rows[:, :5].tolist():
        first, last = math.floor(low / width), math.floor(high / width)
        lots = math.floor(volume / LOT + 0.5)
        share, rest = divmod(lots, last - first + 1)
        for i in range(first, last + 1):
            bins[i] = bins.get(i, 0) + share
        bins[math.floor(close / width)] += rest
    return bins


def area(bins: dict[int, int], poc: int, share: float) -> tuple[int, int]:
    """First and last bin of the value area, two bins at a time."""
    low, high = min(bins), max(bins)
    first = last = poc
    total = sum(bins.values())
    while sum(bins.get(i, 0) for i in range(first, last + 1)) < share * total:
        up = bins.get(last + 1, 0) + bins.get(last + 2, 0)
        down = bins.get(first - 1, 0) + bins.get(first - 2, 0)
        if last < high and (up >= down or first == low):
            last = min(last + 2, high)
        else:
            first = max(first - 2, low)
    return first, last


def compare(feature, rows: np.ndarray, every: int = 1) -> int:
    """Step through and compare each `every`-th profile with the one built anew; returns how many."""
    window = int(feature.params[0])
    state = feature.new_state()
    bins_at = bins_at_nb(window)
    seen = 0
    for i in range(0, len(rows), every):
        out = run_feature(feature, rows[i : i + every], state)[-1]
        if np.isnan(out[0]):
            continue
        held = rows[max(i + every - window, 0) : i + every]
        width = state[WIDTH]
        bins = brute(held, width)
        kept = {k: int(state[bins_at + (k & (BINS - 1))]) for k in range(min(bins), max(bins) + 1)}
        assert kept == {k: bins.get(k, 0) for k in kept}
        assert state[bins_at : bins_at + BINS].sum() == sum(bins.values())
        poc = min(k for k in bins if bins[k] == max(bins.values()))
        first, last = area(bins, poc, feature.params[3])
        assert out[:3].tolist() == [(poc + 0.5) * width, first * width, (last + 1) * width]
        assert out[3] == sum(bins.values()) * LOT
        assert out[4] == width and math.log2(width / TICK).is_integer()
        seen += 1
    return seen


@pytest.mark.jit
def test_1e4_profiles_equal_brute_force():
    assert compare(get("volume_profile_40"), walk(10_100, 1)) > 10_000


@pytest.mark.parametrize(
    ("name", "seed"), [("volume_profile_1", 2), ("volume_profile_25_0.01_0.00001_0.5", 3)]
)
def test_other_windows_and_shares_equal_brute_force(name, seed):
    compare(get(name), walk(150, seed))


def test_the_bins_are_chosen_anew_when_the_market_calms_and_wakes():
    calm = walk(200, 4, sigma=0.0003)
    wild = walk(200, 5, sigma=0.01)
    rows = np.concatenate((wild, calm, wild, calm))
    feature = get("volume_profile_60")
    out = run_feature(feature, rows)
    assert len(np.unique(out[14:, 4])) >= 4
    compare(feature, rows, every=20)


def test_a_trend_wider_than_all_bins_widens_them():
    rows = rows_of_closes(np.linspace(100.0, 400.0, 300))
    out = run_feature(get("volume_profile_240"), rows)
    assert out[-1, 4] > 0.1 * 1.0034  # wider than the tenth of the average range
    assert out[-1, 3] == pytest.approx(2400.0, rel=1e-12)


def test_a_window_without_volume_points_to_the_close():
    rows = rows_of_closes(np.linspace(100.0, 110.0, 60), volume=0.0)
    out = run_feature(get("volume_profile_20"), rows)[-1]
    assert abs(out[0] - 110.0) <= out[4]
    assert out[1] < out[0] < out[2] and out[3] == 0.0 and out[6] == 0.0


@pytest.mark.parametrize("volume", [math.nan, -5.0, math.inf])
def test_a_volume_that_is_none_counts_nothing_or_the_most(volume):
    rows = walk(100, 6)
    rows[50, 4] = volume
    out = run_feature(get("volume_profile_30"), rows)
    assert not np.isnan(out[14:]).any()
    held = rows[70:, 4].sum()
    assert out[-1, 3] == pytest.approx(held, rel=1e-5)  # bar 50 has left, and left nothing behind


def test_place_of_the_close():
    out = run_feature(get("volume_profile"), walk(2000, 7))
    rows = walk(2000, 7)
    close = rows[13:, 3]
    place = np.where(close >= out[13:, 2], 1.0, np.where(close < out[13:, 1], -1.0, 0.0))
    np.testing.assert_array_equal(out[13:, 5], place)
    assert {-1.0, 0.0, 1.0} == set(place)


def test_width_is_the_least_that_serves():
    assert width_nb(0.01, 0.05, 100.0, 101.0) == 0.08
    assert width_nb(0.01, 0.001, 100.0, 101.0) == 0.01
    assert width_nb(0.01, 0.01, 100.0, 200.0) == 0.32
