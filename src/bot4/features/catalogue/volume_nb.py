"""Step kernels of volume. Volume is in any unit, never negative; `s[0]` counts inputs."""

import math

from bot4.features.ring_nb import (
    CLOSE,
    HIGH,
    LOW,
    TS,
    VOLUME,
    Vector,
    moments_nb,
    nan_nb,
    push_nb,
    ratio_nb,
    roll_nb,
)
from bot4.features.window_nb import ema_nb
from bot4.kernels.jit_nb import kernel


@kernel
def obv_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """On-balance volume from the first bar on, which counts as a rise."""
    if s[0] == 0.0 or x[CLOSE] > s[1]:
        s[2] += x[VOLUME]
    elif x[CLOSE] < s[1]:
        s[2] -= x[VOLUME]
    s[0] += 1.0
    s[1] = x[CLOSE]
    out[0] = s[2]


@kernel
def flow_nb(x: Vector) -> float:
    """Volume by the close's place in the range, from -volume to volume; 0 where there is no range."""
    span = x[HIGH] - x[LOW]
    return float(((x[CLOSE] - x[LOW]) - (x[HIGH] - x[CLOSE])) / span * x[VOLUME]) if span > 0.0 else 0.0


@kernel
def ad_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Accumulation and distribution from the first bar on."""
    s[0] += flow_nb(x)
    out[0] = s[0]


@kernel
def adosc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Fast less slow average of accumulation and distribution, both started by its first value."""
    c = s[0]
    s[0] = c + 1.0
    s[1] += flow_nb(x)
    if c == 0.0:
        s[2] = s[1]
        s[3] = s[1]
    fast = 2.0 / (p[0] + 1.0)
    slow = 2.0 / (p[1] + 1.0)
    s[2] = fast * s[1] + (1.0 - fast) * s[2]
    s[3] = slow * s[1] + (1.0 - slow) * s[3]
    out[0] = s[2] - s[3] if c >= max(p[0], p[1]) - 1.0 else math.nan


@kernel
def cmf_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Chaikin money flow of n bars over their volume; 0 where there is none."""
    n = int(p[0])
    s[0] += 1.0
    flow = roll_nb(s, 1, n, flow_nb(x))
    volume = roll_nb(s, 3 + n, n, x[VOLUME])
    out[0] = math.nan
    if s[0] >= n:
        out[0] = flow / volume if volume > 0.0 else 0.0


@kernel
def efi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Elder's force: exponential average of the move times the volume."""
    c = s[0]
    move = x[CLOSE] - s[1]
    s[0] = c + 1.0
    s[1] = x[CLOSE]
    out[0] = math.nan
    if c > 0.0:
        s[2] = ema_nb(s[2], move * x[VOLUME], c - 1.0, p[0])
        if c >= p[0]:
            out[0] = s[2]


@kernel
def eom_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Arms' ease of movement: mean of the median price's move times range over volume; 0 without volume."""
    n = int(p[0])
    c = s[0]
    middle = (x[HIGH] + x[LOW]) / 2.0
    move = middle - s[1]
    s[0] = c + 1.0
    s[1] = middle
    out[0] = math.nan
    if c == 0.0:
        return
    total = roll_nb(s, 2, n, ratio_nb(move * (x[HIGH] - x[LOW]), x[VOLUME], 0.0))
    if c >= n:
        out[0] = total / n


@kernel
def mfi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Money flow index; 0 where the window has no money flow. Memory s[2]: bars without any."""
    n = int(p[0])
    c = s[0]
    price = (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0
    move = price - s[1]
    s[0] = c + 1.0
    s[1] = price
    out[0] = math.nan
    if c == 0.0:
        return
    flow = 0.0
    if abs(move) > 1e-15 * abs(price):  # less is the rounding of the mean of three
        flow = price * x[VOLUME]
    s[2] = s[2] + 1.0 if flow == 0.0 else 0.0
    up = max(roll_nb(s, 3, n, flow if move > 0.0 else 0.0), 0.0)
    down = max(roll_nb(s, 5 + n, n, flow if move < 0.0 else 0.0), 0.0)
    if c >= n:
        total = up + down
        out[0] = 0.0 if s[2] >= n or total <= 0.0 else 100.0 * (min(up, total) / total)


@kernel
def vwap_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Typical price weighted by volume over n bars; the plain mean where none has volume."""
    n = int(p[0])
    s[0] += 1.0
    price = (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0
    value = roll_nb(s, 1, n, price * x[VOLUME])
    volume = roll_nb(s, 3 + n, n, x[VOLUME])
    plain = roll_nb(s, 5 + 2 * n, n, price)
    s[7 + 3 * n] = s[7 + 3 * n] + 1.0 if x[VOLUME] == 0.0 else 0.0
    out[0] = math.nan
    if s[0] >= n:
        out[0] = plain / n if s[7 + 3 * n] >= n or volume <= 0.0 else value / volume


@kernel
def _weigh_nb(s: Vector, x: Vector, k: float, out: Vector) -> None:
    """Volume-weighted typical price since the start and bands k deviations from it; see `session_vwap`."""
    price = (x[HIGH] + x[LOW] + x[CLOSE]) / 3.0
    if s[1] == 0.0:
        s[2] = price  # the first volume sets the mean exactly, so its bands have no width
    s[1] += x[VOLUME]
    if s[1] > 0.0:
        d = price - s[2]
        s[2] += d * x[VOLUME] / s[1]
        s[3] += x[VOLUME] * d * (price - s[2])
    band = k * math.sqrt(max(s[3], 0.0) / s[1]) if s[1] > 0.0 else 0.0
    out[0] = s[2]
    out[1] = s[2] + band
    out[2] = s[2] - band


@kernel
def session_vwap_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """VWAP since the start of the period of p[0] seconds (a UTC day), with bands p[1] deviations away.

    The bar belongs to the period in which it opened before its close. Memory: period, volume, mean,
    weighted sum of squares (West 1979). Before any volume it is the typical price.
    """
    period = math.ceil(x[TS] / p[0]) if math.isfinite(x[TS]) else s[0]
    if period != s[0]:
        s[0] = period
        s[1] = 0.0
        s[2] = 0.0
        s[3] = 0.0
    _weigh_nb(s, x, p[1], out)


@kernel
def anchored_vwap_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """VWAP of all bars that close after the UTC second p[0], with bands p[1] deviations away; NaN before."""
    nan_nb(out)
    if x[TS] > p[0]:
        _weigh_nb(s, x, p[1], out)


@kernel
def vi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Negative and positive volume index: returns of bars with less, and with more volume, from 1000 on."""
    if s[0] == 0.0:
        s[3] = 1000.0
        s[4] = 1000.0
    elif x[VOLUME] < s[2]:
        s[3] *= ratio_nb(x[CLOSE], s[1], 1.0)
    elif x[VOLUME] > s[2]:
        s[4] *= ratio_nb(x[CLOSE], s[1], 1.0)
    s[0] += 1.0
    s[1] = x[CLOSE]
    s[2] = x[VOLUME]
    out[0] = s[3]
    out[1] = s[4]


@kernel
def pvt_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Price volume trend: sum of volume times return, from 0 on."""
    if s[0] > 0.0:
        s[2] += x[VOLUME] * ratio_nb(x[CLOSE] - s[1], s[1], 0.0)
    s[0] += 1.0
    s[1] = x[CLOSE]
    out[0] = s[2]


@kernel
def wad_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' accumulation: sum of the closes' distances from the true low (rise) or high (fall)."""
    last = s[1]
    if s[0] > 0.0:
        if x[CLOSE] > last:
            s[2] += x[CLOSE] - min(x[LOW], last)
        elif x[CLOSE] < last:
            s[2] += x[CLOSE] - max(x[HIGH], last)
    out[0] = s[2]
    s[0] += 1.0
    s[1] = x[CLOSE]


@kernel
def klinger_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Klinger's volume force: fast less slow average, and its signal line.

    Memory: inputs, last sum of prices, trend, last range, sum of ranges of the trend, three averages.
    """
    c = s[0]
    total = x[HIGH] + x[LOW] + x[CLOSE]
    span = x[HIGH] - x[LOW]
    side = 1.0 if total > s[1] else -1.0
    last_span = s[3]
    s[0] = c + 1.0
    s[1] = total
    s[3] = span
    nan_nb(out)
    if c == 0.0:
        return
    s[4] = s[4] + span if side == s[2] else last_span + span
    s[2] = side
    force = x[VOLUME] * abs(2.0 * (span / s[4] - 1.0)) * side * 100.0 if s[4] > 0.0 else 0.0
    c -= 1.0
    s[5] = ema_nb(s[5], force, c, p[0])
    s[6] = ema_nb(s[6], force, c, p[1])
    c -= p[1] - 1.0
    if c < 0.0:
        return
    s[7] = ema_nb(s[7], s[5] - s[6], c, p[2])
    if c >= p[2] - 1.0:
        out[0] = s[5] - s[6]
        out[1] = s[7]


@kernel
def vroc_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Change of volume over n bars in percent; 0 from a volume 0."""
    old = push_nb(s, 1, int(p[0]), x[VOLUME])
    out[0] = 100.0 * ratio_nb(x[VOLUME] - old, old, 0.0) if s[0] >= p[0] else math.nan
    s[0] += 1.0


@kernel
def volume_z_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Distance of volume from its mean of n in population deviations; 0 if flat."""
    n = int(p[0])
    s[0] += 1.0
    mean, variance = moments_nb(s, 1, n, x[VOLUME])
    value = (x[VOLUME] - mean) / math.sqrt(variance) if variance > 0.0 else 0.0
    out[0] = value if s[0] >= n else math.nan


@kernel
def rvol_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Volume over the mean of the n bars before; 1 where they have none."""
    n = int(p[0])
    out[0] = x[VOLUME] / (s[1] / n) if s[0] >= n and s[1] > 0.0 else (1.0 if s[0] >= n else math.nan)
    s[0] += 1.0
    roll_nb(s, 1, n, x[VOLUME])


@kernel
def volume_mean_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Mean volume of n bars."""
    n = int(p[0])
    s[0] += 1.0
    total = roll_nb(s, 1, n, x[VOLUME])
    out[0] = total / n if s[0] >= n else math.nan


@kernel
def market_fi_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Williams' market facilitation: range over volume; 0 without volume."""
    out[0] = ratio_nb(x[HIGH] - x[LOW], x[VOLUME], 0.0)
