"""Random interleavings of what can happen to orders, against one lane, in time that jumps.

An engine model (orders, position, a lane of stops, on spot one of targets), the lane, and the exchange's truth.
A run is a list of (operation, a, b); everything random is in it, so that a failing run can be shrunk and played
again:

    spot                             (first) a spot venue with lists, and coins held: they are locked, one leg
                                     cancels the other
    enter, exit, cancel, replace     the engine wishes; a replaced order is amended where that can be
    price                            the market's price: targets are reached, or not
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
from desk_scene import EPOCH, MONEY_EXP, OWNER, PERP, PRICE, SPOT, cid

from bot4.execution.asks import Line, Sweep, Verb
from bot4.execution.fills import TradeBook
from bot4.execution.idempotency import Intents
from bot4.execution.lane import UNPLACED, Lane
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
    + ["price", "price", "replace", "replace", "replace"]
)  # fmt: skip
HIDDEN_FOR = 15 * SECOND
LIVE = {"pending", "working", "unknown", "canceling"}
AIM = PRICE + 500
KINDS = {"entry": c.FOR_ENTRY, "exit": c.FOR_EXIT, "stop": c.FOR_STOP, "target": c.FOR_TARGET}


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
        self.instrument, self.price_now = PERP, PRICE
        self.start_lane()

    @property
    def on_spot(self):
        return self.instrument is SPOT

    def spot(self, a, b):
        if not self.orders:
            self.instrument, self.position = SPOT, a % 10
            self.exchange.positions[SPOT.symbol] = self.position * LOT
            self.start_lane()
            self.lane.book.holding.lots, self.lane.book.holding.cost = self.position, self.position * PRICE
            self.protect()

    # --- the lane, and its restart ---------------------------------------------------------------------
    def start_lane(self):
        self.out, self.alarm = Outbox(), FakeAlarm()
        self.intents = Intents(self.store, SETTINGS.intent_ttl_ns, 1000)
        book = TradeBook(self.instrument, MONEY_EXP, 1000, lambda asset: None, Decimal(0))
        done = lambda client_id: self.intents.done(client_id, self.now)  # noqa: E731
        breaker = Breaker(Rule("orders", Stops.VENUE, errors_to_open=SETTINGS.refusals))
        self.lane = Lane(
            0, book, SETTINGS, breaker, self.out, self.alarm, OWNER,
            locks=self.on_spot, lists=True, amends=not self.on_spot, done=done, placed=self.placed,
        )  # fmt: skip
        self.lane.mark(self.price_now, self.now)

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
                record = self.intents.find(cid(id))
                if record is None:
                    self.lane.recover(t, sent=False)
                else:
                    self.lane.recover(t, sent=True, name=record.name, base=record.base)
                if order["cancel"]:
                    self.lane.cancel(id, c.R_SIGNAL, self.now)
        live = {cid(id) for id, order in self.orders.items() if order["status"] in LIVE}
        self.intents.end_others(live, self.now)

    # --- the engine ------------------------------------------------------------------------------------
    def placed(self, client_id, name, base):
        self.intents.place(client_id, name, base, self.now)

    def hand_over(self, kind, side, lots, crash_before=False, price=PRICE, instead=0):
        stop, reduce = kind == "stop", kind != "entry"
        id = self.next_id
        self.next_id += 1
        row = np.zeros(1, ORDER_DTYPE)
        r = row[0]
        r["id"], r["side"], r["qty"], r["ts_created"] = id, side, lots, self.now
        at_market = kind == "exit" and self.on_spot
        r["price"] = 0 if stop or at_market else AIM if kind == "target" else price
        r["stop_price"] = PRICE - 500 if stop else 0
        r["type"] = c.TYPE_STOP if stop else c.TYPE_MARKET if at_market else c.TYPE_LIMIT
        r["tif"] = c.TIF_IOC if at_market else c.TIF_GTC
        r["purpose"], r["flags"] = KINDS[kind], c.OF_REDUCE_ONLY if reduce else 0
        r["status"], r["action"] = c.ST_PENDING, c.ACT_NEW
        self.rows[id] = row
        self.orders[id] = {
            "side": side, "qty": lots, "filled": 0, "status": "pending", "cancel": False, "kind": kind,
            "at": self.now, "price": price,
        }  # fmt: skip
        if crash_before:  # journalled by the engine, never handed over
            self.crash(0, 0)
            return
        self.intents.claim([(f"k{id}", cid(id))], self.now)
        order = sealed(row, self.instrument, OWNER, EPOCH)
        t = tracked_from(row[0], cid(id), self.now, order)
        self.lane.take(t)
        name = self.lane.succeeds(t, instead) if instead else ""
        if name:
            self.placed(t.intent, name, UNPLACED)

    def left(self, kind):
        return sum(
            o["qty"] - o["filled"] for o in self.orders.values() if o["status"] in LIVE and o["kind"] == kind
        )

    def enter(self, a, b):
        self.hand_over("entry", c.BUY, 1 + a % 9, crash_before=b % 23 == 0)

    def exit(self, a, b):
        room = self.position - self.left("exit")
        if room > 0:
            self.hand_over("exit", c.SELL, 1 + a % room)

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
        id = self.pick(a, lambda o: o["status"] in LIVE and not o["cancel"] and o["kind"] == "entry")
        if id is not None:
            price = self.orders[id]["price"] + (-10, 0, 10)[b % 3]
            self.hand_over("entry", c.BUY, 1 + b % 9, price=price, instead=id)
            self.ask_cancel(id)

    def protect(self):
        """Each lane exactly the position, grown beside, shrunk by cancel and anew."""
        for kind in ("stop", "target") if self.on_spot else ("stop",):
            have = self.left(kind)
            if have > max(self.position, 0):
                for id, o in self.orders.items():
                    if o["kind"] == kind and o["status"] in LIVE and not o["cancel"]:
                        self.ask_cancel(id)
                        break
            elif have < self.position:
                self.hand_over(kind, c.SELL, self.position - have)

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
        for line in sorted(Line, key=lambda line: (line - a) % 3):
            ask = self.lane.next_ask(line, self.now, self.now)
            if ask is not None:
                self.lane.answered(ask, self.reply(ask, "ok" if healthy else self.outcome(ask, b)), self.now)
                return True
        return False

    def outcome(self, ask, b):
        commands = ["ok"] * 6 + ["lost", "lost", "dropped", "notsent", "throttled"]
        questions = ["ok"] * 5 + ["unreachable", "unreachable", "hidden"]
        if ask.verb in (Verb.LIST, Verb.AMEND):
            commands.append("refused")
        words = questions if ask.verb in (Verb.LOOK, Verb.SWEEP) else commands
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
        if word == "refused":
            return OrderRejected("the prices do not embrace the market", c.R_VENUE)
        try:
            report = self.call(ask, word)
        except (OrderRejected, NotFound) as error:
            report = error
        return OutcomeUnknown("reply lost", c.R_TIMEOUT) if word == "lost" else report

    def call(self, ask, word):
        exchange = self.exchange
        if ask.verb is Verb.SUBMIT:
            self.arrive(ask.order)
            self.has_coins(ask.order)
            return exchange.place(ask.order)
        if ask.verb is Verb.LIST:
            self.arrive(ask.order)
            self.arrive(ask.other)
            self.has_coins(ask.order)
            return exchange.place_list(ask.order, ask.other)
        if ask.verb is Verb.AMEND:
            return exchange.amend(ask.order, ask.client_id, ask.beside)
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

    def arrive(self, order):
        self.arrivals[order.client_order_id] += 1
        self.placed_at[order.client_order_id] = self.now

    def has_coins(self, order):
        """A spot venue refuses to sell what is not there or is locked by other sells; a list locks once."""
        if not self.on_spot or order.intent.side > 0:
            return
        locks = {}
        for o in self.exchange.open_orders(None):
            if o.side < 0:
                key = o.list_id or o.client_id
                locks[key] = max(locks.get(key, 0), int((o.quantity - o.filled) / LOT))
        if order.intent.quantity.lots > self.truth() - sum(locks.values()):
            raise Broken(f"{order.client_order_id} sells more than {self.truth()} less {locks}")

    def truth(self):
        return int(self.exchange.positions.get(self.instrument.symbol, Decimal(0)) / LOT)

    def execute(self, a, lots):
        orders = self.exchange.open_orders(None)
        if not orders:
            return
        order = orders[a % len(orders)]
        left = int((order.quantity - order.filled) / LOT)
        if order.reduce_only:
            left = min(left, max(self.truth(), 0))
        if left > 0:
            price = (order.price or order.stop_price or PRICE * TICK) + (lots % 3) * TICK
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

    def price(self, a, b):
        self.price_now = (PRICE, AIM - 1, AIM, AIM + 100)[a % 4]
        self.lane.mark(self.price_now, self.now)

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
        buys = sum(int((o.quantity - o.filled) / LOT) for o in self.exchange.open_orders(None) if o.side > 0)
        if self.truth() + buys > worst:
            raise Broken(f"position {self.truth()} and {buys} lots of buys there, worst case {worst} here")
        if self.truth() < 0:
            raise Broken(f"{-self.truth()} lots sold that were not held")
        for list_id, names in self.exchange.lists.items():
            legs = [self.exchange.orders[name] for name in names]
            if all(leg.filled for leg in legs):
                raise Broken(f"both legs of {list_id} were filled")

    def heal(self):
        self.up(0, 0)
        self.price(0, 0)
        naked_since = None
        until = self.now + 60 * SECOND
        while self.now < until:
            for _ in range(200):
                moved = sum(self.ask(k, 0, healthy=True) for k in range(3)) > 0
                while self.waiting:
                    self.deliver(0, 1)
                    moved = True
                for order in self.exchange.open_orders(None):
                    if order.type == "market":
                        self.exchange.fill(order.client_id, order.quantity - order.filled, PRICE * TICK)
                        moved = True
                self.drain()
                if not moved:
                    break
            else:
                raise Broken("the lane never comes to rest")
            self.check()
            bare = self.position - covered(self.position, self.lane.live)
            # on spot coins cannot be protected while a sell that has ended is still hidden by the venue
            there = {o.client_id for o in self.exchange.open_orders(None)}
            ended = [t for t in self.lane.live if t.reduce_only and t.at_venue and t.client_id not in there]
            excused = self.lane.unknown > 0 or (self.on_spot and len(ended) > 0)
            naked_since = None if bare == 0 or excused else (naked_since or self.now)
            if naked_since and self.now - naked_since > 2 * SETTINGS.naked_limit_ns:
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
        waiting = {t.client_id for t in self.lane.live if not t.at_venue}
        wished = {k for k, o in self.orders.items() if o["status"] in LIVE}
        if wished != {t.id for t in self.lane.live}:
            raise Broken(f"live for the engine {wished}, for the desk {[t.id for t in self.lane.live]}")
        here = {t.client_id for t in self.lane.live} - waiting
        if any(self.orders[t.id]["kind"] != "target" for t in self.lane.live if not t.at_venue):
            raise Broken(f"not at the venue: {sorted(waiting)}")
        there = {o.client_id for o in exchange.open_orders(None)}
        if here != there:
            raise Broken(f"live here only {sorted(here - there)}, there only {sorted(there - here)}")
        stops = sum(int((o.quantity - o.filled) / LOT) for o in exchange.open_orders(None) if o.stop_price)
        if stops != max(self.position, 0):
            raise Broken(f"{stops} lots of stops for a position of {self.position}")
        if self.intents.pending() and not here | waiting:
            raise Broken(f"intents still pending: {self.intents.pending()}")
        if self.lane.illegal or self.lane.overfills:
            raise Broken(f"{self.lane.illegal} illegal transitions, {self.lane.overfills} overfills")


def draw(rng, length):
    run = [(rng.choice(OPS), rng.randrange(1 << 20), rng.randrange(1 << 20)) for _ in range(length)]
    return [("spot", rng.randrange(10), 0), *run] if rng.random() < 0.5 else run


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
