"""Declarations of volatility trackers, regimes and adaptive sampling."""

from typing import Final

from bot4.features.declare import INF, Declaration, Output, Param
from bot4.features.pace.sampling_nb import sampler_step_nb
from bot4.features.pace.volatility_nb import ewma_step_nb, garch_step_nb, regime_step_nb
from bot4.features.rows import TRADE

_POSITIVE: Final = (0.0, INF)

FEATURES: Final = (
    Declaration(
        "ewma_vol",
        "pace",
        ewma_step_nb,
        "deviation of the next log return by exponential weights, weights summing to 1 from the first",
        "RiskMetrics 1996",
        state=lambda p: 5,
        warmup=lambda p: int(p[1]) + 1,
        params=(Param("keep", 0.94, 0.0, 0.9999, whole=False), Param("fewest", 20, 1)),
        outputs=(Output("", "log", *_POSITIVE),),
        oracle="numpy with explicit weights",
    ),
    Declaration(
        "garch",
        "pace",
        garch_step_nb,
        "GARCH(1,1) aimed at the faded variance: next deviation, surprise of the last return, over usual",
        "Bollerslev 1986; Engle and Mezrich 1996",
        state=lambda p: 6,
        warmup=lambda p: int(p[3]) + 1,
        params=(
            Param("alpha", 0.08, 0.0, 0.99, whole=False),
            Param("beta", 0.9, 0.0, 0.999, whole=False),
            Param("span", 1440, 2, 100_000),
            Param("fewest", 50, 1),
        ),
        outputs=(
            Output("deviation", "log", *_POSITIVE),
            Output("surprise", "1"),
            Output("ratio", "1", *_POSITIVE),
        ),
        check=lambda p: "alpha + beta must be below 1" if p[0] + p[1] >= 1.0 else "",
        oracle="the recursion in plain Python; arch for fitted parameters",
    ),
    Declaration(
        "regime",
        "pace",
        regime_step_nb,
        "states of volatility (0 low, 1 usual, 2 high) and trend (-1, 0, 1), bars in each, their statistics",
        "thresholds with hysteresis; docs/microstructure.md",
        state=lambda p: 11,
        warmup=lambda p: int(p[1]) + 1,
        params=(
            Param("fast", 30, 2),
            Param("slow", 480, 2),
            Param("high", 1.5, 1.0, 100.0, whole=False),
            Param("trend", 2.0, 0.01, 100.0, whole=False),
        ),
        outputs=(
            Output("volatility", "flag", 0.0, 2.0),
            Output("trend", "flag", -1.0, 1.0),
            Output("volatility_age", "bars", 1.0, INF),
            Output("trend_age", "bars", 1.0, INF),
            Output("volatility_ratio", "1", *_POSITIVE),
            Output("trend_strength", "1"),
        ),
        check=lambda p: "fast must be below slow" if p[0] >= p[1] else "",
        oracle="the recursion in plain Python",
    ),
    Declaration(
        "sampler",
        "pace",
        sampler_step_nb,
        "interval between samples, shrinking with the root of volatility; whether this trade is sampled",
        "interval = base / sqrt(volatility over usual)",
        state=lambda p: 8,
        warmup=lambda p: 2,
        params=(
            Param("base", 1.0, 1e-6, 1e6, whole=False),
            Param("least", 0.1, 1e-6, 1e6, whole=False),
            Param("most", 10.0, 1e-6, 1e6, whole=False),
            Param("fast", 30.0, 0.001, 1e6, whole=False),
            Param("slow", 1_800.0, 0.001, 1e7, whole=False),
        ),
        outputs=(
            Output("interval", "s", *_POSITIVE),
            Output("due", "flag", 0.0, 1.0),
            Output("ratio", "1", *_POSITIVE),
        ),
        inputs=TRADE,
        check=lambda p: "least must not exceed most" if p[1] > p[2] else "",
        oracle="exact faded sums",
    ),
)
