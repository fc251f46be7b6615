"""Declarations of statistics of the close and of its returns."""

from typing import Final

from bot4.features.catalogue import statistics_nb as k
from bot4.features.declare import INF, Declaration, Output, Param, Params


def _n(p: Params) -> int:
    return int(p[0])


def _period(default: float, low: float = 1.0) -> tuple[Param, ...]:
    return (Param("n", default, low),)


_NUMPY: Final = "numpy from the formula"
_CORRELATION: Final = (Output("", "1", -1.0, 1.0),)

FEATURES: Final = (
    Declaration(
        "extreme",
        "statistics",
        k.extreme_step_nb,
        "highest and lowest of n closes, and how many bars ago they stood",
        "any textbook",
        lambda p: 4 * _n(p) + 5,
        _n,
        _period(30),
        (
            Output("high", "price", 0.0, INF),
            Output("low", "price", 0.0, INF),
            Output("high_age", "bars", 0.0, 4095.0),
            Output("low_age", "bars", 0.0, 4095.0),
        ),
        oracle="TA-Lib MAX, MIN, MAXINDEX, MININDEX",
    ),
    Declaration(
        "percentile",
        "statistics",
        k.percentile_step_nb,
        "percentile of n closes, linear between neighbours; O(log n) and a shift",
        "any textbook",
        lambda p: 2 * _n(p) + 4,
        _n,
        (Param("n", 30), Param("percent", 50, 0.0, 100.0, whole=False)),
        (Output("", "price", 0.0, INF),),
        oracle="numpy.percentile",
    ),
    Declaration(
        "percentrank",
        "statistics",
        k.percentrank_step_nb,
        "share in percent of the n closes before that lie below this one; costs O(n)",
        "any textbook",
        lambda p: _n(p) + 2,
        lambda p: _n(p) + 1,
        _period(100),
        (Output("", "percent", 0.0, 100.0),),
        oracle="TA-Lib PERCENTRANK",
    ),
    Declaration(
        "shape",
        "statistics",
        k.shape_step_nb,
        "skew and excess kurtosis of n log returns; 0 if flat; costs O(n)",
        "any textbook",
        lambda p: _n(p) + 8,
        lambda p: _n(p) + 1,
        _period(100, 2),
        (Output("skew"), Output("kurt", "1", -2.0, INF)),
        oracle="scipy.stats",
    ),
    Declaration(
        "correl",
        "statistics",
        k.correl_step_nb,
        "correlation of close and volume over n bars; 0 if flat",
        "any textbook",
        lambda p: 2 * _n(p) + 10,
        _n,
        _period(30, 2),
        _CORRELATION,
        oracle="TA-Lib CORREL",
    ),
    Declaration(
        "beta",
        "statistics",
        k.beta_step_nb,
        "slope of the low's return on the high's return over n bars",
        "any textbook",
        lambda p: 2 * _n(p) + 12,
        lambda p: _n(p) + 1,
        _period(18, 2),
        (Output(),),
        oracle="TA-Lib BETA",
    ),
    Declaration(
        "autocorr",
        "statistics",
        k.autocorr_step_nb,
        "correlation of n log returns with those `lag` bars before",
        "any textbook",
        lambda p: 2 * _n(p) + int(p[1]) + 12,
        lambda p: int(p[0] + p[1]) + 1,
        (Param("n", 50, 2), Param("lag", 1)),
        _CORRELATION,
        oracle=_NUMPY,
    ),
    Declaration(
        "hurst",
        "statistics",
        k.hurst_step_nb,
        "growth of the deviation of returns from 1 to k bars; 0.5 is a random walk",
        "Hurst 1951",
        lambda p: 2 * _n(p) + int(p[1]) + 15,
        lambda p: int(p[0] + p[1]),
        (Param("n", 200, 2), Param("k", 10, 2)),
        (Output(),),
        oracle=_NUMPY,
    ),
    Declaration(
        "entropy",
        "statistics",
        k.entropy_step_nb,
        "permutation entropy of n triples of closes, 0 (one order) to 1 (all orders alike)",
        "Bandt and Pompe 2002",
        lambda p: _n(p) + 10,
        lambda p: _n(p) + 2,
        _period(50),
        (Output("", "1", 0.0, 1.0),),
        oracle=_NUMPY,
    ),
)
