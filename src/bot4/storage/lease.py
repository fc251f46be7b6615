"""The lease on disk: a small file, changed under a file lock."""

from __future__ import annotations

import json
from pathlib import Path

from bot4.model.errors import StorageError
from bot4.ports.lease import Holder
from bot4.storage.files import locked, make_folder, write_atomic


class FileLease:
    """A LeaseStore in `folder`; the folder must be on a disk that both instances see."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder
        self._path = folder / "lease.json"

    def swap(self, old: Holder | None, new: Holder | None) -> Holder | None:
        """Compare and swap under the folder's lock; StorageError when it is busy or unreadable."""
        with locked(self._folder):
            if self.read() == old:
                body = None if new is None else [new.name, new.beat_ns]
                write_atomic(self._path, json.dumps(body).encode())
            return self.read()

    def read(self) -> Holder | None:
        """Who holds it, or None; StorageError when the file is damaged: then nobody may assume anything."""
        try:
            body = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read the lease {self._path}: {error}") from error
        return None if body is None else Holder(str(body[0]), int(body[1]))
