"""Chance from an explicit seed: xoshiro128++ and the draws made of it.

State: int64[4], each holding one 32-bit word, not all zero. Words of 32 bits in 64-bit integers never
overflow, so compiled and plain Python give the same bits.

Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021);
period 2**128 - 1.
"""

import math
from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel

Array = np.ndarray[Any, Any]

_MASK = 0xFFFF_FFFF
_UNIT = 1.0 / 4294967296.0
_TURN = 2.0 * math.pi


@kernel
def next32(state: Array) -> int:
    """The next 32 random bits, in [0, 2**32)."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    total = (s0 + s3) & _MASK
    out: int = ((((total << 7) & _MASK) | (total >> 25)) + s0) & _MASK
    shifted = (s1 << 9) & _MASK
    s2 ^= s0
    s3 ^= s1
    state[1] = s1 ^ s2
    state[0] = s0 ^ s3
    state[2] = s2 ^ shifted
    state[3] = ((s3 << 11) & _MASK) | (s3 >> 21)
    return out


@kernel
def uniform(state: Array) -> float:
    """Uniform on the open interval (0, 1), in steps of 2**-32."""
    return (next32(state) + 0.5) * _UNIT


@kernel
def exponential(state: Array) -> float:
    """Exponential with mean 1, by inversion; at most 22.9."""
    return -math.log(uniform(state))


@kernel
def gauss(state: Array) -> float:
    """Standard normal (Box and Muller 1958, one of the pair); |value| < 6.8."""
    radius = math.sqrt(-2.0 * math.log(uniform(state)))
    return radius * math.cos(_TURN * uniform(state))
