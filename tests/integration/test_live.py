"""The live session against a venue in memory: start, kill at any place, restart, faults, agreement."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from unittest.mock import AsyncMock

import numpy as np
import pytest
from tests.helpers.fake_venue import SYMBOL, FakeVenue

from bot4.app import config
from bot4.app.commands.replay import replay
from bot4.app.commands.trade import account_lease, process_lives
from bot4.app.trading import Surroundings, Task, sole_trader, trade
from bot4.execution.lease import Lease
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, SafetyError
from bot4.model.events import EVENT_DTYPE
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.ports.lease import FakeLease, Holder
from bot4.ports.venue import MarketBatch
from bot4.research.session import choose, load
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import JournalReader

SETS = (
    "strategy.fixed_size=0.01",
    "bars.kind=tick",
    "bars.ticks=1",
    "safety.protection_interval=50ms",
    "safety.max_orders_per_second=1000",
    "quality.outlier_move=90 %",
    "risk.max_position=100 %",
    "risk.max_order=100 %",
    "risk.max_asset=100 %",
    "risk.max_heat=1000 %",
    "risk.max_open_risk=100 %",
    "safety.cooldown=0s",
    "live.wind_down=2s",
    "live.settle_time=5s",
    "live.not_found_time=200ms",
    "panic.latency=1m",
    "panic.error_rate=100 %",
    "safety.memory_soft=1000000",  # of all tests in this process
    "safety.memory_hard=1000000",
)
STRATEGY = '''
from bot4.strategies.api import Strategy

class Flip(Strategy):
    """In and out, bar by bar."""

    def on_start(self, data_dir):
        self.n = 0

    def on_bar(self, context):
        self.n += 1
        return 1.0 if context.position <= 0 else -1.0
'''


class Crash(BaseException):
    """The process is gone: nothing after this runs."""


class World:
    """One journal folder, one venue, and sessions that come and go."""

    def __init__(self, folder, tmp):
        self.folder = folder
        self.venue = FakeVenue()
        self.alarm = FakeAlarm()
        file = tmp / "flip.py"
        file.write_text(STRATEGY)
        self.strategy = f"{file}:Flip"
        self.switch = None
        self.seen = []
        self.lease = None

    def task(self, seconds, adopt=False, sets=()):
        settings = config.load(None, [*SETS, *sets, f"strategy.name={self.strategy}"])
        return Task(
            (SYMBOL,), settings, choose(self.strategy), load(None), 7, self.folder, adopt, int(seconds * 1e9)
        )

    async def run(self, steps, seconds=60, **kw):
        """One session; `steps(self, session, desk)` drives the market and ends it by tripping or time."""
        clock = SystemClock()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.switch = KillSwitch(self.folder.parent / "stop", clock, self.alarm, max_missed=600)
        ready = asyncio.Event()

        def show(session, desk, figures):
            self.session, self.desk, self.figures = session, desk, figures
            ready.set()

        async def drive():
            await ready.wait()
            await steps(self)

        job = asyncio.create_task(
            trade(
                self.venue,
                self.task(seconds, **kw),
                Surroundings(clock, self.alarm, self.switch, show, lease=self.lease),
            )
        )
        driver = asyncio.create_task(drive())
        done, _ = await asyncio.wait({job, driver}, return_when=asyncio.FIRST_COMPLETED)
        if driver in done and driver.exception() is not None and not isinstance(driver.exception(), Crash):
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            raise driver.exception()
        if driver in done and isinstance(driver.exception(), Crash):
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            return None
        try:
            return await job
        finally:
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)

    async def until(self, condition, what="condition"):
        for _ in range(2000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{what} did not come: {self.alarm.told[-3:]}")

    async def reconciled(self):
        await self.until(lambda: self.control["reconciled"] == 1, "agreement")

    @property
    def engine(self):
        return self.session.engine

    @property
    def control(self):
        return self.engine.safety.control[0]

    @property
    def lots(self):
        return int(self.engine.ledger.positions[0]["qty"])

    def venue_lots(self):
        return int(self.venue.position / Decimal("0.001"))

    async def trade_bars(self, n):
        """Quotes with trades: each makes a bar, and each bar an order or two."""
        clock = SystemClock()
        for k in range(n):
            self.venue.bar(clock.now_ns(), Decimal(50000) + k % 7)
            await asyncio.sleep(0.005)

    def stop(self):
        self.switch.trip(c.R_OPERATOR, "test")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "journal", tmp_path)


def kinds_of(folder):
    return JournalReader(folder).gather(port.INPUTS)["event"]["kind"].tolist()


def verify(folder):
    return replay(journal=folder, verify=True, data=None, as_json=True)


async def enter(world):
    await world.reconciled()
    clock = SystemClock()
    for k in range(60):
        world.venue.bar(clock.now_ns(), Decimal(50000) + k % 7)
        for _ in range(40):
            await asyncio.sleep(0.01)
            if world.lots and len(world.venue.working()) == 2 and world.lots == world.venue_lots():
                return
    raise AssertionError(f"no entry: {world.engine.safety.refusals.nonzero()} {world.alarm.told}")


async def test_trades_protects_and_flattens_on_a_kill(world):
    async def steps(w):
        await enter(w)
        w.stop()

    document = await world.run(steps)
    assert document["ended_by"].startswith("kill switch")
    assert world.venue.position == 0
    assert world.venue.working() == []
    assert document["live"]["adopted"] == []
    assert verify(world.folder)["identical"]
    notes = [b.payload for b in JournalReader(world.folder).blocks(port.NOTE)]
    steps = [n["step"] for n in notes if n["what"] == "shutdown step"]
    assert (
        steps
        == ["stop new orders", "cancel all", "cancel", "flatten"]
        == list(document["live"]["shutdown_s"])
    )
    assert all(n["in_time"] for n in notes)
    assert document["live"]["shutdown_late"] == []
    assert world.alarm.told[-1][1] == "shutdown after the kill switch: flat, no orders"
    assert world.venue.connected == 0


async def test_a_step_of_the_shutdown_that_is_late_is_told_and_the_next_is_taken(world):
    async def steps(w):
        await enter(w)
        w.venue.silent = w.venue.frozen = True
        w.stop()

    document = await world.run(steps, sets=["live.wind_down=1s"])
    assert document["live"]["shutdown_late"] == ["cancel all", "flatten"]
    assert world.alarm.told[-1][1].endswith("NOT flat")
    assert any("'flatten' was not over after" in text for _, text in world.alarm.told)


async def crash(world, steps):
    """Run `steps`, then take the journal as it lies on the disk at that instant, and end the process."""
    spare = world.folder.with_name("spare")

    async def until_crash(w):
        await steps(w)
        shutil.copytree(w.folder, spare)
        w.venue.frozen = True
        raise Crash

    assert await world.run(until_crash) is None
    shutil.rmtree(world.folder)
    spare.rename(world.folder)


def same_trades(world):
    """Every trade of the venue is booked once, and nothing else."""
    events = JournalReader(world.folder).gather(port.INPUTS)["event"]
    booked = events[events["kind"] == c.EV_FILL]["seq"].tolist()
    return sorted(booked) == sorted(int(t.trade_id) for t in world.venue.own)


async def agreed(world):
    await world.reconciled()
    await world.until(lambda: world.lots == world.venue_lots(), "the venue's position")
    await world.until(lambda: not world.desk.unknown, "the look-up")
    assert world.figures.adopted == []


async def test_a_restart_after_a_crash_goes_on_with_the_same_position_and_stop(world):
    await crash(world, enter)
    before = world.venue_lots(), sorted(world.venue.working())
    assert before[0] != 0

    async def steps(w):
        await agreed(w)
        assert (w.lots, sorted(w.venue.working())) == before  # F3.1, F3.7: nothing made up, nothing doubled
        assert w.figures.epoch == 2
        w.stop()

    document = await world.run(steps)
    assert document["live"]["explained"] == []
    assert same_trades(world)
    assert verify(world.folder)["identical"]
    assert len(set(world.venue.submitted)) == len(world.venue.submitted)


@pytest.mark.parametrize("seed", range(4))
async def test_crashes_at_random_instants_lose_and_double_nothing(world, seed):
    chance = random.Random(seed)
    faults = ["", "", "lose", "drop", "refuse"]
    for _ in range(5):
        world.venue.faults = [chance.choice(faults) for _ in range(chance.randrange(6))]

        async def steps(w):
            if chance.random() < 0.8:
                await w.reconciled()
            await w.trade_bars(chance.randrange(1, 60))
            await asyncio.sleep(chance.random() * 0.02)

        await crash(world, steps)
    world.venue.faults = []

    async def steps(w):
        await agreed(w)
        w.stop()

    await world.run(steps)
    assert same_trades(world)
    assert world.venue.position == 0
    decisions = JournalReader(world.folder).gather(port.ORDERS)
    entries = decisions[(decisions["purpose"] == c.FOR_ENTRY) & (decisions["action"] == c.ACT_NEW)]
    assert len(np.unique(entries["id"])) == len(entries)
    assert c.EV_ADOPT not in kinds_of(world.folder)
    assert verify(world.folder)["identical"]


@pytest.mark.parametrize("fault", ["lose", "drop"])
async def test_a_lost_reply_is_looked_up_and_never_sent_again(world, fault):
    """F2.1, F2.5: one position at most; the strategy sees its fill once."""
    world.venue.faults = [fault]

    async def steps(w):
        await w.reconciled()
        await w.trade_bars(40)
        await w.until(lambda: c.EV_UNKNOWN in kinds_of(w.folder), "the unknown order")
        if fault == "lose":
            await w.until(lambda: not w.desk.unknown and w.lots == w.venue_lots(), "the look-up")
            assert len(w.venue.own) >= 1
        else:
            assert w.desk.unknown == {SYMBOL: 1}  # absence needs patience
            assert w.lots == 0
        w.stop()

    await world.run(steps, sets=["live.not_found_time=30s"])
    assert len([k for k in world.venue.submitted if k.endswith("-1")]) == (fault == "lose")
    assert same_trades(world)


async def test_an_account_with_a_position_and_a_new_journal_is_refused_unless_adopted(world):
    world.venue.move(Decimal("0.5"), Decimal(50000))  # F3.9

    async def nothing(w):
        await asyncio.sleep(60)

    with pytest.raises(SafetyError, match="--adopt"):
        await world.run(nothing)
    assert world.venue.submitted == []
    shutil.rmtree(world.folder)

    async def steps(w):
        await w.reconciled()
        await w.until(lambda: len(w.venue.working()) == 2, "stop and target")
        assert w.lots == 500
        w.stop()

    document = await world.run(steps, adopt=True)
    assert "0.5 there, 0 here" in document["live"]["adopted"][0]
    assert world.venue.position == 0
    assert verify(world.folder)["identical"]


async def test_a_position_closed_by_hand_meanwhile_is_followed_and_its_stop_not_made_again(world):
    await crash(world, enter)
    world.venue.move(-world.venue.position, Decimal(50010))

    async def steps(w):
        await w.reconciled()
        assert w.lots == 0
        await w.until(lambda: not w.venue.working(), "the legs' end")
        await asyncio.sleep(0.2)
        assert w.venue.working() == []
        w.stop()

    document = await world.run(steps)
    assert document["live"]["adopted"]
    assert verify(world.folder)["identical"]


async def test_a_venue_that_does_not_answer_is_not_taken_for_flat(world):
    await crash(world, enter)
    world.venue.silent = True

    async def steps(w):
        await asyncio.sleep(1.0)
        assert w.lots == w.venue_lots() != 0
        assert w.control["reconciled"] == 0
        await w.trade_bars(20)
        w.venue.silent = False
        await agreed(w)
        w.stop()

    await world.run(steps, sets=["live.settle_time=1s"])
    assert same_trades(world)


async def test_an_orderly_end_leaves_the_position_with_its_stop(world):
    async def steps(w):
        await enter(w)
        await asyncio.sleep(60)

    document = await world.run(steps, seconds=3)
    assert document["ended_by"] == "time is up"
    assert world.venue.position != 0
    assert len(world.venue.working()) == 2
    assert any("its stop stays at the venue" in text for text in document["warnings"])
    assert verify(world.folder)["complete"]

    async def again(w):
        await agreed(w)
        await w.until(lambda: w.control["mode"] == c.MODE_NORMAL, "the end of the pause")
        w.stop()

    await world.run(again)
    assert verify(world.folder)["identical"]


async def test_a_killed_run_does_not_go_on_and_one_journal_has_one_writer(world):
    async def steps(w):
        await w.reconciled()
        with pytest.raises(SafetyError, match="another process"):
            await trade(w.venue, w.task(1), Surroundings(SystemClock(), w.alarm, w.switch, lambda *a: None))
        w.stop()

    await world.run(steps)
    with pytest.raises(SafetyError, match="was killed"):
        await world.run(steps)


async def test_a_broken_feed_stops_entries_until_a_snapshot_comes(world):
    async def steps(w):
        await w.reconciled()
        await w.trade_bars(3)
        w.venue.break_feed()
        await w.until(lambda: w.engine.inst[0]["status"] == c.STATUS_DISCONNECTED, "the broken feed")
        await w.trade_bars(1)
        await w.until(lambda: w.engine.inst[0]["status"] == c.STATUS_OK, "the new snapshot")
        assert w.figures.feed_breaks == 1
        w.stop()

    await world.run(steps)


async def test_another_journal_is_not_continued_by_mistake(world):
    await crash(world, enter)

    async def nothing(w):
        await asyncio.sleep(60)

    world.venue.name = "other"
    with pytest.raises(ConfigError, match="no live run on other"):
        await world.run(nothing)
    world.venue.name = "fake"
    task = world.task(1)
    with pytest.raises(ConfigError, match="other instruments"):
        await trade(
            world.venue,
            Task(("ETH-USDT-PERP",), task.settings, task.chosen, task.model, 7, task.folder, False, 1),
            Surroundings(SystemClock(), world.alarm, world.switch, lambda *a: None),
        )
    (world.folder.parent / "flip.py").write_text(STRATEGY + "\n# changed\n")
    with pytest.raises(ConfigError, match="has changed"):
        await world.run(nothing)


async def test_an_instrument_that_is_not_there_is_named(tmp_path):
    made = World(tmp_path / "j", tmp_path)
    switch = KillSwitch(tmp_path / "stop", SystemClock(), made.alarm)
    around = Surroundings(SystemClock(), made.alarm, switch, lambda *a: None)
    task = made.task(1)
    bad = Task(("XX-USDT-PERP",), task.settings, task.chosen, task.model, 7, task.folder, False, 1)
    with pytest.raises(ConfigError, match="does not list XX-USDT-PERP"):
        await trade(made.venue, bad, around)
    made.venue.wallet = Decimal(0)
    with pytest.raises(ConfigError, match="holds no USDT"):
        await trade(made.venue, task, around)


async def test_one_instance_an_account_and_one_that_lost_its_place_adds_no_risk(world):
    store, clock = FakeLease(), SystemClock()
    world.lease = Lease(store, "first", clock)

    async def steps(w):
        await w.reconciled()
        assert store.read().name == "first"
        around = Surroundings(
            clock,
            w.alarm,
            w.switch,
            lambda *a: None,
            lease=Lease(store, "second", clock, alive=lambda n: True),
        )
        other = replace(w.task(1), folder=w.folder.with_name("other"))
        with pytest.raises(SafetyError, match="first trades this account"):
            await trade(w.venue, other, around)
        store.held = Holder("third", clock.now_ns())  # somebody took it by force
        w.lease._written -= 20 * 10**9
        await w.until(lambda: any("another instance" in text for _, text in w.alarm.told), "the alarm")
        assert w.desk.blocked(SYMBOL) == c.R_KILLED
        w.stop()

    await world.run(steps)
    assert store.read().name == "third"


async def test_a_silent_holder_is_watched_before_its_place_is_taken(monkeypatch):
    monkeypatch.setattr("bot4.app.trading.WATCH_S", 0.01)
    store, clock = FakeLease(), SystemClock()
    Lease(store, "dead", clock).acquire()
    async with sole_trader(Lease(store, "next", clock, stale_ns=30_000_000)):
        assert store.read().name == "next"
    assert store.read() is None


async def test_an_account_in_another_mode_than_wanted_is_refused(world):
    account = world.venue.account
    world.venue.account = hedged = AsyncMock(side_effect=lambda: account())

    async def nothing(w):
        await asyncio.sleep(60)

    hedged.side_effect = [await account()] + [
        replace(await account(), hedge_mode=True, can_withdraw=True)
    ] * 9
    with pytest.raises(SafetyError, match=r"hedge mode is on.*the key may withdraw"):
        await world.run(nothing)
    assert world.venue.submitted == []


async def test_leverage_at_the_venue_must_carry_what_risk_allows(world):
    async def nothing(w):
        await asyncio.sleep(60)

    with pytest.raises(ConfigError, match=r"live\.leverage = 1 is below risk\.max_leverage = 2"):
        await world.run(nothing, sets=["risk.max_leverage=2"])


def test_a_process_lives_is_gone_or_is_elsewhere():
    assert process_lives(f"here:{os.getpid()}:1", "here") is True
    assert process_lives("elsewhere:1:1", "here") is None
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process_lives(f"here:{child.pid}:1", "here") is False
    assert process_lives("here:1:1", "here") is True  # not ours to signal, perhaps, but there


def test_an_account_has_one_lease(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    one, two = (account_lease("binance-usdm", "http://127.0.0.1:9", "main") for _ in range(2))
    assert one.acquire() == "" and "trades this account" in two.acquire() and two.rival_lives
    assert account_lease("binance-spot", "http://127.0.0.1:9", "main").acquire() == ""
    one.release()
    assert two.acquire() == ""


async def test_f8_4_a_price_of_nothing_an_empty_book_or_another_market_triggers_nothing(world):
    def bad(kind, price, x=0, qty=1000):
        row = np.zeros(1, EVENT_DTYPE)
        row["kind"], row["price"], row["x"], row["qty"], row["y"] = kind, price, x, qty, qty
        row["ts_venue"] = row["ts_local"] = SystemClock().now_ns()
        row["seq"] = row["ts_local"] // 1000
        return MarketBatch(row)

    async def steps(w):
        await enter(w)
        held, mark, equity = w.lots, int(w.engine.inst[0]["mark"]), int(w.engine.ledger.account[0]["cash"])
        counts = w.engine.core["quality_counts"][0][0]
        before = int(counts[1:].sum())
        wild = [bad(c.EV_TRADE, 0), bad(c.EV_BOOK_TICKER, 0, 0), bad(c.EV_TRADE, 1), bad(c.EV_TRADE, -5)]
        for batch in [*wild, bad(c.EV_TRADE, 500_000, qty=0), bad(c.EV_SNAPSHOT_HEAD, 0)]:
            w.venue.batches.put_nowait(batch)
        await w.until(lambda: int(counts[1:].sum()) >= before + 5, "five events in quarantine")
        assert w.lots == held == w.venue_lots()
        assert int(w.engine.inst[0]["mark"]) == mark
        assert int(w.engine.ledger.account[0]["cash"]) == equity
        assert len(w.venue.working()) == 2
        assert w.control["mode"] == c.MODE_NORMAL
        w.stop()

    await world.run(steps)
    assert verify(world.folder)["identical"]
