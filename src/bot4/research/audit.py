"""The audit trail: verify a journal against its chain and its anchors, and export who did what, when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot4.model import names
from bot4.model.codes_nb import D_MODE_CHANGED, EV_HALT, EV_KILL, EV_MODE
from bot4.model.errors import JournalError
from bot4.model.times import instant_text
from bot4.ports import journal as port
from bot4.storage.anchors import Anchor, anchor_file, read_anchors
from bot4.storage.journal import Block, JournalReader

Signed = Callable[[Anchor], bool]


def verify(folder: Path, signed: Signed) -> dict[str, Any]:
    """Read the whole journal; JournalError names the first block that is edited, missing, swapped or cut.

    Every anchor must name a head that the journal had. `signed` judges the signature of those that carry one.
    """
    anchors = sorted(read_anchors(anchor_file(folder)), key=lambda a: a.blocks)
    waiting = iter(anchors)
    due = next(waiting, None)
    reader = JournalReader(folder)
    blocks = 0
    for sequence in reader.headers():
        blocks = sequence + 1
        while due is not None and due.blocks == blocks:
            _check(folder, due, reader.last_hash.hex(), signed)
            due = next(waiting, None)
    if due is not None:
        raise JournalError(
            f"journal {folder} ends after block {blocks - 1}, but an anchor of {instant_text(due.wall_ns)} "
            f"has seen {due.blocks} blocks: the end was cut off"
        )
    return {
        "journal": str(folder),
        "intact": True,
        "blocks": blocks,
        "head": reader.last_hash.hex(),
        "torn_bytes": reader.torn_bytes,
        "anchors": len(anchors),
        "signatures": sum(1 for a in anchors if a.signature),
        "anchored_blocks": anchors[-1].blocks if anchors else 0,
    }


def _check(folder: Path, anchor: Anchor, head: str, signed: Signed) -> None:
    when = instant_text(anchor.wall_ns)
    if anchor.signature and not signed(anchor):
        raise JournalError(f"journal {folder}: the signature of the anchor of {when} is not the operator's")
    if anchor.head != head:
        raise JournalError(
            f"journal {folder}: block {anchor.blocks - 1} or one before it is not what it was at {when}: "
            "the journal was written anew"
        )


def export(folder: Path, start: int | None, end: int | None) -> Iterator[str]:
    """A JSON line for each order, decision, mode change, kill and operator's word in [start, end), ns UTC.

    `mode` is a mode that was asked for, `mode change` one that came, of whatever cause.
    """
    for block in JournalReader(folder).blocks():
        for line in _lines(block):
            stamp = line["ts_ns"]
            inside = stamp is None or ((start is None or stamp >= start) and (end is None or stamp < end))
            if inside:
                shown = None if stamp is None else instant_text(stamp)
                yield json.dumps({"block": block.sequence, "ts": shown, **line}, sort_keys=True)


def _lines(block: Block) -> Iterator[dict[str, Any]]:
    rows = block.payload
    if block.kind == port.META and "kind" not in rows:  # the run was begun again
        yield {"what": "epoch", "ts_ns": None, "epoch": rows["epoch"], "first_order": rows["first_order"]}
    elif block.kind == port.META:
        yield {
            "what": "run",
            "ts_ns": None,
            **{k: rows[k] for k in ("kind", "strategy", "model", "settings") if k in rows},
        }
    elif block.kind == port.NOTE:
        yield {**rows, "ts_ns": int(rows["engine_ns" if "engine_ns" in rows else "wall_ns"])}
    elif block.kind == port.END:
        yield {"what": "end", "ts_ns": int(rows["limit"]), "state_hash": rows["summary"]["state_hash"]}
    elif block.kind == port.ORDERS:
        yield from ({"what": "order", "ts_ns": int(row["ts_updated"]), **_order(row)} for row in rows)
    elif block.kind == port.DECISIONS:
        yield from (_decided(row) for row in rows)
    elif block.kind == port.INPUTS:
        for row in rows["event"]:
            if row["kind"] == EV_MODE:
                said = {"mode": names.MODES.get(int(row["x"])), "reason": names.reason(row["y"])}
                yield {"what": "mode", "ts_ns": int(row["ts_local"]), **said}
            elif row["kind"] == EV_KILL:
                yield {"what": "kill", "ts_ns": int(row["ts_local"]), "reason": names.reason(row["y"])}
            elif row["kind"] == EV_HALT:
                scope = int(row["x"])
                yield {
                    "what": "partial kill" if scope > 0 else "partial release",
                    "ts_ns": int(row["ts_local"]),
                    "scope": names.SCOPES.get(abs(scope)),
                    "instrument": int(row["instrument"]),
                    "reason": names.reason(row["y"]),
                }


def _order(row: Any) -> dict[str, Any]:
    return {
        "id": int(row["id"]),
        "decision": int(row["decision"]),
        "instrument": int(row["instrument"]),
        "action": "cancel" if row["action"] == 2 else "new",
        "side": names.SIDES[int(row["side"])],
        "type": names.ORDER_TYPES.get(int(row["type"]), ""),
        "purpose": names.PURPOSES.get(int(row["purpose"]), ""),
        "qty_lots": int(row["qty"]),
        "price_ticks": int(row["price"]),
        "stop_ticks": int(row["stop_price"]),
    }


def _decided(row: Any) -> dict[str, Any]:
    """A decision, or the one record of a mode change, whoever asked for it."""
    ts = int(row["ts"])
    if row["outcome"] != D_MODE_CHANGED:
        return {"what": "decision", "ts_ns": ts, **_decision(row)}
    return {
        "what": "mode change",
        "ts_ns": ts,
        "before": names.MODES[int(row["qty"])],
        "after": names.MODES[int(row["action"])],
        "reason": names.reason(row["reason"]),
    }


def _decision(row: Any) -> dict[str, Any]:
    return {
        "seq": int(row["seq"]),
        "instrument": int(row["instrument"]),
        "outcome": names.reason(row["outcome"]),
        "reason": names.reason(row["reason"]),
        "order": int(row["order"]),
    }
