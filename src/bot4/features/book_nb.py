"""Features of the book and of the trades, event by event.

Prices come in ticks and quantities in lots (integers), features go out as floats. Sums decay by
the time of the events: after dt a sum is exp(-dt / tau) of itself. One exponential serves
both horizons, since 60 s is four times 15 s. Values hold as of the last event of their kind; a call
costs O(1).
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.feature_layout_nb import (
    B_IMBALANCE_1,
    B_IMBALANCE_5,
    B_MICROPRICE,
    B_MID,
    B_MID_VOL,
    B_OFI,
    B_OFI_RATIO,
    B_QUOTE_RATE,
    B_SPREAD_REL,
    B_SPREAD_TICKS,
    B_TRADE_IMBALANCE,
    B_TRADE_VWAP,
    N_BOOK,
)

TAU_FLOW_S: Final = 15.0  # order flow, quote rate, trades
TAU_VOL_S: Final = 60.0  # volatility of the mid
DEPTH_LEVELS: Final = 5

BOOK_DTYPE: Final = np.dtype(
    [(name, "<i8") for name in ("quotes", "ts", "bid", "bid_qty", "ask", "ask_qty", "trades", "trade_ts")]
    + [(name, "<f8") for name in ("mid", "ofi", "ofi_abs", "rate", "moves", "signed", "volume", "value")],
    align=True,
)
"""State of one instrument: the last quote, counts, decayed sums."""

_FADE = -1e-9 / 60.0


class BookFeatures(NamedTuple):
    """State of the book features, one instrument a row (see `bot4.features.state`)."""

    state: np.ndarray[Any, Any]  # BOOK_DTYPE (n,)
    values: np.ndarray[Any, Any]  # float64 (n, N_BOOK); NaN until known


@kernel
def _fade_nb(dt_ns: int) -> float:
    """Part of a 60-second sum that is left after dt; time that runs backwards counts as none."""
    if dt_ns <= 0:
        return 1.0
    return math.exp(dt_ns * _FADE)


@kernel
def _lose_quote_nb(s: Any, out: np.ndarray[Any, Any]) -> None:
    """Forget the quote: a book without two sides has no spread, mid or imbalance."""
    s["quotes"] = 0
    for j in range(B_TRADE_IMBALANCE):
        out[j] = np.nan


@kernel
def order_flow_nb(s: Any, bid: int, bid_qty: int, ask: int, ask_qty: int) -> float:
    """Order flow of one change of the best quotes, in lots.

    Cont, Kukanov and Stoikov, "The price impact of order book events", 2014, eq. 4: what a higher
    bid brings and a lower one takes away, less the same of the ask.
    """
    flow = 0
    if bid >= s["bid"]:
        flow += bid_qty
    if bid <= s["bid"]:
        flow -= s["bid_qty"]
    if ask <= s["ask"]:
        flow -= ask_qty
    if ask >= s["ask"]:
        flow += s["ask_qty"]
    return float(flow)


@kernel
def _quote_moments_nb(s: Any, out: np.ndarray[Any, Any], fade: float, flow: float, move: float) -> None:
    """Decay the sums of order flow, quotes and squared moves, add this event, write their features."""
    half = fade * fade
    fast = half * half
    s["ofi"] = s["ofi"] * fast + flow
    s["ofi_abs"] = s["ofi_abs"] * fast + abs(flow)
    s["rate"] = s["rate"] * fast + 1.0
    s["moves"] = s["moves"] * fade + move * move
    out[B_OFI] = s["ofi"]
    out[B_OFI_RATIO] = s["ofi"] / s["ofi_abs"] if s["ofi_abs"] > 0.0 else 0.0
    out[B_QUOTE_RATE] = s["rate"] / TAU_FLOW_S
    out[B_MID_VOL] = math.sqrt(s["moves"] / TAU_VOL_S)


@kernel
def update_quote_nb(
    bf: BookFeatures, inst: int, ts: int, bid: int, bid_qty: int, ask: int, ask_qty: int
) -> None:
    """Fold a change of the best bid and ask (ticks, lots; `ts` integer ns) into `bf.values[inst]`.

    Spread, mid, microprice (Stoikov's weighted mid: each price weighted by the other side's quantity)
    and the imbalance of the best level are known from the first quote; order flow, quote rate (a second)
    and the volatility of the mid (per square root of a second, from relative moves) from the second.
    A side that is missing, or a crossed or locked book, turns the quote features into NaN until the
    book is whole; order flow then starts from the new quote, and the decayed sums live on.
    """
    s = bf.state[inst]
    out = bf.values[inst]
    if bid <= 0 or ask <= bid or bid_qty <= 0 or ask_qty <= 0:
        _lose_quote_nb(s, out)
        return
    spread = float(ask - bid)
    mid = 0.5 * float(bid + ask)
    size = float(bid_qty + ask_qty)
    out[B_SPREAD_TICKS] = spread
    out[B_SPREAD_REL] = spread / mid
    out[B_MID] = mid
    out[B_MICROPRICE] = bid + spread * (bid_qty / size)
    out[B_IMBALANCE_1] = (bid_qty - ask_qty) / size
    if s["quotes"] > 0:
        flow = order_flow_nb(s, bid, bid_qty, ask, ask_qty)
        _quote_moments_nb(s, out, _fade_nb(ts - s["ts"]), flow, mid / s["mid"] - 1.0)
    s["mid"] = mid
    s["quotes"] += 1
    s["ts"] = ts
    s["bid"] = bid
    s["bid_qty"] = bid_qty
    s["ask"] = ask
    s["ask_qty"] = ask_qty


@kernel
def update_trade_nb(bf: BookFeatures, inst: int, ts: int, price: int, qty: int, buyer_maker: bool) -> None:
    """Fold a trade (ticks, lots; `buyer_maker`: the aggressor sold) into `bf.values[inst]`.

    Writes the decayed imbalance of aggressors in [-1, 1] and the decayed volume-weighted price in
    ticks, both from the first trade on. A trade without quantity or price is left out.
    """
    if qty <= 0 or price <= 0:
        return
    s = bf.state[inst]
    out = bf.values[inst]
    fade = _fade_nb(ts - s["trade_ts"]) if s["trades"] > 0 else 0.0
    half = fade * fade
    fast = half * half
    size = float(qty)
    s["signed"] = s["signed"] * fast + (-size if buyer_maker else size)
    s["volume"] = s["volume"] * fast + size
    s["value"] = s["value"] * fast + size * price
    out[B_TRADE_IMBALANCE] = s["signed"] / s["volume"]
    out[B_TRADE_VWAP] = s["value"] / s["volume"]
    s["trades"] += 1
    s["trade_ts"] = max(ts, s["trade_ts"])


@kernel
def update_depth_nb(
    bf: BookFeatures,
    inst: int,
    bid_px: np.ndarray[Any, Any],
    bid_qty: np.ndarray[Any, Any],
    ask_px: np.ndarray[Any, Any],
    ask_qty: np.ndarray[Any, Any],
    n: int,
) -> None:
    """Fold the first `n` levels of both sides (best first, int64) into the imbalance of five levels.

    (bids - asks) / (bids + asks) in lots over min(n, 5) levels; a level with price 0 is empty and does
    not count. NaN when no level has quantity.
    """
    bids = 0
    asks = 0
    for i in range(min(n, DEPTH_LEVELS)):
        if bid_px[i] > 0:
            bids += bid_qty[i]
        if ask_px[i] > 0:
            asks += ask_qty[i]
    total = bids + asks
    bf.values[inst, B_IMBALANCE_5] = (bids - asks) / total if total > 0 else np.nan


assert N_BOOK == 12
