"""What the benchmarks share: contestants, interleaved repeats, figures, the result files.

A contestant is measured one repeat at a time. bot4 runs in this process; a peer runs in its own
interpreter, named by `--peer-python NAME=PATH` (or the environment variable BOT4_PEER_NAME), because
its dependencies clash with ours. One repeat of each in turn: what else the machine does then hits all of
them alike. A peer whose interpreter is not named, or which does not start, is reported as missing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
_PLACES = (HERE.parents[0] / "../shared", HERE.parents[0] / "../../shared")
_SET = os.environ.get("BOT4_SHARED")
SHARED = Path(_SET or next((p for p in _PLACES if p.exists()), _PLACES[0])).resolve()
TICKS = SHARED / "data/market_ws/usdm_btcusdt_20240808.gz"
BARS = SHARED / "data/ohlcv/btc_perp_1m_202201.csv.gz"


def options(about: str, repeats: int = 7) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help="repeats of each contestant")
    parser.add_argument(
        "--peer-python", action="append", default=[], metavar="NAME=PATH", help="interpreter of a peer"
    )
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME.json")
    return parser


def interpreters(chosen: Sequence[str]) -> dict[str, Path]:
    """Peer name -> interpreter, from the options and from BOT4_PEER_<NAME>."""
    found = {
        key.removeprefix("BOT4_PEER_").lower(): Path(value)
        for key, value in os.environ.items()
        if key.startswith("BOT4_PEER_")
    }
    for item in chosen:
        name, _, path = item.partition("=")
        found[name] = Path(path)
    return found


class Here:
    """bot4 itself: `prepare()` outside the clock, `run(prepared)` inside, `after(result)` outside."""

    def __init__(
        self,
        name: str,
        prepare: Callable[[], Any],
        run: Callable[[Any], Any],
        after: Callable[[Any], Any] = lambda result: result,
    ) -> None:
        self.name = name
        self.version = "this tree"
        self._prepare, self._run, self._after = prepare, run, after

    def once(self) -> dict[str, Any]:
        """One timed repeat."""
        prepared = self._prepare()
        gc.collect()
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        result = self._run(prepared)
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        return {"wall_ns": wall, "cpu_ns": cpu, "result": self._after(result)}

    def close(self) -> None:
        """Nothing to end."""


class Peer:
    """A script of benchmarks/peers in the peer's interpreter."""

    def __init__(self, name: str, python: Path, script: str, arguments: Sequence[str] = ()) -> None:
        self.name = name
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(python), str(HERE / "peers" / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("BENCH_DEBUG") else None,
            text=True,
            env=environment,
        )
        self.facts = self._read()
        self.version = self.facts["version"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            error = self._process.stderr.read() if self._process.stderr else ""
            raise RuntimeError(f"{self.name} ended: {(error.strip().splitlines() or ['no message'])[-1]}")
        document: dict[str, Any] = json.loads(line)
        return document

    def once(self) -> dict[str, Any]:
        """One timed repeat."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Let the process end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


def start_peer(
    missing: list[str], pythons: Mapping[str, Path], key: str, name: str, script: str, *arguments: str
) -> Peer | None:
    """The peer `name`, or None with a line in `missing`."""
    if key not in pythons:
        missing.append(f"{name}: no interpreter given (--peer-python {key}=PATH)")
        return None
    try:
        return Peer(name, pythons[key], script, arguments)
    except (OSError, RuntimeError, ValueError) as error:
        missing.append(f"{name}: {error}")
        return None


def interleave(
    contestants: Sequence[Here | Peer], repeats: int, *, warm: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """One unmeasured repeat of each unless they are `warm`, then rounds of one repeat of each."""
    for contestant in () if warm else contestants:
        contestant.once()
    rounds: dict[str, list[dict[str, Any]]] = {c.name: [] for c in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            rounds[contestant.name].append(contestant.once())
    return rounds


def figures(contestant: Here | Peer, rounds: Sequence[Mapping[str, Any]], units: int) -> dict[str, Any]:
    """Median and least wall time, median CPU time, and units a second of one contestant."""
    wall = [r["wall_ns"] for r in rounds]
    cpu = [r["cpu_ns"] for r in rounds]
    return {
        "name": contestant.name,
        "version": contestant.version,
        "repeats": len(rounds),
        "units": units,
        "wall_ms": round(statistics.median(wall) / 1e6, 3),
        "wall_min_ms": round(min(wall) / 1e6, 3),
        "cpu_ms": round(statistics.median(cpu) / 1e6, 3),
        "cpu_min_ms": round(min(cpu) / 1e6, 3),
        "per_s_wall": round(units / (statistics.median(wall) / 1e9)),
        "per_s_best": round(units / (min(wall) / 1e9)),
        "per_s_cpu": round(units / (max(statistics.median(cpu), 1) / 1e9)),
    }


def ratio(rows: Sequence[Mapping[str, Any]], ours: str, peer: str, key: str = "per_s_cpu") -> float | None:
    """Our `key` over the peer's; None without the peer."""
    table = {row["name"]: row for row in rows}
    if ours not in table or peer not in table:
        return None
    return float(round(table[ours][key] / table[peer][key], 2))


def cpu_model() -> str:
    """What the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """The machine in words, its load now, and the moment."""
    import numba
    import numpy

    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": numpy.__version__,
        "load1": round(os.getloadavg()[0], 2),
        "at": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def finish(name: str, document: dict[str, Any], *, save: bool) -> int:
    """Print the document, keep it when asked; 1 when parity failed, else 0."""
    document = {
        "benchmark": name,
        **document,
        "machine": machine(),
        "command": "python benchmarks/" + " ".join([Path(sys.argv[0]).name, *_public(sys.argv[1:])]),
    }
    print(json.dumps(document, indent=1))
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0 if document.get("parity", {}).get("ok", True) else 1


def _public(arguments: Sequence[str]) -> list[str]:
    """The command's options without where this machine keeps its files."""
    shown = []
    for item in arguments:
        name, equals, value = item.partition("=")
        shown.append(f"{name}{equals}{Path(value).name}" if equals and "/" in value else item)
    return [Path(item).name if item.startswith("/") else item for item in shown]
