"""Lanes of events by priority: the urgent is taken first, the rest may be left out when there is too much.

Three lanes. URGENT (orders, fills, risk) is never refused and never dropped. USUAL (ticks, books) and SLOW
(features, statistics) hold at most so many events each: a full lane drops its oldest, and the count of what
was dropped is kept, so that nothing is lost in silence. Routing is a table of rules, first match wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Lane(IntEnum):
    """Lanes in the order in which they are emptied."""

    URGENT = 0
    USUAL = 1
    SLOW = 2


class Rule(NamedTuple, Generic[T]):
    """Events for which `fits` holds go to `lane`; `name` is for people."""

    name: str
    fits: Callable[[T], bool]
    lane: Lane


class Lanes(Generic[T]):
    """Bounded lanes with rules; events that no rule fits are USUAL. Not for several threads."""

    def __init__(self, rules: Sequence[Rule[T]], room: int) -> None:
        """`room` events in each of the lanes that may drop; ValueError below 1."""
        if room < 1:
            raise ValueError(f"room is {room}; a lane holds at least one event")
        self._rules = tuple(rules)
        self._room = room
        self._lanes: tuple[deque[T], ...] = tuple(deque() for _ in Lane)
        self.dropped = [0 for _ in Lane]

    def route(self, event: T) -> Lane:
        """The lane of an event."""
        for rule in self._rules:
            if rule.fits(event):
                return rule.lane
        return Lane.USUAL

    def offer(self, event: T) -> Lane:
        """Put an event into its lane; a full lane that may drop gives up its oldest."""
        lane = self.route(event)
        held = self._lanes[lane]
        if lane is not Lane.URGENT and len(held) >= self._room:
            held.popleft()
            self.dropped[lane] += 1
        held.append(event)
        return lane

    def take(self, most: int = 100) -> list[T]:
        """Up to `most` events, urgent first, in order of arrival within a lane."""
        out: list[T] = []
        for held in self._lanes:
            while held and len(out) < most:
                out.append(held.popleft())
        return out

    def __len__(self) -> int:
        """Events waiting."""
        return sum(len(held) for held in self._lanes)
