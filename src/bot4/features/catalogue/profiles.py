"""Declarations of Ichimoku and the volume profile."""

from typing import Final

from bot4.features.declare import Declaration, Output, Param, Params
from bot4.features.ichimoku_nb import ichimoku_step_nb, rings_at_nb
from bot4.features.profile_nb import BINS, bins_at_nb, profile_step_nb


def _ichimoku_state(p: Params) -> int:
    short, middle, long, d = map(int, p)
    return int(rings_at_nb(short, middle, long)) + 3 * (d + 1)


FEATURES: Final = (
    Declaration(
        "ichimoku",
        "trend",
        ichimoku_step_nb,
        "five lines, trend strength 0 to 100, support and resistance; the cloud under a bar is the one "
        "computed `displacement` bars ago; for markets without weekends 20, 60, 120, 30 is usual; NaN until "
        "each line is known and where no line lies on that side",
        "Hosoda 1969",
        state=_ichimoku_state,
        warmup=lambda p: int(min(p[0], p[3] + 1)),
        params=(
            Param("tenkan", 9, 1, 1024),
            Param("kijun", 26, 1, 1024),
            Param("senkou", 52, 1, 1024),
            Param("displacement", 26, 1, 1024),
        ),
        outputs=(
            Output("tenkan", "price", 0.0),
            Output("kijun", "price", 0.0),
            Output("span_a", "price", 0.0),
            Output("span_b", "price", 0.0),
            Output("chikou", "price"),
            Output("lead_a", "price", 0.0),
            Output("lead_b", "price", 0.0),
            Output("strength", "percent", 0.0, 100.0),
            Output("support", "price", 0.0),
            Output("resistance", "price", 0.0),
        ),
        oracle="brute force over whole windows",
        sparse=True,
    ),
    Declaration(
        "volume_profile",
        "volume",
        profile_step_nb,
        "volume by price of the last `window` bars: point of control, value area, place of the close; a bin "
        "is the least tick * 2^k of at least 0.1 ATR, chosen anew when it is off by a factor of 4",
        "Steidlmayer 1984; value area of the CBOT",
        state=lambda p: int(bins_at_nb(int(p[0]))) + BINS,
        warmup=lambda p: int(p[4]),
        params=(
            Param("window", 240),
            Param("tick", 0.01, 1e-9, 1e6, whole=False),
            Param("lot", 1e-05, 1e-9, 1e6, whole=False),
            Param("share", 0.7, 0.01, 1, whole=False),
            Param("atr", 14),
        ),
        outputs=(
            Output("poc", "price", 0.0),
            Output("value_low", "price", 0.0),
            Output("value_high", "price", 0.0),
            Output("total", "volume", 0.0),
            Output("width", "price", 0.0),
            Output("place", "flag", -1, 1),
            Output("here", "ratio", 0, 1),
        ),
        oracle="profile built anew from the window's bars",
    ),
)
