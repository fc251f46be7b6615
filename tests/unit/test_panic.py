"""Panic conditions: one unit below the threshold nothing, one above it at once; a healthy market never."""

import gzip
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.model.errors import ConfigError
from bot4.safety.panic import MS, SECOND, Condition, Limits, Median, Panic

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "market_ws"


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
        assert panic.spread("BTC", 100.0, 100.0 * (1 + spread), k * SECOND) is None


def test_spread_against_its_own_median():
    panic = Panic()
    _steady(panic, 1e-3, 120)
    # three times the median in the same measure: 2 (a - b) / (a + b)
    relative = 3 * 2 * 1e-3 / (2 + 1e-3)
    ask = 100.0 * (2 + relative) / (2 - relative)
    assert panic.spread("BTC", 100.0, ask * (1 - 1e-9), 121 * SECOND) is None
    seen = panic.spread("BTC", 100.0, ask * (1 + 1e-7), 122 * SECOND)
    assert seen.condition is Condition.SPREAD
    assert (seen.scope, seen.whole) == ("BTC", False)


def test_three_ticks_instead_of_one_are_no_panic():
    panic = Panic()
    _steady(panic, 2e-6, 120)
    assert panic.spread("BTC", 100.0, 100.0 * (1 + 4.9e-4), 121 * SECOND) is None
    assert panic.spread("BTC", 100.0, 100.0 * (1 + 5.1e-4), 122 * SECOND) is not None


def test_the_spread_is_not_judged_before_there_is_a_normal_one():
    panic = Panic()
    _steady(panic, 1e-4, 59)
    assert panic.spread("BTC", 100.0, 101.0, 59 * SECOND) is None


@pytest.mark.parametrize(
    ("bid", "ask"), [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.inf)]
)
def test_a_book_without_a_spread_is_a_panic_of_its_symbol(bid, ask):
    assert Panic().spread("BTC", bid, ask, 0).condition is Condition.SPREAD


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


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "spot_btcusdt_20240808"])
def test_recorded_healthy_minutes_raise_no_false_alarm(name):
    """Six minutes of a real feed, as it was received: no spread and no staleness panic."""
    path = RECORDED / f"{name}.gz"
    if not path.exists():
        pytest.skip("recorded frames are not on this machine; synthetic cases above cover the code")
    panic = Panic()
    panic.quoting({"BTC"})
    seen, judged, last = [], 0, 0
    with gzip.open(path, "rt") as file:
        for line in file:
            stamp, _, body = line.partition(" ")
            now = int(stamp)
            if last:
                seen += panic.look(now)  # what was silent until now
            last = now
            panic.heard("binance", "BTC", now)
            if "@bookTicker" in body:
                data = msgspec.json.decode(body)["data"]
                seen.append(panic.spread("BTC", float(data["b"]), float(data["a"]), now))
                judged += 1
    assert [s for s in seen if s is not None] == []
    assert judged > 10_000
