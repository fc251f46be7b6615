"""The machine's clock: the only place of `safety` that touches `time`."""

from __future__ import annotations

import time


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
