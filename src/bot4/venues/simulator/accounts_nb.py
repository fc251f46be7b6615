"""Several accounts in one book: price, then time, between their orders and those of the market.

An order's O_FRONT says how many of the market's lots at its price stand before it, so a taker who comes to
that price takes those first, then the order, then the market's lots behind. The market's lots are not
used up by accounts: the feed goes by as recorded. Lots of accounts are.
"""

import math

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import side_qty, side_worse
from bot4.model.codes_nb import FLAG_MAKER, R_REDUCE_ONLY, R_SELF, TYPE_LIMIT
from bot4.venues.simulator.fills_nb import book_fill, end, fill, reply, room
from bot4.venues.simulator.rules_nb import list_of, within_limit
from bot4.venues.simulator.slots_nb import slot_link, slot_unlink
from bot4.venues.simulator.state_nb import (
    C_TRADE_ID,
    FRONT_BITS,
    K_PREVENTED,
    M_LISTS,
    O_ACCOUNT,
    O_FRONT,
    O_INST,
    O_LEFT,
    O_LIST,
    O_NEXT,
    O_PEAK,
    O_POLICY,
    O_PRICE,
    O_SHOWN,
    O_SIDE,
    O_TRADED,
    O_TYPE,
    P_DAY_LOTS,
    P_ROOT,
    SELF_EXPIRE_BOTH,
    SELF_EXPIRE_MAKER,
    SELF_EXPIRE_TAKER,
    SELF_NONE,
    Array,
    Sim,
)


@kernel
def lots_ahead(sim: Sim, slot: int) -> int:
    """Whole lots of the market that stand before a resting order."""
    half = 1 << (FRONT_BITS - 1)
    return -int((half - sim["orders"][slot, O_FRONT]) >> FRONT_BITS)


@kernel
def shown(sim: Sim, slot: int) -> int:
    """Lots of a resting order that can be met now: of an iceberg the slice that is shown."""
    orders = sim["orders"]
    return int(orders[slot, O_SHOWN] if orders[slot, O_PEAK] > 0 else orders[slot, O_LEFT])


@kernel
def show_anew(sim: Sim, slot: int, qty: int) -> None:
    """After a fill of `qty` lots: a used-up slice of an iceberg is replaced, behind everyone else."""
    orders = sim["orders"]
    if orders[slot, O_PEAK] == 0:
        return
    orders[slot, O_SHOWN] -= qty
    if orders[slot, O_SHOWN] > 0:
        return
    orders[slot, O_SHOWN] = min(orders[slot, O_PEAK], orders[slot, O_LEFT])
    which = orders[slot, O_LIST]
    level = side_qty(sim["sides"][orders[slot, O_INST], which], orders[slot, O_PRICE])
    orders[slot, O_FRONT] = level << FRONT_BITS
    slot_unlink(sim, slot)
    slot_link(sim, slot, which)


@kernel
def cross(sim: Sim, spec: Array, taker: int, maker: int) -> int:
    """Two accounts trade at the maker's price; returns what is left of the taker, 0 when it has ended."""
    price = sim["orders"][maker, O_PRICE]
    qty = min(shown(sim, maker), room(sim, maker), room(sim, taker))
    if room(sim, maker) == 0:
        end(sim, maker, R_REDUCE_ONLY)
        return int(sim["orders"][taker, O_LEFT])
    if qty == 0:
        end(sim, taker, R_REDUCE_ONLY)
        return 0
    sim["ctl"][C_TRADE_ID] += 1
    if book_fill(sim, spec, maker, price, qty, FLAG_MAKER) > 0:
        show_anew(sim, maker, qty)
    return book_fill(sim, spec, taker, price, qty, 0)


@kernel
def _shrink(sim: Sim, slot: int, qty: int) -> None:
    """Take `qty` lots off an order without a trade; it ends when none is left."""
    orders = sim["orders"]
    orders[slot, O_LEFT] -= qty
    if orders[slot, O_LEFT] == 0:
        end(sim, slot, R_SELF)
        return
    orders[slot, O_SHOWN] = min(orders[slot, O_SHOWN], orders[slot, O_LEFT])
    reply(sim, slot, K_PREVENTED, R_SELF)


@kernel
def prevent(sim: Sim, taker: int, maker: int) -> int:
    """Both orders are of one account: apply the taker's policy. Returns what is left of the taker."""
    orders = sim["orders"]
    policy = orders[taker, O_POLICY]
    if policy == SELF_EXPIRE_MAKER:
        end(sim, maker, R_SELF)
    elif policy == SELF_EXPIRE_TAKER:
        end(sim, taker, R_SELF)
        return 0
    elif policy == SELF_EXPIRE_BOTH:
        end(sim, maker, R_SELF)
        end(sim, taker, R_SELF)
        return 0
    else:
        qty = min(orders[taker, O_LEFT], orders[maker, O_LEFT])
        ends = orders[taker, O_LEFT] == qty
        _shrink(sim, maker, qty)
        _shrink(sim, taker, qty)
        if ends:
            return 0
    return int(orders[taker, O_LEFT])


@kernel
def impact_price(sim: Sim, slot: int, start: int, tick: int, taken: int) -> int:
    """The worse of the level's price and the square-root law's at `taken` lots from the best at `start`.

    I = Y sigma sqrt(Q / V), rounded to the next tick against the order (E9: walk the book, take the
    larger); a limit order never pays more than its limit.
    """
    orders = sim["orders"]
    side = orders[slot, O_SIDE]
    root = sim["par"][P_ROOT]
    volume = sim["par"][P_DAY_LOTS]
    if root <= 0.0 or volume <= 0.0:
        return tick
    move = int(np.int64(math.ceil(start * root * math.sqrt(taken / volume))))
    price = start + side * move
    price = max(price, tick) if side > 0 else max(1, min(price, tick))
    if orders[slot, O_TYPE] == TYPE_LIMIT and (price - orders[slot, O_PRICE]) * side > 0:
        return int(orders[slot, O_PRICE])
    return int(price)


@kernel
def take_shared(sim: Sim, spec: Array, slot: int) -> bool:
    """Match an order with the market and the other accounts; whether it still lives (and may rest)."""
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    side = orders[slot, O_SIDE]
    other = 1 - list_of(side)
    row = sim["sides"][inst, other]
    start = row["best"]
    tick = start
    here = 0  # of the market's level at `tick`, taken by this order
    taken = 0
    while True:
        own = sim["meta"][inst, M_LISTS + other]
        price = orders[own, O_PRICE] if own >= 0 else -1
        if own < 0 and tick <= 0:
            return True
        ahead = 0
        if tick > 0 and (own < 0 or (price - tick) * side >= 0):  # the market's level is not worse
            ahead = side_qty(row, tick) - here
            if own >= 0 and price == tick:
                ahead = min(ahead, lots_ahead(sim, own) - here)
            elif ahead <= 0:
                tick = side_worse(row, other, tick)
                here = 0
                continue
            price = tick
        if not within_limit(sim, slot, price):
            return True
        if ahead > 0:
            qty = min(orders[slot, O_LEFT], ahead)
            here += qty
            taken += qty
            left = fill(sim, spec, slot, impact_price(sim, slot, start, tick, taken), qty, 0)
        elif orders[own, O_ACCOUNT] == orders[slot, O_ACCOUNT] and orders[slot, O_POLICY] != SELF_NONE:
            left = prevent(sim, slot, own)
        else:
            left = cross(sim, spec, slot, own)
        if left == 0:
            return False


@kernel
def trade_shared(sim: Sim, spec: Array, inst: int, side: int, tick: int, qty: int) -> None:
    """A trade of the feed hit `side` at `tick`: orders beyond it fill, those at it in their turn."""
    orders = sim["orders"]
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0 and (orders[slot, O_PRICE] - tick) * orders[slot, O_SIDE] > 0:
        after = orders[slot, O_NEXT]
        fill(sim, spec, slot, orders[slot, O_PRICE], orders[slot, O_LEFT], FLAG_MAKER)
        slot = after
    first = sim["meta"][inst, M_LISTS + side]
    left = qty
    used = 0  # lots of the market that were traded ahead of the orders met so far
    slot = first
    while slot >= 0 and orders[slot, O_PRICE] == tick and left > 0:
        after = orders[slot, O_NEXT]
        ahead = min(left, max(0, lots_ahead(sim, slot) - used))
        used += ahead
        left -= ahead
        lots = min(left, shown(sim, slot))
        if lots > 0:
            left -= min(lots, room(sim, slot))
            if fill(sim, spec, slot, tick, lots, FLAG_MAKER) > 0:
                show_anew(sim, slot, lots)
                if orders[slot, O_PEAK] > 0 and (after < 0 or orders[after, O_PRICE] != tick):
                    after = slot  # the last one here: its next slice stands behind the market's lots
        slot = after
    used += left
    slot = sim["meta"][inst, M_LISTS + side]
    while slot >= 0 and orders[slot, O_PRICE] == tick:
        orders[slot, O_TRADED] += qty
        orders[slot, O_FRONT] = max(0, orders[slot, O_FRONT] - (used << FRONT_BITS))
        slot = orders[slot, O_NEXT]
