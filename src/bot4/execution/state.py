"""The state of execution: record types and the factory."""

from __future__ import annotations

import numpy as np

from bot4.execution.orders_nb import MAX_LEGS, N_ANOMALIES, N_COUNTS, N_META, N_SEEN, OrdersState
from bot4.model.errors import ConfigError
from bot4.model.events import ORDER_DTYPE

BRACKET_DTYPE = np.dtype(
    [
        ("stop_id", "<i8"),  # newest live protective stop, 0: none
        ("target_id", "<i8"),
        ("entry_id", "<i8"),  # newest live entry, 0: none
        ("stop_price", "<i8"),  # the plan, ticks; written by whoever plans, 0: none
        ("target_price", "<i8"),
        ("qty", "<i8"),  # lots of the last entry approved
        ("spare", "<i8"),
    ]
)
"""One row an instrument. The ids are kept by `orders_nb`; the two prices are the caller's plan."""


def new_orders(n_instruments: int, cap: int = 1024) -> OrdersState:
    """An empty order table for `n_instruments`; `cap` rows, a power of two, else ConfigError."""
    if n_instruments < 1:
        raise ConfigError(f"orders: need at least one instrument, got {n_instruments}")
    if cap < 2 or cap & (cap - 1):
        raise ConfigError(f"orders: capacity must be a power of two, got {cap}")
    return OrdersState(
        table=np.zeros(cap, ORDER_DTYPE),
        counts=np.zeros((n_instruments, N_COUNTS), np.int64),
        legs=np.zeros((n_instruments, 2 * MAX_LEGS), np.int64),
        brackets=np.zeros(n_instruments, BRACKET_DTYPE),
        seen_id=np.zeros(N_SEEN, np.int64),
        seen_seq=np.full(N_SEEN, -1, np.int64),
        meta=np.zeros(N_META, np.int64),
        anomalies=np.zeros(N_ANOMALIES, np.int64),
    )
