"""What `bot4 run` shows while it runs: one screen, redrawn in place.

The view knows nothing of the engine: it takes a `Snapshot`, plain values in whole currency, and shows it.
On a terminal it redraws at most four times a second; elsewhere it prints one plain line a second; with
`quiet` (--json) it prints nothing. Keys of a snapshot may be missing; what is missing is shown as a dash.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot4.app.snapshot import Account, Snapshot, Vote
from bot4.model.times import instant_text

DASH = "\u2013"
MINUS = "\u2212"
WIDE = 130
REDRAW_S = 0.25
LINE_S = 1.0


# --- numbers and words ---------------------------------------------------------


def _number(value: float | None, decimals: int = 2, sign: bool = False) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{decimals}f}"
    if not any(d in text for d in "123456789"):
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def _percent(fraction: float | None, decimals: int = 2, sign: bool = False) -> str:
    text = _number(None if fraction is None else fraction * 100.0, decimals, sign)
    return text if text == DASH else text + " %"


def _span(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days} d {clock}" if days else clock


def _age(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return DASH
    return (
        f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else _span(seconds)
    )


def _style(value: float | None) -> str:
    if value is None or not math.isfinite(value) or value == 0:
        return ""
    return "green" if value > 0 else "bright_red"


def _signed(value: float | None, decimals: int = 2) -> Text:
    return Text(_number(value, decimals, sign=True), style=_style(value), justify="right")


def _instant(ns: int | None) -> str:
    return DASH if ns is None else instant_text(ns // 10**9 * 10**9).replace("T", " ").replace("Z", " UTC")


# --- sections ------------------------------------------------------------------

_CONTROL = {"normal": "green", "reduce": "yellow", "pause": "yellow", "emergency": "bold red"}
_ARROW = {1: ("\u25b2 up", "green"), -1: ("\u25bc down", "bright_red"), 0: ("\u25cf flat", "dim")}


class Section(NamedTuple):
    """A part of the screen; the lowest `rank` is the last to be left out when the screen is short."""

    name: str
    rank: int
    body: RenderableType


def _panel(title: str, body: RenderableType) -> Panel:
    return Panel(body, title=Text(title, "bold"), title_align="left", border_style="dim", padding=(0, 1))


def _table(columns: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "r" else "left", no_wrap=True, overflow="ellipsis")
    return table


def _header(s: Snapshot) -> Section:
    control = s.get("control", DASH)
    left = Text.assemble(
        ("bot4 ", "bold"),
        (s.get("mode", "run"), "bold cyan"),
        "  ",
        s.get("strategy", ""),
        "  ",
        (s.get("venue", ""), "dim"),
    )
    right = Text.assemble(("control ", "dim"), (control, _CONTROL.get(control, "")))
    if s.get("synthetic"):
        left.append("  ")
        left.append(" SYNTHETIC DATA ", "black on yellow")
    speed = s.get("speed", 1.0)
    pace = "as fast as it can" if speed is None else f"{speed:g}x"
    clocks = Text.assemble(
        ("market ", "dim"),
        _instant(s.get("market_ts")),
        ("  speed ", "dim"),
        pace,
        ("  up ", "dim"),
        _span(s.get("uptime_s")),
    )
    if s.get("remaining_s") is not None:
        clocks.append("  left ", "dim")
        clocks.append(_span(s.get("remaining_s")))
    top = Table.grid(expand=True)
    top.add_column(ratio=1)
    top.add_column(justify="right")
    top.add_row(left, right)
    lines: list[RenderableType] = [top, clocks]
    if s.get("stopped"):
        lines.append(Text(f"STOPPED {', '.join(s['stopped'])}", "bold red"))
    if s.get("notice"):
        lines.append(Text(s["notice"], "yellow"))
    return Section("header", 0, Group(*lines))


def _market(s: Snapshot) -> Section:
    table = _table(
        (
            ("instrument", "l"),
            ("bid", "r"),
            ("ask", "r"),
            ("spread", "r"),
            ("last", "r"),
            ("age", "r"),
            ("book", "l"),
        )
    )
    for row in s.get("market", []):
        bid, ask, places = row.get("bid"), row.get("ask"), row.get("decimals", 2)
        spread = DASH
        if bid and ask and bid + ask > 0 and math.isfinite(bid) and math.isfinite(ask):
            spread = _number((ask - bid) / (ask + bid) * 2e4, 2) + " bp"
        state = row.get("book", DASH)
        table.add_row(
            Text(row.get("instrument", DASH), "bold"),
            _number(bid, places),
            _number(ask, places),
            spread,
            _number(row.get("last"), places),
            _age(row.get("age_s")),
            Text(state, "green" if state == "ok" else "yellow"),
        )
    return Section("market", 2, _panel("Market", table))


def _vote(vote: Vote) -> Text:
    direction = vote.get("direction")
    text = Text.assemble((vote.get("source", "?") + " ", "dim"))
    if direction is None:
        return text.append(vote.get("remark") or "abstains", "dim")
    word, style = _ARROW.get(direction, _ARROW[0])
    return text.append(f"{word} {_number(vote.get('confidence'))}", style)


def _signals(s: Snapshot) -> Section:
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for row in s.get("signals", []):
        votes = Text("   ").join(_vote(v) for v in row.get("votes", [])) or Text(DASH)
        probability, model = row.get("probability"), row.get("model")
        if model is None:
            learned = Text("no model: abstains", "dim")
        elif probability is None:
            learned = Text.assemble(model, (" no answer yet: abstains", "dim"))
        else:
            learned = Text.assemble(model, f": P(rise) {_number(probability, 3)}")
        table.add_row(Text(row.get("instrument", DASH), "bold"), Text.assemble(("TA  ", "dim"), votes))
        score, need = row.get("score"), row.get("threshold")
        over = score is not None and need is not None and abs(score) >= need
        fused = Text.assemble(
            ("ML  ", "dim"),
            learned,
            ("   fused ", "dim"),
            (_number(score, 2, sign=True), "bold" if over else ""),
            (f" {'reaches' if over else 'below'} {_number(need)}", "dim"),
        )
        table.add_row("", fused)
    return Section("signals", 4, _panel("Signals", table))


def _held_in_words(s: Snapshot) -> str | None:
    """The positions of a live run in words: their number and worth; None where they are shown one by one."""
    held = s.get("holdings")
    if held is None or not held["count"]:
        return None
    word = "position" if held["count"] == 1 else "positions"
    return f"{held['count']} {word} worth {_number(held['value'])}"


def _positions(s: Snapshot) -> Section:
    rows = s.get("positions", [])
    if held := _held_in_words(s):
        return Section("positions", 3, _panel("Positions", Text(held)))
    if not rows:
        return Section("positions", 3, _panel("Positions", Text("flat", "dim")))
    table = _table(
        (
            ("instrument", "l"),
            ("quantity", "r"),
            ("entry", "r"),
            ("mark", "r"),
            ("unrealised", "r"),
            ("stop", "r"),
            ("target", "r"),
        )
    )
    for row in rows:
        places = row.get("decimals", 2)
        qty = row.get("qty", 0.0)
        table.add_row(
            Text(row.get("instrument", DASH), "bold"),
            Text(f"{MINUS if qty < 0 else '+'}{abs(qty):,.8g}", _style(qty)),
            _number(row.get("entry"), places),
            _number(row.get("mark"), places),
            _signed(row.get("unrealised")),
            _number(row.get("stop"), places),
            _number(row.get("target"), places),
        )
    return Section("positions", 3, _panel("Positions", table))


def _account(s: Snapshot) -> Section:
    a = s.get("account", {})
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for side in ("left", "right", "left", "right"):
        grid.add_column(justify=side, no_wrap=True, ratio=1)
    fraction = a.get("total_fraction")
    share = Text(_percent(fraction, 2, sign=True), style=_style(fraction))
    grid.add_row("equity", Text(_number(a.get("equity")), "bold"), "since start", _signed(a.get("total")))
    if "next" not in a:
        grid.add_row("today", _signed(a.get("day")), "realised", _signed(a.get("realised")))
        grid.add_row("fees", _number(a.get("fees")), "funding", _number(a.get("funding")))
    grid.add_row("drawdown", _percent(a.get("drawdown")), "return", share)
    unit = f", {s['currency']}" if s.get("currency") else ""
    return Section("account", 1, _panel(f"Result after costs{unit}{_published(a)}", grid))


def _published(a: Account) -> str:
    """Of when the result is, where it is told late."""
    if "next" not in a:
        return ""
    as_of = a.get("as_of")
    return f", as of {as_of}" if as_of else f", from {a['next']} on"


def _bar(share: float | None, width: int = 16) -> Text:
    if share is None or not math.isfinite(share):
        return Text("?" * width, "yellow")  # not known is not nil
    filled = min(width, max(0, math.ceil(share * width - 1e-9)))
    style = "red" if share >= 0.9 else "yellow" if share >= 0.6 else "green"
    return Text.assemble(("\u2588" * filled, style), ("\u2591" * (width - filled), "dim"))


def _limits(s: Snapshot) -> Section:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for row in s.get("limits", []):
        used, limit = row.get("used"), row.get("limit")
        share = used / limit if used is not None and limit is not None and limit > 0 else None
        name, text = row.get("name", DASH), row.get("text", "")
        grid.add_row(Text(name), _bar(share), _percent(share, 0), Text(text, "dim"))
    return Section("limits", 5, _panel("Limits used", grid))


def _top(refused: dict[str, int], n: int = 5) -> Text:
    if not refused:
        return Text("none", "dim")
    ranked = sorted(refused.items(), key=lambda p: (-p[1], p[0]))
    text = Text(", ").join(Text(f"{word.replace('_', ' ')} {count:,}") for word, count in ranked[:n])
    rest = sum(count for _, count in ranked[n:])
    return text.append(f", others {rest:,}", "dim") if rest else text


def _counters(s: Snapshot) -> Section:
    c = s.get("counters", {})
    line = Text.assemble(
        ("events ", "dim"),
        f"{c.get('events', 0):,}",
        ("  decisions ", "dim"),
        f"{c.get('decisions', 0):,}",
        ("  orders ", "dim"),
        f"{c.get('orders', 0):,}",
        ("  fills ", "dim"),
        f"{c.get('fills', 0):,}",
    )
    refused = Text.assemble(("refused ", "dim"), _top(c.get("refused", {})))
    return Section("counters", 6, _panel("Counts", Group(line, refused)))


def _decisions(s: Snapshot) -> Section:
    table = _table(
        (("market time", "l"), ("instrument", "l"), ("decision", "l"), ("score", "r"), ("why", "l"))
    )
    table.columns[-1].ratio = 1
    for row in s.get("decisions", [])[:5]:
        reason = row.get("reason", "").replace("_", " ")
        table.add_row(
            _instant(row.get("ts"))[11:19] or DASH,
            Text(row.get("instrument", DASH), "bold"),
            Text(row.get("outcome", DASH).replace("_", " ")),
            _number(row.get("score"), 2, sign=True),
            Text(row.get("text") or reason or DASH, "dim"),
        )
    return Section("decisions", 7, _panel("Last decisions", table))


# --- the screen ------------------------------------------------------------------


def sections(snapshot: Snapshot) -> list[Section]:
    """All parts of the screen, in the order in which they stand when stacked."""
    parts = (_header, _account, _market, _positions, _signals, _limits, _counters, _decisions)
    return [part(snapshot) for part in parts]


def _columns(left: Sequence[Section], right: Sequence[Section]) -> RenderableType:
    grid = Table.grid(expand=True, padding=0)
    grid.add_column(ratio=11)
    grid.add_column(ratio=9)
    grid.add_row(Group(*(p.body for p in left)), Group(*(p.body for p in right)))
    return grid


def _arrange(parts: Sequence[Section], width: int) -> RenderableType:
    if width < WIDE:
        return Group(*(p.body for p in parts))
    left = [p for p in parts if p.name in ("market", "positions", "signals")]
    right = [p for p in parts if p.name in ("account", "limits", "counters")]
    head = [p.body for p in parts if p.name == "header"]
    foot = [p.body for p in parts if p.name == "decisions"]
    return Group(*head, _columns(left, right), *foot)


class Screen:
    """A snapshot as a rich renderable: two columns from WIDE on; drops the lowest ranks to fit the height."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.parts = sections(snapshot)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        parts = list(self.parts)
        height = options.height or (options.max_height if console.is_terminal else None)
        free = options.update(height=None)
        while True:
            screen = _arrange(parts, options.max_width)
            lines = console.render_lines(screen, free, pad=False)
            if height is None or len(lines) <= height or len(parts) == 1:
                yield screen
                return
            parts.remove(max(parts, key=lambda p: p.rank))


def plain_line(s: Snapshot) -> str:
    """The snapshot as one line without colour, for logs and pipes."""
    a, c = s.get("account", {}), s.get("counters", {})
    held = _held_in_words(s) or " ".join(
        f"{p.get('instrument', '?')} {p.get('qty', 0.0):+.8g}" for p in s.get("positions", [])
    )
    refused = sum(c.get("refused", {}).values())
    words = [
        _instant(s.get("market_ts")),
        s.get("mode", "run") + (" SYNTHETIC" if s.get("synthetic") else ""),
        f"control {s.get('control', DASH)}"
        + (f" STOPPED {', '.join(s['stopped'])}" if s.get("stopped") else ""),
        f"equity {_number(a.get('equity'))} {s.get('currency', '')}".rstrip()
        + f" ({_percent(a.get('total_fraction'), 2, sign=True)} after costs{_published(a)})",
        f"drawdown {_percent(a.get('drawdown'))}",
        f"position {held or 'flat'}",
        f"events {c.get('events', 0):,} orders {c.get('orders', 0):,}",
        f"fills {c.get('fills', 0):,} refused {refused:,}",
    ]
    return " | ".join(words)


class LiveView:
    """Shows snapshots: a live screen on a terminal, a line a second elsewhere, nothing when `quiet`.

    Use as a context manager, so that the terminal is given back in any case, and with the last
    snapshot left standing. `clock` returns seconds and never goes back.
    """

    def __init__(
        self,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console or Console(file=sys.stdout)
        self.quiet = quiet
        self.clock = clock
        self.shown = -math.inf
        self.pending: Snapshot | None = None
        self.live: Live | None = None

    def __enter__(self) -> LiveView:
        if not self.quiet and self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=False)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pending is not None:
            self._show(self.pending)
        if self.live is not None:
            self.live.stop()
            self.live = None

    def update(self, snapshot: Snapshot) -> None:
        """Take the newest snapshot; it is drawn when the last drawing is old enough, or at the end."""
        if self.quiet:
            return
        self.pending = snapshot
        if self.clock() - self.shown >= (LINE_S if self.live is None else REDRAW_S):
            self._show(snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        self.shown = self.clock()
        self.pending = None
        if self.live is not None:
            self.live.update(Screen(snapshot), refresh=True)
        else:
            self.console.file.write(plain_line(snapshot) + "\n")
            self.console.file.flush()


__all__ = ["WIDE", "LiveView", "Screen", "Snapshot", "plain_line", "sections"]
