"""Panic conditions: one unit below the threshold nothing, one above it at once; a healthy market never."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.model.errors import ConfigError
from bot4.safety.panic import MS, SECOND, Condition, Limits, Median, Panic


@pytest.mark.parametrize("side", [1, -1])
def test_slippage(side):
    panic = Panic()
    assert panic.fill("BTC", side, 100.0 + side * 3.0, 100.0) is None
    seen = panic.fill("BTC", side, 100.0 + side * 3.01, 100.0)
    assert seen.condition is Condition.SLIPPAGE
    assert seen.whole
    assert panic.fill("BTC", side, 100.0 - side * 50.0, 100.0) is None  # better than expected
    for unknown in (0.0, math.nan, -1.0):
        assert panic.fill("BTC", side, 100.0, unknown) is not None


def test_staleness_is_of_what_is_quoted_and_of_all_only_when_every_source_is():
    panic = Panic()
    panic.quoting({"BTC"})
    for venue in ("a", "b"):
        panic.heard(venue, "BTC", 0)
    panic.heard("a", "ETH", -10 * SECOND)  # not quoted
    assert panic.look(500 * MS) == []
    panic.heard("b", "BTC", 400 * MS)
    [one] = panic.look(500 * MS + 1)
    assert (one.scope, one.whole) == ("a:BTC", False)
    both = panic.look(900 * MS + 1)
    assert [s.scope for s in both] == ["a:BTC", "b:BTC", "all"]
    panic.heard("a", "BTC", 900 * MS)  # a pong is enough
    assert not any(s.whole for s in panic.look(900 * MS + 1))


def test_a_quoted_symbol_that_was_never_heard_is_stale():
    panic = Panic()
    panic.quoting({"BTC"})
    [seen] = panic.look(0)
    assert seen.whole
    assert seen.measured == math.inf


def _steady(panic, spread, seconds):
    for k in range(seconds):
        assert panic.spread_times("BTC", 100.0, 100.0 * (1 + spread), k * SECOND) < 3


def test_spread_against_its_own_median():
    panic = Panic()
    _steady(panic, 1e-3, 120)
    # three times the median in the same measure: 2 (a - b) / (a + b)
    relative = 3 * 2 * 1e-3 / (2 + 1e-3)
    ask = 100.0 * (2 + relative) / (2 - relative)
    assert panic.spread_times("BTC", 100.0, ask * (1 - 1e-9), 121 * SECOND) < 3
    assert panic.spread_times("BTC", 100.0, ask * (1 + 1e-7), 122 * SECOND) > 3


def test_three_ticks_instead_of_one_are_no_panic():
    panic = Panic()
    _steady(panic, 2e-6, 120)
    assert panic.spread_times("BTC", 100.0, 100.0 * (1 + 4.9e-4), 121 * SECOND) == 0
    assert panic.spread_times("BTC", 100.0, 100.0 * (1 + 5.1e-4), 122 * SECOND) > 200


def test_the_spread_is_not_judged_before_there_is_a_normal_one():
    panic = Panic()
    _steady(panic, 1e-4, 59)
    assert panic.spread_times("BTC", 100.0, 101.0, 59 * SECOND) == 0


@pytest.mark.parametrize(
    ("bid", "ask"), [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.inf)]
)
def test_a_book_without_a_spread_is_as_wide_as_can_be(bid, ask):
    assert Panic().spread_times("BTC", bid, ask, 0) == math.inf


def test_error_rate():
    panic = Panic()
    for k in range(2):
        assert panic.call(False, k) is None
    for k in range(2, 20):
        assert panic.call(True, k) is None  # 2 of 20 is the limit itself
    seen = panic.call(False, 20)
    assert seen.condition is Condition.ERRORS
    assert seen.measured == pytest.approx(3 / 21)
    assert panic.call(True, 20 + 61 * SECOND) is None  # all of it has left the window


def test_latency_is_the_median_of_ten_seconds():
    panic = Panic()
    for k in range(5):
        assert panic.latency(SECOND, k * MS) is None
    for k in range(5, 9):
        assert panic.latency(5 * SECOND, k * MS) is None  # single probes do not panic
    assert panic.latency(SECOND + 1, 9 * MS) is not None
    assert panic.latency(1, 11 * SECOND) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1e6)), min_size=1, max_size=80))
def test_the_running_median_is_that_of_the_window(steps):
    median = Median(100)
    now, kept = 0, []
    for wait, value in steps:
        now += wait
        median.add(value, now)
        kept = [(t, v) for t, v in [*kept, (now, value)] if now - t <= 100]
        assert median.value() == np.median([v for _, v in kept])
    assert math.isnan(Median(1).value())


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="stale_ns"):
        Limits(stale_ns=0)
