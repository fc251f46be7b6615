"""The rate limiter: one budget per venue and host, shared by all processes on this machine.

The state is a small file of 64-bit integers, mapped into every process and guarded by a file lock, which the
kernel lets go when a process dies. Each limit is a sliding window cut into buckets: the sum over all buckets
covers a little more than the venue's window, so that no window of that length, wherever it starts,
ever holds more than the limit.

Calls that add risk, and questions, stop at 80 % of a limit. Cancels, stops and reducing orders (`urgent`)
may use the rest: that is the reserve. They wait for nobody: whoever is refused waits outside.

Time is the machine's monotonic clock, which all processes share; across a reboot it is joined by the wall
clock.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot4.model.codes_nb import R_THROTTLED
from bot4.model.errors import StorageError
from bot4.ports.clock import Clock
from bot4.ports.venue import Throttled

BUCKETS = 60
RESERVE_PERCENT = 80  # what is not urgent stops here
FORMAT = 1

# header words
_FORMAT, _BOOT, _MONO, _WALL, _BASE, _DIRTY, _BLOCK, _HARD, _HEAD = range(9)
# words of one limit, before its buckets
_CURSOR, _TOTAL, _ROW = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` in any `window_ns`. `name` is what calls are charged under."""

    name: str
    amount: int
    window_ns: int

    @property
    def bucket_ns(self) -> int:
        """Length of one bucket: all but one of them cover the window."""
        return -(-self.window_ns // (BUCKETS - 1))


def boot_id() -> int:
    """A number that changes with every start of the machine; 0 where the system does not tell."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.replace("-", "")[:15], 16)


class RateLimiter:
    """Budgets of one venue on this host. Cheap to ask; safe between processes and threads."""

    def __init__(
        self, path: Path, limits: Sequence[Limit], clock: Clock, boot: Callable[[], int] = boot_id
    ) -> None:
        self.limits = tuple(limits)
        self._clock = clock
        self._thread = threading.Lock()
        self._index = {limit.name: k for k, limit in enumerate(self.limits)}
        self._stride = _ROW + BUCKETS
        self._bucket_ns = [limit.bucket_ns for limit in self.limits]
        self._caps = [(max(1, limit.amount * RESERVE_PERCENT // 100), limit.amount) for limit in self.limits]
        size = 8 * (_HEAD + self._stride * len(self.limits))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if os.fstat(self._fd).st_size != size:
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, size)
            self._map = mmap.mmap(self._fd, size)
        except OSError as error:
            raise StorageError(f"rate limits at {path}: {error.strerror or error}") from error
        self._words = memoryview(self._map).cast("q")
        try:
            self._join(boot())
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _join(self, boot: int) -> None:
        """Put this process on the file's time line; after a reboot the wall clock bridges."""
        w, mono, wall = self._words, self._clock.monotonic_ns(), self._clock.now_ns()
        if w[_FORMAT] != FORMAT:
            w[_BASE], w[_FORMAT] = -mono, FORMAT
        elif w[_BOOT] != boot or mono < w[_MONO]:
            w[_BASE] = w[_MONO] + w[_BASE] + max(0, wall - w[_WALL]) - mono
        w[_BOOT], w[_MONO], w[_WALL] = boot, mono, wall

    def close(self) -> None:
        """Let go of the file; what was charged stays charged."""
        with self._thread:
            if self._fd >= 0:
                self._words.release()
                self._map.close()
                os.close(self._fd)
                self._fd = -1

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the file and give the time on its line, in ns."""
        with self._thread:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                w = self._words
                if w[_DIRTY]:
                    self._repair()
                mono = self._clock.monotonic_ns()
                w[_MONO], w[_WALL] = mono, self._clock.now_ns()
                w[_DIRTY] = 1
                yield mono + w[_BASE]
                w[_DIRTY] = 0
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _repair(self) -> None:
        """A process died half-way: sums are counted anew. What it had charged stays."""
        for k in range(len(self.limits)):
            row = _HEAD + k * self._stride
            self._words[row + _TOTAL] = sum(self._words[row + _ROW : row + self._stride])

    def _used(self, k: int, now: int) -> int:
        """Sum of limit `k` after its old buckets were emptied."""
        w, row = self._words, _HEAD + k * self._stride
        bucket = now // self._bucket_ns[k]
        behind = bucket - w[row + _CURSOR]
        if behind > 0:
            first = w[row + _CURSOR] + 1 if behind < BUCKETS else bucket - BUCKETS + 1
            for b in range(first, bucket + 1):
                at = row + _ROW + b % BUCKETS
                w[row + _TOTAL] -= w[at]
                w[at] = 0
            w[row + _CURSOR] = bucket
        return w[row + _TOTAL]

    def _charge(self, k: int, amount: int) -> None:
        w, row = self._words, _HEAD + k * self._stride
        w[row + _ROW + w[row + _CURSOR] % BUCKETS] += amount
        w[row + _TOTAL] += amount

    def _wait_for_room(self, k: int, now: int, excess: int) -> int:
        """How long until enough old buckets of limit `k` have left the window, ns."""
        w, row, length = self._words, _HEAD + k * self._stride, self._bucket_ns[k]
        cursor = w[row + _CURSOR]
        for b in range(cursor - BUCKETS + 1, cursor + 1):
            excess -= w[row + _ROW + b % BUCKETS]
            if excess <= 0:
                return (b + BUCKETS) * length - now
        return BUCKETS * length

    def take(self, charges: Mapping[str, int], urgent: bool = False) -> int:
        """Charge all of `charges` (limit name: amount) and give 0, or nothing and how many ns to wait."""
        with self._locked() as now:
            w = self._words
            if w[_BLOCK] > now and (w[_HARD] or not urgent):
                return int(w[_BLOCK] - now)
            wait = 0
            for name, amount in charges.items():
                k = self._index.get(name)
                if k is not None:
                    excess = self._used(k, now) + amount - self._caps[k][urgent]
                    if excess > 0:
                        wait = max(wait, self._wait_for_room(k, now, excess))
            if wait == 0:
                for name, amount in charges.items():
                    if name in self._index:
                        self._charge(self._index[name], amount)
            return wait

    async def acquire(self, charges: Mapping[str, int], urgent: bool = False, patience_ns: int = 0) -> None:
        """Charge, waiting up to `patience_ns` for room; Throttled (nothing was sent) beyond that."""
        while (wait := self.take(charges, urgent)) > 0:
            if wait > patience_ns:
                raise Throttled(
                    f"rate limit: room in {wait / 1e9:.1f} s for {dict(charges)}", R_THROTTLED, wait
                )
            patience_ns -= wait
            await asyncio.sleep(wait / 1e9)

    def block(self, wait_ns: int, hard: bool) -> None:
        """The venue said stop (429; `hard`: 418, a ban). Until then only urgent calls pass, or none."""
        with self._locked() as now:
            w = self._words
            w[_HARD] = int(hard or (w[_HARD] and w[_BLOCK] > now))
            w[_BLOCK] = max(w[_BLOCK], now + wait_ns)

    def blocked_ns(self) -> int:
        """How long the venue's stop still holds, ns; 0: it does not."""
        with self._locked() as now:
            return int(max(0, self._words[_BLOCK] - now))

    def sync(self, name: str, used: int) -> None:
        """The venue counts `used` in its window: what others used at this address is charged too."""
        k = self._index.get(name)
        if k is not None:
            with self._locked() as now:
                missing = used - self._used(k, now)
                if missing > 0:
                    self._charge(k, missing)

    def used(self, name: str) -> int:
        """What stands charged under `name` in the window that ends now."""
        with self._locked() as now:
            return int(self._used(self._index[name], now))

    def share(self) -> float:
        """Used share of the tightest limit; 1 while the venue's stop holds."""
        with self._locked() as now:
            if self._words[_BLOCK] > now:
                return 1.0
            return max(
                (self._used(k, now) / limit.amount for k, limit in enumerate(self.limits)), default=0.0
            )


@dataclass(frozen=True, slots=True)
class Polling:
    """What is asked for regularly: weight of one call, calls a minute, and whether per instrument."""

    name: str
    weight: int
    per_minute: float
    per_instrument: bool = True


def predict_weight(polls: Sequence[Polling], instruments: int) -> float:
    """Weight per minute that `instruments` will cost once everything runs."""
    return sum(p.weight * p.per_minute * (instruments if p.per_instrument else 1) for p in polls)


def slowed(polls: Sequence[Polling], instruments: int, budget: float, slowest: float = 0.1) -> float:
    """The factor (1: none) by which regular questions must slow down to fit 80 % of `budget` a minute.

    Throttled when even `slowest` of their pace would not fit: so many instruments are refused.
    """
    room = budget * RESERVE_PERCENT / 100
    need = predict_weight(polls, instruments)
    if need <= room:
        return 1.0
    factor = room / need
    if factor < slowest:
        fit = int(instruments * factor / slowest)
        raise Throttled(
            f"{instruments} instruments need a weight of {need:.0f} a minute, {room:.0f} are allowed; even "
            f"at {slowest:.0%} of the pace that is too much: at most {fit} fit",
            R_THROTTLED,
            60 * 10**9,
        )
    return factor
