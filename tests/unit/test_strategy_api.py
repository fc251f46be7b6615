"""What a user's strategy may do, see and return, and what it is told when it is wrong."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.kernels.jit_nb import JIT_OFF
from bot4.model.errors import LookAheadError, StrategyError
from bot4.strategies.api import (
    KEEP,
    Bar,
    BarContext,
    CompiledStrategy,
    History,
    Strategy,
    check_score,
    compiled_strategy,
    load_strategy,
)

M = 60 * 10**9


def bar(k, open_=1.0, high=2.0, low=0.5, close=1.5, volume=1.0):
    return Bar(k * M, open_, high, low, close, volume)


def context(history, now):
    features = np.array([30.0, math.nan])
    return BarContext(
        "BTC-USDT", now, history.base[-1], 0.0, 1000.0, 0, None, features, {"rsi_14": 0, "macd": 1}, history
    )


@given(st.integers(1, 200), st.integers(0, 7), st.sampled_from(["1m", "5m", "15m", "1h"]))
def test_longer_bars_equal_a_plain_grouping(n, start, frame):
    """Streaming bars of 5m out of 1m must be those that a group-by gives, and only closed ones."""
    step = {"1m": 1, "5m": 5, "15m": 15, "1h": 60}[frame]
    history = History()
    rng = np.random.default_rng(n)
    rows = []
    for k in range(start + 1, start + 1 + n):
        o, c = rng.uniform(1, 2, 2)
        b = bar(k, o, max(o, c) + rng.random(), min(o, c) - rng.random() / 2, c, rng.random())
        rows.append(b)
        history.add(b)
        if k == start + n // 2:
            history.frame(frame)  # asked for in the middle: the past is filled in
    groups = {}
    for b in rows:
        groups.setdefault(-(-b.ts_close // (step * M)) * step * M, []).append(b)
    now = rows[-1].ts_close
    wanted = [
        Bar(end, g[0].open, max(x.high for x in g), min(x.low for x in g), g[-1].close,
            pytest.approx(sum(x.volume for x in g)))
        for end, g in groups.items()
        if end <= now
    ]  # fmt: skip
    assert history.frame(frame) == wanted


def test_a_gap_closes_the_bar_before_it():
    history = History()
    for k in (1, 2, 9):
        history.add(bar(k))
    assert [b.ts_close // M for b in history.frame("5m")] == [5]
    history.add(bar(10))
    assert [b.ts_close // M for b in history.frame("5m")] == [5, 10]


def test_history_forgets_the_oldest():
    history = History()
    for k in range(1, KEEP + 50):
        history.add(bar(k))
    assert len(history.base) == KEEP
    assert history.base[0].ts_close == 50 * M


def test_what_a_context_answers():
    history = History()
    for k in range(1, 8):
        history.add(bar(k))
    ctx = context(history, 7 * M)
    assert ctx.feature("rsi_14") == 30.0
    assert math.isnan(ctx.feature("macd"))
    with pytest.raises(
        StrategyError, match=r"unknown feature 'rsi'; near it: rsi_14\. .*features = \('rsi',\)"
    ):
        ctx.feature("rsi")
    assert len(ctx.bars()) == 7
    assert len(ctx.bars("5m")) == 1
    assert ctx.bar_at("5m", 3 * M).ts_close == 5 * M
    assert ctx.bar_at("1m", 6 * M + 1).ts_close == 7 * M
    with pytest.raises(LookAheadError, match=r"closes at .* after now"):
        ctx.bar_at("5m", 6 * M)
    with pytest.raises(LookAheadError):
        ctx.bar_at("1m", 7 * M)
    with pytest.raises(StrategyError, match="no 5m bar ends"):
        ctx.bar_at("5m", -6 * M)


@pytest.mark.parametrize(
    ("score", "value"), [(None, None), (0, 0.0), (1, 1.0), (-0.5, -0.5), (float("nan"), None)]
)
def test_scores_that_are_taken(score, value):
    assert check_score("Mine", score) == value


@pytest.mark.parametrize("score", [True, "0.5", 1.01, -2, float("inf"), [0.5], np.array([0.5])])
def test_scores_that_are_refused(score):
    with pytest.raises(StrategyError, match=r"Mine\.on_bar returned"):
        check_score("Mine", score)


def test_the_base_class_says_what_is_missing():
    class Empty(Strategy):
        """Nothing."""

    Empty().on_start(None)
    with pytest.raises(StrategyError, match="Empty does not define on_bar"):
        Empty().on_bar(None)


CODE = """
from bot4.strategies.api import Strategy, compiled_strategy

class Mine(Strategy):
    def on_bar(self, bar):
        return 0.5

@compiled_strategy
def fast(features, book, context, memory):
    return 0.25

plain = 5
"""


def test_loading(tmp_path):
    file = tmp_path / "s.py"
    file.write_text(CODE)
    assert load_strategy(f"{file}:Mine").on_bar(None) == 0.5
    made = load_strategy(f"{file}:fast")
    assert isinstance(made, CompiledStrategy)
    assert made.name == "fast"
    assert made.function(None, None, None, None) == 0.25
    for name in ("plain", "Other", "Strategy2"):
        with pytest.raises(StrategyError, match=f"no strategy '{name}'; it has: Mine, fast"):
            load_strategy(f"{file}:{name}")


@pytest.mark.parametrize(
    ("spec", "text", "match"),
    [
        ("magic", None, "write hybrid, trend_cross, quoter, or FILE.py:Name"),
        ("s.txt:Mine", None, "write hybrid"),
        ("gone.py:Mine", None, "there is no file"),
        ("s.py:Mine", "import nowhere_at_all", "ModuleNotFoundError"),
        ("s.py:Mine", "def (", "SyntaxError"),
        ("s.py:Mine", "1 / 0", "ZeroDivisionError"),
        ("s.py:Mine", "x = 1", "none .subclass"),
    ],
)
def test_loading_what_is_wrong(tmp_path, spec, text, match):
    if text is not None:
        (tmp_path / "s.py").write_text(text)
    with pytest.raises(StrategyError, match=match):
        load_strategy(f"{tmp_path}/{spec}" if spec != "magic" else spec)


def test_native_is_made_once():
    made = compiled_strategy(lambda features, book, context, memory: 0.5)
    assert made.native is made.native


@pytest.mark.skipif(JIT_OFF, reason="there is no compiler to complain without the JIT")
def test_what_does_not_compile_is_named():
    def odd(features, book, context, memory):
        return {}[object()]

    with pytest.raises(StrategyError, match="odd does not compile"):
        _ = compiled_strategy(odd).native
