"""The order table: one row an order, from approval to its end.

Legal transitions (anything else is counted in `anomalies` and changes nothing):

    approved -> PENDING
    ack      PENDING -> WORKING; UNKNOWN -> WORKING | PARTIAL   (CANCELING stays; otherwise out of order)
    fill     PENDING, WORKING, PARTIAL, UNKNOWN -> PARTIAL | FILLED; CANCELING -> CANCELING | FILLED
    cancel asked   PENDING, WORKING, PARTIAL -> CANCELING
    reply lost     PENDING, WORKING, PARTIAL, CANCELING -> UNKNOWN
    canceled       PENDING, WORKING, PARTIAL, CANCELING, UNKNOWN -> CANCELED
    reject         PENDING, WORKING, CANCELING, UNKNOWN without a fill -> REJECTED

A fill that comes after CANCELED or REJECTED is still money: it is applied and counted as late.
Exposure counts from approval until the venue says that the order has ended. An order lives near slot
`id & (cap - 1)`; `find_nb` scans as far as any order was ever displaced by long-lived neighbours.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    ACT_NEW,
    FOR_ENTRY,
    FOR_FLATTEN,
    FOR_STOP,
    FOR_TARGET,
    OF_REDUCE_ONLY,
    ST_CANCELED,
    ST_CANCELING,
    ST_FILLED,
    ST_NONE,
    ST_PARTIAL,
    ST_PENDING,
    ST_REJECTED,
    ST_UNKNOWN,
    ST_WORKING,
)

# columns of OrdersState.counts
C_WORKING = 0  # live orders
C_BUY = 1  # lots not yet filled of live orders, by side
C_SELL = 2
C_REDUCE_BUY = 3  # those of them that are reduce-only
C_REDUCE_SELL = 4
C_UNKNOWN = 5  # live orders of which we do not know what became
C_LANE = 8  # + 2 x purpose + (side is sell): reduce-only lots by purpose
N_COUNTS = C_LANE + 2 * (FOR_FLATTEN + 1)

# OrdersState.anomalies
AN_UNKNOWN = 0  # event for an order that is not in the table
AN_ILLEGAL = 1  # transition that does not exist, or came twice
AN_OVERFILL = 2
AN_DUPLICATE = 3  # the same venue trade id again
AN_MALFORMED = 4  # price or quantity not positive, or too large
AN_LATE = 5  # fill after the end; applied
AN_LEGS = 6  # more protective orders than a bracket can follow
N_ANOMALIES = 8

# answers of on_fill_nb below zero
FILL_UNKNOWN = -1
FILL_OVER = -2
FILL_DUPLICATE = -3
FILL_MALFORMED = -4

# OrdersState.meta
M_LAST_ID = 0
M_PROBE = 1
M_SEEN = 2
N_META = 4

MAX_LEGS = 8
"""Live orders that one lane (stops, or targets) of a bracket may have at once."""
N_SEEN = 256
"""Venue trade ids that are remembered; within the last 256 fills a duplicate is certain to be found."""
MAX_COST = float(1 << 62)


class OrdersState(NamedTuple):
    """All orders: ORDER_DTYPE[cap], i8[instruments, N_COUNTS], i8[instruments, 2 MAX_LEGS], and so on."""

    table: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]
    legs: np.ndarray[Any, Any]  # ids of live protective orders: stops, then targets; 0 is free
    brackets: np.ndarray[Any, Any]  # BRACKET_DTYPE[instruments]
    seen_id: np.ndarray[Any, Any]  # i8[N_SEEN]
    seen_seq: np.ndarray[Any, Any]  # i8[N_SEEN]
    meta: np.ndarray[Any, Any]  # i8[N_META]
    anomalies: np.ndarray[Any, Any]  # i8[N_ANOMALIES]


@kernel
def is_live_nb(status: int) -> bool:
    """Whether an order in this state can still be filled."""
    return ST_PENDING <= status <= ST_CANCELING or status == ST_UNKNOWN


@kernel
def free_slot_nb(o: OrdersState, next_id: int) -> int:
    """A slot for order `next_id`: empty or of an old ended order, never of a live one; -1 when all live."""
    cap = len(o.table)
    best = -1
    best_id = next_id
    for step in range(cap):
        slot = (next_id + step) & (cap - 1)
        row = o.table[slot]
        status = int(np.int64(row["status"]))
        if is_live_nb(status):
            continue
        if status == ST_NONE or next_id - row["id"] >= cap >> 1:
            return slot
        if row["id"] < best_id:
            best_id = row["id"]
            best = slot
    return best


# Inner kernels take the few arrays or the row they need: each array handed to a compiled callee costs
# a pair of atomic reference counts, and OrdersState holds eight.


@kernel
def locate_nb(table: np.ndarray[Any, Any], meta: np.ndarray[Any, Any], id: int) -> int:
    """The slot of order `id`, or -1."""
    if id <= 0:
        return -1
    mask = len(table) - 1
    for step in range(meta[M_PROBE] + 1):
        slot = (id + step) & mask
        if table[slot]["id"] == id and table[slot]["status"] != ST_NONE:
            return slot
    return -1


@kernel
def find_nb(o: OrdersState, id: int) -> int:
    """The slot of order `id`, or -1."""
    return locate_nb(o.table, o.meta, id)


@kernel
def expose_nb(counts: np.ndarray[Any, Any], row: Any, lots: int, orders: int) -> None:
    """Add `lots` (may be negative) of the order to the counters, and `orders` to the live count."""
    inst = int(np.int64(row["instrument"]))
    sell = 1 if int(np.int64(row["side"])) < 0 else 0
    counts[inst, C_WORKING] += orders
    counts[inst, C_BUY + sell] += lots
    if int(np.int64(row["flags"])) & OF_REDUCE_ONLY:
        counts[inst, C_REDUCE_BUY + sell] += lots
        counts[inst, C_LANE + 2 * int(np.int64(row["purpose"])) + sell] += lots


@kernel
def leg_lane_nb(row: Any) -> int:
    """0 for a protective stop, 1 for a protective target, -1 for any other order."""
    purpose = int(np.int64(row["purpose"]))
    if int(np.int64(row["flags"])) & OF_REDUCE_ONLY and FOR_STOP <= purpose <= FOR_TARGET:
        return purpose - FOR_STOP
    return -1


@kernel
def link_nb(legs: np.ndarray[Any, Any], bracket: Any, anomalies: np.ndarray[Any, Any], row: Any) -> None:
    """Enter a new order in its instrument's bracket, if it belongs there."""
    inst = int(np.int64(row["instrument"]))
    if int(np.int64(row["purpose"])) == FOR_ENTRY:
        bracket["entry_id"] = row["id"]
        bracket["qty"] = row["qty"]
    lane = leg_lane_nb(row)
    if lane < 0:
        return
    if lane == 0:
        bracket["stop_id"] = row["id"]
    else:
        bracket["target_id"] = row["id"]
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        if legs[inst, k] == 0:
            legs[inst, k] = row["id"]
            return
    anomalies[AN_LEGS] += 1


@kernel
def unlink_nb(legs: np.ndarray[Any, Any], bracket: Any, row: Any) -> None:
    """Take an ended order out of its bracket; the ids there then name the newest live order, or 0."""
    inst = int(np.int64(row["instrument"]))
    if bracket["entry_id"] == row["id"]:
        bracket["entry_id"] = 0
    lane = leg_lane_nb(row)
    if lane < 0:
        return
    newest = 0
    for k in range(lane * MAX_LEGS, (lane + 1) * MAX_LEGS):
        if legs[inst, k] == row["id"]:
            legs[inst, k] = 0
        newest = max(newest, legs[inst, k])
    if lane == 0:
        bracket["stop_id"] = newest
    else:
        bracket["target_id"] = newest


@kernel
def known_nb(counts: np.ndarray[Any, Any], row: Any) -> None:
    """Evidence came: the order no longer counts among the unknown ones; the caller writes its state."""
    if int(np.int64(row["status"])) == ST_UNKNOWN:
        counts[int(np.int64(row["instrument"])), C_UNKNOWN] -= 1


@kernel
def end_nb(
    counts: np.ndarray[Any, Any],
    legs: np.ndarray[Any, Any],
    bracket: Any,
    row: Any,
    status: int,
    reason: int,
    ts: int,
) -> None:
    """End a live order: give its unfilled lots back and leave the bracket."""
    known_nb(counts, row)
    expose_nb(counts, row, row["filled"] - row["qty"], -1)
    unlink_nb(legs, bracket, row)
    row["status"] = status
    row["reason"] = reason
    row["ts_updated"] = ts


@kernel
def anomaly_nb(anomalies: np.ndarray[Any, Any], kind: int) -> int:
    """Count an anomaly; gives 0 back."""
    anomalies[kind] += 1
    return 0


@kernel
def on_approved_nb(o: OrdersState, slot: int) -> int:
    """Take in the order that the gate wrote to `table[slot]`; 1, or 0 when the row is not a new order.

    Ids must rise: the same row cannot be counted twice.
    """
    if slot < 0 or slot >= len(o.table):
        return anomaly_nb(o.anomalies, AN_MALFORMED)
    row = o.table[slot]
    if (
        row["id"] <= o.meta[M_LAST_ID]
        or int(np.int64(row["status"])) != ST_PENDING
        or int(np.int64(row["action"])) != ACT_NEW
    ):
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    if int(np.int64(row["instrument"])) >= len(o.brackets) or int(np.int64(row["purpose"])) > FOR_FLATTEN:
        return anomaly_nb(o.anomalies, AN_MALFORMED)
    o.meta[M_LAST_ID] = row["id"]
    o.meta[M_PROBE] = max(o.meta[M_PROBE], (slot - row["id"]) & (len(o.table) - 1))
    expose_nb(o.counts, row, row["qty"], 1)
    link_nb(o.legs, o.brackets[int(np.int64(row["instrument"]))], o.anomalies, row)
    return 1


@kernel
def on_ack_nb(o: OrdersState, id: int, ts: int) -> int:
    """The venue works the order; 1, or 0 with an anomaly counted."""
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        return anomaly_nb(o.anomalies, AN_UNKNOWN)
    row = o.table[slot]
    status = int(np.int64(row["status"]))
    if status == ST_UNKNOWN:
        known_nb(o.counts, row)
        row["status"] = ST_PARTIAL if row["filled"] > 0 else ST_WORKING
    elif status == ST_PENDING:
        row["status"] = ST_WORKING
    elif status != ST_CANCELING:
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    row["ts_updated"] = ts
    return 1


@kernel
def on_unknown_nb(o: OrdersState, id: int, reason: int, ts: int) -> int:
    """The reply to the order or its cancel was lost; exposure counts on. 1, or 0 with an anomaly counted."""
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        return anomaly_nb(o.anomalies, AN_UNKNOWN)
    row = o.table[slot]
    status = int(np.int64(row["status"]))
    if status == ST_UNKNOWN or not is_live_nb(status):
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    o.counts[int(np.int64(row["instrument"])), C_UNKNOWN] += 1
    row["status"] = ST_UNKNOWN
    row["reason"] = reason
    row["ts_updated"] = ts
    return 1


@kernel
def seen_nb(seen_id: np.ndarray[Any, Any], seen_seq: np.ndarray[Any, Any], id: int, seq: int) -> bool:
    """Whether trade `seq` of order `id` is among the last N_SEEN fills."""
    hits = 0
    for k in range(N_SEEN):
        hits += (seen_seq[k] == seq) & (seen_id[k] == id)
    return hits > 0


@kernel
def book_fill_nb(
    counts: np.ndarray[Any, Any],
    legs: np.ndarray[Any, Any],
    bracket: Any,
    row: Any,
    price: int,
    qty: int,
    fee: int,
    ts: int,
) -> bool:
    """Apply a fill that was found good: row, state and counters; whether it came after the end."""
    status = int(np.int64(row["status"]))
    row["filled"] += qty
    row["cost"] += price * qty
    row["fees"] += fee
    row["ts_updated"] = ts
    done = row["filled"] == row["qty"]
    if not is_live_nb(status):
        if done:
            row["status"] = ST_FILLED
        return True
    expose_nb(counts, row, -qty, 0)
    if done:
        end_nb(counts, legs, bracket, row, ST_FILLED, int(np.int64(row["reason"])), ts)
    elif status != ST_CANCELING:
        known_nb(counts, row)
        row["status"] = ST_PARTIAL
    return False


@kernel
def on_fill_nb(
    o: OrdersState,
    id: int,
    price: int,
    qty: int,
    fee: int,
    ts: int,
    seq: int = -1,
) -> int:
    """One fill (ticks, lots, money units, ns): the lots left, or below zero with an anomaly counted.

    FILL_UNKNOWN -1, FILL_OVER -2, FILL_DUPLICATE -3, FILL_MALFORMED -4: nothing was changed. `seq` is the
    venue's trade id; below zero the venue gives none and duplicates cannot be told from new fills.
    """
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        o.anomalies[AN_UNKNOWN] += 1
        return FILL_UNKNOWN
    if seq >= 0 and seen_nb(o.seen_id, o.seen_seq, id, seq):
        o.anomalies[AN_DUPLICATE] += 1
        return FILL_DUPLICATE
    row = o.table[slot]
    if price <= 0 or qty <= 0 or float(price) * float(qty) + float(row["cost"]) >= MAX_COST:
        o.anomalies[AN_MALFORMED] += 1
        return FILL_MALFORMED
    if qty > row["qty"] - row["filled"]:
        o.anomalies[AN_OVERFILL] += 1
        return FILL_OVER
    bracket = o.brackets[int(np.int64(row["instrument"]))]
    if book_fill_nb(o.counts, o.legs, bracket, row, price, qty, fee, ts):
        o.anomalies[AN_LATE] += 1
    if seq >= 0:
        at = o.meta[M_SEEN] & (N_SEEN - 1)
        o.seen_id[at] = id
        o.seen_seq[at] = seq
        o.meta[M_SEEN] += 1
    return int(row["qty"] - row["filled"])


@kernel
def mark_canceling_nb(o: OrdersState, id: int, ts: int) -> int:
    """A cancel was sent; exposure still counts. 1, or 0 with an anomaly counted."""
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        return anomaly_nb(o.anomalies, AN_UNKNOWN)
    row = o.table[slot]
    status = int(np.int64(row["status"]))
    if status != ST_PENDING and status != ST_WORKING and status != ST_PARTIAL:
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    row["status"] = ST_CANCELING
    row["ts_updated"] = ts
    return 1


@kernel
def on_cancel_nb(o: OrdersState, id: int, reason: int, ts: int) -> int:
    """The order ended without further fill; 1, or 0 with an anomaly counted."""
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        return anomaly_nb(o.anomalies, AN_UNKNOWN)
    row = o.table[slot]
    if not is_live_nb(int(np.int64(row["status"]))):
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    bracket = o.brackets[int(np.int64(row["instrument"]))]
    end_nb(o.counts, o.legs, bracket, row, ST_CANCELED, reason, ts)
    return 1


@kernel
def on_reject_nb(o: OrdersState, id: int, reason: int, ts: int) -> int:
    """The venue refused the order, before any fill; 1, or 0 with an anomaly counted."""
    slot = locate_nb(o.table, o.meta, id)
    if slot < 0:
        return anomaly_nb(o.anomalies, AN_UNKNOWN)
    row = o.table[slot]
    if not is_live_nb(int(np.int64(row["status"]))) or row["filled"] != 0:
        return anomaly_nb(o.anomalies, AN_ILLEGAL)
    bracket = o.brackets[int(np.int64(row["instrument"]))]
    end_nb(o.counts, o.legs, bracket, row, ST_REJECTED, reason, ts)
    return 1


@kernel
def open_count_nb(o: OrdersState, inst: int) -> int:
    """Live orders of instrument `inst`."""
    return int(o.counts[inst, C_WORKING])


@kernel
def unknown_nb(o: OrdersState, inst: int) -> int:
    """Live orders of instrument `inst` of which we do not know what became."""
    return int(o.counts[inst, C_UNKNOWN])


@kernel
def pending_nb(o: OrdersState, inst: int, side: int) -> int:
    """Unfilled lots of live orders on `side` (BUY or SELL), reduce-only ones included."""
    return int(o.counts[inst, C_BUY if side > 0 else C_SELL])


@kernel
def reducing_nb(o: OrdersState, inst: int, side: int, purpose: int) -> int:
    """Unfilled lots of live reduce-only orders on `side` for FOR_* `purpose`."""
    return int(o.counts[inst, C_LANE + 2 * purpose + (0 if side > 0 else 1)])


@kernel
def worst_case_nb(o: OrdersState, inst: int, pos: int) -> int:
    """The largest |position| in lots that live orders can lead to from `pos`.

    Reduce-only orders can at most bring the position to zero before the others fill.
    """
    c = o.counts[inst]
    buys = c[C_BUY] - c[C_REDUCE_BUY]
    sells = c[C_SELL] - c[C_REDUCE_SELL]
    low = max(pos - c[C_REDUCE_SELL], 0) if pos > 0 else pos
    high = min(pos + c[C_REDUCE_BUY], 0) if pos < 0 else pos
    return int(max(abs(pos), abs(low - sells), abs(high + buys)))
