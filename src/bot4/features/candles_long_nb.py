"""Candlestick rules of four and five bars, and hikkake.

Each returns what TA-Lib says of the bar just closed: 100, -100, 80, -80, 200, -200 or 0.

`first` is the number of the first bar that TA-Lib judges; the running sums need it (`candle_facts_nb`).
"""

from bot4.features.candle_facts_nb import (
    HIKKAKE,
    State,
    black_nb,
    body_nb,
    c_nb,
    close_by_nb,
    colour_nb,
    foot_nb,
    gap_down_nb,
    gap_up_nb,
    h_nb,
    l_nb,
    lower_nb,
    mean_body_nb,
    o_nb,
    tenth_nb,
    top_nb,
    upper_nb,
    white_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def three_black_crows_nb(s: State) -> float:
    """Three black bars after a white one, each opening in the body before and closing at its low."""
    first = 13
    found = (
        white_nb(s, 3)
        and black_nb(s, 2)
        and lower_nb(s, 2) < tenth_nb(s, first, 2)
        and black_nb(s, 1)
        and lower_nb(s, 1) < tenth_nb(s, first, 1)
        and black_nb(s, 0)
        and lower_nb(s, 0) < tenth_nb(s, first, 0)
        and c_nb(s, 2) < o_nb(s, 1) < o_nb(s, 2)
        and c_nb(s, 1) < o_nb(s, 0) < o_nb(s, 1)
        and h_nb(s, 3) > c_nb(s, 2) > c_nb(s, 1) > c_nb(s, 0)
    )
    return -100.0 if found else 0.0


@kernel
def _opens_in_nb(s: State, k: int) -> float:
    """1 where the bar k ago opens in or near the body before it (first bar 8)."""
    width = close_by_nb(s, 8, k + 1)
    return 1.0 if foot_nb(s, k + 1) - width <= o_nb(s, k) <= top_nb(s, k + 1) + width else 0.0


@kernel
def three_line_strike_nb(s: State) -> float:
    """Three bars of one colour, then one of the other that takes all of them back."""
    found = (
        colour_nb(s, 3) == colour_nb(s, 2)
        and colour_nb(s, 2) == colour_nb(s, 1)
        and colour_nb(s, 0) != colour_nb(s, 1)
        and _opens_in_nb(s, 2) > 0.0
        and _opens_in_nb(s, 1) > 0.0
    )
    if not found:
        return 0.0
    if white_nb(s, 1):
        whites = c_nb(s, 1) > c_nb(s, 2) > c_nb(s, 3) and o_nb(s, 0) > c_nb(s, 1) and c_nb(s, 0) < o_nb(s, 3)
        return 100.0 if whites else 0.0
    blacks = c_nb(s, 1) < c_nb(s, 2) < c_nb(s, 3) and o_nb(s, 0) < c_nb(s, 1) and c_nb(s, 0) > o_nb(s, 3)
    return -100.0 if blacks else 0.0


@kernel
def breakaway_nb(s: State) -> float:
    """A long bar, a gap on, two more that go on, and one back into the gap."""
    found = (
        body_nb(s, 4) > mean_body_nb(s, 14, 4)
        and colour_nb(s, 4) == colour_nb(s, 3)
        and colour_nb(s, 3) == colour_nb(s, 1)
        and colour_nb(s, 1) != colour_nb(s, 0)
    )
    if not found:
        return 0.0
    if black_nb(s, 4):
        falls = (
            gap_down_nb(s, 3, 4)
            and h_nb(s, 1) < h_nb(s, 2) < h_nb(s, 3)
            and l_nb(s, 1) < l_nb(s, 2) < l_nb(s, 3)
            and o_nb(s, 3) < c_nb(s, 0) < c_nb(s, 4)
        )
        return 100.0 if falls else 0.0
    rises = (
        gap_up_nb(s, 3, 4)
        and h_nb(s, 1) > h_nb(s, 2) > h_nb(s, 3)
        and l_nb(s, 1) > l_nb(s, 2) > l_nb(s, 3)
        and c_nb(s, 4) < c_nb(s, 0) < o_nb(s, 3)
    )
    return -100.0 if rises else 0.0


@kernel
def _bare_black_nb(s: State, k: int) -> float:
    """1 where the bar k ago is black and without shadows (first bar 13)."""
    tenth = tenth_nb(s, 13, k)
    return 1.0 if black_nb(s, k) and lower_nb(s, k) < tenth and upper_nb(s, k) < tenth else 0.0


@kernel
def concealing_baby_swallow_nb(s: State) -> float:
    """Two bare black bars, a gap down with a shadow back up, and a black bar over all of it."""
    found = (
        _bare_black_nb(s, 3) > 0.0
        and _bare_black_nb(s, 2) > 0.0
        and black_nb(s, 1)
        and black_nb(s, 0)
        and gap_down_nb(s, 1, 2)
        and upper_nb(s, 1) > tenth_nb(s, 13, 1)
        and h_nb(s, 1) > c_nb(s, 2)
        and h_nb(s, 0) > h_nb(s, 1)
        and l_nb(s, 0) < l_nb(s, 1)
    )
    return 100.0 if found else 0.0


@kernel
def ladder_bottom_nb(s: State) -> float:
    """Three falling black bars, one with an upper shadow, then a white bar above its high."""
    found = (
        black_nb(s, 4)
        and black_nb(s, 3)
        and black_nb(s, 2)
        and o_nb(s, 4) > o_nb(s, 3) > o_nb(s, 2)
        and c_nb(s, 4) > c_nb(s, 3) > c_nb(s, 2)
        and black_nb(s, 1)
        and upper_nb(s, 1) > tenth_nb(s, 14, 1)
        and white_nb(s, 0)
        and o_nb(s, 0) > o_nb(s, 1)
        and c_nb(s, 0) > h_nb(s, 1)
    )
    return 100.0 if found else 0.0


@kernel
def _long_then_short_nb(s: State) -> float:
    """1 where a long body is followed by three short ones (first bar 14)."""
    found = (
        body_nb(s, 4) > mean_body_nb(s, 14, 4)
        and body_nb(s, 3) < mean_body_nb(s, 14, 3)
        and body_nb(s, 2) < mean_body_nb(s, 14, 2)
        and body_nb(s, 1) < mean_body_nb(s, 14, 1)
    )
    return 1.0 if found else 0.0


@kernel
def mat_hold_nb(s: State, depth: float) -> float:
    """A long white bar, three small ones that hold in its body, and a white bar above them."""
    c4 = c_nb(s, 4)
    floor = c4 - body_nb(s, 4) * depth
    found = (
        _long_then_short_nb(s) > 0.0
        and white_nb(s, 4)
        and black_nb(s, 3)
        and white_nb(s, 0)
        and gap_up_nb(s, 3, 4)
        and floor < foot_nb(s, 2) < c4
        and floor < foot_nb(s, 1) < c4
        and top_nb(s, 2) < o_nb(s, 3)
        and top_nb(s, 1) < top_nb(s, 2)
        and o_nb(s, 0) > c_nb(s, 1)
        and c_nb(s, 0) > max(h_nb(s, 3), h_nb(s, 2), h_nb(s, 1))
    )
    return 100.0 if found else 0.0


@kernel
def _within_first_nb(s: State, k: int) -> float:
    """1 where the body k ago touches the range of the bar 4 ago."""
    return 1.0 if foot_nb(s, k) < h_nb(s, 4) and top_nb(s, k) > l_nb(s, 4) else 0.0


@kernel
def rise_fall_three_methods_nb(s: State) -> float:
    """A long bar, three small ones against it within its range, and a long one that goes on."""
    side = colour_nb(s, 4)
    found = (
        _long_then_short_nb(s) > 0.0
        and body_nb(s, 0) > mean_body_nb(s, 14, 0)
        and colour_nb(s, 3) == -side
        and colour_nb(s, 2) == -side
        and colour_nb(s, 1) == -side
        and colour_nb(s, 0) == side
        and _within_first_nb(s, 3) > 0.0
        and _within_first_nb(s, 2) > 0.0
        and _within_first_nb(s, 1) > 0.0
        and c_nb(s, 2) * side < c_nb(s, 3) * side
        and c_nb(s, 1) * side < c_nb(s, 2) * side
        and o_nb(s, 0) * side > c_nb(s, 1) * side
        and c_nb(s, 0) * side > c_nb(s, 4) * side
    )
    return 100.0 * side if found else 0.0


@kernel
def _near_low_nb(s: State) -> float:
    """1 where the close two bars ago lies near its low (first bar 10)."""
    return 1.0 if c_nb(s, 2) <= l_nb(s, 2) + close_by_nb(s, 10, 2) else 0.0


@kernel
def _near_high_nb(s: State) -> float:
    """1 where the close two bars ago lies near its high (first bar 10)."""
    return 1.0 if c_nb(s, 2) >= h_nb(s, 2) - close_by_nb(s, 10, 2) else 0.0


@kernel
def _inside_bar_nb(s: State, k: int) -> bool:
    return h_nb(s, k) < h_nb(s, k + 1) and l_nb(s, k) > l_nb(s, k + 1)


@kernel
def _break_nb(s: State) -> float:
    """Return 100 where the bar leaves the one before downwards (a bull's trap), -100 upwards, else 0."""
    if h_nb(s, 0) < h_nb(s, 1) and l_nb(s, 0) < l_nb(s, 1):
        return 100.0
    return -100.0 if h_nb(s, 0) > h_nb(s, 1) and l_nb(s, 0) > l_nb(s, 1) else 0.0


@kernel
def _trap_nb(s: State, at: int, fresh: float) -> float:
    """Keep the last false break at s[at..at+4] and say 100 at it, 200 where three bars confirm it.

    s[at] its bar number, s[at + 1] its sign, s[at + 2], s[at + 3] high and low of the bar before.
    """
    n = s[0] - 1.0
    if fresh != 0.0:
        s[at] = n
        s[at + 1] = fresh
        s[at + 2] = h_nb(s, 1)
        s[at + 3] = l_nb(s, 1)
        return fresh
    sign = s[at + 1]
    if n > s[at] + 3.0 or sign == 0.0:
        return 0.0
    if (sign > 0.0 and c_nb(s, 0) > s[at + 2]) or (sign < 0.0 and c_nb(s, 0) < s[at + 3]):
        s[at] = -4.0
        return 200.0 if sign > 0.0 else -200.0
    return 0.0


@kernel
def hikkake_nb(s: State) -> float:
    """An inside bar, then a false break; 200 once confirmed in 3 bars. Call it at each bar from 2 on."""
    fresh = _break_nb(s) if _inside_bar_nb(s, 1) else 0.0
    return _trap_nb(s, HIKKAKE, fresh)


@kernel
def hikkake_modified_nb(s: State) -> float:
    """Hikkake after two nested bars, the first closing at its end. Call it at each bar from 7 on."""
    fresh = 0.0
    if _inside_bar_nb(s, 2) and _inside_bar_nb(s, 1):
        fresh = _break_nb(s)
        if (fresh > 0.0 and _near_low_nb(s) == 0.0) or (fresh < 0.0 and _near_high_nb(s) == 0.0):
            fresh = 0.0
    return _trap_nb(s, HIKKAKE + 4, fresh)
