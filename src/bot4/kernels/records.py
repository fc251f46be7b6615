"""Structured arrays whose rows kernels read by attribute."""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import JIT_OFF


def records(shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Zeroed records. With NUMBA_DISABLE_JIT=1 a recarray, so that `row.field` works in plain Python too."""
    made = np.zeros(shape, dtype)
    return made.view(np.recarray) if JIT_OFF else made
