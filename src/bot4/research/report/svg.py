"""Line and area charts over time, drawn as SVG text.

A chart is drawn three times, for wide, middle and narrow screens, and a style sheet shows the one
that fits: scaling one drawing would scale its letters too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bot4.research.report.axes import domain, number_ticks, thin, time_ticks
from bot4.research.report.words import NBSP, esc, number

Array = np.ndarray[Any, Any]


class Size(NamedTuple):
    """One of the three drawings: its class, width and height scale, and most points of a line."""

    name: str
    width: int
    stretch: float
    points: int


SIZES = (Size("wide", 1080, 1.0, 2000), Size("middle", 680, 0.95, 1200), Size("narrow", 340, 0.85, 600))
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 10, 24


class Marker(NamedTuple):
    """A glyph at a time and value: 'long', 'short', 'win', 'loss' or 'stop', with its tooltip."""

    ts: int
    value: float
    shape: str
    text: str


class Link(NamedTuple):
    """A thin line from entry to exit, of class 'pos' or 'neg'."""

    ts0: int
    value0: float
    ts1: int
    value1: float
    css: str


@dataclass(frozen=True)
class Chart:
    """One series over time. `values` may hold NaN, which breaks the line.

    `scale` multiplies values for the axis and the tooltip (100 for percent), `unit` names them.
    `base` is where an area ends; on a line chart it is drawn dashed.
    """

    key: str
    title: str
    ts: Array
    values: Array
    t0: int
    t1: int
    height: int = 260
    unit: str = ""
    scale: float = 1.0
    decimals: int = 2
    css: str = "line"
    area: bool = False
    base: float | None = None
    low: float | None = None
    high: float | None = None
    markers: Sequence[Marker] = field(default_factory=tuple)
    links: Sequence[Link] = field(default_factory=tuple)


class _Frame(NamedTuple):
    """From time and value to the drawing's coordinates."""

    t0: float
    t1: float
    low: float
    high: float
    width: int
    height: int

    def x(self, ts: float) -> float:
        return LEFT + (ts - self.t0) / (self.t1 - self.t0) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - part * (self.height - TOP - BOTTOM)


def _frame(chart: Chart, size: Size) -> _Frame:
    extra = [chart.base] if chart.base is not None else []
    extra += [m.value for m in chart.markers]
    low, high = domain(chart.values, *extra)
    if chart.low is not None:
        low = chart.low
    if chart.high is not None:
        high = chart.high
    if high <= low:
        high = low + 1.0
    t0, t1 = chart.t0, chart.t1
    if t1 <= t0:  # one sample: a minute of room on both sides
        t0, t1 = t0 - 60 * 10**9, t1 + 60 * 10**9
    return _Frame(t0, t1, low, high, size.width, round(chart.height * size.stretch))


def _runs(xs: Array, ys: Array) -> list[tuple[Array, Array]]:
    """The stretches of a line between gaps."""
    good = np.isfinite(ys)
    cuts = np.flatnonzero(np.diff(good.astype(np.int8))) + 1
    parts = zip(np.split(xs, cuts), np.split(ys, cuts), np.split(good, cuts), strict=True)
    return [(px, py) for px, py, keep in parts if len(keep) and keep[0]]


def _path(xs: Array, ys: Array) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))


def _line(chart: Chart, frame: _Frame, limit: int) -> str:
    keep = thin(chart.values, limit)
    xs = frame.x(chart.ts[keep].astype(np.float64))  # type: ignore[arg-type]
    ys = frame.y(np.asarray(chart.values, np.float64)[keep])  # type: ignore[arg-type]
    ys = np.clip(ys, TOP - 4.0, frame.height - BOTTOM + 4.0)
    out = []
    floor = frame.y(min(max(chart.base or 0.0, frame.low), frame.high))
    for px, py in _runs(np.asarray(xs), np.asarray(ys)):
        if len(px) == 1:
            out.append(f'<circle class="{chart.css} dot" cx="{px[0]:.1f}" cy="{py[0]:.1f}" r="3"/>')
            continue
        line = _path(px, py)
        if chart.area:
            close = f"L{px[-1]:.1f} {floor:.1f}L{px[0]:.1f} {floor:.1f}Z"
            out.append(f'<path class="{chart.css} fill" d="{line}{close}"/>')
        out.append(f'<path class="{chart.css}" d="{line}"/>')
    return "".join(out)


def _y_axis(chart: Chart, frame: _Frame) -> str:
    ticks, decimals = number_ticks(
        frame.low * chart.scale, frame.high * chart.scale, max(3, (frame.height - TOP - BOTTOM) // 46)
    )
    percent = NBSP + "%" if chart.unit == "%" else ""
    out = []
    for tick in ticks:
        y = frame.y(tick / chart.scale)
        out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{frame.width - RIGHT}"/>')
        text = number(tick, decimals) + percent
        out.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(out)


def _x_axis(frame: _Frame) -> str:
    room = max(2, (frame.width - LEFT - RIGHT) // 88)
    bottom = frame.height - BOTTOM
    out = [f'<path class="axis" d="M{LEFT} {bottom}H{frame.width - RIGHT}"/>']
    for tick in time_ticks(int(frame.t0), int(frame.t1), room):
        x = frame.x(tick.at)
        half = len(tick.text) * 3.2
        centre = min(x, frame.width - half - 1)
        out.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        out.append(
            f'<text class="tick" x="{centre:.1f}" y="{bottom + 17}" text-anchor="middle">{tick.text}</text>'
        )
    return "".join(out)


def _base(chart: Chart, frame: _Frame) -> str:
    if chart.base is None or not frame.low <= chart.base <= frame.high or chart.area:
        return ""
    y = frame.y(chart.base)
    return f'<path class="base" d="M{LEFT} {y:.1f}H{frame.width - RIGHT}"/>'


_GLYPHS: dict[str, Callable[[float, float], str]] = {
    "long": lambda x, y: f"M{x:.1f} {y - 5:.1f}l5 9h-10z",
    "short": lambda x, y: f"M{x:.1f} {y + 5:.1f}l5 -9h-10z",
    "win": lambda x, y: f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "loss": lambda x, y: f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "stop": lambda x, y: f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8",
}


def glyph(shape: str) -> str:
    """The glyph of a marker alone, for a legend."""
    return f'<svg class="key" viewBox="0 0 14 14"><path class="m {shape}" d="{_GLYPHS[shape](7, 7)}"/></svg>'


def _markers(chart: Chart, frame: _Frame) -> str:
    out = [
        f'<path class="link {k.css}" d="M{frame.x(k.ts0):.1f} {frame.y(k.value0):.1f}'
        f'L{frame.x(k.ts1):.1f} {frame.y(k.value1):.1f}"/>'
        for k in chart.links
    ]
    for m in chart.markers:
        if math.isfinite(m.value):
            shape = _GLYPHS[m.shape](frame.x(m.ts), frame.y(m.value))
            out.append(f'<path class="m {m.shape}" d="{shape}"><title>{esc(m.text)}</title></path>')
    return "".join(out)


def _drawing(chart: Chart, size: Size) -> str:
    frame = _frame(chart, size)
    geometry = (
        f'data-t0="{frame.t0 / 1e6:.0f}" data-t1="{frame.t1 / 1e6:.0f}" data-lo="{frame.low!r}" '
        f'data-hi="{frame.high!r}" data-box="{LEFT} {RIGHT} {TOP} {BOTTOM}"'
    )
    return (
        f'<svg class="chart {size.name}" viewBox="0 0 {size.width} {frame.height}" role="img" '
        f'aria-label="{esc(chart.title)}" data-chart="{esc(chart.key)}" {geometry}>'
        f"{_y_axis(chart, frame)}{_x_axis(frame)}{_line(chart, frame, size.points)}"
        f'{_base(chart, frame)}{_markers(chart, frame)}<g class="cross"></g></svg>'
    )


def draw(chart: Chart) -> str:
    """The chart as three SVG drawings in one block; a line of words when it has no samples."""
    if len(chart.ts) == 0 or not np.isfinite(np.asarray(chart.values, np.float64)).any():
        return '<p class="none">No samples were recorded.</p>'
    return f'<div class="plot">{"".join(_drawing(chart, size) for size in SIZES)}</div>'


def points(chart: Chart, limit: int = 2000) -> dict[str, Any]:
    """The chart's thinned samples for the tooltip: times in ms, values as drawn; null for NaN."""
    keep = thin(chart.values, limit)
    shown = np.asarray(chart.values, np.float64)[keep]
    digits = max(0, chart.decimals) + (2 if chart.scale == 100.0 else 0)
    return {
        "t": (chart.ts[keep] // 10**6).tolist(),
        "v": [round(v, digits) if math.isfinite(v) else None for v in shown.tolist()],
        "name": chart.title,
        "unit": chart.unit,
        "scale": chart.scale,
        "dec": chart.decimals,
    }
