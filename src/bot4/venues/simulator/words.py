"""What one says to the simulated exchange, and what it tells: plain values between the core and its faces.

The core (`exchange.Exchange`) knows no protocol; a face (in process, Binance over REST and WebSocket)
translates. Prices are integer ticks and quantities integer lots of their market inside, `Decimal` where
assets of different scales meet (balances, fees). All times are ns UTC on the exchange's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal


class OrderType(StrEnum):
    """What an order asks for. The last five are conditional: they rest untriggered, outside the book."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"  # market order once the price has moved against the position to stop_price
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING = "trailing"  # stop that follows the best price at `trail_e4` of it


class TimeInForce(StrEnum):
    """How long an order may stand."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST = "post"


class SelfTrade(StrEnum):
    """What happens when an order would trade with one of the same account."""

    NONE = "none"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_MAKER = "expire_maker"
    EXPIRE_BOTH = "expire_both"
    DECREMENT = "decrement"


class State(StrEnum):
    """States of an order at the exchange."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"  # IOC or FOK rest, self-trade prevention, liquidation of the position it reduced
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"


class Refusal(StrEnum):
    """Why the exchange refuses; a face maps each to its own error code and text."""

    UNKNOWN_MARKET = "unknown_market"
    NOT_TRADING = "not_trading"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    BAD_CLIENT_ID = "bad_client_id"
    PRICE_FILTER = "price_filter"
    PERCENT_PRICE = "percent_price"
    LOT_SIZE = "lot_size"
    MARKET_LOT_SIZE = "market_lot_size"
    MIN_NOTIONAL = "min_notional"
    MAX_ORDERS = "max_orders"
    MAX_STOPS = "max_stops"
    BALANCE = "balance"
    MARGIN = "margin"
    REDUCE_ONLY = "reduce_only"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    NO_LIQUIDITY = "no_liquidity"
    UNKNOWN_ORDER = "unknown_order"
    NOT_CANCELABLE = "not_cancelable"
    LEVERAGE = "leverage"
    MODE = "mode"
    OCO_PRICES = "oco_prices"
    SELF_TRADE = "self_trade"
    FOK = "fok"
    INTERNAL = "internal"


class Refused(Exception):
    """The exchange says no to a command; nothing was changed."""

    def __init__(self, why: Refusal, text: str = "") -> None:
        super().__init__(text or why.value)
        self.why = why


@dataclass(slots=True)
class Market:
    """One traded pair and its rules. Mutable: an exchange may change filters while it runs."""

    symbol: str  # as the exchange writes it, BTCUSDT
    kind: Literal["spot", "perp"]
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_qty: int  # lots
    max_qty: int
    market_max_qty: int
    min_notional: Decimal
    price_up: Decimal = Decimal(5)  # PERCENT_PRICE: limits as multiples of the reference price
    price_down: Decimal = Decimal("0.2")
    max_orders: int = 200
    max_stops: int = 5
    contract_size: Decimal = Decimal(1)
    maintenance: Decimal = Decimal("0.004")  # of notional, first bracket
    liquidation_fee: Decimal = Decimal("0.0125")
    max_leverage: int = 125
    maker_e8: int = 20_000
    taker_e8: int = 50_000
    tiers: tuple[tuple[Decimal, int, int], ...] = ()  # 30-day notional from which (maker_e8, taker_e8) hold
    funding_interval_ns: int = 8 * 3_600_000_000_000
    status: Literal["trading", "halted", "closing", "delisted"] = "trading"


@dataclass(frozen=True, slots=True)
class Request:
    """A new order, in ticks and lots."""

    symbol: str
    side: int  # 1 buy, -1 sell
    type: OrderType
    qty: int
    price: int = 0
    stop_price: int = 0
    tif: TimeInForce = TimeInForce.GTC
    client_id: str = ""  # empty: the exchange makes one
    reduce_only: bool = False
    close_position: bool = False  # perp stops: whatever the position is when it triggers
    trigger_by: Literal["last", "mark"] = "last"
    trail_e4: int = 0  # callback rate in 1e-4
    iceberg_qty: int = 0
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER


@dataclass(slots=True)
class Order:
    """An order as the exchange keeps it. `spent` is the sum of price x quantity, ticks x lots."""

    id: int
    account: str
    request: Request
    client_id: str
    state: State
    created_ns: int
    updated_ns: int
    filled: int = 0
    spent: int = 0
    prevented: int = 0  # lots that self-trade prevention took off
    list_id: int = 0  # of the OCO it belongs to
    reason: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order."""

    id: int  # trade id of the market; both sides of a trade have the same
    order_id: int
    symbol: str
    account: str
    side: int
    price: int
    qty: int
    fee: Decimal
    fee_asset: str
    maker: bool
    ts: int
    kind: Literal["trade", "liquidation", "adl"] = "trade"
    realised: Decimal = Decimal(0)  # of a perp position, before the fee


@dataclass(slots=True)
class Position:
    """A perp position: `qty` in lots and `cost`, the sum of price x quantity at entry in ticks x lots.

    Both are signed, so the entry price is `cost / qty`.
    """

    symbol: str
    qty: int = 0
    cost: int = 0
    leverage: int = 20
    isolated: bool = False
    margin: Decimal = Decimal(0)  # isolated wallet


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position with what follows from the mark price; prices in quote currency.

    `liquidation` is None where no positive price would liquidate it.
    """

    position: Position
    entry: Decimal
    mark: Decimal
    unrealised: Decimal
    liquidation: Decimal | None
    initial: Decimal  # margin it needs at its leverage
    maintenance: Decimal


@dataclass(slots=True)
class Account:
    """One customer. `locked` is the part of a spot balance that open orders hold.

    `margin` is the whole futures wallet, the margins of isolated positions included.
    """

    key: str
    secret: str | None  # None: any secret is good (a practice account)
    balances: dict[str, Decimal] = field(default_factory=dict)  # spot wallet
    locked: dict[str, Decimal] = field(default_factory=dict)
    margin: dict[str, Decimal] = field(default_factory=dict)  # futures wallet
    positions: dict[str, Position] = field(default_factory=dict)
    hedge_mode: bool = False
    turnover: dict[int, Decimal] = field(default_factory=dict)  # notional by UTC day
    can_withdraw: bool = False


# --- what the exchange tells -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DepthDiff:
    """Changed levels of a book (quantity 0: gone), with first, last and previous update id as at Binance."""

    symbol: str
    ts: int
    first: int
    last: int
    previous: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask changed."""

    symbol: str
    ts: int
    update_id: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade."""

    symbol: str
    ts: int
    id: int
    price: int
    qty: int
    buyer_maker: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark and index price, and the funding that is due at `next_ns`."""

    symbol: str
    ts: int
    mark: Decimal
    index: Decimal
    rate_e8: int
    next_ns: int


@dataclass(frozen=True, slots=True)
class Liquidation:
    """A position was taken over: what the public liquidation stream shows."""

    symbol: str
    ts: int
    side: int
    qty: int
    price: int


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order of `account` changed; `execution` when a fill did it."""

    account: str
    ts: int
    what: Literal["new", "trade", "canceled", "rejected", "expired", "triggered", "amended"]
    order: Order  # a copy, as it was then
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    """Balances or positions of `account` changed; only what changed is listed."""

    account: str
    ts: int
    why: Literal["order", "funding", "deposit", "liquidation", "adl", "leverage", "margin"]
    wallet: Literal["spot", "perp"]
    balances: tuple[tuple[str, Decimal, Decimal], ...]  # asset, total, locked
    positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """An OCO of `account` began or ended."""

    account: str
    ts: int
    list_id: int
    list_client_id: str
    symbol: str
    state: Literal["executing", "all_done", "rejected"]
    orders: tuple[int, ...]


Told = DepthDiff | Quote | Print | Mark | Liquidation | OrderUpdate | AccountUpdate | ListUpdate
Listener = Callable[[Told], None]
