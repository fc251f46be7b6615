"""Margin and liquidation of the one account that a backtest or a paper run has.

The account's money is booked as in the ledger: a purchase takes its notional out, so that equity is cash
plus positions at their prices. A perpetual position fails where what it answers with is no more than its
maintenance margin: the account's equity against the margin of all positions (cross), or its entry value
over the leverage plus its profit against its own (isolated).

Then the account's orders in that market end, and the venue takes the position over at the price that uses
the margin up, rounded in the account's favour; what that rounding leaves is the fee. So a loss is never
larger than the margin (isolated) or the account (cross), however far the market has jumped. Under cross
margin the other positions follow, at their prices: nothing is left that they could answer with.
"""

import numpy as np

from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import EV_LIQUIDATED, R_LIQUIDATED
from bot4.venues.simulator.fills_nb import draw_latency, end
from bot4.venues.simulator.queues_nb import queue_add, queue_rise
from bot4.venues.simulator.state_nb import (
    C_BARS,
    C_CAP,
    C_CASH,
    C_LEVERAGE,
    C_MARGIN,
    C_NOW,
    C_RESPONSE_NS,
    C_TRADE_ID,
    L_ASK,
    L_BID,
    L_WAIT,
    M_COST,
    M_LISTS,
    M_MARK,
    M_PRICE,
    M_REPLY_TS,
    MARGIN_ISOLATED,
    MARGIN_NONE,
    O_NEXT,
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

_SPOT = 0


@kernel
def mark_of(sim: Sim, inst: int) -> int:
    """The price at which a position is valued, ticks: the venue's mark where the feed has it.

    Else the middle of the book, else the last trade; in bar mode the bar's price. 0: none yet.
    """
    meta = sim["meta"]
    if meta[inst, M_MARK] > 0:
        return int(meta[inst, M_MARK])
    bid = sim["sides"][inst, L_BID]["best"]
    ask = sim["sides"][inst, L_ASK]["best"]
    if sim["ctl"][C_BARS] == 0 and bid > 0 and ask > bid:
        return int((bid + ask) >> 1)
    return int(meta[inst, M_PRICE])


@kernel
def at_stake(sim: Sim, spec: Array, inst: int, price: int) -> bool:
    """Whether `inst` has a perpetual position that could fail at `price` (ticks)."""
    held = sim["held"][0, inst] != 0
    return bool(held and price > 0 and sim["ctl"][C_MARGIN] != MARGIN_NONE and spec[inst]["kind"] != _SPOT)


@kernel
def backing(sim: Sim, spec: Array, inst: int, price: int) -> int:
    """What answers for the position of `inst` besides its value at `price`, money units; negative: a debt.

    The position is worth as much as this lacks where its margin is used up.
    """
    if sim["ctl"][C_MARGIN] == MARGIN_ISOLATED:
        cost = sim["meta"][inst, M_COST] * spec[inst]["money_mult"]
        return int(abs(cost) // sim["ctl"][C_LEVERAGE] - cost)
    total = sim["ctl"][C_CASH]
    for j in range(spec.shape[0]):
        if j != inst and spec[j]["kind"] != _SPOT:
            total += sim["held"][0, j] * mark_of(sim, j) * spec[j]["money_mult"]
    return int(total)


@kernel
def fails(sim: Sim, spec: Array, inst: int, price: int) -> bool:
    """Whether the position of `inst` no longer has its maintenance margin at `price` (ticks)."""
    if not at_stake(sim, spec, inst, price):
        return False
    value = sim["held"][0, inst] * price * spec[inst]["money_mult"]
    needed = rate_of(abs(value), spec[inst]["maintenance"])
    if sim["ctl"][C_MARGIN] != MARGIN_ISOLATED:
        for j in range(spec.shape[0]):
            if j != inst and spec[j]["kind"] != _SPOT:
                other = sim["held"][0, j] * mark_of(sim, j) * spec[j]["money_mult"]
                needed += rate_of(abs(other), spec[j]["maintenance"])
    return bool(value + backing(sim, spec, inst, price) <= needed)


@kernel
def _withdraw(sim: Sim, inst: int) -> None:
    """End the account's orders in a market."""
    for k in range(L_WAIT + 1):
        slot = sim["meta"][inst, M_LISTS + k]
        while slot >= 0:
            after = sim["orders"][slot, O_NEXT]
            end(sim, slot, R_LIQUIDATED)
            slot = after


@kernel
def _take_over(sim: Sim, spec: Array, inst: int, price: int) -> None:
    """Close the position of `inst` where its margin is used up, and say so."""
    ctl = sim["ctl"]
    held = sim["held"][0, inst]
    mult = spec[inst]["money_mult"]
    debt = -backing(sim, spec, inst, price)
    lot_value = abs(held) * mult
    at = -(-debt // lot_value) if held > 0 else (-debt) // lot_value
    at = max(1, at)
    left = held * at * mult - debt
    fee = max(0, left)
    ctl[C_CASH] += held * at * mult - fee
    sim["held"][0, inst] = 0
    sim["meta"][inst, M_COST] = 0
    ctl[C_TRADE_ID] += 1
    local = min(ctl[C_NOW] + draw_latency(sim, ctl[C_RESPONSE_NS]), ctl[C_CAP])
    entry = queue_add(sim, Q_REPLIES, max(local, sim["meta"][inst, M_REPLY_TS]))
    if entry >= 0:  # one that finds no room is counted as lost
        heap = sim["queues"][Q_REPLIES]
        heap[entry, Q_KIND] = EV_LIQUIDATED
        heap[entry, Q_INST] = inst
        heap[entry, Q_VENUE_TS] = ctl[C_NOW]
        heap[entry, Q_ORDER] = -1 if held > 0 else 1
        heap[entry, Q_PRICE] = at
        heap[entry, Q_QTY] = abs(held)
        heap[entry, Q_Y] = fee
        heap[entry, Q_TRADE] = ctl[C_TRADE_ID]
        queue_rise(sim, Q_REPLIES, entry)
    _withdraw(sim, inst)


@kernel
def liquidate(sim: Sim, spec: Array, inst: int, price: int) -> bool:
    """Take over what fails with `inst` at `price` (ticks); whether anything did."""
    if not fails(sim, spec, inst, price):
        return False
    _take_over(sim, spec, inst, price)
    for j in range(spec.shape[0]):
        if fails(sim, spec, j, mark_of(sim, j)):
            _take_over(sim, spec, j, mark_of(sim, j))
    return True


@kernel
def pay_funding(sim: Sim, spec: Array, events: Array, i: int) -> None:
    """Funding event `i` off the account's money, as the ledger books it; what then fails is taken over."""
    inst = int(np.int64(events[i]["instrument"]))
    price = events[i]["price"] if events[i]["price"] > 0 else mark_of(sim, inst)
    if not at_stake(sim, spec, inst, price):
        return
    held = sim["held"][0, inst]
    rate = events[i]["x"]
    if events[i]["seq"] == -1:  # a substitute for missing data is always paid
        rate = abs(rate) if held > 0 else -abs(rate)
    sim["ctl"][C_CASH] -= rate_of(held * price * spec[inst]["money_mult"], rate)
    liquidate(sim, spec, inst, mark_of(sim, inst))
