"""`bot4 show`: orders, positions, profit, breakers of a run, from its journal; the checks of every trade."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app.check_list import CHECKS
from bot4.app.config import from_json
from bot4.engine.build import Plan
from bot4.execution.views import Views
from bot4.model import names
from bot4.model.codes_nb import ACT_NEW, EV_HALT, EV_KILL
from bot4.model.errors import ConfigError
from bot4.model.times import instant_text
from bot4.model.values import decimal_amount, plain
from bot4.ports import journal as port
from bot4.research.closes import is_delayed, last_close, when
from bot4.research.trips import changes_of, refused_of
from bot4.safety.modes_nb import halt_nb, kill_nb, unhalt_nb
from bot4.safety.scopes import Scopes
from bot4.safety.state import gate_params, new_halts, new_safety
from bot4.storage.journal import JournalReader

MOST_ORDERS = 50


def views_of(journal: Path, until: int | None = None) -> tuple[Plan, Views]:
    """The plan and the projections of a journal, as of the instant `until` (ns UTC) if given."""
    plan = Plan.from_json(JournalReader(journal).meta()["plan"])
    mults = {k: i.money_mult(plan.money_exp) for k, i in enumerate(plan.instruments)}
    views = Views(mults)
    # a block of inputs may hold answers to orders whose block stands behind it: all new orders first
    orders = JournalReader(journal).gather(port.ORDERS)
    views.order_rows(orders[orders["action"] == ACT_NEW])
    for block in JournalReader(journal).blocks(port.ORDERS, port.INPUTS):
        if block.kind == port.ORDERS:
            views.order_rows(block.payload[block.payload["action"] != ACT_NEW])
        else:
            told = block.payload["event"]
            views.events(told if until is None else told[told["ts_local"] <= until])
    return plan, views


def _money(units: int, plan: Plan) -> str:
    return plain(decimal_amount(units, plan.money_exp))


def _orders(plan: Plan, views: Views) -> list[dict[str, Any]]:
    found = []
    for order in views.orders.values():
        instrument = plan.instruments[order.instrument]
        found.append(
            {
                "id": order.id,
                "instrument": instrument.symbol,
                "side": names.SIDES[order.side],
                "purpose": names.PURPOSES[order.purpose],
                "quantity": plain(order.qty * instrument.lot),
                "filled": plain(order.filled * instrument.lot),
                "price": plain(order.price * instrument.tick) if order.price > 0 else None,
                "state": names.ORDER_STATES[order.status],
                "reason": names.reason(order.reason) if order.reason else None,
                "fees": _money(order.fees, plan),
            }
        )
    return found


def _positions(plan: Plan, views: Views) -> list[dict[str, Any]]:
    found = []
    for number, instrument in enumerate(plan.instruments):
        position = views.positions.get(number)
        if position is None:
            continue
        worth = abs(position.lots) * views.mults[number]
        ticks = abs(position.cost) // worth if worth else 0
        found.append(
            {
                "instrument": instrument.symbol,
                "quantity": plain(position.lots * instrument.lot),
                "average": plain(ticks * instrument.tick) if ticks else None,
                "realised": _money(position.realised, plan),
                "fees": _money(position.fees, plan),
                "fills": position.fills,
            }
        )
    return found


def _pnl(plan: Plan, views: Views) -> dict[str, Any]:
    realised = sum(p.realised for p in views.positions.values())
    fees = sum(p.fees for p in views.positions.values())
    return {
        "currency": plan.currency,
        "realised": _money(realised, plan),
        "fees": _money(fees, plan),
        "realised_net": _money(realised - fees, plan),
        "fills": sum(p.fills for p in views.positions.values()),
        "fingerprint": views.fingerprint(),
    }


RESULTS = ("positions", "pnl")
"""What is shown of a live run as of the last close."""


def breakers(journal: Path) -> dict[str, Any]:
    """Every breaker that ever changed, as it stands at the journal's end; its changes; what was refused.

    Those that never changed are closed and not listed. Times are the engine's.
    """
    changes = changes_of(journal)
    last: dict[tuple[str, str], dict[str, Any]] = {}
    trips: Counter[tuple[str, str]] = Counter()
    for change in changes:
        key = (change["breaker"], change["scope"])
        trips[key] += change["after"] == "open" and change["before"] != "open"
        last[key] = {
            **{name: change[name] for name in ("breaker", "level", "scope")},
            "state": change["after"],
            **{name: change[name] for name in ("cause", "reason", "value", "limit")},
            "since": change["at"],
            "not_before": change["not_before"],
            "trips": trips[key],
        }
    return {
        "breakers": list(last.values()),
        "changes": changes,
        "refused": refused_of(journal),
    }


def breaker_lines(document: dict[str, Any]) -> list[str]:
    """What `breakers` found, a sentence each."""
    lines = []
    for b in document["breakers"]:
        line = f"{b['breaker']} ({b['level']} level, {b['scope']}): {b['state']} since {b['since']}"
        if b["cause"] is not None:
            line += f", because of {b['cause']}"
        if b["value"] is not None and b["limit"] is not None:
            line += f", measured {b['value']:.4g}, limit {b['limit']:.4g}"
        if b["not_before"] is not None:
            line += f", not tried before {b['not_before']}"
        lines.append(f"{line}; opened {b['trips']} times")
    refused = ", ".join(f"{reason} {count}" for reason, count in document["refused"].items())
    return [*(lines or ["no breaker ever opened"]), f"refused: {refused or 'nothing'}"]


WHAT: dict[str, Callable[[Plan, Views], Any]] = {"orders": _orders, "positions": _positions, "pnl": _pnl}
KILLS = "kills"
CHOICES = (*WHAT, "breakers", KILLS, "checks")


def _kills(journal: Path) -> list[dict[str, Any]]:
    """Every kill, whole or partial: since when, why, and since when it is released, if it is."""
    meta = JournalReader(journal).meta()
    plan = Plan.from_json(meta["plan"])
    scopes = Scopes.of([i.symbol for i in plan.instruments], meta)
    cooldown = from_json(meta["settings"])["safety.cooldown"]
    safety = new_safety(gate_params(1, cooldown_ns=max(1, cooldown)))
    halts = new_halts(len(plan.instruments))
    found: list[dict[str, Any]] = []
    standing: dict[tuple[int, int], dict[str, Any]] = {}
    for event in JournalReader(journal).gather(port.INPUTS)["event"]:
        now, x, reason = int(event["ts_local"]), int(event["x"]), int(event["y"])
        at = (abs(x), int(event["instrument"]))
        if event["kind"] == EV_KILL and kill_nb(safety, reason, now):
            found.append(_kill("everything", now, reason))
        elif event["kind"] == EV_HALT and x > 0 and halt_nb(halts, x, at[1], reason, now):
            scope = next(s for s in scopes.every() if (s.code, s.instrument) == at)
            standing[at] = _kill(str(scope), now, reason)
            found.append(standing[at])
        elif event["kind"] == EV_HALT and unhalt_nb(safety, halts, -x, at[1], now, bool(event["flags"])):
            standing.pop(at)["released"] = instant_text(now)
    return found


def _kill(what: str, now: int, reason: int) -> dict[str, Any]:
    return {"stopped": what, "since": instant_text(now), "reason": names.reason(reason), "released": None}


def _checks(journal: Path | None) -> list[dict[str, Any]]:
    """The list of checks; with a run, how often each was the reason there, by its words.

    The gate counts by reason: checks that share one share the number. The desk's own are counted by check.
    """
    found: list[dict[str, Any]] = [
        {
            "check": check.name,
            "layer": str(check.layer),
            "judges": str(check.judges),
            "reads": check.reads,
            "reasons": ", ".join(check.words) or None,
            "stale or missing": check.missing,
            "settings": ", ".join(check.settings) or None,
            "where": check.where,
        }
        for check in CHECKS
    ]
    if journal is None:
        return found
    reader = JournalReader(journal)
    ends = [block.payload["summary"] for block in reader.blocks(port.END)]
    by_reason = ends[-1].get("refused", {}) if ends else {}
    by_check: Counter[str] = Counter()
    for block in JournalReader(journal).blocks(port.NOTE):
        if block.payload.get("what") == "refused":
            by_check.update(list(block.payload["checks"]))
    for check, row in zip(CHECKS, found, strict=True):
        row["refused"] = by_check[check.name] or sum(by_reason.get(word, 0) for word in check.words)
    return found


def show(*, what: str, journal: Path | None, as_json: bool) -> dict[str, Any] | None:
    """Show orders, positions, pnl, breakers or kills of the run in `journal`, or the list of checks."""
    if what not in CHOICES:
        raise ConfigError(f"bot4 show {what}: choose one of {', '.join(CHOICES)}")
    if what == "checks":
        return _tell(what, _checks(journal), {}, as_json)
    if journal is None:
        raise ConfigError(f"bot4 show {what}: name the folder of a run's journal")
    if what == KILLS:
        return _tell(what, _kills(journal), {}, as_json)
    if what == "breakers":
        document = breakers(journal)
        if as_json:
            return document
        for line in breaker_lines(document):
            print(line)
        return None
    meta, now = JournalReader(journal).meta(), time.time_ns()
    late = what in RESULTS and is_delayed(meta)
    plan, views = views_of(journal, last_close(now) if late else None)
    told: dict[str, str | None] = {}
    if late:
        told = when(last_close(now) if int(meta["data"]["first"]) <= last_close(now) else None, now)
    return _tell(what, WHAT[what](plan, views), told, as_json)


CHECK_HIDDEN = ("reads", "stale or missing", "settings", "where")
"""Columns of the checks that the page of the documentation holds."""


def _tell(what: str, found: Any, told: dict[str, str | None], as_json: bool) -> dict[str, Any] | None:
    """Rows as a table, or as they are for --json; `told` says of when they are."""
    if as_json:
        return {what: found, **told}
    if told:
        print(f"as of {told['as_of'] or 'no close yet'}; next figures {told['next']}")
    if what == "checks":
        found = [{k: v for k, v in row.items() if k not in CHECK_HIDDEN} for row in found]
    if isinstance(found, dict):
        found = [found]
    if not found:
        print(f"no {what} in this run")
        return None
    table = Table(box=None, pad_edge=False)
    for name in found[0]:
        table.add_column(name.replace("_", " "))
    most = len(found) if what == "checks" else MOST_ORDERS
    for row in found[-most:]:
        table.add_row(*("–" if value is None else str(value) for value in row.values()))
    Console().print(table)
    if len(found) > most:
        print(f"the last {most} of {len(found)}; all of them with --json")
    return None
