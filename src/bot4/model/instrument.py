"""Instrument: what is traded, on which grid, under which rules."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.model.errors import InstrumentError
from bot4.model.events import INSTRUMENT_DTYPE, KIND_PERP, KIND_SPOT
from bot4.model.values import (
    I64_MAX,
    Price,
    Quantity,
    Rate,
    decimal_of,
    places,
    steps_down,
    steps_of,
    steps_up,
    unit_of,
)

KINDS = {"spot": KIND_SPOT, "perp": KIND_PERP}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of one venue.

    `tick` and `lot` are the steps of price and quantity; `min_notional` in quote currency. A quantity x a
    price x `contract` is quote currency: 1 but where quantities are contracts of so many coins.
    `inferred` says that the grid was read off the data, not stated by the venue. `maintenance` is the
    maintenance margin of a perpetual as a share of its notional (first bracket); None where the venue does
    not tell it.
    """

    symbol: str
    venue: str
    base: str
    quote: str
    kind: str
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    inferred: bool = False
    contract: Decimal = Decimal(1)
    maintenance: Decimal | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InstrumentError(f"{self.symbol}: kind {self.kind!r} is not one of {sorted(KINDS)}")
        for name in ("tick", "lot", "contract"):
            step = getattr(self, name)
            if not isinstance(step, Decimal) or not step.is_finite() or step <= 0:
                raise InstrumentError(f"{self.symbol}: {name} must be a positive Decimal, got {step!r}")
        for name in ("min_qty", "max_qty"):
            steps_of(getattr(self, name), self.lot, f"{self.symbol} {name}")

    def price(self, value: object) -> Price:
        """A Price on this instrument's grid."""
        return Price.of(value, self.tick)

    def quantity(self, value: object) -> Quantity:
        """A Quantity on this instrument's grid."""
        return Quantity.of(value, self.lot)

    def round_qty_down(self, value: object) -> Quantity:
        """The largest quantity on the grid that is at most `value` coins (never more risk)."""
        coins = decimal_of(value, "quantity")
        return Quantity(steps_down(coins, self.lot * self.contract, "quantity"), self.lot)

    def round_price(self, value: object, side: int) -> Price:
        """The nearest price on the grid on the safe side: a buy rounds down, a sell up."""
        return Price((steps_down if side > 0 else steps_up)(value, self.tick, "price"), self.tick)

    @property
    def grid(self) -> Decimal:
        """Quote currency in one tick x one lot."""
        return self.tick * self.lot * self.contract

    def money_exp(self) -> int:
        """Decimal places that hold one tick x one lot exactly."""
        return places(self.grid)

    def money_mult(self, money_exp: int) -> int:
        """Money units of 10**-`money_exp` in one tick x one lot; InstrumentError when they cannot hold it."""
        return steps_of(self.grid, unit_of(money_exp), "tick x lot in money units")

    def record(self, money_exp: int, maker: Rate, taker: Rate, bar_ns: int) -> np.ndarray[Any, Any]:
        """One row of INSTRUMENT_DTYPE for the hot plane; `money_exp` is the account's."""
        row = np.zeros(1, INSTRUMENT_DTYPE)
        unit = unit_of(money_exp)
        r = row[0]
        r["min_qty"] = steps_of(self.min_qty, self.lot, "min_qty")
        r["max_qty"] = min(I64_MAX >> 1, steps_of(self.max_qty, self.lot, "max_qty"))
        r["min_notional"] = steps_up(self.min_notional, unit, "min_notional")
        r["money_mult"] = self.money_mult(money_exp)
        r["tick_size"] = float(self.tick)
        r["lot_size"] = float(self.lot * self.contract)
        r["maker_fee"] = maker.e8
        r["taker_fee"] = taker.e8
        r["bar_ns"] = bar_ns
        r["kind"] = KINDS[self.kind]
        return row

    def to_json(self) -> dict[str, Any]:
        """A form that `from_json` reads back exactly."""
        fields = asdict(self)
        if self.maintenance is None:
            del fields["maintenance"]
        return {k: str(v) if isinstance(v, Decimal) else v for k, v in fields.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Instrument:
        """The instrument that `to_json` wrote."""
        fields = dict(data)
        fields.setdefault("contract", "1")  # journals and data sets from before it was written
        for name in ("tick", "lot", "min_qty", "max_qty", "min_notional", "contract"):
            fields[name] = decimal_of(fields[name], name)
        if "maintenance" in fields:
            fields["maintenance"] = decimal_of(fields["maintenance"], "maintenance")
        return cls(**fields)

    def with_grid(self, tick: Decimal, lot: Decimal) -> Instrument:
        """The same instrument on a finer grid."""
        return replace(self, tick=tick, lot=lot, min_qty=lot)
