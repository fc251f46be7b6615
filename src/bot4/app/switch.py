"""What a person and the machine can stop a run with: kill switch, inbox, panel; and whom the run tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bot4.app.alarms import Everywhere, alarms
from bot4.app.commands.control import inbox_dir, run_name
from bot4.app.commands.stop import control_dir, heartbeat_file
from bot4.app.config import Config, key_dir
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.research.control import Operator
from bot4.research.session import Session
from bot4.safety.authority import Authority
from bot4.safety.heartbeat import HeartbeatFile
from bot4.safety.inbox import Inbox
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panel import NoPanel, Panel, open_panel
from bot4.safety.system_clock import SystemClock
from bot4.storage.anchors import HourlyAnchor

STOP_POLL_NS = 5_000_000
"""How often the stop file is looked for: half of this is a part of every stop."""
WATCHDOG_BEATS = 30
"""The watchdog's time is so many beats."""


@dataclass
class Controls:
    """The controls of one process. `attach` ties them to a session, `look` is to be called in its loop."""

    alarm: Everywhere
    switch: KillSwitch
    inbox: Inbox
    panel: Panel | NoPanel
    _session: Session | None = None
    _operator: Operator | None = None
    _anchor: HourlyAnchor | None = field(default=None)

    def attach(self, session: Session, anchor: HourlyAnchor | None) -> None:
        """Let the operator's words reach `session`; `anchor` its journal's head regularly."""
        self._session = session
        self._anchor = anchor
        self._operator = Operator(
            session,
            self.inbox,
            SystemClock(),
            lambda text: self.alarm.tell("warning", text),
            self.alarm.hub.acknowledge,
        )

    def look(self) -> None:
        """Carry out what the operator asks, anchor what is due, show the mode on the panel."""
        if self._session is None or self._operator is None:
            return
        self._operator.look()
        while self.alarm.troubles:
            note = {"what": "alarm channel", "text": self.alarm.troubles.popleft()}
            self._session.journal.append(port.NOTE, {**note, "wall_ns": SystemClock().now_ns()})
        if self._anchor is not None:
            self._anchor.look(SystemClock().now_ns())
        self.panel.show(int(self._session.engine.safety.control[0]["mode"]), self.switch.latched)


@contextmanager
def kill_switch(alarm: Alarm, watchdog_ns: int) -> Iterator[KillSwitch]:
    """The switch of this process: stop file, signals, watchdog; its files are removed at the end.

    The watchdog trips it when the loop has not beaten for `watchdog_ns`.
    """
    folder = control_dir()
    folder.mkdir(parents=True, exist_ok=True)
    stop_file = folder / f"run-{os.getpid()}.stop"
    pid_file = folder / f"run-{os.getpid()}.pid"
    stop_file.unlink(missing_ok=True)
    heartbeat = HeartbeatFile(heartbeat_file(os.getpid()))
    switch = KillSwitch(
        stop_file,
        SystemClock(),
        alarm,
        poll_ns=STOP_POLL_NS,
        beat_ns=watchdog_ns // WATCHDOG_BEATS,
        max_missed=WATCHDOG_BEATS,
        heartbeat=heartbeat,
    )
    pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    try:
        switch.start()
        switch.install_signals()
        yield switch
    finally:
        switch.close()
        heartbeat.close()
        pid_file.unlink(missing_ok=True)
        stop_file.unlink(missing_ok=True)


@contextmanager
def operator_inbox() -> Iterator[Inbox]:
    """Where `bot4 mode` and `bot4 resume` reach this process; after `kill_switch`, which names the run."""
    pid = os.getpid()
    inbox = Inbox(inbox_dir(pid), Authority(key_dir(), run_name(pid)))
    try:
        yield inbox
    finally:
        inbox.close()


@contextmanager
def controls(settings: Config) -> Iterator[Controls]:
    """Alarms, kill switch, inbox and panel for as long as a run lasts."""
    with ExitStack() as held:
        healthy = [True]
        alarm = held.enter_context(alarms(settings, lambda: healthy[0]))
        switch = held.enter_context(kill_switch(alarm, settings["safety.watchdog"]))
        switch.add_callback(lambda trip: healthy.__setitem__(0, False))
        inbox = held.enter_context(operator_inbox())
        panel = open_panel(settings["panel.profile"], switch.trip)
        held.callback(panel.close)
        if not panel.present and settings["panel.profile"] != "off":
            alarm.tell("warning", f"control panel: {panel.why}")
        yield Controls(alarm, switch, inbox, panel)
