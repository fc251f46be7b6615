"""Seeded chance for latencies: a counter goes through splitmix64, so no state but the counter.

Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). Normal numbers by
Box and Muller (1958).
"""

import math
from typing import Any

import numpy as np
from numba.extending import overload

from bot4.kernels.jit_nb import kernel

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def mix(seed: int, counter: int) -> int:
    """53 random bits, number `counter` of the stream `seed`, as an int in [0, 2**53)."""
    z = (int(seed) + int(counter) * 0x9E37_79B9_7F4A_7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return (z ^ (z >> 31)) >> 11


@overload(mix)
def _mix(seed: Any, counter: Any) -> Any:
    def compiled(seed: Any, counter: Any) -> Any:
        z = np.uint64(seed) + np.uint64(counter) * np.uint64(0x9E37_79B9_7F4A_7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(11))

    return compiled


@kernel
def normal_nb(seed: int, pair: int) -> float:
    """Standard normal number `pair` of the stream `seed`."""
    scale = 1.0 / 9007199254740992.0
    u = (mix(seed, 2 * pair) + 1) * scale  # in (0, 1], so that its logarithm is finite
    v = mix(seed, 2 * pair + 1) * scale
    return math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


@kernel
def latency_nb(median_ns: int, sigma: float, seed: int, pair: int) -> int:
    """Nanoseconds: the median itself where sigma is 0, else log-normal around it."""
    if sigma == 0.0 or median_ns == 0:
        return median_ns
    return int(median_ns * math.exp(sigma * normal_nb(seed, pair)))
