"""The cold gate: the only maker of ApprovedOrder, and client order ids."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.execution.ids import client_order_id, parse_client_order_id
from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder, take_seal
from bot4.model.errors import CallerError, SealBroken
from bot4.model.instrument import Instrument
from bot4.model.values import Quantity, Rate
from bot4.model.words import Intent
from bot4.safety.gate import MAX_EPOCH, MAX_ORDER_ID, Gate, GateContext, Refused
from bot4.safety.modes_nb import enable_nb
from bot4.safety.state import gate_params, new_safety

D = Decimal
BTC = Instrument(
    "BTCUSDT", "binance-spot", "BTC", "USDT", "perp", D("0.1"), D("0.001"), D("0.001"), D("100"), D("5")
)
GOOD = {"limits": c.R_OK, "margin": c.R_OK}


def entry(**kw):
    base = Intent("BTCUSDT", 1, "limit", BTC.quantity("0.5"), BTC.price("60000"), None, False, "entry")
    return replace(base, **kw)


def context(**kw):
    rate = Rate.of("0.0005")
    none = BTC.quantity(0)
    base = GateContext(BTC, BTC.record(8, rate, rate, 0), 5, BTC.price("60010"), 0, none, none)
    return replace(base, **kw)


@pytest.fixture
def state():
    s = new_safety(gate_params(10**5 * 10**8))
    enable_nb(s)
    s.control[0]["reconciled"] = 1
    return s


def test_approved_with_proof(state):
    order = Gate(state, "desk1", 7).approve(entry(), GOOD, context())
    assert isinstance(order, ApprovedOrder)
    assert order.order_id == 1
    assert order.client_order_id == "b4desk1-7-1"
    assert order.passed == ("limits", "margin", "gate")
    again = Gate(state, "desk1", 7).approve(entry(type="market", price=None), GOOD, context())
    assert again.order_id == 2


@pytest.mark.parametrize(
    ("intent", "verdicts", "more", "reason"),
    [
        (entry(), {}, {}, c.R_UNCHECKED),
        (entry(), {"limits": -1}, {}, c.R_UNCHECKED),
        (entry(), {"limits": c.R_HEAT}, {}, c.R_HEAT),
        (entry(instrument="ETHUSDT"), GOOD, {}, c.R_INSTRUMENT),
        (entry(type="iceberg"), GOOD, {}, c.R_UNCHECKED),
        (entry(purpose="fun"), GOOD, {}, c.R_UNCHECKED),
        (entry(side=0), GOOD, {}, c.R_UNCHECKED),
        (entry(quantity=Quantity.of("0.5", D("0.01"))), GOOD, {}, c.R_QTY_LOT),
        (entry(quantity=Quantity(2**63, BTC.lot)), GOOD, {}, c.R_QTY_LOT),
        (entry(price=replace(BTC.price("60000"), tick=D("0.01"))), GOOD, {}, c.R_PRICE_TICK),
        (entry(price=None), GOOD, {}, c.R_PRICE_TICK),
        (entry(), GOOD, {"ref_price": None}, c.R_UNCHECKED),
        (entry(quantity=BTC.quantity("2")), GOOD, {}, c.R_MAX_ORDER),
        (entry(reduce_only=True), GOOD, {}, c.R_REDUCE_ONLY),
    ],
)
def test_refused_with_reason(state, intent, verdicts, more, reason):
    answer = Gate(state, "desk1", 7).approve(intent, verdicts, context(**more))
    assert answer == Refused(reason)
    assert state.refusals[reason] == state.control[0]["refused"] == 1
    assert str(answer).startswith("refused: ")


def test_the_latch_kills_and_reducing_still_passes(state):
    latch = np.zeros(1, np.uint8)
    gate = Gate(state, "desk1", 7, latch)
    latch[0] = 1
    assert gate.approve(entry(), GOOD, context()) == Refused(c.R_KILLED)
    assert state.control[0]["mode"] == c.MODE_EMERGENCY
    close = entry(side=-1, reduce_only=True, type="market", price=None, purpose="flatten")
    order = gate.approve(close, {"limits": c.R_HEAT}, context(position=BTC.quantity("0.5"), ref_price=None))
    assert isinstance(order, ApprovedOrder)
    assert order.passed == ("gate",)


def test_the_seal_is_taken():
    with pytest.raises(SealBroken):
        take_seal()
    with pytest.raises(SealBroken):
        ApprovedOrder(entry(), 1, "x", (), object())


OWNERS = st.text("ABYZabyz0189", min_size=1, max_size=8)


@given(OWNERS, st.integers(0, MAX_EPOCH), st.integers(1, MAX_ORDER_ID))
def test_ids_round_trip_within_the_venues_rule(owner, epoch, order_id):
    text = client_order_id(owner, epoch, order_id)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", text)
    assert parse_client_order_id(text) == (owner, epoch, order_id)


@pytest.mark.parametrize(
    "args",
    [
        ("", 1, 1),
        ("a-b", 1, 1),
        ("ninechars", 1, 1),
        ("a", -1, 1),
        ("a", 10**10, 1),
        ("a", 1, 0),
        ("a", 1, 10**14),
    ],
)
def test_ids_out_of_range(args):
    with pytest.raises(CallerError):
        client_order_id(*args)


@pytest.mark.parametrize(
    "text", ["", "x", "b4a-1", "b4a-01-1", "b4a-1-0", "b4a-1-1 ", "B4a-1-1", "b4a-1-1\n", "b4-1-1"]
)
def test_foreign_ids_are_none(text):
    assert parse_client_order_id(text) is None
