"""Byte-level scanning of JSON text: numbers, times, strings, values to be skipped.

Every function relies on one invariant: the buffer ends with a newline and no loop ever consumes
a newline, so that a cut line stops the scanner without a length check per byte.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market.words_nb import decimal_at, digits_at

Array = np.ndarray[Any, Any]

# --- what became of a line (also the index into the counters) --------------------
P_OK = 0
P_EMPTY = 1  # blank line
P_OTHER_SYMBOL = 2  # a frame of another instrument
P_IGNORED = 3  # well formed, but of a kind that carries nothing we use
P_SKIPPED_TRADE = 4  # trade with quantity 0 or not of type MARKET (insurance fund, ADL)
P_AMBIGUOUS = 5  # snapshot without symbol in a file of several symbols
# from here on: rejected
P_MALFORMED = 6  # cut line, broken JSON, a duplicate key
P_TIME = 7  # receive or venue time missing, zero or absurd
P_MISSING = 8  # a key that this kind of frame must have is absent
P_NUMBER = 9  # not a plain decimal (NaN, empty, exponent, text)
P_NEGATIVE = 10  # negative number
P_ZERO_PRICE = 11
P_OVERFLOW = 12  # does not fit 18 digits on this grid
P_OFF_GRID = 13  # finer than the grid, or not a multiple of the step
P_SEQUENCE = 14  # last id before first id, or not positive
P_TOO_LARGE = 15  # more levels than the output can ever hold
P_FULL = 16  # not an outcome: the output is full, parse this line again
N_P = 17
P_FIRST_REJECT = P_MALFORMED

NEWLINE = 10
QUOTE = 34

POW10 = 10 ** np.arange(19, dtype=np.int64)


@kernel
def skip_space_nb(buf: Array, i: int) -> int:
    """First position at or after `i` that is not a blank, tab or carriage return."""
    while buf[i] == 32 or buf[i] == 9 or buf[i] == 13:
        i += 1
    return i


@kernel
def skip_string_nb(buf: Array, i: int) -> int:
    """Position of the quote that closes the string whose text starts at `i`; -1: cut."""
    c = buf[i]
    while c != 34:
        if c == 92:  # backslash: the next character is part of the text
            i += 1
            c = buf[i]
        if c < 32:
            return -1
        i += 1
        c = buf[i]
    return i


@kernel
def skip_value_nb(buf: Array, i: int) -> int:
    """Position after the JSON value that starts at `i`; -1 if it is cut or empty.

    Brackets are counted, not paired: the text inside a value that nobody reads is not validated.
    """
    depth = 0
    first = i
    while True:
        c = buf[i]
        if c == 34:
            i = skip_string_nb(buf, i + 1)
            if i < 0:
                return -1
            i += 1
        elif c == 123 or c == 91:
            depth += 1
            i += 1
        elif c == 125 or c == 93:
            if depth == 0:
                return i if i > first else -1
            depth -= 1
            i += 1
        elif c == 10:
            return -1
        elif c == 44 and depth == 0:
            return i if i > first else -1
        else:
            i += 1
        if depth == 0 and (c == 34 or c == 125 or c == 93):
            return i


@kernel
def _scaled_nb(value: int, fine: int, exp: int, step: int) -> tuple[int, int]:
    """(steps, P_* code) of a short number with `fine` decimals; nothing here can overflow."""
    left = exp - fine
    if left >= 0:
        value *= POW10[left]
    else:
        while left < 0:  # one at a time: dividing by a constant is a multiplication
            coarse = value // 10
            if coarse * 10 != value:
                return 0, 13
            value = coarse
            left += 1
    if step > 1:
        steps = value // step
        if steps * step != value:
            return 0, 13
        value = steps
    return value, 0


@kernel
def decimal_nb(buf: Array, i: int, exp: int, step: int) -> tuple[int, int, int]:
    """(position after it, steps, P_* code) of the decimal at `i`, quoted or bare.

    The value is read exactly as an integer of 10**-exp and divided by `step`. Digits beyond `exp`
    must be zero and the integer must be a multiple of `step`, else P_OFF_GRID. At most 18 digits.
    """
    quoted = buf[i] == 34
    if quoted:
        i += 1
        if i + 8 < buf.shape[0] and exp <= 11:
            length, digits, decimals = decimal_at(buf, i)
            if length > 0 and buf[i + length] == 34:
                steps, code = _scaled_nb(digits, decimals, exp, step)
                return i + length + 1, steps, code
    start = i
    value = 0
    d = int(buf[i]) - 48
    while 0 <= d <= 9:
        value = value * 10 + d
        i += 1
        d = int(buf[i]) - 48
    whole = i - start
    if whole == 0:
        if buf[i] == 10:
            return i, 0, 6
        return i, 0, 10 if buf[i] == 45 else 9
    left = exp
    fine = 0
    if d == -2:  # '.'
        i += 1
        first = i
        d = int(buf[i]) - 48
        while 0 <= d <= 9:
            if left > 0:
                value = value * 10 + d
                left -= 1
            else:
                fine |= d
            i += 1
            d = int(buf[i]) - 48
        if i == first:
            return i, 0, 6 if buf[i] == 10 else 9
    c = buf[i]
    if quoted:
        if c != 34:
            return i, 0, 6 if c == 10 else 9
        i += 1
    elif c != 44 and c != 93 and c != 125 and c != 32:
        return i, 0, 6 if c == 10 else 9
    if whole + exp > 18:
        return i, 0, 12
    if fine != 0:
        return i, 0, 13
    if left > 0:
        value *= POW10[left]
    if step > 1:
        steps = value // step
        if steps * step != value:
            return i, 0, 13
        value = steps
    return i, value, 0


@kernel
def integer_nb(buf: Array, i: int) -> int:
    """The non-negative integer at `i` (bare or after its quote); -1 if it is none or too long."""
    start = i
    value = 0
    count = 8
    while count == 8 and i + 8 <= buf.shape[0] and i - start < 24:
        count, digits = digits_at(buf, i)
        value = value * int(POW10[count]) + int(digits)
        i += count
    d = int(buf[i]) - 48
    while 0 <= d <= 9:
        value = value * 10 + d
        i += 1
        d = int(buf[i]) - 48
    c = buf[i]
    # compiled, 19 digits that do not fit come out negative; plain Python shows them as they are
    if i == start or i - start > 19 or value < 0 or value > 9223372036854775807:
        return -1
    if c != 44 and c != 125 and c != 34 and c != 32 and c != 93:
        return -1
    return value


@kernel
def time_ns_nb(stamp: int) -> int:
    """An epoch stamp in ms, us or ns (told apart by magnitude) as ns; 0 outside 2001..2200."""
    if stamp >= 7_258_118_400_000_000_000 or stamp < 978_307_200_000:
        return 0
    if stamp < 7_258_118_400_000:
        return stamp * 1_000_000
    if 978_307_200_000_000 <= stamp < 7_258_118_400_000_000:
        return stamp * 1_000
    if stamp >= 978_307_200_000_000_000:
        return stamp
    return 0


@kernel
def same_text_nb(buf: Array, i: int, word: Array) -> bool:
    """Whether the string whose text starts at `i` is exactly `word` (bytes)."""
    for k in range(word.shape[0]):
        if buf[i + k] != word[k]:
            return False
    return bool(buf[i + word.shape[0]] == 34)
