"""Does a strategy see the future? Corrupt everything after T, and compare all decisions up to T.

The corrupted data set is written to disk, so that a strategy which reads the folder by itself
(for a minimum over the whole series, say) is found out as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.feed import first_look
from bot4.model.codes_nb import EV_BAR, EV_BOOK_TICKER
from bot4.model.events import DECISION_DTYPE
from bot4.model.times import instant_text
from bot4.research.backtest import Backtest, fold
from bot4.research.replay import Collector
from bot4.research.session import Progress
from bot4.storage.lake import Dataset
from bot4.storage.rewrite import rewrite

CUTS = (0.35, 0.65)
SPAN_EVENTS = 60_000


def corrupt_after(rows: np.ndarray[Any, Any], cut: int) -> np.ndarray[Any, Any]:
    """A copy in which every price known after `cut` is wrong: by half too high or too low, in turn."""
    rows = rows.copy()
    late = np.flatnonzero(rows["ts_local"] > cut)
    up = (np.arange(len(late)) // 7) % 2 == 0
    for name, kinds in (
        ("price", None),
        ("x", (EV_BAR, EV_BOOK_TICKER)),
        ("y", (EV_BAR,)),
        ("seq", (EV_BAR,)),
    ):
        which = late if kinds is None else late[np.isin(rows["kind"][late], kinds)]
        high = up if kinds is None else up[np.isin(rows["kind"][late], kinds)]
        rows[name][which] = np.where(high, rows[name][which] * 3 // 2, np.maximum(1, rows[name][which] // 2))
    return rows


def _decisions(task: Backtest, cut: int) -> np.ndarray[Any, Any]:
    """All decisions of `task` at or before `cut`."""
    settings: Mapping[str, Any] = {**task.settings, "journal.decisions": "all"}
    collector = Collector()
    session, feed, finish = replace(task, settings=settings).session(collector)
    fold(session, feed, finish, task.dataset.rows, None)
    rows = np.concatenate(collector.decisions) if collector.decisions else np.empty(0, DECISION_DTYPE)
    return rows[rows["ts"] <= cut]


def _compare(clean: np.ndarray[Any, Any], dirty: np.ndarray[Any, Any]) -> str | None:
    n = min(len(clean), len(dirty))
    for k in range(n):
        fields = [
            f
            for f in DECISION_DTYPE.names or ()
            if clean[k][f] != dirty[k][f] and not (clean[k][f] != clean[k][f] and dirty[k][f] != dirty[k][f])
        ]
        if fields:
            at = instant_text(int(clean[k]["ts"]))
            return f"decision {k} at {at}: {', '.join(fields)} changed with the future"
    if len(clean) != len(dirty):
        return f"{len(clean)} decisions became {len(dirty)} when only the future changed"
    return None


def verify_no_look_ahead(task: Backtest, scratch: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Run `task` on its data and on copies with a corrupted future; which decisions of the past changed.

    At each cut T some 60,000 events before it are folded, and a tenth as many after it.
    """
    first, last, _ = first_look(task.dataset)
    differences: list[str] = []
    compared = 0
    rate = max(1, (last - first) * SPAN_EVENTS // max(1, task.dataset.rows))
    for number, share in enumerate(CUTS):
        cut = first + int((last - first) * share)
        start, end = max(first, cut - rate), min(last, cut + rate // 10) + 1
        with tempfile.TemporaryDirectory(dir=scratch.parent, prefix=".verify-") as folder:
            rewrite(task.dataset, Path(folder) / "data", partial(corrupt_after, cut=cut))
            part = replace(task, start=start, end=end)
            other = replace(part, dataset=Dataset.open(Path(folder) / "data"))
            clean, dirty = _decisions(part, cut), _decisions(other, cut)
        compared += len(clean)
        difference = _compare(clean, dirty)
        if difference:
            differences.append(f"T = {instant_text(cut)}: {difference}")
        if progress is not None:
            progress(number + 1, len(CUTS), "looking for look-ahead")
    return {
        "clean": not differences,
        "cuts": len(CUTS),
        "decisions_compared": compared,
        "differences": differences,
    }
