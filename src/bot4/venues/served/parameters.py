"""Parameters of a request: read, checked, signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from bot4.venues.served.errors import VenueError, mandatory
from bot4.venues.served.figures import number

MAX_WINDOW_MS = 60_000
AHEAD_MS = 1_000
"""How far a request's timestamp may lie ahead of the server's clock."""

Word = TypeVar("Word", bound=StrEnum)


class Parameters:
    """The parameters of one request, by name; repeated names keep the last value."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def names(self) -> Iterable[str]:
        """All names that were sent."""
        return self._values.keys()

    def renamed(self, names: Mapping[str, str]) -> Parameters:
        """A copy in which each key of `names` has the value of the parameter it maps to."""
        values = {name: value for name, value in self._values.items() if name not in names}
        values |= {new: self._values[old] for new, old in names.items() if old in self._values}
        return Parameters(values)

    def text(self, name: str, default: str = "") -> str:
        """A parameter, or `default` when absent or empty."""
        return self._values.get(name) or default

    def need(self, name: str) -> str:
        """A parameter that must be there (-1102)."""
        value = self._values.get(name)
        if not value:
            raise mandatory(name)
        return value

    def whole(self, name: str, default: int, low: int = 0, high: int = 2**63 - 1) -> int:
        """An integer, clipped to `high`; -1100 when it is none or below `low`."""
        text = self._values.get(name)
        if text is None or text == "":
            return default
        digits = text[1:] if text.startswith("-") else text
        if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
            raise VenueError(
                -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            )
        value = int(text)
        if value < low:
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return min(value, high)

    def decimal(self, name: str) -> Decimal | None:
        """A decimal number, or None when absent."""
        return number(name, self._values[name]) if self._values.get(name) else None

    def need_decimal(self, name: str) -> Decimal:
        """A decimal number that must be there."""
        return number(name, self.need(name))

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false in any case; -1130 otherwise."""
        text = self.text(name).lower()
        if text in ("true", "false"):
            return text == "true"
        if text:
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return default

    def choice(self, name: str, words: Mapping[str, Word], code: int, wrong: str, default: str = "") -> Word:
        """The word behind a parameter; the given error when it is none of `words`."""
        text = self.text(name, default)
        if not text:
            raise mandatory(name)
        word = words.get(text)
        if word is None:
            raise VenueError(code, wrong)
        return word


def from_text(query: str, body: str) -> dict[str, str]:
    """Parameters of a query string and a form body; the query wins, as at the venue."""
    values = dict(parse_qsl(body, keep_blank_values=True))
    values.update(parse_qsl(query, keep_blank_values=True))
    return values


def _without_signature(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def signature_of(secret: str, payload: str) -> str:
    """HMAC-SHA256 of a payload, as hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_text(query: str, body: str) -> str:
    """What a REST request's signature is over: query and body, joined without a sign between them."""
    return _without_signature(query) + _without_signature(body)


def check_signature(secret: str | None, payload: str, signature: str) -> None:
    """VenueError -1022 unless the signature fits; a practice account (no secret) takes any."""
    if not signature:
        raise mandatory("signature")
    if secret is None:
        return
    if not hmac.compare_digest(signature_of(secret, payload).encode(), signature.lower().encode()):
        raise VenueError(-1022, "Signature for this request is not valid.")


def check_time(parameters: Parameters, now_ms: int) -> None:
    """VenueError -1021 unless the request's timestamp is in its receive window."""
    parameters.need("timestamp")
    sent = parameters.whole("timestamp", 0)
    if sent > 10**14:  # microseconds, which spot takes too
        sent //= 1000
    window = float(parameters.decimal("recvWindow") or 5000)
    if window > MAX_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if sent >= now_ms + AHEAD_MS:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
