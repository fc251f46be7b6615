"""The gate against an independent oracle, over random and hostile calls."""

import os
import random

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model import codes_nb as c
from bot4.model.events import INSTRUMENT_DTYPE, INTENT_DTYPE, ORDER_DTYPE
from bot4.safety.gate_nb import gate_nb
from bot4.safety.state import gate_params, new_safety

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
BIG = 2**63 - 1


def _shape(it, spec, band, ref, pos, red, reduces):
    qty = it["qty"]
    if qty <= 0:
        return c.R_QTY_LOT
    if qty < spec["min_qty"]:
        return c.R_MIN_QTY
    if qty > spec["max_qty"]:
        return c.R_MAX_QTY
    if abs(pos) > 2**61 or abs(red) > 2**61 or ref > 2**53:
        return c.R_OVERFLOW
    if ref <= 0 and not reduces:
        return c.R_UNCHECKED
    market, stop = it["type"] == c.TYPE_MARKET, it["type"] == c.TYPE_STOP
    price = ref if market else it["stop_price"] if stop else it["price"]
    if price <= 0:
        return c.R_OK if market and reduces else c.R_PRICE_TICK
    value = price * qty * spec["money_mult"]
    if price > 2**53 or value >= 2**62:
        return c.R_OVERFLOW
    if value < spec["min_notional"] and not (reduces and qty == abs(pos) - red):
        return c.R_MIN_NOTIONAL
    if market or ref <= 0 or (reduces and stop):
        return c.R_OK
    away = price - ref
    away = away * it["side"] if reduces else abs(away)
    return c.R_PRICE_BAND if away * 10_000 > ref * band else c.R_OK


def oracle(control, params, spec, it, now, ref, opened, pos, red, verdicts):
    """What the gate must say, in unbounded Python integers."""
    if it["action"] == c.ACT_CANCEL:
        return c.R_OK if it["ref"] > 0 else c.R_UNCHECKED
    if it["action"] != c.ACT_NEW:
        return c.R_UNCHECKED
    reduces = bool(it["flags"] & c.OF_REDUCE_ONLY)
    if not reduces:
        if control["killed"]:
            return c.R_KILLED
        if not control["enabled"]:
            return c.R_NOT_ENABLED
        if control["mode"]:
            return c.R_MODE
        if control["reconciled"] != 1:
            return c.R_NOT_RECONCILED
        if control["private_down"]:
            return c.R_PRIVATE_DOWN
    if it["side"] not in (-1, 1) or not (
        1 <= it["type"] <= 3 and 1 <= it["tif"] <= 3 and 1 <= it["purpose"] <= 6
    ):
        return c.R_UNCHECKED
    if spec["money_mult"] <= 0:
        return c.R_INSTRUMENT
    reason = _shape(it, spec, params["band_e4"], ref, pos, red, reduces)
    if reason:
        return reason
    qty = it["qty"]
    if reduces:
        good = pos * it["side"] < 0 <= red and qty <= abs(pos) - red
        return c.R_OK if good else c.R_REDUCE_ONLY
    if spec["kind"] == 0 and it["side"] == c.SELL and pos - red - qty < 0:
        return c.R_SHORT_SPOT
    price = {c.TYPE_LIMIT: it["price"], c.TYPE_MARKET: ref, c.TYPE_STOP: it["stop_price"]}[it["type"]]
    if price * qty * spec["money_mult"] > params["max_order_money"]:
        return c.R_MAX_ORDER
    if not 0 <= opened < params["max_open_orders"]:
        return c.R_TOO_MANY_ORDERS
    count = 0 if now - control["window_start"] >= params["window_ns"] else control["window_count"]
    if count >= params["max_orders_window"]:
        return c.R_ORDER_RATE
    bad = [v for v in verdicts if v]
    if bad or not verdicts:
        return bad[0] if bad and 0 < bad[0] < c.N_REASONS else c.R_UNCHECKED
    return c.R_OK


def _dict(row):
    return {name: int(row[name]) for name in row.dtype.names if name != "spare"}


def test_gate_equals_oracle_and_lets_no_risk_through():
    rng = random.Random(20)
    n = 4_000 if NO_JIT else 20_000
    s = new_safety(gate_params(250_000, max_open_orders=4, max_orders_window=5, window_ns=100, band_e4=700))
    specs = np.zeros(1, INSTRUMENT_DTYPE)
    intents = np.zeros(1, INTENT_DTYPE)
    orders = np.zeros(4, ORDER_DTYPE)
    spec, it, control = specs[0], intents[0], s.control[0]
    pick = rng.choice
    wild = [-1, 0, 2**31, 2**53, 2**61, BIG, -(2**62)]
    seen = np.zeros(c.N_REASONS, int)
    for now in range(n):
        hostile = rng.random() < 0.1
        num = lambda lo, hi: pick(wild) if hostile and rng.random() < 0.3 else rng.randrange(lo, hi)  # noqa: B023, E731
        rare = lambda usual, *odd: pick(odd) if rng.random() < 0.03 else pick(usual)  # noqa: E731
        control["killed"], control["enabled"], control["mode"] = (
            rare([0], 1), rare([1], 0), rare([0], 1, 2, 3)
        )  # fmt: skip
        control["reconciled"], control["private_down"] = rare([1], 0, 2), rare([0], 1)
        spec["min_qty"], spec["max_qty"], spec["min_notional"] = 2, 60, 12_000
        spec["money_mult"], spec["kind"] = rare([5], 0, -1), pick([0, 1])
        it["price"], it["stop_price"], it["qty"] = num(900, 1100), num(900, 1100), num(1, 64)
        it["ref"], it["action"], it["flags"] = num(1, 9), rare([1], 2, 0, 3), pick([0, 1])
        it["side"], it["type"], it["tif"] = rare([1, -1], 0, 2), rare([1, 2, 3], 0, 4), rare([1, 2, 3], 0, 9)
        it["purpose"] = rare([1, 2, 3, 4, 5, 6], 0, 7, 255)
        ref, opened, pos, red = num(990, 1010), rare([0, 1, 2, 3], 4, -1), num(-99, 99), num(0, 9)
        verdicts = [rare([0], -1, c.R_HEAT, c.N_REASONS) for _ in range(rng.randrange(5))]
        expected = oracle(
            _dict(control), _dict(s.params[0]), _dict(spec), _dict(it), now, ref, opened, pos, red, verdicts
        )  # fmt: skip
        was = _dict(control)
        filled = np.array([*verdicts, -1], np.int64)
        got = gate_nb(s, spec, intents, 0, now, ref, opened, pos, red, filled, len(verdicts), orders, now & 3)
        assert got == expected, (now, _dict(it), was, ref, opened, pos, red, verdicts)
        seen[got] += 1
        raises = it["action"] == c.ACT_NEW and not it["flags"] & c.OF_REDUCE_ONLY
        shut = was["killed"] or was["mode"] or not was["enabled"] or was["private_down"]
        if raises and (shut or was["reconciled"] != 1 or not verdicts or any(verdicts)):
            assert got != c.R_OK
        fresh = got == c.R_OK and it["action"] == c.ACT_NEW
        assert control["next_order_id"] == was["next_order_id"] + fresh
        if fresh:
            assert orders[now & 3]["id"] == was["next_order_id"]
    assert control["approved"] == seen[0]
    assert control["refused"] == n - seen[0]
    assert (s.refusals[1:] == seen[1:]).all()
    reached = {r for r in range(c.N_REASONS) if seen[r]}
    assert {
        c.R_OK, c.R_KILLED, c.R_MODE, c.R_NOT_ENABLED, c.R_UNCHECKED, c.R_ORDER_RATE, c.R_TOO_MANY_ORDERS,
        c.R_QTY_LOT, c.R_MIN_QTY, c.R_MAX_QTY, c.R_MIN_NOTIONAL, c.R_PRICE_BAND, c.R_REDUCE_ONLY,
        c.R_SHORT_SPOT, c.R_OVERFLOW, c.R_MAX_ORDER, c.R_HEAT, c.R_PRICE_TICK, c.R_NOT_RECONCILED,
        c.R_PRIVATE_DOWN,
    } - reached == set()  # fmt: skip


def test_no_combination_of_state_and_verdicts_lets_new_risk_pass():
    n = 2_000 if NO_JIT else 100_000
    rng = np.random.default_rng(5)
    s = new_safety(gate_params(2**62, max_open_orders=2**40, max_orders_window=2**40))
    state = np.zeros((n, 5), np.int64)  # killed, enabled, mode, reconciled, private_down
    state[:, [1, 3]] = 1
    odd = rng.random((n, 5)) < 0.3
    state[odd] = rng.integers(-3, 5, odd.sum())
    verdicts = np.where(rng.random((n, 4)) < 0.2, rng.integers(-2, c.N_REASONS + 9, (n, 4)), 0)
    counts = rng.integers(-1, 6, n)
    specs = np.zeros(1, INSTRUMENT_DTYPE)
    specs[0] = (1, 100, 0, 1, 1, 1, 0, 0, 0, 1, 0)
    intents = np.zeros(1, INTENT_DTYPE)
    intents[0] = (100, 0, 5, 0, 0, 0, c.ACT_NEW, c.TYPE_LIMIT, c.TIF_GTC, 0, c.FOR_ENTRY, c.BUY)
    reasons = np.zeros(n, np.int64)
    _gate_many(s, specs, intents, state, verdicts, counts, np.zeros(1, ORDER_DTYPE), reasons)
    chosen = np.arange(4) < counts[:, None]
    clean = (
        (state == [0, 1, 0, 1, 0]).all(axis=1)
        & (counts > 0)
        & (counts <= 4)
        & ~(verdicts * chosen).any(axis=1)
    )
    assert ((reasons == c.R_OK) == clean).all()
    assert 0 < clean.sum() < n


@kernel
def _gate_many(s, specs, intents, state, verdicts, counts, orders, reasons):
    control = s.control[0]
    for k in range(len(state)):
        control["killed"] = state[k, 0]
        control["enabled"] = state[k, 1]
        control["mode"] = state[k, 2]
        control["reconciled"] = state[k, 3]
        control["private_down"] = state[k, 4]
        reasons[k] = gate_nb(s, specs[0], intents, 0, k, 100, 0, 0, 0, verdicts[k], counts[k], orders, 0)
