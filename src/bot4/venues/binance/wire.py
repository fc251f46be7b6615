"""The venue's JSON as typed records: numbers that come as text become exact Decimals.

A record that decodes can be believed as far as it goes by itself: its numbers are finite and of a size that
money can have, its times lie in this century, its words are known, no more is filled than was ordered. What
does not hold that is unreadable (msgspec.DecodeError), like torn JSON: of an order whose state is a word that
bot4 does not know nothing is known. Whether a record is the one that was asked for is its reader's matter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from bot4.model.values import Rate
from bot4.venues.binance import checks

ZERO = Decimal(0)


class Failure(msgspec.Struct):
    """The body of a refusal; code 0 where it tells none."""

    code: int = 0
    msg: Any = ""  # a code counts, whatever stands beside it


class Done(msgspec.Struct):
    """A reply of which only the code matters, where it has one."""

    code: int = 0


class DeadMan(msgspec.Struct, rename="camel"):
    """The count down to the cancelling of all orders, as it was set."""

    symbol: str
    countdown_time: int


class Order(msgspec.Struct, rename="camel"):
    """Whether a body speaks of an order at all, whatever it says."""

    order_id: msgspec.Raw = msgspec.Raw()
    algo_id: msgspec.Raw = msgspec.Raw()
    order_list_id: msgspec.Raw = msgspec.Raw()


class ServerTime(msgspec.Struct, rename="camel"):
    """The venue's clock, ms."""

    server_time: int

    def __post_init__(self) -> None:
        if not self.server_time:
            raise ValueError("no time")
        checks.times(self.server_time)


class Filter(msgspec.Struct, rename="camel"):
    """Any filter of a symbol; the fields it has depend on `filter_type`."""

    filter_type: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    tick_size: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    step_size: Decimal | None = None
    min_notional: Decimal | None = None
    notional: Decimal | None = None
    multiplier_up: Decimal | None = None
    multiplier_down: Decimal | None = None
    bid_multiplier_up: Decimal | None = None
    bid_multiplier_down: Decimal | None = None
    ask_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None
    max_num_orders: int | None = None
    max_num_algo_orders: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        checks.amounts(
            tick_size=self.tick_size,
            step_size=self.step_size,
            min_qty=self.min_qty,
            max_qty=self.max_qty,
            min_notional=self.min_notional,
            notional=self.notional,
            multiplier_up=self.multiplier_up,
            multiplier_down=self.multiplier_down,
            bid_multiplier_up=self.bid_multiplier_up,
            bid_multiplier_down=self.bid_multiplier_down,
            ask_multiplier_up=self.ask_multiplier_up,
            ask_multiplier_down=self.ask_multiplier_down,
        )
        for count in (self.max_num_orders, self.max_num_algo_orders, self.limit):
            if count is not None and not 0 <= count < checks.MOST:
                raise ValueError(f"{count} is no number of orders")


class SymbolKind(msgspec.Struct, rename="camel"):
    """Which symbol of exchangeInfo it is, before the rest is read."""

    symbol: str
    contract_type: str = ""


class SymbolInfo(msgspec.Struct, rename="camel"):
    """One symbol of exchangeInfo, spot or futures."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[Filter]
    contract_type: str = ""
    maint_margin_percent: Decimal | None = None  # in percent, futures only
    contract_size: Decimal | None = None
    order_types: list[str] = []

    def __post_init__(self) -> None:
        checks.amounts(maint_margin_percent=self.maint_margin_percent, contract_size=self.contract_size)
        if not self.base_asset or not self.quote_asset or self.symbol != self.base_asset + self.quote_asset:
            raise ValueError(f"{self.symbol[:40]!r} is not of its coins")
        checks.once([f.filter_type for f in self.filters], "a filter")


class ExchangeInfo(msgspec.Struct, rename="camel"):
    """What of exchangeInfo is read; symbols one by one, so that a strange one hides no other."""

    symbols: list[msgspec.Raw]


class FundingInfo(msgspec.Struct, rename="camel"):
    """Symbols whose funding interval is not eight hours."""

    symbol: str
    funding_interval_hours: int

    def __post_init__(self) -> None:
        if not 1 <= self.funding_interval_hours <= 24:
            raise ValueError(f"{self.funding_interval_hours} h is no funding interval")


class OrderReply(msgspec.Struct, rename="camel"):
    """An order as REST shows it; spot and futures differ in a few names."""

    symbol: str
    order_id: int
    client_order_id: str
    status: str
    type: str
    side: str
    orig_qty: Decimal
    executed_qty: Decimal
    price: Decimal
    orig_client_order_id: str = ""
    order_list_id: int = -1
    cummulative_quote_qty: Decimal | None = None
    avg_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = ""
    reduce_only: bool = False
    is_working: bool = True
    orig_type: str = ""
    time: int = 0
    update_time: int = 0
    transact_time: int = 0

    def __post_init__(self) -> None:
        checks.word(self.status, checks.STATES, "order state")
        checks.word(self.side, checks.SIDES, "side")
        checks.numbers(self.order_id)
        checks.numbers(self.order_list_id, least=-1)
        checks.amounts(
            origQty=self.orig_qty,
            executedQty=self.executed_qty,
            price=self.price,
            cummulativeQuoteQty=self.cummulative_quote_qty,
            avgPrice=self.avg_price,
            stopPrice=self.stop_price,
        )
        checks.filled(self.executed_qty, self.orig_qty)
        checks.mean(self.cummulative_quote_qty, self.executed_qty)
        checks.times(self.time, self.update_time, self.transact_time)


class ListReply(msgspec.Struct, rename="camel"):
    """The answer to an OCO."""

    order_list_id: int
    order_reports: list[OrderReply]


class AlgoReply(msgspec.Struct, rename="camel"):
    """A conditional futures order."""

    algo_id: int
    client_algo_id: str
    symbol: str
    side: str
    order_type: str
    algo_status: str
    quantity: Decimal = ZERO
    trigger_price: Decimal | None = None
    price: Decimal = ZERO
    reduce_only: bool = False
    actual_order_id: str = ""
    create_time: int = 0
    update_time: int = 0

    def __post_init__(self) -> None:
        checks.word(self.algo_status, checks.ALGO_STATES, "order state")
        checks.word(self.side, checks.SIDES, "side")
        checks.numbers(self.algo_id)
        checks.book_number(self.actual_order_id)
        checks.amounts(quantity=self.quantity, price=self.price, triggerPrice=self.trigger_price)
        checks.times(self.create_time, self.update_time)


class TradeReply(msgspec.Struct, rename="camel"):
    """An own trade, spot (`isBuyer`, `isMaker`) or futures (`side`, `maker`)."""

    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool | None = None
    is_maker: bool = False
    side: str = ""
    maker: bool = False

    def __post_init__(self) -> None:
        if self.is_buyer is None or self.side:
            checks.word(self.side, checks.SIDES, "side")
        if not self.price or not self.qty or not self.time:
            raise ValueError("a trade without price, quantity or time")
        checks.numbers(self.id, self.order_id)
        checks.amounts(price=self.price, qty=self.qty)
        checks.signed(commission=self.commission)
        checks.times(self.time)


class SpotBalance(msgspec.Struct):
    """One asset of a spot account."""

    asset: str
    free: Decimal
    locked: Decimal

    def __post_init__(self) -> None:
        checks.amounts(free=self.free, locked=self.locked)


class SpotAccount(msgspec.Struct, rename="camel"):
    """A spot account."""

    balances: list[SpotBalance]
    can_trade: bool

    def __post_init__(self) -> None:
        checks.once([b.asset for b in self.balances], "an asset")


class KeyRights(msgspec.Struct, rename="camel"):
    """What an API key may do."""

    enable_withdrawals: bool


class UsdmAsset(msgspec.Struct, rename="camel"):
    """One asset of a futures account."""

    asset: str
    wallet_balance: Decimal
    available_balance: Decimal = ZERO

    def __post_init__(self) -> None:
        checks.signed(walletBalance=self.wallet_balance, availableBalance=self.available_balance)


class UsdmAccount(msgspec.Struct, rename="camel"):
    """A futures account, without its positions."""

    assets: list[UsdmAsset]
    can_trade: bool = True  # not told by version 3
    can_withdraw: bool | None = None

    def __post_init__(self) -> None:
        checks.once([a.asset for a in self.assets], "an asset")


class PositionReply(msgspec.Struct, rename="camel"):
    """One position by positionRisk."""

    symbol: str
    position_amt: Decimal
    entry_price: Decimal = ZERO
    mark_price: Decimal = ZERO
    liquidation_price: Decimal = ZERO
    leverage: int = 0  # 0: not told
    margin_type: str = ""
    position_side: str = "BOTH"

    def __post_init__(self) -> None:
        checks.signed(positionAmt=self.position_amt, liquidationPrice=self.liquidation_price)
        checks.amounts(entryPrice=self.entry_price, markPrice=self.mark_price)
        checks.word(self.position_side, checks.HOLDINGS, "position side")
        checks.margin(self.margin_type)
        if not 0 <= self.leverage <= 1000:
            raise ValueError(f"{self.leverage} is no leverage")


class HedgeMode(msgspec.Struct, rename="camel"):
    """Whether long and short are held apart."""

    dual_side_position: bool


class ListenKey(msgspec.Struct, rename="camel"):
    """The name of a private stream."""

    listen_key: str

    def __post_init__(self) -> None:
        checks.key(self.listen_key)


# --- the private streams ---------------------------------------------------------------------------------


class SpotReport(msgspec.Struct):
    """executionReport."""

    E: int
    s: str
    c: str
    S: str
    o: str
    x: str
    X: str
    i: int
    q: Decimal
    p: Decimal
    P: Decimal
    z: Decimal
    T: int
    C: str = ""
    f: str = ""
    r: str = "NONE"
    g: int = -1
    t: int = -1
    l: Decimal = ZERO  # noqa: E741
    L: Decimal = ZERO
    n: Decimal | None = None
    N: str | None = None
    m: bool = False
    w: bool = True
    Z: Decimal = ZERO

    def __post_init__(self) -> None:
        checks.word(self.X, checks.STATES, "order state")
        checks.word(self.S, checks.SIDES, "side")
        checks.numbers(self.i)
        checks.numbers(self.g, self.t, least=-1)
        checks.amounts(q=self.q, p=self.p, P=self.P, z=self.z, l=self.l, L=self.L, Z=self.Z)
        checks.signed(n=self.n)
        checks.filled(self.z, self.q)
        checks.mean(self.Z, self.z)
        checks.times(self.E, self.T)
        if self.x == "TRADE":
            checks.trade(self.t, self.l, self.L, self.z)
            if self.n is None:
                raise ValueError("a trade without its fee")


class SpotPosition(msgspec.Struct):
    """One changed balance."""

    a: str
    f: Decimal
    l: Decimal  # noqa: E741

    def __post_init__(self) -> None:
        checks.amounts(f=self.f, l=self.l)


class SpotPositions(msgspec.Struct):
    """outboundAccountPosition."""

    u: int
    B: list[SpotPosition]

    def __post_init__(self) -> None:
        checks.times(self.u)
        checks.once([b.a for b in self.B], "an asset")


class UsdmOrder(msgspec.Struct):
    """The order within ORDER_TRADE_UPDATE."""

    s: str
    c: str
    S: str
    o: str
    x: str
    X: str
    i: int
    q: Decimal
    p: Decimal
    z: Decimal
    T: int
    ap: Decimal = ZERO
    sp: Decimal = ZERO
    ot: str = ""
    f: str = ""
    t: int = -1
    l: Decimal = ZERO  # noqa: E741
    L: Decimal = ZERO
    n: Decimal = ZERO
    N: str | None = None
    m: bool = False
    R: bool = False

    def __post_init__(self) -> None:
        checks.word(self.X, checks.STATES, "order state")
        checks.word(self.S, checks.SIDES, "side")
        checks.numbers(self.i)
        checks.numbers(self.t, least=-1)
        checks.amounts(q=self.q, p=self.p, z=self.z, ap=self.ap, sp=self.sp, l=self.l, L=self.L)
        checks.signed(n=self.n)
        checks.filled(self.z, self.q)
        checks.times(self.T)
        if self.x in ("TRADE", "CALCULATED") and self.l:
            checks.trade(self.t, self.l, self.L, self.z)


class UsdmReport(msgspec.Struct):
    """ORDER_TRADE_UPDATE."""

    o: UsdmOrder


class UsdmAlgo(msgspec.Struct):
    """The order within ALGO_UPDATE."""

    caid: str
    aid: int
    s: str
    S: str
    o: str
    X: str
    q: Decimal
    tp: Decimal = ZERO
    p: Decimal = ZERO
    ai: str = ""
    R: bool = False

    def __post_init__(self) -> None:
        checks.word(self.X, checks.ALGO_STATES, "order state")
        checks.word(self.S, checks.SIDES, "side")
        checks.numbers(self.aid)
        checks.book_number(self.ai)
        checks.amounts(q=self.q, tp=self.tp, p=self.p)


class UsdmAlgoReport(msgspec.Struct):
    """ALGO_UPDATE."""

    T: int
    o: UsdmAlgo

    def __post_init__(self) -> None:
        checks.times(self.T)


class UsdmBalance(msgspec.Struct):
    """One changed futures balance."""

    a: str
    wb: Decimal
    cw: Decimal

    def __post_init__(self) -> None:
        checks.signed(wb=self.wb, cw=self.cw)


class UsdmPosition(msgspec.Struct):
    """One changed position."""

    s: str
    pa: Decimal
    ep: Decimal = ZERO
    mt: str = ""
    ps: str = "BOTH"

    def __post_init__(self) -> None:
        checks.signed(pa=self.pa)
        checks.amounts(ep=self.ep)
        checks.word(self.ps, checks.HOLDINGS, "position side")
        checks.margin(self.mt)


class UsdmChange(msgspec.Struct):
    """The body of ACCOUNT_UPDATE."""

    m: str = ""
    B: list[UsdmBalance] = []
    P: list[UsdmPosition] = []


class UsdmAccountUpdate(msgspec.Struct):
    """ACCOUNT_UPDATE."""

    T: int
    a: UsdmChange

    def __post_init__(self) -> None:
        checks.times(self.T)
        checks.once([b.a for b in self.a.B], "an asset")
        checks.once([(p.s, p.ps) for p in self.a.P], "a position")


class MarkPrice(msgspec.Struct):
    """markPriceUpdate: the mark, the index, the estimated rate, and when it falls due."""

    E: int
    s: str
    p: Decimal
    i: Decimal = Decimal(0)
    r: str = ""  # empty where nothing is paid
    T: int = 0
    rate_e8: int | None = None  # `r`, read; rounded to the nearest hundred-millionth

    def __post_init__(self) -> None:
        checks.amounts(p=self.p, i=self.i)
        checks.times(self.E, self.T)
        self.rate_e8 = Rate.near(self.r, "r").e8 if self.r else None


Candle = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, int, Decimal, int, Decimal, Decimal, Any]
"""A row of klines: open time (ms), open, high, low, close, volume, close time (ms), ..."""


class Enveloped(msgspec.Struct):
    """What a stream sends, with or without an envelope; `e` names the event."""

    e: str = ""
    data: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    id: Any = None
    status: int = 0
    error: Failure | None = None
    stream: str = ""
