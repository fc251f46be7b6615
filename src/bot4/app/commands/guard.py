"""`bot4 guard`: a second process that watches a run, and closes the account when the run no longer can."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.app.alarms import alarms
from bot4.app.commands.stop import control_dir, heartbeat_file
from bot4.app.commands.trade import marker_of, open_venue
from bot4.app.egress import Told, alarm_places, fenced, place_of
from bot4.app.trading import writer_of
from bot4.app.trail import Trail
from bot4.execution.flatten import Flattener
from bot4.model.errors import ConfigError, OperatorError, SafetyError
from bot4.model.times import NS, duration_ns
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.venue import Venue, VenueError
from bot4.safety.guard import Patience, Verdict, Watch
from bot4.safety.heartbeat import HeartbeatReader
from bot4.safety.marker import KillMarker
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import FileJournal

LOOK_S = 0.05
AGAIN_S = 0.25
"""Between two rounds of flattening, and between two looks at the account of a stopped run."""
SURE = 2
"""So many looks in a row must find nothing before the account counts as flat."""


class RunProcess:
    """The watched process, held by a handle that no later process with the same number can take over."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._handle: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._handle is not None and not select.select([self._handle], [], [], 0)[0]

    def end(self) -> None:
        """Kill it, so that it cannot wake up and trade."""
        if self.alive and self._handle is not None:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the handle."""
        if self._handle is not None:
            os.close(self._handle)


@dataclass
class Guard:
    """One guard at work. `journal` gets a note of everything that it does."""

    process: RunProcess
    heartbeat: HeartbeatReader
    venue: Venue
    journal: FileJournal
    alarm: Alarm
    clock: Clock
    marker: KillMarker
    patience: Patience
    dead_man_ns: int
    _armed: set[str] = field(default_factory=set)
    _arm_due: int = 0
    _hands: Flattener = field(init=False)

    def __post_init__(self) -> None:
        self._hands = Flattener(self.venue, self.clock, self.clock.now_ns() // NS["s"], self.note)

    def note(self, record: dict[str, Any]) -> None:
        """Journal what was done, before anything else is."""
        self.journal.append(port.NOTE, {**record, "wall_ns": self.clock.now_ns(), "by": "guard"})
        self.journal.commit()

    async def run(self) -> dict[str, Any]:
        """Watch until the run has ended, or until what it left is closed."""
        await self.venue.clock_offset_ns()
        self._hands.learn(await self.venue.rules())
        watch = Watch(self.patience, self.clock.monotonic_ns())
        self.note({"what": "watching", "run": self.process.pid})
        try:
            return await self._watch(watch)
        finally:
            await self._disarm()

    async def _watch(self, watch: Watch) -> dict[str, Any]:
        while True:
            alive = self.process.alive  # before the file: a run that ends in between has said so there
            verdict = watch.look(self.heartbeat.look(), alive, self.clock.monotonic_ns())
            if verdict in (Verdict.ENDED, Verdict.GONE):
                return self._over(str(verdict))
            if verdict is Verdict.SILENT:
                silent_s = watch.silence_ns(self.clock.monotonic_ns()) / NS["s"]
                return await self._act(f"silent for {silent_s:.2f} s" if alive else "the process is dead")
            if verdict is Verdict.LATE:
                if not await self._flat():
                    return await self._act("not flat in time after the kill switch rose")
                if not alive:
                    return self._over("ended")
                await asyncio.sleep(AGAIN_S)
            else:
                await self._arm()
            await asyncio.sleep(LOOK_S)

    def _over(self, how: str) -> dict[str, Any]:
        self.note({"what": f"the run has {how}"})
        return {"run": self.process.pid, "ended": how, "acted": False}

    async def _flat(self) -> bool:
        try:
            return not await self._hands.look()
        except VenueError as error:
            self.note({"what": "look failed", "error": str(error)})
            return False

    # --- acting ------------------------------------------------------------------------------------------
    async def _act(self, why: str) -> dict[str, Any]:
        """Stop the run for good, then cancel and close until nothing is left, for as long as it takes."""
        begin = self.clock.monotonic_ns()
        self.note({"what": "acting", "why": why})
        self.alarm.tell(
            "critical", f"guard: run {self.process.pid}: {why}; cancelling and closing everything"
        )
        self._fence(why)
        clean = rounds = 0
        told = False
        first = ""
        while clean < SURE:
            rounds += 1
            try:
                left = await self._hands.round()
                clean = 0 if left else clean + 1
                first = first or str(left)
            except VenueError as error:
                clean = 0
                self.note({"what": "look failed", "error": str(error)})
            passed = self.clock.monotonic_ns() - begin
            if passed > self.patience.within_ns and clean < SURE and not told:
                told = True
                self.alarm.tell(
                    "critical", f"guard: not flat after {passed / NS['s']:.1f} s; a person is needed"
                )
            if clean < SURE:
                await asyncio.sleep(AGAIN_S)
        seconds = (self.clock.monotonic_ns() - begin) / NS["s"]
        self.note({"what": "flat", "seconds": seconds, "rounds": rounds, "found": first})
        self.alarm.tell("critical", f"guard: flat, and no orders, {seconds:.2f} s after it began")
        return {
            "run": self.process.pid,
            "ended": "guard",
            "acted": True,
            "why": why,
            "found": first,
            "flat_s": round(seconds, 3),
            "rounds": rounds,
        }

    def _fence(self, why: str) -> None:
        """The stop file, the mark on the account, the end of the process; each even if another fails."""
        for what, step in (
            ("stop file", lambda: (control_dir() / f"run-{self.process.pid}.stop").write_text("guard\n")),
            ("mark", lambda: self.marker.set(f"guard: {why}", self.clock.now_ns())),
            ("end of the process", self.process.end),
        ):
            try:
                step()
            except OSError as error:
                self.note({"what": f"{what} failed", "error": str(error)})
                self.alarm.tell("critical", f"guard: {what} failed: {error}")

    # --- the venue's own timer ---------------------------------------------------------------------------
    async def _arm(self) -> None:
        """While the run is well: let the venue cancel what rests there, should the guard fall silent too."""
        now = self.clock.monotonic_ns()
        if not self.dead_man_ns or now < self._arm_due:
            return
        self._arm_due = now + self.dead_man_ns // 3
        try:
            for symbol in sorted({order.symbol for order in await self.venue.open_orders()}):
                await self.venue.set_dead_man(symbol, self.dead_man_ns)
                self._armed.add(symbol)
        except VenueError as error:
            self.note({"what": "dead-man timer failed", "error": str(error)})
            self.alarm.tell("warning", f"guard: the venue's dead-man timer could not be set: {error}")

    async def _disarm(self) -> None:
        for symbol in sorted(self._armed):
            try:
                await self.venue.set_dead_man(symbol, 0)
            except VenueError as error:
                self.note({"what": "dead-man timer not ended", "symbol": symbol, "error": str(error)})


def run_of(named: str) -> int:
    """The process id that --run names, as a number or as the folder of a journal."""
    return int(named) if named.isdigit() else writer_of(Path(named))


@contextmanager
def watched(pid: int) -> Iterator[tuple[RunProcess, HeartbeatReader]]:
    """The run `pid`; OperatorError when it shows no heartbeat."""
    process = RunProcess(pid)
    try:
        with HeartbeatReader(heartbeat_file(pid)) as heartbeat:
            yield process, heartbeat
    except FileNotFoundError:
        raise OperatorError(f"no run of bot4 with process id {pid} shows a heartbeat here") from None
    finally:
        process.close()


async def _until_told(guard: Guard) -> dict[str, Any]:
    """Run the guard; SIGTERM and SIGINT end it, and it disarms what it armed."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await guard.run()
    finally:
        await guard.venue.close()


def guard(
    *,
    venue: str,
    endpoint: str,
    run: str,
    beat: str,
    missed: int,
    within: str,
    dead_man: str,
    out: Path | None,
    config: Path | None,
    sets: list[str],
    as_json: bool,
) -> dict[str, Any] | None:
    """Watch a run until it ends; SafetyError (exit code 7) when the guard had to act."""
    settings = bootstrap.settings_of(config, sets, None)
    patience = Patience(duration_ns(beat), missed, duration_ns(within))
    there = open_venue(venue, endpoint, settings["live.owner"])
    if there.capabilities.market != "perp":
        raise ConfigError(f"--venue {venue}: a guard closes positions, and a spot account has none to close")
    timer = duration_ns(dead_man) if dead_man != "0" and there.capabilities.dead_man_switch else 0
    marker = marker_of(venue, endpoint, settings["live.owner"])
    folder = bootstrap.journal_folder(out, "guard")
    with (
        watched(run_of(run)) as (process, heartbeat),
        alarms(settings, lambda: True) as alarm,
        bootstrap.new_journal(folder, settings) as journal,
        closing(Trail(folder, SystemClock(), alarm)) as trail,
        fenced(
            [place_of(endpoint), *alarm_places(settings, alarm.hub.hosts())],
            Told(trail, alarm, SystemClock()),
        ),
    ):
        journal.append(port.META, {"kind": "guard", "run": process.pid, "venue": there.name})
        clock = SystemClock()
        made = Guard(process, heartbeat, there, journal, alarm, clock, marker, patience, timer)
        try:
            found = asyncio.run(_until_told(made))
        except asyncio.CancelledError:
            found = {"run": process.pid, "ended": "signal", "acted": False}
        found["journal"] = str(folder)
        journal.close()
    if found["acted"]:
        error = SafetyError(f"the guard closed the account of run {found['run']}: {found['why']}")
        error.document = found
        raise error
    if as_json:
        return found
    print(f"run {found['run']}: {found['ended']}; the guard had nothing to do")
    return None
