"""The kill switch: every way to trip it, and that nothing clears it."""

import os
import signal
import threading
import time

import pytest

from bot4.model import codes_nb as c
from bot4.model.errors import CallerError, ConfigError
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SystemClock


class Broken:
    """A clock or alarm that always fails."""

    def __getattr__(self, name):
        def fail(*args):
            raise OSError(f"{name} broke")

        return fail


@pytest.fixture
def clock():
    return FakeClock(1_000)


@pytest.fixture
def alarm():
    return FakeAlarm()


@pytest.fixture
def switch(tmp_path, clock, alarm):
    return KillSwitch(tmp_path / "STOP", clock, alarm, beat_ns=10, max_missed=3)


def wait_for(what):
    for _ in range(500):
        if what():
            return True
        time.sleep(0.01)
    return False


def test_trip_latches_once_and_for_ever(switch, alarm):
    seen = []
    switch.add_callback(seen.append)
    assert not switch.latched
    assert switch.cause is None
    switch.trip(c.R_OPERATOR, "by hand")
    switch.trip(c.R_COMMAND)
    assert switch.latched
    assert switch.latch[0] == 1
    assert switch.cause == (c.R_OPERATOR, "by hand", 1_000)
    assert [t.reason for t in switch.trips] == [c.R_OPERATOR, c.R_COMMAND]
    assert seen == [switch.cause]
    assert [level for level, _ in alarm.told] == ["critical"]
    late = []
    switch.add_callback(late.append)
    assert late == [switch.cause]
    switch.look()
    switch.beat()
    assert not switch.clear_stop_file()
    assert switch.latched


def test_stop_file(switch):
    switch.look()
    assert not switch.latched
    switch.stop_file.touch()
    switch.look()
    assert switch.cause.reason == c.R_FILE
    assert switch.clear_stop_file()
    switch.look()
    assert switch.latched


def test_a_file_that_cannot_be_looked_at_trips(tmp_path, clock, alarm):
    folder = tmp_path / "sub"
    folder.mkdir()
    switch = KillSwitch(folder / "STOP", clock, alarm)
    folder.rmdir()
    folder.touch()  # the folder became a file: NotADirectoryError
    switch.look()
    assert switch.cause.reason == c.R_INTERNAL
    assert "NotADirectory" in switch.cause.detail


def test_heartbeat(switch, clock):
    clock.advance(10**12)
    switch.look()
    assert not switch.latched  # not armed before the first beat
    switch.beat()
    clock.advance(30)
    switch.look()
    assert not switch.latched
    clock.advance(1)
    switch.look()
    assert "heartbeat" in switch.cause.detail


def test_a_broken_clock_or_alarm_fails_closed(tmp_path, clock):
    switch = KillSwitch(tmp_path / "STOP", Broken(), Broken())
    switch.look()
    assert switch.latched
    assert switch.cause.ts == 0
    assert any("alarm failed" in t.detail for t in switch.trips)
    asleep = KillSwitch(tmp_path / "STOP", clock, FakeAlarm())
    clock.sleep = Broken().sleep
    asleep._watch()
    assert asleep.cause.reason == c.R_CLOCK


def test_a_failing_callback_is_told_and_the_others_run(switch, alarm):
    seen = []
    switch.add_callback(lambda cause: 1 / 0)
    switch.add_callback(seen.append)
    switch.trip()
    assert seen == [switch.cause]
    assert "ZeroDivisionError" in alarm.told[-1][1]
    assert "ZeroDivisionError" in switch.trips[-1].detail


def test_thread_trips_on_file_and_runs_callbacks(tmp_path, alarm):
    switch = KillSwitch(tmp_path / "STOP", SystemClock(), alarm, poll_ns=1_000_000)
    names = []
    switch.add_callback(lambda cause: names.append(threading.current_thread().name))
    switch.start()
    with pytest.raises(CallerError):
        switch.start()
    switch.beat()
    switch.stop_file.touch()
    assert wait_for(lambda: names)
    switch.close()
    assert switch.cause.reason == c.R_FILE
    assert names == ["bot4-killswitch"]
    assert not switch.watching


def test_a_stop_file_left_behind_trips_the_next_start(tmp_path, clock, alarm):
    (tmp_path / "STOP").touch()
    switch = KillSwitch(tmp_path / "STOP", SystemClock(), alarm)
    switch.start()
    assert switch.latched
    switch.close()


def test_a_dead_or_silent_watcher_is_noticed_by_the_beat(tmp_path, alarm):
    switch = KillSwitch(tmp_path / "STOP", SystemClock(), alarm, poll_ns=1_000_000)
    switch.start()
    switch.beat()
    switch._clock = FakeClock()
    switch._clock.advance(10**18)
    switch.beat()
    assert "silent" in switch.cause.detail
    switch.close()
    dead = KillSwitch(tmp_path / "STOP", FakeClock(), alarm)
    dead._thread = threading.Thread(target=int)
    dead.beat()
    assert "dead" in dead.cause.detail


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("watched", [False, True])
def test_signals_trip(tmp_path, alarm, number, watched):
    before = signal.getsignal(number)
    switch = KillSwitch(tmp_path / "STOP", SystemClock(), alarm, poll_ns=1_000_000)
    switch.install_signals()
    if watched:
        switch.start()
    os.kill(os.getpid(), number)
    assert wait_for(lambda: switch.latched and alarm.told)
    switch.close()
    assert switch.cause.reason == c.R_OS_SIGNAL
    assert switch.cause.detail == number.name
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_the_pipe_trips_while_the_main_thread_is_busy(switch):
    switch.install_signals()
    try:
        os.write(switch._pipe[1], bytes([signal.SIGTERM]))  # what the C handler does at once
        switch.look()
        assert switch.cause.reason == c.R_OS_SIGNAL
    finally:
        switch.close()


def test_the_second_interrupt_trips(switch):
    pressed = []
    switch.install_signals(on_interrupt=lambda: pressed.append(1))
    try:
        signal.raise_signal(signal.SIGINT)
        switch.look()
        assert pressed == [1]
        assert not switch.latched
        signal.raise_signal(signal.SIGINT)
        assert switch.latched
        assert pressed == [1]
    finally:
        switch.close()


def test_two_interrupts_in_the_pipe_trip(switch):
    switch.install_signals(on_interrupt=lambda: None)
    try:
        os.write(switch._pipe[1], bytes([signal.SIGINT]))
        switch.look()
        assert not switch.latched
        os.write(switch._pipe[1], bytes([signal.SIGINT]))
        switch.look()
        assert switch.latched
    finally:
        switch.close()


def test_signals_only_from_the_main_thread(switch):
    caught = []

    def install():
        try:
            switch.install_signals()
        except CallerError as error:
            caught.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert caught


def test_construction_is_checked(tmp_path, clock, alarm):
    with pytest.raises(ConfigError, match="folder"):
        KillSwitch(tmp_path / "no" / "STOP", clock, alarm)
    with pytest.raises(ConfigError, match="positive"):
        KillSwitch(tmp_path / "STOP", clock, alarm, max_missed=0)


def test_clocks():
    fake = FakeClock(5)
    fake.sleep(10)
    fake.sleep(-1)
    fake.jump(-3)
    assert (fake.now_ns(), fake.monotonic_ns()) == (12, 10)
    with pytest.raises(ValueError, match="back"):
        fake.advance(-1)
    real = SystemClock()
    a, b = real.monotonic_ns(), real.now_ns()
    real.sleep(0)
    real.sleep(1)
    assert real.monotonic_ns() >= a
    assert b > 1_600_000_000 * 10**9
