"""`bot4 report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bot4.model.errors import SafetyError, StorageError
from bot4.model.times import instant_text
from bot4.research.closes import is_delayed, last_close, next_figures, until
from bot4.research.gather import read_record
from bot4.research.metrics import summary_metrics
from bot4.research.report import render
from bot4.storage.files import write_atomic


def report(*, journal: Path, out: Path, as_json: bool) -> dict[str, Any] | None:
    """Write the page; it appears only when it is whole. Of a live run: as of the last close."""
    record = read_record(journal)
    if is_delayed(record.meta):
        now = time.time_ns()
        record = until(record, last_close(now))
        if not len(record.equity):
            raise SafetyError(
                "a live run is reported as of the last close (00:00 UTC); this one has seen none yet, its "
                f"first figures come at {instant_text(next_figures(now))}"
            )
    page = render(record)
    data = page.encode()
    try:
        write_atomic(out, data)
    except StorageError as error:
        raise StorageError(f"report: {error}; name a writable file with --out") from error
    if as_json:
        return {"report": str(out), "bytes": len(data), **summary_metrics(record)}
    print(out)
    return None
