"""Time goes on: market events, marks, funding and chance arrivals, each at its instant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bot4.model.codes_nb import (
    EV_BAR,
    EV_BOOK_TICKER,
    EV_DEPTH,
    EV_DEPTH_HEAD,
    EV_FUNDING,
    EV_SNAPSHOT_HEAD,
    EV_TRADE,
    FLAG_LAST,
)
from bot4.model.events import EVENT_DTYPE
from bot4.venues.simulator.chance_nb import exponential, uniform
from bot4.venues.simulator.closeout import Closeout
from bot4.venues.simulator.desk import Desk
from bot4.venues.simulator.generative import seed_words
from bot4.venues.simulator.laws_nb import beta, lognormal
from bot4.venues.simulator.listing import Listing
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.sources import Source

_FRAME = (EV_DEPTH_HEAD, EV_SNAPSHOT_HEAD, EV_DEPTH)
_NEVER = (1 << 63) - 1
_HOUR = 3_600_000_000_000

Events = np.ndarray[Any, Any]


class Feeder:
    """Feeds the listings in the order of venue time."""

    def __init__(
        self,
        source: Source,
        listings: list[Listing],
        desk: Desk,
        closeout: Closeout,
        realism: Realism,
        seed: int,
    ) -> None:
        self._source = source
        self._listings = listings
        self._desk = desk
        self._closeout = closeout
        self._realism = realism
        self._bell = desk.bell
        self._pending = np.empty(0, EVENT_DTYPE)
        self._chance = seed_words(seed ^ 0xF111)
        self._delays = seed_words(seed ^ 0xDE1A)
        now = self._bell.now_ns
        self._next_mark = now
        self._next_funding = {x.market.symbol: _after(now, x.market.funding_interval_ns) for x in listings}
        self._next_hit = now + self._wait() if realism.fill_rate > 0 else _NEVER

    def entry_latency(self) -> int:
        """A log-normal draw around `entry_ns`."""
        return int(lognormal(self._delays, float(self._realism.entry_ns), self._realism.latency_sigma))

    def response_latency(self) -> int:
        """A log-normal draw around `response_ns`."""
        return int(lognormal(self._delays, float(self._realism.response_ns), self._realism.latency_sigma))

    def advance(self, until_ns: int) -> None:
        """Everything up to `until_ns`, at most an hour of market time at once."""
        while self._bell.now_ns < until_ns:
            stop = min(until_ns, self._bell.now_ns + _HOUR)
            self._part(stop)

    def _part(self, stop: int) -> None:
        events = np.concatenate([self._pending, self._source.until(stop)])
        events = events[np.argsort(events["ts_venue"], kind="stable")]
        n = int(np.searchsorted(events["ts_venue"], stop, side="right"))
        self._pending = events[n:].copy()
        events = events[:n]
        steps = list(_steps(events))
        events["instrument"] = 0  # each compiled core holds one market
        for ts, number, lo, hi, kind in steps:
            self._timers(ts)
            self._bell.now_ns = max(self._bell.now_ns, ts)
            self._step(self._listings[number], events, lo, hi, kind)
        self._timers(stop)
        self._bell.now_ns = stop

    def _step(self, listing: Listing, events: Events, lo: int, hi: int, kind: int) -> None:
        if kind == EV_FUNDING:
            row = events[lo]
            listing.rate_e8 = int(row["x"])
            listing.funding_fed = True
            tick = listing.market.tick
            self._closeout.mark(listing, int(row["price"]) * tick if row["price"] > 0 else None)
            self._closeout.pay_funding(listing)
            return
        if kind == EV_BAR:
            raise ValueError(f"{listing.market.symbol}: the exchange needs trades or quotes, not bars")
        if kind not in (EV_TRADE, EV_BOOK_TICKER, *_FRAME):
            return
        listing.feeding = int(events[lo]["price"]) if kind == EV_TRADE else None
        listing.feed(events, lo, hi, kind)
        self._desk.settle(listing)
        listing.feeding = None
        if listing.mark is None:
            self._closeout.mark(listing)

    # --- what happens by the clock -------------------------------------------------------------------

    def _timers(self, ts: int) -> None:
        """Everything due by `ts`, in the order of time."""
        while (due := min(self._next_mark, self._next_hit, *self._next_funding.values())) <= ts:
            self._bell.now_ns = max(self._bell.now_ns, due)
            if due == self._next_mark:
                self._next_mark = _after(due, self._realism.mark_every_ns)
                for listing in self._listings:
                    self._closeout.mark(listing)
                for (
                    listing
                ) in self._listings:  # not before all marks are new: positions answer for each other
                    self._closeout.check(listing)
            if due == self._next_hit:
                self._next_hit = due + self._wait()
                self._arrive()
            for listing in self._listings:
                if due == self._next_funding[listing.market.symbol]:
                    self._fund(listing, due)

    def _fund(self, listing: Listing, due: int) -> None:
        self._next_funding[listing.market.symbol] = _after(due, listing.market.funding_interval_ns)
        if listing.perp and not listing.funding_fed:
            self._closeout.pay_funding(listing)

    def _wait(self) -> int:
        """Time to the next arrival: exponential, two sides a listing."""
        rate = self._realism.fill_rate * 2 * len(self._listings)
        return max(1, int(exponential(self._chance) / rate * 1e9))

    def _arrive(self) -> None:
        """One arrival at a side of a market, each as likely."""
        pick = min(int(uniform(self._chance) * 2 * len(self._listings)), 2 * len(self._listings) - 1)
        share = beta(self._chance, self._realism.fill_a, self._realism.fill_b)
        listing = self._listings[pick >> 1]
        listing.hit(pick & 1, share)
        self._desk.settle(listing)


def _after(now: int, every: int) -> int:
    """The first multiple of `every` after `now`."""
    return now - now % every + every


def _steps(events: Events) -> Iterator[tuple[int, int, int, int, int]]:
    """(time, listing, first event, last event + 1, kind) of each frame and each single event."""
    kinds = events["kind"].tolist()
    flags = events["flags"].tolist()
    times = events["ts_venue"].tolist()
    numbers = events["instrument"].tolist()
    events["instrument"] = 0  # each market's book knows one instrument: itself
    lo = 0
    while lo < len(kinds):
        hi = lo + 1
        kind = kinds[lo]
        if kind in _FRAME and not (kind == EV_DEPTH and flags[lo] & FLAG_LAST):
            while hi < len(kinds) and kinds[hi] == EV_DEPTH and numbers[hi] == numbers[lo]:
                hi += 1
                if flags[hi - 1] & FLAG_LAST:
                    break
        yield times[lo], numbers[lo], lo, hi, kind
        lo = hi
