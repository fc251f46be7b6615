"""Who guesses tokens is shut out: by peer, for longer each time.

A peer is the address at the other end of the connection, never what a header says; an IPv6 host can take any
address of its /64, so the /64 is the peer. The first `FREE` wrong tokens are answered. From then on every
further wrong one shuts the peer out for twice as long as the one before. A right token, or an hour without a
wrong one, makes good. While a peer is shut out nothing of what it sends is looked at.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from bot4.ports.clock import Clock

SECOND = 10**9
FREE = 5
FIRST_NS = 30 * SECOND
LONGEST_NS = 900 * SECOND
FORGOTTEN_NS = 3600 * SECOND
MOST_PEERS = 4096


def peer_of(address: str | None) -> str:
    """The peer that a socket address stands for."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.is_loopback else str(ipaddress.ip_network((ip, 64), strict=False))


@dataclass(slots=True)
class _Peer:
    wrong: int = 0
    last: int = 0
    until: int = 0
    turned_away: int = 0


class Lockout:
    """The wrong tokens of each peer. Used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    def shut_s(self, peer: str) -> int:
        """Whole seconds for which `peer` is still shut out; 0 when it is not. Counts the visit."""
        known = self._peers.get(peer)
        left = known.until - self._clock.monotonic_ns() if known is not None else 0
        if known is None or left <= 0:
            return 0
        known.turned_away += 1
        return max(1, -(-left // SECOND))

    def wrong(self, peer: str) -> tuple[int, int, int]:
        """A wrong token: (how many in a row, seconds shut out from now, requests turned away before)."""
        now = self._clock.monotonic_ns()
        known = self._peers.pop(peer, None)
        if known is None or now - max(known.last, known.until) > FORGOTTEN_NS:
            known = _Peer()
        self._peers[peer] = known
        if len(self._peers) > MOST_PEERS:
            self._peers.popitem(last=False)
        known.wrong += 1
        known.last = now
        turned_away, known.turned_away = known.turned_away, 0
        if known.wrong < FREE:
            return known.wrong, 0, turned_away
        span = min(LONGEST_NS, FIRST_NS << min(known.wrong - FREE, 16))
        known.until = now + span
        return known.wrong, span // SECOND, turned_away

    def right(self, peer: str) -> None:
        """A right token: the peer's account is clean."""
        self._peers.pop(peer, None)
