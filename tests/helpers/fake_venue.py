"""A venue in memory, of our own port: one perpetual, market orders fill at once at the price it is told.

Faults are lists of words, used up one a submit: "lose" (it happened, the reply is lost), "drop" (it never
arrived, and the reply is lost), "refuse".
"""

import asyncio
from decimal import Decimal

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.ports.venue import (
    AccountReport,
    Balance,
    Capabilities,
    MarketBatch,
    NotFound,
    OrderRejected,
    OrderReport,
    OutcomeUnknown,
    PositionReport,
    Rules,
    StreamState,
    TradeReport,
    VenueUnreachable,
)

SYMBOL = "BTC-USDT-PERP"
FEE = Decimal("0.0005")
BTC = Instrument(
    SYMBOL, "fake", "BTC", "USDT", "perp",
    Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal("1000"), Decimal(5),
)  # fmt: skip


class FakeVenue:
    """Keeps its account over the sessions that connect to it, as a real one does."""

    name = "fake"
    capabilities = Capabilities(market="perp")

    def __init__(self, price="50000", wallet="100000"):
        self.price = Decimal(price)
        self.wallet = Decimal(wallet)
        self.position = Decimal(0)
        self.entry = Decimal(0)
        self.reports = {}
        self.submitted = []
        self.own = []
        self.faults = []
        self.silent = False  # questions get no answer
        self.frozen = False  # the process that asks is dead: nothing of it arrives any more
        self.events = asyncio.Queue()
        self.batches = asyncio.Queue()
        self.connected = 0

    # --- the port ----------------------------------------------------------------------
    async def connect(self):
        self.connected += 1
        self.frozen = False
        self.events, self.batches = asyncio.Queue(), asyncio.Queue()

    async def close(self):
        self.connected = 0

    async def rules(self):
        return [Rules(BTC, "trading")]

    async def clock_offset_ns(self):
        return 0

    async def submit(self, order):
        await self._alive()
        fault = self.faults.pop(0) if self.faults else ""
        client_id = order.client_order_id
        if fault == "refuse":
            raise OrderRejected("no", c.R_FUNDS, -2019)
        if fault == "drop":
            raise OutcomeUnknown("lost", c.R_TIMEOUT)
        assert client_id not in self.reports, "the same client id twice"
        self.submitted.append(client_id)
        self._report(order)
        if order.intent.type == "market":
            self._fill(client_id, self.price)
        if fault == "lose":
            raise OutcomeUnknown("lost", c.R_TIMEOUT)
        return self.reports[client_id]

    async def submit_oco(self, first, second):
        raise AssertionError("not asked for")

    async def amend(self, order, client_id):
        raise AssertionError("not asked for")

    async def cancel(self, symbol, client_id):
        await self._alive()
        report = self.reports.get(client_id)
        if report is None or report.state not in ("new", "partially_filled"):
            raise NotFound("gone", c.R_NOT_FOUND, -2011)
        self._set(client_id, state="canceled", reason=c.R_OPERATOR)
        return self.reports[client_id]

    async def cancel_all(self, symbol):
        for client_id in self.working():
            await self.cancel(symbol, client_id)

    async def order(self, symbol, client_id):
        self._speak()
        if client_id not in self.reports:
            raise NotFound("never seen", c.R_NOT_FOUND, -2013)
        return self.reports[client_id]

    async def open_orders(self, symbol=None):
        self._speak()
        return [self.reports[k] for k in self.working()]

    async def trades(self, symbol, since_ns):
        self._speak()
        return list(self.own)

    async def account(self):
        self._speak()
        held = (PositionReport(SYMBOL, self.position, self.entry, self.price, None, 1, "cross"),)
        return AccountReport(0, (Balance("USDT", self.wallet, self.wallet),), held if self.position else ())

    async def set_leverage(self, symbol, leverage, mode):
        self._speak()
        return PositionReport(SYMBOL, self.position, None, self.price, None, leverage, mode)

    async def set_dead_man(self, symbol, after_ns):
        raise AssertionError("not asked for")

    async def private(self):
        yield StreamState(True)
        while True:
            yield await self.events.get()

    async def market(self, symbols):
        while True:
            yield await self.batches.get()

    # --- what happens there --------------------------------------------------------------
    async def _alive(self):
        if self.frozen:
            await asyncio.Event().wait()

    def _speak(self):
        if self.silent:
            raise VenueUnreachable("no answer", c.R_NETWORK)

    def working(self):
        return [k for k, r in self.reports.items() if r.state in ("new", "partially_filled")]

    def _report(self, order):
        it = order.intent
        self.reports[order.client_order_id] = OrderReport(
            symbol=SYMBOL, client_id=order.client_order_id, venue_id=str(len(self.reports) + 1), state="new",
            side=it.side, type=it.type, quantity=Decimal(it.quantity.lots) * BTC.lot, filled=Decimal(0),
            price=None, stop_price=None, average=None, reduce_only=it.reduce_only, ts_venue=0,
        )  # fmt: skip
        self.events.put_nowait(self.reports[order.client_order_id])

    def _set(self, client_id, **fields):
        old = self.reports[client_id]
        values = {name: getattr(old, name) for name in old.__slots__} | fields
        self.reports[client_id] = OrderReport(**values)
        self.events.put_nowait(self.reports[client_id])

    def _fill(self, client_id, price):
        report = self.reports[client_id]
        fee = report.quantity * price * FEE
        self.move(report.side * report.quantity, price)
        self.wallet -= fee
        trade = TradeReport(
            SYMBOL, str(len(self.own) + 1), client_id, report.venue_id, report.side, price,
            report.quantity, fee, "USDT", False, 0,
        )  # fmt: skip
        self.own.append(trade)
        self.events.put_nowait(trade)
        self._set(client_id, state="filled", filled=report.quantity, average=price)

    def fill(self, client_id, price=None):
        """A resting order fills."""
        self._fill(client_id, self.price if price is None else Decimal(price))

    def move(self, quantity, price):
        """The position changes by a signed quantity; what is closed is settled into the wallet."""
        held = self.position
        if held * quantity >= 0:
            total = abs(held) * self.entry + abs(quantity) * price
            self.entry = total / (abs(held) + abs(quantity))
        else:
            closed = min(abs(quantity), abs(held))
            self.wallet += closed * (price - self.entry) * (1 if held > 0 else -1)
            if abs(quantity) > abs(held):
                self.entry = price
        self.position = held + quantity

    # --- the market ------------------------------------------------------------------------
    def bar(self, now, price=None):
        """A bar that closes at `now`, and a quote: as events in the engine's form."""
        self.price = self.price if price is None else Decimal(price)
        ticks = int(self.price / BTC.tick)
        rows = np.zeros(5, EVENT_DTYPE)
        rows["ts_venue"] = rows["ts_local"] = now
        rows["kind"] = (c.EV_SNAPSHOT_HEAD, c.EV_DEPTH, c.EV_DEPTH, c.EV_BOOK_TICKER, c.EV_TRADE)
        rows["seq"] = now // 1000
        rows["price"] = (0, ticks, ticks + 1, ticks, ticks)
        rows["qty"] = (0, 10**6, 10**6, 10**6, 1000)
        rows["flags"] = (0, c.FLAG_BID, c.FLAG_LAST, 0, 0)
        rows["x"][3], rows["y"][3] = ticks + 1, 10**6
        self.batches.put_nowait(MarketBatch(rows))

    def break_feed(self):
        self.batches.put_nowait(MarketBatch(None, c.R_NETWORK))
