"""Small markets and engines on them, for tests of the step, its driver and what is built on both."""

import math
import random
from decimal import Decimal

import numpy as np

from bot4.app import config
from bot4.engine import layout_nb as lay
from bot4.engine.build import Plan, new_engine, new_simulator
from bot4.engine.driver import Driver
from bot4.engine.intake import import_bars
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.ports.journal import FakeJournal
from bot4.research.session import no_strategy
from bot4.signals.ml.trees_nb import empty_model
from bot4.storage.lake import Dataset

S = 10**9
MINUTE = 60 * S
START = 1_704_067_200 * S  # 2024-01-01T00:00:00Z

CALM = (
    "venue.latency=constant",
    "venue.entry_latency=1ms",
    "venue.response_latency=1ms",
    "venue.impact=0 bp",
    "venue.half_spread=0 bp",
    "quality.outlier_move=90 %",
    "risk.volatility_target=10000 %",
    "risk.daily_loss=99 %",
    "risk.drawdown_day=99 %",
    "risk.drawdown_soft=98 %",
    "risk.drawdown_hard=99 %",
    "risk.max_order=100 %",
    "risk.max_position=100 %",
    "risk.max_asset=100 %",
    "risk.max_heat=1000 %",
    "risk.max_open_risk=100 %",
    "risk.max_leverage=3",
    "safety.max_order_value=1000000",
    "safety.cooldown=0s",
    "breaker.loss=50 %",
    "breaker.losing_streak=1000",
)
"""Limits so wide that they do not act, a venue without noise."""


def instrument(symbol="BTC-USDT", kind="perp", tick="0.1", lot="0.001"):
    base, quote = symbol.split("-")[:2]
    t, q = Decimal(tick), Decimal(lot)
    return Instrument(symbol, "binance-usdm", base, quote, kind, t, q, q, q * 10**6, Decimal(5))


def settings(*sets):
    return config.load(None, sets)


class Scene:
    """An engine, its simulated venue and its driver, on events made by hand."""

    def __init__(
        self,
        *sets,
        strategy="cold",
        instruments=None,
        bars=True,
        bar_ns=MINUTE,
        timer_ns=None,
        seed=7,
        cold=None,
        native=None,
        **driver,
    ):
        self.settings = settings(*CALM, *sets)
        timer = timer_ns or (bar_ns if bars else S)
        self.plan = Plan(
            tuple(instruments or [instrument()]), strategy, bar_ns, bars, timer, timer, START - 1, seed
        )
        self.engine = new_engine(self.settings.values, self.plan, empty_model())
        self.sim = new_simulator(self.settings.values, self.plan)
        self.journal = FakeJournal()
        self.scores = {}
        self.asked = []
        self.driver = Driver(
            self.engine,
            self.sim,
            self.journal,
            native or no_strategy(),
            cold=cold or self._cold,
            **driver,
        )

    def _cold(self, inst):
        """The score that the test asked for at this bar (1, 2, ...), once."""
        bar = int(self.engine.inst[inst]["bars"])
        self.asked.append((self.driver.now, inst, bar))
        return self.scores.get((inst, bar)) if inst else self.scores.get(bar)

    def push(self, events, until=None):
        self.driver.push(events, int(events["ts_local"][-1]) if until is None else until)

    def position(self, inst=0):
        return int(self.engine.ledger.positions[inst]["qty"])

    def blocks(self, kind):
        parts = [payload for k, payload in self.journal.blocks if k == kind]
        return np.concatenate(parts) if parts else np.empty(0)

    def outcome(self, inst=0):
        row = self.engine.inst[inst]
        return int(row["outcome"]), int(row["reason"])

    @property
    def mode(self):
        return int(self.engine.safety.control[0]["mode"])

    def orders(self, *status):
        table = self.engine.orders.table
        return table[np.isin(table["status"], status)] if status else table[table["id"] > 0]

    def clock(self, slot):
        return int(self.engine.clock[getattr(lay, slot)])


def event(kind, ts, inst=0, **fields):
    row = np.zeros(1, EVENT_DTYPE)
    row["kind"], row["ts_venue"], row["ts_local"], row["instrument"] = kind, ts, ts, inst
    for name, value in fields.items():
        row[name] = value
    return row


def bar(k, close, high=None, low=None, open_=None, volume=10**6, inst=0):
    """Bar number k (1, 2, ...); prices in ticks, volume in lots."""
    open_ = close if open_ is None else open_
    return event(
        c.EV_BAR,
        START + k * MINUTE,
        inst,
        ts_venue=START + (k - 1) * MINUTE,
        price=close,
        x=open_,
        y=max(open_, close) if high is None else high,
        seq=min(open_, close) if low is None else low,
        qty=volume,
    )


def flat_bars(first, last, price=500_000, wobble=100):
    """Bars that go nowhere: the range alone feeds the ATR."""
    rows = [bar(k, price, price + wobble, price - wobble) for k in range(first, last + 1)]
    return np.concatenate(rows)


BARS_TWO = 24


def pair_bars(k, price=500_000):
    """Bar number k of two instruments, at one instant."""
    rows = [flat_bars(k, k, price) for _ in (0, 1)]
    rows[1]["instrument"] = 1
    return np.concatenate(rows)


def quote(ts, bid, ask, seq, inst=0, qty=10_000):
    return event(c.EV_BOOK_TICKER, ts, inst, price=bid, qty=qty, x=ask, y=qty, seq=seq)


def book(ts, bid, ask, seq, inst=0, qty=10_000):
    """A full book of one level a side."""
    return np.concatenate(
        [
            event(c.EV_SNAPSHOT_HEAD, ts, inst, seq=seq),
            event(c.EV_DEPTH, ts, inst, price=bid, qty=qty, flags=c.FLAG_BID),
            event(c.EV_DEPTH, ts, inst, price=ask, qty=qty, flags=c.FLAG_LAST),
        ]
    )


def trade(ts, price, qty, seq, inst=0, seller=False):
    flags = c.FLAG_BUYER_MAKER if seller else 0
    return event(c.EV_TRADE, ts, inst, price=price, qty=qty, seq=seq, flags=flags)


def walk(n=600, seed=3, price=50_000.0):
    """Rows (ts ms, open, high, low, close, volume) of a market that trends up and down in turn."""
    rng = random.Random(seed)
    rows = []
    for k in range(n):
        open_ = price
        drift = 0.0012 * math.sin(k / 35.0)
        price *= 1.0 + drift + rng.gauss(0.0, 0.0009)
        high = max(open_, price) * (1.0 + abs(rng.gauss(0.0, 0.0004)))
        low = min(open_, price) * (1.0 - abs(rng.gauss(0.0, 0.0004)))
        volume = 20.0 + 30.0 * rng.random()
        rows.append(
            (START // 10**6 + 60_000 * k, *(f"{x:.1f}" for x in (open_, high, low, price)), f"{volume:.3f}")
        )
    return rows


def bar_data(folder, n=600, seed=3, market="perp", symbol="BTC-USDT-PERP"):
    """A data set of bars, imported as a user would."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"bars-{seed}.csv"
    lines = ["ts,open,high,low,close,volume", *(",".join(map(str, row)) for row in walk(n, seed))]
    path.write_text("\n".join(lines) + "\n")
    import_bars(path, symbol, "1m", folder / "data", market)
    return Dataset.open(folder / "data")
