"""`bot4 why`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app import bootstrap
from bot4.model.errors import ConfigError
from bot4.model.times import instant_ns
from bot4.research.closes import is_delayed, last_close
from bot4.research.why import explain_at, explain_order, explain_trade


def why(
    *, journal: Path, order: int | None, trade: int | None, at: str | None, data: Path | None, as_json: bool
) -> dict[str, Any] | None:
    """Explain exactly one of an order, a trade, an instant."""
    if sum(x is not None for x in (order, trade, at)) != 1:
        raise ConfigError("name one of --order ID, --trade N, --at INSTANT")
    refold = bootstrap.refold_of(journal, data)
    if order is not None:
        document = explain_order(refold, order)
    elif trade is not None:
        document = explain_trade(refold, trade)
    else:
        document = explain_at(refold, instant_ns(str(at)))
    if is_delayed(refold.meta):
        _withhold(document)
    if as_json:
        return document
    _print(document)
    return None


def _withhold(document: dict[str, Any]) -> None:
    """Of a live run: no result that is younger than the last close."""
    close = last_close(time.time_ns())
    if instant_ns(document["at"]) > close:
        document["account"]["equity"] = None
    trade = document.get("trade")
    if trade is not None and instant_ns(trade["exit"]) > close:
        trade["pnl_after_fees"] = None


def _flat(table: Table, title: str, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict | list):
            continue
        text = "–" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)
        table.add_row(title, name, text)


def _print(document: dict[str, Any]) -> None:
    table = Table("part", "what", "value", header_style="bold")
    for key in ("trade", "order", "decision"):
        if document.get(key):
            _flat(table, key, document[key])
    for look in document["instruments"]:
        symbol = look["instrument"]
        for key in ("market", "fusion", "chain", "position", "last_decision", "stopped"):
            _flat(table, f"{symbol} {key}", look[key])
        if look["refused_by"]:
            table.add_row(f"{symbol} order", "refused by", ", ".join(look["refused_by"]))
        for vote in look["votes"]:
            word = {1: "up", -1: "down", 0: "abstains"}[vote["direction"]]
            table.add_row(f"{symbol} vote", vote["source"], f"{word} {vote['confidence']:.2f}")
    _flat(table, "account", document["account"])
    for breaker in document["breakers"]["not_closed"]:
        _flat(table, f"breaker {breaker['breaker']}", {k: v for k, v in breaker.items() if k != "breaker"})
    _flat(table, "limits", document["account"]["limits"])
    Console().print(table)
