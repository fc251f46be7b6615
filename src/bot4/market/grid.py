"""Reading an instrument's grid off its data."""

from __future__ import annotations

from decimal import Decimal

from bot4.model.values import decimal_amount, plain_step, steps_of, unit_of

FEW = 1000


def infer_step(unit: Decimal, values: int) -> Decimal:
    """The step of a grid whose values all are multiples of `unit`.

    `unit` is their greatest common divisor. Of few values the divisor may be too coarse by
    chance (100.5 and 201.0 have 100.5), so below FEW values the largest power of ten that divides it
    is taken, and above the largest 1, 2, 2.5 or 5 x power of ten, which are the steps that venues use.
    A divisor of another form is kept as it is only from 100 x FEW values on.
    """
    if unit <= 0:
        return Decimal(1)
    number = unit.normalize()
    exp = int(number.as_tuple().exponent)
    digits = steps_of(number, unit_of(-exp), "step")
    if values >= 100 * FEW or digits == 1:
        return plain_step(number)
    if values >= FEW:
        for factor in (25, 5, 2):
            if digits % factor == 0:
                return plain_step(decimal_amount(factor, -exp))
    return plain_step(unit_of(-exp))


def symbol_parts(symbol: str) -> tuple[str, str]:
    """(base, quote) of a venue symbol without separator, by the known quote currencies."""
    for quote in (
        "USDT", "FDUSD", "USDC", "BUSD", "TUSD", "USDP", "DAI", "USD1", "EURI", "USDE",
        "BTC", "ETH", "BNB", "TRY", "EUR", "BRL", "GBP", "AUD", "JPY", "RUB", "UAH", "NGN", "ZAR",
        "IDRT", "BIDR", "PLN", "RON", "ARS", "MXN", "COP", "CZK", "XRP", "TRX", "DOGE", "DOT", "SOL",
        "USD",
    ):  # fmt: skip
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    return symbol, ""
