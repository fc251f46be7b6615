"""The price ladder: quantities by tick for both sides of each instrument's book.

Near the best price the levels stand in a ring (slot = tick mod window, valid for ticks in
[base, base + window)) with bitmaps on top: one bit a level, one a word, one a block of 4096 ticks.
So best, next and set cost a few instructions. Levels further out stand in a hash table
(linear probing, deletion by shifting back). The base moves when the best nears the ring's edge.

Held at all times: while a side has levels, its best is in the ring, so everything in the hash
table is worse than everything in the ring. A level that finds the table full is counted in `dropped`.
Ticks are in [1, 2**62), quantities in lots >= 0. Side 0 is bid, 1 is ask.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.bits_nb import high_bit, low_bit
from bot4.kernels.jit_nb import kernel

Array = np.ndarray[Any, Any]

_BASE = 0  # first tick of the ring, a multiple of 4096; _NOWHERE when the side is empty
_BEST = 1
_COUNT = 2  # levels in the ring
_FAR = 3  # levels in the hash table
_BLOCKS = 4  # bitmap over blocks of 4096 slots
_HEAD = 8

_NOWHERE = -(1 << 62)  # so that no tick below 2**62 falls into an empty side's ring
_ONE = np.int64(1)
_ALL = np.int64(-1)
_NONE = np.int64(0)


class Ladder(NamedTuple):
    """Books of all instruments; every array's leading axes are [instrument, side]."""

    head: Array  # int64[n, 2, 8]
    qty: Array  # int64[n, 2, window], lots
    words: Array  # int64[n, 2, window / 64], bit: slot holds a level
    groups: Array  # int64[n, 2, window / 4096], bit: word is not 0
    far_tick: Array  # int64[n, 2, far], 0 empty
    far_qty: Array  # int64[n, 2, far]
    dropped: Array  # int64[n, 2], levels refused: table full, or tick or quantity out of range


def new_ladder(n_instruments: int, window: int = 131072, far: int = 32768) -> Ladder:
    """Empty books. `window` (ring slots) and `far` (table slots, three quarters usable) a side.

    Both are powers of two; window in [16384, 131072], far in [16, 2**19].
    """
    if window & (window - 1) or not 16384 <= window <= 131072:
        raise ValueError(f"window must be a power of two in [16384, 131072], got {window}")
    if far & (far - 1) or not 16 <= far <= 1 << 19:
        raise ValueError(f"far must be a power of two in [16, 524288], got {far}")
    sides = (n_instruments, 2)
    head = np.zeros((*sides, _HEAD), np.int64)
    head[:, :, _BASE] = _NOWHERE
    head[:, :, _BEST] = -1
    return Ladder(
        head=head,
        qty=np.zeros((*sides, window), np.int64),
        words=np.zeros((*sides, window >> 6), np.int64),
        groups=np.zeros((*sides, window >> 12), np.int64),
        far_tick=np.zeros((*sides, far), np.int64),
        far_qty=np.zeros((*sides, far), np.int64),
        dropped=np.zeros(sides, np.int64),
    )


# --- the hash table of far levels ----------------------------------------------


@kernel
def _far_home(tick: int, slots: int) -> int:
    """The slot where `tick` would like to stand; multiplicative hashing kept inside 63 bits."""
    folded = (tick ^ (tick >> 31)) & 0x7FFF_FFFF
    return ((folded * 0x4F1B_BCDD) >> 12) & (slots - 1)


@kernel
def _far_find(keys: Array, tick: int) -> int:
    """The slot of `tick`, or the empty slot where its chain ends."""
    slots = keys.shape[0]
    i = _far_home(tick, slots)
    while keys[i] != 0 and keys[i] != tick:
        i = (i + 1) & (slots - 1)
    return i


@kernel
def _far_put(lad: Ladder, inst: int, side: int, tick: int, qty: int) -> None:
    """Insert or change a far level; counts it as dropped when the table is full."""
    keys = lad.far_tick[inst, side]
    i = _far_find(keys, tick)
    if keys[i] == 0:
        if lad.head[inst, side, _FAR] * 4 >= keys.shape[0] * 3:
            lad.dropped[inst, side] += 1
            return
        keys[i] = tick
        lad.head[inst, side, _FAR] += 1
    lad.far_qty[inst, side, i] = qty


@kernel
def _far_erase(lad: Ladder, inst: int, side: int, hole: int) -> None:
    """Empty slot `hole`; later members of the chain move back, so no tombstone stays."""
    keys = lad.far_tick[inst, side]
    qtys = lad.far_qty[inst, side]
    mask = keys.shape[0] - 1
    i = (hole + 1) & mask
    while keys[i] != 0:
        home = _far_home(keys[i], mask + 1)
        if ((i - home) & mask) >= ((i - hole) & mask):
            keys[hole] = keys[i]
            qtys[hole] = qtys[i]
            hole = i
        i = (i + 1) & mask
    keys[hole] = 0
    qtys[hole] = 0
    lad.head[inst, side, _FAR] -= 1


@kernel
def _far_worse(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The best far tick that is worse than `tick`, or -1; reads the whole table."""
    keys = lad.far_tick[inst, side]
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
def _mark(lad: Ladder, inst: int, side: int, slot: int) -> None:
    """Set the bits of a slot that now holds a level."""
    word = slot >> 6
    group = slot >> 12
    lad.words[inst, side, word] |= _ONE << (slot & 63)
    lad.groups[inst, side, group] |= _ONE << (word & 63)
    lad.head[inst, side, _BLOCKS] |= _ONE << group
    lad.head[inst, side, _COUNT] += 1


@kernel
def _unmark(lad: Ladder, inst: int, side: int, slot: int) -> None:
    """Clear the bits of a slot that no longer holds a level."""
    word = slot >> 6
    group = slot >> 12
    lad.head[inst, side, _COUNT] -= 1
    left = lad.words[inst, side, word] & ~(_ONE << (slot & 63))
    lad.words[inst, side, word] = left
    if left == 0:
        left = lad.groups[inst, side, group] & ~(_ONE << (word & 63))
        lad.groups[inst, side, group] = left
        if left == 0:
            lad.head[inst, side, _BLOCKS] &= ~(_ONE << group)


@kernel
def _blocks_by_tick(lad: Ladder, inst: int, side: int) -> int:
    """The block bitmap turned so that bit 0 is the block at the base."""
    blocks = lad.head[inst, side, _BLOCKS]
    count = lad.groups.shape[2]
    turn = (lad.head[inst, side, _BASE] >> 12) & (count - 1)
    return (blocks >> turn) | ((blocks << (count - turn)) & ~(_ALL << count))


@kernel
def _below(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The highest ring tick below `tick` (itself inside the ring), or -1."""
    slot = tick & (lad.qty.shape[2] - 1)
    bits = lad.words[inst, side, slot >> 6] & ~(_ALL << (slot & 63))
    if bits != 0:
        return (tick & ~63) + high_bit(bits)
    bits = lad.groups[inst, side, slot >> 12] & ~(_ALL << ((slot >> 6) & 63))
    if bits != 0:
        word = high_bit(bits)
        bits = lad.words[inst, side, ((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + high_bit(bits)
    base = lad.head[inst, side, _BASE]
    bits = _blocks_by_tick(lad, inst, side) & ~(_ALL << ((tick - base) >> 12))
    if bits == 0:
        return -1
    first = base + (high_bit(bits) << 12)
    group = (first >> 12) & (lad.groups.shape[2] - 1)
    word = high_bit(lad.groups[inst, side, group])
    return first + (word << 6) + high_bit(lad.words[inst, side, (group << 6) + word])


@kernel
def _above(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The lowest ring tick above `tick` (itself inside the ring), or -1."""
    slot = tick & (lad.qty.shape[2] - 1)
    bits = lad.words[inst, side, slot >> 6] & ((_ALL << (slot & 63)) << 1)
    if bits != 0:
        return (tick & ~63) + low_bit(bits)
    bits = lad.groups[inst, side, slot >> 12] & ((_ALL << ((slot >> 6) & 63)) << 1)
    if bits != 0:
        word = low_bit(bits)
        bits = lad.words[inst, side, ((slot >> 12) << 6) + word]
        return (tick & ~4095) + (word << 6) + low_bit(bits)
    base = lad.head[inst, side, _BASE]
    bits = _blocks_by_tick(lad, inst, side) & ((_ALL << ((tick - base) >> 12)) << 1)
    if bits == 0:
        return -1
    first = base + (low_bit(bits) << 12)
    group = (first >> 12) & (lad.groups.shape[2] - 1)
    word = low_bit(lad.groups[inst, side, group])
    return first + (word << 6) + low_bit(lad.words[inst, side, (group << 6) + word])


# --- moving the ring ----------------------------------------------------------------


@kernel
def _base_for(side: int, best: int, window: int) -> int:
    """The base that leaves a quarter of the ring for better prices, the rest for worse."""
    room = window >> 2
    if side == 0:
        room = window - room
    return max(0, best - room) & ~4095


@kernel
def _evict_block(lad: Ladder, inst: int, side: int, first: int) -> None:
    """Move the block of ring levels that starts at tick `first` into the hash table."""
    group = (first >> 12) & (lad.groups.shape[2] - 1)
    while lad.groups[inst, side, group] != 0:
        word = low_bit(lad.groups[inst, side, group])
        bit = low_bit(lad.words[inst, side, (group << 6) + word])
        slot = (group << 12) + (word << 6) + bit
        _far_put(lad, inst, side, first + (word << 6) + bit, lad.qty[inst, side, slot])
        lad.qty[inst, side, slot] = 0
        _unmark(lad, inst, side, slot)


@kernel
def _move_ring(lad: Ladder, inst: int, side: int, best: int) -> None:
    """Place the ring around `best`; levels change between ring and hash table as they must."""
    window = lad.qty.shape[2]
    old = lad.head[inst, side, _BASE]
    new = _base_for(side, best, window)
    if new == old:
        return
    if lad.head[inst, side, _COUNT] > 0:
        for first in range(old, old + window, 4096):
            if first < new or first >= new + window:
                _evict_block(lad, inst, side, first)
    lad.head[inst, side, _BASE] = new
    if lad.head[inst, side, _FAR] == 0:
        return
    keys = lad.far_tick[inst, side]
    i = 0
    while i < keys.shape[0]:
        tick = keys[i]
        if tick != 0 and tick >= new and tick < new + window:
            slot = tick & (window - 1)
            lad.qty[inst, side, slot] = lad.far_qty[inst, side, i]
            _mark(lad, inst, side, slot)
            _far_erase(lad, inst, side, i)  # another key may now stand in slot i: look again
        else:
            i += 1


@kernel
def _best_gone(lad: Ladder, inst: int, side: int, tick: int) -> None:
    """The best level at `tick` was deleted: find the next one, moving the ring if need be."""
    window = lad.qty.shape[2]
    base = lad.head[inst, side, _BASE]
    best = _below(lad, inst, side, tick) if side == 0 else _above(lad, inst, side, tick)
    if best < 0 and lad.head[inst, side, _FAR] > 0:
        best = _far_worse(lad, inst, side, tick)
        lad.head[inst, side, _BASE] = _NOWHERE
        _move_ring(lad, inst, side, best)
    elif best < 0:
        lad.head[inst, side, _BASE] = _NOWHERE
    elif side == 0:
        if base > 0 and best - base < window >> 2:
            _move_ring(lad, inst, side, best)
    elif best - base >= window - (window >> 2):
        _move_ring(lad, inst, side, best)
    lad.head[inst, side, _BEST] = best


@kernel
def _set_outside(lad: Ladder, inst: int, side: int, tick: int, qty: int) -> bool:
    """A level outside the ring: true if the ring was moved so that it now belongs inside."""
    if tick <= 0 or qty < 0:
        lad.dropped[inst, side] += 1
        return False
    far = lad.head[inst, side, _FAR]
    if qty == 0:
        if far > 0:
            i = _far_find(lad.far_tick[inst, side], tick)
            if lad.far_tick[inst, side, i] != 0:
                _far_erase(lad, inst, side, i)
        return False
    best = lad.head[inst, side, _BEST]
    if best < 0 or (tick > best) == (side == 0):
        _move_ring(lad, inst, side, tick)
        lad.head[inst, side, _BEST] = tick
        return True
    _far_put(lad, inst, side, tick, qty)
    return False


# --- what callers use -----------------------------------------------------------------


@kernel
def ladder_set_nb(lad: Ladder, inst: int, side: int, tick: int, qty: int) -> None:
    """Set the quantity at `tick`; 0 deletes. Out-of-range input changes nothing but `dropped`."""
    window = lad.qty.shape[2]
    rel = tick - lad.head[inst, side, _BASE]
    inside = rel >= 0 and rel < window and qty >= 0 and tick > 0
    if not inside and not _set_outside(lad, inst, side, tick, qty):
        return
    slot = tick & (window - 1)
    old = lad.qty[inst, side, slot]
    lad.qty[inst, side, slot] = qty
    if old == 0:
        if qty == 0:
            return
        _mark(lad, inst, side, slot)
        best = lad.head[inst, side, _BEST]
        if side == 0:
            if tick > best:
                lad.head[inst, side, _BEST] = tick
        elif tick < best:
            lad.head[inst, side, _BEST] = tick
    elif qty == 0:
        _unmark(lad, inst, side, slot)
        if tick == lad.head[inst, side, _BEST]:
            _best_gone(lad, inst, side, tick)


@kernel
def ladder_qty_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The quantity at `tick` in lots; 0 where there is no level."""
    window = lad.qty.shape[2]
    rel = tick - lad.head[inst, side, _BASE]
    if rel >= 0 and rel < window:
        return lad.qty[inst, side, tick & (window - 1)]
    if lad.head[inst, side, _FAR] == 0 or tick <= 0:
        return _NONE
    return lad.far_qty[inst, side, _far_find(lad.far_tick[inst, side], tick)]


@kernel
def ladder_best_nb(lad: Ladder, inst: int, side: int) -> int:
    """The best tick of the side, -1 when it has no level."""
    return lad.head[inst, side, _BEST]


@kernel
def ladder_worse_nb(lad: Ladder, inst: int, side: int, tick: int) -> int:
    """The best tick that is worse than `tick` (which need not be a level), -1 when there is none.

    A few instructions inside the ring; beyond it one pass over the hash table.
    """
    best = lad.head[inst, side, _BEST]
    if best < 0:
        return _ALL
    rel = tick - lad.head[inst, side, _BASE]
    if side == 0:
        if tick > best:
            return best
        found = _below(lad, inst, side, tick) if rel >= 0 else -1
    else:
        if tick < best:
            return best
        found = _above(lad, inst, side, tick) if rel < lad.qty.shape[2] else -1
    if found < 0 and lad.head[inst, side, _FAR] > 0:
        return _far_worse(lad, inst, side, tick)
    return found


@kernel
def ladder_count_nb(lad: Ladder, inst: int, side: int) -> int:
    """The number of levels of the side."""
    return lad.head[inst, side, _COUNT] + lad.head[inst, side, _FAR]


@kernel
def ladder_clear_nb(lad: Ladder, inst: int) -> None:
    """Empty both sides of an instrument; costs by what is in it, not by the window."""
    for side in range(2):
        for group in range(lad.groups.shape[2]):
            while lad.groups[inst, side, group] != 0:
                bit = low_bit(lad.groups[inst, side, group])
                first = (group << 12) + (bit << 6)
                lad.qty[inst, side, first : first + 64] = 0
                lad.words[inst, side, (group << 6) + bit] = 0
                lad.groups[inst, side, group] &= ~(_ONE << bit)
        if lad.head[inst, side, _FAR] > 0:
            lad.far_tick[inst, side, :] = 0
            lad.far_qty[inst, side, :] = 0
        lad.head[inst, side, :] = 0
        lad.head[inst, side, _BASE] = _NOWHERE
        lad.head[inst, side, _BEST] = -1
