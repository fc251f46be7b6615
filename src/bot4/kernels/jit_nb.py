"""The `kernel` decorator: the one way a function of bot4 is compiled; `cache` says where it is kept."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

from bot4.kernels import cache

F = TypeVar("F", bound=Callable[..., Any])

cache.install()

JIT_OFF = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
"""NUMBA_DISABLE_JIT=1: every kernel is its plain Python function."""


def _without_literals(dispatcher: Any) -> Any:
    """Make calls with constant integers use the same compiled function as other calls.

    numba would compile a callee anew for every constant it is called with; LLVM propagates the
    constants that matter by itself.
    """
    if JIT_OFF:
        return dispatcher
    resolve = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        plain = tuple(_plain(a) for a in args)
        return resolve(plain, {name: _plain(a) for name, a in kws.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher


def _plain(kind: Any) -> Any:
    literal = isinstance(kind, types.IntegerLiteral | types.BooleanLiteral)
    return types.unliteral(kind) if literal else kind  # type: ignore[no-untyped-call]


def kernel(function: F) -> F:
    """Compile `function` with numba: cached, no GIL, IEEE arithmetic, errors as in numpy.

    Without numba's runtime for reference counts: a kernel cannot allocate (a compile error says
    so), and passing arrays on costs nothing. No fastmath and no automatic contraction: the same
    input gives the same bits in every process. `kernel(f).py_func` is the plain function; with
    NUMBA_DISABLE_JIT=1 the plain function itself is returned.
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": False,
        "_nrt": False,
    }
    compiled: F = _without_literals(numba.njit(**options)(function))
    return compiled


def kernel_with_heap(function: F) -> F:
    """Compile like `kernel` a function that allocates arrays; never for the hot path."""
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}
    compiled: F = _without_literals(numba.njit(**options)(function))
    return compiled
