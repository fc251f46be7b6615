"""Fast path for lines that are built like an earlier line.

A feed repeats the same few layouts: between two bookTicker frames only digits differ. A *shape* is
the text of one accepted line cut into literal pieces with a value after each but the last. A line
whose pieces are byte for byte those of a shape has its values at the same keys, so that walking
the JSON can be left out; the values themselves are still read by the strict parsers. Anything
that differs, however slightly, takes the ordinary walk.
"""

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market.scan_nb import Array
from bot4.market.words_nb import differs_at, digits_at

SHAPES = 4
TEXT = 512  # bytes of literal text a shape may hold
PIECES = 16
META = 3 + 3 * PIECES  # pieces, keys seen, (offset, length, slot) of each piece, kind of frame


@kernel
def same_bytes_nb(buf: Array, i: int, text: Array, at: int, n: int) -> bool:
    """buf[i:i+n] == text[at:at+n], eight bytes at a time where eight can be read."""
    k = 0
    while k < n:
        if i + k + 8 <= buf.shape[0] and at + k + 8 <= text.shape[0]:
            if differs_at(buf, i + k, text, at + k, min(8, n - k)):
                return False
            k += 8
        else:
            if buf[i + k] != text[at + k]:
                return False
            k += 1
    return True


@kernel
def value_end_nb(buf: Array, i: int) -> int:
    """Where the run of digits, points and small letters at `i` ends."""
    count = 8
    while count == 8 and i + 8 <= buf.shape[0]:
        count, _ = digits_at(buf, i)
        i += count
        if count < 8 and buf[i] == 46:
            i += 1
            count = 8
    c = buf[i]
    while 46 <= c <= 57 or 97 <= c <= 122:
        i += 1
        c = buf[i]
    return i


@kernel
def match_shape_nb(
    text: Array, meta: Array, shape: int, buf: Array, i: int, end: int, work: Array, slots_at: int
) -> int:
    """Try one shape on the text at `i`: the position of the closing newline, or -1.

    On success work[slots_at + slot] holds where each value starts.
    """
    row = shape * META
    base = shape * TEXT
    for k in range(meta[row]):
        piece = row + 2 + 3 * k
        length = meta[piece + 1]
        if i + length > end or not same_bytes_nb(buf, i, text, base + meta[piece], length):
            return -1
        i += length
        slot = meta[piece + 2]
        if slot >= 0:
            work[slots_at + slot] = i
            i = value_end_nb(buf, i)
    return i - 1


@kernel
def learn_shape_nb(
    text: Array,
    meta: Array,
    shape: int,
    buf: Array,
    i: int,
    work: Array,
    slots_at: int,
    seen: int,
    variable: int,
) -> bool:
    """Keep the line at `i` (JSON text up to its newline) as a shape; False if it does not fit.

    `seen` are the keys of the line, `variable` those whose values change from line to line.
    """
    row = shape * META
    base = shape * TEXT
    used = 0
    pieces = 0
    while pieces < PIECES:
        nearest = -1
        start = np.int64(2**62)
        for slot in range(64 - 1):
            if (seen & variable) >> slot & 1:
                at = work[slots_at + slot]
                if i <= at < start:
                    start = at
                    nearest = slot
        piece = row + 2 + 3 * pieces
        meta[piece] = used
        meta[piece + 2] = nearest
        first = used
        while i < start:
            if used >= TEXT:
                return False
            c = buf[i]
            text[base + used] = c
            used += 1
            i += 1
            if c == 10:
                break
        meta[piece + 1] = used - first
        pieces += 1
        if nearest < 0:
            meta[row] = pieces
            meta[row + 1] = seen
            return True
        c = buf[i]
        while 46 <= c <= 57 or 97 <= c <= 122:
            i += 1
            c = buf[i]
        if i == start:
            return False
    return False
