"""Candlestick rules of one bar (some look at the bar before).

Each returns what TA-Lib says of the bar just closed: 100, -100, 80, -80, 200, -200 or 0.

`first` is the number of the first bar that TA-Lib judges; the running sums need it (`candle_facts_nb`).
"""

from bot4.features.candle_facts_nb import (
    State,
    body_nb,
    close_by_nb,
    colour_nb,
    foot_nb,
    gap_down_nb,
    gap_up_nb,
    h_nb,
    l_nb,
    lower_nb,
    mean_body_nb,
    short_shadow_nb,
    tenth_nb,
    top_nb,
    upper_nb,
    white_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def belt_hold_nb(s: State) -> float:
    """A long body that opens at its end."""
    first = 10
    if body_nb(s, 0) <= mean_body_nb(s, first, 0):
        return 0.0
    shadow = lower_nb(s, 0) if white_nb(s, 0) else upper_nb(s, 0)
    return 100.0 * colour_nb(s, 0) if shadow < tenth_nb(s, first, 0) else 0.0


@kernel
def closing_marubozu_nb(s: State) -> float:
    """A long body that closes at its end."""
    first = 10
    if body_nb(s, 0) <= mean_body_nb(s, first, 0):
        return 0.0
    shadow = upper_nb(s, 0) if white_nb(s, 0) else lower_nb(s, 0)
    return 100.0 * colour_nb(s, 0) if shadow < tenth_nb(s, first, 0) else 0.0


@kernel
def doji_nb(s: State) -> float:
    """Open and close almost equal."""
    return 100.0 if body_nb(s, 0) <= tenth_nb(s, 10, 0) else 0.0


@kernel
def dragonfly_doji_nb(s: State) -> float:
    """A doji at the high, with a lower shadow."""
    tenth = tenth_nb(s, 10, 0)
    found = body_nb(s, 0) <= tenth and upper_nb(s, 0) < tenth and lower_nb(s, 0) > tenth
    return 100.0 if found else 0.0


@kernel
def gravestone_doji_nb(s: State) -> float:
    """A doji at the low, with an upper shadow."""
    tenth = tenth_nb(s, 10, 0)
    found = body_nb(s, 0) <= tenth and lower_nb(s, 0) < tenth and upper_nb(s, 0) > tenth
    return 100.0 if found else 0.0


@kernel
def long_legged_doji_nb(s: State) -> float:
    """A doji with a shadow longer than its body."""
    body = body_nb(s, 0)
    found = body <= tenth_nb(s, 10, 0) and (lower_nb(s, 0) > body or upper_nb(s, 0) > body)
    return 100.0 if found else 0.0


@kernel
def rickshaw_man_nb(s: State) -> float:
    """A long-legged doji whose body is near the middle of the range."""
    first = 10
    body = body_nb(s, 0)
    if body > tenth_nb(s, first, 0) or lower_nb(s, 0) <= body or upper_nb(s, 0) <= body:
        return 0.0
    middle = l_nb(s, 0) + (h_nb(s, 0) - l_nb(s, 0)) / 2.0
    width = close_by_nb(s, first, 0)
    return 100.0 if foot_nb(s, 0) <= middle + width and top_nb(s, 0) >= middle - width else 0.0


@kernel
def takuri_nb(s: State) -> float:
    """A dragonfly doji with a very long lower shadow."""
    first = 10
    tenth = tenth_nb(s, first, 0)
    body = body_nb(s, 0)
    found = body <= tenth and upper_nb(s, 0) < tenth and lower_nb(s, 0) > 2.0 * body
    return 100.0 if found else 0.0


@kernel
def high_wave_nb(s: State) -> float:
    """A short body between two very long shadows."""
    body = body_nb(s, 0)
    found = body < mean_body_nb(s, 10, 0) and upper_nb(s, 0) > 2.0 * body and lower_nb(s, 0) > 2.0 * body
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def long_line_nb(s: State) -> float:
    """A long body with short shadows."""
    first = 10
    shadow = short_shadow_nb(s, first, 0)
    found = body_nb(s, 0) > mean_body_nb(s, first, 0) and upper_nb(s, 0) < shadow and lower_nb(s, 0) < shadow
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def short_line_nb(s: State) -> float:
    """A short body with short shadows."""
    first = 10
    shadow = short_shadow_nb(s, first, 0)
    found = body_nb(s, 0) < mean_body_nb(s, first, 0) and upper_nb(s, 0) < shadow and lower_nb(s, 0) < shadow
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def marubozu_nb(s: State) -> float:
    """A long body without shadows."""
    first = 10
    tenth = tenth_nb(s, first, 0)
    found = body_nb(s, 0) > mean_body_nb(s, first, 0) and upper_nb(s, 0) < tenth and lower_nb(s, 0) < tenth
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def spinning_top_nb(s: State) -> float:
    """A short body between longer shadows."""
    body = body_nb(s, 0)
    found = body < mean_body_nb(s, 10, 0) and upper_nb(s, 0) > body and lower_nb(s, 0) > body
    return 100.0 * colour_nb(s, 0) if found else 0.0


@kernel
def _hammer_shape_nb(s: State) -> float:
    """A short body at the high, over a long lower shadow (first bar 11)."""
    body = body_nb(s, 0)
    short = body < mean_body_nb(s, 11, 0)
    return 1.0 if short and lower_nb(s, 0) > body and upper_nb(s, 0) < tenth_nb(s, 11, 0) else 0.0


@kernel
def _inverted_shape_nb(s: State) -> float:
    """A short body at the low, under a long upper shadow (first bar 11)."""
    body = body_nb(s, 0)
    short = body < mean_body_nb(s, 11, 0)
    return 1.0 if short and upper_nb(s, 0) > body and lower_nb(s, 0) < tenth_nb(s, 11, 0) else 0.0


@kernel
def hammer_nb(s: State) -> float:
    """A hammer's shape near or below the low before."""
    found = _hammer_shape_nb(s) > 0.0 and foot_nb(s, 0) <= l_nb(s, 1) + close_by_nb(s, 11, 1)
    return 100.0 if found else 0.0


@kernel
def hanging_man_nb(s: State) -> float:
    """A hammer's shape near or above the high before."""
    found = _hammer_shape_nb(s) > 0.0 and foot_nb(s, 0) >= h_nb(s, 1) - close_by_nb(s, 11, 1)
    return -100.0 if found else 0.0


@kernel
def inverted_hammer_nb(s: State) -> float:
    """A hammer upside down, its body below the body before."""
    return 100.0 if _inverted_shape_nb(s) > 0.0 and gap_down_nb(s, 0, 1) else 0.0


@kernel
def shooting_star_nb(s: State) -> float:
    """A hammer upside down, its body above the body before."""
    return -100.0 if _inverted_shape_nb(s) > 0.0 and gap_up_nb(s, 0, 1) else 0.0
