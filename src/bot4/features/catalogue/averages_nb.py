"""Step kernels of moving averages. Seeds are those of TA-Lib."""

import math

from bot4.features.ring_nb import Vector, seed_ema_nb
from bot4.kernels.jit_nb import kernel


@kernel
def ema_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Exponential average of the close. Memory: inputs so far, average."""
    c = state[0]
    state[1] = seed_ema_nb(state[1], x[3], c, params[0])
    state[0] = c + 1.0
    out[0] = state[1] if c >= params[0] - 1.0 else math.nan
