"""PIN: the probability of informed trading, by maximum likelihood on buy and sell counts a day.

Easley, Kiefer, O'Hara and Paperman, "Liquidity, information, and infrequently traded stocks", 1996, with
separate rates of uninformed buys and sells (2002). The likelihood is factored so that no power or factorial
of a count is ever formed (Lin and Ke, 2011): counts of millions a day neither overflow nor vanish.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln, logit, xlogy

Array = np.ndarray[Any, Any]
FEWEST_DAYS = 60
_EDGE = 1e-6


class Pin(NamedTuple):
    """Fitted parameters. Rates are counts a day; `at_edge`: a probability ran to 0 or 1."""

    alpha: float  # probability of a day with news
    delta: float  # probability that news is bad
    mu: float  # rate of informed trades on such a day
    buys: float  # rate of uninformed buys
    sells: float  # rate of uninformed sells
    log_likelihood: float
    days: int
    at_edge: bool

    @property
    def pin(self) -> float:
        """Alpha mu / (alpha mu + buys + sells): the part of trades that is informed."""
        informed = self.alpha * self.mu
        return informed / (informed + self.buys + self.sells)


def _parts(theta: Array, b: Array, s: Array) -> tuple[Array, Array]:
    """Log of each state's weight (bad, good, none) less a common part, (3, days), and the common part."""
    alpha, delta, mu, eb, es = theta
    fall_b = b * np.log1p(mu / eb)
    fall_s = s * np.log1p(mu / es)
    logs = np.stack((-mu - fall_b, -mu - fall_s, -fall_b - fall_s))
    weights = np.array([alpha * delta, alpha * (1.0 - delta), 1.0 - alpha])
    common = b * np.log(eb + mu) + s * np.log(es + mu) - eb - es
    return logs + np.log(weights)[:, None], common


def log_likelihood(theta: Array, buys: Array, sells: Array) -> float:
    """Log likelihood of (alpha, delta, mu, buy rate, sell rate), the factorials included."""
    b = np.asarray(buys, np.float64)
    s = np.asarray(sells, np.float64)
    logs, common = _parts(np.asarray(theta, np.float64), b, s)
    top = logs.max(axis=0)
    mixed = top + np.log(np.exp(logs - top).sum(axis=0))
    return float((mixed + common - gammaln(b + 1.0) - gammaln(s + 1.0)).sum())


def _free(theta: Array) -> Array:
    return np.array([logit(theta[0]), logit(theta[1]), *np.log(theta[2:])])


def _bound(z: Array) -> Array:
    return np.array(
        [*np.clip(expit(z[:2]), _EDGE / 10, 1 - _EDGE / 10), *np.exp(np.clip(z[2:], -30.0, 30.0))]
    )


def _best(counts: Array) -> Array:
    """Log likelihood of each count at its own rate, without the factorial: n ln n - n."""
    return np.asarray(xlogy(counts, counts) - counts)


def _value(z: Array, b: Array, s: Array) -> tuple[float, Array]:
    """Negative log likelihood a day less the best possible, and its gradient in the free parameters.

    Without the part that no parameter can change, millions of counts would drown the rest in rounding.
    """
    theta = _bound(z)
    alpha, delta, mu, eb, es = theta
    logs, common = _parts(theta, b, s)
    top = logs.max(axis=0)
    weights = np.exp(logs - top)
    total = weights.sum(axis=0)
    bad, good, none = weights / total
    days = len(b)
    gradient = np.array(
        [
            ((bad + good) * (1.0 - alpha) - none * alpha).sum(),
            (bad * (1.0 - delta) - good * delta).sum(),
            mu * (good * (b / (eb + mu) - 1.0) + bad * (s / (es + mu) - 1.0)).sum(),
            (good * b * eb / (eb + mu) + (bad + none) * b - eb).sum(),
            (bad * s * es / (es + mu) + (good + none) * s - es).sum(),
        ]
    )
    lost = common - _best(b) - _best(s)
    return -float((top + np.log(total) + lost).sum()) / days, -gradient / days


def _starts(b: Array, s: Array) -> list[Array]:
    """Eighteen starts: news rare, even, common; excess of the busier side small or large; good or bad."""
    low_b, low_s = float(np.quantile(b, 0.25)), float(np.quantile(s, 0.25))
    excess = float(np.abs((b - b.mean()) - (s - s.mean())).mean())
    found = []
    for alpha, scale, delta in itertools.product((0.1, 0.5, 0.9), (0.5, 1.0, 3.0), (0.3, 0.7)):
        mu = max(scale * excess, 1.0)
        found.append(_free(np.array([alpha, delta, mu, max(low_b, 0.5), max(low_s, 0.5)])))
    return found


def _search(start: Array, b: Array, s: Array, steps: int) -> Any:
    """BFGS from one start, at most so many steps (no threads, unlike scipy's L-BFGS)."""
    return minimize(
        _value, start, args=(b, s), jac=True, method="BFGS", options={"maxiter": steps, "gtol": 1e-7}
    )


def fit(buys: Array, sells: Array) -> Pin:
    """The most likely parameters over eighteen starts, by BFGS with the exact gradient.

    The best three are followed to their end. `buys` and `sells` are counts a day (or any other period, one
    for all), at least 60. ValueError for fewer, for unequal lengths, for counts that are negative or not
    finite, or a side that never traded.
    """
    b = np.asarray(buys, np.float64)
    s = np.asarray(sells, np.float64)
    if b.shape != s.shape or b.ndim != 1 or len(b) < FEWEST_DAYS:
        raise ValueError(f"buys and sells of at least {FEWEST_DAYS} days are needed, one number each")
    if not (np.isfinite(b).all() and np.isfinite(s).all()) or min(b.min(), s.min()) < 0:
        raise ValueError("counts must be finite and not negative")
    if b.sum() == 0 or s.sum() == 0:
        raise ValueError("one side never traded: PIN says nothing")
    tried = [_search(start, b, s, 25) for start in _starts(b, s)]
    best = min(
        (_search(f.x, b, s, 1000) for f in sorted(tried, key=lambda f: f.fun)[:3]), key=lambda f: f.fun
    )
    theta = _bound(best.x)
    edge = bool((theta[:2] < _EDGE).any() or (theta[:2] > 1 - _EDGE).any())
    alpha, delta, mu, eb, es = (float(t) for t in theta)
    return Pin(alpha, delta, mu, eb, es, log_likelihood(theta, b, s), len(b), edge)
