"""What a user's strategy looks like: a small class, or one compiled function.

    class Mine(Strategy):
        def on_bar(self, bar: BarContext) -> float | None:
            return 0.6 if bar.feature("rsi_14") < 30 else None

`on_bar` is called once at each bar's close and answers with a score in [-1, 1]: its sign is the
direction, its size the confidence; None is "no opinion". Sizes, stops and limits are not the
strategy's: risk and the gate decide them, for this strategy as for every other.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numba import cfunc, types

from bot4.kernels.jit_nb import JIT_OFF
from bot4.model.errors import LookAheadError, StrategyError
from bot4.model.times import duration_ns, instant_text

_ROW = types.float64[::1]
SIGNATURE = types.float64(_ROW, _ROW, _ROW, _ROW)
"""A compiled strategy: (bar features, book features, context, own memory) -> score in [-1, 1] or NaN."""

KEEP = 5000


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed bar, in quote and base currency; times in ns UTC."""

    ts_close: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(slots=True)
class _Frame:
    """Closed bars of one higher time frame, built from the base bars as they close."""

    step: int
    closed: list[Bar] = field(default_factory=list)
    building: Bar | None = None
    end: int = 0

    def add(self, bar: Bar) -> None:
        end = -(-bar.ts_close // self.step) * self.step
        if self.building is not None and end != self.end:
            self.closed.append(self.building)
            self.building = None
        old = self.building
        self.end = end
        self.building = (
            Bar(end, bar.open, bar.high, bar.low, bar.close, bar.volume)
            if old is None
            else Bar(
                end,
                old.open,
                max(old.high, bar.high),
                min(old.low, bar.low),
                bar.close,
                old.volume + bar.volume,
            )
        )
        if bar.ts_close == end:
            self.closed.append(self.building)
            self.building = None
        del self.closed[:-KEEP]


class History:
    """Closed bars of one instrument; nothing in it is newer than the last closed base bar."""

    def __init__(self) -> None:
        self.base: list[Bar] = []
        self._frames: dict[str, _Frame] = {}

    def add(self, bar: Bar) -> None:
        """Take the bar that just closed."""
        self.base.append(bar)
        del self.base[:-KEEP]
        for frame in self._frames.values():
            frame.add(bar)

    def frame(self, name: str) -> list[Bar]:
        """Closed bars of time frame `name` ('15m', '1h'), oldest first, of the last 5,000 base bars."""
        if name not in self._frames:
            made = _Frame(duration_ns(name))
            for bar in self.base:
                made.add(bar)
            self._frames[name] = made
        return self._frames[name].closed


@dataclass(frozen=True, slots=True)
class BarContext:
    """All a strategy may know at a bar's close."""

    instrument: str
    now: int
    bar: Bar
    position: float  # base currency, signed
    equity: float  # quote currency
    bars_held: int
    data_dir: str | None
    _features: np.ndarray[Any, Any]
    _index: Mapping[str, int]
    _history: History

    def feature(self, name: str) -> float:
        """A bar feature by name; NaN until it is warm. StrategyError for an unknown name."""
        try:
            return float(self._features[self._index[name]])
        except KeyError:
            near = difflib.get_close_matches(name, self._index, n=3, cutoff=0.5)
            hint = f"; near it: {', '.join(near)}" if near else ""
            raise StrategyError(
                f"unknown feature {name!r}{hint}. What `bot4 features list` shows must be named in the "
                f"strategy: features = ({name!r},)"
            ) from None

    def bars(self, timeframe: str | None = None) -> list[Bar]:
        """Closed bars, oldest first: of the base time frame, or of a longer one such as '1h'."""
        return self._history.base if timeframe is None else self._history.frame(timeframe)

    def bar_at(self, timeframe: str, ts: int) -> Bar:
        """The bar of `timeframe` that covers `ts` (ns); LookAheadError while it is not closed."""
        step = duration_ns(timeframe)
        end = (ts // step + 1) * step
        if end > self.now:
            raise LookAheadError(
                f"the {timeframe} bar that covers {instant_text(ts)} closes at {instant_text(end)}, "
                f"after now ({instant_text(self.now)}); only closed bars are known"
            )
        for bar in reversed(self.bars(timeframe)):
            if bar.ts_close == end:
                return bar
        raise StrategyError(f"no {timeframe} bar ends at {instant_text(end)}")


class Strategy:
    """Base class of a strategy that is called at bar close.

    `features` are names of declared features (`bot4 features list`) with any parameters, such as
    "supertrend_12_2.5"; `bar.feature` then knows them. An unknown name is refused at start.
    """

    features: tuple[str, ...] = ()

    def on_start(self, data_dir: str | None) -> None:
        """Called once before the first bar; `data_dir` is the data set's folder, None when live."""

    def on_bar(self, bar: BarContext) -> float | None:
        """Score in [-1, 1], or None for no opinion."""
        raise StrategyError(f"{type(self).__name__} does not define on_bar")


class CompiledStrategy:
    """A strategy as one compiled function; `native` is what the hot plane calls."""

    def __init__(self, function: Callable[..., float]) -> None:
        self.function = function
        self.name = function.__name__
        self._native: Any = None

    @property
    def native(self) -> Any:
        """The compiled function (the plain one when the JIT is off)."""
        if self._native is None:
            try:
                self._native = self.function if JIT_OFF else cfunc(SIGNATURE)(self.function)
            except Exception as error:
                raise StrategyError(f"strategy {self.name} does not compile: {error}") from error
        return self._native


def compiled_strategy(function: Callable[..., float]) -> CompiledStrategy:
    """Mark a function (features, book, context, memory) -> score as a compiled strategy.

    Columns of `features`: `bot4.model.feature_layout_nb.F_*`; of `context`:
    `bot4.engine.layout_nb.X_*`; `memory` is 64 floats of the strategy's own, zero at the start.
    """
    return CompiledStrategy(function)


def check_score(name: str, score: object) -> float | None:
    """A cold strategy's answer as float or None; StrategyError for anything else."""
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise StrategyError(f"{name}.on_bar returned {score!r}; return a number in [-1, 1] or None")
    value = float(score)
    if math.isnan(value):
        return None
    if not -1.0 <= value <= 1.0:
        raise StrategyError(f"{name}.on_bar returned {value}; the score must lie in [-1, 1]")
    return value


def load_strategy(spec: str) -> Strategy | CompiledStrategy:
    """`FILE.py:Name` to a strategy object; StrategyError says what is wrong with either part."""
    import importlib.util

    file, colon, name = spec.rpartition(":")
    path = Path(file)
    if not colon or path.suffix != ".py":
        raise StrategyError(f"strategy {spec!r}: write hybrid, trend_cross, quoter, or FILE.py:Name")
    if not path.is_file():
        raise StrategyError(f"strategy {spec!r}: there is no file {path}")
    module_spec = importlib.util.spec_from_file_location(f"bot4_user_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise StrategyError(f"strategy {spec!r}: {path} cannot be imported")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        raise StrategyError(f"strategy {path}: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if isinstance(found, CompiledStrategy):
        return found
    if isinstance(found, type) and issubclass(found, Strategy):
        return found()
    names = [
        key
        for key, value in vars(module).items()
        if isinstance(value, CompiledStrategy)
        or (isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy)
    ]
    known = ", ".join(names) or "none (subclass bot4.strategies.api.Strategy)"
    raise StrategyError(f"{path} has no strategy {name!r}; it has: {known}")
