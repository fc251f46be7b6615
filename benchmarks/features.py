"""Declared features: streamed and in batch, against TA-Lib, talipp and polars-talib.

    python benchmarks/features.py [--bars FILE] [--limit N] [--repeats R] [--save] [--plot FILE.svg]

Parity first: every feature of the table (tests/helpers/talib_oracle.py) must equal TA-Lib on the bars to 1e-9; if
one does not, nothing is timed. Time is CPU time, the best of R repeats. talipp and polars-talib may live in
another interpreter's packages: BOT4_TALIPP=<site-packages>. A missing peer is named.

1. Streaming, a bar: bot4's plan inside its compiled loop, and called from Python; TA-Lib's stream handles; talipp.
2. Batch over all bars, in sum: bot4 with one and with two threads (wall time); TA-Lib; polars-talib.
3. Ready: seconds until every kernel is there, from an empty cache and from a warm one, in fresh processes.
4. Growth: one bar for 1 to 256 instruments, and for windows of 8 to 2048.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import BARS as DEFAULT
from common import HERE, finish

sys.path.insert(0, str(HERE.parent / "tests"))
from bot4.features.library import column, defaults, get
from bot4.features.plan import Plan, run_batch, run_feature
from helpers.talib_oracle import CALLS, LATER, columns, results

if os.environ.get("BOT4_TALIPP"):
    sys.path.append(os.environ["BOT4_TALIPP"])

WARM = 600
READY = """
import time
start = time.perf_counter()
from bot4.features.library import defaults
from bot4.features.plan import Plan, run_feature
features = [f for f in defaults() if f.declaration.inputs.name == "bar"]
plan = Plan(features)
import numpy as np
row = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 60.0, 0.5, 1.0])
plan.step(plan.new_arena(), row)
print(time.perf_counter() - start)
"""


def read_bars(path: Path, limit: int) -> np.ndarray:
    """Recorded bars, repeated end to end if there are fewer than `limit`."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4, 5))
    times = -(-limit // len(table))
    table = np.tile(table, (times, 1))[:limit]
    rows = np.full((len(table), 8), np.nan)
    rows[:, :5] = table
    rows[:, 4] += 1e-9  # TA-Lib divides by the volume
    rows[:, 5] = 1_640_995_260.0 + 60.0 * np.arange(len(table))
    return rows


def parity(rows: np.ndarray) -> list[str]:
    """Outputs that differ from TA-Lib by more than 1e-9, prices measured by the price."""
    wrong = []
    inputs = columns(rows)
    for call in CALLS:
        feature = get(call.feature)
        ours = run_feature(feature, rows)
        for name, want in results(call, inputs).items():
            at = column(name)
            first = max(feature.warmup - 1, int(np.argmax(~np.isnan(want))))
            scale = max(float(np.nanmedian(np.abs(want[first:]))), 1e-300)
            if feature.declaration.outputs[at.output].unit.startswith("price"):
                scale = max(scale, float(np.median(rows[:, 3])))
            error = np.abs(ours[:, at.output] - want)[first:] / np.maximum(np.abs(want[first:]), scale)
            if error.max() > 1e-9 or (name not in LATER and first != feature.warmup - 1):
                wrong.append(name)
    return wrong


def best(prepare: Callable[[], Callable[[], object]], repeats: int, wall: bool = False) -> float:
    """Seconds of the quickest run; `prepare` stays outside the clock."""
    clock = time.perf_counter if wall else time.process_time
    found = float("inf")
    for _ in range(repeats):
        run = prepare()
        start = clock()
        run()
        found = min(found, clock() - start)
    return found


def streamed(plan: Plan, rows: np.ndarray, repeats: int) -> tuple[float, float]:
    """ns a bar: inside the compiled loop, and called from Python."""
    some = rows[WARM : WARM + 3000]

    def inside() -> Callable[[], object]:
        arena = plan.new_arena()
        plan.run(arena, rows[:WARM])
        return lambda: plan.run(arena, rows[WARM:])

    def called() -> Callable[[], object]:
        arena = plan.new_arena()
        plan.run(arena, rows[:WARM])

        def run() -> None:
            for row in some:
                plan.step(arena, row)

        return run

    n = len(rows) - WARM
    return best(inside, repeats) / n * 1e9, best(called, repeats) / len(some) * 1e9


def by_handles(rows: np.ndarray, repeats: int) -> tuple[float, list[str]]:
    """ns a bar of all TA-Lib stream handles, and the functions that have none."""
    from talib import stream

    inputs = columns(rows[: WARM + 2000])
    lacking: list[str] = []

    def prepare() -> Callable[[], object]:
        feeds = []
        lacking.clear()
        for call in CALLS:
            try:
                head = (inputs[i][:WARM] for i in call.inputs)
                handle = getattr(stream, call.function)(*head, **call.arguments)
                update = handle.update
            except (AttributeError, TypeError):
                lacking.append(call.function)
                continue
            feeds.append((update, list(zip(*(inputs[i][WARM:].tolist() for i in call.inputs), strict=True))))

        def run() -> None:
            for update, lines in feeds:
                for line in lines:
                    update(*line)

        return run

    return best(prepare, repeats) / 2000 * 1e9, lacking


TALIPP = {
    "sma_20": ("SMA", (20,), "c"), "ema_20": ("EMA", (20,), "c"), "wma_20": ("WMA", (20,), "c"),
    "dema_20": ("DEMA", (20,), "c"), "tema_20": ("TEMA", (20,), "c"), "hma_20": ("HMA", (20,), "c"),
    "kama_10": ("KAMA", (10, 2, 30), "c"), "t3_5": ("T3", (5, 0.7), "c"), "rsi_14": ("RSI", (14,), "c"),
    "macd": ("MACD", (12, 26, 9), "c"), "bb_20_2": ("BB", (20, 2.0), "c"), "stddev_20": ("StdDev", (20,), "c"),
    "roc_10": ("ROC", (10,), "c"), "trix_15": ("TRIX", (15,), "c"), "tsi": ("TSI", (25, 13), "c"),
    "atr_14": ("ATR", (14,), "ohlcv"), "natr_14": ("NATR", (14,), "ohlcv"), "adx_14": ("ADX", (14, 14), "ohlcv"),
    "aroon_14": ("Aroon", (14,), "ohlcv"), "stoch_14_3_3": ("Stoch", (14, 3), "ohlcv"),
    "willr_14": ("Williams", (14,), "ohlcv"), "cci_20": ("CCI", (20,), "ohlcv"), "obv": ("OBV", (), "ohlcv"),
    "sar": ("ParabolicSAR", (0.02, 0.02, 0.2), "ohlcv"), "donchian_20": ("DonchianChannels", (20,), "ohlcv"),
    "keltner": ("KeltnerChannels", (20, 10, 2, 2), "ohlcv"), "supertrend": ("SuperTrend", (10, 3), "ohlcv"),
    "ad": ("AccuDist", (), "ohlcv"), "mass": ("MassIndex", (9, 9, 25), "ohlcv"), "dpo_20": ("DPO", (20,), "c"),
    "bop": ("BOP", (), "ohlcv"), "vwma_20": ("VWMA", (20,), "ohlcv"), "adosc": ("ChaikinOsc", (3, 10), "ohlcv"),
}  # fmt: skip


def by_talipp(rows: np.ndarray, repeats: int) -> dict[str, object]:
    """ns a bar of talipp's indicators, beside bot4's plan of the same ones."""
    try:
        from talipp import indicators as peer
        from talipp.ohlcv import OHLCV
    except ImportError:
        return {"missing": "talipp is not installed (BOT4_TALIPP=<site-packages>)"}
    close = rows[: WARM + 400, 3].tolist()
    whole = [OHLCV(*row) for row in rows[: WARM + 400, :5].tolist()]

    def prepare() -> Callable[[], object]:
        feeds = []
        for name, arguments, kind in TALIPP.values():
            source = close if kind == "c" else whole
            indicator = getattr(peer, name)(*arguments)
            for x in source[:WARM]:
                indicator.add(x)
            feeds.append((indicator.add, source[WARM:]))

        def run() -> None:
            for add, rest in feeds:
                for x in rest:
                    add(x)

        return run

    theirs = best(prepare, min(repeats, 3)) / 400 * 1e9
    ours, called = streamed(Plan(TALIPP), rows, repeats)
    return {
        "features": len(TALIPP), "ns": theirs, "bot4_ns": ours, "bot4_from_python_ns": called,
        "ratio": theirs / ours, "ratio_from_python": theirs / called,
    }  # fmt: skip


def batch(rows: np.ndarray, repeats: int) -> dict[str, object]:
    """Seconds in sum over all bars: the features of the table, each once."""
    import talib

    features = list({get(c.feature).name: get(c.feature) for c in CALLS}.values())
    inputs = columns(rows)

    def theirs() -> object:
        for call in CALLS:
            getattr(talib, call.function)(*(inputs[i] for i in call.inputs), **call.arguments)
        return None

    def ours(threads: int) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: run_batch(features, rows, threads)

    found: dict[str, object] = {"bars": len(rows), "features": len(features), "calls": len(CALLS)}
    found["talib_s"] = best(lambda: theirs, repeats, wall=True)
    found["bot4_s"] = best(ours(1), repeats, wall=True)
    found["bot4_2_threads_s"] = best(ours(2), repeats, wall=True)
    found["polars_talib"] = by_polars(rows, repeats)
    return found


def by_polars(rows: np.ndarray, repeats: int) -> dict[str, object]:
    """polars-talib over the functions of the table that it has, beside bot4 with as many threads."""
    try:
        import polars as pl
        import polars_talib as plta
    except ImportError:
        return {"missing": "polars-talib is not installed"}
    letters = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
    frame = pl.DataFrame({name: rows[:, k] for k, name in enumerate(letters.values())})
    expressions, features = [], {}
    for k, call in enumerate(CALLS):
        function = getattr(plta, call.function.lower(), None)
        if function is None or "t" in call.inputs:
            continue
        given = [pl.col(letters[i]) for i in call.inputs]
        try:
            expression = function(*given, **call.arguments).alias(str(k))
            frame[:300].select(expression)
        except (TypeError, ValueError, pl.exceptions.PolarsError):
            continue
        expressions.append(expression)
        features[get(call.feature).name] = get(call.feature)
    theirs = best(lambda: lambda: frame.select(expressions), repeats, wall=True)
    ours = best(
        lambda: lambda: run_batch(list(features.values()), rows, os.cpu_count() or 1), repeats, wall=True
    )
    return {"functions": len(expressions), "polars_s": theirs, "bot4_s": ours, "threads": os.cpu_count()}


def ready() -> dict[str, float]:
    """Seconds of a fresh process until every bar feature has made a step: empty cache, then warm."""
    with tempfile.TemporaryDirectory() as folder:
        also = {**os.environ, "XDG_CACHE_HOME": folder}
        times = []
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", READY], env=also, check=True, capture_output=True)
            times.append(float(done.stdout))
    return {"cold_s": times[0], "warm_s": min(times[1:])}


def growth(rows: np.ndarray, repeats: int) -> dict[str, dict[str, float]]:
    """us of one bar by instruments (forty features), ns of one bar by window (each feature alone)."""
    plan = Plan(list(TALIPP))
    by_count = {}
    for count in (1, 4, 16, 64, 256):
        arenas = np.stack([plan.new_arena()] * count)
        blocks = [np.repeat(row[None, :], count, axis=0) for row in rows[:200]]

        def run(arenas: np.ndarray = arenas, blocks: list[np.ndarray] = blocks) -> None:
            for block in blocks:
                plan.step_many(arenas, block)

        by_count[str(count)] = best(lambda run=run: run, repeats) / len(blocks) * 1e6
    by_window = {}
    for base in ("sma", "bb", "donchian", "rsi", "wma"):
        for n in (8, 32, 128, 512, 2048):
            feature = get(f"{base}_{n}")
            by_window[f"{base}_{n}"] = (
                best(lambda f=feature: lambda: run_feature(f, rows[:60_000]), repeats) / 60_000 * 1e9
            )
    return {"instruments_us": by_count, "window_ns": by_window}


def plot(found: dict[str, dict[str, float]], file: Path) -> None:
    """Both growths as two small charts."""
    parts = []
    for left, (title, points) in enumerate(
        (
            ("us a bar by instruments (log-log)", {"plan": found["instruments_us"]}),
            (
                "ns a bar by window (log-log)",
                {
                    base: {
                        k.rsplit("_")[1]: v for k, v in found["window_ns"].items() if k.startswith(base + "_")
                    }
                    for base in ("sma", "bb", "donchian", "rsi", "wma")
                },
            ),
        )
    ):
        xs = np.log([float(k) for k in next(iter(points.values()))])
        top = max(v for line in points.values() for v in line.values())
        low = min(v for line in points.values() for v in line.values()) / 2
        x0 = 20 + left * 330
        parts.append(f'<text x="{x0}" y="16">{title}, {low * 2:.0f} to {top:.0f}</text>')
        for name, line in points.items():
            ys = np.log(list(line.values()))
            px = x0 + (xs - xs[0]) / (xs[-1] - xs[0]) * 250
            py = 190 - (ys - np.log(low)) / (np.log(top) - np.log(low)) * 160
            path = " ".join(f"{a:.0f},{b:.0f}" for a, b in zip(px, py, strict=True))
            parts.append(f'<polyline points="{path}" fill="none" stroke="#1565c0"/>')
            parts.append(f'<text x="{px[-1] + 4:.0f}" y="{py[-1] + 4:.0f}">{name}</text>')
    file.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 200" font-family="sans-serif" font-size="11">'
        + "".join(parts)
        + "</svg>\n",
        encoding="utf-8",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bars", type=Path, default=DEFAULT, help="CSV of one-minute bars, .gz or plain")
    parser.add_argument("--limit", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/features.json and .svg")
    options = parser.parse_args()
    try:
        import talib  # noqa: F401
    except ImportError:
        print("TA-Lib is the yardstick of this benchmark and is not installed: pip install TA-Lib")
        return 2
    rows = read_bars(options.bars, options.limit)
    head = rows[:40_000]
    wrong = parity(head)
    if wrong:
        print(f"differs from TA-Lib, nothing was timed: {', '.join(wrong)}")
        return 1
    every = [f for f in defaults() if f.declaration.inputs.name == "bar"]
    table = {get(c.feature).name: get(c.feature) for c in CALLS}
    plan, shared = Plan(every), Plan(table.values())
    whole, whole_called = streamed(plan, head, options.repeats)
    same, same_called = streamed(shared, head, options.repeats)
    handles, lacking = by_handles(head, options.repeats)
    document = {
        "title": f"(h) {len(every)} declared features",
        "parity": {"ok": True, "calls": len(CALLS), "bars": len(head)},
        "streaming": {
            "every": {"features": len(every), "outputs": len(plan.columns), "ns": whole, "from_python_ns": whole_called, "bytes": plan.memory},
            "as_talib": {"features": len(table), "ns": same, "from_python_ns": same_called},
            "talib_handles": {"calls": len(CALLS) - len(lacking), "ns": handles, "missing": lacking},
            "talipp": by_talipp(head, options.repeats),
        },
        "ready": ready(),
        "growth": growth(head, options.repeats),
        "batch": batch(rows, options.repeats),
    }  # fmt: skip
    print(json.dumps(document, indent=1))
    if options.save:
        plot(document["growth"], HERE / "results" / "features.svg")  # type: ignore[arg-type]
        return finish("features", document, save=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
