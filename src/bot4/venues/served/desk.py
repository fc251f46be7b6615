"""One side of the venue (spot or USD-M): its exchange, its figures, its meter, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot4.venues.served.errors import Product, VenueError, refusal, unauthorised
from bot4.venues.served.figures import Figures
from bot4.venues.served.limits import Meter
from bot4.venues.served.listen_keys import ListenKeys
from bot4.venues.served.memory import Memory
from bot4.venues.served.parameters import Parameters
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.words import Account, Market, Order, Refused

Reply = dict[str, Any] | list[Any]
MS = 1_000_000
QUOTE_FUNDS = Decimal(1_000_000)
BASE_FUNDS = Decimal(10)
"""What a practice account begins with: of each quote asset, and on spot of each base asset."""


class Desk:
    """Everything the handlers of one product need."""

    def __init__(self, product: Product, exchange: Exchange, meter: Meter, practice: bool) -> None:
        self.product = product
        self.practice = practice
        self.exchange = exchange
        self.meter = meter
        self.memory = Memory(exchange)
        self.keys = ListenKeys(product)
        self.hidden: dict[int, int] = {}
        self.countdowns: dict[tuple[str, str], int] = {}
        self._figures: dict[str, tuple[object, Figures]] = {}
        exchange.listen(self.memory.hear)

    def customer(self, key: str) -> Account:
        """The account behind a key; an unknown key opens a funded practice account, or is refused (-2015)."""
        try:
            return self.exchange.account(key)
        except KeyError as error:
            if not self.practice:
                raise unauthorised(-2015, "Invalid API-key, IP, or permissions for action.") from error
        markets = self.exchange.markets.values()
        quotes = {market.quote: QUOTE_FUNDS for market in markets}
        if self.product == "usdm":
            return self.exchange.open_account(key, None, {}, quotes)
        funds = {market.base: BASE_FUNDS for market in markets} | quotes
        return self.exchange.open_account(key, None, funds, {})

    def seen(self, order: Order, now_ms: int) -> bool:
        """False while a fault hides an order from queries."""
        return now_ms >= self.hidden.get(order.id, 0)

    def market(self, symbol: str) -> Market:
        """The market called `symbol`; -1121 without one."""
        market = self.exchange.markets.get(symbol)
        if market is None or market.status == "delisted":
            raise VenueError(-1121, "Invalid symbol.")
        return market

    def figures(self, symbol: str) -> Figures:
        """How numbers of `symbol` are written; made anew when its filters change."""
        market = self.exchange.markets[symbol]
        steps = (market.tick, market.lot)
        found = self._figures.get(symbol)
        if found is None or found[0] != steps:
            found = (steps, Figures(market))
            self._figures[symbol] = found
        return found[1]

    def refused(self, error: Refused, symbol: str = "", **values: object) -> VenueError:
        """The error reply for a refusal of the core."""
        market = self.exchange.markets.get(symbol)
        least = "" if market is None else format(market.min_notional.normalize(), "f")
        return refusal(self.product, error, min_notional=least, **{"leverage": "", **values})


@dataclass(slots=True)
class Call:
    """One request on its way to a handler. `account` is the API key, empty on public calls."""

    desk: Desk
    parameters: Parameters
    account: str
    now_ms: int

    def market(self) -> Market:
        """The market the request names (-1102, -1121)."""
        return self.desk.market(self.parameters.need("symbol"))

    def customer(self) -> Account:
        """The account behind the key."""
        return self.desk.customer(self.account)

    def order(self, id_name: str = "orderId", client_name: str = "origClientOrderId") -> Order:
        """The order the request names; -1102 when it names none, -2013 when there is none."""
        market = self.market()
        number = self.parameters.whole(id_name, 0)
        client_id = self.parameters.text(client_name)
        if not number and not client_id:
            raise VenueError(
                -1102,
                f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!",
            )
        try:
            order = self.desk.exchange.order(
                self.account, market.symbol, order_id=number, client_id="" if number else client_id
            )
        except Refused as error:
            raise self.desk.refused(error, market.symbol) from error
        if not self.desk.seen(order, self.now_ms):
            raise VenueError(-2013, "Order does not exist.")
        return order

    def open_orders(self, symbol: str) -> list[Order]:
        """Open orders of one symbol, or of all (empty symbol), without those that a fault hides."""
        found = self.desk.exchange.open_orders(self.account, symbol or None)
        return [order for order in found if self.desk.seen(order, self.now_ms)]

    def all_orders(self, symbol: str) -> list[Order]:
        """All orders of one symbol, without those that a fault hides."""
        found = self.desk.exchange.all_orders(self.account, symbol, limit=100_000)
        return [order for order in found if self.desk.seen(order, self.now_ms)]


Handler = Callable[[Call], Reply]
Weight = int | Callable[[Parameters], int]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: how it is called, what it costs, who may call it, its name in the WebSocket API."""

    method: str
    path: str
    run: Handler
    weight: Weight = 1
    access: str = "open"  # open, key, signed
    orders: int = 0
    socket: str = ""

    def cost(self, parameters: Parameters) -> int:
        """The weight of this very request."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)
