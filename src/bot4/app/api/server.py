"""The control API of one run: HTTP in a thread and a loop of its own, so that it also stops a run that hangs.

    GET  /health   for monitors: 200 while all is well, else 503
    GET  /state    mode, health, breakers, limits, number and worth of positions, the result as published
    POST /stop     the emergency stop: cancel everything, close everything, refuse

That is all. Every other changing method is answered 405, on any path. Each request needs a token, which is
taken from no cookie and no address; and none is taken from a page of another site: the Host must be one of
ours (an attacker's name that resolves to this machine is not), and a browser's Origin must be our own. Who
the peer is says the connection, never a header.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bot4.app.api.listen import Listen
from bot4.app.api.lockout import Lockout, peer_of
from bot4.app.api.tokens import ROLES, Token, holder, read_tokens
from bot4.app.board import Board
from bot4.app.trail import Trail
from bot4.model.errors import ConfigError, OperatorError
from bot4.ports.alarm import Alarm, Level
from bot4.ports.clock import Clock

ROUTES: Mapping[tuple[str, str], str] = {
    ("GET", "/health"): "read",
    ("GET", "/state"): "read",
    ("POST", "/stop"): "stop",
}
"""Every route there is, and what its caller must be allowed to do."""
READING = ("GET", "HEAD")
MOST_BYTES = 4096
MOST_REASON = 200
MOST_KNOWN = 4096
"""Of pairs of token and peer whose first look is written down."""
MOST_CONNECTIONS = 64
MOST_OF_A_PEER = 8
BODY_S = 1.0
"""A stop waits no longer for the words that come with it."""
LIFE_S = 30.0
"""A connection ends after so long: requests are small, and idle ones must not use up the places."""
START_S = 10.0
QUIET_NS = 60 * 10**9
HOW = "curl -X POST -H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json' -d '{}' URL/stop"


class Refused(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the API works with. `stop` raises the kill switch, with words that say who asked."""

    tokens: Path
    board: Board
    stop: Callable[[str], None]
    trail: Trail
    alarm: Alarm
    clock: Clock


class _Junk(logging.Handler):
    """Where the HTTP library says what it could not read: it is journalled, by kind alone."""

    def __init__(self, trail: Trail) -> None:
        super().__init__(logging.WARNING)
        self._trail = trail

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record down, without what was sent."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else record.levelname
        self._trail.note("refused: not HTTP", anyone=True, kind=kind)


class _Door(asyncio.Protocol):
    """Lets a connection in when there is room, for all and for its peer, and not for ever."""

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to the HTTP server, or end it."""
        assert isinstance(transport, asyncio.Transport)
        peers = [_peer(c.transport) for c in self._server.connections if c.transport is not None]
        if len(peers) >= MOST_CONNECTIONS or peers.count(_peer(transport)) >= MOST_OF_A_PEER:
            transport.abort()
            return
        inside = self._server()
        transport.set_protocol(inside)
        inside.connection_made(transport)
        self._loop.call_later(LIFE_S, transport.abort)


def _peer(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    return peer_of(name[0] if name else None)


class ControlApi:
    """Serves one run from `start` to `close`."""

    def __init__(self, listen: Listen, around: Surroundings) -> None:
        self.port = 0
        self._listen = listen
        self._a = around
        self._lockout = Lockout(around.clock)
        self._hosts: frozenset[str] = frozenset()
        self._readers: set[tuple[str, str]] = set()
        self._told: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="bot4-api", daemon=True)

    # --- life ----------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{self._listen.scheme}://{host}:{self.port}"

    def start(self) -> None:
        """Listen; OperatorError when that is not possible."""
        self._thread.start()
        if not self._ready.wait(START_S):
            raise OperatorError(f"the control API did not start within {START_S:g} s")
        if self._failure is not None:
            where = f"{self._listen.host}:{self._listen.port}"
            raise OperatorError(
                f"the control API cannot listen on {where}: {self._failure}; name another port"
            )

    def close(self) -> None:
        """End it, with its connections."""
        loop, over = self._loop, self._over
        if loop is not None and over is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(over.set)
        self._thread.join(START_S)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - told; the run goes on, and is stopped by file and command still
            self._failure = error
            if self._ready.is_set():
                self._a.alarm.tell("critical", f"the control API has ended: {error!r}; use bot4 stop")
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        log = logging.Logger(
            "bot4.api"
        )  # of its own: not in the tree of loggers, so that nothing else prints
        log.addHandler(_Junk(self._a.trail))
        server = web.Server(self._any, access_log=None, logger=log)
        door = await self._loop.create_server(
            lambda: _Door(server, self._loop),
            self._listen.host,
            self._listen.port,
            ssl=self._listen.tls,
            ssl_handshake_timeout=5.0 if self._listen.tls is not None else None,
        )
        try:
            self.port = door.sockets[0].getsockname()[1]
            self._hosts = self._listen.named(self.port)
            self._ready.set()
            await self._over.wait()
        finally:
            door.close()
            await server.shutdown(1.0)

    # --- requests ------------------------------------------------------------------------------------------
    async def _any(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = peer_of(request.remote)
        try:
            status, body = await self._answer(request, peer)
            headers: Mapping[str, str] = {}
        except Refused as refused:
            status, body, headers = refused.status, {"error": refused.text}, refused.headers
        except Exception as error:  # noqa: BLE001 - told; one request must not end the API
            self._tell("error", "critical", f"control API: {request.path[:64]} failed: {error!r}")
            status, body, headers = 500, {"error": "this failed; use bot4 stop on the machine"}, {}
        text = json.dumps(body, allow_nan=False)
        always = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "bot4"}
        return web.Response(
            text=text, status=status, content_type="application/json", headers={**always, **headers}
        )

    async def _answer(self, request: web.BaseRequest, peer: str) -> tuple[int, dict[str, Any]]:
        shut = self._lockout.shut_s(peer)
        if shut:
            raise Refused(429, f"too many wrong tokens; again in {shut} s", Retry_After=str(shut))
        self._from_here(request, peer)
        need = self._route(request, peer)
        token = self._holder(request, peer)
        if need is None:
            raise Refused(404, f"there is {', '.join(path for _, path in ROUTES)}")
        if need not in ROLES[token.role]:
            self._a.trail.note(
                "refused: role", peer=peer, token=token.name, method=request.method, path=request.path
            )
            self._tell(
                f"role {token.name}",
                "critical",
                f"control API: token {token.name} ({token.role}) from {peer} tried to {need}; if nobody of "
                f"yours did, it is stolen: bot4 keys token revoke {token.name}",
            )
            raise Refused(403, f"a {token.role} token may not {need}")
        if need == "stop":
            return await self._stop(request, peer, token)
        if (token.name, peer) not in self._readers and len(self._readers) < MOST_KNOWN:
            self._readers.add((token.name, peer))
            self._a.trail.note("read", peer=peer, token=token.name, path=request.path)
        if request.path == "/state":
            return 200, self._a.board.state()
        health = self._a.board.health()
        return 200 if health["status"] == "ok" else 503, health

    def _from_here(self, request: web.BaseRequest, peer: str) -> None:
        """Refuse what another site's page had a browser send, or a name that is not ours."""
        if request.headers.get("Host", "").lower() not in self._hosts:
            self._a.trail.note("refused: host", anyone=True, peer=peer, path=request.path[:64])
            raise Refused(421, "this Host is not served here; names are set in api.hosts")
        origin = request.headers.get("Origin")
        ours = {f"{self._listen.scheme}://{host}" for host in self._hosts}
        site = request.headers.get("Sec-Fetch-Site", "none").lower()
        if (origin is not None and origin.lower() not in ours) or site not in ("none", "same-origin"):
            self._a.trail.note(
                "refused: cross-site", anyone=True, peer=peer, path=request.path[:64], origin=str(origin)[:64]
            )
            self._tell(
                "site", "warning", f"control API: a page of another site asked for {request.path[:64]}"
            )
            raise Refused(403, "requests from pages of other sites are refused")

    def _route(self, request: web.BaseRequest, peer: str) -> str | None:
        """What the route needs; None for a path that does not exist. 405 for every other changing method."""
        method = "GET" if request.method in READING else request.method
        need = ROUTES.get((method, request.path))
        if need is None and method != "GET":
            self._a.trail.note(
                "refused: method", anyone=True, peer=peer, method=request.method[:16], path=request.path[:64]
            )
            allowed = [m for m, path in ROUTES if path == request.path] or ["GET"]
            raise Refused(405, "only POST /stop changes anything", Allow=", ".join(allowed))
        return need

    def _holder(self, request: web.BaseRequest, peer: str) -> Token:
        """The token of the request, from its Authorization header and from nowhere else."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            # no wrong guess: a browser can be made to send this, and must not shut its own machine out
            raise Refused(401, "send Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")
        try:
            token = holder(read_tokens(self._a.tokens), text.strip())
        except ConfigError as error:
            self._tell("tokens", "critical", f"control API: no token can be checked: {error}")
            raise Refused(503, "the tokens cannot be read on this machine; use bot4 stop there") from None
        if token is not None:
            self._lockout.right(peer)
            return token
        count, shut_s, turned_away = self._lockout.wrong(peer)
        facts = {"count": count, "shut_s": shut_s, "turned_away": turned_away}
        self._a.trail.note("refused: token", anyone=True, peer=peer, path=request.path[:64], **facts)
        if shut_s:
            self._tell(
                "guesses",
                "critical",
                f"control API: {count} wrong tokens from {peer}; shut out for {shut_s} s, trading goes on",
            )
        raise Refused(401, "wrong token", WWW_Authenticate="Bearer")

    async def _stop(self, request: web.BaseRequest, peer: str, token: Token) -> tuple[int, dict[str, Any]]:
        """The emergency stop; words that are late, too many or unreadable do not keep it from being done."""
        if request.content_type != "application/json":
            raise Refused(415, f"send JSON: {HOW}")
        try:
            words = await _words(request)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the words, the stop is done, and says so
            words = f"no reason given ({type(error).__name__})"
        self._a.stop(f"api: {token.name} from {peer}: {words}")
        self._a.trail.note("stop", peer=peer, token=token.name, reason=words)
        return 202, {"stopping": True, "by": token.name}

    def _tell(self, kind: str, level: Level, text: str) -> None:
        """Tell, but each kind of thing at most once a minute: strangers must not fill the operator's day."""
        now = self._a.clock.monotonic_ns()
        if now - self._told.get(kind, -QUIET_NS) < QUIET_NS:
            return
        self._told[kind] = now
        self._a.alarm.tell(level, text)


async def _words(request: web.BaseRequest) -> str:
    """The reason in the body of a stop."""
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_S):
            while len(body) < MOST_BYTES and (part := await request.content.read(MOST_BYTES)):
                body += part
    try:
        reason = str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
    return "".join(c for c in reason[:MOST_REASON] if c.isprintable()) or "no reason given"
