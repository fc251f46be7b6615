"""Progress of long work on stderr: bar, elapsed and remaining time; silent when nobody watches."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressBar:
    """A context manager that is called with (done, total, text).

    `total` None or 0 means: not known; the bar pulses and no remaining time is claimed. Silent when
    stderr is no terminal, or with `quiet` (--json), so that it never mixes with results.
    """

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        if not quiet and self.console.is_terminal:
            self.progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left", style="dim"),
                TimeRemainingColumn(),
                console=self.console,
                expand=True,
            )

    def __enter__(self) -> ProgressBar:
        if self.progress is not None:
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress is not None:
            self.progress.stop()

    def __call__(self, done: float, total: float | None, text: str = "") -> None:
        """Report that `done` of `total` steps are finished, and what is being done now."""
        if self.progress is None:
            return
        known = float(total) if total else None
        if self.task is None:
            self.task = self.progress.add_task(text, total=known)
        self.progress.update(self.task, completed=float(done), total=known, description=text)
