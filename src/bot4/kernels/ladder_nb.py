"""The price ladder: quantities by tick for both sides of each instrument's book.

Near the best price the levels stand in a ring (slot = tick mod window, valid for ticks in
[base, base + window)) with bitmaps on top: one bit a level, one a word, one a block of 4096 ticks.
So best, next and set cost a few instructions. Levels further out stand in a hash table
(linear probing, deletion by shifting back). The base moves when the best nears the ring's edge.

Held at all times: while a side has levels, its best is in the ring, so everything in the hash
table is worse than everything in the ring. A level that finds the table full is counted as dropped.
Ticks are in [1, 2**62), quantities in lots >= 0. Side 0 is bid, 1 is ask.

One side of one book is one record, because numba passes a record as a bare pointer, while each
array that is passed on costs a counted reference.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.bits_nb import high_bit, low_bit
from bot4.kernels.jit_nb import kernel

Array = np.ndarray[Any, Any]

Side = Any  # one record of `side_dtype`

_NOWHERE = -(1 << 62)  # so that no tick below 2**62 falls into an empty side's ring
_ONE = np.int64(1)
_ALL = np.int64(-1)


class Ladder(NamedTuple):
    """Books of all instruments: `sides` is side_dtype[instrument, side]."""

    sides: Array


def side_dtype(window: int, far: int) -> np.dtype[Any]:
    """One side of a book: header, bitmaps, ring, hash table. All fields int64."""
    return np.dtype(
        [
            ("base", "<i8"),  # first tick of the ring, a multiple of 4096; _NOWHERE when empty
            ("best", "<i8"),  # the best tick, -1 when empty; whoever holds the record may read it
            ("near", "<i8"),  # levels in the ring
            ("far", "<i8"),  # levels in the hash table
            ("blocks", "<i8"),  # bitmap over blocks of 4096 slots
            ("dropped", "<i8"),  # changes refused: table full, or tick or quantity out of range
            ("groups", "<i8", (window >> 12,)),  # bitmap over words
            ("words", "<i8", (window >> 6,)),  # bitmap over slots
            ("ring", "<i8", (window,)),  # lots
            ("keys", "<i8", (far,)),  # hash table: tick, 0 empty
            ("lots", "<i8", (far,)),  # hash table: lots
        ]
    )


def empty_sides(sides: Array) -> None:
    """Make zeroed records of `side_dtype`, of any shape, the sides of empty books."""
    sides["base"] = _NOWHERE
    sides["best"] = -1


def new_ladder(n_instruments: int, window: int = 131072, far: int = 32768) -> Ladder:
    """Empty books. `window` (ring slots) and `far` (table slots, three quarters usable) a side.

    Both are powers of two; window in [16384, 131072], far in [16, 2**19].
    """
    check_sizes(window, far)
    sides = np.zeros((n_instruments, 2), side_dtype(window, far))
    empty_sides(sides)
    return Ladder(sides)


def check_sizes(window: int, far: int) -> None:
    """ValueError unless the sizes are powers of two in range."""
    if window & (window - 1) or not 16384 <= window <= 131072:
        raise ValueError(f"window must be a power of two in [16384, 131072], got {window}")
    if far & (far - 1) or not 16 <= far <= 1 << 19:
        raise ValueError(f"far must be a power of two in [16, 524288], got {far}")


# --- the hash table of far levels ----------------------------------------------


@kernel
def _far_home(tick: int, slots: int) -> int:
    """The slot where `tick` would like to stand; multiplicative hashing kept inside 63 bits."""
    folded = (tick ^ (tick >> 31)) & 0x7FFF_FFFF
    return ((folded * 0x4F1B_BCDD) >> 12) & (slots - 1)


@kernel
def _far_find(row: Side, tick: int) -> int:
    """The table slot of `tick`, or the empty slot where its chain ends."""
    keys = row["keys"]
    slots = keys.shape[0]
    i = _far_home(tick, slots)
    while keys[i] != 0 and keys[i] != tick:
        i = (i + 1) & (slots - 1)
    return i


@kernel
def _far_put(row: Side, tick: int, qty: int) -> None:
    """Insert or change a far level; counts it as dropped when the table is full."""
    i = _far_find(row, tick)
    if row["keys"][i] == 0:
        if row["far"] * 4 >= row["keys"].shape[0] * 3:
            row["dropped"] += 1
            return
        row["keys"][i] = tick
        row["far"] += 1
    row["lots"][i] = qty


@kernel
def _far_erase(row: Side, hole: int) -> None:
    """Empty a table slot; later members of the chain move back, so no tombstone stays."""
    keys = row["keys"]
    lots = row["lots"]
    mask = keys.shape[0] - 1
    i = (hole + 1) & mask
    while keys[i] != 0:
        home = _far_home(keys[i], mask + 1)
        if ((i - home) & mask) >= ((i - hole) & mask):
            keys[hole] = keys[i]
            lots[hole] = lots[i]
            hole = i
        i = (i + 1) & mask
    keys[hole] = 0
    lots[hole] = 0
    row["far"] -= 1


@kernel
def _far_worse(row: Side, side: int, tick: int) -> int:
    """The best far tick that is worse than `tick`, or -1; reads the whole table."""
    keys = row["keys"]
    found = -1
    for i in range(keys.shape[0]):
        key = keys[i]
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
def _mark(row: Side, slot: int) -> None:
    """Set the bits of a slot that now holds a level."""
    word = slot >> 6
    group = slot >> 12
    row["words"][word] |= _ONE << (slot & 63)
    row["groups"][group] |= _ONE << (word & 63)
    row["blocks"] |= _ONE << group
    row["near"] += 1


@kernel
def _unmark(row: Side, slot: int) -> None:
    """Clear the bits of a slot that no longer holds a level."""
    word = slot >> 6
    group = slot >> 12
    row["near"] -= 1
    left = row["words"][word] & ~(_ONE << (slot & 63))
    row["words"][word] = left
    if left == 0:
        left = row["groups"][group] & ~(_ONE << (word & 63))
        row["groups"][group] = left
        if left == 0:
            row["blocks"] &= ~(_ONE << group)


@kernel
def _blocks_by_tick(row: Side) -> int:
    """The block bitmap turned so that bit 0 is the block at the base."""
    blocks = row["blocks"]
    count = row["groups"].shape[0]
    turn = (row["base"] >> 12) & (count - 1)
    return int((blocks >> turn) | ((blocks << (count - turn)) & ~(_ALL << count)))


@kernel
def _below(row: Side, tick: int) -> int:
    """The highest ring tick below `tick` (itself inside the ring), or -1."""
    slot = tick & (row["ring"].shape[0] - 1)
    bits = row["words"][slot >> 6] & ~(_ALL << (slot & 63))
    if bits != 0:
        return (tick & ~63) + high_bit(bits)
    bits = row["groups"][slot >> 12] & ~(_ALL << ((slot >> 6) & 63))
    if bits != 0:
        word = high_bit(bits)
        bits = row["words"][((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + high_bit(bits)
    base = row["base"]
    bits = _blocks_by_tick(row) & ~(_ALL << ((tick - base) >> 12))
    if bits == 0:
        return -1
    first = base + (high_bit(bits) << 12)
    group = (first >> 12) & (row["groups"].shape[0] - 1)
    word = high_bit(row["groups"][group])
    return int(first + (word << 6) + high_bit(row["words"][(group << 6) + word]))


@kernel
def _above(row: Side, tick: int) -> int:
    """The lowest ring tick above `tick` (itself inside the ring), or -1."""
    slot = tick & (row["ring"].shape[0] - 1)
    bits = row["words"][slot >> 6] & ((_ALL << (slot & 63)) << 1)
    if bits != 0:
        return (tick & ~63) + low_bit(bits)
    bits = row["groups"][slot >> 12] & ((_ALL << ((slot >> 6) & 63)) << 1)
    if bits != 0:
        word = low_bit(bits)
        bits = row["words"][((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + low_bit(bits)
    base = row["base"]
    bits = _blocks_by_tick(row) & ((_ALL << ((tick - base) >> 12)) << 1)
    if bits == 0:
        return -1
    first = base + (low_bit(bits) << 12)
    group = (first >> 12) & (row["groups"].shape[0] - 1)
    word = low_bit(row["groups"][group])
    return int(first + (word << 6) + low_bit(row["words"][(group << 6) + word]))


# --- moving the ring ----------------------------------------------------------------


@kernel
def _base_for(side: int, best: int, window: int) -> int:
    """The base that leaves a quarter of the ring for better prices, the rest for worse."""
    room = window >> 2
    if side == 0:
        room = window - room
    return max(0, best - room) & ~4095


@kernel
def _evict_block(row: Side, first: int) -> None:
    """Move the block of ring levels that starts at tick `first` into the hash table."""
    group = (first >> 12) & (row["groups"].shape[0] - 1)
    while row["groups"][group] != 0:
        word = low_bit(row["groups"][group])
        bit = low_bit(row["words"][(group << 6) + word])
        slot = (group << 12) + (word << 6) + bit
        _far_put(row, first + (word << 6) + bit, row["ring"][slot])
        row["ring"][slot] = 0
        _unmark(row, slot)


@kernel
def _move_ring(row: Side, side: int, best: int) -> None:
    """Place the ring around `best`; levels change between ring and hash table as they must."""
    window = row["ring"].shape[0]
    old = row["base"]
    new = _base_for(side, best, window)
    if new == old:
        return
    if row["near"] > 0:
        for first in range(old, old + window, 4096):
            if first < new or first >= new + window:
                _evict_block(row, first)
    row["base"] = new
    if row["far"] == 0:
        return
    i = 0
    while i < row["keys"].shape[0]:
        tick = row["keys"][i]
        if tick != 0 and tick >= new and tick < new + window:
            slot = tick & (window - 1)
            row["ring"][slot] = row["lots"][i]
            _mark(row, slot)
            _far_erase(row, i)  # another key may now stand in slot i: look again
        else:
            i += 1


@kernel
def _best_gone(row: Side, side: int, tick: int) -> None:
    """The best level at `tick` was deleted: find the next one, moving the ring if need be."""
    window = row["ring"].shape[0]
    base = row["base"]
    best = _below(row, tick) if side == 0 else _above(row, tick)
    if best < 0 and row["far"] > 0:
        best = _far_worse(row, side, tick)
        row["base"] = _NOWHERE
        _move_ring(row, side, best)
    elif best < 0:
        row["base"] = _NOWHERE
    elif side == 0:
        if base > 0 and best - base < window >> 2:
            _move_ring(row, side, best)
    elif best - base >= window - (window >> 2):
        _move_ring(row, side, best)
    row["best"] = best


@kernel
def _set_outside(row: Side, side: int, tick: int, qty: int) -> bool:
    """A level outside the ring: true if the ring was moved so that it now belongs inside."""
    if tick <= 0 or qty < 0:
        row["dropped"] += 1
        return False
    far = row["far"]
    if qty == 0:
        if far > 0:
            i = _far_find(row, tick)
            if row["keys"][i] != 0:
                _far_erase(row, i)
        return False
    best = row["best"]
    if best < 0 or (tick > best) == (side == 0):
        _move_ring(row, side, tick)
        row["best"] = tick
        return True
    _far_put(row, tick, qty)
    return False


# --- what callers use----------------------------------------------------------------


@kernel
def side_set(row: Side, side: int, tick: int, qty: int) -> None:
    """`ladder_set_nb` for whoever holds the record of the side."""
    window = row["ring"].shape[0]
    rel = tick - row["base"]
    inside = rel >= 0 and rel < window and qty >= 0 and tick > 0
    if not inside and not _set_outside(row, side, tick, qty):
        return
    slot = tick & (window - 1)
    old = row["ring"][slot]
    row["ring"][slot] = qty
    if old == 0:
        if qty == 0:
            return
        _mark(row, slot)
        if (tick > row["best"]) == (side == 0):
            row["best"] = tick
    elif qty == 0:
        _unmark(row, slot)
        if tick == row["best"]:
            _best_gone(row, side, tick)


@kernel
def side_qty(row: Side, tick: int) -> int:
    """`ladder_qty_nb` for whoever holds the record of the side."""
    window = row["ring"].shape[0]
    rel = tick - row["base"]
    if rel >= 0 and rel < window:
        return int(row["ring"][tick & (window - 1)])
    if row["far"] == 0 or tick <= 0:
        return 0
    return int(row["lots"][_far_find(row, tick)])


@kernel
def side_worse(row: Side, side: int, tick: int) -> int:
    """`ladder_worse_nb` for whoever holds the record of the side."""
    best = row["best"]
    if best < 0:
        return -1
    rel = tick - row["base"]
    found = -1
    if side == 0:
        if tick > best:
            return int(best)
        if rel >= 0:
            found = _below(row, tick)
    else:
        if tick < best:
            return int(best)
        if rel < row["ring"].shape[0]:
            found = _above(row, tick)
    if found < 0 and row["far"] > 0:
        return _far_worse(row, side, tick)
    return found


@kernel
def side_clear(row: Side) -> None:
    """Empty a side; costs by what is in it, not by the window."""
    for group in range(row["groups"].shape[0]):
        while row["groups"][group] != 0:
            bit = low_bit(row["groups"][group])
            first = (group << 12) + (bit << 6)
            for slot in range(first, first + 64):
                row["ring"][slot] = 0
            row["words"][(group << 6) + bit] = 0
            row["groups"][group] &= ~(_ONE << bit)
    if row["far"] > 0:
        for i in range(row["keys"].shape[0]):
            row["keys"][i] = 0
            row["lots"][i] = 0
    row["base"] = _NOWHERE
    row["best"] = -1
    row["near"] = 0
    row["far"] = 0
    row["blocks"] = 0


@kernel
def ladder_set_nb(lad: Ladder, inst: int, side: int, tick: int, qty: int) -> None:
    """Set the quantity at `tick`; 0 deletes. Out-of-range input only counts as dropped."""
    side_set(lad.sides[inst, side], side, tick, qty)


@kernel
def ladder_qty_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The quantity at `tick` in lots; 0 where there is no level."""
    return side_qty(lad.sides[inst, side], tick)


@kernel
def ladder_best_nb(lad: Ladder, inst: int, side: int) -> int:
    """The best tick of the side, -1 when it has no level."""
    return int(lad.sides[inst, side]["best"])


@kernel
def ladder_worse_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The best tick that is worse than `tick` (which need not be a level), -1 when there is none.

    A few instructions inside the ring; beyond it one pass over the hash table.
    """
    return side_worse(lad.sides[inst, side], side, tick)


@kernel
def ladder_count_nb(lad: Ladder, inst: int, side: int) -> int:
    """The number of levels of the side."""
    row = lad.sides[inst, side]
    return int(row["near"] + row["far"])


@kernel
def ladder_dropped_nb(lad: Ladder, inst: int, side: int) -> int:
    """How many changes the side could not hold (table full, tick or quantity out of range)."""
    return int(lad.sides[inst, side]["dropped"])


@kernel
def ladder_clear_nb(lad: Ladder, inst: int) -> None:
    """Empty both sides of an instrument; costs by what is in it, not by the window."""
    side_clear(lad.sides[inst, 0])
    side_clear(lad.sides[inst, 1])
