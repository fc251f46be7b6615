"""(g) The simulated exchange: orders a second with every check on, and the time of each command.

    python benchmarks/exchange.py [--orders 20000] [--save]

Three accounts send a seeded stream to one perp: six in ten commands are limit orders near the middle that
rest or trade, one in ten an order that takes at once, three in ten cancel an open order. Each passes the
filters, the margin check, matching, fees and positions; one listener hears all events. The market's own
levels stand 500 ticks away, so accounts trade with each other only.

Parity: fills (order, price, lots, maker), in their order, and the final book must equal those of a plain
Python book that gets the same stream. Then the sum of all wallets must be what was paid in.

The matching core on recorded frames is measured in `tick_backtest.py`, beside hftbacktest and
nautilus_trader.
"""

from __future__ import annotations

import random
import sys
import time
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.words import (
    Market,
    OrderType,
    OrderUpdate,
    Refused,
    Request,
    SelfTrade,
    TimeInForce,
)
from common import Here, figures, finish, options

START = 1_704_067_200 * 10**9
MID = 600_000
SYMBOL = "BTCUSDT"


class Still:
    """A market that shows a book once and then stands still."""

    start_ns = START

    def __init__(self) -> None:
        self._given = False

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """The book, then nothing."""
        events = np.zeros(0 if self._given else 5, EVENT_DTYPE)
        self._given = True
        if len(events):
            events["ts_venue"] = events["ts_local"] = START + 1
            events["kind"] = [c.EV_SNAPSHOT_HEAD] + [c.EV_DEPTH] * 4
            events["price"][1:] = [MID - 500, MID - 501, MID + 500, MID + 501]
            events["qty"][1:] = 1_000
            events["flags"][1:] = [c.FLAG_BID, c.FLAG_BID, 0, c.FLAG_LAST]
        return events

    def finished(self) -> bool:
        """It stands still for ever."""
        return False


class PlainBook:
    """Price, then time: a list of orders a price, nothing else."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, OrderedDict[int, int]]] = {1: {}, -1: {}}
        self.fills: list[tuple[int, int, int, bool]] = []

    def place(self, order_id: int, side: int, price: int, lots: int, rests: bool) -> None:
        """Match an order, rest what is left if it may."""
        facing = self.levels[-side]
        while lots and facing:
            best = min(facing) if side > 0 else max(facing)
            if (best - price) * side > 0:
                break
            other, there = next(iter(facing[best].items()))
            done = min(lots, there)
            self.fills += [(other, best, done, True), (order_id, best, done, False)]
            lots -= done
            self._take(-side, best, other, done)
        if lots and rests:
            self.levels[side].setdefault(price, OrderedDict())[order_id] = lots

    def _take(self, side: int, price: int, order_id: int, lots: int) -> None:
        queue = self.levels[side][price]
        queue[order_id] -= lots
        if queue[order_id] == 0:
            self.cancel(side, price, order_id)

    def cancel(self, side: int, price: int, order_id: int) -> None:
        """Take an order out."""
        queue = self.levels[side][price]
        del queue[order_id]
        if not queue:
            del self.levels[side][price]


def stream(n: int) -> list[tuple[str, Any]]:
    """The commands: ('place', (account, request)) or ('cancel', how far back of the placed ones)."""
    draw = random.Random(5)
    commands: list[tuple[str, Any]] = []
    for _ in range(n):
        roll = draw.random()
        if roll < 0.3:
            commands.append(("cancel", draw.randint(1, 300)))
            continue
        side = draw.choice((1, -1))
        taking = roll < 0.4
        price = MID + side * 100 if taking else MID - side * draw.randint(-5, 100)
        tif = TimeInForce.IOC if taking else TimeInForce.GTC
        request = Request(
            SYMBOL, side, OrderType.LIMIT, draw.randint(1, 20), price, tif=tif, self_trade=SelfTrade.NONE
        )
        commands.append(("place", (draw.choice("abc"), request)))
    return commands


def new_exchange() -> tuple[Exchange, list[tuple[int, int, int, bool]]]:
    """An exchange with its book open, and the list where its fills will stand."""
    market = Market(
        SYMBOL, "perp", "BTC", "USDT", Decimal("0.1"), Decimal("0.001"), 1, 1_000_000, 100_000, Decimal(5),
        max_orders=10_000,
    )  # fmt: skip
    exchange = Exchange(
        [market], Still(), seed=1, now_ns=START, params=Realism(practice_funds=Decimal(10) ** 9)
    )
    exchange.advance(START + 10**9)
    fills: list[tuple[int, int, int, bool]] = []

    def hear(event: object) -> None:
        if isinstance(event, OrderUpdate) and event.execution is not None:
            e = event.execution
            fills.append((e.order_id, e.price, e.qty, e.maker))

    exchange.listen(hear)
    return exchange, fills


def play(commands: list[tuple[str, Any]]) -> dict[str, Any]:
    """The stream through the exchange: its orders, fills, book, and the time of each command in ns."""
    exchange, fills = new_exchange()
    placed: list[tuple[str, int]] = []
    times = np.zeros(len(commands), np.int64)
    done: list[tuple[str, int]] = []
    clock = time.perf_counter_ns
    for i, (name, what) in enumerate(commands):
        begin = clock()
        if name == "place":
            order = exchange.place(*what)
            placed.append((what[0], order.id))
            done.append(("place", order.id))
        elif placed:
            key, order_id = placed[-min(what, len(placed))]
            try:
                exchange.cancel(key, SYMBOL, order_id=order_id)
                done.append(("cancel", order_id))
            except Refused:
                done.append(("late", order_id))
        times[i] = clock() - begin
    return {"exchange": exchange, "fills": fills, "times": times, "done": done}


def parity(commands: list[tuple[str, Any]], got: dict[str, Any]) -> dict[str, Any]:
    """The same stream through the plain book."""
    book = PlainBook()
    stood: dict[int, Request] = {}
    requests = (what[1] for name, what in commands if name == "place")
    for name, order_id in got["done"]:
        if name == "place":
            r = stood[order_id] = next(requests)
            book.place(order_id, r.side, r.price, r.qty, r.tif is TimeInForce.GTC)
        elif name == "cancel":
            r = stood[order_id]
            book.cancel(r.side, r.price, order_id)
    exchange = got["exchange"]
    _, bids, asks = exchange.depth(SYMBOL, 100_000)
    theirs = [{price: sum(queue.values()) for price, queue in book.levels[side].items()} for side in (1, -1)]
    ours = [{p: q for p, q in side if abs(p - MID) < 500} for side in (bids, asks)]
    checks = {
        "fills": got["fills"] == book.fills,
        "book": ours == theirs,
        "money": exchange.total("USDT", {SYMBOL: MID}) == exchange.deposited("USDT"),
    }
    return {"ok": all(checks.values()), **checks, "compared_fills": len(book.fills)}


def main() -> int:
    """Parity, then the repeats."""
    parser = options(__doc__ or "", repeats=5)
    parser.add_argument("--orders", type=int, default=20_000, help="commands of one repeat")
    chosen = parser.parse_args()
    commands = stream(chosen.orders)
    first = play(commands)
    same = parity(commands, first)
    here = Here("bot4 exchange", lambda: commands, play, lambda got: got["times"])
    rounds = [here.once() for _ in range(chosen.repeats)]
    times = np.concatenate([r["result"] for r in rounds])
    row = figures(here, rounds, chosen.orders)
    row["result"] = {
        "p50_us": round(float(np.percentile(times, 50)) / 1e3, 1),
        "p99_us": round(float(np.percentile(times, 99)) / 1e3, 1),
        "placed": sum(1 for name, _ in first["done"] if name == "place"),
        "canceled": sum(1 for name, _ in first["done"] if name == "cancel"),
        "late_cancels": sum(1 for name, _ in first["done"] if name == "late"),
        "fills": len(first["fills"]),
    }
    document = {
        "title": "(g) Simulated exchange, commands with all checks",
        "unit": "command",
        "parity": same,
        "rows": [row],
        "goal": {"per_s": 10_000, "met_by_cpu_time": row["per_s_cpu"] >= 10_000},
    }
    return finish("exchange", document, save=chosen.save)


if __name__ == "__main__":
    sys.exit(main())
