"""What a person and the machine can stop a run with: kill switch, inbox, panel, API; and whom it tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bot4.app.alarms import Everywhere, alarms
from bot4.app.api.listen import Listen, listen_of
from bot4.app.api.server import ControlApi
from bot4.app.api.server import Surroundings as Around
from bot4.app.api.tokens import read_tokens, token_file
from bot4.app.board import Board
from bot4.app.commands.control import inbox_dir, run_name
from bot4.app.commands.stop import control_dir, heartbeat_file
from bot4.app.config import Config, key_dir
from bot4.app.trail import Trail
from bot4.engine.trips import trip_text
from bot4.model.codes_nb import MODE_REDUCE, R_OPERATOR
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.research.control import Operator
from bot4.research.session import Session
from bot4.safety.authority import Authority
from bot4.safety.heartbeat import HeartbeatFile
from bot4.safety.inbox import Inbox
from bot4.safety.killswitch import KillSwitch
from bot4.safety.marker import PartMarks
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
    board: Board
    trail: Trail
    within_ns: int  # in which a part that is stopped must be flat
    marks: PartMarks | None = None  # of the account, where there is one
    _session: Session | None = None
    _operator: Operator | None = None
    _anchor: HourlyAnchor | None = field(default=None)

    def attach(self, session: Session, anchor: HourlyAnchor | None) -> None:
        """Let the operator's words reach `session`; `anchor` its journal's head regularly."""
        self._session = session
        self._anchor = anchor
        session.driver.heard = self._told
        self._operator = Operator(
            session,
            self.inbox,
            SystemClock(),
            self.alarm.tell,
            self.alarm.hub.acknowledge,
            self.marks,
            self.within_ns,
        )

    def _told(self, rows: np.ndarray[Any, Any]) -> None:
        """Breakers of the engine changed."""
        assert self._session is not None
        symbols = [i.symbol for i in self._session.plan.instruments]
        for row in rows:
            self.alarm.tell(*trip_text(row, symbols))

    def look(self) -> None:
        """Carry out what the operator asks, anchor what is due, show the mode on the panel."""
        self.board.beat()
        if self._session is None or self._operator is None:
            return
        self._operator.look()
        while self.alarm.troubles:
            note = {"what": "alarm channel", "text": self.alarm.troubles.popleft()}
            self._session.journal.append(port.NOTE, {**note, "wall_ns": SystemClock().now_ns()})
        if self._anchor is not None:
            self._anchor.look(SystemClock().now_ns())
        mode = int(self._session.engine.safety.control[0]["mode"])
        if self._operator.halts.raised:  # a part is stopped: no longer green
            mode = max(mode, MODE_REDUCE)
        self.panel.show(mode, self.switch.latched)


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


def listening(settings: Config) -> Listen | None:
    """Where the control API will listen; None: it is off. ConfigError when it must not be started so."""
    tokens = read_tokens(token_file(key_dir())) if settings["api.listen"] else []
    return listen_of(settings, tokens)


@contextmanager
def control_api(
    settings: Config, board: Board, switch: KillSwitch, trail: Trail, alarm: Alarm
) -> Iterator[ControlApi | None]:
    """The control API, where the settings ask for it; its address stands beside the run's stop file."""
    listen = listening(settings)
    if listen is None:
        yield None
        return

    def stop(words: str) -> None:
        switch.trip(R_OPERATOR, words)

    api = ControlApi(listen, Around(token_file(key_dir()), board, stop, trail, alarm, SystemClock()))
    api.start()
    place = control_dir() / f"run-{os.getpid()}.api"
    try:
        place.write_text(f"{api.url}\n", encoding="utf-8")
        yield api
    finally:
        place.unlink(missing_ok=True)
        api.close()


@contextmanager
def controls(settings: Config, journal: Path) -> Iterator[Controls]:
    """Alarms, kill switch, inbox, panel and API for as long as the run on `journal` lasts."""
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
        trail = Trail(journal, SystemClock(), alarm)
        held.callback(trail.close)
        board = Board(switch, SystemClock())
        held.enter_context(control_api(settings, board, switch, trail, alarm))
        yield Controls(alarm, switch, inbox, panel, board, trail, settings["live.wind_down"])
