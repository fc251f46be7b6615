"""The heartbeat file: how another process sees that a run lives, was stopped, or has ended.

One line of fixed width, written over in place by the thread of the kill switch: how often the engine's loop
has beaten, whether the switch is raised, whether the run came to an orderly end. A loop that is blocked, a
stopped or a dead process look alike: the count stands still. A reader keeps the file open, so that it still
reads the last word of a run that has removed it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_LINE = re.compile(rb"(\d{20}) ([01]) ([01])\n")
_LENGTH = 25


class Sight(NamedTuple):
    """What a heartbeat file says."""

    beats: int
    latched: bool
    ended: bool


class HeartbeatFile:
    """The writing side; `show` writes only what is new. OSError when the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._shown: Sight | None = None
        self.show(Sight(0, False, False))

    def show(self, sight: Sight) -> None:
        """Write `sight` over what stood there."""
        if sight != self._shown:
            os.pwrite(self._handle, b"%020d %d %d\n" % sight, 0)
            self._shown = sight

    def close(self) -> None:
        """Remove the file; who has it open still reads its last word."""
        os.close(self._handle)
        self.path.unlink(missing_ok=True)


class HeartbeatReader:
    """The reading side; OSError when there is no such file."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY)

    def look(self) -> Sight | None:
        """What stands there now; None when it cannot be understood."""
        found = _LINE.fullmatch(os.pread(self._handle, _LENGTH + 1, 0))
        if found is None:
            return None
        return Sight(int(found[1]), found[2] == b"1", found[3] == b"1")

    def __enter__(self) -> HeartbeatReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)
