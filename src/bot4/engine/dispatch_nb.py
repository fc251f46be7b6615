"""Intents to approved orders: every one through the gate, nothing around it."""

from typing import Any

import numpy as np

from bot4.engine.breakers_nb import breaker_reason_nb, take_probes_nb, watch_nb
from bot4.engine.layout_nb import (
    CK_NOW,
    CK_ORDERS,
    N_DECISIONS,
    N_INTENTS,
    N_LAST_ORDER,
    N_LAST_REASON,
    N_ORDERS,
)
from bot4.engine.parts_nb import ledger_of, orders_of, risk_of, safety_of
from bot4.execution.orders_nb import (
    find_nb,
    free_slot_nb,
    mark_canceling_nb,
    on_approved_nb,
    open_count_nb,
    pending_nb,
    reducing_nb,
    unknown_nb,
)
from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import equity_nb, exposure_nb
from bot4.model import explain_nb as ex
from bot4.model.codes_nb import (
    ACT_CANCEL,
    D_ENTER,
    D_EXIT,
    D_REFUSED,
    OF_REDUCE_ONLY,
    R_OK,
    R_TOO_MANY_ORDERS,
    R_UNCHECKED,
    R_UNKNOWN_ORDER,
    ST_PARTIAL,
    ST_PENDING,
    ST_WORKING,
)
from bot4.risk.checks_nb import verdicts_nb
from bot4.risk.heat_nb import refresh_nb
from bot4.risk.margin_nb import liquidation_check_nb
from bot4.risk.state_nb import MONEY_LIMIT
from bot4.safety.failed_nb import failed_nb
from bot4.safety.gate_nb import gate_nb
from bot4.safety.modes_nb import halted_nb


@kernel
def send_cancel_nb(s: Any, intents: np.ndarray, k: int) -> None:
    """Hand a cancel to the venue, once per order."""
    it = intents[k]
    slot = find_nb(orders_of(s), it["ref"])
    if slot < 0:
        return
    state = int(np.int64(s["table"][slot]["status"]))
    if state != ST_PENDING and state != ST_WORKING and state != ST_PARTIAL:
        return
    mark_canceling_nb(orders_of(s), it["ref"], s["clock"][CK_NOW])
    n = s["n"][N_ORDERS]
    s["sent"][n] = s["table"][slot]
    s["sent"][n]["action"] = ACT_CANCEL
    s["sent"][n]["reason"] = it["price"]
    s["n"][N_ORDERS] = n + 1
    s["clock"][CK_ORDERS] += 1


@kernel
def unknown_reason_nb(s: Any, inst: int) -> int:
    """R_UNKNOWN_ORDER while it is not known what became of an order of `inst`."""
    return R_OK if unknown_nb(orders_of(s), inst) == 0 else R_UNKNOWN_ORDER


@kernel
def note_failed_nb(
    s: Any, intents: np.ndarray, k: int, open_orders: int, reducing: int, n_verdicts: int, has_slot: bool
) -> None:
    """Write every check that refuses intent `k` into the explain record of its instrument."""
    inst = int(np.int64(intents[k]["instrument"]))
    found = failed_nb(
        s["control"][0],
        s["gate"][0],
        s["spec"][inst],
        intents[k],
        s["clock"][CK_NOW],
        s["inst"][inst]["mark"],
        open_orders,
        s["positions"][inst]["qty"],
        reducing,
        s["verdicts"],
        n_verdicts,
        has_slot,
    )
    s["explain"][inst, ex.EX_FAILED] = float(found)


@kernel
def distance_verdict_nb(s: Any, inst: int, side: int, qty: int, price: int) -> int:
    """Whether `qty` lots more leave every position far enough from its liquidation."""
    spec = s["spec"][inst]
    if not float(qty) * float(max(price, 1)) * float(spec["money_mult"]) < MONEY_LIMIT:
        return R_UNCHECKED
    fee = max(rate_of(qty * price * spec["money_mult"], spec["taker_fee"]), 0)
    params = s["risk_params"][0]
    cash = s["account"][0]["cash"]
    return liquidation_check_nb(params, s["spec"], s["positions"], cash, inst, side * qty, price, fee)


@kernel
def send_new_nb(s: Any, intents: np.ndarray, k: int) -> int:
    """Verdicts of risk, then the gate; the reason. An approved order joins the outgoing ring."""
    it = intents[k]
    inst = int(np.int64(it["instrument"]))
    side = int(np.int64(it["side"]))
    reduce_only = (int(np.int64(it["flags"])) & OF_REDUCE_ONLY) != 0
    mark = s["inst"][inst]["mark"]
    pos = s["positions"][inst]["qty"]
    price = it["price"] if it["price"] > 0 else mark
    n_verdicts = 0
    reducing = 0
    if reduce_only:
        reducing = reducing_nb(orders_of(s), inst, side, int(np.int64(it["purpose"])))
    else:
        equity = equity_nb(ledger_of(s), s["spec"])
        refresh_nb(risk_of(s), s["spec"], s["positions"], equity)
        gross, _ = exposure_nb(ledger_of(s), s["spec"])
        waiting = pending_nb(orders_of(s), inst, side)
        pending = waiting * price * s["spec"][inst]["money_mult"]
        n_verdicts = verdicts_nb(
            risk_of(s),
            s["spec"],
            inst,
            side,
            it["qty"],
            price,
            pos,
            equity,
            gross,
            pending,
            False,
            s["verdicts"],
        )
        s["verdicts"][n_verdicts] = unknown_reason_nb(s, inst)
        watch_nb(s, inst, equity)
        s["verdicts"][n_verdicts + 1] = breaker_reason_nb(s, inst)
        s["verdicts"][n_verdicts + 2] = halted_nb(s["halts"], inst)
        s["verdicts"][n_verdicts + 3] = distance_verdict_nb(s, inst, side, it["qty"] + waiting, price)
        n_verdicts += 4
    open_all = 0
    for k_inst in range(s["spec"].shape[0]):
        open_all += open_count_nb(orders_of(s), k_inst)
    slot = free_slot_nb(orders_of(s), s["control"][0]["next_order_id"])
    if slot < 0:
        s["refusals"][R_TOO_MANY_ORDERS] += 1
        note_failed_nb(s, intents, k, open_all, reducing, n_verdicts, False)
        return R_TOO_MANY_ORDERS
    reason = gate_nb(
        safety_of(s),
        s["spec"][inst],
        intents,
        k,
        s["clock"][CK_NOW],
        mark,
        open_all,
        pos,
        reducing,
        s["verdicts"],
        n_verdicts,
        s["table"],
        slot,
    )
    if reason != R_OK:
        note_failed_nb(s, intents, k, open_all, reducing, n_verdicts, True)
        return reason
    if not reduce_only:
        s["explain"][inst, ex.EX_FAILED] = 0.0
    on_approved_nb(orders_of(s), slot)
    if not reduce_only:
        take_probes_nb(s, inst)
    n = s["n"][N_ORDERS]
    s["sent"][n] = s["table"][slot]
    s["n"][N_ORDERS] = n + 1
    s["clock"][CK_ORDERS] += 1
    s["n"][N_LAST_ORDER] = s["table"][slot]["id"]
    return R_OK


@kernel
def note_result_nb(s: Any, decision: int, reason: int, order_id: int) -> None:
    """Write into the journalled decision what became of its order.

    One step makes at most one decision an instrument, so that it is among the last few.
    """
    n = s["n"][N_DECISIONS]
    at = n - 1
    while at >= 0 and n - at <= s["spec"].shape[0] and s["decisions"][at]["seq"] != decision:
        at -= 1
    if decision == 0 or at < 0 or s["decisions"][at]["seq"] != decision:
        return
    d = s["decisions"][at]
    if reason == R_OK:
        d["order"] = order_id
    elif int(np.int64(d["outcome"])) == D_ENTER or int(np.int64(d["outcome"])) == D_EXIT:
        d["outcome"] = D_REFUSED
        d["reason"] = reason


@kernel
def dispatch_nb(s: Any) -> None:
    """Pass all waiting intents through the gate, in order."""
    total = s["n"][N_INTENTS]
    for k in range(total):
        if int(np.int64(s["intents"][k]["action"])) == ACT_CANCEL:
            send_cancel_nb(s, s["intents"], k)
        else:
            reason = send_new_nb(s, s["intents"], k)
            s["n"][N_LAST_REASON] = reason
            note_result_nb(s, s["intents"][k]["decision"], reason, s["n"][N_LAST_ORDER])
    s["n"][N_INTENTS] = 0
