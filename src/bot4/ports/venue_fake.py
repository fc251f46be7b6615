"""A Venue in memory, for tests: it fills when told to, and loses, hides and refuses what its script says.

`FakeExchange` is the venue's truth, without a clock of its own and without asyncio. `FakeVenue` is the port
over it: each call takes the next word of `script[method]`:

    ok           as it should be (also when the script is empty)
    lost         the command takes effect, the reply never comes   -> OutcomeUnknown
    dropped      the request never arrives, nor does a reply       -> OutcomeUnknown
    notsent      nothing leaves this machine                       -> NotSent
    throttled    a rate limit holds it back for `wait_ns`          -> Throttled
    unreachable  a question without an answer                      -> VenueUnreachable
    hidden       the venue does not show the order yet             -> NotFound
    (an exception)   is raised, with no effect
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from bot4.model.approved import ApprovedOrder
from bot4.model.codes_nb import R_DUPLICATE, R_NETWORK, R_NOT_FOUND, R_THROTTLED, R_TIMEOUT, R_VENUE
from bot4.ports.venue import (
    AccountReport,
    Balance,
    BarReport,
    Capabilities,
    MarginMode,
    MarketBatch,
    NotFound,
    NotSent,
    OrderRejected,
    OrderReport,
    OrderState,
    OutcomeUnknown,
    PositionReport,
    PrivateEvent,
    Rules,
    StreamState,
    Throttled,
    TradeReport,
    Unsupported,
    VenueUnreachable,
)

Seen = TypeVar("Seen", bound=PrivateEvent)

OPEN = ("new", "partially_filled", "untriggered", "triggered")


class FakeExchange:
    """Orders, trades and balances as the venue has them; `now` gives its time in ns UTC."""

    def __init__(self, now: Callable[[], int] = lambda: 0) -> None:
        self.now = now
        self.orders: dict[str, OrderReport] = {}
        self.trades: list[TradeReport] = []
        self.positions: dict[str, Decimal] = {}
        self.balances: dict[str, Decimal] = {}
        self.listeners: list[Callable[[PrivateEvent], None]] = []
        self.lists: dict[str, tuple[str, str]] = {}  # list id: client ids of the legs
        self.placed = 0

    def place_list(self, first: ApprovedOrder, second: ApprovedOrder) -> tuple[OrderReport, OrderReport]:
        """Take two orders of which one cancels the other, or neither."""
        names = (first.client_order_id, second.client_order_id)
        if any(name in self.orders for name in names):
            raise OrderRejected("duplicate client order id", R_DUPLICATE)
        list_id = f"list{len(self.lists) + 1}"
        self.lists[list_id] = names
        return self.place(first, list_id), self.place(second, list_id)

    def place(self, order: ApprovedOrder, list_id: str = "") -> OrderReport:
        """Take an order; a client id that was used before is refused."""
        if order.client_order_id in self.orders:
            raise OrderRejected("duplicate client order id", R_DUPLICATE)
        intent = order.intent
        self.placed += 1
        report = OrderReport(
            symbol=intent.instrument,
            client_id=order.client_order_id,
            venue_id=str(1_000 + self.placed),
            state="untriggered" if intent.stop_price is not None else "new",
            side=intent.side,
            type=intent.type,
            quantity=intent.quantity.to_decimal(),
            filled=Decimal(0),
            price=intent.price.to_decimal() if intent.price else None,
            stop_price=intent.stop_price.to_decimal() if intent.stop_price else None,
            average=None,
            reduce_only=intent.reduce_only,
            ts_venue=self.now(),
            list_id=list_id,
        )
        self._say(report)
        return report

    def fill(
        self,
        client_id: str,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal = Decimal(0),
        asset: str = "USDT",
    ) -> TradeReport:
        """Execute a part of a working order."""
        order = self.orders[client_id]
        if order.state not in OPEN or quantity > order.quantity - order.filled:
            raise ValueError(f"cannot fill {quantity} of {order}")
        self._end_other(order, "expired", 0)
        filled = order.filled + quantity
        state: OrderState = "filled" if filled == order.quantity else "partially_filled"
        trade = TradeReport(
            symbol=order.symbol,
            trade_id=str(len(self.trades) + 1),
            client_id=client_id,
            venue_id=order.venue_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=asset,
            maker=order.type == "limit",
            ts_venue=self.now(),
        )
        self.trades.append(trade)
        held = self.positions.get(order.symbol, Decimal(0))
        self.positions[order.symbol] = held + order.side * quantity
        self._say(replace(order, filled=filled, state=state, ts_venue=self.now()))
        self._tell(trade)
        return trade

    def end(self, client_id: str, state: OrderState = "canceled", reason: int = 0) -> OrderReport:
        """End a working order without further fill, as a cancel, an expiry or the venue itself does."""
        report = replace(self.orders[client_id], state=state, reason=reason, ts_venue=self.now())
        self._say(report)
        self._end_other(report, state, reason)
        return report

    def _end_other(self, order: OrderReport, state: OrderState, reason: int) -> None:
        """A leg of a list fills or ends: the other, if it works, ends."""
        for name in self.lists.get(order.list_id, ()):
            other = self.orders.get(name)
            if other is not None and name != order.client_id and other.state in OPEN:
                self._say(replace(other, state=state, reason=reason, ts_venue=self.now()))

    def cancel(self, client_id: str) -> OrderReport:
        """Cancel by client id; NotFound when it is not working."""
        order = self.orders.get(client_id)
        if order is None or order.state not in OPEN:
            raise NotFound("no such working order", R_NOT_FOUND)
        return self.end(client_id)

    def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal) -> OrderReport:
        """Another price and quantity for a working order; OrderRejected when so much is filled."""
        old = self.orders.get(client_id)
        if old is None or old.state not in OPEN:
            raise NotFound("no such working order", R_NOT_FOUND)
        quantity = order.intent.quantity.to_decimal() + beside
        if quantity <= old.filled or order.intent.price is None:
            raise OrderRejected("nothing would be left of it", R_VENUE)
        price = order.intent.price.to_decimal()
        report = replace(old, price=price, quantity=quantity, ts_venue=self.now())
        self._say(report)
        return report

    def open_orders(self, symbol: str | None) -> list[OrderReport]:
        """What is working."""
        return [o for o in self.orders.values() if o.state in OPEN and symbol in (None, o.symbol)]

    def _say(self, report: OrderReport) -> None:
        self.orders[report.client_id] = report
        self._tell(report)

    def _tell(self, event: PrivateEvent) -> None:
        for listener in self.listeners:
            listener(event)


@dataclass
class FakeVenue:
    """The Venue port over a `FakeExchange`, obeying its script; `calls` counts what was asked."""

    exchange: FakeExchange
    rules_now: Sequence[Rules] = ()
    name: str = "fake"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(market="perp"))
    script: dict[str, deque[str | Exception]] = field(default_factory=dict)
    always: dict[str, str | Exception] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)  # seconds
    calls: list[str] = field(default_factory=list)
    wait_ns: int = 1_000_000_000
    hedge_mode: bool = False
    leverage: dict[str, tuple[int, MarginMode]] = field(default_factory=dict)
    anonymous: bool = False  # the venue forgets client ids

    def __post_init__(self) -> None:
        self.stream: asyncio.Queue[PrivateEvent] = asyncio.Queue()
        self.exchange.listeners.append(lambda event: self.stream.put_nowait(self._shown(event)))
        self.streaming = True

    def _shown(self, event: Seen) -> Seen:
        if self.anonymous and isinstance(event, OrderReport | TradeReport):
            return replace(event, client_id="")
        return event

    async def _word(self, method: str) -> str:
        self.calls.append(method)
        await asyncio.sleep(self.delays.get(method, 0.0))
        queue = self.script.get(method)
        word = queue.popleft() if queue else self.always.get(method, "ok")
        if isinstance(word, Exception):
            raise word
        if word == "dropped":
            raise OutcomeUnknown("no answer", R_TIMEOUT)
        if word == "notsent":
            raise NotSent("no route", R_NETWORK)
        if word == "throttled":
            raise Throttled("slow down", R_THROTTLED, self.wait_ns)
        if word == "unreachable":
            raise VenueUnreachable("no answer", R_NETWORK)
        if word == "hidden":
            raise NotFound("no such order", R_NOT_FOUND)
        return word

    async def connect(self) -> None:
        """Nothing to connect."""
        await self._word("connect")

    async def close(self) -> None:
        """Nothing to close."""
        await self._word("close")

    async def rules(self) -> Sequence[Rules]:
        """What the test put in `rules_now`."""
        await self._word("rules")
        return self.rules_now

    async def clock_offset_ns(self) -> int:
        """The clocks agree."""
        await self._word("clock_offset_ns")
        return 0

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Place an order, as the script has it."""
        word = await self._word("submit")
        report = self.exchange.place(order)
        if word == "lost":
            raise OutcomeUnknown("reply lost", R_TIMEOUT)
        return self._shown(report)

    async def submit_oco(
        self, first: ApprovedOrder, second: ApprovedOrder
    ) -> tuple[OrderReport, OrderReport]:
        """Place two of which one cancels the other; Unsupported without `native_oco`."""
        word = await self._word("submit_oco")
        if not self.capabilities.native_oco:
            raise Unsupported("no OCO here", 0)
        reports = self.exchange.place_list(first, second)
        if word == "lost":
            raise OutcomeUnknown("reply lost", R_TIMEOUT)
        return self._shown(reports[0]), self._shown(reports[1])

    async def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal = Decimal(0)) -> OrderReport:
        """Amend, as the script has it; Unsupported without the capability."""
        word = await self._word("amend")
        if not self.capabilities.amend:
            raise Unsupported("no amend here", 0)
        report = self.exchange.amend(order, client_id, beside)
        if word == "lost":
            raise OutcomeUnknown("reply lost", R_TIMEOUT)
        return self._shown(report)

    async def cancel(self, symbol: str, client_id: str) -> OrderReport:
        """Cancel, as the script has it."""
        word = await self._word("cancel")
        report = self.exchange.cancel(client_id)
        if word == "lost":
            raise OutcomeUnknown("reply lost", R_TIMEOUT)
        return self._shown(report)

    async def cancel_all(self, symbol: str) -> None:
        """Cancel everything on `symbol`."""
        await self._word("cancel_all")
        for order in self.exchange.open_orders(symbol):
            self.exchange.cancel(order.client_id)

    async def order(self, symbol: str, client_id: str) -> OrderReport:
        """Look an order up."""
        await self._word("order")
        if client_id not in self.exchange.orders:
            raise NotFound("no such order", R_NOT_FOUND)
        return self.exchange.orders[client_id]

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """All working orders; none while `hidden`."""
        try:
            await self._word("open_orders")
        except NotFound:
            return ()
        return [self._shown(o) for o in self.exchange.open_orders(symbol)]

    async def trades(self, symbol: str, since_ns: int) -> Sequence[TradeReport]:
        """Own executions; none while `hidden`."""
        try:
            await self._word("trades")
        except NotFound:
            return ()
        own = [t for t in self.exchange.trades if t.symbol == symbol and t.ts_venue >= since_ns]
        return [self._shown(t) for t in own]

    async def account(self) -> AccountReport:
        """Balances and positions."""
        await self._word("account")
        modes = self.leverage
        positions = tuple(
            PositionReport(symbol, quantity, None, None, None, *modes.get(symbol, (1, "cross")))
            for symbol, quantity in self.exchange.positions.items()
        )
        balances = tuple(Balance(a, total, total) for a, total in self.exchange.balances.items())
        return AccountReport(self.exchange.now(), balances, positions, hedge_mode=self.hedge_mode)

    async def set_leverage(self, symbol: str, leverage: int, mode: MarginMode) -> PositionReport:
        """Set and read back; the script may let it be ignored with the word `ignored`."""
        if await self._word("set_leverage") != "ignored":
            self.leverage[symbol] = (leverage, mode)
        quantity = self.exchange.positions.get(symbol, Decimal(0))
        return PositionReport(symbol, quantity, None, None, None, *self.leverage.get(symbol, (20, "cross")))

    async def set_dead_man(self, symbol: str, after_ns: int) -> None:
        """Not offered."""
        raise Unsupported("no dead man's switch here", 0)

    async def private(self) -> AsyncIterator[PrivateEvent]:
        """The private stream; while `streaming` is off, events are lost."""
        while True:
            event = await self.stream.get()
            if self.streaming or isinstance(event, StreamState):
                yield event

    async def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """No market data."""
        await self._word("market")
        for _ in ():
            yield MarketBatch(None)

    def resync(self, symbol: str) -> None:
        """There is no book."""

    async def bars(self, symbol: str, bar_ns: int, since_ns: int, until_ns: int) -> Sequence[BarReport]:
        """Nothing was traded."""
        await self._word("bars")
        return ()
