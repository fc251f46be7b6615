"""What the exchange asks of the compiled core of one market with several accounts.

Each function takes effect at once, at venue time `now`; what it did to orders is read with
`venue_drain_nb`. The core holds instrument 0 only.
"""

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import side_qty, side_worse
from bot4.model.codes_nb import EV_DEPTH, FLAG_BID, FLAG_MAKER
from bot4.venues.simulator.accounts_nb import impact_price, shown
from bot4.venues.simulator.fills_nb import fill
from bot4.venues.simulator.rules_nb import list_of, within_limit
from bot4.venues.simulator.sim_nb import sim_market_nb, sim_pop_reply_nb
from bot4.venues.simulator.slots_nb import slot_link, slot_move, slot_release, slot_take
from bot4.venues.simulator.state_nb import (
    C_COUNT,
    C_HINT,
    C_NOW,
    L_ASK,
    L_BID,
    L_FLIGHT,
    M_LISTS,
    O_ACCOUNT,
    O_FLAGS,
    O_ID,
    O_LEFT,
    O_LIST,
    O_NEXT,
    O_PEAK,
    O_POLICY,
    O_PRICE,
    O_SHOWN,
    O_SIDE,
    O_TIF,
    O_TYPE,
    Q_REPLIES,
    Array,
    Sim,
    SimState,
)
from bot4.venues.simulator.take_nb import take_from_book

# columns of a new order, int64[N_ORDER]
N_ID = 0
N_ACCOUNT = 1
N_SIDE = 2
N_TYPE = 3
N_TIF = 4
N_FLAGS = 5
N_POLICY = 6
N_PRICE = 7
N_QTY = 8
N_PEAK = 9
N_HINT = 10  # slot behind which it belongs where it rests, -1: unknown
N_ORDER = 11


@kernel
def _write(sim: Sim, slot: int, order: Array) -> None:
    row = sim["orders"][slot]
    for c in range(row.shape[0]):
        row[c] = 0
    row[O_ID] = order[N_ID]
    row[O_ACCOUNT] = order[N_ACCOUNT]
    row[O_SIDE] = order[N_SIDE]
    row[O_TYPE] = order[N_TYPE]
    row[O_TIF] = order[N_TIF]
    row[O_FLAGS] = order[N_FLAGS]
    row[O_POLICY] = order[N_POLICY]
    row[O_PRICE] = order[N_PRICE]
    row[O_LEFT] = order[N_QTY]
    row[O_PEAK] = order[N_PEAK]


@kernel
def venue_place_nb(state: SimState, spec: Array, order: Array, now: int) -> int:
    """A new order, int64[N_ORDER], is matched and rests if it may: its slot, or -1 when there is no room.

    The slot is the order's for as long as no reply says that it has ended.
    """
    sim = state.core[0]
    sim["ctl"][C_NOW] = now
    slot = slot_take(sim)
    if slot < 0:
        return -1
    _write(sim, slot, order)
    sim["ctl"][C_HINT] = order[N_HINT]
    slot_link(sim, slot, L_FLIGHT)
    take_from_book(sim, spec, slot)
    return slot


@kernel
def venue_cancel_nb(state: SimState, slot: int, order_id: int, now: int) -> bool:
    """Take a living order out, without a reply; False when the slot is not that order's."""
    sim = state.core[0]
    sim["ctl"][C_NOW] = now
    if sim["orders"][slot, O_ID] != order_id or sim["orders"][slot, O_LIST] < 0:
        return False
    slot_release(sim, slot)
    return True


@kernel
def venue_amend_nb(
    state: SimState, spec: Array, slot: int, price: int, left: int, hint: int, now: int
) -> bool:
    """Give a resting order another price or quantity; whether it kept its place in the queue.

    Only less at the same price keeps it; everything else is matched as if it came now.
    """
    sim = state.core[0]
    sim["ctl"][C_NOW] = now
    orders = sim["orders"]
    if orders[slot, O_PRICE] == price and left <= orders[slot, O_LEFT]:
        orders[slot, O_LEFT] = left
        orders[slot, O_SHOWN] = min(orders[slot, O_SHOWN], left)
        return True
    slot_move(sim, slot, L_FLIGHT)
    sim["ctl"][C_HINT] = hint
    orders[slot, O_PRICE] = price
    orders[slot, O_LEFT] = left
    take_from_book(sim, spec, slot)
    return False


@kernel
def venue_hold_nb(state: SimState, account: int, lots: int) -> None:
    """Set the position that reduce-only orders of an account reduce."""
    sim = state.core[0]
    sim["held"][account, 0] = lots


@kernel
def venue_feed_nb(state: SimState, spec: Array, events: Array, lo: int, hi: int) -> int:
    """Market events lo..hi-1, one frame or one event; the number of replies that wait after it."""
    sim = state.core[0]
    for i in range(lo, hi):
        sim_market_nb(state, spec, events, i)
    return int(sim["ctl"][C_COUNT + Q_REPLIES])


@kernel
def venue_hit_nb(state: SimState, spec: Array, side: int, share: float, now: int) -> bool:
    """An arrival meets list `side`: the first order there, if at the best price, fills to `share` of it."""
    sim = state.core[0]
    sim["ctl"][C_NOW] = now
    slot = sim["meta"][0, M_LISTS + side]
    if slot < 0:
        return False
    orders = sim["orders"]
    best = sim["sides"][0, side]["best"]
    if best > 0 and (best - orders[slot, O_PRICE]) * orders[slot, O_SIDE] > 0:
        return False
    lots = max(1, int(np.int64(share * shown(sim, slot))))
    fill(sim, spec, slot, orders[slot, O_PRICE], lots, FLAG_MAKER)
    return True


@kernel
def venue_drain_nb(state: SimState, out: Array) -> int:
    """Replies in their order into `out`, EVENT_DTYPE; how many. Call again when it came back full."""
    n = 0
    while n < out.shape[0] and sim_pop_reply_nb(state, out, n):
        n += 1
    return n


@kernel
def venue_level_nb(state: SimState, side: int, tick: int) -> int:
    """The market's lots at a price (accounts' not counted)."""
    return side_qty(state.core[0]["sides"][0, side], tick)


@kernel
def venue_levels_nb(state: SimState, events: Array, lo: int, hi: int, out: Array) -> int:
    """The market's lots now at each level named by depth events lo..hi-1: int64[n, 3] of side, tick, lots."""
    n = 0
    for i in range(lo, hi):
        if int(np.int64(events[i]["kind"])) != EV_DEPTH or n == out.shape[0]:
            continue
        side = L_BID if int(np.int64(events[i]["flags"])) & FLAG_BID else L_ASK
        out[n, 0] = side
        out[n, 1] = events[i]["price"]
        out[n, 2] = side_qty(state.core[0]["sides"][0, side], events[i]["price"])
        n += 1
    return n


@kernel
def venue_depth_nb(state: SimState, side: int, out: Array) -> int:
    """The market's best levels, best first, into int64[n, 2] of tick, lots; how many."""
    row = state.core[0]["sides"][0, side]
    tick = row["best"]
    n = 0
    while tick > 0 and n < out.shape[0]:
        out[n, 0] = tick
        out[n, 1] = side_qty(row, tick)
        n += 1
        tick = side_worse(row, side, tick)
    return n


@kernel
def venue_top_nb(state: SimState, out: Array) -> None:
    """Best bid and its lots of the market, best ask likewise, over market and accounts: int64[6], 0: none.

    The last two are the best bid and ask of the market alone.
    """
    sim = state.core[0]
    for side in range(2):
        tick = max(0, sim["sides"][0, side]["best"])
        out[4 + side] = tick
        slot = sim["meta"][0, M_LISTS + side]
        if slot >= 0:
            price = sim["orders"][slot, O_PRICE]
            if tick == 0 or (price > tick if side == L_BID else price < tick):
                tick = price
        out[2 * side] = tick
        out[2 * side + 1] = side_qty(sim["sides"][0, side], tick) if tick > 0 else 0


@kernel
def venue_cost_nb(state: SimState, order: Array, out: Array) -> int:
    """Lots that a taking order would get now; `out[0]` becomes their cost, ticks x lots.

    Lots of the order's own account do not count, nor does the order of the queue matter.
    """
    sim = state.core[0]
    slot = sim["orders"].shape[0] - 1
    _write(sim, slot, order)
    orders = sim["orders"]
    side = orders[slot, O_SIDE]
    other = 1 - list_of(side)
    row = sim["sides"][0, other]
    start = row["best"]
    tick = start
    own = sim["meta"][0, M_LISTS + other]
    left = orders[slot, O_LEFT]
    taken = 0
    out[0] = 0
    while left > 0 and (tick > 0 or own >= 0):
        from_account = own >= 0 and (tick <= 0 or (orders[own, O_PRICE] - tick) * side < 0)
        price = orders[own, O_PRICE] if from_account else tick
        if not within_limit(sim, slot, price):
            break
        if from_account:
            lots = orders[own, O_LEFT] if orders[own, O_ACCOUNT] != orders[slot, O_ACCOUNT] else 0
            own = orders[own, O_NEXT]
            lots = min(lots, left)
        else:
            lots = min(left, side_qty(row, tick))
            taken += lots
            price = impact_price(sim, slot, start, tick, taken)
            tick = side_worse(row, other, tick)
        out[0] += price * lots
        left -= lots
    return int(orders[slot, O_LEFT] - left)
