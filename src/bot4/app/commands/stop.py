"""`bot4 stop`: raise the kill switch of the runs on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bot4.model.errors import OperatorError


def control_dir() -> Path:
    """Where running sessions watch for a stop: under XDG_RUNTIME_DIR, else the cache folder."""
    base = os.environ.get("BOT4_CONTROL_DIR") or os.environ.get("XDG_RUNTIME_DIR")
    root = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "bot4-control"


def heartbeat_file(pid: int) -> Path:
    """Where the run with process id `pid` shows that it lives."""
    return control_dir() / f"run-{pid}.beat"


def running() -> list[int]:
    """Process ids of runs that are alive."""
    folder = control_dir()
    found = []
    for path in folder.glob("run-*.pid") if folder.is_dir() else []:
        number = int(path.stem.split("-")[1])
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
            continue
        except PermissionError:
            pass
        found.append(number)
    return sorted(found)


def stop(*, run: int | None, as_json: bool) -> dict[str, Any] | None:
    """Write the stop file of every run, or of `run` alone; OperatorError when there is none to stop."""
    runs = running()
    if run is not None and run not in runs:
        raise OperatorError(f"no run of bot4 has process id {run}; alive: {runs or 'none'}")
    runs = runs if run is None else [run]
    folder = control_dir()
    for number in runs:
        (folder / f"run-{number}.stop").write_text("bot4 stop\n", encoding="utf-8")
    if not runs:
        raise OperatorError("no run of bot4 is alive on this machine; nothing to stop")
    if as_json:
        return {"stopped": runs}
    print(f"kill switch raised for process {', '.join(map(str, runs))}: they cancel, flatten and stop")
    return None
