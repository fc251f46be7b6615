"""What a number, a time or a word of the venue must be before anything is done with it.

Each check raises ValueError, which msgspec makes a msgspec.DecodeError of where it is called after decoding.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from typing import TypeVar

import msgspec

from bot4.model.values import sane
from bot4.ports.venue import OrderState

T = TypeVar("T")
FIRST_MS = 1_483_228_800_000  # 2017: before it the venue was not
LAST_MS = 9_000_000_000_000  # 2255: beyond it nanoseconds do not fit 64 bits
MOST = 2**63
LARGEST = Decimal(10) ** 20
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
SIDES = ("BUY", "SELL")
STATES: dict[str, OrderState] = {
    "NEW": "new",
    "PENDING_NEW": "untriggered",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "PENDING_CANCEL": "new",  # not gone yet
    "NEW_INSURANCE": "new",  # a liquidation that the insurance fund takes, and one by deleveraging
    "NEW_ADL": "new",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}
ALGO_STATES: dict[str, OrderState] = {
    "NEW": "untriggered",
    "TRIGGERING": "triggered",
    "TRIGGERED": "triggered",
    "FINISHED": "triggered",  # ended in the book: the order there says how
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}
MARGINS = frozenset(("cross", "crossed", "isolated"))
HOLDINGS = frozenset(("BOTH", "LONG", "SHORT"))


def read(body: bytes | str, kind: type[T]) -> T:
    """`body` as a `kind`; msgspec.DecodeError for whatever is wrong with it.

    Numbers may come as text and text as numbers: the venue does both.
    """
    try:
        if isinstance(body, bytes) and not body.isascii():
            body.decode()  # of what it skips msgspec does not look at the encoding
        return msgspec.json.decode(body, type=kind, strict=False)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"{type(error).__name__} in the text") from None


def amounts(**told: Decimal | None) -> None:
    """Each is an amount that there can be: ValueError for NaN, infinity, less than nothing, absurd sizes."""
    for name, number in told.items():
        if number is not None and (not sane(number) or number < 0):
            raise ValueError(f"{name} is no amount")


def signed(**told: Decimal | None) -> None:
    """As `amounts`, and less than nothing is possible."""
    for name, number in told.items():
        if number is not None and not sane(number):
            raise ValueError(f"{name} is no amount")


def times(*told: int) -> None:
    """Each is an instant of this venue in ms, or 0 where none is told."""
    for ms in told:
        if ms and not FIRST_MS <= ms <= LAST_MS:
            raise ValueError(f"{ms} is no time of this venue")


def numbers(*told: int, least: int = 0) -> None:
    """Each is a number that the venue gives to an order or trade; with `least` -1 it may have none."""
    for number in told:
        if not least <= number < MOST:
            raise ValueError(f"{number} is no number of an order or trade")


def word(told: str, known: Collection[str], what: str) -> None:
    """One of the words that are known."""
    if told not in known:
        raise ValueError(f"{what} {told[:40]!r} is not known")


def once(names: Collection[object], what: str) -> None:
    """No name stands there twice: its amounts would be added up."""
    if len(set(names)) != len(names):
        raise ValueError(f"{what} is told twice")


def filled(executed: Decimal, ordered: Decimal) -> None:
    """No more is filled than was ordered."""
    if executed > ordered:
        raise ValueError(f"{executed} filled of {ordered}")


def mean(worth: Decimal | None, quantity: Decimal) -> None:
    """What was paid for `quantity` makes a price."""
    if worth is not None and quantity and worth >= quantity * LARGEST:
        raise ValueError(f"{worth} for {quantity} makes no price")


def trade(number: int, quantity: Decimal, price: Decimal, executed: Decimal) -> None:
    """One execution of an order that is filled so far."""
    if number < 0 or not quantity or not price or quantity > executed:
        raise ValueError("a trade without number, price or quantity, or beyond what is filled")


def book_number(text: str) -> None:
    """A number of an order, as text; empty where there is none."""
    if text and not (text.isascii() and text.isdigit() and int(text) < MOST):
        raise ValueError(f"{text[:40]!r} is no number of an order")


def margin(told: str) -> None:
    """Cross or isolated; empty where it is not told."""
    if told:
        word(told.lower(), MARGINS, "margin mode")


def key(text: str) -> None:
    """The name of a private stream: it becomes part of an address."""
    if not _KEY.fullmatch(text):
        raise ValueError("no name of a stream")
