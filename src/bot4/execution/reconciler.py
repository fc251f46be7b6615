"""Asks the venue for its view, compares it with ours (`reconcile`), and carries out what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot4.execution.adopt import BOOKED, tell_adoption
from bot4.execution.lane import Lane
from bot4.execution.outbox import Outbox
from bot4.execution.reconcile import Difference, Kind, Local, Reconciliation, Remote, reconcile
from bot4.execution.settings import DeskSettings
from bot4.model.codes_nb import R_RECONCILED
from bot4.model.errors import InstrumentError
from bot4.model.instrument import Instrument
from bot4.model.values import steps_down, steps_near, steps_of
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.venue import AccountReport, NotFound, Venue, VenueError

TRIES = 3
"""A position that differs must be seen to differ so often in a row: news on its way looks like that."""
AGAIN_S = 0.1
UNSURE = (Kind.MISMATCH, *BOOKED)


def lots_held(account: AccountReport, instrument: Instrument) -> int:
    """Signed lots of the instrument in the account; of a spot balance the whole lots."""
    if instrument.kind == "spot":
        total = sum(b.total for b in account.balances if b.asset == instrument.base)
        return steps_down(total, instrument.lot, f"{instrument.symbol} holding")
    held = sum(p.quantity for p in account.positions if p.symbol == instrument.symbol)
    return steps_of(held, instrument.lot, f"{instrument.symbol} position")


class Reconciler:
    """Comparison with one venue; `owner` marks our client ids."""

    def __init__(
        self,
        venue: Venue,
        lanes: Sequence[Lane],
        out: Outbox,
        alarm: Alarm,
        clock: Clock,
        owner: str,
        money_exp: int,
        settings: DeskSettings,
    ) -> None:
        self.last: Reconciliation | None = None
        self._venue = venue
        self._lanes = lanes
        self._out = out
        self._alarm = alarm
        self._clock = clock
        self._owner = owner
        self._money_exp = money_exp
        self._back = settings.trades_back_ns
        self._since: dict[str, int] = {}

    async def compare(self, *, starting: bool, since_ns: int | None = None) -> Reconciliation:
        """Compare every instrument, act, and give all differences. Own trades are read from `since_ns` on.

        Not asking for it: from the last comparison that got an answer, or a day back. A start repeats this
        until `agreed`.
        """
        differences: list[Difference] = []
        before = [lane.book.holding.lots for lane in self._lanes]
        account = await self._account()
        for lane, lots in zip(self._lanes, before, strict=True):
            found = await self._one(lane, starting, since_ns, account, lots)
            tries = 1
            while tries < TRIES and any(d.kind in UNSURE for d in found.differences):
                await asyncio.sleep(AGAIN_S)
                lots = lane.book.holding.lots
                found = await self._one(lane, starting, since_ns, await self._account(), lots)
                tries += 1
            await self._act(lane, found)
            differences += found.differences
        self.last = Reconciliation(tuple(differences))
        return self.last

    async def _account(self) -> AccountReport | None:
        try:
            return await self._venue.account()
        except VenueError as error:
            self._alarm.tell("warning", f"the account could not be compared with the venue: {error}")
            return None

    async def _one(
        self, lane: Lane, starting: bool, since_ns: int | None, account: AccountReport | None, before: int
    ) -> Reconciliation:
        """Compare one instrument with `account`, which was asked for when `before` lots were held."""
        now = self._clock.now_ns()
        since = since_ns if since_ns is not None else self._since.get(lane.symbol, now - 86_400 * 10**9)
        remote = await self._remote(lane, account, max(0, since - self._back))
        if remote.trades is not None:
            self._since[lane.symbol] = now
        if lane.book.holding.lots != before:  # booked while the venue was asked: its answer may be older
            text = "the position moved while the venue was asked; it is asked again"
            return Reconciliation((Difference(Kind.UNKNOWN, lane.symbol, text),))
        try:
            return reconcile(self._local(lane), remote, starting=starting)
        except InstrumentError as error:  # amounts that no account has: nothing is assumed
            self._alarm.tell("critical", f"{lane.symbol}: {error}")
            return Reconciliation((Difference(Kind.UNKNOWN, lane.symbol, str(error)),))

    def _local(self, lane: Lane) -> Local:
        holding = lane.book.holding
        live = lane.live
        return Local(
            instrument=lane.book.instrument,
            owner=self._owner,
            position=holding.lots,
            average=holding.average(),
            live=frozenset(t.client_id for t in live if t.at_venue),
            booked=lane.book.seen,
            unknown_lots=sum(t.left for t in live if t.lost_at is not None or t.owed > t.filled or t.busy),
        )

    async def _remote(self, lane: Lane, account: AccountReport | None, since_ns: int) -> Remote:
        instrument = lane.book.instrument
        open_orders = trades = None
        try:
            open_orders = await self._venue.open_orders(lane.symbol)
            trades = await self._venue.trades(lane.symbol, since_ns)
        except VenueError as error:
            self._alarm.tell("warning", f"{lane.symbol}: could not be compared with the venue: {error}")
        position = average = None
        if account is not None:
            try:
                position = lots_held(account, instrument)
                for report in account.positions:
                    if report.symbol == lane.symbol and report.entry_price is not None:
                        average = steps_near(report.entry_price, instrument.tick, "average entry")
            except InstrumentError as error:
                self._alarm.tell("critical", f"{lane.symbol}: {error}")
                position = None
        return Remote(position, average, open_orders, trades, lane.price)

    async def _act(self, lane: Lane, found: Reconciliation) -> None:
        now = self._clock.monotonic_ns()
        for difference in found.differences:
            if difference.kind is Kind.MISSING_FILL and difference.trade is not None:
                lane.heard(difference.trade, now)
            elif difference.kind is Kind.ORDER_ENDED:
                lane.look_up(difference.order, now)
            elif difference.kind is Kind.ORDER_FOUND:
                await self._cancel(lane, difference.order)
            elif difference.kind in BOOKED:
                self._book(lane, difference)
            elif difference.kind is Kind.MISMATCH:
                lane.pause(R_RECONCILED)
                self._alarm.tell("critical", f"{lane.symbol}: {difference.text}; new risk is paused here")
        if found.agreed and lane.paused == R_RECONCILED:
            lane.resume()

    async def _cancel(self, lane: Lane, client_id: str) -> None:
        try:
            await self._venue.cancel(lane.symbol, client_id)
        except NotFound:
            pass  # it ended meanwhile; its fills are found by the next comparison
        except VenueError as error:
            self._alarm.tell("warning", f"{lane.symbol}: stray order {client_id} not cancelled yet: {error}")
            return
        lane.strays.pop(client_id, None)

    def _book(self, lane: Lane, difference: Difference) -> None:
        holding = lane.book.holding
        before = (holding.lots, holding.average())
        instrument = lane.book.instrument
        tell_adoption(self._out, lane.index, difference, instrument, self._money_exp, before)
        for trade in difference.outside:
            lane.book.remember_trade(trade)
        holding.lots, holding.cost = difference.lots, abs(difference.lots) * difference.average
        self._alarm.tell("critical", f"{lane.symbol}: {difference.kind.value}: {difference.text}")
