"""(e) The risk gate: one order through every check, compiled; and through the engine with its journal.

    python benchmarks/gate.py [--save]

1. `gate, compiled`: for one new order, as the engine's dispatch does it: equity and exposure from the ledger,
   portfolio heat and open risk anew, every risk verdict, then the order gate (mode, kill latch, rate limit,
   shape, price band, value), which writes the approved order. A million orders in one compiled loop.
2. `order through dispatch`: an intent is written, dispatched, approved, entered in the order table and put in
   the outgoing ring; the venue's rejection ends it; every 1,024 orders the ring goes into the journal in
   memory.
3. `from_python_us`: one order dispatched by a call from Python, journalled and committed in memory after it:
   the price of a single live order, interpreter included.

4. `check_from_python_us`: a million times all checks of one order, asked from Python one at a time (the call of
   the compiled function included): R7 wants a p99 below 100 us.

Parity: each of the orders in 1 and 2 is approved, and with one limit tightened each is refused for the reason
that belongs to it, so that no check is idle.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numba import njit

from bot4.app import config
from bot4.engine import layout_nb as lay
from bot4.engine.build import Plan, new_engine
from bot4.engine.decide_nb import intent_nb
from bot4.engine.dispatch_nb import dispatch_nb
from bot4.engine.parts_nb import ledger_of, orders_of, risk_of, safety_of
from bot4.execution.orders_nb import on_reject_nb, pending_nb
from bot4.ledger.ledger_nb import apply_fill_nb, equity_nb, exposure_nb, mark_nb
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.ports import journal as port
from bot4.ports.journal import FakeJournal
from bot4.risk.checks_nb import verdicts_nb
from bot4.risk.heat_nb import refresh_nb
from bot4.safety.gate_nb import gate_nb
from bot4.signals.ml.trees_nb import empty_model
from common import Here, figures, finish, interleave, options
from frames_to_decision import instrument

PRICE, QTY = 600_000, 10  # 60,000.0 USDT, 0.010 BTC
BATCH = 1024
START = 1_700_000_000 * 10**9
WIDE = ["safety.max_orders_per_second=1000000", "account.capital=1000000 USDT"]
TIGHT = {
    "mode": (["account.capital=1000000 USDT"], "mode"),
    "max_order": (["risk.max_order=0.01 %"], "max_order"),
    "max_position": (["risk.max_position=0.01 %"], "max_position"),
    "max_heat": (["risk.max_heat=0 %"], "heat"),
    "max_order_value": (["safety.max_order_value=10 USDT"], "max_order"),
}


@njit(nogil=True, error_model="numpy", _nrt=False)
def decide_order(s, now):  # type: ignore[no-untyped-def]
    """Everything that is asked about intent 0, as the engine's dispatch asks it; the reason."""
    it = s["intents"][0]
    inst = np.int64(it["instrument"])
    side = np.int64(it["side"])
    mark = s["inst"][inst]["mark"]
    pos = s["positions"][inst]["qty"]
    price = it["price"] if it["price"] > 0 else mark
    equity = equity_nb(ledger_of(s), s["spec"])
    refresh_nb(risk_of(s), s["spec"], s["positions"], equity)
    gross, _ = exposure_nb(ledger_of(s), s["spec"])
    pending = pending_nb(orders_of(s), inst, side) * price * s["spec"][inst]["money_mult"]
    n = verdicts_nb(
        risk_of(s), s["spec"], inst, side, it["qty"], price, pos, equity, gross, pending, False, s["verdicts"]
    )
    return gate_nb(
        safety_of(s), s["spec"][inst], s["intents"], 0, now, mark, 0, pos, 0, s["verdicts"], n, s["table"], 0
    )


@njit(nogil=True, error_model="numpy", _nrt=False)
def gate_many(core, count, now):  # type: ignore[no-untyped-def]
    """`count` orders through the gate, 2 us of market time apart; how many were approved."""
    s = core[0]
    passed = 0
    intent_nb(s["intents"], 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
    for k in range(count):
        if decide_order(s, now + 2_000 * k) == c.R_OK:
            passed += 1
    return passed


@njit(nogil=True, error_model="numpy", _nrt=False)
def dispatch_many(core, count):  # type: ignore[no-untyped-def]
    """`count` orders through dispatch, each ended by a rejection; how many were approved."""
    s = core[0]
    for _ in range(count):
        s["clock"][lay.CK_NOW] += 2_000
        s["n"][lay.N_INTENTS] = intent_nb(s["intents"], 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
        dispatch_nb(s)
        on_reject_nb(orders_of(s), s["n"][lay.N_LAST_ORDER], c.R_IOC, s["clock"][lay.CK_NOW])
    return s["n"][lay.N_ORDERS]


def engine_with(sets: list[str], *, held: int = 1) -> Any:
    """An engine at work: a position, a stop, a known volatility and mark."""
    settings = config.load(None, ["strategy.name=hybrid", *WIDE, *sets])
    plan = Plan((instrument(),), "hybrid", 10**9, False, 10**9, 10**9, START, 7)
    engine = new_engine(settings.values, plan, empty_model())
    row = engine.inst[0]
    row["mark"] = PRICE
    row["stop"], row["target"] = PRICE - 5_000, PRICE + 7_500
    if held:
        apply_fill_nb(engine.ledger, engine.spec, 0, c.BUY, PRICE, held, 0, START)
    mark_nb(engine.ledger, 0, PRICE)
    engine.risk.instr["sigma_year"] = 0.6
    engine.risk.instr["stop"] = PRICE - 5_000
    return engine


def refusals() -> dict[str, str]:
    """What one order is told when a limit is tightened."""
    told = {}
    for name, (sets, _) in TIGHT.items():
        engine = engine_with(sets)
        if name == "mode":
            engine.safety.control[0]["mode"] = c.MODE_PAUSE
        row = engine.core[0]
        intent_nb(engine.core["intents"][0], 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
        told[name] = names.reason(decide_order(row, START + 1))
    return told


def one_call_each(count: int) -> dict[str, float]:
    """Latency of an order from Python: compiled dispatch, ring into the journal; microseconds."""
    engine, journal = engine_with([]), FakeJournal()
    core, n = engine.core, engine.n
    took = np.zeros(count)
    dispatch_many(core, 1)
    n[lay.N_ORDERS] = 0
    for k in range(count):
        begin = time.perf_counter_ns()
        dispatch_many(core, 1)
        journal.append(port.ORDERS, core["sent"][0][:1])
        n[lay.N_ORDERS] = 0
        journal.commit()
        took[k] = time.perf_counter_ns() - begin
    return {f"p{share:g}": round(float(np.percentile(took, share)) / 1e3, 2) for share in (50, 99)}


def one_check_each(count: int) -> dict[str, float]:
    """Latency of all checks of one order: risk's verdicts, then the gate, both asked from Python; us."""
    engine = engine_with([])
    risk, safety, spec = engine.risk, engine.safety, engine.spec
    intents, out, table = engine.core["intents"][0], np.zeros(16, np.int64), engine.orders.table
    intent_nb(intents, 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
    held = int(engine.ledger.positions[0]["qty"])
    equity = int(equity_nb(engine.ledger, spec))
    gross = int(exposure_nb(engine.ledger, spec)[0])
    clock = time.perf_counter_ns
    took = np.zeros(count)
    passed = 0
    for k in range(-1, count):  # the first compiles or loads
        begin = clock()
        n = verdicts_nb(risk, spec, 0, c.BUY, QTY, PRICE, held, equity, gross, 0, False, out)
        now = START + 2_000 * k
        reason = gate_nb(safety, spec[0], intents, 0, now, PRICE, 0, held, 0, out, n, table, 0)
        took[k] = clock() - begin  # the first goes to the last place, and is written over
        passed += k >= 0 and reason == c.R_OK
    shares = {f"p{share:g}": round(float(np.percentile(took, share)) / 1e3, 2) for share in (50, 99, 99.9)}
    return {**shares, "approved": passed, "per_s": round(count / (took.sum() / 1e9))}


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "")
    parser.add_argument("--orders", type=int, default=1_000_000)
    a = parser.parse_args()
    told = refusals()
    engine = engine_with([])
    approved = gate_many(engine.core, 1000, START)

    def gate(made: Any) -> int:
        return int(gate_many(made.core, a.orders, START))

    def journalled(made: Any) -> tuple[int, FakeJournal]:
        journal, total = FakeJournal(), 0
        core, n = made.core, made.n
        for _ in range(0, a.orders, BATCH):
            total += dispatch_many(core, BATCH)
            journal.append(port.ORDERS, core["sent"][0][: n[lay.N_ORDERS]])
            n[lay.N_ORDERS] = 0
            journal.commit()
        return total, journal

    whole = -(-a.orders // BATCH) * BATCH
    compiled = Here("gate, compiled", lambda: engine_with([]), gate)
    through = Here("order through dispatch, journalled", lambda: engine_with([]), journalled, lambda r: r[0])
    rounds = interleave([compiled, through], a.repeats)
    table = [
        figures(compiled, rounds[compiled.name], a.orders),
        figures(through, rounds[through.name], whole),
    ]
    for row, one in zip(table, (compiled, through)):
        row["result"] = rounds[one.name][-1]["result"]
        row["cpu_ns_each"] = round(1e9 / row["per_s_cpu"], 1)
    checks = one_check_each(a.orders)
    ok = (
        checks["approved"] == a.orders
        and approved == 1000
        and table[0]["result"] == a.orders
        and table[1]["result"] == whole
    )
    return finish(
        "gate",
        {
            "title": "(e) Risk gate for one order",
            "unit": "order",
            "rows": table,
            "from_python_us": one_call_each(20_000),
            "check_from_python_us": checks,
            "goals": {
                "gate, compiled, ns": 1000,
                "with journalling, ns": 10_000,
                "check_from_python_us, p99": 100,
            },
            "parity": {
                "ok": ok and all(v != "ok" for v in told.values()),
                "approved": approved,
                "refusals": told,
            },
            "missing": [],
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
