"""Drawdown control: which mode the equity asks for, and by what factor sizes are multiplied.

Levels, severest first (each is hit when the fall is equal to it or beyond):

    dd_hard     from the peak                      MODE_EMERGENCY, latched until `resume_nb`
    dd_day      from the greatest of 24 hours      MODE_PAUSE while it lasts
    daily_loss  since the start of the UTC day     MODE_PAUSE to the end of that day
    dd_soft     from the peak                      MODE_REDUCE while it lasts

The exposure factor falls at once (soft: `dd_soft_factor`, hard: 0) and grows by at most
`recovery_per_day` a day. The 24 hours are kept as the greatest equity of each clock hour, so the window is
between 24 and 25 hours long: never too short.
"""

from typing import Any

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    MODE_EMERGENCY,
    MODE_NORMAL,
    MODE_PAUSE,
    MODE_REDUCE,
    R_DAILY_LOSS,
    R_DRAWDOWN_DAY,
    R_DRAWDOWN_HARD,
    R_DRAWDOWN_SOFT,
    R_EQUITY,
    R_OK,
)
from bot4.risk.state_nb import DAY_NS, HOUR_NS, RING_SLOTS, RiskState, part_ceil_nb


@kernel
def _turn_hour_nb(risk: RiskState, hour: int) -> None:
    """Put the finished hour into the ring and find the greatest equity of the 24 hours before `hour`."""
    state = risk.state[0]
    ring = risk.ring
    old = state["hour"]
    if old >= 0:
        ring[old % RING_SLOTS]["hour"] = old
        ring[old % RING_SLOTS]["high"] = state["high_hour"]
    best = max(state["equity"], 1)  # the last equity known was still standing when the hour began
    for i in range(RING_SLOTS):
        if ring[i]["hour"] >= hour - 24 and ring[i]["high"] > best:
            best = ring[i]["high"]
    state["high_before"] = best
    state["high_hour"] = 0
    state["hour"] = hour


@kernel
def _factor_nb(state: Any, recovery_per_day: float, ceiling: float, ts: int) -> None:
    """Lower the exposure factor to `ceiling` at once, or let it recover towards it."""
    if state["dd_factor"] < ceiling:
        grown = recovery_per_day * (float(ts - state["recovered_ts"]) / DAY_NS)
        state["dd_factor"] = min(ceiling, state["factor_base"] + grown)
    else:
        state["dd_factor"] = ceiling
        state["factor_base"] = ceiling
        state["recovered_ts"] = ts


@kernel
def _turn_nb(risk: RiskState, ts: int) -> None:
    """Begin the hour of `ts`, and its UTC day if that is new."""
    state = risk.state[0]
    _turn_hour_nb(risk, ts // HOUR_NS)
    day = ts // DAY_NS
    if day != state["day"]:
        state["day"] = day
        state["day_open"] = ts
        state["day_start_equity"] = state["equity"]


@kernel
def update_equity_nb(risk: RiskState, equity: int, ts: int) -> int:
    """Fold one equity (money units, net of deposits) at `ts` (ns; a step back is taken as no step).

    Returns the mode asked for, MODE_*; the reason stands in `state.reason`. Equity that is not positive
    asks for MODE_EMERGENCY.
    """
    state = risk.state[0]
    params = risk.params[0]
    ts = max(ts, state["last_ts"])
    if ts // HOUR_NS != state["hour"]:
        _turn_nb(risk, ts)
    state["last_ts"] = ts
    state["equity"] = equity
    high_hour = max(state["high_hour"], equity)
    state["high_hour"] = high_hour
    peak = max(state["peak"], equity)
    state["peak"] = peak
    high = max(state["high_before"], high_hour)
    state["drawdown"] = float(peak - equity) / float(peak)
    state["day_drop"] = float(high - equity) / float(high)
    fall = peak - equity
    lost = state["day_start_equity"] - equity
    if equity <= 0:
        state["halted"] = R_EQUITY
    elif fall >= part_ceil_nb(peak, params["dd_hard"]):
        state["halted"] = R_DRAWDOWN_HARD
    if lost >= 1 and lost >= part_ceil_nb(max(state["day_start_equity"], 0), params["daily_loss"]):
        state["day_halted"] = state["day"]
    ceiling = 1.0
    mode = MODE_NORMAL
    reason = R_OK
    if fall >= part_ceil_nb(peak, params["dd_soft"]):
        ceiling = params["dd_soft_factor"]
        mode = MODE_REDUCE
        reason = R_DRAWDOWN_SOFT
    if high - equity >= part_ceil_nb(high, params["dd_day"]):
        mode = MODE_PAUSE
        reason = R_DRAWDOWN_DAY
    elif state["day_halted"] == state["day"]:
        mode = MODE_PAUSE
        reason = R_DAILY_LOSS
    if state["halted"] != 0:
        ceiling = 0.0
        mode = MODE_EMERGENCY
        reason = state["halted"]
    _factor_nb(state, params["recovery_per_day"], ceiling, ts)
    state["mode"] = mode
    state["reason"] = reason
    return mode


@kernel
def resume_nb(risk: RiskState, ts: int) -> bool:
    """Release the latch of a hard stop; the caller has checked who may. False if equity is not positive.

    The peak and the 24 hours start anew at the present equity; the exposure factor starts at 0 and
    grows by at most `recovery_per_day` a day.
    """
    state = risk.state[0]
    if state["equity"] <= 0:
        return False
    ts = max(ts, state["last_ts"])
    state["last_ts"] = ts
    state["halted"] = 0
    state["peak"] = state["equity"]
    state["high_hour"] = state["equity"]
    state["high_before"] = state["equity"]
    ring = risk.ring
    for i in range(RING_SLOTS):
        ring[i]["high"] = 0
    state["drawdown"] = 0.0
    state["day_drop"] = 0.0
    state["dd_factor"] = 0.0
    state["factor_base"] = 0.0
    state["recovered_ts"] = ts
    state["mode"] = MODE_NORMAL
    state["reason"] = R_OK
    return True
