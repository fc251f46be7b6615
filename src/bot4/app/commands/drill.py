"""`bot4 drill kill`: kill -9 again and again. `bot4 drill soak`: trade long, with faults, modes and kills."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from bot4.app import bootstrap, drill_flip
from bot4.app.drill import Drill, Score, Setup, start_exchange
from bot4.app.soak import soak as run_soak
from bot4.app.soak import write_samples
from bot4.app.trading import warm
from bot4.model.errors import ConfigError, SafetyError
from bot4.model.times import NS, duration_ns
from bot4.research.replay import compare
from bot4.research.session import choose, load

SETS = (
    "live.owner=drill",
    "strategy.fixed_size=0.01",
    "bars.interval=100ms",
    "quality.outlier_move=90 %",
    "safety.protection_interval=50ms",
    "safety.max_orders_per_second=1000",
    "safety.cooldown=0s",
    "risk.drawdown_soft=98 %",
    "risk.drawdown_hard=99 %",
    "risk.drawdown_day=99 %",
    "risk.daily_loss=99 %",
    "breaker.losing_streak=1000",  # it turns at every bar, and loses at most
    "breaker.escalate=20",
    "breaker.timeout=1s",
    "breaker.toxicity=99 %",
    "breaker.volume=1000",
    "breaker.loss=50 %",
    "live.snapshot_interval=1s",
    "live.not_found_time=300ms",
    "live.wind_down=10s",
)


def kill(*, times: int, seed: int, out: Path | None, as_json: bool) -> dict[str, Any] | None:
    """Kill a trading process `times` times; SafetyError when anything was lost or doubled."""
    if times < 1:
        raise ConfigError(f"--times {times}: kill at least once")
    if not hasattr(os, "fork"):
        raise ConfigError("the drill needs a system that can fork (Linux, macOS)")
    strategy = f"{Path(drill_flip.__file__).resolve()}:Flip"
    settings = bootstrap.settings_of(None, list(SETS), strategy)
    with tempfile.TemporaryDirectory(prefix="bot4-drill-") as scratch:
        base = out if out is not None else Path(scratch)
        base.mkdir(parents=True, exist_ok=True)
        folder, log = base / "journal", base / "trader.log"
        if folder.exists():
            raise ConfigError(f"{folder} is there already; name another folder with --out")
        with bootstrap.progress(as_json) as bar:
            bar(0, times, "loading kernels, starting the exchange")
            warm(settings, choose(strategy), 1)
            exchange, port = start_exchange(seed, base / "exchange.log")
            try:
                setup = Setup(port, folder, settings, choose(strategy), load(None), log)
                score = Drill(setup, seed, bar).run(times)
            finally:
                os.kill(exchange, signal.SIGKILL)
                os.waitpid(exchange, 0)
            bar(times, times, "folding the whole journal again")
            document = {**_document(score, times, seed), "replay": _replayed(folder)}
    if score.lost or score.doubled or score.faults or not document["replay"]["identical"]:
        error = SafetyError(f"the drill found faults: {'; '.join(score.faults[:3]) or 'the replay differs'}")
        error.document = document
        raise error
    if as_json:
        return document
    bootstrap.shown(document, [(name, str(value)) for name, value in document.items()])
    return None


def _document(score: Score, times: int, seed: int) -> dict[str, Any]:
    return {
        "kills": score.kills,
        "asked": times,
        "seed": seed,
        "by_mode": dict(sorted(score.by_mode.items())),
        "lost": score.lost,
        "doubled": score.doubled,
        "restarts_compared": len(score.recovery_s),
        "recovery_p50_s": score.quantile(0.5),
        "recovery_p99_s": score.quantile(0.99),
        "faults": score.faults[:20],
    }


def _replayed(folder: Path) -> dict[str, Any]:
    """The whole journal folded from zero against what it says, as `bot4 replay --verify` does."""
    refold = bootstrap.refold_of(folder, None)
    session, collector = refold.run()
    found = compare(refold, session, collector)
    return {name: found[name] for name in ("identical", "events", "orders", "fills", "differences")}


LEAST_S = 20.0


def soak(*, for_: str, seed: int, out: Path | None, as_json: bool) -> dict[str, Any] | None:
    """Trade on a served exchange for `for_`, with faults and kills; SafetyError when anything was wrong."""
    seconds = duration_ns(for_) / NS["s"]
    if seconds < LEAST_S:
        raise ConfigError(f"--for {for_}: a soak lasts at least {LEAST_S:g} s")
    if not Path("/proc/self/statm").exists() or not hasattr(os, "fork"):
        raise ConfigError("the soak reads /proc: it needs Linux")
    lives = 2 if seconds < 4 * 3600 else 4
    every = min(30.0, max(1.0, seconds / 200))
    with tempfile.TemporaryDirectory(prefix="bot4-soak-") as scratch:
        base = out if out is not None else Path(scratch)
        base.mkdir(parents=True, exist_ok=True)
        if any(base.iterdir()):
            raise ConfigError(f"{base} is not empty; name another folder with --out")
        with bootstrap.progress(as_json) as bar:
            bar(0, seconds, "starting the exchange")
            tally, growth = run_soak(
                base,
                seconds,
                seed,
                lambda at, text: bar(min(at, seconds), seconds, text),
                lives=lives,
                every=every,
                bar="1s",
            )
        write_samples(base / "samples.csv", tally.seen)
    document = {
        "seconds": round(seconds, 1),
        "seed": seed,
        "runs": lives,
        "kills": tally.kills,
        "trades": tally.trades,
        "words": dict(sorted(tally.words.items())),
        "faults": dict(sorted(tally.faults.items())),
        "breaker_opened": tally.breaker_opened,
        **growth,
        "wrong": tally.wrong[:20],
    }
    if tally.wrong:
        error = SafetyError(f"the soak found faults: {'; '.join(tally.wrong[:3])}")
        error.document = document
        raise error
    if as_json:
        return document
    bootstrap.shown(document, [(name, str(value)) for name, value in document.items()])
    if out is not None:
        print(f"memory, files and threads over time: {out / 'samples.csv'}")
    return None
