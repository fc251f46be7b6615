"""The FrameParser port: raw frames of a venue into event records.

The parser lives in `market`, the sockets in `venues`, and neither knows the other: whoever wires an
adapter hands it a `FrameParsers`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from bot4.model.instrument import Instrument


class FrameParser(Protocol):
    """Parses the frames of one instrument on one connection; keeps the connection's last venue time."""

    def parse(self, lines: bytes) -> np.ndarray[Any, Any]:
        """EVENT_DTYPE rows of whole lines `RECEIVED_NS SPACE JSON NEWLINE`, a copy the caller may keep.

        Frames that cannot be read give no rows and add to `rejected`.
        """

    @property
    def rejected(self) -> int:
        """Frames that could not be read so far."""


class FrameParsers(Protocol):
    """Makes parsers."""

    def parser(self, venue_symbol: str, index: int, instrument: Instrument) -> FrameParser:
        """A parser of `venue_symbol` (BTCUSDT) whose rows carry `index` and the grid of `instrument`."""
