"""Calls the function behind a command, whose module is imported only then: `--help` stays quick."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any


def invoke(module: str, function: str, as_json: bool, **arguments: Any) -> None:
    """Call `function` of `bot4.app.commands.MODULE` and, with `as_json`, print what it returns."""
    command = import_module(f"bot4.app.commands.{module}")
    result = getattr(command, function)(as_json=as_json, **arguments)
    if as_json and result is not None:
        print(json.dumps(result, allow_nan=False, indent=2))
