"""Anchors: the head of a journal, written to a second file, so that a cut or rewritten journal is found out.

A hash chain shows every edit inside, but a journal that ends early, or was written anew from some block on,
is a good chain too. An anchor says how many blocks there were and what the hash of the last one was. It
stands beside the journal (`RUN.anchors`), one JSON object a line; one made by `bot4 audit sign` carries a
signature of the operator's key.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from bot4.model.errors import JournalError, StorageError
from bot4.storage.journal import FileJournal

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Anchor:
    """After `blocks` blocks the last hash was `head` (hex). `signature` is hex, or empty."""

    blocks: int
    head: str
    wall_ns: int
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        return f"bot4 anchor {self.blocks} {self.head} {self.wall_ns}".encode()


def anchor_file(journal: Path) -> Path:
    """Where the anchors of the journal in folder `journal` stand."""
    return journal.with_name(journal.name + ".anchors")


def add_anchor(path: Path, anchor: Anchor) -> None:
    """Append one anchor, durably; StorageError when the disk refuses."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(anchor), sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"anchor {path}: {error.strerror or error}") from error


def read_anchors(path: Path) -> list[Anchor]:
    """All anchors in the file, in order; none when there is no file. JournalError names a bad line."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            anchor = Anchor(**json.loads(line))
            if not isinstance(anchor.blocks, int) or len(bytes.fromhex(anchor.head)) != 32:
                raise ValueError("not an anchor")
        except (ValueError, TypeError) as error:
            raise JournalError(f"{path}: line {number} is not an anchor ({error})") from None
        found.append(anchor)
    return found


class HourlyAnchor:
    """Anchors the head of a growing journal when it begins, every hour, and when asked at the end."""

    def __init__(self, journal: FileJournal, now_ns: int) -> None:
        self._journal = journal
        self._path = anchor_file(journal.folder)
        self._due = now_ns

    def look(self, now_ns: int) -> None:
        """Anchor if an hour has passed since the last time."""
        if now_ns >= self._due:
            self.now(now_ns)

    def now(self, now_ns: int) -> None:
        """Anchor what has been appended so far."""
        blocks, head = self._journal.head
        add_anchor(self._path, Anchor(blocks, head, now_ns))
        self._due = now_ns + HOUR_NS
