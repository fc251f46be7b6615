"""Merging event streams by receive time in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Rows = np.ndarray[Any, Any]


@dataclass(slots=True)
class Stream:
    """Arrays whose ts_local never decreases. `order` breaks ties, `first` is a lower bound."""

    order: int
    first: int
    arrays: Iterator[Rows]
    held: Rows | None = None

    def refill(self) -> bool:
        """Have rows at hand; False at the end."""
        if self.held is None or not len(self.held):
            self.held = next(self.arrays, None)
        return self.held is not None

    def take(self, limit: int, side: str) -> Rows:
        """Cut off the rows before `limit` (side 'left') or up to it ('right')."""
        assert self.held is not None
        n = int(np.searchsorted(self.held["ts_local"], limit, side=side))  # type: ignore[call-overload]
        rows, self.held = self.held[:n], self.held[n:]
        return rows


def _pieces(streams: list[Stream]) -> Iterator[Rows]:
    """Runs of merged rows, of whatever length."""
    waiting = sorted(streams, key=lambda s: (s.first, s.order))
    active: list[Stream] = []
    while True:
        active = [s for s in active if s.refill()]
        if not active and not waiting:
            return
        limit = min((int(s.held["ts_local"][-1]) for s in active if s.held is not None), default=None)
        if waiting and (limit is None or waiting[0].first <= limit):
            active.append(waiting.pop(0))
            active.sort(key=lambda s: s.order)
            continue
        if limit is None:
            return
        # The first stream whose rows end at the limit gives all; later ones must not overtake what
        # it may still hold for the same instant.
        taken: list[Rows] = []
        side = "right"
        for stream in active:
            assert stream.held is not None
            ends_here = int(stream.held["ts_local"][-1]) == limit
            rows = stream.take(limit, side)
            if len(rows):
                taken.append(rows)
            if ends_here:
                side = "left"
        if len(taken) == 1:
            yield taken[0]
        elif taken:
            rows = np.concatenate(taken)
            yield rows[np.argsort(rows["ts_local"], kind="stable")]


def merge_streams(streams: list[Stream], chunk_rows: int) -> Iterator[Rows]:
    """The streams merged by ts_local (ties by `order`), in arrays of at most `chunk_rows`.

    Every array but the last has exactly `chunk_rows` rows. Where one stream is alone its rows are
    passed on without a copy.
    """
    held: list[Rows] = []
    count = 0
    for piece in _pieces(streams):
        rest = piece
        while count + len(rest) >= chunk_rows:
            cut = chunk_rows - count
            held.append(rest[:cut])
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, count, rest = [], 0, rest[cut:]
        if len(rest):
            held.append(rest)
            count += len(rest)
    if held:
        yield held[0] if len(held) == 1 else np.concatenate(held)
