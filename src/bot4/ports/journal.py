"""Journal: the append-only log that all state is a fold over."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

META = 1  # json: what runs, on what, with which settings
MARKET = 2  # EVENT_DTYPE: market events that came live
INPUTS = 3  # INPUT_DTYPE: everything else that was folded, with its position
ORDERS = 4  # ORDER_DTYPE: approved orders and cancels, as sent
DECISIONS = 5  # DECISION_DTYPE
EQUITY = 6  # EQUITY_DTYPE
END = 7  # json: counts, state hash, summary
COMMIT = 8  # COMMIT_DTYPE: everything before it belongs together; live runs act on nothing later
NOTE = 9  # json: an audit record: who asked for what, and what became of it
TRIPS = 10  # TRIP_DTYPE: changes of the engine's circuit breakers

JSON_KINDS = (META, END, NOTE)

BLOCK_NAMES = {
    META: "meta",
    MARKET: "market",
    INPUTS: "inputs",
    ORDERS: "orders",
    DECISIONS: "decisions",
    EQUITY: "equity",
    END: "end",
    NOTE: "note",
    COMMIT: "commit",
    TRIPS: "trips",
}


class Journal(Protocol):
    """Takes blocks in order; what `commit` returned from is on the disk."""

    def append(self, kind: int, payload: np.ndarray[Any, Any] | dict[str, Any]) -> None:
        """Add one block."""

    def commit(self) -> None:
        """Make everything appended so far durable, per the fsync policy."""

    def close(self) -> None:
        """Commit and release."""


class FakeJournal:
    """Keeps blocks in memory, for tests and for benchmarks of the engine alone."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, Any]] = []
        self.commits = 0

    def append(self, kind: int, payload: np.ndarray[Any, Any] | dict[str, Any]) -> None:
        """Keep a copy of the block."""
        self.blocks.append((kind, payload.copy()))

    def commit(self) -> None:
        """Count the call."""
        self.commits += 1

    def close(self) -> None:
        """Count as a commit."""
        self.commits += 1
