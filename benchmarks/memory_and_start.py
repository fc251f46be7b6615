"""(f) Memory while 50 million events stream through the engine, and the time to start.

    python benchmarks/memory_and_start.py [--events N] [--save]

Memory: the recorded file's events go round and round with their times and sequence ids moved on, so that the
engine sees one endless stream (at each seam ids are missing: the book is lost and synchronised anew by the
snapshot, as after a reconnection). Strategy: quoter; journal: files in a temporary folder. Resident memory
is read after each round; the slope is a straight line through the second half.

Start: `bot4 --help` and a small backtest (3,000 one-minute bars) as processes of their own, kernels already
compiled; wall time, median of the repeats.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bars_sma import tile
from bot4.app import config
from bot4.app.bootstrap import backtest_of
from bot4.engine.intake import import_frames
from bot4.model.codes_nb import EV_DEPTH_HEAD, EV_FUNDING
from bot4.storage.journal import FileJournal
from common import BARS, TICKS, finish, options
from tick_backtest import SETTINGS

MAIN = "from bot4.app.main import main; main()"
CHUNK = 65_536


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def shifted(rows: np.ndarray[Any, Any], time_ns: int, ids: int) -> np.ndarray[Any, Any]:
    """A copy of `rows` that much later, with ids that much higher."""
    out = rows.copy()
    out["ts_venue"] += time_ns
    out["ts_local"] += time_ns
    out["seq"] += ids
    heads = out["kind"] == EV_DEPTH_HEAD
    out["x"][heads] += ids
    out["y"][heads & (rows["y"] >= 0)] += ids
    return out


def stream(frames: Path, wanted: int, folder: Path) -> dict[str, Any]:
    """Fold `wanted` events; memory by round."""
    import_frames([frames], "binance-usdm", folder / "data")
    task = backtest_of(folder / "data", config.load(None, SETTINGS), None, 7)
    events = np.concatenate(list(task.feed()))
    events = events[events["kind"] != EV_FUNDING]
    span = int(events["ts_local"][-1] - min(events["ts_local"][0], events["ts_venue"].min())) + 10**9
    ids = int(events["seq"].max() - events["seq"].min()) + 10**6
    journal = FileJournal(folder / "journal", fsync="never")
    session, _, _ = task.session(journal)
    memory: list[tuple[int, int]] = []
    done = rounds = 0
    begin, cpu = time.perf_counter(), time.process_time()
    while done < wanted:
        for at in range(0, len(events), CHUNK):
            chunk = shifted(events[at : at + CHUNK], rounds * span, rounds * ids)
            later = events[at + CHUNK : at + 2 * CHUNK]
            limit = int(chunk["ts_local"][-1])
            if len(later):
                limit = min(
                    limit, int(min(later["ts_local"][0], later["ts_venue"].min())) + rounds * span - 1
                )
            session.driver.push(chunk, limit)
        rounds += 1
        done += len(events)
        memory.append((done, resident()))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    results = session.results()
    journal.close()
    x = np.array([m[0] for m in memory], float) / 1e6
    y = np.array([m[1] for m in memory], float)
    half = len(x) // 2
    slope = float(np.polyfit(x[half:], y[half:], 1)[0]) if len(x) - half > 1 else 0.0
    return {
        "events": done,
        "rounds": rounds,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "events_per_cpu_second": round(done / cpu),
        "rss_start_mb": round(memory[0][1] / 1e6, 1),
        "rss_end_mb": round(memory[-1][1] / 1e6, 1),
        "rss_peak_mb": round(max(m[1] for m in memory) / 1e6, 1),
        "slope_kb_per_million_events": round(slope / 1e3, 2),
        "fills": results["fills"],
        "orders": results["orders"],
        "anomalies": results["anomalies"],
        "journal_mb": round(sum(f.stat().st_size for f in (folder / "journal").iterdir()) / 1e6, 1),
    }


def start_times(command: list[str], repeats: int, fresh: Path | None = None) -> dict[str, float]:
    """Wall seconds of the command as a process; the first, unmeasured run warms the caches."""
    took = []
    for k in range(repeats + 1):
        extra = ["--out", str(fresh / f"run{k}")] if fresh is not None else []
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", MAIN, *command, *extra], check=True, capture_output=True)
        took.append(time.perf_counter() - begin)
    return {"median_s": round(statistics.median(took[1:]), 3), "least_s": round(min(took[1:]), 3)}


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "")
    parser.add_argument("--frames", type=Path, default=TICKS)
    parser.add_argument("--bars", type=Path, default=BARS)
    parser.add_argument("--events", type=int, default=50_000_000)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars = folder / "bars.csv"
        tile(a.bars, bars, 3000)
        run = [sys.executable, "-c", MAIN, "data", "import", "--bars", str(bars)]
        where = ["--instrument", "BTC-USDT", "--timeframe", "1m", "--out", str(folder / "bars")]
        subprocess.run([*run, *where], check=True, capture_output=True)
        starts = {
            "bot4 --help": start_times(["--help"], a.repeats),
            "bot4 backtest, 3,000 bars": start_times(
                ["backtest", "--data", str(folder / "bars"), "--seed", "7", "--json"], a.repeats, folder
            ),
        }
        memory = stream(a.frames, a.events, folder)
    return finish(
        "memory_and_start",
        {
            "title": "(f) Memory and start",
            "memory": memory,
            "starts": starts,
            "goals": {"rss_peak_mb": 1000, "bot4 --help": 0.5, "bot4 backtest, 3,000 bars": 3},
            "parity": {"ok": memory["anomalies"] == 0},
            "missing": [],
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
