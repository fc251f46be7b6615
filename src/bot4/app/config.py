"""One TOML file to one checked, frozen set of values."""

from __future__ import annotations

import difflib
import os
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot4.app.settings import BY_NAME, SETTINGS, Value
from bot4.model.errors import ConfigError
from bot4.safety.sealed import active


@dataclass(frozen=True)
class Config:
    """Parsed settings by dotted name; `source` says where each came from."""

    values: Mapping[str, Value]
    source: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def to_json(self) -> dict[str, str]:
        """Every setting as text with its unit; `from_json` reads it back to the same values."""
        return {name: str(value) for name, value in self.values.items()}


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def _unknown(name: str, where: str) -> ConfigError:
    near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.5)
    if not near:
        leaf = name.rsplit(".", 1)[-1]
        near = [
            full for full in BY_NAME if difflib.get_close_matches(leaf, [full.rsplit(".", 1)[-1]], cutoff=0.7)
        ]
    hint = f"; did you mean {near[0]}?" if near else "; `bot4 config show` lists all settings"
    return ConfigError(f"{where}: unknown setting {name}{hint}")


def load(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Defaults, then the file, then `name=value` overrides. ConfigError for anything wrong.

    A folder is a sealed configuration: the version in force now, and no overrides.
    """
    if path is not None and path.is_dir():
        if list(overrides):
            raise ConfigError("a sealed configuration takes no --set; propose a change: bot4 config seal")
        version = active(path, key_dir(), time.time_ns())
        return parse(version.text, f"{path} version {version.number}", ())
    text = None
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"config {path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"config {path}: {error}") from None
    return parse(text, str(path), overrides)


def key_dir() -> Path:
    """Where the operator's keys are: BOT4_KEY_DIR, else the configuration folder."""
    named = os.environ.get("BOT4_KEY_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "bot4"


def state_dir() -> Path:
    """Where bot4 keeps what must outlive a run: BOT4_STATE_DIR, else the state folder."""
    named = os.environ.get("BOT4_STATE_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "bot4"


def parse(text: str | None, where: str, overrides: Iterable[str]) -> Config:
    """Defaults, then the TOML `text` (read from `where`), then overrides."""
    values: dict[str, Value] = {s.name: s.parse(_literal(s.default, s.unit)) for s in SETTINGS}
    source = dict.fromkeys(values, "default")
    if text is not None:
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"config {where}: {error}") from None
        for name, raw in _flatten(table):
            if name not in BY_NAME:
                raise _unknown(name, f"config {where}")
            values[name] = BY_NAME[name].parse(raw)
            source[name] = where
    for item in overrides:
        name, equals, raw = item.partition("=")
        name = name.strip()
        if not equals:
            raise ConfigError(f"--set {item!r}: write name=value")
        if name not in BY_NAME:
            raise _unknown(name, "--set")
        values[name] = BY_NAME[name].parse(_literal(raw.strip(), BY_NAME[name].unit))
        source[name] = "--set"
    _cross_check(values)
    return Config(values, source)


def _literal(text: str, unit: str) -> object:
    if unit == "flag":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def _cross_check(values: Mapping[str, Any]) -> None:
    if values["risk.drawdown_hard"] <= values["risk.drawdown_soft"]:
        raise ConfigError("risk.drawdown_hard must be above risk.drawdown_soft")
    if values["risk.max_position"] > values["risk.max_asset"]:
        raise ConfigError("risk.max_position must not exceed risk.max_asset")
    if values["strategy.fast"] >= values["strategy.slow"]:
        raise ConfigError("strategy.fast must be below strategy.slow")


def from_json(data: Mapping[str, str]) -> Config:
    """The configuration that a journal carries."""
    values: dict[str, Value] = {}
    for name, text in data.items():
        if name not in BY_NAME:
            raise _unknown(name, "journal")
        unit = BY_NAME[name].unit
        if unit in ("number", "fraction", "rate"):
            values[name] = float(text)
        elif unit in ("whole", "duration"):
            values[name] = int(text)
        elif unit in ("money", "size"):
            values[name] = Decimal(text)
        elif unit == "flag":
            values[name] = text == "True"
        else:
            values[name] = text
    for setting in SETTINGS:
        if setting.name not in values:
            raise ConfigError(
                f"journal: setting {setting.name} is missing; it was written by another version"
            )
    return Config(values, dict.fromkeys(values, "journal"))
