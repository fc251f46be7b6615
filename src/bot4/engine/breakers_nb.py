"""The engine's circuit breakers: what is measured, when, and what an open one refuses.

Three an instrument (toxic flow, surge of volume, loss of the position) and one of the strategy. They are
measured on the timer and again for each order of new risk before it leaves; reducing orders, stops and
cancels are not asked. All of it is part of the fold: a replay opens the same breakers at the same events.

Openings rise by counting: `escalate` losing positions within a day open the strategy's, and `escalate`
openings of that within a day pause the run until a person releases it. Nothing falls back by that way, so
that no two can hold each other open.
"""

from typing import Any, Final

import numpy as np

from bot4.engine.layout_nb import CK_NOW, CK_POS, N_TRIPS
from bot4.engine.parts_nb import ledger_of, orders_of
from bot4.execution.orders_nb import open_count_nb
from bot4.features.micro.toxicity_nb import surge_nb, toxicity_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import equity_nb
from bot4.model.codes_nb import (
    BK_LOSS,
    BK_STRATEGY,
    BK_SYSTEM,
    BK_TOXIC,
    BK_VOLUME,
    BREAKER_HALF_OPEN,
    BREAKER_OPEN,
    R_LOSING,
    R_LOSS,
    R_OK,
    R_TOXIC_FLOW,
    R_VOLUME,
)
from bot4.safety.breaker_nb import admit_nb, measure_nb, pass_nb, shut_nb, strike_nb, trip_nb

DAY_NS: Final = 86_400 * 10**9


@kernel
def note_nb(s: Any, k: int, before: int) -> None:
    """Put a change of breaker `k` into the ring for the journal."""
    b = s["breakers"][k]
    n = s["n"][N_TRIPS]
    t = s["trips"][n]
    whole = k == s["breakers"].shape[0] - 1
    t["ts"] = s["clock"][CK_NOW]
    t["pos"] = s["clock"][CK_POS]
    t["value"] = b["value"]
    t["limit"] = b["high"]
    t["until"] = b["opened"] + b["timeout"] if b["state"] == BREAKER_OPEN else 0
    t["instrument"] = -1 if whole else k // BK_STRATEGY
    t["kind"] = BK_STRATEGY if whole else k % BK_STRATEGY
    t["before"] = before
    t["after"] = b["state"]
    t["spare"] = 0
    t["reason"] = b["reason"]
    s["n"][N_TRIPS] = n + 1


@kernel
def note_mode_nb(s: Any) -> None:
    """Put a change of the control mode into the ring: the system's breaker."""
    control = s["control"][0]
    told = s["breakers_control"][0]
    if control["mode"] == told["mode"]:
        return
    n = s["n"][N_TRIPS]
    t = s["trips"][n]
    t["ts"] = s["clock"][CK_NOW]
    t["pos"] = s["clock"][CK_POS]
    t["value"] = s["risk_state"][0]["drawdown"]
    t["limit"] = np.nan
    t["until"] = 0
    t["instrument"] = -1
    t["kind"] = BK_SYSTEM
    t["before"] = told["mode"]
    t["after"] = control["mode"]
    t["spare"] = 0
    t["reason"] = control["mode_reason"]
    told["mode"] = control["mode"]
    s["n"][N_TRIPS] = n + 1


@kernel
def judge_nb(s: Any, k: int, value: float, reason: int) -> None:
    """Give breaker `k` its value; a loss that opened one counts against the strategy."""
    breakers = s["breakers"]
    before = breakers[k]["state"]
    now = s["clock"][CK_NOW]
    if not measure_nb(breakers, k, value, reason, now):
        return
    note_nb(s, k, before)
    if breakers[k]["state"] != BREAKER_OPEN:
        return
    last = breakers.shape[0] - 1
    if reason == R_LOSS and strike_nb(breakers, last, s["params"][0]["escalate"], DAY_NS, now):
        before = breakers[last]["state"]
        if trip_nb(breakers, last, R_LOSS, now):
            note_nb(s, last, before)
            count_strategy_nb(s)


@kernel
def count_strategy_nb(s: Any) -> None:
    """The strategy's breaker has opened; the timer pauses the run after `escalate` of them in a day."""
    control = s["breakers_control"][0]
    now = s["clock"][CK_NOW]
    if control["openings"] == 0 or now - control["since"] > DAY_NS:
        control["openings"] = 0
        control["since"] = now
    control["openings"] += 1


@kernel
def exhausted_nb(s: Any) -> bool:
    """Whether the strategy's breaker opened so often that the run is to pause; asked once, counts anew."""
    control = s["breakers_control"][0]
    if control["openings"] < s["params"][0]["escalate"]:
        return False
    control["openings"] = 0
    return True


@kernel
def open_loss_nb(s: Any, inst: int, equity: int) -> float:
    """Loss of the open position since it was opened, fees included, as a fraction of equity; 0: none."""
    p = s["positions"][inst]
    if p["qty"] == 0:
        return 0.0
    if equity <= 0:
        return np.inf
    now = p["qty"] * s["inst"][inst]["mark"] * s["spec"][inst]["money_mult"]
    gain = p["trade_realised"] - p["trade_fees"] + now - p["cost"]
    return max(0.0, -float(gain)) / float(equity)


@kernel
def watch_nb(s: Any, inst: int, equity: int) -> None:
    """Measure the three breakers of `inst`. What is not known yet (a start, recorded bars) is not judged."""
    flow = s["flow"][inst]
    at = inst * BK_STRATEGY
    score = toxicity_nb(flow)
    if score == score:
        judge_nb(s, at + BK_TOXIC, score, R_TOXIC_FLOW)
    surge = surge_nb(flow, s["clock"][CK_NOW])
    if surge == surge:
        judge_nb(s, at + BK_VOLUME, surge, R_VOLUME)
    judge_nb(s, at + BK_LOSS, open_loss_nb(s, inst, equity), R_LOSS)


@kernel
def watch_all_nb(s: Any) -> None:
    """The timer's look at every breaker. Probes of the strategy that came to nothing leave their places."""
    equity = equity_nb(ledger_of(s), s["spec"])
    busy = False
    for inst in range(s["spec"].shape[0]):
        watch_nb(s, inst, equity)
        busy = busy or s["positions"][inst]["qty"] != 0 or open_count_nb(orders_of(s), inst) > 0
    if not busy:
        s["breakers"][s["breakers"].shape[0] - 1]["probing"] = 0


@kernel
def strategy_ended_nb(s: Any, won: bool) -> None:
    """A trade ended: the streak of lost ones opens the strategy's breaker, while half open one is enough.

    What was lost before an opening is what opened it: the count begins anew.
    """
    control = s["breakers_control"][0]
    breakers = s["breakers"]
    k = breakers.shape[0] - 1
    before = breakers[k]["state"]
    now = s["clock"][CK_NOW]
    control["streak"] = 0 if won else control["streak"] + 1
    if before == BREAKER_HALF_OPEN:
        breakers[k]["value"] = float(control["streak"])
        changed = pass_nb(breakers, k) if won else trip_nb(breakers, k, R_LOSING, now)
    else:
        changed = measure_nb(breakers, k, float(control["streak"]), R_LOSING, now)
    if changed:
        note_nb(s, k, before)
    if breakers[k]["state"] == BREAKER_OPEN:
        if changed:
            count_strategy_nb(s)
        control["streak"] = 0
        breakers[k]["value"] = 0.0


@kernel
def trade_ended_nb(s: Any, inst: int, net: int) -> None:
    """A position was closed with `net` money units after costs."""
    equity = equity_nb(ledger_of(s), s["spec"])
    loss = max(0.0, -float(net)) / float(equity) if equity > 0 else np.inf
    judge_nb(s, inst * BK_STRATEGY + BK_LOSS, loss, R_LOSS)
    strategy_ended_nb(s, net >= 0)


@kernel
def breaker_reason_nb(s: Any, inst: int) -> int:
    """R_OK, or why the open breaker that is first refuses new risk on `inst` now."""
    breakers = s["breakers"]
    now = s["clock"][CK_NOW]
    last = breakers.shape[0] - 1
    if shut_nb(breakers, last, now):
        return int(breakers[last]["reason"])
    for kind in range(BK_STRATEGY):
        k = inst * BK_STRATEGY + kind
        if shut_nb(breakers, k, now):
            return int(breakers[k]["reason"])
    return R_OK


@kernel
def take_probes_nb(s: Any, inst: int) -> None:
    """An order of new risk on `inst` leaves: it is a probe of each breaker that is not closed."""
    breakers = s["breakers"]
    now = s["clock"][CK_NOW]
    for kind in range(BK_STRATEGY + 1):
        k = inst * BK_STRATEGY + kind if kind < BK_STRATEGY else breakers.shape[0] - 1
        before = breakers[k]["state"]
        admit_nb(breakers, k, now)
        if breakers[k]["state"] != before:
            note_nb(s, k, before)
