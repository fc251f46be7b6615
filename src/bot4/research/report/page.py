"""The page: sections put together from charts, tables and words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from bot4.model.names import REASONS
from bot4.research.metrics import monthly_returns, summary_metrics
from bot4.research.record import RunRecord
from bot4.research.report import charts, tables
from bot4.research.report.style import SCRIPT, STYLE
from bot4.research.report.svg import Chart, draw, glyph, points
from bot4.research.report.verdict import cautions, headline, notes
from bot4.research.report.words import (
    NBSP,
    NONE,
    count,
    decimals_for,
    esc,
    label,
    moment,
    number,
    percent,
    plural,
    sense,
    span,
)

Figures = dict[str, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
NOT_RECORDED = '<span class="note">not recorded</span>'


def render(record: RunRecord) -> str:
    """The run as one HTML document that loads nothing and works from a file.

    Long series are thinned to at most 2,000 points that keep every bucket's extremes; figures are computed
    from all samples. All text of the record is escaped.
    """
    figures = summary_metrics(record)
    decimals = decimals_for(figures["start_equity"])
    shown = charts.all_charts(record, figures, decimals)
    title = _title(record)
    body = "".join(
        (
            _banner(record),
            _header(record, figures, title, decimals),
            _tiles(record, figures, decimals),
            _warnings(record, figures, decimals),
            _curves(shown),
            _price(record, shown),
            _costs_and_decisions(record, figures, decimals),
            _figures(record, figures, decimals),
            _card(
                "Return by month",
                "Calendar months in UTC, in percent; the first and the last may be parts of a month.",
                tables.monthly(monthly_returns(record.equity["ts"], record.equity["equity"])),
            ),
            _card(
                "Round trips",
                "From flat to flat. The net result is after fees and before funding. Headings sort.",
                tables.trades(record, decimals),
                "long",
            ),
            _card("Settings of this run", "", tables.parameters(record.meta.get("config") or {}), "long"),
        )
    )
    series = json.dumps({c.key: points(c) for c in shown}, separators=(",", ":"), allow_nan=False)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head>\n<body><main>{body}"
        "<footer>Made by bot4. All times are UTC. What happened is no forecast.</footer>"
        f'</main>\n<script type="application/json" id="series">{_inert(series)}</script>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _inert(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _card(title: str, hint: str, body: str, css: str = "") -> str:
    words = f'<p class="hint">{esc(hint)}</p>' if hint else ""
    return f'<section class="card {css}"><h2>{esc(title)}</h2>{words}{body}</section>'


def _title(record: RunRecord) -> str:
    kind = str(record.meta.get("kind") or "run").capitalize()
    strategy = record.meta.get("strategy")
    return f"{kind} of {strategy}" if strategy else kind


def _banner(record: RunRecord) -> str:
    if not record.meta.get("synthetic"):
        return ""
    return (
        '<div class="banner" role="note"><b>SYNTHETIC DATA</b> This market was generated, not recorded. '
        "The result shows how the machinery behaves; it says nothing about profit in a real market.</div>"
    )


def _header(record: RunRecord, figures: Figures, title: str, decimals: int) -> str:
    meta = record.meta
    symbols = ", ".join(i.symbol for i in record.instruments)
    start, end = meta.get("start"), meta.get("end")
    period = NOT_RECORDED
    if start is not None and end is not None:
        period = f"{moment(start)} to {moment(end)} UTC ({span(end - start)})"
    where = " on ".join(esc(x) for x in (symbols, meta.get("venue")) if x)
    model = meta.get("model") or "no model: the ML half abstains"
    seed = meta.get("seed")
    rows = [
        ("Data", esc(meta["data"]) if meta.get("data") else NOT_RECORDED),
        ("Period", period),
        ("Model", esc(model)),
        ("Seed", NOT_RECORDED if seed is None else esc(seed)),
        ("Start equity", esc(_money(record, figures["start_equity"], decimals))),
        ("End equity", esc(_money(record, figures["end_equity"], decimals))),
    ]
    command = ""
    if meta.get("command"):
        command = f'<code class="command" title="Reproduces this run">{esc(meta["command"])}</code>'
    verdict, remarks = headline(record, figures, decimals), notes(record, figures)
    return (
        f'<header><h1>{esc(title)}</h1><p class="sub">{where}</p>'
        f'<p class="verdict">{esc(verdict)}</p><p>{esc(remarks)}</p></header>'
        f'<section class="card">{tables.facts(rows)}{command}</section>'
    )


def _money(record: RunRecord, amount: float | None, decimals: int, sign: bool = False) -> str:
    return tables.money_text(amount, decimals, record.currency, sign)


def _tiles(record: RunRecord, figures: Figures, decimals: int) -> str:
    currency = esc(record.currency)
    costs = figures["costs"]
    error = figures["sharpe_error"]
    spread = (
        f"± {number(error)} (1 s.e.), {figures['returns_step']}" if error is not None else "too few returns"
    )
    paid = costs["fees"] + costs["funding"]
    rows = [
        (
            "Net result after costs",
            number(figures["pnl_net"], decimals, sign=True),
            currency,
            sense(figures["pnl_net"]),
            f"before fees and funding {number(figures['pnl_gross'], decimals, sign=True)}",
        ),
        (
            "Return",
            percent(figures["total_return"], sign=True),
            "",
            sense(figures["total_return"]),
            _a_year(figures["cagr"]),
        ),
        ("Sharpe ratio (annualised)", number(figures["sharpe"]), "", "", spread),
        (
            "Deepest drawdown",
            percent(figures["max_drawdown"]),
            "",
            "",
            f"longest below a peak {_days(figures['drawdown_days'])}",
        ),
        ("Round trips", count(figures["trades"]), "", "", _holding(figures)),
        (
            "Win rate",
            percent(figures["win_rate"]),
            "",
            "",
            f"profit factor {number(figures['profit_factor'])}",
        ),
        (
            "Fees and funding",
            number(paid, decimals),
            currency,
            "",
            f"fees {number(costs['fees'], decimals)}, funding {number(costs['funding'], decimals)}",
        ),
        (
            "Time in the market",
            percent(figures["exposure_share"]),
            "",
            "",
            f"mean exposure {percent(figures['mean_leverage'])} of equity",
        ),
    ]
    body = "".join(
        f'<div class="tile"><span>{esc(name)}</span><b class="{css}">{value}'
        f"{f' <small>{unit}</small>' if unit else ''}</b><span>{esc(under)}</span></div>"
        for name, value, unit, css, under in rows
    )
    return f'<div class="tiles">{body}</div>'


def _a_year(growth: float | None) -> str:
    return f"{percent(growth, sign=True)} a year" if growth is not None else "too short for a rate a year"


def _days(days: float | None) -> str:
    return span(days * 86400e9) if days is not None else NONE


def _holding(figures: Figures) -> str:
    hours = figures["mean_hold_hours"]
    held = f"held {span(hours * 3600e9)} on average" if hours is not None else "none closed"
    still = figures["open_positions"]
    return held + (f"; {count(still)} still open" if still else "")


def _warnings(record: RunRecord, figures: Figures, decimals: int) -> str:
    items = cautions(record, figures, decimals)
    if not items:
        return ""
    body = "".join(f"<li>{esc(text)}</li>" for text in items)
    return f'<section class="card warn"><h2>Read this before the numbers</h2><ul>{body}</ul></section>'


def _chart(shown: Sequence[Chart], key: str) -> str:
    return draw(next(c for c in shown if c.key == key))


def _curves(shown: Sequence[Chart]) -> str:
    return _card(
        "Equity",
        "Cash and positions at the mark, after all costs. The dashed line is the start.",
        _chart(shown, "equity")
        + '<h2 style="margin-top:14px">Drawdown</h2><p class="hint">Below the highest equity so far.</p>'
        + _chart(shown, "drawdown")
        + '<h2 style="margin-top:14px">Exposure</h2>'
        + '<p class="hint">Sum of all positions at the mark, as a share of equity; below nil: net short.</p>'
        + _chart(shown, "exposure"),
    )


_LEGEND = (
    ("long", "entry, long"),
    ("short", "entry, short"),
    ("win", "exit with a gain"),
    ("loss", "exit with a loss"),
    ("stop", "stopped out"),
)


def _price(record: RunRecord, shown: Sequence[Chart]) -> str:
    if not record.instruments:
        return ""
    chart = next(c for c in shown if c.key == "price")
    legend = "".join(f"<span>{glyph(shape)}{text}</span>" for shape, text in _LEGEND)
    own = int((record.trades["instrument"] == 0).sum())
    note = f"{record.instruments[0].symbol}, in {record.instruments[0].quote}."
    if own > charts.MAX_MARKED:
        note += f" Marked are the {charts.MAX_MARKED} round trips with the largest result of {count(own)}."
    return _card("Price and trades", note, draw(chart) + f'<div class="legend">{legend}</div>')


def _costs_and_decisions(record: RunRecord, figures: Figures, decimals: int) -> str:
    codes, counts = np.unique(record.decisions["outcome"], return_counts=True)
    outcomes = {
        REASONS.get(int(code), f"outcome {int(code)}"): int(n) for code, n in zip(codes, counts, strict=True)
    }
    decided = _card(
        "Decisions",
        f"{plural(len(record.decisions), 'decision')} by outcome.",
        tables.count_bars(outcomes, "No decision was recorded."),
    )
    refused = _card(
        "Refused orders",
        f"{plural(figures['refused'], 'intent')} stopped by a check, by reason.",
        tables.count_bars(record.refusals, "No check refused an order."),
    )
    costs = _card("What it cost", "", _cost_bars(record, figures, decimals))
    return f'<div class="pair"><div>{costs}</div><div>{decided}{refused}</div></div>'


def _cost_bars(record: RunRecord, figures: Figures, decimals: int) -> str:
    costs, traded = figures["costs"], figures["turnover"]

    def bar(name: str, amount: float | None) -> tables.Bar:
        if amount is None:
            return tables.Bar(name, 0.0, "not known", "no decision price on record")
        share = f"{number(amount / traded * 1e4, 2)} bp of turnover" if traded > 0 else ""
        return tables.Bar(name, amount, number(amount, decimals), share, "pos" if amount < 0 else "neg")

    largest = max((abs(v) for v in costs.values() if v is not None), default=0.0)
    paid = tables.bars([bar("Fees", costs["fees"]), bar("Funding", costs["funding"])], "", largest)
    inside = tables.bars(
        [bar("Slippage", costs["slippage"]), bar("Gap loss", costs["gap_loss"])], "", largest
    )
    rows = [
        ("Result before fees and funding", number(figures["pnl_gross"], decimals, sign=True)),
        ("Fees and funding", number(-(costs["fees"] + costs["funding"]), decimals, sign=True)),
        ("Net result", number(figures["pnl_net"], decimals, sign=True)),
        ("Turnover", f"{number(traded, 0)} ({number(figures['turnover_times'], 1)} times equity)"),
    ]
    bounds = record.meta.get("bounds") or {}
    low, high = bounds.get("pnl_net"), bounds.get("pnl_net_upper")
    if figures["ambiguous_fills"] and low is not None and high is not None and low == low and high == high:
        text = (
            f"{number(float(record.money(low)), decimals, sign=True)} to "
            f"{number(float(record.money(high)), decimals, sign=True)}"
        )
        rows.append(("Net result, bounds of ambiguous bars", text))
    unit = f" in {record.currency}" if record.currency else ""
    return (
        f'<p class="hint">Paid{esc(unit)}, and taken out of the net result.</p>{paid}'
        '<p class="hint" style="margin-top:12px">Inside the prices of the fills: already part of the '
        f"result before fees.</p>{inside}{tables.facts([(n, esc(v)) for n, v in rows], 'figures one')}"
    )


def _figures(record: RunRecord, figures: Figures, decimals: int) -> str:
    year = figures["turnover_times_year"]

    def text(value: float | None, places: int = 2) -> str:
        return number(value, places)

    rows = [
        ("Growth a year", percent(figures["cagr"], sign=True)),
        ("Volatility a year", percent(figures["volatility"])),
        ("Sharpe ratio", text(figures["sharpe"])),
        ("Chance that true Sharpe > 0", percent(figures["sharpe_probability"])),
        ("Sortino ratio", text(figures["sortino"])),
        ("Calmar ratio", text(figures["calmar"])),
        ("Profit factor", text(figures["profit_factor"])),
        ("Expectancy a round trip", number(figures["expectancy"], decimals, sign=True)),
        ("Best round trip", number(figures["best_trade"], decimals, sign=True)),
        ("Worst round trip", number(figures["worst_trade"], decimals, sign=True)),
        ("Orders", count(figures["orders"])),
        ("Fills", count(figures["fills"])),
        ("Fills as maker", percent(figures["maker_share"])),
        ("Fills past a gap", count(figures["gap_fills"])),
        ("Turnover a year", f"{number(year, 1)} times" if year is not None else NONE),
    ]
    rows += [
        (label(name).capitalize(), _fact(value))
        for name, value in record.summary.items()
        if not name.endswith("_units") and isinstance(value, int | float | str)
    ]
    hint = (
        f"Ratios from {plural(figures['returns_count'], 'return')} ({figures['returns_step']}), a year of "
        f"365 days, no riskless rate. {NONE}{NBSP}means: not defined for this run."
    )
    return _card("All figures", hint, tables.facts([(n, esc(v)) for n, v in rows], "figures"))


def _fact(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return count(value) if isinstance(value, int) else number(value)
