"""The platform under bot4 fails: loop, disk, clock, resolver, memory, alarms. Each is done to the real stack, and
each has a safe state that is reached and said (docs/failures.md, "The platform under it").

Times are scaled down by settings: a watchdog of 2 s and a block of 6 s stand for 30 s and more.
"""

import asyncio
import errno
import gc
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.process_scene import S, scene

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import exchange_of

from bot4.live.machine import memory_bytes
from bot4.live.watch import Watch
from bot4.model import codes_nb as c
from bot4.model.errors import OperatorError, StorageError
from bot4.ports import journal as port
from bot4.safety.guard import Patience
from bot4.safety.heartbeat import HeartbeatReader
from bot4.safety.system_clock import SteadyClock, SystemClock
from bot4.storage import journal as disk
from bot4.storage.journal import JournalReader

pytestmark = pytest.mark.jit

MIB = 1 << 20
MINUTES_10 = 600 * S


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def stops(stack):
    """The protection at the venue: (side, lots) of each stop."""
    return [(o.request.side, o.request.qty) for o in stack.open_orders() if "STOP" in o.request.type.name]


def notes(stack, what):
    return [b.payload for b in JournalReader(stack.folder).blocks(port.NOTE) if b.payload["what"] == what]


# --- the loop and the engine -----------------------------------------------------------------------------
STUCK = '''
import re
import time
from pathlib import Path

from bot4.strategies.api import Strategy

HERE = Path(__file__).parent


class Long(Strategy):
    """Always wants to be long, until it is told to hold the loop up."""

    def on_bar(self, bar):
        if (HERE / "block").exists():
            (HERE / "block").unlink()
            time.sleep(6.0)
        if (HERE / "endless").exists():
            while True:
                pass
        if (HERE / "native").exists():
            re.match(r"(a+)+$", "a" * 64 + "b")  # never ends, and never lets another thread run
        return 1.0
'''


async def latched(s):
    """The heartbeat file of the run says that the switch is raised."""
    path = next((s.folder / "control" / "bot4-control").glob("*.beat"))
    with HeartbeatReader(path) as reader:
        await s.until(lambda: (seen := reader.look()) is not None and seen.latched, "the raised flag")
        return reader.look()


async def test_platform_loop_blocked_the_watchdog_raises_the_flag_and_the_run_flattens_when_it_wakes(
    tmp_path, monkeypatch
):
    async with scene(tmp_path, monkeypatch) as s:
        s.strategy = STUCK
        await s.start("--set", "safety.watchdog=2s")
        guard = s.guarding(Patience(S, 30, 30 * S))  # patient: the run does it by itself
        await s.watching()
        (tmp_path / "block").touch()
        assert not (await latched(s)).ended  # by the watchdog's thread, while the loop stands still
        assert await asyncio.to_thread(s.process.wait, 30) == 0
        assert (await guard)["acted"] is False
        assert (s.lots(), s.orders()) == (0, [])
        assert "critical: kill switch: internal: no heartbeat for" in s.said()
        assert next(n for n in s.notes() if n["what"] == "shutdown step")["step"] == "stop new orders"
        assert s.marker.read().why.startswith("no heartbeat for")


@pytest.mark.parametrize("how", ["endless", "native"])
async def test_platform_engine_stuck_the_guard_ends_it_and_flattens(tmp_path, monkeypatch, how):
    """A strategy that never returns; in native code it even keeps the watchdog's thread from running."""
    async with scene(tmp_path, monkeypatch) as s:
        s.strategy = STUCK
        await s.start("--set", "safety.watchdog=2s")
        guard = subprocess.Popen(
            [
                sys.executable, "-m", "bot4.app.main", "guard", "--endpoint", s.endpoint, "--run",
                str(s.process.pid), "--beat", "1s", "--missed", "4", "--within", "3s",
                "--out", str(tmp_path / "g"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            await s.until(lambda: (tmp_path / "g").is_dir() and "watching" in s.did(), "the guard")
            (tmp_path / how).touch()
            if how == "endless":
                await latched(s)
            said = (await asyncio.to_thread(guard.communicate, timeout=60))[1]
        finally:
            guard.kill()
            guard.communicate()
        assert guard.returncode == 7, said
        assert await asyncio.to_thread(s.process.wait, 10) == -signal.SIGKILL
        assert (s.lots(), s.orders()) == (0, [])
        assert "acting" in s.did() and s.did()[-1] == "flat"
        assert "flat, and no orders" in said


# --- the disk --------------------------------------------------------------------------------------------
async def test_platform_disk_full_ends_new_risk_keeps_the_stops_and_goes_on_when_there_is_room(
    tmp_path, monkeypatch
):
    async with scene(tmp_path, monkeypatch) as s:
        await s.start()
        held, kept = s.lots(), len(s.orders())
        full = max(p.stat().st_size for p in (tmp_path / "j").glob("segment-*"))
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        assert await asyncio.to_thread(s.process.wait, 60) == 4
        said = s.said()
        assert "critical: the run cannot go on: journal" in said
        assert "positions keep their stops" in said
        assert "bot4: journal" in said and "free some space" in said
        assert s.lots() == held and len(s.orders()) == kept == 2
        again = await asyncio.to_thread(
            subprocess.run,
            s.command(tmp_path / "j", "--for", "2s"),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert again.returncode == 0, again.stderr
        assert b'"epoch": 2' in again.stdout


@contextmanager
def broken(monkeypatch, when=lambda: True):
    """The disk under the journal answers EIO from now on, or once `when` holds."""
    real = os.fsync

    def fail(handle):
        if when():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(disk.os, "fsync", fail)
    yield
    monkeypatch.undo()


async def failed(stack, kind):
    """The session ends with that error."""
    with pytest.raises(kind) as caught:
        async with asyncio.timeout(30):
            await stack.job
    return caught.value


async def test_platform_journal_unwritable_with_a_position_leaves_its_stop_and_tells(stack, monkeypatch):
    with pytest.raises(StorageError):
        async with stack.session() as live:
            await live.enter()
            held, kept = stack.lots, stops(stack)
            with broken(monkeypatch):
                error = await failed(stack, StorageError)
            assert error.exit_code == 4 and "Input/output error" in str(error)
            assert stack.lots == held and stops(stack) == kept
    assert stack.told("the run cannot go on", "critical")
    assert stack.told("0 of 0 orders that could raise risk are cancelled; positions keep", "critical")


async def test_platform_journal_unwritable_cancels_resting_entries(stack, monkeypatch):
    stack.strategy = "quoter"
    with pytest.raises(StorageError):
        async with stack.session(sets=["quoter.size=0.01", "panic.stale_after=1m"]) as live:
            await live.ready()
            await live.until(lambda: len(stack.open_orders()) >= 2, "quotes")
            with broken(monkeypatch):
                await failed(stack, StorageError)
            assert [o for o in stack.open_orders() if not o.request.reduce_only] == []
    assert stack.told("orders that could raise risk are cancelled", "critical")


async def test_platform_journal_unwritable_when_the_stop_is_due_closes_the_naked_position(stack, monkeypatch):
    """The entry is filled, and the order for its stop can no longer be written down: it must not be sent."""
    with pytest.raises(StorageError):
        async with stack.session() as live:
            await live.ready()
            with broken(
                monkeypatch, when=lambda: live.lots != 0
            ):  # the fold that books the fill makes the stop
                live.wish = 1.0
                await failed(stack, StorageError)
            assert len(stack.trades()) >= 2
            assert (stack.lots, stops(stack)) == (0, [])
    assert stack.told("no stop at the venue; the position is closed", "critical")


async def test_platform_journal_unwritable_after_a_kill_is_flattened_without_it(stack, monkeypatch):
    with pytest.raises(StorageError):
        async with stack.session() as live:
            await live.enter()
            with broken(monkeypatch):
                live.stop()
                await failed(stack, StorageError)
            assert (stack.lots, stack.open_orders()) == (0, [])
    assert stack.told("after the kill switch, without a journal: flat, no orders", "critical")


async def test_platform_journal_folder_removed_pauses_and_the_next_write_ends_it_in_order(stack):
    with pytest.raises(StorageError):
        async with stack.session(sets=["live.snapshot_interval=3s"]) as live:
            await live.enter()
            held, kept = stack.lots, stops(stack)
            shutil.rmtree(stack.folder)
            await live.until(lambda: live.control["mode"] == c.MODE_PAUSE, "the pause")
            await failed(stack, StorageError)
            assert stack.lots == held and stops(stack) == kept
    assert stack.told("the journal's folder cannot be asked", "critical")
    assert stack.told("positions keep their stops", "critical")


async def test_platform_little_disk_is_told_before_it_is_full_and_new_risk_ends(stack):
    async with stack.session(sets=["safety.disk_floor=900000000"]) as live:
        await live.ready()
        await live.until(lambda: live.control["mode"] == c.MODE_PAUSE, "the pause")
        live.wish = 1.0
        await live.until(lambda: live.engine.safety.refusals[c.R_MODE] > 0, "a refused entry")
        assert stack.orders() == []
    assert stack.told("MiB are free for the journal, below 900000000: no new risk", "critical")
    assert "are free for the journal" in notes(stack, "machine")[0]["text"]


# --- memory ----------------------------------------------------------------------------------------------
async def test_platform_memory_soft_limit_ends_new_risk_and_the_hard_one_ends_the_run_in_order(stack):
    gc.collect()  # of the tests before
    now = memory_bytes() // MIB
    sets = [f"safety.memory_soft={now + 500}", f"safety.memory_hard={now + 1000}"]
    ballast = []

    def fill(mib):
        """Use so much, also when something else has just been freed; 4 GiB at most."""
        while memory_bytes() // MIB <= mib and len(ballast) < 64:
            ballast.append(np.ones(64 * MIB, np.uint8))

    with pytest.raises(OperatorError, match="memory are used"):
        async with stack.session(sets=sets) as live:
            await live.enter()
            held, kept = stack.lots, stops(stack)
            fill(now + 600)
            await live.until(lambda: live.control["mode"] == c.MODE_PAUSE, "the pause")
            assert (stack.lots, stops(stack)) == (held, kept)
            fill(now + 1100)
            error = await failed(stack, OperatorError)
            assert error.exit_code == 4 and "memory are used" in error.document["ended_by"]
            assert (stack.lots, stops(stack)) == (held, kept)
    ballast.clear()
    assert len(notes(stack, "machine")) == len(stack.told("MiB of memory are used", "critical")) == 2
    assert stack.verified()


async def test_platform_an_allocation_that_fails_ends_the_run_with_its_stops_in_place(stack, monkeypatch):
    def fail(watch, instruments):
        raise MemoryError

    with pytest.raises(OperatorError, match="out of memory"):
        async with stack.session() as live:
            await live.enter()
            held, kept = stack.lots, stops(stack)
            monkeypatch.setattr(Watch, "quoted", fail)
            assert (await failed(stack, OperatorError)).exit_code == 4
            assert (stack.lots, stops(stack)) == (held, kept)
    assert stack.told("the run cannot go on", "critical")


# --- the clock -------------------------------------------------------------------------------------------
class Settable(SystemClock):
    """A machine whose wall clock somebody sets."""

    step = 0

    def now_ns(self):
        return super().now_ns() + self.step


@pytest.mark.parametrize("step", [MINUTES_10, -MINUTES_10])
async def test_platform_wall_clock_set_by_ten_minutes_changes_nothing_but_is_told(tmp_path, step):
    machine = Settable()
    async with exchange_of("perp", tmp_path) as stack:
        stack.clock = SteadyClock(machine)
        async with stack.session() as live:
            await live.enter()
            before, timers = live.session.driver.now, len(stack.events(c.EV_TIMER))
            began = machine.monotonic_ns()
            machine.step = step
            await live.until(lambda: stack.told("the machine's clock was set by", "warning"), "the word")
            live.wish = -1.0  # out, and the other way: signed requests, bars, ages, order rates
            await live.until(lambda: live.lots < 0 and live.lots == stack.lots, "trades after it")
            live.wish = None
            passed = machine.monotonic_ns() - began
            assert 0 < live.session.driver.now - before < passed + S  # engine time is the time that passed
            assert (
                len(stack.events(c.EV_TIMER)) - timers <= passed // 50_000_000 + 2
            )  # one each 50 ms: no storm
            assert c.R_STALE_DATA not in stack.events(c.EV_STATUS)["y"]
            assert not stack.switch.latched
        assert notes(stack, "clock")[0]["step_ns"] == pytest.approx(step, abs=S)
        assert stack.verified()


async def test_platform_a_machine_that_slept_takes_the_time_that_the_venue_agrees_with(tmp_path):
    """The monotonic clock stood still for ten minutes, the wall clock and the venue's went on."""
    machine = Settable()
    async with exchange_of("perp", tmp_path) as stack:
        stack.clock = SteadyClock(machine)
        async with stack.session(sets=["live.reconcile_interval=1s"]) as live:
            await live.enter()
            machine.step = MINUTES_10
            await stack.fault("skew", {"face": "time"}, skew_ms=600_000)
            agreed = "the venue agrees with the machine's new clock"
            await live.until(lambda: stack.told(agreed, "critical"), "the new time", 60)
            assert abs(stack.clock.step_ns()) < S
            now = stack.clock.now_ns()
            await live.until(lambda: live.figures.reconciled_at > now, "signed answers", 60)
        assert stack.lots == 0 and stack.verified()


# --- the resolver ----------------------------------------------------------------------------------------
async def test_platform_dns_gone_is_an_outage_of_the_venue_with_backoff_and_an_end(stack, monkeypatch):
    stack.host = "localhost"
    asked = []
    real = socket.getaddrinfo

    def gone(host, *more, **named):
        if host != "localhost":
            return real(host, *more, **named)
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with stack.session() as live:
        await live.enter()
        held, kept = stack.lots, stops(stack)
        monkeypatch.setattr(socket, "getaddrinfo", gone)
        await stack.fault("close", {"face": "ws"})
        await stack.fault("status", {"method": "POST", "path": "/fapi/v1/listenKey"}, http=503)
        status = live.engine.inst[0]
        await live.until(lambda: status["status"] == c.STATUS_DISCONNECTED, "the broken feed", 40)
        await live.until(lambda: live.figures.feed_breaks >= 3, "more attempts", 40)
        assert stack.told("no market data (network) while a position is open", "critical")
        assert (stack.lots, stops(stack)) == (held, kept)
        assert len(asked) < 200  # waits that grow: no storm
        await stack.heal()
        monkeypatch.undo()
        await live.until(lambda: status["status"] == c.STATUS_OK, "the feed again")
        live.wish = -1.0
        await live.until(lambda: live.lots < 0, "trades after it")
        live.wish = None
        assert not stack.switch.latched
    assert stack.verified()


# --- alarms ----------------------------------------------------------------------------------------------
@contextmanager
def hanging():
    """A server that takes every connection and never answers; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def take():
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in held:
            connection.close()


async def test_platform_alarms_unreachable_leave_trading_and_the_stop_alone(tmp_path, monkeypatch):
    with hanging() as port_, socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))  # bound, and never listening
        (tmp_path / "channels").write_text(
            f"json://127.0.0.1:{refused.getsockname()[1]}\n2 xml://127.0.0.1:{port_}\n"
        )
        async with scene(tmp_path, monkeypatch) as s:
            # a monitor that cannot be reached is what there is to tell
            nowhere = f"http://127.0.0.1:{refused.getsockname()[1]}/"
            sets = (
                f"alarm.channels={tmp_path / 'channels'}",
                f"alarm.heartbeat_url={nowhere}",
                "alarm.heartbeat=1s",
            )
            await s.start(*(word for text in sets for word in ("--set", text)))
            await s.until(lambda: "alarm channel json does not deliver" in s.said(), "the word on stderr")
            await s.until(
                lambda: any(n["what"] == "alarm channel" for n in s.notes()), "the word in the journal"
            )
            s.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(s.process.wait, 60) == 0
            assert (s.lots(), s.orders()) == (0, [])
            assert next(n["text"] for n in s.notes() if n["what"] == "alarm channel").startswith(
                "alarm channel json"
            )
            assert "127.0.0.1" not in "".join(
                line for line in s.said().splitlines() if "alarm channel" in line
            )
