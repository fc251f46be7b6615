"""The circuit breaker's state machine, once for the engine and for `breaker`, where all of it is described.

    CLOSED --trip--> OPEN --time-out over, value low--> HALF_OPEN --enough good ones--> CLOSED
                      ^------------------- trip ------------|

There is no other way. A breaker that watches a value (`high` is a number) opens when the value is not below
`high`, and leaves OPEN and HALF_OPEN only on values that are not above `low`; between the two nothing
changes, so that a value that wanders about its threshold opens it once.
"""

from typing import Any, Final

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN

BREAKER_DTYPE: Final = np.dtype(
    [
        ("state", "<i8"),  # BREAKER_*
        ("reason", "<i8"),  # R_* of the last opening; the engine's
        ("opened", "<i8"),  # ns
        ("probing", "<i8"),  # probes on their way
        ("passed", "<i8"),  # good ones since it is half open
        ("trips", "<i8"),
        ("strikes", "<i8"),  # openings below it, since `struck`
        ("struck", "<i8"),  # ns
        ("timeout", "<i8"),  # ns
        ("probes", "<i8"),
        ("needed", "<i8"),  # good ones that close it
        ("value", "<f8"),  # last measured; -inf: never
        ("high", "<f8"),  # NaN: watches no value
        ("low", "<f8"),
    ]
)
"""One breaker: where it stands, and its rule."""


@kernel
def ready_nb(rows: np.ndarray[Any, Any], k: int, now: int) -> bool:
    """Whether an open one may be tried: its time-out (ns) is over, and its value, if it has one, is low."""
    b = rows[k]
    if now - b["opened"] < b["timeout"]:
        return False
    return bool(b["high"] != b["high"] or b["value"] <= b["low"])


@kernel
def shut_nb(rows: np.ndarray[Any, Any], k: int, now: int) -> bool:
    """Whether new work would be refused at `now`; asks without taking a probe's place."""
    b = rows[k]
    if b["state"] == BREAKER_OPEN:
        return not ready_nb(rows, k, now)
    return bool(b["state"] == BREAKER_HALF_OPEN and b["probing"] >= b["probes"])


@kernel
def half_open_nb(rows: np.ndarray[Any, Any], k: int, now: int) -> bool:
    """Try an open one that is ready; whether it is half open now because of this call."""
    b = rows[k]
    if b["state"] != BREAKER_OPEN or not ready_nb(rows, k, now):
        return False
    b["state"] = BREAKER_HALF_OPEN
    b["probing"] = 0
    b["passed"] = 0
    return True


@kernel
def admit_nb(rows: np.ndarray[Any, Any], k: int, now: int) -> bool:
    """Let one piece of work begin, or refuse it; takes a probe's place while half open."""
    if shut_nb(rows, k, now):
        return False
    half_open_nb(rows, k, now)
    b = rows[k]
    if b["state"] == BREAKER_HALF_OPEN:
        b["probing"] += 1
    return True


@kernel
def forget_nb(rows: np.ndarray[Any, Any], k: int) -> None:
    """A probe came to nothing, or is over: its place is free."""
    b = rows[k]
    if b["probing"] > 0:
        b["probing"] -= 1


@kernel
def pass_nb(rows: np.ndarray[Any, Any], k: int) -> bool:
    """A good sign; while half open enough of them close it. Whether it is closed now because of this call."""
    b = rows[k]
    if b["state"] != BREAKER_HALF_OPEN:
        return False
    b["passed"] += 1
    if b["passed"] < b["needed"]:
        return False
    b["state"] = BREAKER_CLOSED
    b["probing"] = 0
    return True


@kernel
def trip_nb(rows: np.ndarray[Any, Any], k: int, reason: int, now: int) -> bool:
    """Open it for R_* `reason`; an open one starts its time-out anew. Whether it was not open before."""
    b = rows[k]
    was = b["state"]
    b["state"] = BREAKER_OPEN
    b["reason"] = reason
    b["opened"] = now
    b["probing"] = 0
    b["passed"] = 0
    if was == BREAKER_OPEN:
        return False
    b["trips"] += 1
    return True


@kernel
def measure_nb(rows: np.ndarray[Any, Any], k: int, value: float, reason: int, now: int) -> bool:
    """Judge the watched value; whether the state changed. NaN cannot be judged: it opens."""
    b = rows[k]
    b["value"] = value
    state = b["state"]
    if not value < b["high"]:
        return state != BREAKER_OPEN and trip_nb(rows, k, reason, now)
    if state == BREAKER_OPEN:
        return half_open_nb(rows, k, now)
    return bool(state == BREAKER_HALF_OPEN and value <= b["low"] and pass_nb(rows, k))


@kernel
def strike_nb(rows: np.ndarray[Any, Any], k: int, limit: int, window: int, now: int) -> bool:
    """Count an opening below; whether there were `limit` within `window` ns of the first (it counts anew)."""
    b = rows[k]
    if b["strikes"] == 0 or now - b["struck"] > window:
        b["strikes"] = 0
        b["struck"] = now
    b["strikes"] += 1
    if b["strikes"] < limit:
        return False
    b["strikes"] = 0
    return True
