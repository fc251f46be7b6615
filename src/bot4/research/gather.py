"""A journal to a RunRecord: what the report and the metrics read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.build import Plan
from bot4.model.codes_nb import (
    ACT_CANCEL,
    ACT_NEW,
    EV_ACK,
    EV_CANCELED,
    EV_FILL,
    EV_LIQUIDATED,
    EV_REJECT,
    FOR_LIQUIDATION,
    R_LIQUIDATED,
    ST_CANCELED,
    ST_FILLED,
    ST_PARTIAL,
    ST_REJECTED,
    ST_WORKING,
)
from bot4.model.events import DECISION_DTYPE, EQUITY_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.model.values import exact_float, steps_near, unit_of
from bot4.ports import journal as port
from bot4.research.record import RunRecord
from bot4.storage.journal import JournalReader

Array = np.ndarray[Any, Any]

KEPT = (
    "events",
    "events_per_second",
    "quarantined",
    "liquidations",
    "anomalies",
    "funding_substituted",
    "mode",
    "mode_reason",
    "ended_by",
    "decision_hash",
    "state_hash",
)
"""What of a run's summary the report shows beside the metrics, which are computed anew."""


def _join(parts: list[Array], dtype: np.dtype[Any]) -> Array:
    rows: Array = np.concatenate(parts) if parts else np.empty(0, dtype)
    return rows


def final_orders(orders: Array, answers: Array) -> Array:
    """The approved orders with what became of them, from the venue's answers in order."""
    made: Array = orders[orders["action"] != ACT_CANCEL].copy()
    if len(made) == 0:
        return made
    by_id = np.argsort(made["id"], kind="stable")
    ids = made["id"][by_id]
    at = np.searchsorted(ids, answers["x"])
    known = (at < len(ids)) & (ids[np.minimum(at, len(ids) - 1)] == answers["x"])
    rows = by_id[np.minimum(at, len(ids) - 1)]
    for kind, status in ((EV_ACK, ST_WORKING), (EV_CANCELED, ST_CANCELED), (EV_REJECT, ST_REJECTED)):
        mine = known & (answers["kind"] == kind)
        made["status"][rows[mine]] = status
        made["ts_updated"][rows[mine]] = answers["ts_local"][mine]
        if kind != EV_ACK:
            made["reason"][rows[mine]] = answers["y"][mine]
    fills = known & (answers["kind"] == EV_FILL)
    np.add.at(made["filled"], rows[fills], answers["qty"][fills])
    np.add.at(made["cost"], rows[fills], answers["qty"][fills] * answers["price"][fills])
    np.add.at(made["fees"], rows[fills], answers["y"][fills])
    whole = made["filled"] >= made["qty"]
    part = (made["filled"] > 0) & ~whole & (made["status"] == ST_WORKING)
    made["status"][whole] = ST_FILLED
    made["status"][part] = ST_PARTIAL
    return made


def taken_over(events: Array, first_id: int) -> tuple[Array, Array]:
    """What the venue liquidated, as (fills, orders): its own orders, numbered from `first_id` down."""
    fills = events[events["kind"] == EV_LIQUIDATED].copy()
    orders = np.zeros(len(fills), ORDER_DTYPE)
    orders["id"] = first_id - np.arange(len(fills))
    orders["side"] = fills["x"]
    orders["instrument"], orders["fees"] = fills["instrument"], fills["y"]
    orders["qty"] = orders["filled"] = fills["qty"]
    orders["cost"] = fills["qty"] * fills["price"]
    orders["ts_created"] = orders["ts_updated"] = fills["ts_local"]
    orders["purpose"], orders["status"], orders["action"] = FOR_LIQUIDATION, ST_FILLED, ACT_NEW
    orders["reason"] = R_LIQUIDATED
    fills["kind"], fills["x"] = EV_FILL, orders["id"]
    return fills, orders


def read_record(folder: Path) -> RunRecord:
    """Everything a report needs, from one pass over a verified journal."""
    reader = JournalReader(folder)
    meta: dict[str, Any] = {}
    end: dict[str, Any] = {}
    parts: dict[int, list[Array]] = {k: [] for k in (port.INPUTS, port.ORDERS, port.DECISIONS, port.EQUITY)}
    for block in reader.blocks():
        if block.kind == port.META and "plan" in block.payload:  # a later one only begins an epoch
            meta = block.payload
        elif block.kind == port.END:
            end = block.payload
        elif block.kind in parts:
            parts[block.kind].append(block.payload)
    inputs = parts[port.INPUTS]
    answers = np.concatenate([p["event"] for p in inputs]) if inputs else np.empty(0, EVENT_DTYPE)
    taken = taken_over(answers, -1)
    answers = answers[(answers["kind"] >= EV_ACK) & (answers["kind"] <= EV_LIQUIDATED)]
    fills = answers[np.isin(answers["kind"], (EV_FILL, EV_LIQUIDATED))].copy()
    orders = _join(parts[port.ORDERS], ORDER_DTYPE)
    final = final_orders(orders, answers)
    if len(fills) and len(final):
        by_id = np.argsort(final["id"], kind="stable")
        at = np.minimum(np.searchsorted(final["id"][by_id], fills["x"]), len(final) - 1)
        known = fills["kind"] == EV_FILL
        fills["instrument"][known] = final["instrument"][by_id[at]][known]
    if len(taken[0]):
        fills[fills["kind"] == EV_LIQUIDATED] = taken[
            0
        ]  # in their places: fills count in the order of the log
        final = np.concatenate([final, taken[1]])
    summary = end.get("summary", {})
    return RunRecord(
        meta=_meta(folder, meta, summary, bool(end), reader.torn_bytes),
        fills=fills,
        orders=final,
        decisions=_join(parts[port.DECISIONS], DECISION_DTYPE),
        equity=_join(parts[port.EQUITY], EQUITY_DTYPE),
        refusals=dict(summary.get("refused", {})),
        summary=_summary(meta, summary),
    )


def _units(meta: dict[str, Any], amount: float) -> int:
    return steps_near(exact_float(amount, "amount"), unit_of(money_exp(meta)), "amount")


def money_exp(meta: dict[str, Any]) -> int:
    """Decimal places of the account's money."""
    return Plan.from_json(meta["plan"]).money_exp


def _summary(meta: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    data = {key: summary[key] for key in KEPT if key in summary}
    if "funding" in summary:
        data["funding_units"] = _units(meta, summary["funding"])
    if "gap_loss" in summary:
        data["gap_loss_units"] = _units(meta, summary["gap_loss"])
    return data


def _meta(
    folder: Path, meta: dict[str, Any], summary: dict[str, Any], whole: bool, torn: int
) -> dict[str, Any]:
    data = meta["data"]
    warnings = [
        w for w in summary.get("warnings", []) if not w.startswith("no model")
    ]  # the page says so itself
    if not whole:
        warnings.append("the journal has no last block: the run was cut off, figures are as far as it goes")
    if torn:
        warnings.append(f"{torn} bytes of a torn last block were left out")
    bounds = None
    if summary.get("ambiguous_bars"):
        bounds = {
            "pnl_net": _units(meta, summary["pnl_net"]),
            "pnl_net_upper": _units(meta, summary["pnl_net_upper_bound"]),
        }
    model = meta["model"]
    return {
        "kind": meta["kind"],
        "strategy": meta["strategy"],
        "seed": meta["plan"]["seed"],
        "synthetic": bool(data.get("synthetic")),
        "venue": ", ".join(data.get("venues", [])) + " (simulated fills)",
        "instruments": meta["plan"]["instruments"],
        "money_exp": money_exp(meta),
        "currency": meta["plan"]["instruments"][0]["quote"],
        "data": data.get("path") or "generative market (synthetic)",
        "start": data.get("first"),
        "end": data.get("last"),
        "config": meta["settings"],
        "warnings": warnings,
        "model": None if model["path"] is None else model["label"],
        "bounds": bounds,
        "command": f"bot4 replay {folder} --verify",
    }
