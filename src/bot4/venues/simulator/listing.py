"""One listed market: its compiled book, its public view, its tape and its mark price."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.model.codes_nb import EV_BOOK_TICKER, EV_DEPTH, EV_SNAPSHOT_HEAD, EV_TRADE, FLAG_BUYER_MAKER
from bot4.model.events import EVENT_DTYPE, INSTRUMENT_DTYPE
from bot4.venues.simulator import venue_nb as v
from bot4.venues.simulator.bell import Bell
from bot4.venues.simulator.make import SimParams, new_sim
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.tape import Tape
from bot4.venues.simulator.words import DepthDiff, Mark, Market, Print, Quote, Refusal, Refused

CAPACITY = 16_384  # orders in the book at once, all accounts together; another number compiles anew
ACCOUNTS = 1024  # of one market; row 0 is nobody's
_LEVELS = 16_384
_BID, _ASK = 0, 1

Events = np.ndarray[Any, Any]


def side_index(side: int) -> int:
    """0 for a buyer's side of the book, 1 for a seller's."""
    return _BID if side > 0 else _ASK


class Listing:
    """The state of one market. What it does to orders is left in `replies` for the desk to read."""

    def __init__(self, market: Market, realism: Realism, seed: int, bell: Bell) -> None:
        self.market = market
        self.bell = bell
        self.tape = Tape()
        self.shown: tuple[dict[int, int], dict[int, int]] = ({}, {})  # lots of accounts by price
        self.holders: set[str] = set()  # accounts with a position
        self.last: int | None = None  # price of the last trade
        self.low: int | None = None  # of the trades since triggers were last looked at
        self.high: int | None = None
        self.feeding: int | None = None  # price of the feed's trade that is being matched
        self.mark: Mark | None = None
        self.rate_e8 = realism.funding_rate_e8
        self.funding_fed = False  # the feed tells when funding is paid
        self.update_id = 1
        self.trade_id = 0
        self.quote: Quote | None = None
        self.state = new_sim(1, _spec(), _params(realism), seed, CAPACITY, ACCOUNTS)
        self._spec = _spec()
        self._prices: tuple[list[int], list[int]] = ([], [])  # at which account orders stand, ascending
        self._queues: tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]] = ({}, {})
        self._rows: dict[str, int] = {}
        self._dirty: dict[tuple[int, int], None] = {}
        self._out = np.zeros(512, EVENT_DTYPE)
        self._order = np.zeros(v.N_ORDER, np.int64)
        self._cost = np.zeros(1, np.int64)
        self._top = np.zeros(6, np.int64)
        self._levels = np.zeros((_LEVELS, 3), np.int64)
        self._deep = False  # the feed has depth: tickers say nothing new
        self._waiting = False  # replies that were not drained
        self.regrid()

    def regrid(self) -> None:
        """Values that follow from the market's grid; to be called when it changed."""
        m = self.market
        self.lot = m.lot * m.contract_size  # base units of one lot
        self.unit = m.tick * self.lot  # quote value of one tick times one lot
        self.perp = m.kind == "perp"

    # --- orders ------------------------------------------------------------------------------------

    def row(self, key: str) -> int:
        """The account's number in the compiled book."""
        row = self._rows.get(key)
        if row is None:
            row = len(self._rows) + 1
            if row == ACCOUNTS:
                raise Refused(Refusal.INTERNAL, f"{self.market.symbol} serves {ACCOUNTS - 1} accounts")
            self._rows[key] = row
        return row

    def place(self, *columns: int) -> int:
        """Match a new order, columns N_* of `venue_nb`; its slot, or -1 when the book has no room."""
        self._order[: len(columns)] = columns
        self._order[v.N_HINT] = self._hint(columns[v.N_SIDE], columns[v.N_PRICE])
        slot = v.venue_place_nb(self.state, self._spec, self._order, self.bell.now_ns)
        self._waiting = True
        return slot

    def cancel(self, slot: int, order_id: int) -> bool:
        """Take a resting order out of the book."""
        return v.venue_cancel_nb(self.state, slot, order_id, self.bell.now_ns)

    def amend(self, slot: int, side: int, price: int, left: int) -> None:
        """Give a resting order of a side another price or quantity left."""
        hint = self._hint(side, price)
        v.venue_amend_nb(self.state, self._spec, slot, price, left, hint, self.bell.now_ns)
        self._waiting = True

    def hold(self, key: str, lots: int) -> None:
        """The account's position changed other than by a trade of its orders."""
        v.venue_hold_nb(self.state, self.row(key), lots)

    def hit(self, side: int, share: float) -> None:
        """An arrival takes a share of the first account order of a side."""
        self._waiting |= v.venue_hit_nb(self.state, self._spec, side, share, self.bell.now_ns)

    def reachable(self, *columns: int) -> tuple[int, int]:
        """What an order would take now if it came: lots, and their cost in ticks x lots."""
        self._order[: len(columns)] = columns
        lots = v.venue_cost_nb(self.state, self._order, self._cost)
        return lots, int(self._cost[0])

    def replies(self) -> list[tuple[Any, ...]]:
        """What happened to orders, oldest first: tuples of EVENT_DTYPE's fields."""
        found: list[tuple[Any, ...]] = []
        while self._waiting:
            n = v.venue_drain_nb(self.state, self._out)
            self._waiting = n == len(self._out)
            found += self._out[:n].tolist()
        return found

    # --- the public view ---------------------------------------------------------------------------

    def show(self, side: int, price: int, change: int) -> None:
        """Account orders of book side `side` at `price` show `change` lots more."""
        levels = self.shown[side]
        lots = levels.get(price, 0) + change
        if lots:
            levels[price] = lots
        else:
            del levels[price]
        self._dirty[side, price] = None

    def stands(self, side: int, price: int, order_id: int, slot: int) -> None:
        """An account order rests at a price, behind the others there; slot -1: no longer."""
        queues = self._queues[side]
        if slot >= 0:
            if price not in queues:
                insort(self._prices[side], price)
                queues[price] = {}
            queues[price][order_id] = slot
            return
        queue = queues[price]
        del queue[order_id]
        if not queue:
            del queues[price]
            del self._prices[side][bisect_left(self._prices[side], price)]

    def _hint(self, side: int, price: int) -> int:
        """The slot of the last account order that stands before a new one at `price`; -1: none does."""
        which = side_index(side)
        prices = self._prices[which]
        at = bisect_left(prices, price) if which == _BID else bisect_right(prices, price) - 1
        if not 0 <= at < len(prices):
            return -1
        return next(reversed(self._queues[which][prices[at]].values()))

    def publish(self) -> None:
        """Tell the levels that changed since the last call, and the quote if it did."""
        if self._dirty:
            dirty = [
                (side, price, int(v.venue_level_nb(self.state, side, price))) for side, price in self._dirty
            ]
            self._dirty.clear()
            self._tell_levels(dirty)

    def _tell_levels(self, levels: list[tuple[int, int, int]]) -> None:
        """`levels`: side, price, the market's lots there."""
        self.update_id += 1
        if self.bell.listeners:
            sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
            for side, price, lots in levels:
                sides[side][price] = lots + self.shown[side].get(price, 0)
            self.bell.tell(
                DepthDiff(
                    self.market.symbol,
                    self.bell.now_ns,
                    self.update_id,
                    self.update_id,
                    self.update_id - 1,
                    tuple(sides[_BID].items()),
                    tuple(sides[_ASK].items()),
                )
            )
        self._requote()

    def _requote(self) -> None:
        v.venue_top_nb(self.state, self._top)
        bid, bid_qty, ask, ask_qty, _, _ = self._top.tolist()
        bid_qty += self.shown[_BID].get(bid, 0)
        ask_qty += self.shown[_ASK].get(ask, 0)
        old = self.quote
        if old is not None and (old.bid, old.bid_qty, old.ask, old.ask_qty) == (bid, bid_qty, ask, ask_qty):
            return
        self.quote = Quote(self.market.symbol, self.bell.now_ns, self.update_id, bid, bid_qty, ask, ask_qty)
        self.bell.tell(self.quote)

    def depth(self, limit: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best `limit` bids and asks as (ticks, lots), accounts' orders included."""
        return self._side(_BID, limit), self._side(_ASK, limit)

    def _side(self, side: int, limit: int) -> list[tuple[int, int]]:
        rows = np.zeros((limit, 2), np.int64)
        n = v.venue_depth_nb(self.state, side, rows)
        levels = dict(map(tuple, rows[:n].tolist()))
        for price, lots in self.shown[side].items():
            if n < limit or price in levels or (price > rows[n - 1, 0]) == (side == _BID):
                levels[price] = levels.get(price, 0) + lots
        return sorted(levels.items(), reverse=side == _BID)[:limit]

    def print_trade(self, price: int, qty: int, buyer_maker: bool) -> int:
        """A public trade happened; its id."""
        self.trade_id += 1
        trade = Print(self.market.symbol, self.bell.now_ns, self.trade_id, price, qty, buyer_maker)
        self.tape.add(trade)
        self.last = price
        self.low = price if self.low is None else min(self.low, price)
        self.high = price if self.high is None else max(self.high, price)
        self.bell.tell(trade)
        return self.trade_id

    # --- what the market does ------------------------------------------------------------------------

    def feed(self, events: Events, lo: int, hi: int, kind: int) -> None:
        """Market events lo..hi-1: one frame of depth, or one other event."""
        gone: list[tuple[int, int, int]] = []
        if kind == EV_SNAPSHOT_HEAD:
            gone = [(side, price, 0) for side in (_BID, _ASK) for price, _ in self._market_side(side)]
        elif kind == EV_TRADE:
            event = events[lo]
            self.print_trade(int(event["price"]), int(event["qty"]), bool(event["flags"] & FLAG_BUYER_MAKER))
        before = (int(self._top[4]), int(self._top[5]))
        self._waiting |= v.venue_feed_nb(self.state, self._spec, events, lo, hi) > 0
        self._deep |= kind in (EV_DEPTH, EV_SNAPSHOT_HEAD)
        if kind == EV_TRADE or (self._deep and kind == EV_BOOK_TICKER):
            return
        n = v.venue_levels_nb(self.state, events, lo, hi, self._levels)
        levels = gone + [tuple(row) for row in self._levels[:n].tolist()]
        if kind == EV_BOOK_TICKER:  # at most the two bests changed
            levels = self._ticker_levels(before)
        if levels:
            self._tell_levels(levels)

    def _ticker_levels(self, before: tuple[int, int]) -> list[tuple[int, int, int]]:
        v.venue_top_nb(self.state, self._top)
        after = (int(self._top[4]), int(self._top[5]))
        return [
            (side, price, int(v.venue_level_nb(self.state, side, price)))
            for side in (_BID, _ASK)
            for price in dict.fromkeys((before[side], after[side]))
            if price > 0
        ]

    def _market_side(self, side: int) -> list[tuple[int, int]]:
        rows = np.zeros((_LEVELS, 2), np.int64)
        n = v.venue_depth_nb(self.state, side, rows)
        return [tuple(row) for row in rows[:n].tolist()]

    def mid(self) -> Decimal | None:
        """Middle of the market's own book in quote currency; without one the last trade; None: unknown."""
        v.venue_top_nb(self.state, self._top)
        bid, ask = int(self._top[4]), int(self._top[5])
        if bid > 0 and ask > 0:
            return (bid + ask) * self.market.tick / 2
        return None if self.last is None else self.last * self.market.tick

    def take_range(self) -> tuple[int, int] | None:
        """Lowest and highest trade since the last call; without any trade ever, bid and ask."""
        if self.low is None or self.high is None:
            if self.last is None and self.quote is not None and self.quote.bid and self.quote.ask:
                return self.quote.bid, self.quote.ask
            return None
        low, high = self.low, self.high
        self.low = self.high = None
        return low, high


def _spec() -> Events:
    """One instrument without filters: the exchange has checked them before."""
    spec = np.zeros(1, INSTRUMENT_DTYPE)
    spec["money_mult"] = 1
    return spec


def _params(realism: Realism) -> SimParams:
    return SimParams(
        partial_fill=True,
        prob_queue=realism.prob_queue,
        queue_power=realism.queue_power,
        root_impact=realism.impact_y * realism.daily_vol,
        day_lots=realism.day_volume,
    )
