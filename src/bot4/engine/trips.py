"""Changes of the engine's breakers as words: for alarms, `bot4 show breakers` and `bot4 why`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bot4.engine.state import Engine
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.model.times import instant_text
from bot4.ports.alarm import Level

KINDS = {
    c.BK_TOXIC: "toxic_flow",
    c.BK_VOLUME: "volume",
    c.BK_LOSS: "loss",
    c.BK_STRATEGY: "strategy",
    c.BK_SYSTEM: "system",
}
MEASURES = {
    c.BK_TOXIC: "toxicity of the flow",
    c.BK_VOLUME: "volume of 10 s over the usual",
    c.BK_LOSS: "loss of the position, of equity",
    c.BK_STRATEGY: "trades lost in a row",
    c.BK_SYSTEM: "drawdown, of equity",
}
MANUAL = (c.R_OPERATOR, c.R_FILE, c.R_OS_SIGNAL, c.R_COMMAND)
LIMITS = (
    c.R_LOSS,
    c.R_LOSING,
    c.R_BREAKER,
    c.R_DAILY_LOSS,
    c.R_DRAWDOWN_DAY,
    c.R_DRAWDOWN_SOFT,
    c.R_DRAWDOWN_HARD,
)
CAUSES = {
    c.R_TOXIC_FLOW: "toxic_flow",
    c.R_VOLUME: "volume",
    **dict.fromkeys(LIMITS, "risk_limit"),
    **dict.fromkeys(MANUAL, "manual"),
}
"""The trip reason (S4) behind a reason code of the engine; the rest are causes of a mode that are no trip."""
STATES = {c.MODE_NORMAL: "closed", c.MODE_REDUCE: "open", c.MODE_PAUSE: "open", c.MODE_EMERGENCY: "open"}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def trip_document(row: Any, symbols: Sequence[str]) -> dict[str, Any]:
    """One row of TRIP_DTYPE for --json: which breaker, what it measured against what, until when.

    The system's breaker is the control mode: `mode` names it, a person or a limit closes it again (see docs).
    """
    kind, inst = int(row["kind"]), int(row["instrument"])
    before, after = int(row["before"]), int(row["after"])
    system = kind == c.BK_SYSTEM
    words = STATES if system else names.BREAKERS
    tripped = words[after] != "closed"
    level = "system" if system else "strategy" if inst < 0 else "position"
    found = {
        "at": instant_text(int(row["ts"])),
        "breaker": KINDS[kind],
        "level": level,
        "scope": "all" if system else symbols[inst] if inst >= 0 else "strategy",
        "before": words[before],
        "after": words[after],
        "cause": CAUSES.get(int(row["reason"])) if tripped else None,
        "reason": names.reason(row["reason"]) if tripped else None,
        "measured": MEASURES[kind],
        "value": _number(row["value"]),
        "limit": _number(row["limit"]),
        "not_before": instant_text(int(row["until"])) if int(row["until"]) else None,
    }
    if system:
        found["mode"] = names.MODES[after]
    return found


def trip_text(row: Any, symbols: Sequence[str]) -> tuple[Level, str]:
    """How an operator hears of it, and how loud."""
    d = trip_document(row, symbols)
    if d["level"] == "system":
        own = int(row["reason"]) in MANUAL  # a person's word needs no person
        loud: Level = "critical" if d["after"] == "open" and not own else "warning"
        why = names.reason(row["reason"]).replace("_", " ")
        return loud, f"control mode is {d['mode']} ({why}), drawdown {d['value'] or 0:.2%}"
    if d["after"] != "open":
        return "info", f"breaker {d['breaker']} of {d['scope']} is {d['after'].upper()}"
    value = "?" if d["value"] is None else f"{d['value']:.4g}"
    return "critical", (
        f"breaker {d['breaker']} of {d['scope']} is OPEN: {d['measured']} {value}, limit {d['limit']:.4g}; "
        f"new risk there stops until {d['not_before']} at least"
    )


def standing(engine: Engine, symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Every breaker of the engine as it stands now, the closed ones too; the system's is the control mode."""
    found = []
    rows = engine.core["breakers"][0]
    for k, b in enumerate(rows):
        whole = k == len(rows) - 1
        kind = c.BK_STRATEGY if whole else k % c.BK_STRATEGY
        state = int(b["state"])
        tripped = state != c.BREAKER_CLOSED
        found.append(
            {
                "breaker": KINDS[kind],
                "level": "strategy" if whole else "position",
                "scope": "strategy" if whole else symbols[k // c.BK_STRATEGY],
                "state": names.BREAKERS[state],
                "cause": CAUSES.get(int(b["reason"])) if tripped else None,
                "reason": names.reason(b["reason"]) if tripped else None,
                "measured": MEASURES[kind],
                "value": _number(b["value"]),
                "limit": _number(b["high"]),
                "tried_again_at": _number(b["low"]),
                "since": instant_text(int(b["opened"])) if tripped else None,
                "not_before": instant_text(int(b["opened"] + b["timeout"]))
                if state == c.BREAKER_OPEN
                else None,
                "trips": int(b["trips"]),
            }
        )
    return [*found, _system(engine)]


def _system(engine: Engine) -> dict[str, Any]:
    control = engine.safety.control[0]
    mode, reason = int(control["mode"]), int(control["mode_reason"])
    tripped = mode != c.MODE_NORMAL
    return {
        "breaker": "system",
        "level": "system",
        "scope": "all",
        "state": STATES[mode],
        "mode": names.MODES[mode],
        "cause": CAUSES.get(reason) if tripped else None,
        "reason": names.reason(reason) if tripped else None,
        "measured": MEASURES[c.BK_SYSTEM],
        "value": _number(engine.risk.state[0]["drawdown"]),
        "limit": None,
        "since": instant_text(int(control["mode_since"])) if tripped else None,
        "not_before": None,
    }
