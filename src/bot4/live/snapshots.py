"""Snapshots of the engine beside its journal: so that a restart folds a tail, and not the whole past.

A snapshot is the engine's record, byte for byte, with its place in the journal (which names the hash of the
block before it) and notes of the session. It is written to a temporary file, synced, and renamed: a crash
leaves the old one. A file that is damaged, or of another layout of the engine, is passed over for the one
before it.

    8s magic | u4 length of the head | head (json) | record | 32s BLAKE2b-256 of all before
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine.state import Engine
from bot4.model.errors import StorageError
from bot4.storage.journal import Position

_MAGIC = b"B4SNAP01"
_HEAD = struct.Struct("<8sI")
_HASH = 32
KEEP = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot file holds; `core` is the engine's record as bytes."""

    position: Position
    notes: dict[str, Any]
    core: bytes


def layout_of(core: np.ndarray[Any, Any]) -> str:
    """A fingerprint of the record's fields, so that another version's snapshot is not mistaken for ours."""
    fields = core.dtype.fields or {}
    said = [
        f"{name} {kind.base.str} {kind.shape} {kind.itemsize} {at}" for name, (kind, at, *_) in fields.items()
    ]
    return blake2b("|".join(said).encode(), digest_size=16).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("snapshot-*.b4s"))


def write_snapshot(folder: Path, engine: Engine, position: Position, notes: dict[str, Any]) -> Path:
    """Write the state of `engine`, which has folded the journal up to `position`; keeps the newest KEEP.

    The journal must be durable up to `position`. StorageError when the disk refuses: the older ones remain.
    """
    head = json.dumps(
        {"position": position.to_json(), "layout": layout_of(engine.core), "notes": notes}, sort_keys=True
    ).encode()
    core = engine.core.tobytes()
    start = _HEAD.pack(_MAGIC, len(head))
    digest = blake2b(start + head, digest_size=_HASH)
    digest.update(core)
    path = folder / f"snapshot-{int(engine.clock[lay.CK_POS]):015d}.b4s"
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            for part in (start, head, core, digest.digest()):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        for old in (*_files(folder)[:-KEEP], *folder.glob("snapshot-*.new")):
            old.unlink()
    except OSError as error:
        raise StorageError(
            f"snapshot {path}: {error.strerror or error}; the older ones are intact"
        ) from error
    return path


def _read(path: Path, layout: str) -> Snapshot | None:
    """The snapshot in `path`, or None when it is damaged or of another layout."""
    data = path.read_bytes()
    if len(data) < _HEAD.size + _HASH:
        return None
    magic, length = _HEAD.unpack_from(data)
    if magic != _MAGIC or blake2b(data[:-_HASH], digest_size=_HASH).digest() != data[-_HASH:]:
        return None
    head = json.loads(data[_HEAD.size : _HEAD.size + length])
    if head["layout"] != layout:
        return None
    return Snapshot(Position.from_json(head["position"]), head["notes"], data[_HEAD.size + length : -_HASH])


def snapshots(folder: Path, engine: Engine) -> Iterator[Snapshot]:
    """The good snapshots in `folder` that fit `engine`, newest first."""
    layout = layout_of(engine.core)
    for path in reversed(_files(folder)):
        found = _read(path, layout)
        if found is not None:
            yield found


def load_core(engine: Engine, snapshot: Snapshot) -> None:
    """Put the snapshot's state into `engine`."""
    engine.core.view(np.uint8).reshape(-1)[:] = np.frombuffer(snapshot.core, np.uint8)
