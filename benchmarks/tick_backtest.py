"""(a) A quoting strategy over one recorded tick stream: bot4, hftbacktest, nautilus_trader.

    python benchmarks/tick_backtest.py --peer-python hft=PATH --peer-python nautilus=PATH [--save]

One bid and one ask of 0.01 BTC at the touch, looked at each 100 ms: quotes move against the inventory by
round(position / 0.05) ticks, a quote at the wrong price is cancelled and placed anew, a side stops
at 0.2 BTC. Post-only, 10 ms to the venue and 10 ms back, risk-averse queue, no partial fills, maker fee
-0.5 bp, taker fee 7 bp, feed latency as recorded (the recorder's clock shifted to a least latency of 1 ms).

Input: depth and trade frames of the recorded file; bookTicker frames are left out for all three, because
hftbacktest's book cannot use them. An event is one depth level or one trade.

bot4 runs its whole engine: quality checks, sequence checks, its own book, risk verdicts and gate for every
order, a ledger, the protection timer, stop and target orders for every position (the peers send
none), every order, answer and equity sample journalled in memory.

Parity: the feed's events are compared one by one with hftbacktest's array; then each submitted quote
(time, side, price), the number of cancels and fills, the position and the fees must be equal.
nautilus_trader has no queue model: its fills differ by design, its figures are shown.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bot4.app import config
from bot4.app.bootstrap import backtest_of
from bot4.engine.intake import import_frames
from bot4.model.codes_nb import (
    ACT_CANCEL,
    ACT_NEW,
    EV_BOOK_TICKER,
    EV_DEPTH,
    EV_FUNDING,
    EV_TRADE,
    FLAG_BID,
    FLAG_BUYER_MAKER,
    FOR_QUOTE,
)
from bot4.ports import journal as port
from bot4.ports.journal import FakeJournal
from bot4.research.backtest import Backtest, fold
from common import TICKS, Here, Peer, figures, finish, interleave, interpreters, options, ratio, start_peer

SETTINGS = [
    "strategy.name=quoter",
    "venue.latency=constant",
    "venue.entry_latency=10ms",
    "venue.response_latency=10ms",
    "venue.queue=risk_averse",
    "venue.partial_fills=false",
    "fees.maker=-0.5 bp",
    "fees.taker=7 bp",
    "account.capital=1000000 USDT",
    "risk.max_order=100 %",
    "risk.max_position=100 %",
    "risk.max_asset=100 %",
    "risk.max_open_risk=100 %",
    "safety.max_order_value=1000000 USDT",
    "safety.max_open_orders=1000",
    "safety.max_orders_per_second=100000",
]
CHUNK = 262_144
Rows = np.ndarray[Any, Any]


def task_of(frames: Path, work: Path) -> tuple[Backtest, Rows]:
    """The backtest of the imported file, and its events without bookTicker and funding."""
    data = work / "data"
    if not (data / "dataset.json").exists():
        import_frames([frames], "binance-usdm", data)
    task = backtest_of(data, config.load(None, SETTINGS), None, 7)
    events = np.concatenate(list(task.feed()))
    wanted = (events["kind"] != EV_BOOK_TICKER) & (events["kind"] != EV_FUNDING)
    return task, np.ascontiguousarray(events[wanted])


def contestant(task: Backtest, events: Rows, keep: list[Any] | None = None) -> Here:
    """bot4 as a contestant; `keep` takes the journal of the last repeat."""

    def prepare() -> tuple[Any, FakeJournal, int]:
        journal = FakeJournal()
        session, _, end = task.session(journal)
        session.driver.warm()
        return session, journal, end

    def run(made: tuple[Any, FakeJournal, int]) -> tuple[Any, FakeJournal]:
        session, journal, end = made
        chunks = [events[i : i + CHUNK] for i in range(0, len(events), CHUNK)]
        fold(session, chunks, end, len(events), None)
        return session, journal

    def after(done: tuple[Any, FakeJournal]) -> dict[str, Any]:
        session, journal = done
        if keep is not None:
            keep[:] = [session, journal]
        return dict(session.results())

    return Here("bot4", prepare, run, after)


def quotes_of(journal: FakeJournal) -> tuple[Rows, dict[str, int]]:
    """The submitted quotes (time, side, tick) and the counts of everything sent."""
    sent = np.concatenate([rows for kind, rows in journal.blocks if kind == port.ORDERS])
    quotes = sent["purpose"] == FOR_QUOTE
    new, cancel = sent["action"] == ACT_NEW, sent["action"] == ACT_CANCEL
    mine = sent[quotes & new]
    rows = np.column_stack([mine["ts_created"], mine["side"].astype(np.int64), mine["price"]])
    counts = {
        "quotes": int((quotes & new).sum()),
        "quote_cancels": int((quotes & cancel).sum()),
        "protective_orders": int((~quotes & new).sum()),
        "protective_cancels": int((~quotes & cancel).sum()),
    }
    return rows, counts


def feed_differences(events: Rows, feed: Rows) -> dict[str, int]:
    """Events that are not the same in both inputs, by what differs."""
    kinds = feed["ev"] & 0xFF
    local = feed[((feed["ev"] >> 30) & 1 == 1) & np.isin(kinds, (1, 2, 4))]
    ours = events[np.isin(events["kind"], (EV_DEPTH, EV_TRADE))]
    found = {"events": abs(len(local) - len(ours))}
    if found["events"]:
        return found
    trade = ours["kind"] == EV_TRADE
    buy = np.where(trade, (ours["flags"] & FLAG_BUYER_MAKER) == 0, (ours["flags"] & FLAG_BID) != 0)
    found["local_time"] = int((local["local_ts"] != ours["ts_local"]).sum())
    found["venue_time"] = int((local["exch_ts"] != ours["ts_venue"]).sum())
    found["price"] = int((np.rint(local["px"] * 10) != ours["price"]).sum())
    found["quantity"] = int((np.rint(local["qty"] * 1000) != ours["qty"]).sum())
    found["side"] = int((((local["ev"] >> 29) & 1 == 1) != buy).sum())
    return found


def compare(events: Rows, kept: list[Any], log: Path, theirs: dict[str, Any]) -> dict[str, Any]:
    """Parity with hftbacktest: the feed, each quote, counts, position, fees."""
    session, journal = kept
    results = session.results()
    rows, counts = quotes_of(journal)
    saved = np.load(log)
    n = min(len(rows), len(saved["orders"]))
    equal = bool(len(rows) == len(saved["orders"]) and np.array_equal(rows, saved["orders"]))
    differ = np.flatnonzero((rows[:n] != saved["orders"][:n]).any(axis=1))
    feed = feed_differences(events, saved["feed"])
    qty = int(session.engine.ledger.positions[0]["qty"])
    checks = {
        "feed_equal": not any(feed.values()),
        "quotes_equal": equal,
        "cancels_equal": counts["quote_cancels"] == theirs["cancels"],
        "fills_equal": results["fills"] == theirs["fills"],
        "position_equal": qty == round(theirs["position"] * 1000),
        "fees_equal": abs(results["fees"] - theirs["fees"]) < 1e-6,
        "pnl_before_funding_within_a_tick": abs(results["pnl_net"] + results["funding"] - theirs["pnl"])
        < 0.01,
    }
    return {
        "ok": all(checks.values()),
        **checks,
        "feed_differences": feed,
        "first_different_quote": None if equal or not len(differ) else int(differ[0]),
        "bot4": {
            **counts,
            "fills": results["fills"],
            "position": qty / 1000,
            "fees": results["fees"],
            "funding": results["funding"],
            "pnl_net": results["pnl_net"],
        },
        "hftbacktest": theirs,
    }


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "")
    parser.add_argument("--frames", type=Path, default=TICKS)
    parser.add_argument("--work", type=Path, help="folder kept between runs (default: a new one)")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = a.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        return measure(a, work, Path(folder))


def measure(a: Any, work: Path, scratch: Path) -> int:
    """Parity, then the interleaved repeats."""
    pythons = interpreters(a.peer_python)
    task, events = task_of(a.frames, work)
    kept: list[Any] = []
    us = contestant(task, events, kept)
    us.once()
    rows, counts = quotes_of(kept[1])
    start = str(int(rows[0, 0]))
    missing: list[str] = []
    log = scratch / "hft.npz"
    common = ("--frames", str(a.frames), "--start", start)
    hft = "tick_hftbacktest.py"
    roi = start_peer(missing, pythons, "hft", "hftbacktest, array book", hft, *common, "--book", "roi")
    general = start_peer(
        missing,
        pythons,
        "hft",
        "hftbacktest, hash map book",
        hft,
        *common,
        "--book",
        "hash",
        "--log",
        str(log),
    )
    nautilus = start_peer(missing, pythons, "nautilus", "nautilus_trader", "tick_nautilus.py", *common)
    peers: list[Peer] = [p for p in (general, roi, nautilus) if p is not None]
    parity: dict[str, Any] = {"ok": True, "bot4": counts}
    if general is not None:
        parity = compare(events, kept, log, general.once()["result"])
    units = int(np.isin(events["kind"], (EV_DEPTH, EV_TRADE)).sum())
    rounds = interleave([us, *peers], a.repeats)
    table = []
    for one in (us, *peers):
        row = figures(one, rounds[one.name], units)
        row["result"] = rounds[one.name][-1]["result"]
        table.append(row)
        one.close()
    ratios = {
        f"bot4 / {name}": ratio(table, "bot4", name, key)
        for name, key in ((p.name, "per_s_cpu") for p in peers)
    }
    walls = {f"bot4 / {p.name}": ratio(table, "bot4", p.name, "per_s_wall") for p in peers}
    return finish(
        "tick_backtest",
        {
            "title": "(a) Tick backtest, quoting strategy",
            "unit": "source event",
            "rows": table,
            "ratios_cpu": ratios,
            "ratios_wall": walls,
            "goals": {
                "bot4 / hftbacktest, hash map book": 2,
                "bot4 / hftbacktest, array book": 2,
                "bot4 / nautilus_trader": 20,
            },
            "parity": parity,
            "missing": missing,
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
