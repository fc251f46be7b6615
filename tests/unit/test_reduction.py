"""The schedule of mode Reduce: compiled = plain = an oracle in exact fractions; then by rule, on random inputs."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot4.model.events import INSTRUMENT_DTYPE
from bot4.risk.reduction_nb import due_steps_nb, least_lots_nb, quantity_nb, target_nb

LOTS = st.integers(0, 2**61)
SHARE = st.integers(1, 10_000)
FLOOR = st.integers(0, 9_500)


def both(function, *arguments):
    """The compiled and the plain answer, which must be the same."""
    compiled, plain = function(*arguments), getattr(function, "py_func", function)(*arguments)
    assert compiled == plain
    return compiled


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(-1, 10**15))
def test_the_first_step_is_due_at_once_and_one_more_each_interval(now, since, interval):
    got = both(due_steps_nb, now, since, interval)
    if interval <= 0:
        assert got == 10_000
    else:
        assert got == min(1 + max(now - since, 0) // interval, 10_000)


@given(LOTS, st.integers(1, 10_000), SHARE, FLOOR)
@example(2**61, 10_000, 10_000, 0)
@example(1, 1, 1, 0)
def test_target_is_the_formula(base, steps, share, floor):
    got = both(target_nb, base, steps, share, floor)
    cut = min(Fraction(steps * share, 10_000), 1 - Fraction(floor, 10_000))
    assert got == math.floor(base * (1 - cut))


@given(st.integers(0, 10**9), st.integers(0, 10**12), st.integers(-5, 10**9), st.integers(1, 10**4))
def test_least_order_is_the_larger_of_quantity_and_value(min_qty, min_notional, price, mult):
    spec = np.zeros(1, INSTRUMENT_DTYPE)
    spec["min_qty"], spec["min_notional"], spec["money_mult"] = min_qty, min_notional, mult
    got = both(least_lots_nb, spec[0], price)
    worth = math.ceil(Fraction(min_notional, price * mult)) if price > 0 else 0
    assert got == max(min_qty, 1, worth)


@given(*[st.integers(0, 10**6)] * 3, st.integers(1, 10**4))
def test_an_order_is_what_is_due_no_more_than_a_step_no_less_than_the_venue_takes(left, target, step, least):
    qty = both(quantity_nb, left, target, step, least)
    due = left - target
    if due <= 0:
        assert qty == 0
    elif qty == 0:
        assert due < least <= left - due  # it waits: neither an order nor the rest of a position
    elif qty == left:
        assert left - min(due, max(step, least)) < least  # what would stay is dust
    else:
        assert least <= qty <= min(due, max(step, least))
        assert left - qty >= max(least, target)


@given(st.integers(1, 10**6), SHARE, FLOOR, st.integers(1, 500))
def test_step_by_step_the_floor_is_reached_in_the_scheduled_number_and_each_is_at_most_the_share(
    base, share, floor, least
):
    held, n = base, math.ceil(Fraction(10_000 - floor, share))
    step = base - target_nb(base, 1, share, 0)
    assert step == math.ceil(Fraction(base * share, 10_000))
    for k in range(1, n + 1):
        qty = quantity_nb(held, target_nb(base, k, share, floor), step, least)
        assert qty <= max(step, least) or qty == held  # more than a step only to leave no dust
        if qty == held:
            assert held - min(held - target_nb(base, k, share, floor), max(step, least)) < least
        held -= qty
    lowest = target_nb(base, n, share, floor)
    assert lowest == math.floor(Fraction(base * floor, 10_000))
    assert held <= lowest or held - lowest < least


@pytest.mark.parametrize(
    ("base", "share", "floor", "held"),
    [(100, 2500, 5000, [75, 50, 50]), (100, 2500, 0, [75, 50, 25, 0]), (3, 2500, 5000, [2, 1, 1]),
     (1, 2500, 5000, [0]), (10, 5000, 5000, [5, 5])],
)  # fmt: skip
def test_schedules_as_people_would_write_them(base, share, floor, held):
    assert [target_nb(base, k + 1, share, floor) for k in range(len(held))] == held
