"""Declarations of Ehlers' cycles."""

import math
from typing import Final

from bot4.features.catalogue import cycles_nb as k
from bot4.features.declare import INF, Declaration, Output, Param, Params


def smoother(p: Params) -> Params:
    """Coefficients of the two-pole smoother of period n: of the price and of the last two values."""
    a = math.exp(-math.sqrt(2.0) * math.pi / p[0])
    b = 2.0 * a * math.cos(math.sqrt(2.0) * math.pi / p[0])
    return (1.0 - b + a * a, b, -a * a)


_EHLERS: Final = "Ehlers 2001"
_PRICE: Final = Output("", "price")
_LIMIT: Final = (Param("fast", 0.5, 0.01, 0.99, whole=False), Param("slow", 0.05, 0.01, 0.99, whole=False))

FEATURES: Final = (
    Declaration(
        "ht_period",
        "cycle",
        k.ht_period_step_nb,
        "dominant cycle in bars, and the phasor",
        _EHLERS,
        lambda p: k.SIZE,
        lambda p: 33,
        (),
        (Output("", "bars", 0.0, 50.0), Output("inphase", "price"), Output("quadrature", "price")),
        oracle="TA-Lib HT_DCPERIOD, HT_PHASOR",
    ),
    Declaration(
        "ht_phase",
        "cycle",
        k.ht_phase_step_nb,
        "phase of the dominant cycle in degrees, its sine, and the sine 45 degrees ahead; up to 50 terms",
        _EHLERS,
        lambda p: k.SIZE + 52,
        lambda p: 64,
        (),
        (
            Output("", "degrees", -405.0, 315.0),
            Output("sine", "1", -1.0, 1.0),
            Output("lead", "1", -1.0, 1.0),
        ),
        oracle="TA-Lib HT_DCPHASE, HT_SINE",
    ),
    Declaration(
        "ht_trendline",
        "trend",
        k.ht_trendline_step_nb,
        "price without its dominant cycle; up to 50 terms",
        _EHLERS,
        lambda p: k.SIZE + 54,
        lambda p: 64,
        (),
        (_PRICE,),
        oracle="TA-Lib HT_TRENDLINE",
    ),
    Declaration(
        "ht_trend",
        "cycle",
        k.ht_trend_step_nb,
        "1 in a trend, 0 in a cycle; up to 100 terms",
        _EHLERS,
        lambda p: k.SIZE + 110,
        lambda p: 64,
        (),
        (Output("", "flag", 0.0, 1.0),),
        oracle="TA-Lib HT_TRENDMODE",
    ),
    Declaration(
        "mama",
        "trend",
        k.mama_step_nb,
        "average whose alpha follows the change of phase, and its follower",
        _EHLERS,
        lambda p: k.SIZE + 3,
        lambda p: 33,
        _LIMIT,
        (_PRICE, Output("fama", "price")),
        oracle="TA-Lib MAMA",
    ),
    Declaration(
        "super_smoother",
        "trend",
        k.smooth_step_nb,
        "two-pole low-pass filter of the median price",
        "Ehlers 2013",
        lambda p: 4,
        lambda p: int(p[0]),
        (Param("n", 10, 2),),
        (Output("", "price", -INF, INF),),
        oracle="numpy from the formula",
        constants=smoother,
    ),
)
