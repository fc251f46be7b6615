"""Protection: brackets, drawdown, modes, kills, flattening. Runs on the timer and after every fill."""

import math
from typing import Any

import numpy as np

from bot4.engine.decide_nb import cancel_intent_nb, intent_nb
from bot4.engine.layout_nb import CK_EQUITY, CK_NOW, CK_POS, CK_UNKNOWN, N_DECISIONS, N_EQUITY, N_INTENTS
from bot4.engine.parts_nb import ledger_of, orders_of, risk_of, safety_of, tradable_nb
from bot4.execution.bracket_nb import sync_bracket_nb
from bot4.execution.orders_nb import open_count_nb, reducing_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import equity_nb, exposure_nb
from bot4.model.codes_nb import (
    BUY,
    D_MODE_CHANGED,
    FOR_FLATTEN,
    MODE_EMERGENCY,
    MODE_NORMAL,
    MODE_REDUCE,
    OF_REDUCE_ONLY,
    R_DAILY_LOSS,
    R_DRAWDOWN_DAY,
    R_DRAWDOWN_HARD,
    R_DRAWDOWN_SOFT,
    R_OK,
    R_PNL_UNKNOWN,
    SELL,
    ST_PARTIAL,
    ST_PENDING,
    ST_WORKING,
    STATUS_DISCONNECTED,
    STATUS_OK,
    STATUS_QUARANTINED,
)
from bot4.risk.drawdown_nb import resume_nb, update_equity_nb
from bot4.risk.reduction_nb import due_steps_nb, least_lots_nb, quantity_nb, target_nb
from bot4.safety.modes_nb import halt_nb, halted_nb, kill_nb, request_mode_nb, unhalt_nb


@kernel
def bracket_nb(s: Any, inst: int) -> None:
    """Bring stop and target of `inst` to exactly its position, unless it is being closed as a whole."""
    row = s["inst"][inst]
    row["protect"] = 0
    if s["control"][0]["mode"] == MODE_EMERGENCY or halted_nb(s["halts"], inst) != R_OK:
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
    """Write the reduce-only market intent that takes `qty` lots off the position.

    No more than the venue's largest order, nor when there is no place: the timer comes again.
    """
    qty = min(qty, s["spec"][inst]["max_qty"])
    if qty <= 0 or s["n"][N_INTENTS] >= s["intents"].shape[0]:
        return
    side = SELL if s["positions"][inst]["qty"] > 0 else BUY
    s["n"][N_INTENTS] = intent_nb(
        s["intents"], s["n"][N_INTENTS], inst, side, qty, FOR_FLATTEN, OF_REDUCE_ONLY, 0
    )


@kernel
def close_nb(s: Any, inst: int, reason: int) -> None:
    """Cancel everything on `inst` and close its position; repeated by the timer until it is true."""
    cancel_all_nb(s, inst, reason, False)
    reduce_nb(s, inst, abs(tradable_nb(s, inst)))


@kernel
def flatten_nb(s: Any, reason: int) -> None:
    """Emergency: cancel everything, close everything."""
    for inst in range(s["spec"].shape[0]):
        close_nb(s, inst, reason)


@kernel
def reduce_step_nb(s: Any, inst: int) -> None:
    """In mode Reduce: bring `inst` one step nearer to what its schedule allows now (`reduction_nb`).

    An entry that was filled after the mode had changed counts as held from the beginning. Nothing is closed
    without market data, at a price in doubt, or because the result is not known: no position is sold blindly.
    """
    control = s["control"][0]
    if control["mode"] != MODE_REDUCE or halted_nb(s["halts"], inst) != R_OK:
        return
    row = s["inst"][inst]
    qty = tradable_nb(s, inst)
    held = abs(qty)
    row["base"] = max(row["base"], held)
    blind = control["mode_reason"] == R_PNL_UNKNOWN or row["doubt"] != 0
    if held == 0 or blind or row["status"] == STATUS_DISCONNECTED:
        return
    p = s["params"][0]
    steps = due_steps_nb(s["clock"][CK_NOW], control["mode_since"], p["reduce_ns"])
    target = target_nb(row["base"], steps, p["reduce_share"], p["reduce_floor"])
    step = row["base"] - target_nb(row["base"], 1, p["reduce_share"], 0)
    left = held - reducing_nb(orders_of(s), inst, SELL if qty > 0 else BUY, FOR_FLATTEN)
    least = least_lots_nb(s["spec"][inst], row["mark"])
    reduce_nb(s, inst, quantity_nb(left, target, step, least))


@kernel
def begin_reduce_nb(s: Any) -> None:
    """Mode Reduce begins: what is held now is the base of its schedule, and the first step is due."""
    for inst in range(s["spec"].shape[0]):
        s["inst"][inst]["base"] = 0
        reduce_step_nb(s, inst)


@kernel
def mode_row_nb(s: Any, before: int) -> None:
    """Journal that the mode is no longer `before`: one row for each change, whoever asked for it."""
    control = s["control"][0]
    n = s["n"][N_DECISIONS]
    d = s["decisions"][n]
    d["seq"] = 0
    d["ts"] = s["clock"][CK_NOW]
    d["pos"] = s["clock"][CK_POS]
    d["order"] = 0
    d["s_ta"] = math.nan
    d["c_ta"] = math.nan
    d["s_ml"] = math.nan
    d["c_ml"] = math.nan
    d["score"] = math.nan
    d["price"] = 0
    d["qty"] = before
    d["instrument"] = 0
    d["outcome"] = D_MODE_CHANGED
    d["reason"] = control["mode_reason"]
    d["side"] = 0
    d["action"] = control["mode"]
    s["n"][N_DECISIONS] = n + 1


@kernel
def mode_changed_nb(s: Any, before: int, reason: int) -> None:
    """Carry out what the new mode demands at once."""
    mode_row_nb(s, before)
    mode = s["control"][0]["mode"]
    if mode == MODE_EMERGENCY:
        flatten_nb(s, reason)
    elif mode > before:
        for inst in range(s["spec"].shape[0]):
            cancel_all_nb(s, inst, reason, True)
    if mode == MODE_REDUCE:
        begin_reduce_nb(s)


@kernel
def change_mode_nb(s: Any, mode: int, reason: int, authorised: bool) -> None:
    """Ask for a mode, and act when it changed.

    A person who lowers it below what drawdown demands releases the drawdown's own latch with it: the peak
    starts anew, and sizes grow slowly from nothing. Else the next timer would raise the mode again.
    """
    before = s["control"][0]["mode"]
    now = s["clock"][CK_NOW]
    if not request_mode_nb(safety_of(s), mode, reason, now, authorised):
        return
    after = s["control"][0]["mode"]
    if authorised and after < before and after < s["risk_state"][0]["mode"]:
        resume_nb(risk_of(s), now)
    mode_changed_nb(s, before, reason)


@kernel
def kill_event_nb(s: Any, reason: int) -> None:
    """The kill latch rises: cancel and close everything, once."""
    before = s["control"][0]["mode"]
    kill_nb(safety_of(s), reason, s["clock"][CK_NOW])
    if before != MODE_EMERGENCY:
        mode_changed_nb(s, before, reason)


@kernel
def halt_event_nb(s: Any, events: np.ndarray, i: int) -> None:
    """A partial kill rises: cancel and close what is under it; or an authorised person releases it."""
    e = events[i]
    inst = int(np.int64(e["instrument"]))
    now = s["clock"][CK_NOW]
    scope = e["x"]
    if scope < 0:
        unhalt_nb(safety_of(s), s["halts"], -scope, inst, now, int(np.int64(e["flags"])) != 0)
    elif halt_nb(s["halts"], scope, inst, e["y"], now):
        for k in range(s["spec"].shape[0]):
            stopped = halted_nb(s["halts"], k)
            if stopped != R_OK:
                close_nb(s, k, stopped)


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
    """The protection timer: equity, limits, modes, partial kills, naked positions, the equity curve."""
    equity = equity_nb(ledger_of(s), s["spec"])
    risk_modes_nb(s, equity)
    unknown_result_nb(s)
    emergency = s["control"][0]["mode"] == MODE_EMERGENCY
    for inst in range(s["spec"].shape[0]):
        held = tradable_nb(s, inst) != 0
        if emergency and (held or open_count_nb(orders_of(s), inst) > 0):
            flatten_nb(s, s["control"][0]["mode_reason"])
            break
        stopped = halted_nb(s["halts"], inst)
        if stopped != R_OK and (held or open_count_nb(orders_of(s), inst) > 0):
            close_nb(s, inst, stopped)
        elif held:
            reduce_step_nb(s, inst)
            bracket_nb(s, inst)
    now = s["clock"][CK_NOW]
    if now >= s["clock"][CK_EQUITY]:
        sample_equity_nb(s, equity)
        step = s["params"][0]["equity_ns"]
        s["clock"][CK_EQUITY] = (now // step + 1) * step
