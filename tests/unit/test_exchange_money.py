"""The simulated exchange: filters, wallets, fees, margin, funding, liquidation, deleveraging, market data."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.helpers.exchange_scene import FUNDS, IOC, POST, SECOND, START, Scene, Written, market, quiet

from bot4.model import codes_nb as c
from bot4.venues.simulator import margin
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.sources import MergedSource
from bot4.venues.simulator.words import (
    AccountUpdate,
    Liquidation,
    Mark,
    OrderType,
    OrderUpdate,
    Refusal,
    Request,
    SelfTrade,
    State,
)

D = Decimal
HOUR = 3600 * SECOND
DAY = 24 * HOUR


# --- filters ------------------------------------------------------------------------------------------


def test_filters_on_each_side_of_their_bounds():
    """The reference is the mark, 100; the band 0.5 to 2; least notional 5; 2 to 40 lots, 30 for market orders."""
    s = quiet(min_qty=2, max_qty=40, market_max_qty=30, price_up=D(2), price_down=D("0.5"), max_stops=2)
    good = [
        (s.limit, 2, 99, {}),
        (s.limit, 40, 99, {}),
        (s.market, 30, None, {}),
        (s.limit, 2, 50, {}),
    ]
    for call, qty, price, fields in good:
        call("a", 1, qty, *([] if price is None else [price]), **fields)
    s.limit("a", -1, 2, 200)
    bad = [
        (s.limit, ("a", 1, 1, 99), Refusal.LOT_SIZE),
        (s.limit, ("a", 1, 41, 99), Refusal.LOT_SIZE),
        (s.limit, ("a", 1, 0, 99), Refusal.LOT_SIZE),
        (s.limit, ("a", 1, -3, 99), Refusal.LOT_SIZE),
        (s.market, ("a", 1, 31), Refusal.MARKET_LOT_SIZE),
        (s.limit, ("a", 1, 2, 201), Refusal.PERCENT_PRICE),
        (s.limit, ("a", -1, 2, 49), Refusal.PERCENT_PRICE),
        (s.limit, ("a", 1, 2, 0), Refusal.PRICE_FILTER),
        (s.limit, ("a", 1, 2, 1 << 50), Refusal.PRICE_FILTER),
        (s.limit, ("a", 1, 2, 24), Refusal.MIN_NOTIONAL),
        (s.limit, ("a", 0, 2, 99), Refusal.INTERNAL),
        (s.stop, ("a", -1, 2, 0), Refusal.PRICE_FILTER),
    ]
    for call, args, why in bad:
        assert s.refused(call, *args) is why
    assert s.limit("a", 1, 2, 25).state is State.NEW


def test_the_spot_band_holds_both_sides_from_both_ends():
    s = quiet("spot", price_up=D(2), price_down=D("0.5"))
    s.trade(100, 1, 1)
    assert s.refused(s.limit, "a", 1, 2, 49) is Refusal.PERCENT_PRICE
    assert s.refused(s.limit, "a", 1, 2, 201) is Refusal.PERCENT_PRICE


def test_more_refusals():
    s = quiet(max_stops=1, max_orders=2)
    request = Request("BTCUSDT", 1, OrderType.LIMIT, 10, 99)
    place = s.x.place
    assert s.refused(place, "a", replace(request, client_id="a b")) is Refusal.BAD_CLIENT_ID
    assert s.refused(place, "a", replace(request, iceberg_qty=10)) is Refusal.LOT_SIZE
    assert s.refused(place, "a", replace(request, iceberg_qty=5, tif=IOC)) is Refusal.LOT_SIZE
    assert s.refused(place, "a", replace(request, close_position=True)) is Refusal.MODE
    assert s.refused(s.market, "a", 1, 1, tif=POST) is Refusal.MODE
    assert s.refused(s.market, "a", 1, 0) is Refusal.MARKET_LOT_SIZE
    trail = {"kind": OrderType.TRAILING}
    assert s.refused(s.stop, "a", 1, 10, 0, **trail) is Refusal.PRICE_FILTER
    assert s.refused(s.stop, "a", 1, 10, 0, **trail, trail_e4=2001) is Refusal.PRICE_FILTER
    s.stop("a", -1, 10, 90)
    assert s.refused(s.stop, "a", -1, 10, 90) is Refusal.MAX_STOPS
    s.x.place("a", request)
    assert s.refused(place, "a", request) is Refusal.MAX_ORDERS
    spot = quiet("spot")
    assert spot.refused(spot.market, "a", -1, 1, reduce_only=True) is Refusal.REDUCE_ONLY
    empty = Scene(market())
    assert empty.refused(empty.market, "a", 1, 1) is Refusal.NO_LIQUIDITY
    tiny = quiet(min_notional=D(500))
    assert tiny.refused(tiny.market, "a", 1, 49) is Refusal.MIN_NOTIONAL
    assert tiny.market("a", 1, 50).state is State.FILLED


def test_market_status_and_hedge_mode():
    s = quiet()
    s.market("a", 1, 5)
    s.x.set_market("BTCUSDT", status="closing")
    assert s.refused(s.market, "a", 1, 5) is Refusal.NOT_TRADING
    assert s.market("a", -1, 2, reduce_only=True).state is State.FILLED
    s.x.set_market("BTCUSDT", status="halted")
    assert s.refused(s.market, "a", -1, 1, reduce_only=True) is Refusal.NOT_TRADING
    s.x.set_market("BTCUSDT", status="trading")
    s.x.set_hedge_mode("a", True)
    assert s.refused(s.market, "a", 1, 5) is Refusal.MODE
    s.x.set_hedge_mode("a", False)
    assert s.market("a", 1, 1).state is State.FILLED


def test_changed_filters_hold_and_the_grid_stays_while_someone_stands_on_it():
    s = quiet()
    order = s.limit("a", 1, 5, 99)
    s.x.set_market("BTCUSDT", min_qty=6)
    assert s.refused(s.limit, "a", 1, 5, 99) is Refusal.LOT_SIZE
    with pytest.raises(ValueError, match="lot cannot change while"):
        s.x.set_market("BTCUSDT", lot=D("0.01"))
    with pytest.raises(ValueError, match="kind, colour cannot be changed"):
        s.x.set_market("BTCUSDT", kind="spot", colour=1)
    s.x.cancel("a", "BTCUSDT", order_id=order.id)
    s.x.set_market("BTCUSDT", contract_size=D(10))
    s.market("a", 1, 10)
    assert s.x.account("a").turnover.popitem()[1] == 10 * 101
    with pytest.raises(ValueError, match="contract_size cannot change"):
        s.x.set_market("BTCUSDT", contract_size=D(1))
    assert s.refused(s.x.set_market, "ETHUSDT") is Refusal.UNKNOWN_MARKET


# --- accounts -------------------------------------------------------------------------------------------


def test_accounts_open_by_practice_or_by_hand():
    s = quiet()
    assert s.x.account("new").balances == {"USDT": FUNDS}
    assert (s.x.account("new").secret, s.x.account("new")) == (None, s.x.account("new"))
    strict = Exchange([market()], Written(), seed=1, now_ns=START, practice=False)
    with pytest.raises(KeyError):
        strict.account("new")
    strict.open_account("new", "secret", {"USDT": D(5)}, {})
    assert (strict.account("new").secret, strict.deposited("USDT")) == ("secret", D(1_000_005))
    with pytest.raises(ValueError, match="exists already"):
        strict.open_account("new", "secret", {}, {})
    with pytest.raises(ValueError, match="needs a key"):
        strict.open_account("", "secret", {}, {})
    with pytest.raises(ValueError, match="listed twice"):
        Exchange([market(), market()], Written(), seed=1, now_ns=START)


def test_deposits_are_told_and_bounded_by_what_is_free():
    s = quiet("spot")
    s.limit("a", 1, 100, 99)
    assert s.refused(s.x.deposit, "a", "spot", "USDT", -FUNDS + 989) is Refusal.BALANCE
    s.hear_nothing()
    s.x.deposit("a", "spot", "USDT", -FUNDS + 990)
    (update,) = s.of(AccountUpdate)
    assert (update.why, update.wallet, update.balances) == ("deposit", "spot", (("USDT", D(990), D(990)),))
    s.x.deposit("a", "perp", "USDT", D(7))
    assert s.x.account("a").margin["USDT"] == FUNDS + 7
    with pytest.raises(ValueError, match="wallet 'bank'"):
        s.x.deposit("a", "bank", "USDT", D(1))
    assert s.balanced()


def test_a_compiled_book_serves_a_bounded_number_of_accounts(monkeypatch):
    monkeypatch.setattr("bot4.venues.simulator.listing.ACCOUNTS", 1024)
    s = quiet()
    s.x._listings["BTCUSDT"]._rows = {str(i): i + 1 for i in range(1023)}
    assert s.refused(s.market, "a", 1, 1) is Refusal.INTERNAL


# --- spot ------------------------------------------------------------------------------------------------


def test_spot_buyer_pays_in_base_seller_in_quote():
    s = quiet("spot", maker_e8=100_000, taker_e8=200_000)
    s.market("a", 1, 50)
    assert s.x.account("a").balances == {"USDT": FUNDS - 505, "BTC": D("4.99")}
    s.market("a", -1, 40)
    assert s.x.account("a").balances["USDT"] == FUNDS - 505 + 396 - D("0.792")
    assert s.x.fees == {"BTC": D("0.01"), "USDT": D("0.792")}
    assert s.balanced()


def test_fee_in_quote_is_part_of_what_is_locked():
    s = quiet("spot", realism={"spot_fee_in_base": False}, taker_e8=1_000_000, maker_e8=0)
    s.limit("a", 1, 10, 99)
    assert s.x.account("a").locked["USDT"] == D("99.99")
    assert s.refused(s.limit, "a", 1, 10_000, 99) is Refusal.BALANCE
    s.x.deposit("a", "spot", "USDT", -FUNDS + D("99.99") + D("102.01"))
    s.market("a", 1, 10)
    assert s.x.account("a").balances == {"USDT": D("99.99"), "BTC": D(1)}
    assert s.balanced()


def test_spot_never_goes_below_zero():
    s = quiet("spot")
    assert s.refused(s.market, "a", -1, 1) is Refusal.BALANCE
    s.x.deposit("a", "spot", "USDT", -FUNDS + 505)
    assert s.refused(s.market, "a", 1, 51) is Refusal.BALANCE
    assert s.market("a", 1, 50).state is State.FILLED
    assert s.x.account("a").balances["USDT"] == 0
    assert s.refused(s.limit, "a", 1, 1, 99) is Refusal.BALANCE
    assert s.refused(s.limit, "a", -1, 51, 150) is Refusal.BALANCE


def test_a_market_buy_is_bounded_by_what_is_free_even_with_impact():
    s = quiet("spot", realism={"impact_y": 1.0, "daily_vol": 0.1, "day_volume": 100})
    s.x.deposit("a", "spot", "USDT", -FUNDS + 268)
    order = s.market("a", 1, 25)
    assert s.x.account("a").balances["USDT"] >= 0
    assert order.filled == 25
    assert s.balanced()


def test_better_prices_free_the_rest_of_the_lock():
    s = quiet("spot")
    order = s.limit("a", 1, 60, 101)
    assert (order.filled, s.x.account("a").locked["USDT"]) == (50, 101)
    s.x.cancel("a", "BTCUSDT", order_id=order.id)
    assert s.x.account("a").locked["USDT"] == 0


# --- fees ---------------------------------------------------------------------------------------------------


def test_a_tier_holds_from_the_day_after_and_for_thirty_days():
    slow = {"mark_every_ns": HOUR, "funding_rate_e8": 0}
    s = quiet(
        realism=slow,
        taker_e8=50_000,
        maker_e8=20_000,
        tiers=((D(500), -5_000, 40_000), (D(1_000), -10_000, 30_000)),
    )
    s.market("a", 1, 50)
    s.market("a", -1, 50)
    fees = [e.fee for e in s.x.my_trades("a", "BTCUSDT")]
    assert fees == [D("0.2525"), D("0.2475")]
    s.x.set_market("BTCUSDT", max_orders=199)  # rates are worked out anew, and are today's still
    s.market("a", 1, 1)
    assert s.x.my_trades("a", "BTCUSDT")[-1].fee == D("0.00505")
    s.step(DAY)
    s.market("a", 1, 50)
    assert s.x.my_trades("a", "BTCUSDT")[-1].fee == D("0.1515")
    s.limit("a", -1, 10, 101)
    s.trade(101, 500, 1)
    assert s.x.my_trades("a", "BTCUSDT")[-1].fee == D("-0.0101")
    s.step(30 * DAY)
    s.market("a", -1, 10)
    assert s.x.my_trades("a", "BTCUSDT")[-1].fee == D("0.0396")
    s.step(DAY)
    s.market("a", -1, 10)
    assert s.x.my_trades("a", "BTCUSDT")[-1].fee == D("0.0495")
    assert s.balanced()


# --- perps ---------------------------------------------------------------------------------------------------


def test_a_perp_position_opens_shrinks_and_turns():
    s = quiet(taker_e8=0)
    s.market("a", 1, 60)  # 50 at 101, 10 at 102
    (view,) = s.x.positions("a")
    assert (view.position.qty, view.position.cost, view.entry) == (60, 6070, D(6070) / 60)
    assert (view.mark, view.unrealised) == (D(100), D(600) - D(607))
    s.market("a", -1, 30)
    trade = s.x.my_trades("a", "BTCUSDT")[-1]
    assert trade.realised == D(30 * 99 - 3035) / 10
    s.market("a", -1, 40)
    (view,) = s.x.positions("a")
    assert (view.position.qty, view.position.cost) == (-10, -990)
    assert s.x.account("a").margin["USDT"] == FUNDS + D(60 * 99 - 6070) / 10
    assert s.balanced(100)
    assert s.balanced(7)


def test_margin_bounds_positions_and_open_orders():
    """1,000 USDT at leverage 10 carry a value of 10,000: 1,000 lots of about 100 x 0.1."""
    s = Scene(market(max_leverage=20))
    s.book([(99, 90_000)], [(101, 90_000)])
    s.x.deposit("a", "perp", "USDT", -FUNDS + 1000)
    s.x.set_leverage("a", "BTCUSDT", 10)
    assert s.refused(s.limit, "a", 1, 1011, 99) is Refusal.MARGIN
    first = s.limit("a", 1, 500, 99)
    assert s.x.available("a", "USDT") == 505
    assert s.refused(s.limit, "a", 1, 511, 99) is Refusal.MARGIN
    s.limit("a", -1, 500, 101)  # the other side: only 10 more than the buys need
    assert s.x.available("a", "USDT") == 495
    s.x.cancel_all("a", "BTCUSDT")
    assert s.x.available("a", "USDT") == 1000
    assert first.state is State.NEW
    s.market("a", 1, 900)
    assert s.refused(s.market, "a", 1, 200) is Refusal.MARGIN
    assert s.market("a", -1, 1000).state is State.FILLED  # mostly closes
    assert s.refused(s.x.set_leverage, "a", "BTCUSDT", 21) is Refusal.LEVERAGE
    s.market("a", -1, 500)
    assert s.refused(s.x.set_leverage, "a", "BTCUSDT", 2) is Refusal.MARGIN
    assert s.x.positions("a")[0].position.leverage == 10


def test_isolated_margin_is_set_apart():
    s = quiet(taker_e8=0)
    s.x.set_margin_mode("a", "BTCUSDT", True)
    s.x.set_margin_mode("a", "BTCUSDT", True)
    s.x.set_leverage("a", "BTCUSDT", 10)
    s.market("a", 1, 50)
    (view,) = s.x.positions("a")
    assert view.position.margin == D("50.5")
    assert s.x.available("a", "USDT") == FUNDS - D("50.5")
    # 505 of value, 50.5 of margin: equity is maintenance where 5 P - 454.5 = 0.004 x 5 P
    assert abs(view.liquidation - D("454.5") / D("4.98")) < D("1e-20")
    assert s.refused(s.x.set_margin_mode, "a", "BTCUSDT", False) is Refusal.MODE
    s.market("a", -1, 20)
    assert s.x.positions("a")[0].position.margin == D("30.3")
    s.market("a", -1, 30)
    assert s.x.account("a").positions["BTCUSDT"].margin == 0
    assert s.x.account("a").margin["USDT"] == FUNDS - 10
    s.x.set_margin_mode("a", "BTCUSDT", False)
    assert s.refused(quiet("spot").x.set_leverage, "a", "BTCUSDT", 5) is Refusal.MODE


def test_funding_moves_between_longs_and_shorts():
    s = quiet(taker_e8=0, maker_e8=0, realism={"funding_rate_e8": 10_000})
    s.limit("a", 1, 50, 100)
    s.limit("b", -1, 50, 100)
    s.x.set_margin_mode("c", "BTCUSDT", True)
    s.market("c", 1, 10)
    s.hear_nothing()
    s.step(8 * HOUR)
    moved = {u.account: u.balances[0][1] - FUNDS for u in s.of(AccountUpdate) if u.why == "funding"}
    assert moved == {"a": D("-0.05"), "b": D("0.05"), "c": D("-0.01")}
    assert s.x.account("c").positions["BTCUSDT"].margin == D("5.05") - D("0.01")
    assert s.of(Mark)[-1].next_ns == START + 16 * HOUR
    assert s.balanced()


def test_the_feeds_own_funding_replaces_the_schedule():
    s = quiet(taker_e8=0)
    s.market("a", 1, 50)
    s.source.add(c.EV_FUNDING, s.x.now_ns + 5, x=-20_000, price=200)
    s.step()
    assert s.x.account("a").margin["USDT"] == FUNDS + D("0.2")
    assert s.x.mark("BTCUSDT").rate_e8 == -20_000
    s.step(9 * HOUR)
    assert s.x.account("a").margin["USDT"] == FUNDS + D("0.2")
    assert s.balanced()


# --- liquidation ------------------------------------------------------------------------------------------------


def leveraged(**realism):
    """Account a is long 100 lots from 101 with 60 USDT at leverage 20; accounts stand by."""
    s = Scene(market(taker_e8=0, maker_e8=0), **realism)
    s.book([(99, 1000)], [(101, 1000)])
    s.x.deposit("a", "perp", "USDT", -FUNDS + 60)
    s.market("a", 1, 100)
    return s


def test_liquidation_takes_over_where_the_margin_is_used_up():
    """1,010 of value and 60 of margin: bankrupt at 95; liquidated at 950 / 9.96 = 95.38."""
    s = leveraged()
    rest = s.limit("a", -1, 10, 120)
    (view,) = s.x.positions("a")
    assert abs(view.liquidation - D(950) / D("9.96")) < D("1e-20")
    s.book([(95, 1000)], [(96, 1000)], head=c.EV_SNAPSHOT_HEAD)
    s.step(SECOND)
    assert len(s.x.positions("a")) == 1  # 95.5 still carries it
    s.hear_nothing()
    s.book([(94, 1000)], [(96, 1000)])
    s.step(SECOND)
    assert s.x.positions("a") == []
    assert s.now(rest).state is State.EXPIRED
    (seen,) = s.of(Liquidation)
    assert (seen.side, seen.qty, seen.price) == (-1, 100, 95)
    last = s.x.my_trades("a", "BTCUSDT")[-1]
    assert (last.kind, last.realised) == ("liquidation", D(-60))
    assert s.x.account("a").margin["USDT"] == 0
    assert [u.what for u in s.of(OrderUpdate)] == ["expired", "trade"]
    assert s.x.order("a", "BTCUSDT", order_id=last.order_id).client_id.startswith("autoclose-")
    assert s.balanced()


def test_the_fee_goes_off_what_rounding_left():
    """Bankrupt between ticks: the account keeps the better tick, the fund gets what that leaves."""
    s = leveraged()
    s.x.deposit("a", "perp", "USDT", D("0.5"))  # bankrupt at 94.95: taken over at 95, 0.5 left
    s.book([(94, 1000)], [(95, 1000)])
    s.step(SECOND)
    assert s.x.account("a").margin["USDT"] == 0
    # the fund closes 10 at the mark of 94.5 against 95, and has the 0.5
    assert s.x.insurance["USDT"] == 1_000_000 - 5 + D("0.5")
    assert s.balanced()


def test_a_short_is_liquidated_too_and_the_fund_may_gain():
    s = Scene(market(taker_e8=0, maker_e8=0))
    s.book([(99, 1000)], [(101, 1000)])
    s.x.deposit("a", "perp", "USDT", -FUNDS + 60)
    s.market("a", -1, 100)  # from 99: bankrupt at 105
    s.book([(104, 1000)], [(106, 1000)])
    s.step(SECOND)
    assert s.x.positions("a") == []
    assert s.x.my_trades("a", "BTCUSDT")[-1].price == 105
    assert s.x.insurance["USDT"] == 1_000_000
    assert s.balanced()


def test_isolated_liquidation_leaves_the_rest_of_the_wallet():
    s = Scene(market(taker_e8=0, maker_e8=0))
    s.book([(99, 1000)], [(101, 1000)])
    s.x.set_margin_mode("a", "BTCUSDT", True)
    s.market("a", 1, 100)  # 1,010 of value, 50.5 of margin: bankrupt at 95.95, taken over at 96
    s.book([(94, 1000)], [(96, 1000)])
    s.step(SECOND)
    assert s.x.my_trades("a", "BTCUSDT")[-1].price == 96
    assert s.x.account("a").margin["USDT"] == FUNDS - D("50.5")
    assert s.balanced()


def test_a_gap_is_the_funds_loss_not_the_accounts_debt():
    s = leveraged()
    s.book([(80, 1000)], [(82, 1000)])
    s.step(SECOND)
    assert s.x.account("a").margin["USDT"] == 0
    assert s.x.insurance["USDT"] == 1_000_000 - 10 * (95 - 81)
    assert s.balanced()


def test_an_empty_fund_deleverages_those_who_stand_opposite():
    """c has the larger profit at the same leverage: it goes first, b covers the rest."""
    s = leveraged(insurance=D(0))
    s.limit("d", 1, 100, 100)
    s.limit("b", -1, 60, 100)
    s.limit("c", -1, 40, 100, self_trade=SelfTrade.NONE)
    s.x.set_leverage("c", "BTCUSDT", 40)
    s.book([(80, 1000)], [(82, 1000)])
    s.step(SECOND)
    assert s.x.positions("a") == []
    assert [view.position.qty for view in s.x.positions("d")] == [100]
    assert (s.x.positions("b"), s.x.positions("c")) == ([], [])
    trades = [s.x.my_trades(key, "BTCUSDT")[-1] for key in "bc"]
    assert [(t.kind, t.price, t.qty) for t in trades] == [("adl", 95, 60), ("adl", 95, 40)]
    order = [u.account for u in s.of(OrderUpdate) if u.execution and u.execution.kind == "adl"]
    assert order == ["c", "b"]
    assert s.x.insurance["USDT"] == 0
    assert s.balanced()
    assert s.balanced(81)


def test_what_deleveraging_does_not_cover_the_market_takes():
    s = leveraged(insurance=D(0))
    s.market("b", -1, 30)
    s.book([(80, 1000)], [(82, 1000)])
    s.step(SECOND)
    assert (s.x.positions("a"), s.x.positions("b")) == ([], [])
    assert s.balanced(50)


def test_deleveraging_on_demand():
    s = quiet(taker_e8=0)
    s.market("a", 1, 10)
    assert s.refused(s.x.adl, "a", "BTCUSDT", 11) is Refusal.REDUCE_ONLY
    s.x.adl("a", "BTCUSDT", 4)
    assert s.x.positions("a")[0].position.qty == 6
    trade = s.x.my_trades("a", "BTCUSDT")[-1]
    assert (trade.kind, trade.price, trade.realised) == ("adl", 100, D("-0.4"))
    assert s.market("a", -1, 50, reduce_only=True).filled == 6  # the book knows the smaller position
    assert s.balanced()


def test_cross_positions_answer_for_each_other():
    """Long in one market, short in the other, moving together: the pair is not liquidated."""
    s = Scene(market(taker_e8=0), market(symbol="ETHUSDT", taker_e8=0))
    for number in (0, 1):
        s.book([(99, 1000)], [(101, 1000)], number)
    s.x.deposit("a", "perp", "USDT", -FUNDS + 130)
    s.market("a", 1, 100)
    s.market("a", -1, 100, "ETHUSDT")
    for number in (0, 1):
        s.book([(79, 1000)], [(81, 1000)], number)
    s.step(SECOND)
    assert [v.position.qty for v in s.x.positions("a")] == [100, -100]
    s.book([(65, 1000)], [(67, 1000)], 0)
    s.step(SECOND)
    assert s.x.positions("a") == []
    assert s.x.account("a").margin["USDT"] >= 0
    assert s.balanced(80)


def test_liquidation_price_is_where_liquidation_happens():
    s = leveraged()
    listing = s.x._listings["BTCUSDT"]
    account = s.x.account("a")
    price = s.x.positions("a")[0].liquidation
    for step, fails in ((D("0.001"), False), (D("-0.001"), True)):
        listing.mark = replace(listing.mark, mark=price + step)
        assert (
            margin.cross_equity(s.x._bank, account, "USDT")
            < margin.cross_maintenance(s.x._bank, account, "USDT")
        ) is fails


# --- market data, time, chance -------------------------------------------------------------------------------------


def test_tickers_make_a_book_of_one_level():
    s = Scene(market())
    for price, qty in ((99, 5), (100, 7)):
        s.source.add(c.EV_BOOK_TICKER, s.x.now_ns + 1, price=price, qty=qty, x=price + 2, y=9)
        s.step()
    assert s.x.depth("BTCUSDT", 5)[1:] == ([(100, 7)], [(102, 9)])
    assert s.stop("a", -1, 5, 95).state is State.UNTRIGGERED
    s.source.add(c.EV_BOOK_TICKER, s.x.now_ns + 1, price=94, qty=5, x=96, y=9)
    s.step()
    assert s.x.all_orders("a", "BTCUSDT")[0].state is State.FILLED
    s.book([(90, 1)], [(91, 1)])
    before = s.x.depth("BTCUSDT", 5)
    s.source.add(c.EV_BOOK_TICKER, s.x.now_ns + 1, price=50, qty=5, x=60, y=9)
    s.step()
    assert s.x.depth("BTCUSDT", 5) == before


def test_bars_are_refused_and_other_news_passes_by():
    s = quiet()
    s.source.add(c.EV_STATUS, s.x.now_ns + 1)
    s.step()
    s.source.add(c.EV_BAR, s.x.now_ns + 1)
    with pytest.raises(ValueError, match="not bars"):
        s.step()


def test_klines_of_trades():
    s = quiet()
    for price, qty in ((100, 1), (103, 2), (98, 3)):
        s.trade(price, qty, 1)
    s.step(60 * SECOND)
    s.trade(101, 4, 1)
    first, second = s.x.klines("BTCUSDT", 60 * SECOND)
    assert (first.open, first.high, first.low, first.close, first.volume) == (100, 103, 98, 98, 6)
    assert (first.quote, first.trades, first.close_ns) == (D(60), 3, first.open_ns + 60 * SECOND - 1)
    assert second.open == 101
    assert s.x.klines("BTCUSDT", 60 * SECOND, 1) == [second]
    (whole,) = s.x.klines("BTCUSDT", HOUR)
    assert (whole.open, whole.close, whole.volume, whole.high, whole.low) == (100, 101, 10, 103, 98)
    assert [k.volume for k in s.x.klines("BTCUSDT", SECOND)] == [6, 4]
    with pytest.raises(ValueError, match="whole seconds"):
        s.x.klines("BTCUSDT", SECOND // 2)
    assert [p.qty for p in s.x.recent_trades("BTCUSDT", 2)] == [3, 4]


def test_spot_has_no_mark_and_an_empty_market_no_price():
    s = Scene(market("spot"))
    s.step(2 * SECOND)
    assert (s.x.mark("BTCUSDT"), s.x.quote("BTCUSDT")) == (None, None)
    perp = Scene(market())
    perp.trade(100, 1, 1)
    perp.step(2 * SECOND)
    assert perp.x.mark("BTCUSDT").mark == 100


def test_time_only_goes_forward_and_late_events_come_now():
    s = quiet()
    at = s.x.now_ns
    s.x.advance(at - 5)
    assert s.x.now_ns == at
    s.source.add(c.EV_TRADE, at - 3, price=100, qty=1)
    s.step()
    assert s.x.recent_trades("BTCUSDT")[-1].ts == at


def test_chance_arrivals_fill_shares_of_the_best_order_only():
    s = quiet(realism={"fill_rate": 50.0, "fill_a": 2.0, "fill_b": 2.0})
    best = s.limit("a", 1, 1000, 100)
    behind = s.limit("b", 1, 1000, 98)
    s.step(SECOND)
    fills = s.fills("a")
    assert len(fills) > 5
    assert len({f[2] for f in fills}) > 3  # shares, not all or nothing
    assert s.now(behind).filled == 0
    assert s.now(best).filled == sum(f[2] for f in fills)
    assert s.balanced()


def test_latencies_are_seeded_draws_around_their_medians():
    a, b = (quiet(realism={"entry_ns": 1000, "response_ns": 500, "latency_sigma": 0.5}) for _ in range(2))
    draws = [(a.x.entry_latency(), a.x.response_latency()) for _ in range(200)]
    assert draws == [(b.x.entry_latency(), b.x.response_latency()) for _ in range(200)]
    assert 900 < sorted(d[0] for d in draws)[100] < 1100
    assert quiet(realism={"entry_ns": 1000}).x.entry_latency() == 1000


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match="daily_vol, fill_a"):
        Realism(daily_vol=-1, fill_a=0)


def test_merged_sources_number_their_markets():
    one, two = Written(), Written()
    one.add(c.EV_TRADE, START + 5, price=100, qty=1)
    two.add(c.EV_TRADE, START + 3, price=7, qty=2)
    merged = MergedSource([one, two])
    assert (merged.start_ns, merged.finished()) == (START, False)
    x = Exchange([market(), market(symbol="ETHUSDT")], merged, seed=1, now_ns=START)
    x.advance(START + SECOND)
    assert [(p.ts, p.price) for p in x.recent_trades("BTCUSDT")] == [(START + 5, 100)]
    assert [(p.ts, p.price) for p in x.recent_trades("ETHUSDT")] == [(START + 3, 7)]
