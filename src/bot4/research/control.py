"""Carries out what the operator asks of a session: modes, partial kills; each with its audit record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot4.model import names
from bot4.model.codes_nb import R_COMMAND, R_FILE
from bot4.model.errors import CallerError
from bot4.ports import journal as port
from bot4.ports.alarm import Level
from bot4.ports.clock import Clock
from bot4.research.halts import Halts
from bot4.research.session import Session
from bot4.safety.inbox import Acknowledged, Asked, Freed, Inbox, Stopped
from bot4.safety.marker import PartMarks


class Operator:
    """Takes commands from the inbox, asks the engine, journals who asked, and answers."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        clock: Clock,
        tell: Callable[[Level, str], None] = lambda level, text: None,
        acknowledge: Callable[[], int] = lambda: 0,
        marks: PartMarks | None = None,
        within_ns: int = 15 * 10**9,
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._clock = clock
        self._tell = tell
        self._acknowledge = acknowledge
        self.halts = Halts(session, tell, self._note, marks, within_ns)

    def look(self) -> None:
        """Carry out every command that has come since the last look, and follow what it set off."""
        self.halts.begin(self._clock.now_ns())
        for asked in self._inbox.take(self._clock.now_ns()):
            if isinstance(asked, Acknowledged):
                self._seen(asked)
            elif isinstance(asked, Asked):
                self._carry_out(asked)
            else:
                self._part(asked)
        self.halts.look()

    def _part(self, asked: Stopped | Freed) -> None:
        """Stop a part of the run, or release it; a part that the run does not have is told, and noted."""
        try:
            scope = self._session.scopes.find(asked.kind, asked.part)
        except CallerError as error:
            named = f"{asked.kind} {asked.part}".strip()
            what = "partial kill refused" if isinstance(asked, Stopped) else "partial release refused"
            self._note({"what": what, "by": asked.by, "scope": named, "why": str(error)})
            self._inbox.answer(asked.name, False, str(error))
            self._tell("warning", f"{asked.by} asked for {named}: {error}")
            return
        if isinstance(asked, Freed):
            done, text = self.halts.free(scope, asked.by)
        else:
            reason = R_COMMAND if asked.kind else R_FILE
            done, text = True, self.halts.stop(scope, asked.by, self._clock.now_ns(), reason=reason)
        self._inbox.answer(asked.name, done, text)

    def _seen(self, asked: Acknowledged) -> None:
        count = self._acknowledge()
        self._note({"what": "alarms acknowledged", "by": asked.by, "alarms": count})
        self._inbox.answer(asked.name, True, f"{count} critical alarms acknowledged")

    def _note(self, record: dict[str, Any]) -> None:
        stamps = {"wall_ns": self._clock.now_ns(), "engine_ns": self._session.driver.now}
        self._session.journal.append(port.NOTE, {**record, **stamps})
        self._session.journal.commit()

    def _carry_out(self, asked: Asked) -> None:
        control = self._session.engine.safety.control[0]
        before = int(control["mode"])
        if asked.mode >= before or asked.authorised:  # a person lowers severity with a release only
            self._session.driver.mode(asked.mode, R_COMMAND, authorised=asked.authorised)
        after = int(control["mode"])
        self._note(
            {
                "what": "mode asked",
                "by": asked.by,
                "asked": names.MODES[asked.mode],
                "authorised": asked.authorised,
                "before": names.MODES[before],
                "after": names.MODES[after],
            }
        )
        accepted = after == asked.mode
        text = f"mode is {names.MODES[after]}" if accepted else self._why_not(before, asked)
        self._inbox.answer(asked.name, accepted, text)
        if after != before:
            changed = f"mode {names.MODES[before]} to {names.MODES[after]}"
            self._tell("warning", f"{changed}, asked for by {asked.by}")

    def _why_not(self, before: int, asked: Asked) -> str:
        safety = self._session.engine.safety
        control = safety.control[0]
        if control["killed"]:
            return "the kill switch is raised; it never clears, start a new run"
        if not asked.authorised:
            return f"mode is {names.MODES[before]}: only a signed release lowers it (`bot4 resume`)"
        waited = self._session.driver.now - int(control["mode_since"])
        left = max(0, int(safety.params[0]["cooldown_ns"]) - waited) / 1e9
        return f"mode stays {names.MODES[before]}: the cooldown has {left:.0f} s left"
