"""Declarations of moving averages and their bands."""

import math
from typing import Final

from bot4.features.catalogue import averages_nb as k
from bot4.features.declare import INF, Declaration, Output, Param, Params


def _n(p: Params) -> int:
    return int(p[0])


def _price(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name, "price") for name in names)


_POSITIVE: Final = (Output("", "price", 0.0, INF),)
_ANY: Final = _price("")


def _period(default: float, low: float = 1.0) -> tuple[Param, ...]:
    return (Param("n", default, low),)


def alma_weights(p: Params) -> Params:
    """Gaussian weights, oldest first: centre offset (n - 1), deviation n / sigma, sum 1."""
    n, offset, sigma = int(p[0]), p[1], p[2]
    raw = [math.exp(-((i - offset * (n - 1)) ** 2) / (2.0 * (n / sigma) ** 2)) for i in range(n)]
    return tuple(w / sum(raw) for w in raw)


def _hma_state(p: Params) -> int:
    n = _n(p)
    return 19 + n // 2 + n + int(math.sqrt(n))


def _frama_state(p: Params) -> int:
    n = _n(p)
    return 4 + 2 * (2 * n + 2) + 2 * (2 * (n // 2) + 2) + 2 * (n // 2 + 1)


def _even(p: Params) -> str:
    return "n must be even" if p[0] % 2 else ""


def _fast_below_slow(p: Params) -> str:
    return "fast must be below slow" if p[1] >= p[2] else ""


FEATURES: Final = (
    Declaration(
        "sma",
        "trend",
        k.sma_step_nb,
        "mean of n closes",
        "any textbook",
        lambda p: _n(p) + 5,
        _n,
        _period(20),
        _POSITIVE,
        oracle="TA-Lib SMA",
    ),
    Declaration(
        "ema",
        "trend",
        k.ema_step_nb,
        "exponential average of the close, alpha 2 / (n + 1), seeded by the mean of the first n",
        "any textbook",
        lambda p: 2,
        _n,
        _period(20),
        _POSITIVE,
        oracle="TA-Lib EMA",
    ),
    Declaration(
        "rma",
        "trend",
        k.rma_step_nb,
        "Wilder's average of the close, alpha 1 / n, seeded by the mean of the first n",
        "Wilder 1978",
        lambda p: 2,
        _n,
        _period(14),
        _POSITIVE,
        oracle="TA-Lib RMA",
    ),
    Declaration(
        "wma",
        "trend",
        k.wma_step_nb,
        "average of n closes with weights 1 to n",
        "any textbook",
        lambda p: _n(p) + 7,
        _n,
        _period(20),
        _POSITIVE,
        oracle="TA-Lib WMA",
    ),
    Declaration(
        "dema",
        "trend",
        k.dema_step_nb,
        "double exponential average, 2 EMA - EMA(EMA)",
        "Mulloy 1994",
        lambda p: 3,
        lambda p: 2 * _n(p) - 1,
        _period(20, 2),
        _ANY,
        oracle="TA-Lib DEMA",
    ),
    Declaration(
        "tema",
        "trend",
        k.tema_step_nb,
        "triple exponential average, 3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))",
        "Mulloy 1994",
        lambda p: 4,
        lambda p: 3 * _n(p) - 2,
        _period(20, 2),
        _ANY,
        oracle="TA-Lib TEMA",
    ),
    Declaration(
        "t3",
        "trend",
        k.t3_step_nb,
        "six exponential averages in a chain, mixed by the factor v",
        "Tillson 1998",
        lambda p: 7,
        lambda p: 6 * _n(p) - 5,
        (Param("n", 5, 2), Param("v", 0.7, 0.0, 1.0, whole=False)),
        _ANY,
        oracle="TA-Lib T3",
    ),
    Declaration(
        "trima",
        "trend",
        k.trima_step_nb,
        "mean of means: triangular weights over n closes",
        "any textbook",
        lambda p: _n(p) + 6,
        _n,
        _period(20, 2),
        _POSITIVE,
        oracle="TA-Lib TRIMA",
    ),
    Declaration(
        "hma",
        "trend",
        k.hma_step_nb,
        "weighted average over the root of n of 2 WMA(n / 2) - WMA(n)",
        "Hull 2005",
        _hma_state,
        lambda p: _n(p) + int(math.sqrt(_n(p))) - 1,
        _period(20, 4),
        _ANY,
        oracle="TA-Lib HMA",
    ),
    Declaration(
        "kama",
        "trend",
        k.kama_step_nb,
        "adaptive average: smoothing follows the efficiency of n moves",
        "Kaufman 1995",
        lambda p: 2 * _n(p) + 6,
        lambda p: _n(p) + 1,
        (Param("n", 10, 2), Param("fast", 2), Param("slow", 30)),
        _POSITIVE,
        oracle="TA-Lib KAMA",
        check=_fast_below_slow,
    ),
    Declaration(
        "zlema",
        "trend",
        k.zlema_step_nb,
        "exponential average of the close plus its move over half the period",
        "Ehlers and Way 2010",
        lambda p: 3 + (_n(p) - 1) // 2 + 1,
        lambda p: _n(p) + (_n(p) - 1) // 2,
        _period(20, 2),
        _ANY,
        oracle="TA-Lib ZLEMA",
    ),
    Declaration(
        "vwma",
        "trend",
        k.vwma_step_nb,
        "closes weighted by volume over n bars; their mean where none has volume",
        "any textbook",
        lambda p: 3 * _n(p) + 8,
        _n,
        _period(20),
        _POSITIVE,
        oracle="TA-Lib VWMA",
    ),
    Declaration(
        "alma",
        "trend",
        k.alma_step_nb,
        "Gaussian window over n closes; costs O(n)",
        "Legoux and Kouzis-Loukas 2009",
        lambda p: _n(p) + 2,
        _n,
        (
            Param("n", 9, 1, 256),
            Param("offset", 0.85, 0.0, 1.0, whole=False),
            Param("sigma", 6, 0.1, 100, whole=False),
        ),
        _POSITIVE,
        oracle="numpy from the formula",
        constants=alma_weights,
    ),
    Declaration(
        "frama",
        "trend",
        k.frama_step_nb,
        "average of the median price whose alpha follows the fractal dimension of n bars",
        "Ehlers 2005",
        _frama_state,
        _n,
        _period(16, 4),
        _POSITIVE,
        oracle="numpy from the formula",
        check=_even,
    ),
    Declaration(
        "vidya",
        "trend",
        k.vidya_step_nb,
        "exponential average whose alpha is scaled by |CMO| of n moves",
        "Chande 1992",
        lambda p: 2 * _n(p) + 7,
        lambda p: _n(p) + 1,
        _period(14),
        _POSITIVE,
        oracle="numpy from the formula",
    ),
    Declaration(
        "mcginley",
        "trend",
        k.mcginley_step_nb,
        "McGinley's dynamic line: step (close - line) / (n (close / line)^4)",
        "McGinley 1990",
        lambda p: 2,
        _n,
        _period(14),
        _POSITIVE,
        oracle="numpy from the formula",
    ),
    Declaration(
        "linreg",
        "trend",
        k.linreg_step_nb,
        "least-squares line of n closes: its end, next, start, slope a bar, angle",
        "any textbook",
        lambda p: _n(p) + 7,
        _n,
        _period(14, 2),
        (
            *_price("", "next", "start"),
            Output("slope", "price a bar"),
            Output("angle", "degrees", -90.0, 90.0),
        ),
        oracle="TA-Lib LINEARREG, TSF, LINEARREG_INTERCEPT, LINEARREG_SLOPE, LINEARREG_ANGLE",
    ),
    Declaration(
        "midpoint",
        "trend",
        k.midpoint_step_nb,
        "middle of the highest and lowest of n closes",
        "any textbook",
        lambda p: 4 * _n(p) + 5,
        _n,
        _period(14),
        _POSITIVE,
        oracle="TA-Lib MIDPOINT",
    ),
    Declaration(
        "midprice",
        "trend",
        k.midprice_step_nb,
        "middle of the highest high and lowest low of n bars",
        "any textbook",
        lambda p: 4 * _n(p) + 5,
        _n,
        _period(14),
        _POSITIVE,
        oracle="TA-Lib MIDPRICE",
    ),
    Declaration(
        "envelope",
        "trend",
        k.envelope_step_nb,
        "mean of n closes, with bands k percent from it",
        "any textbook",
        lambda p: _n(p) + 3,
        _n,
        (Param("n", 20), Param("percent", 2.5, 0.0, 100.0, whole=False)),
        _price("upper", "mid", "lower"),
        oracle="TA-Lib SMA",
    ),
    Declaration(
        "accbands",
        "trend",
        k.accbands_step_nb,
        "means of highs and lows widened by the relative range",
        "Headley 2002",
        lambda p: 3 * _n(p) + 7,
        _n,
        _period(20),
        _price("upper", "mid", "lower"),
        oracle="TA-Lib ACCBANDS",
    ),
    Declaration(
        "alligator",
        "trend",
        k.alligator_step_nb,
        "Wilder averages 13, 8, 5 of the median price, 8, 5, 3 bars late, and the gator's two gaps",
        "Williams 1995",
        lambda p: 23,
        lambda p: 21,
        (),
        (
            *_price("jaw", "teeth", "lips"),
            Output("gator", "price", 0.0, INF),
            Output("gator_low", "price", -INF, 0.0),
        ),
        oracle="TA-Lib RMA",
    ),
    Declaration(
        "bb",
        "volatility",
        k.bb_step_nb,
        "mean of n closes +- k population deviations; place in the band; relative width",
        "Bollinger 2001",
        lambda p: _n(p) + 7,
        _n,
        (Param("n", 20, 2), Param("k", 2, 0.0, 100.0, whole=False)),
        (*_price("upper", "mid", "lower"), Output("pct", "ratio"), Output("width", "ratio", 0.0, INF)),
        oracle="TA-Lib BBANDS",
    ),
)
