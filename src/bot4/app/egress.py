"""Connections out: a live run may reach its venue and its alarm channels, and nothing else.

A hook on the interpreter's audit events (PEP 578) sees every connection and every look-up of a name that
Python code of this process begins, whatever library does it. What is not allowed fails with `EgressBlocked`
before a packet leaves, is told, and stands in the access journal. An address is allowed when it is named, or
when the look-up of an allowed name has given it.

It is a fence, not a wall. It does not see programs that the process starts, nor extension modules that open
sockets by themselves; a name that is given to `connect` itself is looked up before the hook is asked; and
code that means harm can reach around it from inside the process. An allowed address is allowed whoever is
behind it. The wall is the firewall of the machine.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bot4.app.config import Config
from bot4.app.trail import Trail
from bot4.model.errors import ConfigError
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock

ANY_PORT = 0
MOST_LEARNED = 4096
QUIET_NS = 60 * 10**9
"""The same place is told once in so long; every attempt stands in the journal, up to its hourly most."""


class EgressBlocked(ConnectionRefusedError):
    """A connection that is not on the list; its text names where to, and the setting."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host name or address, in lower case, and its port (ANY_PORT: each)."""

    host: str
    port: int


def place_of(text: str) -> Place:
    """HOST, HOST:PORT, [V6]:PORT or a URL; ConfigError for anything else."""
    asked = text.strip().lower()
    try:
        if "://" in asked:
            parts = urlsplit(asked)
            standard = {"https": 443, "wss": 443, "http": 80, "ws": 80}.get(parts.scheme, ANY_PORT)
            host, port = parts.hostname or "", parts.port or standard
        elif asked.count(":") > 1 and not asked.startswith("["):
            host, port = asked, ANY_PORT
        else:
            parts = urlsplit(f"//{asked}")
            host, port = parts.hostname or "", parts.port or ANY_PORT
        if (
            not host
            or any(c in host for c in " *,")
            or ("://" not in asked and any(c in asked for c in "/?#@"))
        ):
            raise ValueError("no host")
    except ValueError:
        raise ConfigError(f"egress.allow: {text!r} is not HOST or HOST:PORT") from None
    return Place(host, port)


@dataclass
class Fence:
    """What one process may reach. `blocked` is called, from any thread, with the place that was refused."""

    places: frozenset[Place]
    blocked: Callable[[str], None]
    learned: dict[str, set[str]] = field(default_factory=dict)  # address: the allowed names that gave it

    def may_ask(self, host: object) -> bool:
        """Whether the name `host` may be looked up."""
        name = _text(host)
        return name is None or _address(name) is not None or any(place.host == name for place in self.places)

    def may_connect(self, host: object, port: object) -> bool:
        """Whether a connection to `host` (address or name) and `port` may be made."""
        name = _text(host) or ""
        address = _address(name)
        names = {name, *self.learned.get(address or "", ())}
        return any(
            place.port in (ANY_PORT, port)
            and (place.host in names or (address is not None and _address(place.host) == address))
            for place in self.places
        )

    def learn(self, host: object, found: Iterable[Any]) -> None:
        """An allowed name was looked up: its addresses may be connected to."""
        name = _text(host)
        if name is None or not any(place.host == name for place in self.places):
            return
        for row in found:
            address = _address(str(row[4][0]))
            if address is not None and len(self.learned) < MOST_LEARNED:
                self.learned.setdefault(address, set()).add(name)


def _text(host: object) -> str | None:
    """A host in lower case without its final dot; None where none is named."""
    if host is None or host in (b"", ""):
        return None
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    return name.lower().rstrip(".")


def _address(name: str) -> str | None:
    """The address that `name` is, in one form for each; None for a name."""
    try:
        ip = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


_fence: Fence | None = None
_hooked = threading.Event()
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_CONNECTIONS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by the interpreter for every audit event; cheap for those that do not concern it."""
    fence = _fence
    if fence is None or not event.startswith("socket."):
        return
    if event in _LOOK_UPS:
        if not fence.may_ask(arguments[0]):
            _refuse(fence, f"{_text(arguments[0])} (look-up)")
    elif event in _CONNECTIONS:
        there = arguments[1]
        if there is None:  # a datagram of a socket that was connected, and so looked at, before
            return
        if not isinstance(there, tuple):
            _refuse(fence, f"local socket {there!r}")
        elif not fence.may_connect(there[0], there[1]):
            _refuse(fence, f"{there[0]}:{there[1]}")


def _refuse(fence: Fence, where: str) -> None:
    fence.blocked(where)
    raise EgressBlocked(
        f"connection to {where} blocked: a live run reaches its venue and its alarm channels only; "
        "if it is wanted, name it in egress.allow"
    )


def _watched_look_up(*arguments: Any, **named: Any) -> Any:
    """`socket.getaddrinfo`, with what it finds for allowed names remembered."""
    found = _getaddrinfo(*arguments, **named)
    fence = _fence
    if fence is not None:
        fence.learn(arguments[0] if arguments else named.get("host"), found)
    return found


_getaddrinfo = socket.getaddrinfo


@contextmanager
def fenced(places: Iterable[Place], blocked: Callable[[str], None]) -> Iterator[Fence]:
    """Keep this process to `places` inside the block. One fence at a time (ConfigError)."""
    global _fence
    if _fence is not None:
        raise ConfigError("another live run in this process has its own list of allowed connections")
    if not _hooked.is_set():
        sys.addaudithook(_hook)  # for the life of the process; without a fence it does nothing
        _hooked.set()
    fence = Fence(frozenset(places), blocked)
    socket.getaddrinfo = _watched_look_up
    _fence = fence
    try:
        yield fence
    finally:
        _fence = None
        socket.getaddrinfo = _getaddrinfo


def alarm_places(settings: Config, hosts: Iterable[str]) -> list[Place]:
    """Where alarms go: the channels' `hosts`, the outside monitor, and what `egress.allow` names."""
    url = settings["alarm.heartbeat_url"]
    named = [part for part in settings["egress.allow"].split(",") if part.strip()]
    return [place_of(text) for text in (*hosts, *([url] if url else []), *named)]


class Told:
    """Writes down and tells what a fence has blocked."""

    def __init__(self, trail: Trail, alarm: Alarm, clock: Clock) -> None:
        self._trail = trail
        self._alarm = alarm
        self._clock = clock
        self._last: dict[str, int] = {}

    def __call__(self, where: str) -> None:
        """A connection to `where` was blocked."""
        thread = threading.current_thread().name
        self._trail.note("connection blocked", anyone=True, where=where, thread=thread)
        now = self._clock.monotonic_ns()
        if now - self._last.get(where, -QUIET_NS) < QUIET_NS:
            return
        if len(self._last) >= MOST_LEARNED:
            self._last.clear()
        self._last[where] = now
        self._alarm.tell(
            "critical",
            f"connection to {where} blocked (thread {thread}): it is neither the venue nor an alarm channel; "
            "find out what wanted it, or name it in egress.allow",
        )
