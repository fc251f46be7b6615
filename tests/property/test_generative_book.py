"""Whatever the parameters, the generative market keeps an uncrossed book that fits its arrays."""

from decimal import Decimal

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot4.model import codes_nb as k
from bot4.venues.simulator.generative import GenParams, new_generative, stream
from bot4.venues.simulator.generative_book_nb import ROOM, SPAN, WINDOW
from bot4.venues.simulator.generative_nb import F_VALUE, generate_nb

JIT = hasattr(generate_nb, "py_func")
SECONDS = 3 if JIT else 1


def spread_over(low, high):
    """Log-uniform on [low, high]."""
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.exp(x)))


PARAMS = st.builds(
    GenParams,
    annual_vol=spread_over(0.01, 30),
    limit_rate=spread_over(0.01, 1000),
    cancel_rate=spread_over(0.01, 5000),
    market_rate=spread_over(0.01, 500),
    quote_rate=spread_over(0.01, 500),
    news_rate=spread_over(0.001, 20),
    branching=st.floats(0, 0.95),
    decay=spread_over(0.1, 50),
    xi_sd=st.floats(0, 3),
    market_lots=spread_over(0.1, 1e6),
    market_lots_sd=st.floats(0, 5),
    limit_lots=spread_over(0.1, 1e5),
    power=spread_over(0.1, 4),
    reach=st.integers(16, SPAN),
    mid=st.integers(16 * SPAN, 10**7).map(lambda ticks: Decimal(ticks) / 10),
    warm_up_s=st.integers(0, 1),
)


@settings(max_examples=25 if JIT else 5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PARAMS, st.integers(-(2**70), 2**70))
def test_the_book_stays_whole(params, seed):
    gen = new_generative(params, seed, 0)
    book = ({}, {})
    for events in stream(gen, SECONDS * 10**9, ROOM + 512):
        _, together = np.unique(events["ts_venue"], return_counts=True)
        assert together.max() < ROOM
        levels = events[events["kind"] == k.EV_DEPTH]
        bid = (levels["flags"] & k.FLAG_BID).astype(bool)
        for price, qty, is_bid in zip(
            levels["price"].tolist(), levels["qty"].tolist(), bid.tolist(), strict=True
        ):
            side = book[0 if is_bid else 1]
            if qty > 0:
                side[price] = qty
            else:
                assert qty == 0
                del side[price]
        tops = events[events["kind"] == k.EV_BOOK_TICKER]
        assert (tops["price"] < tops["x"]).all()
        assert (tops["price"] > 0).all()
        assert (tops["qty"] > 0).all()
        assert (tops["y"] > 0).all()
    for side, levels in enumerate(book):
        sign = 1 - 2 * side
        assert max(sign * price for price in levels) == gen.best[side]
        assert min(sign * price for price in levels) == gen.far[side]
        assert gen.best[side] - gen.far[side] <= SPAN
        assert np.count_nonzero(gen.qty[side]) == len(levels)
        assert all(gen.qty[side, (sign * price) & (WINDOW - 1)] == qty for price, qty in levels.items())
        assert gen.best[side] <= sign * gen.value[F_VALUE] + 1
