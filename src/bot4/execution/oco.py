"""One cancels the other: two legs of which together at most one quantity may fill. Pure.

Two ways, chosen by what the venue can hold apart:

    TOGETHER    both legs stand at the venue. Right for reduce-only legs, which the venue itself cuts to the
                position, and for a native OCO. A fill of one reduces the other to the rest at once; should
                both fill before that (a venue that does not cut), the excess is hedged at market.
    IN TURN     one leg stands at the venue, the other is armed here. Only when the market reaches the armed
                leg is the first cancelled, and only when its end is confirmed is the rest sent on the other.
                So legs that open risk never add up, at the price of one round trip.

Events come in with the leg they are about; what comes out is what to do now. Told twice, or too late, they
change nothing. For brackets of the engine `bracket_nb` does this inside the step; this is for pairs of the
cold plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from bot4.model.errors import CallerError


class Way(Enum):
    """Where the second leg waits."""

    TOGETHER = "together"
    IN_TURN = "in turn"


class LegState(StrEnum):
    """One leg."""

    ARMED = "armed"  # not at the venue
    LIVE = "live"  # sent: may fill at any time
    CANCELING = "canceling"  # may still fill
    OVER = "over"
    REJECTED = "rejected"


class Outcome(StrEnum):
    """How the pair stands."""

    OPEN = "open"
    FIRST = "first leg"
    SECOND = "second leg"
    BOTH = "parts of both"
    CANCELED = "canceled"
    REJECTED = "both rejected"


class Verb(StrEnum):
    """What to do."""

    PLACE = "place"
    CANCEL = "cancel"
    RESIZE = "resize"  # amend, or cancel and place anew, to `lots` still open
    HEDGE = "hedge"  # at market, against the legs' side


@dataclass(frozen=True, slots=True)
class Do:
    """One action on `leg` 0 or 1 (a hedge: the leg that filled too much), `lots` where it takes a size."""

    verb: Verb
    leg: int
    lots: int = 0


class Pair:
    """Two legs of `lots` each, on one side; see the module."""

    def __init__(self, lots: int, way: Way) -> None:
        if lots < 1:
            raise CallerError(f"a pair needs at least one lot, got {lots}")
        self.lots = lots
        self.way = way
        self.legs = [LegState.ARMED, LegState.ARMED]
        self.filled = [0, 0]
        self.hedged = 0
        self._wanted: int | None = None  # IN_TURN: the leg that is to be at the venue next
        self._stopped = False

    @property
    def total(self) -> int:
        """Lots filled on both legs."""
        return sum(self.filled)

    @property
    def left(self) -> int:
        """Lots that may still be filled."""
        return max(0, self.lots - self.total)

    @property
    def outcome(self) -> Outcome:
        """How it stands now; final once it is not OPEN."""
        if any(leg in (LegState.LIVE, LegState.CANCELING) for leg in self.legs):
            return Outcome.OPEN
        if all(self.filled):
            return Outcome.BOTH
        if self.total:
            return Outcome.FIRST if self.filled[0] else Outcome.SECOND
        if self.legs == [LegState.REJECTED, LegState.REJECTED]:
            return Outcome.REJECTED
        return Outcome.CANCELED if self._stopped or LegState.OVER in self.legs else Outcome.OPEN

    def start(self) -> list[Do]:
        """Place what is to stand at the venue first; nothing when it was started before."""
        if self.legs != [LegState.ARMED, LegState.ARMED] or self._stopped:
            return []
        return [self._place(0), self._place(1)] if self.way is Way.TOGETHER else [self._place(0)]

    def stop(self) -> list[Do]:
        """Cancel the pair."""
        self._stopped = True
        self._wanted = None
        return self._cancel_live()

    def reached(self, leg: int) -> list[Do]:
        """The market is at the armed `leg`: bring it to the venue once the other is confirmed gone."""
        if self.legs[leg] is not LegState.ARMED or self._stopped or not self.left:
            return []
        other = self.legs[1 - leg]
        if other in (LegState.LIVE, LegState.CANCELING):
            self._wanted = leg
            return self._cancel_live()
        return [self._place(leg)] if other is not LegState.ARMED else []

    def fill(self, leg: int, lots: int) -> list[Do]:
        """`lots` of `leg` were filled; each execution is told once."""
        self.filled[leg] += lots
        out: list[Do] = []
        excess = self.total - self.lots - self.hedged
        if excess > 0:
            self.hedged += excess
            out.append(Do(Verb.HEDGE, leg, excess))
        if not self.left:
            if self.legs[leg] is LegState.LIVE and self.filled[leg] >= self.lots:
                self.legs[leg] = LegState.OVER
            self._wanted = None
            return out + self._cancel_live()
        other = 1 - leg
        if self.legs[other] is LegState.LIVE:
            out.append(Do(Verb.RESIZE, other, self.left))
        return out

    def ended(self, leg: int) -> list[Do]:
        """`leg` is gone from the venue: canceled, expired or filled."""
        if self.legs[leg] not in (LegState.LIVE, LegState.CANCELING):
            return []
        swapped = self._wanted is not None and self._wanted != leg
        self.legs[leg] = LegState.ARMED if swapped and self.left else LegState.OVER
        return self._next(leg)

    def rejected(self, leg: int) -> list[Do]:
        """The venue refused `leg`: the other is sent if it is not there."""
        if self.legs[leg] is not LegState.LIVE or self.filled[leg]:
            return []
        self.legs[leg] = LegState.REJECTED
        other = 1 - leg
        if self.legs[other] is LegState.ARMED and self.left and not self._stopped:
            return [self._place(other)]
        return []

    def _next(self, gone: int) -> list[Do]:
        wanted = self._wanted
        if wanted is None or wanted == gone or not self.left or self._stopped:
            return []
        self._wanted = None
        return [self._place(wanted)] if self.legs[wanted] is LegState.ARMED else []

    def _place(self, leg: int) -> Do:
        self.legs[leg] = LegState.LIVE
        return Do(Verb.PLACE, leg, self.left)

    def _cancel_live(self) -> list[Do]:
        out = []
        for leg, state in enumerate(self.legs):
            if state is LegState.LIVE:
                self.legs[leg] = LegState.CANCELING
                out.append(Do(Verb.CANCEL, leg))
        return out
