"""(c) SMA 20/50 on 500,000 one-minute bars: bot4 event-driven, backtesting.py, vectorbt, nautilus_trader.

    python benchmarks/bars_sma.py --peer-python bars=PATH --peer-python vbt=PATH \\
        --peer-python nautilus=PATH [--save]

Bars: the 45,031 recorded ones, repeated, every other copy reversed in time so that the price stays
continuous. Rule: long while the mean of 20 closes is above the mean of 50, flat otherwise; decided at a
bar's close, filled at the next bar's open; fee 5 bp, no spread, no impact, fixed size, limits wide.
nautilus_trader fills at the close of the deciding bar, which is its way with bars.

bot4 runs the whole engine for every bar (quality checks, features, risk verdicts, gate, stop order for each
position, ledger, journal in memory). vectorbt is array code, not event-driven; it is asked for the trades
only.

Parity: number of trades and the bar of every entry and exit against a plain numpy reading of the rule in exact
integers. Where both means are exactly equal, binary floating point may say "above" or not: an entry or
exit may then stand one decision earlier or later, and is counted apart. backtesting.py looks at the rule one
bar later at the very start (it skips the first bar on which all indicators stand), which can move its first entry.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bot4.app import config
from bot4.app.bootstrap import backtest_of
from bot4.engine.intake import import_bars
from bot4.model.codes_nb import EV_FILL
from bot4.ports import journal as port
from bot4.ports.journal import FakeJournal
from bot4.research.backtest import Backtest, fold
from common import BARS, Here, Peer, figures, finish, interleave, interpreters, options, ratio, start_peer

FAST, SLOW = 20, 50
MINUTE = 60 * 10**9
SETTINGS = [
    "strategy.name=trend_cross",
    f"strategy.fast={FAST}",
    f"strategy.slow={SLOW}",
    "strategy.fixed_size=0.01",
    "strategy.time_stop=1000000000",
    "account.capital=1000000 USDT",
    "fees.maker=5 bp",
    "fees.taker=5 bp",
    "venue.latency=constant",
    "venue.entry_latency=0s",
    "venue.response_latency=0s",
    "venue.half_spread=0 bp",
    "venue.impact=0 bp",
    "venue.volume_share=100 %",
    "risk.max_order=100 %",
    "risk.max_position=100 %",
    "risk.max_asset=100 %",
    "risk.max_open_risk=100 %",
    "risk.daily_loss=100 %",
    "risk.drawdown_soft=99 %",
    "risk.drawdown_hard=100 %",
    "risk.drawdown_day=100 %",
    "risk.stop_atr=1000000",
    "risk.target_r=1",
    "risk.emergency_stop=99 %",
    "quality.outlier_move=100 %",
    "safety.max_order_value=1000000 USDT",
]


def sound(o: Decimal, h: Decimal, low: Decimal, c: Decimal) -> bool:
    """Whether a bar is one: the importer refuses others, and no contestant is given them."""
    return 0 < low <= min(o, c) and h >= max(o, c)


def in_base(row: tuple[str, ...]) -> str:
    """The bar's volume in base currency; the file's is in quote currency."""
    return f"{Decimal(row[4]) / Decimal(row[3]):.3f}"


def tile(source: Path, target: Path, count: int) -> None:
    """Write `count` bars made of the source's, every other copy reversed in time."""
    opener = gzip.open if source.suffix == ".gz" else open
    with opener(source, "rt") as file:  # type: ignore[operator]
        rows = [tuple(row[1:6]) for row in list(csv.reader(file))[1:]]
    rows = [(*row[:4], in_base(row)) for row in rows if sound(*map(Decimal, row[:4]))]
    back = [(c, h, low, o, v) for o, h, low, c, v in reversed(rows)]
    start = dt.datetime(2021, 12, 31, 23, 1, tzinfo=dt.UTC)
    with target.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for k in range(count):
            copy, at = divmod(k, len(rows))
            stamp = (start + dt.timedelta(minutes=k)).strftime("%Y-%m-%d %H:%M:%S")
            out.writerow([stamp, *(back if copy % 2 else rows)[at]])


def plain_reading(path: Path) -> tuple[list[int], list[int], set[int]]:
    """Bars at whose open the rule enters and leaves, by numpy alone; and those decided by a tie of the means."""
    with path.open() as file:
        closes = [Decimal(row["close"]) for row in csv.DictReader(file)]
    scale = 10 ** max(-int(c.as_tuple().exponent) for c in closes)
    sums = np.concatenate([[0], np.cumsum([int(c * scale) for c in closes])])
    k = np.arange(SLOW - 1, len(closes))
    fast, slow = (sums[k + 1] - sums[k + 1 - FAST]) * SLOW, (sums[k + 1] - sums[k + 1 - SLOW]) * FAST
    up = fast > slow
    ties = np.flatnonzero(fast == slow) + SLOW  # the bar after the deciding one
    wanted = np.zeros(len(closes) + 1, bool)
    wanted[k + 1] = up  # decided at the close of k, held from the open of k + 1
    change = np.diff(wanted.astype(int), prepend=0)
    at = change[: len(closes)]
    doubtful = set(ties.tolist()) | set((ties + 1).tolist())
    return np.flatnonzero(at == 1).tolist(), np.flatnonzero(at == -1).tolist(), doubtful


def task_of(path: Path, work: Path) -> tuple[Backtest, np.ndarray[Any, Any]]:
    """The backtest of the bars, and its events."""
    data = work / "data"
    if not (data / "dataset.json").exists():
        import_bars(path, "BTC-USDT", "1m", data)
    task = backtest_of(data, config.load(None, SETTINGS), None, 7)
    return task, np.concatenate(list(task.feed()))


def fills_of(journal: FakeJournal, first: int) -> tuple[list[int], list[int]]:
    """Bars of the entries and of the exits, from the journalled fills."""
    inputs = [rows["event"] for kind, rows in journal.blocks if kind == port.INPUTS]
    events = np.concatenate(inputs)
    fills = events[events["kind"] == EV_FILL]
    bars = ((fills["ts_venue"] - first) // MINUTE).tolist()
    return bars[0::2], bars[1::2]


def contestant(task: Backtest, events: np.ndarray[Any, Any], keep: list[Any]) -> Here:
    """bot4; `keep` takes the journal of the last repeat."""

    def prepare() -> tuple[Any, FakeJournal, int]:
        journal = FakeJournal()
        session, _, end = task.session(journal)
        session.driver.warm()
        return session, journal, end

    def run(made: tuple[Any, FakeJournal, int]) -> tuple[Any, FakeJournal]:
        session, journal, end = made
        fold(session, [events], end, len(events), None)
        return session, journal

    def after(done: tuple[Any, FakeJournal]) -> dict[str, Any]:
        keep[:] = done
        results = done[0].results()
        return {name: results[name] for name in ("events", "orders", "fills", "refused", "fees", "pnl_net")}

    return Here("bot4", prepare, run, after)


def agreement(
    ours: tuple[list[int], list[int]], plain: tuple[list[int], list[int], set[int]]
) -> dict[str, int]:
    """Entries and exits that are in one reading only, and how many differ by a tie of the means."""
    entries, exits = set(ours[0]) ^ set(plain[0]), set(ours[1]) ^ set(plain[1])
    return {
        "entries": len(ours[0]),
        "entries_not_shared": len(entries - plain[2]),
        "exits": len(ours[1]),
        "exits_not_shared": len(exits - plain[2]),
        "by_ties": len(entries & plain[2]) + len(exits & plain[2]),
    }


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "")
    parser.add_argument("--bars", type=Path, default=BARS)
    parser.add_argument("--count", type=int, default=500_000)
    a = parser.parse_args()
    pythons = interpreters(a.peer_python)
    missing: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.csv"
        tile(a.bars, path, a.count)
        plain = plain_reading(path)
        task, events = task_of(path, Path(folder))
        kept: list[Any] = []
        us = contestant(task, events, kept)
        us.once()
        first = int(events["ts_venue"][0])
        parity: dict[str, Any] = {
            "plain": {"entries": len(plain[0]), "exits": len(plain[1])},
            "bot4": agreement(fills_of(kept[1], first), plain),
        }
        peers: list[Peer] = []
        for key, name, script in (
            ("bars", "backtesting.py", "bars_backtesting.py"),
            ("vbt", "vectorbt", "bars_vectorbt.py"),
            ("nautilus", "nautilus_trader", "bars_nautilus.py"),
        ):
            peer = start_peer(missing, pythons, key, name, script, "--bars", str(path))
            if peer is not None:
                peers.append(peer)
                found = peer.once()["result"]
                parity[name] = agreement((found["entries"], found["exits"]), plain)
        parity["ok"] = parity["bot4"]["entries_not_shared"] == parity["bot4"]["exits_not_shared"] == 0
        rounds = interleave([us, *peers], a.repeats, warm=True)
        table = [figures(one, rounds[one.name], a.count) for one in (us, *peers)]
        table[0]["result"] = rounds["bot4"][-1]["result"]
        for peer in peers:
            peer.close()
    names = [peer.name for peer in peers]
    return finish(
        "bars_sma",
        {
            "title": f"(c) SMA {FAST}/{SLOW} on {a.count:,} one-minute bars",
            "unit": "bar",
            "rows": table,
            "ratios_cpu": {f"bot4 / {name}": ratio(table, "bot4", name) for name in names},
            "ratios_wall": {f"bot4 / {name}": ratio(table, "bot4", name, "per_s_wall") for name in names},
            "goals": {f"bot4 / {name}": 1 for name in names},
            "parity": parity,
            "missing": missing,
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
