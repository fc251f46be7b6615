"""The risk layer's checks of one order: small, pure, each R_OK or its own reason.

Amounts are money units after the order's full fill plus what is pending. Exactly at a limit
passes; beyond it, or not computable, is refused. `verdicts_nb` evaluates all of them and writes every result.
"""

from typing import Any

import numpy as np

from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    R_DAILY_LOSS,
    R_HEAT,
    R_LEVERAGE,
    R_MARGIN,
    R_MAX_ASSET,
    R_MAX_ORDER,
    R_MAX_POSITION,
    R_OK,
    R_OPEN_RISK,
    R_SHORT_SPOT,
    R_UNCHECKED,
)
from bot4.risk.state_nb import (
    MONEY_LIMIT,
    Others,
    RiskState,
    held_risk_nb,
    others_nb,
    part_ceil_nb,
    part_floor_nb,
)

N_CHECKS = 10
(
    CHECK_ORDER_SIZE,
    CHECK_POSITION,
    CHECK_ASSET,
    CHECK_HEAT,
    CHECK_OPEN_RISK,
    CHECK_DRAWDOWN,
    CHECK_DAILY_LOSS,
    CHECK_LEVERAGE,
    CHECK_SPOT_SHORT,
    CHECK_FUNDS,
) = range(N_CHECKS)

_SPOT = 0
_HEAT_SLACK = (
    1.0 + 1e-12
)  # heat is a float: an order at the limit must not fail by a rounding of the last bit


@kernel
def within_nb(amount: int, equity: int, fraction: float, reason: int) -> int:
    """R_OK while `amount` <= floor(equity x fraction), else `reason`; R_UNCHECKED if one is unknown."""
    if equity <= 0 or amount < 0:
        return R_UNCHECKED
    return R_OK if amount <= part_floor_nb(equity, fraction) else reason


@kernel
def order_size_nb(equity: int, notional: int, max_order: float) -> int:
    """The order's notional against `max_order`."""
    return within_nb(notional, equity, max_order, R_MAX_ORDER)


@kernel
def position_limit_nb(equity: int, position_after: int, max_position: float) -> int:
    """The instrument's exposure after the order against `max_position`."""
    return within_nb(position_after, equity, max_position, R_MAX_POSITION)


@kernel
def asset_limit_nb(equity: int, asset_after: int, max_asset: float) -> int:
    """The exposure of all instruments of the asset after the order against `max_asset`."""
    return within_nb(asset_after, equity, max_asset, R_MAX_ASSET)


@kernel
def heat_limit_nb(equity: int, heat_after: float, max_heat: float) -> int:
    """Sum of exposure x volatility (money units a year) after the order against `max_heat`."""
    if equity <= 0 or not 0.0 <= heat_after < 1e300:
        return R_UNCHECKED
    return R_OK if heat_after <= max_heat * float(equity) * _HEAT_SLACK else R_HEAT


@kernel
def open_risk_limit_nb(equity: int, risk_after: int, max_open_risk: float) -> int:
    """Money lost if every stop is hit, after the order, against `max_open_risk`."""
    return within_nb(risk_after, equity, max_open_risk, R_OPEN_RISK)


@kernel
def drawdown_nb(drawdown: float, halted: int) -> int:
    """The latched hard stop's reason, or R_OK; the soft limit only halves sizes."""
    if not drawdown <= 1.0:
        return R_UNCHECKED
    return halted


@kernel
def daily_loss_nb(day_start_equity: int, equity: int, day_halted: bool, daily_loss: float) -> int:
    """R_DAILY_LOSS once the day's loss limit was hit (`day_halted`), or would be at this equity."""
    if equity <= 0 or day_start_equity <= 0:
        return R_UNCHECKED
    lost = day_start_equity - equity
    if day_halted or (lost > 0 and lost >= part_ceil_nb(day_start_equity, daily_loss)):
        return R_DAILY_LOSS
    return R_OK


@kernel
def leverage_nb(equity: int, gross_after: int, max_leverage: float) -> int:
    """Gross exposure after the order, with everything pending, against `max_leverage` x equity."""
    return within_nb(gross_after, equity, max_leverage, R_LEVERAGE)


@kernel
def spot_short_nb(kind: int, side: int, qty_after: int) -> int:
    """A spot sale may not go below zero."""
    return R_SHORT_SPOT if kind == _SPOT and side < 0 and qty_after < 0 else R_OK


@kernel
def funds_nb(kind: int, side: int, equity: int, bound: int, notional: int, fee: int) -> int:
    """What the order takes out of the account must be there.

    A spot purchase takes its notional and fee, any other order its fee.

    `bound` is what positions and pending orders bind already; free is equity - bound, and for
    a derivative equity, whose exposure the leverage check bounds.
    """
    if equity <= 0 or bound < 0:
        return R_UNCHECKED
    if kind == _SPOT and side > 0:
        return R_OK if notional + fee <= equity - bound else R_MARGIN
    return R_OK if fee <= equity else R_MARGIN


@kernel
def reduces_nb(side: int, qty: int, pos_qty: int) -> bool:
    """Whether the order can only bring the position nearer to zero."""
    return (pos_qty > 0 and side == -1 and 0 < qty <= pos_qty) or (
        pos_qty < 0 and side == 1 and 0 < qty <= -pos_qty
    )


@kernel
def _exposure_checks_nb(
    params: Any,
    sigma: float,
    rest: Others,
    equity: int,
    notional: int,
    mine: int,
    open_risk: int,
    out: np.ndarray[Any, Any],
) -> None:
    """The five checks of size and exposure; `mine`: own exposure after the order, with pending."""
    heat = rest.heat + float(mine) * sigma if rest.known and sigma > 0.0 else np.nan
    out[CHECK_ORDER_SIZE] = order_size_nb(equity, notional, params["max_order"])
    out[CHECK_POSITION] = position_limit_nb(equity, mine, params["max_position"])
    out[CHECK_ASSET] = asset_limit_nb(equity, mine + rest.asset, params["max_asset"])
    out[CHECK_HEAT] = heat_limit_nb(equity, heat, params["max_heat"])
    out[CHECK_OPEN_RISK] = open_risk_limit_nb(equity, open_risk + rest.open_risk, params["max_open_risk"])


@kernel
def _open_risk_after_nb(
    stop: int, emergency: float, price: int, mult: int, held: int, added: int, pending: int
) -> int:
    """Open risk of one instrument after the order: `held` and `added` lots (>= 0) and pending money.

    The added lots bear the distance to the instrument's stop, or `emergency` x notional while none is set.
    """
    total = held_risk_nb(stop, held, price, mult) + part_ceil_nb(pending, emergency)
    if stop > 0:
        return total + held_risk_nb(stop, added, price, mult)
    return total + part_ceil_nb(added * price * mult, emergency)


@kernel
def _usable_nb(
    mult: int, side: int, qty: int, price: int, pos_qty: int, equity: int, gross_exposure: int, pending: int
) -> bool:
    """Whether the numbers make sense and their products fit 63 bits."""
    return (
        qty > 0
        and price > 0
        and mult > 0
        and equity > 0
        and gross_exposure >= 0
        and pending >= 0
        and (side == 1 or side == -1)
        and float(pending) + float(gross_exposure) < MONEY_LIMIT
        and (float(abs(pos_qty)) + float(qty)) * float(price) * float(mult) < MONEY_LIMIT
    )


@kernel
def _account_checks_nb(
    params: Any,
    state: Any,
    rules: Any,
    equity: int,
    side: int,
    after: int,
    notional: int,
    gross_after: int,
    bound: int,
    out: np.ndarray[Any, Any],
) -> None:
    """The five checks of the account's state and means; `bound` is exposure and pending before the order."""
    today = state["day"] >= 0 and state["day_halted"] == state["day"]
    out[CHECK_DRAWDOWN] = drawdown_nb(state["drawdown"], state["halted"])
    out[CHECK_DAILY_LOSS] = daily_loss_nb(state["day_start_equity"], equity, today, params["daily_loss"])
    out[CHECK_LEVERAGE] = leverage_nb(equity, gross_after, params["max_leverage"])
    out[CHECK_SPOT_SHORT] = spot_short_nb(rules["kind"], side, after)
    fee = max(rate_of(notional, rules["taker_fee"]), 0)
    out[CHECK_FUNDS] = funds_nb(rules["kind"], side, equity, bound, notional, fee)


@kernel
def verdicts_nb(
    risk: RiskState,
    spec: np.ndarray[Any, Any],
    inst: int,
    side: int,
    qty: int,
    price: int,
    pos_qty: int,
    equity: int,
    gross_exposure: int,
    pending_money: int,
    is_reducing: bool,
    out: np.ndarray[Any, Any],
) -> int:
    """Evaluate every check of an order and write the reasons into `out` (int64, N_CHECKS); N_CHECKS.

    `qty` lots, `price` ticks (for a market order: the worst price expected), `pos_qty` lots held now
    (signed), `equity` and `gross_exposure` (all positions, this one included) money units, `pending_money`
    this instrument's orders that may still fill and add exposure (those of others stand in their rows).
    An order that says it reduces and does so passes every check, whatever is unknown; one that only says
    so is checked like any other. Inputs that make no sense give R_UNCHECKED throughout.
    """
    rules = spec[inst]
    mult = rules["money_mult"]
    lane = is_reducing and reduces_nb(side, qty, pos_qty)
    if lane or not _usable_nb(mult, side, qty, price, pos_qty, equity, gross_exposure, pending_money):
        for i in range(N_CHECKS):
            out[i] = R_OK if lane else R_UNCHECKED
    else:
        params = risk.params[0]
        row = risk.instr[inst]
        per_lot = price * mult
        after = pos_qty + side * qty
        size = abs(after)
        emergency = params["emergency_stop"]
        rest = others_nb(risk.instr, inst, emergency)
        held = min(abs(pos_qty), size) if (after > 0) == (pos_qty > 0) else 0
        open_risk = _open_risk_after_nb(row["stop"], emergency, price, mult, held, size - held, pending_money)
        mine = size * per_lot + pending_money
        notional = qty * per_lot
        _exposure_checks_nb(params, row["sigma_year"], rest, equity, notional, mine, open_risk, out)
        pending = pending_money + rest.bound - rest.exposure
        grown = max(gross_exposure + (size - abs(pos_qty)) * per_lot, 0)
        bound = gross_exposure + pending
        state = risk.state[0]
        _account_checks_nb(params, state, rules, equity, side, after, notional, grown + pending, bound, out)
    return N_CHECKS
