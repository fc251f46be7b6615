"""User data: what happens to an account, as events to the connections that listen for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from bot4.venues.served import spot_shapes, usdm_shapes
from bot4.venues.served.desk import Desk
from bot4.venues.served.faults import Faults, Traffic
from bot4.venues.served.figures import amount
from bot4.venues.served.line import Line, encoded
from bot4.venues.served.spot_shapes import MS, Json
from bot4.venues.served.standing import positions_of, update_row
from bot4.venues.simulator.words import AccountUpdate, ListUpdate, OrderUpdate, State, Told

Wrap = Callable[[str], str]
REASONS = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "deposit": "DEPOSIT",
    "liquidation": "ORDER",
    "adl": "ORDER",
    "margin": "MARGIN_TRANSFER",
}


class UserFeed:
    """The user streams of one desk."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self._desk = desk
        self._faults = faults
        self._lines: dict[str, dict[Line, Wrap]] = {}
        self._mute = False
        self._reports = 0
        self._client_ids: dict[int, str] = {}
        self._wallets: dict[tuple[str, str], Decimal] = {}
        desk.exchange.listen(self.hear)

    def join(self, account: str, line: Line, wrap: Wrap) -> None:
        """`line` hears of `account` from now on."""
        self._lines.setdefault(account, {})[line] = wrap

    def heard(self, account: str) -> bool:
        """Whether any connection listens for `account`."""
        return account in self._lines

    def leave(self, line: Line, account: str | None = None) -> None:
        """`line` hears no more of `account`, or of any."""
        for name in [account] if account is not None else list(self._lines):
            lines = self._lines.get(name, {})
            lines.pop(line, None)
            if not lines:
                self._lines.pop(name, None)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Inside the block nothing is sent: what happens there, clients are not told."""
        self._mute = True
        try:
            yield
        finally:
            self._mute = False

    def expire(self, account: str, key: str, now_ms: int) -> None:
        """Tell that a listen key has run out."""
        event: Json = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
        self._send(account, event)

    def hear(self, told: Told) -> None:
        """Make events of what the exchange tells about accounts."""
        if isinstance(told, OrderUpdate):
            if told.order.list_id:
                self._client_ids[told.order.id] = told.order.client_id
            if told.account in self._lines:
                self._order(told)
        elif isinstance(told, AccountUpdate):
            self._account(told)
        elif isinstance(told, ListUpdate) and told.account in self._lines:
            self._send(told.account, spot_shapes.list_status(told, self._client_ids))

    def _order(self, told: OrderUpdate) -> None:
        figures = self._desk.figures(told.order.request.symbol)
        if self._desk.product == "spot":
            self._reports += 1
            cancel_id = f"cancel-{told.order.id}" if told.what == "canceled" else ""
            report = spot_shapes.execution_report(told, figures, self._reports, cancel_id)
            self._send(told.account, report)
            return
        conditional = told.order.request.type in usdm_shapes.CONDITIONAL
        triggered = told.order.id in self._desk.memory.triggered or told.what == "triggered"
        if conditional and (told.what == "triggered" or not triggered):
            self._send(told.account, usdm_shapes.algo_update(told, figures))
        if conditional and not triggered:
            return
        asset = self._desk.exchange.markets[told.order.request.symbol].quote
        if told.execution is not None:
            self._send(told.account, usdm_shapes.trade_lite(told, told.execution, figures))
        self._send(told.account, usdm_shapes.order_trade_update(told, figures, asset))
        if conditional and told.what != "triggered" and told.order.state is State.FILLED:
            self._send(told.account, usdm_shapes.algo_update(told, figures))

    def _account(self, told: AccountUpdate) -> None:
        changes = {}
        for asset, total, _ in told.balances:
            key = (told.account, f"{told.wallet}/{asset}")
            changes[asset] = total - self._wallets.get(key, total)
            self._wallets[key] = total
        if told.account not in self._lines:
            return
        if self._desk.product == "spot":
            if told.balances:
                self._send(told.account, spot_shapes.account_position(told))
            if told.why == "deposit":
                for asset, change in changes.items():
                    self._send(told.account, spot_shapes.balance_update(asset, change, told.ts))
            return
        if told.why == "leverage":
            self._configured(told)
        else:
            self._send(told.account, self._account_update(told, changes))

    def _configured(self, told: AccountUpdate) -> None:
        ts = told.ts // MS
        for position in told.positions:
            change = {"s": position.symbol, "l": position.leverage}
            self._send(told.account, {"e": "ACCOUNT_CONFIG_UPDATE", "E": ts, "T": ts, "ac": change})

    def _account_update(self, told: AccountUpdate, changes: dict[str, Decimal]) -> Json:
        flow = told.why in ("deposit", "funding")
        rows = [
            {
                "a": asset,
                "wb": amount(total),
                "cw": amount(total),
                "bc": amount(changes[asset] if flow else Decimal(0)),
            }
            for asset, total, _ in told.balances
        ]
        changed = {position.symbol for position in told.positions}
        positions = [
            update_row(held, self._desk.figures(held.position.symbol))
            for held in positions_of(self._desk, self._desk.exchange.account(told.account))
            if held.position.symbol in changed
        ]
        change = {"m": REASONS[told.why], "B": rows, "P": positions}
        return {"e": "ACCOUNT_UPDATE", "T": told.ts // MS, "E": told.ts // MS, "a": change}

    def _send(self, account: str, event: Json) -> None:
        lines = self._lines.get(account)
        if not lines or self._mute:
            return
        if self._faults:
            order = event.get("o")
            symbol = event.get("s") or (order.get("s", "") if isinstance(order, dict) else "")
            traffic = Traffic("user", self._desk.product, stream=event["e"], account=account, symbol=symbol)
            for line, wrap in list(lines.items()):
                line.post(event, wrap, self._faults, traffic)
            return
        text = encoded(event)
        for line, wrap in lines.items():
            line.put(wrap(text))
