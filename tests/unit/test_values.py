"""The exact numbers: which operators exist, that they are exact, and that grids never mix."""

import operator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model.errors import InstrumentError
from bot4.model.values import I64_MAX, Money, Price, Quantity, Rate, decimal_of, plain, steps_of

D = Decimal
STEP = st.sampled_from([D("0.1"), D("0.01"), D("0.5"), D("0.00025"), D(1), D(10)])
COUNT = st.integers(-(10**12), 10**12)
UP = st.integers(1, 10**12)

ONE_OF_EACH = {
    "price": Price(5, D("0.1")),
    "quantity": Quantity(3, D("0.01")),
    "money": Money(100, 8, "USDT"),
    "rate": Rate(50_000),
    "int": 2,
    "float": 2.0,
    "bool": True,
    "decimal": D(2),
    "none": None,
}
ALLOWED = {
    ("add", "quantity", "quantity"): Quantity,
    ("add", "money", "money"): Money,
    ("sub", "price", "price"): int,
    ("sub", "quantity", "quantity"): Quantity,
    ("sub", "money", "money"): Money,
    ("mul", "quantity", "int"): Quantity,
    ("mul", "money", "int"): Money,
    ("mul", "money", "rate"): Money,
}
OWN = ("price", "quantity", "money", "rate")


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"]
)
@pytest.mark.parametrize("left", ONE_OF_EACH)
@pytest.mark.parametrize("right", ONE_OF_EACH)
def test_only_the_operators_of_the_table_exist(name, left, right):
    """A new operator, or one that takes a float or a bool, would let money become inexact."""
    if left not in OWN and right not in OWN:
        return
    a, b = ONE_OF_EACH[left], ONE_OF_EACH[right]
    run = getattr(operator, name)
    if name in ("lt", "le", "gt", "ge"):
        if left == right and left != "rate":
            assert run(a, b) == (name in ("le", "ge"))
            return
        wanted = None
    else:
        wanted = ALLOWED.get((name, left, right))
    if wanted is None:
        with pytest.raises((TypeError, InstrumentError)):
            run(a, b)
    else:
        assert type(run(a, b)) is wanted


@pytest.mark.parametrize(
    ("run", "a", "b"),
    [
        (operator.sub, Price(1, D("0.1")), Price(1, D("0.01"))),
        (operator.lt, Price(1, D("0.1")), Price(1, D("0.01"))),
        (operator.le, Price(1, D("0.1")), Price(1, D("0.01"))),
        (operator.add, Quantity(1, D("0.1")), Quantity(1, D("0.01"))),
        (operator.sub, Quantity(1, D("0.1")), Quantity(1, D("0.01"))),
        (operator.lt, Quantity(1, D("0.1")), Quantity(1, D("0.01"))),
        (operator.le, Quantity(1, D("0.1")), Quantity(1, D("0.01"))),
        (operator.add, Money(1, 8, "USDT"), Money(1, 8, "USDC")),
        (operator.sub, Money(1, 8, "USDT"), Money(1, 6, "USDT")),
        (operator.lt, Money(1, 8, "USDT"), Money(1, 6, "USDT")),
        (operator.le, Money(1, 8, "USDT"), Money(1, 8, "USDC")),
    ],
)
def test_grids_and_currencies_do_not_mix(run, a, b):
    with pytest.raises(InstrumentError):
        run(a, b)


def test_equality_is_of_steps_and_grid():
    assert Price(10, D("0.1")) != Price(1, D(1))
    assert Price(10, D("0.1")) == Price.of("1.0", D("0.1"))
    assert Quantity(0, D(1)) != Money(0, 0, "USDT")


@given(UP, STEP, COUNT, STEP)
def test_price_times_quantity_is_exact(ticks, tick, lots, lot):
    exact = Fraction(ticks) * Fraction(tick) * lots * Fraction(lot)
    exp = 8
    price, qty = Price(ticks, tick), Quantity(lots, lot)
    if (exact * 10**exp).denominator == 1 and abs(exact * 10**exp) <= I64_MAX:
        money = Money.notional(price, qty, "USDT", exp)
        assert Fraction(money.units, 10**exp) == exact
        assert Fraction(money.to_decimal()) == exact
    else:
        with pytest.raises(InstrumentError):
            Money.notional(price, qty, "USDT", exp)


@given(COUNT, COUNT, STEP)
def test_quantities_add_like_integers(a, b, lot):
    one, two = Quantity(a, lot), Quantity(b, lot)
    assert (one + two).lots == a + b
    assert one - two + two == one
    assert -one + one == Quantity(0, lot)
    assert abs(one).lots == abs(a)
    assert (one * 7).lots == 7 * a
    assert (one < two) == (a < b)
    assert (one <= two) == (a <= b)


@given(COUNT, COUNT)
def test_money_adds_like_integers(a, b):
    one, two = Money(a, 8, "USDT"), Money(b, 8, "USDT")
    assert (one + two).units == a + b
    assert (one - two).units == a - b
    assert (-one).units == -a
    assert (one * -3).units == -3 * a
    assert (one < two) == (a < b)
    assert (one <= two) == (a <= b)


@given(COUNT, st.integers(-(10**8), 10**8))
def test_a_rate_of_money_is_rounded_against_us(units, e8):
    """Downwards, or to the nearest, a fee would be one unit too kind."""
    exact = Fraction(units * e8, 10**8)
    got = (Money(units, 8, "USDT") * Rate(e8)).units
    assert exact <= got < exact + 1


@given(st.integers(-(10**15), 10**15), STEP)
def test_text_and_steps_agree(count, step):
    value = count * step
    assert steps_of(plain(value), step, "x") == count
    assert steps_of(value, step, "x") == count
    assert Decimal(plain(value)) == value
    off = value + step / 3 if step / 3 * 3 == step else value + step / 2
    with pytest.raises(InstrumentError, match="not a multiple"):
        steps_of(off, step, "x")


@pytest.mark.parametrize("value", [1.5, True, None, b"1", "one", "", "NaN", "Infinity", "-Infinity", [1]])
def test_only_finite_text_and_decimals_are_numbers(value):
    with pytest.raises(InstrumentError, match="price"):
        decimal_of(value, "price")


def test_bounds_of_64_bits():
    assert steps_of(I64_MAX, D(1), "x") == I64_MAX
    with pytest.raises(InstrumentError, match="64 bits"):
        steps_of(I64_MAX + 1, D(1), "x")


def test_prices_are_positive_and_shift():
    price = Price.of("100.5", D("0.5"))
    assert price.ticks == 201
    assert price.shift(-2).to_decimal() == D("99.5")
    assert str(price) == "100.5"
    assert price.shift(3) - price == 3
    for bad in ("0", "-1"):
        with pytest.raises(InstrumentError, match="not positive"):
            Price.of(bad, D("0.5"))


def test_what_people_read():
    assert str(Quantity.of("1.250", D("0.001"))) == "1.25"
    assert str(Money.of("12.50", "USDT")) == "12.5 USDT"
    assert plain(D("1E+3")) == "1000"
    assert Rate.of("0.0005").e8 == 50_000
    assert Rate.of("0.0005").to_decimal() == D("0.0005")
    assert Quantity.of("1.25", D("0.01")).to_decimal() == D("1.25")
