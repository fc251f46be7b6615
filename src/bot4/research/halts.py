"""Partial kills of one session: raised, followed until they are done, released; each step told and noted.

    raised     the account is marked (live), the latch is folded: entries there are refused, open orders
               cancelled, the position closed reduce-only; the rest of the run goes on trading
    followed   until no order and no position is left there, or the time for that is over, which is told;
               the engine goes on closing all the same
    released   by an authorised person, after the cooldown; the mark is lifted

All of it is decided in the fold: what stands here asks for it, and says what came of it. A restart finds the
latches in the journal; a new journal on a marked account begins with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot4.engine.parts_nb import tradable_nb
from bot4.execution.orders_nb import open_count_nb
from bot4.model import names
from bot4.model.codes_nb import R_COMMAND, R_OPERATOR
from bot4.ports.alarm import Level
from bot4.research.session import Session
from bot4.safety.marker import PartMarks
from bot4.safety.scopes import Raised, Scope

Tell = Callable[[Level, str], None]
Note = Callable[[dict[str, Any]], None]
STEPS = ("cancel", "flatten")


class Halts:
    """See the module. `within_ns` is the engine's time (ns) that cancelling and closing may take."""

    def __init__(
        self, session: Session, tell: Tell, note: Note, marks: PartMarks | None, within_ns: int
    ) -> None:
        self._session = session
        self._tell = tell
        self._note = note
        self._marks = marks
        self._within_ns = within_ns
        self._open: dict[Scope, list[str]] = {}  # steps that are not over
        self._late: set[Scope] = set()
        self._begun = False

    @property
    def raised(self) -> list[Raised]:
        """The partial kills that stand."""
        return self._session.scopes.raised(self._session.engine.halts)

    # --- raising and releasing -----------------------------------------------------------------------------
    def stop(self, scope: Scope, by: str, wall_ns: int, *, reason: int = R_COMMAND) -> str:
        """Raise the partial kill of `scope`; what is said of it. Once more changes nothing."""
        if any(r.scope == scope for r in self.raised):
            return f"{scope} is stopped already"
        self._mark(scope, f"{names.reason(reason)} by {by}", wall_ns)
        self._fold(scope, by, reason)
        return f"{scope} is stopped: entries are refused, orders cancelled, the position is closed"

    def free(self, scope: Scope, by: str) -> tuple[bool, str]:
        """Release `scope` for an authorised person: whether it fell, and what is said of it."""
        before = next((r for r in self.raised if r.scope == scope), None)
        if before is not None:
            driver = self._session.driver
            driver.unhalt(scope.code, R_COMMAND, instrument=scope.instrument, authorised=True)
        fell = before is not None and all(r.scope != scope for r in self.raised)
        self._note({"what": "partial release", "by": by, "scope": str(scope), "released": fell})
        if before is None:
            return False, f"{scope} is not stopped; stopped: {self._list()}"
        if not fell:
            return False, self._why_not(before)
        self._open.pop(scope, None)
        if self._marks is not None:
            self._marks.lift(scope.kind, scope.name)
        self._tell("warning", f"{scope} is released by {by}; it may trade again")
        return True, f"{scope} is released"

    def _why_not(self, before: Raised) -> str:
        safety = self._session.engine.safety
        if safety.control[0]["killed"]:
            return "the kill switch is raised; it never clears, start a new run"
        waited = self._session.driver.now - before.since
        left = max(0, int(safety.params[0]["cooldown_ns"]) - waited) / 1e9
        return f"{before.scope} stays stopped: the cooldown has {left:.0f} s left"

    def _list(self) -> str:
        return ", ".join(str(r.scope) for r in self.raised) or "none"

    def _mark(self, scope: Scope, why: str, wall_ns: int) -> None:
        if self._marks is None:
            return
        try:
            self._marks.set(scope.kind, scope.name, why, wall_ns)
        except OSError as error:
            self._tell("critical", f"{scope} could not be marked as stopped on its account: {error}")

    def _fold(self, scope: Scope, by: str, reason: int) -> None:
        driver = self._session.driver
        driver.halt(scope.code, reason, instrument=scope.instrument)
        self._open[scope] = list(STEPS)
        said = {"what": "partial kill", "by": by, "scope": str(scope), "reason": names.reason(reason)}
        self._note(said)
        self._tell("critical", f"partial kill: {scope}, by {by}; the rest goes on trading")

    # --- the start, and what follows -----------------------------------------------------------------------
    def begin(self, wall_ns: int) -> None:
        """Once: marks of the account stop their parts here too; latches of the journal are marked again."""
        if self._begun:
            return
        self._begun = True
        stand = {r.scope for r in self.raised}
        for (kind, part), why in {} if self._marks is None else self._marks.read().items():
            scope = self._session.scopes.known(kind, part)
            if scope is not None and scope not in stand:
                self._fold(scope, f"the mark on the account ({why})", R_OPERATOR)
        for scope in stand:
            self._mark(scope, "found in the journal", wall_ns)
            self._open[scope] = list(STEPS)
            self._tell("warning", f"{scope} is stopped by a partial kill, since before this start")

    def look(self) -> None:
        """Say which steps are over, and what is not over in time."""
        for scope in list(self._open):
            self._follow(scope)

    def _follow(self, scope: Scope) -> None:
        engine = self._session.engine
        insts = self._session.scopes.under(scope)
        now = self._session.driver.now
        seconds = (now - int(self._session.scopes.row(scope, engine.halts)["ts"])) / 1e9
        in_time = seconds * 1e9 <= self._within_ns
        done = {
            "cancel": not any(open_count_nb(engine.orders, k) for k in insts),
            "flatten": not any(tradable_nb(engine.core[0], k) for k in insts),
        }
        steps = self._open[scope]
        while steps and done[steps[0]]:
            step = steps.pop(0)
            said = {"what": "partial kill step", "scope": str(scope), "step": step}
            self._note({**said, "seconds": round(seconds, 6), "in_time": in_time})
        if not steps:
            del self._open[scope]
            self._late.discard(scope)
            self._tell("warning", f"partial kill: {scope} is flat, no orders, after {seconds:.1f} s")
        elif not in_time and scope not in self._late:
            self._late.add(scope)
            self._tell("critical", f"partial kill: {scope} is NOT flat after {seconds:.0f} s; going on")
