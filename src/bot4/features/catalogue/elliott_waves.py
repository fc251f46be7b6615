"""Declaration of the Elliott counts."""

from typing import Final

from bot4.features.declare import Declaration, Output, Param
from bot4.features.elliott import DEGREE_NAMES
from bot4.features.elliott_nb import ELLIOTT_STATE, elliott_step_nb

_BY_DEGREE: Final = tuple(
    output
    for degree in DEGREE_NAMES
    for output in (Output(degree, "1", -10, 10), Output(f"{degree}_score", "ratio", 0, 1))
)

FEATURES: Final = (
    Declaration(
        "elliott",
        "patterns",
        elliott_step_nb,
        "Elliott counts of nine degrees: figure that ends at the last pivot (1 impulse to 10 expanding "
        "triangle, negative where it begins downwards), score, share; prices are NaN without a count",
        "Frost and Prechter 1978",
        state=lambda p: ELLIOTT_STATE,
        warmup=lambda p: 1,
        params=(
            Param("percent", 0.5, 0.01, 100, whole=False),
            Param("growth", 2, 1.1, 4, whole=False),
            Param("tolerance", 0.03, 0.001, 0.2, whole=False),
        ),
        outputs=(
            *_BY_DEGREE,
            Output("count", "1", -10, 10),
            Output("degree", "1", 0, 9),
            Output("score", "ratio", 0, 1),
            Output("share", "ratio", 0, 1),
            Output("other", "1", -10, 10),
            Output("other_score", "ratio", 0, 1),
            Output("confirmed", "flag", 0, 1),
            Output("limit", "price", 0),
            Output("target", "price"),
        ),
        oracle="rules written out on the list of pivots",
        sparse=True,
    ),
)
