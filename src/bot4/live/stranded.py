"""Makes safe what a run leaves at the venue that cannot go on, by cancels and reduce-only orders alone.

Its journal cannot be written, its memory is used up, or a part of it failed:

    1  orders that can raise risk are cancelled, each by its client id
    2  a position of ours without a stop at the venue is closed; with one it stays, as does what is not ours
    3  after a kill nothing stays: everything is cancelled and closed

Each step is told, as nothing can be journalled, and none may take longer than `within_ns` in all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.execution.flatten import Flattener, Left
from bot4.execution.ids import client_order_id
from bot4.live.recovery import epoch_of
from bot4.model.codes_nb import OF_REDUCE_ONLY, ST_CANCELED, ST_FILLED, ST_NONE, ST_REJECTED
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.venue import NotFound, PositionReport, Venue, VenueError

SECOND = 10**9
AGAIN_S = 0.25
SURE = 2
"""So many looks in a row must find nothing before the account counts as flat."""


@dataclass(frozen=True, slots=True)
class Wreck:
    """What is still known: the engine's orders, by whom and in which epochs they were made; its positions."""

    orders: np.ndarray[Any, Any]
    symbols: Sequence[str]
    owner: str
    epochs: list[dict[str, int]]
    held: frozenset[str]  # symbols in which the run's own books hold a position

    def risky(self) -> list[tuple[str, str]]:
        """(symbol, client id) of every order that may live and can raise risk."""
        over = np.isin(self.orders["status"], (ST_NONE, ST_FILLED, ST_CANCELED, ST_REJECTED))
        rows = self.orders[~over & ((self.orders["flags"] & OF_REDUCE_ONLY) == 0)]
        return [
            (
                self.symbols[int(row["instrument"])],
                client_order_id(self.owner, epoch_of(self.epochs, int(row["id"])), int(row["id"])),
            )
            for row in rows
        ]


async def make_safe(
    wreck: Wreck, venue: Venue, clock: Clock, alarm: Alarm, within_ns: int, *, killed: bool
) -> bool:
    """Do what is stated above; whether it was done. What failed is told, and never raised."""
    hands = Flattener(venue, clock, clock.now_ns() // SECOND, lambda record: _tell(alarm, record))
    try:
        async with asyncio.timeout(within_ns / SECOND):
            hands.learn(await venue.rules())
            if killed:
                return await _flat(hands, alarm)
            done = [await _cancelled(venue, alarm, *order) for order in wreck.risky()]
            left = await hands.look()
            ours = [p for p in left.positions if p.symbol in wreck.held and _naked(p, left)]
            for position in ours:
                alarm.tell("critical", f"{position.symbol}: no stop at the venue; the position is closed")
                await hands.close(position)
    except (VenueError, TimeoutError) as error:
        alarm.tell("critical", f"what is left at the venue could not be made safe: {error or 'no answer'}")
        return False
    alarm.tell(
        "critical",
        f"{sum(done)} of {len(done)} orders that could raise risk are cancelled; positions keep their stops",
    )
    return all(done)


async def _cancelled(venue: Venue, alarm: Alarm, symbol: str, client_id: str) -> bool:
    try:
        await venue.cancel(symbol, client_id)
    except NotFound:
        return True  # it has ended, or never arrived
    except VenueError as error:
        alarm.tell("critical", f"{symbol}: order {client_id} could not be cancelled: {error}")
        return False
    return True


def _naked(position: PositionReport, left: Left) -> bool:
    """Whether the stops at the venue cover less than the position."""
    side = -1 if position.quantity > 0 else 1
    stops = [o for o in left.orders if o.symbol == position.symbol and o.side == side and o.type == "stop"]
    return sum((o.quantity - o.filled for o in stops), Decimal(0)) < abs(position.quantity)


async def _flat(hands: Flattener, alarm: Alarm) -> bool:
    """Cancel and close, round by round, until two looks in a row find nothing."""
    clean = 0
    while clean < SURE:
        clean = 0 if await hands.round() else clean + 1
        await asyncio.sleep(AGAIN_S)
    alarm.tell("critical", "after the kill switch, without a journal: flat, no orders")
    return True


def _tell(alarm: Alarm, record: dict[str, Any]) -> None:
    alarm.tell("critical", ", ".join(f"{name} {value}" for name, value in record.items()))
