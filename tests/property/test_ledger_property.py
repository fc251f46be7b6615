"""Random fills and funding: conserved to the last unit, and equal to books kept in Decimal and Fraction."""

import os
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.ledger import ledger_nb as nb
from bot4.ledger.accounts import Books, balances_of
from bot4.ledger.state import new_ledger
from bot4.model.events import INSTRUMENT_DTYPE

SLOW = os.environ.get("NUMBA_DISABLE_JIT") == "1"
NAMES = ("A", "B", "C")
MULTS = (1, 7, 1_000)
CAPITAL = 10**15


def spec_of():
    spec = np.zeros(3, INSTRUMENT_DTYPE)
    spec["money_mult"] = MULTS
    return spec


def apply(led, spec, event):
    kind, inst, side, price, qty, extra = event
    if kind == "fill":
        return nb.apply_fill_nb(led, spec, inst, side, price, qty, extra, price)
    if kind == "adopt":
        return nb.adopt_nb(led, spec, inst, side * qty, price, price)
    if kind == "transfer":
        return nb.transfer_nb(led, extra)
    return nb.apply_funding_nb(led, spec, inst, extra, price)


def keep(books, event):
    """The event in the oracle: a unit of money, a lot of 1 and a tick of money_mult."""
    kind, inst, side, price, qty, extra = event
    worth = Decimal(price * MULTS[inst])
    if kind == "fill":
        books.fill(NAMES[inst], side, worth, Decimal(qty), Decimal(extra))
    elif kind == "adopt":
        books.adopt(NAMES[inst], Decimal(side * qty), worth)
    elif kind == "transfer":
        books.transfer(Decimal(extra))
    else:
        books.funding(NAMES[inst], Decimal(extra).scaleb(-8), worth)


def same(led, books):
    return {k: v for k, v in balances_of(led, 0, NAMES).items() if v} == {
        k: v for k, v in books.balances.items() if v
    } and led.positions["qty"].tolist() == [int(books.quantities.get(n, 0)) for n in NAMES]


fills = st.tuples(
    st.just("fill"),
    st.integers(0, 2),
    st.sampled_from([1, -1]),
    st.integers(1, 10**5),
    st.one_of(st.integers(1, 9), st.integers(1, 10**5)),
    st.integers(-1_000, 10_000),
)
fundings = st.tuples(
    st.just("funding"),
    st.integers(0, 2),
    st.just(0),
    st.integers(1, 10**5),
    st.just(0),
    st.integers(-(10**6), 10**6),
)


adoptions = st.tuples(
    st.just("adopt"),
    st.integers(0, 2),
    st.sampled_from([1, 0, -1]),
    st.integers(1, 10**5),
    st.integers(1, 10**5),
    st.just(0),
)
transfers = st.tuples(
    st.just("transfer"), st.just(0), st.just(0), st.just(1), st.just(0), st.integers(-(10**6), 10**6)
)


@settings(max_examples=60 if SLOW else 400, deadline=None)
@given(st.lists(st.one_of(fills, fills, fundings, adoptions, transfers), max_size=60))
def test_any_sequence_is_conserved_and_equals_the_books(events):
    spec = spec_of()
    led = new_ledger(3, CAPITAL)
    books = Books(Decimal(CAPITAL), Decimal(1))
    for event in events:
        apply(led, spec, event)
        keep(books, event)
        assert nb.conserved_nb(led)
    assert books.trial_balance() == 0
    assert same(led, books)
    marks = {n: Decimal(int(m) * k) for n, m, k in zip(NAMES, led.positions["mark"], MULTS)}
    assert nb.equity_nb(led, spec) == books.equity(marks)


def random_events(rng, n):
    kind = rng.random(n) < 0.85
    inst = rng.integers(0, 3, n)
    side = rng.choice([1, -1], n)
    price = rng.integers(1, 10**5, n)
    qty = np.where(rng.random(n) < 0.5, rng.integers(1, 9, n), rng.integers(1, 10**4, n))
    extra = rng.integers(-500, 5_000, n)
    rows = zip(kind.tolist(), inst.tolist(), side.tolist(), price.tolist(), qty.tolist(), extra.tolist())
    return [("fill" if k else "funding", *rest) for k, *rest in rows]


def close_out(led, spec):
    for inst in range(3):
        qty = int(led.positions[inst]["qty"])
        if qty:
            nb.apply_fill_nb(led, spec, inst, -1 if qty > 0 else 1, 777, abs(qty), 3, 1)


def test_ten_thousand_sequences():
    """Conserved after each; closed out, no rounding remains: the gain is what was received less paid."""
    rng = np.random.default_rng(11)
    spec = spec_of()
    for number in range(150 if SLOW else 10_000):
        led = new_ledger(3, CAPITAL)
        books = Books(Decimal(CAPITAL), Decimal(1)) if number % 25 == 0 else None
        for event in random_events(rng, 25):
            apply(led, spec, event)
            if books is not None:
                keep(books, event)
        assert nb.conserved_nb(led)
        assert books is None or same(led, books)
        close_out(led, spec)
        account = led.account[0]
        assert nb.conserved_nb(led)
        assert account["cost_basis"] == 0
        assert account["gross_profit"] - account["gross_loss"] == account["cash"] - CAPITAL
        assert nb.equity_nb(led, spec) == account["cash"]


def test_a_million_trades_leave_no_residue():
    """S6: cash, fees and position cost against sums in unbounded integers, to the last unit."""
    n = 2_000 if SLOW else 1_000_000
    rng = np.random.default_rng(13)
    spec = spec_of()
    led = new_ledger(3, CAPITAL)
    insts = rng.integers(0, 3, n)
    sides = rng.choice([-1, 1], n)
    prices = rng.integers(1, 10**4, n)
    lots = rng.integers(1, 10**3, n)
    fees = rng.integers(-50, 500, n)
    for k in range(n):
        nb.apply_fill_nb(led, spec, insts[k], sides[k], prices[k], lots[k], fees[k], k)
    paid = sum(int(sides[k]) * int(prices[k]) * int(lots[k]) * MULTS[insts[k]] for k in range(n))
    account = led.account[0]
    assert int(account["cash"]) == CAPITAL - paid - int(fees.sum())
    assert int(account["fees"]) == int(fees.sum())
    assert nb.conserved_nb(led)
    close_out(led, spec)
    assert account["cost_basis"] == 0
    assert nb.equity_nb(led, spec) == account["cash"]


def test_compiled_equals_plain():
    rng = np.random.default_rng(12)
    spec = spec_of()
    fast, slow = new_ledger(3, CAPITAL), new_ledger(3, CAPITAL)
    fill = getattr(nb.apply_fill_nb, "py_func", nb.apply_fill_nb)
    funding = getattr(nb.apply_funding_nb, "py_func", nb.apply_funding_nb)
    equity = getattr(nb.equity_nb, "py_func", nb.equity_nb)
    exposure = getattr(nb.exposure_nb, "py_func", nb.exposure_nb)
    mark = getattr(nb.mark_nb, "py_func", nb.mark_nb)
    for event in random_events(rng, 500):
        kind, inst, side, price, qty, extra = event
        nb.mark_nb(fast, inst, price)
        mark(slow, inst, price)
        if kind == "fill":
            assert apply(fast, spec, event) == fill(slow, spec, inst, side, price, qty, extra, price)
        else:
            assert apply(fast, spec, event) == funding(slow, spec, inst, extra, price)
        assert nb.equity_nb(fast, spec) == equity(slow, spec)
        assert nb.exposure_nb(fast, spec) == exposure(slow, spec)
    assert fast.account.tobytes() == slow.account.tobytes()
    assert fast.positions.tobytes() == slow.positions.tobytes()


@settings(max_examples=50 if SLOW else 300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=8),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=8),
)
def test_realised_stays_within_a_unit_a_close_of_exact_average_cost(buys, sales):
    """Against unrounded Fraction average cost: each partial close is off by less than a unit in all."""
    spec = spec_of()
    led = new_ledger(3, CAPITAL)
    qty, cost, realised = Fraction(0), Fraction(0), Fraction(0)
    for price, lots in buys:
        nb.apply_fill_nb(led, spec, 0, 1, price, lots, 0, 1)
        qty, cost = qty + lots, cost + price * lots
    for closes, lots in enumerate(sales, 1):
        part = min(Fraction(lots), qty)
        if part == 0:
            break
        nb.apply_fill_nb(led, spec, 0, -1, 500, int(part), 0, 2)
        released = cost * part / qty
        realised += part * 500 - released
        qty, cost = qty - part, cost - released
        assert abs(int(led.account[0]["realised"]) - realised) < closes
    if qty == 0:
        assert led.account[0]["realised"] == realised
