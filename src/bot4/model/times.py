"""Durations and instants at the edges: text to integer nanoseconds UTC and back."""

from __future__ import annotations

import datetime as dt
import re

from bot4.model.errors import ConfigError

NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def duration_ns(text: str | int) -> int:
    """'250ms', '1m', '1h30m' or a bare number of seconds, in ns; ConfigError if it is none."""
    raw = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", raw):
        raw += "s"
    parts = _DURATION.findall(raw)
    if not parts or "".join(n + u for n, u in parts) != raw:
        raise ConfigError(f"{text!r} is not a duration; write for example 500ms, 30s, 1m, 4h, 1d")
    total = 0
    for number, unit in parts:
        whole, _, frac = number.partition(".")
        total += int(whole) * NS[unit] + (int(frac) * NS[unit] // 10 ** len(frac) if frac else 0)
    return total


def duration_text(ns: int) -> str:
    """The largest unit that divides `ns`: 60_000_000_000 -> '1m'."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if ns and ns % NS[unit] == 0:
            return f"{ns // NS[unit]}{unit}"
    return f"{ns}ns"


def instant_ns(text: str) -> int:
    """ISO-8601 (UTC unless it names an offset) or integer ns, as ns UTC."""
    if re.fullmatch(r"-?\d{16,20}", text):
        return int(text)
    try:
        when = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"{text!r} is not an instant; write for example 2024-08-08T23:55:00Z") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    delta = when - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 10**9 + delta.microseconds * 1000


def instant_text(ns: int) -> str:
    """ISO-8601 in UTC, with as many decimals as the instant has (3, 6 or 9)."""
    seconds, rest = divmod(int(ns), 10**9)
    base = (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if rest == 0:
        return base + "Z"
    digits = f"{rest:09d}"
    for keep in (3, 6, 9):
        if set(digits[keep:]) <= {"0"}:
            return f"{base}.{digits[:keep]}Z"
    return f"{base}.{digits}Z"
