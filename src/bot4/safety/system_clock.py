"""The machine's clock, and a run's own time: the only place of `safety` that touches `time`."""

from __future__ import annotations

import time

from bot4.ports.clock import Clock


class SystemClock:
    """Clock port on the operating system's clocks."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return time.monotonic_ns()

    def sleep(self, ns: int) -> None:
        """Wait at least `ns` nanoseconds."""
        if ns > 0:
            time.sleep(ns / 1e9)


class SteadyClock:
    """A run's own time: the wall clock of `base` is read once, and carried on by its monotonic clock.

    Somebody who sets the machine's clock does not move it: ages, pauses and signatures stay right. `step_ns`
    says how far the machine's clock has been set since, `adopt` goes over to it.
    """

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._ahead = 0
        self.adopt()

    def adopt(self) -> None:
        """Take the machine's wall clock as it is now."""
        self._ahead = self._base.now_ns() - self._base.monotonic_ns()

    def step_ns(self) -> int:
        """The machine's wall clock minus this one."""
        return self._base.now_ns() - self.now_ns()

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by the run's own time: it never jumps, but for `adopt`."""
        return self._base.monotonic_ns() + self._ahead

    def monotonic_ns(self) -> int:
        """Nanoseconds of the base's monotonic clock."""
        return self._base.monotonic_ns()

    def sleep(self, ns: int) -> None:
        """Wait at least `ns` nanoseconds."""
        self._base.sleep(ns)
