"""The mark that a kill leaves on an account: no new live run there until a person has released it.

The mark is a file in the state folder, written when the kill switch rises, so that it outlives the process
and the machine. It is taken away only by a release signed with the operator's key, which names this one mark:
a release of an earlier kill does not lift a later one. Paper runs have no account and know no mark.

A partial kill leaves a mark of its own for its part of the account: a new run there may begin, but begins
with that part stopped. It goes when a run has accepted a signed release of the part.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from bot4.model.errors import SafetyError
from bot4.safety.authority import Authority, NotAuthorised, Release

_BEGIN = "killed-"
_PART = "partly-"
DAMAGED = "the mark is damaged"


def account_name(venue: str, endpoint: str, key: str) -> str:
    """An account's name for files and people: the venue, and a digest of its place and its public key."""
    digest = hashlib.sha256(f"{venue}\n{endpoint}\n{key}".encode()).hexdigest()
    return f"{venue}-{digest[:12]}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A kill: when (ns UTC), why, and which mark it is for a release."""

    account: str
    why: str
    ts: int

    @property
    def run(self) -> str:
        """How a release names this mark."""
        return f"{self.account}-{self.ts}"


class KillMarker:
    """The mark of one account in `folder`, which is made when it is needed."""

    def __init__(self, folder: Path, account: str) -> None:
        self.account = account
        self.path = folder / f"{_BEGIN}{account}.json"

    def set(self, why: str, ts: int) -> None:
        """Mark the account, durably; an older mark stays, with its reason. OSError when it cannot be."""
        _write(self.path, why, ts)

    def read(self) -> Mark | None:
        """The mark; None when there is none. One that cannot be read counts as a mark without a reason."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            found = json.loads(text)
            return Mark(self.account, str(found["why"]), int(found["ts"]))
        except (ValueError, KeyError, TypeError):
            return Mark(self.account, DAMAGED, 0)

    def require(self) -> None:
        """SafetyError when the account is marked."""
        mark = self.read()
        if mark is not None:
            raise SafetyError(
                f"the account {self.account} was stopped by a kill ({mark.why}), and nobody has released it; "
                f"look at the account, then: bot4 release --account {self.account}"
            )

    def lift(self, folder: Path, release: str, now_ns: int) -> Release:
        """Take the mark away with a release of it; NotAuthorised otherwise. `folder` holds the public key."""
        mark = self.read()
        if mark is None:
            raise SafetyError(f"the account {self.account} is not marked; there is nothing to release")
        found = Authority(folder, mark.run).accept(release, now_ns)
        if found.scope:
            raise NotAuthorised(f"the release is for {found.scope} alone, not for the account")
        self.path.unlink()
        return found


def _write(path: Path, why: str, ts: int) -> None:
    """Write a mark durably; one that is there stays. OSError when it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"why": why, "ts": ts}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class PartMarks:
    """The marks of partial kills on one account in `folder`; a part is named by its kind and its name."""

    def __init__(self, folder: Path, account: str) -> None:
        self.account = account
        self._folder = folder

    def _path(self, kind: str, part: str) -> Path:
        return self._folder / f"{_PART}{self.account}-{kind}-{quote(part, safe='')}.json"

    def set(self, kind: str, part: str, why: str, ts: int) -> None:
        """Mark a part, durably; an older mark stays, with its reason. OSError when it cannot be."""
        _write(self._path(kind, part), why, ts)

    def lift(self, kind: str, part: str) -> None:
        """Take the mark of a part away, after a run has accepted its release."""
        self._path(kind, part).unlink(missing_ok=True)

    def read(self) -> dict[tuple[str, str], str]:
        """The parts that are marked, (kind, name), and why; a damaged mark still holds."""
        begin = f"{_PART}{self.account}-"
        found = {}
        for path in sorted(self._folder.glob(f"{begin}*.json")):
            kind, _, part = path.stem.removeprefix(begin).partition("-")
            try:
                why = str(json.loads(path.read_text(encoding="utf-8"))["why"])
            except (ValueError, KeyError, TypeError):
                why = DAMAGED
            found[(kind, unquote(part))] = why
        return found


def marked(folder: Path) -> list[str]:
    """The accounts that are marked."""
    return sorted(path.stem.removeprefix(_BEGIN) for path in folder.glob(f"{_BEGIN}*.json"))
