"""One order as the desk follows it, and the answer codes it gives to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bot4.execution.lifecycle import AT_VENUE, LIVE, Event, State
from bot4.model.approved import ApprovedOrder
from bot4.model.codes_nb import OF_REDUCE_ONLY


@dataclass(slots=True)
class Tracked:
    """An order from hand-over to its end. Lots, ticks (0: none), steady ns.

    `owed` is the filled quantity that the venue told; until the trades behind it are booked, the order's end
    (`final`) waits.
    """

    id: int
    client_id: str
    side: int
    qty: int
    price: int
    stop_price: int
    reduce_only: bool
    purpose: int
    handed: int
    order: ApprovedOrder | None = None
    state: State = State.QUEUED
    filled: int = 0
    owed: int = 0
    venue_id: str = ""
    sent: int = 0
    sent_wall: int = 0
    attempts: int = 0  # tries that got no answer, of the current question or command
    due: int | None = None  # when to look it up
    ready: int = 0  # not sent before
    misses: int = 0
    first_miss: int = 0
    evidence_from: int | None = None  # a sweep asked after this decides
    lost_at: int | None = None
    told: bool = False
    busy: bool = False
    cancel_wanted: bool = False
    cancel_reason: int = 0
    cancels: int = 0  # sent so far
    acked: bool = False
    taken: bool = False  # the venue has shown that it took it
    soft: bool = False  # a stop that is held here, not at the venue
    triggered: bool = False
    short: int = 0  # lots that went as a fee in coins
    partner: int = 0  # the other leg of a list at the venue (one cancels the other), 0: none
    list_id: str = ""  # the venue's name of that list
    intent: str = ""  # the client id it was approved under; `client_id` is the name it has at the venue
    replaces: int = 0  # the working order whose place it is to take, until it has, 0: none
    heir: int = 0  # the order that is to take this one's place
    looked: bool = False  # the order to be replaced was looked at after a lost reply, and is as it was
    base: int = 0  # lots that were filled under its name before it took the name over
    before: int = 0  # the order that had the name, should trades of that one be still to come
    alone: bool = False  # the venue refused it as a leg of a list
    clearing: bool = False  # what locks its coins is being cancelled for it: nobody else takes them
    hopes: int | None = None  # until when a stop waits for a target to make a list with
    final: tuple[Event, int] | None = None
    ended: int = 0

    @property
    def live(self) -> bool:
        """Whether it can still be filled."""
        return self.state in LIVE

    @property
    def at_venue(self) -> bool:
        """Whether it may stand at the venue."""
        return self.state in AT_VENUE and not self.soft

    @property
    def is_stop(self) -> bool:
        """Whether it is a protective stop."""
        return self.reduce_only and self.stop_price > 0

    @property
    def left(self) -> int:
        """Lots not yet filled."""
        return self.qty - self.filled


def tracked_from(row: np.ndarray[Any, Any], client_id: str, now: int, order: ApprovedOrder | None) -> Tracked:
    """A row of ORDER_DTYPE as a tracked order; `now` is steady time."""
    return Tracked(
        id=int(row["id"]),
        client_id=client_id,
        intent=client_id,
        side=int(row["side"]),
        qty=int(row["qty"]),
        price=int(row["price"]),
        stop_price=int(row["stop_price"]),
        reduce_only=bool(int(row["flags"]) & OF_REDUCE_ONLY),
        purpose=int(row["purpose"]),
        handed=now,
        order=order,
        filled=int(row["filled"]),
        owed=int(row["filled"]),
        ready=now,
        sent_wall=int(row["ts_created"]),
    )


def worst_exposure(position: int, orders: list[Tracked]) -> int:
    """The largest |position| in lots that `orders` can lead to from `position`, none trusted to be gone.

    Reduce-only orders can at most bring the position to zero before the others fill
    (`orders_nb.worst_case_nb`).
    """
    buys = sells = cut_buys = cut_sells = 0
    for t in orders:
        if not t.live:
            continue
        left = max(t.left, 0)
        if t.side > 0:
            cut_buys, buys = (cut_buys + left, buys) if t.reduce_only else (cut_buys, buys + left)
        else:
            cut_sells, sells = (cut_sells + left, sells) if t.reduce_only else (cut_sells, sells + left)
    low = max(position - cut_sells, 0) if position > 0 else position
    high = min(position + cut_buys, 0) if position < 0 else position
    return max(abs(position), abs(low - sells), abs(high + buys))
