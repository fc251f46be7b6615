"""The `inlined` decorator: a kernel whose machine code becomes part of each caller.

An array argument costs seven words a call; for a primitive of a few instructions that is most of its time.
Everything else is as with `kernel`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from bot4.kernels.jit_nb import kernel

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """Compile `function` like `kernel`, and copy it into its callers."""
    made = kernel(function)
    if made is not function:
        made.targetoptions["forceinline"] = True  # type: ignore[attr-defined]
    return made
