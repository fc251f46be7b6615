"""RunRecord: everything that is kept of one run, and the round trips read from its fills.

A backtest, a paper session and a replay leave the same record; metrics and the report are
functions of it alone. Money stands in money units (10**-money_exp of the account's currency),
prices in ticks and quantities in lots, as in the event log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bot4.model.codes_nb import (
    EV_FILL,
    FLAG_AMBIGUOUS,
    FLAG_GAP,
    FLAG_MAKER,
    FOR_ENTRY,
    FOR_EXIT,
    TYPE_MARKET,
)
from bot4.model.events import DECISION_DTYPE, EQUITY_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import decimal_amount

Array = np.ndarray[Any, Any]

TRADE_DTYPE = np.dtype(
    [
        ("entry_ts", "<i8"),  # first fill, ns UTC
        ("exit_ts", "<i8"),  # the fill that brought the position back to zero
        ("qty", "<i8"),  # lots opened in all
        ("entry_price", "<f8"),  # average, ticks
        ("exit_price", "<f8"),
        ("gross", "<i8"),  # money units, before fees
        ("fees", "<i8"),
        ("pnl", "<i8"),  # gross - fees; funding is booked on the account, not here
        ("fills", "<i8"),
        ("instrument", "<u2"),
        ("side", "i1"),  # 1 long, -1 short
        ("reason", "u1"),  # FOR_* of the order that closed it
        ("flags", "u1"),  # FLAG_* of all its fills, or-ed
    ]
)
"""One round trip: an instrument's position from flat to flat (or through zero to the other side)."""


class OpenPosition(NamedTuple):
    """A position that was still open when the record ended."""

    instrument: int
    lots: int
    entry_ts: int
    entry_price: float
    fees: int


class RoundTrips(NamedTuple):
    """Closed round trips in order of exit, positions still open, fills whose order is unknown."""

    trades: Array
    open: list[OpenPosition]
    unmatched: int


def _none(dtype: np.dtype[Any]) -> Array:
    return np.zeros(0, dtype)


@dataclass
class RunRecord:
    """One run.

    `meta` keys (all optional for the readers, which say "not recorded" instead of guessing): `kind`
    ("backtest", "paper" or "replay"), `strategy`, `seed`, `synthetic` (bool), `venue`, `instruments` (list of
    `Instrument.to_json()`), `money_exp`, `currency`, `data` (what was read), `start` and `end` (ns UTC),
    `config` (dict), `warnings` (list of str), `model` (str, or None: no model, the ML half abstains),
    `bounds` ({"pnl_net", "pnl_net_upper"}: money units, when bars were ambiguous), `command`
    (reproduces the run).

    `fills` are EV_FILL events, `orders` final states, `equity` samples in order of time.
    `refusals` counts refused intents by the word of the reason. `summary` holds facts that the
    arrays do not: `funding_units` (money units, positive: paid), `slippage_units` and
    `gap_loss_units` (when measured by the simulator; else they are read from fills), and anything
    else worth a line.
    """

    meta: dict[str, Any]
    fills: Array = field(default_factory=lambda: _none(EVENT_DTYPE))
    orders: Array = field(default_factory=lambda: _none(ORDER_DTYPE))
    decisions: Array = field(default_factory=lambda: _none(DECISION_DTYPE))
    equity: Array = field(default_factory=lambda: _none(EQUITY_DTYPE))
    refusals: dict[str, int] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def money_exp(self) -> int:
        """Decimal places of the account's money; 8 when the record does not say."""
        return int(self.meta.get("money_exp", 8))

    @property
    def currency(self) -> str:
        """The account's currency."""
        return str(self.meta.get("currency", ""))

    @cached_property
    def instruments(self) -> list[Instrument]:
        """The instruments, in the order of their codes."""
        return [Instrument.from_json(dict(data)) for data in self.meta.get("instruments", [])]

    @cached_property
    def multipliers(self) -> list[int]:
        """Money units in one tick x one lot, by instrument."""
        return [i.money_mult(self.money_exp) for i in self.instruments]

    def money(self, units: float) -> Decimal:
        """Money units as whole currency, exactly."""
        return decimal_amount(int(units), self.money_exp)

    @cached_property
    def matched(self) -> tuple[Array, Array]:
        """(fills of known orders and instruments, the order row of each)."""
        fills = self.fills[self.fills["kind"] == EV_FILL]
        if len(self.orders) == 0:
            return fills[:0], self.orders[:0]
        by_id = np.argsort(self.orders["id"], kind="stable")
        ids = self.orders["id"][by_id]
        at = np.minimum(np.searchsorted(ids, fills["x"]), len(ids) - 1)
        known = (ids[at] == fills["x"]) & (fills["instrument"] < len(self.multipliers))
        return fills[known], self.orders[by_id[at[known]]]

    @cached_property
    def round_trips(self) -> RoundTrips:
        """Round trips per instrument; fills count in the order of the log."""
        fills, orders = self.matched
        trades, still = _trips(fills, orders, self.multipliers)
        unmatched = int((self.fills["kind"] == EV_FILL).sum()) - len(fills)
        return RoundTrips(trades, still, unmatched)

    @property
    def trades(self) -> Array:
        """Closed round trips, TRADE_DTYPE, in order of exit."""
        return self.round_trips.trades

    def fees(self) -> int:
        """Fees of all fills, money units; negative when rebates were larger."""
        return int(self.fills["y"][self.fills["kind"] == EV_FILL].sum())

    def funding(self) -> int:
        """Funding paid (negative: received), money units."""
        return _units(self.summary, "funding_units") or 0

    def gap_loss(self) -> int:
        """What was lost because the market jumped over a stop: fill against stop price, money units.

        Already inside the result; it is not a further cost.
        """
        given = _units(self.summary, "gap_loss_units")
        if given is not None:
            return given
        fills, orders = self.matched
        gap = ((fills["flags"] & FLAG_GAP) != 0) & (orders["stop_price"] > 0)
        return self._shortfall(fills[gap], orders[gap], orders["stop_price"][gap])

    def slippage(self) -> int | None:
        """Market entries and exits against the price of their decision, money units; None: not known.

        Positive is a loss, already inside the result. None when no market order has a decision
        with a price on record.
        """
        given = _units(self.summary, "slippage_units")
        if given is not None:
            return given
        fills, orders = self.matched
        if len(self.decisions) == 0 or len(fills) == 0:
            return None
        by_seq = np.argsort(self.decisions["seq"], kind="stable")
        seqs = self.decisions["seq"][by_seq]
        at = np.minimum(np.searchsorted(seqs, orders["decision"]), len(seqs) - 1)
        price = self.decisions["price"][by_seq[at]]
        good = (seqs[at] == orders["decision"]) & (orders["type"] == TYPE_MARKET) & (price > 0)
        good &= (orders["purpose"] == FOR_ENTRY) | (orders["purpose"] == FOR_EXIT)
        if not good.any():
            return None
        return self._shortfall(fills[good], orders[good], price[good])

    def _shortfall(self, fills: Array, orders: Array, reference: Array) -> int:
        total = 0
        worse = (fills["price"] - reference) * orders["side"].astype(np.int64)
        for code, mult in enumerate(self.multipliers):
            own = fills["instrument"] == code
            total += int((worse[own] * fills["qty"][own]).sum()) * mult
        return total

    def turnover(self) -> int:
        """Sum of |price x quantity| over all fills of known instruments, money units."""
        fills = self.fills[self.fills["kind"] == EV_FILL]
        total = 0
        for code, mult in enumerate(self.multipliers):
            own = fills["instrument"] == code
            total += int((fills["price"][own] * np.abs(fills["qty"][own])).sum()) * mult
        return total

    def maker_share(self) -> float | None:
        """Share of fills in which we were the maker; None without fills."""
        fills = self.fills[self.fills["kind"] == EV_FILL]
        return float(((fills["flags"] & FLAG_MAKER) != 0).mean()) if len(fills) else None

    def ambiguous_fills(self) -> int:
        """Fills of bars that held both stop and target."""
        return int(((self.fills["flags"] & FLAG_AMBIGUOUS) != 0).sum())

    def gap_fills(self) -> int:
        """Fills beyond the price asked for, because the market jumped over it."""
        return int(((self.fills["flags"] & FLAG_GAP) != 0).sum())


def _units(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    if value is None or value != value:  # NaN: not known
        return None
    return int(value)


class _Book:
    """The open round trip of one instrument; plain integers, so sums are exact."""

    __slots__ = ("cost", "entry_ts", "exit_cost", "fees", "fills", "flags", "lots", "opened")

    def __init__(self) -> None:
        self.lots = 0
        self._clear(0)

    def _clear(self, ts: int) -> None:
        self.entry_ts = ts
        self.opened = self.cost = self.exit_cost = self.fees = self.fills = self.flags = 0

    def add(self, ts: int, side: int, price: int, qty: int, fee: int, flags: int) -> None:
        """A fill that opens or enlarges."""
        if self.lots == 0:
            self._clear(ts)
        self.lots += side * qty
        self.opened += qty
        self.cost += price * qty
        self.fees += fee
        self.fills += 1
        self.flags |= flags

    def cut(self, side: int, price: int, qty: int, fee: int, flags: int) -> None:
        """A fill that reduces, at most to zero."""
        self.lots += side * qty
        self.exit_cost += price * qty
        self.fees += fee
        self.fills += 1
        self.flags |= flags


def _trips(fills: Array, orders: Array, mults: list[int]) -> tuple[Array, list[OpenPosition]]:
    books = [_Book() for _ in mults]
    rows: list[tuple[Any, ...]] = []
    columns = (
        fills["ts_local"].tolist(),
        fills["instrument"].tolist(),
        orders["side"].tolist(),
        fills["price"].tolist(),
        np.abs(fills["qty"]).tolist(),
        fills["y"].tolist(),
        fills["flags"].tolist(),
        orders["purpose"].tolist(),
    )
    for ts, code, side, price, qty, fee, flags, purpose in zip(*columns, strict=True):
        book = books[code]
        if qty == 0 or side == 0:
            book.fees += fee
            continue
        held = book.lots
        if held * side >= 0:
            book.add(ts, side, price, qty, fee, flags)
            continue
        closing = min(qty, abs(held))
        closing_fee = fee if closing == qty else fee * closing // qty
        book.cut(side, price, closing, closing_fee, flags)
        if book.lots == 0:
            rows.append(_row(book, ts, code, -side, purpose, mults[code]))
        if qty > closing:
            book.add(ts, side, price, qty - closing, fee - closing_fee, flags)
    still = [
        OpenPosition(code, b.lots, b.entry_ts, b.cost / b.opened, b.fees)
        for code, b in enumerate(books)
        if b.lots != 0
    ]
    return np.array(rows, TRADE_DTYPE), still


def _row(book: _Book, ts: int, code: int, side: int, purpose: int, mult: int) -> tuple[Any, ...]:
    gross = side * (book.exit_cost - book.cost) * mult
    return (
        book.entry_ts,
        ts,
        book.opened,
        book.cost / book.opened,
        book.exit_cost / book.opened,
        gross,
        book.fees,
        gross - book.fees,
        book.fills,
        code,
        side,
        purpose,
        book.flags & 0xFF,
    )
