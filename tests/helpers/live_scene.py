"""A live session in a test: served exchange on loopback, the real adapter, desk, engine, journal."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bot4.app import config
from bot4.app.trading import Surroundings, Task, trade
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.research.session import choose, load
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import JournalReader

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from scenes import CANARY, served

SYMBOL = "BTC-USDT-PERP"
WIRE = "BTCUSDT"
SETS = (
    "strategy.fixed_size=0.02",
    "bars.kind=tick",
    "bars.ticks=1",
    "safety.protection_interval=50ms",
    "safety.max_orders_per_second=1000",
    "safety.max_order_value=100000 USDT",
    "quality.outlier_move=90 %",
    "quality.stale_after=1h",
    "risk.max_position=100 %",
    "risk.max_order=100 %",
    "risk.max_asset=100 %",
    "risk.max_heat=1000 %",
    "risk.max_open_risk=100 %",
    "safety.cooldown=0s",
    "live.reconcile_interval=1s",
    "live.wind_down=3s",
    "live.settle_time=5s",
    "live.not_found_time=200ms",
    "panic.latency=1m",
    "panic.stale_after=1m",
)
STRATEGY = '''
from bot4.strategies.api import Strategy

class Hand(Strategy):
    """Does what the test holds in its hand."""

    view = None

    def on_bar(self, bar):
        return Hand.view
'''


class LiveScene:
    """One account at one served exchange, one journal folder, and sessions that come and go."""

    def __init__(self, scene, folder):
        self.exchange_scene = scene
        self.venue = scene.venue
        self.exchange = scene.exchange
        self.folder = folder / "journal"
        self.alarm = FakeAlarm()
        self.clock = SystemClock()
        file = folder / "hand.py"
        file.write_text(STRATEGY)
        self.strategy = f"{file}:Hand"
        self.chosen = None
        self.session = self.desk = self.figures = self.switch = None

    # --- the run -------------------------------------------------------------------
    @asynccontextmanager
    async def running(self, *sets, adopt=False, symbols=(SYMBOL,)):
        """A session at work, agreed with the venue; the kill switch ends it when the block ends."""
        self.chosen = choose(self.strategy)
        settings = config.load(None, [*SETS, *sets, f"strategy.name={self.strategy}"])
        task = Task(symbols, settings, self.chosen, load(None), 7, self.folder, adopt, None)
        self.switch = KillSwitch(self.folder.parent / "stop", self.clock, self.alarm, max_missed=600)
        self.session = None
        health = getattr(self.venue, "health", None)
        around = Surroundings(
            self.clock, self.alarm, self.switch, self._show, health=health and health.state
        )
        self.job = asyncio.create_task(trade(self.venue, task, around))
        try:
            await self.until(
                lambda: self.session is not None and self.control["reconciled"] == 1, "agreement"
            )
            yield self
            self.switch.trip(c.R_OPERATOR, "test")
            self.document = await self.job
        finally:
            self.view(None)
            self.job.cancel()
            await asyncio.gather(self.job, return_exceptions=True)

    def _show(self, session, desk, figures):
        self.session, self.desk, self.figures = session, desk, figures

    async def until(self, found, what="it", seconds=20.0):
        """Wait until `found()`; what was told when it does not come."""
        try:
            async with asyncio.timeout(seconds):
                while not found():
                    if self.job.done():
                        self.job.result()
                        raise AssertionError(f"{what} did not come before the run ended")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(
                f"{what} did not come; told: {self.alarm.told[-5:]}; {self.state()}"
            ) from None

    def state(self):
        """What a failed wait should show."""
        if self.session is None:
            return "no session"
        refused = {k: int(n) for k, n in enumerate(self.engine.safety.refusals.ravel()) if n}
        return f"lots {self.lots}, refused {refused}, control {self.control}"

    # --- what is there ---------------------------------------------------------------
    @property
    def engine(self):
        return self.session.engine

    @property
    def control(self):
        return self.engine.safety.control[0]

    @property
    def lots(self):
        return int(self.engine.ledger.positions[0]["qty"])

    @property
    def account(self):
        return self.exchange.account(CANARY[0])

    def venue_lots(self):
        position = self.account.positions.get(WIRE)
        return 0 if position is None else int(position.qty)

    def open_orders(self):
        return self.exchange.open_orders(CANARY[0])

    def stops(self):
        return [o for o in self.open_orders() if o.request.stop_price]

    def refused(self, reason):
        """How many orders the engine's gate refused for `reason`."""
        return int(self.engine.safety.refusals.ravel()[reason])

    def told(self, *words):
        """The alarms that hold all of `words`."""
        return [text for _, text in self.alarm.told if all(word in text for word in words)]

    def events(self, kind):
        """Journalled inputs of one kind, as the file on the disk has them."""
        rows = JournalReader(self.folder).gather(port.INPUTS)["event"]
        return rows[rows["kind"] == kind]

    def orders(self):
        return JournalReader(self.folder).gather(port.ORDERS)

    # --- hands -----------------------------------------------------------------------
    def view(self, score):
        """What the strategy says at every bar from now on."""
        if self.chosen is not None:
            type(self.chosen.cold).view = score

    async def fault(self, kind, match=None, **do):
        await self.exchange_scene.fault(kind, match, **do)

    async def heal(self):
        await self.exchange_scene.heal()

    async def admin(self, do, **more):
        """An operator's hand at the exchange."""
        body = {"do": do, "product": "usdm", "symbol": WIRE, "key": CANARY[0], **more}
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{self.exchange_scene.port}/_bot4/admin"
            async with session.post(url, json=body) as reply:
                said = await reply.json()
                assert reply.status == 200, said
                return said

    async def enter(self, side=1):
        """A position on `side` with its stop and its target at the venue."""
        self.view(float(side))
        await self.until(lambda: self.lots * side > 0, "the entry")
        self.view(None)
        await self.until(lambda: len(self.open_orders()) == 2, "stop and target")


@asynccontextmanager
async def live(folder, **more):
    """A served exchange with an account, and nothing running yet."""
    async with served("perp", folder, **more) as scene:
        yield LiveScene(scene, folder)
