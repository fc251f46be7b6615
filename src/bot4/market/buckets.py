"""Fresh state of time buckets."""

import numpy as np

from bot4.market.buckets_nb import BUCKET_DTYPE, CLOCK_DTYPE, OPEN, Buckets


def new_buckets(size_ns: int, grace_ns: int = 2_000_000_000) -> Buckets:
    """Buckets of `size_ns` that stay open for `grace_ns` of event time after their end.

    ValueError for a size below 1, a negative grace, or one of more than 62 sizes.
    """
    if size_ns < 1 or grace_ns < 0 or grace_ns > (OPEN - 2) * size_ns:
        raise ValueError(f"size {size_ns} ns, grace {grace_ns} ns: grace lies within 0 and {OPEN - 2} sizes")
    b = Buckets(np.zeros(1, CLOCK_DTYPE), np.zeros(OPEN, BUCKET_DTYPE))
    b.clock["size"] = size_ns
    b.clock["grace"] = grace_ns
    return b
