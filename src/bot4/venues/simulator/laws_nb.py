"""The laws of chance of the simulated exchange: Poisson counts, Beta shares, log-normal times.

All draw from one xoshiro128++ state (`chance_nb`), int64[4].
"""

import math
from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.venues.simulator.chance_nb import gauss, uniform

Array = np.ndarray[Any, Any]

_STEP = 16.0  # means above it are drawn in parts, so that exp(-mean) stays far from zero


@kernel
def poisson(state: Array, mean: float) -> int:
    """Number of arrivals where `mean` are expected (Knuth: products of uniforms); 0 for a mean <= 0.

    Sums of independent Poisson numbers are Poisson, so a large mean goes in steps of 16.
    """
    count = 0
    while mean > 0.0:
        part = min(mean, _STEP)
        mean -= part
        floor = math.exp(-part)
        product = uniform(state)
        while product > floor:
            count += 1
            product *= uniform(state)
    return count


@kernel
def gamma(state: Array, shape: float) -> float:
    """Gamma with scale 1 and `shape` > 0 (Marsaglia and Tsang 2000; below 1 by their boost)."""
    boost = 1.0
    if shape < 1.0:
        boost = uniform(state) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = gauss(state)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        if math.log(uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return boost * d * v


@kernel
def beta(state: Array, a: float, b: float) -> float:
    """Beta(a, b) in [0, 1], mean a / (a + b), from two gammas."""
    x = gamma(state, a)
    y = gamma(state, b)
    return x / (x + y)


@kernel
def lognormal(state: Array, median: float, sigma: float) -> float:
    """Log-normal around `median`; mean median x exp(sigma**2 / 2)."""
    return median * math.exp(sigma * gauss(state))
