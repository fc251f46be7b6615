"""Control modes and the kill latch.

Severity Normal < Reduce < Pause < Emergency may rise at once and falls only after the cooldown; leaving
Emergency also needs an authorised release. The kill latch forces Emergency and nothing here clears it.

A partial kill is a latch of its own for an instrument, the run's strategy or its venue. It is raised at
once and falls as Emergency does: authorised, and after the cooldown.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    MODE_EMERGENCY,
    MODE_NORMAL,
    R_KILLED_INSTRUMENT,
    R_KILLED_STRATEGY,
    R_KILLED_VENUE,
    R_OK,
    SCOPE_INSTRUMENT,
    SCOPE_STRATEGY,
    SCOPE_VENUE,
)
from bot4.safety.gate_nb import SafetyState


@kernel
def set_mode_nb(s: SafetyState, mode: int, reason: int, now: int) -> None:
    """Write mode, reason and time; the rules stand in `request_mode_nb`."""
    control = s.control[0]
    control["mode"] = mode
    control["mode_reason"] = reason
    control["mode_since"] = now


@kernel
def may_lower_nb(s: SafetyState, now: int, authorised: bool) -> bool:
    """Whether severity may fall at `now` (ns): cooldown over, no kill, authorised out of Emergency."""
    control = s.control[0]
    if control["killed"] != 0:
        return False
    if control["mode"] >= MODE_EMERGENCY and not authorised:
        return False
    return bool(now - control["mode_since"] >= s.params[0]["cooldown_ns"])


@kernel
def request_mode_nb(s: SafetyState, mode: int, reason: int, now: int, authorised: bool) -> int:
    """Ask for MODE_* `mode` at `now` (ns) because of R_* `reason`; 1 if the mode changed, else 0.

    A mode that does not exist is taken as Emergency: an error on a safety path makes things safer.
    A release from Emergency writes its time into control.release.
    """
    if mode < MODE_NORMAL or mode > MODE_EMERGENCY:
        mode = MODE_EMERGENCY
    control = s.control[0]
    old = control["mode"]
    if mode == old:
        return 0
    if mode < old:
        if not may_lower_nb(s, now, authorised):
            return 0
        if old >= MODE_EMERGENCY:
            control["release"] = now
    set_mode_nb(s, mode, reason, now)
    return 1


@kernel
def kill_nb(s: SafetyState, reason: int, now: int) -> int:
    """Raise the kill latch: Emergency, Disabled. 1 the first time, 0 after; the first reason stays."""
    control = s.control[0]
    if control["killed"] != 0:
        return 0
    control["killed"] = 1
    control["enabled"] = 0
    control["kill_reason"] = reason
    control["kill_ts"] = now
    set_mode_nb(s, MODE_EMERGENCY, reason, now)
    return 1


@kernel
def enable_nb(s: SafetyState) -> int:
    """Let trading begin (it starts Disabled); 1 if it is enabled now, 0 under the kill latch."""
    control = s.control[0]
    if control["killed"] != 0:
        return 0
    control["enabled"] = 1
    return 1


@kernel
def halt_row_nb(halts: np.ndarray[Any, Any], scope: int, inst: int) -> int:
    """The row of SCOPE_* `scope` in `halts` (HALT_DTYPE, see `new_halts`); -1 when there is no such scope."""
    n = halts.shape[0] - 2
    if scope == SCOPE_INSTRUMENT and 0 <= inst < n:
        return int(inst)
    if scope == SCOPE_STRATEGY:
        return int(n)
    if scope == SCOPE_VENUE:
        return int(n + 1)
    return -1


@kernel
def halt_nb(halts: np.ndarray[Any, Any], scope: int, inst: int, reason: int, now: int) -> int:
    """Raise the partial kill of a scope at `now` (ns): 1 the first time, 0 after; the first reason stays.

    A scope that does not exist is taken as the venue, which is everything here.
    """
    k = halt_row_nb(halts, scope, inst)
    if k < 0:
        k = halts.shape[0] - 1
    row = halts[k]
    if row["on"] != 0:
        return 0
    row["on"] = 1
    row["reason"] = reason
    row["ts"] = now
    return 1


@kernel
def unhalt_nb(
    s: SafetyState, halts: np.ndarray[Any, Any], scope: int, inst: int, now: int, authorised: bool
) -> int:
    """Release a partial kill: 1 if it fell. Only authorised, after the cooldown, and never under a kill."""
    k = halt_row_nb(halts, scope, inst)
    if k < 0 or not authorised or s.control[0]["killed"] != 0:
        return 0
    row = halts[k]
    if row["on"] == 0 or now - row["ts"] < s.params[0]["cooldown_ns"]:
        return 0
    row["on"] = 0
    row["reason"] = R_OK
    row["ts"] = now
    return 1


@kernel
def halted_nb(halts: np.ndarray[Any, Any], inst: int) -> int:
    """The partial kill (R_KILLED_*) under which instrument `inst` is, or R_OK; the narrowest comes first."""
    n = halts.shape[0] - 2
    if halts[inst]["on"] != 0:
        return R_KILLED_INSTRUMENT
    if halts[n]["on"] != 0:
        return R_KILLED_STRATEGY
    if halts[n + 1]["on"] != 0:
        return R_KILLED_VENUE
    return R_OK
