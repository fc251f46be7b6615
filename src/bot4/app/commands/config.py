"""`bot4 config show`, `seal`, `sealed`."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app import config as configuration
from bot4.app.commands.control import passphrase
from bot4.app.settings import BY_NAME, SETTINGS
from bot4.model.times import instant_text
from bot4.safety.authority import private_key
from bot4.safety.sealed import Version, versions
from bot4.safety.sealed import seal as seal_version


def show(*, config: Path | None, sets: list[str], as_json: bool) -> dict[str, Any] | None:
    """Every setting with value, bounds and source."""
    loaded = configuration.load(config, sets)
    if as_json:
        return {
            s.name: {
                "value": s.show(loaded[s.name]),
                "default": s.default,
                "unit": s.unit,
                "source": loaded.source[s.name],
                "about": s.about,
            }
            for s in SETTINGS
        }
    table = Table("setting", "value", "allowed", "from", "meaning", header_style="bold")
    for s in SETTINGS:
        bounds = "|".join(s.choices)
        if s.low is not None and s.high is not None:
            bounds = f"{s.show(s.low)} .. {s.show(s.high)}"
        table.add_row(s.name, s.show(loaded[s.name]), bounds, loaded.source[s.name], s.about)
    Console().print(table)
    return None


def _changes(old: Version | None, new: Version) -> dict[str, list[str]]:
    """Settings that differ between two versions: name to [before, after], as a person writes them."""
    before = configuration.parse(None if old is None else old.text, "before", ())
    after = configuration.parse(new.text, "after", ())
    return {
        name: [BY_NAME[name].show(before[name]), BY_NAME[name].show(after[name])]
        for name in BY_NAME
        if before[name] != after[name]
    }


def _state(version: Version, holding: list[int]) -> str:
    if not holding or version.number > holding[-1]:
        return "waiting"
    return "in force" if version.number == holding[-1] else "past"


def _described(folder: Path, as_json: bool) -> dict[str, Any] | None:
    found = versions(folder, configuration.key_dir())
    now = time.time_ns()
    holding = [v.number for v in found if v.holds_ns <= now]
    table = Table("version", "state", "holds from", "made by", "changes", header_style="bold")
    rows = []
    for k, v in enumerate(found):
        changes = _changes(found[k - 1] if k else None, v)
        holds = instant_text(v.holds_ns)
        said = "\n".join(f"{name}: {old} -> {new}" for name, (old, new) in changes.items())
        table.add_row(str(v.number), _state(v, holding), holds, v.by, said or "none")
        rows.append(
            {
                "version": v.number,
                "by": v.by,
                "made": instant_text(v.made_ns),
                "holds_from": holds,
                "state": _state(v, holding),
                "changes": changes,
            }
        )
    if as_json:
        return {"folder": str(folder), "versions": rows}
    Console().print(table)
    return None


def seal(*, file: Path, folder: Path, as_json: bool) -> dict[str, Any] | None:
    """Check the settings in `file`, then encrypt, sign and add them to `folder` as a new version."""
    configuration.load(file)
    text = file.read_text(encoding="utf-8")
    keys = configuration.key_dir()
    key = private_key(keys, passphrase("passphrase of the release key: "))
    seal_version(folder, text, key, getpass.getuser(), time.time_ns(), keys)
    return _described(folder, as_json)


def sealed(*, folder: Path, as_json: bool) -> dict[str, Any] | None:
    """Verify a sealed configuration and show its versions."""
    return _described(folder, as_json)
