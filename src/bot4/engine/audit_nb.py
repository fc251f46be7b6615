"""What the decision step would see of recorded events: quality verdicts, then the book."""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market.book_nb import BookState, fold_book_nb
from bot4.model import codes_nb as c
from bot4.quality.checks_nb import QualityParams, QualityState, check_nb

Array = np.ndarray[Any, Any]


class Audit(NamedTuple):
    """State of an audit."""

    book: BookState
    quality: QualityState
    params: QualityParams
    sums: Array  # i8[4]: trades, their lots, bars, refused events


@kernel
def audit_nb(audit: Audit, events: Array) -> int:
    """Check every event, fold the accepted ones into the book; the number of refusals."""
    refused = 0
    for k in range(events.shape[0]):
        ev = events[k]
        if check_nb(audit.quality, audit.params, int(np.int64(ev["instrument"])), ev) != 0:
            refused += 1
            continue
        if ev["kind"] == c.EV_TRADE:
            audit.sums[0] += 1
            audit.sums[1] += ev["qty"]
        elif ev["kind"] == c.EV_BAR:
            audit.sums[2] += 1
        else:
            fold_book_nb(audit.book, ev)
    audit.sums[3] += refused
    return refused
