"""Failing over: which venue takes new risk, which source feeds the market, and who may write.

A choice is a pure function of the healths and the order of the list, so that all processes that see the same
make the same. Only new risk moves: what reduces a position goes to the venue that holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot4.model.codes_nb import R_NETWORK, R_OK
from bot4.model.errors import StorageError
from bot4.ports.venue import MarketBatch
from bot4.venues.health import Health

USABLE = (Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A venue or source in the order of preference in which it is listed."""

    name: str
    health: Health
    reachable: bool = True


def choose(candidates: Sequence[Candidate], current: str | None = None) -> str | None:
    """Who takes new risk: the best health, then whoever does now, then the list's order; None: nobody.

    Degraded is used only when nothing better is there; throttled and unhealthy never are.
    """
    fit = [c for c in candidates if c.reachable and c.health in USABLE]
    if not fit:
        return None
    rank = {c.name: k for k, c in enumerate(candidates)}
    graded = [(2 if c.health is Health.DEGRADED else 1, c.name != current, rank[c.name], c.name) for c in fit]
    return min(graded)[3]


def route(candidates: Sequence[Candidate], current: str | None, holder: str | None) -> str | None:
    """The venue for one order: `holder` (where the position is) for a reducing one, else `choose`."""
    return holder if holder is not None else choose(candidates, current)


Source = Callable[[Sequence[str]], AsyncIterator[MarketBatch]]


class FailoverFeed:
    """Several market sources as one. `patience_s` without a batch is a failure, like a batch without events.

    On a failure the next source in the list is opened and its first batch, a snapshot, follows a batch that
    tells of the break: the reader never joins the books of two sources. A source that fails goes to the end.
    """

    def __init__(self, sources: Sequence[tuple[str, Source]], patience_s: float = 0.5) -> None:
        if not sources:
            raise ValueError("a feed needs at least one source")
        self._sources = list(sources)
        self._patience_s = patience_s
        self.active = sources[0][0]
        self.switches: list[tuple[str, str]] = []

    async def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """Batches of whichever source works; it ends with the reader."""
        while True:
            name, source = self._sources[0]
            self.active = name
            stream = source(symbols)
            reason = R_OK
            try:
                while reason == R_OK:
                    try:
                        async with asyncio.timeout(self._patience_s):
                            batch = await anext(stream)
                    except (TimeoutError, StopAsyncIteration):
                        reason = R_NETWORK
                        continue
                    if batch.events is None:
                        reason = batch.reason or R_NETWORK
                    else:
                        yield batch
            finally:
                closing = getattr(stream, "aclose", None)
                if closing is not None:
                    await closing()
            self._sources.append(self._sources.pop(0))
            self.switches.append((name, self._sources[0][0]))
            yield MarketBatch(None, reason)


class WriterLease:
    """The right to write to one account: at most one process on this host has it, and dies with it.

    `epoch` grows with every holder, and stands in the client order ids; an order of an older epoch is
    a former writer's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self.epoch = 0

    def take(self) -> bool:
        """Become the writer; False when another process is."""
        if self._fd >= 0:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"writer's lease {self._path}: {error.strerror or error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        text = os.read(fd, 32).decode("ascii", "replace").strip()
        self.epoch = (int(text) if text.isdigit() else 0) + 1
        os.pwrite(fd, f"{self.epoch:<20}\n".encode("ascii"), 0)
        os.fsync(fd)
        self._fd = fd
        return True

    def give_up(self) -> None:
        """Stop being the writer; safe to call twice."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
