"""Client order ids on the wire: bot4's text id in the form that each venue takes, and back.

bot4 always makes the id (`safety.gate.client_order_id`); a library or a venue never does, because after a
lost answer the id is the only way to ask what became of an order.

An id `b4{owner}-{epoch}-{order}` is a number too, in mixed radix, and fits 128 bits:
    ((owner in bijective base 62) x 10^10 + epoch) x 10^14 + order
Venues with a short or a hexadecimal field get that number; venues with an integer field get
epoch x 10^9 + order, and the owner must be known to read it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bot4.model.errors import CallerError

Form = Literal["text", "hex128", "base62", "integer"]

_OURS = re.compile(r"b4([A-Za-z0-9]{1,8})-(0|[1-9][0-9]{0,9})-([1-9][0-9]{0,13})", re.ASCII)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EPOCHS = 10**10
_ORDERS = 10**14
_SHORT_ORDERS = 10**9


@dataclass(frozen=True, slots=True)
class IdRules:
    """What a venue takes as a client order id. `max_length` counts the prefix."""

    field: str  # the venue's name of it
    form: Form
    max_length: int
    charset: str  # of a regular expression's class
    prefix: str = ""


RULES: dict[str, IdRules] = {
    "simulator": IdRules("client_id", "text", 36, "A-Za-z0-9._:/-"),
    "binance-spot": IdRules("newClientOrderId", "text", 36, "A-Za-z0-9._:/-"),
    "binance-usdm": IdRules("newClientOrderId", "text", 36, "A-Za-z0-9._:/-"),
    "okx": IdRules("clOrdId", "base62", 32, "A-Za-z0-9"),
    "gate": IdRules("text", "base62", 28, "A-Za-z0-9._-", "t-"),
    "hyperliquid": IdRules("cloid", "hex128", 34, "0-9a-fx", "0x"),
    "bitfinex": IdRules("cid", "integer", 19, "0-9"),
    "htx-perp": IdRules("client_order_id", "integer", 19, "0-9"),
}


def _parts(client_id: str) -> tuple[str, int, int]:
    found = _OURS.fullmatch(client_id)
    if found is None:
        raise CallerError(f"client order id {client_id!r} is not one that bot4 made")
    return found[1], int(found[2]), int(found[3])


def packed(client_id: str) -> int:
    """The id as a number below 2**128; CallerError for an id that is not bot4's."""
    owner, epoch, order = _parts(client_id)
    number = 0
    for letter in owner:
        number = number * 62 + _DIGITS.index(letter) + 1
    return (number * _EPOCHS + epoch) * _ORDERS + order


def unpacked(number: int) -> str | None:
    """The id that `packed` made a number of, or None."""
    rest, order = divmod(number, _ORDERS)
    code, epoch = divmod(rest, _EPOCHS)
    owner = ""
    while code > 0:
        code, digit = divmod(code - 1, 62)
        owner = _DIGITS[digit] + owner
    text = f"b4{owner}-{epoch}-{order}"
    return text if _OURS.fullmatch(text) else None


def _base62(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text or "0"


def encode(venue: str, client_id: str) -> str:
    """`client_id` as `venue` takes it; CallerError when the venue's field cannot hold it."""
    rules = RULES[venue]
    if rules.form == "text":
        text = client_id
    elif rules.form == "hex128":
        text = f"{packed(client_id):032x}"
    elif rules.form == "base62":
        text = _base62(packed(client_id))
    else:
        _, epoch, order = _parts(client_id)
        number = epoch * _SHORT_ORDERS + order
        if order >= _SHORT_ORDERS or number >= 2**63:
            raise CallerError(f"client order id {client_id}: too large for the integer ids of {venue}")
        text = str(number)
    wire = rules.prefix + text
    if len(wire) > rules.max_length or not re.fullmatch(f"[{rules.charset}]+", wire, re.ASCII):
        raise CallerError(
            f"client order id {client_id!r}: {venue} takes up to {rules.max_length} of [{rules.charset}]"
        )
    return wire


def _read(rules: IdRules, text: str, owner: str) -> str | None:
    """The id that `text` may be; not yet checked to be the one spelling of it."""
    if rules.form == "text":
        return text
    try:
        if rules.form == "hex128":
            return unpacked(int(text, 16))
        if rules.form == "base62":
            number = 0
            for letter in text:
                number = number * 62 + _DIGITS.index(letter)
            return unpacked(number)
        epoch, order = divmod(int(text), _SHORT_ORDERS)
    except ValueError:
        return None
    return f"b4{owner}-{epoch}-{order}"


def decode(venue: str, wire: str, owner: str = "") -> str | None:
    """bot4's id behind what the venue returns; None for an order that bot4 did not place.

    `owner` is needed where the venue's ids are integers.
    """
    rules = RULES[venue]
    made = _read(rules, wire.removeprefix(rules.prefix), owner)
    if made is None or not _OURS.fullmatch(made):
        return None
    try:
        return made if encode(venue, made) == wire else None
    except CallerError:
        return None
