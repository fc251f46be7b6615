"""Draw found patterns on recorded hourly bars as small SVG files: docs/images/pattern-*.svg.

python benchmarks/pattern_pictures.py
The first of each kind in the recording is drawn, not the finest.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from bot4.features.chart_patterns import SHAPES
from bot4.features.elliott import DEGREE_NAMES, standing_counts
from bot4.features.harmonic import PATTERNS
from bot4.features.library import get
from bot4.features.plan import run_feature
from common import HERE, SHARED

OUT = HERE.parent / "docs/images"
W, H, PAD = 640, 300, 34


class Picture(NamedTuple):
    """Bars first..last with marked points (bar, price, label), levels (price, label) and a title."""

    name: str
    title: str
    first: int
    last: int
    points: list[tuple[int, float, str]]
    levels: list[tuple[float, str]]
    told: int


def svg(rows: np.ndarray, p: Picture) -> str:
    """The picture as SVG text, in colours that stand on light and dark pages."""
    part = rows[p.first : p.last + 1]
    prices = [part[:, 1].max(), part[:, 2].min(), *(v for v, _ in p.levels)]
    top, foot = max(prices), min(prices)
    span = (top - foot) or 1.0

    def x(bar: float) -> float:
        return PAD / 2 + (bar - p.first) / max(p.last - p.first, 1) * (W - PAD - 60)

    def y(price: float) -> float:
        return PAD + (top - price) / span * (H - 2 * PAD)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="11">',
        f'<rect width="{W}" height="{H}" rx="6" fill="#fbfbfa"/>',
        f'<text x="{PAD / 2}" y="18" font-weight="bold" fill="#222">{p.title}</text>',
    ]
    half = max((W - PAD - 60) / max(len(part), 1) * 0.35, 0.5)
    for i, (o, h, low, c) in enumerate(part[:, :4]):
        colour = "#2a8c6a" if c >= o else "#b5483f"
        at = x(p.first + i)
        out.append(f'<path d="M{at:.1f} {y(h):.1f}V{y(low):.1f}" stroke="{colour}" stroke-width="0.7"/>')
        height = max(abs(y(o) - y(c)), 0.6)
        out.append(
            f'<rect x="{at - half:.1f}" y="{min(y(o), y(c)):.1f}" width="{2 * half:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )
    line = " ".join(f"{x(b):.1f},{y(v):.1f}" for b, v, _ in p.points)
    out.append(f'<polyline points="{line}" fill="none" stroke="#2b5fb4" stroke-width="1.6"/>')
    for k, (b, v, label) in enumerate(p.points):
        beside = p.points[k - 1 if k else 1][1]
        up = -6 if v > beside else 14
        out.append(
            f'<text x="{x(b):.1f}" y="{y(v) + up:.1f}" text-anchor="middle" font-weight="bold" fill="#2b5fb4">{label}</text>'
        )
    for v, label in p.levels:
        out.append(
            f'<path d="M{x(p.told):.1f} {y(v):.1f}H{W - 62}" stroke="#888" stroke-dasharray="4 3"/>'
            f'<text x="{W - 58}" y="{y(v) + 4:.1f}" fill="#444">{label}</text>'
        )
    out.append(
        f'<path d="M{x(p.told):.1f} {PAD}V{H - PAD + 10}" stroke="#c08a1e" stroke-width="1"/>'
        f'<text x="{x(p.told) + 3:.1f}" y="{H - 14}" fill="#8a6414">told here</text></svg>'
    )
    return "\n".join(out) + "\n"


def pivots(rows: np.ndarray, name: str) -> list[tuple[int, int, float]]:
    """(bar of confirmation, bar, price) of every pivot."""
    out = run_feature(get(name), rows)
    return [(int(i), int(i - out[i, 2]), float(out[i, 0])) for i in np.nonzero(out[:, 3] == 1.0)[0]]


def harmonic(rows: np.ndarray, wanted: str, labels: str) -> Picture | None:
    feature = get("harmonic")
    names = [o.name for o in feature.declaration.outputs]
    out = run_feature(feature, rows)
    told = np.nonzero((out[:, names.index("confirmed")] == 1.0) & (out[:, 0] == PATTERNS.index(wanted) + 1))[
        0
    ]
    if not len(told):
        return None
    i = int(told[0])
    past = [(b, v) for c, b, v in pivots(rows, "zigzag") if c <= i][-len(labels) :]
    points = [(b, v, label) for (b, v), label in zip(past, labels, strict=True)]
    levels = [(float(out[i, names.index(n)]), t) for n, t in (("stop", "stop"), ("first_target", "0.382"), ("second_target", "0.618"), ("third_target", "1.0"))]  # fmt: skip
    first = max(points[0][0] - 8, 0)
    length = i - first
    return Picture(wanted, f"{wanted.replace('_', ' ')}, BTC 1 h", first, i + length // 2, points, levels, i)


def chart(rows: np.ndarray, wanted: str, count: int) -> Picture | None:
    out = run_feature(get("chart"), rows)
    told = np.nonzero(out[:, 0] == SHAPES.index(wanted))[0]
    if not len(told):
        return None
    i = int(told[0])
    past = [(b, v) for c, b, v in pivots(rows, "zigzag") if c <= i][-count:]
    levels = [(float(out[i, 4]), "line"), (float(out[i, 5]), "target")]
    first = max(past[0][0] - 8, 0)
    points = [(b, v, "") for b, v in past]
    return Picture(
        wanted, f"{wanted.replace('_', ' ')}, BTC 1 h", first, i + (i - first) // 2, points, levels, i
    )


def elliott(rows: np.ndarray) -> Picture | None:
    feature = get("elliott")
    names = [o.name for o in feature.declaration.outputs]
    out = run_feature(feature, rows)
    good = (np.abs(out[:, names.index("count")]) == 1.0) & (out[:, names.index("confirmed")] == 1.0)
    good &= (out[:, names.index("score")] >= 0.8) & (out[:, names.index("degree")] >= 3.0)
    told = np.nonzero(good)[0]
    if not len(told):
        return None
    i = int(told[0])
    state = feature.new_state()
    run_feature(feature, rows[: i + 1], state)
    told_degree = DEGREE_NAMES[int(out[i, names.index("degree")]) - 1]
    (count,) = (c for c in standing_counts(state) if c.degree == told_degree)
    points = [(w.bar, w.price, w.label) for w in count.waves]
    first = max(points[0][0] - 8, 0)
    title = (
        f"{count.degree.replace('_', ' ')} impulse, score {count.score:.2f}, share {count.share:.2f}, BTC 1 h"
    )
    levels = [
        (float(out[i, names.index("target")]), "target"),
        (float(out[i, names.index("limit")]), "limit"),
    ]
    return Picture("elliott_impulse", title, first, i + (i - first) // 2, points, levels, i)


def main() -> int:
    path = SHARED / "data/ohlcv/binance_spot_1h/BTC_USDT.parquet"
    if not path.exists():
        print(f"no hourly bars at {path}: set BOT4_SHARED")
        return 2
    import polars

    frame = polars.read_parquet(path)
    rows = np.zeros((len(frame), 8))
    for k, name in enumerate(("open", "high", "low", "close", "volume")):
        rows[:, k] = frame[name].cast(polars.Float64).to_numpy()
    found = [
        harmonic(rows, "gartley", "XABCD"),
        harmonic(rows, "shark", "XABCD"),
        elliott(rows),
        chart(rows, "head_and_shoulders", 6),
        chart(rows, "symmetric_triangle", 6),
        chart(rows, "double_bottom", 4),
    ]
    OUT.mkdir(exist_ok=True)
    for p in found:
        if p is not None:
            (OUT / f"pattern-{p.name.replace('_', '-')}.svg").write_text(svg(rows, p))
            print(p.name, p.told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
