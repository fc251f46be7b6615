"""The generative market's own book and the records that tell of it.

Both sides stand in one form: a level has the coordinate `c`, which is its price in ticks for bids
(side 0) and minus its price for asks (side 1). So the best of a side is always its largest
coordinate and one piece of code serves both. A side's quantities stand in a ring, slot = c mod
window; the span best - far never passes SPAN, so no two levels share a slot. A side never loses its
last level.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    EV_BOOK_TICKER,
    EV_DEPTH,
    EV_DEPTH_HEAD,
    EV_SNAPSHOT_HEAD,
    EV_TRADE,
    FLAG_BID,
    FLAG_BUYER_MAKER,
    FLAG_LAST,
    FLAG_SYNTHETIC,
)

Array = np.ndarray[Any, Any]

WINDOW = 2048  # slots of the ring of a side
SPAN = 1024  # ticks between the best and the farthest level, at most
LEAP = 900  # ticks by which one order may raise the best: SPAN + LEAP < WINDOW
MAX_LOTS = 10_000_000  # a level holds no more
ROOM = 3200  # records that one market event may need: SPAN trades, 2 SPAN levels, head, ticker
_MASK = WINDOW - 1

# slots of GenState.ints
I_NEXT = 0  # ns, venue time of the next event
I_KIND = 1  # FLOW_* of the next event
I_GRID = 2  # ns, next step of the volatility
I_LOCAL = 3  # ns, local time of the last record
I_START = 4  # ns, venue time of the snapshot
I_STARTED = 5  # 1 once the snapshot is out
I_UPDATE = 6  # last update id
I_TRADE = 7  # last trade id
I_INSTRUMENT = 8
I_VENUE = 9
I_TOP = 10  # best bid, its lots, best ask, its lots as last told: 4 slots
N_INTS = 14


class GenState(NamedTuple):
    """The whole market: a copy of the arrays is a snapshot of it."""

    qty: Array  # int64[2, WINDOW], lots by slot, 0: no level
    best: Array  # int64[2], coordinate
    far: Array  # int64[2], coordinate of the farthest level
    ints: Array  # int64[N_INTS], I_*
    value: Array  # float64[N_VALUES], what changes: F_* of generative_nb
    law: Array  # float64[N_LAWS], parameters: P_* of generative_nb
    memory: Array  # float64[3, K]: mean sign, step, weight by memory of the order signs
    vol: Array  # float64[3, J]: log-volatility, keep, shock by factor
    distance: Array  # int64[4096], quantiles of a limit order's distance, ticks
    size: Array  # int64[4096], quantiles of a limit order's size, lots
    rng: Array  # int64[4], xoshiro128++


@kernel
def lots_at(gen: GenState, side: int, c: int) -> int:
    """Lots resting at coordinate `c`, which must lie in [far, best]."""
    lots: int = gen.qty[side, c & _MASK]
    return lots


@kernel
def put(gen: GenState, side: int, c: int, lots: int) -> None:
    """Set the level `c` to `lots` > 0; far - c and c - best must respect SPAN and LEAP."""
    gen.qty[side, c & _MASK] = lots
    if c > gen.best[side]:
        gen.best[side] = c
    if c < gen.far[side]:
        gen.far[side] = c


@kernel
def drop(gen: GenState, side: int, c: int) -> None:
    """Delete the level `c`; it must not be the side's only one."""
    row = gen.qty[side]
    row[c & _MASK] = 0
    if c == gen.best[side]:
        c -= 1
        while row[c & _MASK] == 0:
            c -= 1
        gen.best[side] = c
    elif c == gen.far[side]:
        c += 1
        while row[c & _MASK] == 0:
            c += 1
        gen.far[side] = c


@kernel
def record(gen: GenState, events: Array, n: int, kind: int, flags: int) -> None:
    """Write record `n` of the current event with everything but its content."""
    r = events[n]
    r["ts_venue"] = gen.ints[I_NEXT]
    r["ts_local"] = gen.ints[I_LOCAL]
    r["price"] = 0
    r["qty"] = 0
    r["x"] = 0
    r["y"] = 0
    r["seq"] = gen.ints[I_UPDATE]
    r["instrument"] = gen.ints[I_INSTRUMENT]
    r["venue"] = gen.ints[I_VENUE]
    r["kind"] = kind
    r["flags"] = flags | FLAG_SYNTHETIC
    r["spare"] = 0


@kernel
def tell_level(gen: GenState, events: Array, n: int, side: int, c: int) -> int:
    """Append the level `c` as it stands (0 lots: deleted)."""
    record(gen, events, n, EV_DEPTH, FLAG_BID if side == 0 else 0)
    r = events[n]
    r["price"] = c if side == 0 else -c
    r["qty"] = gen.qty[side, c & _MASK]
    return n + 1


@kernel
def tell_trade(gen: GenState, events: Array, n: int, side: int, c: int, lots: int) -> int:
    """Append a trade against the resting `side` at `c`."""
    gen.ints[I_TRADE] += 1
    record(gen, events, n, EV_TRADE, FLAG_BUYER_MAKER if side == 0 else 0)
    r = events[n]
    r["price"] = c if side == 0 else -c
    r["qty"] = lots
    r["seq"] = gen.ints[I_TRADE]
    return n + 1


@kernel
def close_frame(gen: GenState, events: Array, head: int, n: int) -> int:
    """Write the frame's head over its levels in (head, n); a frame without levels vanishes.

    Each level counts one update id, as on Binance USD-M: U = pu + 1, u = pu + levels.
    """
    levels = n - head - 1
    if levels == 0:
        return head
    previous = gen.ints[I_UPDATE]
    gen.ints[I_UPDATE] = previous + levels
    record(gen, events, head, EV_DEPTH_HEAD, 0)
    r = events[head]
    r["x"] = previous + 1
    r["y"] = previous
    for i in range(head + 1, n):
        events[i]["seq"] = gen.ints[I_UPDATE]
    last = events[n - 1]
    last["flags"] = last["flags"] | FLAG_LAST
    return n


@kernel
def tell_top(gen: GenState, events: Array, n: int) -> int:
    """Append a ticker if the best prices or their lots are not the ones last told."""
    bid, ask = gen.best[0], -gen.best[1]
    bid_lots, ask_lots = gen.qty[0, bid & _MASK], gen.qty[1, -ask & _MASK]
    top = gen.ints[I_TOP : I_TOP + 4]
    if bid == top[0] and bid_lots == top[1] and ask == top[2] and ask_lots == top[3]:
        return n
    top[0], top[1], top[2], top[3] = bid, bid_lots, ask, ask_lots
    record(gen, events, n, EV_BOOK_TICKER, 0)
    r = events[n]
    r["price"] = bid
    r["qty"] = bid_lots
    r["x"] = ask
    r["y"] = ask_lots
    return n + 1


@kernel
def tell_snapshot(gen: GenState, events: Array, n: int) -> int:
    """Append the full book, best levels first, bids before asks."""
    record(gen, events, n, EV_SNAPSHOT_HEAD, 0)
    n += 1
    for side in range(2):
        for c in range(gen.best[side], gen.far[side] - 1, -1):
            if lots_at(gen, side, c) > 0:
                n = tell_level(gen, events, n, side, c)
    last = events[n - 1]
    last["flags"] = last["flags"] | FLAG_LAST
    return n


@kernel
def trim(gen: GenState, events: Array, n: int, reach: int) -> int:
    """Pull levels left more than `reach` ticks behind the best: four a side, all beyond SPAN."""
    for side in range(2):
        pulled = 0
        while True:
            behind = gen.best[side] - gen.far[side]
            if behind <= reach or (pulled >= 4 and behind <= SPAN):
                break
            c = gen.far[side]
            drop(gen, side, c)
            n = tell_level(gen, events, n, side, c)
            pulled += 1
    return n
