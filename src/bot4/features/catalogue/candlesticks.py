"""Declaration of the candlestick rules."""

from typing import Final

from bot4.features.candle_facts_nb import CANDLE_STATE
from bot4.features.candles import DEPTHS, RULES
from bot4.features.candles_nb import candles_step_nb
from bot4.features.declare import Declaration, Output, Param

_NAMES: Final = (
    "morning_star", "evening_star", "morning_doji", "evening_doji",
    "abandoned_baby", "dark_cloud", "mat_hold",
)  # fmt: skip

FEATURES: Final = (
    Declaration(
        "candle",
        "candlesticks",
        candles_step_nb,
        "61 candlestick rules: 100 bullish, -100 bearish, 80 a weak form, 200 a confirmed hikkake, 0 none; "
        "the parameters say how deep the last bar must go into the first body; NaN until a rule's first bar",
        "TA-Lib CDL functions",
        state=lambda p: CANDLE_STATE,
        warmup=lambda p: 3,
        params=tuple(Param(n, d, 0, 10, whole=False) for n, d in zip(_NAMES, DEPTHS, strict=True)),
        outputs=tuple(Output(rule.name, "1", -200, 200) for rule in RULES),
        oracle="TA-Lib CDL functions",
        sparse=True,
    ),
)
