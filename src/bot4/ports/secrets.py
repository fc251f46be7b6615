"""The Secrets port: where keys come from. A key is shown nowhere: not in repr, logs or errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot4.model.errors import OperatorError


class SecretMissing(OperatorError):
    """No key is stored for a venue; the text names the venue, never a value."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A venue's key pair. Neither part is in its repr; it cannot be pickled by accident into a journal."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __reduce__(self) -> str:
        raise TypeError("an ApiKey is not written anywhere")


class Secrets(Protocol):
    """Gives out keys by the venue's name."""

    def api_key(self, venue: str) -> ApiKey:
        """The key pair of `venue`; SecretMissing when there is none."""


class FakeSecrets:
    """Secrets out of a dictionary, for tests and practice accounts."""

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        self._keys = dict(keys)

    def api_key(self, venue: str) -> ApiKey:
        """The key pair given at the start."""
        if venue not in self._keys:
            raise SecretMissing(
                f"no API key for {venue}; known are {', '.join(sorted(self._keys)) or 'none'}"
            )
        return self._keys[venue]
