"""Nash equilibria of small games, solved and checked: the cold side of Lemke-Howson."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bot4.features.games.lemke_howson_nb import SOLVED, lemke_howson_nb, regret_nb, work_size_nb

Array = np.ndarray[Any, Any]
REGRET = 1e-9


class Equilibrium(NamedTuple):
    """Mixed strategies of both players; the most that either could still gain, over the span of payoffs."""

    x: Array
    y: Array
    regret: float


def nash(a: Array, b: Array) -> Equilibrium:
    """One equilibrium of the game with payoffs `a` (row player) and `b` (column player), both (m, n).

    Every label is tried until the regret is at most REGRET of the span of payoffs; the first such answer is
    given. ValueError for payoffs of different shape or not finite; ArithmeticError if no label leads to one,
    which exact arithmetic excludes (so payoffs of wildly different size).
    """
    a = np.ascontiguousarray(a, np.float64)
    b = np.ascontiguousarray(b, np.float64)
    if a.ndim != 2 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"a game needs two payoff matrices of one shape, not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("payoffs must be finite")
    m, n = a.shape
    span = max(float(np.ptp(a)), float(np.ptp(b)), 1e-300)
    work = np.zeros(work_size_nb(m, n))
    mix = np.zeros(m + n)
    game = (a.reshape(-1), b.reshape(-1), m, n)
    best = Equilibrium(mix[:m], mix[m:], np.inf)
    for drop in range(m + n):
        if lemke_howson_nb(game, drop, work, mix) == SOLVED:
            regret = max(float(regret_nb(game, mix)), 0.0) / span
            if regret < best.regret:
                best = Equilibrium(mix[:m].copy(), mix[m:].copy(), regret)
            if regret <= REGRET:
                return best
    raise ArithmeticError(
        f"no label leads to an equilibrium; the smallest regret is {best.regret:.3g} of the span"
    )
