"""A running fingerprint of decisions, cheap enough for every one of them."""

from bot4.kernels.jit_nb import kernel

_P = 2_147_483_647  # the largest two primes below 2**31
_Q = 2_147_483_629


@kernel
def mix_nb(state: int, value: int) -> int:
    """Fold `value` (any int64) into `state`: two 31-bit polynomial lanes, each over a prime of its own.

    Two values go unnoticed in both lanes only if they differ by a multiple of P Q, nearly
    2**62. Products stay under 2**62, so that compiled and plain Python give the same number. A
    fingerprint to compare runs by, not a cryptographic hash.
    """
    high = state >> 31
    low = state & 2_147_483_647
    high = (high * 1_000_003 + value % _P + 1) % _P
    low = (low * 69_069 + value % _Q + 7) % _Q
    return (high << 31) | low
