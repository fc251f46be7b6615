"""One WebSocket connection's way out: a queue in order, and the faults that messages meet on it."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bot4.ports.clock import Clock
from bot4.venues.served.faults import Faults, Firing, Traffic

MOST_WAITING = 10_000
"""A client that reads more slowly than this many messages is cut off, as at the venue."""

Event = dict[str, Any] | list[dict[str, Any]]

_encode = msgspec.json.Encoder().encode


def encoded(value: object) -> str:
    """JSON text."""
    return _encode(value).decode()


class Line:
    """Messages to one connection, sent in the order they were put, none before its time."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
        clock: Clock,
        combined: bool = False,
    ) -> None:
        self.combined = combined
        self.account = ""
        self._send = send
        self._close = close
        self._clock = clock
        self._waiting: deque[tuple[int, str]] = deque()
        self._more = asyncio.Event()
        self._not_before = 0
        self._silent_until = 0
        self._skip = 0
        self._swap: str | None = None
        self._frozen: tuple[int, int] | None = None  # event time shown, until
        self.closing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, text: str, delay_ns: int = 0) -> None:
        """Send `text` after what waits already."""
        if self.closing:
            return
        now = self._clock.monotonic_ns()
        if now < self._silent_until:
            return
        self._not_before = max(self._not_before, now + delay_ns) if delay_ns else self._not_before
        self._waiting.append((self._not_before, text))
        if len(self._waiting) > MOST_WAITING:
            self.end()
        self._more.set()

    def end(self) -> None:
        """Close the connection; what waits is not sent."""
        self.closing = True
        self._more.set()

    async def stop(self) -> None:
        """End the task that sends; to be awaited once the connection is over."""
        self.closing = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self.closing:
            await self._more.wait()
            self._more.clear()
            while self._waiting and not self.closing:
                at, text = self._waiting.popleft()
                wait = at - self._clock.monotonic_ns() if at else 0
                if wait > 0:
                    await asyncio.sleep(wait / 1e9)
                try:
                    await self._send(text)
                except ConnectionError:
                    self.closing = True
        await self._close()

    # --- faults ----------------------------------------------------------------------------------------

    def silence(self, seconds: float) -> None:
        """From now on nothing is sent, for `seconds` or for good; pings are still answered."""
        self._silent_until = self._clock.monotonic_ns() + int((seconds or 1e9) * 1e9)

    def freeze(self, seconds: float, event_ms: int) -> None:
        """From now on every event says that it is from `event_ms`."""
        self._frozen = (event_ms, self._clock.monotonic_ns() + int((seconds or 1e9) * 1e9))

    def post(self, event: Event, wrap: Callable[[str], str], faults: Faults, traffic: Traffic) -> None:
        """Send an event, through the faults that hold for it."""
        firings = faults.firing(traffic)
        if self._skip:
            self._skip -= 1
            return
        if self._frozen is not None:
            event = self._with_frozen_time(event)
        copies, delay = 1, 0
        later = False
        for firing in firings:
            kind = firing.do.kind
            if kind in ("silence", "freeze", "close", "gap"):
                event, copies = self._lasting(firing, event, copies)
            elif kind == "drop":
                copies = 0
            elif kind == "duplicate":
                copies += 1
            elif kind == "delay":
                delay = firing.delay_ns
            elif kind == "reorder":
                later = True
        text = wrap(encoded(event))
        for firing in firings:
            if firing.do.kind == "alter":
                text = re.sub(firing.do.find, firing.do.put, text, count=1)
        if later and copies:
            self._swap = text
            return
        for _ in range(copies):
            self.put(text, delay)
        if self._swap is not None:
            swapped, self._swap = self._swap, None
            self.put(swapped)

    def _lasting(self, firing: Firing, event: Event, copies: int) -> tuple[Event, int]:
        do = firing.do
        if do.kind == "silence":
            self.silence(do.seconds)
        elif do.kind == "close":
            self.end()
        elif do.kind == "gap":
            self._skip = do.messages - 1
            return event, 0
        elif do.kind == "freeze":
            self.freeze(do.seconds, int(event.get("E", 0)) if isinstance(event, dict) else 0)
        return event, copies

    def _with_frozen_time(self, event: Event) -> Event:
        assert self._frozen is not None
        event_ms, until = self._frozen
        if self._clock.monotonic_ns() >= until:
            self._frozen = None
            return event
        if isinstance(event, list):
            return [row | {"E": event_ms} for row in event]
        return event | {key: event_ms for key in ("E", "T") if isinstance(event.get(key), int)}
