"""Names of the checks behind the bits of `safety.failed_nb`; the same names stand in `bot4 show checks`."""

from __future__ import annotations

import math
from typing import Final

from bot4.risk.checks import CHECK_NAMES

GATE_NAMES: Final = (
    "kill_latch",
    "enabled",
    "mode",
    "reconciled",
    "private_stream",
    "words",
    "quantity",
    "numbers",
    "min_notional",
    "price_band",
    "spot_sale",
    "order_value",
    "open_orders",
    "order_rate",
    "reduce_only",
    "order_table",
)
BIT_NAMES: Final = (*GATE_NAMES, *CHECK_NAMES, "unknown_order", "breakers", "partial_kill", "liquidation")


def failed_names(mask: float) -> list[str]:
    """The checks that refused an order, from the explain record; none for an approved order or no order.

    No verdict of risk at all sets every bit behind the gate's: that is `risk_answers`.
    """
    if math.isnan(mask):
        return []
    bits = int(mask)
    found = [name for place, name in enumerate(BIT_NAMES) if bits >> place & 1]
    if bits >> len(BIT_NAMES):
        return [*(name for name in found if name in GATE_NAMES), "risk_answers"]
    return found
