"""S1, the kill switch: what the specification says it must show."""

import sys
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.engine_scene import START, S, Scene, book, instrument

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, order_row, running
from desk_scene import Scene as DeskScene
from virtual_time import run_virtual

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.model.values import Price, Quantity
from bot4.model.words import Intent
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.safety.gate import Gate, GateContext, Refused
from bot4.safety.killswitch import BEAT_NS, MAX_MISSED, POLL_NS, KillSwitch
from bot4.safety.marker import KillMarker
from bot4.safety.state import gate_params, new_safety

THREADS, EACH = 8, 1250
LIVE = (c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL, c.ST_CANCELING, c.ST_UNKNOWN)


def open_gate(latch):
    """A gate that lets everything pass that it may, and the context of an order."""
    state = new_safety(gate_params(10**18, max_open_orders=10**6, max_orders_window=10**6, band_e4=9999))
    state.control["enabled"] = state.control["reconciled"] = 1
    some = instrument()
    spec = Scene().engine.spec
    tick, lot = some.tick, some.lot
    context = GateContext(some, spec, 1, Price(500_000, tick), 0, Quantity(0, lot), Quantity(0, lot))
    intent = Intent(some.symbol, 1, "limit", Quantity(10, lot), Price(500_000, tick), None, False, "entry")
    return Gate(state, "s1", 1, latch), intent, context


def test_s1_of_10_000_concurrent_attempts_after_a_trip_none_is_approved(tmp_path):
    switch = KillSwitch(tmp_path / "stop", FakeClock(1), FakeAlarm())
    gate, intent, context = open_gate(switch.latch)
    assert not isinstance(gate.approve(intent, {"risk": c.R_OK}, context), Refused)  # it would pass
    answers, ready = [], threading.Barrier(THREADS + 1)

    def attempt():
        ready.wait()
        mine = [gate.approve(intent, {"risk": c.R_OK}, context) for _ in range(EACH)]
        answers.extend(mine)

    threads = [threading.Thread(target=attempt) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    switch.trip(c.R_OPERATOR, "button")
    ready.wait()
    for thread in threads:
        thread.join()
    assert len(answers) == 10_000
    assert [a for a in answers if not isinstance(a, Refused)] == []
    assert {a.reason for a in answers} == {c.R_KILLED}


def test_s1_of_10_000_orders_on_their_way_none_is_accepted_once_the_latch_is_up(tmp_path):
    """They were approved before, and wait in the desk's lines while others are being sent."""
    accepted_late = []

    async def scene(clock):
        s = DeskScene(clock, [replace(PERP, symbol=f"C{k}-USDT-PERP") for k in range(20)])
        switch = KillSwitch(tmp_path / "stop", FakeClock(1), FakeAlarm())
        s.desk.latch = switch.latch
        place = s.exchange.place

        def watched(order):
            if switch.latched:
                accepted_late.append(order)
            return place(order)

        s.exchange.place = watched
        async with running(s):
            for first in range(1, 10_001, 50):
                rows = [order_row(k, inst=k % 20) for k in range(first, first + 50)]
                s.desk.hand_over(np.concatenate(rows))
                await s.pass_time(0.001)
                if s.exchange.placed >= 3:
                    switch.trip(c.R_OPERATOR, "button")
            await s.pass_time(5)
            s.desk.stop_risk()
            await s.pass_time(1)
        return s

    s = run_virtual(scene)
    assert 3 <= s.exchange.placed < 10_000
    assert accepted_late == []
    told = {x for kind, x, _ in s.heard if kind in ("ack", "reject")}
    assert told == set(range(1, 10_001))  # each is answered: taken before, or refused


def test_s1_within_5_s_of_the_kill_every_order_is_cancelled_and_every_position_closed():
    """On the simulator, with its usual latency, in market time."""
    pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
    scene = Scene(
        "venue.latency=lognormal", "venue.entry_latency=200ms", "venue.response_latency=200ms",
        "quoter.size=0.1", bars=False, strategy="quoter", instruments=pair, timer_ns=S,
    )  # fmt: skip

    def books(at, seq):
        rows = [book(at, 500_000, 500_001, seq, inst=i) for i in (0, 1)]
        scene.push(np.concatenate(rows), until=at + S - 1)

    for k in range(1, 4):
        books(START + k * S, k)
    now = START + 4 * S
    for inst in (0, 1):  # somebody sells into the bids of one and lifts the asks of the other
        row = np.zeros(1, EVENT_DTYPE)
        row["kind"], row["ts_venue"], row["ts_local"], row["instrument"] = c.EV_TRADE, now, now, inst
        row["price"], row["qty"], row["seq"] = (500_000 - 2, 10**6, 1) if inst else (500_001 + 2, 10**6, 1)
        row["flags"] = c.FLAG_BUYER_MAKER if inst else 0
        scene.push(row, until=now + inst)
    scene.push(np.empty(0, EVENT_DTYPE), until=now + S)
    assert scene.position(0) < 0 < scene.position(1)
    books(START + 6 * S, 6)
    assert len(scene.orders(*LIVE)) >= 4
    killed = scene.driver.now
    scene.driver.kill(c.R_OPERATOR)
    for k in range(7, 12):
        books(START + k * S, k)
    assert scene.driver.now <= killed + 5 * S
    assert scene.position(0) == scene.position(1) == 0
    assert len(scene.orders(*LIVE)) == 0
    made = scene.blocks(port.ORDERS)
    new = made[(made["ts_created"] >= killed) & (made["action"] == c.ACT_NEW)]
    assert set(new["flags"].tolist()) == {c.OF_REDUCE_ONLY}


def test_s1_handlers_run_in_their_order_and_each_once(tmp_path):
    switch = KillSwitch(tmp_path / "stop", FakeClock(1), FakeAlarm())
    run = []
    for name in ("mark the account", "wake the session", "sound the buzzer"):
        switch.add_callback(lambda cause, name=name: run.append(name))
    for _ in range(3):
        switch.trip(c.R_OPERATOR, "pressed")
        switch.look()
    assert run == ["mark the account", "wake the session", "sound the buzzer"]


@pytest.mark.parametrize("dies_at_ms", [0, 1, 19, 20, 333, 999, 1000, 2500])
def test_s1_a_dead_heartbeat_trips_within_interval_times_missed_and_100_ms(tmp_path, dies_at_ms):
    """In virtual time: beats come in their interval until they end, the watcher looks in its own."""
    clock = FakeClock(10**15)
    switch = KillSwitch(tmp_path / "stop", clock, FakeAlarm(), beat_ns=BEAT_NS, max_missed=MAX_MISSED)
    switch.beat()
    last = clock.monotonic_ns()
    dead = last + dies_at_ms * 10**6
    while not switch.latched:
        clock.advance(POLL_NS)
        now = clock.monotonic_ns()
        if now <= dead and now - last >= BEAT_NS // 2:
            switch.beat()
            last = now
        switch.look()
        assert now <= last + BEAT_NS * MAX_MISSED + 100_000_000, "too late"
    assert clock.monotonic_ns() > last + BEAT_NS * MAX_MISSED, "too early"
    assert switch.cause.reason == c.R_INTERNAL
    assert "no heartbeat" in switch.cause.detail


def test_s1_no_second_press_no_reset_and_no_restart_resumes(tmp_path):
    clock, alarm = FakeClock(1), FakeAlarm()
    switch = KillSwitch(tmp_path / "stop", clock, alarm)
    marker = KillMarker(tmp_path / "state", "venue-account")
    switch.add_callback(lambda cause: marker.set(cause.detail, cause.ts))
    gate, intent, context = open_gate(switch.latch)
    switch.stop_file.touch()
    switch.look()
    for _ in range(2):  # pressed again
        switch.trip(c.R_OPERATOR, "again")
        switch.look()
    assert switch.clear_stop_file()  # reset
    for _ in range(3):
        switch.look()
        switch.beat()
    assert switch.latched
    assert gate.approve(intent, {"risk": c.R_OK}, context).reason == c.R_KILLED
    with pytest.raises(Exception, match="stopped by a kill"):  # a restart, of this machine or another process
        KillMarker(tmp_path / "state", "venue-account").require()
    engine = Scene()
    engine.driver.kill(c.R_OPERATOR)
    engine.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)
    assert engine.mode == c.MODE_EMERGENCY
    assert Decimal(int(engine.engine.safety.control[0]["killed"])) == 1
