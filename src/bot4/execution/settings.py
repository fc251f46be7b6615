"""Constants of the order desk, each with its unit. Times in integer nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from bot4.model.errors import ConfigError

MS = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """How patient, how careful and how large; ConfigError for a value that is not positive.

    Retries are linear (`retry_step_ns` x attempt) for the first `retry_attempts`, then `retry_slow_ns` x
    attempt up to `retry_cap_ns`; each wait is lengthened by up to `jitter_e4` x 1e-4 of itself.
    """

    queue_limit: int = 256  # orders of new risk that may wait, per instrument
    order_age_ns: int = 2 * SECOND  # new risk not sent by then is dropped
    retry_attempts: int = 3
    retry_step_ns: int = 100 * MS
    retry_slow_ns: int = 1 * SECOND
    retry_cap_ns: int = 10 * SECOND
    jitter_e4: int = 2_000
    not_found_ns: int = 30 * SECOND  # for so long the venue must say "no such order"
    not_found_times: int = 3  # and so often
    unknown_alarm_ns: int = 30 * SECOND  # an outcome unknown for longer is told
    refusals: int = 5  # refusals by the venue within `breaker_window_ns` that open the breaker
    breaker_window_ns: int = 300 * SECOND
    breaker_ns: int = 60 * SECOND  # how long it stays open before one order may try
    poll_ns: int = 1 * SECOND  # live orders, while the private stream is down
    check_ns: int = 5 * SECOND  # live orders and protection, always
    trades_back_ns: int = 60 * SECOND  # own trades are asked for from so long before the order
    reconcile_ns: int = 60 * SECOND
    remember_ns: int = 3600 * SECOND  # ended orders are kept so long for late events
    remember_trades: int = 100_000  # trade ids kept per instrument
    intent_ttl_ns: int = 24 * 3600 * SECOND
    intents: int = 1_000_000
    naked_limit_ns: int = 5 * SECOND  # a position without protection for longer is told
    escalate_ns: int = 3 * SECOND  # a stop-limit passed by the market for longer becomes a market exit
    turn_ns: int = 1 * SECOND  # a reached target may keep the stop from its coins so long
    pair_ns: int = 100 * MS  # a stop waits so long for the target to make a list with
    exit_slippage: Decimal = Decimal("0.01")  # worst price of a controlled exit, as a fraction of the mark
    order_cap: Decimal = Decimal(100_000)  # largest order of new risk, quote currency, whatever is configured
    funding_threshold_e8: int = 10_000  # of notional; an entry that would pay more waits until after it
    turnover_cap: Decimal = Decimal(1_000_000)  # new risk sent within `turnover_ns`, quote currency
    turnover_ns: int = 3600 * SECOND
    first_fill: Decimal = Decimal("0.01")  # first fill notional may differ from the order's by this fraction

    def __post_init__(self) -> None:
        for entry in fields(self):
            if getattr(self, entry.name) <= 0:
                raise ConfigError(f"desk.{entry.name} must be positive, got {getattr(self, entry.name)}")

    def pause_ns(self, attempt: int, salt: int) -> int:
        """How long to wait before try `attempt` + 1 (attempt from 1); `salt` spreads callers apart."""
        if attempt <= self.retry_attempts:
            base = self.retry_step_ns * attempt
        else:
            base = min(self.retry_slow_ns * (attempt - self.retry_attempts), self.retry_cap_ns)
        # Knuth's multiplicative hash instead of chance: the same run waits the same
        share = ((salt * 31 + attempt) * 2_654_435_761 % 2**32) * self.jitter_e4 >> 32
        return base + base * share // 10_000
