"""Declaration of the chart patterns."""

from typing import Final

from bot4.features.catalogue.swings import ATR_PERIOD, SWING
from bot4.features.chart_patterns_nb import CHARTS_STATE, charts_step_nb
from bot4.features.declare import Declaration, Output, Param

FEATURES: Final = (
    Declaration(
        "chart",
        "patterns",
        charts_step_nb,
        "twenty chart patterns on confirmed pivots, told at the close beyond the line by `margin` average "
        "ranges; the target is the height from the line; prices are NaN before the first pattern",
        "Edwards and Magee 1948; Bulkowski 2005",
        state=lambda p: CHARTS_STATE,
        warmup=lambda p: int(p[0]),
        params=(ATR_PERIOD, SWING, Param("margin", 0.25, 0, 10, whole=False)),
        outputs=(
            Output("pattern", "1", 0, 20),
            Output("side", "flag", -1, 1),
            Output("last", "1", 0, 20),
            Output("last_side", "flag", -1, 1),
            Output("line", "price"),
            Output("target", "price"),
            Output("age", "bars", 0),
            Output("waiting_top", "1", 0, 20),
            Output("waiting_bottom", "1", 0, 20),
            Output("waiting_cup", "1", 0, 20),
            Output("waiting_inverse_cup", "1", 0, 20),
            Output("waiting_flag", "1", 0, 20),
            Output("waiting_lines", "1", 0, 20),
        ),
        oracle="shapes written out on the list of pivots",
        sparse=True,
    ),
)
