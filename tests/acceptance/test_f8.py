"""F8: tail events, on the whole stack on loopback. F8.4 is in tests/integration/test_live.py."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import exchange_of

from bot4.model import codes_nb as c
from bot4.venues.binance.endpoints import WEIGHT

pytestmark = pytest.mark.jit


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


async def test_f8_5_a_delisting_takes_no_entry_and_leaves_the_way_out(stack):
    async with stack.session(sets=["live.rules_interval=200ms"]) as live:
        await live.enter()
        closing = {
            "do": "set_market",
            "product": "usdm",
            "symbol": "BTCUSDT",
            "changes": {"status": "closing"},
        }
        await stack.call("POST", "admin", closing)
        live.wish = -1.0  # the exit is taken, the entry behind it is not
        await live.until(lambda: live.lots == stack.lots == 0, "the exit")
        await live.until(lambda: len(stack.events(c.EV_REJECT)), "the refused entry")
        assert stack.lots == 0
        assert all(o.request.reduce_only or o.request.side > 0 for o in stack.orders())
    assert stack.verified()


async def test_f8_6_a_position_that_is_deleveraged_is_followed_told_and_not_traded_against(stack):
    async with stack.session() as live:
        await live.enter()
        half = abs(stack.lots) // 2
        adl = {"do": "adl", "product": "usdm", "symbol": "BTCUSDT", "key": "acceptance"}
        await stack.call("POST", "admin", {**adl, "quantity": f"{half * 0.001:.3f}"})
        await live.until(lambda: live.lots == stack.lots, "the books to follow")
        await live.until(
            lambda: (
                sum(o.request.qty for o in stack.open_orders() if o.request.type.name == "STOP")
                == abs(live.lots)
            ),
            "the stop of the smaller position",
        )
        assert abs(live.lots) < 10
        assert stack.told("deleveraged by the venue", "critical")
    assert stack.lots == 0 and stack.verified()


async def test_f8_7_with_the_rate_limit_used_up_the_reserve_lets_the_way_out_through(stack):
    venue = stack.adapter()
    async with stack.session(venue=venue) as live:
        await live.enter()
        while venue.limiter.take({WEIGHT: 40}) == 0:  # somebody else on this address uses up the rest
            continue
        assert venue.limiter.used(WEIGHT) >= 1880
        stack.pond.mid -= stack.pond.mid // 10  # the flash
        live.stop()
        await stack.job
    assert stack.lots == 0 and stack.open_orders() == []
