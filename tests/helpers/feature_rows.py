"""Input rows for the tests of every feature, by kind of row. A new kind of row adds its maker to MAKERS."""

from collections.abc import Callable

import numpy as np

from bot4.features.declare import BAR
from helpers import micro_rows

Maker = Callable[[int, int], np.ndarray]


def bars(n: int, seed: int) -> np.ndarray:
    """A random walk with clusters of volatility, gaps, and now and then a bar without volume or move."""
    rng = np.random.default_rng(seed)
    size = 0.002 * np.exp(0.3 * np.cumsum(rng.normal(0, 0.1, n)).clip(-4, 4))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 1, n) * size))
    open_ = np.concatenate(([100.0], close[:-1])) * (
        1.0 + np.where(rng.random(n) < 0.1, rng.normal(0, 0.002, n), 0)
    )
    high = np.maximum(open_, close) * (1.0 + rng.exponential(size))
    low = np.minimum(open_, close) * (1.0 - rng.exponential(size).clip(0, 0.5))
    volume = rng.lognormal(3.0, 1.0, n)
    dead = rng.random(n) < 0.02
    volume[dead] = 0.0
    buy = volume * rng.random(n)
    trades = np.where(dead, 0.0, 1.0 + rng.poisson(20, n))
    ts = 1_700_000_000.0 + 60.0 * np.arange(n)
    return np.column_stack((open_, high, low, close, volume, ts, buy, trades))


MAKERS: dict[str, Maker] = {BAR.name: bars, **micro_rows.MAKERS}
