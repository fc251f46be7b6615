"""Settings and construction of the simulated exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bot4.kernels.ladder_nb import check_sizes, empty_sides, side_dtype
from bot4.venues.simulator import state_nb as s


@dataclass(frozen=True, slots=True)
class SimParams:
    """How the simulated exchange behaves.

    bars: bar mode instead of book mode. Latencies in ns; with `latency_sigma` > 0 they are
    log-normal around these medians. `prob_queue`: the queue also moves by cancels ahead of us,
    by the power function with exponent `queue_power`; otherwise only by trades (risk-averse).
    `partial_fill` off: a fill takes the whole order. `half_spread_e8` (1e-8 of price), `impact`
    (fraction of price at a quantity of one bar's volume) and `volume_share` serve bar mode.
    `tiers`: (30-day turnover in money units, maker fee, taker fee in 1e-8), ascending; empty: the
    instrument's fees. With several accounts, `root_impact` is Y x daily volatility of the square-root
    impact law (E9) and `day_lots` the lots that the market trades in a day; 0: none. `margin` (MARGIN_*):
    how the perpetual positions of the one account answer for their losses; `cash` is its money at the start
    in money units, `leverage` that of isolated positions.
    """

    bars: bool = False
    entry_ns: int = 0
    response_ns: int = 0
    latency_sigma: float = 0.0
    prob_queue: bool = False
    queue_power: float = 2.0
    partial_fill: bool = False
    half_spread_e8: int = 0
    impact: float = 0.0
    volume_share: float = 0.1
    tiers: tuple[tuple[int, int, int], ...] = ()
    root_impact: float = 0.0
    day_lots: float = 0.0
    margin: int = s.MARGIN_NONE
    cash: int = 0
    leverage: int = 1
    venue: int = 0
    window: int = 131072
    far: int = 32768

    def __post_init__(self) -> None:
        wrong = [
            name
            for name in (
                "entry_ns",
                "response_ns",
                "latency_sigma",
                "half_spread_e8",
                "impact",
                "root_impact",
                "day_lots",
            )
            if not getattr(self, name) >= 0
        ]
        if self.margin not in (s.MARGIN_NONE, s.MARGIN_CROSS, s.MARGIN_ISOLATED):
            wrong.append("margin")
        if self.leverage < 1:
            wrong.append("leverage")
        if not self.queue_power > 0:
            wrong.append("queue_power")
        if not 0 < self.volume_share <= 1:
            wrong.append("volume_share")
        if (
            len(self.tiers) > s.MAX_TIERS
            or list(self.tiers) != sorted(self.tiers)
            or any(len(tier) != 3 for tier in self.tiers)
        ):
            wrong.append("tiers")
        if wrong:
            raise ValueError(f"simulator settings out of range: {', '.join(wrong)}")


def new_sim(
    n_instruments: int,
    spec: np.ndarray[Any, Any],
    params: SimParams,
    seed: int,
    capacity: int = 1024,
    accounts: int = 1,
) -> s.SimState:
    """An exchange with empty books and no orders.

    `spec`: INSTRUMENT_DTYPE[n_instruments]. `capacity`: orders that can be alive at once; four times
    as many messages can be under way. Memory that no price reaches is never touched. With more than one of
    `accounts` their orders trade with each other, always in part where the quantity asks for it.
    """
    if spec.shape != (n_instruments,):
        raise ValueError(f"spec has shape {spec.shape}, expected ({n_instruments},)")
    check_sizes(params.window, params.far)
    side = side_dtype(params.window, params.far)
    core = np.zeros(1, s.core_dtype(n_instruments, capacity, side, accounts))
    record = core[0]
    empty_sides(record["sides"])
    record["meta"][:, s.M_LISTS : s.M_LISTS + s.N_LISTS] = -1
    record["meta"][:, s.M_OPEN_TS] = s.I64_MAX
    orders = record["orders"]
    orders[:, s.O_LIST] = s.L_FREE
    orders[:, s.O_NEXT] = np.arange(1, capacity + 2)
    orders[capacity - 1 :, s.O_NEXT] = -1
    _set_ctl(record["ctl"], params, seed)
    par = record["par"]
    par[s.P_SIGMA] = params.latency_sigma
    par[s.P_POWER] = params.queue_power
    par[s.P_HALF_SPREAD] = params.half_spread_e8 / 1e8
    par[s.P_IMPACT] = params.impact
    par[s.P_SHARE] = params.volume_share
    par[s.P_ROOT] = params.root_impact
    par[s.P_DAY_LOTS] = params.day_lots
    if accounts > 1:
        record["ctl"][s.C_SHARED] = record["ctl"][s.C_PARTIAL] = 1
    for row, tier in enumerate(params.tiers):
        record["tiers"][row] = tier
    return s.SimState(core)


def _set_ctl(ctl: np.ndarray[Any, Any], params: SimParams, seed: int) -> None:
    ctl[s.C_CAP] = s.I64_MAX
    ctl[s.C_HINT] = -1
    ctl[s.C_SEED] = np.array([seed & (2**64 - 1)], np.uint64).view(np.int64)[0]
    ctl[s.C_BARS] = params.bars
    ctl[s.C_PARTIAL] = params.partial_fill
    ctl[s.C_PROB_QUEUE] = params.prob_queue
    ctl[s.C_ENTRY_NS] = params.entry_ns
    ctl[s.C_RESPONSE_NS] = params.response_ns
    ctl[s.C_VENUE] = params.venue
    ctl[s.C_MARGIN] = params.margin
    ctl[s.C_CASH] = params.cash
    ctl[s.C_LEVERAGE] = params.leverage
    ctl[s.C_TIERS] = len(params.tiers)
