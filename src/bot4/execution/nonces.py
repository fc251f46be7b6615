"""Replay prevention for signed messages: a time window, rising nonces, and a memory of those seen."""

from __future__ import annotations

from collections import OrderedDict

from bot4.model.codes_nb import R_CLOCK, R_DUPLICATE, R_OK


class NonceGuard:
    """Accepts a message once: stamped within `window_ns` of now, with a nonce not seen in that time.

    With `rising`, a nonce must also be above every earlier one, as venues ask of signed requests.
    """

    def __init__(self, window_ns: int, *, rising: bool) -> None:
        self._window = window_ns
        self._rising = rising
        self._last = -1
        self._seen: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def reason(self, nonce: int, stamped: int, now: int) -> int:
        """R_OK and remembered; R_CLOCK outside the window; R_DUPLICATE for a replay (times ns UTC)."""
        if abs(now - stamped) > self._window:
            return R_CLOCK
        # a message is valid until its stamp + window: remember it at least so long
        while self._seen and now - next(iter(self._seen.values())) > 2 * self._window:
            self._seen.popitem(last=False)
        if nonce in self._seen or (self._rising and nonce <= self._last):
            return R_DUPLICATE
        self._last = max(self._last, nonce)
        self._seen[nonce] = now
        return R_OK
