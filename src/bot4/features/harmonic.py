"""Names of the harmonic patterns and the list of living setups."""

from typing import Final, NamedTuple

from bot4.features.harmonic_nb import ACTIVE, FIELDS, SETUPS
from bot4.features.pivots_nb import Vector

PATTERNS: Final = (
    "gartley",
    "butterfly",
    "bat",
    "crab",
    "deep_crab",
    "alternate_bat",
    "shark",
    "cypher",
    "abcd",
    "three_drives",
    "nen_star",
    "leonardo",
    "sea_pony",
    "white_swan",
)
"""In the order of `harmonic_ratios_nb.RATIOS`; code 1 is the first."""


class Setup(NamedTuple):
    """One living harmonic setup; prices in quote units."""

    pattern: str
    side: int
    score: float
    fits: tuple[str, ...]
    point_d: float
    confirmed_bar: int
    stop: float
    targets: tuple[float, float, float, float]
    zone: tuple[float, float]


def names_of(mask: int) -> tuple[str, ...]:
    """The patterns of a bit mask."""
    return tuple(name for k, name in enumerate(PATTERNS) if mask >> k & 1)


def living_setups(state: Vector) -> tuple[Setup, ...]:
    """The living setups in the memory of a `harmonic` feature, oldest first."""
    found = []
    for i in range(ACTIVE):
        code, side, score, mask, d, bar, stop, t1, t2, t3, tx, low, high = state[
            SETUPS + i * FIELDS : SETUPS + (i + 1) * FIELDS
        ].tolist()
        if side:
            found.append(
                Setup(
                    PATTERNS[int(code)],
                    int(side),
                    score,
                    names_of(int(mask)),
                    d,
                    int(bar),
                    stop,
                    (t1, t2, t3, tx),
                    (low, high),
                )
            )
    return tuple(sorted(found, key=lambda setup: setup.confirmed_bar))
