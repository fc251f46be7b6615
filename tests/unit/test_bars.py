import random

import numpy as np
import pytest
from frame_samples import NO_JIT

from bot4.market.bars import new_bars
from bot4.market.bars_nb import BAR_TICK, BAR_TIME, BAR_VOLUME, bar_clock_nb, bar_trade_nb

MIN = 60_000_000_000


def tape(n, seed=1):
    rng = random.Random(seed)
    ts, price, out = 1_000 * MIN, 1000, []
    for _ in range(n):
        ts += rng.choice([1, 10**9, 20 * 10**9, 200 * 10**9])
        price = max(1, price + rng.randrange(-3, 4))
        out.append((ts, price, rng.randrange(1, 50), rng.random() < 0.5))
    return out


def run(bars, trades):
    closed = []
    for trade in trades:
        if bar_trade_nb(bars, 0, *trade):
            closed.append(tuple(int(v) for v in bars.closed[0]))
    return closed


def bar(ts_open, ts_close, part):
    prices = [t[1] for t in part]
    volume = sum(t[2] for t in part)
    buys = sum(t[2] for t in part if not t[3])
    return (ts_open, ts_close, prices[0], max(prices), min(prices), prices[-1], volume, buys, len(part))


def test_time_bars_equal_a_group_by():
    trades = tape(50 if NO_JIT else 2000)
    groups = {}
    for t in trades:
        groups.setdefault(t[0] // MIN * MIN, []).append(t)
    want = [bar(start, start + MIN, part) for start, part in groups.items()]
    bars = new_bars(1)
    got = run(bars, trades)
    assert bar_clock_nb(bars, 0, trades[-1][0]) == 0
    assert bar_clock_nb(bars, 0, trades[-1][0] + MIN) == 1
    assert [*got, tuple(int(v) for v in bars.closed[0])] == want  # and no bar for an empty minute
    assert bar_clock_nb(bars, 0, trades[-1][0] + 2 * MIN) == 0


def test_tick_and_volume_bars():
    trades = tape(50 if NO_JIT else 500)
    got = run(new_bars(1, BAR_TICK, 7), trades)
    parts = [trades[k : k + 7] for k in range(0, len(trades) - 6, 7)]
    assert got == [bar(p[0][0], p[-1][0], p) for p in parts]
    parts, part = [], []
    for t in trades:
        part.append(t)
        if sum(x[2] for x in part) >= 100:
            parts.append(part)
            part = []
    assert run(new_bars(1, BAR_VOLUME, 100), trades) == [bar(p[0][0], p[-1][0], p) for p in parts]
    assert bar_clock_nb(new_bars(1, BAR_TICK, 7), 0, MIN) == 0


def test_late_trades_are_counted_not_folded():
    bars = new_bars(1)
    run(bars, [(5 * MIN, 10, 1, False), (6 * MIN, 11, 1, False), (5 * MIN + 1, 99, 1, False)])
    assert bars.rule[0]["late"] == 1
    assert bars.current[0]["high"] == 11
    run(bars, [(7 * MIN, 12, 1, False)])
    assert (bars.closed[0]["high"], bars.rule[0]["bars"]) == (11, 2)
    early = new_bars(1)
    run(early, [(6 * MIN, 11, 1, False), (5 * MIN, 99, 1, False)])
    assert early.rule[0]["late"] == 1


def test_wrong_rules_are_refused():
    for kind, size in ((BAR_TIME, 0), (7, 5)):
        with pytest.raises(ValueError, match="size positive"):
            new_bars(1, kind, size)


def test_compiled_equals_plain():
    trades = tape(40)
    plain = new_bars(1)
    plain = type(plain)(*(field.view(np.recarray) for field in plain))
    bars = new_bars(1)
    step = getattr(bar_trade_nb, "py_func", bar_trade_nb)
    for t in trades:
        assert step(plain, 0, *t) == bar_trade_nb(bars, 0, *t)
    assert plain.current.tobytes() == bars.current.tobytes()
    assert plain.closed.tobytes() == bars.closed.tobytes()
