"""A data set as the stream of market events that an engine folds.

Funding that a perpetual's data lacks is put in here, openly: every funding time without a recorded
rate within half an hour gets a substitute (seq = -1) that the position pays whatever its side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_BAR, EV_FUNDING, EV_TRADE
from bot4.model.events import EVENT_DTYPE
from bot4.storage.lake import Dataset

HALF_HOUR = 1800 * 10**9
CHUNK = 262_144


def funding_times(start: int, end: int, period: int) -> np.ndarray[Any, Any]:
    """Funding instants in (start, end], multiples of `period` since midnight UTC 1970."""
    first = start // period + 1
    return np.arange(first, end // period + 1, dtype=np.int64) * period


def missing_funding(known: np.ndarray[Any, Any], start: int, end: int, period: int) -> np.ndarray[Any, Any]:
    """The funding instants in (start, end] that none of the recorded ones (`known`, sorted) covers."""
    due = funding_times(start, end, period)
    if len(known) == 0:
        return due
    place = np.searchsorted(known, due)
    before = np.abs(due - known[np.clip(place - 1, 0, len(known) - 1)])
    after = np.abs(known[np.clip(place, 0, len(known) - 1)] - due)
    uncovered: np.ndarray[Any, Any] = due[np.minimum(before, after) > HALF_HOUR]
    return uncovered


@dataclass
class Feed:
    """Chunks of a data set in local order, with funding substitutes; `warnings` tells of them."""

    dataset: Dataset
    period: int
    substitute_e8: int
    start: int | None = None
    end: int | None = None
    substituted: int = 0

    @property
    def warnings(self) -> list[str]:
        """What was put in that the data set does not hold."""
        if not self.substituted:
            return []
        return [
            f"funding data is missing for {self.substituted} funding times; a substitute of "
            f"{self.substitute_e8 / 1e4:g} bp was charged to any position held then, whatever its side"
        ]

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        perps = [k for k, i in enumerate(self.dataset.instruments) if i.kind == "perp"]
        last = dict.fromkeys(perps, None)
        # of the whole data set: a rate may stand in another chunk than the instant that it covers
        known = {k: np.sort(self.dataset.venue_times(k, "funding")) for k in perps}
        for chunk in self.dataset.iter_events(CHUNK, self.start, self.end):
            yield self._with_funding(chunk, known, last) if perps else chunk

    def _with_funding(
        self, chunk: np.ndarray[Any, Any], known: dict[int, np.ndarray[Any, Any]], last: dict[int, Any]
    ) -> np.ndarray[Any, Any]:
        extra = []
        for inst, recorded in known.items():
            mine = chunk[chunk["instrument"] == inst]
            if len(mine) == 0:
                continue
            begin = mine["ts_local"][0] if last[inst] is None else last[inst]
            last[inst] = mine["ts_local"][-1]
            due = missing_funding(recorded, int(begin), int(last[inst]), self.period)
            self.substituted += len(due)
            rows = np.zeros(len(due), EVENT_DTYPE)
            rows["kind"] = EV_FUNDING
            rows["instrument"] = inst
            rows["ts_venue"] = rows["ts_local"] = due
            rows["x"] = self.substitute_e8
            rows["seq"] = -1
            extra.append(rows)
        if not any(len(rows) for rows in extra):
            return chunk
        joined = np.concatenate([chunk, *extra])
        return joined[np.argsort(joined["ts_local"], kind="stable")]


def first_look(dataset: Dataset) -> tuple[int, int, bool]:
    """First and last local time, and whether the data holds bars; one pass over the data."""
    first = last = None
    bars = False
    for chunk in dataset.iter_events(CHUNK):
        if first is None:
            first = int(chunk["ts_local"][0])
            kinds = set(np.unique(chunk["kind"]).tolist())
            bars = EV_BAR in kinds and EV_TRADE not in kinds
        last = int(chunk["ts_local"][-1])
    if first is None or last is None:
        return 0, 0, False
    return first, last, bars
