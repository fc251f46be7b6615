"""A served exchange and real trading processes: `bot4 run`, and a guard at work on it.

async with scene(tmp_path, monkeypatch) as s:
    await s.start()                      # it holds a position with stop and target
    guard = s.guarding()
"""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

from tests.helpers.served_scene import served

from bot4.app.commands.guard import Guard, run_of, watched
from bot4.app.commands.trade import marker_of, open_venue
from bot4.model.errors import JournalError
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.safety.guard import Patience
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import FileJournal, JournalReader

S = 10**9
KEY = "practice-main"
PATIENCE = Patience(S // 4, 4, 3 * S)
STRATEGY = '''
from bot4.strategies.api import Strategy

class Long(Strategy):
    """Always wants to be long."""

    def on_bar(self, bar):
        return 1.0
'''
SETS = (
    "strategy.fixed_size=0.02", "bars.kind=tick", "bars.ticks=1", "safety.protection_interval=50ms",
    "safety.max_order_value=100000 USDT", "quality.outlier_move=90 %", "risk.max_position=100 %",
    "risk.max_order=100 %", "risk.max_asset=100 %", "risk.max_heat=1000 %", "risk.max_open_risk=100 %",
    "live.wind_down=5s", "panic.latency=1m",
)  # fmt: skip


class Scene:
    """A served exchange and a trading process that holds a position with its stop and target."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.strategy = STRATEGY
        self.endpoint = f"http://127.0.0.1:{server.port}"
        self.exchange = server.gateway.desks["usdm"].exchange
        self.alarm = FakeAlarm()
        self.process = None

    def lots(self):
        return sum(int(p.qty) for p in self.exchange.account(KEY).positions.values())

    def orders(self):
        return self.exchange.open_orders(KEY)

    def command(self, out, *more):
        sets = [word for text in SETS for word in ("--set", text)]
        strategy = f"{self.folder / 'long.py'}:Long"
        return [
            sys.executable, "-m", "bot4.app.main", "run", "--endpoint", self.endpoint, "--strategy", strategy,
            "--json", "--out", str(out), *sets, *more,
        ]  # fmt: skip

    async def start(self, *more):
        (self.folder / "long.py").write_text(self.strategy)
        with (self.folder / "said").open("w") as said:
            self.process = subprocess.Popen(
                self.command(self.folder / "j", *more), stdout=subprocess.DEVNULL, stderr=said
            )
        await self.until(lambda: self.has_account() and self.lots() and len(self.orders()) == 2, "position")

    def has_account(self):
        try:
            self.exchange.account(KEY)
        except (KeyError, ValueError):
            return False
        return True

    async def until(self, found, what, seconds=120.0):
        try:
            async with asyncio.timeout(seconds):
                while not found():
                    assert self.process.poll() is None, self.said()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{what} did not come; said: {self.said()[-2000:]}") from None

    def guarding(self, patience=PATIENCE, dead_man_ns=0):
        """A guard at work on the process, in a task of this test; its journal in `g`."""

        async def work():
            with watched(run_of(str(self.folder / "j"))) as (process, heartbeat):
                venue = open_venue("binance", self.endpoint, "main")
                self.marker = marker_of("binance", self.endpoint, "main")
                journal = FileJournal(self.folder / "g")
                journal.append(port.META, {"kind": "guard"})
                made = Guard(
                    process, heartbeat, venue, journal, self.alarm, SystemClock(), self.marker, patience,
                    dead_man_ns,
                )  # fmt: skip
                try:
                    return await made.run()
                finally:
                    journal.close()
                    await venue.close()

        return asyncio.create_task(work())

    async def watching(self):
        await self.until(lambda: (self.folder / "g").is_dir() and "watching" in self.did(), "the guard")

    def said(self):
        return (self.folder / "said").read_text()

    def notes(self, name="j"):
        return [b.payload for b in JournalReader(self.folder / name).blocks(port.NOTE)]

    def did(self):
        try:
            return [note["what"] for note in self.notes("g")]
        except JournalError:  # it is being begun
            return []


@asynccontextmanager
async def scene(folder, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(folder / "control"))
    monkeypatch.setenv("BOT4_STATE_DIR", str(folder / "state"))
    async with served(practice=True) as server:
        made = Scene(server, folder)
        try:
            yield made
        finally:
            if made.process is not None:
                made.process.kill()
                made.process.wait()
