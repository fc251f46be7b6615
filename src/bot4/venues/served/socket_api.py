"""The WebSocket API: requests with an id over one connection, signed one by one; and user data on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot4.venues.served.desk import Route
from bot4.venues.served.errors import Product, VenueError
from bot4.venues.served.gateway import Answer, Asked, Gateway
from bot4.venues.served.line import Line, encoded
from bot4.venues.served.parameters import Parameters
from bot4.venues.served.table import SOCKET
from bot4.venues.served.user_feed import UserFeed

SUBSCRIBE = ("userDataStream.subscribe", "userDataStream.subscribe.signature")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


class SocketApi:
    """One connection of the WebSocket API."""

    def __init__(self, gateway: Gateway, product: Product, feed: UserFeed, line: Line, address: str) -> None:
        self._gateway = gateway
        self._product = product
        self._feed = feed
        self._line = line
        self._address = address
        self._subscriptions: dict[int, str] = {}
        self._next = 0

    async def said(self, text: str) -> None:
        """Serve one message of the client."""
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            self._reply(None, Answer(400, VenueError(-1100, "Illegal request: not JSON.").body()), "")
            return
        if not isinstance(message, Mapping) or not isinstance(message.get("method"), str):
            error = VenueError(-1135, "JSON Request must have a method.")
            self._reply(
                message.get("id") if isinstance(message, Mapping) else None, Answer(400, error.body()), ""
            )
            return
        given = message.get("params") or {}
        values = {str(k): _text(v) for k, v in given.items()} if isinstance(given, Mapping) else {}
        answer = await self._gateway.ask(self._asked(message["method"], values))
        self._reply(message.get("id"), answer, values.get("apiKey", ""))

    def _asked(self, method: str, values: dict[str, str]) -> Asked:
        payload = "&".join(f"{k}={v}" for k, v in sorted(values.items()) if k != "signature")
        route = SOCKET[self._product].get(method) or self._own(method)
        return Asked(
            product=self._product,
            route=route,
            parameters=Parameters(values),
            key=values.get("apiKey", ""),
            payload=payload,
            address=self._address,
            method="WS",
            path=method,
        )

    def _own(self, method: str) -> Route:
        """Methods that are about the connection itself."""
        if method in SUBSCRIBE:
            return Route("WS", method, lambda call: self._subscribe(call.account), 2, "signed")
        if method == "userDataStream.unsubscribe":
            return Route(
                "WS", method, lambda call: self._unsubscribe(call.parameters.text("subscriptionId")), 2
            )
        if method == "session.status":
            return Route("WS", method, lambda call: self._session(call.now_ms), 2)

        def unknown(call: object) -> dict[str, Any]:
            raise VenueError(-1020, f"This operation is not supported: {method}.")

        return Route("WS", method, unknown)

    def _session(self, now_ms: int) -> dict[str, Any]:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": now_ms,
            "returnRateLimits": True,
            "serverTime": now_ms,
            "userDataStream": bool(self._subscriptions),
        }

    def _subscribe(self, account: str) -> dict[str, Any]:
        number = self._next
        self._next += 1
        self._subscriptions[number] = account
        self._line.account = account
        self._feed.join(account, self._line, lambda event: f'{{"subscriptionId":{number},"event":{event}}}')
        return {"subscriptionId": number}

    def _unsubscribe(self, number: str) -> dict[str, Any]:
        chosen = [int(number)] if number.isdigit() else list(self._subscriptions)
        for one in chosen:
            account = self._subscriptions.pop(one, None)
            if account is not None:
                self._feed.leave(self._line, account)
        return {}

    def _reply(self, number: object, answer: Answer, key: str) -> None:
        row: dict[str, Any] = {"id": number, "status": answer.status}
        row["result" if answer.status == 200 else "error"] = answer.body
        meter = self._gateway.desks[self._product].meter
        row["rateLimits"] = meter.counters(self._address, key, self._gateway.now_ms())
        self._line.put(encoded(row))
