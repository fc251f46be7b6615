"""Heat and open risk against sums by hand; parameters and their bounds."""

import numpy as np
import pytest
from risk_scene import EQUITY, PRICE, plain, scene

from bot4.model.errors import ConfigError
from bot4.risk.heat_nb import heat_nb, open_risk_nb, refresh_nb
from bot4.risk.state import INSTR_RISK_DTYPE, RISK_PARAMS_DTYPE, RISK_STATE_DTYPE, default_params, new_risk
from bot4.risk.state_nb import held_risk_nb, part_ceil_nb, part_floor_nb

POSITIONS = np.dtype([("qty", "<i8"), ("mark", "<i8")])


def book(*rows):
    return np.array(list(rows), POSITIONS)


@pytest.mark.parametrize("how", ["compiled", "plain"])
def test_heat_and_open_risk_by_hand(how):
    refresh, heat, open_risk = (
        f if how == "compiled" else plain(f) for f in (refresh_nb, heat_nb, open_risk_nb)
    )
    risk, spec = scene(4)
    risk.instr["sigma_year"] = [0.5, 1.0, np.nan, 0.7]
    risk.instr["stop"] = [PRICE - 500, PRICE + 1_000, 0, 0]
    positions = book((20, PRICE), (-10, PRICE), (0, PRICE), (2, PRICE))
    refresh(risk, spec, positions, EQUITY)
    assert risk.instr["exposure"].tolist() == [20 * PRICE, 10 * PRICE, 0, 2 * PRICE]
    assert risk.instr["open_risk"].tolist() == [20 * 500, 10 * 1_000, 0, 2 * PRICE]  # no stop: all of it
    want = (0.01 * 0.5 + 0.005 * 1.0 + 0.001 * 0.7, (10_000 + 10_000 + 100_000) / EQUITY)
    assert risk.state[0]["heat"] == pytest.approx(want[0], rel=1e-12)
    assert heat(risk, EQUITY) == pytest.approx(want[0], rel=1e-12)
    assert risk.state[0]["open_risk"] == open_risk(risk, EQUITY) == pytest.approx(want[1], rel=1e-12)
    risk.instr["pending_exposure"][0] = 20 * PRICE
    assert heat(risk, EQUITY) == pytest.approx(want[0] + 0.005, rel=1e-12)
    # unknown, not zero
    assert np.isnan(heat(risk, 0))
    assert np.isnan(open_risk(risk, -1))
    risk.instr["sigma_year"][1] = np.nan
    assert np.isnan(heat(risk, EQUITY))
    refresh(risk, spec, positions, EQUITY)
    assert np.isnan(risk.state[0]["heat"])
    refresh(risk, spec, book((0, 0), (0, 0), (0, 0), (0, 0)), 0)
    assert np.isnan(risk.state[0]["heat"])
    assert np.isnan(risk.state[0]["open_risk"])
    assert risk.instr["exposure"].tolist() == [0] * 4
    refresh(risk, spec, book((0, 0), (0, 0), (0, 0), (0, 0)), EQUITY)
    assert risk.state[0]["heat"] == risk.state[0]["open_risk"] == 0.0


def test_parts_of_equity_are_exact():
    rng = np.random.default_rng(7)
    for _ in range(500):
        amount = int(rng.integers(0, 2**62 - 2**20))
        for fraction in (0.02, 0.05, 0.25, 1e-8):
            rate = round(fraction * 10**8)
            assert part_floor_nb(amount, fraction) == plain(part_floor_nb)(amount, fraction)
            assert part_floor_nb(amount, fraction) == amount * rate // 10**8
            assert part_ceil_nb(amount, fraction) == -(-amount * rate // 10**8)
    assert part_floor_nb(2**61, 20.0) == 2**62  # does not fit: more than any amount
    assert part_floor_nb(10**17, 20.0) == 2 * 10**18


def test_risk_to_an_absurd_stop_is_large_and_not_negative():
    for call in (held_risk_nb, plain(held_risk_nb)):
        assert call(10**15, 10**9, 1, 1) > 2 * 10**18
        assert call(40, 3, 50, 2) == 60
        assert call(0, 3, 50, 2) == 300


def test_records_hold_no_padding():
    for dtype in (RISK_PARAMS_DTYPE, RISK_STATE_DTYPE, INSTR_RISK_DTYPE):
        assert dtype.itemsize == 8 * len(dtype.names)


def test_defaults_are_those_of_the_specification():
    p = default_params()[0]
    stated = {
        "kelly_fraction": 0.25,
        "edge_haircut": 0.5,
        "min_edge_r": 0.02,
        "max_order": 0.02,
        "max_position": 0.02,
        "max_asset": 0.05,
        "max_heat": 0.25,
        "max_open_risk": 0.25,
        "dd_soft": 0.15,
        "dd_hard": 0.20,
        "dd_day": 0.10,
        "vol_target": 0.15,
        "emergency_stop": 0.05,
        "recovery_per_day": 0.01,
    }
    assert {name: p[name] for name in stated} == stated
    assert p["min_notional_money"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_ordr": 0.1}, "max_ordr is not a setting"),
        ({"max_order": 2}, r"max_order: 2 is not in \[0.0, 1.0\] \(fractions"),
        ({"dd_hard": float("nan")}, "dd_hard"),
        ({"max_heat": -0.1}, "max_heat"),
        ({"min_notional_money": -1}, "negative"),
        ({"dd_hard": 0.1}, "dd_hard 0.1 is below risk.dd_soft 0.15"),
    ],
)
def test_parameters_out_of_bounds_are_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        default_params(**changes)


def test_new_risk_refuses_nonsense_and_copies_parameters():
    params = default_params(min_notional_money=500, max_order=0.01)
    risk = new_risk(1, params, EQUITY)
    params["max_order"] = 1.0
    assert risk.params[0]["max_order"] == 0.01
    assert risk.params[0]["min_notional_money"] == 500
    for equity in (0, -1, 2**62):
        with pytest.raises(ValueError, match="initial equity"):
            new_risk(1, params, equity)
    with pytest.raises(ValueError, match="at least one"):
        new_risk(0, params, EQUITY)
