"""Round trips and costs of a record, against books kept by hand."""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bot4.model import codes_nb as c
from bot4.model.events import DECISION_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.research.record import RunRecord

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import fabricate

MULT = fabricate.MULT


def make(*fills, instruments=1, decisions=None, **extra) -> RunRecord:
    """fills: (side, price, qty, fee, purpose[, field=value of the order or fill])."""
    events, orders = np.zeros(len(fills), EVENT_DTYPE), np.zeros(len(fills), ORDER_DTYPE)
    for i, (side, price, qty, fee, purpose, *more) in enumerate(fills):
        given = more[0] if more else {}
        events[i]["ts_local"], events[i]["kind"], events[i]["x"] = 1000 * (i + 1), c.EV_FILL, i + 1
        events[i]["price"], events[i]["qty"], events[i]["y"] = price, qty, fee
        events[i]["flags"], events[i]["instrument"] = given.get("flags", 0), given.get("instrument", 0)
        order = orders[i]
        order["id"], order["side"], order["purpose"] = i + 1, side, purpose
        order["type"] = given.get("type", c.TYPE_MARKET)
        order["stop_price"], order["decision"] = given.get("stop_price", 0), given.get("decision", 0)
    meta = {"instruments": [fabricate.BTC.to_json()] * instruments, "money_exp": 8, "currency": "USDT"}
    if decisions is not None:
        extra["decisions"] = decisions
    return RunRecord(meta=meta, fills=events, orders=orders, **extra)


def test_a_long_that_hits_its_stop():
    r = make((1, 1000, 5, 7, c.FOR_ENTRY), (-1, 900, 5, 6, c.FOR_STOP, {"flags": c.FLAG_GAP}))
    (t,) = r.trades
    assert (t["entry_ts"], t["exit_ts"], t["qty"], t["side"]) == (1000, 2000, 5, 1)
    assert (t["entry_price"], t["exit_price"]) == (1000.0, 900.0)
    assert t["gross"] == -500 * MULT
    assert t["fees"] == 13
    assert t["pnl"] == -500 * MULT - 13
    assert t["reason"] == c.FOR_STOP
    assert t["flags"] == c.FLAG_GAP
    assert r.round_trips.open == []


def test_scaling_in_and_out_is_one_round_trip():
    r = make(
        (-1, 1000, 2, 1, c.FOR_ENTRY),
        (-1, 1100, 2, 1, c.FOR_ENTRY),
        (1, 1000, 1, 1, c.FOR_TARGET),
        (1, 900, 3, 1, c.FOR_EXIT),
    )
    (t,) = r.trades
    assert (t["side"], t["qty"], t["fills"], t["fees"]) == (-1, 4, 4, 4)
    assert t["entry_price"] == 1050.0
    assert t["exit_price"] == pytest.approx((1000 + 2700) / 4)
    assert t["gross"] == (4200 - 3700) * MULT
    assert t["reason"] == c.FOR_EXIT


def test_a_fill_through_zero_closes_one_and_opens_the_other():
    r = make((1, 100, 3, 3, c.FOR_ENTRY), (-1, 110, 5, 10, c.FOR_EXIT), (1, 105, 2, 2, c.FOR_FLATTEN))
    first, second = r.trades
    assert (first["gross"], first["fees"]) == (30 * MULT, 3 + 6)  # 10 x 3 // 5 belongs to the close
    assert (second["side"], second["gross"], second["fees"]) == (-1, 10 * MULT, 4 + 2)
    assert first["fees"] + second["fees"] == r.fees()
    assert second["entry_ts"] == 2000


def test_instruments_do_not_mix():
    r = make(
        (1, 100, 1, 0, c.FOR_ENTRY),
        (-1, 50, 1, 0, c.FOR_ENTRY, {"instrument": 1}),
        (-1, 120, 1, 0, c.FOR_EXIT),
        instruments=2,
    )
    assert r.trades["gross"].tolist() == [20 * MULT]
    (still,) = r.round_trips.open
    assert (still.instrument, still.lots, still.entry_price) == (1, -1, 50.0)


def test_fills_of_unknown_orders_are_counted_not_guessed():
    r = make((1, 100, 1, 5, c.FOR_ENTRY), (-1, 100, 1, 5, c.FOR_EXIT))
    r.fills["x"][1] = 99
    assert len(r.trades) == 0
    assert r.round_trips.unmatched == 1
    assert r.round_trips.open[0].lots == 1
    assert r.fees() == 10
    bare = RunRecord(meta=r.meta, fills=r.fills)
    assert bare.round_trips.unmatched == 2


def test_other_events_among_the_fills_do_not_count():
    r = make((1, 100, 1, 5, c.FOR_ENTRY), (-1, 100, 1, 5, c.FOR_EXIT))
    r.fills["kind"][1] = c.EV_ACK
    assert r.fees() == 5
    assert r.turnover() == 100 * MULT
    assert r.round_trips.unmatched == 0


def test_a_fill_of_nothing_only_costs_its_fee():
    r = make((1, 100, 2, 1, c.FOR_ENTRY), (1, 100, 0, 4, c.FOR_ENTRY), (-1, 101, 2, 1, c.FOR_EXIT))
    assert r.trades["fees"].tolist() == [6]


def test_gap_loss_is_fill_against_stop():
    gap = {"flags": c.FLAG_GAP, "stop_price": 950, "type": c.TYPE_STOP}
    r = make((1, 1000, 2, 0, c.FOR_ENTRY), (-1, 900, 2, 0, c.FOR_STOP, gap))
    assert r.gap_loss() == 50 * 2 * MULT
    assert r.gap_fills() == 1
    short = make((-1, 1000, 2, 0, c.FOR_ENTRY), (1, 1010, 2, 0, c.FOR_STOP, {**gap, "stop_price": 1003}))
    assert short.gap_loss() == 7 * 2 * MULT
    short.summary["gap_loss_units"] = 42
    assert short.gap_loss() == 42


def test_slippage_is_market_orders_against_their_decision():
    decisions = np.zeros(2, DECISION_DTYPE)
    decisions["seq"], decisions["price"] = [8, 7], [1010, 1000]
    r = make(
        (1, 1003, 2, 0, c.FOR_ENTRY, {"decision": 7}),
        (-1, 1009, 2, 0, c.FOR_EXIT, {"decision": 8}),
        (1, 1500, 1, 0, c.FOR_TARGET, {"decision": 7}),
        (1, 1500, 1, 0, c.FOR_ENTRY, {"decision": 7, "type": c.TYPE_LIMIT}),
        decisions=decisions,
    )
    assert r.slippage() == (3 * 2 + 1 * 2) * MULT
    assert make((1, 1003, 2, 0, c.FOR_ENTRY)).slippage() is None
    r.summary["slippage_units"] = float("nan")
    assert r.slippage() == 8 * MULT


def test_no_slippage_is_known_when_no_decision_matches():
    decisions = np.zeros(1, DECISION_DTYPE)
    decisions["seq"], decisions["price"] = 3, 0
    assert make((1, 1003, 2, 0, c.FOR_ENTRY, {"decision": 3}), decisions=decisions).slippage() is None


def test_money_is_exact():
    r = fabricate.empty()
    assert r.money(123) == Decimal("0.00000123")
    assert r.money(10**18 + 1) == Decimal("10000000000.00000001")
    assert r.trades.size == 0
    assert r.maker_share() is None
    assert r.slippage() is None


def test_the_made_up_run_keeps_its_books():
    """The identity of the account: trades, open position and funding give the change of equity."""
    r = fabricate.record(days=20, seed=3)
    (still,) = r.round_trips.open or [None]
    change = int(r.equity["equity"][-1]) - 10_000 * 10**8
    closed = int(r.trades["pnl"].sum())
    open_pnl = 0
    if still is not None:
        mark = int(r.equity["price"][-1])
        open_pnl = still.lots * (mark - round(still.entry_price)) * MULT - still.fees
    assert closed + open_pnl - r.funding() == change
