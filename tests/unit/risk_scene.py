"""A small account for the risk tests: equity 1 000 000 of quote currency, money in hundredths."""

import numpy as np

from bot4.model.events import INSTRUMENT_DTYPE
from bot4.model.explain_nb import N_EXPLAIN
from bot4.risk.checks_nb import N_CHECKS
from bot4.risk.state import default_params, new_risk

EQUITY = 100_000_000  # money units
DAY = 86_400 * 10**9
HOUR = 3_600 * 10**9
T0 = 20_000 * DAY
PRICE = 50_000  # ticks of 0.01: 500.00
PERP, SPOT = 1, 0


def plain(kernel):
    return getattr(kernel, "py_func", kernel)


def scene(n=1, kind=PERP, **changes):
    """Risk and spec for `n` instruments: tick 0.01, lot 1, money unit 0.01: a tick x lot is one unit."""
    spec = np.zeros(n, INSTRUMENT_DTYPE)
    spec["money_mult"] = 1
    spec["tick_size"] = 0.01
    spec["lot_size"] = 1.0
    spec["min_qty"] = 1
    spec["max_qty"] = 10**12
    spec["kind"] = kind
    return new_risk(n, default_params(**changes), EQUITY), spec


def explain():
    return np.full(N_EXPLAIN, -1.0)


def verdict_row():
    return np.full(N_CHECKS, -1, np.int64)
