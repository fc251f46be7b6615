"""Mode Reduce: a position shrinks by a stated schedule, step by step, down to a floor.

    k         = 1 + floor((now - since) / interval)             the steps that are due; the first is at once
    cut(k)    = min(k share, 1 - floor)
    target(k) = floor(base (1 - cut(k)))     lots               base: lots held when Reduce began
    step      = ceil(base share)             lots

so that the floor is due ceil((1 - floor) / share) - 1 intervals after the beginning. An order brings the
position to its target, but takes no more than one step; steps that were missed (no process, a refused
order) are made up one after the other. No order is smaller than the least that the venue takes: less than
that waits for the next step, and a remainder of less than that is closed with the rest.

Pro rata: every position shrinks by the same share at the same time. That needs no estimate of risk at a
moment when estimates have just been wrong, and it keeps hedges: closing the largest risk first would leave
the other leg of a pair bare, and exposure net of hedges would rise.
"""

from typing import Any

import numpy as np

from bot4.kernels.fixed_nb import mul_div_floor
from bot4.kernels.jit_nb import kernel

WHOLE = 10_000
"""Shares are whole numbers of 1e-4."""


@kernel
def due_steps_nb(now: int, since: int, interval: int) -> int:
    """Steps due at `now` when Reduce began at `since` (ns); all of them when `interval` is not positive."""
    if interval <= 0:
        return WHOLE
    return int(min(1 + max(now - since, 0) // interval, WHOLE))


@kernel
def target_nb(base: int, steps: int, share: int, floor: int) -> int:
    """Lots that may be held after `steps` steps from `base` lots; `share` and `floor` in 1e-4."""
    cut = min(steps * share, WHOLE - floor)
    return int(mul_div_floor(base, WHOLE - cut, WHOLE))


@kernel
def least_lots_nb(spec: Any, price: int) -> int:
    """The venue's least order in lots at `price` ticks (not positive: not known, quantity counts)."""
    least = max(spec["min_qty"], 1)
    worth = price * spec["money_mult"]
    if price > 0 and worth > 0:
        least = max(least, (spec["min_notional"] + worth - 1) // worth)
    return int(least)


@kernel
def quantity_nb(left: int, target: int, step: int, least: int) -> int:
    """Lots to close now of `left` (held, less what is on its way out); 0: nothing is due, or it must wait."""
    due = left - target
    if due <= 0:
        return 0
    qty = min(due, max(step, least))
    if left - qty < least:
        return int(left)
    return int(np.int64(qty)) if qty >= least else 0
