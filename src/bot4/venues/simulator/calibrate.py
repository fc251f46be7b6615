"""Parameters of the exchange's laws from recorded market data.

What public data cannot tell is not guessed: the latency of orders (only that of the feed is seen), the
queue ahead of an order, and the impact coefficient need records of own orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_BOOK_TICKER, EV_TRADE, FLAG_BUYER_MAKER

Events = np.ndarray[Any, Any]
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """Laws fitted to one instrument's events.

    latency_ns, latency_sigma: median and log-sd of the feed's latency, as recorded (log-normal).
    fill_rate: arrivals of aggressors a second at one side; `dispersion` is the variance of the counts per
    second over their mean, 1 for a Poisson process, more where arrivals come in clusters.
    fill_a, fill_b: Beta law of the share of the best level that an arrival takes (moments); `whole` is the
    fraction of arrivals that took all of it or more, which count as a share of 1.
    """

    trades: int
    arrivals: int
    seconds: float
    latency_ns: float
    latency_sigma: float
    fill_rate: float
    dispersion: float
    fill_a: float
    fill_b: float
    whole: float


def calibrate(events: Events) -> Fitted:
    """Fit the laws to EVENT_DTYPE of one instrument with trades and best bids and asks, as received.

    Trades of one side with one venue time are one arrival. ValueError when there is too little to fit.
    """
    trades = events[events["kind"] == EV_TRADE]
    rows = np.flatnonzero(events["kind"] == EV_TRADE)
    tickers = np.flatnonzero(events["kind"] == EV_BOOK_TICKER)
    if len(trades) < 100 or len(tickers) < 100:
        raise ValueError(
            f"{len(trades)} trades and {len(tickers)} best bids and asks: at least 100 of each are needed"
        )
    sells = (trades["flags"] & FLAG_BUYER_MAKER) != 0
    first = np.ones(len(trades), bool)
    first[1:] = (trades["ts_venue"][1:] != trades["ts_venue"][:-1]) | (sells[1:] != sells[:-1])
    starts = np.flatnonzero(first)
    lots = np.add.reduceat(trades["qty"], starts)
    seconds = (int(trades["ts_venue"][-1]) - int(trades["ts_venue"][0])) / SECOND
    median, sigma = _latency(trades)
    a, b, whole = _shares(events, tickers, rows[starts], sells[starts], lots)
    return Fitted(
        trades=len(trades),
        arrivals=len(starts),
        seconds=seconds,
        latency_ns=median,
        latency_sigma=sigma,
        fill_rate=len(starts) / seconds / 2,
        dispersion=_dispersion(trades["ts_venue"][starts]),
        fill_a=a,
        fill_b=b,
        whole=whole,
    )


def _latency(trades: Events) -> tuple[float, float]:
    """Median in ns and log-sd of the positive latencies."""
    latency = (trades["ts_local"] - trades["ts_venue"]).astype(float)
    logs = np.log(latency[latency > 0])
    if len(logs) < 100:
        raise ValueError("the receive times lie before the venue's: the recorder's clock was not corrected")
    return float(np.exp(np.median(logs))), float(np.std(logs))


def _dispersion(times: Events) -> float:
    """Variance over mean of the arrivals in whole seconds."""
    counts = np.bincount((times - times[0]) // SECOND)[:-1]
    return float(counts.var() / counts.mean()) if len(counts) > 1 else float("nan")


def _shares(
    events: Events, tickers: Events, at: Events, sells: Events, lots: Events
) -> tuple[float, float, float]:
    """Beta(a, b) by moments of the share of the touch that each arrival took, and how often all of it."""
    before = np.searchsorted(tickers, at) - 1
    known = before >= 0
    touch = events[tickers[before[known]]]
    level = np.where(sells[known], touch["qty"], touch["y"])
    shares = np.minimum(1.0, lots[known] / np.maximum(level, 1))
    mean, variance = float(shares.mean()), float(shares.var())
    if not 0.0 < variance < mean * (1.0 - mean):
        raise ValueError("the shares of the best level do not vary: no Beta law fits them")
    scale = mean * (1.0 - mean) / variance - 1.0
    return mean * scale, (1.0 - mean) * scale, float((shares >= 1.0).mean())
