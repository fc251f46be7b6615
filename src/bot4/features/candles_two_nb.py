"""Candlestick rules of two bars.

Each returns what TA-Lib says of the bar just closed: 100, -100, 80, -80, 200, -200 or 0.

`first` is the number of the first bar that TA-Lib judges; the running sums need it (`candle_facts_nb`).
"""

from bot4.features.candle_facts_nb import (
    State,
    black_nb,
    body_nb,
    c_nb,
    clear_above_nb,
    clear_below_nb,
    colour_nb,
    equal_nb,
    foot_nb,
    gap_down_nb,
    gap_up_nb,
    h_nb,
    l_nb,
    lower_nb,
    mean_body_nb,
    near_nb,
    o_nb,
    tenth_nb,
    top_nb,
    upper_nb,
    white_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def counterattack_nb(s: State) -> float:
    """Two long bodies of opposite colour with equal closes."""
    first = 11
    if colour_nb(s, 1) == colour_nb(s, 0):
        return 0.0
    found = (
        body_nb(s, 1) > mean_body_nb(s, first, 1)
        and body_nb(s, 0) > mean_body_nb(s, first, 0)
        and near_nb(c_nb(s, 0), c_nb(s, 1), equal_nb(s, first, 1))
    )
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def dark_cloud_cover_nb(s: State, depth: float) -> float:
    """A long white bar, then a black one that opens above its high and closes deep in its body."""
    found = (
        white_nb(s, 1)
        and black_nb(s, 0)
        and body_nb(s, 1) > mean_body_nb(s, 11, 1)
        and o_nb(s, 0) > h_nb(s, 1)
        and c_nb(s, 0) > o_nb(s, 1)
        and c_nb(s, 0) < c_nb(s, 1) - body_nb(s, 1) * depth
    )
    return -100.0 if found else 0.0


@kernel
def piercing_nb(s: State) -> float:
    """A long black bar, then a long white one that opens below its low and closes above its middle."""
    first = 11
    found = (
        black_nb(s, 1)
        and white_nb(s, 0)
        and body_nb(s, 1) > mean_body_nb(s, first, 1)
        and body_nb(s, 0) > mean_body_nb(s, first, 0)
        and o_nb(s, 0) < l_nb(s, 1)
        and c_nb(s, 0) < o_nb(s, 1)
        and c_nb(s, 0) > c_nb(s, 1) + body_nb(s, 1) * 0.5
    )
    return 100.0 if found else 0.0


@kernel
def _neck_nb(s: State) -> float:
    """A long black bar, then a white one that opens below its low (first bar 11)."""
    found = (
        black_nb(s, 1)
        and white_nb(s, 0)
        and body_nb(s, 1) > mean_body_nb(s, 11, 1)
        and o_nb(s, 0) < l_nb(s, 1)
    )
    return 1.0 if found else 0.0


@kernel
def in_neck_nb(s: State) -> float:
    """A white bar that closes at the close of the long black bar before."""
    close = c_nb(s, 0)
    found = _neck_nb(s) > 0.0 and close <= c_nb(s, 1) + equal_nb(s, 11, 1) and close >= c_nb(s, 1)
    return -100.0 if found else 0.0


@kernel
def on_neck_nb(s: State) -> float:
    """A white bar that closes at the low of the long black bar before."""
    found = _neck_nb(s) > 0.0 and near_nb(c_nb(s, 0), l_nb(s, 1), equal_nb(s, 11, 1))
    return -100.0 if found else 0.0


@kernel
def thrusting_nb(s: State) -> float:
    """A white bar that closes within the long black body before, below its middle."""
    close = c_nb(s, 0)
    found = (
        _neck_nb(s) > 0.0
        and close > c_nb(s, 1) + equal_nb(s, 11, 1)
        and close <= c_nb(s, 1) + body_nb(s, 1) * 0.5
    )
    return -100.0 if found else 0.0


@kernel
def doji_star_nb(s: State) -> float:
    """A long body, then a doji beyond its close."""
    found = body_nb(s, 1) > mean_body_nb(s, 11, 1) and body_nb(s, 0) <= tenth_nb(s, 11, 0)
    beyond = gap_up_nb(s, 0, 1) if white_nb(s, 1) else gap_down_nb(s, 0, 1)
    return -100.0 * colour_nb(s, 1) if found and beyond else 0.0


@kernel
def engulfing_nb(s: State) -> float:
    """A body that covers the body of opposite colour before; 80 where one end is equal."""
    if colour_nb(s, 0) == colour_nb(s, 1):
        return 0.0
    over = top_nb(s, 0) - top_nb(s, 1)
    under = foot_nb(s, 1) - foot_nb(s, 0)
    if over < 0.0 or under < 0.0 or (over == 0.0 and under == 0.0):
        return 0.0
    return (100.0 if over > 0.0 and under > 0.0 else 80.0) * colour_nb(s, 0)


@kernel
def _inside_nb(s: State) -> float:
    """100 where the body lies within the body before, 80 where an end is equal, else 0."""
    over = top_nb(s, 1) - top_nb(s, 0)
    under = foot_nb(s, 0) - foot_nb(s, 1)
    if over < 0.0 or under < 0.0:
        return 0.0
    return 100.0 if over > 0.0 and under > 0.0 else 80.0


@kernel
def harami_nb(s: State) -> float:
    """A short body within the long body before."""
    found = body_nb(s, 1) > mean_body_nb(s, 11, 1) and body_nb(s, 0) <= mean_body_nb(s, 11, 0)
    return -_inside_nb(s) * colour_nb(s, 1) if found else 0.0


@kernel
def harami_cross_nb(s: State) -> float:
    """A doji within the long body before."""
    found = body_nb(s, 1) > mean_body_nb(s, 11, 1) and body_nb(s, 0) <= tenth_nb(s, 11, 0)
    return -_inside_nb(s) * colour_nb(s, 1) if found else 0.0


@kernel
def homing_pigeon_nb(s: State) -> float:
    """A short black body within the long black body before."""
    found = (
        black_nb(s, 1)
        and black_nb(s, 0)
        and body_nb(s, 1) > mean_body_nb(s, 11, 1)
        and body_nb(s, 0) <= mean_body_nb(s, 11, 0)
        and o_nb(s, 0) < o_nb(s, 1)
        and c_nb(s, 0) > c_nb(s, 1)
    )
    return 100.0 if found else 0.0


@kernel
def _bare_nb(s: State, k: int) -> float:
    """1 where the bar k bars ago is a marubozu (first bar 11)."""
    tenth = tenth_nb(s, 11, k)
    long_body = body_nb(s, k) > mean_body_nb(s, 11, k)
    return 1.0 if long_body and upper_nb(s, k) < tenth and lower_nb(s, k) < tenth else 0.0


@kernel
def kicking_nb(s: State) -> float:
    """A marubozu, then one of opposite colour with a gap between."""
    if colour_nb(s, 1) == colour_nb(s, 0):
        return 0.0
    gap = clear_above_nb(s, 0, 1) if black_nb(s, 1) else clear_below_nb(s, 0, 1)
    return 100.0 * colour_nb(s, 0) if gap and _bare_nb(s, 1) > 0.0 and _bare_nb(s, 0) > 0.0 else 0.0


@kernel
def kicking_by_length_nb(s: State) -> float:
    """Kicking, with the colour of the longer marubozu."""
    if kicking_nb(s) == 0.0:
        return 0.0
    return 100.0 * colour_nb(s, 0 if body_nb(s, 0) > body_nb(s, 1) else 1)


@kernel
def matching_low_nb(s: State) -> float:
    """Two black bars with equal closes."""
    found = black_nb(s, 1) and black_nb(s, 0) and near_nb(c_nb(s, 0), c_nb(s, 1), equal_nb(s, 6, 1))
    return 100.0 if found else 0.0


@kernel
def separating_lines_nb(s: State) -> float:
    """Two bars of opposite colour with equal opens; the second long, opening at its end."""
    first = 11
    if colour_nb(s, 1) == colour_nb(s, 0):
        return 0.0
    shadow = lower_nb(s, 0) if white_nb(s, 0) else upper_nb(s, 0)
    found = (
        near_nb(o_nb(s, 0), o_nb(s, 1), equal_nb(s, first, 1))
        and body_nb(s, 0) > mean_body_nb(s, first, 0)
        and shadow < tenth_nb(s, first, 0)
    )
    return 100.0 * colour_nb(s, 0) if found else 0.0
