"""What the newest bar of a chart shows, in words: patterns, setups, the cloud ahead, agreement of frames."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from bot4.features.chart_patterns import SHAPES
from bot4.features.frames import Frames, confluence
from bot4.features.harmonic import living_setups
from bot4.features.ichimoku import cloud_ahead
from bot4.features.library import get
from bot4.features.plan import run_feature
from bot4.model.errors import DataError
from bot4.model.times import duration_ns, duration_text

Array = np.ndarray[Any, Any]
FRAMES: Final = ("5m", "15m", "1h", "4h", "1d")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def read_chart(rows: Array, frames: tuple[str, ...]) -> dict[str, Any]:
    """The newest bar of rows of kind bar; None stands for what is not known yet.

    `frames` are names such as 5m (if empty, those of FRAMES that are no shorter than a bar); DataError for
    one that is shorter than a bar or named twice.
    """
    chart = get("chart")
    last = run_feature(chart, rows)[-1]
    at = {name: last[k] for k, name in enumerate(o.name for o in chart.declaration.outputs)}
    harmonic = get("harmonic")
    setups = harmonic.new_state()
    run_feature(harmonic, rows, setups)
    ichimoku = get("ichimoku")
    lines = ichimoku.new_state()
    run_feature(ichimoku, rows, lines)
    cloud = cloud_ahead(ichimoku.params, lines)
    shape = 0 if math.isnan(at["last"]) else int(at["last"])
    return {
        "close": float(rows[-1, 3]),
        "chart_pattern": SHAPES[shape],
        "chart_pattern_age": _number(at["age"]) if shape else None,
        "chart_target": _number(at["target"]) if shape else None,
        "harmonic_setups": [s._asdict() for s in living_setups(setups)],
        "cloud_ahead": [[_number(v) for v in pair] for pair in cloud.tolist()],
        **_agreement(rows, frames),
    }


def _agreement(rows: Array, names: tuple[str, ...]) -> dict[str, Any]:
    """Trend strength of each frame and their confluence."""
    bar_ns = round(float(np.median(np.diff(rows[:, 5])))) * 10**9
    short = [name for name in names if duration_ns(name) < bar_ns]
    if short:
        raise DataError(f"time frame {', '.join(short)} is shorter than a bar, {duration_text(bar_ns)}")
    try:
        frames = Frames(names or [name for name in FRAMES if duration_ns(name) >= bar_ns])
        for row in rows:
            frames.on_bar(row)
    except ValueError as error:
        raise DataError(f"time frames: {error}") from error
    strengths = frames.strengths()
    together = confluence(strengths)
    return {
        "trend": {name: _number(v) for name, v in strengths.items()},
        "confluence": _number(together.score),
        "aligned": together.aligned,
        "confirmed": together.confirmed,
    }
