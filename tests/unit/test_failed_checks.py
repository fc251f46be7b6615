"""All checks that refuse an order, a bit each: against the gate's own first reason, and check by check."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from test_gate import Case
from tests.helpers.engine_scene import Scene, flat_bars

from bot4.engine.refusals import BIT_NAMES, GATE_NAMES, failed_names
from bot4.kernels.jit_nb import JIT_OFF
from bot4.model import codes_nb as c
from bot4.model import explain_nb as ex
from bot4.model.events import INTENT_DTYPE
from bot4.ports import journal as port
from bot4.risk.checks import CHECK_NAMES
from bot4.safety import failed_nb as f

WAYS = [f.failed_nb] if JIT_OFF else [f.failed_nb, f.failed_nb.py_func]


def failed(case, how=f.failed_nb, has_slot=True):
    a = case.args
    return int(
        how(
            case.s.control[0], case.s.params[0], case.specs[0], case.intents[1], a["now"], a["ref"], a["open"],
            a["pos"], a["reducing"], case.verdicts, a["n"], has_slot,
        )
    )  # fmt: skip


ONE = {
    "kill_latch": lambda k: k.control(killed=1),
    "enabled": lambda k: k.control(enabled=0),
    "mode": lambda k: k.control(mode=c.MODE_PAUSE),
    "reconciled": lambda k: k.control(reconciled=0),
    "private_stream": lambda k: k.control(private_down=1),
    "words": lambda k: k.intent(tif=0),
    "quantity": lambda k: k.spec(min_qty=8),
    "numbers": lambda k: k.at(ref=0),
    "min_notional": lambda k: k.spec(min_notional=70_001),
    "price_band": lambda k: k.intent(price=1051),
    "spot_sale": lambda k: k.spec(kind=0).intent(side=c.SELL),
    "order_value": lambda k: k.params(max_order_money=69_999),
    "open_orders": lambda k: k.at(open=5),
    "order_rate": lambda k: k.control(window_start=9_999, window_count=3),
    "reduce_only": lambda k: k.reduce().at(pos=6),
    "order_size": lambda k: k.verdict(c.R_MAX_ORDER, 0),
    "position_limit": lambda k: k.verdict(0, -1),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", ONE)
def test_each_check_has_its_bit(name, how):
    case = Case()
    assert failed(case, how) == 0
    ONE[name](case)
    assert failed_names(failed(case, how)) == [name]
    assert case.run() != c.R_OK


def test_several_are_all_there_in_their_order():
    case = Case().control(killed=1, mode=c.MODE_PAUSE).intent(qty=1, price=1051).at(open=9)
    case.verdict(0, c.R_HEAT)
    found = failed_names(failed(case, has_slot=False))
    wanted = "kill_latch mode quantity price_band open_orders order_table position_limit"
    assert [name for name in found if name != "min_notional"] == wanted.split()
    assert case.run() == c.R_KILLED


@pytest.mark.parametrize("how", WAYS)
def test_no_verdict_at_all_is_said_as_such(how):
    case = Case().at(n=0).control(killed=1)
    assert failed_names(failed(case, how)) == ["kill_latch", "risk_answers"]
    assert failed_names(float(failed(case, how))) == ["kill_latch", "risk_answers"]  # exact as a float


def test_no_order_and_an_approved_one_have_no_names():
    assert failed_names(float("nan")) == failed_names(0.0) == []
    assert len(GATE_NAMES) == f.FAIL_VERDICTS and len(BIT_NAMES) < f.MAX_FAILED
    behind = BIT_NAMES[f.FAIL_VERDICTS :]
    assert behind == (*CHECK_NAMES, "unknown_order", "breakers", "partial_kill", "liquidation")


FIRST = {
    f.FAIL_KILLED: c.R_KILLED, f.FAIL_ENABLED: c.R_NOT_ENABLED, f.FAIL_MODE: c.R_MODE,
    f.FAIL_RECONCILED: c.R_NOT_RECONCILED, f.FAIL_STREAM: c.R_PRIVATE_DOWN, f.FAIL_NOTIONAL: c.R_MIN_NOTIONAL,
    f.FAIL_BAND: c.R_PRICE_BAND, f.FAIL_SPOT: c.R_SHORT_SPOT, f.FAIL_VALUE: c.R_MAX_ORDER,
    f.FAIL_OPEN_ORDERS: c.R_TOO_MANY_ORDERS, f.FAIL_RATE: c.R_ORDER_RATE, f.FAIL_REDUCE_ONLY: c.R_REDUCE_ONLY,
}  # fmt: skip


def test_bits_and_gate_agree_on_random_orders():
    """No bit: approved. Any bit: refused, and the lowest one is the gate's reason."""
    draw, seen = random.Random(5), set()
    for _ in range(4000):
        case = Case()
        for change in draw.sample(list(ONE.values()), draw.choice((0, 1, 1, 2, 3))):
            change(case)
        bits = failed(case)
        assert all(failed(case, how) == bits for how in WAYS[:1])
        reason = case.run()
        assert (bits == 0) == (reason == c.R_OK)
        if bits:
            first = (bits & -bits).bit_length() - 1
            seen.add(first)
            if first in FIRST:
                assert reason == FIRST[first], failed_names(bits)
    assert len(seen) > 10


def test_the_engine_writes_them_into_the_explain_record_and_why_names_them():
    from bot4.research.why import _look

    made = Scene("strategy.fixed_size=0.5", "risk.max_order=1 %", "risk.max_position=1 %")
    made.push(flat_bars(1, 20))
    assert np.isnan(made.engine.explain[0, ex.EX_FAILED])
    made.scores[21] = 1.0
    made.push(flat_bars(21, 21))
    last = made.blocks(port.DECISIONS)[-1]
    assert (last["outcome"], last["reason"]) == (c.D_REFUSED, c.R_MAX_ORDER)
    session = SimpleNamespace(engine=made.engine, plan=made.plan, meta={"model": {"label": "none"}})
    look = _look(session, 0)
    assert look["refused_by"] == ["order_size", "position_limit"]
    assert "failed" not in look["chain"]


def test_an_approved_order_clears_them():
    made = Scene("strategy.fixed_size=0.01", strategy="cold")
    made.push(flat_bars(1, 20))
    made.engine.explain[0, ex.EX_FAILED] = 3.0
    made.scores[21] = 1.0
    made.push(flat_bars(21, 21))
    assert made.engine.explain[0, ex.EX_FAILED] == 0.0


def test_a_full_order_table_is_recorded():
    made = Scene("strategy.fixed_size=0.01")
    made.push(flat_bars(1, 20))
    table = made.engine.orders.table
    table["id"], table["status"] = np.arange(1, len(table) + 1), c.ST_WORKING
    made.engine.safety.control[0]["next_order_id"] = len(table) + 1
    intents = np.zeros(1, INTENT_DTYPE)
    row = made.engine.core[0]["intents"][0]
    row["qty"], row["action"], row["type"], row["tif"] = 10, c.ACT_NEW, c.TYPE_MARKET, c.TIF_GTC
    row["purpose"], row["side"] = c.FOR_ENTRY, c.BUY
    made.engine.n[0] = len(intents)
    from bot4.engine.dispatch_nb import dispatch_nb

    dispatch_nb(made.engine.core[0])
    assert "order_table" in failed_names(made.engine.explain[0, ex.EX_FAILED])
    assert made.engine.safety.refusals[c.R_TOO_MANY_ORDERS] == 1
