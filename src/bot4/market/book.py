"""Making book states."""

import numpy as np

from bot4.kernels.ladder_nb import new_ladder
from bot4.kernels.records import records
from bot4.market.book_nb import BookState
from bot4.model.events import EVENT_DTYPE

TOP_DTYPE = np.dtype(
    [
        (name, "<i8")
        for name in (
            "bid",  # ticks of the L2 book; 0: none or unknown
            "bid_qty",  # lots
            "ask",
            "ask_qty",
            "valid",  # 1: the L2 book is whole
            "last_u",  # last id seen
            "ts_venue",
            "ts_local",
            "quote_bid",  # freshest of bookTicker and L2, by id
            "quote_bid_qty",
            "quote_ask",
            "quote_ask_qty",
            "quote_u",
            "gaps",  # times that ids were missing or a frame was cut
            "crossed",  # frames that left the book crossed or locked
            "stale_diffs",  # diffs and snapshots older than the book
            "dropped",  # levels without a frame, or that no longer fitted the pending buffer
            "frames",  # frames after which the book was valid
            "refused",  # crossed bookTickers
            "late_snapshots",  # snapshots older than the diffs that waited for one
            "fresh",  # 1: no diff since the snapshot
            "mode",
            "chain",  # last id of the pending diffs while a snapshot is being taken
            "pending",
        )
    ]
)
"""What is known of one book; prices in ticks, quantities in lots."""


def new_book(n: int, window: int = 131072, far: int = 32768, pending: int = 16384) -> BookState:
    """Empty, invalid books of `n` instruments; `pending` records may wait for a snapshot each."""
    return BookState(new_ladder(n, window, far), records(n, TOP_DTYPE), records((n, pending), EVENT_DTYPE))
