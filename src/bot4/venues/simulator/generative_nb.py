"""Order flow of the generative market: what arrives, when, and how far it moves the value.

A market of zero-intelligence order flow around a latent value V (ticks, float):

- Limit orders arrive at power-law distance from the best of their side; cancellations find
  resting volume by rejection, so their rate is proportional to it (Bouchaud, Mezard and Potters,
  "Statistical properties of stock order books", Quant. Finance 2, 2002; Smith, Farmer, Gillemot
  and Krishnamurthy, "Statistical theory of the continuous double auction", Quant. Finance 3, 2003).
- Market orders arrive as a Hawkes process with exponential kernel (the intensity is held between two
  events). Their signs have long memory: P(buy) = (1 + s) / 2 with s a weighted sum of moving averages
  of past signs over several scales, a near power law (Lillo and Farmer, "The long memory of
  the efficient market", 2004).
- A market order moves the value by the surprise of its sign, V += sigma xi (sign - s), with xi > 0
  log-normal and independent of the sign (Madhavan, Richardson and Roomans, Rev. Fin. Studies 10, 1997).
  As s is E[sign | past], V is a martingale however predictable the signs are: expected
  buying finds liquidity, unexpected buying moves the price. News moves V by symmetric Pareto jumps.
- Quotes that the new value has made stale are taken or pulled within the same event, and the other side
  is re-quoted at a rate proportional to the gap. So the touch brackets V to about a tick
  after every event, and no quote stands still for others to pick off.
- Activity and sigma follow a log-volatility that is a sum of Ornstein-Uhlenbeck processes from
  seconds to an hour, the multi-scale volatility behind slow decay of |returns| (LeBaron, 2001; stylised
  facts: Cont, "Empirical properties of asset returns", Quant. Finance 1, 2001).
"""

import math
from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.venues.simulator.chance_nb import exponential, gauss, next32, uniform
from bot4.venues.simulator.generative_book_nb import (
    I_GRID,
    I_KIND,
    I_LOCAL,
    I_NEXT,
    I_START,
    I_STARTED,
    LEAP,
    MAX_LOTS,
    ROOM,
    GenState,
    close_frame,
    drop,
    lots_at,
    put,
    tell_level,
    tell_snapshot,
    tell_top,
    tell_trade,
    trim,
)

Array = np.ndarray[Any, Any]

# kinds of order-flow events
FLOW_LIMIT = 0
FLOW_CANCEL = 1
FLOW_MARKET = 2
FLOW_QUOTE = 3
FLOW_NEWS = 4

# slots of GenState.value
F_VALUE = 0  # the latent value, ticks
F_ACTIVITY = 1  # factor on the rates, exp(h)
F_SIGMA = 2  # ticks by which a market order of xi = 1 and surprise 1 moves the value
F_EXCITED = 3  # Hawkes excitation, in units of the mean market rate
N_VALUES = 4

# slots of GenState.law
P_LIMIT = 0  # limit orders a second at activity 1
P_CANCEL = 1  # attempts to cancel a second
P_MARKET = 2  # market orders a second
P_QUOTE = 3  # re-quotes a second for each tick of gap
P_NEWS = 4  # jumps of the value a second
P_BRANCH = 5  # Hawkes branching ratio, in [0, 1)
P_DECAY = 6  # Hawkes decay a second
P_SIGMA = 7  # F_SIGMA at average volatility, as a fraction of the value
P_XI = 8  # log-standard deviation of xi
P_MOVE_MAX = 9  # ticks by which one event may move the value
P_JUMP = 10  # smallest jump, as a fraction of the value
P_LOTS = 11  # median size of a market order, lots
P_LOTS_SD = 12  # its log-standard deviation
P_REACH = 13  # ticks behind the best where levels are pulled
P_WALK = 14  # ticks behind the best that a market order may walk
P_VOL_MEAN = 15  # mean of the log-volatility: minus its variance, so that E exp(2h) = 1
P_LATENCY = 16  # ns, least latency
P_LATENCY_SD = 17  # ns, mean of the exponential part
P_FLOOR = 18  # ticks; the value does not fall below
N_LAWS = 19

GRID_NS = 100_000_000  # step of the log-volatility
_STALE = 1.0  # ticks by which a quote may stand beyond the value
_QUOTE_MAX = 3000.0  # re-quotes a second, at most
_LADDER = 5  # levels that a re-quote may set
_SIZE_TELLS = 0.8  # correlation of log size and log xi: large orders tell more
_SIZE_REST = 0.6
_TRIES = 8  # places where a cancellation looks for an order


@kernel
def fair(gen: GenState, side: int) -> int:
    """The best coordinate that `side` may quote: not beyond the value, not crossing, in reach."""
    value = gen.value[F_VALUE]
    c = math.floor(value if side == 0 else -value)
    best: int = min(c, -gen.best[1 - side] - 1, gen.best[side] + LEAP)
    return best


@kernel
def step_volatility(gen: GenState) -> None:
    """One step of GRID_NS of the log-volatility (exact discretisation of each factor)."""
    h = gen.law[P_VOL_MEAN]
    for j in range(gen.vol.shape[1]):
        gen.vol[0, j] = gen.vol[0, j] * gen.vol[1, j] + gen.vol[2, j] * gauss(gen.rng)
        h += gen.vol[0, j]
    h = min(max(h, -1.6), 1.6)
    gen.value[F_ACTIVITY] = math.exp(h)
    gen.value[F_SIGMA] = gen.law[P_SIGMA] * math.exp(0.5 * h)
    gen.ints[I_GRID] += GRID_NS


@kernel
def plan_next(gen: GenState) -> None:
    """Draw when the next event comes and which it is, from the intensities of now."""
    law, value = gen.law, gen.value
    active = value[F_ACTIVITY]
    gap = max(0, fair(gen, 0) - gen.best[0]) + max(0, fair(gen, 1) - gen.best[1])
    limit = law[P_LIMIT] * active
    cancel = limit + law[P_CANCEL] * active
    market = cancel + law[P_MARKET] * (active * (1.0 - law[P_BRANCH]) + value[F_EXCITED])
    quote = market + min(law[P_QUOTE] * gap, _QUOTE_MAX)
    total = quote + law[P_NEWS] * active
    seconds = exponential(gen.rng) / total
    value[F_EXCITED] *= math.exp(-law[P_DECAY] * seconds)
    gen.ints[I_NEXT] += max(1, int(seconds * 1e9))
    pick = uniform(gen.rng) * total
    kind = FLOW_NEWS
    if pick < limit:
        kind = FLOW_LIMIT
    elif pick < cancel:
        kind = FLOW_CANCEL
    elif pick < market:
        kind = FLOW_MARKET
    elif pick < quote:
        kind = FLOW_QUOTE
    gen.ints[I_KIND] = kind


@kernel
def limit_order(gen: GenState, events: Array, n: int) -> int:
    """A limit order at power-law distance; one in four improves a wide touch. Appends its level."""
    bits = next32(gen.rng)
    side = bits & 1
    top = fair(gen, side)
    c = min(gen.best[side] - gen.distance[(bits >> 1) & 4095], top)
    if top > gen.best[side] and (bits >> 13) & 3 == 0:
        c = top
    have = lots_at(gen, side, c) if c >= gen.far[side] and c <= gen.best[side] else 0
    lots = min(have + gen.size[next32(gen.rng) >> 20], MAX_LOTS)
    if lots == have:
        return n
    put(gen, side, c, lots)
    return tell_level(gen, events, n, side, c)


@kernel
def cancel_order(gen: GenState, events: Array, n: int) -> int:
    """A cancellation: looks for volume at random places, half of them near the touch.

    Where it finds a level it pulls the whole or a uniform part. Finding nothing is no event.
    """
    bits = next32(gen.rng)
    side = bits & 1
    best, far = gen.best[side], gen.far[side]
    for _ in range(_TRIES):
        bits = next32(gen.rng)
        if bits & 1:
            c = best - gen.distance[(bits >> 1) & 4095]
        else:
            c = best - ((bits >> 1) & 0xFFFFF) * (best - far + 1) // 0x100000
        if c < far or best == far:
            continue
        have = lots_at(gen, side, c)
        if have == 0:
            continue
        pull = have if bits >> 31 else 1 + int(uniform(gen.rng) * have)
        if pull >= have:
            drop(gen, side, c)
        else:
            put(gen, side, c, have - pull)
        return tell_level(gen, events, n, side, c)
    return n


@kernel
def requote(gen: GenState, events: Array, n: int) -> int:
    """A market maker closes a gap: a small quote near the value and larger ones behind it."""
    gap_bid = max(0, fair(gen, 0) - gen.best[0])
    gap_ask = max(0, fair(gen, 1) - gen.best[1])
    if gap_bid + gap_ask == 0:
        return n
    side = 0 if uniform(gen.rng) * (gap_bid + gap_ask) < gap_bid else 1
    gap = gap_bid if side == 0 else gap_ask
    reach = gap if uniform(gen.rng) < 0.75 else 1 + int(uniform(gen.rng) * gap)
    top = gen.best[side] + min(reach, gap)
    old = gen.best[side]
    for j in range(_LADDER):
        c = top - j
        if c <= old or (j > 0 and uniform(gen.rng) > 0.6):
            continue
        lots = min(gen.size[next32(gen.rng) >> 20] * (1 + j), MAX_LOTS)
        put(gen, side, c, lots)
        n = tell_level(gen, events, n, side, c)
    return n


@kernel
def print_trades(gen: GenState, events: Array, n: int, side: int, lots: int, limit: int) -> int:
    """Append the trades of a market order of `lots` down to coordinate `limit`, one a level."""
    c, far = gen.best[side], gen.far[side]
    while lots > 0 and c >= limit and c >= far:
        have = lots_at(gen, side, c)
        take = min(have - 1 if c == far else have, lots)
        if take > 0:
            n = tell_trade(gen, events, n, side, c, take)
            lots -= take
        c -= 1
    return n


@kernel
def take_levels(gen: GenState, events: Array, n: int, side: int, lots: int, limit: int, stale: int) -> int:
    """Take what `print_trades` told and pull every level beyond `stale`; append the changed levels."""
    c, far = gen.best[side], gen.far[side]
    while c >= limit and c >= far and (lots > 0 or c > stale):
        have = lots_at(gen, side, c)
        if have > 0:
            keep = 1 if c == far else 0
            take = min(have - keep, lots)
            lots -= take
            rest = keep if c > stale else have - take
            if rest == 0:
                drop(gen, side, c)
                n = tell_level(gen, events, n, side, c)
            elif rest != have:
                put(gen, side, c, rest)
                n = tell_level(gen, events, n, side, c)
        c -= 1
    return n


@kernel
def remember(gen: GenState, sign: int) -> None:
    """Fold a market order's sign into its memories and excite the arrival of others."""
    for k in range(gen.memory.shape[1]):
        gen.memory[0, k] += gen.memory[1, k] * (sign - gen.memory[0, k])
    gen.value[F_EXCITED] += gen.law[P_BRANCH] * gen.law[P_DECAY] / gen.law[P_MARKET]


@kernel
def expected_sign(gen: GenState) -> float:
    """E[sign of the next market order | past], in (-1, 1)."""
    s = 0.0
    for k in range(gen.memory.shape[1]):
        s += gen.memory[2, k] * gen.memory[0, k]
    return s


@kernel
def order_move(gen: GenState, told: float) -> int:
    """Draw a market order's sign, move the value by its surprise; the sign.

    `told` is the standard normal of xi; it also enters the order's size.
    """
    law, value = gen.law, gen.value
    expected = expected_sign(gen)
    sign = 1 if 2.0 * uniform(gen.rng) < 1.0 + expected else -1
    unit = value[F_VALUE] * value[F_SIGMA]
    # The cut is the same for both signs, so that the value stays a martingale.
    step = min(unit * math.exp(law[P_XI] * told), 0.5 * law[P_MOVE_MAX])
    move_value(gen, step * (sign - expected))
    remember(gen, sign)
    return sign


@kernel
def news_move(gen: GenState) -> int:
    """Move the value by a Pareto jump (tail exponent 3), up or down alike; its sign."""
    law, value = gen.law, gen.value
    sign = 1 if next32(gen.rng) & 1 else -1
    jump = value[F_VALUE] * value[F_ACTIVITY] * law[P_JUMP] * math.exp(exponential(gen.rng) / 3.0)
    move_value(gen, sign * min(jump, law[P_MOVE_MAX]))
    return sign


@kernel
def move_value(gen: GenState, move: float) -> None:
    """Add `move` ticks to the value, unless it would fall to the floor."""
    if gen.value[F_VALUE] + move > gen.law[P_FLOOR]:
        gen.value[F_VALUE] += move


@kernel
def market_order(gen: GenState, events: Array, n: int, news: bool) -> tuple[int, int]:
    """A market order (or the one that news sets off): moves the value, takes or pulls what is stale.

    Appends the trades, leaves room for a frame's head, appends the changed levels. Returns the end
    and the place of the head.
    """
    told = gauss(gen.rng)
    size = gen.law[P_LOTS_SD] * (_SIZE_TELLS * told + _SIZE_REST * gauss(gen.rng))
    lots = min(gen.law[P_LOTS] * math.exp(size), 0.1 * MAX_LOTS)
    sign = news_move(gen) if news else order_move(gen, told)
    lots = 1 + int(lots * 10.0 if news else lots)
    side = 1 if sign > 0 else 0
    worth = gen.value[F_VALUE] if side == 0 else -gen.value[F_VALUE]
    stale = math.floor(worth + _STALE)
    limit = min(stale + 1, gen.best[side] - int(gen.law[P_WALK]))
    refuge = 0
    if gen.far[side] > stale:  # the whole side is stale: one quote behind the value keeps it alive
        refuge = min(fair(gen, side), limit - 1)
        put(gen, side, refuge, gen.size[next32(gen.rng) >> 20])
    head = print_trades(gen, events, n, side, lots, limit)
    n = head + 1
    if refuge != 0:
        n = tell_level(gen, events, n, side, refuge)
    return take_levels(gen, events, n, side, lots, limit, stale), head


@kernel
def one_event(gen: GenState, events: Array, n: int) -> int:
    """Carry out the planned event, append its records, plan the next."""
    ints = gen.ints
    while ints[I_GRID] <= ints[I_NEXT]:
        step_volatility(gen)
    latency = gen.law[P_LATENCY] + gen.law[P_LATENCY_SD] * exponential(gen.rng)
    ints[I_LOCAL] = max(ints[I_LOCAL], ints[I_NEXT] + int(latency))
    kind = ints[I_KIND]
    head = n
    if kind == FLOW_LIMIT:
        n = limit_order(gen, events, head + 1)
    elif kind == FLOW_CANCEL:
        n = cancel_order(gen, events, head + 1)
    elif kind == FLOW_QUOTE:
        n = requote(gen, events, head + 1)
    else:
        n, head = market_order(gen, events, head, kind == FLOW_NEWS)
    n = trim(gen, events, n, int(gen.law[P_REACH]))
    n = close_frame(gen, events, head, n)
    n = tell_top(gen, events, n)
    plan_next(gen)
    return n


@kernel
def generate_nb(gen: GenState, until_ns: int, events_out: Array, n0: int) -> int:
    """Advance the market to `until_ns` (venue time, inclusive) and append its records from `n0` on.

    Returns n1, the end of what stands in `events_out` (EVENT_DTYPE, at least ROOM records long). It
    stops early when fewer than ROOM records are free: when n1 > len(events_out) - ROOM, empty the
    buffer and call again. The first call that reaches the start begins with the full book.
    How the calls are cut changes no record. `ts_local` never falls.
    """
    n = n0
    room = events_out.shape[0] - ROOM
    ints = gen.ints
    if ints[I_STARTED] == 0:
        if until_ns < ints[I_START] or n > room:
            return n
        planned = ints[I_NEXT]
        ints[I_NEXT] = ints[I_START]
        ints[I_LOCAL] = max(ints[I_LOCAL], ints[I_START] + int(gen.law[P_LATENCY]))
        n = tell_snapshot(gen, events_out, n)
        n = tell_top(gen, events_out, n)
        ints[I_NEXT] = planned
        ints[I_STARTED] = 1
    while ints[I_NEXT] <= until_ns and n <= room:
        n = one_event(gen, events_out, n)
    return n
