"""The life of an order at the desk, as one table: state x event -> next state and what follows.

    QUEUED -> SENT -> WORKING -> PARTIAL -> FILLED | CANCELED | REJECTED
    SENT, or any live state after a restart, -> UNKNOWN until evidence comes

Rules that the table carries:

    - a fill wins over everything: after CANCELED or REJECTED it is still booked
    - news that is older than what is known (an ack after a fill, a second "canceled") changes nothing
    - ABSENT, the venue's lasting "no such order", ends an order; life seen after that is an orphan, which is
    cancelled
    - what the table does not list is illegal: nothing changes, and it is counted

The desk's states are finer than those of the engine's order table (`orders_nb`), which learns only what the
effects EMIT_* tell it.
"""

from __future__ import annotations

from enum import IntEnum, auto


class State(IntEnum):
    """Where an order stands, seen from the desk."""

    QUEUED = auto()  # approved, not sent
    SENT = auto()  # on its way
    WORKING = auto()
    PARTIAL = auto()
    CANCELING = auto()
    UNKNOWN = auto()  # may or may not be at the venue
    FILLED = auto()
    CANCELED = auto()
    REJECTED = auto()


class Event(IntEnum):
    """What can happen to an order."""

    SEND = auto()
    REFUSE = auto()  # by the desk, before sending
    UNSENT = auto()  # the request did not leave this machine
    ACK = auto()
    PART = auto()  # a fill that leaves a rest
    FULL = auto()  # the fill of the rest
    CANCEL = auto()  # a cancel leaves for the venue (or ends a queued order)
    ENDED = auto()  # the venue: canceled or expired
    REJECT = auto()  # the venue: refused
    LOST = auto()  # no answer; or found live after a restart
    ABSENT = auto()  # evidence that the venue has no such order


class Effect(IntEnum):
    """What the desk does besides changing the state."""

    NONE = auto()
    EMIT_ACK = auto()
    EMIT_FILL = auto()
    EMIT_CANCELED = auto()
    EMIT_REJECT = auto()
    EMIT_UNKNOWN = auto()
    ORPHAN = auto()  # cancel what lives at the venue though the order is over here
    ORPHAN_FILL = auto()  # the same, and book the fill
    STALE = auto()  # older news, or said twice
    ILLEGAL = auto()


LIVE = frozenset({State.QUEUED, State.SENT, State.WORKING, State.PARTIAL, State.CANCELING, State.UNKNOWN})
"""States in which an order can still be filled."""
AT_VENUE = LIVE - {State.QUEUED}
"""States in which it may stand at the venue."""

_S, _E, _F = State, Event, Effect

TABLE: dict[tuple[State, Event], tuple[State, Effect]] = {
    (_S.QUEUED, _E.SEND): (_S.SENT, _F.NONE),
    (_S.QUEUED, _E.REFUSE): (_S.REJECTED, _F.EMIT_REJECT),
    (_S.QUEUED, _E.CANCEL): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.QUEUED, _E.LOST): (_S.UNKNOWN, _F.EMIT_UNKNOWN),
    (_S.SENT, _E.UNSENT): (_S.QUEUED, _F.NONE),
    (_S.SENT, _E.ACK): (_S.WORKING, _F.EMIT_ACK),
    (_S.SENT, _E.PART): (_S.PARTIAL, _F.EMIT_FILL),
    (_S.SENT, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.SENT, _E.ENDED): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.SENT, _E.REJECT): (_S.REJECTED, _F.EMIT_REJECT),
    (_S.SENT, _E.LOST): (_S.UNKNOWN, _F.EMIT_UNKNOWN),
    (_S.WORKING, _E.SEND): (_S.WORKING, _F.ILLEGAL),
    (_S.WORKING, _E.ACK): (_S.WORKING, _F.STALE),
    (_S.WORKING, _E.PART): (_S.PARTIAL, _F.EMIT_FILL),
    (_S.WORKING, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.WORKING, _E.CANCEL): (_S.CANCELING, _F.NONE),
    (_S.WORKING, _E.ENDED): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.WORKING, _E.REJECT): (_S.REJECTED, _F.EMIT_REJECT),
    (_S.WORKING, _E.LOST): (_S.WORKING, _F.STALE),  # the stream was faster than the reply
    (_S.WORKING, _E.UNSENT): (_S.WORKING, _F.STALE),
    (_S.WORKING, _E.ABSENT): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.PARTIAL, _E.ACK): (_S.PARTIAL, _F.STALE),
    (_S.PARTIAL, _E.PART): (_S.PARTIAL, _F.EMIT_FILL),
    (_S.PARTIAL, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.PARTIAL, _E.CANCEL): (_S.CANCELING, _F.NONE),
    (_S.PARTIAL, _E.ENDED): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.PARTIAL, _E.REJECT): (_S.CANCELED, _F.EMIT_CANCELED),  # what was filled stays filled
    (_S.PARTIAL, _E.LOST): (_S.PARTIAL, _F.STALE),
    (_S.PARTIAL, _E.UNSENT): (_S.PARTIAL, _F.STALE),
    (_S.PARTIAL, _E.ABSENT): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.CANCELING, _E.ACK): (_S.CANCELING, _F.STALE),
    (_S.CANCELING, _E.PART): (_S.CANCELING, _F.EMIT_FILL),
    (_S.CANCELING, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.CANCELING, _E.CANCEL): (_S.CANCELING, _F.NONE),
    (_S.CANCELING, _E.ENDED): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.CANCELING, _E.REJECT): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.CANCELING, _E.LOST): (_S.CANCELING, _F.STALE),
    (_S.CANCELING, _E.ABSENT): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.UNKNOWN, _E.ACK): (_S.WORKING, _F.EMIT_ACK),
    (_S.UNKNOWN, _E.PART): (_S.PARTIAL, _F.EMIT_FILL),
    (_S.UNKNOWN, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.UNKNOWN, _E.CANCEL): (_S.UNKNOWN, _F.NONE),
    (_S.UNKNOWN, _E.ENDED): (_S.CANCELED, _F.EMIT_CANCELED),
    (_S.UNKNOWN, _E.REJECT): (_S.REJECTED, _F.EMIT_REJECT),
    (_S.UNKNOWN, _E.LOST): (_S.UNKNOWN, _F.STALE),
    (_S.UNKNOWN, _E.ABSENT): (_S.REJECTED, _F.EMIT_REJECT),
    (_S.FILLED, _E.ACK): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.ENDED): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.REJECT): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.LOST): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.UNSENT): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.CANCEL): (_S.FILLED, _F.STALE),
    (_S.FILLED, _E.ABSENT): (_S.FILLED, _F.STALE),
    (_S.CANCELED, _E.ACK): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.PART): (_S.CANCELED, _F.EMIT_FILL),
    (_S.CANCELED, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.CANCELED, _E.ENDED): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.REJECT): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.LOST): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.UNSENT): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.CANCEL): (_S.CANCELED, _F.STALE),
    (_S.CANCELED, _E.ABSENT): (_S.CANCELED, _F.STALE),
    (_S.REJECTED, _E.ACK): (_S.REJECTED, _F.ORPHAN),
    (_S.REJECTED, _E.PART): (_S.REJECTED, _F.ORPHAN_FILL),
    (_S.REJECTED, _E.FULL): (_S.FILLED, _F.EMIT_FILL),
    (_S.REJECTED, _E.ENDED): (_S.REJECTED, _F.STALE),
    (_S.REJECTED, _E.REJECT): (_S.REJECTED, _F.STALE),
    (_S.REJECTED, _E.LOST): (_S.REJECTED, _F.STALE),
    (_S.REJECTED, _E.UNSENT): (_S.REJECTED, _F.STALE),
    (_S.REJECTED, _E.CANCEL): (_S.REJECTED, _F.STALE),
    (_S.REJECTED, _E.ABSENT): (_S.REJECTED, _F.STALE),
}


def step(state: State, event: Event) -> tuple[State, Effect]:
    """The next state and the effect; (state, ILLEGAL) for what the table does not list."""
    return TABLE.get((state, event), (state, Effect.ILLEGAL))
