"""The engine's state: one NamedTuple of arrays, one group a stage.

Everything a decision depends on is in here (a snapshot is a copy of it, the state hash one pass
over it), except `Out`, which holds scratch space and what waits to be journalled.
"""

from typing import NamedTuple

import numpy as np

from bot4.execution.orders_nb import OrdersState
from bot4.features.book_nb import BookFeatures
from bot4.features.layout_nb import FeatureState
from bot4.ledger.ledger_nb import LedgerState
from bot4.market.bars_nb import BarState
from bot4.market.book_nb import BookState
from bot4.quality.checks_nb import QualityParams, QualityState
from bot4.risk.state_nb import RiskState
from bot4.safety.gate_nb import SafetyState
from bot4.signals.ml.trees_nb import TreeModel

# clock: places in Engine.clock (int64)
CK_NOW = 0  # engine time, ns
CK_POS = 1  # events folded
CK_MARKET = 2  # market events among them
CK_TIMER = 3  # next timer, ns
CK_EQUITY = 4  # next equity sample, ns
CK_DECISIONS = 5
CK_HASH = 6  # fingerprint of all decisions
CK_ORDERS = 7  # orders and cancels handed to the venue
CK_FILLS = 8
CK_QUOTE = 9  # next quoting instant, ns
CK_QUARANTINED = 10
CK_FUNDINGS = 11
CK_ANOMALIES = 12
CK_SUBSTITUTED = 13  # funding payments charged from a conservative substitute
CK_STALE = 14  # decisions refused because data was stale or the book invalid
N_CLOCK = 16

# counters in Out.n (int64)
N_INTENTS = 0
N_ORDERS = 1
N_DECISIONS = 2
N_EQUITY = 3
N_BARS_DUE = 4  # instruments whose bar just closed
N_WAKE = 5  # instruments whose bar a cold strategy must see
N_RECORDED = 6  # inputs recorded
N_LAST_REASON = 7
N_LAST_ORDER = 8
N_OUT = 16

# fused row of an instrument (float64)
FU_S_TA = 0
FU_C_TA = 1
FU_S_ML = 2
FU_C_ML = 3
FU_SCORE = 4
FU_P_ML = 5
N_FUSED = 6

# strategies
S_HYBRID = 0
S_TREND_CROSS = 1
S_QUOTER = 2
S_COMPILED = 3  # a user's compiled function
S_COLD = 4  # a user's Python class, called at bar close

# context row given to a compiled strategy (float64)
X_CLOSE = 0
X_POSITION = 1  # base currency, signed
X_BARS_HELD = 2
X_EQUITY = 3
X_TIME = 4  # seconds since 1970, UTC
N_CONTEXT = 8
N_MEMORY = 64


class Out(NamedTuple):
    """Scratch space and rings that the driver empties."""

    n: np.ndarray
    intents: np.ndarray  # INTENT_DTYPE
    orders: np.ndarray  # ORDER_DTYPE: approved orders and cancels
    decisions: np.ndarray  # DECISION_DTYPE
    equity: np.ndarray  # EQUITY_DTYPE
    recorded: np.ndarray  # INPUT_DTYPE: what was folded besides market data
    due: np.ndarray  # instruments whose bar closed, int64
    wake: np.ndarray  # instruments a cold strategy must see, int64
    verdicts: np.ndarray  # int64
    ints: np.ndarray  # int64 scratch
    floats: np.ndarray  # float64 scratch
    levels: np.ndarray  # (4, 5) int64: bid prices, bid quantities, ask prices, ask quantities


class Engine(NamedTuple):
    """All state of the hot plane."""

    clock: np.ndarray
    params: np.ndarray  # PARAMS_DTYPE, one row
    spec: np.ndarray  # INSTRUMENT_DTYPE
    inst: np.ndarray  # INST_DTYPE
    book: BookState
    bars: BarState
    quality: QualityState
    limits: QualityParams
    features: FeatureState
    book_features: BookFeatures
    mask: np.ndarray  # uint8, feature groups in use
    votes: np.ndarray  # (instruments, votes, 2) float64
    weights: np.ndarray  # (votes,) float64
    model: TreeModel
    fused: np.ndarray  # (instruments, N_FUSED) float64
    explain: np.ndarray  # (instruments, N_EXPLAIN) float64
    context: np.ndarray  # (instruments, N_CONTEXT) float64
    memory: np.ndarray  # (instruments, N_MEMORY) float64, a compiled strategy's own
    ledger: LedgerState
    risk: RiskState
    safety: SafetyState
    orders: OrdersState
    out: Out
