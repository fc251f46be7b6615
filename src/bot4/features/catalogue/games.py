"""Declarations of game-theory features."""

from typing import Final

from bot4.features.declare import Declaration, Output, Param
from bot4.features.games.quoting_nb import RIVALRY_STATE, belief_step_nb, rivalry_step_nb
from bot4.features.rows import TRADE

_PART: Final = (0.0, 1.0)

FEATURES: Final = (
    Declaration(
        "belief",
        "games",
        belief_step_nb,
        "a maker's belief that the value lies above the mid, expected value and half-spread that follow",
        "Glosten and Milgrom 1985",
        state=lambda p: 5,
        warmup=lambda p: 1,
        params=(
            Param("informed", 0.2, 0.0, 0.99, whole=False),
            Param("reach", 10.0, 0.001, 5_000.0, whole=False),
            Param("tau", 30.0, 0.001, 1e6, whole=False),
        ),
        outputs=(
            Output("above", "1", *_PART),
            Output("value", "ratio", -0.5, 0.5),
            Output("half_spread", "ratio", *_PART),
        ),
        inputs=TRADE,
        oracle="Bayes' rule on probabilities, trade by trade",
    ),
    Declaration(
        "rivalry",
        "games",
        rivalry_step_nb,
        "half-spread paid, cost of informed flow, margin, patience that keeps makers from undercutting",
        "prisoner's dilemma of makers, grim trigger; docs/microstructure.md",
        state=lambda p: RIVALRY_STATE,
        warmup=lambda p: 2,
        params=(
            Param("tau", 60.0, 0.001, 1e6, whole=False),
            Param("undercut", 0.1, 0.0, 1_000.0, whole=False),
        ),
        outputs=(
            Output("half_spread", "ratio"),
            Output("adverse", "ratio"),
            Output("margin", "ratio"),
            Output("patience", "1", *_PART),
        ),
        inputs=TRADE,
        sparse=True,
        oracle="exact faded sums; the threshold by hand",
    ),
)
