"""Loops of the feature matrix: one step kernel over a block of columns, and bars made of bars.

A block is float64 (rows, capacity): a row of it is a column of the matrix, contiguous in time.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.call_nb import call_step_nb
from bot4.kernels.jit_nb import kernel

Vector = np.ndarray[Any, Any]
Block = np.ndarray[Any, Any]
FRAME_STATE: Final = (
    9  # open bar: 1 if there is one, open, high, low, close, volume, number of its frame, buy, trades
)


@kernel
def run_block_nb(
    address: int,
    memory: tuple[Vector, Vector, Vector, Vector],
    links: tuple[Vector, Vector],
    block: Block,
    start: int,
    stop: int,
) -> None:
    """Rows start .. stop-1 in time through one feature.

    memory: constants, state, scratch for the input row, scratch for the outputs. links: rows of the block
    that feed the input, rows that take the outputs (-1: not kept).
    """
    params, state, x, out = memory
    sources, targets = links
    spans = (0, len(params), 0, len(state), 0, len(x), 0, len(out))
    for i in range(start, stop):
        for k in range(len(sources)):
            x[k] = block[sources[k], i]
        call_step_nb(address, params, state, x, out, spans)
        for k in range(len(targets)):
            if targets[k] >= 0:
                block[targets[k], i] = out[k]


@kernel
def _emit_nb(state: Vector, frame_s: float, slow: Block, k: int) -> None:
    """Write the open slow bar into column k of `slow`, in the order of a bar's fields."""
    for j in range(5):
        slow[j, k] = state[1 + j]
    slow[5, k] = (state[6] + 1.0) * frame_s
    slow[6, k] = state[7]
    slow[7, k] = state[8]
    state[0] = 0.0


@kernel
def fold_frame_nb(frame_s: float, state: Vector, block: Block, n: int, slow: Block, known: Vector) -> int:
    """Fold n bars (rows 0 to 7 of `block`) into bars of `frame_s` s, in `slow` from column 1 on.

    A slow bar is closed by the bar that ends with it, or by the first bar after it. known[i] is the column
    of the slow bar closed last as of bar i (0: none in this block). Returns the number of slow bars closed.
    A frame in which bars are missing holds those that are there; NaN among buy volume or trades stays NaN.
    """
    count = 0
    for i in range(n):
        ts = block[5, i]
        number = math.ceil(ts / frame_s - 1e-9) - 1.0
        if state[0] > 0.0 and number != state[6]:
            count += 1
            _emit_nb(state, frame_s, slow, count)
        if state[0] == 0.0:
            state[0] = 1.0
            state[1] = block[0, i]
            state[2] = block[1, i]
            state[3] = block[2, i]
            state[5] = 0.0
            state[6] = number
            state[7] = 0.0
            state[8] = 0.0
        state[2] = max(state[2], block[1, i])
        state[3] = min(state[3], block[2, i])
        state[4] = block[3, i]
        state[5] += block[4, i]
        state[7] += block[6, i]
        state[8] += block[7, i]
        if ts >= (number + 1.0) * frame_s:
            count += 1
            _emit_nb(state, frame_s, slow, count)
        known[i] = count
    return count
