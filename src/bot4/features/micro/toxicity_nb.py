"""Toxicity of the flow and surges of volume, for the breakers that stop new risk; events in, O(1) a call.

Toxic flow is one-sided trading by those who know more: makers lose to it, and the price runs on. The score is
the geometric mean of two measures of one-sidedness in [0, 1], so that both must agree:

- VPIN of the trades (`vpin_step_nb`), over `BUCKETS` buckets of the volume of `BUCKET_TRADES` usual trades;
- |sum of e| / sum of |e| of the order flow e of the best quotes (`order_flow_nb`), faded over `TAU_S`.
"""

import math
from typing import Any, Final

import numpy as np

from bot4.features.book_nb import order_flow_nb
from bot4.features.micro.flow_nb import vpin_state, vpin_step_nb
from bot4.features.micro.rows_nb import T_ASK, T_BID, T_PRICE, T_QTY, T_SIDE, T_TS, TRADE_WIDTH
from bot4.kernels.jit_nb import kernel

BUCKETS: Final = 50
BUCKET_TRADES: Final = 50
LEARN_TRADES: Final = 200  # before a bucket has a size
LAP_TRADES: Final = BUCKETS * BUCKET_TRADES  # after which its size is set anew
TAU_S: Final = 60.0
MIN_QUOTES: Final = 100  # changes of the best quotes before their flow counts
PERIOD_NS: Final = 10 * 10**9
PERIODS: Final = 60  # over which the usual volume of a period is averaged
MIN_PERIODS: Final = 30

FLOW_DTYPE: Final = np.dtype(
    [(name, "<i8") for name in ("quotes", "ts", "bid", "bid_qty", "ask", "ask_qty", "trades", "period")]
    + [("ofi", "<f8"), ("ofi_abs", "<f8"), ("sizes", "<f8"), ("lap", "<f8")]
    + [("current", "<f8"), ("previous", "<f8"), ("usual", "<f8"), ("periods", "<f8")]
    + [("params", "<f8", (2,)), ("vpin", "<f8", (vpin_state((0.0, BUCKETS)),))]
    + [("x", "<f8", (TRADE_WIDTH,)), ("out", "<f8", (2,))],
    align=True,
)
"""Memory of one instrument; zeros at the start."""


@kernel
def flow_quote_nb(f: Any, ts: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
    """Fold a change of the best quotes (ticks, lots, ns) into the order flow.

    After a book that is not whole the flow goes on from the next quote.
    """
    if bid <= 0 or ask <= bid or bid_qty <= 0 or ask_qty <= 0:
        f["bid"] = 0
        return
    if f["bid"] > 0:
        flow = order_flow_nb(f, bid, bid_qty, ask, ask_qty)
        dt = ts - f["ts"]
        keep = math.exp(-1e-9 * dt / TAU_S) if dt > 0 else 1.0
        f["ofi"] = f["ofi"] * keep + flow
        f["ofi_abs"] = f["ofi_abs"] * keep + abs(flow)
    f["quotes"] += 1
    f["ts"] = ts
    f["bid"] = bid
    f["bid_qty"] = bid_qty
    f["ask"] = ask
    f["ask_qty"] = ask_qty


@kernel
def flow_trade_nb(f: Any, ts: int, price: int, qty: int, buyer_maker: bool) -> None:
    """Fold a trade (ticks, lots, ns; `buyer_maker`: the aggressor sold) into VPIN and volume."""
    if qty <= 0 or price <= 0:
        return
    roll_nb(f, ts)
    f["current"] += qty
    f["trades"] += 1
    f["sizes"] += qty
    f["lap"] += 1.0
    usual = 0.0
    if (f["params"][0] == 0.0 and f["lap"] >= LEARN_TRADES) or f["lap"] >= LAP_TRADES:
        usual = f["sizes"] / f["lap"] * BUCKET_TRADES
        f["sizes"] = 0.0
        f["lap"] = 0.0
    if usual > 0.0:
        # the open bucket keeps the part to which it is filled
        scale = usual / f["params"][0] if f["params"][0] > 0.0 else 0.0
        f["vpin"][2] *= scale
        f["vpin"][3] *= scale
        f["params"][0] = usual
        f["params"][1] = BUCKETS
    if f["params"][0] == 0.0:
        return
    x = f["x"]
    x[T_TS] = ts * 1e-9
    x[T_PRICE] = price
    x[T_QTY] = qty
    x[T_SIDE] = -1.0 if buyer_maker else 1.0
    x[T_BID] = math.nan
    x[T_ASK] = math.nan
    vpin_step_nb(f["params"], f["vpin"], x, f["out"])


@kernel
def toxicity_nb(f: Any) -> float:
    """The score in [0, 1]; NaN until both measures are known."""
    if f["params"][0] == 0.0 or f["quotes"] < MIN_QUOTES or f["ofi_abs"] <= 0.0:
        return math.nan
    vpin = f["out"][0]
    if not vpin >= 0.0:
        return math.nan
    return math.sqrt(vpin * min(abs(f["ofi"]) / f["ofi_abs"], 1.0))


@kernel
def roll_nb(f: Any, ts: int) -> None:
    """End the periods that are over at `ts` (ns); those without a trade count too. Time does not go back."""
    period = ts // PERIOD_NS
    if f["period"] == 0:
        f["period"] = period
        return
    over = period - f["period"]
    if over <= 0:
        return
    for _ in range(min(over, PERIODS)):
        f["periods"] += 1.0
        f["usual"] += (f["current"] - f["usual"]) / min(f["periods"], 1.0 * PERIODS)
        f["previous"] = f["current"]
        f["current"] = 0.0
    f["period"] = period


@kernel
def surge_nb(f: Any, ts: int) -> float:
    """Volume of the open or the last period of 10 s, the larger, over the usual; NaN until that is known."""
    roll_nb(f, ts)
    if f["periods"] < MIN_PERIODS or f["usual"] <= 0.0:
        return math.nan
    return float(max(f["current"], f["previous"]) / f["usual"])
