"""Listen keys: what opens a user data stream, for an hour after it was last kept alive."""

from __future__ import annotations

import hashlib

VALID_MS = 3_600_000


class ListenKeys:
    """The listen keys of one desk: one an account, as at the venue."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._made = 0
        self._accounts: dict[str, str] = {}
        self._until: dict[str, int] = {}

    def start(self, account: str, now_ms: int) -> str:
        """The account's listen key, made when there is none, with a new hour."""
        for key, owner in self._accounts.items():
            if owner == account:
                self._until[key] = now_ms + VALID_MS
                return key
        self._made += 1
        text = f"{self._product}/{account}/{self._made}"
        key = hashlib.sha256(text.encode()).hexdigest()
        self._accounts[key] = account
        self._until[key] = now_ms + VALID_MS
        return key

    def account(self, key: str) -> str | None:
        """Whose key this is; None when it is not valid."""
        return self._accounts.get(key)

    def key_of(self, account: str) -> str | None:
        """The valid key of an account."""
        return next((key for key, owner in self._accounts.items() if owner == account), None)

    def keep(self, key: str, now_ms: int) -> bool:
        """Give a key a new hour; False when it is not valid."""
        if key not in self._accounts:
            return False
        self._until[key] = now_ms + VALID_MS
        return True

    def close(self, key: str) -> bool:
        """End a key."""
        self._until.pop(key, None)
        return self._accounts.pop(key, None) is not None

    def expired(self, now_ms: int) -> list[tuple[str, str]]:
        """Keys, with their accounts, that have run out; they are ended."""
        gone = [(key, self._accounts[key]) for key, until in self._until.items() if now_ms >= until]
        for key, _ in gone:
            self.close(key)
        return gone
