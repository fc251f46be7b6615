"""The alarms of a run: lines on stderr always, the channels and the heartbeat where they are configured."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot4.app.config import Config
from bot4.monitoring.alarms import AlarmHub, Heartbeat, channels_of
from bot4.ports.alarm import Level
from bot4.safety.system_clock import SystemClock


class StderrAlarm:
    """Alarms as lines on stderr."""

    def __init__(self) -> None:
        self.lost = 0

    def tell(self, level: Level, text: str) -> None:
        """Print the alarm. That stderr takes nothing (closed pipe, full disk) is counted, never raised."""
        line = f"{level}: {text}"
        try:
            print(f"\033[1;31m{line}\033[0m" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            self.lost += 1


class Everywhere:
    """Tells stderr and the hub; both return at once. `troubles`: what channels failed at, for the journal."""

    def __init__(self, hub: Callable[[Callable[[str], None]], AlarmHub]) -> None:
        self._stderr = StderrAlarm()
        self.troubles: deque[str] = deque(maxlen=64)
        self.hub = hub(self._trouble)

    def tell(self, level: Level, text: str) -> None:
        """Tell both."""
        self._stderr.tell(level, text)
        self.hub.tell(level, text)

    def _trouble(self, text: str) -> None:
        """A channel does not deliver, or does again: not for the channels themselves."""
        self._stderr.tell("warning", text)
        self.troubles.append(text)


def hub_of(settings: Config, trouble: Callable[[str], None] = lambda text: None) -> AlarmHub:
    """The hub over the channels that `alarm.channels` names, or over none."""
    named = settings["alarm.channels"]
    return AlarmHub(
        channels_of(Path(named).expanduser()) if named else [],
        SystemClock(),
        quiet_ns=settings["alarm.quiet"],
        escalate_ns=settings["alarm.escalate_after"],
        trouble=trouble,
    )


@contextmanager
def alarms(settings: Config, alive: Callable[[], bool]) -> Iterator[Everywhere]:
    """Channels and heartbeat for as long as a run lasts; `alive` says whether the run is well."""
    everywhere = Everywhere(lambda trouble: hub_of(settings, trouble))
    hub = everywhere.hub
    url = settings["alarm.heartbeat_url"]
    heart = Heartbeat(url, settings["alarm.heartbeat"], alive, SystemClock(), hub) if url else None
    hub.start()
    if heart is not None:
        heart.start()
    try:
        yield everywhere
    finally:
        if heart is not None:
            heart.close()
        hub.close()
