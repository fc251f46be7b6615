"""The tape of one market: public trades and the candles they make."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from bot4.venues.simulator.words import Print

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
PRINTS = 10_000
SECONDS = 7_200
MINUTES = 50_000


@dataclass(frozen=True, slots=True)
class Kline:
    """A candle: prices in ticks, volume in lots, `quote` in quote currency, times in ns, close inclusive."""

    open_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    close_ns: int
    quote: Decimal
    trades: int


class _Bars:
    """Candles of one length as lists [start, open, high, low, close, lots, ticks x lots, trades]."""

    def __init__(self, length: int, keep: int) -> None:
        self.length = length
        self.rows: deque[list[int]] = deque(maxlen=keep)

    def add(self, ts: int, price: int, qty: int) -> None:
        start = ts - ts % self.length
        if not self.rows or self.rows[-1][0] < start:
            self.rows.append([start, price, price, price, price, qty, price * qty, 1])
            return
        bar = self.rows[-1]
        if price > bar[2]:
            bar[2] = price
        elif price < bar[3]:
            bar[3] = price
        bar[4] = price
        bar[5] += qty
        bar[6] += price * qty
        bar[7] += 1


class Tape:
    """The last trades, and candles of seconds and minutes; candles exist only where there were trades."""

    def __init__(self) -> None:
        self.prints: deque[Print] = deque(maxlen=PRINTS)
        self._seconds = _Bars(SECOND, SECONDS)
        self._minutes = _Bars(MINUTE, MINUTES)

    def add(self, trade: Print) -> None:
        """Append a trade; trades come in time order."""
        self.prints.append(trade)
        self._seconds.add(trade.ts, trade.price, trade.qty)
        self._minutes.add(trade.ts, trade.price, trade.qty)

    def klines(self, interval_ns: int, limit: int, unit: Decimal) -> list[Kline]:
        """The last `limit` candles, oldest first. The interval is whole seconds below a minute, else minutes.

        `unit` is the value of one tick times one lot.
        """
        bars = self._minutes if interval_ns % MINUTE == 0 else self._seconds
        if interval_ns <= 0 or interval_ns % bars.length:
            raise ValueError(f"candle interval {interval_ns} ns: must be whole seconds or whole minutes")
        merged: list[list[int]] = []
        for row in reversed(bars.rows):
            start = row[0] - row[0] % interval_ns
            if not merged or merged[-1][0] != start:
                if len(merged) == limit:
                    break
                merged.append([start, *row[1:]])
                continue
            bar = merged[-1]
            bar[1] = row[1]
            bar[2] = max(bar[2], row[2])
            bar[3] = min(bar[3], row[3])
            bar[5] += row[5]
            bar[6] += row[6]
            bar[7] += row[7]
        return [
            Kline(s, o, h, lo, c, lots, s + interval_ns - 1, value * unit, n)
            for s, o, h, lo, c, lots, value, n in reversed(merged)
        ]
