"""Declared features for a Python strategy: computed at each closed bar, for each instrument on its own.

Only bars that have closed are folded in, so nothing here can look ahead; a value is NaN until it is warm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.features.declare import BAR
from bot4.features.library import UnknownFeature, get
from bot4.features.plan import Plan
from bot4.model.errors import StrategyError
from bot4.model.feature_layout_nb import FEATURE_NAMES
from bot4.strategies.api import Bar

Array = np.ndarray[Any, Any]
_NS = 1e-9


class BarFeatures:
    """The features that a strategy asked for, after those that the engine always computes."""

    def __init__(self, names: tuple[str, ...], instruments: int) -> None:
        if isinstance(names, str):
            raise StrategyError(f"features = {names!r}: write a tuple, features = ({names!r},)")
        self.index = {name: k for k, name in enumerate(FEATURE_NAMES)}
        self.plan: Plan | None = None
        self._arenas: list[Array] = []
        if not names:
            return
        try:
            for name in names:
                self._refuse_other_rows(name)
            self.plan = Plan(names)
        except (UnknownFeature, ValueError) as error:
            raise StrategyError(f"features of the strategy: {error}") from error
        self._arenas = [self.plan.new_arena() for _ in range(instruments)]
        for name in (*self.plan.columns, *names):
            self._place(name)

    @staticmethod
    def _refuse_other_rows(name: str) -> None:
        row = get(name).declaration.inputs
        if row.name != BAR.name:
            raise ValueError(f"{name!r} is computed from a {row.name}, not from bars")

    def _place(self, name: str) -> None:
        """Give a value the name that the strategy wrote too; a name of several outputs has no one value."""
        assert self.plan is not None
        try:
            self.index.setdefault(name, len(FEATURE_NAMES) + self.plan.place(name))
        except ValueError:
            return

    def fold(self, inst: int, bar: Bar, engine: Array) -> Array:
        """The engine's features and those of the strategy after `bar` of `inst` has closed."""
        if self.plan is None:
            return engine.copy()
        row = np.array(
            (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_close * _NS, np.nan, np.nan)
        )
        arena = self._arenas[inst]
        self.plan.step(arena, row)
        return np.concatenate((engine, self.plan.values(arena)))
