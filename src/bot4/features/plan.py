"""A set of features composed for streaming: one loop over the addresses of their step kernels.

A plan is fixed and shared; an arena is the memory of one instrument, a plain float64 vector: states,
then outputs. So a copy of the arena is a snapshot, another instrument is another arena (nothing is
compiled), and another feature compiles its own kernel only. Values are those after the last closed row;
`preview` steps a copy, so an unfinished row never reaches them.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from bot4.features.declare import Feature
from bot4.features.library import column, get
from bot4.features.plan_nb import run_feature_nb, run_plan_nb, step_many_nb, step_plan_nb
from bot4.kernels.call_nb import Machine, machine_of
from bot4.kernels.jit_nb import JIT_OFF

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
"""(done, total, name of the feature just done)."""

MAX_NUMBERS: Final = 1 << 22
"""An arena may hold so many numbers (32 MiB); a plan that needs more is refused."""


def _silent(done: int, total: int, name: str) -> None:
    """Progress that nobody watches."""


class Plan:
    """Features of one row kind, composed. Names may be features or outputs; each feature is computed once."""

    def __init__(self, names: Iterable[str | Feature], progress: Progress = _silent) -> None:
        found = [n if isinstance(n, Feature) else get(n) for n in names]
        self.features: Final = tuple({f.name: f for f in found}.values())
        if not self.features:
            raise ValueError("a plan needs at least one feature")
        kinds = {f.declaration.inputs.name for f in self.features}
        if len(kinds) > 1:
            raise ValueError(
                f"a plan takes one kind of row, not {', '.join(sorted(kinds))}: make one plan for each"
            )
        self.row: Final = self.features[0].declaration.inputs
        self.columns: Final = tuple(c for f in self.features for c in f.columns)
        self.warmup: Final = max(f.warmup for f in self.features)
        self._place = {name: k for k, name in enumerate(self.columns)}
        self._lay_out()
        self._compile(progress)

    def _lay_out(self) -> None:
        n = len(self.features)
        self.table = np.zeros((n, 7), dtype=np.int64)
        constants = [f.constants for f in self.features]
        states = [f.state_size for f in self.features]
        self.values_at = sum(states)
        self.size = self.values_at + len(self.columns)
        if self.size > MAX_NUMBERS:
            raise ValueError(f"this plan needs {self.size} numbers an instrument; {MAX_NUMBERS} are allowed")
        at = [0, 0, self.values_at]
        for k, f in enumerate(self.features):
            sizes = (len(constants[k]), states[k], len(f.columns))
            self.table[k, 1:] = [w for pair in zip(at, sizes, strict=True) for w in pair]
            at = [a + s for a, s in zip(at, sizes, strict=True)]
        self.params = np.concatenate(constants)
        fresh = np.full(self.size, np.nan)
        fresh[: self.values_at] = np.concatenate([f.new_state() for f in self.features])
        self._fresh = fresh

    def _compile(self, progress: Progress) -> None:
        self._machines: list[Machine] = []
        for k, f in enumerate(self.features):
            self._machines.append(machine_of(f.declaration.step))
            self.table[k, 0] = self._machines[-1].address
            progress(k + 1, len(self.features), f.name)

    @property
    def memory(self) -> int:
        """Bytes an instrument."""
        return self.size * 8

    def new_arena(self) -> Array:
        """The memory of one more instrument, before its first row."""
        return self._fresh.copy()

    def values(self, arena: Array) -> Array:
        """The outputs after the last row, in the order of `columns` (a view)."""
        return arena[self.values_at :]

    def place(self, name: str) -> int:
        """Where the output of this name (defaults filled in) stands in `values`; KeyError if it is not."""
        at = column(name)
        return self._place[at.feature.columns[at.output]]

    def step(self, arena: Array, row: Array) -> None:
        """Fold one closed row (float64, fields as in `row`) into the arena."""
        if JIT_OFF:
            self._step_plain(arena, row)
        else:
            step_plan_nb(self.table, self.params, arena, row)

    def _step_plain(self, arena: Array, row: Array) -> None:
        for f, (_, p, pn, s, sn, o, on) in zip(self.features, self.table, strict=True):
            step = f.declaration.step
            step(self.params[p : p + pn], arena[s : s + sn], row, arena[o : o + on])

    def run(self, arena: Array, rows: Array) -> None:
        """Fold many closed rows (n, fields), oldest first: warm-up from history."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if JIT_OFF:
            for row in rows:
                self._step_plain(arena, row)
        else:
            run_plan_nb(self.table, self.params, arena, rows.reshape(-1), rows.shape[1])

    def step_many(self, arenas: Array, rows: Array) -> None:
        """Fold row i into arena i: float64 (instruments, size) and (instruments, fields), both contiguous."""
        if JIT_OFF:
            for arena, row in zip(arenas, rows, strict=True):
                self._step_plain(arena, row)
        else:
            step_many_nb(self.table, self.params, arenas.reshape(-1), rows.reshape(-1), rows.shape[1])

    def preview(self, arena: Array, row: Array, scratch: Array) -> Array:
        """The outputs as if the unfinished `row` closed now, in `scratch`; `arena` is untouched."""
        scratch[:] = arena
        self.step(scratch, row)
        return self.values(scratch)


def run_feature(feature: Feature, rows: Array, state: Array | None = None) -> Array:
    """All `rows` (n, fields) through one feature: outputs (n, outputs). `state` is continued in place."""
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    memory = feature.new_state() if state is None else state
    out = np.full((len(rows), len(feature.columns)), np.nan)
    step = feature.declaration.step
    if JIT_OFF:
        for x, o in zip(rows, out, strict=True):
            step(feature.constants, memory, x, o)
    elif len(rows):
        machine = machine_of(step)
        run_feature_nb(
            machine.address, feature.constants, memory, rows.reshape(-1), out.reshape(-1), rows.shape[1]
        )
    return out


def run_batch(
    features: Sequence[Feature], rows: Array, threads: int = 1, progress: Progress = _silent
) -> dict[str, Array]:
    """Outputs of every feature over `rows`, by column name. Threads share the features (the GIL is free)."""
    for f in features:  # the compiler is not for many threads
        machine_of(f.declaration.step)
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    found: dict[str, Array] = {}
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for k, (f, out) in enumerate(
            zip(features, pool.map(lambda f: run_feature(f, rows), features), strict=True)
        ):
            found.update(zip(f.columns, out.T, strict=True))
            progress(k + 1, len(features), f.name)
    return found
