"""Building a feature matrix on disk: wide, point in time, in parts, with a manifest.

    OUT/manifest.json                                   columns, what each is, parts with sha256, content hash
    OUT/instrument=BTC-USDT/month=2024-01/part-0.parquet   ts, known_at (bar close), then the columns, float64

Rows are computed in windows of time over all instruments at once, threads share the features (kernels let
go of the GIL), and memory is bounded by the window. NaN means not known: warm-up, or an input that was not
there. Nothing is filled. A row uses only what was known at its bar's close.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from bot4 import __version__
from bot4.features.derived_nb import ranks_nb
from bot4.features.matrix_graph import Graph, left_out, plan_matrix
from bot4.features.matrix_run import MatrixRun
from bot4.learning.matrix_sources import NS, Instrument, Sources, joined
from bot4.model.errors import ConfigError, StorageError
from bot4.storage.files import make_folder, sha256_of, write_atomic

Array = np.ndarray[Any, Any]
Progress = Callable[[float, float | None, str], None]

MEMORY_BYTES: Final = 512 << 20  # of all blocks together
MOST_ROWS: Final = 16_384
FEWEST_ROWS: Final = 64
NAN_POLICY: Final = "NaN: not known at that time (warm-up, or an input that was missing). Nothing is filled."
_PERIODS: Final = {"day": "%Y-%m-%d", "month": "%Y-%m"}


class Options(NamedTuple):
    """How a matrix is built. `partition` is day or month."""

    columns: int = 1000
    jobs: int = 2
    partition: str = "month"
    rank: bool = True


DEFAULTS: Final = Options()


class _Window(NamedTuple):
    """A span of time and the rows of each instrument in it."""

    rows: tuple[tuple[int, int], ...]
    text: str


def _windows(sources: Sources, capacity: int, partition: str) -> Iterator[_Window]:
    """Spans of at most `capacity` bars that never cross a partition's border, in time order."""
    starts = [i.bars.ts for i in sources.instruments]
    first = min(int(t[0]) for t in starts)
    last = max(int(t[-1]) for t in starts)
    edge = "1mo" if partition == "month" else "1d"
    days = pl.select(
        pl.datetime_range(
            pl.lit(first).cast(pl.Datetime("ns")).dt.truncate(edge),
            pl.lit(last).cast(pl.Datetime("ns")).dt.truncate(edge).dt.offset_by(edge),
            edge,
        )
    ).to_series()
    texts = days.dt.strftime(_PERIODS[partition]).to_list()
    edges = days.cast(pl.Datetime("ns")).cast(pl.Int64).to_list()
    for text, low, high in zip(texts[:-1], edges[:-1], edges[1:], strict=True):
        for begin in range(low, high, capacity * sources.bar_ns):
            end = min(begin + capacity * sources.bar_ns, high)
            rows = tuple((int(np.searchsorted(t, begin)), int(np.searchsorted(t, end))) for t in starts)
            if any(b > a for a, b in rows):
                yield _Window(rows, text)


class _Build:
    """One build: graph, memories, the parts written so far."""

    def __init__(self, sources: Sources, graph: Graph, out: Path, options: Options) -> None:
        self.sources, self.graph, self.out, self.options = sources, graph, out, options
        room = MEMORY_BYTES // (8 * len(graph.rows) * len(sources.instruments))
        self.capacity = max(FEWEST_ROWS, min(MOST_ROWS, room))
        self.runs = [MatrixRun(graph, self.capacity) for _ in sources.instruments]
        self.inputs = [joined(sources, i, graph) for i in sources.instruments]
        self.parts: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}

    def window(self, window: _Window, pool: ThreadPoolExecutor) -> int:
        """Compute and write one span of time: the number of rows."""
        sizes = [b - a for a, b in window.rows]
        for run, given, (a, b) in zip(self.runs, self.inputs, window.rows, strict=True):
            run.block[: len(given), : b - a] = given[:, a:b]
        busy = [(run, n) for run, n in zip(self.runs, sizes, strict=True) if n]
        parts = max(1, -(-2 * self.options.jobs // len(busy)))
        for stage in zip(*(run.stages(n, parts) for run, n in busy), strict=True):
            for done in [pool.submit(task) for tasks in stage for task in tasks]:
                done.result()
        if self.graph.ranks:
            self._rank(window)
        wanted = [
            pool.submit(self._write, instrument, run, span, window.text)
            for instrument, run, span in zip(self.sources.instruments, self.runs, window.rows, strict=True)
            if span[1] > span[0]
        ]
        self.parts += [w.result() for w in wanted]
        return sum(sizes)

    def _rank(self, window: _Window) -> None:
        """Ranks among the instruments that have a bar at the same time."""
        spans = window.rows
        times = [i.bars.ts[a:b] for i, (a, b) in zip(self.sources.instruments, spans, strict=True)]
        every = np.unique(np.concatenate(times))
        places = [np.searchsorted(every, t) for t in times]
        values = np.empty((len(every), len(spans)))
        ranks = np.empty_like(values)
        for target, source in self.graph.ranks:
            values[:] = np.nan
            for k, (run, place) in enumerate(zip(self.runs, places, strict=True)):
                values[place, k] = run.block[self.graph.rows[source], : len(place)]
            for row, rank in zip(values, ranks, strict=True):
                ranks_nb(row, rank)
            for k, (run, place) in enumerate(zip(self.runs, places, strict=True)):
                run.block[self.graph.rows[target], : len(place)] = ranks[place, k]

    def _write(
        self, instrument: Instrument, run: MatrixRun, span: tuple[int, int], text: str
    ) -> dict[str, Any]:
        """Write one part; what the manifest says of it."""
        a, b = span
        ts = instrument.bars.ts[a:b]
        instant = pl.Datetime("ns", "UTC")
        known = self.sources.bar_ns + self.sources.delay_ns
        series = [pl.Series("ts", ts).cast(instant), pl.Series("known_at", ts + known).cast(instant)]
        series += [pl.Series(c.name, run.block[self.graph.rows[c.name], : b - a]) for c in self.graph.columns]
        folder = f"instrument={instrument.symbol.replace('/', '-')}/{self.options.partition}={text}"
        number = self.counts.get(folder, 0)
        self.counts[folder] = number + 1
        path = self.out / folder / f"part-{number}.parquet"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pl.DataFrame(series).write_parquet(
                path, compression="zstd", compression_level=1, statistics=False
            )
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}") from error
        return {
            "file": f"{folder}/{path.name}",
            "rows": b - a,
            "first_known_at": int(ts[0]) + known,
            "last_known_at": int(ts[-1]) + known,
            "sha256": sha256_of(path),
        }


def _quiet(done: float, total: float | None, text: str) -> None:
    """Progress that nobody watches."""


def build_matrix(
    sources: Sources, out: Path, options: Options = DEFAULTS, progress: Progress = _quiet
) -> dict[str, Any]:
    """Write the matrix of `sources` into the new or empty folder `out`; the manifest, as it stands there too.

    ConfigError for more columns than the inputs allow or an unknown partition; StorageError for a folder that
    is taken or cannot be written.
    """
    if options.partition not in _PERIODS:
        raise ConfigError(f"partition is {options.partition!r}; it must be day or month")
    if out.exists() and any(out.iterdir()):
        raise StorageError(f"{out} is not empty; name another folder with --out")
    try:
        graph = plan_matrix(sources.asked(options.rank), options.columns)
    except ValueError as error:
        raise ConfigError(f"--columns {options.columns}: {error}") from error
    make_folder(out)
    total = sum(len(i.bars.ts) for i in sources.instruments)
    progress(0, total, "compiling features")
    build = _Build(sources, graph, out, options)
    done = 0
    with ThreadPoolExecutor(max(options.jobs, 1)) as pool:
        for window in _windows(sources, build.capacity, options.partition):
            done += build.window(window, pool)
            progress(done, total, f"features {window.text}")
    return _manifest(build, out)


def _manifest(build: _Build, out: Path) -> dict[str, Any]:
    """Write and return the manifest; its content hash covers the columns and every part's bytes."""
    graph, sources = build.graph, build.sources
    columns = [{**c._asdict(), "sources": list(c.sources)} for c in graph.columns]
    digest = hashlib.sha256(json.dumps(columns, sort_keys=True).encode())
    for part in sorted(build.parts, key=lambda p: str(p["file"])):
        digest.update(f"{part['file']} {part['rows']} {part['sha256']}\n".encode())
    after = f" and {sources.delay_ns / NS:g} s for late trades" if sources.delay_ns else ""
    manifest = {
        "format": 1,
        "bot4": __version__,
        "content_hash": digest.hexdigest(),
        "bar_ns": sources.bar_ns,
        "instruments": [i.symbol for i in sources.instruments],
        "reference": sources.reference,
        "partition": build.options.partition,
        "nan": NAN_POLICY,
        "known_at": f"close of the bar{after}; every value in a row was known then",
        "left_out": {k: list(v) for k, v in left_out(sources.asked(build.options.rank)).items()},
        "rows": sum(int(p["rows"]) for p in build.parts),
        "inputs": list(graph.inputs),
        "columns": columns,
        "parts": build.parts,
    }
    write_atomic(out / "manifest.json", json.dumps(manifest, indent=1).encode())
    return manifest
