"""Volume: money flow, on-balance volume, rolling VWAP, z-score of volume.

Conventions as in `trend_nb`. Volume is in any unit, never negative.
"""

import math
from typing import Any

from bot4.features.layout_nb import RING_MASK
from bot4.features.window_nb import (
    DWARFS,
    blurred_nb,
    centre_nb,
    deviation_nb,
    stale_nb,
    window_sum_nb,
    z_score_nb,
)
from bot4.kernels.jit_nb import kernel


@kernel
def _flows_afresh_nb(s: Any, n: int) -> None:
    flows = s["flows"]
    up = 0.0
    down = 0.0
    for i in range(n - 13, n + 1):
        up += max(flows[i & RING_MASK], 0.0)
        down += max(-flows[i & RING_MASK], 0.0)
    s["flow_up"] = up
    s["flow_down"] = down


@kernel
def _signed_flow_nb(s: Any, n: int, v: float) -> float:
    """Typical price x volume with the sign of the typical price's move, 0 where it stood still."""
    typical = s["typicals"][n & RING_MASK]
    move = typical - s["typicals"][(n - 1) & RING_MASK]
    if abs(move) <= 1e-15 * abs(typical):  # the rounding of (h + l + c) / 3
        return 0.0
    return float(typical * v if move > 0.0 else -typical * v)


@kernel
def mfi_nb(s: Any, n: int, v: float) -> float:
    """Money flow index, 14 bars (Quong and Soudack, 1989); warm at bar 14.

    Where the window has no money flow (no volume, or no move of the typical price) it is 0
    (TA-Lib's value).
    """
    flows = s["flows"]
    if n == 0:
        flows[0] = 0.0
        return math.nan
    flow = _signed_flow_nb(s, n, v)
    old = flows[(n - 14) & RING_MASK] if n >= 14 else 0.0
    flows[n & RING_MASK] = flow
    s["still"] = s["still"] + 1 if flow == 0.0 else 0
    s["flow_up"] += max(flow, 0.0) - max(old, 0.0)
    s["flow_down"] += max(-flow, 0.0) - max(-old, 0.0)
    if n < 14:
        return math.nan
    if (n & RING_MASK) == 0 or abs(old) > DWARFS * min(s["flow_up"], s["flow_down"]):
        _flows_afresh_nb(s, n)
    total = s["flow_up"] + s["flow_down"]
    if s["still"] >= 14 or total <= 0.0:
        return 0.0
    return float(100.0 * (min(max(s["flow_up"], 0.0), total) / total))


@kernel
def obv_nb(s: Any, n: int, c: float, v: float) -> float:
    """On-balance volume (Granville, 1963) from the first bar on, which counts as a rise."""
    if n == 0 or c > s["prev_close"]:
        s["obv"] += v
    elif c < s["prev_close"]:
        s["obv"] -= v
    return float(s["obv"])


@kernel
def vwap_nb(s: Any, n: int, v: float) -> float:
    """Volume-weighted typical price of 20 bars; the plain mean where none has volume; warm at bar 19."""
    values = s["values"]
    volumes = s["volumes"]
    value = s["typicals"][n & RING_MASK] * v
    old_value = values[(n - 20) & RING_MASK]
    old_volume = volumes[(n - 20) & RING_MASK]
    values[n & RING_MASK] = value
    s["vwap_value"] += value - old_value
    s["vwap_volume"] += v - old_volume
    if stale_nb(n, old_value, s["vwap_value"]) or stale_nb(n, old_volume, s["vwap_volume"]):
        s["vwap_value"] = window_sum_nb(values, n, 20)
        s["vwap_volume"] = window_sum_nb(volumes, n, 20)
    if n < 19:
        return math.nan
    if s["dry"] >= 20 or s["vwap_volume"] <= 0.0:
        return window_sum_nb(s["typicals"], n, 20) / 20.0
    return float(s["vwap_value"] / s["vwap_volume"])


@kernel
def volume_z_nb(s: Any, n: int, v: float) -> float:
    """Z-score of volume among the last 20 (population deviation, 0 if flat); warm at bar 19."""
    if n < 19:
        return math.nan
    m = s["volume_z"]
    volumes = s["volumes"]
    d = v - m[2]
    old = volumes[(n - 20) & RING_MASK] - m[2]
    m[0] += d - old
    m[1] += d * d - old * old
    if n == 19 or blurred_nb(n, m, old, 20):
        centre_nb(m, volumes, n, 20)
    if s["flat_volume"] >= 19:
        return 0.0
    return z_score_nb(v, m[2] + m[0] / 20.0, deviation_nb(m, 20))
