"""What the model is worth out of sample, on recorded bars.

    python benchmarks/out_of_sample.py 1h BTC_USDT.parquet [more.parquet ...]

Trains with the default settings on the bars of the files in turn (columns ts, open, high, low, close,
volume) and prints the walk-forward scores. Nothing is written.
"""

import sys

import numpy as np
import polars as pl

from bot4.learning.train import Settings, train
from bot4.model.times import duration_ns


def main(timeframe, *files):
    frame = pl.concat(
        [pl.read_parquet(file).select("ts", "open", "high", "low", "close", "volume") for file in files]
    )
    prices = [frame[name].cast(pl.Float64).to_numpy() for name in frame.columns[1:]]
    settings = Settings(timeframe_ns=duration_ns(timeframe))
    report = train(
        frame["ts"].dt.epoch("ns").to_numpy(),
        *prices,
        settings=settings,
        progress=lambda done, total, text: print(f"{done}/{total} {text}", file=sys.stderr),
    ).report
    print(f"{len(frame)} bars of {timeframe}, {report.rows} rows, stride {report.stride}, {settings}")
    print(
        f"{'fold':>6} {'train':>8} {'test':>8} "
        + " ".join(f"{n:>9}" for n in report.mean._fields)
        + "       gap"
    )
    for k, fold in enumerate(report.folds):
        row = " ".join(f"{x:9.4f}" for x in fold.test)
        print(f"{k + 1:6} {fold.train_rows:8} {fold.test_rows:8} {row} {fold.gap:9.4f}")
    for name, line in (("mean", report.mean), ("std", report.std)):
        print(f"{name:>24} " + " ".join(f"{x:9.4f}" for x in line))
    print(f"permuted labels {report.shuffled_balanced:.4f} (0.5 +- {report.shuffled_band:.4f})")
    print(f"calibration slope {report.calibration_slope:.3f}, confidence scale {report.scale:.4f}")
    for name, money in (("every", report.every), ("confident", report.confident)):
        values = np.array(money[1:4]) * 1e4
        print(
            f"{name:>10}: {money.trades} trades, {values[0]:.2f} bp before and "
            f"{values[1]:.2f} +- {values[2]:.2f} bp after {report.cost * 1e4:.0f} bp of costs"
        )
    print(report.verdict)


if __name__ == "__main__":
    main(*sys.argv[1:])
