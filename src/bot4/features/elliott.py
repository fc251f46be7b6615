"""Names of degrees, figures and waves, and the counts that an `elliott` feature holds."""

from typing import Final, NamedTuple

from bot4.features.elliott_nb import (
    COUNTS,
    DEGREES,
    FIELDS,
    HISTORY,
    KEPT,
    KEPT_FIELDS,
    N_KEPT,
)
from bot4.features.elliott_rules_nb import pivots_of_nb
from bot4.features.pivots_nb import ZIGZAG, Vector, bar_nb, price_nb

DEGREE_NAMES: Final = (
    "subminuette",
    "minuette",
    "minute",
    "minor",
    "intermediate",
    "primary",
    "cycle",
    "supercycle",
    "grand_supercycle",
)
KIND_NAMES: Final = (
    "none",
    "impulse",
    "contracting_diagonal",
    "expanding_diagonal",
    "zigzag",
    "flat",
    "expanded_flat",
    "double_three",
    "triple_three",
    "contracting_triangle",
    "expanding_triangle",
)
_FIVE: Final = ("1", "2", "3", "4", "5")
_THREE: Final = ("A", "B", "C")
_WAVES: Final = {
    "double_three": ("a", "b", "W", "X", "a", "b", "Y"),
    "triple_three": ("a", "b", "W", "X", "a", "b", "Y", "X", "a", "b", "Z"),
    "contracting_triangle": ("A", "B", "C", "D", "E"),
    "expanding_triangle": ("A", "B", "C", "D", "E"),
}


class Wave(NamedTuple):
    """The end of one wave; the first has the label "0" and is the figure's start."""

    label: str
    bar: int
    price: float


class Count(NamedTuple):
    """One count: `side` 1 where the figure begins upwards, `share` of the evidence of all that fit."""

    degree: str
    kind: str
    side: int
    score: float
    share: float
    other: str
    other_score: float
    waves: tuple[Wave, ...]


class Past(NamedTuple):
    """One count of the history."""

    degree: str
    kind: str
    side: int
    score: float
    share: float
    first_bar: int
    last_bar: int
    confirmed_bar: int


def waves_of(kind: str) -> tuple[str, ...]:
    """The labels of the wave ends of a kind."""
    if kind in ("zigzag", "flat", "expanded_flat"):
        return _THREE
    return _WAVES.get(kind, _FIVE)


def standing_counts(state: Vector) -> tuple[Count, ...]:
    """The standing count of each degree that has one, smallest degree first."""
    found = []
    for degree in range(DEGREES):
        kind, score, share, other, other_score, _, _, _ = state[
            COUNTS + degree * FIELDS : COUNTS + (degree + 1) * FIELDS
        ].tolist()
        if not kind:
            continue
        name = KIND_NAMES[int(abs(kind))]
        n = pivots_of_nb(int(abs(kind)))
        at = 1 + degree * ZIGZAG
        waves = tuple(
            Wave(label, int(bar_nb(state, at, n - 1 - i)), float(price_nb(state, at, n - 1 - i)))
            for i, label in enumerate(("0", *waves_of(name)))
        )
        found.append(
            Count(
                DEGREE_NAMES[degree],
                name,
                1 if kind > 0 else -1,
                score,
                share,
                KIND_NAMES[int(abs(other))],
                other_score,
                waves,
            )
        )
    return tuple(found)


def past_counts(state: Vector) -> tuple[Past, ...]:
    """The last counts that were confirmed, oldest first; they stay as they were emitted."""
    total = int(state[N_KEPT])
    found = []
    for i in range(max(total - KEPT, 0), total):
        at = HISTORY + (i % KEPT) * KEPT_FIELDS
        degree, kind, score, share, first, last, confirmed = state[at : at + KEPT_FIELDS].tolist()
        found.append(
            Past(
                DEGREE_NAMES[int(degree)],
                KIND_NAMES[int(abs(kind))],
                1 if kind > 0 else -1,
                score,
                share,
                int(first),
                int(last),
                int(confirmed),
            )
        )
    return tuple(found)
