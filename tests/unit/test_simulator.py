"""The simulated exchange, rule by rule."""

import itertools

import numpy as np
import pytest

from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE, INSTRUMENT_DTYPE, ORDER_DTYPE
from bot4.venues.simulator import sim_nb
from bot4.venues.simulator.make import SimParams, new_sim
from bot4.venues.simulator.state_nb import C_LATE, C_LOST, I64_MAX

MINUTE = 60_000_000_000
CAPACITY = 1024


def spec_of(**fields):
    spec = np.zeros(1, INSTRUMENT_DTYPE)
    for name, value in {"money_mult": 10, "maker_fee": 10_000, "taker_fee": 50_000, **fields}.items():
        spec[name] = value
    return spec


class Exchange:
    """Drives the kernels with words; every step processes all arrivals due before it."""

    def __init__(self, seed=1, spec=None, **params):
        self.spec = spec_of() if spec is None else spec
        self.state = new_sim(1, self.spec, SimParams(**params), seed, CAPACITY)
        self.ids = itertools.count(1)
        self.now = 0

    def event(self, kind, ts=None, **fields):
        event = np.zeros(1, EVENT_DTYPE)
        event["kind"] = kind
        event["ts_venue"] = event["ts_local"] = self.now if ts is None else ts
        for name, value in fields.items():
            event[name] = value
        return event

    def market(self, kind, **fields):
        sim_nb.sim_market_nb(self.state, self.spec, self.event(kind, **fields), 0)

    def level(self, side, price, qty, last=True):
        flags = (c.FLAG_BID if side == c.BUY else 0) | (c.FLAG_LAST if last else 0)
        self.market(c.EV_DEPTH, price=price, qty=qty, flags=flags)

    def book(self, bids, asks):
        self.market(c.EV_SNAPSHOT_HEAD)
        for side, levels in ((c.BUY, bids), (c.SELL, asks)):
            for price, qty in levels:
                self.level(side, price, qty)

    def trade(self, price, qty, aggressor):
        self.market(c.EV_TRADE, price=price, qty=qty, flags=c.FLAG_BUYER_MAKER if aggressor == c.SELL else 0)

    def bar(self, start, ohlc, volume=1000, during=None):
        o, h, low, close = ohlc
        event = self.event(c.EV_BAR, start, x=o, y=h, seq=low, price=close, qty=volume)
        event["ts_local"] = start + MINUTE
        sim_nb.sim_bar_open_nb(self.state, self.spec, event, 0)
        self.now = start + 1
        if during is not None:
            during()
        self.now = start + MINUTE
        sim_nb.sim_market_nb(self.state, self.spec, event, 0)

    def submit(self, side, qty, price=0, stop=0, tif=c.TIF_GTC, reduce=False, kind=None, arrive=True):
        order = np.zeros(1, ORDER_DTYPE)
        order["id"] = next(self.ids)
        order["side"], order["qty"], order["price"], order["stop_price"] = side, qty, price, stop
        order["type"] = kind or (c.TYPE_STOP if stop else c.TYPE_LIMIT if price else c.TYPE_MARKET)
        order["tif"] = tif
        order["flags"] = c.OF_REDUCE_ONLY if reduce else 0
        sim_nb.sim_submit_nb(self.state, self.spec, order, 0, self.now)
        if arrive:
            self.arrive()
        return int(order["id"][0])

    def cancel(self, order_id):
        sim_nb.sim_cancel_nb(self.state, order_id, 0, self.now)
        self.arrive()

    def arrive(self):
        while sim_nb.sim_next_arrival_nb(self.state) != I64_MAX:
            sim_nb.sim_arrive_nb(self.state, self.spec)

    def replies(self):
        out = np.zeros(1, EVENT_DTYPE)
        got = []
        while sim_nb.sim_pop_reply_nb(self.state, out, 0):
            got.append(out[0].copy())
        return got

    def told(self):
        """Replies as short tuples: kind, order id, then price, qty, flags or the reason."""
        short = []
        for r in self.replies():
            head = (int(r["kind"]), int(r["x"]))
            rest = (int(r["price"]), int(r["qty"]), int(r["flags"]))
            short.append(head + (rest if r["kind"] == c.EV_FILL else (int(r["y"]),)))
        return short

    def fills(self):
        return [r[1:] for r in self.told() if r[0] == c.EV_FILL]

    @property
    def position(self):
        return int(self.state.core[0]["held"][0, 0])


def quiet_book(**params):
    ex = Exchange(**params)
    ex.book([(99, 5), (98, 10)], [(101, 5), (102, 10)])
    return ex


MAKER, GAP, AMBIGUOUS = c.FLAG_MAKER, c.FLAG_GAP, c.FLAG_AMBIGUOUS


# --- book mode: takers --------------------------------------------------------


def test_sim_golden_partial_walk():
    ex = quiet_book(partial_fill=True)
    ex.submit(c.BUY, 12)
    assert ex.told() == [
        (c.EV_ACK, 1, 0),
        (c.EV_FILL, 1, 101, 5, 0),
        (c.EV_FILL, 1, 102, 7, 0),
    ]
    ex.submit(c.SELL, 20)
    assert ex.told() == [
        (c.EV_ACK, 2, 0),
        (c.EV_FILL, 2, 99, 5, 0),
        (c.EV_FILL, 2, 98, 10, 0),
        (c.EV_CANCELED, 2, c.R_IOC),
    ]
    assert ex.position == 12 - 15


@pytest.mark.parametrize(
    ("partial", "tif", "qty", "price", "expected"),
    [
        (False, c.TIF_GTC, 12, 101, [(c.EV_ACK, 1, 0), (c.EV_FILL, 1, 101, 12, 0)]),
        (False, c.TIF_IOC, 12, 103, [(c.EV_ACK, 1, 0), (c.EV_FILL, 1, 101, 12, 0)]),
        (False, c.TIF_IOC, 12, 100, [(c.EV_ACK, 1, 0), (c.EV_CANCELED, 1, c.R_IOC)]),
        (
            True,
            c.TIF_IOC,
            12,
            101,
            [(c.EV_ACK, 1, 0), (c.EV_FILL, 1, 101, 5, 0), (c.EV_CANCELED, 1, c.R_IOC)],
        ),
        (True, c.TIF_GTC, 12, 101, [(c.EV_ACK, 1, 0), (c.EV_FILL, 1, 101, 5, 0)]),
        (False, c.TIF_POST, 1, 101, [(c.EV_REJECT, 1, c.R_POST_WOULD_TAKE)]),
        (False, c.TIF_POST, 1, 100, [(c.EV_ACK, 1, 0)]),
        (False, c.TIF_GTC, 0, 100, [(c.EV_REJECT, 1, c.R_MIN_QTY)]),
        (False, c.TIF_GTC, 1, -5, [(c.EV_REJECT, 1, c.R_PRICE_TICK)]),
        (False, c.TIF_GTC, 1 << 60, 100, [(c.EV_REJECT, 1, c.R_OVERFLOW)]),
    ],
)
def test_sim_limit_on_arrival(partial, tif, qty, price, expected):
    ex = quiet_book(partial_fill=partial)
    ex.submit(c.BUY, qty, price, tif=tif)
    assert ex.told() == expected


def test_sim_market_order_without_book_is_canceled():
    ex = Exchange()
    ex.submit(c.BUY, 1)
    assert ex.told() == [(c.EV_ACK, 1, 0), (c.EV_CANCELED, 1, c.R_IOC)]


# --- book mode: makers ----------------------------------------------------------


@pytest.mark.parametrize(
    ("partial", "trades", "expected"),
    [
        (False, [(99, 5)], []),  # the queue of 5 is used up, nothing is left for us
        (False, [(99, 4), (99, 2)], [(1, 99, 10, MAKER)]),
        (True, [(99, 4), (99, 2)], [(1, 99, 1, MAKER)]),
        (True, [(99, 7), (99, 3)], [(1, 99, 2, MAKER), (1, 99, 3, MAKER)]),
        (True, [(98, 1)], [(1, 99, 10, MAKER)]),  # through our price
        (False, [(100, 50)], []),
    ],
)
def test_sim_queue_moves_by_trades(partial, trades, expected):
    ex = quiet_book(partial_fill=partial)
    ex.submit(c.BUY, 10, 99)
    for price, qty in trades:
        ex.trade(price, qty, c.SELL)
    assert ex.fills() == expected


def test_sim_queue_is_capped_by_the_level():
    ex = quiet_book()
    ex.submit(c.BUY, 1, 99)
    ex.level(c.BUY, 99, 2)  # cancels ahead or behind: at most two are ahead now
    ex.level(c.BUY, 99, 50)  # newcomers stand behind
    ex.trade(99, 2, c.SELL)
    assert ex.fills() == []
    ex.trade(99, 1, c.SELL)
    assert ex.fills() == [(1, 99, 1, MAKER)]


def test_sim_probabilistic_queue_moves_by_cancels():
    ex = Exchange(prob_queue=True, queue_power=2.0)
    ex.book([(99, 10)], [(101, 5)])
    ex.submit(c.BUY, 1, 99)
    ex.level(c.BUY, 99, 30)  # 10 ahead, 20 behind
    ex.level(c.BUY, 99, 20)  # behind with probability 400 / 500: 8 behind, 2 ahead
    ex.trade(99, 8, c.SELL)
    assert ex.fills() == []
    ex.trade(99, 1, c.SELL)
    assert ex.fills() == [(1, 99, 1, MAKER)]


def test_sim_best_crossing_fills_at_our_price_and_clears_stale_levels():
    ex = quiet_book()
    ex.submit(c.SELL, 4, 103)
    ex.level(c.BUY, 103, 1)
    assert ex.fills() == [(1, 103, 4, MAKER)]
    ex.submit(c.BUY, 1)  # asks at 101 and 102 were crossed by the bid at 103: stale
    assert ex.told()[-1] == (c.EV_CANCELED, 2, c.R_IOC)


def test_sim_quotes_serve_where_there_is_no_depth():
    ex = Exchange()
    ex.market(c.EV_BOOK_TICKER, price=99, qty=5, x=101, y=5)
    ex.submit(c.BUY, 1, 100)
    ex.submit(c.BUY, 1)
    ex.market(c.EV_BOOK_TICKER, price=97, qty=5, x=100, y=5)
    assert ex.fills() == [(2, 101, 1, 0), (1, 100, 1, MAKER)]


@pytest.mark.parametrize(
    ("side", "stop", "price", "expected"),
    [
        (c.SELL, 99, 100, []),
        (c.SELL, 99, 99, [(1, 99, 3, 0)]),
        (c.SELL, 100, 98, [(1, 99, 3, GAP)]),
        (c.BUY, 101, 101, [(1, 101, 3, 0)]),
        (c.BUY, 100, 105, [(1, 101, 3, GAP)]),
    ],
)
def test_sim_stop_triggers_on_trades(side, stop, price, expected):
    ex = quiet_book()
    ex.trade(stop - side, 1, c.BUY)  # not yet there
    ex.submit(side, 3, stop=stop)
    ex.trade(price, 1, c.BUY)
    assert ex.fills() == expected


def test_sim_stop_goes_by_quotes_without_trades():
    ex = quiet_book()
    ex.submit(c.SELL, 3, stop=98)
    ex.level(c.BUY, 99, 0)
    assert ex.fills() == [(1, 98, 3, 0)]


def test_sim_own_orders_never_meet():
    ex = quiet_book()
    ex.submit(c.SELL, 1, 101)
    ex.submit(c.BUY, 1, 101)
    ex.submit(c.BUY, 1)
    ex.submit(c.BUY, 1, 101, tif=c.TIF_POST)
    ends = [r for r in ex.told() if r[0] != c.EV_ACK]
    assert ends == [
        (c.EV_CANCELED, 2, c.R_SELF),
        (c.EV_CANCELED, 3, c.R_SELF),
        (c.EV_REJECT, 4, c.R_POST_WOULD_TAKE),
    ]


def test_sim_reduce_only_never_exceeds_the_position():
    ex = quiet_book()
    ex.submit(c.SELL, 1, reduce=True)
    ex.submit(c.BUY, 3)
    ex.submit(c.SELL, 10, reduce=True)
    assert [r for r in ex.told() if r[0] != c.EV_ACK] == [
        (c.EV_REJECT, 1, c.R_REDUCE_ONLY),
        (c.EV_FILL, 2, 101, 3, 0),
        (c.EV_FILL, 3, 99, 3, 0),
        (c.EV_CANCELED, 3, c.R_REDUCE_ONLY),
    ]
    assert ex.position == 0


def test_sim_cancel_and_late_cancel():
    ex = quiet_book()
    ex.submit(c.BUY, 1, 98)
    ex.cancel(1)
    ex.cancel(1)
    assert ex.told() == [(c.EV_ACK, 1, 0), (c.EV_CANCELED, 1, 0)]
    ctl = ex.state.core[0]["ctl"]
    assert (ctl[C_LATE], ctl[C_LOST]) == (1, 0)


def test_sim_full_capacity_is_refused_by_reply():
    ex = quiet_book()
    for _ in range(CAPACITY + 1):
        ex.submit(c.BUY, 1, 50)
    assert ex.told()[-1] == (c.EV_REJECT, CAPACITY + 1, c.R_TOO_MANY_ORDERS)


def test_sim_fees_are_exact_and_follow_the_tier():
    ex = Exchange(tiers=((0, 10_000, 50_000), (1_000, 5_000, 33_333)))
    ex.book([(99, 5)], [(101, 5)])
    ex.submit(c.BUY, 1)
    ex.submit(c.BUY, 7)
    fees = [int(r["y"]) for r in ex.replies() if r["kind"] == c.EV_FILL]
    assert fees == [-(-101 * 10 * 50_000 // 10**8), -(-101 * 7 * 10 * 33_333 // 10**8)]


def test_sim_latency_is_in_and_replies_keep_order():
    ex = Exchange(entry_ns=1000, response_ns=500)
    ex.book([(99, 5)], [(101, 5)])
    ex.now = 10
    ex.submit(c.BUY, 1, arrive=False)
    assert sim_nb.sim_next_arrival_nb(ex.state) == 1010
    ex.arrive()
    assert [(int(r["ts_venue"]), int(r["ts_local"])) for r in ex.replies()] == [(1010, 1510)] * 2


def test_sim_lognormal_latency_has_its_distribution():
    stats = pytest.importorskip("scipy.stats")
    ex = Exchange(entry_ns=1_000_000, latency_sigma=0.5)
    n = 400
    for _ in range(n):
        ex.submit(c.BUY, 1, 50, arrive=False)
    drawn = []
    while (ts := sim_nb.sim_next_arrival_nb(ex.state)) != I64_MAX:
        drawn.append(ts)
        sim_nb.sim_arrive_nb(ex.state, ex.spec)
    assert drawn == sorted(drawn)
    assert len(drawn) == n
    assert stats.kstest(drawn, stats.lognorm(s=0.5, scale=1_000_000).cdf).pvalue > 0.01


# --- bar mode ---------------------------------------------------------------------


def bars(**params):
    ex = Exchange(bars=True, **params)
    ex.bar(0, (100, 105, 95, 100))
    return ex


def long_in_bars(**params):
    ex = bars(**params)
    ex.bar(MINUTE, (100, 101, 99, 100), during=lambda: ex.submit(c.BUY, 10))
    ex.replies()
    return ex


def test_sim_gap_fill_at_the_open_never_at_the_stop():  # F1.3
    ex = long_in_bars()
    ex.submit(c.SELL, 10, stop=95, reduce=True)
    ex.bar(2 * MINUTE, (90, 92, 89, 91))
    assert ex.fills() == [(2, 90, 10, GAP)]


def test_sim_both_in_one_bar_takes_the_stop():  # F1.4
    ex = long_in_bars()
    ex.bar(
        2 * MINUTE,
        (100, 112, 90, 100),
        during=lambda: (
            ex.submit(c.SELL, 10, stop=95, reduce=True),
            ex.submit(c.SELL, 10, 110, reduce=True),
        ),
    )
    assert [r for r in ex.told() if r[0] != c.EV_ACK] == [
        (c.EV_FILL, 2, 95, 10, AMBIGUOUS),
        (c.EV_CANCELED, 3, c.R_REDUCE_ONLY),
    ]
    assert ex.position == 0


def test_sim_limit_exactly_at_the_low_does_not_fill():  # F1.5
    ex = bars()
    ex.bar(MINUTE, (100, 101, 97, 100), during=lambda: ex.submit(c.BUY, 1, 97))
    assert ex.fills() == []
    ex.bar(2 * MINUTE, (100, 101, 96, 100))
    assert ex.fills() == [(1, 97, 1, MAKER)]


@pytest.mark.parametrize(
    ("side", "price", "tif", "expected"),
    [
        (c.BUY, 0, c.TIF_GTC, [(1, 101, 4, 0)]),  # half a spread of 1 %
        (c.SELL, 0, c.TIF_GTC, [(1, 99, 4, 0)]),
        (c.BUY, 103, c.TIF_GTC, [(1, 101, 4, 0)]),  # marketable: a taker at the open
        (c.BUY, 100, c.TIF_IOC, []),
        (c.BUY, 103, c.TIF_POST, []),
    ],
)
def test_sim_orders_inside_a_bar_meet_its_open(side, price, tif, expected):
    ex = bars(half_spread_e8=1_000_000)
    ex.bar(MINUTE, (100, 100, 100, 100), during=lambda: ex.submit(side, 4, price, tif=tif))
    assert ex.fills() == expected


def test_sim_impact_grows_with_the_root_of_the_share():
    ex = bars(impact=0.2)
    ex.bar(MINUTE, (100, 100, 100, 100), during=lambda: ex.submit(c.BUY, 250))
    assert ex.fills() == [(1, 110, 250, 0)]  # 20 % x sqrt(250 / 1000)


def test_sim_orders_in_a_data_gap_wait_for_the_next_open():
    ex = bars()
    ex.now = 5 * MINUTE
    ex.submit(c.BUY, 1)
    ex.submit(c.BUY, 1, 120)
    ex.submit(c.BUY, 1, 120, tif=c.TIF_POST)
    assert [r[0] for r in ex.told()] == [c.EV_ACK] * 3
    ex.bar(10 * MINUTE, (110, 111, 109, 110))
    assert ex.told() == [
        (c.EV_FILL, 1, 110, 1, 0),
        (c.EV_FILL, 2, 110, 1, 0),
        (c.EV_CANCELED, 3, c.R_POST_WOULD_TAKE),
    ]


def test_sim_range_fills_reach_us_before_the_bar():
    ex = bars(response_ns=7)
    ex.bar(MINUTE, (100, 101, 90, 100), during=lambda: ex.submit(c.BUY, 1, 95))
    fill = next(r for r in ex.replies() if r["kind"] == c.EV_FILL)
    assert (int(fill["ts_venue"]), int(fill["ts_local"])) == (2 * MINUTE - 1, 2 * MINUTE)


def test_sim_limit_gets_a_share_of_the_volume_beyond_it():
    ex = bars(partial_fill=True)
    ex.bar(MINUTE, (100, 100, 90, 100), volume=1000, during=lambda: ex.submit(c.BUY, 500, 95))
    assert ex.fills() == [(1, 95, 50, MAKER)]  # 10 % of the half of 1000 that lies below 95


def test_sim_stop_inside_the_range_slips():
    ex = long_in_bars(half_spread_e8=1_000_000)
    ex.submit(c.SELL, 10, stop=95, reduce=True)
    ex.bar(2 * MINUTE, (100, 101, 90, 100))
    assert ex.fills() == [(2, 94, 10, 0)]


# --- settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [{"entry_ns": -1}, {"latency_sigma": float("nan")}, {"queue_power": 0}, {"volume_share": 0}]
)
def test_sim_refuses_bad_settings(bad):
    with pytest.raises(ValueError, match="out of range"):
        SimParams(**bad)
