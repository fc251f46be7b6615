"""What the venue says that no order asked for: lost replies, adopted positions, cash, stream, agreement."""

import numpy as np
import pytest
from tests.helpers.engine_scene import START, S, Scene, book, event, flat_bars, instrument

from bot4.ledger.ledger_nb import conserved_nb, equity_nb
from bot4.model import codes_nb as c
from bot4.model.events import INPUT_DTYPE as INPUTS

PRICE = 500_000
BARS = 20
FIX = "strategy.fixed_size=0.5"


def scene(*sets, **kw):
    made = Scene(FIX, *sets, inputs=np.empty(0, INPUTS), timers=False, **kw)
    made.push(flat_bars(1, BARS, PRICE))
    return made


def say(made, kind, inst=0, **fields):
    row = event(kind, made.driver.now, inst, **fields)
    made.driver.fold(row)


def enter(made, bar=BARS + 1, score=1.0):
    """A bar at whose close the strategy enters; the order that came of it, or None."""
    known = set(made.orders()["id"].tolist())
    made.scores[bar] = score
    made.push(flat_bars(bar, bar, PRICE))
    new = [row for row in made.orders() if row["id"] not in known]
    return int(new[0]["id"]) if new else None


def fill_all(made, order):
    row = made.orders()[made.orders()["id"] == order][0]
    say(made, c.EV_FILL, x=order, price=PRICE, qty=int(row["qty"]), y=5, seq=order)


def refused(made, reason):
    return int(made.engine.safety.refusals[reason])


def state(made, order):
    return int(made.orders()[made.orders()["id"] == order]["status"][0])


def held(made):
    """A position with an acknowledged stop and target; the stop's number."""
    fill_all(made, enter(made))
    for leg in made.orders(c.ST_PENDING):
        say(made, c.EV_ACK, x=int(leg["id"]))
    stop = made.orders(c.ST_WORKING)
    return int(stop[stop["purpose"] == c.FOR_STOP]["id"][0])


def test_an_unknown_entry_counts_as_if_filled_until_evidence_comes():
    made = scene()
    order = enter(made)
    say(made, c.EV_UNKNOWN, x=order, y=c.R_TIMEOUT)
    assert state(made, order) == c.ST_UNKNOWN
    counts = made.engine.orders.counts[0]
    assert counts[1] > 0  # its lots
    assert enter(made, BARS + 2) is None
    say(made, c.EV_REJECT, x=order, y=c.R_NOT_FOUND)
    assert state(made, order) == c.ST_REJECTED
    assert counts[1] == 0
    assert enter(made, BARS + 3) is not None


def test_any_unknown_order_refuses_new_quotes_on_its_instrument():
    made = Scene(
        "quoter.size=0.1", bars=False, timer_ns=S, strategy="quoter", inputs=np.empty(0, INPUTS), timers=False
    )
    made.push(book(START + S, 500_000, 500_001, 1))
    say(made, c.EV_TIMER, ts_local=START + 2 * S)
    first = made.orders(c.ST_PENDING)["id"].tolist()
    assert len(first) == 2
    say(made, c.EV_UNKNOWN, x=first[0], y=c.R_TIMEOUT)
    say(made, c.EV_CANCELED, x=first[1], y=c.R_VENUE)
    made.push(book(START + 39 * S, 500_000, 500_001, 2))
    say(made, c.EV_TIMER, ts_local=START + 40 * S)
    assert made.orders(c.ST_PENDING)["id"].tolist() == []
    assert refused(made, c.R_UNKNOWN_ORDER) > 0
    say(made, c.EV_CANCELED, x=first[0], y=c.R_VENUE)
    made.push(book(START + 79 * S, 500_000, 500_001, 3))
    say(made, c.EV_TIMER, ts_local=START + 80 * S)
    assert len(made.orders(c.ST_PENDING)) == 2


def test_an_unknown_order_on_one_instrument_does_not_hold_another():
    pair = (instrument("BTC-USDT"), instrument("ETH-USDT"))
    made = Scene(FIX, instruments=pair, inputs=np.empty(0, INPUTS), timers=False)
    for k in range(1, BARS + 1):
        made.push(np.concatenate([flat_bars(k, k, PRICE), _other(k)]))
    order = enter(made)
    say(made, c.EV_UNKNOWN, x=order, y=c.R_TIMEOUT)
    made.scores[(1, BARS + 1)] = 1.0
    made.push(np.concatenate([flat_bars(BARS + 2, BARS + 2, PRICE), _other(BARS + 2)]))
    assert len(made.orders(c.ST_PENDING)) == 1
    assert refused(made, c.R_UNKNOWN_ORDER) == 0


def _other(k):
    rows = flat_bars(k, k, PRICE)
    rows["instrument"] = 1
    return rows


def test_reduce_only_and_cancels_pass_beside_an_unknown_order():
    made = scene()
    first = enter(made)
    fill_all(made, first)
    legs = made.orders(c.ST_PENDING)
    assert sorted(legs["purpose"].tolist()) == [c.FOR_STOP, c.FOR_TARGET]
    for leg in legs:
        say(made, c.EV_ACK, x=int(leg["id"]))
    stop = int(legs[legs["purpose"] == c.FOR_STOP]["id"][0])
    say(made, c.EV_UNKNOWN, x=stop, y=c.R_TIMEOUT)
    made.driver.kill(c.R_OPERATOR)
    flatten = made.orders(c.ST_PENDING)
    assert flatten["purpose"].tolist() == [c.FOR_FLATTEN]
    assert len(made.orders(c.ST_CANCELING)) == 1  # the target; the stop waits for evidence
    # the stop turns out to stand: the timer cancels it, though the position is closed by then
    fill_all(made, int(flatten["id"][0]))
    say(made, c.EV_ACK, x=stop)
    say(made, c.EV_TIMER)
    assert state(made, stop) == c.ST_CANCELING


@pytest.mark.parametrize("mode", [c.MODE_PAUSE, c.MODE_REDUCE, c.MODE_EMERGENCY])
def test_an_entry_found_working_after_the_mode_rose_is_cancelled_at_once(mode):
    made = scene()
    order = enter(made)
    say(made, c.EV_UNKNOWN, x=order, y=c.R_TIMEOUT)
    made.driver.mode(mode, c.R_OPERATOR)
    assert state(made, order) == c.ST_UNKNOWN
    say(made, c.EV_ACK, x=order)
    assert state(made, order) == c.ST_CANCELING


def test_an_adopted_position_is_protected_at_once_and_the_books_balance():
    made = scene()
    before = equity_nb(made.engine.ledger, made.engine.spec)
    say(made, c.EV_ADOPT, x=-700, price=PRICE + 100, y=c.R_ADOPTED)
    position = made.engine.ledger.positions[0]
    assert (position["qty"], position["cost"]) == (
        -700,
        -700 * (PRICE + 100) * made.engine.spec[0]["money_mult"],
    )
    assert conserved_nb(made.engine.ledger)
    gain = 700 * 100 * int(made.engine.spec[0]["money_mult"])
    assert equity_nb(made.engine.ledger, made.engine.spec) - before == gain
    legs = made.orders(c.ST_PENDING)
    assert sorted(zip(legs["purpose"].tolist(), legs["qty"].tolist())) == [
        (c.FOR_STOP, 700),
        (c.FOR_TARGET, 700),
    ]
    assert set(legs["side"].tolist()) == {c.BUY}
    stop = int(legs[legs["purpose"] == c.FOR_STOP]["stop_price"][0])
    assert stop > PRICE + 100


def test_a_position_that_is_gone_at_the_venue_loses_its_legs():
    made = scene()
    say(made, c.EV_ADOPT, x=300, price=PRICE, y=c.R_ADOPTED)
    for leg in made.orders(c.ST_PENDING):
        say(made, c.EV_ACK, x=int(leg["id"]))
    say(made, c.EV_ADOPT, x=0, price=0, y=c.R_RECONCILED)
    assert made.position() == 0
    assert len(made.orders(c.ST_CANCELING)) == 2
    assert conserved_nb(made.engine.ledger)


def test_adoption_of_nonsense_stops_the_books():
    for fields in ({"x": 5, "price": 0}, {"x": 5, "price": -3}, {"x": 5, "price": PRICE, "inst": 7}):
        made = scene()
        say(made, c.EV_ADOPT, **fields)
        assert made.position() == 0
        assert not conserved_nb(made.engine.ledger)


def test_cash_from_outside_is_neither_gain_nor_loss():
    made = scene("risk.drawdown_soft=5 %", "risk.drawdown_hard=10 %")
    capital = int(made.engine.ledger.account[0]["cash"])
    say(made, c.EV_TIMER)
    say(made, c.EV_CASH, x=-capital // 2, y=c.R_RECONCILED)
    say(made, c.EV_TIMER)
    assert made.mode == c.MODE_NORMAL
    assert float(made.engine.risk.state[0]["drawdown"]) == 0.0
    assert conserved_nb(made.engine.ledger)
    say(made, c.EV_CASH, x=2**62, y=0)
    assert not conserved_nb(made.engine.ledger)


@pytest.mark.parametrize(
    ("kind", "shut", "opened", "reason"),
    [
        (c.EV_STREAM, c.STATUS_DISCONNECTED, c.STATUS_OK, c.R_PRIVATE_DOWN),
        (c.EV_STREAM, c.STATUS_STALE, c.STATUS_OK, c.R_PRIVATE_DOWN),
        (c.EV_RECONCILED, 0, 1, c.R_NOT_RECONCILED),
        (c.EV_RECONCILED, 7, 1, c.R_NOT_RECONCILED),
    ],
)
def test_entries_wait_while_stream_or_books_are_in_doubt(kind, shut, opened, reason):
    made = scene()
    say(made, kind, x=shut, y=c.R_NETWORK)
    assert enter(made) is None
    assert refused(made, reason) == 1
    say(made, kind, x=opened)
    assert enter(made, BARS + 2) is not None


def test_words_about_the_account_are_recorded_and_fold_the_same_again():
    made = scene()
    say(made, c.EV_STREAM, x=c.STATUS_DISCONNECTED)
    say(made, c.EV_ADOPT, x=300, price=PRICE, y=c.R_ADOPTED)
    say(made, c.EV_CASH, x=55)
    kinds = made.blocks(3)["event"]["kind"].tolist()
    assert [k for k in kinds if k >= c.EV_ACK][-3:] == [c.EV_STREAM, c.EV_ADOPT, c.EV_CASH]
