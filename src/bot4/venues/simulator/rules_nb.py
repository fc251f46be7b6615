"""Two questions that every match asks of an order."""

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import BUY, TYPE_LIMIT
from bot4.venues.simulator.state_nb import L_ASK, L_BID, O_PRICE, O_SIDE, O_TYPE, Sim


@kernel
def list_of(side: int) -> int:
    """The list, and the ladder side, of an order's own side."""
    return L_BID if side == BUY else L_ASK


@kernel
def within_limit(sim: Sim, slot: int, price: int) -> bool:
    """Whether the order may trade at `price`; market and triggered stop orders always may."""
    orders = sim["orders"]
    if orders[slot, O_TYPE] != TYPE_LIMIT:
        return True
    return bool((orders[slot, O_PRICE] - price) * orders[slot, O_SIDE] >= 0)
