"""Pictures of features: a small SVG for the docs, a few lines of blocks for the terminal, a page of all."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from bot4.features.declare import BAR, Feature, number
from bot4.features.library import defaults, groups
from bot4.features.plan import run_feature

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]

WIDTH: Final = 300
HEIGHT: Final = 110
POINTS: Final = 110
"""Bars in a picture, the newest ones."""
_COLOURS: Final = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a")
_PRICE: Final = "#9e9e9e"
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def _bounds(lines: list[Array]) -> tuple[float, float]:
    seen = np.concatenate([line[np.isfinite(line)] for line in lines]) if lines else np.zeros(0)
    if not len(seen):
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    return (low - 0.5, high + 0.5) if high <= low else (low, high)


def _path(line: Array, bounds: tuple[float, float], top: int, bottom: int, colour: str) -> str:
    """One line as a path of whole pixels; a NaN breaks it."""
    low, high = bounds
    words: list[str] = []
    pen = "M"
    for k, value in enumerate(line):
        if not math.isfinite(value):
            pen = "M"
            continue
        x = round(k * (WIDTH - 8) / max(len(line) - 1, 1)) + 4
        y = round(bottom - (value - low) / (high - low) * (bottom - top))
        words.append(f"{pen}{x} {y}")
        pen = "L"
    return f'<path d="{"".join(words)}" stroke="{colour}"/>' if words else ""


def picture(feature: Feature, rows: Array) -> str:
    """The newest bars as SVG, up to four lines: prices over the close, others in a panel under it."""
    out = run_feature(feature, rows)[-POINTS:]
    close = rows[-POINTS:, 3]
    specs = feature.declaration.outputs[: len(_COLOURS)]
    lines = [out[:, k] for k in range(len(specs))]
    usual = float(np.median(close))
    near = [
        s.unit == "price" and bool(np.nanmax(np.abs(line - usual), initial=0) < usual / 2)
        for s, line in zip(specs, lines, strict=True)
    ]
    over = [line for line, n in zip(lines, near, strict=True) if n]
    apart = [line for line, n in zip(lines, near, strict=True) if not n]
    split = HEIGHT - 6 if not apart else 40
    price_bounds = _bounds([close, *over])
    own_bounds = _bounds(apart)
    parts = [_path(close, price_bounds, 6, split, _PRICE)]
    for line, colour, n in zip(lines, _COLOURS, near, strict=False):
        where = (price_bounds, 6, split) if n else (own_bounds, split + 8, HEIGHT - 6)
        parts.append(_path(line, *where, colour))
    title = escape(feature.name)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
        f'<title>{title}</title><g fill="none" stroke-width="1">{"".join(parts)}</g></svg>\n'
    )


def blocks(line: Array, width: int = 72) -> str:
    """The newest values as one row of blocks, between the least and the most of them."""
    tail = line[-width:]
    low, high = _bounds([tail])
    return "".join(_BLOCKS[1 + int((v - low) / (high - low) * 7)] if math.isfinite(v) else " " for v in tail)


def parameters(feature: Feature) -> str:
    """The parameters with their values: 'fast 12, slow 26'."""
    pairs = zip(feature.declaration.params, feature.params, strict=True)
    return ", ".join(f"{p.name} {number(v)}" for p, v in pairs)


def _row(feature: Feature, folder: str) -> str:
    d = feature.declaration
    units = ", ".join(dict.fromkeys(o.unit for o in d.outputs))
    image = f"![{feature.name}]({folder}/{d.name}.svg)" if d.inputs.name == BAR.name else ""
    outputs = ", ".join(f"`{c}`" for c in feature.columns)
    cells = (
        f"**{d.name}**",
        d.text,
        parameters(feature),
        outputs,
        units,
        str(feature.warmup),
        d.source,
        image,
    )
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


_HEAD: Final = """# Features

Every streaming feature that bot4 declares, with its default parameters. This page is made from the
declarations:

```console
$ bot4 features gallery --bars FILE --out docs
```

Put any parameters into a name: `sma_50`, `bb_upper_20_2.5`, `macd_signal_8_21_5`. Those left out keep their
defaults. A Python strategy names what it wants and reads it at each closed bar; a name that does not exist is
refused at start, with the nearest ones:

```python
class Mine(Strategy):
    features = ("supertrend_12_2.5", "hma_55")

    def on_bar(self, bar):
        return 0.5 if bar.bar.close > bar.feature("hma_55") else None
```

**Warm-up** is the number of rows that the first value needs; before it a feature is NaN. A bar without a
price (NaN) never passes the quality stage; should one come, averages over a window are whole again two
windows later, and recursive averages stay NaN. Prices that stand still, and bars without volume, give the
values that each line states. Volatility is that of one bar; nothing is annualised. What follows costs O(1) a
bar unless its line says otherwise. Grey is the close; the picture's bars are one-minute bars of BTC.

"""


def page(folder: str = "features") -> str:
    """The page of all features, group by group."""
    parts = [_HEAD]
    for group in groups():
        parts.append(f"## {group.capitalize()}\n")
        parts.append("| name | what it is | parameters | outputs | unit | warm-up | source | picture |")
        parts.append("|---|---|---|---|---|---|---|---|")
        parts += [_row(feature, folder) for feature in defaults(group)]
        parts.append("")
    return "\n".join(parts)


def write_gallery(rows: Array, out: Path, progress: Progress) -> int:
    """Page and pictures into `out`: features.md and features/NAME.svg; the number of pictures."""
    (out / "features").mkdir(parents=True, exist_ok=True)
    drawn = [f for f in defaults() if f.declaration.inputs.name == BAR.name]
    for k, feature in enumerate(drawn):
        text = picture(feature, rows)
        (out / "features" / f"{feature.declaration.name}.svg").write_text(text, encoding="utf-8")
        progress(k + 1, len(drawn), feature.name)
    (out / "features.md").write_text(page(), encoding="utf-8")
    return len(drawn)
