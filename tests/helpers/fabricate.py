"""A made-up run with exact books, for tests of what is read from a record. Seeded; trades nothing."""

from decimal import Decimal

import numpy as np

from bot4.model import codes_nb as c
from bot4.model.events import DECISION_DTYPE, EQUITY_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.model.instrument import Instrument
from bot4.research.record import RunRecord

MINUTE = 60 * 10**9
START = 1_717_200_000 * 10**9  # 2024-06-01T00:00:00Z
EXP = 8

BTC = Instrument(
    symbol="BTCUSDT",
    venue="simulator",
    base="BTC",
    quote="USDT",
    kind="perp",
    tick=Decimal("0.1"),
    lot=Decimal("0.001"),
    min_qty=Decimal("0.001"),
    max_qty=Decimal(100),
    min_notional=Decimal(5),
)
MULT = 10**4  # 0.1 x 0.001 in 1e-8

CONFIG = {
    "fusion": {"threshold": 0.5, "weights": {"ta": 0.5, "ml": 0.5}},
    "risk": {"max_order": 0.1, "max_position": 0.25, "heat": 0.06, "daily_loss": 0.03, "drawdown_hard": 0.2},
    "exits": {"stop_atr": 2.0, "target_atr": 3.0, "time_stop": "12h"},
    "fees": {"maker": "0.0002", "taker": "0.0005"},
    "indicators": ["ema_12_26", "rsi_14", "bollinger_20"],
}


class _Run:
    """Books of one made-up run; plain integers."""

    def __init__(self, cash: int) -> None:
        self.cash = cash
        self.lots = 0
        self.fees = 0
        self.fills: list[tuple] = []
        self.orders: list[tuple] = []

    def fill(self, ts, side, price, qty, purpose, stop=0, flags=0, decision=0):
        order = len(self.orders) + 1
        fee = -(-price * qty * MULT * 5 // 10_000)
        kind = {c.FOR_STOP: c.TYPE_STOP, c.FOR_TARGET: c.TYPE_LIMIT}.get(purpose, c.TYPE_MARKET)
        row = np.zeros(1, ORDER_DTYPE)
        row["id"], row["decision"], row["stop_price"], row["qty"], row["filled"] = (
            order,
            decision,
            stop,
            qty,
            qty,
        )
        row["ts_created"] = row["ts_updated"] = ts
        row["side"], row["type"], row["purpose"], row["status"] = side, kind, purpose, c.ST_FILLED
        self.orders.append(row)
        event = np.zeros(1, EVENT_DTYPE)
        event["ts_venue"] = event["ts_local"] = ts
        event["price"], event["qty"], event["x"], event["y"] = price, qty, order, fee
        event["kind"], event["flags"] = c.EV_FILL, flags
        self.fills.append(event)
        self.lots += side * qty
        self.cash -= side * price * qty * MULT + fee
        self.fees += fee


def record(days: float = 45.0, seed: int = 7, synthetic: bool = True, step: int = 5 * MINUTE) -> RunRecord:
    """A run of `days` with a sample each `step`, stops and targets, gaps, funding and refusals."""
    rng = np.random.default_rng(seed)
    n = max(2, int(days * 1440 * MINUTE / step))
    vol = np.exp(np.cumsum(rng.normal(0.0, 0.02, n)) * 0.3) * 0.0013
    path = 64_000.0 * np.exp(np.cumsum(rng.standard_t(4, n) * vol * 0.6 + 1e-6))
    price = np.maximum(1, np.round(path * 10)).astype(np.int64)
    run = _Run(10_000 * 10**EXP)
    equity = np.zeros(n, EQUITY_DTYPE)
    decisions = np.zeros(n, DECISION_DTYPE)
    state = {"side": 0, "stop": 0, "target": 0}
    funding, peak = 0, run.cash
    for i in range(n):
        ts, mark = START + i * step, int(price[i])
        outcome, reason = _decide(rng, run, state, ts, mark, i)
        if run.lots and ts % (480 * MINUTE) == 0:
            paid = run.lots * mark * MULT // 10_000
            funding += paid
            run.cash -= paid
        value = run.cash + run.lots * mark * MULT
        peak = max(peak, value)
        size = abs(run.lots) * mark * MULT
        equity[i] = (ts, value, run.cash, size, run.lots * mark * MULT, 1 - value / peak, mark, c.MODE_NORMAL)
        d = decisions[i]
        d["seq"], d["ts"], d["pos"], d["price"], d["outcome"], d["reason"] = (
            i + 1,
            ts,
            i * 40,
            mark,
            outcome,
            reason,
        )
        d["s_ta"], d["c_ta"], d["score"] = rng.choice([-1.0, 0.0, 1.0]), rng.random(), rng.normal(0, 0.3)
        d["s_ml"] = d["c_ml"] = np.nan
    net = int(equity["equity"][-1]) - 10_000 * 10**EXP
    refused = decisions["outcome"] == c.D_REFUSED
    meta = {
        "kind": "backtest",
        "strategy": "hybrid",
        "seed": seed,
        "synthetic": synthetic,
        "venue": "simulator",
        "instruments": [BTC.to_json()],
        "money_exp": EXP,
        "currency": "USDT",
        "data": f"generated market, {n:,} samples" if synthetic else "binance BTCUSDT 5m bars, recorded",
        "start": int(equity["ts"][0]),
        "end": int(equity["ts"][-1]),
        "config": CONFIG,
        "warnings": ["3 bars were quarantined: volume of zero with a price move."],
        "model": None,
        "bounds": {"pnl_net": net, "pnl_net_upper": net + 7_312_000_000},
        "command": f"bot4 backtest --strategy hybrid --seed {seed} --days {days:g}",
    }
    return RunRecord(
        meta=meta,
        fills=np.concatenate(run.fills) if run.fills else np.zeros(0, EVENT_DTYPE),
        orders=np.concatenate(run.orders) if run.orders else np.zeros(0, ORDER_DTYPE),
        decisions=decisions,
        equity=equity,
        refusals={
            "edge": int((decisions["reason"][refused] == c.R_EDGE).sum()),
            "heat": int((decisions["reason"][refused] == c.R_HEAT).sum()),
        },
        summary={"funding_units": funding, "events": n * 40},
    )


def _decide(rng, run, state, ts, mark, i):
    """One made-up decision and the fill that comes of it: (outcome, reason)."""
    side = state["side"]
    if side:
        if (mark - state["stop"]) * side <= 0:
            gap = abs(mark - state["stop"]) > 600
            price = mark if gap else state["stop"]
            flags = (c.FLAG_GAP if gap else 0) | (c.FLAG_AMBIGUOUS if rng.random() < 0.05 else 0)
            run.fill(ts, -side, price, abs(run.lots), c.FOR_STOP, state["stop"], flags)
        elif (mark - state["target"]) * side >= 0:
            run.fill(ts, -side, state["target"], abs(run.lots), c.FOR_TARGET)
        elif rng.random() < 0.004:
            run.fill(ts, -side, mark - side * 3, abs(run.lots), c.FOR_EXIT, decision=i + 1)
            state["side"] = 0
            return c.D_EXIT, c.R_OPPOSITE
        else:
            return c.D_HOLD, c.R_OK
        state["side"] = 0
        return c.D_BUSY, c.R_OK
    if i < 30:
        return c.D_WARMUP, c.R_OK
    chance = rng.random()
    if chance < 0.03:
        side = 1 if rng.random() < 0.55 else -1
        qty = int(rng.integers(10, 45))
        run.fill(ts, side, mark + side * 3, qty, c.FOR_ENTRY, decision=i + 1)
        width = int(rng.integers(4_000, 9_000))
        state.update(side=side, stop=mark - side * width, target=mark + side * int(width * 1.4))
        return c.D_ENTER, c.R_SIGNAL
    if chance < 0.06:
        return c.D_REFUSED, c.R_EDGE if chance < 0.045 else c.R_HEAT
    return (c.D_BELOW_THRESHOLD if chance < 0.6 else c.D_NO_SIGNAL), c.R_OK


def empty() -> RunRecord:
    """A run in which nothing happened and nothing was sampled."""
    return RunRecord(meta={"instruments": [BTC.to_json()], "money_exp": EXP, "currency": "USDT"})
