"""`bot4 run`: paper trading."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.app.commands.backtest import figures, rows
from bot4.app.config import Config
from bot4.app.live import LiveView
from bot4.app.observer import Observer
from bot4.app.switch import controls, listening
from bot4.engine.feed import Feed, first_look
from bot4.engine.intake import import_bars, import_frames
from bot4.model.errors import ConfigError
from bot4.model.times import duration_ns
from bot4.research.backtest import Backtest, bar_interval, plan_for
from bot4.research.paper import Paper
from bot4.research.session import Chosen, LoadedModel, Session, assemble, choose, describe, load, nil_costs
from bot4.safety.system_clock import SystemClock
from bot4.storage.anchors import HourlyAnchor
from bot4.storage.journal import FileJournal
from bot4.storage.lake import Dataset
from bot4.venues.simulator.generative import GenParams
from bot4.venues.simulator.generative import instrument as generative_instrument
from bot4.venues.simulator.sources import GenerativeSource, RecordedSource, Source

SYNTHETIC_BAR = 180 * 10**9
SYNTHETIC_START = 1_704_067_200 * 10**9  # 2024-01-01T00:00:00Z, a label: the market is made up


def _meta_data(source: str, synthetic: bool, start: int, venues: list[str], bars: bool) -> dict[str, Any]:
    return {
        "path": source,
        "inline": True,
        "synthetic": synthetic,
        "start": None,
        "end": None,
        "first": start,
        "last": None,
        "venues": venues,
        "bars": bars,
    }


def _generative(
    settings: Config, chosen: Chosen, model: LoadedModel, seed: int, journal: FileJournal
) -> tuple[Session, Source]:
    params = GenParams()
    plan = plan_for(
        settings.values,
        chosen,
        (generative_instrument(params),),
        bars=False,
        bar_ns=settings["bars.interval"] or SYNTHETIC_BAR,
        start=SYNTHETIC_START - 1,
        end=SYNTHETIC_START + duration_ns("1d"),
        seed=seed,
    )
    data = _meta_data(
        "generative market (synthetic)", True, SYNTHETIC_START, ["generative (synthetic)"], False
    )
    data["inline"], data["generator"] = False, {"seed": seed, "start": SYNTHETIC_START}
    meta = describe("paper", settings.to_json(), plan, chosen, model, data)
    session = assemble(meta, settings.values, plan, chosen, model, journal)
    return session, GenerativeSource(params, seed, SYNTHETIC_START)


def _recorded(
    dataset: Dataset,
    settings: Config,
    chosen: Chosen,
    model: LoadedModel,
    seed: int,
    journal: FileJournal,
    named: str,
) -> tuple[Session, Source, Feed]:
    first, last, bars = first_look(dataset)
    if first == last == 0:
        raise ConfigError(f"{named}: nothing in it can be traded on")
    plan = plan_for(
        settings.values,
        chosen,
        tuple(dataset.instruments),
        bars=bars,
        bar_ns=dataset.bar_ns() if bars else bar_interval(settings.values, last - first),
        start=first - 1,
        end=last,
        seed=seed,
    )
    data = _meta_data(named, False, first, sorted({i.venue for i in dataset.instruments}), bars)
    meta = describe("paper", settings.to_json(), plan, chosen, model, data)
    session = assemble(meta, settings.values, plan, chosen, model, journal, keep_market=True)
    feed = Backtest(dataset, settings.values, settings.to_json(), chosen, model, seed).feed()
    return session, RecordedSource(iter(feed), first), feed


def run(
    *,
    frames: list[Path],
    bars: Path | None,
    venue: str,
    instrument: str,
    timeframe: str,
    for_: str | None,
    speed: float | None,
    strategy: str | None,
    model: Path | None,
    seed: int,
    out: Path | None,
    config: Path | None,
    sets: list[str],
    as_json: bool,
) -> dict[str, Any] | None:
    """Trade on paper until the time is up, the data ends, or the switch is raised."""
    if frames and bars:
        raise ConfigError("name --frames or --bars, not both")
    settings = bootstrap.settings_of(config, sets, strategy)
    listening(settings)  # what must not start is refused before anything is begun
    chosen = choose(settings["strategy.name"])
    loaded = load(model)
    duration = None if for_ is None else duration_ns(for_)
    folder = bootstrap.journal_folder(out, "paper")
    pace = speed if speed is not None else (0.0 if bars else float(settings["run.speed"]))
    with tempfile.TemporaryDirectory(prefix="bot4-") as scratch, ExitStack() as held:
        with bootstrap.progress(as_json) as bar:
            data = Path(scratch) / "data"
            if frames:
                import_frames(frames, venue, data, progress=bar)
            if bars:
                import_bars(bars, instrument, timeframe, data, progress=bar)
            journal = held.enter_context(bootstrap.new_journal(folder, settings))
            feed = None
            if frames or bars:
                named = ", ".join(map(str, frames)) or str(bars)
                session, source, feed = _recorded(
                    Dataset.open(data), settings, chosen, loaded, seed, journal, named
                )
            else:
                session, source = _generative(settings, chosen, loaded, seed, journal)
            session.driver.warm()
        anchor = HourlyAnchor(journal, SystemClock().now_ns())
        document = _trade(
            session, source, settings, pace, duration, anchor, feed=feed, folder=folder, quiet=as_json
        )
        anchor.now(SystemClock().now_ns())
    document = {**figures(folder), **document, "journal": str(folder)}
    if as_json:
        return document
    bootstrap.shown(document, [*rows(document), ("ended by", document["ended_by"])])
    print(f"\nnext: bot4 report {folder}   bot4 why {folder} --trade 1   bot4 replay {folder} --verify")
    return None


def _trade(
    session: Session,
    source: Source,
    settings: Config,
    speed: float,
    duration: int | None,
    anchor: HourlyAnchor,
    *,
    feed: Feed | None,
    folder: Path,
    quiet: bool,
) -> dict[str, Any]:
    synthetic = feed is None
    observer = Observer(
        session,
        synthetic=synthetic,
        strategy=session.meta["strategy"],
        speed=speed,
        duration_s=None if duration is None else duration / 1e9,
    )
    with controls(settings, folder) as control, LiveView(quiet=quiet) as view:
        control.attach(session, anchor)
        switch = control.switch
        paper = Paper(
            session,
            source,
            SystemClock(),
            switch,
            speed,
            settings["run.warmup"] if synthetic else 0,
            duration,
            lambda now, up: control.board.show(view.update, observer.snapshot(now, up)),
            control.look,
        )
        limit, why, seconds = paper.run()
        cause = switch.cause
    warnings = nil_costs(settings.values)
    if feed is not None:
        warnings += [*feed.dataset.warnings, *feed.warnings]
    else:
        warnings.append("synthetic market: results say nothing about any real market")
    if session.meta["model"]["path"] is None and session.plan.strategy == "hybrid":
        warnings.append("no model: the ML half abstains, so that the fused score stays within 0.5")
    if why == "kill switch" and (session.engine.ledger.positions["qty"] != 0).any():
        warnings.append("the kill switch was raised and a position is still open: the market ended first")
    extra = {
        "warnings": warnings,
        "ended_by": why if cause is None else f"{why}: {cause.detail or 'operator'}",
        "seconds": round(seconds, 3),
        "synthetic": synthetic,
    }
    return session.end(limit, seconds, extra)
