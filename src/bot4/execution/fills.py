"""Own executions as the engine counts them: ticks, lots, money units, each trade once.

The fee becomes a cost in money units, rounded against us. Where the venue takes it out of the bought coins,
the position is shorter by the fee, rounded up to whole lots, and those lots' worth is the fee: cash and
position then equal the venue's, and an exit never sells more than is there. What is left below a lot is dust
and is declared (`Holding.dust`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b

from bot4.model.errors import InstrumentError
from bot4.model.instrument import Instrument
from bot4.model.values import I64_MAX, steps_of, steps_up, unit_of
from bot4.ports.venue import TradeReport

MOST_WORTH = I64_MAX >> 2
"""Of one trade, in money units: the sums of the compiled ledger then keep within 64 bits."""
PriceOf = Callable[[str], Decimal | None]
"""The worth of one unit of an asset in account currency, or None when it is not known."""


def trade_number(trade_id: str) -> int:
    """The venue's trade id as 63 bits: the number itself when it is one, else a hash of the text."""
    if trade_id.isascii() and trade_id.isdigit() and int(trade_id) <= I64_MAX:
        return int(trade_id)
    return int.from_bytes(blake2b(trade_id.encode(), digest_size=8).digest(), "big") & I64_MAX


@dataclass(slots=True)
class Holding:
    """One position as booked: signed lots, cost in ticks x lots; `dust` is coins held below a whole lot."""

    lots: int = 0
    cost: int = 0
    dust: Decimal = field(default_factory=Decimal)

    def book(self, side: int, ticks: int, lots: int) -> None:
        """Apply a fill at average cost."""
        signed = side * lots
        if self.lots * signed >= 0:
            self.cost += ticks * lots
        elif abs(signed) <= abs(self.lots):
            self.cost -= self.cost * lots // abs(self.lots)
        else:
            self.cost = ticks * (abs(signed) - abs(self.lots))
        self.lots += signed

    def average(self) -> int:
        """Average entry in ticks, 0 when flat."""
        return self.cost // abs(self.lots) if self.lots else 0


@dataclass(frozen=True, slots=True)
class Booked:
    """A trade in integers. `lots` of the order were filled, `short` of them went as a fee in coins."""

    ticks: int
    lots: int
    fee: int  # money units; with the worth of the `short` lots
    number: int  # trade_number
    short: int
    estimated: bool  # the fee's asset has no known price


class TradeBook:
    """Turns the trades of one instrument into numbers, each trade id once."""

    def __init__(
        self, instrument: Instrument, money_exp: int, keep: int, price_of: PriceOf, taker_fee: Decimal
    ) -> None:
        self.instrument = instrument
        self.holding = Holding()
        self.duplicates = 0
        self._unit = unit_of(money_exp)
        self._mult = instrument.money_mult(money_exp)
        self._keep = keep
        self._price_of = price_of
        self._taker_fee = taker_fee
        self._seen: OrderedDict[int, None] = OrderedDict()

    def remember(self, number: int) -> None:
        """Note a trade as booked (at a restart: from the journal)."""
        self._seen[number] = None
        if len(self._seen) > self._keep:
            self._seen.popitem(last=False)

    def known(self, trade: TradeReport) -> bool:
        """Whether the trade was booked before; counts it as a duplicate when so."""
        if trade_number(trade.trade_id) in self._seen:
            self.duplicates += 1
            return True
        return False

    def seen(self, number: int) -> bool:
        """Whether the trade of this number was booked."""
        return number in self._seen

    def remember_trade(self, trade: TradeReport) -> None:
        """Note a trade that is booked in another way (not of an order of ours)."""
        self.remember(trade_number(trade.trade_id))

    def measure(self, trade: TradeReport) -> Booked:
        """The trade in integers, nothing changed; InstrumentError for what is off the grid or too large."""
        instrument = self.instrument
        ticks = instrument.price(trade.price).ticks
        lots = steps_of(trade.quantity, instrument.lot, f"{instrument.symbol} trade {trade.trade_id}")
        number = trade_number(trade.trade_id)
        if ticks * abs(lots) * self._mult > MOST_WORTH:
            raise InstrumentError(f"{trade.quantity} at {trade.price} is worth more than there can be")
        if self._in_coins(trade):
            due = max(trade.fee - self.holding.dust, Decimal(0))
            short = min(lots, steps_up(due, instrument.lot, "fee"))
            return Booked(ticks, lots, short * ticks * self._mult, number, short, False)
        fee, estimated = self._fee(trade)
        return Booked(ticks, lots, steps_up(fee, self._unit, "fee"), number, 0, estimated)

    def book(self, trade: TradeReport, booked: Booked) -> None:
        """Apply a measured trade to the holding and remember it."""
        self.remember(booked.number)
        self.holding.book(trade.side, booked.ticks, booked.lots - booked.short)
        if self._in_coins(trade):
            self.holding.dust += booked.short * self.instrument.lot - trade.fee

    def _in_coins(self, trade: TradeReport) -> bool:
        return trade.fee > 0 and trade.fee_asset == self.instrument.base and self.instrument.kind == "spot"

    def _fee(self, trade: TradeReport) -> tuple[Decimal, bool]:
        """The fee in account currency, and whether it is an estimate because the asset has no known price."""
        if trade.fee == 0 or trade.fee_asset == self.instrument.quote:
            return trade.fee, False
        price = trade.price if trade.fee_asset == self.instrument.base else self._price_of(trade.fee_asset)
        if price is not None:
            return trade.fee * price, False
        if trade.fee < 0:
            return Decimal(0), True
        return trade.price * trade.quantity * self._taker_fee, True
