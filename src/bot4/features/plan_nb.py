"""Loops that run step kernels by address: one row through all features, all rows through one.

A table row describes one feature: address, then start and size of its constants, of its state and of
its outputs. The arena of one instrument is one vector; starts count from its beginning.
"""

from typing import Any

import numpy as np

from bot4.kernels.call_nb import call_step_nb
from bot4.kernels.jit_nb import kernel

Vector = np.ndarray[Any, Any]
Table = np.ndarray[Any, Any]


@kernel
def step_plan_nb(table: Table, params: Vector, arena: Vector, x: Vector) -> None:
    """Fold row `x` into every feature of `table`, int64 (n, 7)."""
    width = len(x)
    for k in range(table.shape[0]):
        call_step_nb(
            table[k, 0],
            params,
            arena,
            x,
            arena,
            (table[k, 1], table[k, 2], table[k, 3], table[k, 4], 0, width, table[k, 5], table[k, 6]),
        )


@kernel
def run_plan_nb(table: Table, params: Vector, arena: Vector, rows: Vector, width: int) -> None:
    """Fold all `rows` (end to end) into one arena."""
    for i in range(len(rows) // width):
        for k in range(table.shape[0]):
            call_step_nb(
                table[k, 0],
                params,
                arena,
                rows,
                arena,
                (
                    table[k, 1],
                    table[k, 2],
                    table[k, 3],
                    table[k, 4],
                    i * width,
                    width,
                    table[k, 5],
                    table[k, 6],
                ),
            )


@kernel
def step_many_nb(table: Table, params: Vector, arenas: Vector, rows: Vector, width: int) -> None:
    """The same for many instruments: `arenas` and `rows` are theirs, end to end."""
    wide = len(arenas) // max(len(rows) // width, 1)
    for i in range(len(rows) // width):
        a = i * wide
        for k in range(table.shape[0]):
            call_step_nb(
                table[k, 0],
                params,
                arenas,
                rows,
                arenas,
                (
                    table[k, 1],
                    table[k, 2],
                    a + table[k, 3],
                    table[k, 4],
                    i * width,
                    width,
                    a + table[k, 5],
                    table[k, 6],
                ),
            )


@kernel
def run_feature_nb(
    address: int, params: Vector, state: Vector, rows: Vector, out: Vector, width: int
) -> None:
    """All rows (end to end) through one feature; `out` gets its outputs row by row, end to end."""
    n = len(rows) // width
    n_out = len(out) // max(n, 1)
    for i in range(n):
        call_step_nb(
            address,
            params,
            state,
            rows,
            out,
            (0, len(params), 0, len(state), i * width, width, i * n_out, n_out),
        )
