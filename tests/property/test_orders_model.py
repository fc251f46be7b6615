"""The order table against a plain model, over random and shuffled venue events."""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.execution import orders_nb as ob
from bot4.execution.state import new_orders
from bot4.model import codes_nb as c

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
KNOWN = {c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL, c.ST_CANCELING}
LIVE = KNOWN | {c.ST_UNKNOWN}
N_INST = 2
CAP = 16


class Model:
    """Orders as dicts, rules as in the docstring, nothing shared with the kernels."""

    def __init__(self):
        self.orders, self.trades, self.bad = {}, set(), 0

    def live(self, k):
        return k in self.orders and self.orders[k]["status"] in LIVE

    def approve(self, k, order):
        self.orders[k] = order | {"status": c.ST_PENDING, "filled": 0, "cost": 0, "fees": 0}

    def move(self, k, sources, status):
        if k in self.orders and self.orders[k]["status"] in sources:
            self.orders[k]["status"] = status
            return 1
        self.bad += 1
        return 0

    def ack(self, k):
        if k in self.orders and self.orders[k]["status"] == c.ST_CANCELING:
            return 1
        if k in self.orders and self.orders[k]["status"] == c.ST_UNKNOWN:
            self.orders[k]["status"] = c.ST_PARTIAL if self.orders[k]["filled"] else c.ST_WORKING
            return 1
        return self.move(k, {c.ST_PENDING}, c.ST_WORKING)

    def lost(self, k):
        return self.move(k, KNOWN, c.ST_UNKNOWN)

    def mark(self, k):
        return self.move(k, KNOWN - {c.ST_CANCELING}, c.ST_CANCELING)

    def cancel(self, k):
        return self.move(k, LIVE, c.ST_CANCELED)

    def reject(self, k):
        clean = k in self.orders and self.orders[k]["filled"] == 0
        return self.move(k, LIVE if clean else set(), c.ST_REJECTED)

    def fill(self, k, price, qty, fee, seq):
        order = self.orders.get(k)
        if order is None:
            answer = ob.FILL_UNKNOWN
        elif (k, seq) in self.trades:
            answer = ob.FILL_DUPLICATE
        elif price <= 0 or qty <= 0:
            answer = ob.FILL_MALFORMED
        elif order["filled"] + qty > order["qty"]:
            answer = ob.FILL_OVER
        else:
            self.trades.add((k, seq))
            self.bad += order["status"] not in LIVE
            order["filled"] += qty
            order["cost"] += price * qty
            order["fees"] += fee
            if order["filled"] == order["qty"]:
                order["status"] = c.ST_FILLED
            elif order["status"] in (c.ST_PENDING, c.ST_WORKING, c.ST_UNKNOWN):
                order["status"] = c.ST_PARTIAL
            return order["qty"] - order["filled"]
        self.bad += 1
        return answer


def _approve(o, model, k, side, qty, reduce, purpose, inst):
    slot = ob.free_slot_nb(o, k)
    if slot < 0:
        assert sum(model.live(j) for j in model.orders) == CAP
        return False
    old = int(o.table[slot]["id"])
    assert not model.live(old)  # never over a live order
    model.orders.pop(old, None)
    o.table[slot : slot + 1].view(np.uint8)[:] = 0
    row = o.table[slot]
    order = {"qty": qty, "side": side, "flags": int(reduce), "purpose": purpose, "instrument": inst}
    for name, value in order.items():
        row[name] = value
    row["id"], row["status"], row["action"] = k, c.ST_PENDING, c.ACT_NEW
    assert ob.on_approved_nb(o, slot) == 1
    model.approve(k, order)
    return True


def _check(o, model, positions):
    counts = np.zeros_like(o.counts)
    for k, order in model.orders.items():
        row = o.table[ob.find_nb(o, k)]
        for name, value in order.items():
            assert row[name] == value, (k, name)
        assert 0 <= row["filled"] <= row["qty"]
        if order["status"] in LIVE:
            left, sell, inst = order["qty"] - order["filled"], order["side"] < 0, order["instrument"]
            counts[inst, ob.C_WORKING] += 1
            counts[inst, ob.C_UNKNOWN] += order["status"] == c.ST_UNKNOWN
            counts[inst, ob.C_BUY + sell] += left
            if order["flags"]:
                counts[inst, ob.C_REDUCE_BUY + sell] += left
                counts[inst, ob.C_LANE + 2 * order["purpose"] + sell] += left
    assert (o.counts == counts).all()
    assert o.anomalies[: ob.AN_LEGS].sum() == model.bad
    legs = {
        k for k, r in model.orders.items() if r["status"] in LIVE and r["flags"] and r["purpose"] in (3, 4)
    }
    assert {int(k) for k in o.legs.ravel() if k} <= legs
    assert len(legs) - np.count_nonzero(o.legs) <= o.anomalies[ob.AN_LEGS]
    for inst in range(N_INST):
        assert ob.open_count_nb(o, inst) == counts[inst, ob.C_WORKING]
        assert ob.worst_case_nb(o, inst, positions[inst]) >= abs(positions[inst])


ORDER = st.tuples(
    st.sampled_from([c.BUY, c.SELL]), st.integers(1, 9), st.booleans(), st.integers(1, 6), st.integers(0, 1)
)
STEP = st.one_of(
    st.tuples(st.just("approve"), ORDER),
    st.tuples(st.sampled_from(["ack", "mark", "cancel", "reject", "lost"]), st.integers(0, 12)),
    st.tuples(
        st.just("fill"),
        st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 6), st.integers(0, 9)),
    ),
    st.tuples(st.just("again"), st.integers(0, 30)),
)


@settings(max_examples=40 if NO_JIT else 250, deadline=None)
@given(st.lists(STEP, max_size=60), st.randoms(use_true_random=False))
def test_random_events_equal_the_model(steps, rnd):
    o, model, positions = new_orders(N_INST, CAP), Model(), [0] * N_INST
    next_id, past = 1, []
    for ts, (kind, arg) in enumerate(steps):
        if kind == "again" and past:
            kind, arg = past[arg % len(past)]  # a duplicate or late event, exactly as it was
        elif kind == "approve":
            next_id += _approve(o, model, next_id, *arg)
            continue
        elif kind == "fill":
            arg = (max(0, next_id - arg[0]), *arg[1:])
        elif kind != "again":
            arg = max(0, next_id - arg)
        past.append((kind, arg))
        before = o.table.tobytes(), o.counts.tobytes(), o.seen_seq.tobytes()
        if kind == "fill":
            k, price, qty, seq = arg
            answer = ob.on_fill_nb(o, k, price, qty, 1, ts, seq)
            assert answer == model.fill(k, price, qty, 1, seq)
            if answer >= 0:
                positions[model.orders[k]["instrument"]] += qty * model.orders[k]["side"]
            changed = answer >= 0
        elif kind == "again":
            continue
        else:
            args = (ts,) if kind in ("ack", "mark") else (c.R_VENUE, ts)
            call = {
                "ack": ob.on_ack_nb, "mark": ob.mark_canceling_nb, "cancel": ob.on_cancel_nb,
                "reject": ob.on_reject_nb, "lost": ob.on_unknown_nb,
            }[kind]  # fmt: skip
            changed = call(o, arg, *args)
            assert changed == getattr(model, kind)(arg)
        if not changed:
            assert before == (o.table.tobytes(), o.counts.tobytes(), o.seen_seq.tobytes())
        _check(o, model, positions)


@settings(max_examples=20 if NO_JIT else 100, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.booleans(), st.randoms(use_true_random=False))
def test_shuffled_duplicated_late_events_give_the_same_position(parts, cancel, rnd):
    total = sum(parts)
    events = [("fill", qty, seq) for seq, qty in enumerate(parts)] * 2 + [("ack", 0, 0)]
    if cancel:
        events.append(("cancel", 0, 0))
    rnd.shuffle(events)
    o, model = new_orders(N_INST, CAP), Model()
    _approve(o, model, 1, c.BUY, total, False, c.FOR_ENTRY, 0)
    done = 0
    for ts, (kind, qty, seq) in enumerate(events):
        if kind == "fill":
            done += qty if ob.on_fill_nb(o, 1, 100, qty, 1, ts, seq) >= 0 else 0
        elif kind == "ack":
            ob.on_ack_nb(o, 1, ts)
        else:
            ob.on_cancel_nb(o, 1, c.R_VENUE, ts)
    row = o.table[ob.find_nb(o, 1)]
    assert done == row["filled"] == total
    assert row["status"] == c.ST_FILLED
    assert row["fees"] == len(parts)
    assert (o.counts == 0).all()
