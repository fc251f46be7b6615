"""`bot4 replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.model.errors import JournalError
from bot4.research.closes import RESULT, is_delayed
from bot4.research.replay import compare


class ReplayDiffers(JournalError):
    """The replay did not come out the same."""


def replay(*, journal: Path, verify: bool, data: Path | None, as_json: bool) -> dict[str, Any] | None:
    """Fold again; compare when asked."""
    refold = bootstrap.refold_of(journal, data)
    with bootstrap.progress(as_json) as bar:
        session, collector = refold.run(progress=bar)
    document = compare(refold, session, collector) if verify else session.results()
    if is_delayed(refold.meta):
        document = {name: value for name, value in document.items() if name not in RESULT}
    if verify and not document["identical"]:
        error = ReplayDiffers("the replay differs: " + "; ".join(document["differences"]))
        error.document = document
        raise error
    if as_json:
        return document
    rows = [(key, str(value)) for key, value in document.items() if key not in ("differences", "refused")]
    bootstrap.shown(document, rows)
    return None
