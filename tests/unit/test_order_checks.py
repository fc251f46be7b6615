"""Filters, caps, self-trades (E6, F4.3, F7, F9.1): each side of each bound."""

import random
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, PRICE, SPOT, order_row

from bot4.execution import filters as f
from bot4.execution.guard import Guard, Plan, Turnover
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import tracked_from
from bot4.model import codes_nb as c
from bot4.model.values import Rate
from bot4.ports.alarm import FakeAlarm
from bot4.ports.venue import Rules

D = Decimal
RULES = Rules(PERP, "trading", price_up=D("1.05"), price_down=D("0.95"), market_max_qty=D(10))
REF = D(60000)
NO_PLAN = Plan()


def reason(quantity="0.1", price="60000", rules=RULES, ref=REF, **more):
    draft = f.Draft(1, D(quantity), None if price is None else D(price), **more)
    return f.order_reason(rules, draft, ref)


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("0.1", "60000", c.R_OK),
        ("0.1", "60000.05", c.R_PRICE_TICK),
        ("0.1", "0", c.R_PRICE_TICK),
        ("0.1", "-1", c.R_PRICE_TICK),
        ("0.1", "63000", c.R_OK),
        ("0.1", "63000.1", c.R_PRICE_BAND),
        ("0.1", "57000", c.R_OK),
        ("0.1", "56999.9", c.R_OK),  # a buy below is not against the market
        ("0.0005", "60000", c.R_QTY_LOT),
        ("0", "60000", c.R_QTY_LOT),
        ("0.001", "60000", c.R_OK),
        ("100", "60000", c.R_OK),
        ("100.001", "60000", c.R_MAX_QTY),
        ("10", None, c.R_OK),
        ("10.001", None, c.R_MAX_QTY),
    ],
)
def test_each_side_of_each_filter(quantity, price, expected):
    assert reason(quantity, price) == expected


def test_the_band_of_spot_has_both_sides_and_bounds_triggers():
    spot = replace(RULES, instrument=SPOT)
    for price, expected in (("57000", c.R_OK), ("56999.9", c.R_PRICE_BAND), ("63000.1", c.R_PRICE_BAND)):
        assert reason("0.1", price, rules=spot) == expected
        assert reason("0.1", None, rules=spot, trigger=D(price)) == expected
    assert reason("0.1", None, trigger=D(1000)) == c.R_OK  # a perpetual bounds limit prices only
    assert reason("0.1", None, trigger=D("0.05")) == c.R_PRICE_TICK
    sell = f.Draft(-1, D("0.1"), D("56999.9"))
    assert f.order_reason(RULES, sell, REF) == c.R_PRICE_BAND
    assert f.order_reason(RULES, replace(sell, price=D("63000.1")), REF) == c.R_OK


def test_least_quantity_and_least_notional():
    rules = replace(RULES, instrument=replace(PERP, min_qty=D("0.002"), min_notional=D(120)))
    assert reason("0.001", rules=rules) == c.R_MIN_QTY
    assert reason("0.002", rules=rules) == c.R_OK
    assert reason("0.002", "59999.9", rules=rules) == c.R_MIN_NOTIONAL
    assert reason("0.002", "59999.9", rules=rules, closes=True) == c.R_OK


def test_what_cannot_be_checked_is_refused():
    assert reason(ref=D(0)) == c.R_UNCHECKED
    assert reason(price=None, ref=D(0)) == c.R_UNCHECKED
    assert reason(ref=D(0), rules=Rules(PERP, "trading")) == c.R_OK


@pytest.mark.parametrize(
    ("status", "closes", "expected"),
    [
        ("halted", False, c.R_INSTRUMENT),
        ("halted", True, c.R_INSTRUMENT),
        ("closing", False, c.R_DELISTED),
        ("delisted", False, c.R_DELISTED),
        ("closing", True, c.R_OK),
    ],
)
def test_status(status, closes, expected):
    assert reason(rules=replace(RULES, status=status), closes=closes) == expected


def test_f4_3_exit_and_stop_are_checked_before_the_entry():
    entry = f.Draft(1, D("0.1"), REF)
    banded = replace(RULES, instrument=SPOT)
    assert f.plan_reason(banded, entry, D(59000), D(61000), REF) == c.R_OK
    assert f.plan_reason(banded, entry, D(56000), None, REF) == c.R_EXIT_FILTER  # the stop is beyond the band
    assert f.plan_reason(banded, entry, D(59000), D(64000), REF) == c.R_EXIT_FILTER
    assert f.plan_reason(RULES, replace(entry, side=-1), D(61000), D(64000), REF) == c.R_EXIT_FILTER
    assert f.plan_reason(RULES, replace(entry, quantity=D("0.0001")), D(59000), None, REF) == c.R_QTY_LOT
    spot = Rules(replace(SPOT, min_notional=D(60)), "trading")
    assert f.plan_reason(spot, f.Draft(1, D("0.001"), REF), D(59000), None, REF) == c.R_EXIT_FILTER
    assert f.plan_reason(spot, f.Draft(1, D("0.002"), REF), D(59000), None, REF) == c.R_OK


@pytest.mark.parametrize("size", ["10", "1", "0.1", "0.01", "1000"])
def test_f7_1_exposure_equals_the_intent_within_a_lot(size):
    made = replace(PERP, contract=D(size))
    base = D("12.3456789")
    units = made.round_qty_down(base)
    got = units.to_decimal() * made.contract
    assert 0 <= base - got < made.lot * made.contract
    assert f.notional(Rules(made, "trading"), units.to_decimal(), REF) == got * REF
    row = made.record(8, Rate.of("0"), Rate.of("0"), 1)[0]  # the engine counts the same
    assert int(row["money_mult"]) * units.lots * 600_000 == got * REF * 10**8


def test_f7_2_a_changed_meaning_is_named():
    assert f.changed(RULES, RULES) == []
    assert f.changed(RULES, replace(RULES, contract_size=D(10))) == ["contract size was 1, is 10"]
    assert f.changed(RULES, replace(RULES, instrument=replace(PERP, tick=D("0.01")))) == [
        "tick was 0.1, is 0.01"
    ]


def test_f7_5_first_fill():
    assert not f.first_fill_off(D(100), D(101), D("0.01")) and not f.first_fill_off(D(100), D(99), D("0.01"))
    assert f.first_fill_off(D(100), D("101.01"), D("0.01")) and f.first_fill_off(D(0), D(1), D("0.01"))


# --- self-trades ------------------------------------------------------------------------------------


def rest(id, side, price, left):
    return f.Resting(id, side, None if price is None else D(price), D(left))


def test_self_trade_policies():
    book = [rest(1, -1, 101, 2), rest(2, -1, 102, 3), rest(3, 1, 99, 5)]
    ask = lambda policy, price, lots: f.prevent_self_trade(policy, 1, price, D(lots), book)  # noqa: E731
    assert ask(f.SelfTrade.CANCEL_NEWEST, D(100), 4) == f.SelfTradeAnswer(D(4), ())
    assert ask(f.SelfTrade.CANCEL_NEWEST, D(101), 4) == f.SelfTradeAnswer(D(0), ())
    assert ask(f.SelfTrade.CANCEL_OLDEST, D(101), 4) == f.SelfTradeAnswer(D(4), ((1, D(0)),))
    assert ask(f.SelfTrade.CANCEL_BOTH, None, 4) == f.SelfTradeAnswer(D(0), ((1, D(0)), (2, D(0))))
    assert ask(f.SelfTrade.DECREMENT, D(102), 4) == f.SelfTradeAnswer(D(0), ((1, D(0)), (2, D(1))))
    assert ask(f.SelfTrade.DECREMENT, D(102), 9) == f.SelfTradeAnswer(D(4), ((1, D(0)), (2, D(0))))


@pytest.mark.parametrize("policy", list(f.SelfTrade))
def test_no_self_trade_in_random_orders_of_two_strategies(policy):
    """25 000 orders a policy, 1e5 together: what is left at the venue never crosses."""
    rng = random.Random(7)
    book = {}
    for id in range(25_000):
        side, price = rng.choice((1, -1)), D(rng.randrange(95, 106))
        lots = D(rng.randrange(1, 5))
        answer = f.prevent_self_trade(policy, side, price, lots, list(book.values()))
        for other, stays in answer.changes:
            book[other] = replace(book[other], left=stays)
            if stays == 0:
                del book[other]
        if answer.send:
            met = [o for o in book.values() if f.crosses(side, price, o)]
            assert met == [], f"order {id} would trade with {met}"
            book[id] = f.Resting(id, side, price, answer.send)
        if len(book) > 12:
            del book[rng.choice(list(book))]


# --- the guard --------------------------------------------------------------------------------------


def guarded(row, live=(), mark=PRICE, guard=None, now=0, plan=NO_PLAN, instrument=PERP, wall=0, **settings):
    alarm = FakeAlarm()
    guard = guard or Guard(DeskSettings(**settings), alarm)
    lane = SimpleNamespace(book=SimpleNamespace(instrument=instrument), live=list(live), price=mark)
    failed = guard.failed(tracked_from(row[0], "x", 0, None), lane, plan, now, wall)
    return next(iter(failed.values()), c.R_OK), alarm


MINUTE = 60 * 10**9


@pytest.mark.parametrize(
    ("side", "rate", "before", "refused"),
    [
        (1, 20_000, 29, True),  # we would pay 2 bp, soon
        (1, 20_000, 200, True),  # not soon, but dear
        (1, 20_000, 7 * 60 + 1, False),  # more than 7/8 of the interval remain
        (1, 10_000, 29, False),  # cheap
        (-1, 20_000, 29, False),  # we would receive
        (-1, -20_000, 29, True),
    ],
)
def test_an_entry_waits_for_a_dear_funding_payment_to_pass(side, rate, before, refused):
    due = 10_000 * MINUTE
    guard = Guard(DeskSettings(), FakeAlarm())
    guard.funding(PERP.symbol, rate, due)
    order = order_row(1, side=side)
    wall = due - before * MINUTE
    assert guarded(order, guard=guard, wall=wall)[0] == (c.R_EDGE if refused else c.R_OK)
    if refused:
        guard.funding(PERP.symbol, rate, due + 480 * MINUTE)
        assert guarded(order, guard=guard, wall=due + 4 * MINUTE)[0] == c.R_EDGE  # until 5 minutes after it
        assert guarded(order, guard=guard, wall=due + 5 * MINUTE)[0] == c.R_OK
    assert guarded(order, guard=Guard(DeskSettings(), FakeAlarm()), wall=wall)[0] == c.R_OK  # nothing known
    quiet = Guard(DeskSettings(funding_threshold_e8=20_000), FakeAlarm())
    quiet.funding(PERP.symbol, rate, due)
    assert guarded(order, guard=quiet, wall=wall)[0] == c.R_OK


def test_only_entries_wait_for_funding():
    guard = Guard(DeskSettings(), FakeAlarm())
    guard.funding(PERP.symbol, 50_000, 100 * MINUTE)
    row = order_row(1)
    row["purpose"] = c.FOR_QUOTE
    assert guarded(row, guard=guard, wall=90 * MINUTE)[0] == c.R_OK


def test_f7_7_an_absolute_cap_that_no_setting_lifts():
    assert guarded(order_row(1, qty=1666))[0] == c.R_OK  # 99 960 USDT
    code, alarm = guarded(order_row(1, qty=1667))
    assert code == c.R_MAX_ORDER and "absolute cap" in alarm.told[0][1]


def test_f9_1_a_buy_on_each_tick_is_stopped_by_the_turnover_cap():
    alarm = FakeAlarm()
    guard = Guard(DeskSettings(turnover_cap=D(20_000)), alarm)
    row = order_row(1)  # 6 000 USDT
    codes = [guarded(row, guard=guard, now=k)[0] for k in range(10)]
    assert codes == [c.R_OK] * 3 + [c.R_TURNOVER] * 7 and len(alarm.told) == 1
    assert guarded(row, guard=guard, now=3601 * 10**9)[0] == c.R_OK


def test_turnover_forgets_what_left_the_window():
    turnover = Turnover(D(10), 100)
    assert turnover.fits(D(10), 0)
    turnover.count(D(10), 0)
    assert not turnover.fits(D(1), 99) and turnover.fits(D(1), 100)


def test_the_guard_refuses_by_rules_self_trade_and_missing_prices():
    guard = Guard(DeskSettings(), FakeAlarm())
    assert guard.learn([RULES]) == {}
    assert guarded(order_row(1, price=630_001), guard=guard)[0] == c.R_PRICE_BAND
    assert guarded(order_row(1, price=0), guard=guard, mark=0)[0] == c.R_UNCHECKED
    assert guarded(order_row(1, price=0), mark=0)[0] == c.R_UNCHECKED  # no rules are known: the guard itself
    resting = tracked_from(order_row(5, side=c.SELL)[0], "y", 0, None)
    assert guarded(order_row(1), guard=guard, live=[resting])[0] == c.R_SELF
    assert guarded(order_row(1, price=PRICE - 1), guard=guard, live=[resting])[0] == c.R_OK


def test_the_guard_tries_stop_and_target_before_the_entry():
    guard = Guard(DeskSettings(), alarm := FakeAlarm())
    guard.learn([replace(RULES, instrument=SPOT)])
    for plan, expected in (
        (Plan(570_000, 630_000), c.R_OK),
        (Plan(569_999, 630_000), c.R_EXIT_FILTER),
        (Plan(570_000, 630_001), c.R_EXIT_FILTER),
    ):
        assert guarded(order_row(1), guard=guard, plan=plan, instrument=SPOT)[0] == expected
    assert len(alarm.told) == 1 and "stop or the exit" in alarm.told[0][1]


def test_the_guard_counts_contracts():
    guard = Guard(DeskSettings(), FakeAlarm())
    many = replace(RULES, instrument=replace(PERP, contract=D(1000)), contract_size=D(1000))
    guard.learn([many])
    assert guarded(order_row(1), guard=guard, instrument=many.instrument)[0] == c.R_MAX_ORDER
    assert guarded(order_row(1), guard=guard)[0] == c.R_OK  # 1000SHIB: the price is for the thousand
    assert "contract size" in guard.learn([RULES])[PERP.symbol]


def test_all_checks_that_refuse_are_given_the_first_is_the_reason():
    guard = Guard(DeskSettings(turnover_cap=D(100)), FakeAlarm())
    guard.learn([RULES])
    resting = tracked_from(order_row(5, side=c.SELL)[0], "y", 0, None)
    order = tracked_from(order_row(1, qty=1667)[0], "x", 0, None)
    lane = SimpleNamespace(book=SimpleNamespace(instrument=PERP), live=[resting], price=PRICE)
    failed = guard.failed(order, lane, NO_PLAN, 0, 0)
    assert list(failed) == ["order_cap", "self_trade", "turnover"]
    assert set(failed.values()) == {c.R_MAX_ORDER, c.R_SELF, c.R_TURNOVER}


def test_a_check_that_fails_itself_refuses_and_is_told():
    guard = Guard(DeskSettings(), alarm := FakeAlarm())
    guard.funding_reason = lambda case, wall: 1 // 0
    order = tracked_from(order_row(1)[0], "x", 0, None)
    lane = SimpleNamespace(book=SimpleNamespace(instrument=PERP), live=[], price=PRICE)
    for _ in range(2):
        assert guard.failed(order, lane, NO_PLAN, 0, 0) == {"funding": c.R_UNCHECKED}
    assert len(alarm.told) == 1 and "funding failed inside" in alarm.told[0][1]
