"""What came to the doors of a run: an audit journal beside the run's own, written from any thread.

The run's journal belongs to the engine's loop, and a loop that hangs writes nothing. So requests to the
control API and blocked connections stand in a journal of their own, `RUN.access/0001` (the next number at
each start), a chain of hashes like any other (`bot4 audit verify`). It is begun with the first record.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from bot4.model.errors import StorageError
from bot4.ports import journal as port
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.storage.journal import FileJournal

MOST_AN_HOUR = 1000
"""Of records that anyone can cause; what comes beyond it is counted, so that nobody can fill the disk."""
HOUR_NS = 3600 * 10**9


def access_folder(journal: Path) -> Path:
    """Where the access journals of the run in `journal` stand."""
    return journal.with_name(journal.name + ".access")


class Trail:
    """The access journal of one process. A record that cannot be written is told, and stops nothing."""

    def __init__(self, run: Path, clock: Clock, alarm: Alarm) -> None:
        self._run = run
        self._clock = clock
        self._alarm = alarm
        self._lock = threading.Lock()
        self._journal: FileJournal | None = None
        self._hour = 0
        self._count = 0
        self._left_out = 0

    def note(self, what: str, /, *, anyone: bool = False, **facts: Any) -> None:
        """Write one record; `anyone`: a stranger can cause it, so it falls under the hourly most."""
        with self._lock:
            now = self._clock.now_ns()
            if anyone and self._full(now):
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
            record = {"what": what, **facts, "wall_ns": now}
            if left_out:
                record["left_out_before"] = left_out
            try:
                self._write(record)
            except (StorageError, OSError) as error:
                self._journal = None
                self._alarm.tell("critical", f"the access journal of {self._run} cannot be written: {error}")

    def _full(self, now: int) -> bool:
        if now // HOUR_NS != self._hour:
            self._hour, self._count = now // HOUR_NS, 0
        self._count += 1
        return self._count > MOST_AN_HOUR

    def _write(self, record: dict[str, Any]) -> None:
        if self._journal is None:
            folder = access_folder(self._run)
            taken = [int(path.name) for path in folder.glob("[0-9]*")]
            self._journal = FileJournal(folder / f"{max(taken, default=0) + 1:04d}")
            self._journal.append(port.META, {"kind": "access", "run": str(self._run)})
        self._journal.append(port.NOTE, record)
        self._journal.commit()

    def close(self) -> None:
        """End the journal, if one was begun."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
