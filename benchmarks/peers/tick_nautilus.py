"""nautilus_trader's side of benchmarks/tick_backtest.py.

Its matching engine has no queue position and no local view of the feed apart from the venue's: a resting
order fills when the book or a trade reaches it. Frames are given as batches of book deltas, the fastest form.
"""

import argparse
import gzip
import json
from decimal import Decimal

import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy
from serve import serve, version

INSTRUMENT = TestInstrumentProvider.btcusdt_perp_binance()
ID = INSTRUMENT.id
SHIFT = 1_273_156_851  # the recorder's clock, as the importer finds it, to a least latency of 1 ms


def deltas(message, stamp, local, snapshot):
    """One depth frame as a batch."""
    rows = [(OrderSide.BUY, p, q) for p, q in message["bids" if snapshot else "b"]]
    rows += [(OrderSide.SELL, p, q) for p, q in message["asks" if snapshot else "a"]]
    batch = [OrderBookDelta.clear(ID, 0, stamp, local)] if snapshot else []
    for k, (side, price, qty) in enumerate(rows):
        action = BookAction.UPDATE if float(qty) else BookAction.DELETE
        order = BookOrder(side, Price.from_str(f"{float(price):.1f}"), Quantity.from_str(qty), 0)
        flags = int(RecordFlag.F_LAST) if k == len(rows) - 1 else 0
        batch.append(OrderBookDelta(ID, action, order, flags, 0, stamp, local))
    return OrderBookDeltas(ID, batch) if batch else None


def read(path):
    """Book batches and trades of the file, and the number of levels and trades."""
    books, trades, levels = [], [], 0
    with gzip.open(path) as file:
        for line in file:
            received, _, text = line.partition(b" ")
            if b"bookTicker" in text[:60]:
                continue
            local = int(received) + SHIFT
            document = json.loads(text)
            message = document.get("data", document)
            stamp = message["T"] * 1_000_000
            if message.get("e") == "trade":
                if float(message["q"]) <= 0 or message["X"] != "MARKET":
                    continue
                side = AggressorSide.SELLER if message["m"] else AggressorSide.BUYER
                price = Price.from_str(f"{float(message['p']):.1f}")
                tid = TradeId(str(message["t"]))
                trades.append(TradeTick(ID, price, Quantity.from_str(message["q"]), side, tid, stamp, local))
                continue
            batch = deltas(message, stamp, local, "bids" in message)
            if batch is not None:
                books.append(batch)
                levels += len(batch.deltas)
    return books, trades, levels + len(trades)


class Quoter(Strategy):
    """One bid and one ask, looked at each 100 ms."""

    def on_start(self):
        """Subscribe and set the timer."""
        self.size = INSTRUMENT.make_qty(Decimal("0.010"))
        self.own = {OrderSide.BUY: None, OrderSide.SELL: None}
        self.looks = self.orders = self.cancels = self.fills = 0
        self.subscribe_order_book_deltas(ID, BookType.L2_MBP)
        self.clock.set_timer("look", pd.Timedelta(milliseconds=100), callback=self.look)

    def look(self, event):
        """Keep, move or place the two quotes."""
        book = self.cache.order_book(ID)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is None or ask is None:
            return
        self.looks += 1
        position = float(self.portfolio.net_position(ID))
        skew = -round(position / 0.05) * 0.1
        if skew < 0:
            bid = INSTRUMENT.make_price(float(bid) + skew)
        elif skew > 0:
            ask = INSTRUMENT.make_price(float(ask) + skew)
        self.side(OrderSide.BUY, bid, position < 0.2 - 1e-9)
        self.side(OrderSide.SELL, ask, position > -0.2 + 1e-9)

    def side(self, side, price, room):
        """One side's quote."""
        order = self.own[side]
        if order is not None and not order.is_closed:
            if order.price == price:
                return
            if not order.is_pending_cancel:
                self.cancel_order(order)
                self.cancels += 1
        if room:
            order = self.order_factory.limit(ID, side, self.size, price, post_only=True)
            self.own[side] = order
            self.submit_order(order)
            self.orders += 1

    def on_order_filled(self, event):
        """Count."""
        self.fills += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", required=True)
    parser.add_argument("--start")
    a = parser.parse_args()
    books, trades, events = read(a.frames)

    def prepare():
        engine = BacktestEngine(
            BacktestEngineConfig(
                trader_id="BENCH-001",
                logging=LoggingConfig(bypass_logging=True),
                run_analysis=False,
                risk_engine=RiskEngineConfig(
                    max_order_submit_rate="1000000/00:00:01", max_order_modify_rate="1000000/00:00:01"
                ),
            )
        )
        engine.add_venue(
            Venue("BINANCE"),
            OmsType.NETTING,
            AccountType.MARGIN,
            [Money(1_000_000, USDT)],
            base_currency=USDT,
            default_leverage=Decimal(10),
            latency_model=LatencyModel(10_000_000),
            book_type=BookType.L2_MBP,
            trade_execution=True,
        )
        engine.add_instrument(INSTRUMENT)
        engine.add_data(books, sort=False)
        engine.add_data(trades, sort=True)
        strategy = Quoter()
        engine.add_strategy(strategy)
        return engine, strategy

    def run(made):
        engine, strategy = made
        engine.run()

        def result():
            found = {k: getattr(strategy, k) for k in ("looks", "orders", "cancels", "fills")}
            engine.dispose()
            return found

        return result

    serve({"version": version("nautilus_trader"), "events": events}, (prepare, run))


main()
