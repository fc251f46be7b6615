"""(g) Recovery: from a journal of ten million events to an engine that may trade again.

    python benchmarks/recovery.py [--events N] [--save]

A live driver folds the synthetic market (strategy: quoter, each order rejected at once by a venue that is
not there) into a journal on disk, in groups as a live run does, with a snapshot every million events. The run
ends where recovery costs most: just before the next snapshot was due. Then, from cold objects, as a restart does:

1. `recover`: newest snapshot, tail verified and folded, journal opened for append at that place
2. `rebuild`: the whole journal folded from zero, without any snapshot (a million events a second is the goal
   of event sourcing: 1 M events in less than 60 s)

Parity: both give the state of the run that wrote the journal, by SHA-256 over every part of it. What a
restart then asks the venue (look-ups, comparison) is not in here: it depends on the venue's answers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bot4.app import config
from bot4.engine.build import new_engine, new_simulator
from bot4.engine.live import LiveDriver
from bot4.engine.state import state_hash
from bot4.live.recovery import recover
from bot4.live.snapshots import write_snapshot
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE
from bot4.ports import journal as port
from bot4.research.backtest import plan_for
from bot4.research.session import choose, no_strategy
from bot4.signals.ml.trees_nb import empty_model
from bot4.storage.journal import FileJournal
from bot4.venues.simulator.generative import GenParams
from bot4.venues.simulator.generative import instrument as generative_instrument
from bot4.venues.simulator.sources import GenerativeSource
from common import finish, options

START = 1_704_067_200 * 10**9
STEP = 60 * 10**9
SNAPSHOT = 1_000_000
GOAL_S = 5.0


class Run:
    """The run whose journal is recovered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = config.load(None, ["quoter.interval=10s"]).values
        chosen = choose("quoter")
        self.plan = plan_for(
            self.settings,
            chosen,
            (generative_instrument(GenParams()),),
            bars=False,
            bar_ns=STEP,
            start=START - 1,
            end=START + 86_400 * 10**9,
            seed=7,
        )

    def engine(self) -> Any:
        """A new engine."""
        return new_engine(self.settings, self.plan, empty_model())

    def sim(self) -> Any:
        """The unused simulated venue that the loop takes."""
        return new_simulator(self.settings, self.plan)

    def write(self, events: int) -> tuple[str, int]:
        """Fold `events` events; (hash of the state, snapshots)."""
        engine, source = self.engine(), GenerativeSource(GenParams(), 7, START)
        journal = FileJournal(self.folder, fsync="never")
        journal.append(port.META, {"kind": "live", "epoch": 1, "first_order": 1})
        driver = LiveDriver(engine, self.sim(), journal, no_strategy())
        at, taken, last = START, 0, 0
        while driver.folded < events:
            at += STEP // 60
            driver.market(source.until(at))
            driver.timer(at)
            sent = driver.take()
            if len(sent):
                driver.fold(self._refused(sent, driver.now))
                driver.take()
            if driver.folded - last >= SNAPSHOT and driver.folded < events - SNAPSHOT * 9 // 10:
                journal.commit()
                notes = {"epochs": [{"epoch": 1, "first_order": 1}], "fills": ""}
                write_snapshot(self.folder, engine, journal.position, notes)
                taken, last = taken + 1, driver.folded
        journal.close()
        return state_hash(engine), taken

    def _refused(self, sent: np.ndarray[Any, Any], now: int) -> np.ndarray[Any, Any]:
        rows = np.zeros(len(sent), EVENT_DTYPE)
        rows["kind"] = np.where(sent["action"] == c.ACT_CANCEL, c.EV_CANCELED, c.EV_REJECT)
        rows["x"], rows["y"] = sent["id"], c.R_VENUE
        rows["ts_local"] = rows["ts_venue"] = now
        return rows

    def recover(self) -> dict[str, Any]:
        """One recovery; its figures."""
        begin, cpu = time.perf_counter(), time.process_time()
        engine = self.engine()
        found = recover(self.folder, engine, self.sim(), no_strategy())
        FileJournal(self.folder, fsync="never", position=found.position).release()
        return {
            "wall_s": round(time.perf_counter() - begin, 3),
            "cpu_s": round(time.process_time() - cpu, 3),
            "events_in_snapshot": found.from_snapshot,
            "events_folded": found.folded,
            "hash": state_hash(engine),
        }


def main() -> int:
    """Write the journal, recover from it, rebuild from zero."""
    parser = options(__doc__ or "", repeats=5)
    parser.add_argument("--events", type=int, default=10_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bot4-recovery-") as scratch:
        run = Run(Path(scratch) / "journal")
        written, taken = run.write(args.events)
        size = sum(p.stat().st_size for p in run.folder.glob("segment-*"))
        rounds = [run.recover() for _ in range(args.repeats)]
        for path in run.folder.glob("snapshot-*"):
            path.unlink()
        whole = run.recover()
    worst = max(r["wall_s"] for r in rounds)
    per_million = whole["wall_s"] / whole["events_folded"] * 1e6
    document = {
        "events": args.events,
        "journal_bytes": size,
        "snapshots": taken,
        "recover": rounds,
        "recover_worst_s": worst,
        "rebuild": whole,
        "rebuild_s_per_million": round(per_million, 3),
        "goals": {"recover_worst_s": GOAL_S, "rebuild_s_per_million": 60.0},
        "reached": worst < GOAL_S and per_million < 60.0,
        "parity": {"ok": all(r["hash"] == written for r in [*rounds, whole]), "hash": written},
    }
    return finish("recovery", document, save=args.save)


if __name__ == "__main__":
    sys.exit(main())
