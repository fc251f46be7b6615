"""The software kill switch: a latch with its own thread and timer.

It depends on neither the event loop nor the engine. It trips on a direct call, a stop file, a POSIX
signal, missed heartbeats, or an error of its own (it fails closed). It never clears: only a new process
trades again, and a stop file that is still there trips that one too. Tripping sets one byte; what must
follow (cancel, flatten, tell) hangs on callbacks, which run once, in the watcher thread.
Software alone does not make this an emergency stop in the sense of ISO 13850.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from bot4.model import names
from bot4.model.codes_nb import R_CLOCK, R_FILE, R_INTERNAL, R_OPERATOR, R_OS_SIGNAL
from bot4.model.errors import CallerError, ConfigError
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.safety.heartbeat import HeartbeatFile, Sight

POLL_NS = 20_000_000
BEAT_NS = 1_000_000_000
MAX_MISSED = 3
WATCHER_LATE_NS = 2_000_000_000
"""An engine that beats and finds the watcher silent for so long trips the switch itself."""


class Trip(NamedTuple):
    """Why and when the switch was tripped: R_*, words, wall time in ns (0 if the clock failed)."""

    reason: int
    detail: str
    ts: int


class KillSwitch:
    """A latch that anyone may trip and nobody can clear.

    `stop_file` trips it by existing; its folder must exist. `latch` is the byte that hot code
    reads (u1[1], 0 or 1). `beat()` arms the watchdog; after `max_missed` intervals of `beat_ns`
    without another one the switch trips. `heartbeat` shows other processes that the engine lives.
    """

    def __init__(
        self,
        stop_file: Path,
        clock: Clock,
        alarm: Alarm,
        poll_ns: int = POLL_NS,
        beat_ns: int = BEAT_NS,
        max_missed: int = MAX_MISSED,
        heartbeat: HeartbeatFile | None = None,
    ) -> None:
        if not stop_file.parent.is_dir():
            raise ConfigError(f"stop file: folder {stop_file.parent} does not exist")
        if min(poll_ns, beat_ns, max_missed) <= 0:
            raise ConfigError("kill switch: poll_ns, beat_ns and max_missed must be positive")
        self.stop_file = stop_file
        self.latch: np.ndarray[Any, Any] = np.zeros(1, np.uint8)
        self.trips: deque[Trip] = deque(maxlen=64)
        self._first: list[Trip] = []
        self._clock = clock
        self._alarm = alarm
        self._poll_ns = poll_ns
        self._allowed_ns = beat_ns * max_missed
        self._heartbeat = heartbeat
        self._beats = 0
        self._resting = False
        self._last_beat = -1
        self._last_look = -1
        self._callbacks: deque[Callable[[Trip], None]] = deque([self._tell_trip])
        self._on_interrupt: Callable[[], None] | None = None
        self._interrupts = 0
        self._piped_interrupts = 0
        self._old_wakeup = -1
        self._handlers: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    # --- reading -------------------------------------------------------------
    @property
    def latched(self) -> bool:
        """Whether the switch is tripped."""
        return bool(self.latch[0])

    @property
    def cause(self) -> Trip | None:
        """The first trip; None while not latched."""
        return self._first[0] if self._first else None

    @property
    def watching(self) -> bool:
        """Whether the watcher thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    # --- tripping ------------------------------------------------------------
    def trip(self, reason: int = R_OPERATOR, detail: str = "") -> None:
        """Latch, for ever. Safe from any thread and from a signal handler; takes no lock."""
        self.latch[0] = 1
        try:
            ts = self._clock.now_ns()
        except Exception as error:  # noqa: BLE001 - the latch is set; a broken clock must not undo the record
            detail = f"{detail} (clock: {error!r})".strip()
            ts = 0
        trip = Trip(int(reason), detail, ts)
        if not self._first:
            self._first.append(trip)
        self.trips.append(trip)
        if not self.watching:
            self._run_callbacks()

    def add_callback(self, callback: Callable[[Trip], None]) -> None:
        """Run `callback(cause)` once after the trip: in the watcher thread, else in the tripping one."""
        self._callbacks.append(callback)
        if self.latched and not self.watching:
            self._run_callbacks()

    def beat(self) -> None:
        """The engine lives. Also trips if the watcher has started and then fell silent."""
        now = self._clock.monotonic_ns()
        self._beats += 1
        self._last_beat = now
        looked = self._last_look
        if self._thread is not None and not self._closing and not self.latched:
            if not self._thread.is_alive():
                self.trip(R_INTERNAL, "the watcher thread is dead")
            elif looked >= 0 and now - looked > WATCHER_LATE_NS + self._poll_ns:
                self.trip(R_INTERNAL, f"the watcher was silent for {(now - looked) / 1e9:.1f} s")

    def rest(self) -> None:
        """The engine has come to an orderly end, and nothing can be sent any more: no beats are due now."""
        self._resting = True
        self._last_beat = -1

    def clear_stop_file(self) -> bool:
        """Remove the stop file, so that a new process may start; True if there was one. The latch stays."""
        try:
            self.stop_file.unlink()
        except FileNotFoundError:
            return False
        return True

    # --- watching ------------------------------------------------------------
    def start(self) -> None:
        """Look once, then watch in an own thread until `close`."""
        if self._thread is not None:
            raise CallerError("the kill switch is already watching")
        self.look()
        self._thread = threading.Thread(target=self._watch, name="bot4-killswitch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watcher and give the signals back; the latch stays as it is."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
        self._show_heartbeat()
        self._restore_signals()
        if self.latched:
            self._run_callbacks()

    def look(self) -> None:
        """One round of the watcher: signals, stop file, heartbeat, callbacks; any error trips."""
        try:
            now = self._clock.monotonic_ns()
            self._look_at_signals()
            self._look_at_file()
            self._look_at_beat(now)
            self._last_look = now
        except Exception as error:  # noqa: BLE001 - fail closed, with the error in the record
            self.trip(R_INTERNAL, f"watcher: {error!r}")
        self._show_heartbeat()
        if self.latched:
            self._run_callbacks()

    def _show_heartbeat(self) -> None:
        if self._heartbeat is None:
            return
        try:
            self._heartbeat.show(Sight(self._beats, self.latched, self._resting))
        except OSError as error:
            self._heartbeat = None
            self._tell(f"the heartbeat file cannot be written ({error}); a guard will see silence")

    def _watch(self) -> None:
        while not self._closing:
            self.look()
            try:
                self._clock.sleep(self._poll_ns)
            except Exception as error:  # noqa: BLE001 - without a timer nothing is watched: fail closed
                self.trip(R_CLOCK, f"watcher cannot wait: {error!r}")
                self._run_callbacks()
                return

    def _look_at_file(self) -> None:
        if self.latched:
            return
        try:
            self.stop_file.stat()
        except FileNotFoundError:
            return
        self.trip(R_FILE, f"stop file {self.stop_file.name}")

    def _look_at_beat(self, now: int) -> None:
        last = self._last_beat
        if last >= 0 and not self.latched and now - last > self._allowed_ns:
            self.trip(R_INTERNAL, f"no heartbeat for {(now - last) / 1e9:.3f} s")

    def _run_callbacks(self) -> None:
        cause = self.cause
        if cause is None:
            return
        while True:
            try:
                callback = self._callbacks.popleft()
            except IndexError:
                return
            try:
                callback(cause)
            except BaseException as error:  # noqa: BLE001 - the other callbacks must still run; told and recorded
                text = f"after {names.reason(cause.reason)}: {callback!r} failed: {error!r}"
                self.trips.append(Trip(R_INTERNAL, text, cause.ts))
                self._tell(text)

    def _tell_trip(self, cause: Trip) -> None:
        self._tell(
            f"kill switch: {names.reason(cause.reason)}: {cause.detail or 'no detail'}; trading has stopped"
        )

    def _tell(self, text: str) -> None:
        try:
            self._alarm.tell("critical", text)
        except Exception as error:  # noqa: BLE001 - a broken alarm must not keep the callbacks from running
            self.trips.append(Trip(R_INTERNAL, f"alarm failed: {error!r}: {text}", 0))

    # --- signals -------------------------------------------------------------
    def install_signals(self, on_interrupt: Callable[[], None] | None = None) -> None:
        """SIGTERM and SIGUSR1 trip; the first SIGINT calls `on_interrupt` (orderly stop), the second trips.

        Without `on_interrupt` the first SIGINT trips. From the main thread only (CallerError). The
        watcher also reads the signals from a pipe, so that a main thread busy in compiled code
        does not delay the trip.
        """
        if threading.current_thread() is not threading.main_thread():
            raise CallerError("signals can only be installed from the main thread")
        self._on_interrupt = on_interrupt
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._pipe = (reader, writer)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._handle)
        self._old_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            self.trip(R_OS_SIGNAL, signal.Signals(number).name)
            return
        self._interrupts += 1
        if self._interrupts > 1 or self._on_interrupt is None:
            self.trip(R_OS_SIGNAL, signal.Signals(number).name)
        else:
            self._on_interrupt()

    def _look_at_signals(self) -> None:
        if self._pipe is None:
            return
        try:
            numbers = os.read(self._pipe[0], 64)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGINT:
                self._piped_interrupts += 1
                allowed = 0 if self._on_interrupt is None else 1
                if self._piped_interrupts <= allowed:
                    continue
            if number in self._handlers and not self.latched:
                self.trip(R_OS_SIGNAL, signal.Signals(number).name)

    def _restore_signals(self) -> None:
        if self._pipe is None:
            return
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for end in self._pipe:
            os.close(end)
        self._pipe = None
