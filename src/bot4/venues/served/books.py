"""Order books on the wire: diffs gathered over a period, and partial books."""

from __future__ import annotations

from bot4.venues.served.desk import Desk
from bot4.venues.served.market_data import levels
from bot4.venues.served.spot_shapes import MS, Json
from bot4.venues.simulator.words import DepthDiff


class Diffs:
    """The changes of one book since the last message, the latest of each level; one message a period."""

    def __init__(self, desk: Desk, symbol: str, period_ns: int) -> None:
        self._desk = desk
        self._symbol = symbol
        self._period = period_ns
        self._due = 0
        self._first = 0
        self._last = 0
        self._previous: int | None = None
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def add(self, told: DepthDiff) -> None:
        """Take in a change."""
        if told.symbol != self._symbol:
            return
        if not self._first:
            self._first = told.first
        if self._previous is None:
            self._previous = told.previous
        self._last = told.last
        self._bids.update(told.bids)
        self._asks.update(told.asks)

    def due(self, now: int) -> Json | None:
        """The message of this period, when it is over and anything changed."""
        if now < self._due or not self._first:
            return None
        self._due = now - now % self._period + self._period
        figures = self._desk.figures(self._symbol)
        price, qty = figures.price.text, figures.qty.text
        event: Json = {"e": "depthUpdate", "E": now // MS}
        if self._desk.product == "usdm":
            event["T"] = now // MS
        event |= {"s": self._symbol, "U": self._first, "u": self._last}
        if self._desk.product == "usdm":
            event["pu"] = self._previous
        event["b"] = [[price(p), qty(q)] for p, q in self._bids.items()]
        event["a"] = [[price(p), qty(q)] for p, q in self._asks.items()]
        self._previous, self._first = self._last, 0
        self._bids.clear()
        self._asks.clear()
        return event


def partial_event(desk: Desk, symbol: str, depth: int) -> Json:
    """The best `depth` levels of a book."""
    update_id, bids, asks = levels(desk, symbol, depth)
    if desk.product == "spot":
        return {"lastUpdateId": update_id, "bids": bids, "asks": asks}
    now = desk.exchange.now_ns // MS
    head: Json = {"e": "depthUpdate", "E": now, "T": now, "s": symbol}
    return head | {"U": update_id, "u": update_id, "pu": update_id, "b": bids, "a": asks}
