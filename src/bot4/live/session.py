"""The live session: market, answers and timers folded in one thread, orders handed to the desk.

    start   books in doubt (no entries) -> earlier orders looked up -> ledger compared with the venue
    run     market batches, answers, the protection timer on its own schedule, snapshots, comparisons
    end     kill: cancel and flatten; orderly: cancel what can raise risk, leave stops and targets there

Every task folds by plain calls: nothing in between can be seen half done. An order leaves only through
`hand_over`, which gives the desk what the driver says is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from bot4.engine.build import Plan
from bot4.engine.live import LiveDriver
from bot4.engine.parts_nb import tradable_nb
from bot4.execution.adopt import BOOKED
from bot4.execution.desk import Desk
from bot4.execution.lease import Lease
from bot4.execution.preflight import Wanted, preflight
from bot4.execution.reconcile import Kind
from bot4.live.agreement import Agreement, compare
from bot4.live.backfill import Backfill
from bot4.live.cascade import Step, Taken, at_once, go_down, nothing
from bot4.live.chores import keep_dead_man, keep_rules
from bot4.live.machine import Machine, Room, keep_time
from bot4.live.recovery import FILLS_KEPT, Recovered, epoch_of
from bot4.live.snapshots import write_snapshot
from bot4.live.stranded import Wreck, make_safe
from bot4.live.watch import Watch
from bot4.model.codes_nb import (
    EV_CASH,
    EV_FILL,
    EV_MARK,
    EV_RECONCILED,
    EV_STATUS,
    FOR_ENTRY,
    MODE_NORMAL,
    MODE_PAUSE,
    OF_REDUCE_ONLY,
    R_END,
    R_NETWORK,
    R_NOT_RECONCILED,
    R_RECONCILED,
    ST_CANCELED,
    ST_FILLED,
    ST_NONE,
    ST_REJECTED,
    STATUS_CROSSED,
    STATUS_DISCONNECTED,
)
from bot4.model.errors import OperatorError, SafetyError
from bot4.model.events import EVENT_DTYPE
from bot4.model.names import reason as reason_word
from bot4.ports import journal as journal_port
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.venue import Venue, VenueError
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SteadyClock
from bot4.storage.journal import FileJournal

LOOK_S = 0.02
ENDING_S = 0.002
RETRY_S = 1.0
SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, ns; `snapshot_events` market events also make a snapshot due."""

    timer_ns: int = SECOND // 4
    reconcile_ns: int = 60 * SECOND
    snapshot_ns: int = 30 * SECOND
    snapshot_events: int = 1_000_000
    settle_ns: int = 30 * SECOND  # how long the start waits for orders of unknown outcome
    wind_down_ns: int = 15 * SECOND
    rules_ns: int = 300 * SECOND
    dead_man_ns: int = 0  # 0: the venue's timer is not used


@dataclass
class Figures:
    """What the screen and --json say of the session itself."""

    epoch: int = 1
    recovered_events: int = 0
    recovery_s: float = 0.0
    dropped_blocks: int = 0
    lag_ns: int = 0
    reconciled_at: int = 0
    reconciliations: int = 0
    adopted: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    snapshots: int = 0
    orders_sent: int = 0
    feed_breaks: int = 0
    venue: str = "unknown"  # the venue's grade, in words
    breakers: dict[str, str] = field(default_factory=dict)  # state by name, of those that ever changed
    unanswered: int = 0  # questions about the account that got no answer yet
    cash_booked: int = 0  # money units that came or went outside trading
    bars_filled: int = 0  # fetched from the venue's candles, to fill holes
    shutdown: list[Taken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is made of; the app assembles it."""

    driver: LiveDriver
    plan: Plan
    venue: Venue
    desk: Desk
    journal: FileJournal
    switch: KillSwitch
    clock: Clock
    alarm: Alarm
    epochs: list[dict[str, int]]
    recovered: Recovered | None
    adopt: bool
    wanted: Mapping[str, Wanted]  # how each instrument is to be traded, by symbol
    lease: Lease | None  # of the account
    rhythm: Rhythm
    show: Callable[[Figures], None]
    control: Callable[[], None]  # looks for commands of the operator
    watch: Watch
    backfill: Backfill
    owner: str  # whose orders these are, in each client id
    room: Room  # what the run may use of the machine
    steady: SteadyClock | None  # the clock, where it is the run's own and the machine's may be set


class LiveSession:
    """One live run, from the comparison at its start to its end."""

    def __init__(self, parts: Parts) -> None:
        self.figures = Figures(epoch=parts.epochs[-1]["epoch"])
        self._p = parts
        self._engine = parts.driver.engine
        self._symbols = [i.symbol for i in parts.plan.instruments]
        self._fills = np.empty(0, EVENT_DTYPE)
        if parts.recovered is not None:
            self._fills = parts.recovered.fills
            self.figures.recovered_events = parts.recovered.folded
            self.figures.dropped_blocks = parts.recovered.dropped
        now = parts.clock.monotonic_ns()
        self._snapshot_due = now + parts.rhythm.snapshot_ns
        self._snapshot_at = parts.driver.folded
        self._reconcile_due = 0
        self._was_up = True
        self._compared = False  # the start has compared, or tried to
        self._stopped = asyncio.Event()
        self._agreed = False  # ledger and venue have agreed once: the start is over
        self._lost_lease = False
        self._resync_due = np.zeros(len(self._symbols), np.int64)
        self.forced = ""  # why the machine made the run end
        self._machine = Machine(parts.room, parts.journal.folder, self._pause, parts.alarm, self._note)
        self._since = parts.driver.now  # the journal's last instant: trades since then may be news

    # --- the run -----------------------------------------------------------------------------------------
    async def run(self, duration_ns: int | None) -> str:
        """Trade until the time is up or the switch trips; why it ended. An error ends all, and is raised."""
        begin = self._p.clock.monotonic_ns()
        loop = asyncio.get_running_loop()
        self._p.switch.add_callback(lambda trip: _wake(loop, self._stopped))
        self._doubt()
        self._take_over()
        try:
            async with asyncio.TaskGroup() as group:
                if self._p.backfill.possible:  # what was traded before now is a hole
                    self._hole(np.arange(len(self._symbols)), R_NETWORK)
                work: list[asyncio.Task[None]] = [
                    group.create_task(job, name=name)
                    for name, job in (
                        ("desk", self._p.desk.run()),
                        ("answers", self._answers()),
                        ("market", self._market()),
                        ("timer", self._timer()),
                        ("watch", self._p.watch.run()),
                        ("back-fill", self._p.backfill.run()),
                        *self._chores(),
                    )
                ]
                await self._settle()
                self.figures.recovery_s = (self._p.clock.monotonic_ns() - begin) / SECOND
                why = await self._trade(begin, duration_ns)
                await self._wind_down(why)
                for task in work:
                    task.cancel()
        except* Exception as errors:  # noqa: BLE001 - raised again, as the one error it is
            raise await self._stranded(_first(errors)) from None
        self._p.switch.rest()
        self._p.desk.close()
        self.snapshot()
        return why

    async def _stranded(self, error: BaseException) -> BaseException:
        """Nothing can be journalled or folded any more: make the venue safe without it; the error to raise.

        A start that fails before it has compared with the venue has sent nothing, and sends nothing.
        """
        p = self._p
        if self._compared:
            p.alarm.tell("critical", f"the run cannot go on: {error!s:.300}; no new orders are sent")
            lots = self._engine.ledger.positions["qty"]
            held = frozenset(symbol for symbol, n in zip(self._symbols, lots, strict=True) if n)
            wreck = Wreck(self._engine.orders.table, self._symbols, p.owner, p.epochs, held)
            killed, within = p.switch.latched, p.rhythm.wind_down_ns
            await make_safe(wreck, p.venue, p.clock, p.alarm, within, killed=killed)
        if isinstance(error, MemoryError):
            return OperatorError("out of memory; give the machine more, or trade fewer instruments")
        return error

    def _chores(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        p, rhythm = self._p, self._p.rhythm
        chores = [
            ("rules", keep_rules(p.venue, p.desk, rhythm.rules_ns)),
            ("machine", self._machine.keep()),
        ]
        if p.steady is not None:
            chores.append(("time", keep_time(p.steady, p.venue, p.alarm, self._note)))
        if rhythm.dead_man_ns:
            chores.append(("dead man", keep_dead_man(p.venue, self._symbols, rhythm.dead_man_ns, p.alarm)))
        return chores

    def _doubt(self) -> None:
        """No entries until ledger and venue have been compared."""
        self._p.driver.tell(EV_RECONCILED, 0, R_NOT_RECONCILED)

    def _take_over(self) -> None:
        """Hand the desk the positions, and the orders that may still live at the venue."""
        p = self._p
        for inst, symbol in enumerate(self._symbols):
            self._tell_position(inst, symbol)
        if p.recovered is None:
            return
        table = self._engine.orders.table
        live = table[~np.isin(table["status"], (ST_NONE, ST_FILLED, ST_CANCELED, ST_REJECTED))]
        by_epoch: dict[int, list[int]] = {}
        for k, row in enumerate(live):
            by_epoch.setdefault(epoch_of(p.epochs, int(row["id"])), []).append(k)
        for epoch, rows in by_epoch.items():
            p.desk.recover(live[rows], epoch, self._fills)
        p.desk.recovered((epoch, int(id)) for epoch, rows in by_epoch.items() for id in live["id"][rows])

    def _tell_position(self, inst: int, symbol: str) -> None:
        position = self._engine.ledger.positions[inst]
        lots = int(position["qty"])
        mult = int(self._engine.spec[inst]["money_mult"])
        average = abs(int(position["cost"])) // (abs(lots) * mult) if lots else 0
        self._p.desk.set_position(symbol, lots, average)

    async def _settle(self) -> None:
        """Wait until the fate of earlier orders is known (not for ever), then compare with the venue."""
        end = self._p.clock.monotonic_ns() + self._p.rhythm.settle_ns
        while self._p.desk.unknown and self._p.clock.monotonic_ns() < end and not self._p.switch.latched:
            await asyncio.sleep(LOOK_S)
        self.figures.explained += [
            f"{count} order(s) on {symbol} of unknown outcome: no entries there until evidence comes"
            for symbol, count in self._p.desk.unknown.items()
        ]
        await self.reconcile()
        self._compared = True
        self.hand_over()

    async def _trade(self, begin: int, duration_ns: int | None) -> str:
        p = self._p
        while True:
            if p.switch.latched:
                return "kill switch"
            if self._machine.spent:
                self.forced = self._machine.spent
                return self.forced
            p.control()
            self.hand_over()
            now = p.clock.monotonic_ns()
            if duration_ns is not None and now - begin >= duration_ns:
                return "time is up"
            if p.desk.stream_up and not self._was_up:
                self._reconcile_due = now
            self._was_up = p.desk.stream_up
            if now >= self._reconcile_due:
                await self.reconcile()
            self._resume_after_end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stopped.wait()

    def _resume_after_end(self) -> None:
        """Leave the pause of an earlier orderly end, once the cooldown allows it."""
        control = self._engine.safety.control[0]
        if int(control["mode"]) == MODE_PAUSE and int(control["mode_reason"]) == R_END:
            cooldown = int(self._engine.safety.params[0]["cooldown_ns"])
            if self._p.driver.now - int(control["mode_since"]) >= cooldown:
                self._p.driver.mode(MODE_NORMAL, R_END)

    async def _wind_down(self, why: str) -> None:
        """Go down in steps (see `cascade`): stop, cancel what can raise risk, after a kill also flatten."""
        p, whole = self._p, self._p.rhythm.wind_down_ns
        killed = why == "kill switch"
        sweep: list[asyncio.Task[None]] = []
        steps = [
            Step("stop new orders", self._kill if killed else partial(self._pause, R_END), at_once, whole),
            Step("cancel", self.hand_over, lambda: not self._working(risk=True), whole // 3),
        ]
        if killed:
            # one request for all of a symbol's orders; the desk's own cancels follow for what is left
            begin = partial(sweep.extend, (asyncio.create_task(self._sweep(s)) for s in self._symbols))
            steps.insert(1, Step("cancel all", begin, lambda: all(t.done() for t in sweep), whole // 6))
            steps.append(Step("flatten", nothing, self._flat, whole - whole // 3))
        self.figures.shutdown = await go_down(steps, p.clock, p.alarm, self._note, ENDING_S)
        for task in sweep:
            task.cancel()
        if killed:
            state = "flat, no orders" if self._flat() else "NOT flat"
            p.alarm.tell("critical", f"shutdown after the kill switch: {state}")

    async def _sweep(self, symbol: str) -> None:
        try:
            await self._p.venue.cancel_all(symbol)
        except VenueError as error:
            self._p.alarm.tell(
                "critical", f"{symbol}: not all orders cancelled at once ({error}); one by one"
            )

    def _kill(self) -> None:
        cause = self._p.switch.cause
        self._p.driver.kill(cause.reason if cause is not None else R_END)
        self._p.desk.stop_risk()

    def _pause(self, reason: int) -> None:
        """No new risk until the next start; a mode that refuses it already stays, with its reason."""
        if int(self._engine.safety.control[0]["mode"]) == MODE_NORMAL:
            self._p.driver.mode(MODE_PAUSE, reason)

    def _note(self, record: dict[str, Any]) -> None:
        """A record that nothing waits for: durable with the next commit, `snapshot` at the latest."""
        self._p.journal.append(journal_port.NOTE, {**record, "engine_ns": self._p.driver.now})

    def _working(self, *, risk: bool) -> bool:
        """Whether orders work still: those that can raise risk, or any."""
        table = self._engine.orders.table
        live = ~np.isin(table["status"], (ST_NONE, ST_FILLED, ST_CANCELED, ST_REJECTED))
        if risk:
            live &= (table["flags"] & OF_REDUCE_ONLY) == 0
        return bool(live.any())

    def _flat(self) -> bool:
        """No order works and no position is left but dust, which nothing can close."""
        held = any(tradable_nb(self._engine.core[0], inst) for inst in range(len(self._symbols)))
        return not held and not self._working(risk=False)

    # --- what comes in -----------------------------------------------------------------------------------
    def hand_over(self) -> None:
        """Give the desk every order that is on the disk and was not given yet.

        A start compares first: what was liquidated or closed meanwhile needs no stop.
        """
        if not self._compared:
            return
        rows = self._p.driver.take()
        if len(rows):
            self.figures.orders_sent += len(rows)
            for inst in np.unique(rows["instrument"][rows["purpose"] == FOR_ENTRY]):
                levels = self._engine.inst[int(inst)]
                self._p.desk.plan(self._symbols[int(inst)], int(levels["stop"]), int(levels["target"]))
            self._p.watch.sent(rows)
            if self._p.switch.latched:
                self._p.desk.stop_risk()  # what was decided while the switch rose goes no further
            self._p.desk.hand_over(rows)

    def fold(self, rows: np.ndarray[Any, Any]) -> None:
        """Fold answers or words about the account, and hand over what came of it."""
        self._p.driver.fold(rows)
        fills = rows[rows["kind"] == EV_FILL]
        if len(fills):
            self._fills = np.concatenate([self._fills, fills])[-FILLS_KEPT:]
            self._p.watch.filled(fills)
        self.hand_over()

    async def _answers(self) -> None:
        while True:
            self.fold(await self._p.desk.answers())

    async def _market(self) -> None:
        """Market batches; a feed that breaks is said so, and opened again."""
        while True:
            try:
                async for batch in self._p.venue.market(self._symbols):
                    if batch.events is None:
                        self._feed_broke(batch.reason, batch.instrument)
                        continue
                    for inst in batch.unreadable:
                        self._p.watch.unreadable(self._symbols[inst])
                    for news in batch.funding:
                        self._p.desk.funding(self._symbols[news.instrument], news.rate_e8, news.next_ns)
                    if len(batch.events):
                        self._fold_market(batch.events)
            except VenueError as error:
                self._feed_broke(error.reason)
            await asyncio.sleep(RETRY_S)

    def _fold_market(self, events: np.ndarray[Any, Any]) -> None:
        rows = events.copy()
        self.figures.lag_ns = self._p.clock.now_ns() - int(rows["ts_venue"].max())
        self._p.driver.market(rows)
        self._p.watch.quoted(np.unique(rows["instrument"][rows["kind"] != EV_MARK]))
        self._look_at_books()
        for inst in np.unique(rows["instrument"]):
            mark = int(self._engine.inst[int(inst)]["mark"])
            if mark > 0:
                self._p.desk.mark(self._symbols[int(inst)], mark)
        self.hand_over()

    def _look_at_books(self) -> None:
        """A crossed book (bid at or above ask) is invalid: it begins anew, asked for once a second."""
        crossed = np.flatnonzero(self._engine.inst["status"] == STATUS_CROSSED)
        now = self._p.clock.monotonic_ns()
        for inst in crossed[self._resync_due[crossed] <= now]:
            self._resync_due[inst] = now + SECOND
            self.figures.feed_breaks += 1
            self._p.venue.resync(self._symbols[int(inst)])
            self._p.alarm.tell(
                "warning", f"{self._symbols[int(inst)]}: the book is crossed; it begins anew from a snapshot"
            )

    def _hole(self, broken: np.ndarray[Any, Any], reason: int) -> None:
        """Say that trades of these instruments are missing from now on."""
        rows = np.zeros(len(broken), EVENT_DTYPE)
        rows["kind"], rows["flags"] = EV_STATUS, self._p.backfill.flags
        rows["instrument"] = broken
        rows["x"], rows["y"] = STATUS_DISCONNECTED, reason
        rows["ts_local"] = rows["ts_venue"] = self._p.clock.now_ns()
        self.fold(rows)
        self._p.backfill.broke(broken.tolist())

    def _feed_broke(self, reason: int, instrument: int = -1) -> None:
        """The feed of one instrument, or of all (-1), has a hole: no entries there until a snapshot.

        A position is left to its stop at the venue: nothing is closed here at a price of the past.
        """
        self.figures.feed_breaks += 1
        broken = np.arange(len(self._symbols)) if instrument < 0 else np.array([instrument])
        self._hole(broken, reason or R_NETWORK)
        for inst in broken[self._engine.ledger.positions["qty"][broken] != 0]:
            self._p.alarm.tell(
                "critical",
                f"{self._symbols[int(inst)]}: no market data ({reason_word(reason)}) while a position is "
                "open; its stop is at the venue, nothing is closed at an old price",
            )

    async def _timer(self) -> None:
        """The protection timer, whether or not there is a market; also the heartbeat and the snapshots."""
        p = self._p
        while True:
            p.switch.beat()
            self.figures.venue = p.watch.grade.name.lower()
            self.figures.breakers = p.watch.states
            self.figures.bars_filled = p.backfill.filled
            self._keep_lease()
            p.driver.timer(p.clock.now_ns())
            self.hand_over()
            p.watch.notice()
            now = p.clock.monotonic_ns()
            grown = p.driver.folded - self._snapshot_at >= p.rhythm.snapshot_events
            if now >= self._snapshot_due or grown:
                self.snapshot()
            p.show(self.figures)
            await asyncio.sleep(p.rhythm.timer_ns / SECOND)

    def _keep_lease(self) -> None:
        """Say that this instance lives; once its place is lost it adds no more risk."""
        p = self._p
        if p.lease is not None and not p.lease.keep() and not self._lost_lease:
            self._lost_lease = True
            p.desk.stop_risk()
            p.alarm.tell(
                "critical", "another instance may trade this account: no new risk is sent from here any more"
            )

    def snapshot(self) -> None:
        """Write a snapshot of what has been folded; the journal is durable up to it first."""
        p = self._p
        p.journal.commit()
        notes = {"epochs": p.epochs, "fills": self._fills.tobytes().hex()}
        write_snapshot(p.journal.folder, self._engine, p.journal.position, notes)
        self.figures.snapshots += 1
        self._snapshot_at = p.driver.folded
        self._snapshot_due = p.clock.monotonic_ns() + p.rhythm.snapshot_ns

    # --- agreement ---------------------------------------------------------------------------------------
    async def reconcile(self) -> bool:
        """Compare ledger and venue, book what is explained; whether entries are allowed now.

        Positions and orders are the desk's to compare, with the trades that explain them; money is compared
        here. Until they have agreed once it is the start: the account is looked at first, and refused as it
        may be.
        """
        p = self._p
        self.figures.reconciliations += 1
        self._reconcile_due = p.clock.monotonic_ns() + p.rhythm.reconcile_ns
        starting = not self._agreed
        if starting and not await self._admitted():
            return self._in_doubt()
        found = await p.desk.reconcile(starting=starting, since_ns=self._since if starting else None)
        said = [d for d in found.differences if d.kind is not Kind.UNKNOWN]
        self.figures.explained += [f"{d.symbol}: {d.kind.value}: {d.text}" for d in said]
        self.figures.adopted += [f"{d.symbol}: {d.text}" for d in said if d.kind in BOOKED]
        await asyncio.sleep(LOOK_S)  # what the desk booked reaches the ledger
        gap = await self._stable_difference() if not found.unknown else None
        if gap is None or gap.positions:
            return self._in_doubt()
        if gap.cash:
            self._book_cash(gap)
        self._agreed = True
        p.driver.tell(EV_RECONCILED, 1, R_RECONCILED)
        self.hand_over()
        self.figures.reconciled_at = p.clock.now_ns()
        return True

    def _in_doubt(self) -> bool:
        """Entries stay refused, and it is asked again soon; False."""
        self._doubt()
        self._reconcile_due = self._p.clock.monotonic_ns() + SECOND
        return False

    async def _admitted(self) -> bool:
        """Whether the account is as it must be; False while that is not known, SafetyError when it is not."""
        p = self._p
        owner = int(self._engine.ledger.account[0]["n_adopted"]) > 0 or self._engine.orders.table["id"].any()
        findings = await preflight(p.venue, p.wanted, has_journal=p.adopt or bool(owner))
        wrong = [finding for finding in findings if not finding.passed]
        refused = [f"{finding.name}: {finding.text}" for finding in wrong if not finding.unknown]
        if refused:
            raise SafetyError(f"{p.venue.name} is not traded on. {'; '.join(refused)}")
        if wrong and not self.figures.unanswered:
            p.alarm.tell("warning", f"no entries yet: {wrong[0].name} {wrong[0].text}")
        self.figures.unanswered = len(wrong)
        return not wrong

    async def _stable_difference(self) -> Agreement | None:
        """What differs, seen alike twice with nothing booked in between; None: it does not come to rest."""
        before: tuple[int, Agreement] | None = None
        for _ in range(20):
            count = self._booked()
            try:
                account = await self._p.venue.account()
            except VenueError:
                return None
            found = compare(self._engine, self._p.plan, account)
            if self._booked() == count:
                if found.agrees or before == (count, found):
                    return found
                before = (count, found)
            await asyncio.sleep(LOOK_S * 5)
        return None

    def _booked(self) -> int:
        account = self._engine.ledger.account[0]
        return int(account["n_fills"]) + int(account["n_adopted"]) + int(account["funding"])

    def _book_cash(self, gap: Agreement) -> None:
        """Money that the venue has beyond the ledger (funding, a deposit, rounding) or lacks."""
        row = np.zeros(1, EVENT_DTYPE)
        row["kind"], row["x"], row["y"] = EV_CASH, gap.cash, R_RECONCILED
        row["ts_local"] = row["ts_venue"] = self._p.clock.now_ns()
        self.figures.cash_booked += gap.cash
        self.figures.explained.append(gap.cash_text)
        self.fold(row)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set `event` from another thread; a loop that is closed waits for nothing."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error of a group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
