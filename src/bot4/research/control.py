"""Carries out what the operator asks of a running session: mode changes, each with its audit record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot4.model import names
from bot4.model.codes_nb import R_COMMAND
from bot4.ports import journal as port
from bot4.ports.clock import Clock
from bot4.research.session import Session
from bot4.safety.inbox import Acknowledged, Asked, Inbox


class Operator:
    """Takes commands from the inbox, asks the engine, journals who asked, and answers."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        clock: Clock,
        broadcast: Callable[[str], None] = lambda text: None,
        acknowledge: Callable[[], int] = lambda: 0,
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._clock = clock
        self._broadcast = broadcast
        self._acknowledge = acknowledge

    def look(self) -> None:
        """Carry out every command that has come since the last look."""
        for asked in self._inbox.take(self._clock.now_ns()):
            if isinstance(asked, Acknowledged):
                self._seen(asked)
            else:
                self._carry_out(asked)

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
            self._broadcast(f"mode {names.MODES[before]} to {names.MODES[after]}, asked for by {asked.by}")

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
