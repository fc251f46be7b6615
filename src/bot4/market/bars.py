"""Making the state of bars."""

from bot4.kernels.records import records
from bot4.market.bars_nb import BAR_DTYPE, BAR_TICK, BAR_TIME, BAR_VOLUME, RULE_DTYPE, BarState


def new_bars(n: int, kind: int = BAR_TIME, size: int = 60_000_000_000) -> BarState:
    """Bars of `n` instruments, all by the same rule; set `rule[i]` for another one."""
    if kind not in (BAR_TIME, BAR_TICK, BAR_VOLUME) or size <= 0:
        raise ValueError(f"bar kind {kind} with size {size}: kind is 0, 1 or 2 and size positive")
    rule = records(n, RULE_DTYPE)
    rule["kind"] = kind
    rule["size"] = size
    return BarState(rule, records(n, BAR_DTYPE), records(n, BAR_DTYPE))
