"""The cloud ahead, as the memory of an `ichimoku` feature holds it."""

import numpy as np

from bot4.features.declare import Params
from bot4.features.ichimoku_nb import rings_at_nb
from bot4.features.pivots_nb import Vector


def cloud_ahead(params: Params, state: Vector) -> Vector:
    """Spans A and B of the next `displacement` bars, nearest first: (displacement, 2), NaN where unknown.

    All of it is known now. The last row is the pair computed at the newest bar.
    """
    short, middle, long, d = map(int, params)
    rings = rings_at_nb(short, middle, long)
    spans = []
    for at in (rings, rings + d + 1):
        spans.append(np.roll(state[at + 1 : at + 1 + d], -int(state[at])))
    ahead = np.column_stack(spans)
    ahead[: max(d - int(state[0]), 0)] = np.nan
    return ahead
