"""Parts of the engine's record in the form in which the stages' kernels take them.

The engine is one record, because numba passes a record as a bare pointer; each array passed on
costs a counted reference, and a NamedTuple of seventy arrays is hundreds of words at every call.
"""

from typing import Any

from bot4.execution.orders_nb import OrdersState
from bot4.features.book_nb import BookFeatures
from bot4.features.layout_nb import FeatureState
from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import Ladder
from bot4.ledger.ledger_nb import LedgerState
from bot4.market.bars_nb import BarState
from bot4.market.book_nb import BookState
from bot4.quality.checks_nb import QualityParams, QualityState
from bot4.risk.state_nb import RiskState
from bot4.safety.gate_nb import SafetyState


@kernel
def tradable_nb(s: Any, inst: int) -> int:
    """Signed lots of the position; 0 when it is dust: on spot, worth less than the venue's least order."""
    qty = s["positions"][inst]["qty"]
    spec = s["spec"][inst]
    if spec["kind"] != 0 or qty == 0:
        return int(qty)
    worth = abs(qty) * s["inst"][inst]["mark"] * spec["money_mult"]
    return 0 if 0 < worth < spec["min_notional"] else int(qty)


@kernel
def book_of(s: Any) -> BookState:
    """The books."""
    return BookState(Ladder(s["sides"]), s["top"], s["pending"])


@kernel
def bars_of(s: Any) -> BarState:
    """The bars that are being built."""
    return BarState(s["bars_rule"], s["bars_current"], s["bars_closed"])


@kernel
def quality_of(s: Any) -> QualityState:
    """The checks' memory."""
    return QualityState(s["quality_rows"], s["quality_levels"], s["quality_counts"])


@kernel
def limits_of(s: Any) -> QualityParams:
    """The checks' limits."""
    p = s["params"][0]
    return QualityParams(p["quality_stale_ns"], p["quality_sigmas"], p["quality_jump"], p["quality_confirm"])


@kernel
def features_of(s: Any) -> FeatureState:
    """The bar features."""
    return FeatureState(s["features"], s["values"])


@kernel
def book_features_of(s: Any) -> BookFeatures:
    """The order-book features."""
    return BookFeatures(s["book_state"], s["book_values"])


@kernel
def ledger_of(s: Any) -> LedgerState:
    """The ledger."""
    return LedgerState(s["account"], s["positions"])


@kernel
def risk_of(s: Any) -> RiskState:
    """The state of risk."""
    return RiskState(s["risk_params"], s["risk_state"], s["risk_instr"], s["risk_ring"])


@kernel
def safety_of(s: Any) -> SafetyState:
    """Control, gate limits, refusals."""
    return SafetyState(s["control"], s["gate"], s["refusals"])


@kernel
def orders_of(s: Any) -> OrdersState:
    """All orders."""
    return OrdersState(
        s["table"],
        s["counts"],
        s["legs"],
        s["brackets"],
        s["seen_id"],
        s["seen_seq"],
        s["meta"],
        s["anomalies"],
    )
