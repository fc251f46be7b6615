"""Protection: brackets, drawdown, modes, flattening. Runs on the timer and after every fill."""

from typing import Any

import numpy as np

from bot4.engine.decide_nb import cancel_intent_nb, intent_nb
from bot4.engine.layout_nb import CK_EQUITY, CK_NOW, CK_UNKNOWN, N_EQUITY, N_INTENTS
from bot4.engine.parts_nb import ledger_of, orders_of, risk_of, safety_of, tradable_nb
from bot4.execution.bracket_nb import sync_bracket_nb
from bot4.execution.orders_nb import open_count_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import equity_nb, exposure_nb
from bot4.model.codes_nb import (
    BUY,
    FOR_FLATTEN,
    MODE_EMERGENCY,
    MODE_NORMAL,
    MODE_REDUCE,
    OF_REDUCE_ONLY,
    R_DAILY_LOSS,
    R_DRAWDOWN_DAY,
    R_DRAWDOWN_HARD,
    R_DRAWDOWN_SOFT,
    R_PNL_UNKNOWN,
    SELL,
    ST_PARTIAL,
    ST_PENDING,
    ST_WORKING,
    STATUS_OK,
    STATUS_QUARANTINED,
)
from bot4.risk.drawdown_nb import update_equity_nb
from bot4.safety.modes_nb import request_mode_nb


@kernel
def bracket_nb(s: Any, inst: int) -> None:
    """Bring stop and target of `inst` to exactly its position."""
    row = s["inst"][inst]
    row["protect"] = 0
    if row["flatten"] != 0:
        return
    s["n"][N_INTENTS] = sync_bracket_nb(
        orders_of(s),
        s["spec"][inst],
        inst,
        tradable_nb(s, inst),
        row["stop"],
        row["target"],
        s["intents"],
        s["n"][N_INTENTS],
    )


@kernel
def cancel_all_nb(s: Any, inst: int, reason: int, keep_reducing: bool) -> None:
    """Write a cancel for every live order of `inst` (protective ones stay when asked)."""
    table = s["table"]
    for slot in range(table.shape[0]):
        order = table[slot]
        state = int(np.int64(order["status"]))
        live = state == ST_PENDING or state == ST_WORKING or state == ST_PARTIAL
        if not live or int(np.int64(order["instrument"])) != inst:
            continue
        if keep_reducing and int(np.int64(order["flags"])) & OF_REDUCE_ONLY:
            continue
        if s["n"][N_INTENTS] >= s["intents"].shape[0] - 4:
            return  # the rest on the next timer
        s["n"][N_INTENTS] = cancel_intent_nb(s["intents"], s["n"][N_INTENTS], inst, order["id"], reason)


@kernel
def reduce_nb(s: Any, inst: int, qty: int) -> None:
    """Write the reduce-only market intent that takes `qty` lots off the position."""
    if qty == 0:
        return
    side = SELL if s["positions"][inst]["qty"] > 0 else BUY
    s["n"][N_INTENTS] = intent_nb(
        s["intents"], s["n"][N_INTENTS], inst, side, qty, FOR_FLATTEN, OF_REDUCE_ONLY, 0
    )


@kernel
def flatten_nb(s: Any, reason: int) -> None:
    """Emergency: cancel everything, close everything; repeated by the timer until it is true."""
    for inst in range(s["spec"].shape[0]):
        qty = abs(tradable_nb(s, inst))
        row = s["inst"][inst]
        cancel_all_nb(s, inst, reason, False)
        row["flatten"] = reason if qty > 0 else 0
        reduce_nb(s, inst, qty)


@kernel
def mode_changed_nb(s: Any, mode: int, reason: int) -> None:
    """Carry out what a more severe mode demands at once.

    Reduce halves positions, unless it is because their result is not known: nothing is sold blindly.
    """
    if mode == MODE_EMERGENCY:
        flatten_nb(s, reason)
        return
    for inst in range(s["spec"].shape[0]):
        cancel_all_nb(s, inst, reason, True)
        if mode == MODE_REDUCE and reason != R_PNL_UNKNOWN:
            reduce_nb(s, inst, abs(s["positions"][inst]["qty"]) // 2)


@kernel
def change_mode_nb(s: Any, mode: int, reason: int, authorised: bool) -> None:
    """Ask for a mode; act when it became more severe."""
    before = s["control"][0]["mode"]
    if request_mode_nb(safety_of(s), mode, reason, s["clock"][CK_NOW], authorised) and mode > before:
        mode_changed_nb(s, mode, reason)


@kernel
def risk_modes_nb(s: Any, equity: int) -> None:
    """Drawdown and loss limits to modes; a pause of their own making is lifted when they allow it.

    Cash that came or went outside trading is neither gain nor loss.
    """
    wanted = update_equity_nb(risk_of(s), equity - s["account"][0]["external"], s["clock"][CK_NOW])
    control = s["control"][0]
    mode = control["mode"]
    if wanted > mode:
        change_mode_nb(s, wanted, s["risk_state"][0]["reason"], False)
    elif wanted < mode and mode < MODE_EMERGENCY:
        why = control["mode_reason"]
        ours = (
            why == R_DAILY_LOSS or why == R_DRAWDOWN_DAY or why == R_DRAWDOWN_SOFT or why == R_DRAWDOWN_HARD
        )
        if ours:
            change_mode_nb(s, max(wanted, MODE_NORMAL), why, False)


@kernel
def result_known_nb(s: Any) -> bool:
    """Whether the marks of all open positions are fresh and undoubted, and ledger and venue have agreed."""
    p = s["params"][0]
    now = s["clock"][CK_NOW]
    for inst in range(s["spec"].shape[0]):
        if tradable_nb(s, inst) == 0:
            continue
        row = s["inst"][inst]
        stale = p["stale_ns"] > 0 and now - row["last_ts"] > p["stale_ns"]
        # an instrument in quarantine is not traded on, but its mark is known while data comes
        blind = row["status"] != STATUS_OK and row["status"] != STATUS_QUARANTINED
        if s["control"][0]["reconciled"] != 1 or blind or row["doubt"] != 0 or stale:
            return False
    return True


@kernel
def unknown_result_nb(s: Any) -> None:
    """Fail closed: a loss limit that cannot be looked at for `unknown_ns` counts as crossed (mode Reduce)."""
    limit = s["params"][0]["unknown_ns"]
    clock = s["clock"]
    control = s["control"][0]
    if limit <= 0:
        return
    if result_known_nb(s):
        clock[CK_UNKNOWN] = 0
        if control["mode"] == MODE_REDUCE and control["mode_reason"] == R_PNL_UNKNOWN:
            change_mode_nb(s, MODE_NORMAL, R_PNL_UNKNOWN, False)
    elif clock[CK_UNKNOWN] == 0:
        clock[CK_UNKNOWN] = clock[CK_NOW]
    elif clock[CK_NOW] - clock[CK_UNKNOWN] >= limit and control["mode"] < MODE_REDUCE:
        change_mode_nb(s, MODE_REDUCE, R_PNL_UNKNOWN, False)


@kernel
def sample_equity_nb(s: Any, equity: int) -> None:
    """One point of the equity curve."""
    n = s["n"][N_EQUITY]
    if n >= s["curve"].shape[0]:
        return
    gross, net = exposure_nb(ledger_of(s), s["spec"])
    r = s["curve"][n]
    r["ts"] = s["clock"][CK_NOW]
    r["equity"] = equity
    r["cash"] = s["account"][0]["cash"]
    r["exposure"] = gross
    r["net"] = net
    r["drawdown"] = s["risk_state"][0]["drawdown"]
    r["price"] = s["inst"][0]["mark"]
    r["mode"] = s["control"][0]["mode"]
    s["n"][N_EQUITY] = n + 1


@kernel
def timer_nb(s: Any) -> None:
    """The protection timer: equity, limits, modes, naked positions, the equity curve."""
    equity = equity_nb(ledger_of(s), s["spec"])
    risk_modes_nb(s, equity)
    unknown_result_nb(s)
    emergency = s["control"][0]["mode"] == MODE_EMERGENCY
    for inst in range(s["spec"].shape[0]):
        held = tradable_nb(s, inst) != 0
        if emergency and (held or open_count_nb(orders_of(s), inst) > 0):
            flatten_nb(s, s["control"][0]["mode_reason"])
            break
        if held:
            bracket_nb(s, inst)
    now = s["clock"][CK_NOW]
    if now >= s["clock"][CK_EQUITY]:
        sample_equity_nb(s, equity)
        step = s["params"][0]["equity_ns"]
        s["clock"][CK_EQUITY] = (now // step + 1) * step
