"""The adapters under contract: each opens a scene with a connected venue on a market that runs."""

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp

from bot4.engine.live_frames import BinanceParsers
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.safety.system_clock import SystemClock
from bot4.venues.binance.endpoints import served_spot, served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.market_feed import Patience
from bot4.venues.binance.rest import Timing
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.served.server import ServedOptions, ServedVenue
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.generative import GenParams
from bot4.venues.simulator.sources import GenerativeSource
from bot4.venues.simulator.venue import SimulatorVenue
from bot4.venues.simulator.words import Market

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from approving import Approver

CANARY = "canary-key-7f3a", "canary-secret-91bd"
MONEY = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}


def market(kind):
    """BTC/USDT on the grid of the synthetic market."""
    return Market(
        symbol="BTCUSDT", kind=kind, base="BTC", quote="USDT", tick=Decimal("0.1"), lot=Decimal("0.001"),
        min_qty=1, max_qty=1_000_000, market_max_qty=100_000, min_notional=Decimal(5),
        price_up=Decimal("1.2"), price_down=Decimal("0.8"), max_orders=20, max_stops=3,
    )  # fmt: skip


def exchange(kind, clock, seed=5):
    """A running market with one funded account."""
    now = clock.now_ns()
    made = Exchange(
        [market(kind)], GenerativeSource(GenParams(warm_up_s=2), seed, now), seed=seed, now_ns=now
    )
    made.open_account(CANARY[0], CANARY[1], dict(MONEY), {"USDT": MONEY["USDT"]})
    return made


@dataclass
class Scene:
    """A connected venue, its instrument, approved orders, and hands on the other side."""

    venue: object
    symbol: str
    exchange: object
    approve: Approver
    port: int = 0
    served: object = None
    private: list = field(default_factory=list)
    task: object = None
    secrets: tuple = CANARY

    @property
    def capabilities(self):
        return self.venue.capabilities

    async def instrument(self):
        """The instrument as the venue states it."""
        return next(r.instrument for r in await self.venue.rules() if r.instrument.symbol == self.symbol)

    def quote(self):
        """(bid, ask) in ticks at the exchange, now."""
        if self.served is not None:
            self.served.gateway.advance()
        else:
            self.venue.advance()
        told = self.exchange.quote("BTCUSDT")
        return told.bid, told.ask

    async def order(self, side, type_, qty, **more):
        """An approved order."""
        return self.approve(await self.instrument(), side, type_, qty, **more)

    async def resting(self, side=1, qty=20):
        """A limit order 5 % away from the market, placed."""
        bid, ask = self.quote()
        price = bid * 95 // 100 if side > 0 else ask * 105 // 100
        order = await self.order(side, "limit", qty, price=price)
        return order, await self.venue.submit(order)

    def listen(self):
        """Collect the private stream from now on."""

        async def read():
            async for event in self.venue.private():
                self.private.append(event)

        self.task = asyncio.create_task(read())

    async def until(self, found, seconds=15.0):
        """Wait until `found()` is true; the private stream so far when it does not come."""
        try:
            async with asyncio.timeout(seconds):
                while not found():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"did not come: {found}; private stream: {self.private}") from None

    async def fault(self, kind, match=None, **do):
        """Let something go wrong at the served exchange."""
        rule = {"name": kind, "match": match or {}, "do": {"kind": kind, **do}}
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"http://127.0.0.1:{self.port}/_bot4/faults", json={"rules": [rule]}
            ) as reply:
                assert reply.status == 200, await reply.text()

    async def heal(self):
        """End all faults."""
        async with aiohttp.ClientSession() as session:
            async with session.delete(f"http://127.0.0.1:{self.port}/_bot4/faults") as reply:
                assert reply.status == 200

    async def close(self):
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.venue.close()
        await self.venue.close()
        if self.served is not None:
            assert self.served.failure is None


@asynccontextmanager
async def simulator(kind, folder):
    clock = SystemClock()
    made = exchange(kind, clock)
    made.advance(clock.now_ns())
    venue = SimulatorVenue(made, CANARY[0], kind == "perp", clock)
    scene = Scene(venue, "BTC-USDT" + ("-PERP" if kind == "perp" else ""), made, Approver())
    await venue.connect()
    try:
        yield scene
    finally:
        await scene.close()


FAST = Patience(silent_s=1.0, frozen_s=1.0, backoff_base_s=0.02, backoff_most_s=0.2)
TIMING = Timing(recv_window_ms=3000, connect_s=1.0, answer_s=1.0, patience_ns=0)


def wiring(folder, **more):
    """What adapters on loopback are given: short waits."""
    names = ("binance-spot", "binance-usdm")
    return Wiring(
        clock=SystemClock(),
        secrets=FakeSecrets({name: ApiKey(*CANARY) for name in names}),
        folder=folder,
        parsers=BinanceParsers(),
        timing=more.pop("timing", TIMING),
        patience=more.pop("patience", FAST),
        **more,
    )


@asynccontextmanager
async def served(kind, folder, **more):
    clock = SystemClock()
    made = exchange(kind, clock)
    product = "usdm" if kind == "perp" else "spot"
    async with ServedVenue({product: made}, clock, ServedOptions()).running() as server:
        if kind == "perp":
            venue = BinanceUsdm(served_usdm(server.port), wiring(folder, **more))
        else:
            venue = BinanceSpot(served_spot(server.port), wiring(folder, **more))
        name = "BTC-USDT" + ("-PERP" if kind == "perp" else "")
        scene = Scene(venue, name, made, Approver(), server.port, server)
        await venue.connect()
        try:
            yield scene
        finally:
            await scene.close()


ADAPTERS = {
    "simulator-spot": lambda folder, **more: simulator("spot", folder),
    "simulator-perp": lambda folder, **more: simulator("perp", folder),
    "binance-spot": lambda folder, **more: served("spot", folder, **more),
    "binance-usdm": lambda folder, **more: served("perp", folder, **more),
}
"""Name of an adapter: what opens its scene. An adapter is put under contract by a line here."""
