"""The machine under a live run: its memory, its disk, its clock. What is seen is told and journalled.

    memory above the soft limit, or little free disk   mode pause: no new risk; stops and targets stay
    memory above the hard limit                         the run ends in order; stops and targets stay
    the wall clock was set                              the run keeps its own time, unless the venue agrees
                                                        with the new one

A pause is ended by a person (`bot4 resume`) who has looked at the machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot4.model.codes_nb import R_INTERNAL, R_JOURNAL
from bot4.ports.alarm import Alarm
from bot4.ports.venue import Venue, VenueError
from bot4.safety.system_clock import SteadyClock

MIB = 1 << 20
LOOK_S = 1.0
SECOND = 10**9
TELL_STEP_NS = SECOND // 10
"""A clock that was set by less is left to NTP, and not told."""
REFUSED_NS = SECOND
"""So far from the venue's clock nothing can be signed."""
Note = Callable[[dict[str, Any]], None]


def memory_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of `folder`, for a user without privileges; OSError when it cannot be asked."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class Room:
    """Limits, in MiB: of memory, soft and hard, and of free disk below which no new risk is taken."""

    memory_soft: int
    memory_hard: int
    disk_floor: int


class Machine:
    """Watches memory and disk. `pause(reason)` asks for mode pause; `spent` says why the run must end."""

    def __init__(
        self,
        room: Room,
        folder: Path,
        pause: Callable[[int], None],
        alarm: Alarm,
        note: Note,
        memory: Callable[[], int] = memory_bytes,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.spent = ""
        self._room = room
        self._folder = folder
        self._pause = pause
        self._alarm = alarm
        self._note = note
        self._memory = memory
        self._free = free
        self._told: set[str] = set()

    def look(self) -> None:
        """Compare what is used with the limits; each finding is acted upon once, until it was over."""
        used, room = self._memory() // MIB, self._room
        over = used > room.memory_soft
        self._found("memory", over, R_INTERNAL, f"{used} MiB of memory are used, above {room.memory_soft}")
        if used > room.memory_hard and not self.spent:
            self.spent = f"{used} MiB of memory are used, above safety.memory_hard = {room.memory_hard}"
            self._tell(f"{self.spent}: the run ends; stops and targets stay at the venue")
        try:
            free = self._free(self._folder) // MIB
        except OSError as error:
            self._found("disk", True, R_JOURNAL, f"the journal's folder cannot be asked: {error.strerror}")
            return
        low = free < room.disk_floor
        self._found("disk", low, R_JOURNAL, f"{free} MiB are free for the journal, below {room.disk_floor}")

    def _found(self, what: str, true: bool, reason: int, text: str) -> None:
        if not true:
            self._told.discard(what)
        elif what not in self._told:
            self._told.add(what)
            self._pause(reason)
            self._tell(f"{text}: no new risk (mode pause); stops and targets stay")

    def _tell(self, text: str) -> None:
        self._alarm.tell("critical", text)
        self._note({"what": "machine", "text": text})

    async def keep(self) -> None:
        """Look every second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)


async def keep_time(clock: SteadyClock, venue: Venue, alarm: Alarm, note: Note) -> None:
    """Notice a wall clock that was set; go over to it when ours is refused and the venue is nearer to it."""
    told = 0
    while True:
        step = clock.step_ns()
        if abs(step - told) >= TELL_STEP_NS:
            told = step
            seconds = f"{step / SECOND:+.3f} s"
            text = f"the machine's clock was set by {seconds}; the run keeps its own time"
            if abs(step) < TELL_STEP_NS:
                text = "the machine's clock and the run's own time agree again"
            alarm.tell("warning", text)
            note({"what": "clock", "step_ns": step, "text": text})
        if abs(step) >= TELL_STEP_NS and await _better(step, venue):
            clock.adopt()
            seconds = f"{step / SECOND:+.3f} s"
            text = f"the venue agrees with the machine's new clock: the run's time moves by {seconds}"
            told = 0
            alarm.tell("critical", text)
            note({"what": "clock", "step_ns": step, "text": text})
        await asyncio.sleep(LOOK_S)


async def _better(step: int, venue: Venue) -> bool:
    """Whether the venue refuses our time, and would not, or less, refuse it moved by `step`."""
    try:
        offset = await venue.clock_offset_ns()
    except VenueError:
        return False  # not known: our own time goes on
    return abs(offset) >= REFUSED_NS and abs(offset - step) < abs(offset)
