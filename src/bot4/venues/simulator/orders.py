"""All orders the exchange knows: by id, by client id, by account; none of it costs more with more orders."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.words import Execution, Order, Refusal, Refused, Request, State

HISTORY = 10_000  # ended orders kept of each account and market
TRADES = 50_000
ENDED = (State.FILLED, State.CANCELED, State.REJECTED, State.EXPIRED)


@dataclass(slots=True, eq=False)
class Held:
    """An order with what the exchange must remember of it."""

    order: Order
    listing: Listing
    row: int  # the account's number in the compiled book
    left: int
    slot: int = -1  # in the compiled book, -1: not there
    shown: int = 0  # lots that the public book shows
    asset: str = ""  # that is locked for it
    locked: Decimal = Decimal(0)
    margined: bool = False  # counts in the account's open orders of a perp

    @property
    def request(self) -> Request:
        """What was asked for, amendments included."""
        return self.order.request


@dataclass(slots=True, eq=False)
class Pair:
    """An OCO: while both legs live, the larger of their locks serves both."""

    id: int
    client_id: str
    legs: tuple[Held, Held]
    asset: str = ""
    locked: Decimal = Decimal(0)
    done: bool = False


@dataclass
class Registry:
    """Orders, pairs and executions."""

    by_id: dict[int, Held] = field(default_factory=dict)
    pairs: dict[int, Pair] = field(default_factory=dict)
    _by_client: dict[tuple[str, str, str], Held] = field(default_factory=dict)
    _open: dict[tuple[str, str], dict[int, Held]] = field(default_factory=dict)
    _history: dict[tuple[str, str], deque[Held]] = field(default_factory=dict)
    _pair_by_client: dict[tuple[str, str], Pair] = field(default_factory=dict)
    _trades: dict[tuple[str, str], list[Execution]] = field(default_factory=dict)
    _last_id: int = 0

    def next_id(self) -> int:
        """A new id of an order or a pair."""
        self._last_id += 1
        return self._last_id

    def add(self, held: Held) -> None:
        """A new open order."""
        order = held.order
        place = (order.account, held.request.symbol)
        self.by_id[order.id] = held
        self._by_client[*place, order.client_id] = held
        self._open.setdefault(place, {})[order.id] = held
        past = self._history.setdefault(place, deque())
        past.append(held)
        while len(past) > HISTORY and past[0].order.state in ENDED:
            self._forget(place, past.popleft())

    def _forget(self, place: tuple[str, str], held: Held) -> None:
        del self.by_id[held.order.id]
        if self._by_client.get((*place, held.order.client_id)) is held:
            del self._by_client[*place, held.order.client_id]

    def close(self, held: Held) -> None:
        """The order has ended."""
        self._open[held.order.account, held.request.symbol].pop(held.order.id, None)

    def find(self, key: str, symbol: str, order_id: int, client_id: str) -> Held:
        """The account's order of that id, or the newest of that client id; Refused when there is none."""
        held = self.by_id.get(order_id) if order_id else self._by_client.get((key, symbol, client_id))
        if held is None or held.order.account != key or held.request.symbol != symbol:
            raise Refused(Refusal.UNKNOWN_ORDER, f"{symbol}: no order {order_id or client_id!r}")
        return held

    def client_open(self, key: str, symbol: str, client_id: str) -> bool:
        """Whether an open order of the account has that client id."""
        held = self._by_client.get((key, symbol, client_id))
        return held is not None and held.order.state not in ENDED

    def open(self, key: str, symbol: str) -> Iterable[Held]:
        """Open orders of an account in a market, oldest first; conditional ones included."""
        return self._open.get((key, symbol), {}).values()

    def open_count(self, key: str, symbol: str) -> int:
        """How many open orders the account has in a market."""
        return len(self._open.get((key, symbol), ()))

    def history(self, key: str, symbol: str, limit: int) -> list[Held]:
        """The newest orders kept, oldest first."""
        kept = self._history.get((key, symbol), deque())
        return [kept[i] for i in range(max(0, len(kept) - limit), len(kept))]

    def find_pair(self, key: str, number: int, client_id: str) -> Pair | None:
        """The account's pair of that id, or its newest of that client id."""
        pair = self.pairs.get(number) if number else self._pair_by_client.get((key, client_id))
        return pair if pair is not None and pair.legs[0].order.account == key else None

    def add_pair(self, pair: Pair) -> None:
        """A new pair."""
        self.pairs[pair.id] = pair
        self._pair_by_client[pair.legs[0].order.account, pair.client_id] = pair

    def add_trade(self, execution: Execution) -> None:
        """Keep an execution."""
        place = (execution.account, execution.symbol)
        kept = self._trades.get(place)
        if kept is None:
            kept = self._trades[place] = []
        kept.append(execution)
        if len(kept) > 2 * TRADES:
            del kept[:TRADES]

    def trades(self, key: str, symbol: str, from_id: int, start_ns: int, limit: int) -> list[Execution]:
        """The newest executions, or with `from_id` or `start_ns` the oldest from there on; oldest first."""
        kept = self._trades.get((key, symbol), [])
        if not from_id and not start_ns:
            return kept[-limit:] if limit > 0 else []
        first = bisect_left(kept, from_id, key=lambda x: x.id) if from_id else 0
        if start_ns:
            first = max(first, bisect_left(kept, start_ns, key=lambda x: x.ts))
        return kept[first : first + limit]
