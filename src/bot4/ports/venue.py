"""The Venue port: what bot4 asks of an exchange, and in which words it answers.

Every adapter (the simulator in process, Binance over the network) answers in these words, and passes the
same numbered cards (`tests/contract`). Three kinds of answer to a command are kept apart, because money
depends on it:

    it happened      an `OrderReport` came back
    it did not       `OrderRejected`, `NotSent` (nothing left this machine), `Throttled` before sending
    not known        `OutcomeUnknown`: the request may have reached the venue. Never resent before a look-up

`NotFound` is said only when the venue itself answered that it has no such order; a failed look-up is
`VenueUnreachable` and says nothing about the order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

import numpy as np

from bot4.model.approved import ApprovedOrder
from bot4.model.errors import Bot4Error
from bot4.model.instrument import Instrument

OrderState = Literal[
    "new", "partially_filled", "filled", "canceled", "rejected", "expired", "untriggered", "triggered"
]
MarginMode = Literal["cross", "isolated", "none"]

# --- what can go wrong -----------------------------------------------------------------------------------


class VenueError(Bot4Error):
    """Base of what a venue adapter raises; `reason` is a code R_* of `model.codes_nb`."""

    def __init__(self, text: str, reason: int, code: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.code = code  # the venue's own error code


class OrderRejected(VenueError):
    """The venue refused the command; it has no effect. Never retried as it stands."""


class NotSent(VenueError):
    """The command did not leave this machine; it has no effect."""


class Throttled(NotSent):
    """A rate limit, ours or the venue's, holds the command back for `wait_ns`."""

    def __init__(self, text: str, reason: int, wait_ns: int, code: int | None = None) -> None:
        super().__init__(text, reason, code)
        self.wait_ns = wait_ns


class OutcomeUnknown(VenueError):
    """The command may or may not have taken effect: time-out, lost connection, 5xx."""


class VenueUnreachable(VenueError):
    """A question (not a command) got no answer; nothing is known."""


class NotFound(VenueError):
    """The venue answered that it knows no such order."""


class Unsupported(VenueError):
    """The venue does not offer this; see its `Capabilities`."""


# --- what the venue reports ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rules:
    """An instrument with its venue's filters; a filter that is None does not exist there."""

    instrument: Instrument
    status: Literal["trading", "halted", "closing", "delisted"]
    contract_size: Decimal = Decimal(
        1
    )  # coins in one unit of quantity; what its price is for is another matter
    price_up: Decimal | None = None  # highest price as a multiple of the reference
    price_down: Decimal | None = None
    max_orders: int | None = None
    max_stops: int | None = None
    market_max_qty: Decimal | None = None
    maintenance: Decimal | None = None  # maintenance margin as a fraction of notional
    funding_interval_ns: int | None = None


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's view of one order. `client_id` is empty when the order was not placed with one."""

    symbol: str
    client_id: str
    venue_id: str
    state: OrderState
    side: int
    type: str  # limit, market, stop, stop_limit, take_profit, take_profit_limit, trailing
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    average: Decimal | None
    reduce_only: bool
    ts_venue: int
    reason: int = 0  # R_* for canceled, rejected, expired
    list_id: str = ""  # of an OCO


@dataclass(frozen=True, slots=True)
class TradeReport:
    """One execution. `trade_id` is unique per symbol at the venue; the fee is a cost (negative: a rebate)."""

    symbol: str
    trade_id: str
    client_id: str
    venue_id: str
    side: int
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    ts_venue: int
    reason: int = 0  # R_LIQUIDATED, R_ADL


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of the account."""

    asset: str
    total: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class PositionReport:
    """One position. Spot venues report none: holdings are balances.

    `quantity` is signed, in the units in which orders of the instrument are given: times
    `Rules.contract_size` it is coins.
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    liquidation_price: Decimal | None
    leverage: int
    margin_mode: MarginMode


@dataclass(frozen=True, slots=True)
class AccountReport:
    """The account at one instant; not `complete`: only what changed is listed, the rest is as it was."""

    ts_venue: int
    balances: tuple[Balance, ...]
    positions: tuple[PositionReport, ...]
    hedge_mode: bool = False
    can_trade: bool = True
    can_withdraw: bool | None = None  # of the key, where the venue tells
    complete: bool = True
    why: str = ""  # of a change: order, funding, deposit, ...


@dataclass(frozen=True, slots=True)
class StreamState:
    """The private stream came up or went down. While it is down, order state comes by asking."""

    up: bool
    reason: int = 0


PrivateEvent = OrderReport | TradeReport | AccountReport | StreamState


@dataclass(frozen=True, slots=True)
class FundingView:
    """What a perpetual's next funding payment will probably be; `instrument` as in the batch's events."""

    instrument: int
    rate_e8: int
    next_ns: int


@dataclass(frozen=True, slots=True)
class MarketBatch:
    """Market events in the engine's form (EVENT_DTYPE, in local order), or None with why the feed broke.

    `EVENT.instrument` is the place of the symbol in the list given to `market`. A break is of that
    `instrument` alone, or of all (-1).
    """

    events: np.ndarray[Any, Any] | None
    reason: int = 0
    instrument: int = -1
    funding: tuple[FundingView, ...] = ()  # changed since the last batch
    unreadable: tuple[
        int, ...
    ] = ()  # instruments of which something came that is no market data (NaN, null, 0)


@dataclass(frozen=True, slots=True)
class BarReport:
    """One closed candle of the venue, from its trades; `volume` in the instrument's quantity."""

    open_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the venue does by itself; what it does not, execution emulates."""

    market: Literal["spot", "perp"]
    client_id_lookup: bool = True
    native_oco: bool = False
    amend: bool = False
    stop_orders: bool = True
    reduce_only: bool = True
    dead_man_switch: bool = False
    own_trades: bool = True
    max_client_id: int = 36
    bar_lengths: frozenset[int] = frozenset()  # ns, of the candles that `bars` knows


# --- the port --------------------------------------------------------------------------------------------


class Venue(Protocol):
    """One account at one venue. All methods may raise `VenueError`; a symbol is bot4's (BTC-USDT-PERP)."""

    name: str
    capabilities: Capabilities

    async def connect(self) -> None:
        """Load instruments, measure the clock, open the private stream."""

    async def close(self) -> None:
        """Let go of all connections; safe to call twice."""

    async def rules(self) -> Sequence[Rules]:
        """All instruments with their filters, as the venue states them now."""

    async def clock_offset_ns(self) -> int:
        """Venue time minus ours, by the sample with the least delay."""

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Place an order. OrderRejected, NotSent, Throttled or OutcomeUnknown otherwise."""

    async def submit_oco(
        self, first: ApprovedOrder, second: ApprovedOrder
    ) -> tuple[OrderReport, OrderReport]:
        """Place two orders of which one cancels the other; Unsupported without `native_oco`."""

    async def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal = Decimal(0)) -> OrderReport:
        """Change price and quantity of the working limit order `client_id` to those of `order`.

        The order keeps its client id. `beside` is what it has filled so far: the quantity then counts from
        there on. NotFound when it is not working any more.
        """

    async def cancel(self, symbol: str, client_id: str) -> OrderReport:
        """Cancel; the report shows what was filled before. NotFound when it is not working any more."""

    async def cancel_all(self, symbol: str) -> None:
        """Cancel every order of the account on `symbol`, ours or not."""

    async def order(self, symbol: str, client_id: str) -> OrderReport:
        """Look an order up; NotFound or VenueUnreachable."""

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """All working orders, conditional ones included."""

    async def trades(self, symbol: str, since_ns: int) -> Sequence[TradeReport]:
        """Own executions at or after `since_ns`, oldest first, all pages."""

    async def account(self) -> AccountReport:
        """Balances and positions."""

    async def set_leverage(self, symbol: str, leverage: int, mode: MarginMode) -> PositionReport:
        """Set leverage and margin mode, then read them back; Unsupported on spot."""

    async def set_dead_man(self, symbol: str, after_ns: int) -> None:
        """Have the venue cancel everything unless called again within `after_ns`; 0 ends it."""

    def private(self) -> AsyncIterator[PrivateEvent]:
        """The private stream, without end: gaps are announced by `StreamState`, never hidden."""

    def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """Sequenced market events; after a gap a batch without events, then a fresh snapshot."""

    def resync(self, symbol: str) -> None:
        """Begin the book of `symbol` anew in the running `market`, from a fresh snapshot."""

    async def bars(self, symbol: str, bar_ns: int, since_ns: int, until_ns: int) -> Sequence[BarReport]:
        """Closed candles that open in [since_ns, until_ns), oldest first; Unsupported for other lengths."""
