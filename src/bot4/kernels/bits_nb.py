"""Bit scans on 64-bit words held in int64, one machine instruction each when compiled.

Words are int64 and not uint64 because numba unifies uint64 with int64 to float64.
The plain functions serve `py_func` and NUMBA_DISABLE_JIT=1; the overloads serve compiled callers.
"""

from typing import Any

from numba import types
from numba.core.cgutils import true_bit
from numba.extending import intrinsic, overload

_WORD = 0xFFFF_FFFF_FFFF_FFFF


def low_bit(word: int) -> int:
    """Index 0..63 of the lowest set bit of `word`, read as 64 raw bits; `word` must not be 0."""
    bits = int(word) & _WORD
    return (bits & -bits).bit_length() - 1


def high_bit(word: int) -> int:
    """Index 0..63 of the highest set bit of `word`, read as 64 raw bits; `word` must not be 0."""
    return (int(word) & _WORD).bit_length() - 1


@intrinsic
def _cttz(typingctx: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], true_bit)  # true: a zero word is undefined, not tested for

    return types.int64(types.int64), codegen


@intrinsic
def _ctlz(typingctx: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], true_bit)

    return types.int64(types.int64), codegen


@overload(low_bit)
def _low_bit(word: Any) -> Any:
    def compiled(word: Any) -> Any:
        return _cttz(word)  # type: ignore[call-arg]  # numba supplies the typing context

    return compiled


@overload(high_bit)
def _high_bit(word: Any) -> Any:
    def compiled(word: Any) -> Any:
        return 63 - _ctlz(word)  # type: ignore[call-arg]

    return compiled


def _load8(typingctx: Any, buf: Any, i: Any) -> Any:
    """buf[i:i+8] as one little-endian word; the place need not be aligned."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        word = builder.load(builder.bitcast(place, context.get_value_type(types.uint64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(buf, types.int64), codegen


load8: Any = intrinsic(_load8)
