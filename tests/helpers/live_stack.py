"""The whole stack on loopback: a served exchange on a market that the test writes, the Binance adapter, desk,
session, journal. The strategy wants what the test says.

    async with exchange_of("perp", tmp_path) as s:
        async with s.session() as live:
            await live.ready()
            live.wish = 1.0
            await live.until(lambda: live.lots == 10)
"""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import numpy as np

from bot4.app import config
from bot4.app.commands.replay import replay
from bot4.app.trading import Surroundings, Task, trade, warm
from bot4.engine.live_frames import BinanceParsers
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.research.control import Operator
from bot4.research.session import choose, load
from bot4.safety.authority import Authority
from bot4.safety.inbox import Inbox
from bot4.safety.killswitch import KillSwitch
from bot4.safety.marker import PartMarks
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import JournalReader
from bot4.venues.binance.endpoints import served_spot, served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.market_feed import Patience
from bot4.venues.binance.rest import Timing
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.served.limits import Limits
from bot4.venues.served.listing import exchange_of as exchange_on
from bot4.venues.served.listing import perp_market, spot_market
from bot4.venues.served.server import ServedOptions, ServedVenue
from bot4.venues.simulator.words import OrderType, Request

KEY, SECRET = "acceptance", "acceptance-secret"
STEP_NS = 40_000_000
WIDE = Limits(10**9, 10**9, 10**9, 60_000, "1M")
SETS = (
    "strategy.fixed_size=0.01",
    "strategy.exit_threshold=50 %",
    "strategy.time_stop=1000000",
    "bars.interval=100ms",
    "safety.protection_interval=50ms",
    "safety.cooldown=0s",
    "safety.max_orders_per_second=1000",
    "quality.stale_after=1m",
    "quality.outlier_move=90 %",
    "risk.max_position=100 %",
    "risk.max_order=100 %",
    "risk.max_asset=100 %",
    "risk.max_heat=1000 %",
    "risk.max_open_risk=100 %",
    "live.not_found_time=30s",
    "live.settle_time=2s",
    "live.wind_down=2s",
    "panic.latency=1m",
    "breaker.latency=1m",
    "safety.memory_soft=1000000",
    "safety.memory_hard=1000000",
    "panic.stale_after=1m",
)
STRATEGY = '''
import json
from pathlib import Path

from bot4.strategies.api import Strategy

WISH = Path(__file__).with_name("wish.json")


class Wish(Strategy):
    """Wants what the file says: a score for every bar, [a score] for one, or {symbol: score}."""

    def on_bar(self, bar):
        wish = json.loads(WISH.read_text())
        if isinstance(wish, dict):
            return wish.get(bar.instrument)
        if isinstance(wish, list):
            WISH.write_text("null")
            return wish[0]
        return wish
'''


class Pond:
    """Markets that stand where the test puts them; one lot is traded at each step, so that bars close."""

    def __init__(self, start_ns, mid, lots, markets=1):
        self.markets = markets
        self.start_ns = self.at = start_ns
        self.mid = mid  # ticks
        self.bids = self.asks = lots  # lots on the best level of each side
        self.deep = lots * 10  # on each of the four levels behind
        self.prints = []  # (ticks, lots, aggressor) still to come
        self.restless = False
        self.mark = 0  # ticks; 0: the exchange takes the middle of the book
        self.n = 0

    def until(self, ts):
        rows = []
        while self.at + STEP_NS <= ts:
            self.at += STEP_NS
            self.n += 1
            for k in range(self.markets):
                first = len(rows)
                self._step(rows)
                for row in rows[first:]:
                    row["instrument"] = k
        return np.concatenate(rows) if rows else np.empty(0, EVENT_DTYPE)

    def finished(self):
        return False

    def _step(self, rows):
        stir = self.n % 2 if self.restless else 0  # so that there is always news of the best quote
        levels = [(self.mid - 1, self.bids + stir, c.FLAG_BID), (self.mid + 1, self.asks, 0)]
        for k in range(2, 6):
            # the last level changes with each step, so that there is always news of the book
            size = self.deep + (self.n % 2 if k == 5 and self.deep else 0)
            if size:
                levels += [(self.mid - k, size, c.FLAG_BID), (self.mid + k, size, 0)]
        block = np.zeros(len(levels) + 1, EVENT_DTYPE)
        block["ts_venue"] = block["ts_local"] = self.at
        block["kind"] = c.EV_DEPTH
        block["kind"][0] = c.EV_SNAPSHOT_HEAD
        for row, (price, lots, flag) in zip(block[1:], levels):
            row["price"], row["qty"], row["flags"] = price, lots, flag
        block["flags"][-1] |= c.FLAG_LAST
        rows.append(block)
        side = 1 if self.n % 2 else -1
        for price, lots, aggressor in [*self.prints, (self.mid + side, 1, side)]:
            row = np.zeros(1, EVENT_DTYPE)
            row["kind"], row["ts_venue"], row["ts_local"] = c.EV_TRADE, self.at, self.at
            row["price"], row["qty"] = price, lots
            row["flags"] = c.FLAG_BUYER_MAKER if aggressor < 0 else 0
            rows.append(row)
        self.prints = []
        if self.mark:
            row = np.zeros(1, EVENT_DTYPE)
            row["kind"], row["ts_venue"], row["ts_local"] = c.EV_FUNDING, self.at, self.at
            row["price"] = self.mark
            rows.append(row)


class Live:
    """One session: what it holds, what it told, and the wish of its strategy."""

    def __init__(self, stack):
        self.stack = stack
        self.session = self.desk = self.figures = None
        self.begun = asyncio.Event()

    def show(self, session, desk, figures):
        self.session, self.desk, self.figures = session, desk, figures
        self.begun.set()

    def attach(self, session, anchor):
        """The operator's way in: commands by file, a release by key, marks of partial kills on the account."""
        inbox = Inbox(self.stack.base / "inbox", Authority(self.stack.base / "keys", "run-1"))
        self.operator = Operator(session, inbox, SystemClock(), self.stack.alarm.tell, marks=self.stack.marks)

    def look(self):
        self.operator.look()

    @property
    def wish(self):
        return json.loads(self.stack.wish.read_text())

    @wish.setter
    def wish(self, score):
        spare = self.stack.wish.with_suffix(".new")
        spare.write_text(json.dumps(score))
        spare.replace(self.stack.wish)

    @property
    def engine(self):
        return self.session.engine

    @property
    def lots(self):
        return int(self.engine.ledger.positions[0]["qty"])

    @property
    def control(self):
        return self.engine.safety.control[0]

    @property
    def job(self):
        return self.stack.job

    async def until(self, condition, what="condition", seconds=30.0):
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if self.job.done():
                        self.job.result()
                        raise AssertionError(f"the session ended before {what} came")
                    await asyncio.sleep(0.005)
        except TimeoutError:
            told = self.stack.alarm.told[-5:]
            raise AssertionError(f"{what} did not come; told: {told}; {self.state()}") from None

    def state(self):
        if self.session is None:
            return "not begun"
        refused = self.engine.safety.refusals
        row = self.engine.inst[0]
        return (
            f"status {row['status']}, hole {row['hole']}, bars {row['bars']}, lots {self.lots}, there {self.stack.lots}, unknown {dict(self.desk.unknown)}, "
            f"explained {self.figures.explained}, refused { {int(k): int(refused[k]) for k in refused.nonzero()[0]} }, "
            f"orders {[(o.request.type.name, o.request.side, o.request.qty) for o in self.stack.open_orders()]}"
        )

    async def ready(self):
        """Compared with the venue, the market there."""
        await asyncio.wait(
            {asyncio.ensure_future(self.begun.wait()), self.job}, return_when="FIRST_COMPLETED"
        )
        if self.job.done():
            self.job.result()
        await self.until(lambda: self.control["reconciled"] == 1, "agreement")
        await self.until(lambda: self.engine.inst[0]["mark"] > 0, "the market")

    async def enter(self, side=1.0, legs=2):
        """A position with its protection at the venue; the wish is over then."""
        await self.ready()
        self.wish = side
        await self.until(lambda: self.lots != 0 and self.lots == self.stack.lots, "the entry")
        self.wish = None
        await self.until(lambda: len(self.stack.open_orders()) == legs, "stop and target")

    def stop(self):
        self.stack.switch.trip(c.R_OPERATOR, "test")

    async def end(self):
        """Trip the switch and wait for the end; the document."""
        self.stop()
        return await self.job


class Stack:
    """An exchange that stays, and sessions that come and go on one journal."""

    def __init__(self, kind, folder, market, pond, exchange, server, symbols=None):
        self.symbols = symbols or ("BTC-USDT-PERP" if kind == "perp" else "BTC-USDT",)
        self.kind, self.market, self.pond = kind, market, pond
        self.exchange, self.server = exchange, server
        self.base = folder
        self.folder = folder / "journal"
        self.alarm = FakeAlarm()
        self.symbol = self.symbols[0]
        self.wish = folder / "wish.json"
        self.wish.write_text("null")
        (folder / "wish.py").write_text(STRATEGY)
        self.strategy = f"{folder / 'wish.py'}:Wish"
        self.job = self.switch = None
        self.marks = PartMarks(folder / "state", "account")
        self.clock = SystemClock()
        self.host = "127.0.0.1"

    # --- the other side ------------------------------------------------------------------
    @property
    def lots(self):
        """The account's position, signed lots; on spot the coins beyond none, in whole lots."""
        if self.kind == "perp":
            held = self.exchange.account(KEY).positions.get("BTCUSDT")
            return held.qty if held is not None else 0
        return int(self.coins() / self.market.lot)

    def coins(self, asset="BTC"):
        return self.exchange.account(KEY).balances.get(asset, Decimal(0))

    def open_orders(self):
        return self.exchange.open_orders(KEY, "BTCUSDT")

    def orders(self):
        """Every order of ours that the exchange ever took, oldest first."""
        return self.exchange.all_orders(KEY, "BTCUSDT")

    def trades(self):
        return self.exchange.my_trades(KEY, "BTCUSDT")

    def by_hand(self, side, lots):
        """The user trades in the venue's own screen."""
        self.server.gateway.advance()
        return self.exchange.place(KEY, Request("BTCUSDT", side, OrderType.MARKET, lots))

    async def call(self, method, path, body=None):
        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{self.server.port}/_bot4/{path}"
            async with http.request(method, url, json=body) as reply:
                assert reply.status == 200, await reply.text()
                return await reply.json()

    def hold_mark(self):
        """The mark stands where `pond.mark` says; the middle of the book no longer moves it."""
        self.pond.mark = self.pond.mid
        self.exchange._feeder._next_mark = 2**62

    async def fault(self, kind, match=None, **do):
        """Let something go wrong at the exchange."""
        rule = {"name": kind, "match": match or {}, "do": {"kind": kind, **do}}
        await self.call("POST", "faults", {"rules": [rule]})

    async def heal(self):
        await self.call("DELETE", "faults")

    def fired(self, kind):
        """How often a fault came about."""
        return sum(1 for entry in self.server.gateway.faults.log if entry["kind"] == kind)

    # --- our side ---------------------------------------------------------------------------
    def adapter(self):
        wiring = Wiring(
            clock=self.clock,
            secrets=FakeSecrets(dict.fromkeys(("binance-spot", "binance-usdm"), ApiKey(KEY, SECRET))),
            folder=self.base,
            parsers=BinanceParsers(),
            timing=Timing(recv_window_ms=5000, connect_s=2.0, answer_s=2.0, patience_ns=0),
            patience=Patience(silent_s=5.0, frozen_s=5.0, backoff_base_s=0.02, backoff_most_s=0.2),
        )
        if self.kind == "perp":
            return BinanceUsdm(served_usdm(self.server.port, self.host), wiring)
        return BinanceSpot(served_spot(self.server.port, self.host), wiring)

    def settings(self, sets=()):
        return config.load(None, [*SETS, *sets, f"strategy.name={self.strategy}"])

    def task(self, *, adopt=False, sets=()):
        settings = self.settings(sets)
        return Task(self.symbols, settings, choose(self.strategy), load(None), 7, self.folder, adopt, None)

    @asynccontextmanager
    async def session(self, *, adopt=False, sets=(), lease=None, venue=None, duration_ns=None):
        """A session that trades inside the block, and is flattened by the kill switch at its end.

        With `duration_ns` it ends by itself, when that is sooner.
        """
        live = Live(self)
        clock = self.clock
        live.wish = None
        self.switch = KillSwitch(self.base / "stop", clock, self.alarm, max_missed=600)
        task = replace(self.task(adopt=adopt, sets=sets), duration_ns=duration_ns)
        warm(task.settings, task.chosen, len(self.symbols))
        venue = venue or self.adapter()
        around = Surroundings(
            clock,
            self.alarm,
            self.switch,
            live.show,
            attach=live.attach,
            control=live.look,
            lease=lease,
            health=venue.health.state,
        )
        self.job = asyncio.create_task(trade(venue, task, around))
        try:
            yield live
            if not self.job.done():
                self.switch.trip(c.R_OPERATOR, "test")
            await self.job
        finally:
            self.job.cancel()
            await asyncio.gather(self.job, return_exceptions=True)

    async def second(self, folder, lease=None):
        """Another instance of bot4 on the same account; whatever comes of it."""
        clock = SystemClock()
        task = replace(self.task(), folder=folder, duration_ns=1)
        switch = KillSwitch(self.base / "stop2", clock, self.alarm, max_missed=600)
        around = Surroundings(clock, self.alarm, switch, lambda *shown: None, lease=lease)
        return await trade(self.adapter(), task, around)

    @asynccontextmanager
    async def killed(self, **more):
        """A session that is killed at the end of the block: its files stay as they were at that instant."""
        spare = self.folder.with_name("spare")
        try:
            async with self.session(**more) as live:
                yield live
                shutil.copytree(self.folder, spare)
                raise Killed
        except Killed:
            shutil.rmtree(self.folder)
            spare.rename(self.folder)

    # --- the journal ---------------------------------------------------------------------------
    def events(self, *kinds):
        rows = JournalReader(self.folder).gather(port.INPUTS)["event"]
        return rows[np.isin(rows["kind"], kinds)] if kinds else rows

    def sent(self, *, action=c.ACT_NEW, purpose=None):
        rows = JournalReader(self.folder).gather(port.ORDERS)
        rows = rows[rows["action"] == action]
        return rows if purpose is None else rows[rows["purpose"] == purpose]

    def bars(self):
        """Bars that came as such: those of a back-fill."""
        rows = JournalReader(self.folder).gather(port.MARKET)
        return rows[rows["kind"] == c.EV_BAR]

    def notes(self):
        return [b.payload for b in JournalReader(self.folder).blocks() if b.kind == port.NOTE]

    def verified(self):
        return replay(journal=self.folder, verify=True, data=None, as_json=True)["identical"]

    def told(self, text, level=None):
        """The alarms that contain `text`."""
        return [t for lv, t in self.alarm.told if text in t and level in (None, lv)]


class Killed(BaseException):
    """The process is gone."""


@asynccontextmanager
async def exchange_of(kind, folder: Path, *, mid="50000", lots=None, held=0, bases=("BTC",), **changes):
    """A served exchange with one market (or one for each of `bases`, all alike) and one funded account.

    `changes` of the market.

    `held`: lots that the account bought two minutes ago.
    """
    clock = SystemClock()
    now = clock.now_ns()
    began = now - 120 * 10**9
    make = perp_market if kind == "perp" else spot_market
    markets = [make(base, "0.10", "0.001" if kind == "perp" else "0.00001") for base in bases]
    markets = [replace(one, **changes) for one in markets]
    market = markets[0]
    depth = lots if lots is not None else int(Decimal(5) / market.lot)
    pond = Pond(began, int(Decimal(mid) / market.tick), depth, len(markets))
    exchange = exchange_on(markets, pond, 7, began)
    exchange.open_account(KEY, SECRET, {"USDT": Decimal(100_000)}, {"USDT": Decimal(100_000)})
    product = "usdm" if kind == "perp" else "spot"
    options = ServedOptions(limits={"spot": WIDE, "usdm": WIDE})
    exchange.advance(began + 10**9)
    if held:
        exchange.place(KEY, Request("BTCUSDT", 1, OrderType.MARKET, held))
    pond.at = now - 10**9
    exchange.advance(now)
    server = ServedVenue({product: exchange}, clock, options)
    async with server.running():
        symbols = tuple(f"{base}-USDT-PERP" if kind == "perp" else f"{base}-USDT" for base in bases)
        yield Stack(kind, folder, market, pond, exchange, server, symbols)
    if server.failure is not None:
        raise server.failure


class Halting:
    """A venue that passes everything on, until `halt`: then a submit goes no further, or its reply does not."""

    def __init__(self, venue, after):
        self._venue = venue
        self._after = after  # the order arrives
        self.armed = False
        self.halted = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._venue, name)

    async def submit(self, order):
        if not self.armed:
            return await self._venue.submit(order)
        first, self._after = self._after, False  # the process stands still: nothing later arrives
        if first:
            await self._venue.submit(order)
        self.halted.set()
        await asyncio.Event().wait()
