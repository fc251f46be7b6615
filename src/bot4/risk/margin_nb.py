"""How far perpetual positions are from their liquidation, as a pure function of the account and one order.

Cross margin: the positions of the account answer for each other. With E the account's equity at the marks,
M the maintenance margin of all other positions, q signed lots at mark p, k money units in a tick x lot, and
m the maintenance rate, the price P at which equity equals maintenance solves

    E + q k (P - p) = M + m |q| k P        =>        P = (q k p - E + M) / (k (q - m |q|))

This is Binance's LP = (WB - TMM1 + UPNL1 + cum - side x size x EP) / (size x MMR - side x size), since E =
WB + UPNL1 + side x size x (p - EP), with the first bracket (cum = 0). Isolated margin: a position answers
with its entry value over the leverage L alone; with a its average entry and s its side, P = a (1 - s / L) /
(1 - s m).

The distance is (p - P) / p for a long, (P - p) / p for a short: a share of the mark, beyond 1 where no
positive price liquidates a long, not positive where the position would be liquidated now.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import R_LIQUIDATION_NEAR, R_OK, R_UNCHECKED

_SPOT = 0


class Pool(NamedTuple):
    """What the account's perpetuals answer with, and what they need; money units."""

    equity: int
    maintenance: int


@kernel
def cross_price_nb(qty: int, mark: int, mult: int, rate_e8: int, equity: int, others: int) -> float:
    """The liquidation price in ticks of `qty` signed lots (not 0) under cross margin; see the module.

    `equity` of the account at the marks, `others` the maintenance margin of the other positions, money units;
    `rate_e8` in 1e-8 of notional. Not positive: no price liquidates it.
    """
    slope = float(mult) * (float(qty) - float(abs(qty)) * rate_e8 * 1e-8)
    return (float(qty) * float(mark) * float(mult) - float(equity) + float(others)) / slope


@kernel
def isolated_price_nb(qty: int, average: float, leverage: float, rate_e8: int) -> float:
    """The liquidation price in ticks of `qty` signed lots under isolated margin; `average` entry in ticks."""
    side = 1.0 if qty > 0 else -1.0
    return average * (1.0 - side / leverage) / (1.0 - side * rate_e8 * 1e-8)


@kernel
def distance_nb(qty: int, mark: int, price: float) -> float:
    """How far `mark` may go against `qty` signed lots until `price` (both in ticks), a share of the mark."""
    away = float(mark) - price if qty > 0 else price - float(mark)
    return away / float(mark)


@kernel
def _lots_nb(positions: np.ndarray[Any, Any], j: int, inst: int, added: int) -> int:
    return int(positions[j]["qty"] + (added if j == inst else 0))


@kernel
def pool_nb(
    spec: np.ndarray[Any, Any],
    positions: np.ndarray[Any, Any],
    cash: int,
    inst: int,
    added: int,
    price: int,
) -> Pool:
    """Equity and maintenance margin of all perpetuals if `added` signed lots of `inst` are traded at `price`.

    `positions`: rows with `qty` (lots) and `mark` (ticks); an instrument without a mark counts at `price`.
    What is held on spot answers for nothing.
    """
    equity = cash - added * price * spec[inst]["money_mult"]
    needed = 0
    for j in range(positions.shape[0]):
        qty = _lots_nb(positions, j, inst, added)
        if qty == 0 or spec[j]["kind"] == _SPOT:
            continue
        mark = positions[j]["mark"] if positions[j]["mark"] > 0 else price
        value = qty * mark * spec[j]["money_mult"]
        equity += value
        needed += rate_of(abs(value), spec[j]["maintenance"])
    return Pool(equity, needed)


@kernel
def average_nb(pos: Any, mult: int, added: int, price: int) -> float:
    """Average entry in ticks once `added` signed lots are traded at `price`; a reduction keeps it."""
    qty = pos["qty"]
    after = qty + added
    if qty == 0 or (after > 0) != (qty > 0):
        return float(price)
    average = abs(float(pos["cost"])) / (abs(float(qty)) * float(mult))
    if abs(after) <= abs(qty):
        return average
    return float((average * abs(qty) + float(price) * abs(added)) / float(abs(after)))


@kernel
def margin_distance_nb(
    params: Any,
    spec: np.ndarray[Any, Any],
    positions: np.ndarray[Any, Any],
    pool: Pool,
    j: int,
    inst: int,
    added: int,
    price: int,
) -> float:
    """The distance of position `j` in the state that `pool` describes; infinite when flat or on spot."""
    qty = _lots_nb(positions, j, inst, added)
    rules = spec[j]
    if qty == 0 or rules["kind"] == _SPOT:
        return np.inf
    mark = positions[j]["mark"] if positions[j]["mark"] > 0 else price
    mult = rules["money_mult"]
    rate = rules["maintenance"]
    if params["isolated"] == 1:
        average = average_nb(positions[j], mult, added if j == inst else 0, price)
        return distance_nb(qty, mark, isolated_price_nb(qty, average, params["leverage"], rate))
    others = pool.maintenance - rate_of(abs(qty) * mark * mult, rate)
    return distance_nb(qty, mark, cross_price_nb(qty, mark, mult, rate, pool.equity, others))


@kernel
def liquidation_check_nb(
    params: Any,
    spec: np.ndarray[Any, Any],
    positions: np.ndarray[Any, Any],
    cash: int,
    inst: int,
    added: int,
    price: int,
    fee: int,
) -> int:
    """R_LIQUIDATION_NEAR if the order brings any position's distance below `min_distance`; R_OK if none.

    `added` signed lots of `inst` (the order and what is pending beside it) at `price` ticks for `fee` money
    units. A position that is below already refuses only what makes it worse. R_UNCHECKED when a number
    makes no sense.
    """
    if spec[inst]["kind"] == _SPOT:
        return R_OK
    if price <= 0 or not params["min_distance"] >= 0.0:
        return R_UNCHECKED
    before = pool_nb(spec, positions, cash, inst, 0, price)
    after = pool_nb(spec, positions, cash - fee, inst, added, price)
    for j in range(positions.shape[0]):
        near = margin_distance_nb(params, spec, positions, after, j, inst, added, price)
        if near >= params["min_distance"]:
            continue
        if not near < margin_distance_nb(params, spec, positions, before, j, inst, 0, price):
            continue
        return R_LIQUIDATION_NEAR
    return R_OK
