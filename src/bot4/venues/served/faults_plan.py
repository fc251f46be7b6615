"""Fault plans: rules that say what is to go wrong, read and checked before they hold."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bot4.model.errors import ConfigError

ON_REQUESTS = frozenset(("drop", "delay", "duplicate", "accept_then_lose_reply", "not_found_for", "status"))
ON_MESSAGES = frozenset(
    ("drop", "delay", "duplicate", "reorder", "gap", "silence", "freeze", "close", "alter")
)
LASTING = frozenset(
    ("silence", "close", "freeze", "skew", "maintenance", "cancel_stops", "set_market", "cancel_silently")
)
"""What a request or the time sets off for the venue or all its connections."""

FITTING = {
    "rest": ON_REQUESTS | LASTING,
    "ws": ON_MESSAGES,
    "user": ON_MESSAGES,
    "time": LASTING,
}
KINDS = ON_REQUESTS | ON_MESSAGES | LASTING


@dataclass(frozen=True, slots=True)
class Match:
    """Which traffic a rule is about. Globs take * and ?; empty matches everything."""

    face: str = "rest"  # rest (REST and the WebSocket API), ws (market streams), user, time (no traffic)
    product: str = ""
    method: str = ""
    path: str = ""
    stream: str = ""
    account: str = ""
    symbol: str = ""
    nth: int = 0  # only the nth match, counted from 1
    probability: float = 1.0
    after: float = 0.0  # seconds since the rule was set
    for_: float = 0.0  # seconds the window stays open; 0: for good
    count: int = 0  # firings at most; 0: any number


@dataclass(frozen=True, slots=True)
class Do:
    """What happens. `kind` says which of the other fields count."""

    kind: str
    ms: float = 0.0  # delay: fixed, or the median of a log-normal
    sigma: float = 0.0  # delay: > 0 makes it log-normal
    seconds: float = 0.0  # not_found_for, maintenance, silence, freeze; 0: for good where that makes sense
    http: int = 500
    code: int = -1000
    msg: str = "An unknown error occurred while processing the request."
    retry_after: int = 0
    processed: bool = False  # status: the request is carried out before the error is sent
    messages: int = 1  # gap: how many messages in a row are left out
    skew_ms: float = 0.0
    drift_ppm: float = 0.0
    changes: Mapping[str, Any] = field(default_factory=dict)  # set_market
    find: str = ""  # alter: a regular expression; its first match in the message is replaced
    put: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a fault plan."""

    name: str
    match: Match
    do: Do


_NEEDS: dict[str, tuple[str, ...]] = {
    "delay": ("ms",),
    "not_found_for": ("seconds",),
    "maintenance": ("seconds",),
    "set_market": ("changes",),
    "alter": ("find",),
}
_OWN: dict[str, tuple[str, ...]] = {
    "drop": (),
    "delay": ("ms", "sigma"),
    "duplicate": (),
    "reorder": (),
    "accept_then_lose_reply": (),
    "not_found_for": ("seconds",),
    "status": ("http", "code", "msg", "retry_after", "processed"),
    "silence": ("seconds",),
    "freeze": ("seconds",),
    "gap": ("messages",),
    "close": (),
    "maintenance": ("seconds",),
    "cancel_stops": (),
    "cancel_silently": (),
    "set_market": ("changes",),
    "skew": ("skew_ms", "drift_ppm"),
    "alter": ("find", "put"),
}


def _filled(where: str, kind: type[Match] | type[Do], given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: must be a table of fields, is {given!r}")
    known = {f.name.rstrip("_"): f for f in fields(kind)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{where}.{name}: unknown field; there are {', '.join(sorted(known))}")
        wanted = str(known[name].type)
        types: dict[str, tuple[type, ...]] = {
            "str": (str,),
            "int": (int,),
            "float": (int, float),
            "bool": (bool,),
            "Mapping[str, Any]": (Mapping,),
        }
        boolean = isinstance(value, bool) and wanted != "bool"
        if boolean or not isinstance(value, types[wanted]):
            raise ConfigError(f"{where}.{name}: must be {wanted}, is {value!r}")
        if isinstance(value, int | float) and value < 0 and name not in ("code", "skew_ms", "drift_ppm"):
            raise ConfigError(f"{where}.{name}: must not be negative, is {value!r}")
        found[known[name].name] = value
    return found


def _do(where: str, given: Any) -> Do:
    if isinstance(given, str):
        given = {"kind": given}
    values = _filled(where, Do, given)
    kind = values.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"{where}.kind: must be one of {', '.join(sorted(KINDS))}, is {kind!r}")
    for name in values:
        if name != "kind" and name not in _OWN[kind]:
            raise ConfigError(f"{where}.{name}: has no meaning for {kind!r}")
    for name in _NEEDS.get(kind, ()):
        if not values.get(name):
            raise ConfigError(f"{where}.{name}: {kind!r} needs it")
    if kind == "alter":
        try:
            re.compile(values["find"])
        except re.error as error:
            raise ConfigError(f"{where}.find: {values['find']!r} is no regular expression: {error}") from None
    if kind == "status" and not 400 <= values.get("http", 500) <= 599:
        raise ConfigError(f"{where}.http: must be 400 to 599, is {values['http']}")
    return Do(**values)


def _check(where: str, match: Match, do: Do) -> None:
    if match.face not in FITTING:
        raise ConfigError(f"{where}.match.face: must be one of {', '.join(FITTING)}, is {match.face!r}")
    if match.product not in ("", "spot", "usdm"):
        raise ConfigError(f"{where}.match.product: must be spot or usdm, is {match.product!r}")
    if not 0 <= match.probability <= 1:
        raise ConfigError(f"{where}.match.probability: must be 0 to 1, is {match.probability}")
    if do.kind not in FITTING[match.face]:
        raise ConfigError(f"{where}.do.kind: {do.kind!r} cannot happen on face {match.face!r}")
    if do.kind in ("set_market", "cancel_silently") and not match.symbol:
        raise ConfigError(f"{where}.match.symbol: {do.kind!r} needs it")


def rule_of(given: Any, where: str) -> Rule:
    """One rule from a table; ConfigError names the rule and the field."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: must be a table with match and do, is {given!r}")
    for name in given:
        if name not in ("name", "match", "do"):
            raise ConfigError(f"{where}.{name}: unknown field; there are name, match, do")
    name = given.get("name", where)
    if not isinstance(name, str):
        raise ConfigError(f"{where}.name: must be a text, is {name!r}")
    if "do" not in given:
        raise ConfigError(f"{where}.do: missing")
    place = where if name == where else f"{where} ({name})"
    match = Match(**_filled(f"{place}.match", Match, given.get("match", {})))
    do = _do(f"{place}.do", given["do"])
    _check(place, match, do)
    return Rule(name, match, do)


def rules_of(given: Any) -> list[Rule]:
    """The rules of a plan: {"rules": [...]}, a list, or one rule."""
    if isinstance(given, Mapping) and "rules" in given:
        given = given["rules"]
    elif isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list):
        raise ConfigError("a fault plan is a list of rules, or a table with `rules`")
    return [rule_of(one, f"rule {n}") for n, one in enumerate(given, start=1)]


def read_plan(path: Path) -> list[Rule]:
    """The rules in a TOML or JSON file."""
    text = path.read_text(encoding="utf-8")
    try:
        given = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        return rules_of(given)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
