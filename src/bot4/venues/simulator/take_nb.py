"""Orders that take, rules that hold before an order may rest."""

from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import side_qty, side_worse
from bot4.model.codes_nb import FLAG_GAP, R_IOC, R_SELF, TIF_IOC, TYPE_LIMIT, TYPE_STOP
from bot4.venues.simulator.accounts_nb import take_shared
from bot4.venues.simulator.fills_nb import end, fill
from bot4.venues.simulator.rules_nb import list_of, within_limit
from bot4.venues.simulator.slots_nb import slot_link_behind, slot_unlink
from bot4.venues.simulator.state_nb import (
    C_HINT,
    C_PARTIAL,
    C_SHARED,
    FRONT_BITS,
    M_LISTS,
    O_FRONT,
    O_INST,
    O_LEFT,
    O_PEAK,
    O_PRICE,
    O_SHOWN,
    O_SIDE,
    O_STOP,
    O_TIF,
    O_TRADED,
    O_TYPE,
    Array,
    Sim,
)


@kernel
def meets_own(sim: Sim, slot: int, price: int) -> bool:
    """Whether trading at `price` would meet a resting order of our own."""
    orders = sim["orders"]
    side = orders[slot, O_SIDE]
    own = sim["meta"][orders[slot, O_INST], M_LISTS + 1 - list_of(side)]
    return bool(own >= 0 and (price - orders[own, O_PRICE]) * side >= 0)


@kernel
def gap_flag(sim: Sim, slot: int, price: int) -> int:
    """FLAG_GAP when a stop order fills at a price worse than its stop."""
    orders = sim["orders"]
    if orders[slot, O_TYPE] == TYPE_STOP and (price - orders[slot, O_STOP]) * orders[slot, O_SIDE] > 0:
        return FLAG_GAP
    return 0


@kernel
def rest_or_end(sim: Sim, slot: int) -> None:
    """What did not take: a limit order rests, everything else ends."""
    orders = sim["orders"]
    if orders[slot, O_TYPE] != TYPE_LIMIT or orders[slot, O_TIF] == TIF_IOC:
        end(sim, slot, R_IOC)
    elif meets_own(sim, slot, orders[slot, O_PRICE]):
        end(sim, slot, R_SELF)
    else:
        which = list_of(orders[slot, O_SIDE])
        level = side_qty(sim["sides"][orders[slot, O_INST], which], orders[slot, O_PRICE])
        orders[slot, O_FRONT] = level << FRONT_BITS
        orders[slot, O_TRADED] = 0
        orders[slot, O_SHOWN] = min(orders[slot, O_PEAK], orders[slot, O_LEFT])
        slot_unlink(sim, slot)
        slot_link_behind(sim, slot, which, sim["ctl"][C_HINT])


@kernel
def take_from_book(sim: Sim, spec: Array, slot: int) -> None:
    """Match an order with the other side of the book; the book itself is not changed by us.

    Without partial fills the whole order fills at the best price, with them level by level. Where
    there are several accounts, their orders stand between those of the market.
    """
    if sim["ctl"][C_SHARED] != 0:
        if take_shared(sim, spec, slot):
            rest_or_end(sim, slot)
        return
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    other = 1 - list_of(orders[slot, O_SIDE])
    row = sim["sides"][inst, other]
    tick = row["best"]
    while tick > 0 and within_limit(sim, slot, tick):
        if meets_own(sim, slot, tick):
            end(sim, slot, R_SELF)
            return
        qty = orders[slot, O_LEFT]
        if sim["ctl"][C_PARTIAL] != 0:
            qty = min(qty, side_qty(row, tick))
        if fill(sim, spec, slot, tick, qty, gap_flag(sim, slot, tick)) == 0:
            return
        tick = side_worse(row, other, tick)
    rest_or_end(sim, slot)
