"""Computing a feature matrix block by block: states live on, so blocks of any size give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from bot4.features.declare import BAR
from bot4.features.matrix_graph import Frame, Graph, Op
from bot4.features.matrix_nb import FRAME_STATE, fold_frame_nb, run_block_nb
from bot4.kernels.call_nb import machine_of
from bot4.kernels.jit_nb import JIT_OFF

Array = np.ndarray[Any, Any]
Task = Callable[[], None]
_N_BAR: Final = len(BAR.fields)


class _Running:
    """One op with its memory."""

    def __init__(self, op: Op, rows: dict[str, int]) -> None:
        self.feature = op.feature
        self.machine = machine_of(op.feature.declaration.step)
        self.memory = (
            op.feature.constants,
            op.feature.new_state(),
            np.zeros(len(op.sources)),
            np.full(len(op.outputs), np.nan),
        )
        self.links = (
            np.array([rows[s] for s in op.sources], np.int64),
            np.array([rows[n] if n else -1 for n in op.outputs], np.int64),
        )

    def run(self, block: Array, start: int, stop: int) -> None:
        """Rows in time start .. stop-1."""
        if not JIT_OFF:
            run_block_nb(self.machine.address, self.memory, self.links, block, start, stop)
            return
        params, state, x, out = self.memory
        sources, targets = self.links
        kept = targets >= 0
        for i in range(start, stop):
            x[:] = block[sources, i]
            self.feature.declaration.step(params, state, x, out)
            block[targets[kept], i] = out[kept]


class _RunningFrame:
    """Slower bars of one instrument with their features; the newest known ones live on in column 0."""

    def __init__(self, frame: Frame, graph: Graph, capacity: int) -> None:
        self.frame = frame
        names = [n for op in frame.ops for n in op.outputs if n]
        rows = {name: k for k, name in enumerate(BAR.fields)}
        for name in names:
            rows[name] = len(rows)
        self.ops = [_Running(op, rows) for op in frame.ops]
        self.block = np.full((len(rows), capacity + 2), np.nan)
        self.state = np.zeros(FRAME_STATE)
        self.known = np.zeros(capacity)
        self.wanted = [c.name for c in graph.columns if c.frame == frame.name]
        self.from_rows = np.array([rows[n] for n in self.wanted], np.int64)
        self.to_rows = np.array([graph.rows[n] for n in self.wanted], np.int64)

    def run(self, block: Array, n: int) -> None:
        """Fold n bars, compute, and write what is known as of each bar."""
        count = int(fold_frame_nb(self.frame.seconds, self.state, block, n, self.block, self.known))
        for op in self.ops:
            op.run(self.block, 1, 1 + count)
        at = self.known[:n].astype(np.int64)
        for source, target in zip(self.from_rows, self.to_rows, strict=True):
            block[target, :n] = self.block[source, at]
        self.block[_N_BAR:, 0] = self.block[_N_BAR:, count]


class MatrixRun:
    """One instrument's memory of a graph, and a block of `capacity` rows in time.

    Fill `block[graph.rows[input], :n]` for every input, then run `stages(n, parts)`: tasks of one stage may
    run at once in threads, stages follow each other. After the last, `block[graph.rows[column], :n]` is
    computed.
    """

    def __init__(self, graph: Graph, capacity: int) -> None:
        self.graph = graph
        self.block = np.full((len(graph.rows), capacity), np.nan)
        self._levels = [[_Running(op, graph.rows) for op in level] for level in graph.levels]
        self._frames = [_RunningFrame(f, graph, capacity) for f in graph.frames]

    def stages(self, n: int, parts: int) -> Iterable[list[Task]]:
        """Lists of tasks for n rows in time; each level is cut into about `parts` tasks a stage."""
        for k, level in enumerate(self._levels):
            step = max(1, -(-len(level) // max(parts, 1)))
            tasks = [self._task(level[i : i + step], n) for i in range(0, len(level), step)]
            if k == 0:
                tasks += [self._frame_task(frame, n) for frame in self._frames]
            yield tasks

    def _task(self, ops: list[_Running], n: int) -> Task:
        def run() -> None:
            for op in ops:
                op.run(self.block, 0, n)

        return run

    def _frame_task(self, frame: _RunningFrame, n: int) -> Task:
        return lambda: frame.run(self.block, n)
