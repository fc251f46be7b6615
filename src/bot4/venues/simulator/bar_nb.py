"""Bar mode: fills from open, high, low and close, always on the pessimistic side.

Within a bar the path is unknown, so stops go before limits, a limit fills only when the price
traded through it, and a bar that holds both stop and target of a position takes the stop. A bar that opens
beyond the liquidation price liquidates before anything else; within the range a stop goes first only when
it stands before that price, and liquidation goes before every limit.
"""

import math

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    BUY,
    FLAG_AMBIGUOUS,
    FLAG_GAP,
    FLAG_MAKER,
    OF_REDUCE_ONLY,
    R_POST_WOULD_TAKE,
    R_SELF,
    TIF_POST,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from bot4.venues.simulator.fills_nb import end, fill, room
from bot4.venues.simulator.liquidation_nb import fails, liquidate
from bot4.venues.simulator.rules_nb import list_of, within_limit
from bot4.venues.simulator.slots_nb import slot_move
from bot4.venues.simulator.state_nb import (
    C_CAP,
    C_NOW,
    C_PARTIAL,
    I64_MAX,
    L_ASK,
    L_BID,
    L_STOP,
    L_WAIT,
    M_CLOSE_TS,
    M_LISTS,
    M_OPEN_TS,
    M_PRICE,
    M_VOLUME,
    O_FLAGS,
    O_INST,
    O_LEFT,
    O_NEXT,
    O_PRICE,
    O_SIDE,
    O_STOP,
    O_TIF,
    O_TYPE,
    P_HALF_SPREAD,
    P_IMPACT,
    P_SHARE,
    Array,
    Sim,
)
from bot4.venues.simulator.take_nb import meets_own, rest_or_end


@kernel
def slipped(sim: Sim, slot: int, price: int) -> int:
    """`price` moved against the order: half the spread plus impact x sqrt(quantity / volume).

    The volume is the bar before's, the last one known; without one the impact is taken whole.
    """
    inst = sim["orders"][slot, O_INST]
    side = sim["orders"][slot, O_SIDE]
    volume = sim["meta"][inst, M_VOLUME]
    share = room(sim, slot) / volume if volume > 0 else 1.0
    part = sim["par"][P_HALF_SPREAD] + sim["par"][P_IMPACT] * math.sqrt(share)
    return int(max(1, price + side * math.ceil(price * part - 1e-9)))


@kernel
def _take_at(sim: Sim, spec: Array, slot: int, price: int, flags: int) -> None:
    """Fill a taking order whole at `price`, or rest it if its limit or an own order forbids."""
    if not within_limit(sim, slot, price):
        rest_or_end(sim, slot)
    elif meets_own(sim, slot, price):
        end(sim, slot, R_SELF)
    else:
        fill(sim, spec, slot, price, sim["orders"][slot, O_LEFT], flags)


@kernel
def in_bar(sim: Sim, inst: int) -> bool:
    """Whether the venue's clock stands inside the bar in progress."""
    now = sim["ctl"][C_NOW]
    return bool(sim["meta"][inst, M_OPEN_TS] <= now and now < sim["meta"][inst, M_CLOSE_TS])


@kernel
def bar_would_take(sim: Sim, slot: int) -> bool:
    """Whether a limit order would take at the bar's price."""
    return within_limit(sim, slot, slipped(sim, slot, sim["meta"][sim["orders"][slot, O_INST], M_PRICE]))


@kernel
def _stop_jumped(sim: Sim, spec: Array, slot: int, price: int) -> None:
    """Fill a stop at `price`, slipped, if that price has reached it."""
    orders = sim["orders"]
    beyond = (price - orders[slot, O_STOP]) * orders[slot, O_SIDE]
    if beyond >= 0:
        _take_at(sim, spec, slot, slipped(sim, slot, price), FLAG_GAP if beyond > 0 else 0)


@kernel
def bar_take(sim: Sim, spec: Array, slot: int) -> None:
    """An acknowledged order meets the bar's opening price, or waits for the next open."""
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    price = sim["meta"][inst, M_PRICE]
    kind = orders[slot, O_TYPE]
    if kind != TYPE_LIMIT and kind != TYPE_MARKET:
        slot_move(sim, slot, L_STOP)
        if in_bar(sim, inst):
            _stop_jumped(sim, spec, slot, price)
    elif not in_bar(sim, inst):
        slot_move(sim, slot, L_WAIT)
    else:
        _take_at(sim, spec, slot, slipped(sim, slot, price), 0)


@kernel
def _open_waiting(sim: Sim, spec: Array, inst: int) -> None:
    """Orders that arrived in a data gap meet the open."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + L_WAIT]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        if orders[slot, O_TIF] == TIF_POST and bar_would_take(sim, slot):
            end(sim, slot, R_POST_WOULD_TAKE)
        else:
            _take_at(sim, spec, slot, slipped(sim, slot, sim["meta"][inst, M_PRICE]), 0)
        slot = after


@kernel
def _limits_through(sim: Sim, spec: Array, inst: int, side: int, bar: tuple[int, int, int]) -> None:
    """Fill the resting orders of one side that the range (low, high, volume) traded through.

    With partial fills on, no more than our share of the volume beyond each limit, the volume
    taken as spread evenly over the range.
    """
    orders = sim["orders"]
    low, high, volume = bar
    taken = 0
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        price = orders[slot, O_PRICE]
        beyond = price - low if side == L_BID else high - price
        if beyond <= 0:
            return
        lots = orders[slot, O_LEFT]
        if volume >= 0:
            part = min(1.0, beyond / (high - low)) if high > low else 1.0
            lots = min(lots, int(volume * part * sim["par"][P_SHARE]) - taken)
        if lots > 0:
            taken += min(lots, room(sim, slot))
            fill(sim, spec, slot, price, lots, FLAG_MAKER)
        slot = after


@kernel
def bar_open(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """The opening print: only the open is known. Stops first, then limits, then what waited."""
    orders = sim["orders"]
    inst = int(np.int64(events[i]["instrument"]))
    price = events[i]["x"]
    sim["meta"][inst, M_PRICE] = price
    sim["meta"][inst, M_OPEN_TS] = events[i]["ts_venue"]
    sim["meta"][inst, M_CLOSE_TS] = events[i]["ts_local"]
    liquidate(sim, spec, inst, price)
    slot = sim["meta"][inst, M_LISTS + L_STOP]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        _stop_jumped(sim, spec, slot, price)
        slot = after
    print_only = (price, price, -1)  # volume -1: its size is not known, no share is taken of it
    _limits_through(sim, spec, inst, L_BID, print_only)
    _limits_through(sim, spec, inst, L_ASK, print_only)
    _open_waiting(sim, spec, inst)


@kernel
def _target_through(sim: Sim, inst: int, side: int, low: int, high: int) -> bool:
    """Whether the range also traded through a reduce-only limit of ours on that side."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + list_of(side)]
    while slot >= 0:
        price = orders[slot, O_PRICE]
        if orders[slot, O_FLAGS] & OF_REDUCE_ONLY and (price > low if side == BUY else price < high):
            return True
        slot = orders[slot, O_NEXT]
    return False


@kernel
def _range_stops(sim: Sim, spec: Array, inst: int, low: int, high: int) -> None:
    """Fill the stops inside the range at their stop price, slipped; beyond the liquidation price none."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + L_STOP]
    while slot >= 0:
        after = orders[slot, O_NEXT]
        side = orders[slot, O_SIDE]
        stop = orders[slot, O_STOP]
        if (high >= stop if side == BUY else low <= stop) and not fails(sim, spec, inst, stop):
            flags = FLAG_AMBIGUOUS if _target_through(sim, inst, side, low, high) else 0
            _take_at(sim, spec, slot, slipped(sim, slot, stop), flags)
        slot = after


@kernel
def _range_liquidation(sim: Sim, spec: Array, inst: int, low: int, high: int) -> None:
    """The end of the range that is worse for the position."""
    liquidate(sim, spec, inst, low if sim["held"][0, inst] > 0 else high)


@kernel
def bar_range(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """The bar closes: what its range did to our orders, dated one ns before the close.

    These fills reach us no later than the bar itself.
    """
    inst = int(np.int64(events[i]["instrument"]))
    high = events[i]["y"]
    low = events[i]["seq"]
    now = sim["ctl"][C_NOW]
    sim["ctl"][C_NOW] = events[i]["ts_local"] - 1
    sim["ctl"][C_CAP] = events[i]["ts_local"]
    _range_stops(sim, spec, inst, low, high)
    _range_liquidation(sim, spec, inst, low, high)
    volume = events[i]["qty"] if sim["ctl"][C_PARTIAL] != 0 else -1
    _limits_through(sim, spec, inst, L_BID, (low, high, volume))
    _limits_through(sim, spec, inst, L_ASK, (low, high, volume))
    _range_liquidation(sim, spec, inst, low, high)  # of what a limit has just opened
    sim["ctl"][C_CAP] = I64_MAX
    sim["ctl"][C_NOW] = now
    sim["meta"][inst, M_PRICE] = events[i]["price"]
    sim["meta"][inst, M_VOLUME] = events[i]["qty"]
