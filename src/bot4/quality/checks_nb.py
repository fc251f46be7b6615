"""The gate between the feed and everything else: one verdict per event.

Accept (0) or the reason for quarantine; a quarantined event reaches no book, bar or feature. The
verdict is a function of the events so far, so that replay gives the same one.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model import codes_nb as c

Array = np.ndarray[Any, Any]

# --- verdicts ---------------------------------------------------------------------------
Q_OK = 0
Q_STALE = 1  # too old on arrival, or the venue's clock stands still or jumps back
Q_PRICE = 2  # price not positive
Q_QTY = 3  # negative quantity, or a trade of nothing
Q_OHLC = 4  # low above open or close, high below them
Q_DUPLICATE = 5  # the same trade id or the same bar again
Q_ORDER = 6  # older than the trade or bar before it
Q_OUTLIER = 7  # far from the last price, not (yet) confirmed
N_Q = 8

# streams that have a price level of their own
_TRADES = 0
_QUOTES = 1
_BARS = 2

_BACK_RUN = 16  # so many events in a row with an earlier venue time: the venue's clock was set
_ORDER_RUN = 64  # so many lower ids in a row: the venue restarted its numbering
_MEAN_TO_SIGMA = 1.2533141373155001  # sigma / mean |x| of a normal: sqrt(pi / 2)
_DECAY = 0.02
_JOINED = 2.5  # limits of a bar whose open agrees with the last close


class QualityParams(NamedTuple):
    """Limits. Ages in ns; `sigmas` robust standard deviations; `jump` a |log return|."""

    stale_ns: int = 5_000_000_000
    sigmas: float = 8.0
    jump: float = 0.02
    confirm: int = 3  # so many agreeing events in a row make a new level


class QualityState(NamedTuple):
    """What the checks remember of each instrument; make it with `bot4.quality.checks.new_quality`."""

    rows: Array  # QUALITY_DTYPE[instrument]
    levels: Array  # f8[instrument, 3 streams, 4]: last price, mean |log return|, candidate, its count
    counts: Array  # i8[instrument, N_Q]


@kernel
def _stale_nb(rows: Array, inst: int, stale_ns: int, ev: Array) -> bool:
    """Age on arrival, and whether the venue's clock moves.

    A bookTicker whose venue time equals the newest one may have inherited it (spot tickers carry
    none) and says nothing about age.
    """
    row = rows[inst]
    venue = ev["ts_venue"]
    local = ev["ts_local"]
    if venue > row["venue_max"]:
        row["back_run"] = 0
        row["venue_max"] = venue
        row["moved_at"] = local
        return bool(local - venue > stale_ns)
    if ev["kind"] == c.EV_BOOK_TICKER and venue == row["venue_max"]:
        return False
    if row["venue_max"] - venue > stale_ns:
        row["back_run"] += 1
        if row["back_run"] < _BACK_RUN:
            return True
        row["back_run"] = 0
        row["venue_max"] = venue
        row["moved_at"] = local
        return bool(local - venue > stale_ns)
    return bool(local - venue > stale_ns or local - row["moved_at"] > stale_ns)


@kernel
def _outlier_nb(
    levels: Array, inst: int, stream: int, price: float, params: QualityParams, widen: float
) -> bool:
    """Whether `price` jumps away from the stream's level; moves level and scale otherwise.

    `widen` multiplies both limits.

    Scale: exponentially weighted mean of |log return|, each clipped at `sigmas` scales so that an
    outlier cannot widen its own gate. A level that `confirm` events in a row agree on is the new one.
    """
    last = levels[inst, stream, 0]
    if last <= 0.0:
        levels[inst, stream, 0] = price
        return False
    move = abs(math.log(price / last))
    scale = levels[inst, stream, 1] * _MEAN_TO_SIGMA
    if move <= widen * params.jump or move <= widen * params.sigmas * scale:
        limit = max(params.sigmas * scale, params.jump)
        levels[inst, stream, 1] += _DECAY * (min(move, limit) - levels[inst, stream, 1])
        levels[inst, stream, 0] = price
        levels[inst, stream, 3] = 0.0
        return False
    candidate = levels[inst, stream, 2]
    if levels[inst, stream, 3] > 0.0 and abs(math.log(price / candidate)) <= params.jump:
        levels[inst, stream, 3] += 1.0
    else:
        levels[inst, stream, 3] = 1.0
    levels[inst, stream, 2] = price
    if levels[inst, stream, 3] < params.confirm:
        return True
    levels[inst, stream, 0] = price
    levels[inst, stream, 3] = 0.0
    return False


@kernel
def _trade_nb(q: QualityState, params: QualityParams, inst: int, ev: Array) -> int:
    """Checks of a trade."""
    if ev["price"] <= 0:
        return Q_PRICE
    if ev["qty"] <= 0:
        return Q_QTY
    row = q.rows[inst]
    if ev["seq"] > 0:
        if ev["seq"] == row["trade_id"]:
            return Q_DUPLICATE
        if ev["seq"] < row["trade_id"]:
            row["order_run"] += 1
            if row["order_run"] < _ORDER_RUN:
                return Q_ORDER
        row["order_run"] = 0
        row["trade_id"] = ev["seq"]
    if _outlier_nb(q.levels, inst, _TRADES, float(ev["price"]), params, 1.0):
        return Q_OUTLIER
    return Q_OK


@kernel
def _bar_nb(q: QualityState, params: QualityParams, inst: int, ev: Array) -> int:
    """Checks of a bar (price=close, x=open, y=high, seq=low, qty=volume, ts_venue=open time)."""
    low = ev["seq"]
    if low <= 0 or ev["price"] <= 0 or ev["x"] <= 0 or ev["y"] <= 0:
        return Q_PRICE
    if ev["qty"] < 0:
        return Q_QTY
    if low > min(ev["x"], ev["price"]) or ev["y"] < max(ev["x"], ev["price"]):
        return Q_OHLC
    row = q.rows[inst]
    if ev["ts_venue"] == row["bar_at"]:
        return Q_DUPLICATE
    if ev["ts_venue"] < row["bar_at"]:
        return Q_ORDER
    row["bar_at"] = ev["ts_venue"]
    # a bar that opens where the last one closed has traded its way there: only a far larger move
    # is suspect then
    last = q.levels[inst, _BARS, 0]
    joined = last > 0.0 and abs(math.log(float(ev["x"]) / last)) <= params.jump
    if _outlier_nb(q.levels, inst, _BARS, float(ev["price"]), params, _JOINED if joined else 1.0):
        return Q_OUTLIER
    return Q_OK


@kernel
def _verdict_nb(q: QualityState, params: QualityParams, inst: int, ev: Array) -> int:
    """The verdict, not counted."""
    kind = ev["kind"]
    if kind == c.EV_BAR:
        return _bar_nb(q, params, inst, ev)
    if kind < c.EV_DEPTH_HEAD or kind > c.EV_TRADE:
        return Q_OK
    if kind == c.EV_DEPTH:  # its head was judged by time
        if ev["price"] <= 0:
            return Q_PRICE
        return Q_QTY if ev["qty"] < 0 else Q_OK
    if _stale_nb(q.rows, inst, params.stale_ns, ev):
        return Q_STALE
    if kind == c.EV_TRADE:
        return _trade_nb(q, params, inst, ev)
    if kind == c.EV_BOOK_TICKER:
        if ev["price"] <= 0 or ev["x"] <= 0:
            return Q_PRICE
        if ev["qty"] < 0 or ev["y"] < 0:
            return Q_QTY
        if _outlier_nb(q.levels, inst, _QUOTES, 0.5 * (float(ev["price"]) + float(ev["x"])), params, 1.0):
            return Q_OUTLIER
    return Q_OK


@kernel
def check_nb(q: QualityState, params: QualityParams, inst: int, ev: Array) -> int:
    """The verdict Q_* on one event (a record of EVENT_DTYPE), counted under the instrument.

    Kinds that are not market data are accepted. A refused head of a diff or snapshot leaves its
    levels without a frame; the book then reports a gap by itself.
    """
    code = _verdict_nb(q, params, inst, ev)
    q.counts[inst, code] += 1
    return code


@kernel
def settle_nb(q: QualityState, inst: int, kind: int, price: float) -> None:
    """Take `price` as the level of the trades or tickers of `inst`: a second source has confirmed it."""
    stream = _TRADES if kind == c.EV_TRADE else _QUOTES
    q.levels[inst, stream, 0] = price
    q.levels[inst, stream, 3] = 0.0


@kernel
def check_batch_nb(q: QualityState, params: QualityParams, events: Array, codes: Array) -> int:
    """Verdicts on a batch into codes (u1, same length); the number of refusals."""
    refused = 0
    for k in range(events.shape[0]):
        code = check_nb(q, params, int(np.int64(events[k].instrument)), events[k])
        codes[k] = code
        if code != Q_OK:
            refused += 1
    return refused
