"""The input rows of microstructure kernels: what stands where in `x`, all float64.

BOOK (43): event time in s; ten bid prices, ten bid quantities, ten ask prices, ten ask quantities, best
first, quantity 0 for an empty level; then what traded against the bids and against the asks since the row
before. TRADE (6): event time in s, price, quantity, side of the aggressor (1 bought, -1 sold, 0 not told),
and the best bid and ask just before the trade (NaN if not known). Prices and quantities may be in any unit
(money, ticks, lots), the same in all rows of one stream.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.kernels.jit_nb import kernel

LEVELS: Final = 10
X_TS: Final = 0
X_BID_PX: Final = 1
X_BID_QTY: Final = X_BID_PX + LEVELS
X_ASK_PX: Final = X_BID_QTY + LEVELS
X_ASK_QTY: Final = X_ASK_PX + LEVELS
X_BID_TRADED: Final = X_ASK_QTY + LEVELS
X_ASK_TRADED: Final = X_BID_TRADED + 1
BOOK_WIDTH: Final = X_ASK_TRADED + 1

T_TS: Final = 0
T_PRICE: Final = 1
T_QTY: Final = 2
T_SIDE: Final = 3
T_BID: Final = 4
T_ASK: Final = 5
TRADE_WIDTH: Final = 6

BOOK_COLUMNS: Final = (
    "ts_s",
    *(
        f"{side}_{what}_{i}"
        for side in ("bid", "ask")
        for what in ("px", "qty")
        for i in range(1, LEVELS + 1)
    ),
    "bid_traded",
    "ask_traded",
)
TRADE_COLUMNS: Final = ("ts_s", "price", "qty", "side", "bid", "ask")


@kernel
def whole_book_nb(x: np.ndarray[Any, Any]) -> bool:
    """Whether both best levels have price and quantity and do not cross or lock; NaN is not whole."""
    bid = x[X_BID_PX]
    ask = x[X_ASK_PX]
    sized = x[X_BID_QTY] > 0.0 and x[X_ASK_QTY] > 0.0
    return bool(sized and 0.0 < bid < ask and ask < math.inf)


@kernel
def whole_trade_nb(x: np.ndarray[Any, Any]) -> bool:
    """Whether a trade has a finite time, price above 0 and quantity above 0."""
    return bool(0.0 < x[T_PRICE] < math.inf and 0.0 < x[T_QTY] < math.inf and abs(x[T_TS]) < math.inf)


@kernel
def mid_of_trade_nb(x: np.ndarray[Any, Any]) -> float:
    """Middle of the quote that a trade met, NaN without a whole quote."""
    if 0.0 < x[T_BID] < x[T_ASK] and x[T_ASK] < math.inf:
        return float(0.5 * (x[T_BID] + x[T_ASK]))
    return math.nan


@kernel
def aggressor_nb(x: np.ndarray[Any, Any], last_price: float, last_sign: float) -> float:
    """Side of the aggressor: as told, else by quote, else by tick (Lee and Ready, 1991); 0 if unknown."""
    if x[T_SIDE] > 0.0:
        return 1.0
    if x[T_SIDE] < 0.0:
        return -1.0
    mid = mid_of_trade_nb(x)
    if x[T_PRICE] > mid:
        return 1.0
    if x[T_PRICE] < mid:
        return -1.0
    if last_price > 0.0 and x[T_PRICE] > last_price:
        return 1.0
    if last_price > 0.0 and x[T_PRICE] < last_price:
        return -1.0
    return last_sign


@kernel
def faded_nb(dt_s: float, tau_s: float) -> float:
    """What is left of a decayed sum after dt seconds; time that runs backwards counts as none."""
    if not dt_s > 0.0:
        return 1.0
    return math.exp(-dt_s / tau_s)
