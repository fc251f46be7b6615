# ruff: noqa: E402  (the number of threads is set before polars is imported)
"""The feature matrix over one million bars: bot4's streaming kernels against a polars pipeline.

    python benchmarks/feature_matrix.py [--rows N] [--columns C] [--repeats R] [--jobs J] [--write] [--save]

First parity: 108 columns that polars can express over the same bars (returns, ranges, bodies, wicks,
volume; of each means, deviations and z-scores over 20, 60 and 240 bars, lags and changes of 1, 5 and 15
bars, place between least and greatest of 60 and 240) must agree to 1e-6 of the column's deviation, or
nothing is timed. polars' rolling sums drift over a million rows, ours are added up afresh each lap; the
largest difference is printed. Then both compute those columns, one repeat of each in turn, with the same
number of threads; time is wall and CPU. Last, bot4 alone computes the whole matrix, in memory, and with
--write to Parquet.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

JOBS = int(sys.argv[sys.argv.index("--jobs") + 1]) if "--jobs" in sys.argv else 2
os.environ["POLARS_MAX_THREADS"] = str(JOBS)

import numpy as np
import polars as pl

from bot4.features.declare import BAR
from bot4.features.library import get
from bot4.features.matrix_graph import BAR_INPUTS, Column, Graph, Inputs, Op, plan_matrix
from bot4.features.matrix_run import MatrixRun
from bot4.learning.dataset import Bars
from bot4.learning.feature_matrix import MOST_ROWS, Options, build_matrix
from bot4.learning.matrix_sources import Instrument, Sources
from common import Here, figures, finish, interleave, options, ratio

WINDOWS = (20, 60, 240)
LAGS = (1, 5, 15)
PLACES = (60, 240)
BASES = tuple(f"bar_parts_{n}" for n in ("return", "range", "body", "upper", "lower", "volume"))


def bars(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    close = 40_000 * np.exp(np.cumsum(rng.normal(0, 6e-4, n)))
    open_ = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(open_, close) * (1 + rng.exponential(3e-4, n))
    low = np.minimum(open_, close) * (1 - rng.exponential(3e-4, n))
    volume = rng.lognormal(2.0, 1.0, n)
    ts = 1_600_000_020.0 + 60.0 * np.arange(1, n + 1)
    return np.stack((open_, high, low, close, volume, ts, volume * rng.random(n), rng.poisson(50, n) + 1.0))


def subset() -> Graph:
    """The columns that polars computes too, as a graph of ours."""
    parts = get("bar_parts")
    second = []
    for base in BASES:
        for name in (
            [f"rolling_{w}" for w in WINDOWS] + [f"lagged_{k}" for k in LAGS] + [f"place_{w}" for w in PLACES]
        ):
            feature = get(name)
            second.append(Op(feature, (base,), tuple(f"{base}__{c}" for c in feature.columns)))
    levels = ((Op(parts, BAR_INPUTS, parts.columns),), tuple(second))
    rows = {name: k for k, name in enumerate(BAR.fields)}
    names = [n for level in levels for op in level for n in op.outputs]
    for name in names:
        rows[name] = len(rows)
    columns = tuple(Column(n, "", 0, (), "", "", "") for n in names)
    return Graph(BAR.fields, levels, (), (), columns, rows)


def compute(graph: Graph, given: np.ndarray, jobs: int, keep: bool) -> np.ndarray | None:
    """Block by block with threads; all columns if `keep`."""
    n = given.shape[1]
    run = MatrixRun(graph, MOST_ROWS)
    at = [graph.rows[c.name] for c in graph.columns]
    out = np.empty((len(at), n)) if keep else None
    with ThreadPoolExecutor(jobs) as pool:
        for a in range(0, n, MOST_ROWS):
            b = min(a + MOST_ROWS, n)
            run.block[: len(given), : b - a] = given[:, a:b]
            for stage in run.stages(b - a, 4 * jobs):
                for done in [pool.submit(task) for task in stage]:
                    done.result()
            if out is not None:
                out[:, a:b] = run.block[at, : b - a]
    return out


def with_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """The same columns as polars expressions."""
    o, h, lo, c, v = (pl.col(n) for n in ("open", "high", "low", "close", "volume"))
    span = h - lo
    base = frame.lazy().select(
        (c / c.shift(1)).log().alias(BASES[0]),
        (h / lo).log().alias(BASES[1]),
        ((c - o) / span).alias(BASES[2]),
        ((h - pl.max_horizontal(o, c)) / span).alias(BASES[3]),
        ((pl.min_horizontal(o, c) - lo) / span).alias(BASES[4]),
        v.log1p().alias(BASES[5]),
    )
    made = []
    for name in BASES:
        x = pl.col(name)
        for w in WINDOWS:
            mean, deviation = x.rolling_mean(w), x.rolling_std(w, ddof=0)
            made += [
                mean.alias(f"{name}__rolling_mean_{w}"),
                deviation.alias(f"{name}__rolling_deviation_{w}"),
                ((x - mean) / deviation).alias(f"{name}__rolling_z_{w}"),
            ]
        for k in LAGS:
            made += [
                x.shift(k).alias(f"{name}__lagged_value_{k}"),
                (x - x.shift(k)).alias(f"{name}__lagged_change_{k}"),
            ]
        for w in PLACES:
            low, high = x.rolling_min(w), x.rolling_max(w)
            made.append(((x - low) / (high - low)).alias(f"{name}__place_{w}"))
    return base.with_columns(made).collect()


def parity(graph: Graph, ours: np.ndarray, theirs: pl.DataFrame) -> dict[str, object]:
    """The largest difference in deviations of the column, and the columns beyond the bound."""
    worst, wrong = 0.0, []
    for k, column in enumerate(graph.columns):
        want = theirs[column.name].to_numpy()
        same = np.isnan(want) == np.isnan(ours[k])
        known = ~np.isnan(want)
        error = np.abs(ours[k][known] - want[known]).max() / max(want[known].std(), 1e-300)
        worst = max(worst, float(error))
        if not same.all() or error > 1e-6:
            wrong.append(column.name)
    return {
        "ok": not wrong,
        "columns": len(graph.columns),
        "largest_difference_in_deviations": worst,
        "wrong": wrong,
    }


def whole(given: np.ndarray, columns: int, jobs: int) -> dict[str, object]:
    """The wide matrix in memory."""
    graph = plan_matrix(Inputs(buys=True), columns)
    compute(graph, given[:, :2_000], jobs, keep=False)
    wall, cpu = time.perf_counter(), time.process_time()
    compute(graph, given, jobs, keep=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    n = given.shape[1]
    return {
        "rows": n,
        "columns": columns,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "rows_a_second_wall": round(n / wall),
        "cpu_ns_a_value": round(1e9 * cpu / (n * columns), 2),
    }


def written(given: np.ndarray, columns: int, jobs: int) -> dict[str, object]:
    """The same to Parquet."""
    ts = ((given[5] - 60.0) * 1e9).round().astype(np.int64)
    held = Bars(ts, *(np.ascontiguousarray(given[k]) for k in range(5)))
    item = Instrument("SYN-USDT", held, np.ascontiguousarray(given[6:8].T), None)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        manifest = build_matrix(
            Sources((item,), 60 * 10**9, "", {}), Path(folder) / "m", Options(columns, jobs)
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = sum(f.stat().st_size for f in Path(folder).rglob("*.parquet"))
    return {
        "rows": manifest["rows"],
        "columns": columns,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "parquet_mb": round(size / 1e6),
        "parts": len(manifest["parts"]),
    }


def main() -> int:
    parser = options(__doc__ or "", repeats=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--write", action="store_true", help="also write the matrix as Parquet, to a temporary folder"
    )
    args = parser.parse_args()
    given = bars(args.rows)
    frame = pl.DataFrame({name: given[k] for k, name in enumerate(BAR.fields)})
    graph = subset()
    document: dict[str, object] = {
        "title": "(i) Feature matrix",
        "unit": "value",
        "polars": pl.__version__,
        "jobs": args.jobs,
        "parity": parity(
            graph, compute(graph, given, args.jobs, keep=True), with_polars(frame).fill_null(np.nan)
        ),  # type: ignore[arg-type]
    }
    if document["parity"]["ok"]:  # type: ignore[index]
        contestants = [
            Here("bot4", lambda: None, lambda _: compute(graph, given, args.jobs, keep=True), lambda _: None),
            Here("polars", lambda: None, lambda _: with_polars(frame), lambda _: None),
        ]
        rounds = interleave(contestants, args.repeats, warm=True)
        units = args.rows * len(graph.columns)
        rows = [figures(c, rounds[c.name], units) for c in contestants]
        document["rows"] = rows
        document["ratio_cpu"] = ratio(rows, "bot4", "polars")
        document["ratio_wall"] = ratio(rows, "bot4", "polars", "per_s_wall")
        document["whole"] = whole(given, args.columns, args.jobs)
        if args.write:
            document["written"] = written(given, args.columns, args.jobs)
    return finish("feature_matrix", document, save=args.save)


if __name__ == "__main__":
    sys.exit(main())
