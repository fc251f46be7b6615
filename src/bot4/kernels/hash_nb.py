"""A running fingerprint of decisions, cheap enough for every one of them."""

from bot4.kernels.jit_nb import kernel

_P = 2_147_483_647  # Mersenne prime 2**31 - 1


@kernel
def mix_nb(state: int, value: int) -> int:
    """Fold `value` (any int64) into `state`: two 31-bit polynomial lanes side by side.

    Products stay under 2**62, so that compiled and plain Python give the same number. A
    fingerprint to compare runs by, not a cryptographic hash.
    """
    high = state >> 31
    low = state & 2_147_483_647
    word = value % _P
    high = (high * 1_000_003 + word + 1) % _P
    low = (low * 69_069 + word + 7) % _P
    return (high << 31) | low
