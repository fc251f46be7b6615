"""(h) A market day of 50 million events in one process: mode changes, breakers, kills; memory must stay flat.

    python benchmarks/soak.py [--events N] [--lives N] [--save]

The synthetic market streams through the engine (strategy: quoter; journal: files in a temporary folder) as
fast as it goes. Every few market minutes one word of the operator: pause, back, reduce, back, emergency, back
(authorised). A breaker is fed failures until it opens, waits, probes, closes; the panic conditions watch every
quote. Each life ends with the kill switch, as it stands in a process: latch, callback, cancel, flatten; the
next begins with a new engine, a new switch, a new journal. So what a restart leaves behind would show too.

Resident memory, open files and threads are read every half million events. The slope is a straight line
through the second half of the samples, and is told for an hour at 10,000 events a second (36 million events).
Half of 50 million is less than that hour: one step of the allocator (2 MB, seen once, after 15 to 38 million
events) then reads as 2 to 4 MB an hour. `--events 120000000 --lives 24` watches long enough to tell a step from
a slope; memory between the lives is listed for the same reason.
Every word must have had its effect, or the run fails: no new risk in a pause, flat after an emergency, orders
again after the release, no order after a kill. `--events 300000 --lives 2` is the form of the tests.

The same for the live stack, with the exchange in a process of its own: `bot4 drill soak --for 24h`.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bot4.app import config
from bot4.engine.build import Plan
from bot4.live.breakers import Thresholds
from bot4.model import codes_nb as c
from bot4.ports.alarm import FakeAlarm
from bot4.research.session import assemble, choose, describe, load
from bot4.safety.breaker import Breaker, Cause, Change, Level, Rule
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panic import Panic
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import FileJournal
from bot4.venues.simulator.generative import GenParams, instrument
from bot4.venues.simulator.sources import GenerativeSource
from common import finish, options
from tick_backtest import SETTINGS

S = 10**9
START = 1_704_067_200 * S
STEP_NS = 10 * S
WORD_STEPS = 6  # a word of the operator every minute of market
SAMPLE = 500_000
EVENTS_AN_HOUR = 36_000_000
SETS = [*SETTINGS, "quoter.size=0.01", "safety.cooldown=0s"]
WORDS = (c.MODE_PAUSE, c.MODE_NORMAL, c.MODE_REDUCE, c.MODE_NORMAL, c.MODE_EMERGENCY, c.MODE_NORMAL)
RULE = Rule("orders", Level.VENUE, errors_to_open=5, timeout_ns=60 * S, successes_to_close=2)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Tally:
    """What happened, and what did not happen that should have."""

    events: int = 0
    orders: int = 0
    fills: int = 0
    anomalies: int = 0
    kills: int = 0
    modes: dict[str, int] = field(default_factory=dict)
    breaker: dict[str, int] = field(default_factory=dict)
    panic: int = 0
    faults: list[str] = field(default_factory=list)
    samples: list[tuple[int, int, int, int]] = field(default_factory=list)  # events, bytes, files, threads
    between: list[tuple[int, int, int, int]] = field(default_factory=list)  # the same, between two lives

    def sample(self, to: list[tuple[int, int, int, int]]) -> None:
        """Look at this process."""
        files = len(list(Path("/proc/self/fd").iterdir()))
        to.append((self.events, resident(), files, threading.active_count()))


class Life:
    """One session of the quoter on one synthetic market, from its start to its kill."""

    def __init__(self, number: int, folder: Path, tally: Tally) -> None:
        settings, params = config.load(None, SETS), GenParams()
        chosen, model = choose("quoter"), load(None)
        plan = Plan((instrument(params),), "quoter", 60 * S, False, S, 60 * S, START - 1, 7)
        data = {"path": "synthetic", "inline": False, "synthetic": True, "start": None, "end": None,
                "first": START, "last": None, "venues": ["synthetic"], "bars": False}  # fmt: skip
        self.folder = folder / f"life-{number}"
        self.journal = FileJournal(self.folder, fsync="never")
        meta = describe("paper", settings.to_json(), plan, chosen, model, data)
        self.session = assemble(meta, settings.values, plan, chosen, model, self.journal)
        self.driver, self.engine = self.session.driver, self.session.engine
        self.source = GenerativeSource(params, number, START)
        self.switch = KillSwitch(folder / "stop", SystemClock(), FakeAlarm(), max_missed=600)
        self.switch.start()
        self.tally, self.at, self.panic = tally, START, Panic()
        self.breaker = Breaker(RULE, self._changed)
        self.orders_before = 0

    def _changed(self, change: Change) -> None:
        name = change.after.name.lower()
        self.tally.breaker[name] = self.tally.breaker.get(name, 0) + 1

    def step(self, k: int) -> int:
        """Ten seconds of market; how many events."""
        self.at += STEP_NS
        rows = self.source.until(self.at)
        self.driver.push(rows, self.at)
        self.switch.beat()
        top = self.engine.book.top[0]
        bid, ask = float(top["quote_bid"]), float(top["quote_ask"])
        if self.panic.spread_times("S", bid, ask, self.at) > Thresholds().spread_times:
            self.tally.panic += 1
        self._call(k)
        return len(rows)

    def _call(self, k: int) -> None:
        """A call to a venue: a minute of failures now and then, else fine."""
        if self.breaker.allow(self.at):
            self.breaker.record(k % 60 >= 6, self.at, Cause.API_ERRORS)

    # --- words of the operator -----------------------------------------------------------------------------
    def word(self, number: int) -> None:
        """The next word, after a look at what became of the last one."""
        self._judge(WORDS[(number - 1) % len(WORDS)] if number else c.MODE_NORMAL)
        mode = WORDS[number % len(WORDS)]
        self.orders_before = self._approved()
        self.driver.mode(mode, c.R_OPERATOR, authorised=mode == c.MODE_NORMAL)
        name = ("normal", "reduce", "pause", "emergency")[mode]
        self.tally.modes[name] = self.tally.modes.get(name, 0) + 1

    def _judge(self, mode: int) -> None:
        now = int(self.engine.safety.control[0]["mode"])
        if now != mode:
            self._fault(f"mode {now} a minute after {mode} was asked for")
        sent = self._approved() - self.orders_before
        if mode == c.MODE_NORMAL and not sent:
            self._fault("no order in a minute of normal trading")
        if mode != c.MODE_NORMAL and self._raising():
            self._fault(f"an order of new risk works in mode {mode}")
        if mode == c.MODE_EMERGENCY and self._held():
            self._fault("not flat a minute after an emergency")

    def _approved(self) -> int:
        return int(self.engine.safety.control[0]["approved"])

    def _raising(self) -> bool:
        table = self.engine.orders.table
        live = np.isin(table["status"], (c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL))
        return bool((live & ((table["flags"] & c.OF_REDUCE_ONLY) == 0)).any())

    def _held(self) -> int:
        return int(self.engine.ledger.positions[0]["qty"])

    def _fault(self, text: str) -> None:
        self.tally.faults.append(f"{self.folder.name}, {self.tally.events} events: {text}")

    # --- the end -------------------------------------------------------------------------------------------
    def end(self) -> None:
        """The kill switch: cancel, flatten, refuse; then everything of this life is given back."""
        heard = threading.Event()
        self.switch.add_callback(lambda trip: heard.set())
        self.switch.trip(c.R_OPERATOR, "soak")
        if not heard.wait(10.0):
            self._fault("the kill switch told nobody within 10 s")
        self.driver.kill(c.R_OPERATOR)
        for k in range(3):
            self.tally.events += self.step(60 + k)
        before = self._approved()
        self.driver.mode(c.MODE_NORMAL, c.R_OPERATOR, authorised=True)
        self.tally.events += self.step(63)
        if self._held() or self._raising() or self._approved() != before:
            self._fault("after the kill: not flat, or an order was approved")
        results = self.session.results()
        for name in ("orders", "fills", "anomalies"):
            setattr(self.tally, name, getattr(self.tally, name) + int(results[name]))
        self.tally.kills += 1
        self.switch.close()
        self.journal.close()
        shutil.rmtree(self.folder)


def soak(events: int, lives: int, folder: Path, progress: Callable[[int], None] = lambda done: None) -> Tally:
    """`events` in `lives` equal lives; what happened."""
    tally = Tally()
    for number in range(1, lives + 1):
        life, k, due = Life(number, folder, tally), 0, tally.events
        while tally.events < events * number // lives:
            if k and k % WORD_STEPS == 0:
                life.word(k // WORD_STEPS - 1)
            tally.events += life.step(k)
            k += 1
            if tally.events >= due:
                due += SAMPLE
                tally.sample(tally.samples)
                progress(tally.events)
        life.end()
        del life
        gc.collect()
        tally.sample(tally.between)
    return tally


def growth(samples: list[tuple[int, int, int, int]], k: int) -> int:
    """How much more of column `k` the second half of the samples saw at most than the first half."""
    half = max(1, len(samples) // 2)
    first, second = samples[:half], samples[half:] or samples[-1:]
    return max(s[k] for s in second) - max(s[k] for s in first)


def document(tally: Tally, seconds: float, cpu: float) -> dict[str, Any]:
    """The figures, slopes and all."""
    x = np.array([s[0] for s in tally.samples], float)
    half = len(x) // 2
    rss = np.array([s[1] for s in tally.samples], float)
    slope = None
    if len(x) - half > 2:
        slope = round(float(np.polyfit(x[half:], rss[half:], 1)[0]) * EVENTS_AN_HOUR / 1e6, 3)
    return {
        "events": tally.events,
        "lives": tally.kills,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "events_per_cpu_second": round(tally.events / cpu),
        "orders": tally.orders,
        "fills": tally.fills,
        "anomalies": tally.anomalies,
        "modes": tally.modes,
        "breaker": tally.breaker,
        "panic_spreads_seen": tally.panic,
        "rss_mb": {
            name: round(float(mb) / 1e6, 1)
            for name, mb in (("first", rss[0]), ("half", rss[half]), ("last", rss[-1]), ("most", rss.max()))
        },
        "rss_between_lives_mb": [round(s[1] / 1e6, 1) for s in tally.between],
        "slope_mb_an_hour_at_10k_s": slope,
        "files_more": max(growth(tally.samples, 2), growth(tally.between, 2)),
        "threads_more": max(growth(tally.samples, 3), growth(tally.between, 3)),
        "faults": tally.faults[:20],
    }


def healthy(found: dict[str, Any]) -> bool:
    """Whether everything that should have happened did, and nothing was left behind but memory."""
    return (
        not found["faults"]
        and not found["anomalies"]
        and {"normal", "reduce", "pause", "emergency"} <= set(found["modes"])
        and {"open", "half_open", "closed"} <= set(found["breaker"])
        and found["files_more"] <= 0
        and found["threads_more"] <= 0
    )


def main() -> int:
    """Run the soak."""
    parser = options(__doc__ or "")
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--lives", type=int, default=20)
    a = parser.parse_args()
    begin, cpu = time.perf_counter(), time.process_time()

    def progress(done: int) -> None:
        spent = time.perf_counter() - begin
        left = spent / max(done, 1) * (a.events - done)
        print(
            f"\r{done / 1e6:6.1f} of {a.events / 1e6:g} million, {left:5.0f} s left", end="", file=sys.stderr
        )

    with tempfile.TemporaryDirectory(prefix="bot4-soak-") as name:
        tally = soak(a.events, a.lives, Path(name), progress)
    print(file=sys.stderr)
    found = document(tally, time.perf_counter() - begin, time.process_time() - cpu)
    slope = found["slope_mb_an_hour_at_10k_s"]
    return finish(
        "soak",
        {
            "title": "(h) Soak: a compressed market day with mode changes, breakers and kills",
            "soak": found,
            "goals": {"slope_mb_an_hour_at_10k_s": 1, "rss_most_mb": 1000},
            "parity": {"ok": healthy(found) and slope is not None and slope < 1.0},
            "missing": [],
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
