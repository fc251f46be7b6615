"""A desk over the fake venue, with orders as the compiled gate would have left them."""

import asyncio
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import numpy as np

from bot4.execution.desk import Desk
from bot4.execution.ids import client_order_id
from bot4.execution.settings import DeskSettings
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.model.events import ORDER_DTYPE
from bot4.model.instrument import Instrument
from bot4.ports.alarm import FakeAlarm
from bot4.ports.intents import FakeIntents
from bot4.ports.venue import Capabilities
from bot4.ports.venue_fake import FakeExchange, FakeVenue

D = Decimal
PERP = Instrument(
    "BTC-USDT-PERP", "fake", "BTC", "USDT", "perp", D("0.1"), D("0.001"), D("0.001"), D(100), D(5)
)
SPOT = Instrument("BTC-USDT", "fake", "BTC", "USDT", "spot", D("0.1"), D("0.001"), D("0.001"), D(100), D(5))
MONEY_EXP = 4
OWNER, EPOCH = "test", 7
PRICE = 600_000  # ticks


def order_row(
    id,
    *,
    side=c.BUY,
    qty=100,
    price=PRICE,
    stop=0,
    purpose=c.FOR_ENTRY,
    reduce=False,
    decision=0,
    inst=0,
    **more,
):
    """One row of ORDER_DTYPE as the gate leaves it."""
    row = np.zeros(1, ORDER_DTYPE)
    r = row[0]
    r["id"], r["side"], r["qty"], r["instrument"] = id, side, qty, inst
    r["price"], r["stop_price"], r["decision"] = (0 if stop else price), stop, decision
    r["type"] = c.TYPE_STOP if stop else (c.TYPE_LIMIT if price else c.TYPE_MARKET)
    r["tif"] = c.TIF_GTC if r["type"] != c.TYPE_MARKET else c.TIF_IOC
    r["purpose"], r["flags"] = purpose, c.OF_REDUCE_ONLY if reduce else 0
    r["status"], r["action"] = c.ST_PENDING, c.ACT_NEW
    for name, value in more.items():
        r[name] = value
    return row


def stop_row(id, **more):
    return order_row(
        id, **({"side": c.SELL, "stop": PRICE - 1000, "purpose": c.FOR_STOP, "reduce": True} | more)
    )


def cancel_row(row, reason=c.R_SIGNAL):
    out = row.copy()
    out["action"], out["status"], out["reason"] = c.ACT_CANCEL, c.ST_CANCELING, reason
    return out


def cid(id, epoch=EPOCH):
    return client_order_id(OWNER, epoch, id)


class Scene:
    """The desk, its venue, and what the engine heard: tuples (event, order, y)."""

    def __init__(
        self, clock, instruments=(PERP,), store=None, settings=None, exchange=None, epoch=EPOCH, **venue
    ):
        self.clock = clock
        self.exchange = exchange or FakeExchange(clock.now_ns)
        market = instruments[0].kind
        self.venue = FakeVenue(self.exchange, **({"capabilities": Capabilities(market=market)} | venue))
        self.alarm = FakeAlarm()
        self.store = store if store is not None else FakeIntents()
        self.desk = Desk(
            self.venue,
            instruments,
            MONEY_EXP,
            OWNER,
            epoch,
            clock,
            self.alarm,
            self.store,
            settings or DeskSettings(),
        )
        self.heard = []
        self.rows = []

    async def pass_time(self, seconds):
        await asyncio.sleep(seconds)
        self.listen()

    def listen(self):
        rows = self.desk.drain()
        self.rows += list(rows)
        self.heard += [(names.EVENTS[int(r["kind"])], int(r["x"]), int(r["y"])) for r in rows]
        return self.heard

    def said(self, kind):
        return [(x, y) for k, x, y in self.heard if k == kind]

    def fills(self):
        return [
            (int(r["x"]), int(r["price"]), int(r["qty"]), int(r["y"]))
            for r in self.rows
            if r["kind"] == c.EV_FILL
        ]


@asynccontextmanager
async def running(scene):
    """The desk at work; an error inside it comes out here."""
    task = asyncio.ensure_future(scene.desk.run())
    try:
        yield scene
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
