"""Binance spot behind the Venue port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder
from bot4.ports.venue import (
    AccountReport,
    Balance,
    Capabilities,
    MarginMode,
    OrderRejected,
    OrderReport,
    PositionReport,
    PrivateEvent,
    TradeReport,
    Unsupported,
    VenueUnreachable,
)
from bot4.venues.binance.checks import STATES, read
from bot4.venues.binance.endpoints import OPEN_WITHOUT_SYMBOL, SPOT, SPOT_INTERVALS, SPOT_LIMITS, Hosts
from bot4.venues.binance.face import Face, Wiring
from bot4.venues.binance.orders import (
    MS,
    REASONS,
    STOPS,
    ZERO,
    oco_params,
    positive,
    report_of,
    side_of,
    spot_params,
    type_of,
)
from bot4.venues.binance.private_feed import PrivatePlan
from bot4.venues.binance.rules import Listing
from bot4.venues.binance.sockets import Socket, let_go
from bot4.venues.binance.wire import (
    Enveloped,
    ExchangeInfo,
    KeyRights,
    ListReply,
    OrderReply,
    SpotAccount,
    SpotPositions,
    SpotReport,
)
from bot4.venues.ids import encode

_SUBSCRIBE = "userDataStream.subscribe.signature"


class BinanceSpot(Face):
    """One spot account. Stops and OCO rest at the venue; nothing is amended, nothing reduces only."""

    name = "binance-spot"
    capabilities = Capabilities(
        "spot", native_oco=True, reduce_only=False, bar_lengths=frozenset(SPOT_INTERVALS)
    )
    table = SPOT
    trade_memory_ms = 0
    streams = (("public", ("@depth@100ms", "@bookTicker", "@trade")),)

    def __init__(self, hosts: Hosts, wiring: Wiring) -> None:
        super().__init__(hosts, wiring, SPOT_LIMITS)

    async def _load_rules(self) -> Listing:
        info = await self.rest.get(ExchangeInfo, self.table["rules"])
        return Listing(self.name, info.symbols, {})

    # --- orders ------------------------------------------------------------------------------------------

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Place an order."""
        symbol = order.intent.instrument
        wire, name = self._wire(symbol, command=True), order.client_order_id
        params = spot_params(order, wire)
        reply = await self.rest.get(OrderReply, self.table["submit"], params, self.is_urgent(order))
        reply = self._asked(self.table["submit"], reply, wire, client_id=name, order=order)
        report = report_of(reply, symbol, spot=True)
        if order.intent.type == "stop" and report.state == "new":
            report = replace(report, state="untriggered")  # the reply does not say that it waits
        return self._known(report)

    async def submit_oco(
        self, first: ApprovedOrder, second: ApprovedOrder
    ) -> tuple[OrderReport, OrderReport]:
        """Place a target and a stop of one side and quantity; the reports come in the order given."""
        legs = {order.intent.type: order for order in (first, second)}
        stop, target = legs.get("stop"), legs.get("limit")
        if stop is None or target is None or stop.intent.quantity != target.intent.quantity:
            raise OrderRejected(
                f"{self.name}: an OCO is one limit and one stop, of one quantity", c.R_UNCHECKED
            )
        symbol = first.intent.instrument
        wire = self._wire(symbol, command=True)
        params = oco_params(target, stop, wire)
        reply = await self.rest.get(ListReply, self.table["oco"], params, urgent=True)
        rows = {row.client_order_id: row for row in reply.order_reports}
        placed: list[OrderReport] = []
        for leg in (first, second):
            row = rows.get(leg.client_order_id)
            if row is None:
                raise self.rest.strange(self.table["oco"], f"the answer lacks {leg.client_order_id}")
            row = self._asked(self.table["oco"], row, wire, client_id=leg.client_order_id, order=leg)
            report = report_of(row, symbol, spot=True)
            if report.type in STOPS and report.state == "new":
                report = replace(report, state="untriggered")
            placed.append(self._known(report))
        return placed[0], placed[1]

    async def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal = Decimal(0)) -> OrderReport:
        """Spot orders keep their price: cancel and place anew."""
        raise Unsupported(f"{self.name}: a price cannot be amended ({client_id}, {beside:f})", c.R_VENUE)

    async def cancel(self, symbol: str, client_id: str) -> OrderReport:
        """Cancel one order; of an OCO the venue cancels the other leg too."""
        wire = self._wire(symbol, command=True)
        params = {"symbol": wire, "origClientOrderId": encode(self.name, client_id)}
        body = await self.rest.ask(self.table["cancel"], params, urgent=True)
        try:
            lists = read(body, ListReply).order_reports
            reply = next(row for row in lists if row.orig_client_order_id == client_id)
        except (msgspec.MsgspecError, StopIteration):
            reply = self.rest.decoded(OrderReply, self.table["cancel"], body)
        reply = self._asked(self.table["cancel"], reply, wire, client_id=client_id)
        return report_of(reply, symbol, spot=True)

    async def cancel_all(self, symbol: str) -> None:
        """Cancel all orders on `symbol`; that there were none is no error."""
        params = {"symbol": self._wire(symbol, command=True)}
        await self.rest.do(self.table["cancel_all"], params, urgent=True)

    async def order(self, symbol: str, client_id: str) -> OrderReport:
        """Look an order up by its client id."""
        wire = self._wire(symbol)
        params = {"symbol": wire, "origClientOrderId": encode(self.name, client_id)}
        reply = await self.rest.get(OrderReply, self.table["order"], params)
        reply = self._asked(self.table["order"], reply, wire, client_id=client_id)
        return self._known(report_of(reply, symbol, spot=True))

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Working orders, waiting stops included."""
        endpoint = self.table["open"]
        params: dict[str, str] = {}
        if symbol is None:
            endpoint = endpoint.costing(OPEN_WITHOUT_SYMBOL["spot"])
        else:
            params = {"symbol": self._wire(symbol)}
        replies = await self.rest.get(list[OrderReply], endpoint, params)
        self._all_of(endpoint, (reply.symbol for reply in replies), params.get("symbol"))
        return [self._known(report_of(r, self._bot4(r.symbol), spot=True)) for r in replies]

    # --- the account -------------------------------------------------------------------------------------

    async def account(self) -> AccountReport:
        """Balances that are not zero."""
        asked = self.sync.venue_ns()
        reply = await self.rest.get(SpotAccount, self.table["account"], {"omitZeroBalances": "true"})
        return AccountReport(
            ts_venue=asked,
            balances=tuple(
                Balance(b.asset, b.free + b.locked, b.free) for b in reply.balances if b.free or b.locked
            ),
            positions=(),
            can_trade=reply.can_trade,
            can_withdraw=await self._may_withdraw(),
        )

    async def _may_withdraw(self) -> bool | None:
        """Whether the key may withdraw; the account's own canWithdraw says nothing of the key."""
        try:
            return (await self.rest.get(KeyRights, self.table["key_rights"])).enable_withdrawals
        except VenueUnreachable as error:
            if error.code is None:  # no answer; an answer that there is no such endpoint leaves it unknown
                raise
            return None

    async def set_leverage(self, symbol: str, leverage: int, mode: MarginMode) -> PositionReport:
        """Spot has no leverage."""
        raise Unsupported(f"{self.name}: {symbol} has no leverage ({leverage}, {mode})", c.R_LEVERAGE)

    async def set_dead_man(self, symbol: str, after_ns: int) -> None:
        """Spot has no dead man's switch."""
        raise Unsupported(f"{self.name}: no dead man's switch ({symbol}, {after_ns} ns)", c.R_VENUE)

    # --- the private stream ------------------------------------------------------------------------------

    def _private_plan(self) -> PrivatePlan:
        patience = self.wiring.patience
        return PrivatePlan(
            open=self._subscribe,
            keep=None,
            decode=self._decode,
            clock=self.wiring.clock,
            backoff_base_s=patience.backoff_base_s,
            backoff_most_s=patience.backoff_most_s,
        )

    async def _subscribe(self) -> Socket:
        """Subscribe by a signed request on the WebSocket API: spot has no listen keys since February 2026."""
        socket = await self.socket(self.hosts.private)
        try:
            return await self._subscribed(socket)
        except BaseException:
            await let_go(socket)
            raise

    async def _subscribed(self, socket: Socket) -> Socket:
        params = self.rest.signed({}, "sorted")
        request = {"id": 1, "method": _SUBSCRIBE, "params": params}
        try:
            await socket.send_str(msgspec.json.encode(request).decode())
            message = await socket.receive(self.wiring.timing.answer_s)
            reply = read(message.data, Enveloped)
        except (msgspec.MsgspecError, TimeoutError, TypeError):
            raise VenueUnreachable(f"{self.name}: no answer to {_SUBSCRIBE}", c.R_PRIVATE_DOWN) from None
        if reply.status != 200:
            code, text = (reply.error.code, reply.error.msg) if reply.error else (0, "")
            if code == -1021:
                await self.rest.measure()
            raise VenueUnreachable(f"{self.name}: {_SUBSCRIBE}: {code} {text}", c.R_PRIVATE_DOWN, code)
        return socket

    def _decode(self, name: str, raw: bytes) -> Sequence[PrivateEvent]:
        known: dict[str, Callable[[bytes], Sequence[PrivateEvent]]] = {
            "executionReport": self._execution,
            "outboundAccountPosition": self._positions,
        }
        return known[name](raw) if name in known else ()

    def _execution(self, raw: bytes) -> Sequence[PrivateEvent]:
        told = read(raw, SpotReport)
        kind, symbol = type_of(told.o, spot=True), self._bot4(told.s)
        state = STATES[told.X]
        if state == "new" and kind in STOPS and not told.w:
            state = "untriggered"
        client_id = told.C if told.x in ("CANCELED", "REPLACED") and told.C else told.c
        reason = REASONS.get(state, 0)
        if state == "expired" and (told.f == "IOC" or kind == "market"):
            reason = c.R_IOC
        self._remember(str(told.i), client_id)
        report = OrderReport(
            symbol=symbol,
            client_id=client_id,
            venue_id=str(told.i),
            state=state,
            side=side_of(told.S),
            type=kind,
            quantity=told.q,
            filled=told.z,
            price=positive(told.p),
            stop_price=positive(told.P),
            average=positive(told.Z / told.z) if told.z else None,
            reduce_only=False,
            ts_venue=told.T * MS,
            reason=reason,
            list_id=str(told.g) if told.g >= 0 else "",
        )
        if told.x != "TRADE":
            return (report,)
        fee, fee_asset = told.n or ZERO, told.N or ""
        trade = TradeReport(
            symbol, str(told.t), client_id, str(told.i), side_of(told.S), told.L, told.l, fee, fee_asset,
            told.m, told.T * MS,
        )  # fmt: skip
        return (trade, report)

    def _positions(self, raw: bytes) -> Sequence[PrivateEvent]:
        told = read(raw, SpotPositions)
        balances = tuple(Balance(b.a, b.f + b.l, b.f) for b in told.B)
        return (AccountReport(told.u * MS, balances, (), complete=False, why="order"),)
