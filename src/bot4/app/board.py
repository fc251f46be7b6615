"""What a run says of itself to other threads: the last look at it, and whether its loop still turns.

The engine's loop posts; the control API reads, from its own thread, and never touches the engine. No position
is named: their number and worth are told, as on the screen of a live run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bot4.app.snapshot import Snapshot
from bot4.model.names import reason
from bot4.ports.clock import Clock
from bot4.safety.killswitch import KillSwitch

SILENT_NS = 3 * 10**9
"""A loop that has not turned for so long is silent (S1: three beats of a second)."""
COUNTED = ("events", "decisions", "orders", "fills", "quarantined", "anomalies")


class Board:
    """The last snapshot of one run. `beat` and `post` are the loop's, the rest is for any thread."""

    def __init__(self, switch: KillSwitch, clock: Clock) -> None:
        self._switch = switch
        self._clock = clock
        self._beat: int | None = None
        self._snapshot: Snapshot | None = None

    def beat(self) -> None:
        """The loop turns."""
        self._beat = self._clock.monotonic_ns()

    def post(self, snapshot: Snapshot) -> None:
        """The newest look at the run; it is not changed afterwards."""
        self._snapshot = snapshot

    def show(self, view: Callable[[Snapshot], None], snapshot: Snapshot) -> None:
        """Post, and let `view` show it too."""
        self.post(snapshot)
        view(snapshot)

    def health(self) -> dict[str, Any]:
        """`status`: ok, starting, silent (the loop hangs) or stopped (the switch is raised); age in s."""
        beat = self._beat
        age = None if beat is None else self._clock.monotonic_ns() - beat
        if self._switch.latched:
            status = "stopped"
        elif age is None:
            status = "starting"
        else:
            status = "silent" if age > SILENT_NS else "ok"
        return {"status": status, "age_s": None if age is None else round(age / 1e9, 3)}

    def state(self) -> dict[str, Any]:
        """Mode, health, breakers, limits, number and worth of positions, the result as it is published."""
        s: Snapshot = self._snapshot or {}
        cause = self._switch.cause
        account = s.get("account", {})
        return {
            **self.health(),
            "run": os.getpid(),
            "kind": s.get("mode"),
            "mode": s.get("control"),
            "stopped_by": None if cause is None else f"{reason(cause.reason)}: {cause.detail}",
            "market_ns": s.get("market_ts"),
            "currency": s.get("currency"),
            "venue": s.get("link"),
            "breakers": s.get("breakers", {}),
            "positions": s.get("holdings"),
            "result": {name: account.get(name) for name in ("as_of", "next", "equity", "total")},
            "drawdown": account.get("drawdown"),
            "limits": [
                {name: row.get(name) for name in ("name", "used", "limit")} for row in s.get("limits", [])
            ],
            "counts": {name: s.get("counters", {}).get(name) for name in COUNTED},
        }
