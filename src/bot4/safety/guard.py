"""What a guard makes of a run that it watches: well, late, silent, ended. Pure: times come from the caller.

    silent   the heartbeat stood still for `missed` intervals, or the process died before an orderly end
    late     the kill switch is raised, and `within_ns` are over, or the run is silent or has ended: it
             sends nothing new, but what it left may not be flat
    ended    an orderly end without a kill: stops and targets stay where they are
    gone     a run that died before its engine ever beat: it had sent nothing

What a silent or late run leaves behind, the guard takes away. A run that is late may still be flattening
well: the guard looks at the account first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot4.model.errors import ConfigError
from bot4.safety.heartbeat import Sight


class Verdict(StrEnum):
    """What the guard has to do now: nothing, look at the account, act, or go home."""

    WELL = "well"
    LATE = "late"
    SILENT = "silent"
    ENDED = "ended"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may be silent, and how long it may take to flatten after a kill; ns."""

    beat_ns: int = 10**9
    missed: int = 3
    within_ns: int = 20 * 10**9

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ConfigError(f"guard: {name} must be positive, got {getattr(self, name)}")

    @property
    def silence_ns(self) -> int:
        """The longest silence that is still taken for life."""
        return self.beat_ns * self.missed


class Watch:
    """Judges one run, look by look; the first look is at `now` (steady ns)."""

    def __init__(self, patience: Patience, now: int) -> None:
        self.patience = patience
        self._beats = -1
        self._moved = now
        self._latched: int | None = None

    def silence_ns(self, now: int) -> int:
        """How long the heartbeat has stood still."""
        return now - self._moved

    def look(self, sight: Sight | None, alive: bool, now: int) -> Verdict:
        """The verdict at `now`. A sight of None (not understood) is no sign of life."""
        if sight is None:
            return Verdict.SILENT if not alive or self._silent(now) else Verdict.WELL
        if sight.beats != self._beats:
            self._beats, self._moved = sight.beats, now
        if sight.latched and self._latched is None:
            self._latched = now
        silent = not alive or bool(sight.beats and self._silent(now))
        if self._latched is not None:
            over = sight.ended or silent or now - self._latched > self.patience.within_ns
            return Verdict.LATE if over else Verdict.WELL
        if sight.ended:
            return Verdict.ENDED
        if not sight.beats and not alive:
            return Verdict.GONE
        return Verdict.SILENT if silent else Verdict.WELL

    def _silent(self, now: int) -> bool:
        return self.silence_ns(now) > self.patience.silence_ns
