"""A whole data set checked: files, sequence, books, quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bot4.engine.audit_nb import Audit, audit_nb
from bot4.market.book import new_book
from bot4.model.codes_nb import EV_BAR
from bot4.quality.checks import counts, new_quality
from bot4.quality.checks_nb import QualityParams
from bot4.storage.lake import Dataset

NEVER = 2**62


def check_dataset(
    dataset: Dataset, progress: Callable[[float, float, str], None] | None = None
) -> dict[str, Any]:
    """Verify the files, then fold every event as a run would; what was found, by instrument."""
    damaged = dataset.verify()
    n = len(dataset.instruments)
    bars_only = all(s.kind != "frames" for s in dataset.sources)
    audit = Audit(
        new_book(n),
        new_quality(n),
        QualityParams(stale_ns=NEVER if bars_only else 5 * 10**9),
        np.zeros(4, np.int64),
    )
    events = bars = 0
    if not damaged:
        for chunk in dataset.iter_events():
            audit_nb(audit, chunk)
            events += len(chunk)
            bars += int((chunk["kind"] == EV_BAR).sum())
            if progress is not None:
                progress(events, dataset.rows, "checking")
    found = [
        {
            "instrument": item.symbol,
            "venue": item.venue,
            "book_valid": bool(audit.book.top[k]["valid"]),
            "gaps": int(audit.book.top[k]["gaps"]),
            "crossed": int(audit.book.top[k]["crossed"]),
            "stale_diffs": int(audit.book.top[k]["stale_diffs"]),
            "quarantined": counts(audit.quality, k),
        }
        for k, item in enumerate(dataset.instruments)
    ]
    return {
        "ok": not damaged,
        "damaged": damaged,
        "events": events,
        "bars": bars,
        "trades": int(audit.sums[0]),
        "instruments": found,
        "warnings": dataset.warnings,
    }
