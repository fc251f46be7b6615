"""`bot4 show`: orders, positions and profit of a run, read from its journal and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.engine.build import Plan
from bot4.execution.views import Views
from bot4.model import names
from bot4.model.codes_nb import ACT_NEW
from bot4.model.errors import ConfigError
from bot4.model.values import decimal_amount, plain
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader

MOST_ORDERS = 50


def views_of(journal: Path) -> tuple[Plan, Views]:
    """The plan and the projections of a journal."""
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
            views.events(block.payload["event"])
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


WHAT: dict[str, Callable[[Plan, Views], Any]] = {"orders": _orders, "positions": _positions, "pnl": _pnl}


def show(*, what: str, journal: Path, as_json: bool) -> dict[str, Any] | None:
    """Show `what` (orders, positions, pnl) of the run in `journal`."""
    if what not in WHAT:
        raise ConfigError(f"bot4 show {what}: choose one of {', '.join(WHAT)}")
    plan, views = views_of(journal)
    found = WHAT[what](plan, views)
    if as_json:
        return {what: found}
    if isinstance(found, dict):
        found = [found]
    if not found:
        print(f"no {what} in {journal}")
        return None
    table = Table(box=None, pad_edge=False)
    for name in found[0]:
        table.add_column(name.replace("_", " "))
    for row in found[-MOST_ORDERS:]:
        table.add_row(*("–" if value is None else str(value) for value in row.values()))
    Console().print(table)
    if len(found) > MOST_ORDERS:
        print(f"the last {MOST_ORDERS} of {len(found)}; all of them with --json")
    return None
