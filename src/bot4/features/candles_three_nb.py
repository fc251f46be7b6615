"""Candlestick rules of three bars.

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
    close_by_nb,
    colour_nb,
    equal_nb,
    far_nb,
    foot_nb,
    gap_down_nb,
    gap_up_nb,
    h_nb,
    l_nb,
    lower_nb,
    mean_body_nb,
    near_nb,
    o_nb,
    short_shadow_nb,
    tenth_nb,
    top_nb,
    upper_nb,
    white_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def two_crows_nb(s: State) -> float:
    """A long white bar, then two black ones: the first above it, the second back into it."""
    found = (
        white_nb(s, 2)
        and body_nb(s, 2) > mean_body_nb(s, 12, 2)
        and black_nb(s, 1)
        and gap_up_nb(s, 1, 2)
        and black_nb(s, 0)
        and c_nb(s, 1) < o_nb(s, 0) < o_nb(s, 1)
        and o_nb(s, 2) < c_nb(s, 0) < c_nb(s, 2)
    )
    return -100.0 if found else 0.0


@kernel
def three_inside_nb(s: State) -> float:
    """A harami, then a close beyond the open of its first bar."""
    first = 12
    beyond = c_nb(s, 0) < o_nb(s, 2) if white_nb(s, 2) else c_nb(s, 0) > o_nb(s, 2)
    found = (
        body_nb(s, 2) > mean_body_nb(s, first, 2)
        and body_nb(s, 1) <= mean_body_nb(s, first, 1)
        and top_nb(s, 1) < top_nb(s, 2)
        and foot_nb(s, 1) > foot_nb(s, 2)
        and colour_nb(s, 0) != colour_nb(s, 2)
        and beyond
    )
    return -100.0 * colour_nb(s, 2) if found else 0.0


@kernel
def three_outside_nb(s: State) -> float:
    """An engulfing pair, then a close that goes on."""
    if white_nb(s, 1) and black_nb(s, 2):
        found = c_nb(s, 1) > o_nb(s, 2) and o_nb(s, 1) < c_nb(s, 2) and c_nb(s, 0) > c_nb(s, 1)
        return 100.0 if found else 0.0
    if black_nb(s, 1) and white_nb(s, 2):
        found = o_nb(s, 1) > c_nb(s, 2) and c_nb(s, 1) < o_nb(s, 2) and c_nb(s, 0) < c_nb(s, 1)
        return -100.0 if found else 0.0
    return 0.0


@kernel
def three_stars_in_south_nb(s: State) -> float:
    """Three black bars, each smaller and within the one before."""
    first = 12
    found = (
        black_nb(s, 2)
        and black_nb(s, 1)
        and black_nb(s, 0)
        and body_nb(s, 2) > mean_body_nb(s, first, 2)
        and lower_nb(s, 2) > body_nb(s, 2)
        and body_nb(s, 1) < body_nb(s, 2)
        and c_nb(s, 2) < o_nb(s, 1) <= h_nb(s, 2)
        and l_nb(s, 2) <= l_nb(s, 1) < c_nb(s, 2)
        and lower_nb(s, 1) > tenth_nb(s, first, 1)
        and body_nb(s, 0) < mean_body_nb(s, first, 0)
        and lower_nb(s, 0) < tenth_nb(s, first, 0)
        and upper_nb(s, 0) < tenth_nb(s, first, 0)
        and l_nb(s, 0) > l_nb(s, 1)
        and h_nb(s, 0) < h_nb(s, 1)
    )
    return 100.0 if found else 0.0


@kernel
def _rising_whites_nb(s: State) -> float:
    """1 where three white bars close higher, each opening in or near the body before (first bar 12)."""
    found = (
        white_nb(s, 2)
        and white_nb(s, 1)
        and white_nb(s, 0)
        and c_nb(s, 0) > c_nb(s, 1) > c_nb(s, 2)
        and o_nb(s, 2) < o_nb(s, 1) <= c_nb(s, 2) + close_by_nb(s, 12, 2)
    )
    return 1.0 if found else 0.0


@kernel
def three_white_soldiers_nb(s: State) -> float:
    """Three strong white bars, each opening in the body before and closing at its high."""
    first = 12
    found = (
        _rising_whites_nb(s) > 0.0
        and o_nb(s, 1) < o_nb(s, 0) <= c_nb(s, 1) + close_by_nb(s, first, 1)
        and upper_nb(s, 2) < tenth_nb(s, first, 2)
        and upper_nb(s, 1) < tenth_nb(s, first, 1)
        and upper_nb(s, 0) < tenth_nb(s, first, 0)
        and body_nb(s, 1) > body_nb(s, 2) - far_nb(s, first, 2)
        and body_nb(s, 0) > body_nb(s, 1) - far_nb(s, first, 1)
        and body_nb(s, 0) > mean_body_nb(s, first, 0)
    )
    return 100.0 if found else 0.0


@kernel
def advance_block_nb(s: State) -> float:
    """Three white bars that weaken: smaller bodies or longer upper shadows."""
    first = 12
    ready = (
        _rising_whites_nb(s) > 0.0
        and o_nb(s, 1) < o_nb(s, 0) <= c_nb(s, 1) + close_by_nb(s, first, 1)
        and body_nb(s, 2) > mean_body_nb(s, first, 2)
        and upper_nb(s, 2) < short_shadow_nb(s, first, 2)
    )
    if not ready:
        return 0.0
    b2, b1, b0 = body_nb(s, 2), body_nb(s, 1), body_nb(s, 0)
    shadows = upper_nb(s, 0) > short_shadow_nb(s, first, 0) or upper_nb(s, 1) > short_shadow_nb(s, first, 1)
    weak = (
        (b1 < b2 - far_nb(s, first, 2) and b0 < b1 + close_by_nb(s, first, 1))
        or b0 < b1 - far_nb(s, first, 1)
        or (b0 < b1 and b1 < b2 and shadows)
        or (b0 < b1 and upper_nb(s, 0) > b0)
    )
    return -100.0 if weak else 0.0


@kernel
def stalled_pattern_nb(s: State) -> float:
    """Two long white bars, then a small one at the top."""
    first = 12
    found = (
        _rising_whites_nb(s) > 0.0
        and body_nb(s, 2) > mean_body_nb(s, first, 2)
        and body_nb(s, 1) > mean_body_nb(s, first, 1)
        and upper_nb(s, 1) < tenth_nb(s, first, 1)
        and body_nb(s, 0) < mean_body_nb(s, first, 0)
        and o_nb(s, 0) >= c_nb(s, 1) - body_nb(s, 0) - close_by_nb(s, first, 1)
    )
    return -100.0 if found else 0.0


@kernel
def abandoned_baby_nb(s: State, depth: float) -> float:
    """A long bar, a doji apart from both neighbours, and a bar back into the first body."""
    first = 12
    found = (
        body_nb(s, 2) > mean_body_nb(s, first, 2)
        and body_nb(s, 1) <= tenth_nb(s, first, 1)
        and body_nb(s, 0) > mean_body_nb(s, first, 0)
        and colour_nb(s, 0) != colour_nb(s, 2)
    )
    if not found:
        return 0.0
    if white_nb(s, 2):
        deep = c_nb(s, 0) < c_nb(s, 2) - body_nb(s, 2) * depth
        return -100.0 if deep and clear_above_nb(s, 1, 2) and clear_below_nb(s, 0, 1) else 0.0
    deep = c_nb(s, 0) > c_nb(s, 2) + body_nb(s, 2) * depth
    return 100.0 if deep and clear_below_nb(s, 1, 2) and clear_above_nb(s, 0, 1) else 0.0


@kernel
def _star_ends_nb(s: State) -> float:
    """1 where a long bar and a not short one of opposite colour enclose the middle bar (first bar 12)."""
    found = (
        body_nb(s, 2) > mean_body_nb(s, 12, 2)
        and body_nb(s, 0) > mean_body_nb(s, 12, 0)
        and colour_nb(s, 0) != colour_nb(s, 2)
    )
    return 1.0 if found else 0.0


@kernel
def _evening_nb(s: State, depth: float) -> float:
    """-100 where a star of the evening stands, whatever its body."""
    found = (
        _star_ends_nb(s) > 0.0
        and white_nb(s, 2)
        and gap_up_nb(s, 1, 2)
        and c_nb(s, 0) < c_nb(s, 2) - body_nb(s, 2) * depth
    )
    return -100.0 if found else 0.0


@kernel
def _morning_nb(s: State, depth: float) -> float:
    """100 where a star of the morning stands, whatever its body."""
    found = (
        _star_ends_nb(s) > 0.0
        and black_nb(s, 2)
        and gap_down_nb(s, 1, 2)
        and c_nb(s, 0) > c_nb(s, 2) + body_nb(s, 2) * depth
    )
    return 100.0 if found else 0.0


@kernel
def evening_star_nb(s: State, depth: float) -> float:
    """A long white bar, a short body above it, and a black bar back into the first body."""
    return _evening_nb(s, depth) if body_nb(s, 1) <= mean_body_nb(s, 12, 1) else 0.0


@kernel
def evening_doji_star_nb(s: State, depth: float) -> float:
    """An evening star whose middle is a doji."""
    return _evening_nb(s, depth) if body_nb(s, 1) <= tenth_nb(s, 12, 1) else 0.0


@kernel
def morning_star_nb(s: State, depth: float) -> float:
    """A long black bar, a short body below it, and a white bar back into the first body."""
    return _morning_nb(s, depth) if body_nb(s, 1) <= mean_body_nb(s, 12, 1) else 0.0


@kernel
def morning_doji_star_nb(s: State, depth: float) -> float:
    """A morning star whose middle is a doji."""
    return _morning_nb(s, depth) if body_nb(s, 1) <= tenth_nb(s, 12, 1) else 0.0


@kernel
def gap_side_by_side_white_nb(s: State) -> float:
    """Two equal white bars beside each other, both with a gap to the bar before them."""
    first = 7
    up = gap_up_nb(s, 1, 2) and gap_up_nb(s, 0, 2)
    down = gap_down_nb(s, 1, 2) and gap_down_nb(s, 0, 2)
    found = (
        (up or down)
        and white_nb(s, 1)
        and white_nb(s, 0)
        and near_nb(body_nb(s, 0), body_nb(s, 1), close_by_nb(s, first, 1))
        and near_nb(o_nb(s, 0), o_nb(s, 1), equal_nb(s, first, 1))
    )
    if not found:
        return 0.0
    return 100.0 if up else -100.0


@kernel
def identical_three_crows_nb(s: State) -> float:
    """Three black bars, each opening at the close before and closing at its low."""
    first = 12
    found = (
        black_nb(s, 2)
        and black_nb(s, 1)
        and black_nb(s, 0)
        and lower_nb(s, 2) < tenth_nb(s, first, 2)
        and lower_nb(s, 1) < tenth_nb(s, first, 1)
        and lower_nb(s, 0) < tenth_nb(s, first, 0)
        and c_nb(s, 2) > c_nb(s, 1) > c_nb(s, 0)
        and near_nb(o_nb(s, 1), c_nb(s, 2), equal_nb(s, first, 2))
        and near_nb(o_nb(s, 0), c_nb(s, 1), equal_nb(s, first, 1))
    )
    return -100.0 if found else 0.0


@kernel
def stick_sandwich_nb(s: State) -> float:
    """A white bar between two black ones with equal closes."""
    found = (
        black_nb(s, 2)
        and white_nb(s, 1)
        and black_nb(s, 0)
        and l_nb(s, 1) > c_nb(s, 2)
        and near_nb(c_nb(s, 0), c_nb(s, 2), equal_nb(s, 7, 2))
    )
    return 100.0 if found else 0.0


@kernel
def tasuki_gap_nb(s: State) -> float:
    """A gap, then a bar of the other colour and like size that closes in the gap."""
    alike = abs(body_nb(s, 1) - body_nb(s, 0)) < close_by_nb(s, 7, 1)
    if not alike or colour_nb(s, 1) == colour_nb(s, 0):
        return 0.0
    o0, c0, o1 = o_nb(s, 0), c_nb(s, 0), o_nb(s, 1)
    if not foot_nb(s, 1) < o0 < top_nb(s, 1):
        return 0.0
    if white_nb(s, 1):
        return 100.0 if gap_up_nb(s, 1, 2) and top_nb(s, 2) < c0 < o1 else 0.0
    return -100.0 if gap_down_nb(s, 1, 2) and o1 < c0 < foot_nb(s, 2) else 0.0


@kernel
def tristar_nb(s: State) -> float:
    """Three dojis, the middle one apart."""
    tenth = tenth_nb(s, 12, 2)
    if body_nb(s, 2) > tenth or body_nb(s, 1) > tenth or body_nb(s, 0) > tenth:
        return 0.0
    if gap_up_nb(s, 1, 2) and top_nb(s, 0) < top_nb(s, 1):
        return -100.0
    return 100.0 if gap_down_nb(s, 1, 2) and foot_nb(s, 0) > foot_nb(s, 1) else 0.0


@kernel
def unique_three_river_nb(s: State) -> float:
    """A long black bar, a black harami with a lower low, and a small white bar."""
    found = (
        body_nb(s, 2) > mean_body_nb(s, 12, 2)
        and black_nb(s, 2)
        and black_nb(s, 1)
        and c_nb(s, 1) > c_nb(s, 2)
        and o_nb(s, 1) <= o_nb(s, 2)
        and l_nb(s, 1) < l_nb(s, 2)
        and body_nb(s, 0) < mean_body_nb(s, 12, 0)
        and white_nb(s, 0)
        and o_nb(s, 0) > l_nb(s, 1)
    )
    return 100.0 if found else 0.0


@kernel
def upside_gap_two_crows_nb(s: State) -> float:
    """A long white bar, then two black ones above it, the second engulfing the first."""
    found = (
        white_nb(s, 2)
        and body_nb(s, 2) > mean_body_nb(s, 12, 2)
        and black_nb(s, 1)
        and body_nb(s, 1) <= mean_body_nb(s, 12, 1)
        and gap_up_nb(s, 1, 2)
        and black_nb(s, 0)
        and o_nb(s, 0) > o_nb(s, 1)
        and c_nb(s, 2) < c_nb(s, 0) < c_nb(s, 1)
    )
    return -100.0 if found else 0.0


@kernel
def gap_three_methods_nb(s: State) -> float:
    """Two bars of one colour with a gap, then one that opens in the second and closes in the first."""
    if colour_nb(s, 2) != colour_nb(s, 1) or colour_nb(s, 1) == colour_nb(s, 0):
        return 0.0
    gap = gap_up_nb(s, 1, 2) if white_nb(s, 2) else gap_down_nb(s, 1, 2)
    found = gap and foot_nb(s, 1) < o_nb(s, 0) < top_nb(s, 1) and foot_nb(s, 2) < c_nb(s, 0) < top_nb(s, 2)
    return 100.0 * colour_nb(s, 2) if found else 0.0
