"""Coins that working sells lock: which reduce-only orders may go to a spot venue, and when. Pure.

A perpetual's reduce-only orders are cut to the position by the venue, so stop and target stand beside each
other. A spot venue locks the coins of each working sell and refuses the next one. There:

    - where the venue has lists of which one leg cancels the other, stop and target of one size are placed as
      one: the coins are locked once
    - else the stop stands at the venue; the target waits here until the market has reached its price
    - an exit, or a target that is reached, first has what is in its way cancelled, and is sent when the
      cancels are confirmed: never are more coins offered than are held
    - a stop whose coins a target locks (one leg was filled in part, and the venue ended the other) makes the
      target give way: at once when the market has left its price, else when it has had its turn
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


def locked(live: Sequence[Tracked], but: Tracked) -> int:
    """Lots that orders at the venue lock, without `but`; the legs of a list share theirs."""
    lots: dict[int, int] = {}
    for o in live:
        if o is not but and o.reduce_only and o.at_venue:
            key = min(o.id, o.partner or o.id)
            lots[key] = max(lots.get(key, 0), o.left)
    return sum(lots.values())


def waits(t: Tracked, held: int, live: Sequence[Tracked], mark: int) -> bool:
    """Whether a queued reduce-only order has to wait; `held` lots are there, `live` orders may lock some."""
    if t.state is not State.QUEUED:
        return False
    if rank(t, mark) == 2:
        return True
    return t.left > held - locked(live, t)


def in_the_way(t: Tracked, live: Sequence[Tracked], mark: int) -> list[Tracked]:
    """Working orders that lock the coins of `t` and have to give way to it.

    To what presses: all that does not press itself; to an exit at market also targets. To a stop: targets
    that stand alone.
    """
    at_market = t.triggered or not (t.price or t.stop_price)
    found = []
    for o in live:
        if not o.reduce_only or not o.at_venue or o.cancel_wanted:
            continue
        target = o.price > 0 and not o.stop_price
        if presses(t, mark):
            gives_way = not presses(o, mark) or (at_market and target)
        else:
            gives_way = target and not any(p.id == o.partner for p in live)
        if gives_way:
            found.append(o)
    return found


def mate(stop: Tracked, queue: Sequence[Tracked], mark: int) -> Tracked | None:
    """The queued target that makes a list with `stop`: of its side and size, not reached yet."""
    for o in queue:
        same = o.reduce_only and o.side == stop.side and o.left == stop.left
        if same and rank(o, mark) == 2 and not (o.alone or o.busy or o.filled):
            return o
    return None
