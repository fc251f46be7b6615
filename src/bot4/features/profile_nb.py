"""Volume profile: volume by price over the last `window` bars, its point of control and its value area.

A bar's volume is spread evenly over the bins from its low to its high, in whole lots; what does not
divide goes to the bin of the close. Lots are whole numbers below 2^53, so adding and taking away is
exact and the profile is at all times that of the bars in the window, to the last lot.

A bin is tick * 2^k wide: the least that is at least max(tick, 0.1 ATR) and puts the window into BINS
bins. It is chosen anew, and the profile built anew from the bars, where the choice would be wider, or
narrower by a factor of 4 or more. Bin i spans i * width to (i + 1) * width.

State: bars, ATR, width, head of the ring, queues of highs and lows, a ring of bars (low, high, close,
lots), BINS bins.
"""

import math

from bot4.features.pivots_nb import ATR, Vector, atr_nb, finite_bar_nb
from bot4.features.ring_nb import highest_nb, lowest_nb, nan_nb
from bot4.kernels.jit_nb import kernel

BINS = 512
WIDTH = 1 + ATR
HEAD = WIDTH + 1
QUEUES = HEAD + 1
MOST_LOTS = 2.0**40
"""A bar counts at most so many lots; 4096 bars of them stay exact."""


@kernel
def bars_at_nb(window: int) -> int:
    """Where the ring of bars begins."""
    return QUEUES + 2 * (2 * window + 2)


@kernel
def bins_at_nb(window: int) -> int:
    """Where the bins begin: bin i has slot i modulo BINS."""
    return bars_at_nb(window) + 4 * window


@kernel
def width_nb(tick: float, wanted: float, low: float, high: float) -> float:
    """Return the width of a bin: the least tick * 2^k from `wanted` up that puts low..high into BINS."""
    width = tick
    while width < wanted or math.floor(high / width) - math.floor(low / width) >= BINS:
        width *= 2.0
    return width


@kernel
def _spread_nb(s: Vector, at: int, bins: int, width: float, sign: float) -> None:
    """Add (sign 1) or take away (-1) the ring's bar at `at`."""
    low = math.floor(s[at] / width)
    high = math.floor(s[at + 1] / width)
    lots = s[at + 3]
    share = math.floor(lots / (high - low + 1))
    for i in range(low, high + 1):
        s[bins + (i & (BINS - 1))] += sign * share
    s[bins + (math.floor(s[at + 2] / width) & (BINS - 1))] += sign * (lots - share * (high - low + 1))


@kernel
def _rebuild_nb(s: Vector, window: int, width: float, held: int) -> None:
    bins = bins_at_nb(window)
    for i in range(BINS):
        s[bins + i] = 0.0
    s[WIDTH] = width
    for i in range(held):
        _spread_nb(s, bars_at_nb(window) + 4 * i, bins, width, 1.0)


@kernel
def _bin_nb(s: Vector, bins: int, i: int, low: int, high: int) -> float:
    return float(s[bins + (i & (BINS - 1))]) if low <= i <= high else 0.0


@kernel
def point_of_control_nb(s: Vector, bins: int, low: int, high: int) -> int:
    """The bin with most volume; of equal ones the lowest."""
    best = low
    for i in range(low + 1, high + 1):
        if s[bins + (i & (BINS - 1))] > s[bins + (best & (BINS - 1))]:
            best = i
    return best


@kernel
def value_area_nb(s: Vector, bins: int, span: tuple[int, int], poc: int, wanted: float) -> tuple[int, int]:
    """First and last bin of the value area.

    From the point of control the area grows by two bins at a time, on the side where the next two hold
    more (above where equal), until it holds `wanted` lots.
    """
    low, high = span
    first = poc
    last = poc
    held = _bin_nb(s, bins, poc, low, high)
    while held < wanted:
        above = _bin_nb(s, bins, last + 1, low, high) + _bin_nb(s, bins, last + 2, low, high)
        below = _bin_nb(s, bins, first - 1, low, high) + _bin_nb(s, bins, first - 2, low, high)
        if last < high and (above >= below or first == low):
            last = min(last + 2, high)
            held += above
        elif first > low:
            first = max(first - 2, low)
            held += below
        else:
            break
    return first, last


@kernel
def _report_nb(s: Vector, span: tuple[int, int], close: float, params: Vector, out: Vector) -> None:
    bins = bins_at_nb(int(params[0]))
    width = s[WIDTH]
    low, high = span
    total = 0.0
    for i in range(low, high + 1):
        total += s[bins + (i & (BINS - 1))]
    poc = point_of_control_nb(s, bins, low, high)
    if total == 0.0:
        poc = math.floor(close / width)
    first, last = value_area_nb(s, bins, span, poc, params[3] * total)
    out[0] = (poc + 0.5) * width
    out[1] = first * width
    out[2] = (last + 1) * width
    out[3] = total * params[2]
    out[4] = width
    out[5] = 1.0 if close >= out[2] else (-1.0 if close < out[1] else 0.0)
    out[6] = s[bins + (math.floor(close / width) & (BINS - 1))] / total if total > 0.0 else 0.0


@kernel
def profile_step_nb(params: Vector, state: Vector, x: Vector, out: Vector) -> None:
    """Fold a bar. params: window in bars, tick, lot, share of the value area, ATR period.

    out: middle of the point of control, low and high end of the value area, volume in the profile, width
    of a bin, -1 where the close is below the value area, 1 above, 0 in it, share of the volume in the
    bin of the close. A window without volume has its point of control at the close. A volume that is not a
    number or negative counts 0.
    """
    if not finite_bar_nb(x):
        nan_nb(out)
        return
    window = int(params[0])
    atr = atr_nb(state, 1, x, params[4])
    count = state[0]
    highest = highest_nb(state, QUEUES, window, count, x[1])
    lowest = lowest_nb(state, QUEUES + 2 * window + 2, window, count, x[2])
    at = bars_at_nb(window) + 4 * int(state[HEAD])
    bins = bins_at_nb(window)
    if count >= window:
        _spread_nb(state, at, bins, state[WIDTH], -1.0)
    state[at] = x[2]
    state[at + 1] = x[1]
    state[at + 2] = min(max(x[3], x[2]), x[1])
    state[at + 3] = math.floor(min(x[4] / params[2] + 0.5, MOST_LOTS)) if x[4] > 0.0 else 0.0
    state[0] = count + 1.0
    state[HEAD] = 0.0 if state[HEAD] + 1.0 == window else state[HEAD] + 1.0
    wanted = params[1] if math.isnan(atr) else max(params[1], 0.1 * atr)
    width = width_nb(params[1], wanted, lowest, highest)
    if width > state[WIDTH] or width <= 0.25 * state[WIDTH]:
        _rebuild_nb(state, window, width, int(min(count + 1.0, params[0])))
    else:
        _spread_nb(state, at, bins, state[WIDTH], 1.0)
    if math.isnan(atr):
        nan_nb(out)
        return
    span = (math.floor(lowest / state[WIDTH]), math.floor(highest / state[WIDTH]))
    _report_nb(state, span, state[at + 2], params, out)
