"""Protective orders cover exactly the position, whatever fills and in which order."""

import os
import random

import numpy as np
import pytest

from bot4.execution import orders_nb as ob
from bot4.execution.bracket_nb import sync_bracket_nb
from bot4.execution.state import new_orders
from bot4.model import codes_nb as c
from bot4.model.events import INSTRUMENT_DTYPE, INTENT_DTYPE
from bot4.safety.gate_nb import gate_nb
from bot4.safety.state import gate_params, new_safety

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
plain = getattr(sync_bracket_nb, "py_func", sync_bracket_nb)
PROFILE = ((c.FOR_STOP, "stop_price"), (c.FOR_TARGET, "price"))


class Desk:
    """Bracket, gate and order table together; the gate refusing anything is a failure."""

    def __init__(self, min_qty=1, max_qty=10**6, cap=256):
        self.o = new_orders(1, cap)
        self.s = new_safety(gate_params(1))  # Disabled, and a cap of nothing: protection must still pass
        self.specs = np.zeros(1, INSTRUMENT_DTYPE)
        spec = self.specs[0]
        spec["min_qty"], spec["max_qty"], spec["money_mult"], spec["kind"] = min_qty, max_qty, 1, 1
        spec["min_notional"] = 0
        self.intents = np.zeros(32, INTENT_DTYPE)
        self.box = self.o.table[:1].copy()
        self.pos = 0

    def sync(self, pos, stop=90, target=110):
        """What sync asks for, once it has passed the gate and stands in the table."""
        self.pos = pos
        n = sync_bracket_nb(self.o, self.specs[0], 0, pos, stop, target, self.intents, 0)
        twin = self.intents.copy()
        assert plain(self.o, self.specs[0], 0, pos, stop, target, twin, 0) == n
        assert twin.tobytes() == self.intents.tobytes()
        out = []
        for i in range(n):
            it = self.intents[i]
            side, purpose = int(it["side"]), int(it["purpose"])
            cancel = it["action"] == c.ACT_CANCEL
            slot = 0 if cancel else ob.free_slot_nb(self.o, int(self.s.control[0]["next_order_id"]))
            held = ob.reducing_nb(self.o, 0, side, purpose)
            where = self.box if cancel else self.o.table
            none = np.zeros(0, np.int64)
            reason = gate_nb(
                self.s, self.specs[0], self.intents, i, 5, 100, 0, pos, held, none, 0, where, slot
            )
            assert reason == c.R_OK, (reason, it)
            if cancel:
                assert ob.mark_canceling_nb(self.o, int(it["ref"]), 5) == 1
                out.append(("cancel", purpose, int(it["ref"]), int(self.box[0]["reason"])))
            else:
                assert ob.on_approved_nb(self.o, slot) == 1
                assert it["flags"] == c.OF_REDUCE_ONLY
                out.append(("new", purpose, int(it["qty"]), side))
        again = sync_bracket_nb(self.o, self.specs[0], 0, pos, stop, target, self.intents, 0)
        assert again == 0, "not idempotent"
        return out

    def plan(self, stop, target):
        """The plan of a long position (around 100), mirrored for a short one."""
        return (stop, target) if self.pos >= 0 else (200 - stop, 200 - target)

    def ids(self, purpose):
        rows = self.o.table
        live = (
            (rows["purpose"] == purpose)
            & (rows["status"] >= c.ST_PENDING)
            & (rows["status"] <= c.ST_CANCELING)
        )
        return sorted(int(k) for k in rows["id"][live])

    def ack_all(self):
        for purpose, _ in PROFILE:
            for k in self.ids(purpose):
                if self.o.table[ob.find_nb(self.o, k)]["status"] == c.ST_PENDING:
                    ob.on_ack_nb(self.o, k, 6)

    def confirm_cancels(self):
        rows = self.o.table
        for k in rows["id"][rows["status"] == c.ST_CANCELING].tolist():
            assert ob.on_cancel_nb(self.o, k, c.R_COMMAND, 6) == 1

    def covered(self, purpose, field, price):
        """Lots that work on the exit side at `price` with no cancel sent."""
        exit_side = -1 if self.pos > 0 else 1
        rows = self.o.table
        good = (rows["purpose"] == purpose) & (rows["side"] == exit_side) & (rows[field] == price)
        good &= (rows["status"] >= c.ST_PENDING) & (rows["status"] <= c.ST_PARTIAL)
        return int((rows["qty"] - rows["filled"])[good].sum())


def new(purpose, qty, side=c.SELL):
    return ("new", purpose, qty, side)


STOP, TARGET = c.FOR_STOP, c.FOR_TARGET


def test_flat_needs_nothing():
    assert Desk().sync(0) == []


def test_long_and_short_get_both_legs():
    assert Desk().sync(10) == [new(STOP, 10), new(TARGET, 10)]
    d = Desk()
    assert d.sync(-10, stop=110, target=90) == [new(STOP, 10, c.BUY), new(TARGET, 10, c.BUY)]
    row = d.o.table[ob.find_nb(d.o, 1)]
    assert (row["type"], row["stop_price"], row["price"], row["tif"]) == (c.TYPE_STOP, 110, 0, c.TIF_GTC)
    row = d.o.table[ob.find_nb(d.o, 2)]
    assert (row["type"], row["stop_price"], row["price"]) == (c.TYPE_LIMIT, 0, 90)


def test_no_price_no_leg_and_a_dropped_plan_cancels():
    d = Desk()
    assert d.sync(10, target=0) == [new(STOP, 10)]
    assert d.sync(10, stop=-1, target=0) == [("cancel", STOP, 1, c.R_REQUOTE)]


def test_partial_entry_fills_grow_the_protection_beside_the_old():
    d = Desk()
    d.sync(3)
    d.ack_all()
    assert d.sync(5) == [new(STOP, 2), new(TARGET, 2)]
    assert d.ids(STOP) == [1, 3]


@pytest.mark.parametrize("leg", [1, 2])
def test_a_filled_leg_cancels_its_sibling(leg):
    d = Desk()
    d.sync(10)
    d.ack_all()
    assert ob.on_fill_nb(d.o, leg, 100, 10, 0, 7, 1) == 0
    sibling = 3 - leg
    assert d.sync(0) == [("cancel", STOP if sibling == 1 else TARGET, sibling, c.R_SIBLING)]
    d.confirm_cancels()
    assert d.sync(0) == []
    assert ob.open_count_nb(d.o, 0) == 0


def test_a_partly_filled_target_shrinks_the_stop():
    d = Desk()
    d.sync(10)
    d.ack_all()
    ob.on_fill_nb(d.o, 2, 110, 4, 0, 7, 1)
    assert d.sync(6) == [("cancel", STOP, 1, c.R_REQUOTE)]  # the target has exactly 6 left
    assert ob.reducing_nb(d.o, 0, c.SELL, STOP) == 10
    d.confirm_cancels()
    assert d.sync(6) == [new(STOP, 6)]


def test_moving_the_stop_waits_for_the_cancel_but_growth_does_not():
    d = Desk()
    d.sync(10, target=0)
    d.ack_all()
    assert d.sync(15, stop=95, target=0) == [("cancel", STOP, 1, c.R_REQUOTE), new(STOP, 5)]
    d.confirm_cancels()
    assert d.sync(15, stop=95, target=0) == [new(STOP, 10)]


def test_a_flip_protects_the_new_side_at_once():
    d = Desk()
    d.sync(10)
    out = d.sync(-4, stop=110, target=90)
    assert out == [
        ("cancel", STOP, 1, c.R_REQUOTE), new(STOP, 4, c.BUY),
        ("cancel", TARGET, 2, c.R_REQUOTE), new(TARGET, 4, c.BUY),
    ]  # fmt: skip


def test_a_stop_ended_by_the_venue_is_replaced():
    d = Desk()
    d.sync(10)
    ob.on_reject_nb(d.o, 1, c.R_VENUE, 6)
    assert d.sync(10) == [new(STOP, 10)]
    ob.on_ack_nb(d.o, 3, 6)
    ob.on_cancel_nb(d.o, 3, c.R_VENUE, 7)
    assert d.sync(10) == [new(STOP, 10)]


def test_shrinking_gives_up_the_leg_that_fits_best():
    d = Desk()
    for pos in (6, 9, 10):
        d.sync(pos, target=0)
    assert d.ids(STOP) == [1, 2, 3]  # 6, 3 and 1 lots
    assert d.sync(7, target=0) == [("cancel", STOP, 2, c.R_REQUOTE)]
    d.confirm_cancels()
    assert d.sync(1, target=0) == [("cancel", STOP, 1, c.R_REQUOTE)]
    d.confirm_cancels()
    assert d.ids(STOP) == [3]


def test_many_small_fills_are_merged():
    d = Desk()
    for pos in range(1, ob.MAX_LEGS + 1):
        assert d.sync(pos, target=0) == [new(STOP, 1)]
    full = ob.MAX_LEGS + 1
    assert [a[0] for a in d.sync(full, target=0)] == ["cancel"]
    d.confirm_cancels()
    assert d.sync(full, target=0) == [new(STOP, 2)]
    assert d.covered(STOP, "stop_price", 90) == full
    assert d.o.anomalies.sum() == 0


def test_lots_below_the_minimum_are_merged_or_left():
    d = Desk(min_qty=5)
    assert d.sync(4, target=0) == []
    assert d.sync(5, target=0) == [new(STOP, 5)]
    assert [a[0] for a in d.sync(7, target=0)] == ["cancel"]
    d.confirm_cancels()
    assert d.sync(7, target=0) == [new(STOP, 7)]
    ob.on_fill_nb(d.o, 2, 90, 6, 0, 1, 1)
    assert d.sync(1, target=0) == []
    assert d.sync(2, target=0) == []  # merging 1 + 1 would still be too small: keep what stands


def test_a_position_above_the_largest_order_is_split():
    d = Desk(max_qty=4)
    assert d.sync(10, target=0) == [new(STOP, 4), new(STOP, 4), new(STOP, 2)]


def test_a_full_intent_array_is_continued_later():
    d = Desk()
    d.intents = np.zeros(1, INTENT_DTYPE)
    n = sync_bracket_nb(d.o, d.specs[0], 0, 10, 90, 110, d.intents, 0)
    assert n == 1
    assert sync_bracket_nb(d.o, d.specs[0], 0, 10, 90, 110, d.intents, 1) == 1
    assert d.intents[0]["purpose"] == STOP


def test_random_walk_covers_the_position_and_never_more():
    rng = random.Random(4)
    for _ in range(3 if NO_JIT else 40):
        d = Desk(min_qty=1, max_qty=rng.choice([7, 10**6]))
        stop, target, seq = 90, 110, 0
        for _ in range(60):
            what = rng.random()
            exit_side = -1 if d.pos > 0 else 1
            if what < 0.3:
                d.pos += rng.randint(1, 6) * (1 if d.pos >= 0 else -1)
            elif what < 0.45:
                d.pos = rng.randint(-9, 9)
            elif what < 0.65 and d.pos:
                live = [k for purpose, _ in PROFILE for k in d.ids(purpose)]
                live = [k for k in live if d.o.table[ob.find_nb(d.o, k)]["side"] == exit_side]
                if live:
                    k, seq = rng.choice(live), seq + 1
                    row = d.o.table[ob.find_nb(d.o, k)]
                    lots = min(rng.randint(1, 9), int(row["qty"] - row["filled"]), abs(d.pos))
                    assert ob.on_fill_nb(d.o, k, 100, lots, 0, seq, seq) >= 0
                    d.pos += exit_side * lots
            elif what < 0.75:
                stop, target = rng.randint(80, 95), rng.randint(105, 120)
            elif what < 0.9:
                d.confirm_cancels()
            else:
                d.ack_all()
            plan = d.plan(stop, target)
            d.sync(d.pos, *plan)
            for (purpose, field), price in zip(PROFILE, plan):
                assert d.covered(purpose, field, price) <= abs(d.pos)
        for _ in range(2 + 2 * ob.MAX_LEGS):
            d.confirm_cancels()
            d.sync(d.pos, *d.plan(stop, target))
        places = ob.MAX_LEGS * int(d.specs[0]["max_qty"])
        for (purpose, field), price in zip(PROFILE, d.plan(stop, target)):
            if abs(d.pos) <= places // 2:
                assert d.covered(purpose, field, price) == abs(d.pos)
        assert d.o.anomalies.sum() == 0
