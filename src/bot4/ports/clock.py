"""The Clock port: where time comes from outside decision code."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time, steady time and waiting, all in integer nanoseconds."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may jump when the machine's clock is set."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; only differences mean anything."""
        ...

    def sleep(self, ns: int) -> None:
        """Wait at least `ns` nanoseconds; 0 or less returns at once."""
        ...


class FakeClock:
    """A Clock that moves only when told, or by being slept on."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now = now_ns
        self._steady = 0

    def now_ns(self) -> int:
        """The wall time set so far."""
        return self._now

    def monotonic_ns(self) -> int:
        """Nanoseconds passed since the clock was made; `jump` does not move it."""
        return self._steady

    def sleep(self, ns: int) -> None:
        """Advance by `ns` instead of waiting."""
        self.advance(max(0, ns))

    def advance(self, ns: int) -> None:
        """Let `ns` nanoseconds pass on both clocks; ValueError if negative."""
        if ns < 0:
            raise ValueError(f"time does not go back ({ns} ns); use jump for the wall clock")
        self._now += ns
        self._steady += ns

    def jump(self, ns: int) -> None:
        """Set the wall clock forward or back, as an operator or NTP would."""
        self._now += ns
