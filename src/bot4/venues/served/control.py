"""The control endpoints: faults, state, accounts, and an operator's hand. Loopback only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from bot4.model.errors import ConfigError
from bot4.venues.served.desk import Desk
from bot4.venues.served.errors import Product
from bot4.venues.served.faults_plan import rules_of
from bot4.venues.served.figures import plain
from bot4.venues.served.gateway import Gateway
from bot4.venues.served.user_feed import UserFeed
from bot4.venues.simulator.words import Market, OrderType, Refused, Request, SelfTrade, TimeInForce

Json = dict[str, Any]


def _product(given: Mapping[str, Any]) -> Product:
    product = given.get("product", "spot")
    if product not in get_args(Product):
        raise ConfigError(f"product: must be spot or usdm, is {product!r}")
    return "usdm" if product == "usdm" else "spot"


def _need(given: Mapping[str, Any], name: str) -> Any:
    if name not in given:
        raise ConfigError(f"{name}: missing")
    return given[name]


def _decimal(given: Mapping[str, Any], name: str) -> Decimal:
    try:
        return Decimal(str(_need(given, name)))
    except InvalidOperation as error:
        raise ConfigError(f"{name}: must be a number, is {given[name]!r}") from error


def market_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of a market with decimals where the market has decimals; ConfigError names the field."""
    found: dict[str, Any] = {}
    types = {name: str(kind) for name, kind in Market.__annotations__.items()}
    for name, value in changes.items():
        if name not in types or name in ("symbol", "kind", "tiers"):
            raise ConfigError(f"changes.{name}: no such value of a market")
        if types[name] == "Decimal":
            found[name] = _decimal(changes, name)
        elif types[name] == "int" and (not isinstance(value, int) or isinstance(value, bool)):
            raise ConfigError(f"changes.{name}: must be a whole number, is {value!r}")
        elif name == "status" and value not in ("trading", "halted", "closing", "delisted"):
            raise ConfigError(f"changes.status: must be trading, halted, closing or delisted, is {value!r}")
        else:
            found[name] = value
    return found


class Control:
    """Answers /_bot4/... with a status and a JSON body."""

    def __init__(
        self, gateway: Gateway, feeds: Mapping[Product, UserFeed], connections: Callable[[], int]
    ) -> None:
        self._gateway = gateway
        self._feeds = feeds
        self._connections = connections
        self._began_ns = gateway.clock.monotonic_ns()

    def answer(self, method: str, path: str, query: Mapping[str, str], text: str) -> tuple[int, object]:
        """Serve one control request."""
        try:
            given = json.loads(text) if text else {}
        except json.JSONDecodeError as error:
            return 400, {"error": f"not JSON: {error}"}
        routes: dict[tuple[str, str], Callable[[Any, Mapping[str, str]], object]] = {
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "state"): lambda given, query: self.state(),
            ("GET", "accounts"): self._accounts,
            ("POST", "admin"): self._admin,
        }
        run = routes.get((method, path))
        if run is None:
            return 404, {"error": f"no such control endpoint: {method} /_bot4/{path}"}
        try:
            return 200, run(given, query)
        except (ConfigError, Refused, ValueError, KeyError) as error:
            return 400, {"error": str(error)}

    # --- faults --------------------------------------------------------------------------------------

    def _faults(self, given: Any, query: Mapping[str, str]) -> Json:
        faults = self._gateway.faults
        return {"rules": faults.listing(), "log": list(faults.log)}

    def _add_faults(self, given: Any, query: Mapping[str, str]) -> Json:
        rules = rules_of(given)
        for rule in rules:
            if rule.do.kind == "set_market":
                market_changes(rule.do.changes)
        return {"ids": self._gateway.faults.add(rules)}

    def _clear_faults(self, given: Any, query: Mapping[str, str]) -> Json:
        number = query.get("id", "")
        if number and not number.isdigit():
            raise ConfigError(f"id: must be the number of a rule, is {number!r}")
        return {"removed": self._gateway.faults.clear(int(number) if number else None)}

    # --- looking -------------------------------------------------------------------------------------

    def state(self) -> Json:
        """Counts, connections, uptime, markets."""
        passed = self._gateway.clock.monotonic_ns() - self._began_ns
        return {
            "uptime_s": passed / 1e9,
            "connections": self._connections(),
            "orders": sum(d.memory.counts.orders for d in self._gateway.desks.values()),
            "fills": sum(d.memory.counts.fills for d in self._gateway.desks.values()),
            "cancels": sum(d.memory.counts.cancels for d in self._gateway.desks.values()),
            "faults_fired": len(self._gateway.faults.log),
            "markets": {
                name: {symbol: market.status for symbol, market in desk.exchange.markets.items()}
                for name, desk in self._gateway.desks.items()
            },
        }

    def _accounts(self, given: Any, query: Mapping[str, str]) -> Json:
        key = query.get("key", "")
        if not key:
            raise ConfigError("key: which account? Give ?key=...")
        found: Json = {}
        for name, desk in self._gateway.desks.items():
            customer = desk.customer(key)
            found[name] = {
                "balances": {a: plain(v) for a, v in customer.balances.items()},
                "locked": {a: plain(v) for a, v in customer.locked.items()},
                "margin": {a: plain(v) for a, v in customer.margin.items()},
                "positions": {s: p.qty for s, p in customer.positions.items()},
                "hedge_mode": customer.hedge_mode,
                "open_orders": [
                    {"id": o.id, "client_id": o.client_id, "symbol": o.request.symbol, "state": o.state.value}
                    for o in desk.exchange.open_orders(key)
                ],
            }
        return found

    # --- an operator's hand --------------------------------------------------------------------------

    def _admin(self, given: Any, query: Mapping[str, str]) -> Json:
        if not isinstance(given, Mapping):
            raise ConfigError("a table with `do` is needed")
        desk = self._gateway.desks[_product(given)]
        actions: dict[str, Callable[[Desk, Mapping[str, Any]], object]] = {
            "set_market": _set_market,
            "halt": lambda desk, given: _status(desk, given, "halted"),
            "resume": lambda desk, given: _status(desk, given, "trading"),
            "delist": lambda desk, given: _status(desk, given, "delisted"),
            "limits": _set_limits,
            "cancel": self._cancel_silently,
            "adl": _adl,
            "deposit": _deposit,
            "fill": _fill,
        }
        name = _need(given, "do")
        if name not in actions:
            raise ConfigError(f"do: must be one of {', '.join(sorted(actions))}, is {name!r}")
        self._gateway.advance()
        return {"done": actions[name](desk, given) or name}

    def _cancel_silently(self, desk: Desk, given: Mapping[str, Any]) -> None:
        with self._feeds[desk.product].muted():
            desk.exchange.cancel(
                str(_need(given, "key")), _symbol(desk, given), order_id=int(_need(given, "order_id"))
            )


def _symbol(desk: Desk, given: Mapping[str, Any]) -> str:
    symbol = str(_need(given, "symbol"))
    if symbol not in desk.exchange.markets:
        raise ConfigError(f"symbol: no market {symbol!r}")
    return symbol


def _set_market(desk: Desk, given: Mapping[str, Any]) -> None:
    desk.exchange.set_market(_symbol(desk, given), **market_changes(_need(given, "changes")))


def _status(desk: Desk, given: Mapping[str, Any], status: str) -> None:
    desk.exchange.set_market(_symbol(desk, given), status=status)


def _set_limits(desk: Desk, given: Mapping[str, Any]) -> Json:
    values = asdict(desk.meter.limits)
    changes = _need(given, "limits")
    for name, value in changes.items():
        if name not in values or not isinstance(value, type(values[name])) or isinstance(value, bool):
            raise ConfigError(f"limits.{name}: no such limit, or not a {type(values.get(name)).__name__}")
    desk.meter.limits = type(desk.meter.limits)(**(values | changes))
    return asdict(desk.meter.limits)


def _deposit(desk: Desk, given: Mapping[str, Any]) -> None:
    wallet = "spot" if desk.product == "spot" else "perp"
    desk.exchange.deposit(
        str(_need(given, "key")), wallet, str(_need(given, "asset")), _decimal(given, "amount")
    )


def _adl(desk: Desk, given: Mapping[str, Any]) -> None:
    symbol = _symbol(desk, given)
    lots = desk.figures(symbol).qty.steps(_decimal(given, "quantity"))
    if lots is None or lots <= 0:
        raise ConfigError("quantity: must be a positive multiple of the lot")
    desk.exchange.adl(str(_need(given, "key")), symbol, lots)


def _fill(desk: Desk, given: Mapping[str, Any]) -> Json:
    """Fill a resting limit order: the operator's account takes the book up to and with its price."""
    symbol = _symbol(desk, given)
    order = desk.exchange.order(str(_need(given, "key")), symbol, order_id=int(_need(given, "order_id")))
    price, side = order.request.price, order.request.side
    if not price or order not in desk.exchange.open_orders(order.account, symbol):
        raise ConfigError("order_id: only an open limit order can be filled by hand")
    _, bids, asks = desk.exchange.depth(symbol, 5000)
    levels = [row for row in (bids if side > 0 else asks) if (row[0] - price) * side >= 0]
    request = Request(
        symbol=symbol,
        side=-side,
        type=OrderType.LIMIT,
        qty=sum(lots for _, lots in levels),
        price=price,
        tif=TimeInForce.IOC,
        self_trade=SelfTrade.NONE,
    )
    done = desk.exchange.place(_operator(desk), request)
    return {"taken": desk.figures(symbol).qty.text(done.filled)}


def _operator(desk: Desk) -> str:
    key, plenty = "bot4-operator", Decimal(10) ** 12
    try:
        desk.exchange.open_account(
            key,
            "no client signs with this",
            {m.base: plenty for m in desk.exchange.markets.values()}
            | {m.quote: plenty for m in desk.exchange.markets.values()},
            {m.quote: plenty for m in desk.exchange.markets.values()},
        )
    except ValueError:  # it is open already
        return key
    return key
