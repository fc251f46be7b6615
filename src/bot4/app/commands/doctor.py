"""`bot4 doctor`: whether this machine is fit to run bot4."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4 import __version__
from bot4.app import processor
from bot4.app.bounds import bounds
from bot4.app.commands.stop import control_dir, running
from bot4.app.supply import examine
from bot4.kernels.cache import CACHE_DIR, cache_is_warm

NEEDED_DISK = 2 << 30
NEEDED_MEMORY = 1 << 30


def _check(name: str, state: str, found: str, advice: str = "") -> dict[str, str]:
    return {"name": name, "state": state, "found": found, "advice": advice}


def _python() -> dict[str, str]:
    fit = (3, 11) <= sys.version_info[:2] < (3, 14)
    return _check(
        "python", "ok" if fit else "bad", platform.python_version(), "" if fit else "use Python 3.11 to 3.13"
    )


def _packages() -> list[dict[str, str]]:
    found = []
    for name in ("numpy", "numba", "polars", "msgspec", "typer", "rich"):
        found.append(_check(name, "ok", importlib.metadata.version(name)))
    if importlib.util.find_spec("sklearn") is None:
        found.append(
            _check("scikit-learn", "note", "absent", "needed by `bot4 train` only: pip install 'bot4[ml]'")
        )
    else:
        found.append(_check("scikit-learn", "ok", importlib.metadata.version("scikit-learn")))
    return found


def _processor(found: dict[str, Any]) -> list[dict[str, str]]:
    has, goal = found["processor"], found["target"]
    offers = ", ".join(step for step, there in has["offers"].items() if there) or "not told"
    use = f"{goal['level']} ({goal['cpu']}, {len(goal['features'])} features)"
    forced = f"lowered by {goal['forced_by']}" if goal["forced_by"] else ""
    state = "note" if forced else "ok"
    return [
        _check("processor", "ok", f"{has['cores']} cores {has['machine']}: {offers}"),
        _check("kernel target", state, use, forced and f"{forced}: for tests, slower than it could be"),
    ]


def _memory() -> dict[str, str]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fit = total >= NEEDED_MEMORY
    return _check(
        "memory", "ok" if fit else "bad", f"{total / 2**30:.1f} GiB", "" if fit else "bot4 needs 1 GiB"
    )


def _disk() -> dict[str, str]:
    free = shutil.disk_usage(Path.cwd()).free
    fit = free >= NEEDED_DISK
    advice = "" if fit else "journals and data sets need room: free some space"
    return _check("disk", "ok" if fit else "note", f"{free / 2**30:.1f} GiB free here", advice)


def _writable(name: str, folder: Path) -> dict[str, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return _check(name, "bad", f"{folder}: {error.strerror}", "make it writable, or set XDG_CACHE_HOME")
    return _check(name, "ok", str(folder))


def _kernels(packages: dict[str, dict[str, int]]) -> dict[str, str]:
    kernels, size, loaded = (
        sum(p[k] for p in packages.values()) for k in ("kernels", "bytes", "loaded_modules")
    )
    text = f"{kernels} compiled, {size / 2**20:.0f} MiB in {CACHE_DIR}; {loaded} modules in use here"
    if cache_is_warm():
        return _check("kernels", "ok", text)
    return _check("kernels", "note", text, "the first run compiles what it needs, about two minutes")


def _tables(found: dict[str, Any], console: Console) -> None:
    """Kernels by package, and what is bounded."""
    table = Table("kernels of", "modules", "compiled", "kernels", "MiB", header_style="bold")
    for name, row in found["kernels"]["packages"].items():
        size = f"{row['bytes'] / 2**20:.1f}"
        table.add_row(name, str(row["modules"]), str(row["compiled_modules"]), str(row["kernels"]), size)
    console.print(table)
    table = Table("kept in memory", "at most", "beyond that", header_style="bold")
    for bound in bounds():
        table.add_row(bound.name, f"{bound.capacity:,} {bound.unit}", bound.beyond)
    console.print(table)


def _clock() -> dict[str, str]:
    wall, steady = time.time_ns(), time.monotonic_ns()
    time.sleep(0.05)
    drift = abs((time.time_ns() - wall) - (time.monotonic_ns() - steady))
    year = time.gmtime().tm_year
    fit = drift < 5_000_000 and 2024 <= year < 2100
    return _check(
        "clock",
        "ok" if fit else "bad",
        f"{year}, {drift / 1e3:.0f} us off in 50 ms",
        "" if fit else "check the system clock",
    )


def _supply() -> list[dict[str, str]]:
    checked, findings = examine()
    rows = [
        _check(
            f"package {f.package}", "bad" if f.grave else "note", f.what, "see `pip install --require-hashes`"
        )
        for f in findings
    ]
    return [
        *rows,
        _check("package files", "bad" if any(f.grave for f in findings) else "ok", f"{checked} packages"),
    ]


def doctor(*, packages: bool, as_json: bool) -> dict[str, Any] | None:
    """Run every check; nothing is changed but empty folders made. `packages`: also hash what is installed."""
    found = processor.document()
    checks = [
        _python(),
        *_packages(),
        *_processor(found),
        _memory(),
        _disk(),
        _clock(),
        _kernels(found["kernels"]["packages"]),
        _writable("cache", CACHE_DIR),
        _writable("control", control_dir()),
        *(_supply() if packages else []),
        _check("runs alive", "ok", ", ".join(map(str, running())) or "none"),
    ]
    healthy = all(c["state"] != "bad" for c in checks)
    if as_json:
        kept = [asdict(bound) for bound in bounds()]
        return {"healthy": healthy, "version": __version__, "checks": checks, **found, "bounds": kept}
    table = Table("check", "state", "found", "advice", header_style="bold")
    for c in checks:
        style = {"ok": "green", "note": "yellow", "bad": "bold red"}[c["state"]]
        table.add_row(c["name"], f"[{style}]{c['state']}[/]", c["found"], c["advice"])
    console = Console()
    console.print(table)
    _tables(found, console)
    print("healthy" if healthy else "not healthy: see the advice above")
    return None
