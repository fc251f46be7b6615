"""What the exchange answers: acknowledgements, fills with their fees, ends."""

import numpy as np

from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import EV_CANCELED, EV_FILL, FLAG_MAKER, OF_REDUCE_ONLY, R_REDUCE_ONLY
from bot4.venues.simulator.latency_nb import latency_nb
from bot4.venues.simulator.queues_nb import queue_add, queue_rise
from bot4.venues.simulator.slots_nb import slot_release
from bot4.venues.simulator.state_nb import (
    C_CAP,
    C_CASH,
    C_DAY,
    C_DAYS,
    C_DRAWS,
    C_MARGIN,
    C_NOW,
    C_RESPONSE_NS,
    C_SEED,
    C_TIERS,
    C_TRADE_ID,
    C_TURNOVER,
    M_COST,
    M_REPLY_TS,
    MARGIN_NONE,
    O_ACCOUNT,
    O_FLAGS,
    O_ID,
    O_INST,
    O_LEFT,
    O_PRICE,
    O_REPLY_TS,
    O_SIDE,
    P_SIGMA,
    Q_FLAGS,
    Q_INST,
    Q_KIND,
    Q_ORDER,
    Q_PRICE,
    Q_QTY,
    Q_REPLIES,
    Q_TRADE,
    Q_VENUE_TS,
    Q_Y,
    Array,
    Sim,
)

_DAY_NS = 86_400_000_000_000


@kernel
def draw_latency(sim: Sim, median_ns: int) -> int:
    """The next latency around `median_ns`."""
    ctl = sim["ctl"]
    ctl[C_DRAWS] += 1
    return latency_nb(median_ns, sim["par"][P_SIGMA], ctl[C_SEED], ctl[C_DRAWS])


@kernel
def _reply_entry(sim: Sim, slot: int, kind: int) -> int:
    """A new reply about an order, never earlier at our side than the order's last one; or -1."""
    ctl = sim["ctl"]
    orders = sim["orders"]
    local = min(ctl[C_NOW] + draw_latency(sim, ctl[C_RESPONSE_NS]), ctl[C_CAP])
    local = max(local, orders[slot, O_REPLY_TS])
    entry = queue_add(sim, Q_REPLIES, local)
    if entry >= 0:
        heap = sim["queues"][Q_REPLIES]
        orders[slot, O_REPLY_TS] = local
        last = sim["meta"][orders[slot, O_INST], M_REPLY_TS]
        sim["meta"][orders[slot, O_INST], M_REPLY_TS] = max(local, last)
        heap[entry, Q_KIND] = kind
        heap[entry, Q_INST] = orders[slot, O_INST]
        heap[entry, Q_ORDER] = orders[slot, O_ID]
        heap[entry, Q_VENUE_TS] = ctl[C_NOW]
    return entry


@kernel
def reply(sim: Sim, slot: int, kind: int, reason: int) -> None:
    """EV_ACK, EV_REJECT or EV_CANCELED; price and quantity are the order's (what is left of it)."""
    entry = _reply_entry(sim, slot, kind)
    if entry < 0:
        return
    heap = sim["queues"][Q_REPLIES]
    heap[entry, Q_PRICE] = sim["orders"][slot, O_PRICE]
    heap[entry, Q_QTY] = sim["orders"][slot, O_LEFT]
    heap[entry, Q_Y] = reason
    queue_rise(sim, Q_REPLIES, entry)


@kernel
def end(sim: Sim, slot: int, reason: int) -> None:
    """Cancel what is left of a living order."""
    reply(sim, slot, EV_CANCELED, reason)
    slot_release(sim, slot)


@kernel
def _add_turnover(ctl: Array, notional: int) -> None:
    """Count a fill into the turnover of the last 30 days (UTC days, today's included)."""
    day = ctl[C_NOW] // _DAY_NS
    while ctl[C_DAY] < day:
        if day - ctl[C_DAY] > 30:
            ctl[C_DAY] = day - 31
        ctl[C_DAY] += 1
        place = C_DAYS + ctl[C_DAY] % 30
        ctl[C_TURNOVER] -= ctl[place]
        ctl[place] = 0
    ctl[C_DAYS + ctl[C_DAY] % 30] += notional
    ctl[C_TURNOVER] += notional


@kernel
def fee_rate(sim: Sim, spec: Array, inst: int, maker: bool) -> int:
    """The fee in 1e-8 of notional at our turnover so far."""
    rate = spec[inst]["maker_fee"] if maker else spec[inst]["taker_fee"]
    for tier in range(sim["ctl"][C_TIERS]):
        if sim["ctl"][C_TURNOVER] >= sim["tiers"][tier, 0]:
            rate = sim["tiers"][tier, 1] if maker else sim["tiers"][tier, 2]
    return int(rate)


@kernel
def room(sim: Sim, slot: int) -> int:
    """Lots that may still fill: what is left, for reduce-only no more than the position."""
    left = sim["orders"][slot, O_LEFT]
    if sim["orders"][slot, O_FLAGS] & OF_REDUCE_ONLY:
        held = sim["held"][sim["orders"][slot, O_ACCOUNT], sim["orders"][slot, O_INST]]
        against = -sim["orders"][slot, O_SIDE] * held
        return int(min(left, max(0, against)))
    return int(left)


@kernel
def _book_margin(sim: Sim, inst: int, side: int, price: int, qty: int) -> None:
    """Carry a fill into the entry value of the account's position, before the position itself is changed.

    A part that closes releases its share at the average entry, to the precision of a float.
    """
    held = sim["held"][0, inst]
    meta = sim["meta"]
    closed = min(qty, abs(held)) if held * side < 0 else 0
    if closed == abs(held):
        meta[inst, M_COST] = 0
    elif closed > 0:
        meta[inst, M_COST] -= int(np.int64(meta[inst, M_COST] * (closed / abs(held))))
    meta[inst, M_COST] += side * price * (qty - closed)


@kernel
def fill(sim: Sim, spec: Array, slot: int, price: int, qty: int, flags: int) -> int:
    """Fill up to `qty` lots at `price`; returns what is left of the order, 0 when it has ended.

    A reduce-only order that could not fill in full for want of a position is canceled.
    """
    allowed = room(sim, slot)
    if allowed == 0:
        end(sim, slot, R_REDUCE_ONLY)
        return 0
    sim["ctl"][C_TRADE_ID] += 1
    return book_fill(sim, spec, slot, price, min(qty, allowed), flags)


@kernel
def book_fill(sim: Sim, spec: Array, slot: int, price: int, qty: int, flags: int) -> int:
    """One side of the trade C_TRADE_ID; `qty` is within the order's room. Returns what is left of it."""
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    notional = price * qty * spec[inst]["money_mult"]
    fee = rate_of(notional, fee_rate(sim, spec, inst, (flags & FLAG_MAKER) != 0))
    _add_turnover(sim["ctl"], notional)
    orders[slot, O_LEFT] -= qty
    if sim["ctl"][C_MARGIN] != MARGIN_NONE:
        _book_margin(sim, inst, orders[slot, O_SIDE], price, qty)
        sim["ctl"][C_CASH] -= orders[slot, O_SIDE] * notional + fee
    sim["held"][orders[slot, O_ACCOUNT], inst] += orders[slot, O_SIDE] * qty
    entry = _reply_entry(sim, slot, EV_FILL)
    if entry >= 0:
        heap = sim["queues"][Q_REPLIES]
        heap[entry, Q_PRICE] = price
        heap[entry, Q_QTY] = qty
        heap[entry, Q_Y] = fee
        heap[entry, Q_TRADE] = sim["ctl"][C_TRADE_ID]
        heap[entry, Q_FLAGS] = flags
        queue_rise(sim, Q_REPLIES, entry)
    if orders[slot, O_LEFT] == 0:
        slot_release(sim, slot)
        return 0
    if room(sim, slot) == 0:
        end(sim, slot, R_REDUCE_ONLY)
        return 0
    return int(orders[slot, O_LEFT])
