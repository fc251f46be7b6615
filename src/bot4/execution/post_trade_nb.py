"""A fill against its order, after the trade: price, quantity, fee. Small and pure, each R_OK or its reason.

A venue that fills worse than the limit, more than was ordered, or charges what no tariff explains cannot be
trusted with another order. What happened is money and is booked; the engine then pauses (`answers_nb`).
"""

from bot4.kernels.fixed_nb import rate_of
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import R_FILL_FEE, R_FILL_PRICE, R_FILL_QTY, R_OK, R_UNCHECKED, TYPE_LIMIT


@kernel
def fill_price_reason_nb(kind: int, side: int, limit: int, price: int) -> int:
    """R_FILL_PRICE for a price that is not positive, or of a limit order beyond its limit (ticks).

    Market orders and stops have no limit; how far they slip is judged by the panic conditions.
    """
    if price <= 0:
        return R_FILL_PRICE
    return R_FILL_PRICE if kind == TYPE_LIMIT and (price - limit) * side > 0 else R_OK


@kernel
def fill_qty_reason_nb(left: int, qty: int) -> int:
    """R_FILL_QTY for no quantity, or for more lots than were left of the order before this fill."""
    return R_OK if 0 < qty <= left else R_FILL_QTY


@kernel
def fill_fee_reason_nb(notional: int, fee: int, max_fee_e8: int, lot_value: int) -> int:
    """R_FILL_FEE for a fee, or a rebate, above `max_fee_e8` x 1e-8 of the notional; money units.

    `lot_value` is one lot at the fill's price: a fee taken in coins is rounded up to a whole lot. R_UNCHECKED
    without a notional or a limit.
    """
    if notional <= 0 or max_fee_e8 <= 0:
        return R_UNCHECKED
    return R_OK if abs(fee) <= rate_of(notional, max_fee_e8) + max(lot_value, 1) else R_FILL_FEE


@kernel
def fill_reason_nb(
    kind: int, side: int, limit: int, left: int, price: int, qty: int, fee: int, mult: int, max_fee_e8: int
) -> int:
    """The first of the three that refuses, or R_OK; `mult` is money units a tick and lot."""
    reason = fill_qty_reason_nb(left, qty)
    if reason == R_OK:
        reason = fill_price_reason_nb(kind, side, limit, price)
    if reason == R_OK:
        reason = fill_fee_reason_nb(price * qty * mult, fee, max_fee_e8, price * mult)
    return reason
