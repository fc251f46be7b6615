"""Tables and bars of the report, as HTML text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bot4.model.codes_nb import FLAG_AMBIGUOUS, FLAG_GAP
from bot4.model.names import PURPOSES
from bot4.model.values import places as places_of
from bot4.research.metrics import MonthReturn
from bot4.research.record import RunRecord
from bot4.research.report.words import (
    NBSP,
    NONE,
    count,
    esc,
    label,
    moment,
    number,
    percent,
    sense,
    span,
)

MAX_TRADES = 500
MAX_BARS = 12
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Bar(NamedTuple):
    """One bar: label, size (its sign gives the colour), the value as text, and a remark."""

    name: str
    size: float
    text: str
    remark: str = ""
    css: str = ""


def bars(rows: Sequence[Bar], empty: str, largest: float = 0.0) -> str:
    """Horizontal bars, scaled to `largest` or their own largest; the sentence `empty` when there are none."""
    if not rows:
        return f'<p class="none">{esc(empty)}</p>'
    top = max((abs(r.size) for r in rows if math.isfinite(r.size)), default=0.0)
    top = max(top, largest) or 1.0
    out = []
    for r in rows:
        width = 100.0 * abs(r.size) / top if math.isfinite(r.size) else 0.0
        fill = f'<i class="{esc(r.css)}" style="width:{width:.1f}%"></i>' if width > 0.0 else ""
        remark = f'<span class="remark">{esc(r.remark)}</span>' if r.remark else ""
        out.append(
            f'<div class="bar"><span class="name">{esc(r.name)}{remark}</span><span class="track">'
            f"{fill}</span>"
            f'<span class="num">{esc(r.text)}</span></div>'
        )
    return f'<div class="bars">{"".join(out)}</div>'


def count_bars(counts: Mapping[str, int], empty: str) -> str:
    """Counts by word, the largest first, the tail beyond MAX_BARS summed."""
    ranked = sorted(((n, w) for w, n in counts.items() if n), key=lambda p: (-p[0], p[1]))
    rest = sum(n for n, _ in ranked[MAX_BARS:])
    total = sum(n for n, _ in ranked)
    shown = [(w, n) for n, w in ranked[:MAX_BARS]]
    if rest:
        shown.append(("all others", rest))
    return bars([Bar(label(w), n, f"{count(n)} ({percent(n / total)})") for w, n in shown], empty)


def facts(rows: Iterable[tuple[str, str]], css: str = "facts") -> str:
    """Name and value pairs; the values must be safe HTML."""
    body = "".join(f"<div><dt>{esc(name)}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="{css}">{body}</dl>'


def _heat(value: float | None, top: float) -> str:
    if value is None or value == 0 or top <= 0:
        return ""
    share = 8 + 47 * min(1.0, abs(value) / top)
    return f' style="--heat:{share:.0f}%" class="{sense(value)}"'


def monthly(months: Sequence[MonthReturn]) -> str:
    """Returns by year and month, coloured by size, with the compounded year."""
    if not months:
        return '<p class="none">No samples were recorded.</p>'
    by_year: dict[int, dict[int, float | None]] = {}
    for m in months:
        by_year.setdefault(m.year, {})[m.month] = m.value
    top = max((abs(m.value) for m in months if m.value is not None), default=0.0)
    head = "".join(f"<th>{name}</th>" for name in MONTHS)
    body = []
    for year, values in by_year.items():
        cells = []
        growth: float | None = 1.0
        for month in range(1, 13):
            if month not in values:
                cells.append("<td></td>")
                continue
            value = values[month]
            growth = None if growth is None or value is None else growth * (1.0 + value)
            cells.append(f"<td{_heat(value, top)}>{_short(value)}</td>")
        total = None if growth is None else growth - 1.0
        body.append(
            f'<tr><th>{year}</th>{"".join(cells)}<td class="sum {sense(total)}">{_short(total)}</td></tr>'
        )
    return (
        f'<div class="scroll"><table class="months"><thead><tr><th>%</th>{head}<th>Year</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _short(value: float | None) -> str:
    return NONE if value is None else number(value * 100.0, 2 if abs(value) < 1.0 else 0, sign=True)


_COLUMNS = (
    ("#", "num"),
    ("Instrument", "text"),
    ("Side", "text"),
    ("Entry, UTC", "text"),
    ("Held", "num"),
    ("Quantity", "num"),
    ("Entry price", "num"),
    ("Exit price", "num"),
    ("Net result", "num"),
    ("Return", "num"),
    ("Fees", "num"),
    ("Closed by", "text"),
)


def trades(record: RunRecord, decimals: int) -> str:
    """The first MAX_TRADES round trips; a click on a heading sorts (data-v holds the value)."""
    rows = record.trades[:MAX_TRADES]
    if len(rows) == 0:
        return '<p class="none">No round trip was closed in this run.</p>'
    head = "".join(
        f'<th class="{css}" data-sort><button type="button">{esc(name)}</button></th>'
        for name, css in _COLUMNS
    )
    body = "".join(_trade(record, index, row, decimals) for index, row in enumerate(rows, 1))
    note = ""
    if len(record.trades) > MAX_TRADES:
        note = (
            f'<p class="note">The first {MAX_TRADES} of {count(len(record.trades))} round trips; '
            "every figure above counts all of them.</p>"
        )
    return (
        f'<div class="scroll"><table class="trades"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _trade(record: RunRecord, index: int, row: Any, decimals: int) -> str:
    instrument = record.instruments[int(row["instrument"])]
    tick, lot = float(instrument.tick), float(instrument.lot)
    places = places_of(instrument.tick)
    qty_places = places_of(instrument.lot)
    entry, qty = float(row["entry_price"]) * tick, int(row["qty"]) * lot
    pnl, fees = float(record.money(row["pnl"])), float(record.money(row["fees"]))
    size = entry * qty
    part = pnl / size if size > 0 else None
    held = int(row["exit_ts"] - row["entry_ts"])
    tags = "".join(
        f' <b class="tag">{word}</b>'
        for bit, word in ((FLAG_GAP, "gap"), (FLAG_AMBIGUOUS, "ambiguous"))
        if int(row["flags"]) & bit
    )
    side = "long" if row["side"] > 0 else "short"
    cells = (
        (index, "num", str(index)),
        (instrument.symbol, "text", esc(instrument.symbol)),
        (side, "text", side),
        (int(row["entry_ts"]), "text", moment(row["entry_ts"])),
        (held, "num", span(held)),
        (qty, "num", number(qty, qty_places)),
        (entry, "num", number(entry, places)),
        (float(row["exit_price"]) * tick, "num", number(float(row["exit_price"]) * tick, places)),
        (pnl, f"num {sense(pnl)}", number(pnl, decimals, sign=True)),
        (part or 0.0, f"num {sense(part)}", _short(part) + NBSP + "%"),
        (fees, "num", number(fees, decimals)),
        (
            label(PURPOSES.get(int(row["reason"]), "?")),
            "text",
            label(PURPOSES.get(int(row["reason"]), "?")) + tags,
        ),
    )
    return (
        "<tr>"
        + "".join(f'<td class="{css}" data-v="{esc(v)}">{text}</td>' for v, css, text in cells)
        + "</tr>"
    )


def flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text) pairs, in their order."""
    out: list[tuple[str, str]] = []
    for name, value in config.items():
        full = f"{prefix}{name}"
        if isinstance(value, Mapping):
            out += flatten(value, full + ".")
        elif isinstance(value, list | tuple):
            out.append((full, ", ".join(str(v) for v in value) or "none"))
        else:
            out.append((full, "none" if value is None else str(value)))
    return out


def parameters(config: Mapping[str, Any]) -> str:
    """All settings of the run."""
    rows = flatten(config)
    if not rows:
        return '<p class="none">No settings were recorded.</p>'
    return facts([(name, esc(value)) for name, value in rows], "params")


def money_text(amount: float | None, decimals: int, currency: str, sign: bool = False) -> str:
    """An amount with its currency."""
    text = number(amount, decimals, sign)
    return f"{text}{NBSP}{currency}" if currency and text != NONE else text
