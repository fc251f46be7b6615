"""The panel on gpiozero's mock pins: what drops the line stops, lamps follow, absence is a state."""

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panel import DISCRETE, RGB, NoPanel, Panel, Pins, open_panel

WIRED = Pins(tamper=5, case=6)
CONTACTS = {"button": 17, "tamper": 5, "case": 6}


class WiredPin(MockPin):
    """A pin that a closed contact holds high against its pull-down; the plain mock falls with the pull."""

    def _set_pull(self, value):
        super()._set_pull(value)
        if value == "down":  # asked for on contacts only
            self._state = True


@pytest.fixture
def factory():
    made = MockFactory(pin_class=WiredPin)
    yield made
    made.reset()


@pytest.fixture
def switch(tmp_path):
    return KillSwitch(tmp_path / "stop", FakeClock(), FakeAlarm())


@pytest.mark.parametrize(("name", "pin"), CONTACTS.items())
def test_a_line_that_drops_trips_at_the_first_edge(factory, switch, name, pin):
    panel = Panel(WIRED, switch.trip, factory)
    assert not switch.latched
    factory.pin(pin).drive_low()
    assert switch.latched
    assert name in switch.cause.detail
    for _ in range(5):  # bounces, and letting go
        factory.pin(pin).drive_high()
        factory.pin(pin).drive_low()
    factory.pin(pin).drive_high()
    assert switch.latched
    panel.close()


def test_a_line_that_is_down_at_the_start_trips(switch):
    """A broken wire, or a button left pressed."""
    Panel(RGB, switch.trip, MockFactory()).close()
    assert switch.latched


def lit(factory, pins):
    return {
        n for n in ("red", "yellow", "green") if (p := getattr(pins, n)) is not None and factory.pin(p).state
    }


@pytest.mark.parametrize("pins", [RGB, DISCRETE])
def test_lamps_follow_the_mode(factory, switch, pins):
    panel = Panel(pins, switch.trip, factory)
    yellow = {"yellow"} if pins.yellow is not None else {"red", "green"}
    for mode, stopped, expected in (
        (c.MODE_NORMAL, False, {"green"}),
        (c.MODE_REDUCE, False, yellow),
        (c.MODE_PAUSE, False, yellow),
        (c.MODE_EMERGENCY, False, {"red"}),
        (c.MODE_NORMAL, False, {"green"}),
        (c.MODE_NORMAL, True, {"red"}),
        (99, False, {"red"}),
    ):
        panel.show(mode, stopped)
        assert lit(factory, pins) == expected, mode
    assert panel._buzzer.is_active or panel._buzzer.source is None
    panel.close()


def test_pins_are_checked():
    with pytest.raises(ConfigError, match="share a pin"):
        Pins(button=22)
    with pytest.raises(ConfigError, match="BCM numbers"):
        Pins(button=40)


def test_absent_hardware_is_a_clear_state():
    def trip(reason, detail):
        raise AssertionError("absence must not trip")

    off = open_panel("off", trip)
    assert (off.present, off.why) == (False, "panel.profile is off")
    absent = open_panel("rgb", trip)
    if absent.present:  # on a real Raspberry Pi
        absent.close()
        pytest.skip("this machine has GPIO pins; absence cannot be seen here")
    assert isinstance(absent, NoPanel)
    assert "no GPIO on this machine" in absent.why
    absent.show(c.MODE_NORMAL, False)
    absent.close()
