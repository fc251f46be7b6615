"""The control inbox: how `bot4 mode`, `stop` of a part and `resume` speak to a running process, by files.

A command is one JSON file, put into the folder by an atomic rename. The process takes each once and puts the
answer beside it. There is no command that places, alters or closes a single trade: an inbox can only raise
the severity of the control mode, stop a part of the run, hand in a signed release (`authority`) to undo
either, or acknowledge alarms. A file `NAME.stop`, also an empty one, stops the part with that name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bot4.model import names
from bot4.model.codes_nb import MODE_NORMAL
from bot4.safety.authority import Authority, NotAuthorised

MOST_BYTES = 16_384
MOST_NAME = 256
STOP = ".stop"
_MODES = {word: code for code, word in names.MODES.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """A mode asked for; `authorised`: a release allows to lower severity; `by`: who, for the audit."""

    name: str
    mode: int
    authorised: bool
    by: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A part of the run is to be stopped: its kind (empty: any) and name, by whom."""

    name: str
    kind: str
    part: str
    by: str


@dataclass(frozen=True, slots=True)
class Freed:
    """A signed release of a partial kill came: kind and name of the part, who signed."""

    name: str
    kind: str
    part: str
    by: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has seen the alarms."""

    name: str
    by: str


Command = Asked | Stopped | Freed | Acknowledged


def post(folder: Path, name: str, command: dict[str, str]) -> Path:
    """Put a command for the process that reads `folder`; the path at which its answer will stand."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{name}.draft"
    draft.write_text(json.dumps(command), encoding="utf-8")
    draft.replace(folder / f"{name}.cmd")
    return folder / f"{name}.answer"


class Inbox:
    """The reading side. What cannot be understood is answered, and changes nothing."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self._authority = authority
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take(self, now_ns: int) -> list[Command]:
        """Commands that came since the last call, in order of their names; bad ones are answered here."""
        asked: list[Command] = []
        for path in sorted(self.folder.glob(f"*{STOP}")):
            asked.append(Stopped(path.name, "", path.name.removesuffix(STOP), "stop file"))
            path.unlink(missing_ok=True)
        for path in sorted(self.folder.glob("*.cmd")):
            name = path.stem
            try:
                found = self._read(path, name, now_ns)
            except (NotAuthorised, ValueError, OSError) as error:
                self.answer(name, False, str(error))
            else:
                asked.append(found)
            path.unlink(missing_ok=True)
        return asked

    def _read(self, path: Path, name: str, now_ns: int) -> Command:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"the command is larger than {MOST_BYTES} bytes")
        command = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(command, dict):
            raise ValueError("a command is a JSON object")
        if "release" in command:
            release = self._authority.accept(str(command["release"]), now_ns)
            if release.scope:
                kind, _, part = release.scope.partition(" ")
                return Freed(name, kind, part, release.by)
            return Asked(name, release.mode, True, release.by)
        by = str(command.get("by", "unknown"))[:64]
        if command.get("acknowledge") == "alarms":
            return Acknowledged(name, by)
        if "stop" in command:
            return Stopped(name, str(command["stop"]), str(command.get("part", ""))[:MOST_NAME], by)
        mode = _MODES.get(str(command.get("mode")))
        if mode is None or mode == MODE_NORMAL:
            raise ValueError("ask for reduce, pause or emergency; to lower severity a release is needed")
        return Asked(name, mode, False, by)

    def answer(self, name: str, accepted: bool, text: str) -> None:
        """Say what became of a command."""
        draft = self.folder / f".{name}.reply"
        draft.write_text(json.dumps({"accepted": accepted, "text": text}), encoding="utf-8")
        draft.replace(self.folder / f"{name}.answer")

    def close(self) -> None:
        """Remove the folder and what is in it."""
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)
        self.folder.rmdir()
