"""Exact integer arithmetic for money."""

from bot4.kernels.jit_nb import kernel


@kernel
def rate_of(amount: int, rate_e8: int) -> int:
    """Amount x rate / 1e8 rounded towards plus infinity (against us), without overflow.

    `amount` in money units (any sign), `rate_e8` in 1e-8, |rate_e8| <= 1e8. The product is taken
    on quotient and remainder apart, so that it cannot overflow for |amount| < 2**62.
    """
    quotient = amount // 100_000_000
    rest = amount - quotient * 100_000_000
    return quotient * rate_e8 - (-(rest * rate_e8) // 100_000_000)


@kernel
def mul_div_floor(a: int, b: int, c: int) -> int:
    """floor(a x b / c) for non-negative a, b and positive c, exact while a % c x b fits 63 bits."""
    quotient = a // c
    return quotient * b + ((a - quotient * c) * b) // c
