"""Rate limits: weight a minute and orders a window, with the headers, 429 and 418 of the venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot4.venues.served.errors import VenueError

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one address may use a minute, and one account may order in 10 s and in the long window."""

    weight: int
    orders_10s: int
    orders_long: int
    long_ms: int
    long_name: str  # in the header: 1D at spot, 1M at futures
    refusals_to_ban: int = 100
    ban_ms: int = 120_000


SPOT_LIMITS = Limits(6000, 100, 200_000, 86_400_000, "1D")
USDM_LIMITS = Limits(2400, 300, 1200, MINUTE, "1M")


class Windows:
    """Counts per key in fixed windows, as the venue keeps them."""

    __slots__ = ("_counts", "_length")

    def __init__(self, length_ms: int) -> None:
        self._length = length_ms
        self._counts: dict[str, tuple[int, int]] = {}

    def used(self, key: str, now_ms: int) -> int:
        """What `key` used of the present window."""
        window, count = self._counts.get(key, (-1, 0))
        return count if window == now_ms // self._length else 0

    def add(self, key: str, now_ms: int, count: int) -> int:
        """Use `count` more; the new sum."""
        total = self.used(key, now_ms) + count
        self._counts[key] = (now_ms // self._length, total)
        return total

    def left_ms(self, now_ms: int) -> int:
        """Until the window ends."""
        return self._length - now_ms % self._length


class Meter:
    """Counts requests of addresses and orders of accounts against `limits` (may be replaced at any time)."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._weight = Windows(MINUTE)
        self._short = Windows(10_000)
        self._long = Windows(limits.long_ms)
        self._refused: dict[str, int] = {}
        self._banned: dict[str, int] = {}

    def request(self, address: str, weight: int, now_ms: int) -> None:
        """Count a request; VenueError with 429, or 418 once the address does not stop."""
        until = self._banned.get(address, 0)
        if now_ms < until:
            raise self._ban(until, now_ms)
        used = self._weight.add(address, now_ms, weight)
        if used <= self.limits.weight:
            self._refused.pop(address, None)
            return
        refused = self._refused.get(address, 0) + 1
        self._refused[address] = refused
        if refused > self.limits.refusals_to_ban:
            self._refused.pop(address)
            self._banned[address] = now_ms + self.limits.ban_ms
            raise self._ban(now_ms + self.limits.ban_ms, now_ms)
        raise VenueError(
            -1003,
            f"Too much request weight used; current limit is {self.limits.weight} request weight "
            "per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
            -(-self._weight.left_ms(now_ms) // 1000),
        )

    def _ban(self, until: int, now_ms: int) -> VenueError:
        return VenueError(
            -1003,
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            418,
            max(1, -(-(until - now_ms) // 1000)),
        )

    def orders(self, account: str, count: int, now_ms: int) -> None:
        """Count new orders; VenueError -1015 beyond a limit (the refused ones are not counted)."""
        for windows, limit, name in (
            (self._short, self.limits.orders_10s, "10 SECOND"),
            (self._long, self.limits.orders_long, "1 DAY" if self.limits.long_name == "1D" else "1 MINUTE"),
        ):
            if windows.used(account, now_ms) + count > limit:
                raise VenueError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {name}.",
                    429,
                    -(-windows.left_ms(now_ms) // 1000),
                )
        self._short.add(account, now_ms, count)
        self._long.add(account, now_ms, count)

    def headers(self, address: str, account: str, now_ms: int, ordered: bool) -> Mapping[str, str]:
        """The counters as reply headers."""
        used = str(self._weight.used(address, now_ms))
        found = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if ordered and account:
            found["X-MBX-ORDER-COUNT-10S"] = str(self._short.used(account, now_ms))
            found[f"X-MBX-ORDER-COUNT-{self.limits.long_name}"] = str(self._long.used(account, now_ms))
        return found

    def counters(self, address: str, account: str, now_ms: int) -> list[dict[str, object]]:
        """The counters as the WebSocket API attaches them to its replies."""
        long = {"1D": ("DAY", 1), "1M": ("MINUTE", 1)}[self.limits.long_name]
        rows: list[tuple[str, str, int, int, int]] = [
            ("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weight, self._weight.used(address, now_ms))
        ]
        if account:
            rows.append(("ORDERS", "SECOND", 10, self.limits.orders_10s, self._short.used(account, now_ms)))
            rows.append(("ORDERS", *long, self.limits.orders_long, self._long.used(account, now_ms)))
        return [
            {"rateLimitType": kind, "interval": name, "intervalNum": n, "limit": limit, "count": count}
            for kind, name, n, limit, count in rows
        ]
