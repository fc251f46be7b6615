"""The price ladder against a dictionary, compiled and plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.kernels import ladder_nb
from bot4.kernels.bits_nb import high_bit, low_bit
from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import (
    ladder_best_nb,
    ladder_clear_nb,
    ladder_count_nb,
    ladder_dropped_nb,
    ladder_qty_nb,
    ladder_set_nb,
    ladder_worse_nb,
    new_ladder,
)


@kernel
def _scans(words, out):
    for i in range(words.shape[0]):
        out[i, 0] = low_bit(words[i])
        out[i, 1] = high_bit(words[i])


class Oracle:
    """Levels in a plain dictionary a side."""

    def __init__(self):
        self.levels = ({}, {})

    def set(self, side, tick, qty):
        if qty:
            self.levels[side][tick] = qty
        else:
            self.levels[side].pop(tick, None)

    def sorted(self, side):
        return sorted(self.levels[side], reverse=side == 0)

    def worse(self, side, tick):
        rest = [t for t in self.levels[side] if (t < tick if side == 0 else t > tick)]
        return (max(rest) if side == 0 else min(rest)) if rest else -1


def body(lad):
    """All that a ladder holds but the counter of dropped changes."""
    copy = lad.sides.copy()
    copy["dropped"] = 0
    return copy


def assert_same(lad, inst, oracle):
    for side in (0, 1):
        ticks = oracle.sorted(side)
        assert ladder_count_nb(lad, inst, side) == len(ticks)
        best = ladder_best_nb(lad, inst, side)
        assert best == (ticks[0] if ticks else -1)
        walked = []
        tick = best
        while tick != -1 and len(walked) <= len(ticks):
            walked.append(int(tick))
            assert ladder_qty_nb(lad, inst, side, tick) == oracle.levels[side][tick]
            tick = ladder_worse_nb(lad, inst, side, tick)
        assert walked == ticks
    assert [ladder_dropped_nb(lad, inst, s) for s in (0, 1)] == [0, 0]


def levels_strategy():
    near = st.integers(0, 70).map(lambda d: 6_000_000 + d)
    words = st.integers(-20_000, 20_000).map(lambda d: 6_000_000 + d)
    wide = st.integers(1, 40).map(lambda k: k * 300_001)
    small = st.integers(1, 5000)
    huge = st.integers(0, 200).map(lambda d: (1 << 61) + d * 997)
    tick = st.one_of(near, near, words, wide, small, huge)
    qty = st.one_of(st.just(0), st.integers(1, 1 << 40))
    return st.lists(st.tuples(st.integers(0, 1), tick, qty), max_size=60)


@settings(max_examples=150, deadline=None)
@given(levels_strategy())
def test_ladder_equals_dictionary(changes):
    lad = new_ladder(2, 16384, 64)
    oracle = Oracle()
    for side, tick, qty in changes:
        ladder_set_nb(lad, 1, side, tick, qty)
        oracle.set(side, tick, qty)
        for s in (0, 1):
            assert ladder_worse_nb(lad, 1, s, tick) == oracle.worse(s, tick)
            assert ladder_qty_nb(lad, 1, s, tick) == oracle.levels[s].get(tick, 0)
    assert_same(lad, 1, oracle)
    for side, tick, _ in changes:  # taking every level away leaves nothing behind
        ladder_set_nb(lad, 1, side, tick, 0)
    np.testing.assert_array_equal(body(lad), body(new_ladder(2, 16384, 64)))
    assert [ladder_best_nb(lad, 1, s) for s in (0, 1)] == [-1, -1]


def test_ladder_follows_a_walking_price():
    rng = np.random.default_rng(7)
    lad = new_ladder(1, 16384, 1024)
    oracle = Oracle()
    mid = 6_000_000
    for step in range(1500):
        mid += int(rng.integers(-3000, 3600))
        for side in (0, 1):
            ahead = [t for t in oracle.levels[side] if (t > mid if side == 0 else t < mid)]
            for tick in ahead:
                ladder_set_nb(lad, 0, side, tick, 0)
                oracle.set(side, tick, 0)
            tick = mid - int(rng.integers(1, 9000)) if side == 0 else mid + int(rng.integers(1, 9000))
            ladder_set_nb(lad, 0, side, tick, step + 1)
            oracle.set(side, tick, step + 1)
            drop = next(iter(oracle.levels[side])) if len(oracle.levels[side]) > 400 else None
            if drop is not None:
                ladder_set_nb(lad, 0, side, drop, 0)
                oracle.set(side, drop, 0)
            assert ladder_best_nb(lad, 0, side) == (oracle.sorted(side) or [-1])[0]
        if step % 250 == 0:
            assert_same(lad, 0, oracle)
    assert_same(lad, 0, oracle)
    assert ladder_count_nb(lad, 0, 0) > 50


def test_ladder_compiled_equals_plain(monkeypatch):
    rng = np.random.default_rng(3)
    changes = [
        (int(s), int(t), int(q))
        for s, t, q in zip(
            rng.integers(0, 2, 400), 1_000_000 + rng.integers(-30_000, 30_000, 400), rng.integers(0, 4, 400)
        )
    ]
    compiled = new_ladder(1, 16384, 64)
    for change in changes:
        ladder_set_nb(compiled, 0, *change)
    ticks = (1, 990_000, 1_000_000, 1_010_000, 1 << 50)
    asked = [(tick, side) for tick in ticks for side in (0, 1)]
    worse = [ladder_worse_nb(compiled, 0, side, tick) for tick, side in asked]
    lots = [ladder_qty_nb(compiled, 0, side, tick) for tick, side in asked]
    for name in dir(ladder_nb):  # inner kernels too: the plain run must not borrow compiled code
        fn = getattr(ladder_nb, name)
        if hasattr(fn, "py_func"):
            monkeypatch.setattr(ladder_nb, name, fn.py_func)
    plain = new_ladder(1, 16384, 64)
    for change in changes:
        ladder_nb.ladder_set_nb(plain, 0, *change)
    for a, b in zip(compiled, plain):
        np.testing.assert_array_equal(a, b)
    assert [ladder_nb.ladder_worse_nb(plain, 0, side, tick) for tick, side in asked] == worse
    assert [ladder_nb.ladder_qty_nb(plain, 0, side, tick) for tick, side in asked] == lots
    ladder_nb.ladder_clear_nb(plain, 0)
    np.testing.assert_array_equal(body(plain), body(new_ladder(1, 16384, 64)))
    assert ladder_nb.ladder_best_nb(plain, 0, 1) == -1
    assert ladder_nb.ladder_count_nb(plain, 0, 1) == 0


def test_ladder_counts_what_it_cannot_hold():
    lad = new_ladder(1, 16384, 64)
    ladder_set_nb(lad, 0, 0, 10_000_000, 5)
    for k in range(1, 57):
        ladder_set_nb(lad, 0, 0, 10_000_000 - k * 100_000, k)
    assert ladder_count_nb(lad, 0, 0) == 1 + 48
    assert ladder_dropped_nb(lad, 0, 0) == 8
    ladder_set_nb(lad, 0, 0, 10_000_000 - 100_000, 77)  # changing a known far level still works
    assert ladder_qty_nb(lad, 0, 0, 9_900_000) == 77
    assert ladder_dropped_nb(lad, 0, 0) == 8


@pytest.mark.parametrize(("tick", "qty"), [(0, 1), (-5, 1), (100, -1), (0, 0)])
def test_ladder_refuses_what_is_no_level(tick, qty):
    lad = new_ladder(1, 16384, 64)
    for known in (100, 200):
        ladder_set_nb(lad, 0, 0, known, 3)
    ladder_set_nb(lad, 0, 0, tick, qty)
    assert ladder_dropped_nb(lad, 0, 0) == 1
    assert ladder_count_nb(lad, 0, 0) == 2
    assert ladder_qty_nb(lad, 0, 0, tick) == (3 if tick == 100 else 0)
    assert ladder_worse_nb(lad, 0, 0, 100) == -1


def test_ladder_clear_touches_one_instrument():
    lad = new_ladder(3, 16384, 64)
    for inst in range(3):
        for tick in (5, 5_000, 500_000, 5_000_000):
            ladder_set_nb(lad, inst, 0, tick, 9)
            ladder_set_nb(lad, inst, 1, tick + 1, 9)
    ladder_clear_nb(lad, 1)
    fresh = new_ladder(1, 16384, 64)
    np.testing.assert_array_equal(body(lad)[1], body(fresh)[0])
    for inst in (0, 2):
        assert ladder_best_nb(lad, inst, 0) == 5_000_000
        assert ladder_best_nb(lad, inst, 1) == 6
        assert ladder_count_nb(lad, inst, 1) == 4


@pytest.mark.parametrize(("window", "far"), [(1000, 64), (8192, 64), (262144, 64), (16384, 8), (16384, 100)])
def test_ladder_refuses_bad_sizes(window, far):
    with pytest.raises(ValueError, match="power of two"):
        new_ladder(1, window, far)


def test_bit_scans():
    words = np.array([1, 2, 3, -1, -(2**63), 1 << 62, 0x00F0_0000_0000_0000, -2], np.int64)
    out = np.zeros((words.size, 2), np.int64)
    _scans(words, out)
    for word, (low, high) in zip(words, out):
        text = format(int(word) & (2**64 - 1), "064b")
        assert low == 63 - text.rindex("1") == low_bit(word)
        assert high == 63 - text.index("1") == high_bit(word)
