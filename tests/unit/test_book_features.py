"""Book features against a plain oracle kept in exact sums, and bad quotes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot4.features import book_nb as book
from bot4.features.book_nb import update_depth_nb, update_quote_nb, update_trade_nb
from bot4.features.state import new_book_features
from bot4.model import feature_layout_nb as layout

NS = 1_000_000_000


def plain(kernel: Callable[..., None]) -> Callable[..., None]:
    return getattr(kernel, "py_func", kernel)


def decayed(events: list[tuple[int, float]], tau: float) -> float:
    """Sum of amounts, each faded from its own time to the last event's."""
    last = max(ts for ts, _ in events)
    return math.fsum(amount * math.exp(-(last - ts) / NS / tau) for ts, amount in events)


def random_quotes(n: int, seed: int) -> list[tuple[int, int, int, int, int]]:
    rng = np.random.default_rng(seed)
    quotes = []
    ts, bid = 10**18, 46_000
    for _ in range(n):
        ts += int(rng.integers(0, 3 * NS))
        bid += int(rng.integers(-2, 3))
        quotes.append(
            (ts, bid, int(rng.integers(1, 50)), bid + int(rng.integers(1, 4)), int(rng.integers(1, 50)))
        )
    return quotes


def oracle_flow(before: tuple[int, ...], now: tuple[int, ...]) -> float:
    _, b0, q0, a0, r0 = before
    _, b1, q1, a1, r1 = now
    flow = 0.0
    flow += q1 if b1 >= b0 else 0
    flow -= q0 if b1 <= b0 else 0
    flow -= r1 if a1 <= a0 else 0
    flow += r0 if a1 >= a0 else 0
    return flow


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_quotes_equal_the_oracle(form: str) -> None:
    update = plain(update_quote_nb) if form == "plain" else update_quote_nb
    bf = new_book_features(2)
    quotes = random_quotes(150, 3)
    flows: list[tuple[int, float]] = []
    moves: list[tuple[int, float]] = []
    for i, quote in enumerate(quotes):
        update(bf, 1, *quote)
        ts, bid, bid_qty, ask, ask_qty = quote
        row = bf.values[1]
        mid = (bid + ask) / 2
        assert row[layout.B_SPREAD_TICKS] == ask - bid
        assert row[layout.B_SPREAD_REL] == pytest.approx((ask - bid) / mid)
        assert row[layout.B_MID] == mid
        micro = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)
        assert row[layout.B_MICROPRICE] == pytest.approx(micro, rel=1e-13)
        assert row[layout.B_IMBALANCE_1] == pytest.approx((bid_qty - ask_qty) / (bid_qty + ask_qty))
        if i == 0:
            assert np.isnan(row[layout.B_OFI])
            assert np.isnan(row[layout.B_MID_VOL])
            continue
        before = quotes[i - 1]
        flows.append((ts, oracle_flow(before, quote)))
        moves.append((ts, (mid / ((before[1] + before[3]) / 2) - 1.0) ** 2))
        total = decayed(flows, book.TAU_FLOW_S)
        size = decayed([(t, abs(x)) for t, x in flows], book.TAU_FLOW_S)
        assert row[layout.B_OFI] == pytest.approx(total, rel=1e-9, abs=1e-9)
        assert row[layout.B_OFI_RATIO] == pytest.approx(total / size, rel=1e-9, abs=1e-9)
        rate = decayed([(t, 1.0) for t, _ in flows], book.TAU_FLOW_S) / book.TAU_FLOW_S
        assert row[layout.B_QUOTE_RATE] == pytest.approx(rate, rel=1e-9)
        vol = math.sqrt(decayed(moves, book.TAU_VOL_S) / book.TAU_VOL_S)
        assert row[layout.B_MID_VOL] == pytest.approx(vol, rel=1e-6, abs=1e-12)
    assert np.isnan(bf.values[0]).all()


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_trades_equal_the_oracle(form: str) -> None:
    update = plain(update_trade_nb) if form == "plain" else update_trade_nb
    bf = new_book_features(1)
    rng = np.random.default_rng(4)
    ts = 10**18
    seen: list[tuple[int, int, int, bool]] = []
    for _ in range(120):
        ts += int(rng.integers(0, 4 * NS))
        seen.append(
            (ts, 46_000 + int(rng.integers(-9, 9)), int(rng.integers(1, 99)), bool(rng.integers(0, 2)))
        )
        update(bf, 0, *seen[-1])
        volume = decayed([(t, q) for t, _, q, _ in seen], book.TAU_FLOW_S)
        signed = decayed([(t, -q if maker else q) for t, _, q, maker in seen], book.TAU_FLOW_S)
        value = decayed([(t, p * q) for t, p, q, _ in seen], book.TAU_FLOW_S)
        row = bf.values[0]
        assert row[layout.B_TRADE_IMBALANCE] == pytest.approx(signed / volume, rel=1e-9, abs=1e-9)
        assert row[layout.B_TRADE_VWAP] == pytest.approx(value / volume, rel=1e-12)


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_depth_takes_five_levels_and_no_empty_ones(form: str) -> None:
    update = plain(update_depth_nb) if form == "plain" else update_depth_nb
    bf = new_book_features(1)
    bid_px = np.array([100, 99, 98, 97, 96, 95], np.int64)
    ask_px = np.array([101, 102, 0, 0, 0, 0], np.int64)
    bid_qty = np.array([1, 2, 3, 4, 5, 1000], np.int64)
    ask_qty = np.array([3, 2, 77, 0, 0, 0], np.int64)
    update(bf, 0, bid_px, bid_qty, ask_px, ask_qty, 6)
    assert bf.values[0, layout.B_IMBALANCE_5] == (15 - 5) / 20
    update(bf, 0, bid_px, bid_qty, ask_px, ask_qty, 1)
    assert bf.values[0, layout.B_IMBALANCE_5] == (1 - 3) / 4
    update(bf, 0, bid_px, bid_qty, ask_px, ask_qty, 0)
    assert np.isnan(bf.values[0, layout.B_IMBALANCE_5])


@pytest.mark.parametrize(
    "broken",
    [(0, 0, 101, 5), (100, 5, 0, 0), (100, 0, 101, 5), (101, 5, 101, 5), (102, 5, 101, 5), (100, 5, 101, -1)],
)
def test_a_broken_quote_is_unknown_until_the_book_is_whole(broken: tuple[int, int, int, int]) -> None:
    bf = new_book_features(1)
    update_trade_nb(bf, 0, 10**18, 100, 5, False)
    for i in range(3):
        update_quote_nb(bf, 0, 10**18 + i, 100, 5 + i, 101, 5)
    assert np.isfinite(bf.values[0, [layout.B_OFI, layout.B_MID, layout.B_QUOTE_RATE]]).all()
    update_quote_nb(bf, 0, 10**18 + 5, *broken)
    quotes = [j for j in range(layout.N_BOOK) if j not in (layout.B_TRADE_IMBALANCE, layout.B_TRADE_VWAP)]
    assert np.isnan(bf.values[0, quotes]).all()
    assert bf.values[0, layout.B_TRADE_VWAP] == 100.0
    update_quote_nb(bf, 0, 10**18 + 6, 200, 5, 201, 5)
    assert bf.values[0, layout.B_MID] == 200.5
    assert np.isnan(bf.values[0, layout.B_OFI])  # a first quote has nothing to compare with
    update_quote_nb(bf, 0, 10**18 + 7, 200, 5, 201, 5)
    assert bf.values[0, layout.B_OFI] == pytest.approx(2.0)  # 1 + 1 from before, nothing from the break
    assert bf.values[0, layout.B_MID_VOL] == 0.0


def test_a_trade_without_quantity_is_left_out() -> None:
    bf = new_book_features(1)
    update_trade_nb(bf, 0, 1, 100, 0, True)
    update_trade_nb(bf, 0, 1, 0, 5, True)
    assert np.isnan(bf.values).all()


def test_time_that_runs_back_or_stands_still_or_leaps_is_harmless() -> None:
    bf = new_book_features(1)
    for ts in (10**18, 10**18, 10**18 - 5 * NS, 4 * 10**18):
        update_quote_nb(bf, 0, ts, 100, 5, 101, 5)
        update_trade_nb(bf, 0, ts, 100, 5, False)
    row = bf.values[0]
    assert row[layout.B_TRADE_IMBALANCE] == 1.0
    assert row[layout.B_TRADE_VWAP] == 100.0
    assert row[layout.B_QUOTE_RATE] == pytest.approx(1 / book.TAU_FLOW_S)


quantity = st.integers(1, 10**12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**13), st.integers(1, 10**9), quantity, st.integers(1, 10**6), quantity),
        min_size=2,
        max_size=30,
    )
)
def test_book_features_stay_in_range(quotes: list[tuple[int, int, int, int, int]]) -> None:
    bf = new_book_features(1)
    ts = 0
    for wait, bid, bid_qty, gap, ask_qty in quotes:
        ts += wait
        update_quote_nb(bf, 0, ts, bid, bid_qty, bid + gap, ask_qty)
        update_trade_nb(bf, 0, ts, bid, bid_qty, gap % 2 == 0)
    row = bf.values[0]
    last = quotes[-1]
    assert last[1] <= row[layout.B_MICROPRICE] <= last[1] + last[3]
    for j in (layout.B_OFI_RATIO, layout.B_IMBALANCE_1, layout.B_TRADE_IMBALANCE):
        assert -1.0 - 1e-12 <= row[j] <= 1.0 + 1e-12
    assert row[layout.B_MID_VOL] >= 0.0
    assert 0.0 < row[layout.B_QUOTE_RATE] <= len(quotes) / book.TAU_FLOW_S
