"""The same books in plain double entry with Decimal: the ledger's oracle, and the form for reports.

Every event becomes postings that sum to zero (a debit is positive, a credit negative):

    fill     cash, asset at cost, realised, and fees against cash
    funding  funding against cash
    adopt    asset at the venue's average cost against cash
    transfer cash against external

The accounts are `capital`, `cash`, `external`, `fees`, `funding`, `realised`, and an `asset:<name>` per
instrument.
Nothing here is shared with the compiled ledger but its rules: average cost, the released basis rounded
down to a money unit, funding rounded against us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction

from bot4.ledger.ledger_nb import LedgerState
from bot4.model.values import decimal_amount, steps_up

_EXACT = Context(prec=90, traps=[Inexact])


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry: `amount` in account currency, debit positive."""

    account: str
    amount: Decimal


class Books:
    """Double-entry books in account currency; `unit` is the smallest amount of money."""

    def __init__(self, capital: Decimal, unit: Decimal) -> None:
        self.unit = unit
        self.quantities: dict[str, Decimal] = {}
        self.balances: dict[str, Decimal] = {}
        self._post(Posting("cash", capital), Posting("capital", -capital))

    def _post(self, *postings: Posting) -> tuple[Posting, ...]:
        with localcontext(_EXACT):
            if sum(p.amount for p in postings) != 0:
                raise ArithmeticError(f"entry does not balance: {postings}")
            for p in postings:
                self.balances[p.account] = self.balances.get(p.account, Decimal(0)) + p.amount
        return postings

    def _released(self, instrument: str, closed: Decimal) -> Decimal:
        """The basis that `closed` of the present holding takes with it, towards zero to a unit."""
        basis = self.balances.get(f"asset:{instrument}", Decimal(0))
        held = abs(self.quantities.get(instrument, Decimal(0)))
        if closed == 0:
            return Decimal(0)
        units = int(Fraction(basis) * Fraction(closed) / Fraction(held) / Fraction(self.unit))
        return units * self.unit

    def fill(
        self, instrument: str, side: int, price: Decimal, quantity: Decimal, fee: Decimal
    ) -> tuple[Posting, ...]:
        """Post a purchase (`side` 1) or sale (-1) of `quantity` > 0 at `price`; the postings made."""
        with localcontext(_EXACT):
            held = self.quantities.get(instrument, Decimal(0))
            closed = min(quantity, abs(held)) if held * side < 0 else Decimal(0)
            opened = quantity - closed
            released = self._released(instrument, closed)
            realised = -side * closed * price - released
            self.quantities[instrument] = held + side * quantity
            return self._post(
                Posting("cash", -side * quantity * price),
                Posting(f"asset:{instrument}", side * opened * price - released),
                Posting("realised", -realised),
                Posting("fees", fee),
                Posting("cash", -fee),
            )

    def funding(self, instrument: str, rate: Decimal, price: Decimal) -> tuple[Posting, ...]:
        """Post one funding payment of `rate` x position value, rounded up to a unit of money."""
        with localcontext(_EXACT):
            due = self.quantities.get(instrument, Decimal(0)) * price * rate
            payment = steps_up(due, self.unit, "funding") * self.unit
        return self._post(Posting("funding", payment), Posting("cash", -payment))

    def adopt(self, instrument: str, quantity: Decimal, price: Decimal) -> tuple[Posting, ...]:
        """Set the holding to a signed `quantity` at an average `price`, as the venue states it."""
        with localcontext(_EXACT):
            asset = f"asset:{instrument}"
            moved = quantity * price - self.balances.get(asset, Decimal(0))
            self.quantities[instrument] = quantity
            return self._post(Posting(asset, moved), Posting("cash", -moved))

    def transfer(self, amount: Decimal) -> tuple[Posting, ...]:
        """Post cash that came (negative: went) outside trading."""
        return self._post(Posting("cash", amount), Posting("external", -amount))

    def trial_balance(self) -> Decimal:
        """The sum of all balances; zero in books that are right."""
        with localcontext(_EXACT):
            return sum(self.balances.values(), Decimal(0))

    def equity(self, prices: dict[str, Decimal]) -> Decimal:
        """Cash and holdings at `prices`; KeyError names a holding without a price."""
        with localcontext(_EXACT):
            worth = (prices[name] * quantity for name, quantity in self.quantities.items() if quantity != 0)
            return self.balances["cash"] + sum(worth, Decimal(0))


def balances_of(led: LedgerState, money_exp: int, names: Sequence[str]) -> dict[str, Decimal]:
    """The compiled ledger's balances under the accounts of `Books`, in account currency; they sum to zero.

    `names` of the instruments in the order of the ledger's rows; ValueError if their number differs.
    """
    if len(names) != len(led.positions):
        raise ValueError(f"{len(names)} names for {len(led.positions)} positions")
    row = led.account[0]
    units = {
        "capital": -int(row["initial"]),
        "cash": int(row["cash"]),
        "external": -int(row["external"]),
        "fees": int(row["fees"]),
        "funding": int(row["funding"]),
        "realised": -int(row["realised"]),
    }
    units.update({f"asset:{name}": int(cost) for name, cost in zip(names, led.positions["cost"])})
    return {account: decimal_amount(amount, money_exp) for account, amount in units.items()}
