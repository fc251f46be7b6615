"""What a desk remembers of what its exchange told: lists, triggers, income, marks, forced orders."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.words import (
    AccountUpdate,
    Execution,
    Liquidation,
    ListUpdate,
    Mark,
    Order,
    OrderUpdate,
    Print,
    State,
    Told,
)

KEPT = 1000
MINUTE = 60_000_000_000
MINUTES = 1441


@dataclass(frozen=True, slots=True)
class Income:
    """One change of a futures wallet and why."""

    symbol: str
    kind: str
    amount: Decimal
    asset: str
    ts: int
    trade_id: int


@dataclass(slots=True)
class Counts:
    """What happened so far, for the status line and /_bot4/state."""

    orders: int = 0
    fills: int = 0
    cancels: int = 0


class Memory:
    """Hears everything the exchange tells and keeps the latest `KEPT` of each kind an account."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.counts = Counts()
        self.marks: dict[str, Mark] = {}
        self.funding: dict[str, deque[Mark]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.last: dict[str, Print] = {}
        self.liquidations: deque[Liquidation] = deque(maxlen=KEPT)
        self.lists: dict[str, dict[int, ListUpdate]] = defaultdict(dict)
        self.triggered: dict[int, int] = {}
        self.forced: dict[str, deque[Order]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.income: dict[str, deque[Income]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.changed: dict[str, int] = {}
        self.quote_qty: dict[int, Decimal] = {}
        self._traders: dict[tuple[str, str], None] = {}
        self._bought: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        self._watched: list[Execution] | None = None
        self._margin: dict[tuple[str, str], Decimal] = {}

    @contextmanager
    def watching(self) -> Iterator[list[Execution]]:
        """The fills that happen inside the block, as they come."""
        seen: list[Execution] = []
        before, self._watched = self._watched, seen
        try:
            yield seen
        finally:
            self._watched = before

    def hear(self, told: Told) -> None:
        """Take in one thing the exchange told."""
        if isinstance(told, OrderUpdate):
            self._order(told)
        elif isinstance(told, Print):
            self._print(told)
        elif isinstance(told, Mark):
            self._mark(told)
        elif isinstance(told, AccountUpdate):
            self._account(told)
        elif isinstance(told, ListUpdate):
            self.lists[told.account][told.list_id] = told
        elif isinstance(told, Liquidation):
            self.liquidations.append(told)

    def holdings(self, symbol: str) -> list[int]:
        """Positions in `symbol`, signed lots, of all who ever ordered in it."""
        found = (
            self._exchange.account(key).positions.get(symbol) for key, name in self._traders if name == symbol
        )
        return [position.qty for position in found if position is not None]

    def traders(self) -> list[tuple[str, str]]:
        """Accounts and symbols that ever had an order."""
        return list(self._traders)

    def _print(self, told: Print) -> None:
        self.last[told.symbol] = told
        if told.buyer_maker:
            return
        minutes = self._bought[told.symbol]
        minute = told.ts // MINUTE
        lots, spent = minutes.get(minute, (0, 0))
        minutes[minute] = (lots + told.qty, spent + told.price * told.qty)
        if len(minutes) > MINUTES:
            del minutes[next(iter(minutes))]

    def bought(self, symbol: str, start_ns: int, length_ns: int) -> tuple[int, int]:
        """What takers bought in a candle: lots, and ticks x lots. Whole minutes; less counts as none."""
        minutes = self._bought[symbol]
        first = start_ns // MINUTE
        found = [minutes.get(m, (0, 0)) for m in range(first, first + min(length_ns // MINUTE, MINUTES))]
        return sum(lots for lots, _ in found), sum(spent for _, spent in found)

    def _mark(self, told: Mark) -> None:
        before = self.marks.get(told.symbol)
        if before is not None and told.next_ns > before.next_ns:
            self.funding[told.symbol].append(before)
        self.marks[told.symbol] = told

    def _order(self, told: OrderUpdate) -> None:
        order, fill = told.order, told.execution
        self.changed[told.account] = told.ts
        self._traders[told.account, order.request.symbol] = None
        if told.what == "new" and order.state is not State.TRIGGERED:
            self.counts.orders += 1
        if told.what == "canceled":
            self.counts.cancels += 1
        if told.what == "triggered":
            self.triggered[order.id] = told.ts
        if fill is not None:
            self.counts.fills += 1
            if self._watched is not None:
                self._watched.append(fill)
            self._fill(told.account, order, fill)

    def _fill(self, account: str, order: Order, fill: Execution) -> None:
        if fill.kind != "trade":
            self.forced[account].append(order)
        if self._exchange.markets[fill.symbol].kind != "perp":
            return
        kept = self.income[account]
        if fill.realised:
            kept.append(Income(fill.symbol, "REALIZED_PNL", fill.realised, fill.fee_asset, fill.ts, fill.id))
        if fill.fee:
            kept.append(Income(fill.symbol, "COMMISSION", -fill.fee, fill.fee_asset, fill.ts, fill.id))

    def _account(self, told: AccountUpdate) -> None:
        self.changed[told.account] = told.ts
        for asset, total, _ in told.balances:
            if told.wallet != "perp":
                continue
            before = self._margin.get((told.account, asset))
            self._margin[told.account, asset] = total
            if before is None or before == total or told.why not in ("funding", "deposit"):
                continue
            kind = "FUNDING_FEE" if told.why == "funding" else "TRANSFER"
            symbol = told.positions[0].symbol if told.positions and told.why == "funding" else ""
            self.income[told.account].append(Income(symbol, kind, total - before, asset, told.ts, 0))
