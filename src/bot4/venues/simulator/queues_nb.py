"""Binary heaps of messages under way, ordered by (time, sequence)."""

from bot4.kernels.jit_nb import kernel
from bot4.venues.simulator.state_nb import (
    C_COUNT,
    C_LOST,
    C_SEQ,
    I64_MAX,
    Q_SEQ,
    Q_SIZE,
    Q_TS,
    Array,
    Sim,
)


@kernel
def _before(heap: Array, a: int, b: int) -> bool:
    if heap[a, Q_TS] != heap[b, Q_TS]:
        return bool(heap[a, Q_TS] < heap[b, Q_TS])
    return bool(heap[a, Q_SEQ] < heap[b, Q_SEQ])


@kernel
def _swap(heap: Array, a: int, b: int) -> None:
    for c in range(Q_SIZE):
        kept = heap[a, c]
        heap[a, c] = heap[b, c]
        heap[b, c] = kept


@kernel
def queue_add(sim: Sim, queue: int, ts: int) -> int:
    """A new entry with its time and sequence set, or -1 when the heap is full (counted as lost).

    The caller writes the other columns, then calls `queue_rise` with the entry.
    """
    heap = sim["queues"][queue]
    n = sim["ctl"][C_COUNT + queue]
    if n == heap.shape[0]:
        sim["ctl"][C_LOST] += 1
        return -1
    sim["ctl"][C_COUNT + queue] = n + 1
    for c in range(heap.shape[1]):
        heap[n, c] = 0
    heap[n, Q_TS] = ts
    heap[n, Q_SEQ] = sim["ctl"][C_SEQ]
    sim["ctl"][C_SEQ] += 1
    return int(n)


@kernel
def queue_rise(sim: Sim, queue: int, entry: int) -> None:
    """Bring a freshly written entry to its place."""
    heap = sim["queues"][queue]
    while entry > 0:
        up = (entry - 1) >> 1
        if not _before(heap, entry, up):
            return
        _swap(heap, entry, up)
        entry = up


@kernel
def queue_next(sim: Sim, queue: int) -> int:
    """The time of the earliest entry, I64_MAX when there is none. The entry itself is row 0."""
    if sim["ctl"][C_COUNT + queue] == 0:
        return I64_MAX
    return int(sim["queues"][queue, 0, Q_TS])


@kernel
def queue_drop(sim: Sim, queue: int) -> None:
    """Remove the earliest entry; there must be one."""
    heap = sim["queues"][queue]
    n = sim["ctl"][C_COUNT + queue] - 1
    sim["ctl"][C_COUNT + queue] = n
    for c in range(heap.shape[1]):
        heap[0, c] = heap[n, c]
    entry = 0
    while True:
        child = 2 * entry + 1
        if child >= n:
            return
        if child + 1 < n and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, entry):
            return
        _swap(heap, child, entry)
        entry = child
