"""Declarations of features beside a reference, and of perpetuals."""

from typing import Final

from bot4.features.cross_nb import (
    basis_step_nb,
    beta_step_nb,
    funding_step_nb,
    one_state,
    open_interest_step_nb,
    pair_state,
    relative_step_nb,
)
from bot4.features.declare import INF, Declaration, Output, Param
from bot4.features.rows import CARRY, PAIR

_SIGNED: Final = (-1.0, 1.0)

FEATURES: Final = (
    Declaration(
        "ref_beta",
        "cross",
        beta_step_nb,
        "beta and correlation with the reference, deviation and newest value of the unexplained return",
        "market model, least squares",
        state=pair_state(3),
        warmup=lambda p: int(p[0]) + 1,
        params=(Param("n", 240, 3),),
        outputs=(
            Output("slope", "1"),
            Output("correlation", "1", *_SIGNED),
            Output("deviation", "log", 0.0, INF),
            Output("residual", "log"),
        ),
        inputs=PAIR,
        oracle="scipy.stats.linregress",
    ),
    Declaration(
        "relative",
        "cross",
        relative_step_nb,
        "z-score of the log ratio of closes, and its change over the window",
        "relative strength; pairs trading (Gatev, Goetzmann and Rouwenhorst 2006)",
        state=one_state(0),
        warmup=lambda p: int(p[0]),
        params=(Param("n", 240, 3),),
        outputs=(Output("z", "1"), Output("change", "log")),
        inputs=PAIR,
        oracle="numpy mean and deviation",
    ),
    Declaration(
        "basis",
        "carry",
        basis_step_nb,
        "perpetual over index less 1, its z-score and mean",
        "definition",
        state=one_state(0),
        warmup=lambda p: int(p[0]),
        params=(Param("n", 240, 3),),
        outputs=(Output("now", "ratio"), Output("z", "1"), Output("mean", "ratio")),
        inputs=CARRY,
        oracle="numpy mean and deviation",
    ),
    Declaration(
        "funding",
        "carry",
        funding_step_nb,
        "funding a year, z-score among the last periods (0 until seen), part of the period left, mean a year",
        "definition",
        state=one_state(2),
        warmup=lambda p: 1,
        params=(Param("n", 21, 2),),
        outputs=(
            Output("year", "ratio"),
            Output("z", "1"),
            Output("left", "1", 0.0, 1.0),
            Output("mean", "ratio"),
        ),
        inputs=CARRY,
        sparse=True,
        oracle="numpy mean and deviation of the rates of distinct periods",
    ),
    Declaration(
        "open_interest",
        "carry",
        open_interest_step_nb,
        "log change of open interest over a row and over the window, its correlation with price changes",
        "definition",
        state=pair_state(3),
        warmup=lambda p: int(p[0]) + 1,
        params=(Param("n", 60, 3),),
        outputs=(Output("change", "log"), Output("trend", "log"), Output("with_price", "1", *_SIGNED)),
        inputs=CARRY,
        sparse=True,
        oracle="numpy.corrcoef",
    ),
)
