"""Signed requests, and what their failures mean.

Nothing is retried here but a question that the venue refused for its time stamp: that one is asked again
after the clock was measured anew. Keys appear in no error text; of a request only its method and path are
named.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from bot4.model import codes_nb as c
from bot4.ports.clock import Clock
from bot4.ports.secrets import ApiKey
from bot4.ports.venue import (
    NotSent,
    OutcomeUnknown,
    Throttled,
    VenueError,
    VenueUnreachable,
)
from bot4.venues.binance.checks import read
from bot4.venues.binance.endpoints import HEADERS, ORDERS_10S, ORDERS_DAY, ORDERS_MINUTE, WEIGHT, Endpoint
from bot4.venues.binance.errors import Answer, error_of, reason_of
from bot4.venues.binance.wire import Done, Failure, Order, ServerTime
from bot4.venues.clock_sync import ClockSync
from bot4.venues.health import HealthMonitor
from bot4.venues.limits import RateLimiter
from bot4.venues.quirks import harmless

MS = 1_000_000
T = TypeVar("T")
_DONE: Any = Done | list[msgspec.Raw]
_SHOWN: Any = Order | list[Order]
CLOCK_BURST = 4
FAILURE_BYTES = 4096
"""No refusal is longer."""
LONGEST_WAIT_S = 3 * 86_400
"""The longest ban that the venue documents."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long requests may take and count, and how patient questions are with the rate limit."""

    recv_window_ms: int = 5000
    connect_s: float = 3.0
    answer_s: float = 7.0
    patience_ns: int = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Measures:
    """What every request reports to and asks of: clock, budget and health of the venue."""

    clock: Clock
    sync: ClockSync
    limiter: RateLimiter
    health: HealthMonitor


class Rest:
    """The REST face of one product."""

    def __init__(
        self, venue: str, base: str, key: ApiKey, time: Endpoint, measures: Measures, timing: Timing
    ) -> None:
        self._venue = venue
        self._base = base.rstrip("/")
        self._key = key
        self._time = time
        self._m = measures
        self._timing = timing
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """The session, made on first use. TLS certificates are verified; redirects are not followed."""
        if self._session is None or self._session.closed:
            timing = self._timing
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=timing.connect_s + 2 * timing.answer_s,
                    connect=timing.connect_s,
                    sock_read=timing.answer_s,
                ),
                headers={"User-Agent": "bot4"},
            )
        return self._session

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self, endpoint: Endpoint, params: Mapping[str, object] | None = None, urgent: bool = False
    ) -> bytes:
        """Send a request and give the body; `VenueError` by what is known of its effect."""
        try:
            try:
                return await self._once(endpoint, params or {}, urgent)
            except VenueUnreachable as error:
                if error.code != -1021:
                    raise
                return await self._once(endpoint, params or {}, urgent)
        except NotSent as error:
            if endpoint.command or isinstance(error, Throttled):
                raise
            raise VenueUnreachable(str(error), error.reason, error.code) from None

    async def get(
        self,
        kind: type[T],
        endpoint: Endpoint,
        params: Mapping[str, object] | None = None,
        urgent: bool = False,
    ) -> T:
        """`ask`, decoded. An answer that cannot be read leaves the outcome of a command unknown."""
        return self.decoded(kind, endpoint, await self.ask(endpoint, params, urgent))

    def decoded(self, kind: type[T], endpoint: Endpoint, body: bytes) -> T:
        """The body as `kind`."""
        try:
            return read(body, kind)
        except msgspec.MsgspecError as error:
            raise self.strange(endpoint, f"the answer cannot be read: {error}") from None

    def strange(self, endpoint: Endpoint, text: str) -> OutcomeUnknown | VenueUnreachable:
        """The error of an answer that is not one to what was asked: nothing is known."""
        return _blind(endpoint)(f"{endpoint.method} {endpoint.path}: {text}", c.R_VENUE)

    async def do(
        self, endpoint: Endpoint, params: Mapping[str, object] | None = None, urgent: bool = False
    ) -> None:
        """`ask`, of which only that it was done matters."""
        self.decoded(_DONE, endpoint, await self.ask(endpoint, params, urgent))

    def signed(self, params: Mapping[str, object], separator: str = "") -> dict[str, object]:
        """The parameters with time stamp, window and signature; for REST in their order, else sorted."""
        full: dict[str, object] = dict(params)
        full["recvWindow"] = self._timing.recv_window_ms
        full["timestamp"] = self._m.sync.venue_ns() // MS
        if separator == "sorted":
            full["apiKey"] = self._key.key
            full = dict(sorted(full.items()))
        text = urlencode(full)
        full["signature"] = hmac.new(self._key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return full

    async def measure(self, times: int = CLOCK_BURST) -> None:
        """Measure the venue's clock; VenueUnreachable when it does not answer."""
        for _ in range(times):
            sent = self._m.clock.monotonic_ns()
            reply = self.decoded(ServerTime, self._time, await self._once(self._time, {}, True))
            there = reply.server_time * MS + MS // 2
            self._m.sync.sample(sent, there, there, self._m.clock.monotonic_ns())

    async def _once(self, endpoint: Endpoint, params: Mapping[str, object], urgent: bool) -> bytes:
        what = f"{endpoint.method} {endpoint.path}"
        patience = 0 if endpoint.command else self._timing.patience_ns
        charges = {WEIGHT: endpoint.weight}
        if endpoint.orders:
            charges |= dict.fromkeys((ORDERS_10S, ORDERS_MINUTE, ORDERS_DAY), endpoint.orders)
        if endpoint.access == "signed" and not urgent:
            self._m.sync.require()
        await self._m.limiter.acquire(charges, urgent, patience)
        # signed after any wait: the time stamp must be fresh
        full = self.signed(params) if endpoint.access == "signed" else dict(params)
        query = f"?{urlencode(full)}" if full else ""
        headers = {} if endpoint.access == "open" else {"X-MBX-APIKEY": self._key.key}
        began = self._m.clock.monotonic_ns()
        failed: VenueError
        try:
            async with self.open().request(
                endpoint.method,
                URL(self._base + endpoint.path + query, encoded=True),
                headers=headers,
                allow_redirects=False,
            ) as reply:
                body = await reply.read()
                return await self._taken(endpoint, what, reply, body, began)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            text = f"{what}: no connection ({type(error).__name__})"
            failed = NotSent(text, c.R_NETWORK) if endpoint.command else VenueUnreachable(text, c.R_NETWORK)
        except TimeoutError:
            failed = _blind(endpoint)(f"{what}: no answer in time", c.R_TIMEOUT)
        except (aiohttp.ClientError, OSError) as error:
            failed = _blind(endpoint)(f"{what}: connection lost ({type(error).__name__})", c.R_NETWORK)
        self._tell_health(began, ok=False)
        raise failed from None

    async def _taken(
        self, endpoint: Endpoint, what: str, reply: aiohttp.ClientResponse, body: bytes, began: int
    ) -> bytes:
        """The body of a good reply; the error of a bad one, after what it teaches was noted."""
        limiter = self._m.limiter
        for header, name in HEADERS.items():
            used = _count(reply.headers.get(header, ""))
            if used is not None:
                limiter.sync(name, used)
        answer = _answer(self._venue, reply, body)
        if 200 <= reply.status < 300:
            self._tell_health(began, ok=answer.code >= 0)
            if answer.code < 0:
                raise self.strange(endpoint, f"HTTP {reply.status} with {answer.code} {answer.text}")
            return body
        if harmless(self._venue, endpoint.path, answer.code):
            self._tell_health(began, ok=True)
            return body
        error = error_of(answer, endpoint.command, what)
        meaning, _ = reason_of(answer)
        if isinstance(error, Throttled):
            if answer.code != -1015:
                limiter.block(error.wait_ns, hard=reply.status == 418)
        elif meaning == "clock" and endpoint.access == "signed":
            self._m.sync.forget()
            with suppress(VenueError):  # unmeasured, nothing signed goes out; the refusal stands
                await self.measure()
        if endpoint.command and not answer.code and _tells_of_order(body):
            error = self.strange(endpoint, f"HTTP {reply.status} with an order")
        if error.reason != c.R_MAINTENANCE:  # it says that it is away: no error of its, and no good sign
            self._tell_health(began, ok=not isinstance(error, OutcomeUnknown) and answer.status < 500)
        raise error

    def _tell_health(self, began: int, ok: bool) -> None:
        self._m.health.sample((self._m.clock.monotonic_ns() - began) / MS, ok)
        self._m.health.usage(self._m.limiter.share())


def _blind(endpoint: Endpoint) -> type[OutcomeUnknown | VenueUnreachable]:
    """The error of a request whose answer is missing."""
    return OutcomeUnknown if endpoint.command else VenueUnreachable


def _count(header: str) -> int | None:
    """A header's number, None where it is none."""
    return int(header) if header.isascii() and header.isdigit() and len(header) < 16 else None


def _tells_of_order(body: bytes) -> bool:
    """Whether a body shows an order, or several."""
    try:
        shown = read(body, _SHOWN)
    except msgspec.MsgspecError:
        return False
    rows = shown if isinstance(shown, list) else [shown]
    return any(bytes(row.order_id) or bytes(row.algo_id) or bytes(row.order_list_id) for row in rows)


def _answer(venue: str, reply: aiohttp.ClientResponse, body: bytes) -> Answer:
    """What a body says of a failure, whatever it is: proxies answer in HTML."""
    try:
        failure = read(body, Failure) if len(body) <= FAILURE_BYTES else Failure()
    except msgspec.MsgspecError:
        failure = Failure(0, body[:120].decode("utf-8", "replace"))
    wait = min(_count(reply.headers.get("Retry-After", "")) or 0, LONGEST_WAIT_S)
    return Answer(reply.status, failure.code, str(failure.msg)[:400], wait * 10**9, venue)
