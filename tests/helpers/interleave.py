"""Random interleavings of what can happen to orders, against one lane, in time that jumps.

An engine model (orders, position, one stop lane), the lane, and the exchange's truth. A run is a list of
(operation, a, b); everything random is in it, so that a failing run can be shrunk and played again:

    enter, exit, cancel, replace     the engine wishes
    ask                              the lane's next call, with an outcome: ok, lost, dropped, not sent, ...
    fill, part, venue_end            the exchange executes, or ends an order by itself
    deliver, repeat, lose            the private stream: any waiting event, again, or never
    time                             passes
    drain                            the engine folds and journals what the lane said
    down, up                         the private stream breaks, and is back
    crash                            lane and undrained answers are gone; journal, intents and exchange stay

After the last operation the world heals, and then must agree to the last lot and unit.

    python tests/helpers/interleave.py 100000 [seed]
"""

import random
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from desk_scene import EPOCH, MONEY_EXP, OWNER, PERP, PRICE, cid

from bot4.execution.asks import Line, Sweep, Verb
from bot4.execution.fills import TradeBook
from bot4.execution.idempotency import Intents
from bot4.execution.lane import Lane
from bot4.execution.outbox import Outbox
from bot4.execution.protection import covered
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import tracked_from
from bot4.model import codes_nb as c
from bot4.model.events import ORDER_DTYPE
from bot4.ports.alarm import FakeAlarm
from bot4.ports.intents import FakeIntents
from bot4.ports.venue import NotFound, NotSent, OrderRejected, OutcomeUnknown, Throttled, VenueUnreachable
from bot4.ports.venue_fake import OPEN, FakeExchange
from bot4.safety.breaker import Breaker, Rule
from bot4.safety.breaker import Level as Stops
from bot4.safety.gate import sealed

LOT, TICK = PERP.lot, PERP.tick
SECOND = 10**9
SETTINGS = DeskSettings()
OPS = (
    ["ask"] * 12 + ["deliver"] * 6 + ["drain"] * 5 + ["time"] * 4 + ["fill"] * 2 + ["part"] * 4 + ["enter"] * 4
    + ["exit", "cancel", "cancel", "replace", "repeat", "repeat", "lose", "venue_end", "down", "up", "crash"]
)  # fmt: skip
HIDDEN_FOR = 15 * SECOND
LIVE = {"pending", "working", "unknown", "canceling"}


class Broken(AssertionError):
    """An invariant does not hold."""


class World:
    def __init__(self):
        self.now = 1_700_000_000 * SECOND
        self.exchange = FakeExchange(lambda: self.now)
        self.waiting, self.past = [], []
        self.exchange.listeners.append(self.waiting.append)
        self.arrivals, self.placed_at = Counter(), {}
        self.store = FakeIntents()
        self.orders, self.trades, self.position, self.cash, self.next_id = {}, {}, 0, 0, 1
        self.rows = {}
        self.stream = True
        self.start_lane()

    # --- the lane, and its restart ---------------------------------------------------------------------
    def start_lane(self):
        self.out, self.alarm = Outbox(), FakeAlarm()
        self.intents = Intents(self.store, SETTINGS.intent_ttl_ns, 1000)
        book = TradeBook(PERP, MONEY_EXP, 1000, lambda asset: None, Decimal(0))
        done = lambda client_id: self.intents.done(client_id, self.now)  # noqa: E731
        breaker = Breaker(Rule("orders", Stops.VENUE, errors_to_open=SETTINGS.refusals))
        self.lane = Lane(0, book, SETTINGS, breaker, self.out, self.alarm, OWNER, done=done)

    def crash(self, a, b):
        self.start_lane()
        self.waiting.clear()
        for seq in self.trades:
            self.lane.book.remember(seq)
        holding = self.lane.book.holding
        holding.lots, holding.cost = self.position, self.position * PRICE
        for id, order in self.orders.items():
            if order["status"] in LIVE:
                row = self.rows[id].copy()
                row["filled"], row["ts_created"] = order["filled"], order["at"]
                t = tracked_from(row[0], cid(id), self.now, None)
                self.lane.recover(t, self.intents.find(cid(id)) is not None)
                if order["cancel"]:
                    self.lane.cancel(id, c.R_SIGNAL, self.now)

    # --- the engine ------------------------------------------------------------------------------------
    def hand_over(self, side, lots, stop, reduce, crash_before=False):
        id = self.next_id
        self.next_id += 1
        row = np.zeros(1, ORDER_DTYPE)
        r = row[0]
        r["id"], r["side"], r["qty"], r["ts_created"] = id, side, lots, self.now
        r["price"], r["stop_price"] = (0, PRICE - 500) if stop else (PRICE, 0)
        r["type"] = c.TYPE_STOP if stop else c.TYPE_LIMIT
        r["tif"], r["flags"] = c.TIF_GTC, c.OF_REDUCE_ONLY if reduce else 0
        r["purpose"] = c.FOR_STOP if stop else (c.FOR_EXIT if reduce else c.FOR_ENTRY)
        r["status"], r["action"] = c.ST_PENDING, c.ACT_NEW
        self.rows[id] = row
        self.orders[id] = {
            "side": side, "qty": lots, "filled": 0, "status": "pending", "cancel": False, "stop": stop,
            "reduce": reduce, "at": self.now,
        }  # fmt: skip
        if crash_before:  # journalled by the engine, never handed over
            self.crash(0, 0)
            return
        self.intents.claim([(f"k{id}", cid(id))], self.now)
        order = sealed(row, PERP, OWNER, EPOCH)
        self.lane.take(tracked_from(row[0], cid(id), self.now, order))

    def left(self, side, stop=None, reduce=None):
        return sum(
            o["qty"] - o["filled"] for o in self.orders.values()
            if o["status"] in LIVE and o["side"] == side and stop in (None, o["stop"]) and reduce in (None, o["reduce"])
        )  # fmt: skip

    def enter(self, a, b):
        self.hand_over(c.BUY, 1 + a % 9, False, False, crash_before=b % 23 == 0)

    def exit(self, a, b):
        room = self.position - self.left(c.SELL, stop=False, reduce=True)
        if room > 0:
            self.hand_over(c.SELL, 1 + a % room, False, True)

    def ask_cancel(self, id):
        order = self.orders[id]
        if order["status"] in LIVE and not order["cancel"]:
            order["cancel"] = True
            self.lane.cancel(id, c.R_SIGNAL, self.now)

    def pick(self, a, want):
        ids = [k for k, o in self.orders.items() if want(o)]
        return ids[a % len(ids)] if ids else None

    def cancel(self, a, b):
        id = self.pick(a, lambda o: o["status"] in LIVE and not o["cancel"])
        if id is not None:
            self.ask_cancel(id)

    def replace(self, a, b):
        id = self.pick(a, lambda o: o["status"] in LIVE and not o["cancel"] and not o["reduce"])
        if id is not None:
            self.ask_cancel(id)
            self.hand_over(c.BUY, 1 + b % 9, False, False)

    def protect(self):
        """One stop lane: exactly the position, grown beside, shrunk by cancel and anew."""
        have = self.left(c.SELL, stop=True)
        if have > max(self.position, 0):
            for id, o in self.orders.items():
                if o["stop"] and o["status"] in LIVE and not o["cancel"]:
                    self.ask_cancel(id)
                    return
        elif have < self.position:
            self.hand_over(c.SELL, self.position - have, True, True)

    def drain(self, a=0, b=0):
        for row in self.out.take(self.now):
            self.fold(row)
        self.protect()

    def fold(self, row):
        kind, id = int(row["kind"]), int(row["x"])
        if kind == c.EV_STATUS:
            raise Broken(f"instrument paused: {self.alarm.told[-1:]}")
        order = self.orders.get(id)
        if order is None:
            raise Broken(f"event {kind} of order {id} that was never sent")
        if kind == c.EV_FILL:
            seq, lots, price = int(row["seq"]), int(row["qty"]), int(row["price"])
            if seq in self.trades:
                raise Broken(f"trade {seq} told twice")
            self.trades[seq] = lots
            order["filled"] += lots
            if order["filled"] > order["qty"]:
                raise Broken(f"order {id} overfilled")
            self.position += order["side"] * lots
            self.cash -= order["side"] * lots * price
            if order["filled"] == order["qty"]:
                order["status"] = "filled"
            elif order["status"] in ("pending", "unknown"):
                order["status"] = "working"
        elif order["status"] in LIVE:
            order["status"] = {
                c.EV_ACK: "working", c.EV_REJECT: "rejected", c.EV_CANCELED: "canceled", c.EV_UNKNOWN: "unknown",
            }[kind]  # fmt: skip

    # --- the venue -------------------------------------------------------------------------------------
    def ask(self, a, b, healthy=False):
        line = list(Line)[a % 3]
        ask = self.lane.next_ask(line, self.now, self.now)
        if ask is None:
            return False
        self.lane.answered(ask, self.reply(ask, "ok" if healthy else self.outcome(ask, b)), self.now)
        return True

    def outcome(self, ask, b):
        commands = ["ok"] * 6 + ["lost", "lost", "dropped", "notsent", "throttled"]
        questions = ["ok"] * 5 + ["unreachable", "unreachable", "hidden"]
        words = commands if ask.verb in (Verb.SUBMIT, Verb.CANCEL) else questions
        return words[b % len(words)]

    def hides(self, client_id, word):
        """Every third order shows late, whatever is asked; any other may be hidden once."""
        late = int(client_id.rpartition("-")[2]) % 3 == 0
        return (late or word == "hidden") and self.now - self.placed_at.get(client_id, 0) < HIDDEN_FOR

    def reply(self, ask, word):
        if word == "dropped":
            return OutcomeUnknown("no answer", c.R_TIMEOUT)
        if word == "notsent":
            return NotSent("no route", c.R_NETWORK)
        if word == "throttled":
            return Throttled("slow", c.R_THROTTLED, SECOND)
        if word == "unreachable":
            return VenueUnreachable("no answer", c.R_NETWORK)
        try:
            report = self.call(ask, word)
        except (OrderRejected, NotFound) as error:
            report = error
        return OutcomeUnknown("reply lost", c.R_TIMEOUT) if word == "lost" else report

    def call(self, ask, word):
        exchange = self.exchange
        if ask.verb is Verb.SUBMIT:
            self.arrivals[ask.client_id] += 1
            self.placed_at[ask.client_id] = self.now
            return exchange.place(ask.order)
        if ask.verb is Verb.CANCEL:
            return exchange.cancel(ask.client_id)
        if ask.verb is Verb.LOOK:
            if self.hides(ask.client_id, word) or ask.client_id not in exchange.orders:
                raise NotFound("no such order", c.R_NOT_FOUND)
            return exchange.orders[ask.client_id]
        orders = [o for o in exchange.open_orders(None) if not self.hides(o.client_id, word)]
        trades = [
            t for t in exchange.trades if t.ts_venue >= ask.since_ns and not self.hides(t.client_id, word)
        ]
        return Sweep(tuple(orders), tuple(trades))

    def truth(self):
        return int(self.exchange.positions.get(PERP.symbol, Decimal(0)) / LOT)

    def execute(self, a, lots):
        orders = self.exchange.open_orders(None)
        if not orders:
            return
        order = orders[a % len(orders)]
        left = int((order.quantity - order.filled) / LOT)
        if order.reduce_only:
            left = min(left, max(self.truth(), 0))
        if left > 0:
            price = (order.price or order.stop_price) + (lots % 3) * TICK
            self.exchange.fill(order.client_id, min(left, lots) * LOT, price)

    def fill(self, a, b):
        self.execute(a, 10**6)

    def part(self, a, b):
        self.execute(a, 1 + b % 4)

    def venue_end(self, a, b):
        orders = self.exchange.open_orders(None)
        if orders:
            self.exchange.end(orders[a % len(orders)].client_id, "expired", c.R_MAINTENANCE)

    # --- the private stream ----------------------------------------------------------------------------
    def deliver(self, a, b):
        if self.waiting and self.stream:
            event = self.waiting.pop(a % len(self.waiting) if b % 3 == 0 else 0)
            self.past.append(event)
            self.lane.heard(event, self.now)

    def repeat(self, a, b):
        if self.past and self.stream:
            self.lane.heard(self.past[a % len(self.past)], self.now)

    def lose(self, a, b):
        if self.waiting:
            self.waiting.pop(a % len(self.waiting))

    def down(self, a, b):
        self.stream = False
        self.waiting.clear()
        self.lane.poll(True, self.now)

    def up(self, a, b):
        self.stream = True
        self.lane.poll(False, self.now)

    def time(self, a, b):
        self.now += (SECOND // 20, SECOND // 5, SECOND, 4 * SECOND, 11 * SECOND)[a % 5]

    # --- what must hold --------------------------------------------------------------------------------
    def check(self):
        for client_id, n in self.arrivals.items():
            if n > 1:
                raise Broken(f"{client_id} reached the venue {n} times")
        worst = self.lane.worst_exposure()
        if abs(self.truth()) > worst:
            raise Broken(f"position {self.truth()} at the venue, worst case {worst} here")

    def heal(self):
        self.up(0, 0)
        naked_since = None
        until = self.now + 60 * SECOND
        while self.now < until:
            for _ in range(200):
                moved = sum(self.ask(k, 0, healthy=True) for k in range(3)) > 0
                while self.waiting:
                    self.deliver(0, 1)
                    moved = True
                self.drain()
                if not moved:
                    break
            else:
                raise Broken("the lane never comes to rest")
            self.check()
            bare = self.position - covered(self.position, self.lane.live)
            naked_since = None if bare == 0 else (naked_since or self.now)
            if naked_since and not self.lane.unknown and self.now - naked_since > 2 * SETTINGS.naked_limit_ns:
                raise Broken(f"{bare} of {self.position} lots naked for {(self.now - naked_since) / 1e9} s")
            waits = [self.lane.wait_ns(line, self.now) for line in Line]
            self.now += max(min(waits), SECOND // 100)
        self.agree()

    def agree(self):
        exchange = self.exchange
        if self.position != self.truth():
            raise Broken(f"position {self.position} here, {self.truth()} at the venue")
        cash = -sum(t.side * int(t.price / TICK) * int(t.quantity / LOT) for t in exchange.trades)
        if cash != self.cash:
            raise Broken(f"cash {self.cash} here, {cash} at the venue")
        here = {cid(k) for k, o in self.orders.items() if o["status"] in LIVE}
        there = {o.client_id for o in exchange.open_orders(None)}
        if here != there:
            raise Broken(f"live here only {sorted(here - there)}, there only {sorted(there - here)}")
        stops = sum(int((o.quantity - o.filled) / LOT) for o in exchange.open_orders(None) if o.stop_price)
        if stops != max(self.position, 0):
            raise Broken(f"{stops} lots of stops for a position of {self.position}")
        if self.intents.pending() and not here:
            raise Broken(f"intents still pending: {self.intents.pending()}")
        if self.lane.illegal or self.lane.overfills:
            raise Broken(f"{self.lane.illegal} illegal transitions, {self.lane.overfills} overfills")


def draw(rng, length):
    return [(rng.choice(OPS), rng.randrange(1 << 20), rng.randrange(1 << 20)) for _ in range(length)]


def play(run):
    """Play a run; None, or what broke."""
    world = World()
    try:
        for op, a, b in run:
            getattr(world, op)(a, b)
            world.check()
        world.heal()
    except Broken as error:
        return str(error)
    assert all(o.state in (*OPEN, "filled", "canceled", "expired") for o in world.exchange.orders.values())
    return None


def shrink(run):
    """The shortest run found, by leaving out ever smaller pieces, that still breaks."""
    size = len(run) // 2
    while size:
        at = 0
        while at < len(run):
            shorter = run[:at] + run[at + size :]
            if play(shorter) is not None:
                run = shorter
            else:
                at += size
        size //= 2
    return run


def search(n, seed, length=40, told=False):
    """Play `n` random runs; the first that breaks, shrunk and with its reason, or None."""
    rng = random.Random(seed)
    for k in range(n):
        run = draw(rng, rng.randrange(5, length))
        if play(run) is not None:
            run = shrink(run)
            return k, play(run), run
        if told and k % 10_000 == 9_999:
            print(f"{k + 1} interleavings hold so far", flush=True)
    return None


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    found = search(count, int(sys.argv[2]) if len(sys.argv) > 2 else 1, told=True)
    if found:
        print(f"run {found[0]}: {found[1]}")
        print("\n".join(map(str, found[2])))
        sys.exit(1)
    print(f"{count} interleavings, all invariants hold")
