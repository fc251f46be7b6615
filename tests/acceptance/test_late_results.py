"""S5: the result of a live run is told as of the last close of the UTC day; the journal keeps every figure."""

import io
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import exchange_of

from bot4.app.commands.backtest import rows
from bot4.app.commands.trade import delayed
from bot4.app.live import Screen, plain_line
from bot4.app.observer import Observer
from bot4.model.times import instant_ns, instant_text
from bot4.ports import journal as port
from bot4.research.closes import DAY, DELAY, RESULT, last_close, next_figures, published, until
from bot4.research.gather import read_record
from bot4.storage.journal import JournalReader
from helpers import markets as m


@pytest.mark.parametrize(
    ("now", "close", "following"),
    [
        ("2026-11-28T00:14:59Z", "2026-11-27T00:00:00Z", "2026-11-28T00:15:00Z"),
        ("2026-11-28T00:15:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:15:00Z"),
        ("2026-11-28T23:59:59Z", "2026-11-28T00:00:00Z", "2026-11-29T00:15:00Z"),
        ("2026-11-29T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:15:00Z"),
    ],
)
def test_a_close_is_public_a_quarter_of_an_hour_after_it(now, close, following):
    assert instant_text(last_close(instant_ns(now))) == close
    assert instant_text(next_figures(instant_ns(now))) == following


@pytest.fixture
async def ended(tmp_path):
    """A live run that made a round trip and ended; its folder, its document, its session."""
    async with exchange_of("perp", tmp_path) as stack:
        async with stack.session() as live:
            await live.enter()
            live.wish = -1.0
            await live.until(lambda: live.lots == stack.lots == -10, "the turn")
            document = await live.end()
    return stack.folder, document, live.session


def end_of(folder):
    """When the run ended, and what its journal says of its end."""
    [end] = [b.payload for b in JournalReader(folder).blocks(port.END)]
    return int(read_record(folder).equity["ts"][-1]), end["summary"]


def figures_in(value, found=()):
    """All numbers of a document."""
    if isinstance(value, dict):
        return [n for v in value.values() for n in figures_in(v)]
    if isinstance(value, list):
        return [n for v in value for n in figures_in(v)]
    return [value] if isinstance(value, float) else []


async def test_before_the_first_close_no_result_is_told_anywhere_and_after_it_all(ended, monkeypatch, capsys):
    folder, document, session = ended
    when, journalled = end_of(folder)
    assert journalled["pnl_net"] == document["pnl_net"] != 0  # the journal and the engine keep it
    assert session.results()["equity_end"] == journalled["equity_end"]
    secret = {journalled[name] for name in ("pnl_net", "return_net", "equity_end", "fees")} - {0.0}

    for now in (when + 1, last_close(when) + DAY + DELAY - 1):  # at once, and just before the next figures
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        late = delayed(folder, document)
        assert late["as_of"] is None and late["fills"] == document["fills"] > 0
        assert [late[name] for name in RESULT] == [None] * len(RESULT)
        assert not secret & set(figures_in(late))
        table = dict(rows({**late, "journal": str(folder)}))
        assert table["net P&L after costs"] == table["return after costs"] == "–"
        assert table["equity"].endswith("-> –")
        shown = m.bot4("show", "pnl", folder, "--json").doc
        assert shown["pnl"]["realised_net"] == "0" and shown["as_of"] is None
        assert m.bot4("show", "positions", folder, "--json").doc["positions"] == []
        assert len(m.bot4("show", "orders", folder, "--json").doc["orders"]) > 0
        refused = m.bot4("report", folder, "--out", folder.with_name("r.html"))
        assert refused.code == 7 and instant_text(next_figures(now)) in refused.err
        folded = m.bot4("replay", folder, "--json").doc
        assert not set(RESULT) & set(folded) and folded["state_hash"]
        why = m.bot4("why", folder, "--trade", 1, "--json").doc
        assert why["trade"]["pnl_after_fees"] is None and why["account"]["equity"] is None
        assert m.bot4("replay", folder, "--verify", "--json").doc["identical"]

    now = last_close(when) + DAY + DELAY
    monkeypatch.setattr(time, "time_ns", lambda: now)
    late = delayed(folder, document)
    assert late["as_of"] == instant_text(last_close(now))
    for name in ("pnl_net", "return_net", "equity_end", "fees", "funding"):
        assert late[name] == pytest.approx(journalled[name]), name
    shown = m.bot4("show", "pnl", folder, "--json").doc
    assert float(shown["pnl"]["realised_net"]) != 0 and shown["as_of"] == late["as_of"]
    assert m.bot4("report", folder, "--out", folder.with_name("r.html"), "--json").doc["pnl_net"] != 0
    assert m.bot4("why", folder, "--trade", 1, "--json").doc["trade"]["pnl_after_fees"] is not None


async def test_a_run_over_a_close_is_told_as_it_stood_then(ended):
    folder, _, _ = ended
    record = read_record(folder)
    first, last = int(record.fills["ts_local"][0]), int(record.fills["ts_local"][-1])
    cut = until(record, (first + last) // 2)
    assert 0 < len(cut.fills) < len(record.fills) and (cut.fills["ts_local"] <= (first + last) // 2).all()
    assert 0 < len(cut.equity) < len(record.equity)
    assert "funding_units" not in cut.summary and "state_hash" not in cut.summary
    assert "as of the last close" in cut.meta["warnings"][-1]
    assert until(record, last + DAY) is record
    # the same, by the calendar: the run as if it had been a day ago, with a close in its middle
    shift = last_close(first) + DAY - (first + last) // 2
    moved = record.__class__(
        meta=record.meta,
        **{name: _moved(getattr(record, name), shift) for name in ("fills", "orders", "decisions", "equity")},
        refusals=record.refusals,
        summary=record.summary,
    )
    close = last_close(first) + DAY
    told = published(moved, close + DELAY)
    assert told["as_of"] == instant_text(close) and told["funding"] is None
    upto = moved.equity[moved.equity["ts"] <= close]
    assert told["equity_end"] == pytest.approx(int(upto["equity"][-1]) * 10.0**-record.money_exp)
    assert published(moved, close + DELAY - 1)["equity_end"] is None


def _moved(rows, shift):
    rows = np.array(rows)
    for name in ("ts", "ts_local", "ts_venue", "ts_created", "ts_updated"):
        if name in rows.dtype.names:
            rows[name] += shift
    return rows


async def test_the_screen_shows_risk_of_now_and_the_result_of_the_last_close(ended):
    _, _, session = ended
    risk = session.engine.risk.state[0]
    now = int(risk["last_ts"])
    observer = Observer(session, synthetic=False, strategy="wish", speed=1.0, duration_s=None)
    account = observer.snapshot(now, 1.0)["account"]
    assert account["as_of"] is None and account["equity"] is None and account["drawdown"] >= 0.0
    assert not {"day", "realised", "fees", "funding"} & set(account)

    close = (now // DAY + 1) * DAY  # midnight comes
    risk["day"], risk["day_start_equity"] = (
        close // DAY,
        int(session.engine.ledger.account[0]["initial"]) + 5 * 10**8,
    )
    early = observer.snapshot(close + DELAY - 1, 2.0)["account"]
    assert early["as_of"] is None and early["next"] == instant_text(close + DELAY)
    snapshot = observer.snapshot(close + DELAY, 3.0)
    account, unit = snapshot["account"], 10.0**session.plan.money_exp
    assert account["as_of"] == instant_text(close)
    assert account["total"] == pytest.approx(5 * 10**8 / unit)
    risk["day"], risk["day_start_equity"] = close // DAY + 1, 1  # the next midnight: public 15 minutes later
    kept = observer.snapshot(close + DAY + DELAY - 1, 4.0)["account"]
    assert (kept["as_of"], kept["total"]) == (account["as_of"], account["total"])

    assert "positions" not in snapshot and snapshot["holdings"] == {"count": 0, "value": 0.0}
    snapshot["holdings"] = {"count": 2, "value": 1234.5}
    for text in (plain_line(snapshot), _drawn(snapshot)):
        assert "2 positions worth 1,234.50" in text and f"as of {account['as_of']}" in text
        assert not re.search(r"unrealised|entry|realised|today", text)
    assert f"from {early['next']} on" in plain_line({**snapshot, "account": early})


def _drawn(snapshot):
    console = Console(file=io.StringIO(), width=140, height=80, force_terminal=True, color_system=None)
    console.print(Screen(snapshot))
    return console.file.getvalue()


def test_paper_runs_and_backtests_are_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path))
    run = m.bot4(
        "run",
        "--for",
        "1s",
        "--json",
        "--out",
        tmp_path / "j",
        "--set",
        "run.warmup=10m",
        "--set",
        "run.speed=600",
    )
    assert isinstance(run.doc["pnl_net"], float) and "as_of" not in run.doc
    assert "as_of" not in m.bot4("show", "pnl", tmp_path / "j", "--json").doc
    assert m.bot4("report", tmp_path / "j", "--out", tmp_path / "r.html").code == 0
    assert "pnl_net" in m.bot4("replay", tmp_path / "j", "--json").doc
