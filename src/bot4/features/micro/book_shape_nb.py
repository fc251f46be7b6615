"""Shape of the book: fair price, imbalance, order flow of levels, profile of liquidity. x: book rows."""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import (
    LEVELS,
    X_ASK_PX,
    X_ASK_QTY,
    X_BID_PX,
    X_BID_QTY,
    X_TS,
    faded_nb,
    whole_book_nb,
)
from bot4.kernels.jit_nb import kernel

DEPTH: Final = 5


@kernel
def microprice_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Weighted mids and imbalances. No state.

    params: how fast the weight of a level falls with its rank: exp(-decay (rank - 1)). out: mid weighted by
    the other side's best quantity less the mid, over the mid; the same of five levels, each side's price
    and quantity averaged over its levels with those weights; imbalance (bids - asks) / (bids + asks) of the
    best level, of five, and of ten, unweighted.
    """
    for j in range(5):
        out[j] = math.nan
    if not whole_book_nb(x):
        return
    mid = 0.5 * (x[X_BID_PX] + x[X_ASK_PX])
    bid_value = 0.0
    ask_value = 0.0
    bid_size = 0.0
    ask_size = 0.0
    bids = 0.0
    asks = 0.0
    weight = 1.0
    fall = math.exp(-params[0])
    for i in range(LEVELS):
        b = x[X_BID_QTY + i] if x[X_BID_QTY + i] > 0.0 else 0.0
        a = x[X_ASK_QTY + i] if x[X_ASK_QTY + i] > 0.0 else 0.0
        bids += b
        asks += a
        if i < DEPTH:
            if b > 0.0:
                bid_value += weight * b * (x[X_BID_PX + i] - mid)
            if a > 0.0:
                ask_value += weight * a * (x[X_ASK_PX + i] - mid)
            bid_size += weight * b
            ask_size += weight * a
            weight *= fall
        if i == 0:
            out[2] = (bids - asks) / (bids + asks)
        if i == DEPTH - 1:
            out[3] = (bids - asks) / (bids + asks)
    out[4] = (bids - asks) / (bids + asks)
    best_bid = x[X_BID_QTY]
    best_ask = x[X_ASK_QTY]
    out[0] = 0.5 * (x[X_ASK_PX] - x[X_BID_PX]) * (best_bid - best_ask) / (best_bid + best_ask) / mid
    deep = (bid_value / bid_size * ask_size + ask_value / ask_size * bid_size) / (bid_size + ask_size)
    out[1] = deep / mid


@kernel
def _level_flow_nb(side: float, px: float, qty: float, old_px: float, old_qty: float) -> float:
    """Flow of one level of one side (side 1 bids, -1 asks): what it brings less what it takes away."""
    flow = 0.0
    if side * px >= side * old_px:
        flow += qty
    if side * px <= side * old_px:
        flow -= old_qty
    return flow


OFI_STATE: Final = 12 + 4 * DEPTH


@kernel
def ofi_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Order flow imbalance of the best level and of five levels, faded by exp(-age / tau).

    Cont, Kukanov and Stoikov, 2014, eq. 4, level by level (Xu, Gould and Howison, 2019). params: tau in s.
    out: flow at the best level, in units of quantity; flow of five levels together; both over the faded flow
    without its sign, in [-1, 1]; flow of five over the mean size of a level. Warm at the second row.
    """
    for j in range(5):
        out[j] = math.nan
    if not whole_book_nb(x):
        state[0] = 0.0
        return
    if state[0] > 0.0:
        keep = faded_nb(x[X_TS] - state[1], params[0])
        best = 0.0
        deep = 0.0
        size = 0.0
        for i in range(DEPTH):
            bid = x[X_BID_QTY + i] if x[X_BID_QTY + i] > 0.0 else 0.0
            ask = x[X_ASK_QTY + i] if x[X_ASK_QTY + i] > 0.0 else 0.0
            at = 12 + 4 * i
            bid_px = x[X_BID_PX + i] if bid > 0.0 else 0.0
            ask_px = x[X_ASK_PX + i] if ask > 0.0 else math.inf
            flow = _level_flow_nb(1.0, bid_px, bid, state[at], state[at + 1])
            flow -= _level_flow_nb(-1.0, ask_px, ask, state[at + 2], state[at + 3])
            deep += flow
            size += bid + ask
            if i == 0:
                best = flow
        _fade_flows_nb(state, keep, best, deep, size / (2 * DEPTH))
        out[0] = state[2]
        out[1] = state[3]
        out[2] = state[2] / state[4] if state[4] > 0.0 else 0.0
        out[3] = state[3] / state[5] if state[5] > 0.0 else 0.0
        out[4] = state[3] / state[6]
    state[0] = 1.0
    state[1] = x[X_TS]
    for i in range(DEPTH):
        at = 12 + 4 * i
        bid = x[X_BID_QTY + i]
        ask = x[X_ASK_QTY + i]
        state[at] = x[X_BID_PX + i] if bid > 0.0 else 0.0
        state[at + 1] = bid if bid > 0.0 else 0.0
        state[at + 2] = x[X_ASK_PX + i] if ask > 0.0 else math.inf
        state[at + 3] = ask if ask > 0.0 else 0.0


@kernel
def _fade_flows_nb(state: np.ndarray[Any, Any], keep: float, best: float, deep: float, size: float) -> None:
    state[2] = state[2] * keep + best
    state[3] = state[3] * keep + deep
    state[4] = state[4] * keep + abs(best)
    state[5] = state[5] * keep + abs(deep)
    state[7] = state[7] * keep + size
    state[8] = state[8] * keep + 1.0
    state[6] = state[7] / state[8]


@kernel
def _within_nb(x: np.ndarray[Any, Any], mid: float, reach: float) -> tuple[float, float, float, float]:
    """Quantities of bids and asks within `reach` of the mid, and their sums of quantity x distance."""
    bids = 0.0
    asks = 0.0
    bid_far = 0.0
    ask_far = 0.0
    for i in range(LEVELS):
        below = 1.0 - x[X_BID_PX + i] / mid
        above = x[X_ASK_PX + i] / mid - 1.0
        if x[X_BID_QTY + i] > 0.0 and below <= reach:
            bids += x[X_BID_QTY + i]
            bid_far += x[X_BID_QTY + i] * below
        if x[X_ASK_QTY + i] > 0.0 and above <= reach:
            asks += x[X_ASK_QTY + i]
            ask_far += x[X_ASK_QTY + i] * above
    return bids, asks, bid_far, ask_far


@kernel
def liquidity_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Profile of liquidity near the mid.

    params: reach in basis points, tau in s of what is usual. out: value of bids, of asks within reach, in
    the quote currency; mean distance of that quantity from the mid on the bid and on the ask side, in parts
    of the mid; largest level's part of all ten levels' quantity; score: root of D/(D+D') x S'/(S+S'), D
    depth and S spread now, D' and S' their faded means: 0.5 as usual, towards 1 deep and tight, towards 0
    thin and wide. Warm at once.
    """
    for j in range(6):
        out[j] = math.nan
    if not whole_book_nb(x):
        return
    mid = 0.5 * (x[X_BID_PX] + x[X_ASK_PX])
    bids, asks, bid_far, ask_far = _within_nb(x, mid, params[0] * 1e-4)
    largest = 0.0
    total = 0.0
    for i in range(LEVELS):
        b = x[X_BID_QTY + i] if x[X_BID_QTY + i] > 0.0 else 0.0
        a = x[X_ASK_QTY + i] if x[X_ASK_QTY + i] > 0.0 else 0.0
        largest = max(largest, a, b)
        total += a + b
    depth = (bids + asks) * mid
    spread = x[X_ASK_PX] - x[X_BID_PX]
    keep = faded_nb(x[X_TS] - state[1], params[1]) if state[0] > 0.0 else 0.0
    state[0] = 1.0
    state[1] = x[X_TS]
    state[2] = state[2] * keep + depth
    state[3] = state[3] * keep + spread
    state[4] = state[4] * keep + 1.0
    usual = state[2] / state[4]
    wide = state[3] / state[4]
    out[0] = bids * mid
    out[1] = asks * mid
    out[2] = bid_far / bids if bids > 0.0 else params[0] * 1e-4
    out[3] = ask_far / asks if asks > 0.0 else params[0] * 1e-4
    out[4] = largest / total
    deep = depth / (depth + usual) if depth + usual > 0.0 else 0.0
    out[5] = math.sqrt(deep * wide / (spread + wide))


def sweep_state(params: tuple[float, ...]) -> int:
    """Slots of `sweep_step_nb`: none are used, one is kept."""
    return 1


@kernel
def sweep_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Cost of taking a value at once from ten levels. No state.

    params: value in the quote currency. out: mean price paid over the mid less 1, buying; the same selling,
    both positive; part of the value that ten levels can fill, the smaller side. What they cannot fill is
    priced at the tenth level, so a cost with a part below 1 is a lower bound.
    """
    for j in range(3):
        out[j] = math.nan
    if not whole_book_nb(x):
        return
    mid = 0.5 * (x[X_BID_PX] + x[X_ASK_PX])
    want = params[0] / mid
    buy_cost, bought = _take_nb(x, (X_ASK_PX, X_ASK_QTY), mid, want)
    sell_cost, sold = _take_nb(x, (X_BID_PX, X_BID_QTY), mid, want)
    out[0] = buy_cost
    out[1] = sell_cost
    out[2] = min(bought, sold)


@kernel
def _take_nb(x: np.ndarray[Any, Any], side: tuple[int, int], mid: float, want: float) -> tuple[float, float]:
    """Mean distance from the mid of `want` units taken from one side, and the part that could be."""
    px, qty = side
    left = want
    cost = 0.0
    far = 0.0
    for i in range(LEVELS):
        if x[qty + i] > 0.0:
            take = min(left, x[qty + i])
            far = abs(x[px + i] / mid - 1.0)
            cost += take * far
            left -= take
    return (cost + left * far) / want, 1.0 - left / want
