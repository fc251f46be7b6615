"""Live market data: sockets, snapshots and their joining, as batches of event rows.

A pump per connection stamps each message and appends it to its instrument's lines; the reader wakes up,
parses all lines that came in one call, and passes on what follows. Messages cost no Python object beyond the
bytes they come in.

What breaks the feed is told by a batch without events, then everything starts with fresh snapshots:
a lost connection, a socket that is silent though it answers pings, venue times that stand still, a reader
that does not keep up. A gap in one book breaks that book only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec
import numpy as np

from bot4.model import codes_nb as c
from bot4.model.errors import InstrumentError
from bot4.model.events import EVENT_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import steps_down, steps_near
from bot4.ports.clock import Clock
from bot4.ports.frames import FrameParser
from bot4.ports.venue import FundingView, MarketBatch, VenueError
from bot4.venues.backoff import Backoff
from bot4.venues.binance.checks import read
from bot4.venues.binance.sockets import Socket, let_go
from bot4.venues.binance.wire import MarkPrice
from bot4.venues.depth_sync import DepthBroken, DepthSync, Rows

MS = 1_000_000
MAX_BYTES = 64 << 20
MAX_STREAMS = 180  # of one connection; futures take 200, spot 1024
SNAPSHOT_TRIES = 6
EARLY_NS = 60 * 10**9
"""A due time that moves on longer before it comes was changed, not paid."""
_BEGIN = b'{"stream":"'


@dataclass(frozen=True, slots=True)
class Patience:
    """When a feed counts as broken, and how long to wait before the next attempt."""

    silent_s: float = 10.0
    frozen_s: float = 10.0
    backoff_base_s: float = 0.1
    backoff_most_s: float = 30.0


@dataclass(slots=True)
class Lane:
    """One instrument of the feed."""

    index: int
    wire: str
    instrument: Instrument
    parser: FrameParser
    sync: DepthSync
    lines: bytearray
    funding: list[tuple[int, int, int, int]]  # ts_local, due ns, rate e8, mark in ticks
    marks: list[tuple[int, int, int, int]] = field(default_factory=list)  # ts_local, ts_venue, mark, index
    due: int = 0
    rate: int = 0
    news: bool = False  # due or rate changed since the last batch
    fetching: asyncio.Task[None] | None = None
    snapshot: bytes | None = None
    rejected: int = 0  # frames of the parser that were told already
    unreadable: bool = False  # something came since the last batch that is no market data


class FeedBroken(Exception):
    """The feed must start anew, for `reason`."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """Where the streams are, which there are, and how a snapshot is asked for."""

    hosts: tuple[tuple[str, tuple[str, ...]], ...]  # (base url, stream suffixes), one connection each
    snapshot: Callable[[str], Awaitable[bytes]]
    connect: Callable[[str], Awaitable[Socket]]
    clock: Clock
    patience: Patience


class MarketFeed:
    """The market data of some instruments of one product. `broken` counts what went wrong, by reason."""

    def __init__(self, plan: FeedPlan, lanes: Sequence[Lane]) -> None:
        self._plan = plan
        self._lanes = list(lanes)
        self._routes: dict[bytes, tuple[Lane, bool]] = {}
        self._woken = asyncio.Event()
        self._heard: list[int] = []
        self._last_local = 0
        self._newest = 0
        self._newest_at = 0
        self._failed: int | None = None
        self.broken: dict[int, int] = {}

    async def batches(self) -> AsyncIterator[MarketBatch]:
        """Batches without end."""
        plan = self._plan
        patience = plan.patience
        backoff = Backoff(plan.clock.now_ns(), patience.backoff_base_s, patience.backoff_most_s)
        while True:
            reason = c.R_NETWORK
            try:
                async for batch in self._connected():
                    if batch.events is not None:
                        backoff.reset()
                    yield batch
            except FeedBroken as error:
                reason = error.reason
            except (VenueError, aiohttp.ClientError, OSError, TimeoutError):
                pass  # told below as R_NETWORK
            self.broken[reason] = self.broken.get(reason, 0) + 1
            yield MarketBatch(None, reason)
            await asyncio.sleep(backoff.next_s())

    async def _connected(self) -> AsyncIterator[MarketBatch]:
        """One life of the connections."""
        self._begin()
        sockets: list[Socket] = []
        tasks: list[asyncio.Task[None]] = []
        try:
            for k, url in enumerate(self._urls()):
                self._heard.append(self._plan.clock.monotonic_ns())
                socket = await self._plan.connect(url)
                sockets.append(socket)
                tasks.append(asyncio.create_task(self._pump(socket, k)))
            while True:
                async for batch in self._woken_up():
                    yield batch
        finally:
            tasks += [lane.fetching for lane in self._lanes if lane.fetching is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for socket in sockets:
                await let_go(socket)

    def _urls(self) -> list[str]:
        """One address for every connection; where each stream's messages go is noted on the way."""
        urls = []
        for base, suffixes in self._plan.hosts:
            names = []
            for lane in self._lanes:
                for suffix in suffixes:
                    name = f"{lane.wire.lower()}{suffix}"
                    self._routes[name.encode()] = (lane, suffix.startswith("@markPrice"))
                    names.append(name)
            for start in range(0, len(names), MAX_STREAMS):
                urls.append(f"{base}/stream?streams={'/'.join(names[start : start + MAX_STREAMS])}")
        return urls

    def _begin(self) -> None:
        self._heard = []
        self._failed = None
        self._newest, self._newest_at = 0, self._plan.clock.monotonic_ns()
        self._woken.clear()
        for lane in self._lanes:
            lane.sync.restart()
            lane.lines.clear()
            lane.fetching = lane.snapshot = None

    # --- coming in ---------------------------------------------------------------------------------------

    async def _pump(self, socket: Socket, k: int) -> None:
        """Stamp and sort the messages of one connection until it ends."""
        clock, text = self._plan.clock, aiohttp.WSMsgType.TEXT
        try:
            async for message in socket:
                if message.type is not text:
                    continue
                data: bytes = message.data  # the socket was opened with decode_text=False
                local = max(clock.now_ns(), self._last_local + 1)
                self._last_local = local
                self._heard[k] = clock.monotonic_ns()
                end = data.find(b'"', len(_BEGIN))
                route = self._routes.get(data[len(_BEGIN) : end]) if data.startswith(_BEGIN) else None
                if route is None:
                    continue
                lane, is_mark = route
                if is_mark:
                    self._mark(lane, local, data)
                else:
                    lane.lines += b"%d %s\n" % (local, data)
                    if len(lane.lines) > MAX_BYTES:
                        self._failed = c.R_BACKLOG
                self._woken.set()
            self._failed = self._failed or c.R_NETWORK
        except (aiohttp.ClientError, OSError):
            self._failed = c.R_NETWORK
        self._woken.set()

    def _mark(self, lane: Lane, local: int, data: bytes) -> None:
        """The mark, and a funding event when its due time moves on: the rate before it was paid."""
        start = data.find(b'"data":')
        try:
            mark = read(data[start + 7 : -1], MarkPrice)
            ticks = steps_down(mark.p, lane.instrument.tick, "mark")
            at, index = (steps_near(price, lane.instrument.tick, "mark") for price in (mark.p, mark.i))
        except (msgspec.MsgspecError, InstrumentError):
            lane.unreadable = True  # a mark is no book: the next one comes within seconds
            return
        if mark.s != lane.wire or ticks <= 0:
            lane.unreadable = True
            return
        lane.marks.append((local, mark.E * MS, at, index))
        if not mark.T:
            return
        due = mark.T * MS
        if lane.due and due > lane.due and local >= lane.due - EARLY_NS:
            lane.funding.append((local, lane.due, lane.rate, ticks))
        rate = mark.rate_e8 if mark.rate_e8 is not None else lane.rate
        lane.news = lane.news or (due, rate) != (lane.due, lane.rate)
        lane.due, lane.rate = due, rate

    # --- going out ---------------------------------------------------------------------------------------

    async def _woken_up(self) -> AsyncIterator[MarketBatch]:
        """Wait for messages; what they bring."""
        patience = self._plan.patience
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, patience.silent_s / 4)):
                await self._woken.wait()
        self._woken.clear()
        pieces: list[Rows] = []
        for lane in self._lanes:
            try:
                pieces += self._lane_rows(lane)
            except DepthBroken:
                lane.sync.restart()
                self.broken[c.R_BOOK_INVALID] = self.broken.get(c.R_BOOK_INVALID, 0) + 1
                yield MarketBatch(None, c.R_BOOK_INVALID, lane.index)
        funding = tuple(FundingView(lane.index, lane.rate, lane.due) for lane in self._lanes if lane.news)
        bad = tuple(lane.index for lane in self._lanes if self._unreadable(lane))
        for lane in self._lanes:
            lane.news = False
        rows = [piece for piece in pieces if len(piece)]
        if (funding or bad) and not rows:
            yield MarketBatch(np.empty(0, EVENT_DTYPE), funding=funding, unreadable=bad)
        if rows:
            events = rows[0] if len(rows) == 1 else np.concatenate(rows)
            if len(rows) > 1:
                events = events[np.argsort(events["ts_local"], kind="stable")]
            self._watch_venue_time(events)
            yield MarketBatch(events, funding=funding, unreadable=bad)
        if self._failed is not None:
            raise FeedBroken(self._failed)
        now = self._plan.clock.monotonic_ns()
        if any(now - heard > patience.silent_s * 1e9 for heard in self._heard):
            raise FeedBroken(c.R_STALE_DATA)

    def _unreadable(self, lane: Lane) -> bool:
        """Whether something came on this lane since the last call that could not be read."""
        count, before = lane.parser.rejected, lane.rejected
        found, lane.rejected, lane.unreadable = lane.unreadable or count > before, count, False
        return found

    def resync(self, wire: str) -> None:
        """Begin the book of the instrument anew: rows wait until a new snapshot fits."""
        for lane in self._lanes:
            if lane.wire == wire and lane.sync.synced:
                lane.sync.restart()
        self._woken.set()

    def _lane_rows(self, lane: Lane) -> list[Rows]:
        """Rows of one instrument that may be passed on now."""
        out: list[Rows] = []
        if lane.lines:
            lines, lane.lines = bytes(lane.lines), bytearray()
            out.append(lane.sync.feed(lane.parser.parse(lines)))
        if lane.funding:
            out.append(_funding_rows(lane))
        if lane.sync.synced:
            out.append(_mark_rows(lane))
        lane.marks = []  # the market begins with a book: what came before it is not passed on late
        if lane.snapshot is not None:
            local = max(self._plan.clock.now_ns(), self._last_local + 1)
            self._last_local = local
            body, lane.snapshot, lane.fetching = lane.snapshot, None, None
            joined = lane.sync.snapshot(lane.parser.parse(b"%d %s\n" % (local, body.replace(b"\n", b" "))))
            if joined is not None:
                out.append(joined)
        if not lane.sync.synced and lane.fetching is None and lane.sync.heard:
            lane.fetching = asyncio.create_task(self._fetch(lane))
        return out

    async def _fetch(self, lane: Lane) -> None:
        """Ask for a snapshot until one comes; the feed is broken when none does."""
        backoff = Backoff(lane.index, self._plan.patience.backoff_base_s, self._plan.patience.backoff_most_s)
        for _ in range(SNAPSHOT_TRIES):
            try:
                lane.snapshot = await self._plan.snapshot(lane.wire)
                self._woken.set()
                return
            except VenueError as error:
                wait = getattr(error, "wait_ns", 0) / 1e9
                await asyncio.sleep(max(wait, backoff.next_s()))
        self._failed = c.R_NETWORK
        self._woken.set()

    def _watch_venue_time(self, events: Rows) -> None:
        now = self._plan.clock.monotonic_ns()
        traded = events["ts_venue"][events["kind"] != c.EV_MARK]  # marks run on where trading stands still
        newest = int(traded.max()) if len(traded) else 0
        if newest > self._newest:
            self._newest, self._newest_at = newest, now
        elif now - self._newest_at > self._plan.patience.frozen_s * 1e9:
            raise FeedBroken(c.R_STALE_DATA)


def _funding_rows(lane: Lane) -> Rows:
    rows = np.zeros(len(lane.funding), EVENT_DTYPE)
    for row, (local, due, rate, mark) in zip(rows, lane.funding, strict=True):
        row["kind"] = c.EV_FUNDING
        row["instrument"] = lane.index
        row["ts_local"], row["ts_venue"], row["x"], row["price"] = local, due, rate, mark
    lane.funding = []
    return rows


def _mark_rows(lane: Lane) -> Rows:
    rows = np.zeros(len(lane.marks), EVENT_DTYPE)
    rows["kind"], rows["instrument"] = c.EV_MARK, lane.index
    for row, (local, venue, mark, index) in zip(rows, lane.marks, strict=True):
        row["ts_local"], row["ts_venue"], row["price"], row["x"] = local, venue, mark, index
    return rows
