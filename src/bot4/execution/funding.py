"""When to enter around a funding payment. Pure.

cost    rate x side > 0: we would pay (longs pay a positive rate)
soon    the payment is less than 30 minutes away
fresh   more than 7/8 of the interval remain

we pay, soon, |rate| above the threshold     wait until 5 minutes after the payment
not soon, fresh                              enter
otherwise                                    enter unless we pay and |rate| is above the threshold
no rate known                                enter only when fresh or not soon; wait when soon
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60 * 1_000_000_000
SOON_NS = 30 * MINUTE
AFTER_NS = 5 * MINUTE
JUST_PAID = "just paid"
THRESHOLD_E8 = 10_000
"""0.01 % of notional per interval, the usual base rate, in 1e-8."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Enter now, or wait until `until` (ns UTC)."""

    enter: bool
    until: int = 0
    why: str = ""

    @property
    def just_paid(self) -> bool:
        """Whether it says to enter only because the last payment has just passed."""
        return self.enter and self.why == JUST_PAID


def funding_advice(
    side: int,
    rate_e8: int | None,
    now: int,
    next_payment: int,
    interval_ns: int,
    threshold_e8: int = THRESHOLD_E8,
) -> Advice:
    """Whether to enter on `side` (1 buys) now; times ns UTC, `rate_e8` in 1e-8 of notional.

    ValueError for an interval that is not positive. A payment in the past counts as the next multiple of
    the interval.
    """
    if interval_ns <= 0:
        raise ValueError(f"funding interval must be positive, got {interval_ns} ns")
    if next_payment <= now:
        next_payment += (now - next_payment) // interval_ns * interval_ns + interval_ns
    left = next_payment - now
    after = next_payment + AFTER_NS
    if rate_e8 is None:
        return Advice(False, after, "rate not known") if left < SOON_NS else Advice(True, why="not soon")
    if rate_e8 * side <= 0:
        return Advice(True, why="we would receive or pay nothing")
    if abs(rate_e8) <= threshold_e8:
        return Advice(True, why="cheap")
    if left * 8 > interval_ns * 7:
        return Advice(True, why=JUST_PAID)
    return Advice(False, after, "soon and dear" if left < SOON_NS else "dear")


def carry(side: int, lots: int, mark: int, money_mult: int, rate_e8: int) -> int:
    """Cost of one payment in money units, rounded against us: side x lots x mark x mult x rate."""
    return -(-(side * lots * mark * money_mult * rate_e8) // 100_000_000)
