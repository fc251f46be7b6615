"""Does the ledger agree with the venue? Compares positions and money, and says in words what differs.

A perpetual is booked like a purchase, so the venue's wallet balance is the ledger's cash plus the signed
cost of its positions. On a spot account the cash is the balance of the quote asset; coins beyond the
ledger's holding belong to the user and are left alone; fewer coins than the ledger holds is a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot4.engine.build import Plan
from bot4.engine.state import Engine
from bot4.model.values import decimal_amount, plain, steps_down, steps_near, steps_of, unit_of
from bot4.ports.venue import AccountReport


@dataclass(frozen=True, slots=True)
class Gap:
    """A position that differs: signed lots here and there, the venue's average entry in ticks (0: none)."""

    inst: int
    symbol: str
    ledger_lots: int
    venue_lots: int
    average: int
    lot: Decimal

    def __str__(self) -> str:
        return f"{self.symbol}: venue {self.venue_lots * self.lot:f}, ledger {self.ledger_lots * self.lot:f}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Positions that differ, and the money (units) that the venue has beyond the ledger."""

    positions: tuple[Gap, ...]
    cash: int
    cash_text: str

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.positions and self.cash == 0


def balance_of(account: AccountReport, asset: str) -> Decimal:
    """The total balance of `asset`; zero when the account does not list it."""
    return sum((b.total for b in account.balances if b.asset == asset), Decimal(0))


def _venue_position(account: AccountReport, plan: Plan, inst: int, held: int, mark: int) -> tuple[int, int]:
    """(signed lots, average ticks) of the venue's position of instrument `inst`."""
    instrument = plan.instruments[inst]
    if instrument.kind == "spot":
        coins = balance_of(account, instrument.base)
        lots = steps_down(coins, instrument.lot, f"{instrument.symbol} holding")
        return min(lots, held), mark
    lots, average = 0, 0
    for position in account.positions:
        if position.symbol == instrument.symbol and position.quantity:
            lots += steps_of(position.quantity, instrument.lot, f"{instrument.symbol} position")
            price = position.entry_price or position.mark_price or Decimal(0)
            average = steps_near(price, instrument.tick, f"{instrument.symbol} average entry")
    return lots, average


def compare(engine: Engine, plan: Plan, account: AccountReport) -> Agreement:
    """What differs between the ledger in `engine` and the venue's `account`."""
    gaps = []
    expected = int(engine.ledger.account[0]["cash"])
    for inst, instrument in enumerate(plan.instruments):
        row = engine.ledger.positions[inst]
        held, mark = int(row["qty"]), max(1, int(row["mark"]))
        lots, average = _venue_position(account, plan, inst, held, mark)
        mult = int(engine.spec[inst]["money_mult"])
        if instrument.kind == "spot":
            if lots != held:  # the coins are gone: their cost leaves the cash's expectation
                expected += int(row["cost"]) - lots * mark * mult
        else:
            expected += int(row["cost"])
        if lots != held:
            gaps.append(Gap(inst, instrument.symbol, held, lots, average, instrument.lot))
    cash = steps_down(balance_of(account, plan.currency), unit_of(plan.money_exp), "balance") - expected
    text = f"{plain(decimal_amount(cash, plan.money_exp))} {plan.currency} came (or went) outside trading"
    return Agreement(tuple(gaps), cash, text)
