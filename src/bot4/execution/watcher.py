"""Who hears how the desk fares at its venue: calls, and changes of its breaker."""

from __future__ import annotations

from collections.abc import Mapping

from bot4.safety.breaker import Change


class Watcher:
    """Hears nothing of it; a session puts its own in place."""

    def called(self, good: bool, took_ns: int, reason: int = 0) -> None:
        """A call ended: whether the venue answered, how long it took, and why not (R_*)."""

    def refused(self, order_id: int, failed: Mapping[str, int]) -> None:
        """The guard refused an order: every check that did, and its reason (R_*)."""

    def changed(self, change: Change) -> None:
        """The breaker went from one state to another."""
