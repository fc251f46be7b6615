"""One instance per account: the second refuses, a dead one's place is taken only when it is surely dead.

The holder beats; a beat older than `stale_ns` is stale. A stale lease is taken only by an instance that has
itself watched it not beat for `stale_ns` on its own steady clock, so that a clock set wrong frees nothing. A
holder whose lease is gone, or whose beat cannot be written in time, must stop adding risk at once (`held` is
False). Where something surer than beats is known of a holder (its process is here, or is gone), that decides.
"""

from __future__ import annotations

from collections.abc import Callable

from bot4.model.errors import StorageError
from bot4.ports.clock import Clock
from bot4.ports.lease import Holder, LeaseStore


class Lease:
    """The lease of one account, seen by the instance `name` (unique, for example host, process and start).

    `alive` says whether the named instance surely lives, surely does not, or (None) that it is not known.
    """

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        clock: Clock,
        stale_ns: int = 30_000_000_000,
        alive: Callable[[str], bool | None] = lambda name: None,
    ) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        self._stale = stale_ns
        self._alive = alive
        self.rival_lives = False  # the holder that refused us surely lives: waiting is of no use
        self._mine: Holder | None = None
        self._written = 0
        self._watched: tuple[Holder, int] | None = None

    @property
    def held(self) -> bool:
        """Whether this instance may add risk now."""
        return self._mine is not None and self._clock.monotonic_ns() - self._written < self._stale

    def acquire(self) -> str:
        """Try to take the lease: empty when it is held now, else why not and what to do."""
        found = self._store.read()
        now = self._clock.monotonic_ns()
        alive = None if found is None else self._alive(found.name)
        if found is not None and found.name != self._name and alive is not False:
            beaten = self._watched is not None and self._watched[0] != found
            self.rival_lives = bool(alive) or beaten
            if self._watched is None or beaten:
                self._watched = (found, now)
            silent = now - self._watched[1]
            if silent < self._stale:
                return (
                    f"{found.name} trades this account; stop it first. If it is dead, its place is free in "
                    f"{(self._stale - silent) / 1e9:.0f} s"
                )
        return "" if self._put(found) else "another instance took the lease at the same moment"

    def beat(self) -> bool:
        """Say that this instance lives, well within stale_ns; False when the lease is lost."""
        if self._mine is None:
            return False
        try:
            if self._put(self._mine):
                return True
        except StorageError:
            return self.held  # not written: held as long as the last beat is fresh
        self._mine = None
        return False

    def keep(self) -> bool:
        """Beat when it is time to; whether this instance may add risk now."""
        if self._mine is not None and self._clock.monotonic_ns() - self._written >= self._stale // 3:
            self.beat()
        return self.held

    def release(self) -> None:
        """Give the lease back, if it is still this instance's."""
        if self._mine is not None:
            self._store.swap(self._mine, None)
            self._mine = None

    def _put(self, old: Holder | None) -> bool:
        new = Holder(self._name, self._clock.now_ns())
        if self._store.swap(old, new) != new:
            return False
        self._mine, self._written = new, self._clock.monotonic_ns()
        return True
