"""What can be stopped by itself in one run: an instrument, the strategy, the venue.

A run has one strategy and, as a rule, one venue, so that stopping one of these stops all that the run trades;
it is a latch of its own nevertheless, released by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bot4.model import names
from bot4.model.codes_nb import SCOPE_INSTRUMENT, SCOPE_STRATEGY, SCOPE_VENUE
from bot4.model.errors import CallerError

KINDS = {word: code for code, word in names.SCOPES.items()}


class Scope(NamedTuple):
    """One part of a run: SCOPE_*, the instrument's number (0 for the others), the part's name."""

    code: int
    instrument: int
    name: str

    @property
    def kind(self) -> str:
        """The word for its kind."""
        return names.SCOPES[self.code]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Raised(NamedTuple):
    """A partial kill that stands: of what, since when (engine time, ns UTC), R_*."""

    scope: Scope
    since: int
    reason: int


def short(strategy: str) -> str:
    """The name by which a strategy is stopped: that of its class, wherever its file lies."""
    return strategy.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Scopes:
    """The parts of one run; `venue` is empty when its data come from several, which are traded as one."""

    symbols: tuple[str, ...]
    strategy: str
    venue: str

    @classmethod
    def of(cls, symbols: Sequence[str], meta: Mapping[str, Any]) -> Scopes:
        """The parts of the run that the first block of its journal describes."""
        venues = (meta.get("data") or {}).get("venues") or []
        return cls(tuple(symbols), short(str(meta["strategy"])), venues[0] if len(venues) == 1 else "")

    def every(self) -> list[Scope]:
        """All of them, instruments first."""
        found = [Scope(SCOPE_INSTRUMENT, k, symbol) for k, symbol in enumerate(self.symbols)]
        found.append(Scope(SCOPE_STRATEGY, 0, self.strategy))
        return [*found, Scope(SCOPE_VENUE, 0, self.venue)] if self.venue else found

    def known(self, kind: str, name: str) -> Scope | None:
        """The part with this name; None when the run has none such."""
        name = short(name) if kind == names.SCOPES[SCOPE_STRATEGY] else name
        return next((s for s in self.every() if s.kind == kind and s.name == name), None)

    def find(self, kind: str, name: str) -> Scope:
        """The part with this name (any kind when `kind` is empty); CallerError says which there are."""
        kinds = [kind] if kind else list(KINDS)
        for each in kinds:
            found = self.known(each, name)
            if found is not None:
                return found
        there = ", ".join(str(s) for s in self.every() if s.kind in kinds)
        raise CallerError(f"there is no {kind or 'part'} {name!r} in this run; it has {there or 'none'}")

    def under(self, scope: Scope) -> tuple[int, ...]:
        """The numbers of the instruments that it covers."""
        return (scope.instrument,) if scope.code == SCOPE_INSTRUMENT else tuple(range(len(self.symbols)))

    def row(self, scope: Scope, halts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Its row in the engine's `halts` (HALT_DTYPE, in the order of `new_halts`)."""
        n = len(self.symbols)
        at = scope.instrument if scope.code == SCOPE_INSTRUMENT else n + (scope.code == SCOPE_VENUE)
        found: np.ndarray[Any, Any] = halts[at]
        return found

    def raised(self, halts: np.ndarray[Any, Any]) -> list[Raised]:
        """The partial kills that stand in the engine's `halts`."""
        rows = ((scope, self.row(scope, halts)) for scope in self.every())
        return [Raised(scope, int(row["ts"]), int(row["reason"])) for scope, row in rows if row["on"]]
