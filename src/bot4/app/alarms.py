"""The alarms of a run: lines on stderr always, the channels and the heartbeat where they are configured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bot4.app.config import Config
from bot4.monitoring.alarms import AlarmHub, Heartbeat, channels_of
from bot4.ports.alarm import Level
from bot4.safety.system_clock import SystemClock


class StderrAlarm:
    """Alarms as lines on stderr."""

    def tell(self, level: Level, text: str) -> None:
        """Print the alarm."""
        Console(stderr=True).print(f"{level}: {text}", style="bold red", markup=False)


class Everywhere:
    """Tells stderr and the hub; both return at once."""

    def __init__(self, hub: AlarmHub) -> None:
        self._stderr = StderrAlarm()
        self.hub = hub

    def tell(self, level: Level, text: str) -> None:
        """Tell both."""
        self._stderr.tell(level, text)
        self.hub.tell(level, text)


def hub_of(settings: Config) -> AlarmHub:
    """The hub over the channels that `alarm.channels` names, or over none."""
    named = settings["alarm.channels"]
    return AlarmHub(
        channels_of(Path(named).expanduser()) if named else [],
        SystemClock(),
        quiet_ns=settings["alarm.quiet"],
        escalate_ns=settings["alarm.escalate_after"],
    )


@contextmanager
def alarms(settings: Config, alive: Callable[[], bool]) -> Iterator[Everywhere]:
    """Channels and heartbeat for as long as a run lasts; `alive` says whether the run is well."""
    hub = hub_of(settings)
    url = settings["alarm.heartbeat_url"]
    heart = Heartbeat(url, settings["alarm.heartbeat"], alive, SystemClock(), hub) if url else None
    hub.start()
    if heart is not None:
        heart.start()
    try:
        yield Everywhere(hub)
    finally:
        if heart is not None:
            heart.close()
        hub.close()
