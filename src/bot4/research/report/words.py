"""Numbers, dates and labels as a person reads them. Everything returned by `esc` is safe in HTML."""

from __future__ import annotations

import datetime as dt
import html
import math
from decimal import Decimal

NBSP = "\u00a0"
MINUS = "\u2212"
NONE = "\u2013"
"""What stands where a figure is not defined."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def esc(value: object) -> str:
    """Text for HTML, in an element or in a quoted attribute."""
    return html.escape(str(value), quote=True)


def number(value: float | Decimal | None, decimals: int = 2, sign: bool = False) -> str:
    """12345.678 -> '12,345.68'; NONE for None, NaN and inf; no sign on what rounds to zero."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{abs(value):,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def percent(fraction: float | None, decimals: int = 1, sign: bool = False) -> str:
    """0.031 -> '3.1 %'; one more figure than asked for below one percent, so that 0.13 % is not 0.1 %."""
    if fraction is None or not math.isfinite(fraction):
        return NONE
    if 0.0 < abs(fraction) < 0.01:
        decimals += 1
    return number(fraction * 100.0, decimals, sign) + NBSP + "%"


def count(value: int) -> str:
    """1234567 -> '1,234,567'."""
    return f"{int(value):,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """(2, 'trade') -> '2 trades'."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def moment(ns: int | None, seconds: bool = False) -> str:
    """'2024-06-01 00:00' in UTC (the table or caption says UTC); NONE for None."""
    if ns is None:
        return NONE
    when = _EPOCH + dt.timedelta(seconds=int(ns) // 10**9)
    return when.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def span(ns: float | None) -> str:
    """A duration in its two largest sensible units: '3 d 4 h', '2 h 5 min', '40 s'."""
    if ns is None or not math.isfinite(ns):
        return NONE
    seconds = int(abs(ns)) // 10**9
    if seconds >= 86400:  # to the nearest hour, so that 44 d 23:55 is 45 d
        seconds = (seconds + 1800) // 3600 * 3600
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days}{NBSP}d" + (f" {hours}{NBSP}h" if hours and days < 30 else "")
    if hours:
        return f"{hours}{NBSP}h" + (f" {minutes}{NBSP}min" if minutes else "")
    if minutes:
        return f"{minutes}{NBSP}min" + (f" {secs}{NBSP}s" if secs and minutes < 10 else "")
    return f"{secs}{NBSP}s"


def label(word: str) -> str:
    """A code's word for people: 'below_threshold' -> 'below threshold'."""
    return str(word).replace("_", " ")


def sense(value: float | None) -> str:
    """The CSS class of a result: 'pos', 'neg' or '' for nil and unknown."""
    if value is None or not math.isfinite(value) or value == 0:
        return ""
    return "pos" if value > 0 else "neg"


def decimals_for(size: float | None) -> int:
    """Decimals that show an amount of about `size` to five or more figures: 2 from 1,000 on, at most 8."""
    if size is None or not math.isfinite(size) or size <= 0:
        return 2
    return min(8, max(2, 5 - math.floor(math.log10(size))))
