"""The price ladder: quantities by tick for both sides of each instrument's book.

Near the best price the levels stand in a ring (slot = tick mod window, valid for ticks in
[base, base + window)) with bitmaps on top: one bit a level, one a word, one a block of 4096 ticks.
So best, next and set cost a few instructions. Levels further out stand in a hash table
(linear probing, deletion by shifting back). The base moves when the best nears the ring's edge.

Held at all times: while a side has levels, its best is in the ring, so everything in the hash
table is worse than everything in the ring. A level that finds the table full is counted as dropped.
Ticks are in [1, 2**62), quantities in lots >= 0. Side 0 is bid, 1 is ask.

One side of one book is one row of int64: the header, the bitmap over the words (`_GROUPS`), the
bitmap over the slots (`_WORDS`), the ring, then the ticks and the quantities of the hash table.
One array and not seven, because numba counts references for every array that is passed on.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.bits_nb import high_bit, low_bit
from bot4.kernels.jit_nb import kernel

Array = np.ndarray[Any, Any]

_BASE = 0  # first tick of the ring, a multiple of 4096; _NOWHERE when the side is empty
_BEST = 1  # -1 when the side is empty
_NEAR = 2  # levels in the ring
_FAR = 3  # levels in the hash table
_BLOCKS = 4  # bitmap over blocks of 4096 slots
_DROPPED = 5  # changes refused: table full, or tick or quantity out of range
_WINDOW = 6  # slots of the ring
_TABLE = 7  # slots of the hash table
_RING_AT = 8  # where in the row the ring starts
_KEYS_AT = 9
_GROUPS = 16  # 32 words
_WORDS = 48

_NOWHERE = -(1 << 62)  # so that no tick below 2**62 falls into an empty side's ring
_ONE = np.int64(1)
_ALL = np.int64(-1)


class Ladder(NamedTuple):
    """Books of all instruments: `sides` is int64[instrument, side, row]."""

    sides: Array


def new_ladder(n_instruments: int, window: int = 131072, far: int = 32768) -> Ladder:
    """Empty books. `window` (ring slots) and `far` (table slots, three quarters usable) a side.

    Both are powers of two; window in [16384, 131072], far in [16, 2**19].
    """
    if window & (window - 1) or not 16384 <= window <= 131072:
        raise ValueError(f"window must be a power of two in [16384, 131072], got {window}")
    if far & (far - 1) or not 16 <= far <= 1 << 19:
        raise ValueError(f"far must be a power of two in [16, 524288], got {far}")
    ring_at = _WORDS + (window >> 6)
    keys_at = ring_at + window
    sides = np.zeros((n_instruments, 2, keys_at + 2 * far), np.int64)
    sides[:, :, _BASE] = _NOWHERE
    sides[:, :, _BEST] = -1
    sides[:, :, _WINDOW] = window
    sides[:, :, _TABLE] = far
    sides[:, :, _RING_AT] = ring_at
    sides[:, :, _KEYS_AT] = keys_at
    return Ladder(sides)


# --- the hash table of far levels ----------------------------------------------


@kernel
def _far_home(tick: int, slots: int) -> int:
    """The slot where `tick` would like to stand; multiplicative hashing kept inside 63 bits."""
    folded = (tick ^ (tick >> 31)) & 0x7FFF_FFFF
    return ((folded * 0x4F1B_BCDD) >> 12) & (slots - 1)


@kernel
def _far_find(row: Array, tick: int) -> int:
    """Where in the row the key `tick` stands, or the empty place where its chain ends."""
    slots = row[_TABLE]
    at = row[_KEYS_AT]
    i = _far_home(tick, slots)
    while row[at + i] != 0 and row[at + i] != tick:
        i = (i + 1) & (slots - 1)
    return at + i


@kernel
def _far_put(row: Array, tick: int, qty: int) -> None:
    """Insert or change a far level; counts it as dropped when the table is full."""
    i = _far_find(row, tick)
    if row[i] == 0:
        if row[_FAR] * 4 >= row[_TABLE] * 3:
            row[_DROPPED] += 1
            return
        row[i] = tick
        row[_FAR] += 1
    row[i + row[_TABLE]] = qty


@kernel
def _far_erase(row: Array, place: int) -> None:
    """Empty a place in the table; later members of the chain move back, so no tombstone stays."""
    slots = row[_TABLE]
    at = row[_KEYS_AT]
    mask = slots - 1
    hole = place - at
    i = (hole + 1) & mask
    while row[at + i] != 0:
        home = _far_home(row[at + i], slots)
        if ((i - home) & mask) >= ((i - hole) & mask):
            row[at + hole] = row[at + i]
            row[at + slots + hole] = row[at + slots + i]
            hole = i
        i = (i + 1) & mask
    row[at + hole] = 0
    row[at + slots + hole] = 0
    row[_FAR] -= 1


@kernel
def _far_worse(row: Array, side: int, tick: int) -> int:
    """The best far tick that is worse than `tick`, or -1; reads the whole table."""
    found = -1
    for i in range(row[_KEYS_AT], row[_KEYS_AT] + row[_TABLE]):
        key = row[i]
        if key == 0:
            continue
        if side == 0:
            if key < tick and key > found:
                found = key
        elif key > tick and (found < 0 or key < found):
            found = key
    return found


# --- the ring ---------------------------------------------------------------------


@kernel
def _mark(row: Array, slot: int) -> None:
    """Set the bits of a slot that now holds a level."""
    word = slot >> 6
    group = slot >> 12
    row[_WORDS + word] |= _ONE << (slot & 63)
    row[_GROUPS + group] |= _ONE << (word & 63)
    row[_BLOCKS] |= _ONE << group
    row[_NEAR] += 1


@kernel
def _unmark(row: Array, slot: int) -> None:
    """Clear the bits of a slot that no longer holds a level."""
    word = slot >> 6
    group = slot >> 12
    row[_NEAR] -= 1
    left = row[_WORDS + word] & ~(_ONE << (slot & 63))
    row[_WORDS + word] = left
    if left == 0:
        left = row[_GROUPS + group] & ~(_ONE << (word & 63))
        row[_GROUPS + group] = left
        if left == 0:
            row[_BLOCKS] &= ~(_ONE << group)


@kernel
def _blocks_by_tick(row: Array) -> int:
    """The block bitmap turned so that bit 0 is the block at the base."""
    blocks = row[_BLOCKS]
    count = row[_WINDOW] >> 12
    turn = (row[_BASE] >> 12) & (count - 1)
    return (blocks >> turn) | ((blocks << (count - turn)) & ~(_ALL << count))


@kernel
def _below(row: Array, tick: int) -> int:
    """The highest ring tick below `tick` (itself inside the ring), or -1."""
    slot = tick & (row[_WINDOW] - 1)
    bits = row[_WORDS + (slot >> 6)] & ~(_ALL << (slot & 63))
    if bits != 0:
        return (tick & ~63) + high_bit(bits)
    bits = row[_GROUPS + (slot >> 12)] & ~(_ALL << ((slot >> 6) & 63))
    if bits != 0:
        word = high_bit(bits)
        bits = row[_WORDS + ((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + high_bit(bits)
    base = row[_BASE]
    bits = _blocks_by_tick(row) & ~(_ALL << ((tick - base) >> 12))
    if bits == 0:
        return -1
    first = base + (high_bit(bits) << 12)
    group = (first >> 12) & ((row[_WINDOW] >> 12) - 1)
    word = high_bit(row[_GROUPS + group])
    return first + (word << 6) + high_bit(row[_WORDS + (group << 6) + word])


@kernel
def _above(row: Array, tick: int) -> int:
    """The lowest ring tick above `tick` (itself inside the ring), or -1."""
    slot = tick & (row[_WINDOW] - 1)
    bits = row[_WORDS + (slot >> 6)] & ((_ALL << (slot & 63)) << 1)
    if bits != 0:
        return (tick & ~63) + low_bit(bits)
    bits = row[_GROUPS + (slot >> 12)] & ((_ALL << ((slot >> 6) & 63)) << 1)
    if bits != 0:
        word = low_bit(bits)
        bits = row[_WORDS + ((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + low_bit(bits)
    base = row[_BASE]
    bits = _blocks_by_tick(row) & ((_ALL << ((tick - base) >> 12)) << 1)
    if bits == 0:
        return -1
    first = base + (low_bit(bits) << 12)
    group = (first >> 12) & ((row[_WINDOW] >> 12) - 1)
    word = low_bit(row[_GROUPS + group])
    return first + (word << 6) + low_bit(row[_WORDS + (group << 6) + word])


# --- moving the ring ----------------------------------------------------------------


@kernel
def _base_for(side: int, best: int, window: int) -> int:
    """The base that leaves a quarter of the ring for better prices, the rest for worse."""
    room = window >> 2
    if side == 0:
        room = window - room
    return max(0, best - room) & ~4095


@kernel
def _evict_block(row: Array, first: int) -> None:
    """Move the block of ring levels that starts at tick `first` into the hash table."""
    group = (first >> 12) & ((row[_WINDOW] >> 12) - 1)
    while row[_GROUPS + group] != 0:
        word = low_bit(row[_GROUPS + group])
        bit = low_bit(row[_WORDS + (group << 6) + word])
        slot = (group << 12) + (word << 6) + bit
        _far_put(row, first + (word << 6) + bit, row[row[_RING_AT] + slot])
        row[row[_RING_AT] + slot] = 0
        _unmark(row, slot)


@kernel
def _move_ring(row: Array, side: int, best: int) -> None:
    """Place the ring around `best`; levels change between ring and hash table as they must."""
    window = row[_WINDOW]
    old = row[_BASE]
    new = _base_for(side, best, window)
    if new == old:
        return
    if row[_NEAR] > 0:
        for first in range(old, old + window, 4096):
            if first < new or first >= new + window:
                _evict_block(row, first)
    row[_BASE] = new
    if row[_FAR] == 0:
        return
    i = row[_KEYS_AT]
    while i < row[_KEYS_AT] + row[_TABLE]:
        tick = row[i]
        if tick != 0 and tick >= new and tick < new + window:
            slot = tick & (window - 1)
            row[row[_RING_AT] + slot] = row[i + row[_TABLE]]
            _mark(row, slot)
            _far_erase(row, i)  # another key may now stand in slot i: look again
        else:
            i += 1


@kernel
def _best_gone(row: Array, side: int, tick: int) -> None:
    """The best level at `tick` was deleted: find the next one, moving the ring if need be."""
    window = row[_WINDOW]
    base = row[_BASE]
    best = _below(row, tick) if side == 0 else _above(row, tick)
    if best < 0 and row[_FAR] > 0:
        best = _far_worse(row, side, tick)
        row[_BASE] = _NOWHERE
        _move_ring(row, side, best)
    elif best < 0:
        row[_BASE] = _NOWHERE
    elif side == 0:
        if base > 0 and best - base < window >> 2:
            _move_ring(row, side, best)
    elif best - base >= window - (window >> 2):
        _move_ring(row, side, best)
    row[_BEST] = best


@kernel
def _set_outside(row: Array, side: int, tick: int, qty: int) -> bool:
    """A level outside the ring: true if the ring was moved so that it now belongs inside."""
    if tick <= 0 or qty < 0:
        row[_DROPPED] += 1
        return False
    far = row[_FAR]
    if qty == 0:
        if far > 0:
            i = _far_find(row, tick)
            if row[i] != 0:
                _far_erase(row, i)
        return False
    best = row[_BEST]
    if best < 0 or (tick > best) == (side == 0):
        _move_ring(row, side, tick)
        row[_BEST] = tick
        return True
    _far_put(row, tick, qty)
    return False


# --- what callers use----------------------------------------------------------------


@kernel
def ladder_set_nb(lad: Ladder, inst: int, side: int, tick: int, qty: int) -> None:
    """Set the quantity at `tick`; 0 deletes. Out-of-range input only counts as dropped."""
    row = lad.sides[inst, side]
    window = row[_WINDOW]
    rel = tick - row[_BASE]
    inside = rel >= 0 and rel < window and qty >= 0 and tick > 0
    if not inside and not _set_outside(row, side, tick, qty):
        return
    slot = tick & (window - 1)
    place = row[_RING_AT] + slot
    old = row[place]
    row[place] = qty
    if old == 0:
        if qty == 0:
            return
        _mark(row, slot)
        best = row[_BEST]
        if (tick > best) == (side == 0):
            row[_BEST] = tick
    elif qty == 0:
        _unmark(row, slot)
        if tick == row[_BEST]:
            _best_gone(row, side, tick)


@kernel
def ladder_qty_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The quantity at `tick` in lots; 0 where there is no level."""
    row = lad.sides[inst, side]
    rel = tick - row[_BASE]
    if rel >= 0 and rel < row[_WINDOW]:
        return row[row[_RING_AT] + (tick & (row[_WINDOW] - 1))]
    if row[_FAR] == 0 or tick <= 0:
        return 0
    return row[_far_find(row, tick) + row[_TABLE]]


@kernel
def ladder_best_nb(lad: Ladder, inst: int, side: int) -> int:
    """The best tick of the side, -1 when it has no level."""
    return lad.sides[inst, side, _BEST]


@kernel
def ladder_worse_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The best tick that is worse than `tick` (which need not be a level), -1 when there is none.

    A few instructions inside the ring; beyond it one pass over the hash table.
    """
    row = lad.sides[inst, side]
    best = row[_BEST]
    if best < 0:
        return -1
    rel = tick - row[_BASE]
    found = -1
    if side == 0:
        if tick > best:
            return best
        if rel >= 0:
            found = _below(row, tick)
    else:
        if tick < best:
            return best
        if rel < row[_WINDOW]:
            found = _above(row, tick)
    if found < 0 and row[_FAR] > 0:
        return _far_worse(row, side, tick)
    return found


@kernel
def ladder_count_nb(lad: Ladder, inst: int, side: int) -> int:
    """The number of levels of the side."""
    return lad.sides[inst, side, _NEAR] + lad.sides[inst, side, _FAR]


@kernel
def ladder_dropped_nb(lad: Ladder, inst: int, side: int) -> int:
    """How many changes the side could not hold (table full, tick or quantity out of range)."""
    return lad.sides[inst, side, _DROPPED]


@kernel
def ladder_clear_nb(lad: Ladder, inst: int) -> None:
    """Empty both sides of an instrument; costs by what is in it, not by the window."""
    for side in range(2):
        row = lad.sides[inst, side]
        for group in range(row[_WINDOW] >> 12):
            while row[_GROUPS + group] != 0:
                bit = low_bit(row[_GROUPS + group])
                first = row[_RING_AT] + (group << 12) + (bit << 6)
                row[first : first + 64] = 0
                row[_WORDS + (group << 6) + bit] = 0
                row[_GROUPS + group] &= ~(_ONE << bit)
        if row[_FAR] > 0:
            row[row[_KEYS_AT] :] = 0
        row[_BASE] = _NOWHERE
        row[_BEST] = -1
        row[_NEAR] = 0
        row[_FAR] = 0
        row[_BLOCKS] = 0
