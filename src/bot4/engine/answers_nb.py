"""What the venue answers: acknowledgements, refusals, fills, cancels, and answers that never came."""

from typing import Any

import numpy as np

from bot4.engine.breakers_nb import trade_ended_nb
from bot4.engine.decide_nb import cancel_intent_nb
from bot4.engine.layout_nb import CK_ANOMALIES, CK_FILLS, CK_NOW, N_INTENTS
from bot4.engine.parts_nb import ledger_of, orders_of, tradable_nb
from bot4.engine.protect_nb import change_mode_nb
from bot4.execution.orders_nb import (
    FILL_DUPLICATE,
    find_nb,
    on_ack_nb,
    on_cancel_nb,
    on_fill_nb,
    on_reject_nb,
    on_unknown_nb,
)
from bot4.execution.post_trade_nb import fill_reason_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import apply_fill_nb
from bot4.model.codes_nb import (
    EV_ACK,
    EV_CANCELED,
    EV_FILL,
    EV_REJECT,
    EV_UNKNOWN,
    FLAG_AMBIGUOUS,
    FLAG_GAP,
    FOR_ENTRY,
    FOR_QUOTE,
    FOR_STOP,
    MODE_NORMAL,
    MODE_PAUSE,
    N_REASONS,
    OF_REDUCE_ONLY,
    R_OK,
    R_VENUE,
    ST_UNKNOWN,
)
from bot4.safety.modes_nb import halted_nb


@kernel
def gap_loss_nb(side: int, stop_price: int, price: int, qty: int, mult: int) -> int:
    """Money units lost because a stop filled beyond its price (>= 0)."""
    worse = (stop_price - price) if side < 0 else (price - stop_price)
    return max(0, worse) * qty * mult


@kernel
def fill_costs_nb(s: Any, inst: int, slot: int, flags: int, price: int, qty: int) -> None:
    """Tally gap losses, and what the kinder reading of an ambiguous bar would have been."""
    order = s["table"][slot]
    if int(np.int64(order["purpose"])) != FOR_STOP:
        return
    account = s["account"][0]
    mult = s["spec"][inst]["money_mult"]
    side = int(np.int64(order["side"]))
    if flags & FLAG_GAP:
        account["gap_loss"] += gap_loss_nb(side, order["stop_price"], price, qty, mult)
    if flags & FLAG_AMBIGUOUS:
        account["ambiguous"] += 1
        target = s["inst"][inst]["target"]
        if target > 0:
            account["ambiguous_diff"] += -side * (target - price) * qty * mult


@kernel
def post_trade_nb(s: Any, inst: int, slot: int, left: int, price: int, qty: int, fee: int) -> None:
    """Hold a fill against its order; one that does not fit pauses until an authorised release."""
    order = s["table"][slot]
    reason = fill_reason_nb(
        int(np.int64(order["type"])),
        int(np.int64(order["side"])),
        order["price"],
        left,
        price,
        qty,
        fee,
        s["spec"][inst]["money_mult"],
        s["params"][0]["max_fee_e8"],
    )
    if reason != R_OK:
        s["refusals"][reason] += 1
        change_mode_nb(s, MODE_PAUSE, reason, False)


@kernel
def fill_nb(s: Any, events: np.ndarray, i: int, slot: int) -> None:
    """Fold a fill: order, ledger, protection."""
    e = events[i]
    order = s["table"][slot]
    inst = int(np.int64(order["instrument"]))
    side = int(np.int64(order["side"]))
    purpose = int(np.int64(order["purpose"]))
    price = e["price"]
    qty = e["qty"]
    before = tradable_nb(s, inst)
    left = order["qty"] - order["filled"]
    booked = on_fill_nb(orders_of(s), e["x"], price, qty, e["y"], e["ts_local"], e["seq"])
    if booked != FILL_DUPLICATE:
        post_trade_nb(s, inst, slot, left, price, qty, e["y"])
    if booked < 0:
        s["clock"][CK_ANOMALIES] += 1
        return
    account = s["account"][0]
    ended = s["positions"][inst]["n_trades"]
    total = account["gross_profit"] - account["gross_loss"]
    fill_costs_nb(s, inst, slot, int(np.int64(e["flags"])), price, qty)
    apply_fill_nb(ledger_of(s), s["spec"], inst, side, price, qty, e["y"], e["ts_local"])
    s["clock"][CK_FILLS] += 1
    if s["positions"][inst]["n_trades"] != ended:
        trade_ended_nb(s, inst, account["gross_profit"] - account["gross_loss"] - total)
    row = s["inst"][inst]
    after = s["positions"][inst]["qty"]
    if before == 0 and after != 0:
        row["entry_bar"] = row["bars"]
    if after == 0:
        row["stop"] = 0
        row["target"] = 0
    elif purpose == FOR_ENTRY or purpose == FOR_QUOTE:
        anchor_nb(s, inst, purpose, after)
    row["protect"] = 1


@kernel
def anchor_nb(s: Any, inst: int, purpose: int, qty: int) -> None:
    """Make sure that stop and target lie on the right sides of the average entry.

    A quoter's inventory gets the emergency distance; an entry keeps the levels of its decision
    unless the fill came out beyond them (a gap through the stop), then the distance is taken
    from the mark.
    """
    row = s["inst"][inst]
    mult = s["spec"][inst]["money_mult"]
    average = abs(s["positions"][inst]["cost"]) // (abs(qty) * mult)
    width = max(1, int(average * s["risk_params"][0]["emergency_stop"]))
    side = 1 if qty > 0 else -1
    if purpose == FOR_QUOTE:
        row["stop"] = max(1, average - side * width)
        row["target"] = max(1, average + side * width)
        return
    if row["stop"] <= 0 or (row["stop"] - average) * side >= 0:
        row["stop"] = max(1, average - side * width)
    if row["target"] <= 0 or (row["target"] - average) * side <= 0:
        row["target"] = max(1, average + side * width)


@kernel
def ack_nb(s: Any, id: int, slot: int) -> None:
    """Fold an acknowledgement.

    An order that was unknown while its kind was being cancelled (any mode but Normal, and a partial kill,
    cancel what can raise risk) missed its cancel; it gets it now.
    """
    order = s["table"][slot]
    was_unknown = int(np.int64(order["status"])) == ST_UNKNOWN
    on_ack_nb(orders_of(s), id, s["clock"][CK_NOW])
    if not was_unknown:
        return
    inst = int(np.int64(order["instrument"]))
    s["inst"][inst]["protect"] = 1
    control = s["control"][0]
    raises = int(np.int64(order["flags"])) & OF_REDUCE_ONLY == 0
    stopped = halted_nb(s["halts"], inst)
    if raises and (control["mode"] != MODE_NORMAL or stopped != R_OK):
        reason = stopped if stopped != R_OK else control["mode_reason"]
        s["n"][N_INTENTS] = cancel_intent_nb(s["intents"], s["n"][N_INTENTS], inst, id, reason)


@kernel
def answer_nb(s: Any, events: np.ndarray, i: int) -> None:
    """Fold one answer of the venue; what fits no order is an anomaly, counted and not folded."""
    e = events[i]
    kind = int(np.int64(e["kind"]))
    slot = find_nb(orders_of(s), e["x"])
    if slot < 0:
        s["clock"][CK_ANOMALIES] += 1
        return
    inst = int(np.int64(s["table"][slot]["instrument"]))
    now = s["clock"][CK_NOW]
    if kind == EV_FILL:
        fill_nb(s, events, i, slot)
    elif kind == EV_ACK:
        ack_nb(s, e["x"], slot)
    elif kind == EV_REJECT:
        on_reject_nb(orders_of(s), e["x"], e["y"], now)
        # protection is looked at again by the timer: a venue that refuses every bracket would spin us
        s["refusals"][e["y"] if 0 <= e["y"] < N_REASONS else R_VENUE] += 1
    elif kind == EV_CANCELED:
        on_cancel_nb(orders_of(s), e["x"], e["y"], now)
        s["inst"][inst]["protect"] = 1
    elif kind == EV_UNKNOWN:
        on_unknown_nb(orders_of(s), e["x"], e["y"], now)
        s["inst"][inst]["protect"] = 1
