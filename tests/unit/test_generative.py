"""The generative market: one seed one tape, a book that its own records rebuild, plain equals compiled."""

from decimal import Decimal

import numpy as np
import pytest

from bot4.model import codes_nb as k
from bot4.model.errors import ConfigError
from bot4.model.events import EVENT_DTYPE, KIND_PERP
from bot4.model.values import Rate
from bot4.venues.simulator import chance_nb, generative_book_nb, generative_nb
from bot4.venues.simulator.generative import GenParams, instrument, new_generative, stream
from bot4.venues.simulator.generative_book_nb import I_NEXT, ROOM, WINDOW, GenState
from bot4.venues.simulator.generative_nb import generate_nb

JIT = hasattr(generate_nb, "py_func")
SECOND = 10**9
START = 1_700_000_000 * SECOND
LENGTH = (120 if JIT else 4) * SECOND
SHORT = GenParams(warm_up_s=2)


def tape(seed, length=LENGTH, params=SHORT, capacity=1 << 15):
    gen = new_generative(params, seed, START)
    batches = [events.copy() for events in stream(gen, START + length, capacity)]
    return np.concatenate(batches), gen


@pytest.fixture(scope="module")
def market():
    return tape(7)


def frames(events):
    """(trades, head, levels, ticker or None) of each event of the market after the opening."""
    opening = int(np.flatnonzero(events["kind"] == k.EV_BOOK_TICKER)[0]) + 1
    i, n = opening, len(events)
    kinds = events["kind"]
    while i < n:
        first = i
        while kinds[i] == k.EV_TRADE:
            i += 1
        head = i
        assert kinds[head] == k.EV_DEPTH_HEAD
        i += 1
        while i < n and kinds[i] == k.EV_DEPTH:
            i += 1
        end = i
        ticker = None
        if i < n and kinds[i] == k.EV_BOOK_TICKER:
            ticker = events[i]
            i += 1
        yield events[first:head], events[head], events[head + 1 : end], ticker


def opening_book(events):
    book = ({}, {})
    for e in events[1:]:
        if e["kind"] != k.EV_DEPTH:
            break
        book[0 if e["flags"] & k.FLAG_BID else 1][int(e["price"])] = int(e["qty"])
    return book


# --- chance ----------------------------------------------------------------------


def test_xoshiro_gives_the_reference_outputs():
    state = np.array([1, 2, 3, 4], np.int64)
    want = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295]
    assert [int(chance_nb.next32(state)) for _ in want] == want


def test_the_draws_have_their_moments():
    state = np.array([1, 2, 3, 4], np.int64)
    n = 40_000 if JIT else 4_000
    u, e, g = (
        np.array([f(state) for _ in range(n)])
        for f in (chance_nb.uniform, chance_nb.exponential, chance_nb.gauss)
    )
    edge = 6 / np.sqrt(n)
    assert u.min() > 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < edge * 0.29
    assert abs(e.mean() - 1) < edge
    assert e.min() > 0
    assert abs(g.mean()) < edge
    assert abs(g.var() - 1) < edge * 1.42


# --- one seed, one tape ------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(market):
    again, _ = tape(7)
    other, _ = tape(8)
    assert again.tobytes() == market[0].tobytes()
    assert other[: len(again)].tobytes() != again[: len(other)].tobytes()


@pytest.mark.parametrize("capacity", [ROOM + 1, ROOM + 997, 1 << 17])
def test_how_the_buffer_is_cut_changes_nothing(market, capacity):
    events, _ = tape(7, capacity=capacity)
    assert events.tobytes() == market[0].tobytes()


def test_how_the_time_is_cut_changes_nothing(market):
    gen = new_generative(SHORT, 7, START)
    buffer = np.zeros(1 << 19, EVENT_DTYPE)
    n, now, step = 0, START - 5, 1
    while now < START + LENGTH:
        n = generate_nb(gen, now, buffer, n)
        now, step = now + step, min(step * 3, 700_000_000)
    n = generate_nb(gen, START + LENGTH, buffer, n)
    assert buffer[:n].tobytes() == market[0].tobytes()


def test_nothing_comes_before_the_start_nor_after_the_end(market):
    gen = new_generative(SHORT, 7, START)
    buffer = np.zeros(ROOM + 10, EVENT_DTYPE)
    assert generate_nb(gen, START - 1, buffer, 3) == 3
    assert generate_nb(gen, START, buffer, 11) == 11  # too little room left: the caller empties the buffer
    assert list(stream(gen, START - 1)) == []
    events, state = market
    assert events["ts_venue"][0] == START
    assert events["ts_venue"].max() <= START + LENGTH < state.ints[I_NEXT]
    assert list(stream(state, START + LENGTH)) == []


def test_every_byte_of_a_record_is_written():
    dirty = np.frombuffer(b"\xff" * (EVENT_DTYPE.itemsize * (ROOM + 4000)), EVENT_DTYPE).copy()
    clean = np.zeros(ROOM + 4000, EVENT_DTYPE)
    ends = [generate_nb(new_generative(SHORT, 3, START), START + SECOND, b, 0) for b in (dirty, clean)]
    assert ends[0] == ends[1]
    assert dirty[: ends[0]].tobytes() == clean[: ends[1]].tobytes()


# --- the records -------------------------------------------------------------------


def test_the_opening_is_a_whole_book(market):
    events, _ = market
    assert events[0]["kind"] == k.EV_SNAPSHOT_HEAD
    end = int(np.flatnonzero(events["kind"] == k.EV_BOOK_TICKER)[0])
    levels = events[1:end]
    assert (levels["kind"] == k.EV_DEPTH).all()
    assert (levels["qty"] > 0).all()
    assert (levels["seq"] == events[0]["seq"]).all()
    last = levels["flags"] & k.FLAG_LAST
    assert last[-1]
    assert not last[:-1].any()
    bids, asks = opening_book(events)
    assert len(bids) > 20
    assert len(asks) > 20
    assert max(bids) < min(asks)
    assert abs(max(bids) - 600_000) < 3000


def test_updates_and_trades_are_numbered_without_a_gap(market):
    events, _ = market
    previous = int(events[0]["seq"])
    for _, head, levels, ticker in frames(events):
        assert (head["y"], head["x"], head["seq"]) == (previous, previous + 1, previous + len(levels))
        assert (levels["seq"] == head["seq"]).all()
        last = levels["flags"] & k.FLAG_LAST
        assert last[-1]
        assert not last[:-1].any()
        sided = list(zip(levels["price"].tolist(), (levels["flags"] & k.FLAG_BID).tolist(), strict=True))
        assert len(set(sided)) == len(sided)
        assert ticker is None or ticker["seq"] == head["seq"]
        previous = int(head["seq"])
    trades = events[events["kind"] == k.EV_TRADE]
    assert len(trades) > 20
    assert (trades["seq"] == np.arange(1, len(trades) + 1)).all()


def test_times_never_fall_and_the_marks_are_right():
    params = GenParams(warm_up_s=1, instrument_id=3, venue_id=5, latency_ns=10, latency_mean_ns=50_000_000)
    events, _ = tape(2, LENGTH // 4, params)
    assert (np.diff(events["ts_venue"]) >= 0).all()
    assert (np.diff(events["ts_local"]) >= 0).all()
    lag = events["ts_local"] - events["ts_venue"]
    assert lag.min() >= 10
    assert lag.max() > 50_000_000
    assert (events["flags"] & k.FLAG_SYNTHETIC).all()
    assert (events["instrument"] == 3).all()
    assert (events["venue"] == 5).all()
    assert (events["spare"] == 0).all()


def test_the_records_rebuild_the_book_and_trades_take_what_rests(market):
    events, gen = market
    book = opening_book(events)
    taken = 0
    for trades, _, levels, ticker in frames(events):
        before = [dict(side) for side in book] if len(trades) else None
        for e in levels:
            side, price, qty = book[0 if e["flags"] & k.FLAG_BID else 1], int(e["price"]), int(e["qty"])
            assert qty >= 0
            if qty:
                side[price] = qty
            else:
                del side[price]  # only what rests can be deleted
        top = (max(book[0]), min(book[1]))
        assert top[0] < top[1]
        for e in trades:
            side, price, qty = 0 if e["flags"] & k.FLAG_BUYER_MAKER else 1, int(e["price"]), int(e["qty"])
            assert 0 < qty <= before[side][price]
            assert book[side].get(price, 0) <= before[side][price] - qty
            taken += 1
        if ticker is not None:
            assert (ticker["price"], ticker["qty"]) == (top[0], book[0][top[0]])
            assert (ticker["x"], ticker["y"]) == (top[1], book[1][top[1]])
    assert taken > 20
    for side, levels in enumerate(book):
        sign = 1 - 2 * side
        inside = {
            sign * c: int(gen.qty[side, c & (WINDOW - 1)])
            for c in range(int(gen.far[side]), int(gen.best[side]) + 1)
            if gen.qty[side, c & (WINDOW - 1)]
        }
        assert inside == levels
        assert np.count_nonzero(gen.qty[side]) == len(levels)


def test_a_ticker_comes_with_every_change_of_the_top_and_only_then(market):
    events, _ = market
    tickers = events[events["kind"] == k.EV_BOOK_TICKER]
    tops = np.stack([tickers[name] for name in ("price", "qty", "x", "y")])
    assert (np.diff(tops) != 0).any(axis=0).all()
    book = opening_book(events)
    last = (max(book[0]), min(book[1]))
    for _, _, levels, ticker in frames(events):
        for e in levels:
            side = book[0 if e["flags"] & k.FLAG_BID else 1]
            side[int(e["price"])] = int(e["qty"])
            if not e["qty"]:
                del side[int(e["price"])]
        top = (max(book[0]), min(book[1]))
        assert ticker is not None or top == last
        last = top


def test_the_touch_brackets_the_value(market):
    _, gen = market
    value = gen.value[generative_nb.F_VALUE]
    for _ in stream(gen, START + LENGTH + SECOND, ROOM + 1):
        value = gen.value[generative_nb.F_VALUE]
        assert gen.best[0] <= value + 1
        assert -gen.best[1] >= value - 1


# --- compiled and plain --------------------------------------------------------------


def copy(gen):
    return GenState(*(array.copy() for array in gen))


def test_plain_python_gives_the_same_bytes(monkeypatch):
    params = GenParams(warm_up_s=1, news_rate=3.0)
    compiled = new_generative(params, 5, START)
    plain = copy(compiled)
    a, b = np.zeros(ROOM + 8000, EVENT_DTYPE), np.zeros(ROOM + 8000, EVENT_DTYPE)
    n = generate_nb(compiled, START + 2 * SECOND, a, 0)
    for module in (chance_nb, generative_book_nb, generative_nb):
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    assert generative_nb.generate_nb(plain, START + 2 * SECOND, b, 0) == n > 500
    assert a[:n].tobytes() == b[:n].tobytes()
    for left, right in zip(compiled, plain, strict=True):
        assert left.tobytes() == right.tobytes()


# --- the edges ---------------------------------------------------------------------


def test_the_instrument_holds_the_market_s_grid():
    inst = instrument()
    assert (inst.symbol, inst.venue, inst.tick, inst.lot) == (
        "SYN-USDT-PERP",
        "generative",
        Decimal("0.1"),
        Decimal("0.001"),
    )
    assert inst.record(8, Rate(0), Rate(0), SECOND)[0]["kind"] == KIND_PERP
    other = GenParams(symbol="X", tick=Decimal("0.01"), mid=Decimal(3000))
    assert instrument(other).tick == Decimal("0.01")


def test_another_price_and_grid_work():
    params = GenParams(mid=Decimal("2500"), tick=Decimal("0.01"), warm_up_s=1)
    events, _ = tape(1, SECOND, params)
    top = events[events["kind"] == k.EV_BOOK_TICKER]
    assert (abs(top["price"] - 250_000) < 3000).all()


@pytest.mark.parametrize(
    "change",
    [
        {"annual_vol": 0.0},
        {"limit_rate": -1.0},
        {"market_rate": float("nan")},
        {"quote_rate": float("inf")},
        {"news_rate": -0.1},
        {"latency_ns": -1},
        {"warm_up_s": -1},
        {"branching": 1.0},
        {"reach": 15},
        {"reach": 1025},
        {"mid": Decimal("100")},
    ],
)
def test_senseless_parameters_are_refused_by_name(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        GenParams(**change)


def test_a_buffer_without_room_is_refused():
    with pytest.raises(ConfigError, match="capacity"):
        next(stream(new_generative(GenParams(warm_up_s=0), 1, START), START, ROOM))
