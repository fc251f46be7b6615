"""Time, tick and volume bars from trades.

An interval without a trade gives no bar: what is missing stays missing. Tick and volume bars as in
Lopez de Prado, "Advances in Financial Machine Learning", ch. 2.3 (a trade is never split).
"""

from typing import NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market.scan_nb import Array

BAR_TIME = 0
BAR_TICK = 1
BAR_VOLUME = 2

FIELDS = ("ts_open", "ts_close", "open", "high", "low", "close", "volume", "buy_volume", "trades")
BAR_DTYPE = np.dtype([(name, "<i8") for name in FIELDS])
RULE_DTYPE = np.dtype([(name, "<i8") for name in ("kind", "size", "late", "bars", "closed_at")])


class BarState(NamedTuple):
    """Bars of all instruments, made by `market.bars.new_bars`. Prices in ticks, volumes in lots, ns."""

    rule: Array  # kind (BAR_*), size (ns, trades or lots), late trades, bars closed, last close time
    current: Array  # the open bar; trades == 0: none
    closed: Array  # the bar closed last


@kernel
def _close_nb(rule: Array, current: Array, closed: Array, inst: int, ts_close: int) -> None:
    """The open bar becomes the closed one."""
    current[inst]["ts_close"] = ts_close
    closed[inst] = current[inst]
    current[inst]["trades"] = 0
    rule[inst]["closed_at"] = ts_close
    rule[inst]["bars"] += 1


@kernel
def _add_nb(current: Array, inst: int, ts_open: int, price: int, qty: int, buy_qty: int) -> None:
    """Fold a trade into the open bar, opening one if there is none."""
    bar = current[inst]
    if bar["trades"] == 0:
        bar["ts_open"] = ts_open
        bar["open"] = price
        bar["high"] = price
        bar["low"] = price
        bar["volume"] = 0
        bar["buy_volume"] = 0
    bar["high"] = max(bar["high"], price)
    bar["low"] = min(bar["low"], price)
    bar["close"] = price
    bar["volume"] += qty
    bar["buy_volume"] += buy_qty
    bar["trades"] += 1


@kernel
def bar_trade_nb(bars: BarState, inst: int, ts: int, price: int, qty: int, buyer_maker: bool) -> int:
    """Fold a trade: 1 when a bar closed by it (readable in `bars.closed[inst]`), else 0.

    A time bar [k x size, (k + 1) x size) closes at the first trade at or after its end; that trade
    opens the next. A tick or volume bar closes with the trade that fills it. A trade for a time
    that is already closed is counted in `rule.late` and not folded.
    """
    rule, current, closed = bars.rule, bars.current, bars.closed
    r = rule[inst]
    if ts < r["closed_at"]:
        r["late"] += 1
        return 0
    buy_qty = 0 if buyer_maker else qty
    if r["kind"] == BAR_TIME:
        start = ts - ts % r["size"]
        shut = 0
        if current[inst]["trades"] > 0:
            if start < current[inst]["ts_open"]:
                r["late"] += 1
                return 0
            if start > current[inst]["ts_open"]:
                _close_nb(rule, current, closed, inst, current[inst]["ts_open"] + r["size"])
                shut = 1
        _add_nb(current, inst, start, price, qty, buy_qty)
        return shut
    _add_nb(current, inst, ts, price, qty, buy_qty)
    filled = current[inst]["trades"] if r["kind"] == BAR_TICK else current[inst]["volume"]
    if filled >= r["size"]:
        _close_nb(rule, current, closed, inst, ts)
        return 1
    return 0


@kernel
def bar_clock_nb(bars: BarState, inst: int, now: int) -> int:
    """Close a time bar whose end is at or before `now`, without a trade: 1 when one closed."""
    rule, current = bars.rule, bars.current
    r = rule[inst]
    if r["kind"] != BAR_TIME or current[inst]["trades"] == 0:
        return 0
    end = current[inst]["ts_open"] + r["size"]
    if now < end:
        return 0
    _close_nb(rule, current, bars.closed, inst, end)
    return 1
