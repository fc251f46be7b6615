"""`bot4 report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.model.errors import StorageError
from bot4.research.gather import read_record
from bot4.research.metrics import summary_metrics
from bot4.research.report import render
from bot4.storage.files import write_atomic


def report(*, journal: Path, out: Path, as_json: bool) -> dict[str, Any] | None:
    """Write the page; it appears under its name only when it is whole."""
    record = read_record(journal)
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
