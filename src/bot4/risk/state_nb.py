"""What the risk kernels share: their state, exact limits of equity, order arithmetic.

Kernels hand rows (records, plain pointers) to each other rather than the state's arrays: numba counts
references of arrays with atomic instructions, which here cost more than the arithmetic.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.fixed_nb import mul_div_floor, rate_of
from bot4.kernels.jit_nb import kernel

DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
RING_SLOTS = 25  # the current hour and the 24 before it
MONEY_LIMIT = 4.6e18  # a little below 2**62: a float64 product below it is an int64 product without overflow
_ONE = 100_000_000
_MOST = 2.3e18  # a little below 2**61
_TOP = 4611686018427387904  # 2**62


class RiskState(NamedTuple):
    """The records of `bot4.risk.state`: params and state one row, instr per instrument, ring per hour."""

    params: np.ndarray[Any, Any]
    state: np.ndarray[Any, Any]
    instr: np.ndarray[Any, Any]
    ring: np.ndarray[Any, Any]


@kernel
def part_floor_nb(amount: int, fraction: float) -> int:
    """floor(amount x fraction), exact for `fraction` taken to 1e-8; amount >= 0, 0 <= fraction <= 100.

    Limits are integers, so that an order exactly at a limit passes and one lot more does not.
    What would not fit is 2**62.
    """
    if float(amount) * fraction >= MONEY_LIMIT:
        return _TOP
    return mul_div_floor(amount, int(fraction * 1e8 + 0.5), _ONE)


@kernel
def part_ceil_nb(amount: int, fraction: float) -> int:
    """ceil(amount x fraction), exact for `fraction` taken to 1e-8; amount >= 0, 0 <= fraction <= 1."""
    return rate_of(amount, int(fraction * 1e8 + 0.5))


@kernel
def product_fits_nb(price: int, qty: int, mult: int) -> bool:
    """Whether |price x qty x mult| is below 2**62."""
    return abs(float(price) * float(qty) * float(mult)) < MONEY_LIMIT


@kernel
def positive_nb(x: float) -> bool:
    """Whether x is a positive finite number; False for NaN."""
    return 0.0 < x < 1e300


class Others(NamedTuple):
    """What the instruments other than one bear; `known` is False if one with exposure has no volatility."""

    bound: int  # exposure and pending orders, money units
    exposure: int  # exposure alone
    asset: int  # the same, of the same asset only
    open_risk: int  # money units
    heat: float  # sum of (exposure + pending) x sigma, money units a year
    known: bool


@kernel
def others_nb(instr: np.ndarray[Any, Any], inst: int, emergency_stop: float) -> Others:
    """Sum up the other instruments as last stored by `heat_nb.refresh_nb`, with the caller's pending amounts.

    Pending orders bear open risk of `emergency_stop`, the widest stop allowed.
    """
    asset = instr[inst]["asset"]
    bound = 0
    exposure = 0
    same = 0
    pending_all = 0
    open_risk = 0
    heat = 0.0
    known = True
    for j in range(instr.shape[0]):
        if j == inst:
            continue
        row = instr[j]
        pending = row["pending_exposure"]
        total = row["exposure"] + pending
        if total != 0:
            sigma = row["sigma_year"]
            if not (0.0 < sigma < 1e300):
                known = False
            heat += float(total) * sigma
            bound += total
            exposure += row["exposure"]
            pending_all += pending
            open_risk += row["open_risk"]
            if row["asset"] == asset:
                same += total
    if pending_all > 0:
        open_risk += part_ceil_nb(pending_all, emergency_stop)
    return Others(bound, exposure, same, open_risk, heat, known)


@kernel
def held_risk_nb(stop: int, qty: int, price: int, mult: int) -> int:
    """Money units lost if `qty` (>= 0) lots go from `price` to `stop` (ticks); without one (0): all."""
    distance = abs(price - stop) if stop > 0 else price
    if float(qty) * float(distance) * float(mult) >= _MOST:
        return int(_MOST)  # a stop absurdly far away: more than any limit, and sums of it still fit
    return qty * distance * mult
