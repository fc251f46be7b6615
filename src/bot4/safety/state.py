"""The state of safety: record types and the factory."""

from __future__ import annotations

from typing import Any

import numpy as np

from bot4.model.codes_nb import N_REASONS
from bot4.model.errors import ConfigError
from bot4.safety.gate_nb import SafetyState

CONTROL_DTYPE = np.dtype(
    [
        ("enabled", "<i8"),  # 0: trading is Disabled (the start)
        ("killed", "<i8"),  # the kill latch; never falls
        ("mode", "<i8"),  # MODE_*
        ("kill_reason", "<i8"),
        ("mode_reason", "<i8"),
        ("mode_since", "<i8"),  # ns
        ("kill_ts", "<i8"),  # ns
        ("next_order_id", "<i8"),
        ("approved", "<i8"),
        ("refused", "<i8"),
        ("window_start", "<i8"),  # ns
        ("window_count", "<i8"),  # new-risk orders approved in this window
        ("release", "<i8"),  # ns of the last authorised release from Emergency
        ("reconciled", "<i8"),  # 1: the ledger agrees with the venue
        ("private_down", "<i8"),  # not 0: answers of the venue do not come by themselves
    ]
)
"""One row: what the gate and the modes remember."""

GATE_PARAMS_DTYPE = np.dtype(
    [
        ("max_order_money", "<i8"),  # money units
        ("max_open_orders", "<i8"),
        ("max_orders_window", "<i8"),  # new-risk orders in one window
        ("window_ns", "<i8"),
        ("band_e4", "<i8"),  # price band around the reference, 1e-4
        ("cooldown_ns", "<i8"),  # before severity may fall
    ]
)
"""One row: the limits of the gate. Zero is closed, not unlimited."""

HALT_DTYPE = np.dtype([("on", "<i8"), ("reason", "<i8"), ("ts", "<i8")])
"""A partial kill: whether it is raised, why (R_*), since when (ns)."""

COOLDOWN_NS = 300 * 10**9


def gate_params(
    max_order_money: int,
    max_open_orders: int = 64,
    max_orders_window: int = 100,
    window_ns: int = 10 * 10**9,
    band_e4: int = 500,
    cooldown_ns: int = COOLDOWN_NS,
) -> np.ndarray[Any, Any]:
    """One row of GATE_PARAMS_DTYPE."""
    row = np.zeros(1, GATE_PARAMS_DTYPE)
    row[0] = (max_order_money, max_open_orders, max_orders_window, window_ns, band_e4, cooldown_ns)
    return row


def new_halts(instruments: int) -> np.ndarray[Any, Any]:
    """No partial kill: a row of HALT_DTYPE for each instrument, then the strategy's and the venue's."""
    return np.zeros(instruments + 2, HALT_DTYPE)


def new_safety(params: np.ndarray[Any, Any]) -> SafetyState:
    """Safety at start: Disabled, not reconciled, Normal, no kill, first order id 1.

    `params` is one row of GATE_PARAMS_DTYPE (copied); ConfigError unless every limit is positive.
    """
    own = np.zeros(1, GATE_PARAMS_DTYPE)
    own[:] = np.atleast_1d(params)[:1]
    for name in GATE_PARAMS_DTYPE.names or ():
        if own[0][name] <= 0:
            raise ConfigError(f"gate: {name} must be positive, got {own[0][name]}")
    control = np.zeros(1, CONTROL_DTYPE)
    control["next_order_id"] = 1
    return SafetyState(control, own, np.zeros(N_REASONS, np.int64))
