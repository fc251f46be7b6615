"""Protective orders: a stop lane and a target lane that each cover exactly the position.

`sync_bracket_nb` is pure: it looks at the position and the live protective orders and writes the intents
that close the difference. Called again while those are on their way it writes nothing. A lane grows by
adding an order beside the old one, so that growth never leaves the position naked. It shrinks or moves by
cancel and, once the venue has confirmed, a new order: old and new together would be more than the
position, which the gate refuses.
"""

from typing import Any

import numpy as np

from bot4.execution.orders_nb import MAX_LEGS, OrdersState, find_nb, locate_nb
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    ACT_CANCEL,
    ACT_NEW,
    BUY,
    FOR_STOP,
    OF_REDUCE_ONLY,
    R_REQUOTE,
    R_SIBLING,
    SELL,
    ST_CANCELING,
    TIF_GTC,
    TYPE_LIMIT,
    TYPE_STOP,
)


@kernel
def blank_intent_nb(intent: Any, inst: int, lane: int) -> None:
    """Write the fields that cancels and new legs share, and clear the rest."""
    intent["price"] = 0
    intent["stop_price"] = 0
    intent["qty"] = 0
    intent["decision"] = 0
    intent["instrument"] = inst
    intent["type"] = TYPE_STOP if lane == 0 else TYPE_LIMIT
    intent["tif"] = TIF_GTC
    intent["flags"] = OF_REDUCE_ONLY
    intent["purpose"] = FOR_STOP + lane


@kernel
def emit_cancel_nb(
    o: OrdersState, slot: int, lane: int, reason: int, intents: np.ndarray[Any, Any], n: int
) -> int:
    """Append a cancel of the order in `slot` (its reason in `price`); the new count."""
    if n >= len(intents):
        return n
    row = o.table[slot]
    intent = intents[n]
    blank_intent_nb(intent, int(np.int64(row["instrument"])), lane)
    intent["price"] = reason
    intent["ref"] = row["id"]
    intent["side"] = row["side"]
    intent["action"] = ACT_CANCEL
    return n + 1


@kernel
def emit_leg_nb(
    o: OrdersState,
    inst: int,
    side: int,
    qty: int,
    price: int,
    lane: int,
    intents: np.ndarray[Any, Any],
    n: int,
) -> int:
    """Append a new protective order; the new count."""
    if n >= len(intents):
        return n
    intent = intents[n]
    blank_intent_nb(intent, inst, lane)
    if lane == 0:
        intent["stop_price"] = price
    else:
        intent["price"] = price
    intent["qty"] = qty
    intent["ref"] = o.brackets[inst]["entry_id"]
    intent["side"] = side
    intent["action"] = ACT_NEW
    return n + 1


@kernel
def leg_left_nb(o: OrdersState, inst: int, k: int, side: int, price: int) -> int:
    """Unfilled lots of leg `k` if it works on `side` at `price` with no cancel sent, else 0."""
    slot = find_nb(o, o.legs[inst, k])
    if slot < 0:
        return 0
    row = o.table[slot]
    at = row["stop_price"] if k < MAX_LEGS else row["price"]
    if int(np.int64(row["status"])) == ST_CANCELING or int(np.int64(row["side"])) != side or at != price:
        return 0
    return int(row["qty"] - row["filled"])


@kernel
def pick_leg_nb(
    o: OrdersState, inst: int, lane: int, side: int, price: int, least: int, cancelled: int
) -> int:
    """The smallest good leg with at least `least` lots, else the largest; -1 for none.

    `cancelled` is a bit set of legs that this call has already given up.
    """
    best = -1
    best_left = 0
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        if (cancelled >> k) & 1:
            continue
        left = leg_left_nb(o, inst, k, side, price)
        if left == 0:
            continue
        enough = left >= least
        if (
            best < 0
            or (enough and (best_left < least or left < best_left))
            or (not enough and left > best_left and best_left < least)
        ):
            best = k
            best_left = left
    return best


@kernel
def drop_leg_nb(
    o: OrdersState,
    inst: int,
    k: int,
    intents: np.ndarray[Any, Any],
    n: int,
) -> int:
    """Append a cancel of leg `k` because its size no longer fits; the new count."""
    lane = 0 if k < MAX_LEGS else 1
    return emit_cancel_nb(o, find_nb(o, o.legs[inst, k]), lane, R_REQUOTE, intents, n)


@kernel
def clear_wrong_legs_nb(
    o: OrdersState,
    inst: int,
    lane: int,
    side: int,
    price: int,
    reason: int,
    intents: np.ndarray[Any, Any],
    n: int,
) -> int:
    """Append a cancel for every live leg of the lane that stands on another side or price."""
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        slot = find_nb(o, o.legs[inst, k])
        if slot < 0 or int(np.int64(o.table[slot]["status"])) == ST_CANCELING:
            continue
        if leg_left_nb(o, inst, k, side, price) == 0:
            n = emit_cancel_nb(o, slot, lane, reason, intents, n)
    return n


@kernel
def lane_lots_nb(o: OrdersState, inst: int, lane: int, side: int, price: int) -> tuple[int, int, int]:
    """(good lots, other lots still alive on `side`, free places) of the lane."""
    have = 0
    other = 0
    free = 0
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        slot = find_nb(o, o.legs[inst, k])
        if slot < 0:
            free += 1
            continue
        row = o.table[slot]
        left = leg_left_nb(o, inst, k, side, price)
        have += left
        if left == 0 and int(np.int64(row["side"])) == side:
            other += row["qty"] - row["filled"]
    return have, other, free


@kernel
def sync_lane_nb(
    o: OrdersState,
    spec: Any,
    inst: int,
    pos_qty: int,
    price: int,
    lane: int,
    intents: np.ndarray[Any, Any],
    n: int,
) -> int:
    """Bring one lane (0 stops, 1 targets) to |pos_qty| lots at `price` (<= 0: no such protection)."""
    side = SELL if pos_qty > 0 else BUY
    want = abs(pos_qty)
    if want == 0 or price <= 0:
        # a price that no leg has: all are wrong
        return clear_wrong_legs_nb(o, inst, lane, side, -1, R_SIBLING if want == 0 else R_REQUOTE, intents, n)
    n = clear_wrong_legs_nb(o, inst, lane, side, price, R_REQUOTE, intents, n)
    have, other, free = lane_lots_nb(o, inst, lane, side, price)
    cancelled = 0
    while have > want:
        k = pick_leg_nb(o, inst, lane, side, price, have - want, cancelled)
        left = leg_left_nb(o, inst, k, side, price)
        n = drop_leg_nb(o, inst, k, intents, n)
        cancelled |= 1 << k
        have -= left
        other += left
    room = want - have - other
    least = max(spec["min_qty"], 1)
    while room >= least and free > 0 and spec["max_qty"] >= least:
        qty = min(room, spec["max_qty"])
        n = emit_leg_nb(o, inst, side, qty, price, lane, intents, n)
        room -= qty
        free -= 1
    if room > 0 and other == 0 and have > 0:
        # no place for one more leg, or too few lots for one: merge with a leg that is not full
        k = pick_leg_nb(o, inst, lane, side, price, max(least - room, 1), cancelled)
        left = leg_left_nb(o, inst, k, side, price)
        if left < spec["max_qty"] and left + room >= least:
            n = drop_leg_nb(o, inst, k, intents, n)
    return n


@kernel
def lane_fits_nb(
    table: np.ndarray[Any, Any],
    meta: np.ndarray[Any, Any],
    legs: np.ndarray[Any, Any],
    pos_qty: int,
    price: int,
    lane: int,
) -> bool:
    """Whether the lane (`legs`: the instrument's row) is already right and nothing of it is being canceled.

    The usual answer is yes; this asks it without the cost of the full comparison.
    """
    side = SELL if pos_qty > 0 else BUY
    want = abs(pos_qty) if price > 0 else 0
    have = 0
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        if legs[k] == 0:
            continue
        slot = locate_nb(table, meta, legs[k])
        if slot < 0:
            return False
        row = table[slot]
        at = row["stop_price"] if lane == 0 else row["price"]
        if int(np.int64(row["status"])) == ST_CANCELING or int(np.int64(row["side"])) != side or at != price:
            return False
        have += row["qty"] - row["filled"]
    return bool(have == want)


@kernel
def sync_bracket_nb(
    o: OrdersState,
    spec: Any,
    inst: int,
    pos_qty: int,
    stop_price: int,
    target_price: int,
    intents: np.ndarray[Any, Any],
    n: int,
) -> int:
    """Append to `intents` from `n` what brings stop and target to exactly |pos_qty|; the new count.

    `spec` is a row of INSTRUMENT_DTYPE, prices in ticks (<= 0: no such leg), `pos_qty` signed lots. Position
    zero cancels both lanes (reason R_SIBLING in the cancel's `price`), a wrong size or price gives
    R_REQUOTE. The intents must be approved and entered (`on_approved_nb`, `mark_canceling_nb`) before the
    next call. When `intents` is full the rest follows in a later call.
    """
    legs = o.legs[inst]
    if not lane_fits_nb(o.table, o.meta, legs, pos_qty, stop_price, 0):
        n = sync_lane_nb(o, spec, inst, pos_qty, stop_price, 0, intents, n)
    if not lane_fits_nb(o.table, o.meta, legs, pos_qty, target_price, 1):
        n = sync_lane_nb(o, spec, inst, pos_qty, target_price, 1, intents, n)
    return n
