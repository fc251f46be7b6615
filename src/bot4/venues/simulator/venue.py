"""The simulated exchange in process, behind the Venue port: what adapters are measured against.

Exchange time follows the given clock. Nothing is lost or late here; faults are the served exchange's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder
from bot4.model.instrument import Instrument
from bot4.ports.clock import Clock
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
    PositionReport,
    PrivateEvent,
    Rules,
    StreamState,
    TradeReport,
    Unsupported,
    VenueError,
    VenueUnreachable,
)
from bot4.venues.ids import encode
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.market_rows import MarketRows
from bot4.venues.simulator.words import (
    AccountUpdate,
    Execution,
    Market,
    Order,
    OrderType,
    OrderUpdate,
    PositionView,
    Refusal,
    Refused,
    Request,
    State,
    TimeInForce,
    Told,
)

ZERO = Decimal(0)
REASONS: dict[Refusal, int] = {
    Refusal.UNKNOWN_MARKET: c.R_INSTRUMENT,
    Refusal.NOT_TRADING: c.R_MAINTENANCE,
    Refusal.DUPLICATE_CLIENT_ID: c.R_DUPLICATE,
    Refusal.PRICE_FILTER: c.R_PRICE_TICK,
    Refusal.PERCENT_PRICE: c.R_PRICE_BAND,
    Refusal.LOT_SIZE: c.R_QTY_LOT,
    Refusal.MARKET_LOT_SIZE: c.R_MAX_QTY,
    Refusal.MIN_NOTIONAL: c.R_MIN_NOTIONAL,
    Refusal.MAX_ORDERS: c.R_TOO_MANY_ORDERS,
    Refusal.MAX_STOPS: c.R_TOO_MANY_STOPS,
    Refusal.BALANCE: c.R_FUNDS,
    Refusal.MARGIN: c.R_MARGIN,
    Refusal.REDUCE_ONLY: c.R_REDUCE_ONLY,
    Refusal.WOULD_TAKE: c.R_POST_WOULD_TAKE,
    Refusal.WOULD_TRIGGER: c.R_TRIGGER_NOW,
    Refusal.UNKNOWN_ORDER: c.R_NOT_FOUND,
    Refusal.NOT_CANCELABLE: c.R_NOT_FOUND,
    Refusal.LEVERAGE: c.R_LEVERAGE,
    Refusal.SELF_TRADE: c.R_SELF,
    Refusal.FOK: c.R_IOC,
}
"""Refusals of the core as reasons; any other is R_VENUE."""

SPOT = Capabilities(
    "spot",
    native_oco=True,
    amend=True,
    reduce_only=False,
    bar_lengths=frozenset(n * 10**9 for n in (1, 60, 300, 900, 3600)),
)
PERP = Capabilities("perp", amend=True, bar_lengths=SPOT.bar_lengths)
_TIFS = {"gtc": TimeInForce.GTC, "ioc": TimeInForce.IOC, "post": TimeInForce.POST}
_FORCED = {"liquidation": c.R_LIQUIDATED, "adl": c.R_ADL}


class SimulatorVenue:
    """One account's view of one product of an `Exchange`. `step_s`: how often market time is let on."""

    name = "simulator"

    def __init__(
        self, exchange: Exchange, account: str, perp: bool, clock: Clock, step_s: float = 0.01
    ) -> None:
        self.capabilities = PERP if perp else SPOT
        self._exchange = exchange
        self._account = account
        self._clock = clock
        self._step_s = step_s
        self._ahead = exchange.now_ns - clock.monotonic_ns()
        kind = "perp" if perp else "spot"
        self._markets = {name_of(m): m for m in exchange.markets.values() if m.kind == kind}
        self._names = {m.symbol: name for name, m in self._markets.items()}
        self._private: asyncio.Queue[PrivateEvent] = asyncio.Queue()
        self._feeds: list[MarketRows] = []
        self._task: asyncio.Task[None] | None = None
        exchange.listen(self._hear)

    # --- life and time -----------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Let market time run, and tell that the private stream is up."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._private.put_nowait(StreamState(True))

    async def close(self) -> None:
        """Stop market time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            self.advance()
            await asyncio.sleep(self._step_s)

    def advance(self) -> None:
        """Let market time catch up with the clock."""
        self._exchange.advance(self._clock.monotonic_ns() + self._ahead)

    async def clock_offset_ns(self) -> int:
        """Exchange time minus our wall clock."""
        return self._clock.monotonic_ns() + self._ahead - self._clock.now_ns()

    # --- instruments -------------------------------------------------------------------------------------

    async def rules(self) -> Sequence[Rules]:
        """All markets of this product."""
        return tuple(_rules(name, market, self.name) for name, market in self._markets.items())

    def _market(self, symbol: str, command: bool = True) -> Market:
        found = self._markets.get(symbol)
        if found is None:
            error = NotSent if command else VenueUnreachable
            raise error(f"{self.name}: {symbol} is not listed", c.R_INSTRUMENT)
        return found

    # --- orders ------------------------------------------------------------------------------------------

    @contextmanager
    def _asking(self, looking: bool) -> Iterator[None]:
        """Bring market time up to now, and turn refusals into the port's errors."""
        self.advance()
        try:
            yield
        except Refused as refused:
            raise _error(refused, looking) from None

    def _request(self, order: ApprovedOrder) -> Request:
        intent = order.intent
        kind = OrderType(intent.type)
        if kind is OrderType.STOP and intent.price is not None:
            kind = OrderType.STOP_LIMIT
        limited = intent.type == "limit"
        return Request(
            symbol=self._market(intent.instrument).symbol,
            side=intent.side,
            type=kind,
            qty=intent.quantity.lots,
            price=intent.price.ticks if intent.price is not None else 0,
            stop_price=intent.stop_price.ticks if intent.stop_price is not None else 0,
            tif=_TIFS[intent.tif] if limited else TimeInForce.GTC,
            client_id=encode(self.name, order.client_order_id),
            reduce_only=intent.reduce_only and self.capabilities.reduce_only,
        )

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Place an order."""
        request = self._request(order)
        with self._asking(looking=False):
            return self._report(self._exchange.place(self._account, request))

    async def submit_oco(
        self, first: ApprovedOrder, second: ApprovedOrder
    ) -> tuple[OrderReport, OrderReport]:
        """Place a limit and a stop of which one cancels the other; reports in the order given."""
        if not self.capabilities.native_oco:
            raise Unsupported(f"{self.name}: no OCO on perps", c.R_VENUE)
        pair = sorted((first, second), key=lambda order: order.intent.type == "stop")
        limit, stop = (self._request(order) for order in pair)
        with self._asking(looking=False):
            _, legs = self._exchange.place_oco(self._account, limit, stop)
        made = {leg.client_id: self._report(leg) for leg in legs}
        return made[first.client_order_id], made[second.client_order_id]

    async def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal = Decimal(0)) -> OrderReport:
        """Change price and quantity of a resting limit order."""
        intent = order.intent
        if intent.price is None:
            raise OrderRejected(f"{self.name}: only limit orders are amended ({client_id})", c.R_UNCHECKED)
        symbol = self._market(intent.instrument).symbol
        lots = intent.quantity.lots + int(beside / intent.quantity.lot)
        with self._asking(looking=True):
            amended = self._exchange.amend(
                self._account, symbol, client_id=client_id, price=intent.price.ticks, qty=lots
            )
        return self._report(amended)

    async def cancel(self, symbol: str, client_id: str) -> OrderReport:
        """Cancel an order."""
        wire = self._market(symbol).symbol
        with self._asking(looking=True):
            return self._report(self._exchange.cancel(self._account, wire, client_id=client_id))

    async def cancel_all(self, symbol: str) -> None:
        """Cancel all orders on `symbol`."""
        wire = self._market(symbol).symbol
        with self._asking(looking=False):
            self._exchange.cancel_all(self._account, wire)

    async def order(self, symbol: str, client_id: str) -> OrderReport:
        """Look an order up."""
        wire = self._market(symbol, command=False).symbol
        with self._asking(looking=True):
            return self._report(self._exchange.order(self._account, wire, client_id=client_id))

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Working orders, waiting ones included."""
        symbols = self._markets if symbol is None else (symbol,)
        wires = [self._market(name, command=False).symbol for name in symbols]
        with self._asking(looking=False):
            orders = [o for wire in wires for o in self._exchange.open_orders(self._account, wire)]
        return [self._report(order) for order in orders]

    async def trades(self, symbol: str, since_ns: int) -> Sequence[TradeReport]:
        """Own executions, oldest first."""
        wire = self._market(symbol, command=False).symbol
        found: list[Execution] = []
        with self._asking(looking=False):
            page = self._exchange.my_trades(self._account, wire, start_ns=max(1, since_ns))
            while page:
                found += page
                page = self._exchange.my_trades(self._account, wire, from_id=page[-1].id + 1)
            return [self._trade(fill) for fill in found]

    # --- the account -------------------------------------------------------------------------------------

    async def account(self) -> AccountReport:
        """Balances and positions."""
        self.advance()
        held = self._exchange.account(self._account)
        if self.capabilities.market == "spot":
            balances = tuple(
                Balance(asset, total, total - held.locked.get(asset, ZERO))
                for asset, total in held.balances.items()
                if total
            )
            positions: tuple[PositionReport, ...] = ()
        else:
            balances = tuple(
                Balance(asset, total, self._exchange.available(self._account, asset))
                for asset, total in held.margin.items()
                if total
            )
            positions = tuple(self._position(view) for view in self._exchange.positions(self._account))
        return AccountReport(
            self._exchange.now_ns, balances, positions, held.hedge_mode, True, held.can_withdraw
        )

    def _position(self, view: PositionView) -> PositionReport:
        held = view.position
        market = self._exchange.markets[held.symbol]
        return PositionReport(
            symbol=self._names[held.symbol],
            quantity=held.qty * market.lot,
            entry_price=view.entry,
            mark_price=view.mark,
            liquidation_price=view.liquidation,
            leverage=held.leverage,
            margin_mode="isolated" if held.isolated else "cross",
        )

    async def set_leverage(self, symbol: str, leverage: int, mode: MarginMode) -> PositionReport:
        """Set leverage and margin mode, and read them back."""
        if self.capabilities.market == "spot":
            raise Unsupported(f"{self.name}: no leverage on spot", c.R_LEVERAGE)
        wire = self._market(symbol).symbol
        with self._asking(looking=False):
            self._exchange.set_margin_mode(self._account, wire, mode == "isolated")
            self._exchange.set_leverage(self._account, wire, leverage)
        for view in self._exchange.positions(self._account):
            if view.position.symbol == wire:
                return self._position(view)
        pos = self._exchange.account(self._account).positions[wire]
        shown: MarginMode = "isolated" if pos.isolated else "cross"
        return PositionReport(symbol, ZERO, None, None, None, pos.leverage, shown)

    async def set_dead_man(self, symbol: str, after_ns: int) -> None:
        """The core has no such switch."""
        raise Unsupported(f"{self.name}: no dead man's switch ({symbol}, {after_ns} ns)", c.R_VENUE)

    # --- streams -----------------------------------------------------------------------------------------

    async def private(self) -> AsyncIterator[PrivateEvent]:
        """What happens to the account."""
        while True:
            yield await self._private.get()

    async def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """Market events of `symbols`, from a snapshot on."""
        feed = MarketRows([self._market(symbol, command=False).symbol for symbol in symbols])
        self.advance()
        for wire in feed.symbols:
            feed.snapshot(wire, self._exchange.now_ns, self._exchange.depth(wire, 1000))
        self._feeds.append(feed)
        try:
            while True:
                yield MarketBatch(await feed.rows())
        finally:
            self._feeds.remove(feed)

    def resync(self, symbol: str) -> None:
        """A snapshot into every running feed that has the symbol."""
        wire = self._market(symbol, command=False).symbol
        for feed in self._feeds:
            if wire in feed.symbols:
                feed.snapshot(wire, self._exchange.now_ns, self._exchange.depth(wire, 1000))

    async def bars(self, symbol: str, bar_ns: int, since_ns: int, until_ns: int) -> Sequence[BarReport]:
        """Closed candles from the exchange's tape."""
        market = self._market(symbol, command=False)
        if bar_ns not in self.capabilities.bar_lengths:
            raise Unsupported(f"{self.name}: no candles of {bar_ns} ns", c.R_VENUE)
        self.advance()
        count = (until_ns - since_ns) // bar_ns + 2
        found = self._exchange.klines(market.symbol, bar_ns, max(1, count))
        return [
            BarReport(
                k.open_ns,
                k.open * market.tick,
                k.high * market.tick,
                k.low * market.tick,
                k.close * market.tick,
                k.volume * market.lot,
            )
            for k in found
            if since_ns <= k.open_ns < until_ns and k.close_ns < self._exchange.now_ns
        ]

    def _hear(self, told: Told) -> None:
        for feed in self._feeds:
            feed.hear(told)
        if isinstance(told, OrderUpdate):
            if told.account == self._account and told.order.request.symbol in self._names:
                if told.execution is not None:
                    self._private.put_nowait(self._trade(told.execution, told.order.client_id))
                self._private.put_nowait(self._report(told.order))
        elif isinstance(told, AccountUpdate):
            mine = told.account == self._account and told.wallet == self.capabilities.market
            if mine:
                self._private.put_nowait(self._change(told))

    # --- words -------------------------------------------------------------------------------------------

    def _report(self, order: Order) -> OrderReport:
        request, market = order.request, self._exchange.markets[order.request.symbol]
        reason = REASONS.get(order.reason, c.R_VENUE) if order.reason is not None else 0
        if not reason and order.state is State.EXPIRED:
            reason = c.R_IOC
        if not reason and order.state is State.CANCELED:
            reason = c.R_VENUE
        return OrderReport(
            symbol=self._names[request.symbol],
            client_id=order.client_id,
            venue_id=str(order.id),
            state=order.state.value,
            side=request.side,
            type=request.type.value,
            quantity=request.qty * market.lot,
            filled=order.filled * market.lot,
            price=request.price * market.tick if request.price else None,
            stop_price=request.stop_price * market.tick if request.stop_price else None,
            average=market.tick * order.spent / order.filled if order.filled else None,
            reduce_only=request.reduce_only,
            ts_venue=order.updated_ns,
            reason=reason,
            list_id=str(order.list_id) if order.list_id else "",
        )

    def _trade(self, fill: Execution, client_id: str = "") -> TradeReport:
        market = self._exchange.markets[fill.symbol]
        if not client_id:
            client_id = self._exchange.order(fill.account, fill.symbol, order_id=fill.order_id).client_id
        return TradeReport(
            symbol=self._names[fill.symbol],
            trade_id=str(fill.id),
            client_id=client_id,
            venue_id=str(fill.order_id),
            side=fill.side,
            price=fill.price * market.tick,
            quantity=fill.qty * market.lot,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            maker=fill.maker,
            ts_venue=fill.ts,
            reason=_FORCED.get(fill.kind, 0),
        )

    def _change(self, told: AccountUpdate) -> AccountReport:
        balances = tuple(Balance(asset, total, total - locked) for asset, total, locked in told.balances)
        positions = tuple(
            PositionReport(
                symbol=self._names[p.symbol],
                quantity=p.qty * self._exchange.markets[p.symbol].lot,
                entry_price=self._exchange.markets[p.symbol].tick * p.cost / p.qty if p.qty else None,
                mark_price=None,
                liquidation_price=None,
                leverage=p.leverage,
                margin_mode="isolated" if p.isolated else "cross",
            )
            for p in told.positions
            if p.symbol in self._names
        )
        return AccountReport(told.ts, balances, positions, complete=False, why=told.why)


def name_of(market: Market) -> str:
    """bot4's name of a market."""
    return f"{market.base}-{market.quote}{'-PERP' if market.kind == 'perp' else ''}"


def _rules(name: str, market: Market, venue: str) -> Rules:
    instrument = Instrument(
        symbol=name,
        venue=venue,
        base=market.base,
        quote=market.quote,
        kind=market.kind,
        tick=market.tick,
        lot=market.lot,
        min_qty=market.min_qty * market.lot,
        max_qty=market.max_qty * market.lot,
        min_notional=market.min_notional,
        contract=market.contract_size,
    )
    perp = market.kind == "perp"
    return Rules(
        instrument,
        market.status,
        market.contract_size,
        market.price_up,
        market.price_down,
        market.max_orders,
        market.max_stops,
        market.market_max_qty * market.lot,
        market.maintenance if perp else None,
        market.funding_interval_ns if perp else None,
    )


def _error(refused: Refused, looking: bool) -> VenueError:
    """What a refusal means; `looking`: for an order that was named."""
    reason = REASONS.get(refused.why, c.R_VENUE)
    if looking and reason == c.R_NOT_FOUND:
        return NotFound(f"simulator: {refused}", reason)
    return OrderRejected(f"simulator: {refused}", reason)
