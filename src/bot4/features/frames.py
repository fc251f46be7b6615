"""Features of several time frames from one stream of bars or trades, and whether the frames agree.

Each frame has its own plan and arena, stepped when a bar of that frame closes and at no other time: an
unfinished four-hour bar changes nothing. `preview` is apart from the closed values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bot4.features.declare import BAR
from bot4.features.frames_nb import (
    FRAME_SIZE,
    LENGTH,
    close_until_nb,
    confluence_nb,
    fold_bar_nb,
    fold_trade_nb,
)
from bot4.features.plan import Plan
from bot4.model.times import duration_ns

Array = np.ndarray[Any, Any]
THRESHOLD: Final = 0.6
VOTES: Final = ("supertrend_dir", "macd_hist", "rsi", "linreg_slope_20")
"""What `trend_strength` asks of a frame."""
_WIDTH: Final = len(BAR.fields)


class Frame:
    """One time frame: the bar being built, the last closed bar, and the features after it."""

    def __init__(self, name: str, plan: Plan) -> None:
        seconds = duration_ns(name) / 1e9
        if seconds <= 0:
            raise ValueError(f"time frame {name!r} is not positive")
        self.name: Final = name
        self.plan: Final = plan
        self.arena: Final = plan.new_arena()
        self.closed = 0
        self.last: Final = np.full(_WIDTH, np.nan)
        self.building: Final = np.zeros(FRAME_SIZE)
        self.building[LENGTH] = seconds
        self._out = np.empty(2 * _WIDTH)
        self._row = np.empty(_WIDTH)
        self._scratch = plan.new_arena()

    @property
    def values(self) -> Array:
        """Outputs after the last closed bar, in the order of the plan's columns."""
        return self.plan.values(self.arena)

    def value(self, name: str) -> float:
        """One output after the last closed bar; NaN until warm."""
        return float(self.values[self.plan.place(name)])

    def _take(self, row: Array) -> None:
        self.last[:] = row
        self.plan.step(self.arena, self.last)
        self.closed += 1

    def on_bar(self, row: Array) -> bool:
        """Fold a closed bar of a shorter frame; whether a bar of this one closed."""
        closed = fold_bar_nb(self.building, row, self._out)
        for k in range(closed):
            self._take(self._out[k * _WIDTH : (k + 1) * _WIDTH])
        return closed > 0

    def on_trade(self, ts: float, price: float, qty: float, buy: bool) -> bool:
        """Fold a trade at `ts` (s); whether a bar closed before it."""
        closed = fold_trade_nb(self.building, ts, price, qty, buy, self._out)
        if closed:
            self._take(self._out[:_WIDTH])
        return bool(closed)

    def on_time(self, now: float) -> bool:
        """Close the bar whose end has come by `now` (s); whether there was one."""
        closed = close_until_nb(self.building, now, self._out)
        if closed:
            self._take(self._out[:_WIDTH])
        return bool(closed)

    def preview(self) -> Array:
        """Outputs as if the bar being built closed now (a copy); the closed values stay as they are."""
        if self.building[0] == 0.0:
            return self.values.copy()
        row = self._row
        row[:5] = self.building[1:6]
        row[5:8] = self.building[0], self.building[6], self.building[7]
        return self.plan.preview(self.arena, row, self._scratch).copy()


class Frames:
    """Several frames over one stream. All have the same features."""

    def __init__(self, names: Sequence[str], features: Sequence[str] = VOTES) -> None:
        if len(set(names)) != len(names) or not names:
            raise ValueError("name each time frame once, and at least one")
        plan = Plan(features)
        self.frames: Final = {name: Frame(name, plan) for name in names}

    def on_bar(self, row: Array) -> list[str]:
        """Fold a closed base bar; the frames of which a bar closed."""
        return [name for name, frame in self.frames.items() if frame.on_bar(row)]

    def on_trade(self, ts: float, price: float, qty: float, buy: bool) -> list[str]:
        """Fold a trade; the frames of which a bar closed before it."""
        return [name for name, frame in self.frames.items() if frame.on_trade(ts, price, qty, buy)]

    def on_time(self, now: float) -> list[str]:
        """Let time pass; the frames of which a bar closed."""
        return [name for name, frame in self.frames.items() if frame.on_time(now)]

    def strengths(self) -> dict[str, float]:
        """`trend_strength` of each frame."""
        return {name: trend_strength(frame) for name, frame in self.frames.items()}


def trend_strength(frame: Frame) -> float:
    """Mean of four votes, each -1, 0 or 1, in [-1, 1]; NaN until all are warm.

    SuperTrend's side, the sign of MACD's histogram, RSI above or below 50, the sign of the 20-bar slope.
    """
    side, hist, strength, slope = (frame.value(name) for name in VOTES)
    if math.isnan(side + hist + strength + slope):
        return math.nan
    return float(np.sign(side) + np.sign(hist) + np.sign(strength - 50.0) + np.sign(slope)) / 4.0


class Confluence(NamedTuple):
    """What the frames say together. `score` is NaN where no frame is warm."""

    score: float
    used: tuple[str, ...]
    aligned: bool  # every frame used points the same way, none to neither
    confirmed: bool  # |score| reaches the threshold
    best: str | None  # the frame that speaks loudest, weight times strength


def confluence(
    strengths: Mapping[str, float], weights: Mapping[str, float] | None = None, threshold: float = THRESHOLD
) -> Confluence:
    """Score of the frames' strengths, weighted; a frame without a weight of its own has weight 1.

    The denominator is the sum of the weights of the frames used: one that is not warm does not pull the
    score towards 0. A strength beyond [-1, 1] counts as its end; NaN: the frame has none yet.
    """
    names = list(strengths)
    weighed = np.array([1.0 if weights is None else float(weights.get(n, 1.0)) for n in names])
    if not np.isfinite(weighed).all() or (weighed < 0.0).any():
        raise ValueError("weights of time frames must be finite and not negative")
    values = np.clip(np.array([strengths[n] for n in names], dtype=np.float64), -1.0, 1.0)
    score = float(confluence_nb(values, weighed))
    used = [k for k, v in enumerate(values) if not math.isnan(v) and weighed[k] > 0.0]
    signs = {float(np.sign(values[k])) for k in used}
    loud = max(used, key=lambda k: abs(weighed[k] * values[k]), default=None)
    return Confluence(
        score,
        tuple(names[k] for k in used),
        len(signs) == 1 and 0.0 not in signs,
        abs(score) >= threshold,
        None if loud is None else names[loud],
    )
