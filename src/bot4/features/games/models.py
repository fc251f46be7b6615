"""Small models of information and rivalry in closed form or on a grid: cold functions with plain numbers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bot4.features.games.solve import Equilibrium, nash

Array = np.ndarray[Any, Any]


class Quotes(NamedTuple):
    """Bid and ask."""

    bid: float
    ask: float


def glosten_milgrom(prior: float, informed: float, low: float, high: float) -> Quotes:
    """Quotes of a maker who expects no profit: E[V | sell], E[V | buy] (Glosten and Milgrom, 1985).

    V is `high` with probability `prior`, else `low`; a part `informed` of traders knows V, the others buy
    or sell by the toss of a coin. At prior 1/2 the spread is informed x (high - low).
    """
    if not (0.0 <= prior <= 1.0 and 0.0 <= informed <= 1.0 and low <= high):
        raise ValueError("prior and informed lie in [0, 1], low is not above high")
    buy_high = 0.5 * (1.0 + informed)
    buy_low = 0.5 * (1.0 - informed)
    buys = prior * buy_high + (1.0 - prior) * buy_low
    sells = prior * buy_low + (1.0 - prior) * buy_high
    ask = (prior * buy_high * high + (1.0 - prior) * buy_low * low) / buys if buys > 0.0 else high
    bid = (prior * buy_low * high + (1.0 - prior) * buy_high * low) / sells if sells > 0.0 else low
    return Quotes(bid, ask)


class Kyle(NamedTuple):
    """One-period equilibrium: price impact, the insider's trading intensity, its expected gain."""

    impact: float
    intensity: float
    gain: float


def kyle(sigma_value: float, sigma_noise: float) -> Kyle:
    """Kyle (1985), one auction: lambda = sigma_v / (2 sigma_u), beta = sigma_u / sigma_v."""
    if not (sigma_value > 0.0 and sigma_noise > 0.0):
        raise ValueError("both deviations must be positive")
    return Kyle(sigma_value / (2.0 * sigma_noise), sigma_noise / sigma_value, 0.5 * sigma_value * sigma_noise)


class Leader(NamedTuple):
    """Choices of leader and follower (indices) and their payoffs."""

    leader: int
    follower: int
    leader_payoff: float
    follower_payoff: float


def stackelberg(a: Array, b: Array) -> Leader:
    """The leader (rows, payoffs `a`) commits to a pure strategy, the follower (columns, `b`) answers best.

    Where the follower has several best answers it takes the one worst for the leader (the cautious solution).
    """
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    answers = np.where(b >= b.max(axis=1, keepdims=True), a, np.inf)
    reply = answers.argmin(axis=1)
    rows = np.arange(len(a))
    lead = int(a[rows, reply].argmax())
    follow = int(reply[lead])
    return Leader(lead, follow, float(a[lead, follow]), float(b[lead, follow]))


class Makers(NamedTuple):
    """Payoff matrices of two makers and the half-spreads of their strategies."""

    ours: Array
    theirs: Array
    spreads: Array


def quote_game(spreads: Array, rival_spreads: Array, adverse: float, elasticity: float) -> Makers:
    """Payoffs a unit of time of two makers who choose half-spreads, volume at a half-spread of 0 being 1.

    The tighter quote takes all of the flow, equal quotes share it. Flow falls with the best half-spread as
    exp(-elasticity x half-spread). A unit earns the half-spread less `adverse`, what informed flow costs.
    """
    own = np.asarray(spreads, np.float64)
    rival = np.asarray(rival_spreads, np.float64)
    best = np.minimum(own[:, None], rival[None, :])
    flow = np.exp(-elasticity * best)
    share = np.where(own[:, None] < rival[None, :], 1.0, np.where(own[:, None] > rival[None, :], 0.0, 0.5))
    ours = share * flow * (own[:, None] - adverse)
    theirs = (1.0 - share) * flow * (rival[None, :] - adverse)
    return Makers(ours, theirs, own)


def quote_equilibrium(game: Makers) -> Equilibrium:
    """A Nash equilibrium of the makers' game."""
    return nash(game.ours, game.theirs)


def cooperation_threshold(temptation: float, reward: float, punishment: float, sucker: float) -> float:
    """Least discount factor at which never undercutting can last: (T - R) / (T - P), grim trigger.

    ValueError unless T > R > P > S, which makes it a prisoner's dilemma.
    """
    if not temptation > reward > punishment > sucker:
        raise ValueError("a prisoner's dilemma needs T > R > P > S")
    return (temptation - reward) / (temptation - punishment)


def cournot_leader(intercept: float, slope: float, cost: float) -> tuple[float, float]:
    """Quantities of leader and follower with price a - b (q1 + q2): (a - c) / 2b and (a - c) / 4b."""
    if not (slope > 0.0 and intercept >= cost and math.isfinite(intercept)):
        raise ValueError("the slope is positive and the intercept not below the cost")
    return (intercept - cost) / (2.0 * slope), (intercept - cost) / (4.0 * slope)
