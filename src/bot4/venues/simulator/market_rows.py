"""What the exchange tells of its markets as rows of EVENT_DTYPE, for one reader."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.venues.simulator.words import DepthDiff, Mark, Print, Quote, Told

Levels = Sequence[tuple[int, int]]
Row = tuple[int, int, int, int, int, int, int, int, int, int, int, int]


class MarketRows:
    """Rows that wait for their reader. Instrument numbers are places in `symbols`."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self._index = {symbol: k for k, symbol in enumerate(symbols)}
        self._rows: list[Row] = []
        self._woken = asyncio.Event()
        self._due: dict[str, tuple[int, int]] = {}  # funding: when, at which rate
        self._last = 0

    async def rows(self) -> np.ndarray[Any, Any]:
        """What came since the last call, at least one row."""
        await self._woken.wait()
        self._woken.clear()
        made = np.array(self._rows, EVENT_DTYPE)
        self._rows.clear()
        return made

    def _add(
        self, head: tuple[int, int, int, int], kind: int, flags: int, rest: tuple[int, int, int]
    ) -> None:
        """One row: (index, ts, price, qty), kind, flags, (x, y, seq)."""
        index, ts, price, qty = head
        self._last = max(self._last, ts)  # local order never goes back
        x, y, seq = rest
        self._rows.append((ts, self._last, price, qty, x, y, seq, index, 0, kind, flags, 0))
        self._woken.set()

    def _levels(self, index: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        levels = [(p, q, c.FLAG_BID) for p, q in bids] + [(p, q, 0) for p, q in asks]
        for k, (price, qty, flag) in enumerate(levels):
            last = c.FLAG_LAST if k == len(levels) - 1 else 0
            self._add((index, ts, price, qty), c.EV_DEPTH, flag | last, (0, 0, seq))

    def snapshot(self, symbol: str, ts: int, depth: tuple[int, Levels, Levels]) -> None:
        """A whole book."""
        seq, bids, asks = depth
        index = self._index[symbol]
        empty = c.FLAG_LAST if not bids and not asks else 0
        self._add((index, ts, 0, 0), c.EV_SNAPSHOT_HEAD, empty, (0, 0, seq))
        self._levels(index, ts, seq, bids, asks)

    def hear(self, told: Told) -> None:
        """Take in what the exchange tells, if it is of these markets."""
        if isinstance(told, DepthDiff | Quote | Print | Mark) and told.symbol in self._index:
            index = self._index[told.symbol]
            if isinstance(told, DepthDiff):
                empty = c.FLAG_LAST if not told.bids and not told.asks else 0
                ids = (told.first, told.previous, told.last)
                self._add((index, told.ts, 0, 0), c.EV_DEPTH_HEAD, empty, ids)
                self._levels(index, told.ts, told.last, told.bids, told.asks)
            elif isinstance(told, Quote):
                if told.bid and told.ask:
                    best = (told.ask, told.ask_qty, told.update_id)
                    self._add((index, told.ts, told.bid, told.bid_qty), c.EV_BOOK_TICKER, 0, best)
            elif isinstance(told, Print):
                flag = c.FLAG_BUYER_MAKER if told.buyer_maker else 0
                self._add((index, told.ts, told.price, told.qty), c.EV_TRADE, flag, (0, 0, told.id))
            else:
                self._mark(index, told)

    def _mark(self, index: int, told: Mark) -> None:
        """Funding falls due when its next instant moves on, at the rate that stood before."""
        due, rate = self._due.get(told.symbol, (told.next_ns, told.rate_e8))
        if told.next_ns > due:
            self._add((index, due, 0, 0), c.EV_FUNDING, 0, (rate, 0, 0))
        self._due[told.symbol] = (told.next_ns, told.rate_e8)
