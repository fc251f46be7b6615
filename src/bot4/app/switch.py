"""The kill switch of a command: stop file, signals, watchdog; and alarms on stderr."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from bot4.app.commands.stop import control_dir
from bot4.ports.alarm import Level
from bot4.safety.killswitch import KillSwitch
from bot4.safety.system_clock import SystemClock


class StderrAlarm:
    """Alarms as lines on stderr."""

    def tell(self, level: Level, text: str) -> None:
        """Print the alarm."""
        Console(stderr=True).print(f"{level}: {text}", style="bold red", markup=False)


@contextmanager
def kill_switch() -> Iterator[KillSwitch]:
    """The switch of this process: stop file, signals, watchdog; its files are removed at the end."""
    folder = control_dir()
    folder.mkdir(parents=True, exist_ok=True)
    stop_file = folder / f"run-{os.getpid()}.stop"
    pid_file = folder / f"run-{os.getpid()}.pid"
    stop_file.unlink(missing_ok=True)
    switch = KillSwitch(stop_file, SystemClock(), StderrAlarm(), max_missed=30)
    pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    try:
        switch.start()
        switch.install_signals()
        yield switch
    finally:
        switch.close()
        pid_file.unlink(missing_ok=True)
        stop_file.unlink(missing_ok=True)
