"""Which charts a run gets, and what is marked on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.model.codes_nb import FOR_STOP
from bot4.model.names import PURPOSES
from bot4.model.values import places as places_of
from bot4.research.metrics import drawdowns
from bot4.research.record import RunRecord
from bot4.research.report.svg import Chart, Link, Marker
from bot4.research.report.words import label, moment, number

MAX_MARKED = 120
"""Beyond this many round trips, marks hide the price; the largest results stay."""


def all_charts(record: RunRecord, figures: dict[str, Any], decimals: int) -> list[Chart]:
    """Equity, drawdown, exposure and price, all over the same span of time."""
    samples = record.equity
    ts = samples["ts"]
    t0, t1 = (int(ts[0]), int(ts[-1])) if len(ts) else (0, 0)
    equity = samples["equity"].astype(np.float64) * 10.0**-record.money_exp
    below = -drawdowns(equity)
    deepest = float(-below.min()) if len(below) else 0.0
    out = [
        Chart(
            "equity",
            "Equity",
            ts,
            equity,
            t0,
            t1,
            unit=record.currency,
            decimals=decimals,
            base=figures["start_equity"],
        ),
        Chart(
            "drawdown",
            "Drawdown",
            ts,
            below,
            t0,
            t1,
            height=150,
            unit="%",
            scale=100.0,
            css="line down",
            area=True,
            base=0.0,
            low=-max(deepest * 1.08, 0.001),
            high=0.0,
        ),
        _exposure(record, ts, equity, t0, t1),
    ]
    if record.instruments:
        out.append(_price(record, ts, t0, t1))
    return out


def _exposure(record: RunRecord, ts: Any, equity: Any, t0: int, t1: int) -> Chart:
    scale = 10.0**-record.money_exp
    gross = record.equity["exposure"] * scale
    net = record.equity["net"] * scale
    with np.errstate(divide="ignore", invalid="ignore"):
        # one signed line while all positions stand on one side; gross where longs and shorts are held at once
        signed = np.where(np.abs(net) >= gross * 0.999, net, gross)
        share = np.where(equity > 0, signed / equity, np.nan)
    return Chart(
        "exposure",
        "Exposure",
        ts,
        share,
        t0,
        t1,
        height=150,
        unit="%",
        scale=100.0,
        decimals=1,
        area=True,
        base=0.0,
    )


def _price(record: RunRecord, ts: Any, t0: int, t1: int) -> Chart:
    first = record.instruments[0]
    tick = float(first.tick)
    places = places_of(first.tick)
    raw = record.equity["price"].astype(np.float64)
    price = np.where(raw > 0, raw * tick, np.nan)
    markers, links = _marks(record, tick, places)
    return Chart(
        "price",
        first.symbol,
        ts,
        price,
        t0,
        t1,
        height=320,
        unit=first.quote,
        decimals=places,
        css="line quiet",
        markers=markers,
        links=links,
    )


def _marks(record: RunRecord, tick: float, places: int) -> tuple[list[Marker], list[Link]]:
    own = record.trades[record.trades["instrument"] == 0]
    if len(own) > MAX_MARKED:
        largest = np.argsort(-np.abs(own["pnl"]), kind="stable")[:MAX_MARKED]
        own = own[np.sort(largest)]
    markers: list[Marker] = []
    links: list[Link] = []
    for row in own:
        side = "long" if row["side"] > 0 else "short"
        entry, leave = float(row["entry_price"]) * tick, float(row["exit_price"]) * tick
        pnl = float(record.money(row["pnl"]))
        shape = "win" if pnl > 0 else "stop" if row["reason"] == FOR_STOP else "loss"
        why = label(PURPOSES.get(int(row["reason"]), "?"))
        result = f"{number(pnl, 2, sign=True)} {record.currency}"
        start, end = int(row["entry_ts"]), int(row["exit_ts"])
        markers.append(Marker(start, entry, side, f"{side} at {number(entry, places)}, {moment(start)} UTC"))
        markers.append(
            Marker(end, leave, shape, f"{why} at {number(leave, places)}, {moment(end)} UTC: {result}")
        )
        links.append(Link(start, entry, end, leave, "pos" if pnl > 0 else "neg" if pnl < 0 else "flat"))
    return markers, links
