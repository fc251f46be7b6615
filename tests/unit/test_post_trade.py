"""A fill against its order: price, quantity, fee; in the kernel, in the engine, in the session's watch."""

import random

import numpy as np
import pytest
from test_engine_outside import PRICE, enter, fill_all, say, scene
from test_watch import Scene as WatchScene
from tests.helpers.engine_scene import flat_bars

from bot4.execution import post_trade_nb as p
from bot4.kernels.jit_nb import JIT_OFF
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE

WAYS = [p.fill_reason_nb] if JIT_OFF else [p.fill_reason_nb, p.fill_reason_nb.py_func]
GOOD = {
    "kind": c.TYPE_LIMIT,
    "side": c.BUY,
    "limit": 1000,
    "left": 7,
    "price": 1000,
    "qty": 7,
    "fee": 35,
    "mult": 10,
    "max_fee_e8": 500_000,  # 0.5 %: 350 of 70 000, and one lot's worth of 10 000 for rounding
}


def judged(how=p.fill_reason_nb, **changes):
    return how(*{**GOOD, **changes}.values())


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, c.R_OK),
        ({"price": 1001}, c.R_FILL_PRICE),
        ({"price": 999}, c.R_OK),
        ({"side": c.SELL}, c.R_OK),
        ({"side": c.SELL, "price": 999}, c.R_FILL_PRICE),
        ({"kind": c.TYPE_MARKET, "limit": 0, "price": 5000}, c.R_OK),
        ({"kind": c.TYPE_STOP, "limit": 0, "price": 5000}, c.R_OK),
        ({"kind": c.TYPE_MARKET, "price": 0}, c.R_FILL_PRICE),
        ({"qty": 8}, c.R_FILL_QTY),
        ({"qty": 0}, c.R_FILL_QTY),
        ({"left": 0}, c.R_FILL_QTY),
        ({"qty": 8, "price": 1001}, c.R_FILL_QTY),
        ({"fee": 350 + 10_000}, c.R_OK),
        ({"fee": 351 + 10_000}, c.R_FILL_FEE),
        ({"fee": -351 - 10_000}, c.R_FILL_FEE),
        ({"fee": 0, "max_fee_e8": 0}, c.R_UNCHECKED),
    ],
)
def test_at_and_beyond_each_limit(changes, reason, how):
    assert judged(how, **changes) == reason


def plain(kind, side, limit, left, price, qty, fee, mult, max_fee_e8):
    """The same in words: exact fractions, no kernel."""
    from fractions import Fraction

    if not 0 < qty <= left:
        return c.R_FILL_QTY
    worse = price > limit if side > 0 else price < limit
    if price <= 0 or (kind == c.TYPE_LIMIT and worse):
        return c.R_FILL_PRICE
    allowed = -(-Fraction(price * qty * mult * max_fee_e8, 10**8) // 1) + max(price * mult, 1)
    return c.R_FILL_FEE if abs(fee) > allowed else c.R_OK


def test_kernel_plain_and_oracle_agree_on_random_fills():
    draw, seen = random.Random(3), set()
    for _ in range(3000):
        mult = draw.choice((1, 10, 1000))
        price, qty = draw.randint(-1, 2000), draw.randint(0, 9)
        fee = draw.choice((-1, 1)) * draw.randint(0, max(1, abs(price) * mult * 2))
        args = (draw.randint(1, 3), draw.choice((-1, 1)), draw.randint(900, 1100), draw.randint(0, 9), price,
                qty, fee, mult, draw.choice((1, 500_000, 10**8)))  # fmt: skip
        wanted = plain(*args)
        seen.add(wanted)
        assert [how(*args) for how in WAYS] == [wanted] * len(WAYS)
    assert seen == {c.R_OK, c.R_FILL_PRICE, c.R_FILL_QTY, c.R_FILL_FEE}


# --- in the engine ------------------------------------------------------------------------------------


def limit_entry(made):
    """The entry, made a limit order at PRICE: the strategies at hand only send market orders."""
    order = enter(made)
    slot = int(np.flatnonzero(made.engine.orders.table["id"] == order)[0])
    made.engine.orders.table[slot]["type"] = c.TYPE_LIMIT
    made.engine.orders.table[slot]["price"] = PRICE
    return order


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": PRICE + 1}, c.R_FILL_PRICE),
        ({"qty": 501}, c.R_FILL_QTY),
        ({"y": 10**15}, c.R_FILL_FEE),
    ],
)
def test_a_fill_that_does_not_fit_pauses_and_is_counted(fields, reason):
    made = scene()
    order = limit_entry(made)
    say(made, c.EV_FILL, **{"x": order, "price": PRICE, "qty": 500, "y": 5, "seq": 9, **fields})
    control = made.engine.safety.control[0]
    assert (control["mode"], control["mode_reason"]) == (c.MODE_PAUSE, reason)
    assert made.engine.safety.refusals[reason] == 1
    booked = reason != c.R_FILL_QTY
    assert made.position() == (500 if booked else 0)  # money is booked; what cannot be true is not
    if booked:  # and protected, whatever the mode
        assert len(made.orders(c.ST_PENDING)) == 2
        assert enter(made, 23) is None
        made.push(flat_bars(24, 90, PRICE))
        assert made.mode == c.MODE_PAUSE  # no timer lowers it


def test_good_fills_and_repeated_ones_change_no_mode():
    made = scene()
    order = limit_entry(made)
    fill_all(made, order)
    fill_all(made, order)
    assert made.mode == c.MODE_NORMAL and made.position() == 500
    assert made.engine.safety.refusals.sum() == 0


def test_a_dear_tariff_that_was_set_is_no_surprise():
    made = scene("fees.taker=400 bp", "safety.max_fill_fee=1 %")
    assert made.engine.params[0]["max_fee_e8"] == 8_000_000
    made = scene("fees.taker=5 bp", "safety.max_fill_fee=1 %")
    assert made.engine.params[0]["max_fee_e8"] == 1_000_000


# --- in the session -----------------------------------------------------------------------------------


def test_the_watch_calls_a_person_once_for_each_kind_of_misfit(tmp_path):
    s = WatchScene(tmp_path)
    s.watch.filled(np.zeros(0, EVENT_DTYPE))
    assert s.alarm.told == []
    s.refusals[c.R_FILL_FEE] += 1
    for _ in range(2):
        s.watch.filled(np.zeros(0, EVENT_DTYPE))
    assert [level for level, text in s.alarm.told if "fill_fee" in text] == ["critical"]
    assert [n["reason"] for n in s.notes() if n["what"] == "post-trade"] == ["fill_fee"]


def test_the_watch_notes_every_check_of_the_desk_that_refused(tmp_path):
    s = WatchScene(tmp_path)
    s.watch.refused(7, {"order_cap": c.R_MAX_ORDER, "turnover": c.R_TURNOVER})
    (note,) = s.notes()
    assert note["what"] == "refused" and note["order"] == 7
    assert note["checks"] == {"order_cap": "max_order", "turnover": "turnover"}
