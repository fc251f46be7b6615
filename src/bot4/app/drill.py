"""The kill drill: a trading process is killed (SIGKILL) again and again; the books are compared each time.

Three processes. The exchange is served on loopback. The trader is the code of `bot4 run --endpoint`, forked
from this process, which has imported and loaded everything but holds no thread and no connection: so a
restart costs what recovery costs, not what Python's start costs. This process draws when to kill:

    instant      at a random instant while it trades
    start        at a random instant while it starts: recovery, look-ups, comparison
    before send  the order is on the disk, and nothing of it has left
    after send   the request is under way, the reply has not come

After each restart the trader says when it has recovered, and waits; then its journal is compared with the
exchange's own account and trades; then it may trade on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import select
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot4.app.commands.trade import open_venue
from bot4.app.config import Config
from bot4.app.drill_books import Books, Exchange
from bot4.app.trading import Surroundings, Task, trade
from bot4.engine.state import Engine
from bot4.execution.desk import Desk
from bot4.live.session import Figures
from bot4.model.approved import ApprovedOrder
from bot4.model.errors import OperatorError
from bot4.model.times import NS
from bot4.ports.alarm import Level
from bot4.ports.venue import MarketBatch, OrderReport, Venue
from bot4.research.session import Chosen, LoadedModel, Session
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SystemClock
from bot4.venues.binance.endpoints import USDM_LIMITS
from bot4.venues.served.limits import Limits
from bot4.venues.served.listing import generated_exchanges
from bot4.venues.served.server import ServedOptions, ServedVenue

OWNER = "drill"
LIFTED = tuple(replace(limit, amount=10**9) for limit in USDM_LIMITS)
SYMBOL = "BTC-USDT-PERP"
MODES = ("instant", "instant", "before send", "after send", "start")
LONGEST_S = 1.0
"""An instant is drawn within so long after trading began."""
START_S = 60.0
WIDE = Limits(10**9, 10**9, 10**9, 60_000, "1M")
"""The exchange's limits during a drill: kills are tested, and they come too fast for real limits."""


@dataclass(frozen=True, slots=True)
class Blow:
    """When to kill: the mode, a delay in s, and for the sends the number of the order."""

    mode: str
    delay_s: float
    order: int


def draw(chance: random.Random, recovery_s: float) -> Blow:
    """A kill; one during the start falls within the usual time of recovery."""
    mode = chance.choice(MODES)
    longest = {"start": recovery_s, "after send": 0.004}.get(mode, LONGEST_S)
    return Blow(mode, chance.random() * longest, chance.randrange(1, 6))


class Trap:
    """A venue that passes everything on, but dies at the drawn order; the market comes when `go` is set."""

    def __init__(self, venue: Venue, blow: Blow, go: asyncio.Event) -> None:
        self._venue = venue
        self._blow = blow
        self._go = go
        self._sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def submit(self, order: ApprovedOrder) -> OrderReport:
        """Pass the order on, or die before or after it left."""
        self._sent += self._go.is_set()
        due = self._go.is_set() and self._sent == self._blow.order
        if due and self._blow.mode == "before send":
            os.kill(os.getpid(), signal.SIGKILL)
        if due and self._blow.mode == "after send":
            asyncio.get_running_loop().call_later(self._blow.delay_s, os.kill, os.getpid(), signal.SIGKILL)
        return await self._venue.submit(order)

    async def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """The market, once trading may begin."""
        await self._go.wait()
        async for batch in self._venue.market(symbols):
            yield batch


class FileAlarm:
    """Alarms as lines of the trader's log."""

    def tell(self, level: Level, text: str) -> None:
        """Write the alarm."""
        print(f"{level}: {text}", flush=True)


@dataclass
class Told:
    """Says once, over a pipe, that the trader has recovered, and what it holds."""

    pipe: int
    done: bool = False

    def show(self, session: Session, desk: Desk, figures: Figures) -> None:
        """Called at each timer."""
        if self.done or not figures.reconciled_at or desk.unknown:
            return
        self.done = True
        engine: Engine = session.engine
        said = {
            "at": SystemClock().monotonic_ns(),
            "lots": int(engine.ledger.positions[0]["qty"]),
            "folded": figures.recovered_events,
            "adopted": figures.adopted,
            "cash": figures.cash_booked,
            "epoch": figures.epoch,
        }
        os.write(self.pipe, json.dumps(said).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Setup:
    """What every trader of a drill shares."""

    port: int
    folder: Path
    settings: Config
    chosen: Chosen
    model: LoadedModel
    log: Path


async def _trade(setup: Setup, blow: Blow, told: int, go_pipe: int, switch: KillSwitch) -> None:
    go = asyncio.Event()
    asyncio.get_running_loop().add_reader(go_pipe, go.set)
    venue = open_venue("binance-usdm", f"http://127.0.0.1:{setup.port}", OWNER, LIFTED)
    trap: Any = Trap(venue, blow, go)
    task = Task((SYMBOL,), setup.settings, setup.chosen, setup.model, 7, setup.folder, False, None)
    around = Surroundings(SystemClock(), FileAlarm(), switch, Told(told).show)
    await trade(trap, task, around)


def in_child(work: Callable[[], None], log: Path) -> int:
    """Fork; the child does `work` with its output in `log` and ends. The child's process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with log.open("a") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            try:
                work()
                code = 0
            except BaseException:  # noqa: BLE001 - a forked child must not run on in its parent's code
                traceback.print_exc()
            sys.stdout.flush()
    finally:
        os._exit(code)


@dataclass
class Trader:
    """A trading process and the two pipes to it."""

    pid: int
    born: int
    told: int
    go: int
    buffer: bytes = b""

    def wait_told(self, seconds: float) -> dict[str, Any] | None:
        """What it said when it had recovered; None when it ended, or did not within `seconds`."""
        end = SystemClock().monotonic_ns() + int(seconds * NS["s"])
        while b"\n" not in self.buffer:
            left = (end - SystemClock().monotonic_ns()) / NS["s"]
            if left <= 0 or not select.select([self.told], [], [], left)[0]:
                return None
            got = os.read(self.told, 65536)
            if not got:
                return None
            self.buffer += got
        said: dict[str, Any] = json.loads(self.buffer.split(b"\n")[0])
        return said

    def end(self, number: int) -> int:
        """Send the signal, wait for the end; the wait status."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.told)
        os.close(self.go)
        return status

    def dead(self, seconds: float) -> bool:
        """Whether it ends by itself within `seconds` (its pipe closes)."""
        return bool(select.select([self.told], [], [], seconds)[0]) and os.read(self.told, 1) == b""


def start_trader(setup: Setup, blow: Blow) -> Trader:
    """Fork a trader."""
    told_read, told_write = os.pipe()
    go_read, go_write = os.pipe()

    def work() -> None:
        os.close(told_read)
        os.close(go_write)
        stop = setup.folder.with_name("stop")
        switch = KillSwitch(stop, SystemClock(), FileAlarm(), max_missed=60)
        switch.start()
        switch.install_signals()
        asyncio.run(_trade(setup, blow, told_write, go_read, switch))
        switch.close()

    born = SystemClock().monotonic_ns()
    pid = in_child(work, setup.log)
    os.close(told_write)
    os.close(go_read)
    return Trader(pid, born, told_read, go_write)


def start_exchange(seed: int, log: Path) -> tuple[int, int]:
    """Fork the exchange: (process id, port)."""
    read, write = os.pipe()

    async def serve() -> None:
        clock = SystemClock()
        options = ServedOptions(seed=seed, limits={"spot": WIDE, "usdm": WIDE})
        async with ServedVenue(generated_exchanges(seed, clock.now_ns()), clock, options).running() as served:
            served.gateway.advance()
            os.write(write, f"{served.port}\n".encode())
            while served.failure is None:
                await asyncio.sleep(0.1)
            raise served.failure

    pid = in_child(lambda: asyncio.run(serve()), log)
    os.close(write)
    said = os.read(read, 64)
    os.close(read)
    if not said:
        raise OperatorError(f"the exchange did not start; see {log}")
    return pid, int(said)


@dataclass
class Score:
    """What a drill found."""

    kills: int = 0
    by_mode: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    folded: int = 0

    def count(self, blow: Blow) -> None:
        """A kill was carried out."""
        self.kills += 1
        self.by_mode[blow.mode] = self.by_mode.get(blow.mode, 0) + 1

    def quantile(self, share: float) -> float:
        """The recovery time that `share` of the restarts did not exceed, s; 0 without any."""
        ranked = sorted(self.recovery_s)
        return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 3) if ranked else 0.0


class Drill:
    """Carries out the kills one after another."""

    def __init__(self, setup: Setup, seed: int, progress: Callable[[float, float, str], None]) -> None:
        self.score = Score()
        self.books = Books(setup.folder, Exchange(setup.port, f"practice-{OWNER}", SYMBOL))
        self._setup = setup
        self._chance = random.Random(seed)
        self._progress = progress

    def run(self, times: int) -> Score:
        """`times` kills, then an orderly end by the kill switch."""
        while self.score.kills < times:
            self._progress(self.score.kills, times, f"killing and recovering ({self.score.kills} of {times})")
            self._once(draw(self._chance, self.score.quantile(0.5) or 1.0))
        last = start_trader(self._setup, Blow("none", 0.0, 0))
        self._compare(last)
        os.write(last.go, b"g")
        last.end(signal.SIGTERM)
        self._judge(self.books.settled())
        return self.score

    def _once(self, blow: Blow) -> None:
        trader = start_trader(self._setup, blow)
        if blow.mode == "start":
            trader.dead(blow.delay_s)
            self._end(trader, blow)
            return
        if not self._compare(trader):
            self._end(trader, blow)
            return
        os.write(trader.go, b"g")
        if blow.mode == "instant":
            select.select([], [], [], blow.delay_s)
        elif not trader.dead(10.0):
            blow = Blow("instant", 10.0, 0)
        self._end(trader, blow)

    def _end(self, trader: Trader, blow: Blow) -> None:
        status = trader.end(signal.SIGKILL)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self.score.count(blow)
        else:
            self.score.faults.append(
                f"after {self.score.kills} kills the trader ended by itself; see {self._setup.log}"
            )
            self.score.kills += 1

    def _compare(self, trader: Trader) -> bool:
        """After a restart: wait until it has recovered, then compare its journal with the exchange."""
        said = trader.wait_told(START_S)
        if said is None:
            self.score.faults.append(f"after {self.score.kills} kills: no recovery within {START_S:g} s")
            return False
        self.score.recovery_s.append((said["at"] - trader.born) / NS["s"])
        self.score.folded += said["folded"]
        self._judge(self.books.compare())
        return True

    def _judge(self, found: tuple[list[str], list[str]]) -> None:
        lost, doubled = found
        self.score.lost += len(lost)
        self.score.doubled += len(doubled)
        self.score.faults += [f"after {self.score.kills} kills: {text}" for text in (*lost, *doubled)]
