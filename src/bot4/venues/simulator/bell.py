"""The exchange's clock and its listeners: what every part of it shares."""

from __future__ import annotations

from bot4.venues.simulator.words import Listener, Told


class Bell:
    """Time in ns UTC, and who hears what happens. Listeners are called in the order they came."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.listeners: list[Listener] = []

    def tell(self, event: Told) -> None:
        """Every listener hears the event; an error of a listener is an error of the caller."""
        for listener in self.listeners:
            listener(event)
