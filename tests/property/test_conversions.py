"""Conversions between floats, decimals, text and steps: exact, or rounded the way that is said."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model.errors import InstrumentError
from bot4.model.instrument import Instrument
from bot4.model.values import (
    I64_MAX,
    Money,
    Price,
    Quantity,
    Rate,
    decimal_amount,
    exact_float,
    places,
    plain,
    sane,
    scaled,
    steps_down,
    steps_near,
    steps_of,
    steps_up,
    unit_of,
)

D = Decimal
STEP = st.sampled_from([D("0.1"), D("0.01"), D("0.5"), D("0.00025"), D(1), D(10), D("1E-8"), D("0.003")])
PRICE = st.floats(1e-3, 1e9, allow_nan=False)
NUMBER = st.decimals(-(10**9), 10**9, places=12)
BAD = [math.nan, math.inf, -math.inf]


def instrument(tick, lot, contract="1"):
    return Instrument("A-B", "x", "A", "B", "spot", tick, lot, lot, lot * 10**9, D(0), contract=D(contract))


@given(PRICE, STEP)
def test_float_to_ticks_to_float_is_at_most_half_a_tick_off(value, tick):
    back = float(steps_near(exact_float(value, "price"), tick, "price") * tick)
    assert abs(back - value) <= float(tick) / 2 * (1 + 1e-9) + math.ulp(value)


@given(st.integers(-(10**12), 10**12), STEP)
def test_steps_to_decimal_to_text_to_steps_is_exact(count, step):
    value = count * step
    for form in (value, plain(value), str(value)):
        assert steps_of(form, step, "x") == count
        assert (
            steps_down(form, step, "x") == steps_up(form, step, "x") == steps_near(form, step, "x") == count
        )
    if count > 0:
        assert Price.of(plain(value), step) == Price(count, step)
        assert Price.of(str(Price(count, step)), step) == Price(count, step)
    assert Quantity.of(str(Quantity(count, step)), step).lots == count


@given(st.integers(-I64_MAX, I64_MAX), st.integers(0, 12))
def test_money_to_decimal_and_back_is_exact(units, exp):
    money = Money(units, exp, "USDT")
    assert Money.of(money.to_decimal(), "USDT", exp) == money
    assert decimal_amount(units, exp) == units * unit_of(exp)


@given(NUMBER, STEP)
def test_rounding_goes_the_way_it_says(value, step):
    exact = Fraction(value) / Fraction(step)
    down, up, near = (f(value, step, "x") for f in (steps_down, steps_up, steps_near))
    assert down <= exact <= up and up - down in (0, 1) and (up == down) == (exact.denominator == 1)
    assert near in (down, up) and abs(near - exact) <= Fraction(1, 2)
    assert near == round(exact)  # the even one from the middle


@given(st.decimals("0.001", 10**6, places=9), STEP, st.sampled_from(["1", "10", "0.1"]))
def test_orders_round_to_the_safe_side(value, step, contract):
    made = instrument(step, step, contract)
    assert made.round_price(value, 1).to_decimal() <= value < made.round_price(value, 1).to_decimal() + step
    assert made.round_price(value, -1).to_decimal() >= value > made.round_price(value, -1).to_decimal() - step
    coins = made.round_qty_down(value).lots * step * D(contract)
    assert coins <= value < coins + step * D(contract)


@given(st.floats(-0.5, 0.5))
def test_a_rate_from_a_float_is_the_nearest(fraction):
    assert abs(Rate.of_float(fraction).to_decimal() - D(repr(fraction))) <= D("5E-9")


@given(STEP)
def test_a_step_in_whole_numbers(step):
    decimals, factor = scaled(step)
    assert factor * unit_of(decimals) == step and decimals == places(step)


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InstrumentError):
        exact_float(value, "price")
    with pytest.raises(InstrumentError):
        Rate.of_float(value)
    for convert in (steps_of, steps_down, steps_up, steps_near):
        with pytest.raises(InstrumentError):
            convert(D(repr(value).upper().replace("INF", "Infinity")), D(1), "x")
        with pytest.raises(InstrumentError):
            convert(value, D(1), "x")  # a float does not become exact by itself
        for absurd in ("1E+999999", "1E-999999", D(10) ** 30):
            with pytest.raises(InstrumentError):
                convert(absurd, D(1), "x")
    assert not sane(D(str(value)))


def test_negative_and_nothing_are_no_prices():
    for bad in ("-0.1", "0", D(-5)):
        with pytest.raises(InstrumentError, match="not positive"):
            Price.of(bad, D("0.1"))


def test_currencies_do_not_mix():
    with pytest.raises(InstrumentError):
        Money.of("1", "USDT") + Money.of("1", "BTC")


@pytest.mark.parametrize(
    "text", ["1E-999999999", "0E-999999", "1E+20", "1E+999999999", "-1E+20", "NaN", "sNaN"]
)
def test_absurd_sizes_are_not_sane(text):
    assert not sane(D(text))
    assert sane(D("0.00000001")) and sane(D("99999999999999999999")) and sane(D(0))
