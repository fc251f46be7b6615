"""Names of the checks in the order in which `verdicts_nb` writes them; the first refusal wins at the gate."""

from typing import Final

from bot4.risk.checks_nb import N_CHECKS

CHECK_NAMES: Final = (
    "order_size",
    "position_limit",
    "asset_limit",
    "heat",
    "open_risk",
    "drawdown",
    "daily_loss",
    "leverage",
    "spot_short",
    "funds",
)

__all__ = ["CHECK_NAMES", "N_CHECKS"]
