"""What the desk asks of a venue, as values; the lanes decide, the desk carries out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, auto

from bot4.model.approved import ApprovedOrder
from bot4.ports.venue import OrderReport, TradeReport, VenueError


class Line(IntEnum):
    """Three lines per instrument, so that a slow answer on one never holds up another."""

    URGENT = auto()  # cancels and reduce-only orders
    RISK = auto()  # orders of new risk
    ASK = auto()  # questions


class Verb(IntEnum):
    """The call."""

    SUBMIT = auto()
    LIST = auto()  # a stop and a target of which one cancels the other
    AMEND = auto()  # a working order gets the price and the quantity of another
    CANCEL = auto()
    LOOK = auto()  # one order by client id
    SWEEP = auto()  # open orders and own trades of the instrument


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to make. `at` is the steady time of asking, `since_ns` bounds a sweep's trades (wall time).

    `id` is our order, `other` the second leg of a list, `beside` what the order to be amended has filled.
    """

    verb: Verb
    at: int
    client_id: str = ""
    order: ApprovedOrder | None = None
    since_ns: int = 0
    other: ApprovedOrder | None = None
    id: int = 0
    beside: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The answer to SWEEP; `position` in lots where it was asked for, else None."""

    open_orders: tuple[OrderReport, ...]
    trades: tuple[TradeReport, ...]
    position: int | None = None


Answer = OrderReport | tuple[OrderReport, OrderReport] | Sweep | VenueError
