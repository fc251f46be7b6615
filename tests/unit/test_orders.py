"""Order lifecycle: each transition, each anomaly, the counters."""

import numpy as np
import pytest

from bot4.execution import orders_nb as ob
from bot4.execution.state import new_orders
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError


def put(o, id_, qty=10, side=c.BUY, purpose=c.FOR_ENTRY, reduce=False, inst=0, price=100, stop=0):
    """What gate_nb leaves in the table, then on_approved_nb."""
    slot = ob.free_slot_nb(o, id_)
    assert slot >= 0
    row = o.table[slot]
    o.table[slot : slot + 1].view(np.uint8)[:] = 0
    row["id"], row["qty"], row["side"], row["instrument"], row["purpose"] = id_, qty, side, inst, purpose
    row["price"], row["stop_price"], row["flags"] = price, stop, c.OF_REDUCE_ONLY if reduce else 0
    row["status"], row["action"], row["type"] = c.ST_PENDING, c.ACT_NEW, c.TYPE_STOP if stop else c.TYPE_LIMIT
    assert ob.on_approved_nb(o, slot) == 1
    return slot


def status(o, id_):
    return int(o.table[ob.find_nb(o, id_)]["status"])


def now(o):
    return int(o.table["ts_updated"].max()) + 1


EVENTS = {
    "ack": lambda o: ob.on_ack_nb(o, 1, now(o)),
    "cancel": lambda o: ob.on_cancel_nb(o, 1, c.R_VENUE, now(o)),
    "reject": lambda o: ob.on_reject_nb(o, 1, c.R_POST_WOULD_TAKE, now(o)),
    "mark": lambda o: ob.mark_canceling_nb(o, 1, now(o)),
    "lost": lambda o: ob.on_unknown_nb(o, 1, c.R_TIMEOUT, now(o)),
    "part": lambda o: ob.on_fill_nb(o, 1, 100, 4, 2, now(o)),
    "full": lambda o: ob.on_fill_nb(o, 1, 100, 10, 2, now(o)),
}
PATHS = [
    ("", c.ST_PENDING, 0),
    ("ack", c.ST_WORKING, 0),
    ("ack ack", c.ST_WORKING, 1),
    ("part", c.ST_PARTIAL, 0),
    ("part ack", c.ST_PARTIAL, 1),
    ("ack part", c.ST_PARTIAL, 0),
    ("ack part part", c.ST_PARTIAL, 0),
    ("ack part full", c.ST_PARTIAL, 1),
    ("ack full", c.ST_FILLED, 0),
    ("full", c.ST_FILLED, 0),
    ("full ack", c.ST_FILLED, 1),
    ("full full", c.ST_FILLED, 1),
    ("full cancel", c.ST_FILLED, 1),
    ("full mark", c.ST_FILLED, 1),
    ("full reject", c.ST_FILLED, 1),
    ("reject", c.ST_REJECTED, 0),
    ("ack reject", c.ST_REJECTED, 0),
    ("part reject", c.ST_PARTIAL, 1),
    ("reject reject", c.ST_REJECTED, 1),
    ("mark", c.ST_CANCELING, 0),
    ("mark mark", c.ST_CANCELING, 1),
    ("mark ack", c.ST_CANCELING, 0),
    ("mark part", c.ST_CANCELING, 0),
    ("mark full", c.ST_FILLED, 0),
    ("mark reject", c.ST_REJECTED, 0),
    ("mark cancel", c.ST_CANCELED, 0),
    ("part mark cancel", c.ST_CANCELED, 0),
    ("cancel", c.ST_CANCELED, 0),
    ("cancel cancel", c.ST_CANCELED, 1),
    ("cancel ack", c.ST_CANCELED, 1),
    ("cancel mark", c.ST_CANCELED, 1),
    ("cancel part", c.ST_CANCELED, 1),  # late: applied and counted
    ("cancel full", c.ST_FILLED, 1),
    ("reject part", c.ST_REJECTED, 1),
    ("lost", c.ST_UNKNOWN, 0),
    ("ack lost", c.ST_UNKNOWN, 0),
    ("part lost", c.ST_UNKNOWN, 0),
    ("mark lost", c.ST_UNKNOWN, 0),
    ("lost lost", c.ST_UNKNOWN, 1),
    ("lost mark", c.ST_UNKNOWN, 1),
    ("lost ack", c.ST_WORKING, 0),
    ("part lost ack", c.ST_PARTIAL, 0),
    ("mark lost ack", c.ST_WORKING, 0),
    ("lost part", c.ST_PARTIAL, 0),
    ("lost full", c.ST_FILLED, 0),
    ("lost cancel", c.ST_CANCELED, 0),
    ("lost reject", c.ST_REJECTED, 0),
    ("part lost reject", c.ST_UNKNOWN, 1),
    ("full lost", c.ST_FILLED, 1),
    ("cancel lost", c.ST_CANCELED, 1),
    ("reject lost", c.ST_REJECTED, 1),
]


@pytest.mark.parametrize(("path", "end", "anomalies"), PATHS, ids=[p[0] or "new" for p in PATHS])
def test_paths(path, end, anomalies):
    o = new_orders(1, 8)
    put(o, 1)
    filled = 0
    for word in path.split():
        before = o.table.tobytes(), o.counts.tobytes()
        answer, count = EVENTS[word](o), o.anomalies.sum()
        if word in ("part", "full"):
            size = 4 if word == "part" else 10
            filled += size if answer >= 0 else 0
            assert answer == (10 - filled if answer >= 0 else ob.FILL_OVER)
            changed = answer >= 0
        else:
            changed = bool(answer)
        assert changed == ((o.table.tobytes(), o.counts.tobytes()) != before)
        assert changed or count > 0
    row = o.table[1]
    assert (row["status"], row["filled"], row["cost"]) == (end, filled, filled * 100)
    assert o.anomalies.sum() == anomalies
    left = 10 - filled if ob.is_live_nb(end) else 0
    assert ob.unknown_nb(o, 0) == (end == c.ST_UNKNOWN)
    assert ob.pending_nb(o, 0, c.BUY) == left
    assert ob.open_count_nb(o, 0) == int(ob.is_live_nb(end))


def test_fill_answers():
    o = new_orders(1, 8)
    put(o, 1)
    kinds = [
        (ob.FILL_UNKNOWN, ob.AN_UNKNOWN, (7, 100, 1, 0, 5)),
        (ob.FILL_UNKNOWN, ob.AN_UNKNOWN, (0, 100, 1, 0, 5)),
        (ob.FILL_UNKNOWN, ob.AN_UNKNOWN, (-(2**63), 100, 1, 0, 5)),
        (ob.FILL_OVER, ob.AN_OVERFILL, (1, 100, 11, 0, 5)),
        (ob.FILL_MALFORMED, ob.AN_MALFORMED, (1, 0, 1, 0, 5)),
        (ob.FILL_MALFORMED, ob.AN_MALFORMED, (1, 100, 0, 0, 5)),
        (ob.FILL_MALFORMED, ob.AN_MALFORMED, (1, 100, -1, 0, 5)),
        (ob.FILL_MALFORMED, ob.AN_MALFORMED, (1, 2**62, 2, 0, 5)),
    ]
    before = o.table.tobytes()
    for answer, kind, args in kinds:
        count = o.anomalies[kind]
        assert ob.on_fill_nb(o, *args) == answer
        assert o.anomalies[kind] == count + 1
    assert o.table.tobytes() == before


def test_the_same_trade_twice_changes_nothing():
    o = new_orders(2, 8)
    put(o, 1, qty=1000)
    put(o, 2, qty=1000)
    assert ob.on_fill_nb(o, 1, 100, 3, 1, 5, 77) == 997
    assert ob.on_fill_nb(o, 2, 100, 3, 1, 5, 77) == 997  # one trade may fill two of our orders
    state = [a.tobytes() for a in o[:-1]]
    assert ob.on_fill_nb(o, 1, 100, 3, 1, 6, 77) == ob.FILL_DUPLICATE
    assert [a.tobytes() for a in o[:-1]] == state
    assert o.anomalies[ob.AN_DUPLICATE] == 1
    for seq in range(1000, 1000 + ob.N_SEEN - 2):
        assert ob.on_fill_nb(o, 1, 100, 1, 0, 7, seq) >= 0
    assert ob.on_fill_nb(o, 1, 100, 3, 1, 8, 77) == ob.FILL_DUPLICATE  # oldest still remembered


def test_a_refused_fill_is_not_remembered():
    o = new_orders(1, 8)
    put(o, 1)
    assert ob.on_fill_nb(o, 1, 100, 11, 0, 5, 3) == ob.FILL_OVER
    assert ob.on_fill_nb(o, 1, 100, 10, 0, 5, 3) == 0


def test_unknown_orders_are_counted():
    o = new_orders(1, 8)
    for call in (ob.on_ack_nb, ob.mark_canceling_nb):
        assert call(o, 5, 1) == 0
    assert ob.on_cancel_nb(o, 5, 0, 1) == 0
    assert ob.on_reject_nb(o, 5, 0, 1) == 0
    assert o.anomalies[ob.AN_UNKNOWN] == 4


def test_on_approved_takes_only_new_rows_once():
    o = new_orders(1, 8)
    slot = put(o, 1)
    assert ob.on_approved_nb(o, slot) == 0
    assert ob.on_approved_nb(o, 2) == 0  # empty row
    assert ob.on_approved_nb(o, -1) == 0
    assert ob.on_approved_nb(o, 8) == 0
    for field, value in (
        ("action", c.ACT_CANCEL),
        ("status", c.ST_WORKING),
        ("instrument", 1),
        ("purpose", 7),
    ):
        row = o.table[3]
        row["id"], row["qty"], row["status"], row["action"], row["purpose"] = 9, 5, c.ST_PENDING, c.ACT_NEW, 1
        row["instrument"] = 0
        row[field] = value
        assert ob.on_approved_nb(o, 3) == 0, field
    assert ob.open_count_nb(o, 0) == 1
    assert o.anomalies.sum() == 8


def test_a_long_lived_order_never_blocks_or_is_overwritten():
    o = new_orders(1, 8)
    put(o, 1, purpose=c.FOR_STOP, reduce=True, side=c.SELL, stop=90)
    for id_ in range(2, 200):
        put(o, id_)
        for back in range(max(2, id_ - 3), id_):
            assert ob.find_nb(o, back) >= 0  # recent orders stay for late events
        assert ob.on_fill_nb(o, id_, 100, 10, 0, 1) == 0
    assert status(o, 1) == c.ST_PENDING
    assert o.meta[ob.M_PROBE] < 8


def test_full_of_live_orders():
    o = new_orders(1, 4)
    for id_ in range(1, 5):
        put(o, id_)
    assert ob.free_slot_nb(o, 5) == -1
    ob.on_cancel_nb(o, 3, 0, 1)
    assert ob.free_slot_nb(o, 5) == 3
    put(o, 5)
    assert ob.find_nb(o, 3) == -1
    assert [ob.find_nb(o, k) for k in (1, 2, 4, 5)] == [1, 2, 0, 3]


def test_worst_case():
    cases = [
        (0, [], 0),
        (5, [], 5),
        (5, [(c.BUY, 7, False)], 12),
        (5, [(c.SELL, 7, False)], 5),
        (5, [(c.SELL, 12, False)], 7),
        (-5, [(c.BUY, 12, False), (c.SELL, 1, False)], 7),
        (5, [(c.SELL, 5, True)], 5),
        (5, [(c.SELL, 5, True), (c.SELL, 5, True)], 5),
        (5, [(c.SELL, 5, True), (c.SELL, 9, False)], 9),
        (-5, [(c.BUY, 5, True), (c.BUY, 9, False)], 9),
        (0, [(c.BUY, 5, True)], 0),
    ]
    for pos, orders, worst in cases:
        o = new_orders(1, 8)
        for k, (side, qty, reduce) in enumerate(orders):
            put(o, k + 1, qty=qty, side=side, reduce=reduce, purpose=c.FOR_EXIT)
        assert ob.worst_case_nb(o, 0, pos) == worst, (pos, orders)
        assert getattr(ob.worst_case_nb, "py_func", ob.worst_case_nb)(o, 0, pos) == worst


def test_reducing_is_by_purpose_and_side():
    o = new_orders(2, 8)
    put(o, 1, qty=3, side=c.SELL, purpose=c.FOR_STOP, reduce=True, inst=1)
    put(o, 2, qty=4, side=c.SELL, purpose=c.FOR_STOP, inst=1)
    put(o, 3, qty=5, side=c.BUY, purpose=c.FOR_EXIT, reduce=True, inst=1)
    assert ob.reducing_nb(o, 1, c.SELL, c.FOR_STOP) == 3
    assert ob.reducing_nb(o, 1, c.BUY, c.FOR_EXIT) == 5
    assert ob.reducing_nb(o, 1, c.BUY, c.FOR_STOP) == 0
    assert ob.reducing_nb(o, 0, c.SELL, c.FOR_STOP) == 0
    assert ob.pending_nb(o, 1, c.SELL) == 7
    ob.on_fill_nb(o, 1, 100, 1, 0, 1)
    assert ob.reducing_nb(o, 1, c.SELL, c.FOR_STOP) == 2


def test_bracket_ids_follow_the_newest_live_order():
    o = new_orders(1, 64)
    b = o.brackets[0]
    put(o, 1, qty=6)
    for id_ in range(2, 4):
        put(o, id_, purpose=c.FOR_STOP, reduce=True, side=c.SELL, stop=90)
    put(o, 4, purpose=c.FOR_TARGET, reduce=True, side=c.SELL)
    assert (b["entry_id"], b["qty"], b["stop_id"], b["target_id"]) == (1, 6, 3, 4)
    ob.on_cancel_nb(o, 3, 0, 1)
    ob.on_cancel_nb(o, 4, 0, 1)
    ob.on_fill_nb(o, 1, 100, 6, 0, 1)
    assert (b["entry_id"], b["stop_id"], b["target_id"]) == (0, 2, 0)
    for id_ in range(5, 5 + ob.MAX_LEGS):
        put(o, id_, purpose=c.FOR_STOP, reduce=True, side=c.SELL, stop=90)
    assert o.anomalies[ob.AN_LEGS] == 1


def test_new_orders_checks_its_size():
    for n, cap in ((0, 8), (1, 6), (1, 0), (1, 1), (1, -8)):
        with pytest.raises(ConfigError):
            new_orders(n, cap)
