"""The Lease port: who may trade an account, kept where two instances on one machine or disk both see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease: an instance's name, and when it last said so (ns UTC)."""

    name: str
    beat_ns: int


class LeaseStore(Protocol):
    """One lease. Reading and writing it are one step against other instances."""

    def swap(self, old: Holder | None, new: Holder | None) -> Holder | None:
        """Write `new` if `old` still stands there; what stands there now. StorageError if not known."""

    def read(self) -> Holder | None:
        """Who holds it, or None."""


class FakeLease:
    """A LeaseStore in memory."""

    def __init__(self) -> None:
        self.held: Holder | None = None

    def swap(self, old: Holder | None, new: Holder | None) -> Holder | None:
        """Compare and swap."""
        if self.held == old:
            self.held = new
        return self.held

    def read(self) -> Holder | None:
        """Who holds it."""
        return self.held
