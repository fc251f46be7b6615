"""How true to life the simulated exchange is: queue, impact, latency, arrivals, funding, practice funds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Realism:
    """Settings of the simulated exchange; the laws stand in `docs/exchange-model.md`.

    prob_queue, queue_power: the queue also moves by cancels ahead, by the power function.
    impact_y, daily_vol, day_volume: square-root impact of taking, Y x sigma x sqrt(Q / V); V in lots, and
    0 switches it off.
    entry_ns, response_ns, latency_sigma: medians and log-sd of the log-normal latencies that a face
    applies (`Exchange.entry_latency`, `Exchange.response_latency`); commands themselves are instant.
    fill_rate: arrivals a second at each side of each market (Poisson), on top of the market's trades;
    each fills a Beta(fill_a, fill_b) share of the first account order at the best price. 0: none.
    spot_fee_in_base: the buyer on spot pays the fee in the asset he gets.
    """

    prob_queue: bool = False
    queue_power: float = 2.0
    impact_y: float = 0.0
    daily_vol: float = 0.03
    day_volume: float = 0.0
    entry_ns: int = 0
    response_ns: int = 0
    latency_sigma: float = 0.0
    fill_rate: float = 0.0
    fill_a: float = 2.0
    fill_b: float = 1.0
    spot_fee_in_base: bool = True
    mark_every_ns: int = 1_000_000_000
    funding_rate_e8: int = 10_000
    leverage: int = 20
    practice_funds: Decimal = Decimal(100_000)  # of each quote asset in each wallet
    insurance: Decimal = Decimal(1_000_000)  # of each quote asset

    def __post_init__(self) -> None:
        not_negative = (
            *("impact_y", "daily_vol", "day_volume", "entry_ns", "response_ns", "latency_sigma"),
            *("fill_rate", "practice_funds", "insurance"),
        )
        positive = ("queue_power", "fill_a", "fill_b", "mark_every_ns", "leverage")
        wrong = [name for name in not_negative if not getattr(self, name) >= 0]
        wrong += [name for name in positive if not getattr(self, name) > 0]
        if wrong:
            raise ValueError(f"realism settings out of range: {', '.join(wrong)}")
