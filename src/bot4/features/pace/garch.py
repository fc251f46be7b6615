"""Fitting GARCH(1,1) by quasi maximum likelihood: the cold side of `volatility_nb`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from bot4.features.pace.volatility_nb import garch_filter_step_nb
from bot4.features.plan_nb import run_feature_nb
from bot4.kernels.call_nb import machine_of
from bot4.kernels.jit_nb import JIT_OFF

Array = np.ndarray[Any, Any]
FEWEST = 100


class Garch(NamedTuple):
    """Parameters of r = mean + e, s2' = omega + alpha e2 + beta s2; start variance; log likelihood."""

    mean: float
    omega: float
    alpha: float
    beta: float
    start: float
    log_likelihood: float

    @property
    def params(self) -> Array:
        """What the filter kernel takes."""
        return np.array(self[:5])

    @property
    def persistence(self) -> float:
        """Alpha + beta; the half-life of a shock is ln 0.5 / ln of it."""
        return self.alpha + self.beta


def filtered(params: Array, returns: Array) -> Array:
    """The streaming filter over a history (n, 3): expected deviation, residual, next deviation."""
    rows = np.ascontiguousarray(returns, np.float64)
    out = np.full((len(rows), 3), np.nan)
    state = np.zeros(2)
    if JIT_OFF:
        for i in range(len(rows)):
            garch_filter_step_nb(params, state, rows[i : i + 1], out[i])
    elif len(rows):
        run_feature_nb(machine_of(garch_filter_step_nb).address, params, state, rows, out.reshape(-1), 1)
    return out


def mean_of_first_squares(returns: Array) -> float:
    """Mean square about the sample mean of at most 75 first returns, weights falling by 0.94.

    Variance before the first return; the rule of the `arch` package.
    """
    n = min(75, len(returns))
    weights = 0.94 ** np.arange(n)
    squares = (returns - returns.mean())[:n] ** 2
    return float((weights * squares).sum() / weights.sum())


def _unbounded(z: Array, variance: float) -> tuple[float, float, float]:
    """omega, alpha, beta from three free numbers: all positive, alpha + beta below 1."""
    persistence = 1.0 / (1.0 + math.exp(-min(max(z[0], -30.0), 30.0)))
    part = 1.0 / (1.0 + math.exp(-min(max(z[1], -30.0), 30.0)))
    omega = variance * math.exp(min(max(z[2], -30.0), 5.0))
    return omega, persistence * part, persistence * (1.0 - part)


def fit(returns: Array) -> Garch:
    """Normal quasi maximum likelihood of GARCH(1,1) with a constant mean, from several starts.

    The variance of the first return is one step from `mean_of_first_squares`. ValueError for fewer than 100
    returns, returns that are not finite, or that do not vary.
    """
    r = np.ascontiguousarray(returns, np.float64)
    if len(r) < FEWEST or not np.isfinite(r).all() or float(r.var()) <= 0.0:
        raise ValueError(f"a fit needs at least {FEWEST} finite returns that vary")
    variance = float(r.var())
    before = mean_of_first_squares(r)

    def negative(z: Array) -> float:
        mean = z[3] * math.sqrt(variance)
        omega, alpha, beta = _unbounded(z, variance)
        start = omega + (alpha + beta) * before
        out = filtered(np.array([mean, omega, alpha, beta, start]), r)
        value = float(np.log(out[:, 0]).sum() + 0.5 * (out[:, 1] ** 2).sum())
        return value if math.isfinite(value) else 1e300

    centre = float(r.mean()) / math.sqrt(variance)
    best: Any = None
    for persistence, part in ((0.98, 0.05), (0.9, 0.1), (0.7, 0.3)):
        z0 = [
            math.log(persistence / (1 - persistence)),
            math.log(part / (1 - part)),
            math.log(1 - persistence),
        ]
        found = minimize(
            negative,
            np.array([*z0, centre]),
            method="Nelder-Mead",
            options={"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-8},
        )
        best = found if best is None or found.fun < best.fun else best
    mean = float(best.x[3]) * math.sqrt(variance)
    omega, alpha, beta = _unbounded(best.x, variance)
    likelihood = -float(best.fun) - 0.5 * len(r) * math.log(2.0 * math.pi)
    return Garch(mean, omega, alpha, beta, omega + (alpha + beta) * before, likelihood)
