"""Random orders against random markets: what must hold whatever happens."""

import json
import os
from collections import defaultdict
from gzip import open as gzip_open
from pathlib import Path

import numpy as np
import pytest

from bot4.kernels import ladder_nb
from bot4.kernels.jit_nb import kernel
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE, INSTRUMENT_DTYPE, ORDER_DTYPE
from bot4.venues.simulator import (
    bar_nb,
    book_nb,
    fills_nb,
    latency_nb,
    queues_nb,
    sim_nb,
    slots_nb,
    take_nb,
)
from bot4.venues.simulator.make import SimParams, new_sim
from bot4.venues.simulator.state_nb import C_LOST, I64_MAX

MINUTE = 60_000_000_000
SHARED = Path(os.environ.get("BOT4_SHARED") or Path(__file__).resolve().parents[2] / "../shared")
FRAMES = SHARED / "data/market_ws/usdm_btcusdt_20240808.gz"
SPEC = np.zeros(1, INSTRUMENT_DTYPE)
SPEC["money_mult"], SPEC["maker_fee"], SPEC["taker_fee"] = 7, -3_333, 41_234


def random_book_events(rng, n):
    events = np.zeros(n, EVENT_DTYPE)
    events["ts_venue"] = events["ts_local"] = np.sort(rng.integers(0, 10_000, n))
    trade = rng.random(n) < 0.3
    bid = rng.random(n) < 0.5
    mid = 1000 + np.cumsum(rng.integers(-1, 2, n))
    events["kind"] = np.where(trade, c.EV_TRADE, c.EV_DEPTH)
    away = rng.integers(0, 4, n)
    events["price"] = np.where(trade, mid, np.where(bid, mid - away, mid + 1 + away))
    events["qty"] = np.where(trade, rng.integers(1, 9, n), rng.integers(0, 9, n))
    flags = np.where(bid, c.FLAG_BID, 0) | c.FLAG_LAST
    events["flags"] = np.where(trade, np.where(bid, c.FLAG_BUYER_MAKER, 0), flags)
    return events


def random_bars(rng, n):
    events = np.zeros(n, EVENT_DTYPE)
    events["kind"] = c.EV_BAR
    start = np.cumsum(rng.integers(1, 3, n)) * MINUTE
    events["ts_venue"], events["ts_local"] = start, start + MINUTE
    events["x"] = 1000 + np.cumsum(rng.integers(-9, 10, n))
    events["price"] = events["x"] + rng.integers(-5, 6, n)
    events["y"] = np.maximum(events["x"], events["price"]) + rng.integers(0, 6, n)
    events["seq"] = np.minimum(events["x"], events["price"]) - rng.integers(0, 6, n)
    events["qty"] = rng.integers(0, 500, n)
    return events


def random_orders(rng, n, times):
    orders = np.zeros(n, ORDER_DTYPE)
    orders["id"] = np.arange(1, n + 1)
    orders["side"] = rng.choice([-1, 1], n)
    orders["type"] = rng.choice([c.TYPE_LIMIT, c.TYPE_LIMIT, c.TYPE_MARKET, c.TYPE_STOP], n)
    orders["tif"] = rng.choice([c.TIF_GTC, c.TIF_IOC, c.TIF_POST], n)
    orders["flags"] = rng.random(n) < 0.3
    orders["qty"] = rng.integers(1, 20, n)
    orders["price"] = 1000 + rng.integers(-12, 13, n)
    orders["stop_price"] = 1000 + rng.integers(-12, 13, n)
    orders["ts_created"] = np.sort(rng.choice(times, n))
    return orders


def play(events, orders, params, seed):
    """Everything by time; half of the orders are canceled a little later. Returns the replies."""
    sim = new_sim(1, SPEC, params, seed)
    out = np.zeros(20 * orders.size + 10, EVENT_DTYPE)
    n = j = 0
    for i in range(events.size):
        start = int(events["ts_venue"][i])
        end = int(events["ts_local"][i])
        if params.bars:
            sim_nb.sim_bar_open_nb(sim, SPEC, events, i)
        while j < orders.size and orders["ts_created"][j] <= start:
            sim_nb.sim_submit_nb(sim, SPEC, orders, j, start)
            if j % 2:
                sim_nb.sim_cancel_nb(sim, int(orders["id"][j - 1]), 0, start)
            j += 1
        while sim_nb.sim_next_arrival_nb(sim) < end or (
            i == events.size - 1 and sim_nb.sim_next_arrival_nb(sim) < I64_MAX
        ):
            sim_nb.sim_arrive_nb(sim, SPEC)
        sim_nb.sim_market_nb(sim, SPEC, events, i)
    while sim_nb.sim_pop_reply_nb(sim, out, n):
        n += 1
    assert sim.core[0]["ctl"][C_LOST] == 0
    return out[:n].copy(), sim


def check(replies, orders, sim):
    """The laws: nothing overfills, nothing follows an end, times never go back, fees are exact."""
    filled = defaultdict(int)
    ended = set()
    last = defaultdict(lambda: (-1, -1))
    position = 0
    for r in replies:
        order_id, kind = int(r["x"]), int(r["kind"])
        order = orders[order_id - 1]
        assert order_id not in ended
        when = (int(r["ts_local"]), int(r["ts_venue"]))
        assert when[0] >= last[order_id][0]
        assert when[1] >= last[order_id][1]
        last[order_id] = when
        if kind == c.EV_FILL:
            qty, side = int(r["qty"]), int(order["side"])
            filled[order_id] += qty
            assert 0 < filled[order_id] <= order["qty"]
            maker = bool(r["flags"] & c.FLAG_MAKER)
            rate = int(SPEC["maker_fee" if maker else "taker_fee"][0])
            assert int(r["y"]) == -(-int(r["price"]) * qty * 7 * rate // 10**8)
            if order["type"] == c.TYPE_LIMIT:
                assert (int(order["price"]) - int(r["price"])) * side >= 0
            if order["tif"] == c.TIF_POST and order["type"] == c.TYPE_LIMIT:
                assert maker
            if filled[order_id] == order["qty"]:
                ended.add(order_id)
        elif kind in (c.EV_REJECT, c.EV_CANCELED):
            ended.add(order_id)
    by_trade = sorted((r for r in replies if r["kind"] == c.EV_FILL), key=lambda r: r["seq"])
    for r in by_trade:  # in the venue's order: reduce-only never passes through zero
        order = orders[int(r["x"]) - 1]
        after = position + int(r["qty"]) * int(order["side"])
        if order["flags"] & c.OF_REDUCE_ONLY:
            assert abs(after) < abs(position)
            assert after * position >= 0
        position = after
    assert position == sim.core[0]["held"][0, 0]


def case(bars, seed, n_events, n_orders, **params):
    rng = np.random.default_rng(seed)
    events = (random_bars if bars else random_book_events)(rng, n_events)
    orders = random_orders(rng, n_orders, events["ts_venue"])
    return events, orders, SimParams(bars=bars, **params)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bars", [False, True])
@pytest.mark.parametrize("partial", [False, True])
def test_sim_laws_hold_on_random_runs(bars, partial, seed):
    events, orders, params = case(
        bars,
        seed,
        150,
        60,
        partial_fill=partial,
        prob_queue=seed % 2 == 1,
        entry_ns=20,
        response_ns=30,
        latency_sigma=0.7,
        half_spread_e8=50_000,
        impact=0.01,
    )
    replies, sim = play(events, orders, params, seed)
    assert (replies["kind"] == c.EV_FILL).sum() > 5
    check(replies, orders, sim)
    again, _ = play(events, orders, params, seed)
    np.testing.assert_array_equal(replies, again)
    other, _ = play(events, orders, params, seed + 100)
    assert replies.tobytes() != other.tobytes()


@pytest.mark.parametrize("bars", [False, True])
def test_sim_compiled_equals_plain(bars, monkeypatch):
    events, orders, params = case(
        bars, 11, 60, 30, partial_fill=True, prob_queue=True, entry_ns=50, latency_sigma=0.5
    )
    compiled, state = play(events, orders, params, 3)
    for module in (bar_nb, book_nb, latency_nb, fills_nb, ladder_nb, queues_nb, sim_nb, slots_nb, take_nb):
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    plain, plain_state = play(events, orders, params, 3)
    np.testing.assert_array_equal(compiled, plain)
    for field in ("ctl", "meta", "orders"):
        np.testing.assert_array_equal(state.core[0][field], plain_state.core[0][field])


@kernel
def _feed(state, spec, events):
    for i in range(events.shape[0]):
        sim_nb.sim_market_nb(state, spec, events, i)


def frames(limit):
    """Depth and trades of the first recorded frames, in ticks of 0.1 and lots of 0.001."""
    rows = []
    with gzip_open(FRAMES, "rt") as lines:
        for line in lines:
            data = json.loads(line.partition(" ")[2])
            data = data.get("data", data)
            ts = data["T"] * 1_000_000
            if data.get("e") == "trade":
                flags = c.FLAG_BUYER_MAKER if data["m"] else 0
                rows.append((ts, data["p"], data["q"], c.EV_TRADE, flags))
            elif "lastUpdateId" in data or data.get("e") == "depthUpdate":
                if "lastUpdateId" in data:
                    rows.append((ts, "0", "0", c.EV_SNAPSHOT_HEAD, 0))
                for side, flag in ((("b", "bids"), c.FLAG_BID), (("a", "asks"), 0)):
                    for price, qty in data.get(side[0]) or data.get(side[1]) or ():
                        rows.append((ts, price, qty, c.EV_DEPTH, flag))
            if len(rows) >= limit:
                break
    events = np.zeros(len(rows), EVENT_DTYPE)
    for event, (ts, price, qty, kind, flags) in zip(events, rows):
        event["ts_venue"] = event["ts_local"] = ts
        event["price"], event["qty"] = round(float(price) * 10), round(float(qty) * 1000)
        event["kind"], event["flags"] = kind, flags
    return events


@pytest.mark.skipif(not FRAMES.exists(), reason="the recorded Binance frames are not here")
def test_sim_follows_recorded_frames():
    events = frames(20_000 if hasattr(_feed, "py_func") else 3_000)
    sim = new_sim(1, SPEC, SimParams(), 1)
    _feed(sim, SPEC, events)
    levels = {0: {}, 1: {}}
    for e in events:
        if e["kind"] == c.EV_SNAPSHOT_HEAD:
            levels = {0: {}, 1: {}}
        elif e["kind"] == c.EV_DEPTH:
            side = 0 if e["flags"] & c.FLAG_BID else 1
            price, qty = int(e["price"]), int(e["qty"])
            levels[side][price] = qty
            if qty == 0:
                del levels[side][price]
                continue
            best = max(levels[0], default=0) if side == 0 else min(levels[1])
            if price == best:  # what it crosses is stale
                stale = [p for p in levels[1 - side] if (p <= price if side == 0 else p >= price)]
                for p in stale:
                    del levels[1 - side][p]
    sides = sim.core[0]["sides"][0]
    assert sides["best"].tolist() == [max(levels[0]), min(levels[1])]
    assert (sides["near"] + sides["far"]).tolist() == [len(levels[0]), len(levels[1])]
    assert sides["dropped"].tolist() == [0, 0]
