"""What differs between a ledger and an account, in lots and money."""

from decimal import Decimal

import pytest
from tests.helpers.engine_scene import Scene, instrument

from bot4.ledger.ledger_nb import apply_fill_nb
from bot4.live.agreement import balance_of, compare
from bot4.ports.venue import AccountReport, Balance, PositionReport


def account(usdt, position=None, entry=None, btc=None):
    balances = [Balance("USDT", Decimal(usdt), Decimal(usdt))]
    if btc is not None:
        balances.append(Balance("BTC", Decimal(btc), Decimal(btc)))
    held = ()
    if position is not None:
        held = (PositionReport("BTC-USDT", Decimal(position), Decimal(entry), None, None, 1, "cross"),)
    return AccountReport(0, tuple(balances), held)


def scene(kind):
    made = Scene(instruments=[instrument(kind=kind)])
    capital = Decimal(int(made.engine.ledger.account[0]["cash"])).scaleb(-made.plan.money_exp)
    return made, capital


def bought(made, lots=500, ticks=500_000, fee=0):
    apply_fill_nb(made.engine.ledger, made.engine.spec, 0, 1, ticks, lots, fee, 1)


def test_a_perpetual_agrees_with_its_wallet():
    made, capital = scene("perp")
    bought(made, fee=10**8)
    assert compare(made.engine, made.plan, account(capital - 1, "0.5", "50000")).agrees


@pytest.mark.parametrize(
    ("position", "entry", "lots", "ticks"), [("0.4", "50000.04", 400, 500_000), ("-1", "9.96", -1000, 100)]
)
def test_a_perpetual_that_differs(position, entry, lots, ticks):
    made, capital = scene("perp")
    bought(made)
    found = compare(made.engine, made.plan, account(capital, position, entry))
    (gap,) = found.positions
    assert (gap.ledger_lots, gap.venue_lots, gap.average) == (500, lots, ticks)
    assert "ledger 0.5" in str(gap)
    assert not found.agrees
    gone = compare(made.engine, made.plan, account(capital))
    assert gone.positions[0].venue_lots == 0


def test_money_that_came_or_went():
    made, capital = scene("perp")
    found = compare(made.engine, made.plan, account(capital + Decimal("12.5")))
    assert found.positions == ()
    assert found.cash == 125 * 10 ** (made.plan.money_exp - 1)
    assert "12.5 USDT" in found.cash_text
    less = compare(made.engine, made.plan, account(capital - Decimal("1e-9")))
    assert less.cash == -1  # rounded against us


def test_on_spot_only_our_coins_count():
    made, capital = scene("spot")
    bought(made)
    paid = capital - Decimal(25_000)
    assert compare(made.engine, made.plan, account(paid, btc="0.5")).agrees
    assert compare(made.engine, made.plan, account(paid, btc="7")).agrees  # the user's own coins
    fewer = compare(made.engine, made.plan, account(paid, btc="0.2"))
    assert (fewer.positions[0].ledger_lots, fewer.positions[0].venue_lots) == (500, 200)


def test_an_asset_that_is_not_listed_is_nil():
    assert balance_of(account(5), "ETH") == 0
