"""Coins that working sells lock: which reduce-only orders may go to a spot venue, and when. Pure.

A perpetual's reduce-only orders are cut to the position by the venue, so stop and target stand beside each
other. A spot venue locks the coins of each working sell and refuses the next one. There:

    - the stop stands at the venue; the target waits here until the market has reached its price
    - an exit, or a target that is reached, first has what is in its way cancelled, and is sent when the
      cancels are confirmed: never are more coins offered than are held
"""

from __future__ import annotations

from collections.abc import Sequence

from bot4.execution.lifecycle import State
from bot4.execution.tracked import Tracked


def presses(t: Tracked, mark: int) -> bool:
    """Whether it is to leave now: at market, a stop that fired, or a target that `mark` has reached."""
    if t.stop_price and not t.triggered:
        return False
    return t.triggered or not t.price or (mark > 0 and (mark - t.price) * t.side <= 0)


def rank(t: Tracked, mark: int) -> int:
    """Whose turn it is: cancels and what presses before stops before targets that wait."""
    if t.state is not State.QUEUED or presses(t, mark):
        return 0
    return 1 if t.stop_price else 2


def waits(t: Tracked, held: int, live: Sequence[Tracked], mark: int) -> bool:
    """Whether a queued reduce-only order has to wait; `held` lots are there, `live` orders may lock some."""
    if t.state is not State.QUEUED:
        return False
    if rank(t, mark) == 2:
        return True
    return t.left > abs(held) - sum(o.left for o in live if o is not t and o.reduce_only and o.at_venue)


def in_the_way(live: Sequence[Tracked], mark: int) -> list[Tracked]:
    """Working orders that lock coins and do not press themselves."""
    return [o for o in live if o.reduce_only and o.at_venue and not o.cancel_wanted and not presses(o, mark)]
