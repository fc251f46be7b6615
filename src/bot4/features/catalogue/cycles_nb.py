"""Step kernels of Ehlers' cycles ("Rocket Science for Traders", 2001), by TA-Lib's rules.

The transform starts where TA-Lib starts it (bar 12 or 37), so values agree from the first one on. Memory,
from s[0]: inputs; 1 period; 2 smoothed period; 3 I2; 4 Q2; 5 re; 6 im; 7 I1; 8 Q1; then seven values each,
newest first: smoothed price from 10, detrended from 18, I1 from 26, Q1 from 34; four prices from 42.
"""

import math

from bot4.features.ring_nb import CLOSE, HIGH, LOW, Vector, back_nb, nan_nb, push_nb
from bot4.kernels.inline_nb import inlined
from bot4.kernels.jit_nb import kernel

SIZE = 48
_A = 0.0962
_B = 0.5769
_DEGREES = 180.0 / (4.0 * math.atan(1.0))


@inlined
def _transform_nb(s: Vector, at: int, scale: float) -> float:
    """Hilbert transform of the newest of the seven values at `at`."""
    far = _A * s[at] - _A * s[at + 6]
    near = _B * s[at + 2] - _B * s[at + 4]
    both: float = (far + near) * scale
    return both


@inlined
def _shift_nb(s: Vector, at: int, x: float) -> None:
    """Put x before the last six values at `at`: seven moves cost less than a ring's arithmetic."""
    for i in range(6, 0, -1):
        s[at + i] = s[at + i - 1]
    s[at] = x


@kernel
def _turn_nb(s: Vector) -> None:
    """The period from the angle between this bar's and the last bar's phasor, bounded and smoothed."""
    last = s[1]
    if s[6] != 0.0 and s[5] != 0.0:
        s[1] = 360.0 / (math.atan(s[6] / s[5]) * _DEGREES)
    s[1] = min(s[1], 1.5 * last)
    s[1] = max(s[1], 0.67 * last)
    s[1] = min(max(s[1], 6.0), 50.0)
    s[1] = 0.2 * s[1] + 0.8 * last
    s[2] = 0.33 * s[1] + 0.67 * s[2]


@kernel
def hilbert_nb(s: Vector, price: float, start: float) -> bool:
    """Fold a price; False before input number `start`, from which the transform runs."""
    c = s[0]
    s[0] = c + 1.0
    push_nb(s, 42, 4, price)
    if c < start:
        return False
    a, b, d = back_nb(s, 42, 4, 1), back_nb(s, 42, 4, 2), back_nb(s, 42, 4, 3)
    _shift_nb(s, 10, (4.0 * price + 3.0 * a + 2.0 * b + d) * 0.1)
    scale = 0.075 * s[1] + 0.54
    _shift_nb(s, 18, _transform_nb(s, 10, scale))
    quadrature = _transform_nb(s, 18, scale)
    inphase = s[21]
    _shift_nb(s, 26, inphase)
    _shift_nb(s, 34, quadrature)
    s[7] = inphase
    s[8] = quadrature
    q2 = 0.2 * (quadrature + _transform_nb(s, 26, scale)) + 0.8 * s[4]
    i2 = 0.2 * (inphase - _transform_nb(s, 34, scale)) + 0.8 * s[3]
    s[5] = 0.2 * (i2 * s[3] + q2 * s[4]) + 0.8 * s[5]
    s[6] = 0.2 * (i2 * s[4] - q2 * s[3]) + 0.8 * s[6]
    s[3] = i2
    s[4] = q2
    return True


@kernel
def ht_period_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Dominant cycle in bars, and the phasor."""
    nan_nb(out)
    if not hilbert_nb(s, x[CLOSE], 12.0):
        return
    _turn_nb(s)
    if s[0] > 32.0:
        out[0] = s[2]
        out[1] = s[7]
        out[2] = s[8]


@kernel
def mama_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Adaptive average whose alpha follows the change of phase, and its follower.

    Memory after the transform: last phase, both averages.
    """
    nan_nb(out)
    if not hilbert_nb(s, x[CLOSE], 12.0):
        return
    phase = math.atan(s[8] / s[7]) * _DEGREES if s[7] != 0.0 else 0.0
    change = max(s[SIZE] - phase, 1.0)
    s[SIZE] = phase
    alpha = max(p[0] / change, p[1]) if change > 1.0 else p[0]
    s[SIZE + 1] = alpha * x[CLOSE] + (1.0 - alpha) * s[SIZE + 1]
    alpha *= 0.5
    s[SIZE + 2] = alpha * s[SIZE + 1] + (1.0 - alpha) * s[SIZE + 2]
    _turn_nb(s)
    if s[0] > 32.0:
        out[0] = s[SIZE + 1]
        out[1] = s[SIZE + 2]


@kernel
def _phase_nb(s: Vector, at: int) -> float:
    """Phase of the dominant cycle in degrees from the last smoothed prices, a ring of 50 at `at`.

    Block 52: ring, phase of the bar before, which stays where it has no direction.
    """
    period = int(s[2] + 0.5) if math.isfinite(s[2]) else 0
    real = 0.0
    imaginary = 0.0
    # sine and cosine of 0, 1, 2.. steps of the circle by turning (1, 0): two calls instead of a hundred
    turn = 2.0 * math.pi / max(period, 1)
    sin_turn = math.sin(turn)
    cos_turn = math.cos(turn)
    sine = 0.0
    cosine = 1.0
    i = int(s[at])
    for _ in range(min(period, 50)):
        i = 49 if i == 0 else i - 1
        price = s[at + 1 + i]
        real += sine * price
        imaginary += cosine * price
        sine, cosine = sine * cos_turn + cosine * sin_turn, cosine * cos_turn - sine * sin_turn
    phase = s[at + 51]
    if abs(imaginary) > 0.0:
        phase = math.atan(real / imaginary) * _DEGREES
    elif real < 0.0:
        phase -= 90.0
    elif real > 0.0:
        phase += 90.0
    phase += 90.0
    phase += 360.0 / s[2]
    if imaginary < 0.0:
        phase += 180.0
    if phase > 315.0:
        phase -= 360.0
    s[at + 51] = phase
    return float(phase)


@kernel
def _level_nb(s: Vector, at: int) -> float:
    """Trend line: weighted means of the last prices over one dominant cycle. Block 54: ring of 50, three."""
    period = int(s[2] + 0.5) if math.isfinite(s[2]) else 0
    total = 0.0
    i = int(s[at])
    for _ in range(min(period, 50)):
        i = 49 if i == 0 else i - 1
        total += s[at + 1 + i]
    mean = total / period if period > 0 else 0.0
    value = (4.0 * mean + 3.0 * s[at + 51] + 2.0 * s[at + 52] + s[at + 53]) / 10.0
    s[at + 53] = s[at + 52]
    s[at + 52] = s[at + 51]
    s[at + 51] = mean
    return float(value)


@kernel
def ht_trendline_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Price without its dominant cycle; costs up to 50 additions."""
    out[0] = math.nan
    push_nb(s, SIZE, 50, x[CLOSE])
    if not hilbert_nb(s, x[CLOSE], 37.0):
        return
    _turn_nb(s)
    value = _level_nb(s, SIZE)
    if s[0] > 63.0:
        out[0] = value


@kernel
def ht_phase_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Phase of the dominant cycle in degrees, its sine, and the sine 45 degrees ahead; up to 50 terms."""
    nan_nb(out)
    if not hilbert_nb(s, x[CLOSE], 37.0):
        return
    _turn_nb(s)
    push_nb(s, SIZE, 50, s[10])
    phase = _phase_nb(s, SIZE)
    if s[0] > 63.0:
        out[0] = phase
        out[1] = math.sin(phase / _DEGREES)
        out[2] = math.sin((phase + 45.0) / _DEGREES)


@kernel
def _trends_nb(s: Vector, at: int, phase: float, line: float) -> bool:
    """TA-Lib's rule: no trend just after the sines cross, nor while the phase moves at the cycle's rate.

    Block 4: sine, leading sine, bars since the last cross, last phase.
    """
    sine = math.sin(phase / _DEGREES)
    lead = math.sin((phase + 45.0) / _DEGREES)
    trend = True
    up = sine > lead and s[at] <= s[at + 1]
    down = sine < lead and s[at] >= s[at + 1]
    if up or down:
        s[at + 2] = 0.0
        trend = False
    s[at + 2] += 1.0
    if s[at + 2] < 0.5 * s[2]:
        trend = False
    change = phase - s[at + 3]
    if s[2] != 0.0 and 0.67 * 360.0 / s[2] < change < 1.5 * 360.0 / s[2]:
        trend = False
    s[at] = sine
    s[at + 1] = lead
    s[at + 3] = phase
    price = s[10]
    return trend or (line != 0.0 and abs((price - line) / line) >= 0.015)


@kernel
def ht_trend_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """1 in a trend, 0 in a cycle."""
    out[0] = math.nan
    push_nb(s, SIZE + 52, 50, x[CLOSE])
    if not hilbert_nb(s, x[CLOSE], 37.0):
        return
    _turn_nb(s)
    push_nb(s, SIZE, 50, s[10])
    phase = _phase_nb(s, SIZE)
    line = _level_nb(s, SIZE + 52)
    trend = _trends_nb(s, SIZE + 106, phase, line)
    if s[0] > 63.0:
        out[0] = 1.0 if trend else 0.0


@kernel
def smooth_step_nb(p: Vector, s: Vector, x: Vector, out: Vector) -> None:
    """Ehlers' two-pole smoother of the median price (2013). Memory: inputs, two outputs, last price.

    The coefficients follow the period: a = exp(-sqrt(2) pi / n), b = 2 a cos(sqrt(2) pi / n).
    """
    c = s[0]
    s[0] = c + 1.0
    price = (x[HIGH] + x[LOW]) / 2.0
    if c == 0.0:
        s[1] = price
        s[2] = price
        s[3] = price
    value = p[1] * (price + s[3]) / 2.0 + p[2] * s[1] + p[3] * s[2]
    s[2] = s[1]
    s[1] = value
    s[3] = price
    out[0] = value if c >= p[0] - 1.0 else math.nan
