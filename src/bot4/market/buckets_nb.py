"""Buckets of time with a watermark: a trade that comes late still counts until its bucket is closed.

A bucket [k size, (k + 1) size) closes when an event at least `grace` after its end has been seen (event
time). Later trades of it are counted as late and left out. Empty spans give no bucket. Integers: ticks,
lots, ns.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import EV_TRADE, FLAG_BUYER_MAKER

OPEN: Final = 64
"""Buckets that may be open at once: grace must be below (OPEN - 1) sizes."""

BUCKET_DTYPE: Final = np.dtype(
    [(n, "<i8") for n in ("number", "open", "high", "low", "close", "volume", "buy_volume", "trades")]
    + [(n, "<i8") for n in ("first_ts", "last_ts")]
)
"""One bucket; trades == 0: none. Open and close follow event time, not arrival."""

CLOCK_DTYPE: Final = np.dtype([(n, "<i8") for n in ("size", "grace", "watermark", "next", "late", "started")])
"""Rule and progress: the newest event time, the lowest number that is not closed, trades left out."""


class Buckets(NamedTuple):
    """State of one stream, made by `market.buckets.new_buckets`."""

    clock: np.ndarray[Any, Any]  # CLOCK_DTYPE (1,)
    ring: np.ndarray[Any, Any]  # BUCKET_DTYPE (OPEN,), slot number % OPEN


@kernel
def _close_up_to_nb(b: Buckets, number: int, out: np.ndarray[Any, Any], count: int) -> int:
    """Move the buckets below `number` to `out` from `count` on; the new count."""
    clock = b.clock[0]
    first = clock["next"]
    if number - first > OPEN:
        last = first + OPEN
    else:
        last = number
    for k in range(first, last):
        slot = k % OPEN
        if b.ring[slot]["trades"] > 0 and b.ring[slot]["number"] == k:
            out[count] = b.ring[slot]
            b.ring[slot]["trades"] = 0
            count += 1
    clock["next"] = max(number, first)
    return count


@kernel
def fold_trade_nb(b: Buckets, ts: int, price: int, qty: int, buy: bool, out: np.ndarray[Any, Any]) -> int:
    """Fold a trade; the buckets that this closes go to `out` (BUCKET_DTYPE, OPEN rows): their number."""
    clock = b.clock[0]
    number = ts // clock["size"]
    count = 0
    if clock["started"] == 0:
        clock["started"] = 1
        clock["watermark"] = ts
        clock["next"] = (ts - clock["grace"]) // clock["size"]
    if ts > clock["watermark"]:
        clock["watermark"] = ts
        count = _close_up_to_nb(b, (ts - clock["grace"]) // clock["size"], out, 0)
    if number < clock["next"]:
        clock["late"] += 1
        return count
    s = b.ring[number % OPEN]
    if s["trades"] == 0:
        s["number"] = number
        s["open"] = price
        s["high"] = price
        s["low"] = price
        s["close"] = price
        s["volume"] = 0
        s["buy_volume"] = 0
        s["first_ts"] = ts
        s["last_ts"] = ts
    if ts < s["first_ts"]:
        s["first_ts"] = ts
        s["open"] = price
    if ts >= s["last_ts"]:
        s["last_ts"] = ts
        s["close"] = price
    s["high"] = max(s["high"], price)
    s["low"] = min(s["low"], price)
    s["volume"] += qty
    s["buy_volume"] += qty if buy else 0
    s["trades"] += 1
    return count


@kernel
def fold_trades_nb(b: Buckets, rows: np.ndarray[Any, Any], instrument: int, out: np.ndarray[Any, Any]) -> int:
    """Fold the trades of an instrument among `rows` (EVENT_DTYPE), by their venue time in order of arrival.

    The buckets that they close go to `out` (BUCKET_DTYPE, len(rows) + OPEN rows): their number.
    """
    count = 0
    for i in range(len(rows)):
        e = rows[i]
        if e["kind"] == EV_TRADE and e["instrument"] == instrument:
            buy = (int(e["flags"]) & FLAG_BUYER_MAKER) == 0
            count += fold_trade_nb(b, int(e["ts_venue"]), int(e["price"]), int(e["qty"]), buy, out[count:])
    return count


@kernel
def flush_nb(b: Buckets, out: np.ndarray[Any, Any]) -> int:
    """Close every open bucket (the stream has ended) into `out`: their number."""
    clock = b.clock[0]
    return _close_up_to_nb(b, clock["watermark"] // clock["size"] + 1, out, 0)
