"""Declaration of the harmonic patterns."""

from typing import Final

from bot4.features.catalogue.swings import ATR_PERIOD, SWING
from bot4.features.declare import Declaration, Output, Param
from bot4.features.harmonic_nb import HARMONIC_STATE, harmonic_step_nb

FEATURES: Final = (
    Declaration(
        "harmonic",
        "patterns",
        harmonic_step_nb,
        "fourteen harmonic patterns on confirmed pivots; `weight` is that of the four without a canonical "
        "source in the signal; prices are NaN while no setup lives",
        "Carney 2010; Oglesbee; Pesavento 1997",
        state=lambda p: HARMONIC_STATE,
        warmup=lambda p: int(p[0]),
        params=(
            ATR_PERIOD,
            SWING,
            Param("tolerance", 0.03, 0.001, 0.2, whole=False),
            Param("weight", 0, 0, 1, whole=False),
            Param("life", 200),
        ),
        outputs=(
            Output("pattern", "1", 0, 14),
            Output("side", "flag", -1, 1),
            Output("score", "ratio", 0, 1),
            Output("living", "1", 0, 8),
            Output("signal", "ratio", -1, 1),
            Output("confirmed", "flag", 0, 1),
            Output("fits", "1", 0, 16383),
            Output("point_d", "price"),
            Output("zone_low", "price"),
            Output("zone_high", "price"),
            Output("stop", "price"),
            Output("first_target", "price"),
            Output("second_target", "price"),
            Output("third_target", "price"),
            Output("extended_target", "price"),
            Output("forming", "1", 0, 14),
            Output("forming_side", "flag", -1, 1),
            Output("forming_low", "price"),
            Output("forming_high", "price"),
        ),
        oracle="ratios of all pivots from whole columns",
        sparse=True,
    ),
)
