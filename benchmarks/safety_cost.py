"""(i) What safety costs: a backtest with every check, and the same with all of it compiled out.

    python benchmarks/safety_cost.py [--events N] [--repeats N] [--save]

The second is a copy of the source in which the functions that ask are replaced by their answer: the gate's
checks of new risk and of reducing orders, every verdict of risk, heat and open risk anew for each order, the
limits on equity (drawdown, daily loss, modes), a fill against its order. What remains is what any engine needs
to trade: the order written, the ledger, the order table, stops and targets. Both are compiled, each runs in a
process of its own, one repeat of each in turn. No profiler, so nothing is attributed that is not there.

The market: the synthetic one, the quoting strategy, wide limits, so that no check refuses anything. Parity
first: both make the same orders, fills, decisions and equity, to the bit; then the difference is the price of
asking. What the simulated venue refuses, it refuses both alike. Shares are of the least CPU time of each side,
because whatever else runs on the machine can only add: many short repeats, so that some are undisturbed. The
median over the pairs is told beside it; where the two disagree, the machine was too busy to tell. Neither
writes a journal to the disk: a check writes none either, and it would only dilute the share.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import finish, options

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests"))

OUT = {
    "safety.gate_nb:state_reason_nb": "0",
    "safety.gate_nb:words_reason_nb": "0",
    "safety.gate_nb:shape_reason_nb": "0",
    "safety.gate_nb:spot_reason_nb": "0",
    "safety.gate_nb:value_reason_nb": "0",
    "safety.gate_nb:open_orders_reason_nb": "0",
    "safety.gate_nb:window_reason_nb": "0",
    "safety.gate_nb:verdicts_reason_nb": "0",
    "safety.gate_nb:reduce_only_reason_nb": "0",
    "risk.checks_nb:verdicts_nb": "N_CHECKS",
    "risk.heat_nb:refresh_nb": "None",
    "risk.drawdown_nb:update_equity_nb": "0",
    "engine.dispatch_nb:unknown_reason_nb": "0",
    "engine.answers_nb:post_trade_nb": "None",
}
"""Function: what it answers in the copy without safety."""


def child(events: int) -> None:
    """Fold `events` whenever a line comes; the figures of each run as one JSON line."""
    import numpy as np

    from bot4.app import config
    from bot4.engine import layout_nb as lay
    from bot4.engine.build import Plan, new_engine, new_simulator
    from bot4.engine.driver import Driver
    from bot4.model import names
    from bot4.ports import journal as port
    from bot4.ports.journal import FakeJournal
    from bot4.research.session import no_strategy
    from bot4.signals.ml.trees_nb import empty_model
    from bot4.venues.simulator.generative import GenParams, instrument
    from bot4.venues.simulator.sources import GenerativeSource
    from soak import SETS, START, STEP_NS, S

    params = GenParams()
    values = config.load(None, SETS).values
    plan = Plan((instrument(params),), "quoter", 60 * S, False, S, 60 * S, START - 1, 7)
    source, chunks, at, total = GenerativeSource(params, 3, START), [], START, 0
    while total < events:
        at += STEP_NS
        chunks.append((source.until(at), at))
        total += len(chunks[-1][0])
    for _ in sys.stdin:
        journal = FakeJournal()
        engine = new_engine(values, plan, empty_model())
        driver = Driver(engine, new_simulator(values, plan), journal, no_strategy())
        driver.warm()
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for rows, until in chunks:
            driver.push(rows, until)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        sent = [b for kind, b in journal.blocks if kind == port.ORDERS]
        orders = np.concatenate(sent) if sent else np.empty(0)
        made = {
            "orders": len(orders),
            "fills": int(engine.clock[lay.CK_FILLS]),
            "decisions": int(engine.clock[lay.CK_HASH]),
            "cash": int(engine.ledger.account[0]["cash"]),
            "position": int(engine.ledger.positions[0]["qty"]),
        }
        refused = {names.reason(k): int(n) for k, n in enumerate(engine.safety.refusals) if n}
        print(
            json.dumps({"cpu_ns": cpu, "wall_ns": wall, "events": total, "refused": refused, "made": made}),
            flush=True,
        )


def without_safety(folder: Path) -> Path:
    """A copy of the source with everything of OUT answered; an edit that does not fit is an error."""
    from mutate_checks import Answer, edited, home

    copy = folder / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for where, value in OUT.items():
        path = copy / home(where)
        path.write_text(edited(path.read_text(encoding="utf-8"), Answer(value), where), encoding="utf-8")
    return copy


class Side:
    """One of the two, in its process."""

    def __init__(self, source: Path, events: int) -> None:
        command = [sys.executable, str(HERE / "safety_cost.py"), "--child", str(events)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        )

    def once(self) -> dict[str, Any]:
        """One run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a side of the comparison ended; see above")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


def main() -> int:
    """Run the comparison."""
    if "--child" in sys.argv:
        child(int(sys.argv[-1]))
        return 0
    parser: argparse.ArgumentParser = options(__doc__ or "", repeats=60)
    parser.add_argument("--events", type=int, default=500_000)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bot4-cost-") as name:
        sides = {"with": Side(ROOT / "src", a.events), "without": Side(without_safety(Path(name)), a.events)}
        first = {side: made.once() for side, made in sides.items()}  # not measured
        rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for _ in range(a.repeats):
            for side, made in sides.items():
                rounds[side].append(made.once())
        for made in sides.values():
            made.close()
    cpu = {side: statistics.median(r["cpu_ns"] for r in runs) for side, runs in rounds.items()}
    least = {side: min(r["cpu_ns"] for r in runs) for side, runs in rounds.items()}
    pairs = [1 - b["cpu_ns"] / a["cpu_ns"] for a, b in zip(rounds["with"], rounds["without"], strict=True)]
    orders = first["with"]["made"]["orders"]
    same = first["with"]["made"] == first["without"]["made"]
    idle = first["with"]["refused"] == first["without"]["refused"]
    return finish(
        "safety_cost",
        {
            "title": "(i) The cost of safety in a backtest",
            "events": first["with"]["events"],
            **first["with"]["made"],
            "repeats": a.repeats,
            "cpu_ms": {side: round(ns / 1e6, 1) for side, ns in cpu.items()},
            "cpu_min_ms": {side: round(ns / 1e6, 1) for side, ns in least.items()},
            "share_percent": round(100 * (1 - least["without"] / least["with"]), 2),
            "share_percent_median_of_pairs": round(100 * statistics.median(pairs), 2),
            "ns_an_order": round((least["with"] - least["without"]) / max(orders, 1), 1),
            "refused_by_the_venue": first["without"]["refused"],
            "compiled_out": sorted(OUT),
            "parity": {"ok": same and idle, "same_orders_and_decisions": same, "no_check_refused": idle},
            "missing": [],
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
