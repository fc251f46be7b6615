"""What bot4 keeps in memory without an end in time, how much of it at most, and what happens beyond.

Arrays of the hot plane are made once, of the sizes of their settings, and do not grow.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot4.execution.settings import DeskSettings
from bot4.monitoring import alarms
from bot4.safety.breaker import Level, Rule
from bot4.venues import clock_sync, depth_sync
from bot4.venues.binance import face, market_feed, private_feed


@dataclass(frozen=True, slots=True)
class Bound:
    """One structure: `capacity` of `unit`; `beyond` says what happens and where it is counted."""

    name: str
    capacity: int
    unit: str
    beyond: str


def bounds() -> tuple[Bound, ...]:
    """All of them, by the constants and defaults that the code uses."""
    desk = DeskSettings()
    return (
        Bound("private events that wait", private_feed.MAX_WAITING, "events",
              "dropped; the stream is told as down for `backlog`, orders are asked for"),
        Bound("market messages that wait", market_feed.MAX_BYTES, "bytes an instrument",
              "the feed starts anew, counted in `broken` as `backlog`"),
        Bound("book changes before a snapshot", depth_sync.MAX_WAITING, "rows an instrument",
              "the book starts anew, counted in `broken` as `book invalid`"),
        Bound("orders known to the adapter", face.KNOWN_ORDERS, "orders a map",
              "the oldest is forgotten, counted in `forgotten`, and asked for when it is needed"),
        Bound("clock samples", clock_sync.MAX_SAMPLES, "samples", "the oldest is dropped"),
        Bound("orders of new risk that wait", desk.queue_limit, "an instrument", "refused as `backlog`"),
        Bound("intents (idempotency)", desk.intents, "intents",
              "the oldest that has ended is forgotten; live ones alone: nothing more is sent"),
        Bound("trade numbers", desk.remember_trades, "trades an instrument", "the oldest is forgotten"),
        Bound("calls of a breaker", Rule("any", Level.VENUE).remembered, "calls", "the oldest is forgotten"),
        Bound("alarms that wait", alarms.MOST_WAITING, "alarms",
              "the oldest that is not critical gives way, counted in `lost`"),
    )  # fmt: skip
