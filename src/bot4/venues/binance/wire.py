"""The venue's JSON as typed records: numbers that come as text become exact Decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

ZERO = Decimal(0)


class Failure(msgspec.Struct):
    """The body of a refusal."""

    code: int = 0
    msg: str = ""


class ServerTime(msgspec.Struct, rename="camel"):
    """The venue's clock, ms."""

    server_time: int


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


class ExchangeInfo(msgspec.Struct, rename="camel"):
    """What of exchangeInfo is read."""

    symbols: list[SymbolInfo]


class FundingInfo(msgspec.Struct, rename="camel"):
    """Symbols whose funding interval is not eight hours."""

    symbol: str
    funding_interval_hours: int


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
    price: Decimal = ZERO
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
    is_buyer: bool = False
    is_maker: bool = False
    side: str = ""
    maker: bool = False


class SpotBalance(msgspec.Struct):
    """One asset of a spot account."""

    asset: str
    free: Decimal
    locked: Decimal


class SpotAccount(msgspec.Struct, rename="camel"):
    """A spot account."""

    balances: list[SpotBalance]
    can_trade: bool = True
    can_withdraw: bool | None = None
    update_time: int = 0


class KeyRights(msgspec.Struct, rename="camel"):
    """What an API key may do."""

    enable_withdrawals: bool


class UsdmAsset(msgspec.Struct, rename="camel"):
    """One asset of a futures account."""

    asset: str
    wallet_balance: Decimal
    available_balance: Decimal = ZERO


class UsdmAccount(msgspec.Struct, rename="camel"):
    """A futures account, without its positions."""

    assets: list[UsdmAsset]
    can_trade: bool = True
    can_withdraw: bool | None = None
    update_time: int = 0


class PositionReply(msgspec.Struct, rename="camel"):
    """One position by positionRisk."""

    symbol: str
    position_amt: Decimal
    entry_price: Decimal = ZERO
    mark_price: Decimal = ZERO
    liquidation_price: Decimal = ZERO
    leverage: Decimal = Decimal(1)
    margin_type: str = "cross"
    position_side: str = "BOTH"


class HedgeMode(msgspec.Struct, rename="camel"):
    """Whether long and short are held apart."""

    dual_side_position: bool


class ListenKey(msgspec.Struct, rename="camel"):
    """The name of a private stream."""

    listen_key: str


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
    n: Decimal = ZERO
    N: str | None = None
    m: bool = False
    w: bool = True
    Z: Decimal = ZERO


class SpotPosition(msgspec.Struct):
    """One changed balance."""

    a: str
    f: Decimal
    l: Decimal  # noqa: E741


class SpotPositions(msgspec.Struct):
    """outboundAccountPosition."""

    u: int
    B: list[SpotPosition]


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
    t: int = 0
    l: Decimal = ZERO  # noqa: E741
    L: Decimal = ZERO
    n: Decimal = ZERO
    N: str | None = None
    m: bool = False
    R: bool = False


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


class UsdmAlgoReport(msgspec.Struct):
    """ALGO_UPDATE."""

    T: int
    o: UsdmAlgo


class UsdmBalance(msgspec.Struct):
    """One changed futures balance."""

    a: str
    wb: Decimal
    cw: Decimal


class UsdmPosition(msgspec.Struct):
    """One changed position."""

    s: str
    pa: Decimal
    ep: Decimal = ZERO
    mt: str = "cross"
    ps: str = "BOTH"


class UsdmChange(msgspec.Struct):
    """The body of ACCOUNT_UPDATE."""

    m: str = ""
    B: list[UsdmBalance] = []
    P: list[UsdmPosition] = []


class UsdmAccountUpdate(msgspec.Struct):
    """ACCOUNT_UPDATE."""

    T: int
    a: UsdmChange


class MarkPrice(msgspec.Struct):
    """markPriceUpdate: the mark, the index, the estimated rate, and when it falls due."""

    E: int
    s: str
    p: Decimal
    i: Decimal = Decimal(0)
    r: str = ""  # empty where nothing is paid
    T: int = 0


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
