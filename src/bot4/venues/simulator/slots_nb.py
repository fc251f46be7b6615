"""Order slots and the linked lists of an instrument's orders."""

from bot4.kernels.jit_nb import kernel
from bot4.venues.simulator.state_nb import (
    C_FREE,
    L_ASK,
    L_BID,
    L_FREE,
    M_LISTS,
    N_LISTS,
    O_ID,
    O_INST,
    O_LIST,
    O_NEXT,
    O_PREV,
    O_PRICE,
    Sim,
)


@kernel
def slot_take(sim: Sim) -> int:
    """A free slot, or -1."""
    slot = sim["ctl"][C_FREE]
    if slot >= 0:
        sim["ctl"][C_FREE] = sim["orders"][slot, O_NEXT]
    return int(slot)


@kernel
def slot_unlink(sim: Sim, slot: int) -> None:
    """Take an order out of the list it stands in."""
    orders = sim["orders"]
    after = orders[slot, O_NEXT]
    before = orders[slot, O_PREV]
    if before >= 0:
        orders[before, O_NEXT] = after
    else:
        sim["meta"][orders[slot, O_INST], M_LISTS + orders[slot, O_LIST]] = after
    if after >= 0:
        orders[after, O_PREV] = before


@kernel
def _goes_before(price: int, other: int, which: int) -> bool:
    """Whether a new order at `price` is matched before one at `other`; equals keep arrival order."""
    if which == L_BID:
        return price > other
    return which == L_ASK and price < other


@kernel
def slot_link(sim: Sim, slot: int, which: int) -> None:
    """Put an order into a list: bids and asks by price then arrival, the others by arrival."""
    slot_link_behind(sim, slot, which, -1)


@kernel
def slot_link_behind(sim: Sim, slot: int, which: int, hint: int) -> None:
    """As `slot_link`, but look from the order in slot `hint` on, if the new one belongs behind it."""
    orders = sim["orders"]
    inst = orders[slot, O_INST]
    before = -1
    after = sim["meta"][inst, M_LISTS + which]
    if (
        hint >= 0
        and orders[hint, O_LIST] == which
        and not _goes_before(orders[slot, O_PRICE], orders[hint, O_PRICE], which)
    ):
        before = hint
        after = orders[hint, O_NEXT]
    while after >= 0 and not _goes_before(orders[slot, O_PRICE], orders[after, O_PRICE], which):
        before = after
        after = orders[after, O_NEXT]
    orders[slot, O_LIST] = which
    orders[slot, O_PREV] = before
    orders[slot, O_NEXT] = after
    if before >= 0:
        orders[before, O_NEXT] = slot
    else:
        sim["meta"][inst, M_LISTS + which] = slot
    if after >= 0:
        orders[after, O_PREV] = slot


@kernel
def slot_move(sim: Sim, slot: int, which: int) -> None:
    """Move an order from its list to another."""
    slot_unlink(sim, slot)
    slot_link(sim, slot, which)


@kernel
def slot_release(sim: Sim, slot: int) -> None:
    """The order has ended: unlink it and free its slot."""
    slot_unlink(sim, slot)
    sim["orders"][slot, O_LIST] = L_FREE
    sim["orders"][slot, O_NEXT] = sim["ctl"][C_FREE]
    sim["ctl"][C_FREE] = slot


@kernel
def slot_find(sim: Sim, inst: int, order_id: int) -> int:
    """The slot of a living order, or -1."""
    for which in range(N_LISTS):
        slot = sim["meta"][inst, M_LISTS + which]
        while slot >= 0:
            if sim["orders"][slot, O_ID] == order_id:
                return int(slot)
            slot = sim["orders"][slot, O_NEXT]
    return -1
