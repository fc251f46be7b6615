"""Time frames from one stream, against a plain grouping; and whether they agree."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.features import frames_nb
from bot4.features.frames import THRESHOLD, VOTES, Frame, Frames, confluence, trend_strength
from bot4.features.library import get
from bot4.features.plan import Plan, run_feature
from helpers.feature_rows import bars


def grouped(rows, seconds):
    """Bars of `seconds` by pandas; the last one only if it is whole."""
    table = pd.DataFrame(rows, columns=["o", "h", "l", "c", "v", "ts", "buy", "n"])
    end = np.ceil(table.ts / seconds) * seconds
    how = {"o": "first", "h": "max", "l": "min", "c": "last", "v": "sum", "buy": "sum", "n": "sum"}
    made = table.groupby(end).agg(how)
    made["ts"] = made.index
    if table.ts.iloc[-1] < made.index[-1]:
        made = made.iloc[:-1]
    return made[["o", "h", "l", "c", "v", "ts", "buy", "n"]].to_numpy()


@pytest.mark.parametrize("name", ["2m", "5m", "1h"])
@pytest.mark.parametrize("gaps", [False, True])
def test_frames_equal_a_plain_grouping_and_their_features_a_batch(name, gaps):
    rows = bars(900, 4)
    rows[:, 5] += 40 * 60  # the first bar stands in the middle of an hour
    if gaps:
        rows = np.delete(rows, [*range(100, 230), *range(400, 404), 650], axis=0)
    plan = Plan(["ema_3", "sma_4"])
    frame = Frame(name, plan)
    closed, values = [], []
    for row in rows:
        before = frame.closed
        if frame.on_bar(row):
            closed.append(frame.last.copy())
            values.append(frame.values.copy())
            assert frame.closed - before in (1, 2)
            if frame.closed - before == 2:  # after a gap two close at once: only the second is seen here
                closed.insert(-1, None)
                values.insert(-1, None)
    want = grouped(rows, frame.building[frames_nb.LENGTH])
    assert len(closed) == len(want) == frame.closed
    batch = np.hstack([run_feature(f, want) for f in plan.features])
    for got, row, out, line in zip(closed, want, values, batch, strict=True):
        if got is not None:
            np.testing.assert_allclose(got, row, rtol=1e-12)
            np.testing.assert_allclose(out, line, rtol=1e-12)


def test_an_unfinished_bar_changes_nothing_until_it_closes():
    rows = bars(600, 2)
    frame = Frame("4h", Plan(VOTES))
    for row in rows:
        before = frame.values.copy()
        if not frame.on_bar(row):
            np.testing.assert_array_equal(frame.values, before)
            frame.preview()
            np.testing.assert_array_equal(frame.values, before)
    assert frame.closed in (2, 3)


def test_a_preview_is_the_value_should_the_bar_close_now():
    rows = bars(64, 2)
    frame, other = (Frame("1h", Plan(["ema_1", "price"])) for _ in range(2))
    for k, row in enumerate(rows):
        frame.on_bar(row)
        if k == 40:
            other.on_bar(row)
            assert frame.preview()[0] == row[3]
    empty = Frame("1h", Plan(["ema_1"]))
    assert np.isnan(empty.preview()).all()


def test_trades_make_the_same_bars_as_a_grouping():
    rng = np.random.default_rng(3)
    ts = 1_700_000_000 + np.sort(rng.random(2000) * 7200)
    price, qty, buy = 100 + rng.normal(0, 1, 2000), rng.random(2000), rng.random(2000) < 0.5
    frames = Frames(["1m", "15m"], ["ema_2"])
    closed = {"1m": [], "15m": []}
    for row in zip(ts, price, qty, buy, strict=True):
        for name in frames.on_trade(*map(float, row[:3]), bool(row[3])):
            closed[name].append(frames.frames[name].last.copy())
    for name, seconds in (("1m", 60), ("15m", 900)):
        table = pd.DataFrame({"p": price, "q": qty, "b": qty * buy, "end": (ts // seconds + 1) * seconds})
        made = table.groupby("end").agg(
            o=("p", "first"), h=("p", "max"), l=("p", "min"), c=("p", "last"), v=("q", "sum")
        )
        made["ts"], made["b"], made["n"] = (
            made.index,
            table.groupby("end").b.sum(),
            table.groupby("end").size(),
        )
        np.testing.assert_allclose(closed[name], made.to_numpy()[:-1], rtol=1e-12)
    assert frames.on_time(ts[-1]) == []
    assert frames.on_time(ts[-1] + 900) == ["1m", "15m"]
    assert frames.on_time(ts[-1] + 900) == []


def test_a_rising_market_is_strong_in_every_frame():
    rows = bars(4000, 1)
    line = 100.0 * np.exp(np.linspace(0, 1, 4000) ** 2)
    rows[:, 0] = rows[:, 2] = np.concatenate((line[:1], line[:-1]))
    rows[:, 1] = rows[:, 3] = line
    frames = Frames(["5m", "15m", "1h"])
    assert confluence(frames.strengths()).best is None
    for row in rows:
        frames.on_bar(row)
    seen = frames.strengths()
    assert seen == {"5m": 1.0, "15m": 1.0, "1h": 1.0}
    found = confluence(seen)
    assert found == (1.0, ("5m", "15m", "1h"), True, True, "5m")


def test_opposed_frames_cancel_and_are_not_aligned():
    found = confluence({"5m": 1.0, "1h": -1.0})
    assert found.score == 0.0
    assert not found.aligned
    assert not found.confirmed


def test_only_the_weights_used_stand_in_the_denominator():
    found = confluence({"5m": 0.5, "1h": math.nan, "4h": 1.0}, {"5m": 1.0, "1h": 8.0, "4h": 3.0})
    assert found.score == pytest.approx((0.5 + 3.0) / 4.0)
    assert found.used == ("5m", "4h")
    assert found.best == "4h"
    assert confluence({"5m": 0.6}).confirmed is (THRESHOLD <= 0.6)
    assert confluence({"5m": 0.0, "1h": 1.0}).aligned is False


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(allow_infinity=True, allow_nan=True)),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e6)),
)
def test_a_score_lies_between_minus_one_and_one(strengths, weights):
    found = confluence(strengths, weights)
    assert math.isnan(found.score) == (not found.used)
    assert math.isnan(found.score) or -1.0 <= found.score <= 1.0 + 1e-12


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="finite and not negative"):
        confluence({"a": 1.0}, {"a": -1.0})
    with pytest.raises(ValueError, match="once, and at least one"):
        Frames(["5m", "5m"])
    assert math.isnan(trend_strength(Frame("1h", Plan([*VOTES, get("ema_3")]))))
