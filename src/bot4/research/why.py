"""Why a trade was made, or was not: fold the journal up to that instant and read the state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine.build import Plan
from bot4.engine.refusals import failed_names
from bot4.engine.trips import standing
from bot4.ledger.ledger_nb import equity_nb
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.model.errors import DataError
from bot4.model.explain_nb import EX_FAILED, NAMES
from bot4.model.feature_layout_nb import BOOK_NAMES, FEATURE_NAMES
from bot4.model.times import instant_text
from bot4.ports import journal as port
from bot4.research.gather import read_record
from bot4.research.replay import Refold
from bot4.research.session import Session
from bot4.research.trips import session_breakers
from bot4.safety.modes_nb import halted_nb
from bot4.signals.ta.votes_nb import VOTE_NAMES
from bot4.storage.journal import JournalReader


def _clean(value: float) -> float | None:
    return None if math.isnan(value) or math.isinf(value) else float(value)


def _decision(row: Any) -> dict[str, Any]:
    return {
        "seq": int(row["seq"]),
        "at": instant_text(int(row["ts"])),
        "outcome": names.reason(row["outcome"]),
        "reason": names.reason(row["reason"]),
        "side": names.SIDES[int(row["side"])],
        "score": _clean(float(row["score"])),
        "order": int(row["order"]) or None,
    }


def _look(session: Session, inst: int) -> dict[str, Any]:
    """Everything that stood before the engine about one instrument."""
    e = session.engine
    instrument = session.plan.instruments[inst]
    tick, lot = float(instrument.tick), float(instrument.lot)
    row = e.inst[inst]
    top = e.book.top[inst]
    position = e.ledger.positions[inst]
    qty = int(position["qty"])
    fused = e.fused[inst]
    stopped = halted_nb(e.halts, inst)
    return {
        "instrument": instrument.symbol,
        "market": {
            "mark": int(row["mark"]) * tick,
            "last": int(row["last"]) * tick,
            "bid": int(top["quote_bid"]) * tick or None,
            "ask": int(top["quote_ask"]) * tick or None,
            "status": names.STATUSES[int(row["status"])],
            "last_event": instant_text(int(row["last_ts"])) if row["last_ts"] else None,
            "bars": int(row["bars"]),
            "quarantined": int(row["quarantined"]),
        },
        "inputs": {name: _clean(v) for name, v in zip(FEATURE_NAMES, e.features.values[inst], strict=True)},
        "book": {name: _clean(v) for name, v in zip(BOOK_NAMES, e.book_features.values[inst], strict=True)},
        "votes": [
            {"source": name, "direction": int(d), "confidence": float(k)}
            for name, (d, k) in zip(VOTE_NAMES, e.votes[inst], strict=True)
        ],
        "fusion": {
            "s_ta": _clean(fused[lay.FU_S_TA]),
            "c_ta": _clean(fused[lay.FU_C_TA]),
            "s_ml": _clean(fused[lay.FU_S_ML]),
            "c_ml": _clean(fused[lay.FU_C_ML]),
            "probability": _clean(fused[lay.FU_P_ML]),
            "model": session.meta["model"]["label"],
            "score": _clean(fused[lay.FU_SCORE]),
        },
        "chain": {
            name: _clean(v) for name, v in zip(NAMES, e.explain[inst], strict=True) if name != "failed"
        },
        "refused_by": failed_names(float(e.explain[inst, EX_FAILED])),
        "position": {
            "qty": qty * lot,
            "entry": abs(int(position["cost"])) / (abs(qty) * int(e.spec[inst]["money_mult"])) * tick
            if qty
            else None,
            "stop": int(row["stop"]) * tick or None,
            "target": int(row["target"]) * tick or None,
        },
        "last_decision": {"outcome": names.reason(row["outcome"]), "reason": names.reason(row["reason"])},
        "stopped": {"by": None if stopped == c.R_OK else names.reason(stopped)},
    }


def _account(session: Session) -> dict[str, Any]:
    e = session.engine
    risk = e.risk.state[0]
    params = e.risk.params[0]
    control = e.safety.control[0]
    return {
        "equity": session.money(equity_nb(e.ledger, e.spec)),
        "drawdown": float(risk["drawdown"]),
        "mode": names.MODES[int(control["mode"])],
        "mode_reason": names.reason(control["mode_reason"]),
        "limits": {
            name: float(params[name])
            for name in (
                "max_order",
                "max_position",
                "max_asset",
                "max_heat",
                "max_open_risk",
                "dd_soft",
                "dd_hard",
                "daily_loss",
            )
        },
        "refused_so_far": {names.reason(k): int(n) for k, n in enumerate(e.safety.refusals) if n},
    }


def explain_at(refold: Refold, ts: int) -> dict[str, Any]:
    """The state at `ts` and the last decision at or before it, for every instrument."""
    session, collector = refold.run(until=ts)
    made = np.concatenate(collector.decisions) if collector.decisions else None
    last = _decision(made[-1]) if made is not None and len(made) else None
    on_trades = None if made is None else made[made["outcome"] != c.D_MODE_CHANGED]
    decided = _decision(on_trades[-1]) if on_trades is not None and len(on_trades) else None
    return {
        "at": instant_text(ts),
        "events_folded": int(session.engine.clock[lay.CK_POS]),
        "decisions_so_far": int(session.engine.clock[lay.CK_DECISIONS]),
        "last_change": last,
        "instruments": [_look(session, k) for k in range(len(session.plan.instruments))],
        "account": _account(session),
        "breakers": _breakers(refold, session, ts, decided),
    }


def _breakers(
    refold: Refold, session: Session, ts: int, last: dict[str, Any] | None
) -> dict[str, list[dict[str, Any]]]:
    """Breakers that were not closed at `ts`, and those of them that the last decision was refused by."""
    symbols = [i.symbol for i in session.plan.instruments]
    found = [b for b in standing(session.engine, symbols) if b["state"] != "closed"]
    found += session_breakers(refold.counted(), ts)
    refused = last is not None and last["outcome"] == "refused"
    return {
        "not_closed": found,
        "refused_the_last_decision": [b for b in found if refused and last and b["reason"] == last["reason"]],
    }


def _order_facts(session_plan: Any, row: Any, fills: np.ndarray[Any, Any]) -> dict[str, Any]:
    instrument = session_plan.instruments[int(row["instrument"])]
    tick, lot = float(instrument.tick), float(instrument.lot)
    scale = 10.0**session_plan.money_exp
    return {
        "id": int(row["id"]),
        "instrument": instrument.symbol,
        "side": names.SIDES[int(row["side"])],
        "type": names.ORDER_TYPES[int(row["type"])],
        "purpose": names.PURPOSES[int(row["purpose"])],
        "qty": int(row["qty"]) * lot,
        "price": int(row["price"]) * tick or None,
        "stop_price": int(row["stop_price"]) * tick or None,
        "reduce_only": bool(int(row["flags"]) & c.OF_REDUCE_ONLY),
        "created": instant_text(int(row["ts_created"])),
        "status": names.ORDER_STATES[int(row["status"])],
        "status_reason": names.reason(row["reason"]),
        "filled": int(row["filled"]) * lot,
        "fees": int(row["fees"]) / scale,
        "fills": [
            {
                "at": instant_text(int(f["ts_venue"])),
                "price": int(f["price"]) * tick,
                "qty": int(f["qty"]) * lot,
                "fee": int(f["y"]) / scale,
                "maker": bool(int(f["flags"]) & c.FLAG_MAKER),
                "gap": bool(int(f["flags"]) & c.FLAG_GAP),
                "ambiguous_bar": bool(int(f["flags"]) & c.FLAG_AMBIGUOUS),
            }
            for f in fills
        ],
    }


def explain_order(refold: Refold, order_id: int) -> dict[str, Any]:
    """An order: what it is, what became of it, and what stood before the engine when it was approved."""
    record = read_record(refold.folder)
    rows = record.orders[record.orders["id"] == order_id]
    if len(rows) == 0:
        known = f"1 to {int(record.orders['id'].max())}" if len(record.orders) else "none"
        raise DataError(f"journal {refold.folder} has no order {order_id}; it has {known}")
    order = rows[0]
    document = explain_at(refold, int(order["ts_created"]))
    plan = Plan.from_json(refold.meta["plan"])
    document["order"] = _order_facts(plan, order, record.fills[record.fills["x"] == order_id])
    decisions = [
        _decision(d)
        for block in JournalReader(refold.folder).blocks(port.DECISIONS)
        for d in block.payload
        if d["order"] == order_id or (order["decision"] > 0 and d["seq"] == order["decision"])
    ]
    document["decision"] = decisions[0] if decisions else None
    return document


def explain_trade(refold: Refold, number: int) -> dict[str, Any]:
    """A round trip: its result, and the explanation of the order that opened it."""
    record = read_record(refold.folder)
    trades = record.round_trips.trades
    if not 1 <= number <= len(trades):
        raise DataError(f"journal {refold.folder} has trades 1 to {len(trades)}, not {number}")
    trade = trades[number - 1]
    fills = record.fills
    opening = fills[(fills["ts_local"] >= trade["entry_ts"]) | (fills["ts_venue"] >= trade["entry_ts"])]
    if len(opening) == 0:
        raise DataError(f"trade {number} has no opening fill in the journal")
    document = explain_order(refold, int(opening[0]["x"]))
    document["trade"] = {
        "number": number,
        "entry": instant_text(int(trade["entry_ts"])),
        "exit": instant_text(int(trade["exit_ts"])),
        "pnl_after_fees": float(record.money(int(trade["pnl"]))),
        "closed_by": names.PURPOSES[int(trade["reason"])],
    }
    return document
