"""`bot4 report`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bot4.model.errors import StorageError
from bot4.research.gather import read_record
from bot4.research.metrics import summary_metrics
from bot4.research.report import render


def report(*, journal: Path, out: Path, as_json: bool) -> dict[str, Any] | None:
    """Write the page; it appears under its name only when it is whole."""
    record = read_record(journal)
    page = render(record)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=out.parent, prefix=f".{out.name}.", delete=False
        ) as file:
            file.write(page)
        Path(file.name).replace(out)
    except OSError as error:
        raise StorageError(
            f"report {out}: {error.strerror or error}; name a writable file with --out"
        ) from error
    if as_json:
        return {"report": str(out), "bytes": len(page.encode()), **summary_metrics(record)}
    print(out)
    return None
