"""The journal on disk: append-only segments of hash-chained blocks.

A journal is a folder of `segment-000000.b4j` files. A segment starts with a header (magic, segment
number, hash of the last block before it). Then follow blocks:

    4s magic "B4BK" | u2 kind | u2 format | u4 count | u4 length | u8 sequence | u4 crc | 32s hash | payload

`hash` is BLAKE2b-256 over the previous block's hash, the header fields and the payload, so that an
edit, a deletion, an insertion or a swap of blocks is found at the first block it touches. A block
that the end of the last file cuts short, or a last file cut off in its own header, is a torn tail: it
was never acknowledged, and opening for append removes it. The CRC-32 covers the fields before it, so
that a damaged length is not mistaken for a torn tail. Any other mismatch is damage and is an error
that names the block.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bot4.model.errors import JournalError, StorageError
from bot4.model.events import (
    COMMIT_DTYPE,
    DECISION_DTYPE,
    EQUITY_DTYPE,
    EVENT_DTYPE,
    INPUT_DTYPE,
    ORDER_DTYPE,
    TRIP_DTYPE,
)
from bot4.ports import journal as port

FORMAT = 1
_FILE = struct.Struct("<8sII32s")
_HEAD = struct.Struct("<4sHHIIQ")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_HASH = 32
_MAGIC_FILE = b"B4JRNL01"
_MAGIC_BLOCK = b"B4BK"
_ZERO = bytes(_HASH)
SEGMENT_BYTES = 128 << 20
FSYNC = ("commit", "close", "never")

_DTYPES = {
    port.MARKET: EVENT_DTYPE,
    port.INPUTS: INPUT_DTYPE,
    port.ORDERS: ORDER_DTYPE,
    port.DECISIONS: DECISION_DTYPE,
    port.EQUITY: EQUITY_DTYPE,
    port.COMMIT: COMMIT_DTYPE,
    port.TRIPS: TRIP_DTYPE,
}


@dataclass(frozen=True, slots=True)
class Block:
    """One verified block: its number in the journal, its kind and its content."""

    sequence: int
    kind: int
    payload: Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two blocks: where the next one stands, its number, the hash of the last one."""

    segment: int
    offset: int
    sequence: int
    hash: bytes

    def to_json(self) -> dict[str, Any]:
        """A form that `from_json` reads back."""
        return {
            "segment": self.segment,
            "offset": self.offset,
            "sequence": self.sequence,
            "hash": self.hash.hex(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Position:
        """The position that `to_json` wrote; KeyError or ValueError when it is not one."""
        return cls(
            int(data["segment"]), int(data["offset"]), int(data["sequence"]), bytes.fromhex(data["hash"])
        )


def _digest(previous: bytes, head: bytes, payload: bytes | memoryview) -> bytes:
    digest = blake2b(previous, digest_size=_HASH)
    digest.update(head)
    digest.update(payload)
    return digest.digest()


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("segment-*.b4j"))


class FileJournal:
    """Writer. `fsync`: 'commit' (each commit is durable), 'close' (only at the end), 'never'.

    A folder with a journal is continued: after its last whole block (all of it is verified first), or at
    `position`, up to which the caller has verified it; what stands behind is removed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fsync: str = "commit",
        segment_bytes: int = SEGMENT_BYTES,
        position: Position | None = None,
    ) -> None:
        if fsync not in FSYNC:
            raise ValueError(f"fsync policy {fsync!r} is not one of {FSYNC}")
        self.folder = folder
        self._fsync = fsync
        self._limit = segment_bytes
        self._last = _ZERO
        self._sequence = 0
        self._number = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                if not _segments(folder):
                    raise StorageError(f"{folder} is not empty and holds no journal; name a new folder")
                self._resume(position)
            else:
                self._open_segment()
        except OSError as error:
            raise StorageError(
                f"journal {folder}: {error.strerror or error}; name a writable folder"
            ) from error

    def _resume(self, at: Position | None) -> None:
        if at is None:
            reader = JournalReader(self.folder)
            for _ in reader.headers():
                pass
            at = reader.position
        self._sequence, self._last, self._number = at.sequence, at.hash, at.segment
        paths = _segments(self.folder)
        for path in paths[at.segment + 1 :]:
            path.unlink()
        self._file: BinaryIO = paths[at.segment].open("r+b", buffering=1 << 20)
        self._file.truncate(at.offset)
        self._file.seek(at.offset)
        if at.offset == 0:
            self._start_segment()

    @property
    def position(self) -> Position:
        """Where the next block will stand (or, after a full segment, could have stood)."""
        return Position(self._number, self._file.tell(), self._sequence, self._last)

    def _open_segment(self) -> None:
        path = self.folder / f"segment-{self._number:06d}.b4j"
        self._file = path.open("xb", buffering=1 << 20)
        self._start_segment()

    def _start_segment(self) -> None:
        self._file.write(_FILE.pack(_MAGIC_FILE, FORMAT, self._number, self._last))

    @property
    def head(self) -> tuple[int, str]:
        """How many blocks there are, and the hash (hex) of the last one."""
        return self._sequence, self._last.hex()

    def append(self, kind: int, payload: np.ndarray[Any, Any] | dict[str, Any]) -> None:
        """Add one block; StorageError (nothing before it is lost) when the disk refuses."""
        if isinstance(payload, dict):
            raw: bytes | memoryview = json.dumps(payload, sort_keys=True, allow_nan=False).encode()
            count = 1
        else:
            if payload.dtype != _DTYPES[kind]:
                raise ValueError(f"block kind {kind} takes {_DTYPES[kind]}, got {payload.dtype}")
            count = len(payload)
            if count == 0:
                return
            raw = np.ascontiguousarray(payload).data.cast("B")
        head = _HEAD.pack(_MAGIC_BLOCK, kind, FORMAT, count, len(raw), self._sequence)
        head += _CRC.pack(zlib.crc32(head))
        digest = _digest(self._last, head, raw)
        try:
            if self._file.tell() > self._limit:
                self.commit()
                self._file.close()
                self._number += 1
                self._open_segment()
            self._file.write(head)
            self._file.write(digest)
            self._file.write(raw)
        except OSError as error:
            raise self._failed(error) from error
        self._last = digest
        self._sequence += 1

    def commit(self) -> None:
        """Flush, and fsync under the 'commit' policy."""
        try:
            self._file.flush()
            if self._fsync == "commit":
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Flush, fsync unless 'never', close; a second time does nothing."""
        if self._file.closed:
            return
        try:
            self._file.flush()
            if self._fsync != "never":
                os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def release(self) -> None:
        """Let go of the file after a failure; nothing more is promised. After `close` it does nothing."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(
            f"journal {self.folder}: {error.strerror or error}; blocks up to the last commit are intact, "
            "free some space or name another folder with --out"
        )


class JournalReader:
    """Reads and verifies. `torn_bytes` > 0 afterwards when the tail was cut short.

    It begins at `start` (default: at the beginning) and ends after block number `last`, if given.
    """

    def __init__(self, folder: Path, *, start: Position | None = None, last: int | None = None) -> None:
        self.folder = folder
        self.torn_bytes = 0
        self.good_bytes = 0
        self.last_hash = _ZERO
        self._start = start
        self._last = last
        self._segment = 0
        self._sequence = 0
        if not folder.is_dir() or not _segments(folder):
            raise JournalError(f"{folder} holds no journal (no segment-*.b4j in it)")

    def _bad(self, path: Path, sequence: int, what: str) -> JournalError:
        return JournalError(
            f"journal {path}: block {sequence} {what}; blocks before it are intact, "
            "restore the file from a copy"
        )

    @property
    def position(self) -> Position:
        """The place after the last block that was read and found good."""
        return Position(self._segment, self.good_bytes, self._sequence, self.last_hash)

    def _raw(self) -> Iterator[tuple[int, int, int, bytes]]:
        begin = self._start
        expected = 0 if begin is None else begin.sequence
        paths = _segments(self.folder)
        if begin is not None and (
            begin.segment >= len(paths) or paths[begin.segment].stat().st_size < begin.offset
        ):
            raise JournalError(f"journal {self.folder} ends before block {expected}: it was cut")
        if begin is not None:
            self.last_hash = begin.hash
        for number, path in enumerate(paths):
            if begin is not None and number < begin.segment:
                continue
            last_file = number == len(paths) - 1
            self._segment = number
            with path.open("rb") as file:
                start = file.read(_FILE.size)
                if len(start) < _FILE.size:
                    if last_file and number > 0:  # cut off while the segment was being started
                        self.good_bytes, self.torn_bytes = 0, len(start)
                        return
                    raise JournalError(f"journal {path}: the segment header is cut short")
                magic, fmt, stated, previous = _FILE.unpack(start)
                if magic != _MAGIC_FILE or fmt != FORMAT:
                    raise JournalError(f"journal {path}: not a bot4 journal of format {FORMAT}")
                inside = begin is not None and number == begin.segment and begin.offset > 0
                if stated != number or (previous != self.last_hash and not inside):
                    raise JournalError(f"journal {path}: segment {number} is missing, swapped or edited")
                self.good_bytes = _FILE.size
                if begin is not None and inside:
                    self.good_bytes = begin.offset
                    file.seek(begin.offset)
                size = path.stat().st_size
                while self.good_bytes < size:
                    if self._last is not None and expected > self._last:
                        return
                    head = file.read(_HEAD_BYTES)
                    digest = file.read(_HASH)
                    if len(digest) < _HASH:
                        if not last_file:
                            raise self._bad(path, expected, "is cut short")
                        self.torn_bytes = size - self.good_bytes
                        return
                    magic, kind, fmt, count, length, sequence = _HEAD.unpack(head[: _HEAD.size])
                    intact = _CRC.unpack(head[_HEAD.size :])[0] == zlib.crc32(head[: _HEAD.size])
                    if not intact or magic != _MAGIC_BLOCK or fmt != FORMAT or sequence != expected:
                        raise self._bad(path, expected, "has a damaged header")
                    payload = file.read(length)
                    if len(payload) < length:
                        if not last_file:
                            raise self._bad(path, expected, "is cut short")
                        self.torn_bytes = size - self.good_bytes
                        return
                    if _digest(self.last_hash, head, payload) != digest:
                        raise self._bad(path, expected, "does not match its hash (edited or damaged)")
                    self.last_hash = digest
                    self.good_bytes += _HEAD_BYTES + _HASH + length
                    expected += 1
                    self._sequence = expected
                    yield sequence, kind, count, payload

    def headers(self) -> Iterator[int]:
        """Verify everything and give each block's number."""
        for sequence, _, _, _ in self._raw():
            yield sequence

    def blocks(self, *kinds: int) -> Iterator[Block]:
        """The blocks in order (all kinds, or those named), each verified before it is given."""
        for sequence, kind, count, payload in self._raw():
            if kinds and kind not in kinds:
                continue
            if kind in port.JSON_KINDS:
                yield Block(sequence, kind, json.loads(payload))
            elif kind in _DTYPES:
                rows = np.frombuffer(payload, _DTYPES[kind])
                if len(rows) != count:
                    raise JournalError(
                        f"journal {self.folder}: block {sequence} states {count} rows, has {len(rows)}"
                    )
                yield Block(sequence, kind, rows)
            else:
                raise JournalError(f"journal {self.folder}: block {sequence} is of unknown kind {kind}")

    def meta(self) -> dict[str, Any]:
        """What the first block says of the run."""
        for block in self.blocks():
            if block.kind != port.META:
                break
            result: dict[str, Any] = block.payload
            return result
        raise JournalError(f"journal {self.folder} does not start with its description")

    def gather(self, kind: int) -> np.ndarray[Any, Any]:
        """All rows of one kind, in order."""
        again = JournalReader(self.folder, start=self._start, last=self._last)
        parts = [block.payload for block in again.blocks(kind)]
        return np.concatenate(parts) if parts else np.empty(0, _DTYPES[kind])
