"""The way of a request over REST or the WebSocket API: faults, limits, key, signature, time, handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot4.ports.clock import Clock
from bot4.venues.served.desk import Call, Desk, Reply, Route
from bot4.venues.served.errors import Product, VenueError, unauthorised
from bot4.venues.served.faults import Faults, Firing, Traffic
from bot4.venues.served.faults_plan import LASTING
from bot4.venues.served.parameters import Parameters, check_signature, check_time

MS = 1_000_000


class Dropped(Exception):
    """The connection is to be closed without a reply."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in. `payload` is what the signature is over."""

    product: Product
    route: Route
    parameters: Parameters
    key: str
    payload: str
    address: str
    method: str
    path: str


@dataclass(slots=True)
class Upset:
    """What lasting faults have done to the venue."""

    skew_ms: float = 0.0
    drift_ppm: float = 0.0
    since_ns: int = 0
    maintenance_until_ns: int = 0
    frozen_ms: int = 0
    frozen_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: HTTP status, body, headers."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


class Gateway:
    """Both desks, the clock, and the faults."""

    def __init__(self, desks: Mapping[Product, Desk], clock: Clock, speed: float, seed: int) -> None:
        self.desks = desks
        self.clock = clock
        self.faults = Faults(seed, clock)
        self.upset = Upset()
        self.lasting: Callable[[Firing], None] = self.upset_by
        self._speed = speed
        self._began_ns = clock.monotonic_ns()
        self._market_ns = {name: desk.exchange.now_ns for name, desk in desks.items()}

    # --- time ----------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The venue's wall clock, with skew and drift when a fault asks for them."""
        now, upset = self.clock.now_ns(), self.upset
        if self.clock.monotonic_ns() < upset.frozen_until_ns:
            return upset.frozen_ms
        if upset.skew_ms or upset.drift_ppm:
            drift = (self.clock.monotonic_ns() - upset.since_ns) * upset.drift_ppm / 1e6
            now += int(upset.skew_ms * MS + drift)
        return now // MS

    def advance(self, product: Product | None = None) -> None:
        """Let the markets, or those of one product, run up to now, in steps of a millisecond at least."""
        passed = int((self.clock.monotonic_ns() - self._began_ns) * self._speed)
        for name in self.desks if product is None else (product,):
            exchange = self.desks[name].exchange
            until = self._market_ns[name] + passed
            if until - exchange.now_ns >= MS:
                exchange.advance(until)

    # --- requests ------------------------------------------------------------------------------------

    async def ask(self, asked: Asked) -> Answer:
        """Serve a request; Dropped when a fault wants no reply."""
        desk = self.desks[asked.product]
        try:
            body = await self._through_faults(asked) if self.faults else self._carried_out(asked)
            answer = Answer(200, body)
        except VenueError as error:
            extra = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
            answer = Answer(error.status, error.body(), extra)
        counted = desk.meter.headers(asked.address, asked.key, self.now_ms(), asked.route.orders > 0)
        return Answer(answer.status, answer.body, {**counted, **answer.headers})

    def _carried_out(self, asked: Asked) -> Reply:
        desk, route, parameters = self.desks[asked.product], asked.route, asked.parameters
        if self.clock.monotonic_ns() < self.upset.maintenance_until_ns:
            raise VenueError(1, "System is under maintenance.", 503)
        now = self.now_ms()
        desk.meter.request(asked.address, route.cost(parameters), now)
        if route.access != "open":
            self._admit(asked, desk, now)
        if route.orders:
            desk.meter.orders(asked.key, route.orders, now)
        self.advance(asked.product)
        return route.run(Call(desk, parameters, asked.key, now))

    def _admit(self, asked: Asked, desk: Desk, now: int) -> None:
        if not asked.key:
            raise unauthorised(-2014, "API-key format invalid.")
        customer = desk.customer(asked.key)
        if asked.route.access == "signed":
            check_time(asked.parameters, now)
            check_signature(customer.secret, asked.payload, asked.parameters.text("signature"))

    # --- faults --------------------------------------------------------------------------------------

    async def _through_faults(self, asked: Asked) -> Reply:
        traffic = Traffic(
            "rest",
            asked.product,
            asked.method,
            asked.path,
            account=asked.key,
            symbol=asked.parameters.text("symbol"),
        )
        firings = self.faults.firing(traffic)
        for firing in firings:
            await self._before(firing, asked)
        body = self._carried_out(asked)
        for firing in firings:
            self._after(firing, asked, body)
        return body

    async def _before(self, firing: Firing, asked: Asked) -> None:
        do = firing.do
        if do.kind in LASTING:
            self.lasting(firing)
        elif do.kind == "delay":
            await asyncio.sleep(firing.delay_ns / 1e9)
        elif do.kind == "drop":
            raise Dropped
        elif do.kind == "status" and not do.processed:
            raise VenueError(do.code, do.msg, do.http, do.retry_after or None)
        elif do.kind == "not_found_for" and not asked.route.orders:
            raise (
                VenueError(-2011, "Unknown order sent.")
                if asked.method == "DELETE"
                else VenueError(-2013, "Order does not exist.")
            )
        elif do.kind == "duplicate":
            self._carried_out(asked)

    def _after(self, firing: Firing, asked: Asked, body: Reply) -> None:
        do = firing.do
        if do.kind == "accept_then_lose_reply":
            raise Dropped
        if do.kind == "status" and do.processed:
            raise VenueError(do.code, do.msg, do.http, do.retry_after or None)
        if do.kind == "not_found_for" and isinstance(body, dict):
            order_id = body.get("orderId") or body.get("algoId")
            if isinstance(order_id, int):
                until = self.now_ms() + int(do.seconds * 1000)
                self.desks[asked.product].hidden[order_id] = until

    def upset_by(self, firing: Firing) -> None:
        """Let a fault of the whole venue begin: skew, freeze, maintenance."""
        do, now = firing.do, self.clock.monotonic_ns()
        if do.kind == "skew":
            self.upset.skew_ms, self.upset.drift_ppm, self.upset.since_ns = do.skew_ms, do.drift_ppm, now
        elif do.kind == "maintenance":
            self.upset.maintenance_until_ns = now + int(do.seconds * 1e9)
        elif do.kind == "freeze":
            self.upset.frozen_ms = self.now_ms()
            self.upset.frozen_until_ns = now + int((do.seconds or 1e9) * 1e9)
