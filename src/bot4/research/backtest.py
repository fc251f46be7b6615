"""Backtest of one strategy over one data set, journalled like a live run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot4.engine.build import Plan, Settings
from bot4.engine.feed import Feed, first_look
from bot4.model.errors import DataError
from bot4.model.events import EVENT_DTYPE
from bot4.model.times import NS
from bot4.model.values import Rate
from bot4.ports.journal import Journal
from bot4.research.session import Chosen, LoadedModel, Progress, Session, assemble, describe, nil_costs
from bot4.storage.lake import Dataset

SETTLE_NS = NS["s"]
CURVE_POINTS = 4000


AUTO_BARS = tuple(NS["s"] * n for n in (60, 15, 5, 1))


def bar_interval(settings: Settings, span_ns: int) -> int:
    """The decision bar of tick data: as set, else the longest of 1m, 15s, 5s, 1s that gives 300 bars."""
    if settings["bars.interval"] > 0:
        return int(settings["bars.interval"])
    return next((step for step in AUTO_BARS if span_ns >= 300 * step), AUTO_BARS[-1])


def plan_for(
    settings: Settings,
    chosen: Chosen,
    instruments: tuple[Any, ...],
    *,
    bars: bool,
    bar_ns: int,
    start: int,
    end: int,
    seed: int,
) -> Plan:
    """The plan of a run: timers and curve samples follow from the data's own time scale."""
    timer = bar_ns if bars else int(settings["safety.protection_interval"])
    if chosen.code == "quoter":
        timer = min(timer, int(settings["quoter.interval"]))
    step = max(timer, (end - start) // CURVE_POINTS // timer * timer)
    return Plan(
        instruments=tuple(instruments),
        strategy=chosen.code,
        bar_ns=bar_ns,
        bars_recorded=bars,
        timer_ns=timer,
        equity_ns=step,
        start_ns=start,
        seed=seed,
    )


@dataclass
class Backtest:
    """What to run. `settings_json` is what the journal keeps of the settings."""

    dataset: Dataset
    settings: Settings
    settings_json: dict[str, str]
    chosen: Chosen
    model: LoadedModel
    seed: int
    start: int | None = None
    end: int | None = None

    def feed(self) -> Feed:
        """The data set's events, funding substitutes included."""
        return Feed(
            self.dataset,
            self.settings["fees.funding_interval"],
            Rate.of_float(self.settings["fees.funding_substitute"]).e8,
            self.start,
            self.end,
        )

    def session(self, journal: Journal) -> tuple[Session, Feed, int]:
        """Assembled engine, feed and the last instant of the data."""
        first, last, bars = first_look(self.dataset)
        if first == last == 0:
            raise DataError(f"data set {self.dataset.folder} is empty; import something first")
        begin = max(first, self.start or first)
        finish = min(last, self.end or last)
        if begin > finish:
            raise DataError("the data set has nothing between --start and --end")
        bar_ns = self.dataset.bar_ns() if bars else bar_interval(self.settings, finish - begin)
        plan = plan_for(
            self.settings,
            self.chosen,
            tuple(self.dataset.instruments),
            bars=bars,
            bar_ns=bar_ns,
            start=begin - 1,
            end=finish,
            seed=self.seed,
        )
        data = {
            "path": str(self.dataset.folder.resolve()),
            "content_hash": self.dataset.content_hash(),
            "inline": False,
            "synthetic": False,
            "start": self.start,
            "end": self.end,
            "first": begin,
            "last": finish,
            "events": self.dataset.rows,
            "bars": bars,
            "venues": sorted({i.venue for i in self.dataset.instruments}),
        }
        meta = describe("backtest", self.settings_json, plan, self.chosen, self.model, data)
        session = assemble(meta, self.settings, plan, self.chosen, self.model, journal)
        return session, self.feed(), finish

    def run(self, journal: Journal, progress: Progress | None = None) -> dict[str, Any]:
        """Fold the whole data set; the results after costs."""
        session, feed, finish = self.session(journal)
        seconds = fold(session, feed, finish, self.dataset.rows, progress)
        warnings = [*self.dataset.warnings, *feed.warnings, *nil_costs(self.settings)]
        if self.chosen.code == "hybrid" and self.model.path is None:
            warnings.append("no model: the ML half abstains, so that the fused score stays within 0.5")
        return session.end(finish + SETTLE_NS, seconds, {"warnings": warnings, "seconds": round(seconds, 3)})


def fold(session: Session, feed: Any, finish: int, total: int, progress: Progress | None) -> float:
    """Push all chunks, each only as far as the next one cannot reach back; seconds spent folding."""
    pending: np.ndarray[Any, Any] | None = None
    spent = 0.0
    done = 0
    clock: Callable[[], float] = time.perf_counter
    for chunk in feed:
        if pending is not None:
            limit = min(
                int(pending["ts_local"][-1]), int(chunk["ts_local"][0]) - 1, int(chunk["ts_venue"].min()) - 1
            )
            begin = clock()
            session.driver.push(pending, limit)
            spent += clock() - begin
            done += len(pending)
            if progress is not None:
                progress(done, max(total, done), "folding")
        pending = chunk
    begin = clock()
    if pending is not None:
        session.driver.push(pending, finish + SETTLE_NS)
    else:
        session.driver.push(np.empty(0, EVENT_DTYPE), finish + SETTLE_NS)
    spent += clock() - begin
    if progress is not None:
        progress(total, total, "folding")
    return spent


def new_journal_folder(root: Path, kind: str, stamp: str) -> Path:
    """A folder of its own for a run: runs/backtest-20240808T235500Z, with -2, -3 ... when taken."""
    for n in range(1, 10_000):
        folder = root / f"{kind}-{stamp}{'' if n == 1 else f'-{n}'}"
        if not folder.exists():
            return folder
    raise DataError(f"{root} holds too many runs of {stamp}")
