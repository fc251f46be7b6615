"""Book mode: a recorded level-2 feed goes by, our orders stand in its queues.

The semantics are those of hftbacktest's L2 exchange models (no partial fill, partial fill;
risk-averse and power-law probabilistic queue), so that results can be compared. Differences: what a
taking limit order could not fill rests instead of filling at its limit, and a triggered stop exists.
"""

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import side_clear, side_qty, side_set
from bot4.model.codes_nb import BUY, FLAG_BID, FLAG_BUYER_MAKER, FLAG_MAKER
from bot4.venues.simulator.accounts_nb import trade_shared
from bot4.venues.simulator.fills_nb import fill
from bot4.venues.simulator.state_nb import (
    C_PARTIAL,
    C_PROB_QUEUE,
    C_SHARED,
    FRONT_BITS,
    I64_MAX,
    L_ASK,
    L_BID,
    L_STOP,
    M_DEPTH,
    M_LISTS,
    M_PRICE,
    M_TRADES,
    O_FRONT,
    O_LEFT,
    O_NEXT,
    O_PRICE,
    O_SIDE,
    O_STOP,
    O_TRADED,
    P_POWER,
    Array,
    Sim,
)
from bot4.venues.simulator.take_nb import take_from_book

_UNIT = 1 << FRONT_BITS


@kernel
def front_after_cancels(front: float, before: int, shrink: int, power: float) -> float:
    """The expected queue ahead after `shrink` of the level's `before` lots were canceled.

    A cancel stood behind us with probability back**n / (back**n + front**n); what the back
    cannot have lost, the front lost. After Rigtorp (2013), as hftbacktest's PowerProbQueueFunc.
    """
    front = max(front, 0.0)
    back = max(before - front, 0.0)
    ahead = front**power
    behind = back**power
    prob = behind / (behind + ahead) if behind + ahead > 0.0 else 1.0
    return front - (1.0 - prob) * shrink + min(back - prob * shrink, 0.0)


@kernel
def _queue_change(sim: Sim, inst: int, side: int, tick: int, qty: int) -> None:
    """The level at `tick` is about to become `qty`: move our orders there in their queues."""
    orders = sim["orders"]
    before = side_qty(sim["sides"][inst, side], tick)
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0:
        if orders[slot, O_PRICE] == tick:
            front = orders[slot, O_FRONT]
            if sim["ctl"][C_PROB_QUEUE] != 0:
                shrink = before - qty - orders[slot, O_TRADED]  # trades moved the queue already
                orders[slot, O_TRADED] = 0
                if shrink >= 0:
                    lots = front_after_cancels(front / _UNIT, before, shrink, sim["par"][P_POWER])
                    front = int(np.int64(lots * _UNIT))
            orders[slot, O_FRONT] = min(front, qty << FRONT_BITS)
        slot = orders[slot, O_NEXT]


@kernel
def _fill_crossed(sim: Sim, spec: Array, inst: int, side: int, best: int) -> None:
    """The best of the other side came to `best`: our orders on `side` that it meets fill whole."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0 and (orders[slot, O_PRICE] - best) * orders[slot, O_SIDE] >= 0:
        after = orders[slot, O_NEXT]
        fill(sim, spec, slot, orders[slot, O_PRICE], orders[slot, O_LEFT], FLAG_MAKER)
        slot = after


@kernel
def _clear_crossed(sim: Sim, inst: int, other: int, tick: int) -> None:
    """Delete levels of the other side that a new level at `tick` crosses: they are stale."""
    row = sim["sides"][inst, other]
    while row["best"] > 0 and (row["best"] <= tick if other == L_ASK else row["best"] >= tick):
        side_set(row, other, row["best"], 0)


@kernel
def _stands_at(sim: Sim, inst: int, side: int, tick: int) -> bool:
    """Whether one of our orders stands at `tick`."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0:
        if orders[slot, O_PRICE] == tick:
            return True
        slot = orders[slot, O_NEXT]
    return False


@kernel
def _meets(sim: Sim, inst: int, side: int, tick: int) -> bool:
    """Whether a new best of `side` at `tick` meets a level or an order of ours opposite."""
    facing = sim["sides"][inst, 1 - side]["best"]
    own = sim["meta"][inst, M_LISTS + 1 - side]
    price = sim["orders"][own, O_PRICE]  # row -1 is never ours, and not looked at
    if side == L_BID:
        return bool((facing > 0 and facing <= tick) or (own >= 0 and price <= tick))
    return bool(facing >= tick or (own >= 0 and price >= tick))


@kernel
def _meet(sim: Sim, spec: Array, inst: int, side: int, tick: int) -> None:
    """The best of `side` came to `tick`: stale levels opposite go, our orders opposite fill."""
    _clear_crossed(sim, inst, 1 - side, tick)
    _fill_crossed(sim, spec, inst, 1 - side, tick)


@kernel
def _level(sim: Sim, spec: Array, inst: int, side: int, tick: int, qty: int) -> None:
    """One level becomes `qty` lots."""
    row = sim["sides"][inst, side]
    if _stands_at(sim, inst, side, tick):
        _queue_change(sim, inst, side, tick, qty)
    before = row["best"]
    side_set(row, side, tick, qty)
    if row["best"] != before and qty != 0 and _meets(sim, inst, side, tick):
        _meet(sim, spec, inst, side, tick)


@kernel
def _trigger_stops(sim: Sim, spec: Array, inst: int, low: int, high: int) -> None:
    """Sell stops at or above `low` and buy stops at or below `high` take from the book."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + L_STOP]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        stop = orders[slot, O_STOP]
        if high >= stop if orders[slot, O_SIDE] == BUY else low <= stop:
            take_from_book(sim, spec, slot)
        slot = after


@kernel
def book_stops(sim: Sim, spec: Array, inst: int) -> None:
    """Trigger stops by the last trade; without trades in the feed by the quote they would take."""
    if sim["meta"][inst, M_LISTS + L_STOP] < 0:
        return
    low = sim["meta"][inst, M_PRICE]
    high = low
    if sim["meta"][inst, M_TRADES] == 0:
        low = sim["sides"][inst, L_BID]["best"]
        high = sim["sides"][inst, L_ASK]["best"]
    _trigger_stops(sim, spec, inst, low if low > 0 else I64_MAX, high)


@kernel
def book_depth(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """One depth level of the feed."""
    inst = int(np.int64(events[i]["instrument"]))
    flags = int(np.int64(events[i]["flags"]))
    side = L_BID if flags & FLAG_BID else L_ASK
    sim["meta"][inst, M_DEPTH] = 1
    _level(sim, spec, inst, side, events[i]["price"], events[i]["qty"])


@kernel
def book_clear(sim: Sim, events: Array, i: int) -> None:
    """A snapshot begins: its levels follow."""
    inst = int(np.int64(events[i]["instrument"]))
    side_clear(sim["sides"][inst, L_BID])
    side_clear(sim["sides"][inst, L_ASK])


@kernel
def book_ticker(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """A best bid and ask; of use only where the feed has no depth: a book of one level a side."""
    inst = int(np.int64(events[i]["instrument"]))
    if sim["meta"][inst, M_DEPTH] != 0:
        return
    for step in range(4):  # one place that changes levels: what it inlines is large
        side = step >> 1
        tick = events[i]["price"] if side == L_BID else events[i]["x"]
        qty = events[i]["qty"] if side == L_BID else events[i]["y"]
        if step & 1 == 0:
            best = sim["sides"][inst, side]["best"]
            qty = 0
            tick = best if best != tick else 0
        if tick > 0:
            _level(sim, spec, inst, side, tick, qty)


@kernel
def _trade_meets(sim: Sim, spec: Array, inst: int, side: int, tick: int, qty: int) -> None:
    """A trade hit `side` at `tick`: our orders beyond it fill, those at it move in the queue."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        price = orders[slot, O_PRICE]
        through = (price - tick) * orders[slot, O_SIDE]
        if through < 0:
            return
        lots = orders[slot, O_LEFT]
        if through == 0:
            orders[slot, O_TRADED] += qty
            orders[slot, O_FRONT] -= qty << FRONT_BITS
            beyond = (_UNIT // 2 - orders[slot, O_FRONT]) >> FRONT_BITS
            if beyond > 0:
                orders[slot, O_FRONT] = 0
            if sim["ctl"][C_PARTIAL] != 0 or beyond <= 0:
                lots = min(lots, beyond)
        if lots > 0:
            fill(sim, spec, slot, price, lots, FLAG_MAKER)
        slot = after


@kernel
def book_trade(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """A trade of the feed."""
    inst = int(np.int64(events[i]["instrument"]))
    tick = events[i]["price"]
    side = L_BID if int(np.int64(events[i]["flags"])) & FLAG_BUYER_MAKER else L_ASK
    meta = sim["meta"]
    meta[inst, M_PRICE] = tick
    meta[inst, M_TRADES] = 1
    if meta[inst, M_LISTS + side] < 0:
        return
    if sim["ctl"][C_SHARED] != 0:
        trade_shared(sim, spec, inst, side, tick, events[i]["qty"])
    else:
        _trade_meets(sim, spec, inst, side, tick, events[i]["qty"])
