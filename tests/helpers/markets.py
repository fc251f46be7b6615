"""Small made-up markets brought in by the real importer, and the command line called as a user does."""

import contextlib
import gzip
import io
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bot4.app import bootstrap, main
from bot4.app import config as configuration
from bot4.engine.intake import import_bars, import_frames
from bot4.ports.journal import FakeJournal
from bot4.research.backtest import Backtest
from bot4.research.session import Chosen, load
from bot4.storage.lake import Dataset

ROOT = Path(__file__).resolve().parents[2]
STRATEGIES = Path(__file__).resolve().with_name("strategies_for_tests.py")
START = 1_717_200_000  # 2024-06-01T00:00:00Z
S = 10**9

SHARED = Path(os.environ.get("BOT4_SHARED", ROOT / "../shared")).resolve()
if not SHARED.exists():
    SHARED = (ROOT / "../../shared").resolve()


# --- bars --------------------------------------------------------------------------------------


def walk(n, seed=7, step=60, price=40_000.0, vol=0.002, start=START):
    """Bars (ts s, open, high, low, close, volume) of a random walk on a grid of 0.1."""
    rng = random.Random(seed)
    rows = []
    last = price
    for k in range(n):
        opened = last
        last = round(opened * (1 + rng.gauss(0, vol)), 1)
        high = round(max(opened, last) * (1 + abs(rng.gauss(0, vol / 3))), 1)
        low = round(min(opened, last) * (1 - abs(rng.gauss(0, vol / 3))), 1)
        rows.append((start + k * step, opened, high, low, last, rng.randrange(1, 10**7) / 10**5))
    return rows


def quiet(n, step=60, price=40_000.0, start=START, half=10.0):
    """Bars that go nowhere: each opens and closes near `price` and reaches `half` to both sides."""
    rows = []
    for k in range(n):
        wobble = 0.1 * (k % 3)
        rows.append(
            (start + k * step, price, price + half, price - half, price + wobble, 100.0 + (k % 5) / 10**5)
        )
    return rows


def write_bars(path, rows, columns=("ts", "open", "high", "low", "close", "volume")):
    """The bars as csv, csv.gz or parquet, by the file's name."""
    if path.name.endswith(".parquet"):
        pl.DataFrame(
            [list(map(float, c)) if k else list(c) for k, c in enumerate(zip(*rows))], schema=list(columns)
        ).write_parquet(path)
        return path
    lines = [",".join(columns)]
    lines += [f"{ts},{o:.1f},{h:.1f},{low:.1f},{c:.1f},{v:.5f}" for ts, o, h, low, c, v in rows]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)
    return path


def bar_data(folder, rows, timeframe="1m", market="spot"):
    """A data set of these bars."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = write_bars(folder.parent / f"{folder.name}.csv", rows)
    import_bars(file, "BTC-USDT", timeframe, folder, market=market)
    return Dataset.open(folder)


# --- frames ------------------------------------------------------------------------------------


def frame_lines(seconds=420, seed=7, gap_ms=200, perp=True, vol=1.2):
    """Recorded lines of a consistent feed: a snapshot, then depth diffs, quotes and trades."""
    rng = random.Random(seed)
    mid, u, trade_id = 400_000, 100, 1
    book = {}

    def text(ticks):
        return f"{ticks // 10}.{ticks % 10}"

    def levels(m):
        return {m + s * (1 + k): 1 + (m + k) % 7 for k in range(8) for s in (-1, 1)}

    def send(data, ms, stream):
        body = data if stream is None else {"stream": stream, "data": data}
        return f"{(ms + 2) * 1_000_000} {json.dumps(body, separators=(',', ':'))}\n"

    drift = 0.0
    for k in range(seconds * 1000 // gap_ms):
        ms = START * 1000 + k * gap_ms
        drift = 0.98 * drift + rng.gauss(0, 0.25)
        moved = mid + round(rng.gauss(drift, 1.0) * vol * 10)
        new = levels(moved)
        if k == 0:
            sides = [
                [(text(p), f"{q}.000") for p, q in sorted(new.items()) if (p > moved) is ask]
                for ask in (False, True)
            ]
            yield send({"lastUpdateId": u, "E": ms, "T": ms, "bids": sides[0], "asks": sides[1]}, ms, None)
        else:
            changes = ([], [])
            for p in book.keys() - new.keys():
                changes[p > mid].append((text(p), "0.000"))
            for p, q in new.items():
                if book.get(p) != q or (p > mid) != (p > moved):
                    changes[p > moved].append((text(p), f"{q}.000"))
            for p in book.keys() & new.keys():  # a price that changed its side leaves the old one
                if (p > mid) != (p > moved):
                    changes[p > mid].append((text(p), "0.000"))
            data = {
                "e": "depthUpdate",
                "E": ms,
                "T": ms,
                "s": "BTCUSDT",
                "U": u + 1,
                "u": u + 3,
                "b": changes[0],
                "a": changes[1],
            }
            if perp:
                data["pu"] = u
            u += 3
            yield send(data, ms, "btcusdt@depth@0ms")
        mid, book = moved, new
        yield send(
            {
                "e": "bookTicker",
                "u": u,
                "s": "BTCUSDT",
                "b": text(mid - 1),
                "B": f"{book[mid - 1]}.000",
                "a": text(mid + 1),
                "A": f"{book[mid + 1]}.000",
                "T": ms,
                "E": ms,
            },
            ms,
            "btcusdt@bookTicker",
        )
        sold = rng.random() < 0.5
        yield send(
            {
                "e": "trade",
                "E": ms,
                "T": ms,
                "s": "BTCUSDT",
                "t": trade_id,
                "p": text(mid - 1 if sold else mid + 1),
                "q": f"0.{rng.randrange(1, 999):03d}",
                "X": "MARKET",
                "m": sold,
            },
            ms,
            "btcusdt@trade",
        )
        trade_id += 1


def frame_file(path, **kind):
    """Those lines as a .gz file."""
    path.write_bytes(gzip.compress("".join(frame_lines(**kind)).encode(), compresslevel=1))
    return path


def frame_data(folder, venue="binance-usdm", **kind):
    """A data set of those frames."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    import_frames(frame_file(folder.parent / f"{folder.name}.gz", **kind), venue, folder)
    return Dataset.open(folder)


# --- running -----------------------------------------------------------------------------------


def task(data, strategy="hybrid", *sets, model=None, seed=7):
    """A backtest; `strategy` is a name, or a strategy object that is called in this process."""
    named = isinstance(strategy, str)
    settings = bootstrap.settings_of(None, list(sets), strategy if named else None)
    made = bootstrap.backtest_of(data.folder, settings, model, seed)
    if not named:
        made = Backtest(
            data,
            settings.values,
            settings.to_json(),
            Chosen("test", "cold", strategy, None, None),
            load(model),
            seed,
        )
    return made


def run_task(data, strategy="hybrid", *sets, model=None, seed=7):
    """(results, journal in memory)."""
    journal = FakeJournal()
    return task(data, strategy, *sets, model=model, seed=seed).run(journal), journal


def rows_of(journal, kind):
    """All rows of a kind of block, as a list of records."""
    return [row for k, payload in journal.blocks if k == kind for row in payload]


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def doc(self):
        """The one JSON document on stdout; fails when there is anything else."""
        return json.loads(self.out)


def bot4(*arguments, **also):
    """`bot4 ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.main([str(a) for a in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Answer(code, out.getvalue(), err.getvalue())


def environment(**more):
    """The environment of a process that runs this very source."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **{k: str(v) for k, v in more.items()}}


def start_bot4(*arguments, **more):
    """`bot4 ARGUMENTS` as a process of its own, not waited for."""
    command = [sys.executable, "-m", "bot4.app.main", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more)
    )


def process(*arguments, **more):
    """`bot4 ARGUMENTS` as a process of its own."""
    child = start_bot4(*arguments, **more)
    out, err = child.communicate(timeout=300)
    return Answer(child.returncode, out, err)


def defaults():
    """The configuration with nothing set."""
    return configuration.load()
