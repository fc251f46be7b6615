"""Coins that working sells lock: on spot the stop stands, the target waits, an exit has the way cleared."""

import sys
from collections import deque
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PRICE, SPOT, Scene, cid, order_row, running, stop_row
from virtual_time import run_virtual

from bot4.execution.protection import dust
from bot4.model import codes_nb as c
from bot4.ports.venue import Capabilities

LOCKS = Capabilities(market="spot", reduce_only=False)
AIM = PRICE + 2000


def target_row(id, **more):
    return order_row(id, side=c.SELL, price=AIM, purpose=c.FOR_TARGET, reduce=True, **more)


def exit_row(id, **more):
    return order_row(id, side=c.SELL, price=0, purpose=c.FOR_EXIT, reduce=True, **more)


def play(script, capabilities=LOCKS):
    async def main(clock):
        made = Scene(clock, instruments=(SPOT,), capabilities=capabilities)
        made.desk.set_position(SPOT.symbol, 100, PRICE)
        made.desk.mark(SPOT.symbol, PRICE)
        async with running(made):
            await script(made)
        return made

    return run_virtual(main)


def states(s):
    return {k: o.state for k, o in s.exchange.orders.items()}


def test_the_stop_stands_and_the_target_waits_until_its_price_is_reached():
    async def script(s):
        s.desk.hand_over(np.concatenate([target_row(1), stop_row(2)]))
        await s.pass_time(60)
        assert states(s) == {cid(2): "untriggered"}
        s.desk.mark(SPOT.symbol, AIM - 1)
        await s.pass_time(1)
        assert states(s) == {cid(2): "untriggered"}
        s.desk.mark(SPOT.symbol, AIM)
        await s.pass_time(1)

    s = play(script)
    assert states(s) == {cid(2): "canceled", cid(1): "new"}
    assert s.exchange.orders[cid(1)].type == "limit"
    assert s.venue.calls.index("cancel") < len(s.venue.calls) - 1 - s.venue.calls[::-1].index("submit")


def test_an_exit_is_sent_only_when_the_cancel_of_the_stop_is_confirmed():
    async def script(s):
        s.desk.hand_over(np.concatenate([target_row(1), stop_row(2)]))
        await s.pass_time(1)
        s.venue.delays["cancel"] = 3.0
        s.desk.hand_over(exit_row(3))
        await s.pass_time(2)
        assert cid(3) not in s.exchange.orders  # the coins are still locked
        await s.pass_time(2)
        assert states(s) == {cid(2): "canceled", cid(3): "new"}
        s.desk.hand_over(stop_row(4))  # the engine wants its stop back: the coins are on their way out
        await s.pass_time(1)
        assert cid(4) not in s.exchange.orders
        s.exchange.fill(cid(3), Decimal("0.04"), Decimal("60000.0"))
        s.exchange.end(cid(3), "expired", c.R_IOC)  # the book was thin: 60 lots remain
        await s.pass_time(1)
        s.desk.hand_over(stop_row(5, qty=60))
        await s.pass_time(1)
        assert states(s)[cid(5)] == "untriggered"

    play(script)


def test_an_unknown_sell_locks_its_coins():
    async def script(s):
        s.venue.script["submit"] = deque(["dropped"])
        s.desk.hand_over(stop_row(1))
        await s.pass_time(0.01)
        s.desk.hand_over(stop_row(2))
        await s.pass_time(10)
        assert s.exchange.placed == 0  # the first may stand there
        await s.pass_time(60)

    s = play(script)
    assert states(s) == {cid(2): "untriggered"}


def test_waiting_costs_no_turns():
    """What waits for the market or for coins must not keep the worker busy."""

    async def script(s):
        s.desk.hand_over(np.concatenate([target_row(1), stop_row(2)]))
        await s.pass_time(1)
        lane, turns = s.desk.lanes[0], []
        real = lane.next_ask
        lane.next_ask = lambda *asked: turns.append(1) or real(*asked)
        await s.pass_time(60)
        assert len(turns) < 200

    play(script)


def test_where_the_venue_cuts_orders_to_the_position_both_legs_stand():
    async def script(s):
        s.desk.hand_over(np.concatenate([target_row(1), stop_row(2)]))
        await s.pass_time(1)

    assert set(play(script, Capabilities(market="spot")).exchange.orders) == {cid(1), cid(2)}


def test_dust_is_what_a_spot_order_may_not_be_worth():
    assert dust(SPOT, 1, 49_999) and dust(SPOT, -1, 49_999)  # 0.001 x 4999.9 = 4.9999
    assert not dust(SPOT, 1, 50_000)
    assert not dust(SPOT, 1, 0)  # no price: not known
    assert not dust(SPOT, 0, 10)
