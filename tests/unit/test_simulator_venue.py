"""The in-process venue: rows of what the exchange tells, and waiting between attempts."""

from decimal import Decimal

from bot4.model import codes_nb as c
from bot4.venues.backoff import Backoff
from bot4.venues.simulator.market_rows import MarketRows
from bot4.venues.simulator.words import DepthDiff, Mark, Print, Quote


async def test_rows_of_what_the_exchange_tells():
    feed = MarketRows(["A", "B"])
    feed.snapshot("A", 5, (10, [(99, 1)], [(101, 2)]))
    feed.hear(DepthDiff("A", 6, 11, 12, 10, ((99, 0),), ()))
    feed.hear(Quote("B", 4, 3, 50, 1, 51, 2))  # earlier than what came before: local order does not go back
    feed.hear(Quote("B", 7, 3, 0, 0, 51, 2))  # no bid: nothing to say
    feed.hear(Print("A", 8, 77, 100, 3, True))
    feed.hear(Print("C", 8, 77, 100, 3, True))  # not asked for
    feed.hear(DepthDiff("A", 9, 13, 13, 12, (), ()))
    rows = await feed.rows()
    assert rows["kind"].tolist() == [2, 3, 3, 1, 3, 4, 5, 1]
    assert rows["ts_local"].tolist() == [5, 5, 5, 6, 6, 6, 8, 9]
    assert rows["ts_venue"].tolist() == [5, 5, 5, 6, 6, 4, 8, 9]
    assert rows["flags"].tolist() == [
        0,
        c.FLAG_BID,
        c.FLAG_LAST,
        0,
        c.FLAG_BID | c.FLAG_LAST,
        0,
        c.FLAG_BUYER_MAKER,
        c.FLAG_LAST,
    ]
    assert rows[3][["x", "y", "seq"]].tolist() == (11, 10, 12)
    assert rows["instrument"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


async def test_funding_is_told_once_at_the_rate_that_stood():
    feed = MarketRows(["A"])
    one = Decimal(1)
    feed.hear(Mark("A", 1, one, one, 100, 50))
    feed.hear(Mark("A", 2, one, one, 200, 50))
    feed.hear(Mark("A", 51, one, one, 300, 90))
    feed.hear(Mark("A", 52, one, one, 300, 90))
    rows = await feed.rows()
    assert len(rows) == 1
    assert rows[0][["kind", "x", "ts_venue"]].tolist() == (c.EV_FUNDING, 200, 50)


def test_waits_double_are_jittered_and_bounded():
    waits = [Backoff(seed).next_s() for seed in range(200)]
    assert min(waits) >= 0.05 and max(waits) <= 0.1
    assert max(waits) - min(waits) > 0.03
    backoff = Backoff(7)
    row = [backoff.next_s() for _ in range(60)]
    assert all(0.05 * 2**k <= wait <= 0.1 * 2**k for k, wait in enumerate(row[:8]))
    assert all(15.0 <= wait <= 30.0 for wait in row[10:])
    backoff.reset()
    assert backoff.next_s() <= 0.1
    assert Backoff(7).next_s() == Backoff(7).next_s()
