"""The server: one port on loopback for REST, streams, the WebSocket API and control."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bot4.model.errors import ConfigError
from bot4.ports.clock import Clock
from bot4.venues.served.control import Control, market_changes
from bot4.venues.served.desk import Desk
from bot4.venues.served.errors import Product, VenueError
from bot4.venues.served.faults import Firing
from bot4.venues.served.faults_plan import Rule
from bot4.venues.served.gateway import Answer, Asked, Dropped, Gateway
from bot4.venues.served.limits import SPOT_LIMITS, USDM_LIMITS, Limits, Meter
from bot4.venues.served.line import encoded
from bot4.venues.served.parameters import Parameters, from_text, signed_text
from bot4.venues.served.sockets import SocketRules, Sockets
from bot4.venues.served.streams import Hub
from bot4.venues.served.table import REST, product_of
from bot4.venues.served.usdm_orders import cancel_resting
from bot4.venues.served.user_feed import UserFeed
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.words import State

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TICK_S = 0.02
_HOST = re.compile(r"^/([a-z0-9-]+\.)+[a-z]+(?=/)")
"""A client redirected with the venue's host kept in the path: /fapi.binance.com/fapi/v1/ping."""


@dataclass(frozen=True, slots=True)
class ServedOptions:
    """How the venue is served."""

    host: str = "127.0.0.1"
    port: int = 0
    speed: float = 1.0
    seed: int = 7
    practice: bool = True  # an unknown key opens a funded account
    limits: Mapping[Product, Limits] = field(
        default_factory=lambda: {"spot": SPOT_LIMITS, "usdm": USDM_LIMITS}
    )
    sockets: SocketRules = field(default_factory=SocketRules)


def check_host(host: str) -> None:
    """ConfigError unless `host` is this machine's own: practice keys need no secret."""
    if host not in LOOPBACK:
        raise ConfigError(
            f"host {host!r}: the exchange listens on loopback only (127.0.0.1), "
            "because it trades for anyone who asks, without a password"
        )


class ServedVenue:
    """The served exchange; `running()` starts and stops it."""

    def __init__(self, exchanges: Mapping[Product, Exchange], clock: Clock, options: ServedOptions) -> None:
        check_host(options.host)
        if options.speed <= 0:
            raise ConfigError(f"speed: must be above 0, is {options.speed}")
        self.options = options
        desks = {
            name: Desk(name, ex, Meter(options.limits[name]), options.practice)
            for name, ex in exchanges.items()
        }
        self.gateway = Gateway(desks, clock, options.speed, options.seed)
        self._hubs: dict[Product, Hub] = {n: Hub(d, self.gateway.faults) for n, d in desks.items()}
        self._feeds: dict[Product, UserFeed] = {n: UserFeed(d, self.gateway.faults) for n, d in desks.items()}
        self._sockets = Sockets(self.gateway, self._hubs, self._feeds, options.sockets)
        self.control = Control(self.gateway, self._feeds, lambda: len(self._sockets.open))
        self.gateway.lasting = self._lasting_fault
        self.port = 0
        self.failure: BaseException | None = None

    def listening(self, account: str) -> bool:
        """Whether any connection hears the user data of `account`."""
        return any(feed.heard(account) for feed in self._feeds.values())

    # --- life ----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ServedVenue]:
        """Serve inside the block."""
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self._any)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self.options.host, self.options.port)
        try:
            await site.start()
            self.port = runner.addresses[0][1]
            ticking = asyncio.get_running_loop().create_task(self._tick())
            try:
                yield self
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
                for line in list(self._sockets.open):
                    line.end()
        finally:
            await runner.cleanup()

    async def _tick(self) -> None:
        """The market goes on; what is due by time is sent. An error here ends the server, and is told."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.gateway.advance()
                for hub in self._hubs.values():
                    hub.flush()
                self._expire()
                for firing in self.gateway.faults.due():
                    self._lasting_fault(firing)
        except Exception as error:
            self.failure = error
            raise

    def _expire(self) -> None:
        now = self.gateway.now_ms()
        for name, desk in self.gateway.desks.items():
            for key, account in desk.keys.expired(now):
                self._feeds[name].expire(account, key, now)
            for who, until in list(desk.countdowns.items()):
                if now >= until:
                    del desk.countdowns[who]
                    cancel_resting(desk, *who)

    def _lasting_fault(self, firing: Firing) -> None:
        rule = firing.rule
        products = [n for n in self.gateway.desks if rule.match.product in ("", n)]
        lines = [line for line, product in self._sockets.open.items() if product in products]
        chosen = [line for line in lines if rule.match.account in ("", line.account)]
        kind = firing.do.kind
        for line in chosen if kind in ("silence", "close") else ():
            if kind == "close":
                line.end()
            else:
                line.silence(firing.do.seconds)
        self.gateway.upset_by(firing)
        for name in products:
            if kind == "set_market":
                self._set_market(name, rule)
            elif kind in ("cancel_stops", "cancel_silently"):
                self._lose_orders(name, rule, stops=kind == "cancel_stops")
        if kind == "maintenance":
            for line in lines:
                line.end()

    def _set_market(self, name: Product, rule: Rule) -> None:
        exchange = self.gateway.desks[name].exchange
        if rule.match.symbol in exchange.markets:
            exchange.set_market(rule.match.symbol, **market_changes(rule.do.changes))

    def _lose_orders(self, name: Product, rule: Rule, stops: bool) -> None:
        """Cancel stops (or all orders) of the accounts a rule names, without telling anyone."""
        desk, feed = self.gateway.desks[name], self._feeds[name]
        with feed.muted():
            for account, symbol in desk.memory.traders():
                if rule.match.account not in ("", account) or rule.match.symbol not in ("", symbol):
                    continue
                for order in desk.exchange.open_orders(account, symbol):
                    if not stops or order.state is State.UNTRIGGERED:
                        desk.exchange.cancel(account, symbol, order_id=order.id)

    # --- requests ------------------------------------------------------------------------------------

    async def _any(self, request: web.Request) -> web.StreamResponse:
        host = _HOST.match(request.path)
        path = request.path[host.end() :] if host else request.path
        if path.startswith("/_bot4/"):
            return await self._controlled(request, path.removeprefix("/_bot4/"))
        if request.headers.get("Upgrade", "").lower() == "websocket":
            futures = "fapi" in request.path or path.startswith("/fut/") or "fstream" in request.path
            product: Product = "usdm" if futures else "spot"
            if product in self.gateway.desks:
                return await self._sockets.serve(request, product, path.removeprefix("/fut"))
            return web.json_response(VenueError(-1000, "Not served here.").body(), status=404)
        return await self._rest(request, path)

    async def _rest(self, request: web.Request, path: str) -> web.StreamResponse:
        route = REST.get((request.method, path))
        product = product_of(path)
        if route is None or product not in self.gateway.desks:
            body = VenueError(-5000, f"Path {path}, Method {request.method} is invalid").body()
            return web.json_response(body, status=404)
        text = (await request.read()).decode("utf-8", "replace")
        query = request.raw_path.partition("?")[2]
        asked = Asked(
            product=product,
            route=route,
            parameters=Parameters(from_text(query, text)),
            key=request.headers.get("X-MBX-APIKEY", ""),
            payload=signed_text(query, text),
            address=request.remote or "unknown",
            method=request.method,
            path=path,
        )
        try:
            answer = await self.gateway.ask(asked)
        except Dropped:
            return self._cut(request)
        return _response(answer)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        """End the connection without a word."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _controlled(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.remote not in LOOPBACK:
            return web.json_response({"error": "control is for loopback only"}, status=403)
        text = (await request.read()).decode("utf-8", "replace")
        status, body = self.control.answer(request.method, path, dict(request.query), text)
        return web.Response(text=encoded(body), status=status, content_type="application/json")


def _response(answer: Answer) -> web.Response:
    return web.Response(
        text=encoded(answer.body),
        status=answer.status,
        headers=answer.headers,
        content_type="application/json",
    )
