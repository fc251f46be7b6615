"""Declarations of pivots, market structure and levels."""

from typing import Final

from bot4.features.declare import Declaration, Output, Param
from bot4.features.pivots_nb import ATR, ZIGZAG, fractal_step_nb, zigzag_step_nb
from bot4.features.structure_nb import LEVELS_STATE, STRUCTURE_STATE, levels_step_nb, structure_step_nb

ATR_PERIOD: Final = Param("atr", 14)
SWING: Final = Param("swing", 3, 0.25, 100, whole=False)
PERCENT: Final = Param("percent", 0, 0, 1000, whole=False)

FEATURES: Final = (
    Declaration(
        "zigzag",
        "swings",
        zigzag_step_nb,
        "last pivot confirmed by a reversal of `swing` average ranges, or of `percent` where that is above "
        "0; the price is NaN before the first pivot",
        "Merrill 1977; reversal symmetric in logarithms",
        state=lambda p: 1 + ATR + ZIGZAG,
        warmup=lambda p: int(p[0]),
        params=(ATR_PERIOD, SWING, PERCENT),
        outputs=(
            Output("price", "price", 0.0),
            Output("side", "flag", -1, 1),
            Output("age", "bars", 0),
            Output("confirmed", "flag", 0, 1),
            Output("leg", "flag", -1, 1),
        ),
        oracle="list of all pivots from whole columns",
        sparse=True,
    ),
    Declaration(
        "fractal_pivot",
        "swings",
        fractal_step_nb,
        "last high above, and low below, the n bars on both sides, known n bars later; NaN before the first",
        "Williams 1995",
        state=lambda p: 3 + 2 * (2 * int(p[0]) + 1),
        warmup=lambda p: 2 * int(p[0]) + 1,
        params=(Param("n", 2, 1, 32),),
        outputs=(
            Output("high", "price", 0.0),
            Output("low", "price", 0.0),
            Output("confirmed", "flag", -1, 2),
        ),
        oracle="comparison of whole windows",
        sparse=True,
    ),
    Declaration(
        "market_structure",
        "swings",
        structure_step_nb,
        "higher or lower swing highs and lows, and the bars at which a close breaks the last swing with or "
        "against the trend; prices are NaN before the first swing",
        "Dow; break of structure as by swing traders",
        state=lambda p: STRUCTURE_STATE,
        warmup=lambda p: int(p[0]),
        params=(ATR_PERIOD, SWING),
        outputs=(
            Output("trend", "flag", -1, 1),
            Output("high_step", "flag", -1, 1),
            Output("low_step", "flag", -1, 1),
            Output("break", "flag", -1, 1),
            Output("turn", "flag", -1, 1),
            Output("swing_high", "price", 0.0),
            Output("swing_low", "price", 0.0),
        ),
        oracle="list of all pivots from whole columns",
        sparse=True,
    ),
    Declaration(
        "levels",
        "swings",
        levels_step_nb,
        "nearest support and resistance: pivots within `merge` average ranges are one level, the 16 most "
        "touched and newest are kept; NaN where there is none on that side",
        "pivots merged by distance",
        state=lambda p: LEVELS_STATE,
        warmup=lambda p: int(p[0]),
        params=(ATR_PERIOD, SWING, Param("merge", 0.5, 0, 10, whole=False)),
        outputs=(
            Output("support", "price", 0.0),
            Output("support_touches", "1", 0),
            Output("resistance", "price", 0.0),
            Output("resistance_touches", "1", 0),
            Output("support_distance", "1", 0.0),
            Output("resistance_distance", "1", 0.0),
        ),
        oracle="list of levels from all pivots",
        sparse=True,
    ),
)
