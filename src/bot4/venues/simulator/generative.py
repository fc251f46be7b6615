"""The generative market: a seeded limit-order book that trades without data or network.

    gen = new_generative(GenParams(), seed=1, start_ns=0)
    for events in stream(gen, until_ns=60 * 10**9):
        ...

The model and its sources stand in `generative_nb`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np

from bot4.model.errors import ConfigError
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import steps_of
from bot4.venues.simulator import generative_nb as g
from bot4.venues.simulator.chance_nb import next32, uniform
from bot4.venues.simulator.generative_book_nb import (
    I_GRID,
    I_INSTRUMENT,
    I_LOCAL,
    I_NEXT,
    I_START,
    I_STARTED,
    I_TOP,
    I_TRADE,
    I_UPDATE,
    I_VENUE,
    N_INTS,
    ROOM,
    SPAN,
    WINDOW,
    GenState,
    put,
)

YEAR_S = 365.25 * 86400
QUANTILES = 4096
_NORMAL = NormalDist()
MOVE_MAX = 400.0
"""Ticks by which one event may move the value, so that a side keeps levels to fall back on."""

_SPAN_S = (10.0, 300.0, 3600.0)
_SPAN_SD = (0.28, 0.36, 0.26)
"""Time scales (s) and standard deviations of the factors of log-volatility."""

_SIGN_STEP = (0.3, 0.08, 0.02, 0.005)
_SIGN_WEIGHT = (0.42, 0.26, 0.16, 0.12)
"""Memories of the order signs: step of the moving average (1 / trades) and weight; the weights sum to < 1."""

_SURPRISE = 0.69
"""E[(sign - s)**2] of these memories, measured over 10**6 orders."""

_JUMP_STEPS = 2.5
"""Smallest news jump, in standard deviations of a second's return."""


_POSITIVE = ("annual_vol", "limit_rate", "cancel_rate", "market_rate", "quote_rate", "decay", "power")
_NOT_NEGATIVE = (
    *("news_rate", "xi_sd", "market_lots", "market_lots_sd", "limit_lots", "limit_lots_sd"),
    *("latency_ns", "latency_mean_ns", "warm_up_s"),
)


@dataclass(frozen=True, slots=True)
class GenParams:
    """The market's parameters; the defaults look like a BTC perpetual.

    Rates are a second of market time at average activity, quantities in lots, distances in ticks.
    """

    symbol: str = "SYN-USDT-PERP"
    venue: str = "generative"
    base: str = "SYN"
    quote: str = "USDT"
    mid: Decimal = Decimal("60000.0")  # at the start, about
    tick: Decimal = Decimal("0.1")
    lot: Decimal = Decimal("0.001")
    annual_vol: float = 0.65  # of the value, without the news
    limit_rate: float = 170.0
    cancel_rate: float = 135.0  # attempts; those that find no order are no event
    market_rate: float = 50.0
    quote_rate: float = 40.0  # for each tick of gap
    news_rate: float = 1 / 300
    branching: float = 0.4  # Hawkes: orders set off by an order
    decay: float = 4.0  # Hawkes: a second
    xi_sd: float = 1.2  # log-sd of how much an order tells
    market_lots: float = 20.0  # median size of a market order
    market_lots_sd: float = 1.6  # log-sd: heavy tail
    limit_lots: float = 80.0
    limit_lots_sd: float = 1.1
    power: float = 0.6  # exponent mu of the placement law: P(d) ~ (d0 + d)**(-1 - mu)
    reach: int = 800  # levels further behind the best are pulled
    latency_ns: int = 2_000_000  # least time from the venue to us
    latency_mean_ns: int = 1_000_000  # mean of what comes on top
    warm_up_s: int = 20  # the market runs this long before the start, unseen
    instrument_id: int = 0
    venue_id: int = 0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: must be positive, got {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.branching < 1.0:
            raise ConfigError(f"branching: must lie in [0, 1), got {self.branching}")
        if not 16 <= self.reach <= SPAN:
            raise ConfigError(f"reach: must lie in [16, {SPAN}], got {self.reach}")
        if not 16 * SPAN <= steps_of(self.mid, self.tick, "mid") < 1 << 40:
            raise ConfigError(f"mid: {self.mid} needs at least {16 * SPAN} ticks; choose a smaller tick")


def instrument(params: GenParams | None = None) -> Instrument:
    """The instrument that the market trades."""
    p = params or GenParams()
    return Instrument(
        symbol=p.symbol,
        venue=p.venue,
        base=p.base,
        quote=p.quote,
        kind="perp",
        tick=p.tick,
        lot=p.lot,
        min_qty=p.lot,
        max_qty=p.lot * 1_000_000,
        min_notional=Decimal(5),
    )


def seed_words(seed: int) -> np.ndarray[Any, Any]:
    """Four 32-bit words from any integer seed (splitmix64: Steele, Lea and Flood 2014)."""
    mask = (1 << 64) - 1
    x = seed & mask
    words = []
    for _ in range(4):
        x = (x + 0x9E3779B97F4A7C15) & mask
        z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        words.append((z ^ (z >> 31)) >> 32)
    return np.array(words, np.int64)


def _tables(p: GenParams) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Quantiles of a limit order's distance (power law, cut at the reach) and size (log-normal)."""
    d0 = 4.0
    inside = 1.0 - (d0 / (d0 + p.reach)) ** p.power
    u = (np.arange(QUANTILES) + 0.5) / QUANTILES
    distance = np.floor(d0 * ((1.0 - inside * u) ** (-1.0 / p.power) - 1.0))
    normal = np.array([_NORMAL.inv_cdf(float(x)) for x in u])
    size = np.maximum(1.0, np.rint(p.limit_lots * np.exp(p.limit_lots_sd * normal)))
    return distance.astype(np.int64), size.astype(np.int64)


def _law(p: GenParams) -> np.ndarray[Any, Any]:
    law = np.zeros(g.N_LAWS)
    second = p.annual_vol / math.sqrt(YEAR_S)  # standard deviation of a second's return
    xi_square = math.exp(2.0 * p.xi_sd**2)
    law[g.P_LIMIT] = p.limit_rate
    law[g.P_CANCEL] = p.cancel_rate
    law[g.P_MARKET] = p.market_rate
    law[g.P_QUOTE] = p.quote_rate
    law[g.P_NEWS] = p.news_rate
    law[g.P_BRANCH] = p.branching
    law[g.P_DECAY] = p.decay
    law[g.P_SIGMA] = second / math.sqrt(p.market_rate * xi_square * _SURPRISE)
    law[g.P_XI] = p.xi_sd
    law[g.P_MOVE_MAX] = MOVE_MAX
    law[g.P_JUMP] = _JUMP_STEPS * second
    law[g.P_LOTS] = p.market_lots
    law[g.P_LOTS_SD] = p.market_lots_sd
    law[g.P_REACH] = p.reach
    law[g.P_WALK] = 3.0
    law[g.P_VOL_MEAN] = -sum(sd**2 for sd in _SPAN_SD)
    law[g.P_LATENCY] = p.latency_ns
    law[g.P_LATENCY_SD] = p.latency_mean_ns
    law[g.P_FLOOR] = 8 * SPAN
    return law


def new_generative(params: GenParams, seed: int, start_ns: int) -> GenState:
    """A market that opens at `start_ns` (ns UTC) with a book that is already in its steady state.

    The same `params`, `seed` (any integer) and `start_ns` give the same records, byte for byte.
    """
    ticks = steps_of(params.mid, params.tick, "mid")
    distance, size = _tables(params)
    keep = [math.exp(-g.GRID_NS / 1e9 / span) for span in _SPAN_S]
    shock = [sd * math.sqrt(1.0 - k * k) for sd, k in zip(_SPAN_SD, keep, strict=True)]
    gen = GenState(
        qty=np.zeros((2, WINDOW), np.int64),
        best=np.array([ticks, -ticks - 1], np.int64),
        far=np.array([ticks, -ticks - 1], np.int64),
        ints=np.zeros(N_INTS, np.int64),
        value=np.zeros(g.N_VALUES),
        law=_law(params),
        memory=np.array([[0.0] * len(_SIGN_STEP), _SIGN_STEP, _SIGN_WEIGHT]),
        vol=np.array([[0.0] * len(keep), keep, shock]),
        distance=distance,
        size=size,
        rng=seed_words(seed),
    )
    gen.value[g.F_VALUE] = ticks + 0.5
    gen.ints[I_INSTRUMENT] = params.instrument_id
    gen.ints[I_VENUE] = params.venue_id
    for side in range(2):
        for back in range(params.reach):
            if back == 0 or uniform(gen.rng) < 0.5:
                put(gen, side, gen.best[side] - back, size[next32(gen.rng) >> 20])
    _warm_up(gen, params, start_ns)
    return gen


def _warm_up(gen: GenState, params: GenParams, start_ns: int) -> None:
    """Run the market up to the start, throw the records away, set its counters for the opening."""
    ints = gen.ints
    gen.value[g.F_EXCITED] = params.branching
    ints[I_NEXT] = ints[I_GRID] = start_ns - params.warm_up_s * 10**9
    ints[I_STARTED] = 1
    for j in range(gen.vol.shape[1]):  # each factor from its stationary law
        gen.vol[0, j] = _SPAN_SD[j] * _NORMAL.inv_cdf(uniform(gen.rng))
    g.step_volatility(gen)
    g.plan_next(gen)
    for _ in stream(gen, start_ns):
        pass
    ints[I_START] = start_ns
    ints[I_STARTED] = 0
    ints[I_LOCAL] = 0
    ints[I_TRADE] = 0
    ints[I_UPDATE] = 1
    ints[I_TOP : I_TOP + 4] = 0  # the opening tells its top


def stream(gen: GenState, until_ns: int, capacity: int = 1 << 15) -> Iterator[np.ndarray[Any, Any]]:
    """The market's records up to `until_ns` (inclusive) in batches.

    One buffer of `capacity` records serves all batches: copy what is to outlive its turn.
    """
    if capacity <= ROOM:
        raise ConfigError(f"capacity: must be above {ROOM} records, got {capacity}")
    buffer = np.zeros(capacity, EVENT_DTYPE)
    while True:
        n = g.generate_nb(gen, until_ns, buffer, 0)
        if n:
            yield buffer[:n]
        if gen.ints[I_STARTED] == 0 or gen.ints[I_NEXT] > until_ns:
            return
