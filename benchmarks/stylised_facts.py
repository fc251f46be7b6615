"""Stylised facts of the generative market beside those of recorded frames.

    python benchmarks/stylised_facts.py [--hours 3] [--seeds 1 2 3] [--real FRAMES.gz]

The facts and their names: Cont, "Empirical properties of asset returns: stylized facts and
statistical issues", Quant. Finance 1 (2001); trade signs: Lillo and Farmer, "The long memory of the
efficient market" (2004); depth: Bouchaud, Mezard and Potters, Quant. Finance 2 (2002).
Spread and mid are sampled on a grid of one second.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

import numpy as np

from bot4.model.codes_nb import EV_BOOK_TICKER, EV_TRADE, FLAG_BUYER_MAKER
from bot4.venues.simulator.generative import YEAR_S, GenParams, new_generative, stream
from bot4.venues.simulator.generative_book_nb import WINDOW

SECOND = 10**9
LEVELS = 20


@dataclass
class Sample:
    """A stretch of market: tickers, trades, mean depth by occupied level."""

    ts: np.ndarray  # ns of each ticker
    bid: np.ndarray  # ticks
    ask: np.ndarray
    trade_ts: np.ndarray
    signs: np.ndarray  # +1: the aggressor bought
    depth: np.ndarray  # [2, LEVELS], mean quantity at the i-th occupied level
    records: int
    elapsed: float  # seconds of making


def synthetic(hours: float, seed: int, params: GenParams | None = None) -> Sample:
    """Run the market for `hours`; the depth is sampled each 10 seconds."""
    gen = new_generative(params or GenParams(), seed, 0)
    ticker, trade, depth, records, spent = [], [], np.zeros((2, LEVELS)), 0, 0.0
    steps = int(hours * 360)
    for step in range(1, steps + 1):
        began = time.perf_counter()
        for events in stream(gen, step * 10 * SECOND):
            spent += time.perf_counter() - began
            records += len(events)
            tops = events[events["kind"] == EV_BOOK_TICKER]
            ticker.append(np.stack([tops["ts_venue"], tops["price"], tops["x"]]))
            trades = events[events["kind"] == EV_TRADE]
            sign = np.where(trades["flags"] & FLAG_BUYER_MAKER, -1, 1)
            trade.append(np.stack([trades["ts_venue"], sign]))
            began = time.perf_counter()
        spent += time.perf_counter() - began
        for side in range(2):
            row = gen.qty[side, np.arange(gen.best[side], gen.far[side] - 1, -1) & (WINDOW - 1)]
            row = row[row > 0][:LEVELS]
            depth[side, : len(row)] += row
    ts, bid, ask = np.concatenate(ticker, axis=1)
    trade_ts, signs = np.concatenate(trade, axis=1)
    return Sample(ts, bid, ask, trade_ts, signs, depth / steps, records, spent)


def recorded(path: Path) -> Sample:
    """Read frames as Binance USD-M sends them: local ns, space, JSON. Depth is sampled each second."""
    ticker: list[tuple[int, int, int]] = []
    trade: list[tuple[int, int]] = []
    book: tuple[dict[int, float], dict[int, float]] = ({}, {})
    depth, samples, due, records, began = np.zeros((2, LEVELS)), 0, 0, 0, time.perf_counter()
    with gzip.open(path, "rt") as lines:
        frames = list(lines)
    for line in frames:
        stamp, _, body = line.partition(" ")
        frame = json.loads(body)
        data = frame.get("data", frame)
        kind, ts = data.get("e"), int(stamp)
        records += 1
        if kind == "bookTicker":
            ticker.append((ts, round(float(data["b"]) * 10), round(float(data["a"]) * 10)))
        elif kind == "trade":
            trade.append((ts, -1 if data["m"] else 1))
        else:
            sides = (data.get("b", data.get("bids", [])), data.get("a", data.get("asks", [])))
            for side, changes in enumerate(sides):
                for price, qty in changes:
                    c = round(float(price) * 10) * (1 - 2 * side)
                    if float(qty):
                        book[side][c] = float(qty)
                    else:
                        book[side].pop(c, None)
            if kind is None:
                due = ts + SECOND  # the book is whole from the snapshot on
            elif due and ts > due:
                due, samples = ts + SECOND, samples + 1
                for side in range(2):
                    best = nlargest(LEVELS, book[side])
                    depth[side] += [book[side][c] * 1000 for c in best]
    ts_, bid, ask = np.array(ticker).T
    trade_ts, signs = np.array(trade).T
    spent = time.perf_counter() - began
    return Sample(ts_, bid, ask, trade_ts, signs, depth / max(1, samples), records, spent)


def correlation(x: np.ndarray, lag: int) -> float:
    """Autocorrelation of `x` at `lag`."""
    x = x - x.mean()
    return float((x[:-lag] * x[lag:]).mean() / x.var())


def excess_kurtosis(x: np.ndarray) -> float:
    """Fourth standardised moment minus 3."""
    x = x - x.mean()
    return float((x**4).mean() / x.var() ** 2 - 3.0)


def hill(x: np.ndarray, share: float = 0.02) -> float:
    """Tail index of |x| from its largest `share` (Hill, Ann. Statist. 3, 1975)."""
    tail = np.sort(np.abs(x))[::-1][: max(11, int(len(x) * share) + 1)]
    return float(1.0 / np.log(tail[:-1] / tail[-1]).mean())


def facts(s: Sample) -> dict[str, float]:
    """The table's numbers; NaN where the sample is too short for one."""
    grid = np.arange(s.ts[0], s.ts[-1], SECOND)
    at = np.searchsorted(s.ts, grid, "right") - 1
    price = np.log((s.bid[at] + s.ask[at]) / 2.0)
    spread = (s.ask - s.bid)[at]
    r = np.diff(price)
    half = len(spread) // 2
    out = {
        "annualised volatility": float(r.std() * np.sqrt(YEAR_S)),
    }
    for horizon in (1, 10, 60, 300):
        x = np.diff(price[::horizon])
        out[f"excess kurtosis {horizon} s"] = excess_kurtosis(x) if len(x) >= 20 else np.nan
    for horizon in (1, 5):
        x = np.diff(price[::horizon])
        out[f"mean |acf r| {horizon} s, lags 1-20"] = float(
            np.mean([abs(correlation(x, k)) for k in range(1, 21)])
        )
    ten = price[10:] - price[:-10]
    out["variance ratio 10 s"] = float(ten.var() / (10 * r.var()))
    for lag in (1, 10, 60):
        out[f"acf |r| 1 s, lag {lag}"] = correlation(np.abs(r), lag)
    out["Hill index 1 s"] = hill(r)
    out["spread mode"] = float(np.bincount(spread).argmax())
    out["spread median"] = float(np.median(spread))
    out["spread mean"] = float(spread.mean())
    out["spread mean, 2nd half / 1st"] = float(spread[half:].mean() / spread[:half].mean())
    out["spread 99 %"] = float(np.quantile(spread, 0.99))
    out["spread least"] = float((s.ask - s.bid).min())
    touch, deep = s.depth[:, 0].mean(), s.depth[:, 4:10].mean()
    out["depth levels 5-10 / touch"] = float(deep / touch) if touch else np.nan
    bids, asks = s.depth.sum(axis=1)
    out["depth bids / asks"] = float(bids / asks) if asks else np.nan
    for lag in (1, 10, 100):
        out[f"acf trade sign, lag {lag}"] = correlation(s.signs.astype(float), lag)
    flow = np.bincount(np.clip(np.searchsorted(grid, s.trade_ts) - 1, 0, len(r) - 1), s.signs, len(r))
    out["corr(trade flow, same second's r)"] = float(np.corrcoef(flow, r)[0, 1])
    out["corr(trade flow, next second's r)"] = float(np.corrcoef(flow[:-1], r[1:])[0, 1])
    seconds = (s.ts[-1] - s.ts[0]) / SECOND
    out["tickers a second"] = len(s.ts) / seconds
    out["trades a second"] = len(s.signs) / seconds
    return out


def main() -> None:
    """Print the table."""
    shared = Path(os.environ.get("BOT4_SHARED", Path(__file__).parents[1] / "../shared")).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--real", type=Path, default=shared / "data/market_ws/usdm_btcusdt_20240808.gz")
    args = parser.parse_args()
    synthetic(0.01, 0)  # compile before the clock runs
    samples = {f"seed {seed}": synthetic(args.hours, seed) for seed in args.seeds}
    columns = {name: facts(sample) for name, sample in samples.items()}
    if args.real.exists():
        real = recorded(args.real)
        columns["recorded"] = facts(real)
    names = list(columns)
    print(f"{'':36}" + "".join(f"{name:>12}" for name in names))
    for fact in columns[names[0]]:
        print(f"{fact:36}" + "".join(f"{columns[name][fact]:12.3f}" for name in names))
    for name, sample in samples.items():
        pace, speed = sample.records / sample.elapsed, args.hours * 3600 / sample.elapsed
        print(f"{name}: {sample.records} records, {pace:.3g} a second, {speed:.0f} times real time")


if __name__ == "__main__":
    main()
