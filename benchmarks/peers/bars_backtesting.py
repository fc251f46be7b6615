"""backtesting.py's side of benchmarks/bars_sma.py."""

import argparse
import warnings

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from backtesting import Backtest, Strategy  # noqa: E402
from serve import serve, version  # noqa: E402


def mean(values, n):
    """Simple moving average."""
    return pd.Series(values).rolling(n).mean()


class Cross(Strategy):
    """Long while the fast mean is above the slow one."""

    def init(self):
        """Declare the two means."""
        self.fast = self.I(mean, self.data.Close, 20)
        self.slow = self.I(mean, self.data.Close, 50)

    def next(self):
        """At each close."""
        up = self.fast[-1] > self.slow[-1]
        if up and not self.position:
            self.buy(size=1)
        elif not up and self.position:
            self.position.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bars", required=True)
    a = parser.parse_args()
    frame = pd.read_csv(a.bars, index_col=0, parse_dates=True)
    frame.columns = ["Open", "High", "Low", "Close", "Volume"]
    task = Backtest(frame, Cross, cash=100_000_000, commission=0.0005, finalize_trades=False)

    def once():
        stats = task.run()

        def result():
            trades = stats["_trades"]
            entries = np.sort(trades["EntryBar"].to_numpy()).tolist()
            exits = np.sort(trades["ExitBar"].to_numpy()).tolist()
            still = [t.entry_bar for t in stats["_strategy"].trades]
            return {"entries": entries + still, "exits": exits}

        return result

    serve({"version": version("backtesting")}, once)


main()
