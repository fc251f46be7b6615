"""Conditional orders of one market: they wait outside the book until a price comes."""

from __future__ import annotations

import heapq
from decimal import Decimal
from typing import Literal

from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.orders import Held
from bot4.venues.simulator.words import OrderType, Request, State

By = Literal["last", "mark"]
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
_Price = int | Decimal


def rises(request: Request) -> bool:
    """Whether the order triggers by a rise to its stop price (else by a fall)."""
    return (request.side > 0) == (request.type in _STOPS)


def triggers_at(request: Request, low: _Price, high: _Price) -> bool:
    """Whether a range of prices reaches the stop price."""
    return high >= request.stop_price if rises(request) else low <= request.stop_price


class Triggers:
    """Heaps of stop prices by the price watched and the direction; trailing orders in a list."""

    def __init__(self) -> None:
        self._heaps: dict[tuple[By, bool], list[tuple[int, int, Held]]] = {}
        self._trailing: dict[By, dict[int, _Trail]] = {}

    @staticmethod
    def prices(listing: Listing, by: By) -> tuple[_Price | None, _Price | None]:
        """Lowest and highest price now: mark, last trade, or before any the quote; None: unknown."""
        if by == "mark" and listing.perp:
            mark = listing.mark
            price = None if mark is None else mark.mark / listing.market.tick
            return price, price
        if listing.last is not None:
            return listing.last, listing.last
        if listing.quote is not None and listing.quote.bid and listing.quote.ask:
            return listing.quote.bid, listing.quote.ask
        return None, None

    def add(self, held: Held) -> None:
        """Watch for an order."""
        request = held.request
        if request.type is OrderType.TRAILING:
            self._trailing.setdefault(request.trigger_by, {})[held.order.id] = _Trail(held)
            return
        up = rises(request)
        entry = (request.stop_price if up else -request.stop_price, held.order.id, held)
        heapq.heappush(self._heaps.setdefault((request.trigger_by, up), []), entry)

    def due(self, by: By, low: _Price, high: _Price) -> list[Held]:
        """Orders that a range of prices triggers, in the order of their ids; they are no longer watched."""
        found = []
        for up in (True, False):
            heap = self._heaps.get((by, up))
            while heap and (heap[0][0] <= high if up else -heap[0][0] >= low):
                held = heapq.heappop(heap)[2]
                if held.order.state is State.UNTRIGGERED:
                    found.append(held)
        trailing = self._trailing.get(by, {})
        for order_id, trail in list(trailing.items()):
            if trail.held.order.state is not State.UNTRIGGERED:
                del trailing[order_id]
            elif trail.meets(low, high):
                del trailing[order_id]
                found.append(trail.held)
        return sorted(found, key=lambda held: held.order.id)


class _Trail:
    """A trailing order follows the best price since it was activated.

    Within one range of prices the order of high and low is not known; the best price is taken from the
    ranges before, then from this one.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        self.best: _Price | None = None
        self.active = held.request.stop_price == 0

    def meets(self, low: _Price, high: _Price) -> bool:
        r = self.held.request
        if not self.active:
            # a sell is activated by a rise to its activation price, a buy by a fall
            self.active = low <= r.stop_price if r.side > 0 else high >= r.stop_price
            if not self.active:
                return False
        near, far = (low, high) if r.side > 0 else (high, low)
        if self.best is not None and self._callback(far):
            return True
        if self.best is None or (near - self.best) * r.side < 0:
            self.best = near
        return self._callback(far)

    def _callback(self, price: _Price) -> bool:
        assert self.best is not None
        r = self.held.request
        return (price - self.best) * r.side * 10_000 >= self.best * r.trail_e4
