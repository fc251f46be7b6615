"""The IntentStore on disk: one line a record, each with a checksum, flushed before `append` returns."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from bot4.model.errors import JournalError, StorageError
from bot4.ports.intents import IntentRecord
from bot4.storage.files import make_folder, write_atomic


def _line(record: IntentRecord) -> bytes:
    row = [record.key, record.client_id, record.state, record.ts]
    if record.name:
        row += [record.name, record.base]
    body = json.dumps(row, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _record(line: bytes) -> IntentRecord | None:
    crc, _, body = line.partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(body):
            return None
        return IntentRecord(*json.loads(body))
    except (ValueError, TypeError):
        return None


class FileIntents:
    """An IntentStore in one file; a line that the end of the file cuts short was never acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        self._good = 0
        self.load()

    def load(self) -> list[IntentRecord]:
        """All whole records; JournalError names the first damaged line that is not the torn last one."""
        try:
            data = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror or error}") from error
        records: list[IntentRecord] = []
        self._good = 0
        lines = data.split(b"\n")
        for number, line in enumerate(lines[:-1], 1):
            record = _record(line)
            if record is None:
                if number == len(lines) - 1:
                    break
                raise JournalError(
                    f"{self.path}, line {number}: damaged; compare with the venue before a start"
                )
            records.append(record)
            self._good += len(line) + 1
        return records

    def append(self, records: Iterable[IntentRecord]) -> None:
        """Add the records and flush them to the disk; StorageError when that fails."""
        data = b"".join(_line(record) for record in records)
        try:
            with self.path.open("r+b" if self.path.exists() else "x+b") as out:
                out.truncate(self._good)
                out.seek(self._good)
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._good += len(data)

    def rewrite(self, records: Iterable[IntentRecord]) -> None:
        """Replace the file by `records`, at once."""
        data = b"".join(_line(record) for record in records)
        write_atomic(self.path, data)
        self._good = len(data)
