"""The IntentStore port: a small durable memory of which intents were about to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

IntentState = Literal["pending", "done"]
"""pending: may have been sent, or is live; done: it has ended."""


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """One intent: its key, the client order id that stands for it, and since when (ns UTC).

    `name`: the client id under which it stands at the venue when it was to take the place of a working order;
    `base`: lots filled under that name before, -1 while it is not known whether it did.
    """

    key: str
    client_id: str
    state: IntentState
    ts: int
    name: str = ""
    base: int = -1


class IntentStore(Protocol):
    """Append-only; the last record of a key counts. What `append` returned from is on the disk."""

    def load(self) -> list[IntentRecord]:
        """All records in the order written; JournalError when damaged elsewhere than at its very end."""

    def append(self, records: Iterable[IntentRecord]) -> None:
        """Make `records` durable, all or a front part of them; StorageError when that fails."""

    def rewrite(self, records: Iterable[IntentRecord]) -> None:
        """Replace everything by `records`, at once or not at all."""


class FakeIntents:
    """An IntentStore in memory, which outlives the registry that writes to it as a disk would."""

    def __init__(self) -> None:
        self.records: list[IntentRecord] = []
        self.rewrites = 0

    def load(self) -> list[IntentRecord]:
        """A copy of what was written."""
        return list(self.records)

    def append(self, records: Iterable[IntentRecord]) -> None:
        """Keep `records`."""
        self.records.extend(records)

    def rewrite(self, records: Iterable[IntentRecord]) -> None:
        """Keep only `records`."""
        self.records = list(records)
        self.rewrites += 1
