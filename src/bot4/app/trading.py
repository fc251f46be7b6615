"""Assembles a live run: venue, engine, desk and journal, new or continued, and what it says at the end."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot4.app import config as configuration
from bot4.app.config import Config
from bot4.engine.build import Plan, new_engine, new_simulator
from bot4.engine.live import LiveDriver
from bot4.engine.live_frames import BinanceParsers
from bot4.engine.parts_nb import tradable_nb
from bot4.execution.desk import Desk
from bot4.execution.lease import Lease
from bot4.execution.orders_nb import open_count_nb
from bot4.execution.preflight import Wanted
from bot4.execution.settings import DeskSettings
from bot4.ledger.ledger_nb import conserved_nb, equity_nb
from bot4.live.agreement import balance_of
from bot4.live.backfill import Backfill
from bot4.live.breakers import Thresholds
from bot4.live.machine import Room
from bot4.live.recovery import Recovered, recover
from bot4.live.session import Figures, LiveSession, Parts, Rhythm
from bot4.live.watch import Watch
from bot4.model.errors import ConfigError, OperatorError, SafetyError, StorageError
from bot4.model.instrument import Instrument
from bot4.model.times import NS, duration_ns
from bot4.model.values import Rate, decimal_amount, steps_down, unit_of
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.journal import FakeJournal
from bot4.ports.venue import Rules, Venue
from bot4.research.backtest import plan_for
from bot4.research.session import (
    Chosen,
    LoadedModel,
    Session,
    assemble,
    choose,
    describe,
    describe_live,
    epoch_block,
    load,
    model_of,
)
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panic import Limits
from bot4.safety.system_clock import SteadyClock
from bot4.storage.anchors import HourlyAnchor
from bot4.storage.intents import FileIntents
from bot4.storage.journal import FileJournal, JournalReader
from bot4.venues.health import Health

CLOSE_S = 10.0
BAR = 60 * NS["s"]
WATCH_S = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """What to trade, with what, and where the journal goes."""

    symbols: tuple[str, ...]
    settings: Config
    chosen: Chosen
    model: LoadedModel
    seed: int
    folder: Path
    adopt: bool
    duration_ns: int | None
    pace: float = 1.0  # of regular questions, below 1 where so many instruments would ask too much


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The process's clock, alarm and switch, who is shown the session's state, and the operator's way in."""

    clock: Clock
    alarm: Alarm
    switch: KillSwitch
    show: Callable[[Session, Desk, Figures], None]
    attach: Callable[[Session, HourlyAnchor | None], None] = lambda session, anchor: None
    control: Callable[[], None] = lambda: None
    lease: Lease | None = None
    health: Callable[[], Health] | None = None  # the venue's grade, where its adapter keeps one


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is ready to begin."""

    session: Session
    journal: FileJournal
    settings: Config
    epochs: list[dict[str, int]]
    recovered: Recovered | None
    known: tuple[Rules, ...]  # the instruments as the journal's first run found them


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the journal's lock; SafetyError when another process has it. A killed process lets go of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(folder.name + ".lock").open("a")
    except OSError as error:
        raise StorageError(f"journal {folder}: {error.strerror or error}; name a writable folder") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SafetyError(
                f"another process trades from {folder}; stop it first, or name another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def writer_of(folder: Path) -> int:
    """The process that last traded from the journal `folder`; ConfigError when none did."""
    try:
        return int(folder.with_name(folder.name + ".lock").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise ConfigError(f"no run trades from the journal {folder}; name the process id of a run") from None


@asynccontextmanager
async def sole_trader(lease: Lease | None) -> AsyncIterator[None]:
    """Hold the account's lease; SafetyError when another instance trades. A silent one is watched first."""
    if lease is None:
        yield
        return
    while why := lease.acquire():
        if lease.rival_lives:
            raise SafetyError(why)
        await asyncio.sleep(WATCH_S)
    try:
        yield
    finally:
        lease.release()


def desk_settings(settings: Config, pace: float) -> DeskSettings:
    """The desk's constants, as far as they can be set; regular questions at `pace` of what is set."""
    return DeskSettings(
        check_ns=int(settings["live.check_interval"] / pace),
        poll_ns=int(NS["s"] / pace),
        not_found_ns=settings["live.not_found_time"],
        unknown_alarm_ns=settings["live.unknown_alarm"],
        reconcile_ns=int(settings["live.reconcile_interval"] / pace),
        order_cap=settings["live.order_cap"],
        funding_threshold_e8=Rate.of_float(settings["live.funding_threshold"]).e8,
        turnover_cap=settings["live.turnover_cap"],
        turnover_ns=settings["live.turnover_time"],
    )


def _wanted(settings: Config, instruments: tuple[Instrument, ...]) -> dict[str, Wanted]:
    """How each instrument is to be traded; ConfigError when the leverage cannot carry what risk allows."""
    leverage, most = settings["live.leverage"], settings["risk.max_leverage"]
    if leverage < most:
        raise ConfigError(
            f"live.leverage = {leverage} is below risk.max_leverage = {most:g}; raise it, or lower the other"
        )
    return {i.symbol: Wanted(leverage, settings["live.margin"]) for i in instruments}


def warm(settings: Config, chosen: Chosen, count: int) -> None:
    """Compile or load every kernel that trading `count` instruments uses, before any connection is open."""
    step = Decimal("0.001")
    some = [
        Instrument(f"W{k}-USDT-PERP", "none", f"W{k}", "USDT", "perp", step, step, step, step * 10**6, step)
        for k in range(count)
    ]
    plan = plan_for(settings.values, chosen, tuple(some), bars=False, bar_ns=BAR, start=0, end=BAR, seed=1)
    engine = new_engine(settings.values, plan, load(None).trees)
    LiveDriver(engine, new_simulator(settings.values, plan), FakeJournal(), chosen.native).timer(1)
    equity_nb(engine.ledger, engine.spec)
    conserved_nb(engine.ledger)
    tradable_nb(engine.core[0], 0)
    open_count_nb(engine.orders, 0)
    BinanceParsers().parser("WUSDT", 0, some[0]).parse(b"")


async def _instruments(venue: Venue, symbols: tuple[str, ...]) -> tuple[Rules, ...]:
    rules = {r.instrument.symbol: r for r in await venue.rules()}
    found = []
    for symbol in symbols:
        rule = rules.get(symbol)
        if rule is None:
            near = ", ".join(sorted(rules)[:8])
            raise ConfigError(f"{venue.name} does not list {symbol}; it lists {near}")
        if rule.status != "trading":
            raise ConfigError(f"{symbol} cannot be traded now: {venue.name} says that it is {rule.status}")
        found.append(rule)
    return tuple(found)


async def _new(venue: Venue, task: Task, clock: Clock) -> Started:
    """A new journal: instruments and capital as the venue states them."""
    rules = await _instruments(venue, task.symbols)
    instruments = tuple(replace(rule.instrument, maintenance=rule.maintenance) for rule in rules)
    quotes = {i.quote for i in instruments}
    if len(quotes) != 1:
        raise ConfigError(f"one account holds one currency, the instruments are quoted in {sorted(quotes)}")
    held = balance_of(await venue.account(), quotes.pop())
    capital = decimal_amount(steps_down(held, unit_of(8), "capital"), 8)
    if capital <= 0:
        raise ConfigError(f"the account at {venue.name} holds no {instruments[0].quote} to trade with")
    settings = configuration.from_json({**task.settings.to_json(), "account.capital": f"{capital:f}"})
    now = clock.now_ns()
    plan = plan_for(
        settings.values,
        task.chosen,
        instruments,
        bars=False,
        bar_ns=settings["bars.interval"] or BAR,
        start=now - 1,
        end=now + duration_ns("1d"),
        seed=task.seed,
    )
    data = {
        "path": f"live: {venue.name}",
        "inline": True,
        "synthetic": False,
        "start": None,
        "end": None,
        "first": now,
        "last": None,
        "venues": [venue.name],
        "bars": False,
        "contract_sizes": {rule.instrument.symbol: str(rule.contract_size) for rule in rules},
    }
    meta = describe_live(describe("live", settings.to_json(), plan, task.chosen, task.model, data), 1, 1)
    journal = FileJournal(task.folder, fsync=settings["journal.fsync"])
    session = assemble(meta, settings.values, plan, task.chosen, task.model, journal)
    return Started(session, journal, settings, [{"epoch": 1, "first_order": 1}], None, rules)


def _continued(venue: Venue, task: Task) -> Started:
    """The journal in the folder goes on: its settings and its plan, the next epoch."""
    meta = JournalReader(task.folder).meta()
    if meta["kind"] != "live" or meta["data"]["venues"] != [venue.name]:
        raise ConfigError(f"{task.folder} holds no live run on {venue.name}; name another folder with --out")
    settings, plan = configuration.from_json(meta["settings"]), Plan.from_json(meta["plan"])
    if tuple(i.symbol for i in plan.instruments) != task.symbols:
        stated = " ".join(f"--symbol {i.symbol}" for i in plan.instruments)
        raise ConfigError(f"the journal in {task.folder} trades other instruments; continue it with {stated}")
    chosen, model = choose(str(meta["strategy"])), model_of(meta)
    if chosen.sha256 != meta["strategy_sha256"]:
        raise ConfigError(
            f"strategy {chosen.spec} has changed since {task.folder} was begun; restore it, or begin anew"
        )
    engine = new_engine(settings.values, plan, model.trees)
    found = recover(task.folder, engine, new_simulator(settings.values, plan), chosen.native)
    if int(engine.safety.control[0]["killed"]):
        raise SafetyError(
            f"the run in {task.folder} was killed, and a killed run does not go on; begin a new journal"
            " (with --adopt if the account holds positions)"
        )
    epochs = found.epochs
    first = int(engine.safety.control[0]["next_order_id"])
    epochs = [*epochs, {"epoch": epochs[-1]["epoch"] + 1, "first_order": first}]
    journal = FileJournal(task.folder, fsync=settings["journal.fsync"], position=found.position)
    journal.append(port.META, epoch_block(**epochs[-1]))
    journal.commit()
    session = assemble(meta, settings.values, plan, chosen, model, journal, engine=engine)
    sizes = meta["data"].get("contract_sizes", {})
    known = tuple(
        Rules(i, "trading", Decimal(sizes[i.symbol])) for i in plan.instruments if i.symbol in sizes
    )
    return Started(session, journal, settings, epochs, found, known)


def panic_limits(settings: Config) -> Limits:
    """When the session stops by itself."""
    return Limits(
        slippage=settings["panic.slippage"],
        stale_ns=settings["panic.stale_after"],
        error_rate=settings["panic.error_rate"],
        latency_ns=settings["panic.latency"],
    )


async def trade(venue: Venue, task: Task, around: Surroundings) -> dict[str, Any]:
    """Trade on `venue` until the time is up or the switch trips; the results, as for any run."""
    with sole_writer(task.folder):
        async with sole_trader(around.lease):
            return await _connected(venue, task, around)


async def _connected(venue: Venue, task: Task, around: Surroundings) -> dict[str, Any]:
    """Begin or go on, with connection and journal closed at the end."""
    try:
        await venue.connect()
        fresh = not any(task.folder.glob("segment-*.b4j"))
        started = await _new(venue, task, around.clock) if fresh else _continued(venue, task)
        try:
            return await _run(venue, task, around, started)
        finally:
            started.journal.release()
    finally:
        await _close(venue, around)


async def _close(venue: Venue, around: Surroundings) -> None:
    """Close the connections, last of all, and not for ever."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await venue.close()
    except TimeoutError:
        around.alarm.tell("critical", f"the connections to {venue.name} did not close in {CLOSE_S:g} s")


async def _run(venue: Venue, task: Task, around: Surroundings, started: Started) -> dict[str, Any]:
    session, settings = started.session, started.settings
    driver = session.driver
    if not isinstance(driver, LiveDriver):
        raise ConfigError("the journal was not made by a live run")
    driver.warm()
    desk = Desk(
        venue,
        session.plan.instruments,
        session.plan.money_exp,
        settings["live.owner"],
        started.epochs[-1]["epoch"],
        around.clock,
        around.alarm,
        FileIntents(task.folder / "intents.b4i"),
        desk_settings(settings, task.pace),
    )
    desk.learn(started.known)
    desk.learn(await venue.rules())
    watch = Watch(
        driver,
        desk,
        [i.symbol for i in session.plan.instruments],
        around.switch,
        started.journal,
        around.clock,
        around.alarm,
        panic_limits(settings),
        around.health,
        Thresholds(
            spread_times=settings["panic.spread_times"],
            latency_ns=settings["breaker.latency"],
            error_rate=settings["breaker.error_rate"],
            timeout_ns=settings["breaker.timeout"],
            probes=settings["breaker.probes"],
        ),
    )
    desk.watcher = watch
    backfill = Backfill(
        driver,
        session.plan,
        venue,
        around.clock,
        around.alarm,
        observe=session.observe,
        time_bars=settings["bars.kind"] == "time",
    )
    desk.latch = around.switch.latch
    anchor = HourlyAnchor(started.journal, around.clock.now_ns())
    around.attach(session, anchor)
    driver.heard = watch.tripped
    live = LiveSession(
        Parts(
            driver=driver,
            plan=session.plan,
            venue=venue,
            desk=desk,
            journal=started.journal,
            switch=around.switch,
            clock=around.clock,
            alarm=around.alarm,
            epochs=started.epochs,
            recovered=started.recovered,
            adopt=task.adopt,
            wanted=_wanted(settings, session.plan.instruments),
            lease=around.lease,
            rhythm=Rhythm(
                timer_ns=session.plan.timer_ns,
                reconcile_ns=int(settings["live.reconcile_interval"] / task.pace),
                snapshot_ns=settings["live.snapshot_interval"],
                settle_ns=settings["live.settle_time"],
                wind_down_ns=settings["live.wind_down"],
                rules_ns=settings["live.rules_interval"],
                dead_man_ns=settings["live.dead_man"] if venue.capabilities.dead_man_switch else 0,
            ),
            show=lambda figures: around.show(session, desk, figures),
            control=around.control,
            watch=watch,
            backfill=backfill,
            owner=settings["live.owner"],
            room=Room(
                settings["safety.memory_soft"], settings["safety.memory_hard"], settings["safety.disk_floor"]
            ),
            steady=around.clock if isinstance(around.clock, SteadyClock) else None,
        )
    )
    begin = around.clock.monotonic_ns()
    why = await live.run(task.duration_ns)
    seconds = (around.clock.monotonic_ns() - begin) / NS["s"]
    cause = around.switch.cause
    extra = {
        "warnings": _warnings(session, desk, live.figures, why),
        "ended_by": why if cause is None else f"{why}: {cause.detail or 'operator'}",
        "seconds": round(seconds, 3),
        "synthetic": False,
        "live": live_document(desk, live.figures),
    }
    document = session.end(driver.now, seconds, extra)
    anchor.now(around.clock.now_ns())
    if live.forced:
        forced = OperatorError(f"the run has ended by itself: {live.forced}; its stops are at the venue")
        forced.document = document
        raise forced
    return document


def live_document(desk: Desk, figures: Figures) -> dict[str, Any]:
    """The session's own figures for --json."""
    return {
        "epoch": figures.epoch,
        "recovered_events": figures.recovered_events,
        "recovery_s": round(figures.recovery_s, 3),
        "dropped_blocks": figures.dropped_blocks,
        "reconciliations": figures.reconciliations,
        "cash_units_outside": figures.cash_booked,
        "explained": figures.explained,
        "adopted": figures.adopted,
        "unknown_orders": sum(desk.unknown.values()),
        "naked_s": {symbol: round(naked.worst_ns / 1e9, 3) for symbol, naked in desk.naked.items()},
        "lag_ms": round(figures.lag_ns / 1e6, 3),
        "snapshots": figures.snapshots,
        "feed_breaks": figures.feed_breaks,
        "bars_filled": figures.bars_filled,
        "venue": figures.venue,
        "orders_sent": figures.orders_sent,
        "shutdown_s": {taken.step: round(taken.seconds, 4) for taken in figures.shutdown},
        "shutdown_late": [taken.step for taken in figures.shutdown if not taken.in_time],
    }


def _warnings(session: Session, desk: Desk, figures: Figures, why: str) -> list[str]:
    said = []
    held = session.engine.ledger.positions["qty"] != 0
    if held.any():
        names = ", ".join(i.symbol for i, h in zip(session.plan.instruments, held) if h)
        left = (
            "could not be closed in time" if why == "kill switch" else "is open; its stop stays at the venue"
        )
        said.append(f"the position in {names} {left}")
    if desk.unknown:
        said.append(f"orders of unknown outcome remain: {dict(desk.unknown)}")
    said += [f"taken over from the venue: {text}" for text in figures.adopted]
    return said
