"""A breaker on refusals: the same refusal again and again means that sending more will not help."""

from __future__ import annotations

from collections.abc import Callable

from bot4.model import names
from bot4.model.codes_nb import R_OK


class Breaker:
    """Opens after `limit` refusals of one kind in a row, for `open_ns`; then one order may try.

    One for the account: "insufficient balance" on one instrument is true on all.
    """

    def __init__(self, limit: int, open_ns: int, tell: Callable[[str], None]) -> None:
        self.opened = 0
        self._limit = limit
        self._open_ns = open_ns
        self._tell = tell
        self._reason = R_OK
        self._count = 0
        self._until: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether orders of new risk are refused."""
        return self._until is not None

    def look(self, now: int) -> None:
        """Let time pass (steady ns): after `open_ns` one try; one more refusal opens it again."""
        if self._until is not None and now >= self._until:
            self._until = None
            self._count = self._limit - 1

    def refused(self, reason: int, now: int) -> None:
        """The venue refused an order of new risk."""
        self._count = self._count + 1 if reason == self._reason else 1
        self._reason = reason
        if self._count >= self._limit and self._until is None:
            self._until = now + self._open_ns
            self.opened += 1
            self._tell(
                f"{self._count} orders in a row refused: {names.reason(reason)}; new risk stops for "
                f"{self._open_ns // 1_000_000_000} s"
            )

    def worked(self) -> None:
        """The venue took an order."""
        self._count = 0
        self._reason = R_OK
