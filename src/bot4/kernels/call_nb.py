"""Calls of step kernels by address, so that one compiled loop serves any set of them.

A step kernel is `step(params, state, x, out) -> None` on four contiguous float64 arrays. `address_of`
compiles it for that one signature (or loads it from the cache) and gives the address of the machine
code; `call_step_nb` calls it on windows of flat arrays. The address holds for this process only.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from bot4.kernels.jit_nb import JIT_OFF

Step = Callable[
    [np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]], None
]

_VECTOR: Final = types.Array(types.float64, 1, "C")
_SIGNATURE: Final = types.void(_VECTOR, _VECTOR, _VECTOR, _VECTOR)
_DOUBLE: Final = 8

# numba's tools for generated code carry no types of their own
_make_array: Final[Any] = arrayobj.make_array
_populate_array: Final[Any] = arrayobj.populate_array
_pack_array: Final[Any] = cgutils.pack_array
_SPANS: Final[Any] = types.Tuple((types.int64,) * 8)  # type: ignore[no-untyped-call]


class Machine(NamedTuple):
    """One compiled step kernel. `library` keeps the machine code alive."""

    address: int
    library: Any


def machine_of(step: Any) -> Machine:
    """The machine code of a step kernel, compiled if need be; without JIT the address is 0."""
    if JIT_OFF:
        return Machine(0, step)
    step.compile(_SIGNATURE)
    result = step.overloads[_SIGNATURE.args]
    name = result.fndesc.llvm_func_name
    return Machine(int(result.library.get_pointer_to_function(name)), result.library)


def _window(context: Any, builder: Any, base: Any, start: Any, size: Any) -> Any:
    """The part [start, start + size) of the vector `base` as a vector of its own; nothing is counted."""
    ary = _make_array(_VECTOR)(context, builder)
    stride = context.get_constant(types.intp, _DOUBLE)
    _populate_array(
        ary,
        data=builder.gep(base.data, [start]),
        shape=_pack_array(builder, [size]),
        strides=_pack_array(builder, [stride]),
        itemsize=stride,
        meminfo=None,
        parent=None,
    )
    return ary._getvalue()


def _call_step(
    typing_context: Any, address: Any, params: Any, state: Any, x: Any, out: Any, spans: Any
) -> tuple[Any, Any]:
    """Call the step at `address` on windows of `params`, `state`, `x` and `out`.

    `spans` is eight integers: start and size of each window. Nothing is checked here.
    """
    signature = types.void(types.int64, _VECTOR, _VECTOR, _VECTOR, _VECTOR, _SPANS)

    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        spot, *vectors, span = args
        windows = []
        for k, vector in enumerate(vectors):
            base = _make_array(_VECTOR)(context, builder, vector)
            start = builder.extract_value(span, 2 * k)
            size = builder.extract_value(span, 2 * k + 1)
            windows.append(_window(context, builder, base, start, size))
        convention = context.call_conv
        kind = convention.get_function_type(types.void, _SIGNATURE.args)
        function = builder.inttoptr(spot, kind.as_pointer())
        convention.call_function(builder, function, types.void, _SIGNATURE.args, windows)
        return context.get_dummy_value()

    return signature, codegen


call_step_nb: Final[Any] = intrinsic(_call_step)
"""`call_step_nb(address, params, state, x, out, spans)`; see `_call_step`."""
