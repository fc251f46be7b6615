"""What a journal says of its breakers: changes of the engine's and the session's, and what they refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from bot4.engine.build import Plan
from bot4.engine.trips import trip_document
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.model.times import instant_text
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader

REFUSING = (
    c.R_BREAKER,
    c.R_TOXIC_FLOW,
    c.R_VOLUME,
    c.R_SPREAD,
    c.R_LATENCY,
    c.R_ERRORS,
    c.R_LOSS,
    c.R_LOSING,
    c.R_MODE,
)
"""Reasons with which a breaker, or the control mode, refuses new risk."""


def note_document(note: dict[str, Any]) -> dict[str, Any]:
    """A session's breaker note in the form of `trip_document`."""
    until = note.get("until_ns")
    return {
        "at": instant_text(int(note["engine_ns"])),
        "breaker": note["breaker"],
        "level": note.get("level", "venue"),
        "scope": note.get("scope", "venue"),
        "before": note["before"].lower(),
        "after": note["after"].lower(),
        "cause": note.get("cause"),
        "reason": note.get("reason"),
        "measured": note["why"],
        "value": note.get("value"),
        "limit": note.get("limit"),
        "not_before": instant_text(int(until)) if until else None,
    }


def changes_of(folder: Path) -> list[dict[str, Any]]:
    """Changes of all breakers of the run in `folder`, in order of the engine's time."""
    symbols = [i.symbol for i in Plan.from_json(JournalReader(folder).meta()["plan"]).instruments]
    found: list[tuple[int, dict[str, Any]]] = []
    for block in JournalReader(folder).blocks(port.TRIPS, port.NOTE):
        if block.kind == port.TRIPS:
            found += [(int(row["ts"]), trip_document(row, symbols)) for row in block.payload]
        elif block.payload["what"] == "breaker":
            found.append((int(block.payload["engine_ns"]), note_document(block.payload)))
    found.sort(key=lambda pair: pair[0])
    return [change for _, change in found]


def session_breakers(reader: JournalReader, until: int) -> list[dict[str, Any]]:
    """How the session's breakers (of the venue, of its markets) stood at `until`: those not closed."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for block in reader.blocks(port.NOTE):
        note = block.payload
        if note["what"] == "breaker" and int(note["engine_ns"]) <= until:
            change = note_document(note)
            last[change["breaker"], change["scope"]] = change
    return [
        {**{k: v for k, v in change.items() if k not in ("at", "before", "after")},
         "state": change["after"], "since": change["at"]}
        for change in last.values()
        if change["after"] != "closed"
    ]  # fmt: skip


def refused_of(folder: Path) -> dict[str, int]:
    """How often the journal tells of a refusal by a breaker, by reason: decisions, and orders at the desk."""
    counts: Counter[str] = Counter()
    for block in JournalReader(folder).blocks(port.DECISIONS, port.INPUTS):
        if block.kind == port.DECISIONS:
            rows = block.payload
            reasons = rows["reason"][rows["outcome"] == c.D_REFUSED]
        else:
            rows = block.payload["event"]
            reasons = rows["y"][rows["kind"] == c.EV_REJECT]
        counts.update(names.reason(r) for r in reasons.tolist() if r in REFUSING)
    return dict(sorted(counts.items()))
