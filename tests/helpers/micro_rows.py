"""Input rows of trades, books, pairs, carry and columns for the tests of features."""

from collections.abc import Callable

import numpy as np

from bot4.features.micro.rows_nb import LEVELS
from bot4.features.rows import BOOK, CARRY, PAIR, SERIES, TRADE, TWO

TICK = 0.5


def trades(n: int, seed: int) -> np.ndarray:
    """Trades in clusters, sides that persist, now and then no side told or no quote known."""
    rng = np.random.default_rng(seed)
    ts = 1_700_000_000.0 + np.cumsum(rng.exponential(np.where(rng.random(n) < 0.7, 0.05, 3.0)))
    side = np.ones(n)
    for i in range(1, n):
        side[i] = side[i - 1] if rng.random() < 0.75 else -side[i - 1]
    mid = 20_000.0 + TICK * np.cumsum(rng.integers(-1, 2, n) + (rng.random(n) < 0.2) * side)
    half = TICK * rng.integers(1, 4, n) / 2
    qty = np.exp(rng.normal(-1.5, 1.5, n))
    told = np.where(rng.random(n) < 0.05, 0.0, side)
    quote = np.where(rng.random(n) < 0.02, np.nan, 1.0)
    return np.column_stack((ts, mid + side * half, qty, told, (mid - half) * quote, (mid + half) * quote))


def books(n: int, seed: int) -> np.ndarray:
    """Ten levels around a walking mid; levels come, go and change; some of what goes was traded."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n, 3 + 4 * LEVELS))
    bid = 40_000
    ts = 1_700_000_000.0
    side: list[dict[int, float]] = [{}, {}]
    for i in range(n):
        ts += rng.exponential(0.2)
        bid += int(rng.integers(-1, 2)) if rng.random() < 0.3 else 0
        out[i, 0] = ts
        ask = bid + 1 + int(rng.integers(0, 2))
        for k, (best, step) in enumerate(((bid, -1), (ask, 1))):
            prices = [best + step * (j + int(j > 6)) for j in range(LEVELS)]
            keep = {}
            for p in prices:
                old = side[k].get(p)
                fresh = rng.lognormal(0.5, 0.8)
                keep[p] = fresh if old is None or rng.random() < 0.3 else old
            side[k] = keep
            out[i, 1 + 2 * LEVELS * k : 1 + 2 * LEVELS * k + LEVELS] = np.array(prices) * TICK
            out[i, 1 + 2 * LEVELS * k + LEVELS : 1 + 2 * LEVELS * (k + 1)] = [keep[p] for p in prices]
            out[i, 1 + 4 * LEVELS + k] = rng.exponential(0.5) if rng.random() < 0.3 else 0.0
        if rng.random() < 0.02:  # a thin book: the last levels are empty
            out[i, 1 + LEVELS - 2 : 1 + LEVELS] = 0.0
            out[i, 1 + 2 * LEVELS - 2 : 1 + 2 * LEVELS] = 0.0
    return out


def pairs(n: int, seed: int) -> np.ndarray:
    """Two closes of which one follows the other with noise."""
    rng = np.random.default_rng(seed)
    ref = rng.normal(0, 0.002, n)
    own = 1.3 * ref + rng.normal(0, 0.001, n)
    ts = 1_700_000_000.0 + 60.0 * np.arange(n)
    volumes = rng.lognormal(2, 1, (2, n))
    closes = (100.0 * np.exp(np.cumsum(own)), 30_000.0 * np.exp(np.cumsum(ref)))
    return np.column_stack((ts, closes[0], volumes[0], closes[1], volumes[1]))


def carry(n: int, seed: int) -> np.ndarray:
    """A perpetual beside its index, funding every eight hours, open interest that walks."""
    rng = np.random.default_rng(seed)
    ts = 1_700_000_000.0 + 600.0 * np.arange(n)
    index = 30_000.0 * np.exp(np.cumsum(rng.normal(0, 0.002, n)))
    price = index * (1.0 + rng.normal(0.0003, 0.0005, n))
    period = 28_800.0
    number = np.floor(ts / period).astype(int)
    rates = rng.normal(1e-4, 1e-4, number.max() - number.min() + 1)
    funding = rates[number - number.min()]
    interest = 1e5 * np.exp(np.cumsum(rng.normal(0, 0.003, n)))
    return np.column_stack((ts, price, index, funding, (number + 1) * period, np.full(n, period), interest))


def series(n: int, seed: int) -> np.ndarray:
    """One column: a walk with stretches that stand still."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, n)
    steps[rng.random(n) < 0.1] = 0.0
    return (5.0 + np.cumsum(steps))[:, None]


def two(n: int, seed: int) -> np.ndarray:
    """Two columns that move together in part."""
    a = series(n, seed)
    return np.hstack((a, 0.5 * a + series(n, seed + 100)))


MAKERS: dict[str, Callable[[int, int], np.ndarray]] = {
    TRADE.name: trades,
    BOOK.name: books,
    PAIR.name: pairs,
    CARRY.name: carry,
    SERIES.name: series,
    TWO.name: two,
}
