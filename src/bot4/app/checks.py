"""The checks that stand around every trade: what each reads, what it says, what missing input does.

`CHECKS` (in `bot4.app.check_list`) is the one list. The page `docs/risk-checks.md`, `bot4 show checks` and
the tests are made from it: a test fails for a function that is gone, a setting that does not exist, a reason
that no check gives, and a check whose removal no other test notices (`tests/mutate_checks.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

from bot4.model import codes_nb, names


class Layer(StrEnum):
    """The eight layers, in the order in which an order meets them."""

    KILL = "kill switch"
    OPERATIONAL = "operational"
    BREAKER = "breakers"
    MARKET = "market"
    PRE_TRADE = "pre-trade"
    PORTFOLIO = "portfolio"
    POST_TRADE = "post-trade"
    REAL_TIME = "real-time"


ABOUT = {
    Layer.KILL: "Whether anything new may be sent at all.",
    Layer.OPERATIONAL: "Whether bot4, its connection and its books are fit to trade.",
    Layer.BREAKER: "Whether the venue takes orders, and answers.",
    Layer.MARKET: "Whether what is known of the market may be traded on.",
    Layer.PRE_TRADE: "The order by itself.",
    Layer.PORTFOLIO: "The account after the order's full fill, with everything that is pending.",
    Layer.POST_TRADE: "What came back, against what was asked for.",
    Layer.REAL_TIME: "What is looked at between orders, on timers of its own.",
}


class Judges(StrEnum):
    """What a check looks at."""

    RISK = "new risk"  # orders that can raise risk
    REDUCING = "reducing"  # reduce-only orders
    ORDER = "every order"
    FILL = "fill"
    RUN = "the run"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `where` is module:function under bot4; `reasons` are names in `model.codes_nb`."""

    name: str
    layer: Layer
    judges: Judges
    where: str
    reasons: tuple[str, ...]
    reads: str
    missing: str
    settings: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The reasons as people read them."""
        return tuple(names.reason(getattr(codes_nb, reason)) for reason in self.reasons)

    def function(self) -> Any:
        """The function or method; ImportError or AttributeError when it is gone."""
        module, _, path = self.where.partition(":")
        found: Any = import_module(f"bot4.{module}")
        for part in path.split("."):
            found = getattr(found, part)
        return found


NOT_CHECKS = {
    "the venue's own refusal, which is told as it came": (
        "R_FUNDS",
        "R_POST_WOULD_TAKE",
        "R_TOO_MANY_STOPS",
    ),
    "why a position is closed, an order cancelled, a mode changed; no order is refused for it": (
        "R_SIGNAL",
        "R_STOP_LOSS",
        "R_TAKE_PROFIT",
        "R_TIME_STOP",
        "R_OPPOSITE",
        "R_SIBLING",
        "R_REQUOTE",
        "R_OPERATOR",
        "R_FILE",
        "R_OS_SIGNAL",
        "R_COMMAND",
        "R_CLOCK",
        "R_JOURNAL",
        "R_IOC",
        "R_END",
        "R_INTERNAL",
        "R_TIMEOUT",
        "R_NETWORK",
        "R_NOT_FOUND",
        "R_ADOPTED",
        "R_LIQUIDATED",
        "R_ADL",
        "R_MAINTENANCE",
        "R_REPLACED",
        "R_TRIGGER_NOW",
    ),
}
"""Reasons that no check gives, and why. A new reason stands here or belongs to a check."""


def unclaimed(checks: tuple[Check, ...]) -> list[str]:
    """Reasons of `model.codes_nb` that neither a check nor NOT_CHECKS knows."""
    known = {reason for check in checks for reason in check.reasons}
    known |= {reason for group in NOT_CHECKS.values() for reason in group}
    return sorted(name for name in vars(codes_nb) if name.startswith("R_") and name not in {*known, "R_OK"})
