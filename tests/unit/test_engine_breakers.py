"""The engine's circuit breakers on scripted markets: what opens them, what they refuse, how they close."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from engine_scene import MINUTE, START, S, Scene, bar, book, event, flat_bars, trade

from bot4.engine.state import state_hash
from bot4.engine.trips import standing, trip_document, trip_text
from bot4.model import codes_nb as c
from bot4.ports import journal as port

pytestmark = pytest.mark.jit

MS = 10**6
CLOSED, OPEN, HALF_OPEN = c.BREAKER_CLOSED, c.BREAKER_OPEN, c.BREAKER_HALF_OPEN
SYMBOLS = ["BTC-USDT"]


class Market:
    """Ten quotes and ten trades a second; `one_sided` buys everything and the bids grow for ever."""

    def __init__(self):
        self.now, self.seq, self.price, self.bids = START, 1, 500_000, 10_000
        self.rows = [book(self.now, self.price, self.price + 1, 1)]

    def run(self, seconds, one_sided=False, qty=100):
        for k in range(10 * seconds):
            self.now += 100 * MS
            self.seq += 1
            self.bids += 1_000 if one_sided or k % 2 else -1_000
            best = {"price": self.price, "qty": self.bids, "x": self.price + 1, "y": 10_000}
            self.rows.append(event(c.EV_BOOK_TICKER, self.now, seq=self.seq, **best))
            self.rows.append(trade(self.now, self.price, qty, self.seq, seller=not one_sided and k % 2 == 0))
        return self.take()

    def take(self):
        made, self.rows = np.concatenate(self.rows), []
        return made


WIDE = (
    "quality.stale_after=1000s", "strategy.fixed_size=0.01", "breaker.timeout=10s", "breaker.volume=1000",
)  # fmt: skip


def scene(*sets, **more):
    return Scene(*WIDE, *sets, bars=False, bar_ns=MINUTE, **more)


def trips(made, *kinds):
    rows = made.blocks(port.TRIPS)
    return [
        (int(r["kind"]), int(r["before"]), int(r["after"]), int(r["reason"]))
        for r in rows
        if not kinds or r["kind"] in kinds
    ]


def view(made, direction=1):
    made.driver.tell(c.EV_VIEW, direction, 10**9)


def test_toxic_flow_refuses_new_risk_lets_exits_pass_and_ends_with_probes():
    made, market, told = scene(), Market(), []
    made.driver.heard = lambda rows: told.extend(trip_text(r, SYMBOLS) for r in rows)
    made.push(market.run(300))
    assert trips(made) == []
    view(made)
    made.push(market.run(1))
    assert made.position() == 10
    made.push(market.run(250, one_sided=True))
    assert trips(made) == [(c.BK_TOXIC, CLOSED, OPEN, c.R_TOXIC_FLOW)]
    row = made.blocks(port.TRIPS)[0]
    assert row["value"] >= row["limit"] == 0.6 and row["until"] == row["ts"] + 10 * S
    assert told[0][0] == "critical" and "toxic_flow of BTC-USDT is OPEN" in told[0][1]
    view(made, -1)  # the exit passes
    made.push(market.run(1, one_sided=True))
    assert made.position() == 0 and made.orders(c.ST_WORKING, c.ST_PARTIAL, c.ST_PENDING).size == 0
    sent = made.clock("CK_ORDERS")
    for _ in range(3):  # long after the time-out: the flow is still toxic
        view(made)
        made.push(market.run(15, one_sided=True))
    assert made.outcome() == (c.D_ENTER, c.R_SIGNAL) or made.outcome() == (c.D_REFUSED, c.R_TOXIC_FLOW)
    assert made.clock("CK_ORDERS") == sent and made.position() == 0
    refused = made.blocks(port.DECISIONS)
    assert (refused[-3:]["reason"] == c.R_TOXIC_FLOW).all()
    assert len(trips(made)) == 1  # one transition, however often it was asked and measured
    [now] = [b for b in standing(made.engine, SYMBOLS) if b["state"] == "open"]
    assert (now["cause"], now["scope"], now["trips"]) == ("toxic_flow", "BTC-USDT", 1)
    made.push(market.run(300))  # calm again
    assert trips(made)[1:] == [
        (c.BK_TOXIC, OPEN, HALF_OPEN, c.R_TOXIC_FLOW), (c.BK_TOXIC, HALF_OPEN, CLOSED, c.R_TOXIC_FLOW),
    ]  # fmt: skip
    view(made)
    made.push(market.run(1))
    assert made.position() == 10


def test_half_open_lets_one_order_through():
    made, market = scene(), Market()
    made.push(market.run(300))
    made.push(market.run(250, one_sided=True))
    breaker = made.engine.core["breakers"][0][c.BK_TOXIC : c.BK_TOXIC + 1]
    assert breaker[0]["state"] == OPEN
    breaker[0]["needed"] = 10**6  # it stays half open
    while breaker[0]["state"] == OPEN:
        made.push(market.run(10))
    sent = made.clock("CK_ORDERS")
    view(made)
    assert breaker[0]["state"] == HALF_OPEN and breaker[0]["probing"] == 1
    assert made.clock("CK_ORDERS") == sent + 1
    made.push(market.run(1))
    view(made, -1)  # out again
    made.push(market.run(1))
    assert made.position() == 0
    view(made)
    assert made.blocks(port.DECISIONS)[-1]["reason"] == c.R_TOXIC_FLOW
    made.push(market.run(1))
    assert made.position() == 0 and breaker[0]["state"] == HALF_OPEN


def test_the_replay_opens_the_same_breakers():
    made, market = scene(), Market()
    first = [market.run(300), market.run(250, one_sided=True), market.run(40)]
    for rows in first:
        made.push(rows)
        view(made)
    made.driver.flush()
    again = scene(inputs=made.blocks(port.INPUTS))
    again.driver._cold = None  # its views are inputs
    for rows in first:
        again.push(rows, int(rows["ts_local"][-1]) - 1)
    again.push(rows[:0], int(rows["ts_local"][-1]))
    assert again.blocks(port.TRIPS).tobytes() == made.blocks(port.TRIPS).tobytes() != b""
    assert state_hash(again.engine) == state_hash(made.engine)


def test_a_surge_of_volume_refuses_until_it_is_over():
    made, market = scene("breaker.volume=20"), Market()
    made.push(market.run(400))
    made.push(market.run(20, qty=1_900))
    assert trips(made) == []  # nineteen times the usual, and some of it is usual by now
    made, market = scene("breaker.volume=20"), Market()
    made.push(market.run(400))
    made.push(market.run(10, qty=4_000))
    assert trips(made) == [(c.BK_VOLUME, CLOSED, OPEN, c.R_VOLUME)]
    view(made)
    assert made.blocks(port.DECISIONS)[-1]["reason"] == c.R_VOLUME
    made.push(market.run(60))
    assert [t[1:3] for t in trips(made)] == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED)]


def bars_scene(*sets):
    """Bars, so that nothing but the price moves; entries by the test's scores."""
    return Scene("strategy.fixed_size=1", "breaker.timeout=1m", "risk.emergency_stop=90 %", "risk.stop_atr=100000",
                 *sets)  # fmt: skip


def test_a_position_that_loses_too_much_opens_its_breaker_and_three_in_a_day_the_strategys():
    made = bars_scene("breaker.loss=1 %", "breaker.escalate=2", "breaker.timeout=2m")
    made.push(flat_bars(1, 40))
    price = 500_000
    for k in (41, 46):  # 1 BTC of 100,000: a fall of 2,000 is 2 %
        made.scores = {k: 1.0, k + 2: -1.0}
        made.push(bar(k, price))
        made.push(bar(k + 1, price))
        price -= 20_000
        made.push(bar(k + 2, price))
        made.push(flat_bars(k + 3, k + 4, price))
    losses = trips(made, c.BK_LOSS)
    assert losses[0] == (c.BK_LOSS, CLOSED, OPEN, c.R_LOSS)
    assert losses.count(losses[0]) == 2
    assert trips(made, c.BK_STRATEGY) == [(c.BK_STRATEGY, CLOSED, OPEN, c.R_LOSS)]
    [b] = [b for b in standing(made.engine, SYMBOLS) if b["level"] == "strategy"]
    assert (b["state"], b["cause"]) == ("open", "risk_limit")
    view(made)
    assert made.blocks(port.DECISIONS)[-1]["reason"] == c.R_LOSS


def lose(made, k, price=500_000):
    """A round trip that loses a little, at bars k to k + 3."""
    made.scores = {k: 1.0, k + 2: -1.0}
    made.push(np.concatenate([*(bar(k + n, price) for n in range(3)), bar(k + 3, price, open_=price - 100)]))


def win(made, k, price=500_000):
    made.scores = {k: 1.0, k + 2: -1.0}
    made.push(
        np.concatenate([*(bar(k + n, price) for n in range(3)), bar(k + 3, price, open_=price + 9_000)])
    )


def test_trades_lost_in_a_row_stop_the_strategy_and_one_probe_decides():
    made = bars_scene("breaker.losing_streak=3", "breaker.timeout=5m", "breaker.escalate=20")
    made.push(flat_bars(1, 40))
    for n in range(2):
        lose(made, 41 + 4 * n)
    win(made, 49)
    for n in range(2):
        lose(made, 53 + 4 * n)
    assert trips(made) == []
    lose(made, 61)
    assert trips(made) == [(c.BK_STRATEGY, CLOSED, OPEN, c.R_LOSING)]
    row = made.blocks(port.TRIPS)[0]
    assert (row["value"], row["limit"], row["instrument"]) == (3, 3, -1)
    assert trip_document(row, SYMBOLS)["cause"] == "risk_limit"
    fills = made.clock("CK_FILLS")
    win(made, 65)
    assert made.clock("CK_FILLS") == fills  # refused
    lose(made, 69)
    assert trips(made)[1:] == [
        (c.BK_STRATEGY, OPEN, HALF_OPEN, c.R_LOSING), (c.BK_STRATEGY, HALF_OPEN, OPEN, c.R_LOSING),
    ]  # fmt: skip
    made.push(flat_bars(73, 79))
    win(made, 80)
    assert trips(made)[3:] == [
        (c.BK_STRATEGY, OPEN, HALF_OPEN, c.R_LOSING), (c.BK_STRATEGY, HALF_OPEN, CLOSED, c.R_LOSING),
    ]  # fmt: skip


def test_a_strategy_that_opens_again_and_again_pauses_the_run_until_a_release():
    made = bars_scene("breaker.losing_streak=2", "breaker.timeout=1s", "breaker.escalate=2")
    made.push(flat_bars(1, 40))
    for n in range(3):
        lose(made, 41 + 4 * n)
    made.push(flat_bars(53, 55))
    assert made.mode == c.MODE_PAUSE
    assert trips(made, c.BK_SYSTEM) == [(c.BK_SYSTEM, c.MODE_NORMAL, c.MODE_PAUSE, c.R_BREAKER)]
    made.push(flat_bars(56, 60))
    assert made.mode == c.MODE_PAUSE
    made.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    assert made.mode == c.MODE_NORMAL


def test_a_probe_of_the_strategy_that_never_fills_leaves_its_place():
    made = bars_scene("breaker.losing_streak=2", "breaker.timeout=1s", "breaker.escalate=20")
    made.push(flat_bars(1, 40))
    for n in range(2):
        lose(made, 41 + 4 * n)
    strategy = made.engine.core["breakers"][0][-1:]
    made.push(flat_bars(49, 50))
    strategy[0]["state"], strategy[0]["probing"] = HALF_OPEN, 1
    made.push(flat_bars(51, 52))
    assert strategy[0]["probing"] == 0


def test_modes_by_hand_and_by_limit_are_told_as_the_systems_breaker():
    made = bars_scene("breaker.loss=50 %", "risk.daily_loss=1 %")
    told = []
    made.driver.heard = lambda rows: told.extend(trip_text(r, SYMBOLS) for r in rows)
    made.push(flat_bars(1, 40))
    made.driver.mode(c.MODE_PAUSE, c.R_COMMAND)
    made.push(flat_bars(41, 41))
    made.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    made.scores = {42: 1.0}
    made.push(np.concatenate([bar(42, 500_000), bar(43, 500_000), bar(44, 480_000), bar(45, 480_000)]))
    documents = [trip_document(r, SYMBOLS) for r in made.blocks(port.TRIPS)]
    assert [(d["level"], d["after"], d["cause"]) for d in documents] == [
        ("system", "open", "manual"), ("system", "closed", None), ("system", "open", "risk_limit"),
    ]  # fmt: skip
    assert [level for level, _ in told] == [
        "warning",
        "warning",
        "critical",
    ]  # a person's own word needs no person
    assert "pause (command)" in told[0][1]


def test_the_end_of_a_pause_does_not_mend_a_broken_book():
    made, market = scene(), Market()
    made.push(market.run(1))
    row = made.engine.inst[0]

    def told(status, reason=0):
        made.driver.tell(c.EV_STATUS, status, reason)
        return int(row["status"]), int(row["status_reason"])

    assert told(c.STATUS_QUARANTINED, c.R_SPREAD) == (c.STATUS_QUARANTINED, c.R_SPREAD)
    view(made)
    assert made.blocks(port.DECISIONS)[-1]["reason"] == c.R_SPREAD
    assert told(c.STATUS_DISCONNECTED, c.R_NETWORK) == (c.STATUS_DISCONNECTED, c.R_NETWORK)
    assert told(c.STATUS_OK) == (c.STATUS_DISCONNECTED, c.R_NETWORK)
    assert told(c.STATUS_QUARANTINED, c.R_SPREAD) == (c.STATUS_DISCONNECTED, c.R_NETWORK)
    view(made)
    assert made.blocks(port.DECISIONS)[-1]["reason"] == c.R_BOOK_INVALID
