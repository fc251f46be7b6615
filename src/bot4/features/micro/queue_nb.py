"""Intent and waiting in the book: place in the queue, chance of a fill, spoofing, layering. x: book rows."""

import math
from typing import Any, Final

import numpy as np

from bot4.features.micro.rows_nb import (
    LEVELS,
    X_ASK_PX,
    X_ASK_QTY,
    X_BID_PX,
    X_BID_QTY,
    X_BID_TRADED,
    X_TS,
    faded_nb,
    whole_book_nb,
)
from bot4.kernels.jit_nb import kernel

# one side: price, quantity seen, ahead of us; faded: what went a second, its squares, its sum, time watched
_PX, _SEEN, _AHEAD, _GONE, _SIZE, _TRADES, _TIME, _AWAY = range(8)
QUEUE_STATE: Final = 2 + 16


@kernel
def fill_chance_nb(ahead: float, rate: float, size: float, horizon: float) -> float:
    """Chance that a queue of `ahead` (our order included) is gone after `horizon` seconds.

    Depletion as a compound Poisson stream of `rate` units a second in lumps of `size`, by its normal limit
    with mean rate x horizon and variance rate x horizon x size. 0 where nothing moves.
    """
    mean = rate * horizon
    if not mean > 0.0 or not size > 0.0:
        return 0.0
    return 0.5 * math.erfc((ahead - mean) / math.sqrt(2.0 * mean * size))


@kernel
def _queue_side_nb(s: np.ndarray[Any, Any], at: int, now: tuple[float, float, float], tau: float) -> float:
    """Move a virtual order at the best price of one side along; returns what left the queue.

    now: price, quantity, traded against this side. Trades take from the front; what else has gone is
    cancelled pro rata before and behind us. A new best price starts a new order at its end.
    """
    px, qty, traded = now
    gone = 0.0
    if px == s[at + _PX]:
        gone = min(traded, s[at + _AHEAD])
        left = max(s[at + _SEEN] - traded, 0.0)
        cancelled = max(left - qty, 0.0)
        ahead = max(s[at + _AHEAD] - traded, 0.0)
        cut = cancelled * ahead / left if left > 0.0 else 0.0
        s[at + _AHEAD] = min(max(ahead - cut, 0.0), qty)
        gone = traded + cancelled
    else:
        s[at + _AHEAD] = qty
        gone = traded
    s[at + _PX] = px
    s[at + _SEEN] = qty
    s[at + _GONE] += gone / tau
    if gone > 0.0:
        s[at + _SIZE] += gone * gone
        s[at + _TRADES] += gone
    return gone


@kernel
def queue_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """A small order at the end of each best queue, as it would move up since that price became best.

    params: tau in s of the rates, horizon in s of the chance. out: quantity ahead of it over the queue, bid
    and ask; chance that the whole queue now at the bid (ask) is gone after the horizon, at the faded rate
    of trades and cancellations; half the time constant's worth of queue: best quantity over rate, in s, bid
    and ask (capped at 1e6). Lumps are the mean size of what goes, weighted by size. Warm at the second row;
    a book that is not whole starts anew.
    """
    for j in range(6):
        out[j] = math.nan
    if not whole_book_nb(x):
        state[0] = 0.0
        return
    tau = params[0]
    if state[0] == 0.0:
        for j in range(2, QUEUE_STATE):
            state[j] = 0.0
        state[2 + _PX] = x[X_BID_PX]
        state[2 + _SEEN] = x[X_BID_QTY]
        state[2 + _AHEAD] = x[X_BID_QTY]
        state[10 + _PX] = x[X_ASK_PX]
        state[10 + _SEEN] = x[X_ASK_QTY]
        state[10 + _AHEAD] = x[X_ASK_QTY]
        state[0] = 1.0
        state[1] = x[X_TS]
        return
    keep = faded_nb(x[X_TS] - state[1], tau)
    state[1] = max(state[1], x[X_TS])
    for side in range(2):
        at = 2 + 8 * side
        for j in range(_GONE, _TIME + 1):
            state[at + j] *= keep
        state[at + _TIME] += 1.0 - keep  # the part of the time constant that has been watched
        traded = max(x[X_BID_TRADED + side], 0.0)
        best = X_BID_PX if side == 0 else X_ASK_PX
        qty = X_BID_QTY if side == 0 else X_ASK_QTY
        _queue_side_nb(state, at, (x[best], x[qty], traded), tau)
        rate = state[at + _GONE] / state[at + _TIME] if state[at + _TIME] > 0.0 else 0.0
        lump = state[at + _SIZE] / state[at + _TRADES] if state[at + _TRADES] > 0.0 else 0.0
        out[side] = state[at + _AHEAD] / x[qty]
        out[2 + side] = fill_chance_nb(x[qty], rate, lump, params[1])
        out[4 + side] = min(x[qty] / rate, 1e6) if rate > 0.0 else 1e6


# one side, faded: placed a moment ago, placed, cancelled soon, fills; behind both sides the last book
_RECENT, _PLACED, _QUICK, _FILLS = range(4)
SPOOF_STATE: Final = 4 + 8 + 4 * LEVELS


@kernel
def _changes_nb(
    s: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    columns: tuple[int, int, int],
    limits: tuple[float, float, float],
) -> tuple[float, float]:
    """Quantity placed and gone between the last book and this one on one side, within the limits of price.

    columns: first price and first quantity in x, first price in s (quantities behind). limits: +1 bids or
    -1 asks, lowest and highest price counted. Only prices that both books can show are compared: a level
    that has moved out of the ten is not gone.
    """
    px, qty, old = columns
    sign, low, high = limits
    i = 0
    j = 0
    placed = 0.0
    gone = 0.0
    while i < LEVELS and j < LEVELS:
        now_px = x[px + i]
        was_px = s[old + j]
        if not x[qty + i] > 0.0 or not s[old + LEVELS + j] > 0.0:
            break
        change = 0.0
        at = now_px
        if now_px == was_px:
            change = x[qty + i] - s[old + LEVELS + j]
            i += 1
            j += 1
        elif sign * now_px > sign * was_px:
            change = x[qty + i]
            i += 1
        else:
            change = -s[old + LEVELS + j]
            at = was_px
            j += 1
        if low <= at <= high:
            placed += max(change, 0.0)
            gone += max(-change, 0.0)
    return placed, gone


@kernel
def _layers_nb(x: np.ndarray[Any, Any], qty: int, other: int, factor: float) -> float:
    """Levels of one side whose quantity is more than `factor` times the other side's mean level, over ten."""
    mean = 0.0
    for i in range(LEVELS):
        if x[other + i] > 0.0:
            mean += x[other + i] / LEVELS
    n = 0
    for i in range(LEVELS):
        if x[qty + i] > factor * mean:
            n += 1
    return n / LEVELS


@kernel
def spoof_step_nb(
    params: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None:
    """Spoofing and layering, a score of a pattern and no proof of intent.

    Spoofing: size placed within reach of the mid and cancelled soon, without trading, while the opposite
    side fills. params: reach in basis points; time constant of "soon" in s; tau in s of the score; factor
    that makes a layer. out: part of placed size that was cancelled soon, bid and ask; score bid and ask:
    that part times the opposite side's part of all fills, in [0, 1]; layers bid and ask: part of the ten
    levels holding more than factor times the other side's mean level; cancelled over placed, both sides.
    Warm at the second row.
    """
    for j in range(7):
        out[j] = math.nan
    if not whole_book_nb(x):
        state[0] = 0.0
        return
    if state[0] > 0.0:
        _spoof_sides_nb(params, state, x)
        fills = state[4 + _FILLS] + state[8 + _FILLS]
        placed = state[4 + _PLACED] + state[8 + _PLACED]
        for side in range(2):
            at = 4 + 4 * side
            other = 8 - 4 * side
            part = state[at + _QUICK] / state[at + _PLACED] if state[at + _PLACED] > 0.0 else 0.0
            out[side] = min(part, 1.0)
            out[2 + side] = out[side] * state[other + _FILLS] / fills if fills > 0.0 else 0.0
        out[4] = _layers_nb(x, X_BID_QTY, X_ASK_QTY, params[3])
        out[5] = _layers_nb(x, X_ASK_QTY, X_BID_QTY, params[3])
        out[6] = state[2] / placed if placed > 0.0 else 0.0
    state[0] = 1.0
    state[1] = max(x[X_TS], state[1]) if state[3] > 0.0 else x[X_TS]
    state[3] = 1.0
    for i in range(LEVELS):
        state[12 + i] = x[X_BID_PX + i]
        state[12 + LEVELS + i] = x[X_BID_QTY + i]
        state[12 + 2 * LEVELS + i] = x[X_ASK_PX + i]
        state[12 + 3 * LEVELS + i] = x[X_ASK_QTY + i]


@kernel
def _spoof_sides_nb(
    params: np.ndarray[Any, Any], state: np.ndarray[Any, Any], x: np.ndarray[Any, Any]
) -> None:
    """Fade the sums of both sides and add what this row placed, cancelled and traded."""
    dt = x[X_TS] - state[1]
    soon = faded_nb(dt, params[1])
    keep = faded_nb(dt, params[2])
    mid = 0.5 * (x[X_BID_PX] + x[X_ASK_PX])
    reach = mid * params[0] * 1e-4
    state[2] *= keep
    for side in range(2):
        at = 4 + 4 * side
        old = 12 + 2 * LEVELS * side
        px = X_BID_PX if side == 0 else X_ASK_PX
        qty = X_BID_QTY if side == 0 else X_ASK_QTY
        sign = 1.0 if side == 0 else -1.0
        placed, gone = _changes_nb(state, x, (px, qty, old), (sign, mid - reach, mid + reach))
        traded = max(x[X_BID_TRADED + side], 0.0)
        cancelled = max(gone - traded, 0.0)
        state[at + _RECENT] *= soon
        quick = min(cancelled, state[at + _RECENT])
        state[at + _RECENT] += placed - quick
        state[at + _PLACED] = state[at + _PLACED] * keep + placed
        state[at + _QUICK] = state[at + _QUICK] * keep + quick
        state[at + _FILLS] = state[at + _FILLS] * keep + traded
        state[2] += cancelled
