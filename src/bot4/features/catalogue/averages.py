"""Declarations of moving averages."""

from typing import Final

from bot4.features.catalogue.averages_nb import ema_step_nb
from bot4.features.declare import INF, Declaration, Output, Param

_PRICE: Final = (Output("", "price", 0.0, INF),)

FEATURES: Final = (
    Declaration(
        "ema",
        "trend",
        ema_step_nb,
        "exponential average of the close, alpha 2 / (n + 1), seeded by the mean of the first n",
        "TA-Lib EMA",
        state=lambda p: 2,
        warmup=lambda p: int(p[0]),
        params=(Param("n", 20),),
        outputs=_PRICE,
        oracle="TA-Lib EMA",
    ),
)
