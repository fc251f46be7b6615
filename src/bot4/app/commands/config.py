"""`bot4 config show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot4.app import config as configuration
from bot4.app.settings import SETTINGS


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
