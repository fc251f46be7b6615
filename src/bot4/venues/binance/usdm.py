"""Binance USD-M futures behind the Venue port.

Conditional orders live in a service of their own (`algoOrder`): until they trigger they have a number there,
then one in the book. The port sees one order with one client id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder
from bot4.model.values import plain
from bot4.ports.venue import (
    AccountReport,
    Balance,
    Capabilities,
    MarginMode,
    NotFound,
    OrderRejected,
    OrderReport,
    PositionReport,
    PrivateEvent,
    TradeReport,
    Unsupported,
    VenueUnreachable,
)
from bot4.venues.binance.checks import ALGO_STATES, STATES, read
from bot4.venues.binance.endpoints import INTERVALS, OPEN_WITHOUT_SYMBOL, USDM, USDM_LIMITS, Hosts
from bot4.venues.binance.face import Face, Known, Wiring
from bot4.venues.binance.orders import (
    MS,
    REASONS,
    algo_params,
    algo_report,
    forced_reason,
    positive,
    report_of,
    side_of,
    type_of,
    usdm_params,
)
from bot4.venues.binance.private_feed import PrivatePlan
from bot4.venues.binance.rules import Listing
from bot4.venues.binance.sockets import Socket
from bot4.venues.binance.wire import (
    AlgoReply,
    DeadMan,
    ExchangeInfo,
    FundingInfo,
    HedgeMode,
    ListenKey,
    OrderReply,
    PositionReply,
    UsdmAccount,
    UsdmAccountUpdate,
    UsdmAlgoReport,
    UsdmReport,
)
from bot4.venues.ids import encode

ZERO = Decimal(0)


def _margin_mode(word: str) -> MarginMode:
    """bot4's word for a margin mode of the venue; `none` where it tells none."""
    return "none" if not word else "isolated" if word.lower() == "isolated" else "cross"


class BinanceUsdm(Face):
    """One USD-M futures account, in one-way mode."""

    name = "binance-usdm"
    capabilities = Capabilities("perp", amend=True, dead_man_switch=True, bar_lengths=frozenset(INTERVALS))
    table = USDM
    trade_memory_ms = 180 * 86_400_000
    streams = (("public", ("@depth@100ms", "@bookTicker", "@trade")), ("market", ("@markPrice@1s",)))

    def __init__(self, hosts: Hosts, wiring: Wiring) -> None:
        super().__init__(hosts, wiring, USDM_LIMITS)
        self._listen_key = ""
        self._algo_ids = Known()  # number in the book: client id of the conditional order
        self._waiting = Known()  # client ids of conditional orders that have not triggered

    async def _load_rules(self) -> Listing:
        info = await self.rest.get(ExchangeInfo, self.table["rules"])
        hours: dict[str, int] = {}
        try:
            rows = await self.rest.get(list[FundingInfo], self.table["funding_info"])
            hours = {row.symbol: row.funding_interval_hours for row in rows}
        except VenueUnreachable as error:
            if error.code is None:  # no answer; an answer that there is no such list leaves eight hours
                raise
        return Listing(self.name, info.symbols, hours)

    # --- orders ------------------------------------------------------------------------------------------

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Place an order; a stop goes to the service for conditional orders."""
        symbol = order.intent.instrument
        wire = self._wire(symbol, command=True)
        urgent = self.is_urgent(order)
        if order.intent.type == "stop":
            algo = await self.rest.get(AlgoReply, self.table["algo_submit"], algo_params(order, wire), urgent)
            algo = self._asked_algo("algo_submit", algo, wire, order.client_order_id, order)
            self._waiting.keep(order.client_order_id, "")
            return algo_report(algo, symbol)
        reply = await self.rest.get(OrderReply, self.table["submit"], usdm_params(order, wire), urgent)
        name = order.client_order_id
        reply = self._asked(self.table["submit"], reply, wire, client_id=name, order=order)
        return self._known(report_of(reply, symbol, spot=False))

    async def submit_oco(
        self, first: ApprovedOrder, second: ApprovedOrder
    ) -> tuple[OrderReport, OrderReport]:
        """Futures have no OCO: execution cancels the other leg."""
        text = f"{self.name}: no OCO ({first.client_order_id}, {second.client_order_id})"
        raise Unsupported(text, c.R_VENUE)

    async def amend(self, order: ApprovedOrder, client_id: str, beside: Decimal = Decimal(0)) -> OrderReport:
        """Change price and quantity of a limit order; it keeps its client id and loses its place."""
        intent = order.intent
        if intent.type != "limit" or intent.price is None:
            raise OrderRejected(f"{self.name}: only limit orders are amended ({client_id})", c.R_UNCHECKED)
        wire = self._wire(intent.instrument, command=True)
        params = {
            "symbol": wire,
            "origClientOrderId": encode(self.name, client_id),
            "side": "BUY" if intent.side > 0 else "SELL",
            "quantity": plain(intent.quantity.to_decimal() + beside),
            "price": plain(intent.price.to_decimal()),
        }
        reply = await self.rest.get(OrderReply, self.table["amend"], params, self.is_urgent(order))
        reply = self._asked(self.table["amend"], reply, wire, client_id=client_id, order=order, beside=beside)
        return report_of(reply, intent.instrument, spot=False)

    async def cancel(self, symbol: str, client_id: str) -> OrderReport:
        """Cancel an order, in the book or waiting for its price."""
        if client_id not in self._waiting:
            try:
                return await self._cancel_in_book(symbol, client_id)
            except NotFound:
                pass  # it may be a conditional order of an earlier run
        return await self._cancel_waiting(symbol, client_id)

    async def _cancel_in_book(self, symbol: str, client_id: str) -> OrderReport:
        wire = self._wire(symbol, command=True)
        params: dict[str, object] = {"symbol": wire}
        number = next((n for n, owner in self._algo_ids.items() if owner == client_id), "")
        if number:
            params["orderId"] = number
        else:
            params["origClientOrderId"] = encode(self.name, client_id)
        reply = await self.rest.get(OrderReply, self.table["cancel"], params, urgent=True)
        name = "" if number else client_id
        reply = self._asked(self.table["cancel"], reply, wire, client_id=name, number=number)
        return replace(report_of(reply, symbol, spot=False), client_id=client_id)

    async def _cancel_waiting(self, symbol: str, client_id: str) -> OrderReport:
        wire = self._wire(symbol, command=True)
        params = {"clientAlgoId": encode(self.name, client_id)}
        try:
            await self.rest.do(self.table["algo_cancel"], params, urgent=True)
        except NotFound:
            self._waiting.pop(client_id, None)
            try:
                found = await self.rest.get(AlgoReply, self.table["algo_order"], params, urgent=True)
                found = self._asked_algo("algo_order", found, wire, client_id)
            except VenueUnreachable:
                found = None
            if found is not None and found.actual_order_id:
                self._algo_ids.keep(found.actual_order_id, client_id)
                return await self._cancel_in_book(symbol, client_id)
            raise
        self._waiting.pop(client_id, None)
        # the reply has only a number; what the order was is asked for, and a failure there changes nothing
        try:
            reply = await self.rest.get(AlgoReply, self.table["algo_order"], params, urgent=True)
            reply = self._asked_algo("algo_order", reply, wire, client_id)
            return replace(algo_report(reply, symbol), state="canceled", reason=c.R_VENUE)
        except (VenueUnreachable, NotFound):
            return OrderReport(
                symbol, client_id, "", "canceled", 0, "stop", ZERO, ZERO, None, None, None, False,
                self.sync.venue_ns(), c.R_VENUE,
            )  # fmt: skip

    async def cancel_all(self, symbol: str) -> None:
        """Cancel all orders on `symbol`, in the book and waiting."""
        params = {"symbol": self._wire(symbol, command=True)}
        # side by side: behind the first answer comes the news of every order it cancelled
        both = [
            self.rest.do(self.table[name], params, urgent=True) for name in ("cancel_all", "algo_cancel_all")
        ]
        for failed in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    async def order(self, symbol: str, client_id: str) -> OrderReport:
        """Look an order up, in the book first unless it is known to wait."""
        wire = self._wire(symbol)
        if client_id not in self._waiting:
            try:
                params = {"symbol": wire, "origClientOrderId": encode(self.name, client_id)}
                reply = await self.rest.get(OrderReply, self.table["order"], params)
                reply = self._asked(self.table["order"], reply, wire, client_id=client_id)
                return self._known(report_of(reply, symbol, spot=False))
            except NotFound:
                pass
        algo = await self.rest.get(
            AlgoReply, self.table["algo_order"], {"clientAlgoId": encode(self.name, client_id)}
        )
        algo = self._asked_algo("algo_order", algo, wire, client_id)
        return await self._resolved(algo, symbol, wire)

    def _asked_algo(
        self, name: str, reply: AlgoReply, wire: str, client_id: str, order: ApprovedOrder | None = None
    ) -> AlgoReply:
        """`reply`, when it is of the conditional order that was asked about; else nothing is known."""
        wrong = reply.symbol != wire or reply.client_algo_id != client_id
        if order is not None and not wrong:
            intent = order.intent
            wrong = side_of(reply.side) != intent.side or reply.quantity != intent.quantity.to_decimal()
        if wrong:
            what = f"{reply.symbol[:40]} {reply.client_algo_id[:40]}"
            raise self.rest.strange(self.table[name], f"the answer is of another order ({what})")
        return reply

    async def _resolved(self, algo: AlgoReply, symbol: str, wire: str) -> OrderReport:
        """A conditional order, with what became of it in the book when it has triggered."""
        report = algo_report(algo, symbol)
        if not algo.actual_order_id:
            return report
        self._triggered(algo.actual_order_id, algo.client_algo_id)
        try:
            params = {"symbol": wire, "orderId": algo.actual_order_id}
            reply = await self.rest.get(OrderReply, self.table["order"], params)
        except NotFound:
            return report
        reply = self._asked(self.table["order"], reply, wire, number=algo.actual_order_id)
        found = report_of(reply, symbol, spot=False)
        return replace(
            found,
            client_id=algo.client_algo_id,
            type=report.type,
            stop_price=report.stop_price,
            state="triggered" if found.state == "new" else found.state,
        )

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        """Working orders, and conditional ones that wait."""
        cost = 1 if symbol is not None else OPEN_WITHOUT_SYMBOL["usdm"]
        params: dict[str, str] = {} if symbol is None else {"symbol": self._wire(symbol)}
        book = await self.rest.get(list[OrderReply], self.table["open"].costing(cost), params)
        algo = await self.rest.get(list[AlgoReply], self.table["algo_open"].costing(cost), params)
        wire = params.get("symbol")
        self._all_of(self.table["open"], (row.symbol for row in book), wire)
        self._all_of(self.table["algo_open"], (row.symbol for row in algo), wire)
        reports = [self._known(self._as_ours(report_of(r, self._bot4(r.symbol), spot=False))) for r in book]
        for row in algo:
            if not row.actual_order_id:
                self._waiting.keep(row.client_algo_id, "")
                reports.append(algo_report(row, self._bot4(row.symbol)))
        return reports

    def _triggered(self, number: str, client_id: str) -> None:
        self._waiting.pop(client_id, None)
        self._algo_ids.keep(number, client_id)
        self._remember(number, client_id)

    def _as_ours(self, report: OrderReport) -> OrderReport:
        """An order that came of a conditional one carries that one's client id."""
        owner = self._algo_ids.get(report.venue_id)
        return report if owner is None else replace(report, client_id=owner)

    # --- the account -------------------------------------------------------------------------------------

    async def account(self) -> AccountReport:
        """Balances, positions that are not flat, and the position mode."""
        asked = self.sync.venue_ns()
        reply, rows, mode = await asyncio.gather(
            self.rest.get(UsdmAccount, self.table["account"]),
            self._holdings({}),
            self.rest.get(HedgeMode, self.table["hedge"]),
        )
        return AccountReport(
            ts_venue=asked,
            balances=tuple(
                Balance(a.asset, a.wallet_balance, a.available_balance)
                for a in reply.assets
                if a.wallet_balance or a.available_balance
            ),
            positions=tuple(self._position(row) for row in rows if row.position_amt),
            hedge_mode=mode.dual_side_position,
            can_trade=reply.can_trade,
            can_withdraw=reply.can_withdraw,
        )

    async def _holdings(self, params: dict[str, object]) -> list[PositionReply]:
        """Rows of positionRisk, each position once: a row told twice would count twice."""
        rows = await self.rest.get(list[PositionReply], self.table["positions"], params)
        if len({(row.symbol, row.position_side) for row in rows}) != len(rows):
            raise self.rest.strange(self.table["positions"], "a position is told twice")
        return rows

    def _position(self, row: PositionReply) -> PositionReport:
        return PositionReport(
            symbol=self._bot4(row.symbol),
            quantity=row.position_amt,
            entry_price=positive(row.entry_price),
            mark_price=positive(row.mark_price),
            liquidation_price=positive(row.liquidation_price),
            leverage=row.leverage,
            margin_mode=_margin_mode(row.margin_type),
        )

    async def set_leverage(self, symbol: str, leverage: int, mode: MarginMode) -> PositionReport:
        """Set both and read them back; OrderRejected(R_LEVERAGE) when the venue shows something else."""
        wire = self._wire(symbol, command=True)
        kind = "ISOLATED" if mode == "isolated" else "CROSSED"
        await self.rest.do(self.table["margin_type"], {"symbol": wire, "marginType": kind}, urgent=True)
        await self.rest.do(self.table["leverage"], {"symbol": wire, "leverage": leverage}, urgent=True)
        rows = await self._holdings({"symbol": wire})
        found = next((self._position(row) for row in rows if row.symbol == wire), None)
        if found is None or found.leverage != leverage or found.margin_mode != mode:
            shown = "nothing" if found is None else f"{found.leverage}x {found.margin_mode}"
            raise OrderRejected(f"{self.name}: {symbol} shows {shown}, not {leverage}x {mode}", c.R_LEVERAGE)
        return found

    async def set_dead_man(self, symbol: str, after_ns: int) -> None:
        """Count down to the cancelling of all orders on `symbol`; 0 stops the count."""
        wire, ms = self._wire(symbol, command=True), after_ns // MS
        params = {"symbol": wire, "countdownTime": ms}
        reply = await self.rest.get(DeadMan, self.table["dead_man"], params, urgent=True)
        if reply.symbol != wire or reply.countdown_time != ms:
            told = f"{reply.symbol[:40]} {reply.countdown_time} ms"
            raise self.rest.strange(self.table["dead_man"], f"counts {told}, not {wire} {ms} ms")

    # --- the private stream ------------------------------------------------------------------------------

    def _private_plan(self) -> PrivatePlan:
        patience = self.wiring.patience
        return PrivatePlan(
            open=self._open_private,
            keep=self._keep_key,
            decode=self._decode,
            clock=self.wiring.clock,
            keep_s=self.wiring.keep_s,
            backoff_base_s=patience.backoff_base_s,
            backoff_most_s=patience.backoff_most_s,
        )

    async def _open_private(self) -> Socket:
        reply = await self.rest.get(ListenKey, self.table["key_new"], urgent=True)
        self._listen_key = reply.listen_key
        return await self.socket(f"{self.hosts.private}/ws/{self._listen_key}")

    async def _keep_key(self) -> None:
        await self.rest.ask(self.table["key_keep"], {"listenKey": self._listen_key}, urgent=True)

    def _decode(self, name: str, raw: bytes) -> Sequence[PrivateEvent]:
        known: dict[str, Callable[[bytes], Sequence[PrivateEvent]]] = {
            "ORDER_TRADE_UPDATE": self._execution,
            "ALGO_UPDATE": self._algo,
            "ACCOUNT_UPDATE": self._change,
        }
        return known[name](raw) if name in known else ()

    def _execution(self, raw: bytes) -> Sequence[PrivateEvent]:
        told = read(raw, UsdmReport).o
        kind, symbol, number = type_of(told.ot or told.o, spot=False), self._bot4(told.s), str(told.i)
        client_id = self._algo_ids.get(number, told.c)
        state = STATES[told.X]
        if state == "new" and (told.ot or told.o) != told.o and kind not in ("limit", "market"):
            state = "triggered"
        reason = forced_reason(told.c) or REASONS.get(state, 0)
        if state == "expired" and (told.f == "IOC" or kind == "market"):
            reason = c.R_IOC
        self._remember(number, client_id)
        report = OrderReport(
            symbol=symbol,
            client_id=client_id,
            venue_id=number,
            state=state,
            side=side_of(told.S),
            type=kind,
            quantity=told.q,
            filled=told.z,
            price=positive(told.p),
            stop_price=positive(told.sp),
            average=positive(told.ap) if told.z else None,
            reduce_only=told.R,
            ts_venue=told.T * MS,
            reason=reason,
        )
        if told.x not in ("TRADE", "CALCULATED") or not told.l:
            return (report,)
        forced = forced_reason(told.c) or (c.R_LIQUIDATED if told.x == "CALCULATED" else 0)
        trade = TradeReport(
            symbol, str(told.t), client_id, number, side_of(told.S), told.L, told.l, told.n, told.N or "",
            told.m, told.T * MS, forced,
        )  # fmt: skip
        return (trade, report)

    def _algo(self, raw: bytes) -> Sequence[PrivateEvent]:
        update = read(raw, UsdmAlgoReport)
        told = update.o
        state = ALGO_STATES[told.X]
        if told.ai:
            self._triggered(told.ai, told.caid)
        elif state == "untriggered":
            self._waiting.keep(told.caid, "")
        else:
            self._waiting.pop(told.caid, None)
        if told.X == "FINISHED":
            return ()  # the order in the book has told how it ended
        return (
            OrderReport(
                symbol=self._bot4(told.s),
                client_id=told.caid,
                venue_id=told.ai or f"algo:{told.aid}",
                state=state,
                side=side_of(told.S),
                type=type_of(told.o, spot=False),
                quantity=told.q,
                filled=ZERO,
                price=positive(told.p),
                stop_price=positive(told.tp),
                average=None,
                reduce_only=told.R,
                ts_venue=update.T * MS,
                reason=REASONS.get(state, 0),
            ),
        )

    def _change(self, raw: bytes) -> Sequence[PrivateEvent]:
        told = read(raw, UsdmAccountUpdate)
        known: dict[str, Any] = {"FUNDING_FEE": "funding", "ORDER": "order", "DEPOSIT": "deposit"}
        balances = tuple(Balance(b.a, b.wb, b.cw) for b in told.a.B)
        positions = tuple(
            PositionReport(
                symbol=self._bot4(p.s),
                quantity=p.pa,
                entry_price=positive(p.ep),
                mark_price=None,
                liquidation_price=None,
                leverage=0,  # not told here
                margin_mode=_margin_mode(p.mt),
            )
            for p in told.a.P
        )
        why = known.get(told.a.m, told.a.m.lower())
        return (AccountReport(told.T * MS, balances, positions, complete=False, why=why),)
