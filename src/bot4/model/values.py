"""Exact numbers: Price, Quantity, Money, Rate.

Inside a value is an integer count of steps; `Decimal` is the form at the edges and floats are
refused. The operator table (anything else raises TypeError):

    Price    + - Price         -> int ticks (difference) / Price only by `shift`
    Price    x Quantity        -> Money          (same instrument grid)
    Quantity + - Quantity      -> Quantity
    Quantity x int             -> Quantity
    Money    + - Money         -> Money          (same currency and exponent)
    Money    x int             -> Money
    Money    x Rate            -> Money          (rounded against us: towards plus infinity)
    - Money, - Quantity, comparison within one type and grid

Source of the fixed-point form: integers scaled by a power of ten, as in every matching engine.

This module is the one home of conversions between text, Decimal and float on one side and ticks, lots, money
units and rates on the other (the compiled ones, on integers alone, are `kernels.fixed_nb`). Whoever rounds
says which way: `steps_of` refuses, `steps_down`, `steps_up` and `steps_near` round. All are exact: they count
with integers of any size, and refuse with InstrumentError what is no number, not finite, of absurd size, or
too large for 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from bot4.model.errors import InstrumentError

I64_MAX = 2**63 - 1
ONE = Decimal(1)
RATE_EXP = 8
SMALLEST_EXP = 400  # no float is smaller
LARGEST_EXP = 20
"""Amounts from 1e20 on do not exist; nor do digits below 1e-20."""


def decimal_of(value: object, what: str) -> Decimal:
    """`value` (str, int or Decimal; never float) as a finite Decimal, or InstrumentError."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InstrumentError(f"{what}: need str, int or Decimal, got {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InstrumentError(f"{what}: {value!r} is not a number") from None
    if not number.is_finite():
        raise InstrumentError(f"{what}: {value!r} is not finite")
    return number


def sane(number: Decimal) -> bool:
    """Whether a number is finite and of a size that prices and amounts have: some digits around the point."""
    if not number.is_finite():
        return False
    exponent = int(number.as_tuple().exponent)
    return -LARGEST_EXP <= exponent <= LARGEST_EXP and number.adjusted() < LARGEST_EXP


def _counted(value: object, step: Decimal, what: str) -> tuple[int, int, int]:
    """(whole steps towards minus infinity, left over, of how much): `value` / `step` in integers."""
    number = decimal_of(value, what)
    if not -SMALLEST_EXP <= number.adjusted() <= 4 * LARGEST_EXP:
        raise InstrumentError(f"{what}: {number} is of absurd size")
    above, below = number.as_integer_ratio()
    step_above, step_below = step.as_integer_ratio()
    whole = below * step_above
    return *divmod(above * step_below, whole), whole


def _fitting(count: int, value: object, step: Decimal, what: str) -> int:
    if abs(count) > I64_MAX:
        raise InstrumentError(f"{what}: {value} does not fit 64 bits in steps of {step}")
    return count


def steps_of(value: object, step: Decimal, what: str) -> int:
    """How many `step`s `value` is, exactly; InstrumentError when off the grid or too large."""
    count, rest, _ = _counted(value, step, what)
    if rest:
        raise InstrumentError(f"{what}: {value} is not a multiple of {step}")
    return _fitting(count, value, step, what)


def steps_down(value: object, step: Decimal, what: str) -> int:
    """The largest number of `step`s that is at most `value`."""
    return _fitting(_counted(value, step, what)[0], value, step, what)


def steps_up(value: object, step: Decimal, what: str) -> int:
    """The smallest number of `step`s that is at least `value`: of a fee, the side against us."""
    count, rest, _ = _counted(value, step, what)
    return _fitting(count + (rest > 0), value, step, what)


def steps_near(value: object, step: Decimal, what: str) -> int:
    """The number of `step`s nearest to `value`, to the even one from the middle."""
    count, rest, whole = _counted(value, step, what)
    up = 2 * rest > whole or (2 * rest == whole and count % 2 == 1)
    return _fitting(count + up, value, step, what)


def unit_of(exp: int) -> Decimal:
    """10**-exp: what a money unit of the exponent `exp` is worth."""
    return ONE.scaleb(-exp)


def decimal_amount(units: int, exp: int) -> Decimal:
    """`units` of 10**-exp as a Decimal, exactly."""
    return Decimal(int(units)).scaleb(-exp)


def exact_float(value: float, what: str) -> Decimal:
    """The Decimal that a float prints as (0.1 is 0.1); InstrumentError for NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise InstrumentError(f"{what}: need a float, got {type(value).__name__}")
    return decimal_of(repr(float(value)), what)


def places(step: Decimal) -> int:
    """Decimal places that hold `step` exactly: 0.10 needs 1, 10 needs none."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def scaled(step: Decimal) -> tuple[int, int]:
    """(decimals, factor) with `step` = factor x 10**-decimals: 0.5 is (1, 5), 10 is (0, 10)."""
    decimals = places(step)
    return decimals, steps_of(step, unit_of(decimals), "step")


def plain_step(step: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent: 1E-8 and 0.00000001 are one."""
    return Decimal(f"{step.normalize():f}")


def plain(number: Decimal) -> str:
    """A Decimal without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, order=False)
class Price:
    """A price: `ticks` steps of `tick` (quote currency per unit of base)."""

    ticks: int
    tick: Decimal

    @classmethod
    def of(cls, value: object, tick: Decimal) -> Price:
        """From str, int or Decimal; must lie on the tick grid and be positive."""
        ticks = steps_of(value, tick, "price")
        if ticks <= 0:
            raise InstrumentError(f"price: {value} is not positive")
        return cls(ticks, tick)

    def to_decimal(self) -> Decimal:
        """The price in quote currency."""
        return self.ticks * self.tick

    def shift(self, ticks: int) -> Price:
        """The price `ticks` steps away."""
        return Price(self.ticks + ticks, self.tick)

    def _same(self, other: object) -> Price:
        if not isinstance(other, Price):
            raise TypeError(f"Price does not combine with {type(other).__name__}")
        if other.tick != self.tick:
            raise InstrumentError(f"prices on different grids: {self.tick} and {other.tick}")
        return other

    def __sub__(self, other: object) -> int:
        return self.ticks - self._same(other).ticks

    def __lt__(self, other: object) -> bool:
        return self.ticks < self._same(other).ticks

    def __le__(self, other: object) -> bool:
        return self.ticks <= self._same(other).ticks

    def __str__(self) -> str:
        return plain(self.to_decimal())


@dataclass(frozen=True, slots=True, order=False)
class Quantity:
    """A signed quantity: `lots` steps of `lot` (base currency)."""

    lots: int
    lot: Decimal

    @classmethod
    def of(cls, value: object, lot: Decimal) -> Quantity:
        """From str, int or Decimal; must lie on the lot grid."""
        return cls(steps_of(value, lot, "quantity"), lot)

    def to_decimal(self) -> Decimal:
        """The quantity in base currency."""
        return self.lots * self.lot

    def _same(self, other: object) -> Quantity:
        if not isinstance(other, Quantity):
            raise TypeError(f"Quantity does not combine with {type(other).__name__}")
        if other.lot != self.lot:
            raise InstrumentError(f"quantities on different grids: {self.lot} and {other.lot}")
        return other

    def __add__(self, other: object) -> Quantity:
        return Quantity(self.lots + self._same(other).lots, self.lot)

    def __sub__(self, other: object) -> Quantity:
        return Quantity(self.lots - self._same(other).lots, self.lot)

    def __neg__(self) -> Quantity:
        return Quantity(-self.lots, self.lot)

    def __abs__(self) -> Quantity:
        return Quantity(abs(self.lots), self.lot)

    def __mul__(self, factor: object) -> Quantity:
        if isinstance(factor, bool) or not isinstance(factor, int):
            raise TypeError(f"Quantity x {type(factor).__name__} is not defined")
        return Quantity(self.lots * factor, self.lot)

    def __lt__(self, other: object) -> bool:
        return self.lots < self._same(other).lots

    def __le__(self, other: object) -> bool:
        return self.lots <= self._same(other).lots

    def __str__(self) -> str:
        return plain(self.to_decimal())


@dataclass(frozen=True, slots=True)
class Rate:
    """A fee or funding rate: `e8` hundred-millionths of notional."""

    e8: int

    @classmethod
    def of(cls, value: object) -> Rate:
        """From str, int or Decimal, to 1e-8 exactly."""
        return cls(steps_of(value, unit_of(RATE_EXP), "rate"))

    @classmethod
    def of_float(cls, fraction: float) -> Rate:
        """The rate nearest to a float, as settings hold it."""
        return cls.near(exact_float(fraction, "rate"))

    @classmethod
    def near(cls, value: object, what: str = "rate") -> Rate:
        """The nearest rate; what a venue tells with more digits is not known to more than 1e-8 here."""
        return cls(steps_near(value, unit_of(RATE_EXP), what))

    def to_decimal(self) -> Decimal:
        """The rate as a fraction of notional."""
        return decimal_amount(self.e8, RATE_EXP)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount: `units` of 10**-exp of `currency`."""

    units: int
    exp: int
    currency: str

    @classmethod
    def of(cls, value: object, currency: str, exp: int = 8) -> Money:
        """From str, int or Decimal; must be a whole number of units."""
        return cls(steps_of(value, unit_of(exp), "money"), exp, currency)

    @classmethod
    def notional(cls, price: Price, qty: Quantity, currency: str, exp: int) -> Money:
        """Price x Quantity, exactly; InstrumentError if `exp` is too coarse to hold it."""
        return cls.of(price.to_decimal() * qty.to_decimal(), currency, exp)

    def to_decimal(self) -> Decimal:
        """The amount in whole currency."""
        return decimal_amount(self.units, self.exp)

    def _same(self, other: object) -> Money:
        if not isinstance(other, Money):
            raise TypeError(f"Money does not combine with {type(other).__name__}")
        if other.currency != self.currency or other.exp != self.exp:
            raise InstrumentError(f"money of {self.currency}/{self.exp} and {other.currency}/{other.exp}")
        return other

    def __add__(self, other: object) -> Money:
        return Money(self.units + self._same(other).units, self.exp, self.currency)

    def __sub__(self, other: object) -> Money:
        return Money(self.units - self._same(other).units, self.exp, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.units, self.exp, self.currency)

    def __mul__(self, factor: object) -> Money:
        if isinstance(factor, Rate):
            return Money(-(-self.units * factor.e8 // 10**RATE_EXP), self.exp, self.currency)
        if isinstance(factor, bool) or not isinstance(factor, int):
            raise TypeError(f"Money x {type(factor).__name__} is not defined")
        return Money(self.units * factor, self.exp, self.currency)

    def __lt__(self, other: object) -> bool:
        return self.units < self._same(other).units

    def __le__(self, other: object) -> bool:
        return self.units <= self._same(other).units

    def __str__(self) -> str:
        return f"{plain(self.to_decimal())} {self.currency}"
