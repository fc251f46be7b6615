"""Handmade markets and plain features for the tests of `learning`."""

import numpy as np

from bot4.learning.dataset import MODEL_FEATURES, Bars

HOUR = 3600 * 10**9


def bars_of(returns, start=100.0):
    """Bars whose closes follow the returns; hourly, high and low 0.1 % around."""
    c = start * np.exp(np.cumsum(returns))
    o = np.concatenate(([start], c[:-1]))
    ts = np.arange(len(c), dtype=np.int64) * HOUR
    return Bars(ts, o, np.maximum(o, c) * 1.001, np.minimum(o, c) * 0.999, c, np.ones(len(c)))


def noise(seed, n):
    """Independent returns: nothing can be learnt."""
    return bars_of(np.random.default_rng(seed).normal(size=n) * 0.01)


def planted(seed, n):
    """A hidden drift that turns round every 60 bars or so: past returns tell the next ones."""
    rng = np.random.default_rng(seed)
    drift = np.cumprod(np.where(rng.random(n) < 1 / 60, -1.0, 1.0))
    return bars_of(0.004 * drift + rng.normal(size=n) * 0.01)


def past_returns(ts, o, h, low, c, v):
    """One column a model feature: the log return over 1, 2, 3, ... bars; causal, NaN at the start."""
    out = np.full((len(c), len(MODEL_FEATURES)), np.nan)
    logs = np.log(c)
    for k in range(1, len(MODEL_FEATURES) + 1):
        out[k:, k - 1] = logs[k:] - logs[:-k]
    return out
