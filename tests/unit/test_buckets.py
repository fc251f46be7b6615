"""Time buckets against grouping of the sorted trades."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.market.buckets import new_buckets
from bot4.market.buckets_nb import BUCKET_DTYPE, OPEN, flush_nb, fold_trade_nb


def folded(trades, size, grace, fold=fold_trade_nb):
    b = new_buckets(size, grace)
    out = np.zeros(OPEN, BUCKET_DTYPE)
    found = []
    for t in trades:
        n = fold(b, *t, out)
        found += [out[k].copy() for k in range(n)]
    n = flush_nb(b, out)
    found += [out[k].copy() for k in range(n)]
    return found, int(b.clock[0]["late"])


def grouped(trades, size):
    groups = {}
    for t in sorted(trades, key=lambda t: t[0]):
        groups.setdefault(t[0] // size, []).append(t)
    return groups


def same(bucket, trades):
    prices = [t[1] for t in trades]
    assert (bucket["open"], bucket["close"]) == (prices[0], prices[-1])
    assert (bucket["high"], bucket["low"], bucket["trades"]) == (max(prices), min(prices), len(trades))
    assert bucket["volume"] == sum(t[2] for t in trades)
    assert bucket["buy_volume"] == sum(t[2] for t in trades if t[3])


trade = st.tuples(st.integers(0, 400), st.integers(1, 99), st.integers(1, 9), st.booleans())


@settings(max_examples=150)
@given(st.lists(trade, min_size=1, max_size=60, unique_by=lambda t: t[0]), st.randoms(use_true_random=False))
def test_trades_within_the_grace_give_the_buckets_of_sorted_trades(trades, chance):
    """Arrival is shuffled by less than the grace: nothing may be late, volume is conserved."""
    arrival = sorted(trades, key=lambda t: t[0] + chance.uniform(0, 29))
    found, late = folded(arrival, 10, 40)
    groups = grouped(trades, 10)
    assert late == 0
    assert [int(b["number"]) for b in found] == sorted(groups)
    for b in found:
        same(b, groups[int(b["number"])])


@settings(max_examples=100)
@given(st.lists(trade, min_size=1, max_size=60))
def test_late_trades_are_counted_and_volume_is_conserved(trades):
    found, late = folded(trades, 10, 15)
    plain, _ = folded(trades, 10, 15, getattr(fold_trade_nb, "py_func", fold_trade_nb))
    assert [tuple(b) for b in found] == [tuple(b) for b in plain]
    assert sum(int(b["trades"]) for b in found) + late == len(trades)
    numbers = [int(b["number"]) for b in found]
    assert numbers == sorted(set(numbers))  # each closed once, in order


def test_a_leap_of_time_closes_what_was_open_and_nothing_else():
    found, late = folded([(5, 1, 1, True), (10**9, 2, 1, False), (10**9 + 1, 3, 1, False)], 10, 15)
    assert [(int(b["number"]), int(b["trades"])) for b in found] == [(0, 1), (10**8, 2)]
    assert late == 0


def test_a_grace_longer_than_the_ring_is_refused():
    with pytest.raises(ValueError, match="grace"):
        new_buckets(10, 10_000)
