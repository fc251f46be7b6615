"""The simulated exchange: market events and orders in, replies out.

The caller interleaves by time: at the venue, market events (`ts_venue`) and arrivals
(`sim_next_arrival_nb`); at our side, replies (`sim_next_reply_nb`). All functions are compiled and
change only the SimState they are given.
"""

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    BUY,
    EV_ACK,
    EV_BAR,
    EV_BOOK_TICKER,
    EV_DEPTH,
    EV_FUNDING,
    EV_MARK,
    EV_REJECT,
    EV_SNAPSHOT_HEAD,
    EV_TRADE,
    FLAG_LAST,
    OF_REDUCE_ONLY,
    R_INSTRUMENT,
    R_MAX_QTY,
    R_MIN_NOTIONAL,
    R_MIN_QTY,
    R_OK,
    R_OVERFLOW,
    R_POST_WOULD_TAKE,
    R_PRICE_TICK,
    R_REDUCE_ONLY,
    R_TOO_MANY_ORDERS,
    SELL,
    TIF_POST,
    TYPE_LIMIT,
    TYPE_STOP,
)
from bot4.venues.simulator.bar_nb import bar_open, bar_range, bar_take, bar_would_take, in_bar
from bot4.venues.simulator.book_nb import (
    book_clear,
    book_depth,
    book_stops,
    book_ticker,
    book_trade,
)
from bot4.venues.simulator.fills_nb import draw_latency, end, reply, room
from bot4.venues.simulator.liquidation_nb import liquidate, mark_of, pay_funding
from bot4.venues.simulator.queues_nb import queue_add, queue_drop, queue_next, queue_rise
from bot4.venues.simulator.rules_nb import list_of, within_limit
from bot4.venues.simulator.slots_nb import slot_find, slot_link, slot_move, slot_release, slot_take
from bot4.venues.simulator.state_nb import (
    A_CANCEL,
    A_SUBMIT,
    C_BARS,
    C_COUNT,
    C_ENTRY_NS,
    C_LATE,
    C_NOW,
    C_VENUE,
    L_FLIGHT,
    L_STOP,
    M_MARK,
    O_ARRIVES,
    O_FLAGS,
    O_ID,
    O_INST,
    O_LEFT,
    O_LIST,
    O_PRICE,
    O_SIDE,
    O_STOP,
    O_TIF,
    O_TYPE,
    Q_ARRIVALS,
    Q_FLAGS,
    Q_INST,
    Q_KIND,
    Q_ORDER,
    Q_PRICE,
    Q_QTY,
    Q_REPLIES,
    Q_SLOT,
    Q_TRADE,
    Q_TS,
    Q_VENUE_TS,
    Q_Y,
    Array,
    Sim,
    SimState,
)
from bot4.venues.simulator.take_nb import meets_own, take_from_book

_NOTIONAL_LIMIT = 4.0e18  # money units; beyond it int64 arithmetic is not safe


@kernel
def sim_market_nb(state: SimState, spec: Array, events: Array, i: int) -> None:
    """The venue's side of market event `i` at its venue time; a bar is its range phase."""
    sim = state.core[0]
    kind = int(np.int64(events[i]["kind"]))
    sim["ctl"][C_NOW] = events[i]["ts_venue"]
    if kind == EV_DEPTH:
        book_depth(sim, spec, events, i)
    elif kind == EV_BOOK_TICKER:
        book_ticker(sim, spec, events, i)
    elif kind == EV_TRADE:
        book_trade(sim, spec, events, i)
    elif kind == EV_SNAPSHOT_HEAD:
        book_clear(sim, events, i)
    elif kind == EV_BAR:
        bar_range(sim, spec, events, i)
    elif kind == EV_FUNDING:
        pay_funding(sim, spec, events, i)
    elif kind == EV_MARK:
        sim["meta"][int(np.int64(events[i]["instrument"])), M_MARK] = events[i]["price"]
    # in a depth frame the book is whole, and its quote true, only after the last level
    settled = (events[i]["flags"] & FLAG_LAST) != 0 if kind == EV_DEPTH else kind != EV_BAR
    if settled:
        inst = int(np.int64(events[i]["instrument"]))
        if sim["held"][0, inst] != 0 and sim["ctl"][C_BARS] == 0:
            liquidate(sim, spec, inst, mark_of(sim, inst))
        book_stops(sim, spec, inst)


@kernel
def sim_bar_open_nb(state: SimState, spec: Array, events: Array, i: int) -> None:
    """The opening print of bar `i`; nothing of the event but its times and its open is read."""
    sim = state.core[0]
    sim["ctl"][C_NOW] = events[i]["ts_venue"]
    bar_open(sim, spec, events, i)


@kernel
def sim_items_nb(state: SimState, spec: Array, events: Array, order: Array, order_ts: Array, k: int) -> int:
    """The venue's side of all items from `k` on that have its time; the first item after them.

    Item = event index x 2, +1 for the opening print of a bar. At one instant the venue's own
    items come before everything else, so that they can be taken together.
    """
    sim = state.core[0]
    ts = order_ts[k]
    end = order.shape[0]
    while k < end and order_ts[k] == ts:
        i = order[k] >> 1
        if order[k] & 1:
            sim_bar_open_nb(state, spec, events, i)
        elif np.int64(events[i]["kind"]) == EV_DEPTH and not np.int64(events[i]["flags"]) & FLAG_LAST:
            sim["ctl"][C_NOW] = ts
            book_depth(sim, spec, events, i)
        else:
            sim_market_nb(state, spec, events, i)
        k += 1
    return k


@kernel
def _write_slot(sim: Sim, slot: int, orders: Array, j: int) -> None:
    """Copy an order into a slot."""
    row = sim["orders"][slot]
    for c in range(row.shape[0]):
        row[c] = 0
    row[O_ID] = orders[j]["id"]
    row[O_INST] = int(np.int64(orders[j]["instrument"]))
    row[O_SIDE] = int(np.int64(orders[j]["side"]))
    row[O_TYPE] = int(np.int64(orders[j]["type"]))
    row[O_TIF] = int(np.int64(orders[j]["tif"]))
    row[O_FLAGS] = int(np.int64(orders[j]["flags"]))
    row[O_PRICE] = orders[j]["price"]
    row[O_STOP] = orders[j]["stop_price"]
    row[O_LEFT] = orders[j]["qty"] - orders[j]["filled"]


@kernel
def sim_submit_nb(state: SimState, spec: Array, orders: Array, j: int, now: int) -> None:
    """Order `j` leaves us at local time `now` and arrives after the entry latency.

    An order that finds no free slot, or names no instrument, is refused by reply.
    """
    sim = state.core[0]
    arrives = now + draw_latency(sim, sim["ctl"][C_ENTRY_NS])
    known = int(np.int64(orders[j]["instrument"])) < spec.shape[0]
    slot = slot_take(sim) if known else -1
    if slot < 0:
        slot = sim["orders"].shape[0] - 1
        _write_slot(sim, slot, orders, j)
        kept = sim["ctl"][C_NOW]
        sim["ctl"][C_NOW] = arrives
        reply(sim, slot, EV_REJECT, R_TOO_MANY_ORDERS if known else R_INSTRUMENT)
        sim["ctl"][C_NOW] = kept
        return
    _write_slot(sim, slot, orders, j)
    sim["orders"][slot, O_ARRIVES] = arrives
    slot_link(sim, slot, L_FLIGHT)
    entry = queue_add(sim, Q_ARRIVALS, arrives)
    if entry < 0:
        slot_release(sim, slot)
        return
    heap = sim["queues"][Q_ARRIVALS]
    heap[entry, Q_KIND] = A_SUBMIT
    heap[entry, Q_SLOT] = slot
    heap[entry, Q_ORDER] = sim["orders"][slot, O_ID]
    queue_rise(sim, Q_ARRIVALS, entry)


@kernel
def sim_cancel_nb(state: SimState, order_id: int, inst: int, now: int) -> None:
    """A cancel leaves us at local time `now`; it never overtakes the order itself.

    A cancel that comes after the order's end has no reply of its own: the end's reply is under way.
    """
    sim = state.core[0]
    arrives = now + draw_latency(sim, sim["ctl"][C_ENTRY_NS])
    slot = slot_find(sim, inst, order_id)
    if slot < 0:
        sim["ctl"][C_LATE] += 1
        return
    entry = queue_add(sim, Q_ARRIVALS, max(arrives, sim["orders"][slot, O_ARRIVES]))
    if entry < 0:
        return
    heap = sim["queues"][Q_ARRIVALS]
    heap[entry, Q_KIND] = A_CANCEL
    heap[entry, Q_SLOT] = slot
    heap[entry, Q_ORDER] = order_id
    queue_rise(sim, Q_ARRIVALS, entry)


@kernel
def sim_next_arrival_nb(state: SimState) -> int:
    """Venue time of the earliest order or cancel under way; I64_MAX when there is none."""
    sim = state.core[0]
    return queue_next(sim, Q_ARRIVALS)


@kernel
def sim_next_reply_nb(state: SimState) -> int:
    """Local time of the earliest reply under way; I64_MAX when there is none."""
    sim = state.core[0]
    return queue_next(sim, Q_REPLIES)


@kernel
def _shape_fault(sim: Sim, spec: Array, slot: int) -> int:
    """The venue's own checks of an order's shape: R_OK or the reason to refuse."""
    orders = sim["orders"]
    row = spec[orders[slot, O_INST]]
    qty = orders[slot, O_LEFT]
    kind = orders[slot, O_TYPE]
    price = orders[slot, O_STOP] if kind == TYPE_STOP else orders[slot, O_PRICE]
    reduces = (orders[slot, O_FLAGS] & OF_REDUCE_ONLY) != 0
    side = orders[slot, O_SIDE]
    if qty <= 0 or (qty < row["min_qty"] and not reduces):
        return R_MIN_QTY
    if row["max_qty"] > 0 and qty > row["max_qty"]:
        return R_MAX_QTY
    if kind in (TYPE_LIMIT, TYPE_STOP) and price <= 0:
        return R_PRICE_TICK
    if side != BUY and side != SELL:
        return R_INSTRUMENT
    if float(max(price, 1)) * float(qty) * float(row["money_mult"]) > _NOTIONAL_LIMIT:
        return R_OVERFLOW
    if kind == TYPE_LIMIT and not reduces and price * qty * row["money_mult"] < row["min_notional"]:
        return R_MIN_NOTIONAL
    if room(sim, slot) == 0:
        return R_REDUCE_ONLY
    return R_OK


@kernel
def _would_take(sim: Sim, slot: int) -> bool:
    """Whether a limit order would take liquidity, or meet our own order, on arrival."""
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    if meets_own(sim, slot, orders[slot, O_PRICE]):
        return True
    if sim["ctl"][C_BARS] != 0:
        return in_bar(sim, inst) and bar_would_take(sim, slot)
    best = sim["sides"][inst, 1 - list_of(orders[slot, O_SIDE])]["best"]
    return best > 0 and within_limit(sim, slot, best)


@kernel
def _order_arrives(sim: Sim, spec: Array, slot: int) -> None:
    """An order reaches the venue: refuse it, or acknowledge and match it."""
    orders = sim["orders"]
    fault = _shape_fault(sim, spec, slot)
    if fault == R_OK and orders[slot, O_TIF] == TIF_POST and _would_take(sim, slot):
        fault = R_POST_WOULD_TAKE
    if fault != R_OK:
        reply(sim, slot, EV_REJECT, fault)
        slot_release(sim, slot)
        return
    reply(sim, slot, EV_ACK, R_OK)
    if sim["ctl"][C_BARS] != 0:
        bar_take(sim, spec, slot)
    elif orders[slot, O_TYPE] == TYPE_STOP:
        slot_move(sim, slot, L_STOP)
        book_stops(sim, spec, orders[slot, O_INST])
    else:
        take_from_book(sim, spec, slot)


@kernel
def sim_arrive_nb(state: SimState, spec: Array) -> None:
    """Process the earliest order or cancel under way; nothing happens when there is none."""
    sim = state.core[0]
    if sim["ctl"][C_COUNT + Q_ARRIVALS] == 0:
        return
    heap = sim["queues"][Q_ARRIVALS]
    sim["ctl"][C_NOW] = heap[0, Q_TS]
    kind = heap[0, Q_KIND]
    slot = heap[0, Q_SLOT]
    order_id = heap[0, Q_ORDER]
    queue_drop(sim, Q_ARRIVALS)
    if kind == A_SUBMIT:
        _order_arrives(sim, spec, slot)
    elif sim["orders"][slot, O_ID] == order_id and sim["orders"][slot, O_LIST] >= 0:
        end(sim, slot, R_OK)
    else:
        sim["ctl"][C_LATE] += 1


@kernel
def sim_pop_reply_nb(state: SimState, events: Array, k: int) -> bool:
    """Write the earliest reply into `events[k]`; False, and nothing written, when there is none.

    EV_ACK, EV_REJECT, EV_CANCELED: x order id, y reason, price and qty of what is left of the order.
    EV_FILL: x order id, y fee in money units, price, qty, seq = venue trade id, flags.
    """
    sim = state.core[0]
    if sim["ctl"][C_COUNT + Q_REPLIES] == 0:
        return False
    entry = sim["queues"][Q_REPLIES, 0]
    out = events[k]
    out["ts_venue"] = entry[Q_VENUE_TS]
    out["ts_local"] = entry[Q_TS]
    out["price"] = entry[Q_PRICE]
    out["qty"] = entry[Q_QTY]
    out["x"] = entry[Q_ORDER]
    out["y"] = entry[Q_Y]
    out["seq"] = entry[Q_TRADE]
    out["instrument"] = entry[Q_INST]
    out["venue"] = sim["ctl"][C_VENUE]
    out["kind"] = entry[Q_KIND]
    out["flags"] = entry[Q_FLAGS]
    out["spare"] = 0
    queue_drop(sim, Q_REPLIES)
    return True
