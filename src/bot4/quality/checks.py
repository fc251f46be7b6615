"""Making the state of the checks, and their words."""

import numpy as np

from bot4.kernels.records import records
from bot4.quality import checks_nb as q

QUALITY_DTYPE = np.dtype(
    [
        ("venue_max", "<i8"),  # newest venue time
        ("moved_at", "<i8"),  # receive time at which it moved last
        ("back_run", "<i8"),  # events in a row with a venue time far behind it
        ("trade_id", "<i8"),
        ("order_run", "<i8"),  # trades in a row with a lower id
        ("bar_at", "<i8"),  # open time of the last bar
    ]
)

NAMES = {
    q.Q_OK: "ok",
    q.Q_STALE: "stale",
    q.Q_PRICE: "bad_price",
    q.Q_QTY: "bad_quantity",
    q.Q_OHLC: "inconsistent_bar",
    q.Q_DUPLICATE: "duplicate",
    q.Q_ORDER: "out_of_order",
    q.Q_OUTLIER: "outlier",
}
"""Words for the verdicts."""


def new_quality(n: int) -> q.QualityState:
    """Fresh checks of `n` instruments."""
    rows = records(n, QUALITY_DTYPE)
    for name in ("venue_max", "moved_at", "bar_at", "trade_id"):
        rows[name] = -(2**62)
    return q.QualityState(rows, np.zeros((n, 3, 4)), np.zeros((n, q.N_Q), np.int64))


def counts(state: q.QualityState, instrument: int) -> dict[str, int]:
    """Refusals of one instrument by reason, without those that never happened."""
    row = state.counts[instrument]
    return {NAMES[code]: int(row[code]) for code in range(1, q.N_Q) if row[code]}
