"""`bot4 backtest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.research.gather import read_record
from bot4.research.metrics import summary_metrics
from bot4.research.verify import verify_no_look_ahead


def backtest(
    *,
    data: Path,
    strategy: str | None,
    model: Path | None,
    seed: int,
    start: str | None,
    end: str | None,
    verify: bool,
    out: Path | None,
    config: Path | None,
    sets: list[str],
    as_json: bool,
) -> dict[str, Any] | None:
    """Run, print or return the results."""
    settings = bootstrap.settings_of(config, sets, strategy)
    task = bootstrap.backtest_of(data, settings, model, seed, start, end)
    folder = bootstrap.journal_folder(out, "backtest")
    with bootstrap.new_journal(folder, settings) as journal, bootstrap.progress(as_json) as bar:
        summary = task.run(journal, bar)
        if verify:
            summary["look_ahead"] = verify_no_look_ahead(task, folder, bar)
    document = {**figures(folder), **summary, "journal": str(folder)}
    if as_json:
        return document
    bootstrap.shown(document, rows(document))
    return None


def figures(folder: Path) -> dict[str, Any]:
    """Sharpe ratio, drawdown and the rest, from the journal."""
    return summary_metrics(read_record(folder))


def number(value: float | None, form: str = ",.2f") -> str:
    """A number for people; a dash where it is undefined."""
    return "–" if value is None else format(value, form)


def share(value: float | None) -> str:
    """A fraction in percent; a dash where it is undefined."""
    return "–" if value is None else f"{value * 100:.3f} %"


def rows(d: dict[str, Any]) -> list[tuple[str, str]]:
    """The results as a table."""
    bounds = ""
    if d["ambiguous_bars"]:
        bounds = f" (pessimistic; {number(d['pnl_net_upper_bound'])} if every ambiguous bar had gone well)"
    lines = [
        ("net P&L after costs", number(d["pnl_net"]) + bounds),
        ("return after costs", share(d["return_net"])),
        ("equity", f"{number(d['equity_start'])} -> {number(d['equity_end'])}"),
        ("Sharpe (a year)", number(d.get("sharpe"))),
        ("max drawdown", share(d.get("max_drawdown") or 0.0)),
        (
            "fees | funding | gap loss",
            f"{number(d['fees'])} | {number(d['funding'])} | {number(d['gap_loss'])}",
        ),
        ("orders | fills | decisions", f"{d['orders']:,} | {d['fills']:,} | {d['decisions']:,}"),
        ("refused", ", ".join(f"{k} {v:,}" for k, v in sorted(d["refused"].items())) or "none"),
        ("events", f"{d['events']:,} at {d['events_per_second']:,.0f} a second"),
        ("mode at the end", f"{d['mode']} ({d['mode_reason']})" if d["mode"] != "normal" else "normal"),
        ("state hash", d["state_hash"]),
        ("journal", d["journal"]),
    ]
    if d["liquidations"]:
        lines.insert(6, ("liquidated", f"{d['liquidations']:,} position(s)"))
    if "look_ahead" in d:
        found = d["look_ahead"]
        lines.append(
            ("look-ahead check", "clean" if found["clean"] else f"FAILED: {found['differences'][0]}")
        )
    return lines
