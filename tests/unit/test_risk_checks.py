"""Each check at its limit and one lot beyond; the lane of reducing orders; hostile inputs."""

import numpy as np
import pytest
from risk_scene import DAY, EQUITY, PRICE, SPOT, T0, plain, scene, verdict_row

from bot4.model import codes_nb as c
from bot4.risk import checks_nb as k
from bot4.risk.checks import CHECK_NAMES, N_CHECKS
from bot4.risk.drawdown_nb import update_equity_nb

WIDE = {
    "max_order": 1.0,
    "max_position": 1.0,
    "max_asset": 1.0,
    "max_heat": 10.0,
    "max_open_risk": 1.0,
    "max_leverage": 20.0,
}


def check(risk, spec, how=k.verdicts_nb, **changes):
    """Reasons by name of the check; only refusals."""
    args = {
        "inst": 0,
        "side": 1,
        "qty": 10,
        "price": PRICE,
        "pos_qty": 0,
        "equity": EQUITY,
        "gross_exposure": 0,
        "pending_money": 0,
        "is_reducing": False,
    }
    args.update(changes)
    out = verdict_row()
    if "gross_exposure" not in changes:
        args["gross_exposure"] = abs(args["pos_qty"]) * args["price"]
    assert how(risk, spec, *args.values(), out) == N_CHECKS
    assert (out >= 0).all()  # every check is recorded, also after a refusal
    return {name: int(reason) for name, reason in zip(CHECK_NAMES, out) if reason}


def ready(n=1, kind=1, **changes):
    risk, spec = scene(n, kind, **{**WIDE, **changes})
    risk.instr["sigma_year"] = 0.5
    risk.instr["stop"] = PRICE - 500
    update_equity_nb(risk, EQUITY, T0)
    return risk, spec


def test_names_and_numbers_agree():
    assert len(CHECK_NAMES) == N_CHECKS == k.N_CHECKS
    assert CHECK_NAMES[k.CHECK_HEAT] == "heat"
    assert CHECK_NAMES[k.CHECK_FUNDS] == "funds"


LIMITS = {  # limit, inputs exactly at it, the check and reason that refuse one lot more
    "order": ({"max_order": 0.02}, {"qty": 40}, "order_size", c.R_MAX_ORDER),
    "position": ({"max_position": 0.02}, {"qty": 10, "pos_qty": 30}, "position_limit", c.R_MAX_POSITION),
    "position, short": (
        {"max_position": 0.02},
        {"qty": 10, "pos_qty": -30, "side": -1},
        "position_limit",
        c.R_MAX_POSITION,
    ),
    "position, through zero": (
        {"max_position": 0.02},
        {"qty": 70, "pos_qty": -30},
        "position_limit",
        c.R_MAX_POSITION,
    ),
    "position, pending": (
        {"max_position": 0.02},
        {"qty": 10, "pos_qty": 20, "pending_money": 10 * PRICE},
        "position_limit",
        c.R_MAX_POSITION,
    ),
    "asset": ({"max_asset": 0.05}, {"qty": 60, "pos_qty": 40}, "asset_limit", c.R_MAX_ASSET),
    "heat": ({"max_heat": 0.25}, {"qty": 900, "pos_qty": 100}, "heat", c.R_HEAT),
    "open risk": ({"max_open_risk": 0.005}, {"qty": 500, "pos_qty": 500}, "open_risk", c.R_OPEN_RISK),
    "leverage": (
        {"max_leverage": 1.0},
        {"qty": 1_000, "gross_exposure": 900 * PRICE, "pending_money": 100 * PRICE},
        "leverage",
        c.R_LEVERAGE,
    ),
}


@pytest.mark.parametrize("how", ["compiled", "plain"])
@pytest.mark.parametrize("name", LIMITS)
def test_exactly_at_the_limit_passes_and_a_lot_more_does_not(name, how):
    params, inputs, refused_by, reason = LIMITS[name]
    verdicts = k.verdicts_nb if how == "compiled" else plain(k.verdicts_nb)
    risk, spec = ready(**params)
    assert check(risk, spec, verdicts, **inputs) == {}
    inputs = {**inputs, "qty": inputs["qty"] + 1}
    assert check(risk, spec, verdicts, **inputs) == {refused_by: reason}


def test_several_refusals_are_all_recorded():
    risk, spec = ready(max_order=0.02, max_position=0.02, max_asset=0.05)
    refused = check(risk, spec, qty=101)
    assert list(refused) == ["order_size", "position_limit", "asset_limit"]


def test_other_instruments_count():
    risk, spec = ready(3, max_asset=0.05, max_heat=0.25, max_leverage=1.0, max_open_risk=0.01)
    risk.instr["asset"] = [0, 0, 1]
    risk.instr["exposure"] = [10**12, 50 * PRICE, 100 * PRICE]  # the own row is taken from the arguments
    risk.instr["pending_exposure"] = [10**12, 40 * PRICE, 0]
    risk.instr["open_risk"] = [10**12, 25_000, 50_000]
    held = 150 * PRICE
    assert check(risk, spec, qty=10, gross_exposure=held) == {}
    assert check(risk, spec, qty=11, gross_exposure=held) == {"asset_limit": c.R_MAX_ASSET}
    risk.instr["asset"] = [0, 1, 2]
    # heat: (50 + 40 + 100 + 810) x 0.5 of 2000 lots of equity = 0.25; open risk far below
    assert check(risk, spec, qty=100, gross_exposure=held) == {}
    risk.params["max_asset"] = 1.0
    assert check(risk, spec, qty=810, gross_exposure=held) == {}
    assert check(risk, spec, qty=811, gross_exposure=held) == {"heat": c.R_HEAT}
    # open risk: 25 000 + 50 000 + 5 % of pending 2 000 000 (100 000) + 500 a lot of 1 000 000
    risk.params["max_heat"] = 10.0
    assert check(risk, spec, qty=1_650, gross_exposure=held) == {}
    assert check(risk, spec, qty=1_651, gross_exposure=held) == {"open_risk": c.R_OPEN_RISK}
    risk.params["max_open_risk"] = 1.0
    assert check(risk, spec, qty=1_810, gross_exposure=held) == {}
    assert check(risk, spec, qty=1_811, gross_exposure=held) == {"leverage": c.R_LEVERAGE}
    risk.instr["sigma_year"][2] = np.nan
    assert check(risk, spec, gross_exposure=held) == {"heat": c.R_UNCHECKED}


def test_an_order_without_stop_bears_the_emergency_stop():
    risk, spec = ready(max_open_risk=0.01)
    risk.instr["stop"] = 0
    assert check(risk, spec, qty=400) == {}  # 5 % of 50 000 is 2 500 a lot
    assert check(risk, spec, qty=401) == {"open_risk": c.R_OPEN_RISK}
    # what is held without a stop counts whole: 19 lots are 950 000
    assert check(risk, spec, qty=20, pos_qty=19) == {}
    assert check(risk, spec, qty=21, pos_qty=19) == {"open_risk": c.R_OPEN_RISK}
    # through zero: nothing of what is held remains
    assert check(risk, spec, qty=419, pos_qty=-19) == {}
    assert check(risk, spec, qty=420, pos_qty=-19) == {"open_risk": c.R_OPEN_RISK}


def test_spot_short():
    risk, spec = ready(kind=SPOT)
    assert check(risk, spec, side=-1, qty=10, pos_qty=10) == {}
    assert check(risk, spec, side=-1, qty=11, pos_qty=10) == {"spot_short": c.R_SHORT_SPOT}
    assert check(risk, spec, side=1, qty=5, pos_qty=-10) == {}
    perp = ready()
    assert check(*perp, side=-1, qty=11, pos_qty=10) == {}


def test_funds():
    risk, spec = ready(kind=SPOT)
    spec["taker_fee"] = 100_000  # 0.1 %
    assert check(risk, spec, qty=1_998) == {}
    assert check(risk, spec, qty=1_999) == {"funds": c.R_MARGIN}
    assert check(risk, spec, qty=999, pos_qty=1_000) == {}
    assert check(risk, spec, qty=1_000, pos_qty=1_000) == {"funds": c.R_MARGIN}
    assert check(risk, spec, qty=1_000, gross_exposure=500 * PRICE, pending_money=500 * PRICE) == {
        "funds": c.R_MARGIN
    }
    spec["taker_fee"] = -100_000
    assert check(risk, spec, qty=2_000) == {}  # a rebate not yet received buys nothing
    assert check(risk, spec, qty=2_001)["funds"] == c.R_MARGIN
    perp, perp_spec = ready()
    perp_spec["taker_fee"] = 100_000_000
    assert check(perp, perp_spec, qty=2_000) == {}
    assert check(perp, perp_spec, qty=2_001)["funds"] == c.R_MARGIN


def test_drawdown_and_daily_loss():
    risk, spec = ready()
    update_equity_nb(risk, EQUITY * 97 // 100 + 1, T0 + 1)
    assert check(risk, spec, equity=EQUITY * 97 // 100 + 1) == {}
    assert check(risk, spec, equity=EQUITY * 97 // 100) == {"daily_loss": c.R_DAILY_LOSS}  # before the update
    update_equity_nb(risk, EQUITY * 97 // 100, T0 + 2)
    assert check(risk, spec) == {"daily_loss": c.R_DAILY_LOSS}  # and for the rest of the day
    update_equity_nb(risk, EQUITY * 97 // 100, T0 + DAY)
    assert check(risk, spec) == {}
    update_equity_nb(risk, EQUITY * 80 // 100, T0 + DAY + 1)
    assert check(risk, spec)["drawdown"] == c.R_DRAWDOWN_HARD
    risk.state["halted"] = 0
    risk.state["drawdown"] = np.nan
    assert check(risk, spec)["drawdown"] == c.R_UNCHECKED
    risk.state["day_start_equity"] = 0
    assert check(risk, spec)["daily_loss"] == c.R_UNCHECKED


def test_reducing_orders_have_their_own_lane():
    risk, spec = ready()
    update_equity_nb(risk, -5, T0 + 1)
    risk.instr["sigma_year"] = np.nan
    for side, pos in ((-1, 10), (1, -10)):
        assert check(risk, spec, side=side, qty=10, pos_qty=pos, equity=-5, is_reducing=True) == {}
        assert check(risk, spec, side=side, qty=10, pos_qty=pos, equity=-5) != {}


@pytest.mark.parametrize(
    ("side", "qty", "pos"),
    [(1, 1, 5), (-1, 6, 5), (-1, 1, -5), (1, 6, -5), (1, 1, 0), (-1, 0, 5), (-1, -1, 5)],
)
def test_an_order_that_only_says_it_reduces_is_checked(side, qty, pos):
    assert not k.reduces_nb(side, qty, pos)
    risk, spec = ready(max_order=0.0)
    assert check(risk, spec, side=side, qty=qty, pos_qty=pos, is_reducing=True)["order_size"] in (
        c.R_MAX_ORDER,
        c.R_UNCHECKED,
    )


@pytest.mark.parametrize("how", ["compiled", "plain"])
def test_quantities_whose_product_overflows(how):
    """Lots by the billion at a price of one tick: the position's sides are told apart without a product."""
    verdicts = k.verdicts_nb if how == "compiled" else plain(k.verdicts_nb)
    risk, spec = ready(max_open_risk=0.05)
    risk.instr["stop"] = 0
    huge = 3 * 2**32
    assert check(risk, spec, verdicts, price=1, equity=2 * huge, qty=huge, pos_qty=0) == {}
    # the held half has no stop and counts whole
    refused = check(risk, spec, verdicts, price=1, equity=2 * huge, qty=huge // 2, pos_qty=huge // 2)
    assert refused == {"open_risk": c.R_OPEN_RISK}
    assert check(risk, spec, verdicts, price=1, equity=2 * huge, qty=2 * huge, pos_qty=-huge) == {}


@pytest.mark.parametrize("how", ["compiled", "plain"])
@pytest.mark.parametrize(
    "bad",
    [
        {"qty": 0},
        {"qty": -1},
        {"price": 0},
        {"price": -5},
        {"equity": 0},
        {"equity": -1},
        {"gross_exposure": -1},
        {"pending_money": -1},
        {"side": 0},
        {"side": 2},
        {"qty": 2**60},
        {"price": 2**60},
        {"pending_money": 2**61, "gross_exposure": 2**61},
    ],
    ids=str,
)
def test_nonsense_is_refused_throughout(bad, how):
    verdicts = k.verdicts_nb if how == "compiled" else plain(k.verdicts_nb)
    refused = check(*ready(), verdicts, **bad)
    assert list(refused) == list(CHECK_NAMES)
    assert set(refused.values()) == {c.R_UNCHECKED}


def test_single_checks_refuse_what_they_cannot_know():
    for single in (
        k.order_size_nb,
        k.position_limit_nb,
        k.asset_limit_nb,
        k.open_risk_limit_nb,
        k.leverage_nb,
    ):
        for call in (single, plain(single)):
            assert call(EQUITY, 0, 0.02) == c.R_OK
            assert call(0, 1, 0.02) == c.R_UNCHECKED
            assert call(EQUITY, -1, 0.02) == c.R_UNCHECKED
    for call in (k.heat_limit_nb, plain(k.heat_limit_nb)):
        assert call(EQUITY, 1.0, 0.02) == c.R_OK
        for heat in (np.nan, np.inf, -1.0):
            assert call(EQUITY, heat, 0.02) == c.R_UNCHECKED
        assert call(0, 1.0, 0.02) == c.R_UNCHECKED
    for call in (k.funds_nb, plain(k.funds_nb)):
        assert call(SPOT, 1, 0, 0, 1, 0) == c.R_UNCHECKED
        assert call(SPOT, 1, 5, -1, 1, 0) == c.R_UNCHECKED
    for call in (k.daily_loss_nb, plain(k.daily_loss_nb)):
        assert call(EQUITY, 0, False, 0.03) == c.R_UNCHECKED
        assert call(0, EQUITY, False, 0.03) == c.R_UNCHECKED
        assert call(EQUITY, EQUITY, True, 0.03) == c.R_DAILY_LOSS


def test_random_orders_compiled_equals_plain_and_limits_hold():
    """Orders that pass every check leave the account inside every limit (sums taken anew in Python)."""
    rng = np.random.default_rng(8)
    risk, spec = scene(2)
    risk.instr["sigma_year"] = [0.8, 0.3]
    update_equity_nb(risk, EQUITY, T0)
    slow = plain(k.verdicts_nb)
    passed = 0
    out, again = verdict_row(), verdict_row()
    for _ in range(1_500):
        pos = int(rng.integers(-45, 46))
        side, qty = int(rng.choice([1, -1])), int(rng.integers(1, 60))
        pending = int(rng.integers(0, 20)) * PRICE
        other = int(rng.integers(0, 2_200)) * PRICE
        risk.instr["exposure"][1] = other
        risk.instr["open_risk"][1] = other // 10
        args = (0, side, qty, PRICE, pos, EQUITY, abs(pos) * PRICE + other, pending, False)
        k.verdicts_nb(risk, spec, *args, out)
        slow(risk, spec, *args, again)
        assert out.tolist() == again.tolist()
        if not out.any():
            after = abs(pos + side * qty) * PRICE + pending
            assert qty * PRICE <= 0.02 * EQUITY
            assert after <= 0.02 * EQUITY
            assert after * 0.8 + other * 0.3 <= 0.25 * EQUITY * (1 + 1e-9)
            assert after + other <= EQUITY
            passed += 1
    assert 50 < passed < 1_400
