"""Endpoints with their weights, the rate limits, and the hosts, as Binance documents them (2026-11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot4.venues.limits import Limit, Polling

S = 10**9

WEIGHT = "weight-1m"
ORDERS_10S = "orders-10s"
ORDERS_DAY = "orders-1d"
ORDERS_MINUTE = "orders-1m"
CONNECTIONS = "connections-5m"

SPOT_LIMITS = (
    Limit(WEIGHT, 6000, 60 * S),
    Limit(ORDERS_10S, 100, 10 * S),
    Limit(ORDERS_DAY, 200_000, 86_400 * S),
    Limit(CONNECTIONS, 300, 300 * S),
)
USDM_LIMITS = (
    Limit(WEIGHT, 2400, 60 * S),
    Limit(ORDERS_10S, 300, 10 * S),
    Limit(ORDERS_MINUTE, 1200, 60 * S),
    Limit(CONNECTIONS, 300, 300 * S),
)
HEADERS = {
    "x-mbx-used-weight-1m": WEIGHT,
    "x-mbx-order-count-10s": ORDERS_10S,
    "x-mbx-order-count-1m": ORDERS_MINUTE,
    "x-mbx-order-count-1d": ORDERS_DAY,
}
"""Response headers that tell what the venue has counted."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where one product is served. Streams: books and trades, marks and funding, and the private one."""

    rest: str
    public: str
    market: str
    private: str


LIVE_SPOT = Hosts(
    "https://api.binance.com",
    "wss://stream.binance.com:9443",
    "wss://stream.binance.com:9443",
    "wss://ws-api.binance.com:443/ws-api/v3",
)
LIVE_USDM = Hosts(
    "https://fapi.binance.com",
    "wss://fstream.binance.com/public",
    "wss://fstream.binance.com/market",
    "wss://fstream.binance.com/private",
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request: how, where, its cost, and who may ask. A `command` may change something there."""

    method: str
    path: str
    weight: int = 1
    access: str = "signed"  # open, key, signed
    command: bool = False
    orders: int = 0

    def costing(self, weight: int) -> Endpoint:
        """The same endpoint at another weight: with some parameters a call costs more."""
        return replace(self, weight=weight)


_MINUTE = 60 * S
INTERVALS = {
    **{n * _MINUTE: f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{n * 60 * _MINUTE: f"{n}h" for n in (1, 2, 4, 6, 8, 12)},
    24 * 60 * _MINUTE: "1d",
}
"""Lengths of candles in ns, and their names."""
SPOT_INTERVALS = {S: "1s", **INTERVALS}
KLINES = 500
"""Candles asked for at once: of that weight the limit is counted."""

_API = "/api/v3/"
SPOT = {
    "time": Endpoint("GET", _API + "time", access="open"),
    "rules": Endpoint("GET", _API + "exchangeInfo", 20, "open"),
    "depth": Endpoint("GET", _API + "depth", 50, "open"),
    "bars": Endpoint("GET", _API + "klines", 2, "open"),
    "submit": Endpoint("POST", _API + "order", command=True, orders=1),
    "oco": Endpoint("POST", _API + "orderList/oco", command=True, orders=2),
    "cancel": Endpoint("DELETE", _API + "order", command=True),
    "cancel_all": Endpoint("DELETE", _API + "openOrders", command=True),
    "order": Endpoint("GET", _API + "order", 4),
    "open": Endpoint("GET", _API + "openOrders", 6),
    "trades": Endpoint("GET", _API + "myTrades", 20),
    "account": Endpoint("GET", _API + "account", 20),
    "key_rights": Endpoint("GET", "/sapi/v1/account/apiRestrictions"),
}
_FAPI = "/fapi/v1/"
USDM = {
    "time": Endpoint("GET", _FAPI + "time", access="open"),
    "rules": Endpoint("GET", _FAPI + "exchangeInfo", access="open"),
    "funding_info": Endpoint("GET", _FAPI + "fundingInfo", access="open"),
    "depth": Endpoint("GET", _FAPI + "depth", 20, "open"),
    "bars": Endpoint("GET", _FAPI + "klines", 5, "open"),
    "submit": Endpoint("POST", _FAPI + "order", command=True, orders=1),
    "amend": Endpoint("PUT", _FAPI + "order", command=True, orders=1),
    "cancel": Endpoint("DELETE", _FAPI + "order", command=True),
    "cancel_all": Endpoint("DELETE", _FAPI + "allOpenOrders", command=True),
    "order": Endpoint("GET", _FAPI + "order"),
    "open": Endpoint("GET", _FAPI + "openOrders", 1),
    "algo_submit": Endpoint("POST", _FAPI + "algoOrder", command=True, orders=1),
    "algo_cancel": Endpoint("DELETE", _FAPI + "algoOrder", command=True),
    "algo_cancel_all": Endpoint("DELETE", _FAPI + "algoOpenOrders", command=True),
    "algo_order": Endpoint("GET", _FAPI + "algoOrder"),
    "algo_open": Endpoint("GET", _FAPI + "openAlgoOrders", 1),
    "trades": Endpoint("GET", _FAPI + "userTrades", 5),
    "account": Endpoint("GET", "/fapi/v3/account", 5),
    "positions": Endpoint("GET", "/fapi/v2/positionRisk", 5),
    "hedge": Endpoint("GET", _FAPI + "positionSide/dual", 30),
    "leverage": Endpoint("POST", _FAPI + "leverage", command=True),
    "margin_type": Endpoint("POST", _FAPI + "marginType", command=True),
    "dead_man": Endpoint("POST", _FAPI + "countdownCancelAll", 10, command=True),
    "key_new": Endpoint("POST", _FAPI + "listenKey", access="key"),
    "key_keep": Endpoint("PUT", _FAPI + "listenKey", access="key"),
    "key_end": Endpoint("DELETE", _FAPI + "listenKey", access="key"),
}
OPEN_WITHOUT_SYMBOL = {"spot": 80, "usdm": 40}
"""Weight of asking for open orders of all symbols at once."""


def polls(product: str, compared: float = 1.0, checked: float = 12.0) -> tuple[Polling, ...]:
    """What a running bot4 asks for on `product` (spot, usdm), for `limits.predict_weight`.

    Times a minute: the venue is `compared` by desk and session each, live orders are `checked`. It is the
    most that comes regularly: every instrument has an order, a book is asked for every five minutes.
    """
    table = SPOT if product == "spot" else USDM
    account = table["account"].weight + (table["hedge"] if product == "usdm" else table["key_rights"]).weight
    orders = table["open"].weight + (table["algo_open"].weight if product == "usdm" else 0)
    state = orders + table["trades"].weight
    return (
        Polling("account", account, 4 * compared, False),
        Polling("clock", 1, 2.0, False),
        Polling("comparison", state, 2 * compared),
        Polling("live orders", state, checked),
        Polling("book snapshot", table["depth"].weight, 0.2),
    )


def served_spot(port: int, host: str = "127.0.0.1") -> Hosts:
    """The spot side of a served exchange (`bot4 exchange serve`) on this machine."""
    web = f"ws://{host}:{port}"
    return Hosts(f"http://{host}:{port}", web, web, f"{web}/ws-api/v3")


def served_usdm(port: int, host: str = "127.0.0.1") -> Hosts:
    """The futures side of a served exchange."""
    web = f"ws://{host}:{port}/fut"
    return Hosts(f"http://{host}:{port}", web, web, web)
