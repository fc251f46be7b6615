"""A simulated exchange on a market that the test writes itself."""

from decimal import Decimal

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.words import Market, OrderType, Refused, Request, TimeInForce

START = 1_704_067_200 * 10**9
SECOND = 10**9
FUNDS = Decimal(100_000)


def market(kind="perp", symbol="BTCUSDT", **changes):
    """Ticks of 1 USDT and lots of 0.1 BTC: sums that can be checked by hand."""
    fields = {
        "symbol": symbol, "kind": kind, "base": symbol[:-4], "quote": "USDT",
        "tick": Decimal(1), "lot": Decimal("0.1"), "min_qty": 1, "max_qty": 100_000, "market_max_qty": 50_000,
        "min_notional": Decimal(5), "max_stops": 10,
    }  # fmt: skip
    return Market(**{**fields, **changes})


class Written:
    """A source that gives what the test has put in."""

    start_ns = START

    def __init__(self):
        self.rows = []

    def until(self, ts):
        rows = np.array([r for r in self.rows if r["ts_venue"] <= ts], EVENT_DTYPE)
        self.rows = [r for r in self.rows if r["ts_venue"] > ts]
        return rows

    def finished(self):
        return False

    def add(self, kind, ts, **fields):
        row = np.zeros(1, EVENT_DTYPE)[0]
        row["kind"] = kind
        row["ts_venue"] = row["ts_local"] = ts
        for name, value in fields.items():
            row[name] = value
        self.rows.append(row)


class Scene:
    """An exchange with accounts a, b, c; every step of the market takes a millisecond."""

    def __init__(self, *markets, seed=1, practice=True, **realism):
        self.source = Written()
        self.x = Exchange(
            markets or (market(),),
            self.source,
            seed=seed,
            now_ns=START,
            practice=practice,
            params=Realism(**realism),
        )
        self.told = []
        self.x.listen(self.told.append)

    def step(self, ns=1_000_000):
        self.x.advance(self.x.now_ns + ns)

    def book(self, bids, asks, number=0, head=c.EV_SNAPSHOT_HEAD):
        ts = self.x.now_ns + 1
        self.source.add(head, ts, instrument=number)
        levels = [(p, q, c.FLAG_BID) for p, q in bids] + [(p, q, 0) for p, q in asks]
        for i, (price, qty, flag) in enumerate(levels):
            last = c.FLAG_LAST if i == len(levels) - 1 else 0
            self.source.add(c.EV_DEPTH, ts, price=price, qty=qty, flags=flag | last, instrument=number)
        self.step()

    def trade(self, price, qty, aggressor, number=0):
        flags = c.FLAG_BUYER_MAKER if aggressor < 0 else 0
        self.source.add(c.EV_TRADE, self.x.now_ns + 1, price=price, qty=qty, flags=flags, instrument=number)
        self.step()

    def limit(self, key, side, qty, price, symbol="BTCUSDT", **fields):
        return self.x.place(key, Request(symbol, side, OrderType.LIMIT, qty, price, **fields))

    def market(self, key, side, qty, symbol="BTCUSDT", **fields):
        return self.x.place(key, Request(symbol, side, OrderType.MARKET, qty, **fields))

    def stop(self, key, side, qty, stop, kind=OrderType.STOP, symbol="BTCUSDT", **fields):
        return self.x.place(key, Request(symbol, side, kind, qty, stop_price=stop, **fields))

    def now(self, order):
        return self.x.order(order.account, order.request.symbol, order_id=order.id)

    def refused(self, call, *args, **fields):
        """The reason of a refusal; the account's books must be as before."""
        try:
            call(*args, **fields)
        except Refused as no:
            return no.why
        raise AssertionError("was not refused")

    def fills(self, key, symbol="BTCUSDT"):
        return [(e.side, e.price, e.qty, e.maker) for e in self.x.my_trades(key, symbol)]

    def of(self, kind):
        return [e for e in self.told if isinstance(e, kind)]

    def hear_nothing(self):
        self.told.clear()

    def balanced(self, price=100):
        """Everything anyone has is what was paid in."""
        prices = dict.fromkeys(self.x.markets, price)
        assets = {a for m in self.x.markets.values() for a in (m.base, m.quote)}
        return all(self.x.total(a, prices) == self.x.deposited(a) for a in assets)


def quiet(kind="perp", realism=None, **changes):
    """Bids 99 x 50, 98 x 100; asks 101 x 50, 102 x 100."""
    scene = Scene(market(kind, **changes), **(realism or {}))
    scene.book([(99, 50), (98, 100)], [(101, 50), (102, 100)])
    return scene


GTC, IOC, FOK, POST = TimeInForce
