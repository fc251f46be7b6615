"""The control panel on GPIO pins: stop button, lamps, buzzer, tamper and case contacts.

The stop button is normally closed, between 3V3 and its pin, with the pull-down on: pressing it, or a broken
wire, drops the line, and that stops. The first falling edge trips the kill switch; bounces after it change
nothing, because a latch cannot be set twice. Nothing on the panel starts trading again. A contact that is
open when bot4 starts trips at once. A tamper or case contact works the same way.

Lamps: green normal, yellow reduce or pause, red emergency or stopped; an RGB lamp shows yellow as red and
green. Pins are BCM numbers. Software alone does not make this an emergency stop in the sense of ISO 13850 or
IEC 60204-1; that needs a hard-wired circuit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot4.model.codes_nb import MODE_EMERGENCY, MODE_NORMAL, R_OPERATOR
from bot4.model.errors import ConfigError, MissingExtra

Trip = Callable[[int, str], None]
BLINK_S = 0.5
BUZZ_S = 0.2


@dataclass(frozen=True, slots=True)
class Pins:
    """Which pin does what; None: not wired. With `yellow` None the lamp is RGB."""

    button: int = 17
    red: int | None = 27
    yellow: int | None = None
    green: int | None = 22
    buzzer: int | None = 25
    tamper: int | None = None
    case: int | None = None

    def __post_init__(self) -> None:
        used = [getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None]
        if len(set(used)) != len(used):
            raise ConfigError(f"panel: two functions share a pin: {sorted(used)}")
        if any(not 0 <= pin <= 27 for pin in used):
            raise ConfigError(f"panel: pins are BCM numbers from 0 to 27, got {sorted(used)}")


RGB = Pins()
DISCRETE = Pins(red=24, yellow=23, green=22)
PROFILES = {"rgb": RGB, "discrete": DISCRETE}


class NoPanel:
    """No hardware, and why: a state that is shown, not an error."""

    present = False

    def __init__(self, why: str) -> None:
        self.why = why

    def show(self, mode: int, stopped: bool) -> None:
        """There is no lamp to switch."""

    def close(self) -> None:
        """There is no pin to let go of."""


class Panel:
    """The panel on the pins of `factory` (gpiozero's), tripping `trip(reason, detail)`."""

    present = True

    def __init__(self, pins: Pins, trip: Trip, factory: Any) -> None:
        from gpiozero import LED, Button, Buzzer

        self.why = f"on pins of {type(factory).__name__}"
        self._trip = trip
        self._contacts: list[Any] = []
        self._lamps: dict[str, Any] = {}
        self._buzzer: Any = None
        self._shown: tuple[str, ...] = ()
        for name in ("button", "tamper", "case"):
            pin = getattr(pins, name)
            if pin is not None:
                # no bounce time: the first edge must act
                contact = Button(pin, pull_up=False, bounce_time=None, pin_factory=factory)
                contact.when_released = lambda name=name: self._opened(name)
                self._contacts.append((name, contact))
        for name in ("red", "yellow", "green"):
            pin = getattr(pins, name)
            if pin is not None:
                self._lamps[name] = LED(pin, pin_factory=factory)
        if pins.buzzer is not None:
            self._buzzer = Buzzer(pins.buzzer, pin_factory=factory)
        for name, contact in self._contacts:
            if not contact.is_pressed:
                self._opened(name)

    def _opened(self, name: str) -> None:
        self._trip(R_OPERATOR, f"panel: the {name} contact is open (pressed, or a broken wire)")

    def show(self, mode: int, stopped: bool) -> None:
        """Switch the lamps to the mode MODE_*; an unknown one is shown as the worst."""
        if stopped or not MODE_NORMAL <= mode < MODE_EMERGENCY:
            lit: tuple[str, ...] = ("red",)
        elif mode == MODE_NORMAL:
            lit = ("green",)
        else:
            lit = ("yellow",) if "yellow" in self._lamps else ("red", "green")
        if lit == self._shown:
            return
        self._shown = lit
        for name, lamp in self._lamps.items():
            lamp.on() if name in lit else lamp.off()
        if self._buzzer is not None:
            if lit == ("red",):
                self._buzzer.beep(BUZZ_S, BUZZ_S)
            else:
                self._buzzer.off()

    def close(self) -> None:
        """Let go of every pin."""
        for device in (*(c for _, c in self._contacts), *self._lamps.values(), self._buzzer):
            if device is not None:
                device.close()


def open_panel(profile: str, trip: Trip) -> Panel | NoPanel:
    """The panel of this machine for a profile ("off", "rgb", "discrete"), or NoPanel with the reason.

    MissingExtra when a panel is asked for and gpiozero is not installed: asked for and absent is not silent.
    """
    if profile == "off":
        return NoPanel("panel.profile is off")
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError:
        raise MissingExtra("gpiozero", "gpio") from None
    try:
        return Panel(PROFILES[profile], trip, LGPIOFactory())
    except Exception as error:  # noqa: BLE001 - whatever the driver raises: there is no panel, and it is said
        return NoPanel(f"no GPIO on this machine: {type(error).__name__}: {error}")
