"""What a refusal of Binance means for bot4: the class says what happened, the reason why.

A command that was refused has no effect, and may be told so. One whose effect is not known is
`OutcomeUnknown`, and is never resent before a look-up. The same failure of a question is
`VenueUnreachable`: it says nothing about the order that was asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot4.model import codes_nb as c
from bot4.ports.venue import (
    NotFound,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    Throttled,
    Unsupported,
    VenueError,
    VenueUnreachable,
)
from bot4.venues.quirks import Meaning, meaning

DEFAULT_WAIT_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """A failed reply: HTTP status, the venue's code and text, and Retry-After in ns (0: none)."""

    status: int
    code: int
    text: str
    wait_ns: int = 0
    venue: str = "binance-spot"


CODES: dict[int, tuple[Meaning, int]] = {
    -1000: ("unknown", c.R_VENUE),
    -1001: ("unknown", c.R_VENUE),
    -1003: ("throttled", c.R_THROTTLED),
    -1006: ("unknown", c.R_VENUE),
    -1007: ("unknown", c.R_TIMEOUT),
    -1015: ("throttled", c.R_ORDER_RATE),
    -1016: ("rejected", c.R_MAINTENANCE),
    -1021: ("clock", c.R_CLOCK),
    -1111: ("rejected", c.R_QTY_LOT),
    -1121: ("rejected", c.R_INSTRUMENT),
    -2011: ("not_found", c.R_NOT_FOUND),
    -2013: ("not_found", c.R_NOT_FOUND),
    -2018: ("rejected", c.R_FUNDS),
    -2019: ("rejected", c.R_MARGIN),
    -2020: ("rejected", c.R_VENUE),
    -2021: ("rejected", c.R_TRIGGER_NOW),
    -2022: ("rejected", c.R_REDUCE_ONLY),
    -2025: ("rejected", c.R_TOO_MANY_ORDERS),
    -2026: ("rejected", c.R_REDUCE_ONLY),
    -2027: ("rejected", c.R_LEVERAGE),
    -2028: ("rejected", c.R_LEVERAGE),
    -4003: ("rejected", c.R_MIN_QTY),
    -4004: ("rejected", c.R_MIN_QTY),
    -4005: ("rejected", c.R_MAX_QTY),
    -4014: ("rejected", c.R_PRICE_TICK),
    -4016: ("rejected", c.R_PRICE_BAND),
    -4023: ("rejected", c.R_QTY_LOT),
    -4024: ("rejected", c.R_PRICE_BAND),
    -4028: ("rejected", c.R_LEVERAGE),
    -4045: ("rejected", c.R_TOO_MANY_STOPS),
    -4116: ("rejected", c.R_DUPLICATE),
    -4118: ("rejected", c.R_REDUCE_ONLY),
    -4131: ("rejected", c.R_PRICE_BAND),
    -4140: ("rejected", c.R_MAINTENANCE),
    -4164: ("rejected", c.R_MIN_NOTIONAL),
    -5022: ("rejected", c.R_POST_WOULD_TAKE),
}
"""Codes that mean one thing. Any other code of a 4xx is a refusal for R_VENUE."""

TEXTS: tuple[tuple[str, int], ...] = (
    ("PRICE_FILTER", c.R_PRICE_TICK),
    ("PERCENT_PRICE", c.R_PRICE_BAND),
    ("MARKET_LOT_SIZE", c.R_MAX_QTY),
    ("LOT_SIZE filter minimum", c.R_VENUE),
    ("LOT_SIZE", c.R_QTY_LOT),
    ("NOTIONAL", c.R_MIN_NOTIONAL),
    ("MAX_NUM_ALGO_ORDERS", c.R_TOO_MANY_STOPS),
    ("MAX_NUM_ORDERS", c.R_TOO_MANY_ORDERS),
    ("MAX_POSITION", c.R_MAX_POSITION),
    ("insufficient balance", c.R_FUNDS),
    ("immediately match", c.R_POST_WOULD_TAKE),
    ("trigger immediately", c.R_TRIGGER_NOW),
    ("immediately trigger", c.R_TRIGGER_NOW),
    ("Duplicate order", c.R_DUPLICATE),
    ("Market is closed", c.R_MAINTENANCE),
)
"""Phrases of the codes that mean many things (-1013, -2010), in the order they are looked for."""


def reason_of(answer: Answer) -> tuple[Meaning, int]:
    """What the answer means, and why."""
    if answer.status in (418, 429):
        return "throttled", c.R_THROTTLED
    known = meaning(answer.venue, answer.code)
    if known is None and 400 <= answer.status < 500:  # who failed may have done it
        known = CODES.get(answer.code)
    if known is not None:
        return known
    if answer.status >= 500:
        if answer.status == 503 and answer.text.startswith("Service Unavailable"):
            return "rejected", c.R_MAINTENANCE  # documented: such a request was not executed
        return "unknown", c.R_MAINTENANCE if "under maintenance" in answer.text else c.R_VENUE
    for phrase, reason in TEXTS:
        if phrase in answer.text:
            return "rejected", reason
    return "rejected", c.R_VENUE


def error_of(answer: Answer, command: bool, what: str) -> VenueError:
    """The port's error for a failed reply. `what` names the request, without its parameters."""
    means, reason = reason_of(answer)
    text = f"{what}: HTTP {answer.status}, {answer.code} {answer.text}"
    if means == "throttled":
        return Throttled(text, reason, answer.wait_ns or DEFAULT_WAIT_NS, answer.code)
    if means == "not_found":
        return NotFound(text, reason, answer.code)
    if not command:
        return VenueUnreachable(text, reason, answer.code)
    if means == "unknown":
        return OutcomeUnknown(text, reason, answer.code)
    if means == "unsupported":
        return Unsupported(text, reason, answer.code)
    if means == "clock":
        return NotSent(text, reason, answer.code)
    return OrderRejected(text, reason, answer.code)
