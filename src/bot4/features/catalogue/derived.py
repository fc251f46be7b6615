"""Declarations of columns made of other columns."""

from typing import Final

from bot4.features.declare import INF, Declaration, Output, Param
from bot4.features.derived_nb import interaction_step_nb, lag_step_nb, place_step_nb, rolling_step_nb
from bot4.features.micro.windows_nb import pair_size
from bot4.features.rows import SERIES, TWO

FEATURES: Final = (
    Declaration(
        "lagged",
        "derived",
        lag_step_nb,
        "value some rows ago, and the change since",
        "definition",
        state=lambda p: 1 + int(p[0]),
        warmup=lambda p: int(p[0]) + 1,
        params=(Param("lag", 1),),
        outputs=(Output("value", "of the column"), Output("change", "of the column")),
        inputs=SERIES,
        oracle="numpy shift",
    ),
    Declaration(
        "rolling",
        "derived",
        rolling_step_nb,
        "mean, population deviation and z-score",
        "definition",
        state=lambda p: pair_size(int(p[0])),
        warmup=lambda p: int(p[0]),
        params=(Param("n", 20, 2),),
        outputs=(
            Output("mean", "of the column"),
            Output("deviation", "of the column", 0.0, INF),
            Output("z", "1"),
        ),
        inputs=SERIES,
        oracle="numpy mean and deviation",
    ),
    Declaration(
        "place",
        "derived",
        place_step_nb,
        "place between least and greatest, 0.5 where flat",
        "definition; queues by Lemire 2006",
        state=lambda p: 5 + 4 * int(p[0]),
        warmup=lambda p: int(p[0]),
        params=(Param("n", 60, 2),),
        outputs=(Output("", "1", 0.0, 1.0),),
        inputs=SERIES,
        oracle="numpy minimum and maximum",
    ),
    Declaration(
        "together",
        "derived",
        interaction_step_nb,
        "product of the two columns' z-scores (each bounded to 5), and their correlation",
        "definition",
        state=lambda p: 2 * pair_size(int(p[0])),
        warmup=lambda p: int(p[0]),
        params=(Param("n", 60, 2),),
        outputs=(Output("product", "1", -25.0, 25.0), Output("correlation", "1", -1.0, 1.0)),
        inputs=TWO,
        oracle="numpy",
    ),
)
