"""The end of a run as steps in a stated order, each with its time, each written down.

A step begins, and is over when its condition holds or its time is up; then the next begins, whatever came of
it: a venue that does not answer a cancel must not keep the position from being closed. What was not done in
time is told. Connections are not touched here: they are closed when all steps are over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock

SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what starts it, when it is over, and how long it may take (ns)."""

    name: str
    begin: Callable[[], None]
    over: Callable[[], bool]
    within_ns: int


@dataclass(frozen=True, slots=True)
class Taken:
    """How a step went."""

    step: str
    seconds: float
    in_time: bool


def nothing() -> None:
    """For a step that only waits for what an earlier one has begun."""


def at_once() -> bool:
    """For a step that is done when it has begun."""
    return True


async def go_down(
    steps: Sequence[Step],
    clock: Clock,
    alarm: Alarm,
    note: Callable[[dict[str, Any]], None],
    look_s: float,
) -> list[Taken]:
    """Take the steps in order; each is noted with its seconds, and a miss of its time is told."""
    taken = []
    for number, step in enumerate(steps, start=1):
        began = clock.monotonic_ns()
        step.begin()
        while not (over := step.over()) and clock.monotonic_ns() - began < step.within_ns:
            await asyncio.sleep(look_s)
        seconds = (clock.monotonic_ns() - began) / SECOND
        taken.append(Taken(step.name, seconds, over))
        note(
            {
                "what": "shutdown step",
                "number": number,
                "step": step.name,
                "seconds": round(seconds, 6),
                "within_s": step.within_ns / SECOND,
                "in_time": over,
                "wall_ns": clock.now_ns(),
            }
        )
        if not over:
            limit = step.within_ns / SECOND
            alarm.tell("critical", f"shutdown: step {step.name!r} was not over after {limit:g} s; going on")
    return taken
