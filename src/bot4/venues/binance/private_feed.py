"""The private stream: kept open, renewed, and its ups and downs told.

Events wait in a queue from the moment the stream stands, so that none is lost between connecting and
reading. What is missed while it is down is not made up here: `StreamState` says so, and who reads asks by
REST.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import msgspec

from bot4.model import codes_nb as c
from bot4.ports.clock import Clock
from bot4.ports.venue import PrivateEvent, StreamState, VenueError
from bot4.venues.backoff import Backoff
from bot4.venues.binance.checks import read
from bot4.venues.binance.sockets import Socket, let_go
from bot4.venues.binance.wire import Enveloped

MAX_WAITING = 50_000
ENDINGS = frozenset({"listenKeyExpired", "eventStreamTerminated", "serverShutdown"})


@dataclass(frozen=True, slots=True)
class PrivatePlan:
    """How the stream is opened and kept. `keep` is called every `keep_s`; its failure renews the stream."""

    open: Callable[[], Awaitable[Socket]]
    keep: Callable[[], Awaitable[None]] | None
    decode: Callable[[str, bytes], Sequence[PrivateEvent]]
    clock: Clock
    keep_s: float = 1800.0
    backoff_base_s: float = 0.1
    backoff_most_s: float = 30.0


class PrivateFeed:
    """One account's stream. `start` it, read `events`, `stop` it."""

    def __init__(self, plan: PrivatePlan) -> None:
        self._plan = plan
        self._queue: asyncio.Queue[PrivateEvent] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._up = False
        self.unreadable = 0

    async def start(self, wait_s: float = 10.0) -> None:
        """Begin, and wait until the stream is up or was told to be down."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._told.wait()

    async def stop(self) -> None:
        """End; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def events(self) -> AsyncIterator[PrivateEvent]:
        """Events without end, from the first on."""
        while True:
            yield await self._queue.get()

    def _tell(self, up: bool, reason: int = 0) -> None:
        if up != self._up or not self._told.is_set():
            self._queue.put_nowait(StreamState(up, reason))
        self._up = up
        self._told.set()

    async def _run(self) -> None:
        plan = self._plan
        backoff = Backoff(plan.clock.now_ns(), plan.backoff_base_s, plan.backoff_most_s)
        while True:
            reason = c.R_NETWORK
            try:
                socket = await plan.open()
                keeper = asyncio.create_task(self._keep(socket))
                try:
                    self._tell(True)
                    backoff.reset()
                    reason = await self._read(socket)
                finally:
                    keeper.cancel()
                    await asyncio.gather(keeper, return_exceptions=True)
                    await let_go(socket)
            except VenueError as error:
                reason = error.reason
            except (aiohttp.ClientError, OSError, TimeoutError):
                reason = c.R_NETWORK
            except Exception:  # noqa: BLE001 - a reader that died would look like a stream without news
                self.unreadable += 1
                reason = c.R_INTERNAL
            self._tell(False, reason)
            await asyncio.sleep(backoff.next_s())

    async def _keep(self, socket: Socket) -> None:
        """Prolong the stream's key; when the venue refuses, close: the reader opens a new one."""
        if self._plan.keep is None:
            return
        while True:
            await asyncio.sleep(self._plan.keep_s)
            try:
                await self._plan.keep()
            except VenueError:
                await let_go(socket)
                return

    async def _read(self, socket: Socket) -> int:
        """Put events in the queue until the stream ends; why it did."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                outer = read(message.data, Enveloped)
                raw = bytes(outer.event or outer.data) or message.data
                inner = read(raw, Enveloped)
                name = inner.e
                if name in ENDINGS:
                    return c.R_EXPIRED
                if not name and inner.id is None:  # nor is it an answer
                    raise msgspec.DecodeError("an event without a name")
                events = self._plan.decode(name, raw)
            except msgspec.MsgspecError:
                self.unreadable += 1
                return c.R_VENUE  # an event about our money that cannot be read: ask by REST
            for event in events:
                self._queue.put_nowait(event)
            if self._queue.qsize() > MAX_WAITING:
                while not self._queue.empty():  # nobody reads; the gap is told
                    self._queue.get_nowait()
                return c.R_BACKLOG
        return c.R_NETWORK
