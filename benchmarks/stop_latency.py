"""From `bot4 stop` to the last cancel, and from the raised flag to the refusal of the gate.

    python benchmarks/stop_latency.py [--repeats 10] [--orders 100] [--save]

1. `stop`: a live session (engine, desk, journal on disk, Binance adapter) has 100 limit orders resting at the
   served exchange, which runs in a process of its own. The stop file is written as `bot4 stop` writes it; the
   time ends when the reply to the last cancel has come. `seen` is the part until the switch has risen, `left`
   until the kill is on the disk and the request that cancels all goes to the venue: bot4's own share. What
   follows is the venue: it cancels, answers, and sends the news of each order, on the same processors.
2. `flag`: the kill latch of the hot plane is raised and an order is judged by the compiled gate, both from
   Python; and the byte of the switch is set and the desk's look at it is taken.

Parity: every repeat ends with no order and no position at the exchange; every judged order is refused as killed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from numba import njit

from bot4.app import config
from bot4.app.commands.trade import open_venue
from bot4.app.drill import LIFTED
from bot4.app.switch import STOP_POLL_NS
from bot4.app.trading import Surroundings, Task, trade, warm
from bot4.engine import layout_nb as lay
from bot4.engine.decide_nb import intent_nb
from bot4.engine.dispatch_nb import dispatch_nb
from bot4.model import codes_nb as c
from bot4.ports.alarm import FakeAlarm
from bot4.research.session import choose, load
from bot4.safety.gate_nb import gate_nb
from bot4.safety.killswitch import KillSwitch
from bot4.safety.modes_nb import kill_nb
from bot4.safety.system_clock import SystemClock
from common import finish, options
from gate import QTY, engine_with
from served_venue import LIMITS, start

SYMBOL = "BTC-USDT-PERP"
OWNER = "bench"
GOALS = {"stop_ms": 50, "flag_p99_9_us": 10}
SETS = (
    f"live.owner={OWNER}",
    "safety.max_open_orders=1000",
    "safety.max_orders_per_second=100000",
    "risk.max_position=100 %",
    "risk.max_order=100 %",
    "risk.max_asset=100 %",
    "risk.max_heat=1000 %",
    "risk.max_open_risk=100 %",
    "risk.max_leverage=3",
    "live.leverage=3",
    "panic.stale_after=1h",
    "panic.latency=1m",
    "safety.price_band=10 %",
)


@njit(nogil=True, error_model="numpy", _nrt=False)
def rest_many(core, count, price):  # type: ignore[no-untyped-def]
    """`count` limit buys from `price` down, through the gate; the last reason."""
    s = core[0]
    for k in range(count):
        s["n"][lay.N_INTENTS] = intent_nb(s["intents"], 0, 0, c.BUY, 2, c.FOR_QUOTE, 0, 0)
        s["intents"][0]["type"] = c.TYPE_LIMIT
        s["intents"][0]["price"] = price - k
        dispatch_nb(s)
        if s["n"][lay.N_LAST_REASON] != c.R_OK:
            return s["n"][lay.N_LAST_REASON]
    return c.R_OK


class Timed:
    """A venue that notes when the last cancel was answered."""

    def __init__(self, venue: Any) -> None:
        self._venue = venue
        self.answered = 0
        self.cancels = 0
        self.begin = 0
        self.swept = 0.0
        self.left = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def cancel_all(self, symbol: str) -> None:
        """Pass on, and look at the clock."""
        self.left = (time.perf_counter_ns() - self.begin) / 1e6
        await self._venue.cancel_all(symbol)
        self.answered = time.perf_counter_ns()
        self.swept = (self.answered - self.begin) / 1e6

    async def cancel(self, symbol: str, client_id: str) -> Any:
        """Pass on, and look at the clock."""
        report = await self._venue.cancel(symbol, client_id)
        self.answered = time.perf_counter_ns()
        self.cancels += 1
        return report


async def fill_up(session: Any, desk: Any, orders: int) -> None:
    """Let `orders` limit orders rest, a few at a time: those that wait too long are refused as too old."""
    engine = session.engine
    status = engine.orders.table["status"]
    while (missing := orders - int((status == c.ST_WORKING).sum())) > 0:
        mark = int(engine.inst[0]["mark"])
        reason = rest_many(engine.core, min(missing, 20), mark - mark // 100)
        if reason != c.R_OK:
            raise RuntimeError(f"the gate refused a resting order: reason {reason}")
        session.driver.flush()
        desk.hand_over(session.driver.take())
        while (status == c.ST_PENDING).any():
            await asyncio.sleep(0.02)


async def one_stop(endpoint: str, folder: Path, orders: int) -> dict[str, Any]:
    """One session with its resting orders, stopped; times in ms."""
    settings = config.load(None, [*SETS, "strategy.name=trend_cross"])
    chosen = choose("trend_cross")
    warm(settings, chosen, 1)
    clock, alarm = SystemClock(), FakeAlarm()
    stop_file = folder / "stop"
    stop_file.unlink(missing_ok=True)
    switch = KillSwitch(stop_file, clock, alarm, poll_ns=STOP_POLL_NS, max_missed=600)
    venue: Any = Timed(open_venue("binance-usdm", endpoint, OWNER, LIFTED))
    shown: list[Any] = []
    risen: list[int] = []
    switch.add_callback(lambda trip: risen.append(time.perf_counter_ns()))
    around = Surroundings(clock, alarm, switch, lambda *seen: shown.append(seen))
    journal = Path(tempfile.mkdtemp(dir=folder)) / "journal"
    task = Task((SYMBOL,), settings, chosen, load(None), 7, journal, False, None)
    switch.start()
    job = asyncio.create_task(trade(venue, task, around))
    try:
        while not shown or not shown[-1][0].engine.safety.control[0]["reconciled"]:
            await asyncio.sleep(0.05)
            if job.done():
                job.result()
        session, desk, _ = shown[-1]
        engine = session.engine
        while engine.inst[0]["mark"] <= 0:
            await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            await fill_up(session, desk, orders)
        gc.collect()
        await asyncio.sleep(0.3)
        begin = venue.begin = time.perf_counter_ns()
        stop_file.write_text("bot4 stop\n", encoding="utf-8")
        document = await job
    finally:
        job.cancel()
        switch.close()
    return {
        "seen_ms": (risen[0] - begin) / 1e6,
        "left_ms": venue.left,
        "stop_ms": (venue.answered - begin) / 1e6,
        "all_cancelled_ms": venue.swept,
        "cancels": venue.cancels,
        "shutdown_s": document["live"]["shutdown_s"],
        "late": document["live"]["shutdown_late"],
    }


async def stops(endpoint: str, folder: Path, orders: int, repeats: int) -> list[dict[str, Any]]:
    """The repeats, the first one more and left out."""
    async with aiohttp.ClientSession() as session:
        body = {"do": "limits", "product": "usdm", "limits": LIMITS}
        async with session.post(f"{endpoint}/_bot4/admin", json=body) as reply:
            assert reply.status == 200, await reply.text()
        found = []
        for _ in range(repeats + 1):
            found.append(await one_stop(endpoint, folder, orders))
            key = f"practice-{OWNER}"
            async with session.get(f"{endpoint}/_bot4/accounts", params={"key": key}) as reply:
                left = (await reply.json())["usdm"]
            found[-1]["flat"] = not left["open_orders"] and not any(left["positions"].values())
        return found[1:]


def shares(took: np.ndarray[Any, Any], scale: float) -> dict[str, float]:
    """Percentiles, divided by `scale`."""
    return {f"p{q:g}": round(float(np.percentile(took, q)) / scale, 3) for q in (50, 99, 99.9)} | {
        "max": round(float(took.max()) / scale, 3)
    }


def flags(count: int) -> tuple[dict[str, Any], bool]:
    """Raise and judge, again and again."""
    engine = engine_with([])
    state, core = engine.safety, engine.core[0]
    intent_nb(engine.core["intents"][0], 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
    intents, verdicts, table, spec = core["intents"], core["verdicts"], engine.orders.table, engine.spec[0]
    verdicts[:] = 0
    control = state.control
    took, left = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    refused = 0
    for k in range(-100, count):
        control[0]["killed"], control[0]["enabled"], control[0]["mode"] = 0, 1, c.MODE_NORMAL
        switched = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
        begin = time.perf_counter_ns()
        kill_nb(state, c.R_OPERATOR, 1)
        reason = gate_nb(state, spec, intents, 0, 2, 600_000, 0, 0, 0, verdicts, 1, table, 0)
        passed = time.perf_counter_ns() - begin
        if k >= 0:
            took[k] = passed
            left[k] = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw != switched
            refused += reason == c.R_KILLED
    clock = SystemClock()
    byte = np.zeros(min(count, 20_000), np.int64)
    with tempfile.TemporaryDirectory() as folder:
        for k in range(len(byte)):
            switch = KillSwitch(Path(folder) / "stop", clock, FakeAlarm())
            switch._callbacks.clear()  # what follows a trip runs in another thread
            latch = switch.latch
            begin = time.perf_counter_ns()
            switch.trip(c.R_OPERATOR)
            raised = bool(latch[0])
            byte[k] = time.perf_counter_ns() - begin
            assert raised
    return {
        "raise_and_refuse_us": shares(took, 1e3),
        "raise_and_refuse_us_while_it_kept_the_processor": shares(took[~left], 1e3),
        "processor_lost": int(left.sum()),
        "trip_and_see_us": shares(byte, 1e3),
    }, refused == count


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "", repeats=10)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--flags", type=int, default=100_000)
    a = parser.parse_args()
    measured, all_refused = flags(a.flags)
    process, where = start()
    port = urlsplit(where["rest"]).port
    try:
        with tempfile.TemporaryDirectory(prefix="bot4-stop-") as folder:
            os.environ["BOT4_CONTROL_DIR"] = folder
            found = asyncio.run(stops(f"http://127.0.0.1:{port}", Path(folder), a.orders, a.repeats))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    stop = np.array([row["stop_ms"] for row in found])
    swept = np.array([row["all_cancelled_ms"] for row in found])
    folded = np.array([sum(row["shutdown_s"].values()) * 1e3 + row["seen_ms"] for row in found])
    left = np.array([row["left_ms"] for row in found])
    seen = np.array([row["seen_ms"] for row in found])
    return finish(
        "stop_latency",
        {
            "title": "(h) Stop to last cancel, flag to refusal",
            "orders": a.orders,
            "repeats": a.repeats,
            "stop_to_cancel_all_answered_ms": shares(swept, 1),
            "stop_to_last_answer_ms": shares(stop, 1),
            "stop_to_all_told_and_journalled_ms": shares(folded, 1),
            "of_which_until_the_switch_rose_ms": shares(seen, 1),
            "of_which_until_the_request_left_ms": shares(left, 1),
            "flag": measured,
            "goals": GOALS,
            "each": found,
            "parity": {
                "ok": all_refused and all(r["flat"] for r in found),
                "refused": all_refused,
            },
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
