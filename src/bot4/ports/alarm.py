"""The Alarm port: telling the operator."""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["info", "warning", "critical"]


class Alarm(Protocol):
    """Something that reaches a person."""

    def tell(self, level: Level, text: str) -> None:
        """Tell `text`; must return soon and may be called from any thread."""
        ...


class FakeAlarm:
    """An Alarm that remembers what it was told, as (level, text)."""

    def __init__(self) -> None:
        self.told: list[tuple[Level, str]] = []

    def tell(self, level: Level, text: str) -> None:
        """Remember the message."""
        self.told.append((level, text))
