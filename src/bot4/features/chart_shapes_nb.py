"""Chart patterns as shapes of confirmed pivots; each function writes the lines whose break completes it.

A candidate is FIELDS numbers from `c` on: kind (0 none), allowed side of the break (0 both), price and slope
a bar of the upper line at the bar `REF`, the same of the lower line, height, last bar at which it may break.
Pivots are read from the zigzag at `at`. `sign` turns a figure upside down: 1 for tops, -1 for bottoms.
Heights of a figure are the unit of all tolerances.
"""

from bot4.features.pivots_nb import Vector, bar_nb, newest_side_nb, pivot_nb, price_nb
from bot4.kernels.jit_nb import kernel

N_SHAPES = 18
(
    HEAD_AND_SHOULDERS,
    INVERSE_HEAD_AND_SHOULDERS,
    DOUBLE_TOP,
    DOUBLE_BOTTOM,
    TRIPLE_TOP,
    TRIPLE_BOTTOM,
    ASCENDING_TRIANGLE,
    DESCENDING_TRIANGLE,
    SYMMETRIC_TRIANGLE,
    RISING_WEDGE,
    FALLING_WEDGE,
    FLAG,
    PENNANT,
    RECTANGLE,
    CHANNEL,
    BROADENING,
    CUP_AND_HANDLE,
    INVERSE_CUP_AND_HANDLE,
) = range(1, N_SHAPES + 1)
ROUNDING_BOTTOM = 19
ROUNDING_TOP = 20

FIELDS = 9
KIND, WAY, REF, UPPER, UPPER_SLOPE, LOWER, LOWER_SLOPE, HEIGHT, LAST = range(FIELDS)

EQUAL = 0.2
"""Prices of a figure are equal within this share of its height."""
PRIOR = 0.3
"""The move into a top starts at least this share of the height below the neckline."""
HEAD = 0.2
"""A head stands out by at least this share of the height."""
ON_LINE = 0.2
"""A touch lies within this share of the mean leg from its line."""
ROUND = 0.57
"""Mean depth of each half of a rounded bottom: a V has 0.5, a parabola 0.667."""
RISE = 3.0
"""The leg into a first top is at most so many heights: a longer one makes a flag of what follows."""
FIRST_LEG = 1.5
"""The first leg between two lines is at most so many times the next two, else it leads to them."""
POLE = 2.5
"""A flagpole is at least so many heights of its flag."""


@kernel
def _q_nb(s: Vector, at: int, k: int, sign: float) -> float:
    return sign * price_nb(s, at, k)


@kernel
def _write_nb(
    s: Vector,
    c: int,
    head: tuple[int, float, float],
    upper: tuple[float, float],
    lower: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """Write a candidate: (kind, way, ref bar), (price, slope) twice, (height, last bar)."""
    s[c + KIND], s[c + WAY], s[c + REF] = head
    s[c + UPPER], s[c + UPPER_SLOPE] = upper
    s[c + LOWER], s[c + LOWER_SLOPE] = lower
    s[c + HEIGHT], s[c + LAST] = size


@kernel
def _neck_nb(
    s: Vector,
    at: int,
    c: int,
    kind: int,
    sign: float,
    neck: tuple[float, float, float],
    size: tuple[float, float],
) -> None:
    """Write a reversal: its neckline (price, slope, ref bar; sign-turned), its height and its extreme."""
    price, slope, ref = neck
    height, extreme = size
    last = bar_nb(s, at, 0) + (bar_nb(s, at, 0) - bar_nb(s, at, 3))
    if sign > 0.0:
        _write_nb(s, c, (kind, -1.0, ref), (extreme, 0.0), (price, slope), (height, last))
    else:
        _write_nb(s, c, (kind, 1.0, ref), (-price, -slope), (-extreme, 0.0), (height, last))


@kernel
def _shoulders_nb(s: Vector, at: int, c: int, sign: float) -> bool:
    """Two like shoulders around a head, over a neckline that may slope."""
    turned = 0 if sign > 0.0 else 1
    right, neck2, head = _q_nb(s, at, 0, sign), _q_nb(s, at, 1, sign), _q_nb(s, at, 2, sign)
    neck1, left, start = _q_nb(s, at, 3, sign), _q_nb(s, at, 4, sign), _q_nb(s, at, 5, sign)
    t1, t2 = bar_nb(s, at, 3), bar_nb(s, at, 1)
    slope = (neck2 - neck1) / (t2 - t1)
    height = head - neck1 - slope * (bar_nb(s, at, 2) - t1)
    wide = 1.5 * EQUAL * height
    if abs(neck2 - neck1) > wide or abs(left - right) > wide or head - max(left, right) < HEAD * height:
        return False
    if (
        min(left, right) - max(neck1, neck2) < 0.2 * height
        or start > min(neck1, neck2) - 0.5 * PRIOR * height
    ):
        return False
    _neck_nb(s, at, c, HEAD_AND_SHOULDERS + turned, sign, (neck2, slope, t2), (height, head))
    return True


@kernel
def _triple_nb(s: Vector, at: int, c: int, sign: float) -> bool:
    """Three like tops over two like lows."""
    turned = 0 if sign > 0.0 else 1
    top2, neck2, top1 = _q_nb(s, at, 0, sign), _q_nb(s, at, 1, sign), _q_nb(s, at, 2, sign)
    neck1, top0, start = _q_nb(s, at, 3, sign), _q_nb(s, at, 4, sign), _q_nb(s, at, 5, sign)
    low = min(neck1, neck2)
    tall = max(top0, top1, top2)
    height = tall - low
    if tall - min(top0, top1, top2) > EQUAL * height or abs(neck2 - neck1) > 1.5 * EQUAL * height:
        return False
    if start > low - PRIOR * height or top0 - start > RISE * height:
        return False
    _neck_nb(s, at, c, TRIPLE_TOP + turned, sign, (low, 0.0, bar_nb(s, at, 1)), (height, tall))
    return True


@kernel
def _double_nb(s: Vector, at: int, c: int, sign: float) -> bool:
    """Two like tops."""
    turned = 0 if sign > 0.0 else 1
    top2, neck, top1 = _q_nb(s, at, 0, sign), _q_nb(s, at, 1, sign), _q_nb(s, at, 2, sign)
    tall = max(top1, top2)
    height = tall - neck
    start = _q_nb(s, at, 3, sign)
    if abs(top1 - top2) > EQUAL * height or start > neck - PRIOR * height or top1 - start > RISE * height:
        return False
    _neck_nb(s, at, c, DOUBLE_TOP + turned, sign, (neck, 0.0, bar_nb(s, at, 1)), (height, tall))
    return True


@kernel
def reversal_nb(s: Vector, at: int, count: float, c: int) -> bool:
    """Head and shoulders, triple and double tops (bottoms) that end at the newest pivot."""
    sign = newest_side_nb(s, at)
    if count >= 6.0 and (_shoulders_nb(s, at, c, sign) or _triple_nb(s, at, c, sign)):
        return True
    return bool(count >= 4.0 and _double_nb(s, at, c, sign))


@kernel
def line_nb(s: Vector, at: int, first: int, touches: int) -> tuple[float, float, float]:
    """Least-squares line through every second pivot from `first`: price at the newest, slope, worst miss."""
    mean_t = 0.0
    mean_p = 0.0
    for j in range(touches):
        mean_t += bar_nb(s, at, first + 2 * j)
        mean_p += price_nb(s, at, first + 2 * j)
    mean_t /= touches
    mean_p /= touches
    cross = 0.0
    square = 0.0
    for j in range(touches):
        d = bar_nb(s, at, first + 2 * j) - mean_t
        cross += d * (price_nb(s, at, first + 2 * j) - mean_p)
        square += d * d
    slope = cross / square
    worst = 0.0
    for j in range(touches):
        on = mean_p + slope * (bar_nb(s, at, first + 2 * j) - mean_t)
        worst = max(worst, abs(price_nb(s, at, first + 2 * j) - on))
    return mean_p + slope * (bar_nb(s, at, first) - mean_t), slope, worst


@kernel
def name_lines_nb(up: float, down: float, narrow: float) -> int:
    """Name two lines by their rises over the figure (in first widths) and last width over first.

    Converging to 0.65 or less: by which line does the converging; spreading to 1.5 or more: broadening;
    else parallel: rectangle where they rise or fall by less than 0.3, channel otherwise.
    """
    if narrow >= 1.5:
        return BROADENING
    if narrow > 0.65:
        return RECTANGLE if abs(up + down) < 0.6 else CHANNEL
    share = -up / (down - up)
    if share < -0.4:
        return RISING_WEDGE
    if share < 0.25:
        return ASCENDING_TRIANGLE
    if share <= 0.75:
        return SYMMETRIC_TRIANGLE
    return DESCENDING_TRIANGLE if share <= 1.4 else FALLING_WEDGE


@kernel
def _pair_nb(
    s: Vector, at: int, touches: int
) -> tuple[int, tuple[float, float], tuple[float, float], float, float]:
    """Name, (upper price at the newest pivot, slope), (lower the same), first width, worst miss of two lines.

    Each line has `touches` of the newest 2 * touches pivots; the name is 0 where the lines cross.
    """
    high = 0 if newest_side_nb(s, at) > 0.0 else 1
    upper, rise, miss = line_nb(s, at, high, touches)
    lower, fall, other = line_nb(s, at, 1 - high, touches)
    now = bar_nb(s, at, 0)
    start = bar_nb(s, at, 2 * touches - 1)
    upper += rise * (now - bar_nb(s, at, high))
    lower += fall * (now - bar_nb(s, at, 1 - high))
    first = (upper - rise * (now - start)) - (lower - fall * (now - start))
    last = upper - lower
    if first <= 0.0 or last <= 0.0:
        return 0, (upper, rise), (lower, fall), 1.0, 0.0
    kind = name_lines_nb(rise * (now - start) / first, fall * (now - start) / first, last / first)
    return kind, (upper, rise), (lower, fall), first, max(miss, other)


@kernel
def lines_nb(s: Vector, at: int, clean: float, c: int) -> bool:
    """Triangles, wedges, rectangle, channel, broadening: three touches on each of two lines.

    The oldest touch lies at or after the bar `clean`.
    """
    now = bar_nb(s, at, 0)
    if bar_nb(s, at, 5) < clean:
        return False
    kind, upper, lower, width, miss = _pair_nb(s, at, 3)
    legs = 0.0
    for k in range(5):
        legs += abs(price_nb(s, at, k) - price_nb(s, at, k + 1))
    first = abs(price_nb(s, at, 5) - price_nb(s, at, 4))
    second = abs(price_nb(s, at, 4) - price_nb(s, at, 3))
    third = abs(price_nb(s, at, 3) - price_nb(s, at, 2))
    if kind == 0 or miss > ON_LINE * legs / 5.0 or first > FIRST_LEG * max(second, third):
        return False
    height = max(width, upper[0] - lower[0])
    _write_nb(s, c, (kind, 0.0, now), upper, lower, (height, now + 0.6 * (now - bar_nb(s, at, 5))))
    return True


@kernel
def flag_nb(s: Vector, at: int, clean: float, c: int) -> bool:
    """Flag and pennant: a pole, then two touches on each of two lines that hold near its end.

    The pole is at least POLE heights of the flag and takes no more bars than the flag; the flag
    gives back at most half of it. Lines that converge make a pennant, parallel ones a flag unless they go on
    with the pole.
    """
    if bar_nb(s, at, 4) < clean:
        return False
    kind, upper, lower, width, _ = _pair_nb(s, at, 2)
    if kind == 0 or kind == BROADENING:
        return False
    tip = price_nb(s, at, 3)
    pole = tip - price_nb(s, at, 4)
    back = min(price_nb(s, at, 0), price_nb(s, at, 1), price_nb(s, at, 2))
    if pole < 0.0:
        back = max(price_nb(s, at, 0), price_nb(s, at, 1), price_nb(s, at, 2))
    now = bar_nb(s, at, 0)
    bars = now - bar_nb(s, at, 3)
    slow = bar_nb(s, at, 3) - bar_nb(s, at, 4) > bars
    if abs(pole) < POLE * width or slow or abs(tip - back) > 0.5 * abs(pole):
        return False
    way = 1.0 if pole > 0.0 else -1.0
    parallel = kind == RECTANGLE or kind == CHANNEL
    drift = 0.5 * (upper[1] + lower[1]) * bars * way / width
    if (parallel and drift > 0.3) or kind == (RISING_WEDGE if way > 0.0 else FALLING_WEDGE):
        return False
    _write_nb(s, c, (FLAG if parallel else PENNANT, way, now), upper, lower, (abs(pole), now + bars))
    return True


@kernel
def roundness_nb(total: float, bars: float, rim: float, bottom: float) -> float:
    """Mean depth below the rim of `bars` closes that sum to `total`, as a share of the whole depth."""
    return (rim - total / bars) / (rim - bottom) if bars > 0.0 and rim != bottom else 0.0


@kernel
def cup_nb(s: Vector, at: int, count: float, c: int) -> bool:
    """Cup and handle (inverse): rim, round bottom, equal rim, a handle that gives back at most half."""
    if count < 4.0:
        return False
    sign = -newest_side_nb(s, at)
    handle, rim2, bottom, rim1 = (
        _q_nb(s, at, 0, sign),
        _q_nb(s, at, 1, sign),
        _q_nb(s, at, 2, sign),
        _q_nb(s, at, 3, sign),
    )
    depth = min(rim1, rim2) - bottom
    t3, t2, t1, t0 = bar_nb(s, at, 3), bar_nb(s, at, 2), bar_nb(s, at, 1), bar_nb(s, at, 0)
    left = roundness_nb(sign * pivot_nb(s, at, 2, 3), t2 - t3, rim1, bottom)
    right = roundness_nb(sign * pivot_nb(s, at, 1, 3), t1 - t2, rim2, bottom)
    alike = abs(rim1 - rim2) <= EQUAL * depth and max(t1 - t2, t2 - t3) <= 3.0 * min(t1 - t2, t2 - t3)
    shallow = 0.1 * depth <= rim2 - handle <= 0.5 * depth and t0 - t1 < t1 - t3
    if depth <= 0.0 or not alike or not shallow or min(left, right) < ROUND:
        return False
    top = max(rim1, rim2)
    last = t0 + 0.5 * (t1 - t3)
    if sign > 0.0:
        _write_nb(s, c, (CUP_AND_HANDLE, 1.0, t0), (top, 0.0), (bottom, 0.0), (depth, last))
    else:
        _write_nb(s, c, (INVERSE_CUP_AND_HANDLE, -1.0, t0), (-bottom, 0.0), (-top, 0.0), (depth, last))
    return True
