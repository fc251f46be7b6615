"""Read models: positions, orders and profit as projections of the journal's inputs and orders.

Questions are answered from here, never from the state that decides. Each is a pure fold: folded from the
journal it equals what was folded live, to the last unit; `fingerprint` compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from bot4.model.codes_nb import (
    ACT_CANCEL,
    EV_ACK,
    EV_ADOPT,
    EV_CANCELED,
    EV_CASH,
    EV_FILL,
    EV_REJECT,
    EV_UNKNOWN,
    ST_CANCELED,
    ST_CANCELING,
    ST_FILLED,
    ST_PARTIAL,
    ST_PENDING,
    ST_REJECTED,
    ST_UNKNOWN,
    ST_WORKING,
)

_LIVE = (ST_PENDING, ST_WORKING, ST_PARTIAL, ST_CANCELING, ST_UNKNOWN)


@dataclass(slots=True)
class OrderView:
    """One order as told so far: lots, ticks, money units."""

    id: int
    instrument: int
    side: int
    qty: int
    price: int
    purpose: int
    status: int = ST_PENDING
    filled: int = 0
    fees: int = 0
    reason: int = 0


@dataclass(slots=True)
class PositionView:
    """One position: signed lots, signed cost and realised profit in money units, fees apart."""

    lots: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0
    fills: int = 0


@dataclass(slots=True)
class Views:
    """All projections; `mults` is the money of one tick x lot, by instrument number."""

    mults: Mapping[int, int]
    orders: dict[int, OrderView] = field(default_factory=dict)
    positions: dict[int, PositionView] = field(default_factory=dict)
    cash: int = 0  # money units that moved since the start
    unmatched: int = 0  # events of orders that were never handed over

    def order_rows(self, rows: np.ndarray[Any, Any]) -> None:
        """Fold what the engine sent (ORDER_DTYPE)."""
        for row in rows:
            order = self.orders.get(int(row["id"]))
            if int(row["action"]) == ACT_CANCEL:
                if order is not None and order.status in _LIVE:
                    order.status = ST_CANCELING
            elif order is None:
                names = ("id", "instrument", "side", "qty", "price", "purpose")
                made = OrderView(*(int(row[name]) for name in names))
                self.orders[made.id] = made

    def events(self, rows: np.ndarray[Any, Any]) -> None:
        """Fold what the engine was told (EVENT_DTYPE); market events pass by."""
        for row in rows:
            kind = int(row["kind"])
            if kind == EV_ADOPT:
                self._adopt(int(row["instrument"]), int(row["x"]), int(row["price"]))
            elif kind == EV_CASH:
                self.cash += int(row["x"])
            elif kind in (EV_ACK, EV_REJECT, EV_FILL, EV_CANCELED, EV_UNKNOWN):
                self._order_event(kind, row)

    def _order_event(self, kind: int, row: np.ndarray[Any, Any]) -> None:
        order = self.orders.get(int(row["x"]))
        if order is None:
            self.unmatched += 1
            return
        if kind == EV_FILL:
            self._fill(order, int(row["price"]), int(row["qty"]), int(row["y"]))
        elif order.status not in _LIVE:
            return
        elif kind == EV_ACK:
            order.status = ST_PARTIAL if order.filled else ST_WORKING
        elif kind == EV_UNKNOWN:
            order.status = ST_UNKNOWN
        else:
            order.status = ST_REJECTED if kind == EV_REJECT else ST_CANCELED
            order.reason = int(row["y"])

    def _fill(self, order: OrderView, price: int, qty: int, fee: int) -> None:
        order.filled += qty
        order.fees += fee
        if order.filled == order.qty:
            order.status = ST_FILLED
        elif order.status in (ST_PENDING, ST_WORKING, ST_UNKNOWN):
            order.status = ST_PARTIAL
        position = self.positions.setdefault(order.instrument, PositionView())
        mult = self.mults[order.instrument]
        signed = order.side * qty
        closed = min(qty, abs(position.lots)) if position.lots * signed < 0 else 0
        released = position.cost * closed // abs(position.lots) if closed else 0
        position.realised += -order.side * closed * price * mult - released
        position.cost += order.side * (qty - closed) * price * mult - released
        position.lots += signed
        position.fees += fee
        position.fills += 1
        self.cash -= signed * price * mult + fee

    def _adopt(self, instrument: int, lots: int, price: int) -> None:
        position = self.positions.setdefault(instrument, PositionView())
        cost = lots * price * self.mults[instrument]
        self.cash -= cost - position.cost
        position.lots, position.cost = lots, cost

    def live_orders(self) -> list[OrderView]:
        """Orders that can still be filled."""
        return [order for order in self.orders.values() if order.status in _LIVE]

    def outside(self) -> int:
        """Cash that came or went outside trading: what cost, fees and realised profit do not explain."""
        return self.cash + sum(p.cost + p.fees - p.realised for p in self.positions.values())

    def fingerprint(self) -> str:
        """A hash of all projections: equal exactly when they are equal."""
        text = repr(
            (
                sorted(self.orders.items(), key=_first),
                sorted(self.positions.items(), key=_first),
                self.cash,
                self.unmatched,
            )
        )
        return blake2b(text.encode(), digest_size=16).hexdigest()


def _first(pair: tuple[int, object]) -> int:
    return pair[0]
