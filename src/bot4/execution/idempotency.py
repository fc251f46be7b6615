"""One intent, one order: the key of an intent is written down before anything is sent.

A crash between writing and sending leaves a pending record: after the restart the order is looked up, never
sent again unseen. A crash before writing leaves nothing: then nothing was sent. Records live for 24 hours and
at most `limit` of them are kept, the least recently used going first; a pending one is never forgotten.

That an order has ended is written with the next claim or `flush`, whichever comes first: a hundred cancels
must not wait for a hundred writes. An end that a crash loses leaves a pending record, of an order that the
journal knows to have ended: `end_others` ends it at the restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from bot4.model.errors import SafetyError
from bot4.ports.intents import IntentRecord, IntentStore


def intent_key(owner: str, epoch: int, *parts: object) -> str:
    """A key of 128 bits from who wishes (`owner`, `epoch`) and what (`parts`: decision, side, ...)."""
    text = "\x1f".join([owner, str(epoch), *map(str, parts)])
    return blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: whether the intent is new, and the client id that stands for it."""

    fresh: bool
    client_id: str
    pending: bool


class Intents:
    """The registry of intents over an `IntentStore`; not for several threads."""

    def __init__(self, store: IntentStore, ttl_ns: int, limit: int) -> None:
        self._store = store
        self._ttl = ttl_ns
        self._limit = limit
        self._known: OrderedDict[str, IntentRecord] = OrderedDict()
        self._by_client: dict[str, str] = {}
        self._written = 0
        self._ended: list[IntentRecord] = []  # not written yet
        for record in store.load():
            self._keep(record)
            self._written += 1

    def __len__(self) -> int:
        return len(self._known)

    def claim(self, wishes: Sequence[tuple[str, str]], now: int) -> list[Claim]:
        """Claim (key, client id) pairs at `now` ns UTC; the fresh ones are durable when this returns.

        A key known for less than the time to live gives the client id stored first. SafetyError when every
        place is taken by a live order: nothing may be sent then.
        """
        answers: list[Claim] = []
        fresh: list[IntentRecord] = []
        for key, client_id in wishes:
            known = self._known.get(key)
            if known is not None and (known.state == "pending" or now - known.ts < self._ttl):
                self._known.move_to_end(key)
                answers.append(Claim(False, known.client_id, known.state == "pending"))
                continue
            record = IntentRecord(key, client_id, "pending", now)
            self._keep(record)
            fresh.append(record)
            answers.append(Claim(True, client_id, True))
        if fresh:
            self._make_room(now)
            self._ended, ended = [], self._ended
            self._write([*ended, *fresh])
        return answers

    def find(self, client_id: str) -> IntentRecord | None:
        """The record of a client id, or None: nothing was ever sent under it (while it is remembered)."""
        key = self._by_client.get(client_id)
        return None if key is None else self._known[key]

    def place(self, client_id: str, name: str, base: int, now: int) -> None:
        """Durably: it is to stand under another's `name`, or does (`base` >= 0, see `IntentRecord`)."""
        record = self.find(client_id)
        if record is not None:
            placed = replace(record, name=name, base=base, ts=now)
            self._keep(placed)
            self._write([placed])

    def done(self, client_id: str, now: int) -> None:
        """The order has ended; its record may be forgotten after the time to live. Durable after `flush`."""
        record = self.find(client_id)
        if record is None or record.state == "done":
            return
        ended = replace(record, state="done", ts=now)
        self._keep(ended)
        self._ended.append(ended)

    def end_others(self, live: Collection[str], now: int) -> None:
        """After a restart: what is pending and not among the client ids `live` of the journal has ended."""
        for record in self.pending():
            if record.client_id not in live:
                self.done(record.client_id, now)
        self.flush()

    def flush(self) -> None:
        """Write the ends that are not written yet; StorageError when that fails."""
        if self._ended:
            self._ended, ended = [], self._ended
            self._write(ended)

    def pending(self) -> list[IntentRecord]:
        """What may be at the venue: to be looked up after a restart."""
        return [record for record in self._known.values() if record.state == "pending"]

    def _keep(self, record: IntentRecord) -> None:
        before = self._known.get(record.key)
        if before is not None and before.client_id != record.client_id:
            self._by_client.pop(before.client_id, None)
        self._known[record.key] = record
        self._known.move_to_end(record.key)
        self._by_client[record.client_id] = record.key

    def _forget(self, key: str) -> None:
        record = self._known.pop(key)
        self._by_client.pop(record.client_id, None)

    def _make_room(self, now: int) -> None:
        """Drop what is too old at the front, then the least recently used while there are too many."""
        kept = 0
        while self._known and kept < len(self._known):
            key, record = next(iter(self._known.items()))
            too_many = len(self._known) > self._limit
            if record.state == "pending":
                if not too_many:
                    return
                self._known.move_to_end(key)
                kept += 1
                continue
            if not too_many and now - record.ts < self._ttl:
                return
            self._forget(key)
        if len(self._known) > self._limit:
            raise SafetyError(f"{self._limit} intents are live at once; nothing more is sent")

    def _write(self, records: Sequence[IntentRecord]) -> None:
        if self._written + len(records) > 2 * len(self._known) + 1_000:
            self._store.rewrite(self._known.values())
            self._written = len(self._known)
            return
        self._store.append(records)
        self._written += len(records)
