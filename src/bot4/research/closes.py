"""When the result of a live run is told: as of the last close of the UTC day, a quarter of an hour after it.

A person who watches every tick of the profit wants to act on it. So the figures of a live run are those of
the last close (00:00 UTC) from 00:15 on until the next one; there is no setting that makes it otherwise. The
journal keeps every figure as it is. Paper runs and backtests are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot4.model.times import NS, instant_text
from bot4.research.metrics import summary_metrics
from bot4.research.record import RunRecord

DAY = NS["d"]
DELAY = 15 * NS["m"]
DELAYED = "live"
"""The kind of run whose result is told late."""
RESULT = ("pnl_net", "pnl_net_upper_bound", "return_net", "equity_end", "fees", "funding", "gap_loss")
"""What a run's summary says of its result."""


def last_close(now_ns: int) -> int:
    """The last close whose figures are public at `now_ns` (both ns UTC)."""
    return (now_ns - DELAY) // DAY * DAY


def next_figures(now_ns: int) -> int:
    """When the figures of the next close become public, ns UTC."""
    return last_close(now_ns) + DAY + DELAY


def until(record: RunRecord, close: int) -> RunRecord:
    """The run as it stood at `close` (ns UTC): its samples, fills, orders and decisions until then.

    What only a run's end tells (funding, measured gap loss) is left out unless the run had ended.
    """
    equity = record.equity
    ended = bool(len(equity)) and int(equity["ts"][-1]) <= close
    if ended:
        return record
    warning = (
        f"a live run is reported as of the last close, {instant_text(close)}; funding until then is inside "
        "the result, and not shown apart"
    )
    gone = ("funding_units", "gap_loss_units", "events", "decision_hash", "state_hash")
    return replace(
        record,
        meta={**record.meta, "warnings": [*record.meta.get("warnings", []), warning], "bounds": None},
        equity=equity[equity["ts"] <= close],
        fills=record.fills[record.fills["ts_local"] <= close],
        orders=record.orders[record.orders["ts_created"] <= close],
        decisions=record.decisions[record.decisions["ts"] <= close],
        summary={name: value for name, value in record.summary.items() if name not in gone},
    )


def published(record: RunRecord, now_ns: int) -> dict[str, Any]:
    """The result of a live run as it is public at `now_ns`, in the words of a run's summary.

    `as_of` is None, and so are all figures, before the first close after the run began; `next` says when the
    next ones come.
    """
    close = last_close(now_ns)
    cut = until(record, close)
    known = len(cut.equity) > 0
    figures = summary_metrics(cut)
    costs = figures["costs"]
    ended = cut is record
    found: dict[str, Any] = dict.fromkeys(RESULT)
    if known:
        found |= {
            "pnl_net": figures["pnl_net"],
            "return_net": figures["total_return"],
            "equity_end": figures["end_equity"],
            "fees": costs["fees"],
            "funding": costs["funding"] if ended else None,
            "gap_loss": costs["gap_loss"],
        }
    return {**found, **when(close if known else None, now_ns)}


def when(close: int | None, now_ns: int) -> dict[str, str | None]:
    """`as_of` and `next` as text."""
    return {
        "as_of": None if close is None else instant_text(close),
        "next": instant_text(next_figures(now_ns)),
    }


def is_delayed(meta: Mapping[str, Any]) -> bool:
    """Whether the result of the run that `meta` describes is told late."""
    return meta.get("kind") == DELAYED
