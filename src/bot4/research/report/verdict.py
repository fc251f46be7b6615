"""The run in plain words: what it earned or lost, what that is worth, and what to beware of."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.research.record import RunRecord
from bot4.research.report.tables import money_text
from bot4.research.report.words import NBSP, number, percent, plural, span

FEW_TRADES = 30


def headline(record: RunRecord, figures: dict[str, Any], decimals: int) -> str:
    """One line: 'Lost 3.1 % after costs: -310.00 USDT in 31 d.' Losses as plain as gains."""
    gain = figures["total_return"]
    if figures["pnl_net"] is None:
        return "Nothing was sampled: this run has no result."
    if gain is None:
        return "The run started without equity: a return is not defined."
    days = span(figures["span_days"] * 86400e9)
    amount = money_text(figures["pnl_net"], decimals, record.currency, sign=True)
    where = " on generated data" if record.meta.get("synthetic") else ""
    if figures["pnl_net"] == 0:
        idle = "without a trade" if figures["fills"] == 0 else "after costs"
        return f"Neither gained nor lost {idle}, in {days}{where}."
    verb = "Gained" if gain > 0 else "Lost"
    return f"{verb} {percent(abs(gain))} after costs: {amount} in {days}{where}."


def holding(record: RunRecord) -> float | None:
    """Return of holding instrument 0 over the same samples, before costs; None when not marked."""
    price = record.equity["price"]
    known = price[price > 0]
    if len(known) < 2:
        return None
    return float(known[-1]) / float(known[0]) - 1.0


def notes(record: RunRecord, figures: dict[str, Any]) -> str:
    """What the headline must be read against: holding, and chance."""
    out = []
    held = holding(record)
    if held is not None and record.instruments:
        out.append(
            f"Holding {record.instruments[0].symbol} instead: {percent(held, sign=True)} before costs."
        )
    ratio, error = figures["sharpe"], figures["sharpe_error"]
    if ratio is not None and error is not None:
        if abs(ratio) < 2.0 * error:
            out.append(
                f"The Sharpe ratio of {number(ratio)} has a standard error of {number(error)}: "
                "this sample cannot tell skill from luck."
            )
        else:
            out.append(
                f"The Sharpe ratio of {number(ratio)} is {number(abs(ratio) / error, 1)} standard errors "
                "from nil; how many variants were tried before is not counted in."
            )
    out.append("This is what happened in this run, not a forecast.")
    return " ".join(out)


def cautions(record: RunRecord, figures: dict[str, Any], decimals: int) -> list[str]:
    """Warnings of the run itself, then those that its figures call for."""
    out = [str(text) for text in record.meta.get("warnings") or []]
    if not record.meta.get("model"):
        out.append("No model: the ML half abstains, so only technical signals could open a position.")
    if 0 < figures["trades"] < FEW_TRADES:
        out.append(f"Only {plural(figures['trades'], 'round trip')}: win rate and profit factor mean little.")
    out += _ambiguous(record, figures, decimals)
    if figures["gap_fills"]:
        lost = money_text(figures["costs"]["gap_loss"], decimals, record.currency)
        out.append(
            f"{plural(figures['gap_fills'], 'fill')} past a gap: the market jumped over the stop, at a loss "
            f"of {lost} beyond it. A stop limits a loss only where the market trades."
        )
    if figures["open_positions"]:
        out.append(
            f"{plural(figures['open_positions'], 'position')} still open at the end, valued at the last mark."
        )
    if record.round_trips.unmatched:
        out.append(
            f"{plural(record.round_trips.unmatched, 'fill')} of orders that are not in this record: "
            "their fees count, their round trips are not known."
        )
    if len(record.equity) and int(record.equity["equity"].min()) <= 0:
        out.append("Equity fell to nil or below: returns and ratios end there.")
    return out


def _ambiguous(record: RunRecord, figures: dict[str, Any], decimals: int) -> list[str]:
    n = figures["ambiguous_fills"]
    if not n:
        return []
    text = f"{plural(n, 'bar')} held both stop and target; the worse was taken."
    bounds = record.meta.get("bounds") or {}
    low, high = bounds.get("pnl_net"), bounds.get("pnl_net_upper")
    if low is None or high is None or not np.isfinite(low) or not np.isfinite(high):
        return [text]
    ends = [number(float(record.money(units)), decimals, sign=True) for units in (low, high)]
    unit = f"{NBSP}{record.currency}" if record.currency else ""
    return [f"{text} The net result lies between {ends[0]} and {ends[1]}{unit}."]
