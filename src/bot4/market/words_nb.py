"""Eight bytes of text at a time: runs of digits, short decimals, comparison of literals.

Text is mostly short numbers, where a loop over bytes costs a mispredicted branch at each end. Here eight
bytes are read as one word and treated together (SIMD within a register; digits to number after
Lemire and Mula, "Number parsing at a gigabyte per second", 2021). The plain functions serve `py_func`
and NUMBA_DISABLE_JIT=1, the overloads serve compiled callers; the callers see to it that eight
bytes can be read.
"""

from typing import Any

import numpy as np
from numba.extending import overload

from bot4.kernels.bits_nb import load8, low_bit

U = np.uint64


def digits_at(buf: Any, i: int) -> tuple[int, int]:
    """(count, value) of the digits at `i`, at most eight are looked at."""
    n = 0
    value = 0
    while n < 8 and 48 <= buf[i + n] <= 57:
        value = value * 10 + int(buf[i + n]) - 48
        n += 1
    return n, value


def decimal_at(buf: Any, i: int) -> tuple[int, int, int]:
    """(length, digits, decimals) of a number like 618 or 61800.2 at `i` that ends within eight bytes.

    Length 0: it is no such number. What stands after it is the caller's to check, except that a number
    without a point must be followed by a quote within the eight bytes.
    """
    whole, value = digits_at(buf, i)
    if whole == 0 or whole > 6:
        return (whole, value, 0) if whole == 7 and buf[i + 7] == 34 else (0, 0, 0)
    if buf[i + whole] == 34:
        return whole, value, 0
    if buf[i + whole] != 46:
        return 0, 0, 0
    fine = 0
    while whole + 1 + fine < 8 and 48 <= buf[i + whole + 1 + fine] <= 57:
        value = value * 10 + int(buf[i + whole + 1 + fine]) - 48
        fine += 1
    return (whole + 1 + fine, value, fine) if fine > 0 else (0, 0, 0)


def differs_at(a: Any, i: int, b: Any, j: int, n: int) -> bool:
    """Whether the first `n` (1 to 8) of eight bytes differ: a[i:i+n] != b[j:j+n]."""
    return bool((np.asarray(a[i : i + n]) != np.asarray(b[j : j + n])).any())


def _other(word: Any) -> Any:
    """The high bit of every byte that is no digit; true up to the first one."""
    return ((word + U(0x4646464646464646)) | (word - U(0x3030303030303030))) & U(0x8080808080808080)


def _number(digits: Any) -> Any:
    """The number whose eight digits (0 to 9, not text) stand in a word, the first in the lowest byte."""
    pairs = digits * U(10) + (digits >> U(8))
    low = (pairs & U(0x000000FF000000FF)) * U(0x000F424000000064)
    high = ((pairs >> U(16)) & U(0x000000FF000000FF)) * U(0x0000271000000001)
    return (low + high) >> U(32)


@overload(_other, inline="always")
def _other_compiled(word: Any) -> Any:
    return _other


@overload(_number, inline="always")
def _number_compiled(digits: Any) -> Any:
    return _number


@overload(digits_at)
def _digits_at(buf: Any, i: Any) -> Any:
    def compiled(buf: Any, i: Any) -> Any:
        word = load8(buf, np.int64(i))
        other = _other(word)
        if other == U(0):
            return np.int64(8), np.int64(_number(word - U(0x3030303030303030)))
        bits = low_bit(int(np.int64(other))) & 56
        if bits == 0:
            return np.int64(0), np.int64(0)
        digits = (word - U(0x3030303030303030)) << U(64 - bits)
        return np.int64(bits >> 3), np.int64(_number(digits))

    return compiled


@overload(decimal_at)
def _decimal_at(buf: Any, i: Any) -> Any:
    def compiled(buf: Any, i: Any) -> Any:
        nothing = (np.int64(0), np.int64(0), np.int64(0))
        word = load8(buf, np.int64(i))
        other = _other(word)
        if other == U(0):
            return nothing
        whole = low_bit(int(np.int64(other))) & 56  # bits before the first byte that is no digit
        if whole == 0:
            return nothing
        stop = (word >> U(whole)) & U(0xFF)
        if stop == U(34):
            digits = (word - U(0x3030303030303030)) << U(64 - whole)
            return np.int64(whole >> 3), np.int64(_number(digits)), np.int64(0)
        if stop != U(46) or whole == 56:
            return nothing
        rest = word >> U(whole + 8)
        fine = low_bit(int(np.int64(_other(rest)))) & 56
        if fine == 0:
            return nothing
        joined = (word & ((U(1) << U(whole)) - U(1))) | (rest << U(whole))
        digits = (joined - U(0x3030303030303030)) << U(64 - whole - fine)
        return np.int64((whole + 8 + fine) >> 3), np.int64(_number(digits)), np.int64(fine >> 3)

    return compiled


@overload(differs_at)
def _differs_at(a: Any, i: Any, b: Any, j: Any, n: Any) -> Any:
    def compiled(a: Any, i: Any, b: Any, j: Any, n: Any) -> Any:
        return (load8(a, np.int64(i)) ^ load8(b, np.int64(j))) << U(64 - 8 * n) != U(0)

    return compiled
