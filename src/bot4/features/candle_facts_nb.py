"""What candlestick rules ask of the last bars: colours, bodies, shadows, gaps and averages.

The averages follow TA-Lib's settings and its running sums to the last bit: a rule that asks
`body > average` must tie where TA-Lib ties, and a running sum that started one bar later rounds
otherwise. TA-Lib starts each sum at the first bar of the pattern, so a sum is kept for each
start, 0 to STARTS - 1 bars after the first bar.

State: [0] bars seen, then a ring of BARS bars of FIELDS numbers, then the running sums, then the
memory of the two hikkake rules.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel

BARS = 16
FIELDS = 8
OPEN, HIGH, LOW, CLOSE, BODY, UPPER, LOWER, COLOUR = range(FIELDS)

KINDS = 4  # running sums: bodies of 10 bars, ranges of 10, shadows of 10, ranges of 5
BODY_10, RANGE_10, SHADOWS_10, RANGE_5 = range(KINDS)
STARTS = 10
PAST = 8

SUMS = 1 + BARS * FIELDS
HIKKAKE = SUMS + KINDS * STARTS * PAST
CANDLE_STATE = HIKKAKE + 8

State = np.ndarray[Any, Any]


@kernel
def field_nb(s: State, k: int, field: int) -> float:
    """Return a field of the bar k bars ago (0 = the bar just closed)."""
    return float(s[1 + ((int(s[0]) - 1 - k) & (BARS - 1)) * FIELDS + field])


@kernel
def o_nb(s: State, k: int) -> float:
    """Open, k bars ago."""
    return field_nb(s, k, OPEN)


@kernel
def h_nb(s: State, k: int) -> float:
    """High, k bars ago."""
    return field_nb(s, k, HIGH)


@kernel
def l_nb(s: State, k: int) -> float:
    """Low, k bars ago."""
    return field_nb(s, k, LOW)


@kernel
def c_nb(s: State, k: int) -> float:
    """Close, k bars ago."""
    return field_nb(s, k, CLOSE)


@kernel
def body_nb(s: State, k: int) -> float:
    """|close - open|, k bars ago."""
    return field_nb(s, k, BODY)


@kernel
def upper_nb(s: State, k: int) -> float:
    """Upper shadow, k bars ago."""
    return field_nb(s, k, UPPER)


@kernel
def lower_nb(s: State, k: int) -> float:
    """Lower shadow, k bars ago."""
    return field_nb(s, k, LOWER)


@kernel
def white_nb(s: State, k: int) -> bool:
    """Whether the bar closed at or above its open."""
    return field_nb(s, k, COLOUR) > 0.0


@kernel
def black_nb(s: State, k: int) -> bool:
    """Whether the bar closed below its open."""
    return field_nb(s, k, COLOUR) < 0.0


@kernel
def colour_nb(s: State, k: int) -> float:
    """1 for a white bar, -1 for a black one."""
    return field_nb(s, k, COLOUR)


@kernel
def top_nb(s: State, k: int) -> float:
    """Upper end of the body."""
    return max(o_nb(s, k), c_nb(s, k))


@kernel
def foot_nb(s: State, k: int) -> float:
    """Lower end of the body."""
    return min(o_nb(s, k), c_nb(s, k))


@kernel
def gap_up_nb(s: State, later: int, earlier: int) -> bool:
    """Whether the later body lies above the earlier body."""
    return foot_nb(s, later) > top_nb(s, earlier)


@kernel
def gap_down_nb(s: State, later: int, earlier: int) -> bool:
    """Whether the later body lies below the earlier body."""
    return top_nb(s, later) < foot_nb(s, earlier)


@kernel
def clear_above_nb(s: State, later: int, earlier: int) -> bool:
    """Whether the whole later bar lies above the earlier bar."""
    return l_nb(s, later) > h_nb(s, earlier)


@kernel
def clear_below_nb(s: State, later: int, earlier: int) -> bool:
    """Whether the whole later bar lies below the earlier bar."""
    return h_nb(s, later) < l_nb(s, earlier)


@kernel
def near_nb(x: float, y: float, width: float) -> bool:
    """Whether y - width <= x <= y + width."""
    return y - width <= x <= y + width


@kernel
def _sum_nb(s: State, kind: int, period: int, first: int, k: int) -> float:
    """Sum over the `period` bars before the bar k ago, of the rule whose first bar number is `first`."""
    start = first - k - period
    return float(s[SUMS + (kind * STARTS + start) * PAST + ((int(s[0]) - 1 - k) & (PAST - 1))])


@kernel
def mean_body_nb(s: State, first: int, k: int) -> float:
    """Bodies above it are long, below it short: the mean body of 10 bars."""
    return _sum_nb(s, BODY_10, 10, first, k) / 10.0


@kernel
def tenth_nb(s: State, first: int, k: int) -> float:
    """Bodies up to it are dojis, shadows below it very short: a tenth of the mean range of 10 bars."""
    return 0.1 * (_sum_nb(s, RANGE_10, 10, first, k) / 10.0)


@kernel
def short_shadow_nb(s: State, first: int, k: int) -> float:
    """Shadows below it are short: half the mean of both shadows of 10 bars."""
    return _sum_nb(s, SHADOWS_10, 10, first, k) / 10.0 / 2.0


@kernel
def close_by_nb(s: State, first: int, k: int) -> float:
    """Prices within it are near: 0.2 of the mean range of 5 bars."""
    return 0.2 * (_sum_nb(s, RANGE_5, 5, first, k) / 5.0)


@kernel
def far_nb(s: State, first: int, k: int) -> float:
    """Prices beyond it are far: 0.6 of the mean range of 5 bars."""
    return 0.6 * (_sum_nb(s, RANGE_5, 5, first, k) / 5.0)


@kernel
def equal_nb(s: State, first: int, k: int) -> float:
    """Prices within it are equal: 0.05 of the mean range of 5 bars."""
    return 0.05 * (_sum_nb(s, RANGE_5, 5, first, k) / 5.0)


@kernel
def _measure_nb(s: State, k: int, kind: int) -> float:
    if kind == BODY_10:
        return body_nb(s, k)
    if kind == SHADOWS_10:
        return upper_nb(s, k) + lower_nb(s, k)
    return h_nb(s, k) - l_nb(s, k)


@kernel
def push_candle_nb(s: State, x: State) -> None:
    """Take in a bar and move every running sum."""
    n = int(s[0])
    at = 1 + (n & (BARS - 1)) * FIELDS
    top = max(x[0], x[3])
    foot = min(x[0], x[3])
    for i in range(4):
        s[at + i] = x[i]
    s[at + BODY] = abs(x[3] - x[0])
    s[at + UPPER] = x[1] - top
    s[at + LOWER] = foot - x[2]
    s[at + COLOUR] = 1.0 if x[3] >= x[0] else -1.0
    s[0] = n + 1
    for kind in range(KINDS):
        _move_sums_nb(s, n, kind, 5 if kind == RANGE_5 else 10)


@kernel
def _move_sums_nb(s: State, n: int, kind: int, period: int) -> None:
    if n < period:
        return
    change = _measure_nb(s, 1, kind) - _measure_nb(s, 1 + period, kind)
    for start in range(STARTS):
        at = SUMS + (kind * STARTS + start) * PAST
        if n > period + start:
            s[at + (n & (PAST - 1))] = s[at + ((n - 1) & (PAST - 1))] + change
        elif n == period + start:
            total = 0.0
            for k in range(period, 0, -1):
                total += _measure_nb(s, k, kind)
            s[at + (n & (PAST - 1))] = total
