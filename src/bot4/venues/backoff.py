"""Waiting before the next attempt to connect: exponential, jittered, bounded; the same for the same seed."""

from __future__ import annotations

BASE_S = 0.1
MOST_S = 30.0
_A, _C, _M = 6364136223846793005, 1442695040888963407, 2**64


class Backoff:
    """Gives 0.1 s x 2^n up to 30 s, of which a drawn half to whole; `reset` after a success.

    The draw keeps many clients from coming back together; it is a linear congruential generator
    (Knuth, MMIX), because decision code asks no source of chance.
    """

    def __init__(self, seed: int, base_s: float = BASE_S, most_s: float = MOST_S) -> None:
        self._state = seed % _M
        self._base_s = base_s
        self._most_s = most_s
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait now; the next wait is twice as long."""
        self._state = (self._state * _A + _C) % _M
        whole: float = min(self._most_s, self._base_s * 2.0 ** min(self._tries, 40))
        self._tries += 1
        return whole * (0.5 + 0.5 * (self._state >> 11) / 2**53)

    def reset(self) -> None:
        """The connection stands: begin anew."""
        self._tries = 0
