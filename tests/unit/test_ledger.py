"""The ledger against hand-made books: each figure below was worked out on paper."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from bot4.ledger import ledger_nb as nb
from bot4.ledger.accounts import Books, Posting, balances_of
from bot4.ledger.state import ACCOUNT_DTYPE, POSITION_DTYPE, new_ledger
from bot4.model.events import INSTRUMENT_DTYPE


def plain(kernel):
    return getattr(kernel, "py_func", kernel)


def spec_of(*mults):
    spec = np.zeros(len(mults), INSTRUMENT_DTYPE)
    spec["money_mult"] = mults
    return spec


def fill(led, spec, *args):
    return nb.apply_fill_nb(led, spec, *args)


def test_records_hold_no_padding():
    assert ACCOUNT_DTYPE.itemsize == 19 * 8
    assert POSITION_DTYPE.itemsize == 13 * 8


def test_a_trade_by_hand():
    spec = spec_of(2)
    led = new_ledger(1, 10_000)
    assert fill(led, spec, 0, 1, 100, 10, 7, 1_000) == 0
    account, position = led.account[0], led.positions[0]
    assert (account["cash"], position["cost"], position["qty"]) == (10_000 - 2_000 - 7, 2_000, 10)
    assert (position["entry_ts"], position["entry_cost"], position["high_water"]) == (1_000, 2_000, 100)
    # sells 3 of 10: released floor(2000 x 3 / 10) = 600, received 3 x 110 x 2 = 660
    assert fill(led, spec, 0, -1, 110, 3, 1, 2_000) == 60
    assert (position["cost"], position["trade_realised"], position["trade_fees"]) == (1_400, 60, 8)
    # sells the other 7 at 90: received 1260, released 1400
    assert fill(led, spec, 0, -1, 90, 7, 2, 3_000) == -140
    assert position["qty"] == position["cost"] == position["entry_ts"] == position["high_water"] == 0
    assert (account["realised"], account["fees"], account["cash"]) == (-80, 10, 10_000 - 80 - 10)
    assert (account["n_wins"], account["n_losses"], account["gross_loss"]) == (0, 1, 90)
    assert (account["n_fills"], account["turnover"], position["n_trades"]) == (3, 2_000 + 660 + 1_260, 1)
    assert nb.conserved_nb(led)


@pytest.mark.parametrize("side", [1, -1])
def test_a_flip_ends_one_trade_and_opens_the_next(side):
    spec = spec_of(1)
    led = new_ledger(1, 10_000)
    fill(led, spec, 0, side, 100, 4, 4, 10)
    # 10 against 4: 4 close, 6 open; the fee of 10 is shared 4 : 6
    realised = fill(led, spec, 0, -side, 120, 10, 10, 20)
    account, position = led.account[0], led.positions[0]
    assert realised == side * 80
    assert (position["qty"], position["cost"]) == (-side * 6, -side * 720)
    assert (position["trade_fees"], position["trade_realised"], position["entry_ts"]) == (6, 0, 20)
    assert (position["entry_cost"], position["high_water"]) == (720, 120)
    net = side * 80 - 4 - 4
    assert (account["gross_profit"], account["gross_loss"]) == ((net, 0) if net > 0 else (0, -net))
    assert account["n_wins"] + account["n_losses"] == 1
    assert nb.conserved_nb(led)


def test_break_even_is_neither_won_nor_lost():
    spec = spec_of(1)
    led = new_ledger(1, 100)
    fill(led, spec, 0, 1, 10, 1, 0, 1)
    fill(led, spec, 0, -1, 10, 1, 0, 2)
    assert led.account[0]["n_wins"] == led.account[0]["n_losses"] == 0
    assert led.positions[0]["n_trades"] == 1


def test_rounding_of_the_basis_loses_nothing():
    spec = spec_of(1)
    led = new_ledger(1, 1_000)
    fill(led, spec, 0, 1, 10, 2, 0, 1)
    fill(led, spec, 0, 1, 11, 1, 0, 1)  # cost 31 for 3 lots: a third is 10.33
    assert [fill(led, spec, 0, -1, 10, 1, 0, 2) for _ in range(3)] == [0, 0, -1]
    assert led.account[0]["cash"] == 999
    assert nb.conserved_nb(led)


def test_funding_signs_and_rounding():
    spec = spec_of(1, 1)
    led = new_ledger(2, 10_000)
    assert nb.apply_funding_nb(led, spec, 0, 10_000, 100) == 0  # flat pays nothing
    fill(led, spec, 0, 1, 100, 5, 0, 1)
    fill(led, spec, 1, -1, 100, 5, 0, 1)
    # 500 x 0.0001 = 0.05 units: a long pays 1, a short receives 0; with a negative rate the other way round
    assert nb.apply_funding_nb(led, spec, 0, 10_000, 100) == 1
    assert nb.apply_funding_nb(led, spec, 1, 10_000, 100) == 0
    assert nb.apply_funding_nb(led, spec, 0, -1_000_000, 100) == -5
    assert nb.apply_funding_nb(led, spec, 1, -1_000_000, 0) == 5  # price unknown: the mark
    assert led.account[0]["funding"] == 1
    assert led.positions[0]["trade_fees"] == -4
    assert nb.conserved_nb(led)
    before = led.account[0]["cash"]
    assert nb.apply_funding_nb(led, spec, 0, 100_000_001, 100) == 0
    assert led.account[0]["cash"] == before
    assert not nb.conserved_nb(led)


def test_marks_equity_and_exposure():
    spec = spec_of(3, 5)
    led = new_ledger(2, 10_000)
    fill(led, spec, 0, 1, 100, 2, 0, 1)
    fill(led, spec, 1, -1, 50, 4, 0, 1)
    assert led.positions["mark"].tolist() == [100, 50]
    assert nb.equity_nb(led, spec) == 10_000
    for price in (110, 105, 0, -3):
        nb.mark_nb(led, 0, price)
    for price in (45, 48):
        nb.mark_nb(led, 1, price)
    assert led.positions["mark"].tolist() == [105, 48]
    assert led.positions["high_water"].tolist() == [110, 45]
    assert nb.equity_nb(led, spec) == 10_000 + 5 * 2 * 3 + 2 * 4 * 5
    assert led.account[0]["equity"] == 10_070
    assert nb.exposure_nb(led, spec) == (105 * 6 + 48 * 20, 105 * 6 - 48 * 20)
    fill(led, spec, 0, 1, 200, 1, 0, 1)
    assert led.positions[0]["mark"] == 105  # a fill does not mark what has a mark


BAD_FILLS = {
    "no price": (0, 1, 0, 1, 0, 0),
    "negative price": (0, 1, -5, 1, 0, 0),
    "no quantity": (0, 1, 5, 0, 0, 0),
    "negative quantity": (0, 1, 5, -1, 0, 0),
    "no side": (0, 0, 5, 1, 0, 0),
    "two sides": (0, 2, 5, 1, 0, 0),
    "notional too large": (0, 1, 2**31, 2**31, 0, 0),
    "product wraps to a small number": (0, 1, 2**32, 2**32, 0, 0),
    "fee too large": (0, 1, 5, 1, 2**62, 0),
}


@pytest.mark.parametrize("name", BAD_FILLS)
@pytest.mark.parametrize("how", ["compiled", "plain"])
def test_what_cannot_be_booked_is_not_booked_and_shows(name, how):
    spec = spec_of(1)
    led = new_ledger(1, 1_000)
    apply = nb.apply_fill_nb if how == "compiled" else plain(nb.apply_fill_nb)
    assert apply(led, spec, *BAD_FILLS[name]) == 0
    assert led.account[0]["residual"] == 1
    assert led.account[0]["cash"] == 1_000
    assert led.positions[0]["qty"] == 0
    assert not nb.conserved_nb(led)


def test_cost_and_cash_may_not_leave_their_range():
    spec = spec_of(1)
    led = new_ledger(1, 2**62 - 1)
    fill(led, spec, 0, 1, 2**30, 2**31, 0, 0)
    assert nb.conserved_nb(led)
    fill(led, spec, 0, 1, 2**30, 2**31, 0, 0)
    assert led.account[0]["residual"] == 1
    assert led.positions[0]["qty"] == 2**31


def test_turnover_saturates():
    spec = spec_of(1)
    led = new_ledger(1, 2**61)
    for i in range(12):
        fill(led, spec, 0, 1 if i % 2 == 0 else -1, 2**30, 2**29, 0, i)
    assert led.account[0]["turnover"] == 2**62
    assert nb.conserved_nb(led)


def test_fits():
    spec = spec_of(10)
    assert nb.fits_nb(spec, 0, 10**9, 10**8)
    assert not nb.fits_nb(spec, 0, 10**9, 10**9)
    assert not nb.fits_nb(spec, 0, 2**32, 2**32)
    assert not nb.fits_nb(spec, 0, -(10**9), 10**9)


def test_share_is_exact_for_small_and_large():
    rng = np.random.default_rng(5)
    share = nb.share_nb
    for _ in range(2_000):
        whole = int(rng.integers(1, 2 ** int(rng.integers(1, 62))))
        part = int(rng.integers(0, whole + 1))
        amount = int(rng.integers(-(2**62), 2**62))
        want = int(Fraction(amount) * part / whole)  # int() of a Fraction goes towards zero
        assert share(amount, part, whole) == plain(share)(amount, part, whole) == want


@pytest.mark.parametrize("name", ["cash", "initial", "realised", "fees", "funding", "cost_basis", "residual"])
def test_a_unit_astray_is_seen(name):
    spec = spec_of(1)
    led = new_ledger(1, 1_000)
    fill(led, spec, 0, 1, 10, 3, 1, 1)
    assert nb.conserved_nb(led)
    led.account[name] += 1
    assert not nb.conserved_nb(led)
    assert not plain(nb.conserved_nb)(led)


@pytest.mark.parametrize("name", ["realised", "fees", "funding", "cost"])
def test_a_unit_astray_in_a_position_is_seen(name):
    spec = spec_of(1)
    led = new_ledger(1, 1_000)
    fill(led, spec, 0, 1, 10, 3, 1, 1)
    led.positions[name] += 1
    assert not nb.conserved_nb(led)


def test_a_flat_position_has_no_cost():
    led = new_ledger(2, 1_000)
    led.positions[0]["cost"] = 5
    led.positions[1]["cost"] = -5
    assert not nb.conserved_nb(led)


def test_new_ledger_refuses_nonsense():
    for capital in (-1, 2**62):
        with pytest.raises(ValueError, match="opening capital"):
            new_ledger(1, capital)
    with pytest.raises(ValueError, match="at least one"):
        new_ledger(0, 1)


def test_books_by_hand():
    books = Books(Decimal("1000"), Decimal("0.01"))
    postings = books.fill("BTC", 1, Decimal("100.5"), Decimal("2"), Decimal("0.2"))
    assert Posting("asset:BTC", Decimal("201.0")) in postings
    books.fill("BTC", -1, Decimal("110"), Decimal("3"), Decimal("0.3"))
    assert books.balances["realised"] == Decimal("-19")  # a gain is a credit
    assert books.quantities["BTC"] == -1
    books.funding("BTC", Decimal("0.00013"), Decimal("100"))  # short: receives 0.013, rounded to 0.01
    assert books.balances["funding"] == Decimal("-0.01")
    assert books.trial_balance() == 0
    assert books.equity({"BTC": Decimal("110")}) == Decimal("1000") + 19 - Decimal("0.5") + Decimal("0.01")
    with pytest.raises(KeyError):
        books.equity({})
    with pytest.raises(ArithmeticError, match="does not balance"):
        books._post(Posting("cash", Decimal(1)))


def test_balances_of_the_ledger_are_the_books():
    spec = spec_of(1, 1)
    led = new_ledger(2, 100_000)
    books = Books(Decimal("1000"), Decimal("0.01"))
    for inst, side, price, qty, fee in ((0, 1, 1050, 10, 5), (1, -1, 400, 5, 2), (0, -1, 1100, 4, 3)):
        fill(led, spec, inst, side, price, qty, fee, 1)
        books.fill("AB"[inst], side, Decimal(price) / 100, Decimal(qty), Decimal(fee) / 100)
    balances = balances_of(led, 2, "AB")
    assert {k: v for k, v in balances.items() if v} == {k: v for k, v in books.balances.items() if v}
    assert sum(balances.values()) == 0
    with pytest.raises(ValueError, match="1 names for 2"):
        balances_of(led, 2, ["A"])
