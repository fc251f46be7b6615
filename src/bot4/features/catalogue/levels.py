"""Declarations of price levels."""

from typing import Final

from bot4.features.catalogue import levels_nb as k
from bot4.features.declare import Declaration, Output, Param


def _price(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name, "price") for name in names)


_SECONDS: Final = (Param("seconds", 86400, 60, 1e9),)
_SEVEN: Final = _price("p", "r1", "r2", "r3", "s1", "s2", "s3")
_NUMPY: Final = "numpy from the formula"
_LAST: Final = "of the last whole period of so many seconds (a UTC day); NaN in the first"

FEATURES: Final = (
    Declaration(
        "pivot",
        "levels",
        k.pivot_step_nb,
        f"floor traders' pivot and three levels each side, {_LAST}",
        "any textbook",
        lambda p: 10,
        lambda p: 1,
        _SECONDS,
        _SEVEN,
        oracle=_NUMPY,
        sparse=True,
    ),
    Declaration(
        "pivot_woodie",
        "levels",
        k.woodie_step_nb,
        f"Woodie's pivot and three levels each side, {_LAST}",
        "Wood",
        lambda p: 10,
        lambda p: 1,
        _SECONDS,
        _SEVEN,
        oracle=_NUMPY,
        sparse=True,
    ),
    Declaration(
        "pivot_fibonacci",
        "levels",
        k.fibonacci_step_nb,
        f"pivot and Fibonacci parts of the range each side, {_LAST}",
        "any textbook",
        lambda p: 10,
        lambda p: 1,
        _SECONDS,
        _SEVEN,
        oracle=_NUMPY,
        sparse=True,
    ),
    Declaration(
        "pivot_camarilla",
        "levels",
        k.camarilla_step_nb,
        f"Stott's Camarilla levels, four each side, {_LAST}",
        "Stott 1989",
        lambda p: 10,
        lambda p: 1,
        _SECONDS,
        _price("r1", "r2", "r3", "r4", "s1", "s2", "s3", "s4"),
        oracle=_NUMPY,
        sparse=True,
    ),
    Declaration(
        "pivot_demark",
        "levels",
        k.demark_step_nb,
        f"DeMark's pivot and one level each side, {_LAST}",
        "DeMark 1994",
        lambda p: 10,
        lambda p: 1,
        _SECONDS,
        _price("p", "r1", "s1"),
        oracle=_NUMPY,
        sparse=True,
    ),
    Declaration(
        "fib",
        "levels",
        k.fib_step_nb,
        "retracements from the newer extreme of n bars to the older",
        "any textbook",
        lambda p: 4 * int(p[0]) + 5,
        lambda p: int(p[0]),
        (Param("n", 50, 2),),
        _price("a236", "a382", "a500", "a618", "a786"),
        oracle=_NUMPY,
    ),
)
