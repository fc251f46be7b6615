"""Two strategies of your own: a Python class called at bar close, and one compiled function.

Run either by the same command:

    bot4 backtest --data DIR --strategy examples/my_strategy.py:DailyTrend
    bot4 backtest --data DIR --strategy examples/my_strategy.py:breakout

They show the interface. No profit is claimed for them.
"""

import math

import numpy as np

from bot4.engine.layout_nb import X_BARS_HELD, X_CLOSE, X_POSITION
from bot4.model.feature_layout_nb import F_ADX_14, F_DONCHIAN_PRIOR_HIGH, F_EMA_26
from bot4.strategies.api import BarContext, Strategy, compiled_strategy


class DailyTrend(Strategy):
    """Buy a dip while the daily closes trend upwards; leave when the trend ends."""

    DAYS = 10

    def on_bar(self, bar: BarContext) -> float | None:
        """Score in [-1, 1]: direction and confidence; None is no opinion."""
        days = bar.bars("1d")[-self.DAYS :]
        if len(days) < self.DAYS:
            return None
        rising = bar.bar.close > sum(day.close for day in days) / self.DAYS
        if bar.position > 0:
            return None if rising else -1.0
        if rising and bar.feature("rsi_14") < 40:  # NaN until it is warm
            return 0.6
        return None


@compiled_strategy
def breakout(features: np.ndarray, book: np.ndarray, context: np.ndarray, memory: np.ndarray) -> float:
    """Buy a close above the 20 highs before it, in a trend; leave below the mean."""
    close = context[X_CLOSE]
    if context[X_POSITION] > 0.0:
        if close < features[F_EMA_26] and context[X_BARS_HELD] >= 3.0:
            memory[0] = 24.0  # bars to wait before the next entry
            return -1.0
        return math.nan
    if memory[0] > 0.0:
        memory[0] -= 1.0
        return math.nan
    if close > features[F_DONCHIAN_PRIOR_HIGH] and features[F_ADX_14] > 25.0:
        return min(1.0, features[F_ADX_14] / 50.0)
    return math.nan
