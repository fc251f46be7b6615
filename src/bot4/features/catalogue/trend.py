"""Declarations of direction, channels, stops and the clock."""

from typing import Final

from bot4.features.catalogue import trend_nb as k
from bot4.features.declare import INF, Declaration, Output, Param, Params


def _n(p: Params) -> int:
    return int(p[0])


def _period(default: float, low: float = 1.0) -> tuple[Param, ...]:
    return (Param("n", default, low),)


def _price(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name, "price") for name in names)


_PERCENT: Final = (Output("", "percent", 0.0, 100.0),)
_SIDE: Final = Output("dir", "flag", -1.0, 1.0)
_WILDER: Final = "Wilder 1978"
_SPAN: Final = (Output("high", "price", 0.0, INF), Output("low", "price", 0.0, INF))


def _below(p: Params) -> str:
    return "step must not be above max" if p[0] > p[1] else ""


FEATURES: Final = (
    Declaration(
        "adx",
        "trend",
        k.adx_step_nb,
        "Wilder's average of the directional index",
        _WILDER,
        lambda p: 9,
        lambda p: 2 * _n(p),
        _period(14, 2),
        _PERCENT,
        oracle="TA-Lib ADX",
    ),
    Declaration(
        "adxr",
        "trend",
        k.adxr_step_nb,
        "mean of ADX and ADX n - 1 bars before",
        _WILDER,
        lambda p: 10 + _n(p),
        lambda p: 3 * _n(p) - 1,
        _period(14, 2),
        _PERCENT,
        oracle="TA-Lib ADXR",
    ),
    Declaration(
        "dx",
        "trend",
        k.dx_step_nb,
        "distance of both directions over their sum; as before where there is none",
        _WILDER,
        lambda p: 8,
        lambda p: _n(p) + 1,
        _period(14, 2),
        _PERCENT,
        oracle="TA-Lib DX",
    ),
    Declaration(
        "plus_di",
        "trend",
        k.plus_di_step_nb,
        "upward movement in percent of the true range",
        _WILDER,
        lambda p: 7,
        lambda p: _n(p) + 1,
        _period(14, 2),
        _PERCENT,
        oracle="TA-Lib PLUS_DI",
    ),
    Declaration(
        "minus_di",
        "trend",
        k.minus_di_step_nb,
        "downward movement in percent of the true range",
        _WILDER,
        lambda p: 7,
        lambda p: _n(p) + 1,
        _period(14, 2),
        _PERCENT,
        oracle="TA-Lib MINUS_DI",
    ),
    Declaration(
        "dm",
        "trend",
        k.dm_step_nb,
        "Wilder's sums of upward and downward movement",
        _WILDER,
        lambda p: 7,
        _n,
        _period(14, 2),
        (Output("plus", "price", 0.0, INF), Output("minus", "price", 0.0, INF)),
        oracle="TA-Lib PLUS_DM, MINUS_DM",
    ),
    Declaration(
        "aroon",
        "trend",
        k.aroon_step_nb,
        "how recent the highest high and lowest low of n + 1 bars are, and their distance",
        "Chande 1995",
        lambda p: 4 * _n(p) + 9,
        lambda p: _n(p) + 1,
        _period(14),
        (
            Output("up", "percent", 0.0, 100.0),
            Output("down", "percent", 0.0, 100.0),
            Output("osc", "percent", -100.0, 100.0),
        ),
        oracle="TA-Lib AROON, AROONOSC",
    ),
    Declaration(
        "vortex",
        "trend",
        k.vortex_step_nb,
        "way from low to high and from high to low over n bars, over the true range",
        "Botes and Siepman 2010",
        lambda p: 3 * _n(p) + 10,
        lambda p: _n(p) + 1,
        _period(14),
        (Output("plus", "ratio", 0.0, INF), Output("minus", "ratio", 0.0, INF)),
        oracle="TA-Lib VORTEX",
    ),
    Declaration(
        "donchian",
        "trend",
        k.donchian_step_nb,
        "highest high and lowest low of n bars, middle, relative width",
        "Donchian 1960",
        lambda p: 4 * _n(p) + 5,
        _n,
        _period(20),
        (*_SPAN, Output("mid", "price", 0.0, INF), Output("width", "ratio", 0.0, 2.0)),
        oracle="TA-Lib DONCHIAN",
    ),
    Declaration(
        "donchian_prior",
        "trend",
        k.donchian_prior_step_nb,
        "highest high and lowest low of the n bars before this one",
        "Donchian 1960",
        lambda p: 4 * _n(p) + 7,
        lambda p: _n(p) + 1,
        _period(20),
        _SPAN,
        oracle="TA-Lib MAX, MIN",
    ),
    Declaration(
        "keltner",
        "volatility",
        k.keltner_step_nb,
        "exponential average of the typical price +- k ATR, relative width",
        "Keltner 1960, Raschke",
        lambda p: 4,
        lambda p: int(max(p[0], p[1] + 1)),
        (Param("n", 20), Param("atr", 10), Param("k", 2, 0.0, 100.0, whole=False)),
        (*_price("upper", "mid", "lower"), Output("width", "ratio", 0.0, INF)),
        oracle="TA-Lib KC",
    ),
    Declaration(
        "supertrend",
        "trend",
        k.supertrend_step_nb,
        "a stop k ATR from the middle of the bar that turns when a close passes it, and its side",
        "Seban",
        lambda p: 6,
        lambda p: _n(p) + 1,
        (Param("n", 10), Param("k", 3, 0.0, 100.0, whole=False)),
        (*_price(""), _SIDE),
        oracle="TA-Lib SUPERTREND",
    ),
    Declaration(
        "sar",
        "trend",
        k.sar_step_nb,
        "parabolic stop and reverse, and its side after the bar",
        _WILDER,
        lambda p: 7,
        lambda p: 2,
        (Param("step", 0.02, 0.0001, 1.0, whole=False), Param("max", 0.2, 0.0001, 1.0, whole=False)),
        (*_price(""), _SIDE),
        oracle="TA-Lib SAR",
        check=_below,
    ),
    Declaration(
        "fractal",
        "trend",
        k.fractal_step_nb,
        "newest swing high and low with k bars on each side, known k bars later; NaN before the first",
        "Williams 1995",
        lambda p: 5 + 2 * (2 * _n(p) + 1),
        lambda p: 2 * _n(p) + 1,
        (Param("k", 2, 1, 64),),
        _SPAN,
        oracle="TA-Lib FRACTAL",
        sparse=True,
    ),
    Declaration(
        "hour",
        "clock",
        k.clock_step_nb,
        "sine and cosine of the time of day, or of the place in a period of s seconds, UTC",
        "bot4",
        lambda p: 1,
        lambda p: 1,
        (Param("seconds", 86400, 1, 1e9),),
        (Output("sin", "1", -1.0, 1.0), Output("cos", "1", -1.0, 1.0)),
        oracle="numpy from the formula",
    ),
)
