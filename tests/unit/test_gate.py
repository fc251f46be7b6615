"""The order gate, refusal by refusal."""

import os

import numpy as np
import pytest

from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError
from bot4.model.events import INSTRUMENT_DTYPE, INTENT_DTYPE, ORDER_DTYPE
from bot4.safety import gate_nb as g
from bot4.safety.modes_nb import enable_nb, kill_nb
from bot4.safety.state import GATE_PARAMS_DTYPE, gate_params, new_safety

plain = getattr(g.gate_nb, "py_func", g.gate_nb)
GATES = [g.gate_nb] if os.environ.get("NUMBA_DISABLE_JIT") == "1" else [g.gate_nb, plain]


class Case:
    """One call of the gate, with a good entry as the start."""

    def __init__(self):
        self.s = new_safety(
            gate_params(
                max_order_money=1_000_000,
                max_open_orders=5,
                max_orders_window=3,
                window_ns=1000,
                band_e4=500,
                cooldown_ns=1,
            )
        )
        enable_nb(self.s)
        self.s.control[0]["reconciled"] = 1
        self.specs = np.zeros(1, INSTRUMENT_DTYPE)
        self.spec(min_qty=2, max_qty=500, min_notional=3000, money_mult=10, kind=1)
        self.intents = np.zeros(2, INTENT_DTYPE)
        self.intent(
            price=1000,
            qty=7,
            ref=11,
            decision=5,
            instrument=3,
            action=c.ACT_NEW,
            type=c.TYPE_LIMIT,
            tif=c.TIF_GTC,
            purpose=c.FOR_ENTRY,
            side=c.BUY,
        )
        self.args = {"now": 10_000, "ref": 1000, "open": 0, "pos": 0, "reducing": 0, "n": 2, "slot": 4}
        self.verdicts = np.array([0, 0, -1], np.int64)
        self.orders = np.zeros(8, ORDER_DTYPE)
        self.orders.view(np.uint8)[:] = 0xAB

    def spec(self, **kw):
        for k, v in kw.items():
            self.specs[0][k] = v
        return self

    def intent(self, **kw):
        for k, v in kw.items():
            self.intents[1][k] = v
        return self

    def control(self, **kw):
        for k, v in kw.items():
            self.s.control[0][k] = v
        return self

    def params(self, **kw):
        for k, v in kw.items():
            self.s.params[0][k] = v
        return self

    def at(self, **kw):
        self.args |= kw
        return self

    def verdict(self, *values):
        self.verdicts = np.array(values, np.int64)
        return self.at(n=len(values))

    def reduce(self, **kw):
        """A good reduce-only sell of a long position."""
        self.at(pos=7)
        return self.intent(side=c.SELL, flags=c.OF_REDUCE_ONLY, purpose=c.FOR_EXIT, **kw)

    def run(self, gate=g.gate_nb):
        a = self.args
        return gate(
            self.s, self.specs[0], self.intents, 1, a["now"], a["ref"], a["open"], a["pos"], a["reducing"],
            self.verdicts, a["n"], self.orders, a["slot"],
        )  # fmt: skip


BIG = 2**63 - 1
REFUSALS = [
    ("killed", c.R_KILLED, lambda k: kill_nb(k.s, c.R_OPERATOR, 1)),
    ("kill before mode and enabled", c.R_KILLED, lambda k: k.control(killed=1, enabled=0, mode=3)),
    ("any kill value", c.R_KILLED, lambda k: k.control(killed=-1)),
    ("disabled", c.R_NOT_ENABLED, lambda k: k.control(enabled=0)),
    ("odd enabled", c.R_NOT_ENABLED, lambda k: k.control(enabled=2)),
    ("reduce mode", c.R_MODE, lambda k: k.control(mode=c.MODE_REDUCE)),
    ("pause", c.R_MODE, lambda k: k.control(mode=c.MODE_PAUSE)),
    ("emergency", c.R_MODE, lambda k: k.control(mode=c.MODE_EMERGENCY)),
    ("unknown mode", c.R_MODE, lambda k: k.control(mode=-1)),
    ("not reconciled", c.R_NOT_RECONCILED, lambda k: k.control(reconciled=0)),
    ("odd reconciled", c.R_NOT_RECONCILED, lambda k: k.control(reconciled=2)),
    ("mode before reconciled", c.R_MODE, lambda k: k.control(mode=c.MODE_PAUSE, reconciled=0)),
    ("private stream down", c.R_PRIVATE_DOWN, lambda k: k.control(private_down=1)),
    ("zero side", c.R_UNCHECKED, lambda k: k.intent(side=0)),
    ("odd side", c.R_UNCHECKED, lambda k: k.intent(side=2)),
    ("no type", c.R_UNCHECKED, lambda k: k.intent(type=0)),
    ("odd type", c.R_UNCHECKED, lambda k: k.intent(type=4)),
    ("no tif", c.R_UNCHECKED, lambda k: k.intent(tif=0)),
    ("odd tif", c.R_UNCHECKED, lambda k: k.intent(tif=4)),
    ("no purpose", c.R_UNCHECKED, lambda k: k.intent(purpose=0)),
    ("odd purpose", c.R_UNCHECKED, lambda k: k.intent(purpose=7)),
    ("no action", c.R_UNCHECKED, lambda k: k.intent(action=0)),
    ("odd action", c.R_UNCHECKED, lambda k: k.intent(action=3)),
    ("spec unset", c.R_INSTRUMENT, lambda k: k.spec(money_mult=0)),
    ("zero quantity", c.R_QTY_LOT, lambda k: k.intent(qty=0)),
    ("negative quantity", c.R_QTY_LOT, lambda k: k.intent(qty=-(2**63))),
    ("too small", c.R_MIN_QTY, lambda k: k.intent(qty=1)),
    ("too large", c.R_MAX_QTY, lambda k: k.intent(qty=501)),
    ("no limit price", c.R_PRICE_TICK, lambda k: k.intent(price=0)),
    ("negative price", c.R_PRICE_TICK, lambda k: k.intent(price=-5)),
    ("stop without price", c.R_PRICE_TICK, lambda k: k.intent(type=c.TYPE_STOP)),
    ("reference unknown", c.R_UNCHECKED, lambda k: k.at(ref=0)),
    ("reference negative", c.R_UNCHECKED, lambda k: k.at(ref=-1)),
    ("market, reference unknown", c.R_UNCHECKED, lambda k: k.intent(type=c.TYPE_MARKET).at(ref=0)),
    ("huge price", c.R_OVERFLOW, lambda k: k.intent(price=BIG)),
    ("huge reference", c.R_OVERFLOW, lambda k: k.at(ref=BIG)),
    ("huge position", c.R_OVERFLOW, lambda k: k.at(pos=-BIG)),
    ("huge working", c.R_OVERFLOW, lambda k: k.at(reducing=BIG)),
    ("huge value", c.R_OVERFLOW, lambda k: k.spec(max_qty=BIG).intent(qty=2**62)),
    ("small value", c.R_MIN_NOTIONAL, lambda k: k.spec(min_notional=70_001)),
    ("above band", c.R_PRICE_BAND, lambda k: k.intent(price=1051)),
    ("below band", c.R_PRICE_BAND, lambda k: k.intent(price=949)),
    ("stop entry off band", c.R_PRICE_BAND, lambda k: k.intent(type=c.TYPE_STOP, stop_price=1051)),
    ("band unset", c.R_PRICE_BAND, lambda k: k.params(band_e4=-1)),
    ("spot short", c.R_SHORT_SPOT, lambda k: k.spec(kind=0).at(pos=6).intent(side=c.SELL)),
    ("spot oversell", c.R_SHORT_SPOT, lambda k: k.spec(kind=0).at(pos=8, reducing=2).intent(side=c.SELL)),
    ("over the cap", c.R_MAX_ORDER, lambda k: k.params(max_order_money=69_999)),
    ("cap unset", c.R_MAX_ORDER, lambda k: k.params(max_order_money=0)),
    ("too many open", c.R_TOO_MANY_ORDERS, lambda k: k.at(open=5)),
    ("open unknown", c.R_TOO_MANY_ORDERS, lambda k: k.at(open=-1)),
    ("no room", c.R_TOO_MANY_ORDERS, lambda k: k.at(slot=8)),
    ("no slot", c.R_TOO_MANY_ORDERS, lambda k: k.at(slot=-1)),
    ("rate", c.R_ORDER_RATE, lambda k: k.control(window_start=9001, window_count=3)),
    ("rate, clock went back", c.R_ORDER_RATE, lambda k: k.control(window_start=20_000, window_count=3)),
    ("rate unset", c.R_ORDER_RATE, lambda k: k.params(window_ns=0)),
    ("no verdict", c.R_UNCHECKED, lambda k: k.at(n=0)),
    ("negative count", c.R_UNCHECKED, lambda k: k.at(n=-1)),
    ("more verdicts than there are", c.R_UNCHECKED, lambda k: k.at(n=4)),
    ("unset verdict", c.R_UNCHECKED, lambda k: k.verdict(0, -1, c.R_HEAT)),
    ("verdict", c.R_HEAT, lambda k: k.verdict(0, c.R_HEAT, c.R_EDGE)),
    ("unknown verdict", c.R_UNCHECKED, lambda k: k.verdict(0, c.N_REASONS)),
    ("huge verdict", c.R_UNCHECKED, lambda k: k.verdict(BIG)),
    ("reduce: flat", c.R_REDUCE_ONLY, lambda k: k.reduce().at(pos=0)),
    ("reduce: same side", c.R_REDUCE_ONLY, lambda k: k.reduce().at(pos=-7)),
    ("reduce: more than held", c.R_REDUCE_ONLY, lambda k: k.reduce(qty=8)),
    ("reduce: more than left", c.R_REDUCE_ONLY, lambda k: k.reduce().at(reducing=1)),
    ("reduce: nonsense working", c.R_REDUCE_ONLY, lambda k: k.reduce().at(reducing=-1)),
    ("reduce: zero", c.R_QTY_LOT, lambda k: k.reduce(qty=0)),
    ("reduce: small part", c.R_MIN_NOTIONAL, lambda k: k.reduce(qty=2).at(pos=9).spec(min_notional=30_000)),
    ("reduce: gives money away", c.R_PRICE_BAND, lambda k: k.reduce(price=949)),
    ("reduce: no slot", c.R_TOO_MANY_ORDERS, lambda k: k.reduce().at(slot=-1)),
    ("reduce: no price", c.R_PRICE_TICK, lambda k: k.reduce(price=0)),
    ("cancel of nothing", c.R_UNCHECKED, lambda k: k.intent(action=c.ACT_CANCEL, ref=0)),
]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(("name", "reason", "change"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_refusal(name, reason, change, gate):
    case = Case()
    change(case)
    before = case.orders.tobytes()
    assert case.run(gate) == reason
    assert case.orders.tobytes() == before
    control = case.s.control[0]
    assert (control["approved"], control["refused"], control["next_order_id"]) == (0, 1, 1)
    assert case.s.refusals[reason] == 1
    assert case.s.refusals.sum() == 1


def test_every_reason_of_the_gate_is_in_the_table():
    own = {v for k, v in vars(g).items() if k.startswith("R_")} - {c.R_OK}
    assert own <= {reason for _, reason, _ in REFUSALS}


ALLOWED = [
    ("entry", lambda k: k),
    ("band edges", lambda k: k.intent(price=1050)),
    ("lower edge", lambda k: k.intent(price=950)),
    ("market", lambda k: k.intent(type=c.TYPE_MARKET, price=0)),
    ("stop entry", lambda k: k.intent(type=c.TYPE_STOP, stop_price=1050, price=0)),
    ("least value", lambda k: k.spec(min_notional=70_000)),
    ("whole cap", lambda k: k.params(max_order_money=70_000)),
    ("last open", lambda k: k.at(open=4)),
    ("rate, window over", lambda k: k.control(window_start=9000, window_count=3)),
    ("very wide band", lambda k: k.params(band_e4=BIG)),
    ("spot sell of all", lambda k: k.spec(kind=0).at(pos=7).intent(side=c.SELL)),
    ("short on a perpetual", lambda k: k.intent(side=c.SELL)),
    ("reduce", lambda k: k.reduce()),
    ("reduce a short", lambda k: k.reduce().intent(side=c.BUY).at(pos=-7)),
    ("reduce, killed", lambda k: k.reduce().control(killed=1, enabled=0, mode=3)),
    ("reduce, verdicts against", lambda k: k.reduce().verdict(c.R_HEAT)),
    ("reduce, no verdict", lambda k: k.reduce().at(n=0)),
    ("reduce, rate used up", lambda k: k.reduce().control(window_start=9999, window_count=9)),
    ("reduce, many open", lambda k: k.reduce().at(open=99)),
    ("reduce, over the cap", lambda k: k.reduce().params(max_order_money=1)),
    ("reduce, no reference", lambda k: k.reduce().at(ref=0)),
    ("flatten, no reference", lambda k: k.reduce(type=c.TYPE_MARKET, price=0).at(ref=0)),
    ("reduce, all that is left", lambda k: k.reduce().at(pos=9, reducing=2).spec(min_notional=BIG)),
    ("far target", lambda k: k.reduce(price=5000)),
    ("far stop", lambda k: k.reduce(type=c.TYPE_STOP, stop_price=500, price=0)),
]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(("name", "change"), ALLOWED, ids=[a[0] for a in ALLOWED])
def test_allowed_order_is_written_in_full(name, change, gate):
    case = Case()
    change(case)
    others = np.delete(case.orders, 4).tobytes()
    count = int(case.s.control[0]["window_count"])
    assert case.run(gate) == c.R_OK
    order, intent = case.orders[4], case.intents[1]
    for field in ("decision", "price", "stop_price", "qty", "instrument", "side", "type", "tif", "flags"):
        assert order[field] == intent[field], field
    assert order["purpose"] == intent["purpose"]
    assert (order["id"], order["parent"], order["status"]) == (1, 11, c.ST_PENDING)
    assert (order["filled"], order["cost"], order["fees"], order["reason"]) == (0, 0, 0, 0)
    assert (order["ts_created"], order["ts_updated"], order["action"]) == (10_000, 10_000, c.ACT_NEW)
    assert not order["spare"].any()
    assert np.delete(case.orders, 4).tobytes() == others
    control = case.s.control[0]
    assert (control["approved"], control["refused"], control["next_order_id"]) == (1, 0, 2)
    if intent["flags"] & c.OF_REDUCE_ONLY:
        assert control["window_count"] == count


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("price", [0, c.R_SIBLING, -3, c.N_REASONS])
def test_cancel_passes_every_state_and_takes_no_id(price, gate):
    case = Case().control(killed=1, enabled=0, mode=3)
    case.intent(action=c.ACT_CANCEL, ref=41, price=price, stop_price=9).at(n=0, ref=0)
    assert case.run(gate) == c.R_OK
    order = case.orders[4]
    assert (order["id"], order["action"], order["status"]) == (41, c.ACT_CANCEL, c.ST_NONE)
    assert order["reason"] == (price if price == c.R_SIBLING else 0)
    assert (order["qty"], order["price"], order["stop_price"], order["parent"]) == (0, 0, 0, 0)
    assert case.s.control[0]["next_order_id"] == 1


def test_the_window_counts_only_approved_new_risk():
    case = Case()
    for k in range(3):
        assert case.at(now=10_000 + k).run() == c.R_OK
        assert case.verdict(c.R_EDGE).run() in (c.R_EDGE, c.R_ORDER_RATE)
        case.verdict(0, 0)
    assert case.run() == c.R_ORDER_RATE
    assert case.at(now=10_999).run() == c.R_ORDER_RATE
    assert case.at(now=11_000).run() == c.R_OK
    assert case.s.control[0]["window_count"] == 1


def test_a_new_state_is_disabled_and_params_are_checked():
    s = new_safety(gate_params(5))
    assert s.control[0]["enabled"] == 0
    assert s.control[0]["next_order_id"] == 1
    for name in GATE_PARAMS_DTYPE.names:
        bad = gate_params(5)
        bad[name] = 0
        with pytest.raises(ConfigError, match=name):
            new_safety(bad)
