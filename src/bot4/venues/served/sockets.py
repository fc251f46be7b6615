"""WebSocket connections: market streams, user data by listen key, the WebSocket API."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web

from bot4.venues.served.errors import Product, VenueError
from bot4.venues.served.gateway import Dropped, Gateway
from bot4.venues.served.line import Line, encoded
from bot4.venues.served.socket_api import SocketApi
from bot4.venues.served.streams import Hub
from bot4.venues.served.user_feed import UserFeed

LISTEN_KEY = 64
MOST_STREAMS = {"spot": 1024, "usdm": 200}


@dataclass(frozen=True, slots=True)
class SocketRules:
    """When connections are pinged and cut, seconds."""

    ping_every: float = 180.0
    longest: float = 86_400.0


class Sockets:
    """All open WebSocket connections of the server."""

    def __init__(
        self,
        gateway: Gateway,
        hubs: dict[Product, Hub],
        feeds: dict[Product, UserFeed],
        rules: SocketRules,
    ) -> None:
        self._gateway = gateway
        self._hubs = hubs
        self._feeds = feeds
        self._rules = rules
        self.open: dict[Line, Product] = {}

    async def serve(self, request: web.Request, product: Product, path: str) -> web.WebSocketResponse:
        """Serve one connection until it ends. `path` is what follows the product's prefix."""
        socket = web.WebSocketResponse(heartbeat=None, autoping=True, compress=False, max_msg_size=2**20)
        await socket.prepare(request)
        line = Line(
            socket.send_str,
            lambda: socket.close(code=WSCloseCode.GOING_AWAY),
            self._gateway.clock,
            combined=path.rstrip("/").endswith("/stream"),
        )
        self.open[line] = product
        limit = asyncio.get_running_loop().call_later(self._rules.longest, line.end)
        pings = asyncio.get_running_loop().create_task(self._ping(socket))
        try:
            await self._talk(request, socket, line, product, path)
        finally:
            limit.cancel()
            pings.cancel()
            self.open.pop(line, None)
            self._hubs[product].leave(line)
            self._feeds[product].leave(line)
            await asyncio.gather(pings, return_exceptions=True)
            await line.stop()
            await socket.close()
        return socket

    async def _ping(self, socket: web.WebSocketResponse) -> None:
        while True:
            await asyncio.sleep(self._rules.ping_every)
            await socket.ping(str(self._gateway.now_ms()).encode())

    async def _talk(
        self, request: web.Request, socket: web.WebSocketResponse, line: Line, product: Product, path: str
    ) -> None:
        if "ws-api" in path or "ws-fapi" in path:
            api = SocketApi(self._gateway, product, self._feeds[product], line, request.remote or "unknown")
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    try:
                        await api.said(message.data)
                    except Dropped:
                        line.end()
            return
        for name in _named_streams(request, path):
            self._join(line, product, name)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                line.put(encoded(self._command(line, product, message.data)))

    def _join(self, line: Line, product: Product, name: str) -> None:
        """A stream by its name, or the account behind a listen key."""
        if "@" in name or name.startswith("!"):
            self._hubs[product].subscribe(line, name)
            return
        account = self._gateway.desks[product].keys.account(name)
        if account is not None:
            line.account = account
            self._feeds[product].join(
                account,
                line,
                (lambda text: f'{{"stream":"{name}","data":{text}}}')
                if line.combined
                else (lambda text: text),
            )

    def _leave(self, line: Line, product: Product, name: str) -> None:
        if "@" in name or name.startswith("!"):
            self._hubs[product].unsubscribe(line, name)
        elif self._gateway.desks[product].keys.account(name) == line.account:
            self._feeds[product].leave(line, line.account)

    def _command(self, line: Line, product: Product, text: str) -> dict[str, object]:
        """SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY."""
        number: object = None
        try:
            message = json.loads(text)
            number = message.get("id")
            method, names = message.get("method"), message.get("params") or []
            if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
                self._change(line, product, method, names)
                return {"result": None, "id": number}
            if method == "LIST_SUBSCRIPTIONS":
                return {"result": self._hubs[product].of(line), "id": number}
            if method == "SET_PROPERTY" and names and names[0] == "combined":
                line.combined = bool(names[1])
                return {"result": None, "id": number}
            if method == "GET_PROPERTY" and names and names[0] == "combined":
                return {"result": line.combined, "id": number}
            raise VenueError(2, f"Invalid request: unknown variant `{method}`")
        except VenueError as error:
            return {"error": error.body(), "id": number}
        except (json.JSONDecodeError, AttributeError, IndexError, TypeError) as error:
            return {"error": {"code": 3, "msg": f"Invalid JSON: {error}"}, "id": number}

    def _change(self, line: Line, product: Product, method: str, names: object) -> None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise VenueError(2, "Invalid request: params must be a list of stream names")
        if method == "SUBSCRIBE":
            have = len(self._hubs[product].of(line))
            if have + len(names) > MOST_STREAMS[product]:
                raise VenueError(4, "Too many subscriptions on one connection")
        for name in names:
            (self._join if method == "SUBSCRIBE" else self._leave)(line, product, name)


def _named_streams(request: web.Request, path: str) -> list[str]:
    """The streams that the address itself names."""
    query = request.query
    names = [*query.get("streams", "").split("/"), query.get("listenKey", "")]
    _, _, tail = path.partition("/ws/")
    names += tail.split("/")
    return [name for name in names if "@" in name or name.startswith("!") or len(name) == LISTEN_KEY]
