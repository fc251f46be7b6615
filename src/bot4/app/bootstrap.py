"""The composition root: settings, strategy, model, journal and data joined into a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot4.app import config as configuration
from bot4.app.compiling import CompileWatch
from bot4.app.config import Config
from bot4.app.progress import ProgressBar
from bot4.model.errors import StorageError
from bot4.model.times import instant_ns
from bot4.research.backtest import Backtest, new_journal_folder
from bot4.research.replay import Refold
from bot4.research.session import Chosen, choose, load
from bot4.storage.journal import FileJournal, JournalReader
from bot4.storage.lake import Dataset

RUNS = Path("runs")


def settings_of(config: Path | None, sets: list[str], strategy: str | None) -> Config:
    """The configuration of a command: defaults, file, --set, then --strategy."""
    overrides = [*sets, *([f"strategy.name={strategy}"] if strategy else [])]
    return configuration.load(config, overrides)


def journal_folder(out: Path | None, kind: str) -> Path:
    """--out, or a new folder under runs/ named by the time of day."""
    if out is not None:
        return out
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return new_journal_folder(RUNS, kind, stamp)


@contextmanager
def new_journal(folder: Path, settings: Config) -> Iterator[FileJournal]:
    """A new journal in `folder`, let go of however the run ends.

    StorageError when the folder holds one already or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not empty; a run needs a folder of its own, name another with --out")
    journal = FileJournal(folder, fsync=settings["journal.fsync"])
    try:
        yield journal
    finally:
        journal.release()


def backtest_of(
    data: Path,
    settings: Config,
    model: Path | None,
    seed: int,
    start: str | None = None,
    end: str | None = None,
) -> Backtest:
    """A backtest, ready to run."""
    chosen: Chosen = choose(settings["strategy.name"])
    return Backtest(
        dataset=Dataset.open(data),
        settings=settings.values,
        settings_json=settings.to_json(),
        chosen=chosen,
        model=load(model),
        seed=seed,
        start=None if start is None else instant_ns(start),
        end=None if end is None else instant_ns(end),
    )


def refold_of(journal: Path, moved: Path | None) -> Refold:
    """A journal opened for folding again, with the settings it was written with."""
    meta = JournalReader(journal).meta()
    settings = configuration.from_json(meta["settings"])
    return Refold.open(journal, meta, settings.values, moved)


@contextmanager
def progress(as_json: bool) -> Iterator[CompileWatch]:
    """A progress bar on stderr; says so when kernels must first be compiled."""
    with ProgressBar(quiet=as_json) as bar, CompileWatch(bar, as_json) as watch:
        yield watch


def shown(document: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    """Print a small table of results for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    Console().print(table)
    for warning in document.get("warnings", []):
        Console(stderr=True).print(f"warning: {warning}", style="yellow", markup=False)
