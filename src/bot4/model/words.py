"""The words between the stages: Signal, View, Target, Intent, Fill.

These are the cold plane's forms; the hot plane uses the dtypes of `bot4.model.events` with the
same names. `ApprovedOrder` stands in `bot4.model.approved`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot4.model.values import Money, Price, Quantity


@dataclass(frozen=True, slots=True)
class Signal:
    """One source's opinion: `direction` -1, 0 or 1 and `confidence` in [0, 1]."""

    source: str
    direction: int
    confidence: float

    def __post_init__(self) -> None:
        if self.direction not in (-1, 0, 1):
            raise ValueError(f"{self.source}: direction {self.direction} is not -1, 0 or 1")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"{self.source}: confidence {self.confidence} is not in [0, 1]")


@dataclass(frozen=True, slots=True)
class View:
    """A strategy's wish for one instrument, before risk: direction and confidence."""

    instrument: str
    direction: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Target:
    """The signed position that risk would allow for a View."""

    instrument: str
    quantity: Quantity
    stop: Price | None
    target: Price | None


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that a stage would like to send; nothing may be sent from it."""

    instrument: str
    side: int
    type: str
    quantity: Quantity
    price: Price | None
    stop_price: Price | None
    reduce_only: bool
    purpose: str
    tif: str = "gtc"  # gtc, ioc, post; a market order is ioc whatever stands here


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one of our orders."""

    order_id: int
    instrument: str
    side: int
    price: Price
    quantity: Quantity
    fee: Money
    maker: bool
    ts_venue: int
    ts_local: int
