"""nautilus_trader's side of benchmarks/bars_sma.py.

A market order sent at a bar's close is filled at once, at that close; it is counted as the next bar's.
"""

import argparse
import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy
from serve import serve, version

INSTRUMENT = TestInstrumentProvider.btcusdt_perp_binance()
KIND = BarType.from_str(f"{INSTRUMENT.id}-1-MINUTE-LAST-EXTERNAL")
MINUTE = 60_000_000_000


def read(path):
    """The bars, stamped at their close."""
    bars = []
    with Path(path).open() as file:
        for row in csv.DictReader(file):
            opened = dt.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=dt.UTC)
            ts = int(opened.timestamp()) * 10**9 + MINUTE
            prices = (Price(float(row[k]), 1) for k in ("open", "high", "low", "close"))
            bars.append(Bar(KIND, *prices, Quantity(float(row["volume"]), 3), ts, ts))
    return bars


class Cross(Strategy):
    """Long while the fast mean is above the slow one."""

    def on_start(self):
        """Subscribe."""
        self.fast, self.slow = SimpleMovingAverage(20), SimpleMovingAverage(50)
        self.register_indicator_for_bars(KIND, self.fast)
        self.register_indicator_for_bars(KIND, self.slow)
        self.subscribe_bars(KIND)
        self.size = INSTRUMENT.make_qty(Decimal("0.010"))
        self.long = False
        self.entries, self.exits = [], []

    def on_bar(self, bar):
        """At each close."""
        if not self.slow.initialized:
            return
        up = self.fast.value > self.slow.value
        if up == self.long:
            return
        side = OrderSide.BUY if up else OrderSide.SELL
        self.submit_order(self.order_factory.market(INSTRUMENT.id, side, self.size))
        self.long = up

    def on_order_filled(self, event):
        """Remember when."""
        (self.entries if event.order_side == OrderSide.BUY else self.exits).append(event.ts_event)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bars", required=True)
    a = parser.parse_args()
    bars = read(a.bars)
    first = bars[0].ts_event - MINUTE

    def prepare():
        engine = BacktestEngine(
            BacktestEngineConfig(
                trader_id="BENCH-001",
                logging=LoggingConfig(bypass_logging=True),
                run_analysis=False,
                risk_engine=RiskEngineConfig(max_order_submit_rate="1000000/00:00:01"),
            )
        )
        engine.add_venue(
            Venue("BINANCE"),
            OmsType.NETTING,
            AccountType.MARGIN,
            [Money(1_000_000, USDT)],
            base_currency=USDT,
            default_leverage=Decimal(10),
        )
        engine.add_instrument(INSTRUMENT)
        engine.add_data(bars)
        strategy = Cross()
        engine.add_strategy(strategy)
        return engine, strategy

    def run(made):
        engine, strategy = made
        engine.run()

        def result():
            found = {
                "entries": [(t - first) // MINUTE for t in strategy.entries],
                "exits": [(t - first) // MINUTE for t in strategy.exits],
            }
            engine.dispose()
            return found

        return result

    serve({"version": version("nautilus_trader")}, (prepare, run))


main()
