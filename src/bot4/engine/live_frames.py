"""The FrameParser port over the compiled Binance parser: what live adapters are wired with."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.kernels.records import records
from bot4.market import binance_nb as b
from bot4.market import scan_nb as s
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import scaled

BYTES_A_ROW = 8


class BinanceFrames:
    """Frames of one instrument on one connection."""

    def __init__(self, venue_symbol: str, index: int, instrument: Instrument) -> None:
        self._ctx = b.new_parser(venue_symbol, index, scaled(instrument.tick), scaled(instrument.lot))
        self._ctx.work[b.G_AGG] = 1
        self._out = records(4096, EVENT_DTYPE)

    def parse(self, lines: bytes) -> np.ndarray[Any, Any]:
        """Rows of whole lines, as a copy."""
        room = len(lines) // BYTES_A_ROW + 1
        if len(self._out) < room:
            self._out = records(2 * room, EVENT_DTYPE)
        buf = np.frombuffer(lines, np.uint8)
        _, n = b.parse_frames_nb(self._ctx, buf, 0, len(buf), self._out, 0)
        made: np.ndarray[Any, Any] = self._out[:n].copy()
        return made

    @property
    def rejected(self) -> int:
        """Frames that could not be read so far."""
        return int(self._ctx.counts[s.P_FIRST_REJECT :].sum())


class BinanceParsers:
    """Makes `BinanceFrames`."""

    def parser(self, venue_symbol: str, index: int, instrument: Instrument) -> BinanceFrames:
        """A parser of one instrument."""
        return BinanceFrames(venue_symbol, index, instrument)
