"""Markets that can be asked for everything up to an instant: synthetic, recorded, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from bot4.model.events import EVENT_DTYPE
from bot4.model.times import NS
from bot4.venues.simulator.generative import GenParams, new_generative
from bot4.venues.simulator.generative_book_nb import ROOM
from bot4.venues.simulator.generative_nb import generate_nb


class Source(Protocol):
    """A market that can be asked for everything up to an instant."""

    start_ns: int

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """Events not given before whose local time is at most `ts`, or a little later."""

    def finished(self) -> bool:
        """Whether there will be no more."""


class GenerativeSource:
    """The synthetic market."""

    def __init__(self, params: GenParams, seed: int, start_ns: int) -> None:
        self.start_ns = start_ns
        self._gen = new_generative(params, seed, start_ns)
        self._room = np.zeros(400_000, EVENT_DTYPE)

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """Everything up to `ts`, generated now."""
        parts = []
        while True:
            n = int(generate_nb(self._gen, ts, self._room, 0))
            parts.append(self._room[:n].copy())
            if n <= len(self._room) - ROOM:
                return np.concatenate(parts)

    def finished(self) -> bool:
        """The synthetic market never ends."""
        return False

    def chunks(self, limit: int) -> Iterator[np.ndarray[Any, Any]]:
        """The same market again from its start to `limit`, a minute at a time."""
        at = self.start_ns
        while at < limit:
            at = min(limit, at + 60 * NS["s"])
            yield self.until(at)


class RecordedSource:
    """Recorded chunks, handed out by time.

    An event is due as soon as it happens at the venue, which for a bar is its opening print: the
    simulated exchange must see it then, the engine when it is received.
    """

    def __init__(self, chunks: Iterator[np.ndarray[Any, Any]], start_ns: int) -> None:
        self.start_ns = start_ns
        self._chunks = chunks
        self._held = np.empty(0, EVENT_DTYPE)
        self._due = np.empty(0, np.int64)  # of each held event or of a later one, whichever is first
        self._next_due = -(2**63)  # of the chunk that was read last
        self._over = False
        self._asked = self._last = start_ns

    def _read(self) -> None:
        """Hold one chunk more."""
        chunk = next(self._chunks, None)
        if chunk is None:
            self._over = True
            return
        self._held = np.concatenate([self._held, chunk])
        due = np.minimum(self._held["ts_venue"], self._held["ts_local"])
        self._due = np.minimum.accumulate(due[::-1])[::-1]
        self._next_due = int(due[-len(chunk) :].min())

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """The recorded events that are due by `ts`, and those received before one of them."""
        while not self._over and self._next_due <= ts:
            self._read()
        n = int(np.searchsorted(self._due, ts, side="right"))
        given = self._held[:n].copy()
        self._held, self._due = self._held[n:], self._due[n:]
        self._asked = ts
        if n:
            self._last = int(given["ts_local"][-1])
        return given

    def finished(self) -> bool:
        """Whether the recording is used up, and its last event received."""
        return self._over and len(self._held) == 0 and self._asked >= self._last


class MergedSource:
    """Several markets in one stream: events of source number i become those of instrument i.

    The exchange sorts by venue time, so the parts are only put behind each other.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self.start_ns = max(source.start_ns for source in self._sources)

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """What each source has up to `ts`."""
        parts = []
        for number, source in enumerate(self._sources):
            part = source.until(ts).copy()
            part["instrument"] = number
            parts.append(part)
        return np.concatenate(parts)

    def finished(self) -> bool:
        """Whether all sources are used up."""
        return all(source.finished() for source in self._sources)
