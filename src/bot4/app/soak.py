"""The soak of the live stack: an exchange and a run, as processes of their own, for minutes or for a day.

The run is `bot4 run --endpoint`, unchanged, with the strategy of the kill drill. This process is its user: it
says `bot4 mode pause`, `reduce`, `emergency` and `bot4 resume` (signed), lets things go wrong at the
exchange, and now and then raises the kill switch, looks whether the account is flat, releases the mark and
starts the next run. It reads memory, open files and threads of both processes from /proc. Control folder,
keys and marks are the soak's own: no other run on the machine hears it.
"""

from __future__ import annotations

import contextlib
import csv
import http.client
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bot4.app import drill_flip
from bot4.app.drill import SYMBOL, start_exchange
from bot4.app.drill_books import Books, Exchange
from bot4.model.errors import OperatorError
from bot4.safety.authority import new_keys

SETS = (
    "strategy.fixed_size=0.01",
    "quality.outlier_move=90 %",
    "quality.stale_after=1m",
    "safety.cooldown=0s",
    "risk.drawdown_soft=98 %",
    "risk.drawdown_hard=99 %",
    "risk.drawdown_day=99 %",
    "risk.daily_loss=99 %",
    "live.not_found_time=3s",
    "live.turnover_cap=1000000000 USDT",
    "panic.error_rate=100 %",
    "panic.latency=1m",
    "panic.stale_after=1m",
)
"""The faults are meant: a run must outlive them, so what would rightly stop it for them is set wide."""

ORDER = {"method": "POST", "path": "/fapi/v1/order"}
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reply lost": ({**ORDER, "count": 1}, {"kind": "accept_then_lose_reply"}),
    "slow": ({"for": 2.0}, {"kind": "delay", "ms": 150.0}),
    "market stream closes": ({"face": "ws", "count": 1}, {"kind": "close"}),
    "private stream closes": ({"face": "user", "count": 1}, {"kind": "close"}),
    "gap in the book": ({"face": "ws", "count": 1}, {"kind": "gap", "messages": 3}),
    "news told twice": ({"face": "user", "count": 5}, {"kind": "duplicate"}),
    "orders refused": (
        {**ORDER, "count": 6},
        {"kind": "status", "http": 400, "code": -2019, "msg": "Margin"},
    ),
    "maintenance": ({"face": "time"}, {"kind": "maintenance", "seconds": 2.0}),
}
WORDS = ("pause", "resume", "reduce", "resume", "emergency", "resume")
WORD_S = 20.0
"""Within so long an account must be flat after an emergency."""
RESUME_S = 150.0
"""Within so long there must be a trade after a resume; an open breaker holds orders for a minute."""
START_S = 120.0
END_S = 60.0
SLOPE_S = 3600.0
"""A slope is judged when so much of a life, after its warm-up, was watched; less is told, not judged."""
FILES_MORE, THREADS_MORE = 8, 2
MB = 1e6


class Seen(NamedTuple):
    """One look at a process: seconds since the soak began, its life, bytes in memory, open files, threads."""

    at: float
    life: int
    who: str
    rss: int
    files: int
    threads: int


def look(pid: int, at: float, life: int, who: str) -> Seen | None:
    """Read /proc; None when the process is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        pages = int((folder / "statm").read_text(encoding="ascii").split()[1])
        files = len(list((folder / "fd").iterdir()))
        threads = len(list((folder / "task").iterdir()))
    except OSError:
        return None
    return Seen(at, life, who, pages * os.sysconf("SC_PAGE_SIZE"), files, threads)


@dataclass
class Tally:
    """What happened, and what should have happened and did not."""

    seen: list[Seen] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    trades: int = 0
    breaker_opened: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One `bot4 run` and its exchange account."""

    process: subprocess.Popen[bytes]
    books: Books
    out: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid


class Soak:
    """Carries the soak out. `exchange` is the port of one that is served; `base` a folder for all of it."""

    def __init__(
        self, base: Path, port: int, exchange_pid: int, seed: int, tell: Callable[[float, str], None]
    ) -> None:
        self.tally = Tally()
        self._base = base
        self._port = port
        self._exchange_pid = exchange_pid
        self._chance = random.Random(seed)
        self._tell = tell
        self._begin = time.monotonic()
        self._bar = "1s"
        self._fills = 0
        phrase = secrets.token_urlsafe(24)
        self._env = {
            **os.environ,
            "BOT4_CONTROL_DIR": str(base / "control"),
            "BOT4_KEY_DIR": str(base / "keys"),
            "BOT4_STATE_DIR": str(base / "state"),
            "BOT4_RELEASE_PASSPHRASE": phrase,
        }
        new_keys(base / "keys", phrase)

    # --- processes ---------------------------------------------------------------------------------------
    def _bot4(self, *words: str) -> dict[str, Any]:
        """One command of the operator; OperatorError when it fails."""
        command = [sys.executable, "-m", "bot4.app.main", *words, "--json"]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise OperatorError(f"bot4 {' '.join(words)}: {done.stderr.strip()[-300:]}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _start(self, life: int) -> Run:
        out, owner = self._base / f"journal-{life}", f"soak{life}"
        command = [
            *(sys.executable, "-m", "bot4.app.main", "run", "--json", "--venue", "binance-usdm"),
            *("--endpoint", f"http://127.0.0.1:{self._port}", "--symbol", SYMBOL, "--out", str(out)),
            *("--strategy", f"{Path(drill_flip.__file__).resolve()}:Flip", "--set", f"live.owner={owner}"),
            *("--set", f"bars.interval={self._bar}"),
            *(part for item in SETS for part in ("--set", item)),
        ]
        log = self._base / f"run-{life}"
        with log.with_suffix(".json").open("wb") as said, log.with_suffix(".log").open("wb") as told:
            process = subprocess.Popen(command, env=self._env, stdout=said, stderr=told)
        return Run(process, Books(out, Exchange(self._port, f"practice-{owner}", SYMBOL)), out)

    def _until(self, run: Run, seconds: float, done: Callable[[], bool]) -> bool:
        """Wait until `done`; False when the time is up or the run has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done():
                return True
            if run.process.poll() is not None:
                return False
            time.sleep(0.1)
        return False

    def _trades(self, run: Run) -> int:
        """Fills at the exchange, of whomever; asked where it costs no rate limit, which the run needs."""
        with contextlib.suppress(OSError):  # the exchange may be in maintenance
            self._fills = int(run.books.exchange.get("/_bot4/state")["fills"])
        return self._fills

    def _more(self, run: Run, before: int) -> bool:
        return self._trades(run) > before

    def _flat(self, run: Run) -> bool:
        try:
            return run.books.exchange.lots() == 0
        except (OSError, KeyError):
            return False

    # --- the soak ----------------------------------------------------------------------------------------
    def go(self, seconds: float, lives: int, every: float, bar: str) -> Tally:
        """`seconds` of trading in `lives` runs; a look every `every` s, a word or a fault every few looks."""
        self._bar = bar
        self._begin = time.monotonic()
        for life in range(1, lives + 1):
            run = self._start(life)
            try:
                if not self._until(run, START_S, partial(self._more, run, self._trades(run))):
                    self._wrong(life, f"the run did not trade within {START_S:g} s")
                    break
                self._live(run, life, seconds / lives, every)
                self._kill(run, life)
            finally:
                if run.process.poll() is None:
                    run.process.send_signal(signal.SIGKILL)
                run.process.wait()
        return self.tally

    def _live(self, run: Run, life: int, seconds: float, every: float) -> None:
        """Looks, words and faults in turn, for `seconds` of trading; the time of the start does not count."""
        names, number = list(FAULTS), 0
        begun = time.monotonic() - self._begin
        while (now := time.monotonic() - self._begin) < begun + seconds:
            for pid, who in ((run.pid, "run"), (self._exchange_pid, "exchange")):
                seen = look(pid, now, life, who)
                if seen is not None:
                    self.tally.seen.append(seen)
            if run.process.poll() is not None:
                self._wrong(life, f"the run ended by itself with exit code {run.process.returncode}")
                return
            self._tell(
                now, f"run {life}: {self.tally.words.total()} words, {self.tally.faults.total()} faults"
            )
            if number % 4 == 1:
                self._fault(names[self._chance.randrange(len(names))])
            elif number % 4 == 3:
                self._word(run, life)
            number += 1
            time.sleep(max(0.0, every - (time.monotonic() - self._begin - now)))
        if self.tally.words.total() % 2:  # never end a life in a pause
            self._word(run, life)

    def _word(self, run: Run, life: int) -> None:
        """The next word of the operator, and whether it had its effect."""
        word = WORDS[self.tally.words.total() % len(WORDS)]
        self._heal()
        before = self._trades(run)
        try:
            if word == "resume":
                self._bot4("resume", "--run", str(run.pid))
            else:
                self._bot4("mode", word, "--run", str(run.pid))
        except (OperatorError, subprocess.TimeoutExpired) as error:
            self._wrong(life, f"{word} was not taken: {error}")
        self.tally.words[word] += 1
        if word == "resume" and not self._until(run, RESUME_S, partial(self._more, run, before)):
            self._wrong(life, f"no trade within {RESUME_S:g} s of a resume")
        if word == "emergency" and not self._until(run, WORD_S, lambda: self._flat(run)):
            self._wrong(life, f"not flat within {WORD_S:g} s of an emergency")

    def _ask(self, method: str, body: dict[str, Any] | None = None) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            line.request(method, "/_bot4/faults", body=None if body is None else json.dumps(body))
            line.getresponse().read()
        finally:
            line.close()

    def _heal(self) -> None:
        self._ask("DELETE")

    def _fault(self, name: str) -> None:
        """Let one thing go wrong; what was left of the last is over."""
        match, do = FAULTS[name]
        self._heal()
        self._ask("POST", {"rules": [{"name": name, "match": match, "do": do}]})
        self.tally.faults[name] += 1

    def _kill(self, run: Run, life: int) -> None:
        """Raise the kill switch; the run must end flat, with its books right, and the mark is released."""
        self._heal()
        if run.process.poll() is not None:
            return
        self._bot4("stop")
        try:
            run.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._wrong(life, f"the run did not end within {END_S:g} s of the kill switch")
            return
        self.tally.kills += 1
        if run.process.returncode:
            self._wrong(life, f"the run ended with exit code {run.process.returncode}")
        lost, doubled = run.books.settled()
        for text in (*lost, *doubled):
            self._wrong(life, text)
        self.tally.trades += len(run.books.exchange.trades)
        said = (self._base / f"run-{life}.log").read_text(encoding="utf-8", errors="replace")
        self.tally.breaker_opened += said.count("breaker orders is OPEN")
        self._bot4("release")

    def _wrong(self, life: int, text: str) -> None:
        at = time.monotonic() - self._begin
        self.tally.wrong.append(f"{at:.0f} s, run {life}: {text}")


def judge(tally: Tally, warm_up: float) -> dict[str, Any]:
    """Growth of each process after `warm_up` (a share of each life); what is beyond its bound is wrong."""
    found: dict[str, Any] = {}
    for who in ("run", "exchange"):
        lives = sorted({s.life for s in tally.seen if s.who == who})
        groups = [[s for s in tally.seen if s.who == who and s.life == life] for life in lives]
        if who == "exchange" and groups:
            groups = [[s for group in groups for s in group]]
        slopes, watched, files, threads = [], 0.0, 0, 0
        for group in groups:
            kept = group[int(len(group) * warm_up) :]
            if len(kept) < 3:
                continue
            at, rss = np.array([s.at for s in kept]), np.array([s.rss for s in kept], float)
            slopes.append(float(np.polyfit(at, rss, 1)[0]) * 3600.0 / MB)
            watched = max(watched, float(at[-1] - at[0]))
            third = max(1, len(kept) // 3)
            files = max(files, max(s.files for s in kept[-third:]) - max(s.files for s in kept[:third]))
            threads = max(
                threads, max(s.threads for s in kept[-third:]) - max(s.threads for s in kept[:third])
            )
        seen = [s for group in groups for s in group]
        judged = watched >= SLOPE_S
        found[who] = {
            "looks": len(seen),
            "rss_first_mb": round(seen[0].rss / MB, 1) if seen else None,
            "rss_most_mb": round(max(s.rss for s in seen) / MB, 1) if seen else None,
            "slope_mb_an_hour": round(max(slopes), 2) if slopes else None,
            "slope_is_judged": judged,
            "files_most": max((s.files for s in seen), default=0),
            "files_more": files,
            "threads_most": max((s.threads for s in seen), default=0),
            "threads_more": threads,
        }
        if who == "run":
            if judged and slopes and max(slopes) > 1.0:
                tally.wrong.append(f"memory of the run grows by {max(slopes):.2f} MB an hour")
            if files > FILES_MORE or threads > THREADS_MORE:
                tally.wrong.append(f"the run has {files} more files and {threads} more threads open")
    return found


def write_samples(path: Path, seen: list[Seen]) -> None:
    """All looks as a CSV file: seconds, run, process, MB, files, threads."""
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(("seconds", "run", "process", "rss_mb", "files", "threads"))
        rows.writerows((f"{s.at:.1f}", s.life, s.who, f"{s.rss / MB:.2f}", s.files, s.threads) for s in seen)


def soak(
    base: Path,
    seconds: float,
    seed: int,
    tell: Callable[[float, str], None],
    *,
    lives: int,
    every: float,
    bar: str,
) -> tuple[Tally, dict[str, Any]]:
    """Serve an exchange, trade on it for `seconds`, judge; the tally and the growth of both processes."""
    exchange, port = start_exchange(seed, base / "exchange.log")
    try:
        tally = Soak(base, port, exchange, seed, tell).go(seconds, lives, every, bar)
    finally:
        os.kill(exchange, signal.SIGKILL)
        os.waitpid(exchange, 0)
    return tally, judge(tally, 0.25)
