"""Numbers on the wire: integer ticks and lots to decimal text and back, exactly."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from bot4.model.values import scaled, unit_of
from bot4.venues.served.errors import VenueError
from bot4.venues.simulator.words import Market

E8 = Decimal("0.00000001")
MAX_DIGITS = 30
"""A longer number is refused before it is parsed."""


class Scale:
    """Text of integer multiples of a step, with at least the step's decimals (`decimals` pads with zeros)."""

    __slots__ = ("_factor", "_pad", "_unit", "decimals", "step")

    def __init__(self, step: Decimal, decimals: int = 0) -> None:
        own, self._factor = scaled(step)
        self.step = step
        self.decimals = max(own, decimals)
        self._unit = 10**own
        self._pad = self.decimals - own

    def text(self, steps: int) -> str:
        """`steps` multiples of the step, written out."""
        value = steps * self._factor
        sign = "-" if value < 0 else ""
        whole, rest = divmod(abs(value), self._unit)
        if self.decimals == 0:
            return f"{sign}{whole}"
        own = self.decimals - self._pad
        fraction = (f"{rest:0{own}d}" if own else "") + "0" * self._pad
        return f"{sign}{whole}.{fraction}"

    def value(self, steps: int) -> Decimal:
        """`steps` multiples of the step, as a number."""
        return self.step * steps

    def steps(self, value: Decimal) -> int | None:
        """How many steps `value` is; None when it lies between two."""
        count = value / self.step
        whole = int(count)
        return whole if whole == count else None


class Figures:
    """How one market writes its prices, quantities and amounts.

    Spot writes eight decimals everywhere; futures write as many as the tick and the lot have.
    """

    __slots__ = ("amount_places", "price", "qty")

    def __init__(self, market: Market) -> None:
        spot = market.kind == "spot"
        self.price = Scale(market.tick, 8 if spot else 0)
        self.qty = Scale(market.lot, 8 if spot else 0)
        self.amount_places = 8

    def spent(self, ticks_lots: int) -> str:
        """A sum of price x quantity in the quote asset, eight decimals."""
        return amount(self.price.step * self.qty.step * ticks_lots)

    def average(self, ticks_lots: int, lots: int) -> str:
        """Mean price of fills, or zero without any."""
        mean = self.price.step * ticks_lots / lots if lots else Decimal(0)
        return plain(mean.quantize(E8).normalize()) if mean else self.price.text(0)

    def average_padded(self, ticks_lots: int, lots: int) -> str:
        """Mean price of fills with at least the tick's decimals."""
        mean = self.price.step * ticks_lots / lots if lots else Decimal(0)
        return plain(mean.quantize(unit_of(self.price.decimals)))


def plain(value: Decimal) -> str:
    """A decimal without exponent."""
    return format(value, "f")


def amount(value: Decimal) -> str:
    """An amount of an asset: eight decimals, the rest cut off."""
    return format(value.quantize(E8), "f")


def number(name: str, text: str) -> Decimal:
    """The decimal in a parameter; VenueError -1100 when it is none, -1102 when empty."""
    if not text:
        raise VenueError(-1105, f"Parameter '{name}' was empty.")
    if len(text) > MAX_DIGITS:
        raise VenueError(
            -1100,
            f"Illegal characters found in parameter '{name}'; "
            "legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
        )
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise VenueError(
            -1100,
            f"Illegal characters found in parameter '{name}'; "
            "legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
        )
    return value
