"""Ours against the venue's: every difference explained, or the instrument is paused. Pure.

Invariants:

    - a question that failed gives UNKNOWN, never "flat" and never "no orders"
    - the same views give the same differences; equal views give none, so that nothing is booked twice
    - only trades that were not booked before are booked, each once
    - what is not ours (other people's orders, coins beyond our inventory) is left alone, and said to be
    - position after the differences are applied equals the venue's, or the instrument is paused or UNKNOWN
    - an order that may still stand at the venue is never dropped because fills are missing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot4.execution.fills import trade_number
from bot4.execution.ids import parse_client_order_id
from bot4.execution.protection import dust
from bot4.model.codes_nb import R_ADL, R_ADOPTED, R_LIQUIDATED, R_NETWORK, R_RECONCILED
from bot4.model.instrument import Instrument
from bot4.model.values import plain, steps_near
from bot4.ports.venue import OrderReport, TradeReport

MISMATCH_LOTS = 1
"""A difference above so many lots that nothing explains pauses the instrument."""


class Kind(StrEnum):
    """What a difference is."""

    UNKNOWN = "unknown"  # the venue did not answer, or an order of unknown outcome may explain it
    MISSING_FILL = "missing fill"  # a trade of an order of ours that was not booked
    ORDER_ENDED = "order ended"  # working here, not there
    ORDER_FOUND = "order found"  # ours by its id, working there, not followed here
    LEFT_ALONE = "left alone"  # not ours
    ADOPTED = "adopted"  # position taken over at the venue's average price
    CLOSED_OUTSIDE = "closed outside"  # by hand or by another program, with real trades
    LIQUIDATED = "liquidated"
    DELEVERAGED = "deleveraged"
    DUST = "dust"  # below the minimal notional: held, not traded
    MISMATCH = "mismatch"  # nothing explains it


@dataclass(frozen=True, slots=True)
class Local:
    """Our view of one instrument: signed lots, average in ticks, live client ids, trade numbers booked."""

    instrument: Instrument
    owner: str
    position: int
    average: int
    live: frozenset[str]
    booked: Callable[[int], bool]
    unknown_lots: int = 0  # unfilled lots of orders whose outcome is not known


@dataclass(frozen=True, slots=True)
class Remote:
    """The venue's view; None where the question failed. `average` in ticks, None where it is not told."""

    position: int | None
    average: int | None
    open_orders: Sequence[OrderReport] | None
    trades: Sequence[TradeReport] | None
    mark: int = 0  # ticks, 0: not known


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: what it is, in words, and what there is to do with it.

    `order` is a client id, `trade` an execution, (`lots`, `average`) the position to book, `outside` the
    trades that were not ours, `reason` an R_*.
    """

    kind: Kind
    symbol: str
    text: str
    order: str = ""
    trade: TradeReport | None = None
    lots: int = 0
    average: int = 0
    outside: tuple[TradeReport, ...] = ()
    reason: int = R_RECONCILED

    @property
    def settled(self) -> bool:
        """Whether ledger and venue agree in spite of it."""
        return self.kind in (Kind.LEFT_ALONE, Kind.DUST)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All differences of one comparison."""

    differences: tuple[Difference, ...]

    @property
    def agreed(self) -> bool:
        """Whether nothing is left to do or to find out."""
        return all(d.settled for d in self.differences)

    @property
    def unknown(self) -> bool:
        """Whether something could not be compared."""
        return any(d.kind is Kind.UNKNOWN for d in self.differences)

    def table(self) -> str:
        """The differences as lines for people: instrument, what, explanation."""
        if not self.differences:
            return "ledger and venue agree"
        wide = max(len(d.symbol) for d in self.differences)
        return "\n".join(f"{d.symbol:<{wide}}  {d.kind.value:<15}  {d.text}" for d in self.differences)


def _ours(local: Local, client_id: str) -> bool:
    found = parse_client_order_id(client_id)
    return client_id in local.live or (found is not None and found.owner == local.owner)


def _orders(local: Local, open_orders: Sequence[OrderReport]) -> list[Difference]:
    symbol = local.instrument.symbol
    out: list[Difference] = []
    there = {order.client_id for order in open_orders}
    for client_id in sorted(local.live - there):
        text = f"order {client_id} works here but not there; it is looked up"
        out.append(Difference(Kind.ORDER_ENDED, symbol, text, order=client_id))
    for order in open_orders:
        if order.client_id in local.live:
            continue
        size = plain(order.quantity - order.filled)
        if _ours(local, order.client_id):
            text = f"order {order.client_id} of {size} works there, nobody follows it here; it is cancelled"
            out.append(Difference(Kind.ORDER_FOUND, symbol, text, order=order.client_id))
        else:
            text = f"order {order.client_id or order.venue_id} of {size} is not ours"
            out.append(Difference(Kind.LEFT_ALONE, symbol, text, order=order.client_id))
    return out


def _missing(local: Local, trades: Sequence[TradeReport]) -> tuple[list[TradeReport], list[TradeReport]]:
    """(trades of orders followed here, other trades) that were not booked, each once."""
    own: dict[int, TradeReport] = {}
    other: dict[int, TradeReport] = {}
    for trade in trades:
        number = trade_number(trade.trade_id)
        if not local.booked(number):
            (own if trade.client_id in local.live else other)[number] = trade
    return list(own.values()), list(other.values())


def _lots(local: Local, trades: Sequence[TradeReport]) -> int:
    total = sum((t.side * t.quantity for t in trades), Decimal(0))
    return steps_near(total, local.instrument.lot, "trades")


def _average(local: Local, remote: Remote, lots: int) -> int:
    """The venue's average, else ours, else the mark; at least one tick."""
    if lots == 0:
        return 0
    return remote.average or local.average or max(1, remote.mark)


def _outside(local: Local, remote: Remote, position: int, trades: list[TradeReport]) -> Difference:
    """The position moved by trades that are not of orders followed here."""
    symbol, lot = local.instrument.symbol, local.instrument.lot
    reasons = {trade.reason for trade in trades}
    kind = Kind.CLOSED_OUTSIDE
    reason = R_ADOPTED
    if R_LIQUIDATED in reasons:
        kind, reason = Kind.LIQUIDATED, R_LIQUIDATED
    elif R_ADL in reasons:
        kind, reason = Kind.DELEVERAGED, R_ADL
    before, after = plain(local.position * lot), plain(position * lot)
    text = f"{len(trades)} trades not of orders followed here moved the position from {before} to {after}"
    average = _average(local, remote, position)
    return Difference(
        kind, symbol, text, lots=position, average=average, outside=tuple(trades), reason=reason
    )


def _spot_position(local: Local, remote_lots: int, expected: int) -> int:
    """Of a spot holding only our inventory counts; the rest is the user's."""
    return min(remote_lots, expected)


def _position(
    local: Local, remote: Remote, own: list[TradeReport], other: list[TradeReport], starting: bool
) -> Difference | None:
    """What the positions differ by, after the missing fills of our own orders."""
    symbol, lot = local.instrument.symbol, local.instrument.lot
    assert remote.position is not None
    expected = local.position + _lots(local, own)
    spot = local.instrument.kind == "spot"
    position = _spot_position(local, remote.position, expected) if spot else remote.position
    gap = position - expected
    if gap == 0:
        return None
    here, there = plain(expected * lot), plain(position * lot)
    if other and _lots(local, other) == gap:
        return _outside(local, remote, position, other)
    if 0 < abs(gap) <= local.unknown_lots:
        text = f"{there} there, {here} here; an order of unknown outcome may explain it"
        return Difference(Kind.UNKNOWN, symbol, text)
    if any(t.reason in (R_LIQUIDATED, R_ADL) for t in other):
        return _outside(local, remote, position, other)
    if starting:
        text = f"{there} there, {here} here, and no trades tell why; taken over at the venue's average price"
        average = _average(local, remote, position)
        return Difference(
            Kind.ADOPTED, symbol, text, lots=position, average=average, outside=(), reason=R_ADOPTED
        )
    if abs(gap) <= MISMATCH_LOTS:
        return Difference(Kind.DUST, symbol, f"{there} there, {here} here: one lot of rounding")
    return Difference(Kind.MISMATCH, symbol, f"{there} there, {here} here, and nothing explains it")


def reconcile(local: Local, remote: Remote, *, starting: bool) -> Reconciliation:
    """Compare one instrument. `starting`: nothing trades yet, and a position may be taken over."""
    symbol = local.instrument.symbol
    if remote.position is None or remote.open_orders is None or remote.trades is None:
        failed = [n for n in ("position", "open_orders", "trades") if getattr(remote, n) is None]
        text = f"the venue did not answer for {', '.join(failed)}; nothing is assumed"
        return Reconciliation((Difference(Kind.UNKNOWN, symbol, text, reason=R_NETWORK),))
    out: list[Difference] = []
    own, other = _missing(local, remote.trades)
    for trade in own:
        text = f"trade {trade.trade_id} of order {trade.client_id} was not booked"
        out.append(Difference(Kind.MISSING_FILL, symbol, text, order=trade.client_id, trade=trade))
    out += _orders(local, remote.open_orders)
    moved = _position(local, remote, own, other, starting)
    if moved is not None:
        out.append(moved)
    spare = remote.position - (moved.lots if moved else local.position + _lots(local, own))
    if local.instrument.kind == "spot" and spare > 0:
        text = f"{plain(spare * local.instrument.lot)} {local.instrument.base} beyond our inventory: not ours"
        out.append(Difference(Kind.LEFT_ALONE, symbol, text))
    out += _dust(local, remote, moved.lots if moved else local.position)
    return Reconciliation(tuple(out))


def _dust(local: Local, remote: Remote, lots: int) -> list[Difference]:
    """A position too small to be sold by itself: declared, and not tried again."""
    instrument = local.instrument
    if not dust(instrument, lots, remote.mark or local.average):
        return []
    least = plain(instrument.min_notional)
    text = f"{plain(lots * instrument.lot)} are worth less than the minimal order of {least}"
    return [Difference(Kind.DUST, instrument.symbol, text)]
