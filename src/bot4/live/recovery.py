"""The engine as it was when a live run ended, however it ended.

State is the newest good snapshot, and the tail of the journal folded onto it; without a snapshot the whole
journal is the tail. Only the tail's chain of hashes is verified here (the snapshot names the hash that it
starts from); `bot4 replay --verify` verifies everything. What stands behind the last COMMIT was never acted
upon, and is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine.driver import Driver
from bot4.engine.state import Engine
from bot4.live.snapshots import load_core, snapshots
from bot4.model.codes_nb import EV_FILL
from bot4.model.errors import JournalError
from bot4.model.events import EVENT_DTYPE, INPUT_DTYPE, ORDER_DTYPE
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader, Position
from bot4.venues.simulator.state_nb import SimState

FILLS_KEPT = 4096
"""Fills that are handed on: a venue that tells them again must not be believed twice."""


@dataclass
class Kept:
    """A journal in memory that keeps orders, to compare a fold with what was journalled."""

    orders: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def append(self, kind: int, payload: np.ndarray[Any, Any] | dict[str, Any]) -> None:
        """Keep a copy of orders; drop the rest."""
        if kind == port.ORDERS and not isinstance(payload, dict):
            self.orders.append(payload.copy())

    def commit(self) -> None:
        """Nothing to make durable."""

    def close(self) -> None:
        """Nothing to release."""


@dataclass
class Tail:
    """What the journal holds behind a position: up to its last COMMIT."""

    position: Position  # after the last COMMIT
    blocks: int  # number of the last block that counts
    inputs: np.ndarray[Any, Any]
    orders: np.ndarray[Any, Any]
    epochs: list[dict[str, int]]
    mark: np.void | None  # the last COMMIT
    dropped: int  # blocks behind it
    torn_bytes: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """A run's state at its last COMMIT; `epochs` as [{"epoch": n, "first_order": id}, ...]."""

    position: Position
    epochs: list[dict[str, int]]
    fills: np.ndarray[Any, Any]
    from_snapshot: int  # events that were in the snapshot, 0: none
    folded: int  # events folded again
    dropped: int  # blocks that were never acted upon
    torn_bytes: int


def epoch_of(epochs: list[dict[str, int]], order_id: int) -> int:
    """The epoch in which order `order_id` was made."""
    return max(e["epoch"] for e in epochs if e["first_order"] <= order_id)


def read_tail(folder: Path, start: Position | None) -> Tail:
    """Read and verify the journal behind `start`; JournalError names the first bad block."""
    reader = JournalReader(folder, start=start)
    inputs: list[np.ndarray[Any, Any]] = []
    orders: list[np.ndarray[Any, Any]] = []
    epochs: list[dict[str, int]] = []
    whole = (0, 0)
    mark, position, last = None, start, -1 if start is None else start.sequence - 1
    count = 0
    for block in reader.blocks():
        count += 1
        if block.kind == port.INPUTS:
            inputs.append(block.payload)
        elif block.kind == port.ORDERS:
            orders.append(block.payload)
        elif block.kind == port.META and "epoch" in block.payload:
            epochs.append({name: int(block.payload[name]) for name in ("epoch", "first_order")})
        if block.kind in (port.COMMIT, port.META):
            mark = block.payload[-1] if block.kind == port.COMMIT else mark
            position, last, whole, count = reader.position, block.sequence, (len(inputs), len(orders)), 0
    if position is None:
        raise JournalError(f"journal {folder} does not start with its description")
    joined = np.concatenate(inputs[: whole[0]]) if whole[0] else np.empty(0, INPUT_DTYPE)
    sent = np.concatenate(orders[: whole[1]]) if whole[1] else np.empty(0, ORDER_DTYPE)
    return Tail(position, last, joined, sent, epochs, mark, count, reader.torn_bytes)


def _fold(
    engine: Engine, sim: SimState, native: Any, folder: Path, start: Position | None, tail: Tail
) -> int:
    """Fold the tail into `engine`; the number of events. JournalError when it comes out otherwise."""
    kept = Kept()
    before = int(engine.clock[lay.CK_POS])
    driver = Driver(engine, sim, kept, native, inputs=tail.inputs, timers=False)
    last = int(engine.clock[lay.CK_NOW])
    for block in JournalReader(folder, start=start, last=tail.blocks).blocks(port.MARKET):
        rows = block.payload.copy()  # the loop is compiled for writable, aligned rows
        last = int(rows["ts_local"][-1])
        driver.push(rows, last - 1)  # inputs may stand before its last instant
    driver.push(np.empty(0, EVENT_DTYPE), last)
    made = np.concatenate(kept.orders) if kept.orders else np.empty(0, ORDER_DTYPE)
    mark = tail.mark
    if made.tobytes() != tail.orders.tobytes() or (mark is not None and int(mark["pos"]) != driver.folded):
        raise JournalError(
            f"journal {folder} does not fold to the orders that were sent: another version of bot4, of the "
            "strategy or of the model wrote it; go on with that one, or begin a new journal with --adopt"
        )
    return driver.folded - before


def recover(folder: Path, engine: Engine, sim: SimState, native: Any) -> Recovered:
    """Bring `engine`, as new, to where the journal in `folder` ends.

    A snapshot whose tail cannot be read (the journal was cut behind it) is passed over.
    """
    start: Position | None = None
    notes: dict[str, Any] = {"epochs": [], "fills": ""}
    known = 0
    for snapshot in snapshots(folder, engine):
        try:
            tail = read_tail(folder, snapshot.position)
        except JournalError:
            continue
        load_core(engine, snapshot)
        start, notes = snapshot.position, snapshot.notes
        known = int(engine.clock[lay.CK_POS])
        break
    else:
        tail = read_tail(folder, None)
    folded = _fold(engine, sim, native, folder, start, tail)
    fills = np.frombuffer(bytes.fromhex(notes["fills"]), EVENT_DTYPE)
    fresh = tail.inputs["event"][tail.inputs["event"]["kind"] == EV_FILL]
    fills = np.concatenate([fills, fresh])[-FILLS_KEPT:]
    epochs = [*notes["epochs"], *tail.epochs]
    return Recovered(tail.position, epochs, fills, known, folded, tail.dropped, tail.torn_bytes)
