"""E3: 1 000 orders, 30 % of the replies lost, retries and 10 crashes: exactly 1 000 at the venue."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, Scene, cid, order_row, running
from virtual_time import run_virtual

from bot4.execution.idempotency import Intents
from bot4.model import codes_nb as c
from bot4.ports.intents import FakeIntents
from bot4.ports.venue import Capabilities
from bot4.ports.venue_fake import FakeExchange

N, CRASHES = 1_000, 10
MANY = [replace(PERP, symbol=f"C{k}-USDT-PERP") for k in range(20)]


class Lossy:
    """A script without end: a reply is lost three times in ten, a look-up fails three times in ten."""

    def __init__(self, rng, word):
        self.rng, self.word = rng, word

    def popleft(self):
        return self.word if self.rng.random() < 0.3 else "ok"


def intent_row(id, k):
    """Order number `id` for intent number `k`, which its price tells apart at the venue."""
    return order_row(
        id, side=c.SELL, purpose=c.FOR_TARGET, reduce=True, price=600_000 + k, inst=k % len(MANY)
    )


def test_lost_replies_retries_and_crashes_leave_exactly_as_many_orders_as_intents():
    """What a crash caught between writing and sending is proven absent, and sent under a new number."""
    rng = random.Random(1)
    store, exchange = FakeIntents(), FakeExchange()
    latest = {k: k for k in range(1, N + 1)}  # intent -> order id
    ended = set()

    def life(last, stay, retries):
        async def main(clock):
            exchange.now = clock.now_ns
            s = Scene(
                clock, store=store, exchange=exchange, instruments=MANY, capabilities=Capabilities("perp")
            )
            s.venue.script = {"submit": Lossy(rng, "lost"), "order": Lossy(rng, "unreachable")}
            s.venue.delays["submit"] = 0.01
            async with running(s):
                rows = [intent_row(latest[k], k) for k in range(1, last + 1) if latest[k] not in ended]
                s.desk.hand_over(np.concatenate(rows + rows[::7]))  # the journal again, some of it twice
                await s.pass_time(stay)
                for _ in range(retries):
                    absent = {x for x, y in s.said("reject") if y == c.R_NOT_FOUND} - ended
                    for k in [k for k, id in latest.items() if id in absent]:
                        latest[k] += 10_000
                        s.desk.hand_over(intent_row(latest[k], k))
                    ended.update(absent)
                    await s.pass_time(stay)
            return s

        return run_virtual(main)

    for at in sorted(rng.sample(range(1, N), CRASHES)):
        life(at, 0.02, 0)
    s = life(N, 90, 3)
    prices = [o.price for o in exchange.orders.values()]
    assert len(prices) == len(set(prices)) == exchange.placed == N
    assert s.desk.unknown == {} and 0 < len(ended) < N


def test_memory_of_intents_stays_flat():
    """3e4 ids through a registry of 1 000 places."""
    store = FakeIntents()
    registry = Intents(store, ttl_ns=10**6, limit=1_000)
    for k in range(1, 30_001):
        assert registry.claim([(f"k{k}", cid(k))], now=k)[0].fresh
        registry.done(cid(k), k)
    assert len(registry) == 1_000 and len(store.records) < 5_000
    assert registry.find(cid(30_000)) is not None and registry.find(cid(5)) is None
