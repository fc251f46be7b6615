"""The order desk: between the engine, which approves orders, and a venue, which may or may not answer.

    desk = Desk(venue, instruments, money_exp, owner, epoch, clock, alarm, store)
    desk.recover(rows, epoch, fills)     orders that were live when the last run ended, and its journalled
    fills task = create_task(desk.run())       until cancelled
    desk.hand_over(rows)                 rows of ORDER_DTYPE from the engine, journalled before
    rows = await desk.answers()          rows of EVENT_DTYPE for the engine; or desk.drain(), without waiting

Each instrument is a `Lane` with three workers: cancels and reduce-only orders, new risk, questions; an answer
that hangs on one never holds up another. Intents are durable before the first byte is sent (`idempotency`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.execution.asks import Answer, Ask, Line, Sweep, Verb
from bot4.execution.fills import PriceOf, TradeBook
from bot4.execution.guard import Guard, Plan
from bot4.execution.idempotency import Intents, intent_key
from bot4.execution.ids import client_order_id
from bot4.execution.lane import UNPLACED, Lane
from bot4.execution.outbox import Outbox
from bot4.execution.protection import NakedTime, PassedStops, covered, dust
from bot4.execution.reconcile import Reconciliation
from bot4.execution.reconciler import Reconciler, lots_held
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import Tracked, tracked_from
from bot4.execution.watcher import Watcher
from bot4.model.codes_nb import (
    ACT_CANCEL,
    EV_CASH,
    EV_FILL,
    EV_STREAM,
    FOR_ENTRY,
    FOR_QUOTE,
    R_ADL,
    R_DUPLICATE,
    R_INSTRUMENT,
    R_INTERNAL,
    R_KILLED,
    R_LIQUIDATED,
    R_OK,
    R_OPERATOR,
    R_PRIVATE_DOWN,
    R_RECONCILED,
    R_TRIGGER_NOW,
    STATUS_DISCONNECTED,
    STATUS_OK,
)
from bot4.model.errors import ConfigError
from bot4.model.instrument import Instrument
from bot4.ports.alarm import Alarm, Level
from bot4.ports.clock import Clock
from bot4.ports.intents import IntentStore
from bot4.ports.venue import (
    AccountReport,
    NotSent,
    OrderReport,
    OutcomeUnknown,
    PrivateEvent,
    Rules,
    StreamState,
    TradeReport,
    Venue,
    VenueError,
    VenueUnreachable,
)
from bot4.safety.breaker import Breaker, Change, Rule
from bot4.safety.breaker import Level as Stops
from bot4.safety.breaker import State as BreakerState
from bot4.safety.gate import sealed

NONSENSE = (ValueError, TypeError, ArithmeticError, LookupError)
"""What nonsense in the venue's words raises; what else goes wrong in taking them in ends the desk."""
TAKER_FEE = Decimal("0.001")
"""Charged on a fee in an asset without a known price: the dearest of the usual taker rates."""


def _rule(settings: DeskSettings) -> Rule:
    """One breaker for the account: what the venue refuses on one instrument it refuses on all."""
    return Rule(
        "orders",
        Stops.VENUE,
        errors_to_open=settings.refusals,
        window_ns=settings.breaker_window_ns,
        timeout_ns=settings.breaker_ns,
        successes_to_close=1,
    )


def no_price(asset: str) -> Decimal | None:
    """Knows the worth of no asset."""
    return None


class Desk:
    """Carries out the engine's orders at one venue; see the module. Not for several threads.

    `instruments` in the order of the engine's instrument numbers; `price_of` values fee assets other than
    base and quote.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Sequence[Instrument],
        money_exp: int,
        owner: str,
        epoch: int,
        clock: Clock,
        alarm: Alarm,
        store: IntentStore,
        settings: DeskSettings | None = None,
        price_of: PriceOf = no_price,
        venue_number: int = 0,
    ) -> None:
        if not venue.capabilities.own_trades:
            raise ConfigError(f"{venue.name} does not report own trades; fills could not be booked exactly")
        self.settings = settings or DeskSettings()
        self.stream_up = True
        self.latch: np.ndarray[Any, Any] = np.zeros(
            1, np.uint8
        )  # of the kill switch: nothing new is sent then
        self.last_account: AccountReport | None = None
        self._venue = venue
        self._owner = owner
        self._epoch = epoch
        self._clock = clock
        self._alarm = alarm
        self._number = venue_number
        self._out = Outbox()
        self._news = asyncio.Event()
        self._intents = Intents(store, self.settings.intent_ttl_ns, self.settings.intents)
        self._stopped = R_OK
        self.watcher = Watcher()
        self._breaker = Breaker(_rule(self.settings), self._breaker_changed)
        self._plans: dict[str, Plan] = {}
        self.lanes: list[Lane] = []
        self._wake: list[dict[Line, asyncio.Event]] = []
        for index, instrument in enumerate(instruments):
            book = TradeBook(instrument, money_exp, self.settings.remember_trades, price_of, TAKER_FEE)
            lane = Lane(
                index,
                book,
                self.settings,
                self._breaker,
                self._out,
                alarm,
                owner,
                lookup=venue.capabilities.client_id_lookup,
                locks=not venue.capabilities.reduce_only,
                lists=venue.capabilities.native_oco,
                amends=venue.capabilities.amend,
                done=self._done,
                placed=self._placed,
            )
            self.lanes.append(lane)
            self._wake.append({line: asyncio.Event() for line in Line})
        self._by_symbol = {lane.symbol: lane for lane in self.lanes}
        self.naked = {lane.symbol: NakedTime() for lane in self.lanes}
        self._passed = {lane.symbol: PassedStops(self.settings.escalate_ns) for lane in self.lanes}
        self._guard = Guard(self.settings, alarm)
        self._reconciler = Reconciler(
            venue, self.lanes, self._out, alarm, clock, owner, money_exp, self.settings
        )
        self._compare_soon = asyncio.Event()

    # --- from the engine ---------------------------------------------------------------------------------
    def hand_over(self, rows: np.ndarray[Any, Any]) -> None:
        """Take approved orders and cancels (ORDER_DTYPE); they must be in the journal already.

        Each intent is made durable here, before anything is sent. A row handed over twice changes nothing.
        SafetyError for a row that the gate did not approve; StorageError when the intents cannot be written:
        nothing of `rows` is sent then.
        """
        now, wall = self._clock.monotonic_ns(), self._clock.now_ns()
        new: list[tuple[Lane, Tracked, str]] = []
        taken: set[tuple[int, int]] = set()
        for row in rows:
            lane = self.lanes[int(row["instrument"])]
            if int(row["action"]) == ACT_CANCEL:
                continue
            if int(row["id"]) in lane.orders or (lane.index, int(row["id"])) in taken:
                continue
            taken.add((lane.index, int(row["id"])))
            order = sealed(row, lane.book.instrument, self._owner, self._epoch)
            t = tracked_from(row, order.client_order_id, now, order)
            new.append((lane, t, self._key(row, self._epoch)))
        claims = self._intents.claim([(key, t.client_id) for _, t, key in new], wall)
        for (lane, t, _), claim in zip(new, claims):
            if claim.fresh:
                self._take(lane, t, now)
            elif claim.client_id == t.client_id:
                lane.recover(t, sent=True)
            else:  # the same intent under another number: one order is enough
                lane.refuse(t, R_DUPLICATE)
            if claim.fresh:
                self._succeed(lane, t, rows)
        for row in rows:
            if int(row["action"]) == ACT_CANCEL:
                self._cancel(row, now)
        self._wake_all()

    def recover(self, rows: np.ndarray[Any, Any], epoch: int, fills: np.ndarray[Any, Any]) -> None:
        """Orders live when the run `epoch` ended, and the answers (EVENT_DTYPE) in its journal.

        What may have been sent is looked up and never sent again; what was never written down was never sent.
        """
        now = self._clock.monotonic_ns()
        booked = (fills["kind"] == EV_FILL) | ((fills["kind"] == EV_CASH) & (fills["seq"] != 0))
        for fill in fills[booked]:
            self.lanes[int(fill["instrument"])].book.remember(int(fill["seq"]))
        for row in rows[np.argsort(rows["id"])]:  # an order before the one that was to take its place
            lane = self.lanes[int(row["instrument"])]
            t = tracked_from(row, client_order_id(self._owner, epoch, int(row["id"])), now, None)
            if (record := self._intents.find(t.client_id)) is not None:
                lane.recover(t, True, record.name, record.base)
            else:
                lane.recover(t, sent=False)
        self._wake_all()

    def recovered(self, live: Iterable[tuple[int, int]]) -> None:
        """Every (epoch, id) that was live at the end of the last run was handed over: others have ended."""
        self._intents.end_others({client_order_id(self._owner, *of) for of in live}, self._clock.now_ns())

    def set_position(self, symbol: str, lots: int, average: int) -> None:
        """The position (signed lots, average entry in ticks) that the engine starts with or has adopted."""
        holding = self._by_symbol[symbol].book.holding
        holding.lots, holding.cost = lots, abs(lots) * average

    def mark(self, symbol: str, ticks: int) -> None:
        """The market's price, for stops that are held here and for stops that it passed."""
        lane = self._by_symbol[symbol]
        lane.mark(ticks, self._clock.monotonic_ns())
        self._ring(lane)

    def funding(self, symbol: str, rate_e8: int, next_ns: int) -> None:
        """The rate of the next funding payment on `symbol` and its instant, for the timing of entries."""
        self._guard.funding(symbol, rate_e8, next_ns)

    def learn(self, rules: Sequence[Rules]) -> None:
        """The venue's rules, at the start and whenever they are read again; a changed meaning quarantines."""
        for symbol, what in self._guard.learn(rules).items():
            lane = self._by_symbol.get(symbol)
            if lane is not None:
                lane.pause(R_INSTRUMENT)
                self._alarm.tell(
                    "critical", f"{symbol}: {what}; new risk here is paused until a person agrees"
                )

    def plan(self, symbol: str, stop: int, target: int) -> None:
        """Where stop and target of entries handed over from now on will be (ticks, 0: not known)."""
        self._plans[symbol] = Plan(max(stop, 0), max(target, 0))

    def gate(self, symbol: str, breakers: Sequence[Breaker]) -> None:
        """New risk on `symbol` also passes these; each order that is sent is a probe of those half open."""
        self._by_symbol[symbol].gates = tuple(breakers)

    def pause(self, symbol: str, reason: int) -> bool:
        """Stop new risk on `symbol` until `resume`; False when something else has stopped it already."""
        lane = self._by_symbol[symbol]
        if lane.paused != R_OK:
            return False
        lane.pause(reason)
        self._tell_news()
        return True

    def resume(self, symbol: str, reason: int) -> None:
        """End a pause for `reason`; one for anything else stays."""
        lane = self._by_symbol[symbol]
        if lane.paused == reason:
            lane.resume()
            self._tell_news()

    def stop_risk(self, reason: int = R_KILLED) -> None:
        """Refuse all orders of new risk that are not sent yet, and all to come; a kill is never undone."""
        if self._stopped != R_KILLED:
            self._stopped = reason
        for lane in self.lanes:
            lane.drop_risk(self._clock.monotonic_ns(), reason)
        self._news.set()

    def allow_risk(self) -> None:
        """End `stop_risk`, unless it was a kill."""
        if self._stopped != R_KILLED:
            self._stopped = R_OK

    def _breaker_changed(self, change: Change) -> None:
        level: Level = "critical" if change.after is BreakerState.OPEN else "warning"
        rest = f"; new risk stops for {self.settings.breaker_ns / 1e9:g} s" if level == "critical" else ""
        self._alarm.tell(level, f"breaker {change.breaker} is {change.after.name}: {change.detail}{rest}")
        self.watcher.changed(change)

    def _take(self, lane: Lane, t: Tracked, now: int) -> None:
        if self._stopped and not t.reduce_only:
            lane.refuse(t, self._stopped)
        elif not t.reduce_only and (reason := self._refusal(lane, t, now)) != R_OK:
            lane.refuse(t, reason)
        elif t.is_stop and not self._venue.capabilities.stop_orders:
            lane.take(t)
            lane.refuse_stop(t, now)
        else:
            lane.take(t)

    def _refusal(self, lane: Lane, t: Tracked, now: int) -> int:
        plan = self._plans.get(lane.symbol, Plan()) if t.purpose == FOR_ENTRY else Plan()
        failed = self._guard.failed(t, lane, plan, now, self._clock.now_ns())
        if failed:
            self.watcher.refused(t.id, failed)
        return next(iter(failed.values()), R_OK)

    def _cancel(self, row: np.ndarray[Any, Any], now: int) -> None:
        lane = self.lanes[int(row["instrument"])]
        reason = int(row["reason"]) or R_OPERATOR
        if not lane.cancel(int(row["id"]), reason, now):
            client_id = client_order_id(self._owner, self._epoch, int(row["id"]))
            lane.recover(tracked_from(row, client_id, now, None), sent=True)
            lane.cancel(int(row["id"]), reason, now)

    def _key(self, row: np.ndarray[Any, Any], epoch: int) -> str:
        """New risk by what it is for, so that one decision makes one order; the rest by its own number."""
        if int(row["decision"]) > 0 and not int(row["flags"]):
            parts = [int(row[name]) for name in ("instrument", "decision", "purpose", "side", "price", "qty")]
            return intent_key(self._owner, epoch, *parts)
        return intent_key(self._owner, epoch, "order", int(row["id"]))

    def _succeed(self, lane: Lane, t: Tracked, rows: np.ndarray[Any, Any]) -> None:
        """A moved quote: where its cancel stands in the same batch, the venue amends the old order."""
        if t.purpose != FOR_QUOTE:
            return
        for row in rows:
            same = int(row["action"]) == ACT_CANCEL and int(row["instrument"]) == lane.index
            if same and int(row["purpose"]) == FOR_QUOTE and int(row["side"]) == t.side:
                name = lane.succeeds(t, int(row["id"]))
                if name:
                    self._placed(t.intent, name, UNPLACED)
                    return

    def _placed(self, client_id: str, name: str, base: int) -> None:
        self._intents.place(client_id, name, base, self._clock.now_ns())

    def _done(self, client_id: str) -> None:
        self._intents.done(client_id, self._clock.now_ns())

    # --- to the engine -----------------------------------------------------------------------------------
    def drain(self) -> np.ndarray[Any, Any]:
        """All answers since the last call, EVENT_DTYPE, in order; empty when there are none."""
        self._news.clear()
        return self._out.take(self._clock.now_ns(), self._number)

    async def answers(self) -> np.ndarray[Any, Any]:
        """Wait until there is at least one answer; all of them."""
        while not len(self._out):
            self._news.clear()
            await self._news.wait()
        return self.drain()

    def worst_exposure(self, symbol: str) -> int:
        """The largest |position| in lots that can come of it and every order not known to be gone."""
        return self._by_symbol[symbol].worst_exposure()

    def blocked(self, symbol: str) -> int:
        """Why new risk on `symbol` is refused now (R_*), or R_OK."""
        return self._by_symbol[symbol].blocked() or self._stopped

    @property
    def unknown(self) -> Mapping[str, int]:
        """Orders of unknown outcome, by symbol."""
        return {lane.symbol: lane.unknown for lane in self.lanes if lane.unknown}

    # --- running -----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Work until cancelled; an error in a worker ends all of them and is raised: fail closed."""
        async with asyncio.TaskGroup() as group:
            for lane, wake in zip(self.lanes, self._wake):
                for line in Line:
                    group.create_task(
                        self._work(lane, line, wake[line]), name=f"{lane.symbol} {line.name.lower()}"
                    )
            group.create_task(self._listen(), name="private stream")
            group.create_task(self._watch(), name="protection")
            group.create_task(self._compare(), name="reconciliation")

    async def _work(self, lane: Lane, line: Line, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            ask = lane.next_ask(line, self._clock.monotonic_ns(), self._clock.now_ns())
            self._tell_news()
            if ask is not None:
                answer = await self._carry_out(lane, ask)
                try:
                    lane.answered(ask, answer, self._clock.monotonic_ns())
                except NONSENSE as error:
                    self._confused(lane, f"the answer to {ask.verb.name.lower()}", error)
                self._look_at_cover(lane)
                self._ring(lane)
                self._tell_news()
                continue
            await self._pause(wake, lane.wait_ns(line, self._clock.monotonic_ns()))

    async def _pause(self, wake: asyncio.Event, ns: int) -> None:
        with contextlib.suppress(TimeoutError):
            # not wait_for: before Python 3.12 it can swallow a cancellation
            async with asyncio.timeout(max(ns, 100_000) / 1e9):
                await wake.wait()

    async def _carry_out(self, lane: Lane, ask: Ask) -> Answer:
        """One call; whatever is raised that is not a word of the port means that nothing is known."""
        calls: dict[Verb, Callable[[], Awaitable[Answer]]] = {
            Verb.SUBMIT: lambda: self._submit(ask),
            Verb.LIST: lambda: self._submit_list(ask),
            Verb.AMEND: lambda: self._amend(ask),
            Verb.CANCEL: lambda: self._venue.cancel(lane.symbol, ask.client_id),
            Verb.LOOK: lambda: self._venue.order(lane.symbol, ask.client_id),
            Verb.SWEEP: lambda: self._sweep(lane, ask),
        }
        begin = self._clock.monotonic_ns()
        answer = await self._settled(lane, ask, calls[ask.verb])
        lost = isinstance(answer, OutcomeUnknown | VenueUnreachable)
        if not isinstance(answer, NotSent):  # what never left says nothing of the venue
            reason = answer.reason if isinstance(answer, VenueError) else R_OK
            self.watcher.called(not lost, self._clock.monotonic_ns() - begin, reason)
        return answer

    async def _settled(self, lane: Lane, ask: Ask, call: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await call()
        except VenueError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the outcome is unknown; told, and settled by evidence
            self._alarm.tell("critical", f"{lane.symbol}: {ask.verb.name.lower()} failed inside: {error!r}")
            return OutcomeUnknown(repr(error), R_INTERNAL)

    async def _submit(self, ask: Ask) -> OrderReport:
        assert ask.order is not None
        if self.latch[0] and not ask.order.intent.reduce_only:
            raise NotSent("the kill switch is raised", R_KILLED)
        return await self._venue.submit(ask.order)

    async def _amend(self, ask: Ask) -> OrderReport:
        assert ask.order is not None
        if self.latch[0]:
            raise NotSent("the kill switch is raised", R_KILLED)
        return await self._venue.amend(ask.order, ask.client_id, ask.beside)

    async def _submit_list(self, ask: Ask) -> tuple[OrderReport, OrderReport]:
        assert ask.order is not None
        assert ask.other is not None
        return await self._venue.submit_oco(ask.order, ask.other)

    async def _sweep(self, lane: Lane, ask: Ask) -> Sweep:
        open_orders = await self._venue.open_orders(lane.symbol)
        trades = await self._venue.trades(lane.symbol, ask.since_ns)
        position = None
        if not self._venue.capabilities.client_id_lookup and lane.unknown:
            position = lots_held(await self._venue.account(), lane.book.instrument)
        return Sweep(tuple(open_orders), tuple(trades), position)

    # --- comparison with the venue -------------------------------------------------------------------------
    async def reconcile(self, *, starting: bool, since_ns: int | None = None) -> Reconciliation:
        """Compare with the venue now and act on it (see `reconciler`); a start repeats this until it agrees.

        `since_ns` (ns UTC): own trades from then on count; at a start the time of the journal's last record.
        """
        found = await self._reconciler.compare(starting=starting, since_ns=since_ns)
        self._wake_all()
        return found

    @property
    def reconciled(self) -> Reconciliation | None:
        """The last comparison, None before the first."""
        return self._reconciler.last

    async def _compare(self) -> None:
        """Compare regularly, after a lost stream, when a stray order shows; not before the start did."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.reconcile_ns / 1e9):
                    await self._compare_soon.wait()
            self._compare_soon.clear()
            if self.reconciled is not None:
                await self.reconcile(starting=False)

    # --- news of the venue -------------------------------------------------------------------------------
    async def _listen(self) -> None:
        """The private stream; when it ends or breaks, orders are polled and it is opened again."""
        attempt = 0
        while True:
            try:
                async for event in self._venue.private():
                    attempt = 0
                    try:
                        self.hear(event)
                    except NONSENSE as error:
                        lane = self._by_symbol.get(getattr(event, "symbol", ""))
                        self._confused(lane, f"a private event ({type(event).__name__})", error)
                reason = R_PRIVATE_DOWN
            except VenueError as error:
                reason = error.reason
            self._stream(False, reason)
            attempt += 1
            await asyncio.sleep(self.settings.pause_ns(attempt, 0) / 1e9)

    def _confused(self, lane: Lane | None, what: str, error: Exception) -> None:
        """News that could not be taken in: told, no new risk until a comparison has shown what is so."""
        for one in [lane] if lane is not None else self.lanes:
            if one.paused == R_OK:
                one.pause(R_RECONCILED)
        where = lane.symbol if lane is not None else self._venue.name
        self._alarm.tell(
            "critical", f"{where}: {what} could not be taken in: {error!r}; new risk is paused until compared"
        )
        self._compare_soon.set()
        self._wake_all()

    def hear(self, event: PrivateEvent) -> None:
        """Take in one event of the private stream."""
        if isinstance(event, StreamState):
            self._stream(event.up, event.reason)
        elif isinstance(event, AccountReport):
            self.last_account = event
        else:
            lane = self._by_symbol.get(event.symbol)
            if lane is not None:
                self._hear_order(lane, event)
        self._tell_news()

    def _hear_order(self, lane: Lane, event: OrderReport | TradeReport) -> None:
        lane.heard(event, self._clock.monotonic_ns())
        if isinstance(event, TradeReport) and event.reason in (R_LIQUIDATED, R_ADL):
            what = "liquidated" if event.reason == R_LIQUIDATED else "deleveraged"
            self._alarm.tell(
                "critical", f"{lane.symbol}: {event.quantity:f} {what} by the venue at {event.price:f}"
            )
            self._compare_soon.set()
        self._look_at_cover(lane)
        self._ring(lane)

    def _stream(self, up: bool, reason: int) -> None:
        if up == self.stream_up:
            return
        self.stream_up = up
        self._out.put(EV_STREAM, 0, x=STATUS_OK if up else STATUS_DISCONNECTED, y=0 if up else reason)
        for lane in self.lanes:
            lane.poll(not up, self._clock.monotonic_ns())
        self._compare_soon.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for lane in self.lanes:
            self._ring(lane)
        self._tell_news()

    def _ring(self, lane: Lane) -> None:
        for wake in self._wake[lane.index].values():
            wake.set()

    def _tell_news(self) -> None:
        if len(self._out):
            self._news.set()

    # --- protection --------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        """Look at the cover of every position, several times within the limit."""
        while True:
            await asyncio.sleep(min(self.settings.naked_limit_ns, self.settings.escalate_ns) / 4e9)
            for lane in self.lanes:
                self._look_at_cover(lane)
                if lane.strays:
                    self._compare_soon.set()
            self._intents.flush()
            self._tell_news()

    def close(self) -> None:
        """Write down what has ended; after `run` is over. StorageError when that fails."""
        self._intents.flush()

    def _look_at_cover(self, lane: Lane) -> None:
        now = self._clock.monotonic_ns()
        lots = lane.book.holding.lots
        orders = lane.live
        naked = self.naked[lane.symbol]
        bare = 0 if dust(lane.book.instrument, lots, lane.price) else abs(lots) - covered(lots, orders)
        if naked.look(bare, now) > self.settings.naked_limit_ns and not naked.told:
            naked.told = True
            self._alarm.tell(
                "critical",
                f"{lane.symbol}: {bare * lane.book.instrument.lot:f} of the position have had no stop at "
                f"the venue for more than {self.settings.naked_limit_ns / 1e9:g} s",
            )
        for order_id in self._passed[lane.symbol].look(orders, lane.price, now):
            lane.cancel(order_id, R_TRIGGER_NOW, now)
            self._ring(lane)
