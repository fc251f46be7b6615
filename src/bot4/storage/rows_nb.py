"""Moving event rows between grids."""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model import codes_nb as c

Array = np.ndarray[Any, Any]


@kernel
def _gcd_nb(a: int, b: int) -> int:
    """Greatest common divisor of non-negative integers; gcd(0, b) = b."""
    while b != 0:
        a, b = b, a % b
    return a


@kernel
def row_units_nb(events: Array) -> tuple[int, int, int, int]:
    """(gcd of prices, gcd of quantities, largest price, largest quantity) over a batch; 0: none.

    Which fields are prices and quantities depends on the kind, see `codes_nb`. Negative values
    count by magnitude.
    """
    price_unit = 0
    qty_unit = 0
    price_max = 0
    qty_max = 0
    for k in range(events.shape[0]):
        ev = events[k]
        kind = ev.kind
        if kind < c.EV_DEPTH or kind > c.EV_FUNDING:
            continue
        price = abs(ev.price)
        qty = abs(ev.qty)
        top = price
        if price_unit == 0 or price % price_unit != 0:
            price_unit = _gcd_nb(price_unit, price)
        if kind == c.EV_BOOK_TICKER:
            if ev.x % price_unit != 0:
                price_unit = _gcd_nb(price_unit, abs(ev.x))
            top = max(top, abs(ev.x))
            if qty_unit == 0 or ev.y % qty_unit != 0:
                qty_unit = _gcd_nb(qty_unit, abs(ev.y))
            qty_max = max(qty_max, abs(ev.y))
        elif kind == c.EV_BAR:
            if ev.x % price_unit != 0 or ev.y % price_unit != 0 or ev.seq % price_unit != 0:
                price_unit = _gcd_nb(_gcd_nb(_gcd_nb(price_unit, abs(ev.x)), abs(ev.y)), abs(ev.seq))
            top = max(top, abs(ev.y))
        if qty_unit == 0 or qty % qty_unit != 0:
            qty_unit = _gcd_nb(qty_unit, qty)
        price_max = max(price_max, top)
        qty_max = max(qty_max, qty)
    return price_unit, qty_unit, price_max, qty_max


@kernel
def rescale_rows_nb(events: Array, price_mul: int, price_div: int, qty_mul: int, qty_div: int) -> None:
    """Prices x price_mul / price_div and quantities likewise, in place; divisions must be exact."""
    for k in range(events.shape[0]):
        ev = events[k]
        kind = ev.kind
        if kind < c.EV_DEPTH or kind > c.EV_FUNDING:
            continue
        ev.price = ev.price * price_mul // price_div
        ev.qty = ev.qty * qty_mul // qty_div
        if kind == c.EV_BOOK_TICKER:
            ev.x = ev.x * price_mul // price_div
            ev.y = ev.y * qty_mul // qty_div
        elif kind == c.EV_BAR:
            ev.x = ev.x * price_mul // price_div
            ev.y = ev.y * price_mul // price_div
            ev.seq = ev.seq * price_mul // price_div
