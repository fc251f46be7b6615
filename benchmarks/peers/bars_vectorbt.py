"""vectorbt's side of benchmarks/bars_sma.py: signals of one bar are filled at the next bar's open."""

import argparse
import warnings

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
import vectorbt as vbt  # noqa: E402
from serve import serve, version  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bars", required=True)
    a = parser.parse_args()
    frame = pd.read_csv(a.bars, index_col=0, parse_dates=True)
    close, opening = frame["close"], frame["open"]

    def once():
        fast = vbt.MA.run(close, 20).ma
        slow = vbt.MA.run(close, 50).ma
        up = fast > slow
        entries = up.shift(1, fill_value=False)
        exits = (~up & slow.notna()).shift(1, fill_value=False)
        book = vbt.Portfolio.from_signals(
            close, entries, exits, price=opening, size=0.01, fees=0.0005, init_cash=1e6, freq="1min"
        )
        total = float(book.total_return())

        def result():
            trades = book.trades.records
            closed = trades[trades["status"] == 1]
            return {
                "entries": trades["entry_idx"].tolist(),
                "exits": closed["exit_idx"].tolist(),
                "return": total,
            }

        return result

    serve({"version": version("vectorbt")}, once)


main()
