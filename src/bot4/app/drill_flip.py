"""The strategy of the kill drill: in and out at every bar, so that an order is nearly always on its way."""

from __future__ import annotations

from bot4.strategies.api import BarContext, Strategy


class Flip(Strategy):
    """Long when flat or short, short when long; it does not care for the market."""

    def on_bar(self, context: BarContext) -> float:
        """The opposite of what is held, in full."""
        return 1.0 if context.position <= 0 else -1.0
