"""The machine's watch, a run's own time, a channel that fails or hangs, a stderr that takes nothing."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from bot4.app.alarms import StderrAlarm
from bot4.live.machine import MIB, Machine, Room, keep_time
from bot4.model import codes_nb as c
from bot4.monitoring.alarms import AGAIN_MOST_NS, AGAIN_NS, MOST_WAITING, SECOND, AlarmHub, DeliveryFailed
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.ports.venue import VenueUnreachable
from bot4.safety.system_clock import SteadyClock

ROOM = Room(memory_soft=100, memory_hard=200, disk_floor=50)


class Watched:
    """A machine's watch over figures that the test sets."""

    def __init__(self):
        self.used, self.free = 10, 1000
        self.paused, self.notes, self.alarm = [], [], FakeAlarm()
        self.machine = Machine(
            ROOM, Path("journal"), self.paused.append, self.alarm, self.notes.append,
            lambda: self.used * MIB, self.left,
        )  # fmt: skip

    def left(self, folder):
        if self.free is None:
            raise OSError(5, "Input/output error")
        return self.free * MIB

    def look(self, **now):
        vars(self).update(now)
        self.machine.look()
        return list(self.paused)


def test_each_limit_is_acted_upon_once_until_it_was_over():
    w = Watched()
    assert w.look(used=100, free=50) == []  # the limits themselves are still good
    assert w.look(used=101) == w.look() == [c.R_INTERNAL]
    assert w.look(used=99) == [c.R_INTERNAL]
    assert w.look(used=101) == [c.R_INTERNAL] * 2
    assert w.look(free=49) == w.look() == [c.R_INTERNAL] * 2 + [c.R_JOURNAL]
    assert not w.machine.spent
    w.look(used=201)
    w.look(used=10)
    assert "201 MiB of memory are used, above safety.memory_hard = 200" in w.machine.spent  # it never falls
    assert [level for level, _ in w.alarm.told] == ["critical"] * 4
    assert len(w.notes) == 4


def test_a_folder_that_cannot_be_asked_is_little_room():
    w = Watched()
    assert w.look(free=None) == w.look() == [c.R_JOURNAL]
    assert w.alarm.told[0][1].startswith("the journal's folder cannot be asked: Input/output error")


def test_own_time_goes_on_whatever_the_wall_clock_does():
    base = FakeClock(1_000)
    clock = SteadyClock(base)
    base.jump(-500)
    base.advance(7)
    assert (clock.now_ns(), clock.step_ns()) == (1_007, -500)
    clock.adopt()
    assert (clock.now_ns(), clock.step_ns()) == (507, 0)


class Far:
    """A venue whose time is `offset` from ours by now; None: it does not answer."""

    def __init__(self, clock, there):
        self.clock, self.there = clock, there

    async def clock_offset_ns(self):
        if self.there is None:
            raise VenueUnreachable("gone", c.R_NETWORK)
        return self.there() - self.clock.now_ns()


async def kept(base, clock, venue, moves):
    """What was told while the wall clock moved."""
    alarm, notes = FakeAlarm(), []
    task = asyncio.create_task(keep_time(clock, venue, alarm, notes.append))
    try:
        for move in moves:
            base.jump(move)
            for _ in range(20):
                await asyncio.sleep(0)
    finally:
        task.cancel()
    assert len(notes) == len(alarm.told)
    return alarm.told


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("bot4.live.machine.LOOK_S", 0)


async def test_a_set_clock_is_told_once_and_taken_only_when_ours_is_refused_and_the_venue_nearer(quick):
    base = FakeClock(10**15)
    clock = SteadyClock(base)
    ours = clock.now_ns()
    told = await kept(base, clock, Far(clock, lambda: ours + SECOND // 2), [600 * SECOND, 0, SECOND // 20])
    assert [text for _, text in told] == [
        "the machine's clock was set by +600.000 s; the run keeps its own time"
    ]
    assert clock.now_ns() == ours
    told = await kept(base, clock, Far(clock, None), [0])
    assert len(told) == 1 and clock.now_ns() == ours
    told = await kept(base, clock, Far(clock, lambda: ours + 600 * SECOND), [0])
    assert told[-1][0] == "critical" and "the run's time moves by +600.050 s" in told[-1][1]
    assert clock.step_ns() == 0
    assert await kept(base, clock, Far(clock, lambda: ours), [0]) == []  # no step, nothing to decide


async def test_a_clock_that_is_set_back_is_told_too(quick):
    base = FakeClock(10**15)
    clock = SteadyClock(base)
    ours = clock.now_ns()
    told = await kept(base, clock, Far(clock, lambda: ours), [-600 * SECOND, 600 * SECOND])
    assert [text.partition(";")[0] for _, text in told] == [
        "the machine's clock was set by -600.000 s",
        "the machine's clock and the run's own time agree again",
    ]


# --- channels --------------------------------------------------------------------------------------------
class Flaky:
    """A channel that refuses until it is told otherwise."""

    name = "flaky"

    def __init__(self):
        self.well, self.got, self.tries = False, [], 0

    def send(self, level, text):
        self.tries += 1
        if not self.well:
            raise DeliveryFailed("refused")
        self.got.append(text)


def hub_of(channel, **more):
    said = []
    return AlarmHub([[channel]], FakeClock(), trouble=said.append, **more), said


def test_a_failed_message_is_tried_again_at_growing_intervals_in_order_and_told_once():
    channel = Flaky()
    hub, said = hub_of(channel)
    for k in range(3):
        hub.tell("critical", f"alarm {k}")
    hub.look()
    assert channel.tries == 1  # the others wait behind the first
    hub._clock.advance(AGAIN_NS - 1)
    hub.look()
    assert channel.tries == 1
    waits = []
    for _ in range(12):
        begin, tries = hub._clock.monotonic_ns(), channel.tries
        while channel.tries == tries:
            hub._clock.advance(SECOND)
            hub.look()
        waits.append(hub._clock.monotonic_ns() - begin)
    assert waits[1:] == sorted(waits[1:]) and waits[-1] == AGAIN_MOST_NS
    channel.well = True
    hub._clock.advance(AGAIN_MOST_NS)
    hub.look()
    assert [text.partition(" (")[0] for text in channel.got] == ["alarm 0", "alarm 1", "alarm 2"]
    assert said == [
        "alarm channel flaky does not deliver (refused); it is tried again",
        "alarm channel flaky delivers again",
    ]


def test_what_waits_is_bounded_and_the_critical_stays():
    channel = Flaky()
    hub, said = hub_of(channel, quiet_ns=0)
    hub.tell("critical", "kept")
    hub.look()
    for k in range(2 * MOST_WAITING):
        hub.tell("info", f"line {k}")
        hub.look()
    line = hub._tiers[0][0]
    assert len(line.waiting) == MOST_WAITING and line.waiting[0][1] == "kept"
    channel.well = True
    hub._clock.advance(AGAIN_MOST_NS)
    hub.look()
    assert channel.got[0] == "kept"
    assert f"delivers again; {MOST_WAITING + 1} older messages were dropped" in said[-1]


def test_a_channel_that_hangs_is_left_to_itself_and_the_next_tier_hears():
    held, got = threading.Event(), []

    class Hangs:
        name = "hangs"

        def send(self, level, text):
            held.wait(30)

    class Second:
        name = "second"

        def send(self, level, text):
            got.append(text)

    said = []
    hub = AlarmHub([[Hangs()], [Second()]], FakeClock(), answer_s=0.05, trouble=said.append)
    hub.tell("critical", "stop")
    hub.look()
    hub.tell("critical", "stop again")
    hub.look()  # not even tried: it still hangs
    assert [text.partition(" (")[0] for text in got] == ["stop", "stop again"]
    assert said == [
        "alarm channel hangs does not deliver (channel hangs did not answer in 0.05 s); it is tried again"
    ]
    held.set()


def test_of_an_error_of_the_library_only_the_kind_is_told():
    class Leaks:
        name = "leaks"

        def send(self, level, text):
            raise ValueError("https://user:secret@host")

    hub, said = hub_of(Leaks())
    hub.tell("info", "x")
    hub.look()
    assert said == ["alarm channel leaks does not deliver (ValueError); it is tried again"]


def test_a_stderr_that_takes_nothing_is_counted_and_never_raised(monkeypatch):
    class Full:
        def isatty(self):
            return False

        def write(self, text):
            raise OSError(28, "No space left on device")

        def flush(self):
            pass

    alarm = StderrAlarm()
    monkeypatch.setattr(sys, "stderr", Full())
    alarm.tell("critical", "x")
    assert alarm.lost == 1
