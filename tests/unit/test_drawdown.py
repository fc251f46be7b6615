"""Scripted equity paths: each level is met once, with exactly its action; recovery is slow."""

import numpy as np
import pytest
from risk_scene import DAY, EQUITY, HOUR, PRICE, T0, explain, plain, scene

from bot4.model import codes_nb as c
from bot4.risk.drawdown_nb import resume_nb, update_equity_nb
from bot4.risk.sizing_nb import size_nb


def step(risk, percent, ts, how=update_equity_nb):
    mode = how(risk, int(EQUITY * percent // 100), ts)
    return mode, int(risk.state[0]["reason"])


def test_a_slow_slide_meets_each_level_once():
    """Down one point every two days: no day rule acts, only the two peak levels, each once."""
    risk, _ = scene()
    log, last = [], None
    for day in range(25):
        answer = step(risk, 100 - day, T0 + 2 * day * DAY)
        if answer != last:
            log.append((day, *answer))
        last = answer
    assert log == [
        (0, c.MODE_NORMAL, c.R_OK),
        (15, c.MODE_REDUCE, c.R_DRAWDOWN_SOFT),
        (20, c.MODE_EMERGENCY, c.R_DRAWDOWN_HARD),
    ]


def test_levels_act_at_the_level_and_not_a_unit_before():
    for percent, mode in ((15, c.MODE_REDUCE), (20, c.MODE_EMERGENCY)):
        risk, _ = scene(daily_loss=1.0, dd_day=1.0)
        edge = EQUITY - EQUITY * percent // 100
        update_equity_nb(risk, EQUITY, T0)
        assert update_equity_nb(risk, edge + 1, T0 + 1) != mode
        assert update_equity_nb(risk, edge, T0 + 2) == mode


def test_soft_level_halves_and_recovers_slowly():
    risk, _ = scene(daily_loss=1.0, dd_day=1.0)
    state = risk.state[0]
    step(risk, 100, T0)
    step(risk, 85, T0 + DAY)
    assert state["dd_factor"] == 0.5
    assert state["drawdown"] == pytest.approx(0.15)
    assert step(risk, 86, T0 + 2 * DAY)[0] == c.MODE_NORMAL
    assert state["dd_factor"] == pytest.approx(0.51)
    step(risk, 86, T0 + 12 * DAY)
    assert state["dd_factor"] == pytest.approx(0.61)
    step(risk, 84, T0 + 13 * DAY)
    assert state["dd_factor"] == 0.5
    step(risk, 90, T0 + 90 * DAY)
    assert state["dd_factor"] == 1.0
    step(risk, 90, T0 + 91 * DAY)
    assert (state["dd_factor"], state["factor_base"]) == (1.0, 1.0)


def test_a_fall_within_24_hours_pauses_until_it_is_a_day_old():
    risk, _ = scene(daily_loss=1.0)
    start = T0 + 20 * HOUR  # the window spans midnight
    assert step(risk, 100, start) == (c.MODE_NORMAL, c.R_OK)
    for i in range(1, 10):
        assert step(risk, 100 - i, start + i * HOUR)[0] == c.MODE_NORMAL
    assert step(risk, 90, start + 10 * HOUR) == (c.MODE_PAUSE, c.R_DRAWDOWN_DAY)
    assert risk.state[0]["day_drop"] == pytest.approx(0.10)
    assert step(risk, 91, start + 11 * HOUR)[0] == c.MODE_NORMAL
    assert step(risk, 90, start + 24 * HOUR)[0] == c.MODE_PAUSE
    assert step(risk, 90, start + 25 * HOUR)[0] == c.MODE_NORMAL  # 99 is now the greatest of 24 hours


def test_the_same_fall_over_two_days_does_not_pause():
    risk, _ = scene(daily_loss=1.0)
    step(risk, 100, T0)
    for hour in range(1, 49):
        assert step(risk, 100 - hour * 10 / 48, T0 + hour * HOUR)[0] == c.MODE_NORMAL


def test_24_hour_window_against_a_plain_search():
    """The ring of hours finds the drop that a search over all samples finds, to the hour."""
    rng = np.random.default_rng(9)
    risk, _ = scene(daily_loss=1.0, dd_soft=1.0, dd_hard=1.0)
    ts, level, seen = T0, 1.0, []
    for _ in range(1_500):
        ts += int(rng.exponential(0.3 * HOUR)) + (30 * HOUR if rng.random() < 0.005 else 0)
        level *= float(np.exp(rng.normal(0, 0.012)))
        equity = int(EQUITY * level)
        before = seen[-1][1] if seen else EQUITY
        update_equity_nb(risk, equity, ts)
        seen.append((ts // HOUR, equity))
        high = max([e for h, e in seen if h >= ts // HOUR - 24] + ([before] if len(seen) < 2 else []))
        # an equity that was last known before the window began still stood in it
        older = [e for h, e in seen if h < ts // HOUR]
        high = max(high, older[-1]) if older else max(high, EQUITY)
        assert risk.state[0]["day_drop"] == pytest.approx((high - equity) / high, abs=1e-12)


def test_daily_loss_pauses_to_the_end_of_the_utc_day():
    risk, _ = scene()
    assert step(risk, 100, T0 + HOUR) == (c.MODE_NORMAL, c.R_OK)
    assert step(risk, 97.001, T0 + 2 * HOUR)[0] == c.MODE_NORMAL
    assert step(risk, 97, T0 + 3 * HOUR) == (c.MODE_PAUSE, c.R_DAILY_LOSS)
    assert step(risk, 99, T0 + 23 * HOUR) == (c.MODE_PAUSE, c.R_DAILY_LOSS)
    assert step(risk, 99, T0 + 24 * HOUR - 1) == (c.MODE_PAUSE, c.R_DAILY_LOSS)
    assert step(risk, 99, T0 + 24 * HOUR) == (c.MODE_NORMAL, c.R_OK)
    assert risk.state[0]["day_start_equity"] == EQUITY * 99 // 100


def test_a_loss_over_midnight_belongs_to_the_new_day():
    """The day starts from the last equity known, so that a gap at midnight is not forgotten."""
    risk, _ = scene()
    step(risk, 100, T0 + 23 * HOUR)
    assert step(risk, 96, T0 + 25 * HOUR) == (c.MODE_PAUSE, c.R_DAILY_LOSS)


def test_a_gap_of_thirty_percent_asks_to_flatten_at_once():
    risk, spec = scene()
    step(risk, 100, T0)
    assert step(risk, 70, T0 + 1) == (c.MODE_EMERGENCY, c.R_DRAWDOWN_HARD)
    assert risk.state[0]["drawdown"] == pytest.approx(0.30)  # the overshoot stands in the state
    assert risk.state[0]["dd_factor"] == 0.0
    args = (risk, spec, EQUITY * 7 // 10, 0, 0, 1, 0.9, PRICE, 250.0, 0.5, 0.001, explain())
    assert size_nb(*args) == 0
    assert step(risk, 100, T0 + 100 * DAY) == (c.MODE_EMERGENCY, c.R_DRAWDOWN_HARD)  # only a person resumes
    assert size_nb(*args) == 0


def test_recovery_to_half_takes_fifty_days():
    wide = {"max_order": 1.0, "max_position": 1.0, "max_asset": 1.0, "max_leverage": 20.0, "max_heat": 10.0}
    risk, spec = scene(kelly_fraction=0.1, **wide)
    step(risk, 100, T0)
    step(risk, 79, T0 + 1)
    assert resume_nb(risk, T0 + DAY)
    factors, sizes = [], []
    for day in range(121):
        assert step(risk, 79, T0 + (1 + day) * DAY)[0] == c.MODE_NORMAL
        factors.append(float(risk.state[0]["dd_factor"]))
        sizes.append(size_nb(risk, spec, EQUITY, 0, 0, 1, 0.9, PRICE, 250.0, 0.5, 0.001, explain()))
    assert factors[0] == sizes[0] == 0
    assert max(np.diff(factors)) <= 0.01 + 1e-12
    assert next(d for d, f in enumerate(factors) if f >= 0.5) >= 50
    assert factors[100:] == [1.0] * 21
    assert max(np.diff(sizes)) <= sizes[-1] * 0.01 + 1
    # a second hard stop on the way starts from nothing again
    step(risk, 79 * 0.79, T0 + 200 * DAY)
    assert risk.state[0]["dd_factor"] == 0.0


def test_equity_that_is_gone():
    risk, _ = scene()
    step(risk, 100, T0)
    for percent in (0, -50):
        assert step(risk, percent, T0 + HOUR) == (c.MODE_EMERGENCY, c.R_EQUITY)
    assert not resume_nb(risk, T0 + 2 * HOUR)
    assert not plain(resume_nb)(risk, T0 + 2 * HOUR)
    for day in range(1, 5):
        assert step(risk, -50, T0 + day * DAY) == (c.MODE_EMERGENCY, c.R_EQUITY)
    assert np.isfinite(risk.state[0]["day_drop"])


def test_time_that_steps_back_is_no_step():
    risk, _ = scene()
    step(risk, 100, T0 + DAY)
    step(risk, 96, T0 + DAY + 1)
    day = int(risk.state[0]["day"])
    assert step(risk, 99, T0)[0] == c.MODE_PAUSE
    assert (risk.state[0]["day"], risk.state[0]["last_ts"]) == (day, T0 + DAY + 1)


def test_compiled_equals_plain():
    rng = np.random.default_rng(10)
    fast, _ = scene()
    slow, _ = scene()
    ts = T0
    for i in range(800):
        ts += int(rng.integers(0, 3 * HOUR))
        equity = int(EQUITY * (1 + 0.25 * np.sin(i / 40) + 0.02 * rng.normal()))
        assert update_equity_nb(fast, equity, ts) == plain(update_equity_nb)(slow, equity, ts)
        if i % 100 == 99:
            assert resume_nb(fast, ts) == plain(resume_nb)(slow, ts)
    for a, b in zip(fast, slow):
        assert a.tobytes() == b.tobytes()
