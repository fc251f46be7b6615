"""Fold a journal again: to compare, or to stop at an instant and look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.build import Plan, Settings
from bot4.engine.feed import Feed
from bot4.engine.state import state_hash
from bot4.model.errors import DataError, JournalError
from bot4.model.events import DECISION_DTYPE, EVENT_DTYPE, INPUT_DTYPE, ORDER_DTYPE
from bot4.model.times import instant_text
from bot4.model.values import Rate
from bot4.ports import journal as port
from bot4.research.session import Progress, Session, assemble, model_of, strategy_of
from bot4.storage.journal import JournalReader
from bot4.storage.lake import Dataset
from bot4.venues.simulator.generative import GenParams
from bot4.venues.simulator.sources import GenerativeSource


@dataclass
class Collector:
    """A journal that keeps what a replay produces, for comparison."""

    orders: list[np.ndarray[Any, Any]] = field(default_factory=list)
    decisions: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def append(self, kind: int, payload: np.ndarray[Any, Any] | dict[str, Any]) -> None:
        """Keep a copy of orders and decisions; drop the rest."""
        if isinstance(payload, dict):
            return
        if kind == port.ORDERS:
            self.orders.append(payload.copy())
        elif kind == port.DECISIONS:
            self.decisions.append(payload.copy())

    def commit(self) -> None:
        """Nothing to make durable."""

    def close(self) -> None:
        """Nothing to release."""


def open_data(meta: dict[str, Any], moved: Path | None) -> Dataset:
    """The data set that a journal refers to; it must hold exactly what it held then."""
    stated = meta["data"]
    path = moved if moved is not None else Path(stated["path"])
    if not path.is_dir():
        raise DataError(f"the journal refers to the data set {path}, which is not there; name it with --data")
    dataset = Dataset.open(path)
    if dataset.content_hash() != stated["content_hash"]:
        raise DataError(f"data set {path} is not the one the journal was written with (its hash differs)")
    return dataset


def market_of(
    reader: JournalReader, meta: dict[str, Any], settings: Settings, moved: Path | None, limit: int
) -> Iterator[np.ndarray[Any, Any]]:
    """A journal's market events: its own, its data set's, or the synthetic market's up to `limit`."""
    if meta["data"]["inline"]:
        for block in reader.blocks(port.MARKET):
            yield block.payload.copy()  # the loop is compiled for writable, aligned rows
        return
    stated = meta["data"]
    if "generator" in stated:
        made = stated["generator"]
        yield from GenerativeSource(GenParams(), made["seed"], made["start"]).chunks(limit)
        return
    yield from Feed(
        open_data(meta, moved),
        settings["fees.funding_interval"],
        Rate.of_float(settings["fees.funding_substitute"]).e8,
        stated["start"],
        stated["end"],
    )


@dataclass
class Refold:
    """A journal read whole, and the engine that folds it again."""

    folder: Path
    meta: dict[str, Any]
    settings: Settings
    moved: Path | None
    reader: JournalReader
    inputs: np.ndarray[Any, Any]
    end: dict[str, Any] | None
    last: int | None = None  # the number of the last block that counts; None: all do

    @classmethod
    def open(
        cls, folder: Path, meta: dict[str, Any], settings: Settings, moved: Path | None = None
    ) -> Refold:
        """Read and verify the journal; JournalError names the first bad block."""
        reader = JournalReader(folder)
        inputs: list[np.ndarray[Any, Any]] = []
        end = last = None
        whole = 0  # input blocks before the last COMMIT
        for block in reader.blocks():
            if block.kind == port.INPUTS:
                inputs.append(block.payload)
            elif block.kind == port.COMMIT:
                last, whole = block.sequence, len(inputs)
            end = block.payload if block.kind == port.END else None
        if last is not None and end is None:
            inputs = inputs[:whole]  # what stands behind the last COMMIT was never acted upon
        else:
            last = None
        joined = np.concatenate(inputs) if inputs else np.empty(0, INPUT_DTYPE)
        if len(joined) > 1 and (np.diff(joined["pos"]) < 0).any():
            raise JournalError(f"journal {folder}: recorded inputs are out of order")
        return cls(folder, meta, settings, moved, reader, joined, end, last)

    def counted(self) -> JournalReader:
        """A reader of the blocks that count."""
        return JournalReader(self.folder, last=self.last)

    def _known_until(self, stop: int | None) -> int:
        if stop is not None:
            return stop
        return int(self.inputs["event"]["ts_local"].max()) if len(self.inputs) else 0

    def run(self, until: int | None = None, progress: Progress | None = None) -> tuple[Session, Collector]:
        """Fold up to local time `until` (default: as far as the journal goes)."""
        plan = Plan.from_json(self.meta["plan"])
        collector = Collector()
        session = assemble(
            self.meta,
            self.settings,
            plan,
            strategy_of(self.meta),
            model_of(self.meta),
            collector,
            inputs=self.inputs,
        )
        stop = until
        if stop is None and self.end is not None:
            stop = int(self.end["limit"])
        total = self.meta["data"].get("events") or 0
        # a journal that was cut off is folded as far as its inputs go
        done = 0
        last = plan.start_ns
        known = self._known_until(stop)
        for chunk in market_of(self.counted(), self.meta, self.settings, self.moved, known):
            if len(chunk) == 0:
                continue
            limit = int(chunk["ts_local"][-1])
            if stop is not None and limit > stop:
                session.driver.push(chunk, stop)
                last = stop
                break
            # answers recorded at the end of this chunk may precede the next one: hold back its last instant
            session.driver.push(chunk, limit - 1)
            last = limit
            done += len(chunk)
            if progress is not None:
                progress(done, max(total, done), "replaying")
        session.driver.push(np.empty(0, EVENT_DTYPE), stop if stop is not None else last)
        return session, collector


def _first_difference(name: str, old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> str | None:
    n = min(len(old), len(new))
    different = np.flatnonzero(old[:n] != new[:n])
    if len(different):
        k = int(different[0])
        fields = [f for f in old.dtype.names or () if np.any(old[k][f] != new[k][f])]
        stamp = old[k]["ts"] if "ts" in (old.dtype.names or ()) else old[k]["ts_created"]
        return f"{name} {k} at {instant_text(int(stamp))}: {', '.join(fields)} differ"
    if len(old) != len(new):
        return f"{name}: the journal has {len(old)}, the replay {len(new)}"
    return None


def _same_nan(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy in which NaN equals NaN."""
    rows = rows.copy()
    for name in rows.dtype.names or ():
        if rows.dtype[name].kind == "f":
            rows[name] = np.nan_to_num(rows[name], nan=-9e99)
    return rows


def compare(refold: Refold, session: Session, collector: Collector) -> dict[str, Any]:
    """Every order, every journalled decision, the fingerprint of all decisions, and the state."""
    reader = refold.counted()
    differences = []
    for kind, made, name in (
        (port.ORDERS, collector.orders, "order"),
        (port.DECISIONS, collector.decisions, "decision"),
    ):
        dtype = ORDER_DTYPE if kind == port.ORDERS else DECISION_DTYPE
        new = np.concatenate(made) if made else np.empty(0, dtype)
        difference = _first_difference(name, _same_nan(reader.gather(kind)), _same_nan(new))
        if difference:
            differences.append(difference)
    results = session.results()
    stated = None if refold.end is None else refold.end["summary"]
    if stated is not None:
        for key in ("events", "decisions", "orders", "fills", "decision_hash", "state_hash"):
            if stated[key] != results[key]:
                differences.append(f"{key}: the journal has {stated[key]}, the replay {results[key]}")
    return {
        "identical": not differences,
        "complete": stated is not None and refold.reader.torn_bytes == 0,
        "torn_bytes": refold.reader.torn_bytes,
        "differences": differences,
        "decisions": results["decisions"],
        "orders": results["orders"],
        "fills": results["fills"],
        "events": results["events"],
        "decision_hash": results["decision_hash"],
        "state_hash": state_hash(session.engine),
    }
