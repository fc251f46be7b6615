"""Exact rates, the fingerprint, bit scans, fusion, the skew: compiled = plain = oracle."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot4.engine.quoter_nb import skew_nb
from bot4.kernels.bits_nb import high_bit, low_bit
from bot4.kernels.fixed_nb import mul_div_floor, rate_of
from bot4.kernels.hash_nb import mix_nb
from bot4.kernels.jit_nb import kernel
from bot4.strategies.fusion_nb import fuse_nb, trend_cross_nb, view_of_nb

UNIT = st.floats(0.0, 1.0)
SIGN = st.sampled_from([-1.0, 0.0, 1.0])
I64 = st.integers(-(2**63), 2**63 - 1)
WORD = I64.filter(bool)


def both(function, *arguments):
    """The compiled and the plain answer, which must be the same to the bit."""
    compiled, plain = function(*arguments), getattr(function, "py_func", function)(*arguments)
    assert compiled == plain or (compiled != compiled and plain != plain)
    return compiled


@given(st.integers(-(2**62) + 1, 2**62 - 1), st.integers(-(10**8), 10**8))
@example(2**62 - 1, 10**8)
@example(-(2**62) + 1, -(10**8))
@example(1, 1)
def test_rate_of_is_the_ceiling(amount, rate):
    got = both(rate_of, amount, rate)
    exact = Fraction(amount * rate, 10**8)
    assert got == math.ceil(exact)


@given(st.integers(0, 2**62), st.integers(0, 10**6), st.integers(1, 10**12))
def test_mul_div_floor(a, b, c):
    if a // c * b < 2**62:
        assert both(mul_div_floor, a, b, c) == a * b // c


def test_the_fingerprint_sees_every_change_and_their_order():
    def fold(values):
        h = 0
        for v in values:
            h = both(mix_nb, h, v)
        return h

    base = [1, 5, 2**61, 0, 3, 7]
    seen = {fold(base)}
    for k in range(len(base)):
        for delta in (1, -1, 2**31 - 1, 2**31, 2**32):
            changed = list(base)
            changed[k] = changed[k] + delta
            seen.add(fold(changed))
    seen.add(fold(base[::-1]))
    seen.add(fold([*base, 0]))
    assert len(seen) == 5 * len(base) + 3
    assert all(0 <= h < 2**62 for h in seen)


@given(st.integers(0, 2**62 - 1), I64)
def test_the_fingerprint_is_the_same_number_compiled_and_plain(state, value):
    assert 0 <= both(mix_nb, state, value) < 2**62


@kernel
def lowest_nb(word):
    return low_bit(word)


@kernel
def highest_nb(word):
    return high_bit(word)


@given(WORD)
@example(-(2**63))
@example(-1)
@example(1)
def test_bit_scans(word):
    bits = [k for k in range(64) if (word >> k) & 1]
    assert both(lowest_nb, word) == low_bit(word) == bits[0]
    assert both(highest_nb, word) == high_bit(word) == bits[-1]


@given(SIGN, UNIT, SIGN, UNIT)
def test_fusion_is_half_and_half(s_ta, c_ta, s_ml, c_ml):
    got = both(fuse_nb, s_ta, c_ta, s_ml, c_ml)
    assert got == pytest.approx((s_ta * c_ta + s_ml * c_ml) / 2)
    assert abs(got) <= 1.0
    assert abs(both(fuse_nb, s_ta, c_ta, 0.0, 0.0)) <= 0.5  # an abstaining side caps the score
    assert math.isnan(both(fuse_nb, s_ta, c_ta, math.nan, 1.0))


@given(st.floats(-1, 1) | st.just(math.nan), UNIT)
@example(0.2, 0.2)
@example(-0.2, 0.2)
def test_view_of_a_score(score, threshold):
    got = both(view_of_nb, score, threshold)
    if math.isnan(score) or abs(score) < threshold:
        assert got == 0
    else:
        assert got == (1 if score > 0 else -1)


def test_trend_cross():
    row = np.array([2.0, 1.0, math.nan])
    assert both(trend_cross_nb, row, 0, 1) == 1.0
    assert both(trend_cross_nb, row, 1, 0) == -1.0
    assert both(trend_cross_nb, row, 1, 1) == -1.0  # equal is not above
    assert math.isnan(both(trend_cross_nb, row, 0, 2))
    assert math.isnan(both(trend_cross_nb, row, 2, 0))


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9))
@example(5, 10)
@example(15, 10)
@example(-5, 10)
@example(-15, 10)
@example(3, 2)
def test_skew_rounds_half_to_even_against_the_inventory(position, step):
    """Half up would move the two sides of the inventory differently."""
    got = both(skew_nb, position, step)
    assert got == -round(Fraction(position, step))
    assert both(skew_nb, -position, step) == -got


def test_no_step_no_skew():
    assert both(skew_nb, 10**6, 0) == 0
