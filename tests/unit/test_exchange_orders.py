"""The simulated exchange: orders, matching, self-trades, conditional orders, pairs, amendments."""

from decimal import Decimal

import numpy as np
import pytest
from tests.helpers.exchange_scene import FOK, IOC, POST, SECOND, Scene, market, quiet

from bot4.venues.simulator import venue_nb
from bot4.venues.simulator.listing import CAPACITY
from bot4.venues.simulator.words import (
    AccountUpdate,
    DepthDiff,
    ListUpdate,
    OrderType,
    OrderUpdate,
    Print,
    Quote,
    Refusal,
    Refused,
    Request,
    SelfTrade,
    State,
)

D = Decimal


# --- matching -------------------------------------------------------------------------------------


def test_market_order_walks_the_book_and_comes_back_filled():
    s = quiet()
    order = s.market("a", 1, 70)
    assert (order.state, order.filled, order.spent) == (State.FILLED, 70, 50 * 101 + 20 * 102)
    assert s.fills("a") == [(1, 101, 50, False), (1, 102, 20, False)]
    assert [(p.price, p.qty, p.buyer_maker) for p in s.of(Print)] == [(101, 50, False), (102, 20, False)]
    assert s.balanced()


def test_what_a_market_order_cannot_get_expires():
    s = quiet(market_max_qty=100_000)
    order = s.market("a", 1, 200)
    assert (order.state, order.filled, order.reason) == (State.EXPIRED, 150, None)


@pytest.mark.parametrize(
    ("tif", "qty", "price", "state", "filled"),
    [
        (IOC, 60, 101, State.EXPIRED, 50),
        (IOC, 40, 101, State.FILLED, 40),
        (FOK, 50, 101, State.FILLED, 50),
        (FOK, 60, 102, State.FILLED, 60),
        (POST, 5, 100, State.NEW, 0),
    ],
)
def test_times_in_force(tif, qty, price, state, filled):
    order = quiet().limit("a", 1, qty, price, tif=tif)
    assert (order.state, order.filled) == (state, filled)


def test_fok_and_post_are_refused_whole():
    s = quiet()
    assert s.refused(s.limit, "a", 1, 51, 101, tif=FOK) is Refusal.FOK
    assert s.refused(s.limit, "a", 1, 5, 101, tif=POST) is Refusal.WOULD_TAKE
    assert s.refused(s.limit, "a", -1, 5, 99, tif=POST) is Refusal.WOULD_TAKE
    assert s.x.all_orders("a", "BTCUSDT") == []


def test_accounts_trade_with_each_other_at_the_resting_price():
    s = quiet()
    rest = s.limit("a", 1, 10, 100)
    s.hear_nothing()
    take = s.limit("b", -1, 4, 100)
    assert take.state is State.FILLED
    assert (s.now(rest).state, s.now(rest).filled) == (State.PARTIALLY_FILLED, 4)
    (mine,), (other,) = s.x.my_trades("a", "BTCUSDT"), s.x.my_trades("b", "BTCUSDT")
    assert (mine.maker, other.maker, mine.id, mine.price) == (True, False, other.id, 100)
    (trade,) = s.of(Print)
    assert (trade.id, trade.price, trade.qty, trade.buyer_maker) == (mine.id, 100, 4, True)
    assert [(u.account, u.what) for u in s.of(OrderUpdate)] == [("b", "new"), ("a", "trade"), ("b", "trade")]
    assert [(u.account, u.why) for u in s.of(AccountUpdate)] == [("a", "order"), ("b", "order")]
    assert s.balanced()


def test_time_decides_between_accounts_and_the_market():
    """The market's 50 at 99 came first, then a, then b: a taker of 57 leaves b one of its three."""
    s = quiet()
    a = s.limit("a", 1, 5, 99)
    b = s.limit("b", 1, 3, 99)
    s.market("c", -1, 57)
    assert s.fills("c") == [(-1, 99, 50, False), (-1, 99, 5, False), (-1, 99, 2, False)]
    assert (s.now(a).filled, s.now(b).filled) == (5, 2)


def test_a_trade_of_the_market_serves_the_queue_in_turn():
    s = quiet()
    a = s.limit("a", 1, 5, 99)
    b = s.limit("b", 1, 5, 99)
    s.trade(99, 50, -1)
    assert (s.now(a).filled, s.now(b).filled) == (0, 0)
    s.trade(99, 7, -1)
    assert (s.now(a).filled, s.now(b).filled) == (5, 2)
    ids = [e.id for e in (*s.x.my_trades("a", "BTCUSDT"), *s.x.my_trades("b", "BTCUSDT"))]
    assert len(set(ids)) == 2
    assert [p.qty for p in s.of(Print)] == [50, 7]  # the tape has the trade once
    assert s.balanced()


def test_the_market_moving_through_fills_whole():
    s = quiet()
    a = s.limit("a", 1, 5, 98)
    s.trade(97, 1, -1)
    assert s.now(a).state is State.FILLED
    assert s.fills("a") == [(1, 98, 5, True)]


def test_iceberg_shows_a_slice_and_goes_behind_after_each():
    s = quiet()
    s.limit("a", 1, 10, 100, iceberg_qty=4)
    b = s.limit("b", 1, 3, 100)
    assert dict(s.x.depth("BTCUSDT", 5)[1])[100] == 7
    s.limit("c", -1, 6, 100)  # 4 of a, then b before a's next slice
    assert s.now(b).filled == 2
    assert dict(s.x.depth("BTCUSDT", 5)[1])[100] == 1 + 4
    s.limit("c", -1, 20, 100, tif=IOC)
    assert s.fills("a")[-2:] == [(1, 100, 4, True), (1, 100, 2, True)]
    assert 100 not in dict(s.x.depth("BTCUSDT", 5)[1])


def test_the_markets_trades_fill_an_iceberg_slice_by_slice():
    s = quiet()
    s.limit("a", 1, 10, 100, iceberg_qty=4)
    s.trade(100, 9, -1)
    assert [f[2] for f in s.fills("a")] == [4, 4, 1]


@pytest.mark.parametrize(
    ("policy", "maker", "taker", "filled"),
    [
        (SelfTrade.EXPIRE_MAKER, (State.EXPIRED, 6), (State.NEW, 0), 0),
        (SelfTrade.EXPIRE_TAKER, (State.NEW, 0), (State.EXPIRED, 4), 0),
        (SelfTrade.EXPIRE_BOTH, (State.EXPIRED, 6), (State.EXPIRED, 4), 0),
        (SelfTrade.DECREMENT, (State.NEW, 4), (State.EXPIRED, 4), 0),
        (SelfTrade.NONE, (State.PARTIALLY_FILLED, 0), (State.FILLED, 0), 4),
    ],
)
def test_self_trade_policies(policy, maker, taker, filled):
    s = quiet()
    rest = s.limit("a", 1, 6, 100)
    take = s.limit("a", -1, 4, 100, self_trade=policy)
    rest = s.now(rest)
    assert ((rest.state, rest.prevented), (take.state, take.prevented)) == (maker, taker)
    assert sum(f[2] for f in s.fills("a")) == 2 * filled
    if rest.state is State.EXPIRED:
        assert rest.reason is Refusal.SELF_TRADE
    open_lots = sum(o.request.qty - o.filled - o.prevented for o in s.x.open_orders("a"))
    bids, asks = (dict(x) for x in s.x.depth("BTCUSDT", 5)[1:])
    assert bids.get(100, 0) + asks.get(100, 0) == open_lots


def test_decrement_ends_the_smaller_side_whichever_it_is():
    s = quiet()
    rest = s.limit("a", 1, 4, 100)
    take = s.limit("a", -1, 6, 100, self_trade=SelfTrade.DECREMENT)
    assert s.now(rest).state is State.EXPIRED
    assert (take.state, take.prevented) == (State.NEW, 4)
    assert dict(s.x.depth("BTCUSDT", 5)[2])[100] == 2


def test_impact_makes_taking_dearer_but_never_beyond_a_limit():
    """Y sigma sqrt(Q / V) = 0.1 x sqrt(25 / 100) = 5 % of 101, that is 6 ticks against."""
    realism = {"impact_y": 1.0, "daily_vol": 0.1, "day_volume": 100}
    s = quiet(realism=realism)
    s.market("a", 1, 25)
    assert s.fills("a") == [(1, 107, 25, False)]
    s.limit("b", 1, 25, 103, tif=IOC)
    assert s.fills("b") == [(1, 103, 25, False)]
    s.market("c", -1, 25)
    assert s.fills("c") == [(-1, 94, 25, False)]


# --- cancel and amend ---------------------------------------------------------------------------------


def test_cancel_frees_everything_and_a_second_one_is_refused():
    s = quiet("spot")
    order = s.limit("a", 1, 10, 99, client_id="mine")
    assert s.x.account("a").locked["USDT"] == 99
    assert s.x.cancel("a", "BTCUSDT", client_id="mine").state is State.CANCELED
    assert s.x.account("a").locked["USDT"] == 0
    assert s.refused(s.x.cancel, "a", "BTCUSDT", order_id=order.id) is Refusal.UNKNOWN_ORDER
    assert s.refused(s.x.cancel, "b", "BTCUSDT", order_id=order.id) is Refusal.UNKNOWN_ORDER
    assert dict(s.x.depth("BTCUSDT", 5)[1])[99] == 50


def test_cancel_all_takes_conditional_orders_too_and_only_the_accounts():
    s = quiet()
    s.limit("a", 1, 1, 99)
    s.stop("a", -1, 1, 90)
    s.limit("b", 1, 1, 99)
    assert [o.state for o in s.x.cancel_all("a", "BTCUSDT")] == [State.CANCELED] * 2
    assert len(s.x.open_orders("b")) == 1
    assert s.x.open_orders("a", "BTCUSDT") == []


def test_less_at_the_same_price_keeps_the_place_everything_else_loses_it():
    s = quiet()
    a = s.limit("a", 1, 10, 100)
    b = s.limit("b", 1, 10, 100)
    s.x.amend("a", "BTCUSDT", order_id=a.id, price=100, qty=6)
    s.limit("c", -1, 5, 100)
    assert (s.now(a).filled, s.now(b).filled) == (5, 0)
    s.x.amend("a", "BTCUSDT", order_id=a.id, price=100, qty=8)
    s.limit("c", -1, 5, 100)
    assert (s.now(a).filled, s.now(b).filled) == (5, 5)
    assert dict(s.x.depth("BTCUSDT", 5)[1])[100] == 3 + 5


def test_amending_moves_locks_and_may_take():
    s = quiet("spot")
    order = s.limit("a", 1, 10, 99)
    s.x.amend("a", "BTCUSDT", order_id=order.id, price=98, qty=20)
    assert s.x.account("a").locked["USDT"] == 196
    after = s.x.amend("a", "BTCUSDT", order_id=order.id, price=101, qty=20)
    assert (after.state, s.fills("a")) == (State.FILLED, [(1, 101, 20, False)])
    assert s.x.account("a").locked["USDT"] == 0
    assert s.balanced()


def test_a_refused_amendment_changes_nothing():
    s = quiet("spot")
    order = s.limit("a", 1, 10, 99, tif=POST)
    before = s.x.depth("BTCUSDT", 5)
    amend = s.x.amend
    where = {"order_id": order.id}
    assert s.refused(amend, "a", "BTCUSDT", **where, price=101, qty=10) is Refusal.WOULD_TAKE
    assert s.refused(amend, "a", "BTCUSDT", **where, price=99, qty=0) is Refusal.LOT_SIZE
    assert s.refused(amend, "a", "BTCUSDT", **where, price=9, qty=10) is Refusal.PERCENT_PRICE
    assert s.refused(amend, "a", "BTCUSDT", **where, price=100, qty=20_000) is Refusal.BALANCE
    assert s.x.amend("a", "BTCUSDT", **where, price=99, qty=10) == s.now(order)
    assert s.x.depth("BTCUSDT", 5) == before
    assert s.x.account("a").locked["USDT"] == 99
    stop = s.stop("a", 1, 1, 120)
    assert s.refused(amend, "a", "BTCUSDT", order_id=stop.id, price=99, qty=1) is Refusal.NOT_CANCELABLE
    s.x.cancel("a", "BTCUSDT", order_id=order.id)
    assert s.refused(amend, "a", "BTCUSDT", **where, price=99, qty=1) is Refusal.UNKNOWN_ORDER


def test_amending_a_perp_order_needs_margin():
    s = quiet()
    order = s.limit("a", 1, 10, 99)
    s.x.set_leverage("a", "BTCUSDT", 1)
    assert s.refused(s.x.amend, "a", "BTCUSDT", order_id=order.id, price=99, qty=20_000) is Refusal.MARGIN
    assert s.now(order).request.qty == 10


# --- conditional orders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "stop", "price", "quiet_price", "hit"),
    [
        (-1, OrderType.STOP, 95, 0, 96, 95),
        (1, OrderType.STOP, 105, 0, 104, 105),
        (-1, OrderType.TAKE_PROFIT, 105, 0, 104, 105),
        (1, OrderType.TAKE_PROFIT, 95, 0, 96, 95),
        (-1, OrderType.STOP_LIMIT, 95, 90, 96, 95),
        (1, OrderType.TAKE_PROFIT_LIMIT, 95, 110, 96, 95),
    ],
)
def test_conditional_orders_wait_for_their_price(side, kind, stop, price, quiet_price, hit):
    s = quiet()
    s.trade(100, 1, 1)
    order = s.stop("a", side, 5, stop, kind, price=price)
    assert order.state is State.UNTRIGGERED
    s.trade(quiet_price, 1, 1)
    assert s.now(order).state is State.UNTRIGGERED
    s.hear_nothing()
    s.trade(hit, 1, 1)
    assert s.now(order).state is State.FILLED
    assert [u.what for u in s.of(OrderUpdate)] == ["triggered", "trade"]
    assert [f[2] for f in s.fills("a")] == [5]


def test_a_stop_limit_rests_at_its_limit_after_the_trigger():
    s = quiet()
    s.trade(100, 1, 1)
    order = s.stop("a", -1, 5, 95, OrderType.STOP_LIMIT, price=110)
    s.trade(95, 1, 1)
    assert s.now(order).state is State.TRIGGERED
    assert dict(s.x.depth("BTCUSDT", 5)[2])[110] == 5
    s.trade(110, 9, 1)
    assert s.now(order).state is State.FILLED


def test_a_stop_already_reached_is_refused():
    s = quiet()
    assert s.refused(s.stop, "a", -1, 5, 99) is Refusal.WOULD_TRIGGER  # by the quote, before any trade
    s.trade(100, 1, 1)
    assert s.refused(s.stop, "a", 1, 5, 100) is Refusal.WOULD_TRIGGER


def test_stops_set_each_other_off():
    """The first stop's own trade at 99 reaches the second."""
    s = quiet()
    s.trade(101, 1, 1)
    first = s.stop("a", -1, 5, 100)
    second = s.stop("b", -1, 5, 99)
    s.trade(100, 1, 1)
    assert (s.now(first).state, s.now(second).state) == (State.FILLED, State.FILLED)


def test_stops_by_the_mark_price():
    s = quiet()
    order = s.stop("a", -1, 5, 95, trigger_by="mark")
    s.trade(90, 1, 1)
    assert s.now(order).state is State.UNTRIGGERED
    s.book([(90, 50)], [(91, 50)])
    s.step(SECOND)
    assert s.now(order).state is State.FILLED


def test_close_position_takes_what_there_is_and_expires_without_any():
    s = quiet()
    s.trade(100, 1, 1)
    s.market("a", 1, 7)
    close = s.stop("a", -1, 0, 95, close_position=True)
    idle = s.stop("b", -1, 0, 95, close_position=True)
    s.trade(95, 1, 1)
    assert (s.now(close).state, s.now(close).filled) == (State.FILLED, 7)
    assert (s.now(idle).state, s.now(idle).reason) == (State.EXPIRED, Refusal.REDUCE_ONLY)
    assert s.x.positions("a") == []


def test_trailing_stop_follows_the_best_price():
    """10 % behind the highest trade: 110 puts it at 99."""
    s = quiet()
    s.trade(100, 1, 1)
    order = s.stop("a", -1, 5, 0, OrderType.TRAILING, trail_e4=1000)
    for price in (104, 110, 100):
        s.trade(price, 1, 1)
        assert s.now(order).state is State.UNTRIGGERED
    s.trade(99, 1, 1)
    assert s.now(order).state is State.FILLED


def test_trailing_buy_starts_at_its_activation_price():
    s = quiet()
    s.trade(100, 1, 1)
    order = s.stop("a", 1, 5, 90, OrderType.TRAILING, trail_e4=1000)
    for price in (95, 110, 90, 98):
        s.trade(price, 1, 1)
        assert s.now(order).state is State.UNTRIGGERED
    s.trade(99, 1, 1)
    assert s.now(order).state is State.FILLED


def test_a_triggered_order_that_its_money_no_longer_carries_expires():
    s = quiet("spot")
    s.trade(100, 1, 1)
    order = s.stop("a", 1, 5, 105)
    s.x.deposit("a", "spot", "USDT", -s.x.account("a").balances["USDT"] + s.x.account("a").locked["USDT"])
    s.book([(300, 50)], [(301, 50)])
    s.trade(301, 1, 1)
    assert (s.now(order).state, s.now(order).reason) == (State.EXPIRED, Refusal.BALANCE)
    assert s.x.account("a").locked["USDT"] == 0
    assert s.balanced()


def test_a_triggered_perp_order_without_margin_expires():
    s = quiet()
    s.trade(100, 1, 1)
    s.x.set_leverage("a", "BTCUSDT", 1)
    order = s.stop("a", 1, 50_000, 105)
    s.book([(104, 90_000)], [(105, 90_000)])
    s.trade(105, 1, 1)
    assert (s.now(order).state, s.now(order).reason) == (State.EXPIRED, Refusal.MARGIN)


def test_a_triggered_post_only_order_never_takes():
    s = quiet()
    s.trade(100, 1, 1)
    order = s.stop("a", -1, 5, 95, OrderType.STOP_LIMIT, price=99, tif=POST)
    s.trade(95, 1, 1)
    assert (s.now(order).state, s.now(order).reason) == (State.EXPIRED, Refusal.WOULD_TAKE)


# --- reduce only -------------------------------------------------------------------------------------


def test_reduce_only_never_passes_through_zero():
    s = quiet()
    assert s.refused(s.market, "a", -1, 5, reduce_only=True) is Refusal.REDUCE_ONLY
    s.market("a", 1, 5)
    assert s.refused(s.market, "a", 1, 5, reduce_only=True) is Refusal.REDUCE_ONLY
    order = s.market("a", -1, 8, reduce_only=True)
    assert (order.state, order.filled, order.reason) == (State.EXPIRED, 5, Refusal.REDUCE_ONLY)
    assert s.x.positions("a") == []


def test_two_reduce_only_orders_share_one_position():
    s = quiet()
    s.market("a", 1, 5)
    first = s.limit("a", -1, 4, 100, reduce_only=True)
    second = s.limit("a", -1, 4, 100, reduce_only=True)
    s.trade(100, 50, 1)
    assert (s.now(first).filled, s.now(second).filled) == (4, 1)
    assert s.now(second).state is State.EXPIRED
    assert s.x.positions("a") == []


# --- OCO ---------------------------------------------------------------------------------------------


def oco(s, side=-1, limit=110, stop=90, qty=5, stop_limit=0, **fields):
    kind = OrderType.STOP_LIMIT if stop_limit else OrderType.STOP
    return s.x.place_oco(
        "a",
        Request("BTCUSDT", side, OrderType.LIMIT, qty, limit, **fields),
        Request("BTCUSDT", side, kind, qty, stop_limit, stop),
        "pair",
    )


def rich():
    s = quiet("spot")
    s.x.deposit("a", "spot", "BTC", D("0.5"))
    s.trade(100, 1, 1)
    s.hear_nothing()
    return s


def test_oco_locks_once_and_its_limit_leg_cancels_the_stop():
    s = rich()
    number, legs = oco(s)
    assert [leg.state for leg in legs] == [State.NEW, State.UNTRIGGERED]
    assert s.x.account("a").locked["BTC"] == D("0.5")
    s.trade(111, 1, 1)
    assert [s.now(leg).state for leg in legs] == [State.FILLED, State.CANCELED]
    assert s.x.account("a").locked["BTC"] == 0
    assert [(u.list_id, u.state) for u in s.of(ListUpdate)] == [(number, "executing"), (number, "all_done")]
    assert s.balanced()


def test_oco_stop_cancels_the_limit():
    s = rich()
    _, legs = oco(s)
    s.trade(90, 1, 1)
    assert [s.now(leg).state for leg in legs] == [State.CANCELED, State.FILLED]
    assert s.x.account("a").balances["BTC"] == 0


def test_a_partial_fill_leaves_the_limit_leg_alone_with_its_lock():
    s = rich()
    _, legs = oco(s)
    s.trade(110, 2, 1)
    assert [s.now(leg).state for leg in legs] == [State.PARTIALLY_FILLED, State.CANCELED]
    assert s.x.account("a").locked["BTC"] == D("0.3")
    s.trade(80, 1, -1)
    s.x.cancel("a", "BTCUSDT", order_id=legs[0].id)
    assert s.x.account("a").locked["BTC"] == 0
    assert s.of(ListUpdate)[-1].state == "all_done"


def test_oco_buy_locks_the_dearer_leg():
    s = rich()
    _, legs = oco(s, 1, 90, 110, stop_limit=120)
    assert s.x.account("a").locked["USDT"] == 60
    s.book([(111, 50)], [(112, 50)])
    s.trade(112, 1, 1)
    assert [s.now(leg).state for leg in legs] == [State.CANCELED, State.FILLED]
    assert s.x.account("a").locked["USDT"] == 0


@pytest.mark.parametrize("how", ["leg", "list", "all", "list by client id"])
def test_canceling_one_leg_cancels_the_pair(how):
    s = rich()
    number, legs = oco(s)
    if how == "leg":
        s.x.cancel("a", "BTCUSDT", order_id=legs[1].id)
    elif how == "list":
        s.x.cancel_list("a", "BTCUSDT", list_id=number)
    elif how == "all":
        s.x.cancel_all("a", "BTCUSDT")
    else:
        s.x.cancel_list("a", "BTCUSDT", list_client_id="pair")
    assert [s.now(leg).state for leg in legs] == [State.CANCELED] * 2
    assert s.x.account("a").locked["BTC"] == 0
    assert [u.state for u in s.of(ListUpdate)] == ["executing", "all_done"]
    assert s.x.order_list("a", "BTCUSDT", list_id=number)[0] == number
    assert s.refused(s.x.cancel_list, "a", "BTCUSDT", list_id=number) is Refusal.UNKNOWN_ORDER
    assert s.refused(s.x.cancel_list, "b", "BTCUSDT", list_id=number) is Refusal.UNKNOWN_ORDER


def test_oco_refusals():
    s = rich()
    assert s.refused(oco, s, limit=100) is Refusal.OCO_PRICES
    assert s.refused(oco, s, stop=100) is Refusal.OCO_PRICES
    assert s.refused(oco, s, 1, 110, 90) is Refusal.OCO_PRICES
    assert s.refused(oco, s, qty=6) is Refusal.BALANCE
    assert s.refused(oco, s, client_id="-" * 37) is Refusal.BAD_CLIENT_ID
    assert s.refused(oco, quiet()) is Refusal.MODE
    assert s.refused(oco, Scene(market("spot"))) is Refusal.OCO_PRICES
    limit = Request("BTCUSDT", -1, OrderType.LIMIT, 5, 110, client_id="x")
    stop = Request("BTCUSDT", -1, OrderType.STOP, 5, 0, 90, client_id="x")
    assert s.refused(s.x.place_oco, "a", limit, stop) is Refusal.DUPLICATE_CLIENT_ID
    other = Request("BTCUSDT", -1, OrderType.STOP, 4, 0, 90)
    assert s.refused(s.x.place_oco, "a", limit, other) is Refusal.OCO_PRICES
    assert s.x.open_orders("a") == []
    assert not s.x.account("a").locked.get("BTC")


# --- questions ---------------------------------------------------------------------------------------


def test_orders_and_trades_can_be_asked_for():
    s = quiet()
    orders = [s.market("a", 1, 1) for _ in range(5)]
    assert [o.id for o in s.x.all_orders("a", "BTCUSDT", 2)] == [o.id for o in orders[-2:]]
    trades = s.x.my_trades("a", "BTCUSDT")
    assert s.x.my_trades("a", "BTCUSDT", limit=2) == trades[-2:]
    assert s.x.my_trades("a", "BTCUSDT", limit=0) == []
    assert s.x.my_trades("a", "BTCUSDT", from_id=trades[1].id, limit=2) == trades[1:3]
    assert s.x.my_trades("a", "BTCUSDT", start_ns=s.x.now_ns + 1) == []
    assert s.x.my_trades("b", "BTCUSDT") == []
    assert s.refused(s.x.order, "a", "BTCUSDT", order_id=99) is Refusal.UNKNOWN_ORDER
    assert s.refused(s.x.order, "a", "ETHUSDT", order_id=1) is Refusal.UNKNOWN_ORDER


def test_a_client_id_is_free_again_once_its_order_has_ended():
    s = quiet()
    s.limit("a", 1, 1, 99, client_id="id")
    assert s.refused(s.limit, "a", 1, 1, 99, client_id="id") is Refusal.DUPLICATE_CLIENT_ID
    s.limit("b", 1, 1, 99, client_id="id")
    s.x.cancel("a", "BTCUSDT", client_id="id")
    again = s.limit("a", 1, 1, 98, client_id="id")
    assert s.x.order("a", "BTCUSDT", client_id="id").id == again.id


def test_what_an_exchange_forgets_it_forgets_whole(monkeypatch):
    monkeypatch.setattr("bot4.venues.simulator.orders.HISTORY", 3)
    monkeypatch.setattr("bot4.venues.simulator.orders.TRADES", 2)
    s = quiet()
    orders = [s.market("a", 1, 1, client_id=f"c{i}") for i in range(6)]
    assert [o.id for o in s.x.all_orders("a", "BTCUSDT")] == [o.id for o in orders[-3:]]
    assert s.refused(s.x.order, "a", "BTCUSDT", client_id="c0") is Refusal.UNKNOWN_ORDER
    assert s.refused(s.x.order, "a", "BTCUSDT", order_id=orders[0].id) is Refusal.UNKNOWN_ORDER
    assert len(s.x.my_trades("a", "BTCUSDT")) == 4


@pytest.mark.jit
def test_a_full_book_rejects():
    s = quiet(max_orders=20_000)
    orders = [s.limit("a", 1, 1, 98) for _ in range(CAPACITY + 1)]
    assert {o.state for o in orders[:-1]} == {State.NEW}
    assert (orders[-1].state, orders[-1].reason) == (State.REJECTED, Refusal.INTERNAL)
    assert dict(s.x.depth("BTCUSDT", 5)[1])[98] == 100 + CAPACITY


def test_every_change_of_the_book_is_told_and_adds_up():
    s = quiet()
    levels = ({}, {})
    last = None
    s.limit("a", 1, 3, 100)
    s.limit("b", -1, 2, 100)
    s.limit("b", -1, 5, 103)
    s.book([(99, 0), (97, 5)], [(101, 10)], head=1)
    for event in s.told:
        if isinstance(event, DepthDiff):
            assert last is None or event.previous == last
            last = event.last
            for side, changes in zip(levels, (event.bids, event.asks), strict=True):
                side.update(changes)
                for price in [p for p, lots in side.items() if lots == 0]:
                    del side[price]
    update, bids, asks = s.x.depth("BTCUSDT", 100)
    assert (update, dict(bids), dict(asks)) == (last, *levels)
    quote = s.of(Quote)[-1]
    assert (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty) == (*bids[0], *asks[0])


def test_refused_carries_reason_and_words():
    with pytest.raises(Refused, match="no market") as no:
        quiet().limit("a", 1, 1, 99, symbol="NOPE")
    assert no.value.why is Refusal.UNKNOWN_MARKET


def test_compiled_questions_are_their_plain_python():
    """Reading kernels on one state, compiled and as plain Python."""
    s = quiet()
    s.limit("a", 1, 10, 100, iceberg_qty=4)
    s.limit("b", -1, 3, 102)
    state = s.x._listings["BTCUSDT"].state
    order = np.array([0, 9, 1, 1, 2, 0, 2, 102, 170, 0, -1], np.int64)

    def answers(of):
        cost, top, levels = np.zeros(1, np.int64), np.zeros(6, np.int64), np.zeros((9, 2), np.int64)
        lots = of(venue_nb.venue_cost_nb)(state, order, cost)
        of(venue_nb.venue_top_nb)(state, top)
        n = of(venue_nb.venue_depth_nb)(state, 1, levels)
        return lots, cost.tolist(), top.tolist(), n, levels.tolist()

    compiled = answers(lambda kernel: kernel)
    assert compiled == answers(lambda kernel: getattr(kernel, "py_func", kernel))
    assert compiled[:3] == (153, [50 * 101 + 103 * 102], [100, 0, 101, 50, 99, 101])
