"""What Binance spot and USD-M futures have in common: connecting, rules, time, private and market streams."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp

from bot4.model import codes_nb as c
from bot4.model.approved import ApprovedOrder
from bot4.ports.clock import Clock
from bot4.ports.frames import FrameParsers
from bot4.ports.secrets import Secrets
from bot4.ports.venue import (
    BarReport,
    Capabilities,
    MarketBatch,
    NotFound,
    NotSent,
    OrderReport,
    PrivateEvent,
    Rules,
    TradeReport,
    Unsupported,
    VenueError,
    VenueUnreachable,
)
from bot4.venues.binance.endpoints import CONNECTIONS, KLINES, SPOT_INTERVALS, Endpoint, Hosts
from bot4.venues.binance.market_feed import FeedPlan, Lane, MarketFeed, Patience
from bot4.venues.binance.orders import MS, bar_of, side_of, trade_of
from bot4.venues.binance.private_feed import PrivateFeed, PrivatePlan
from bot4.venues.binance.rest import Measures, Rest, Timing
from bot4.venues.binance.rules import Listing
from bot4.venues.binance.sockets import Socket
from bot4.venues.binance.wire import Candle, OrderReply, TradeReply
from bot4.venues.clock_sync import ClockSync
from bot4.venues.depth_sync import DepthSync
from bot4.venues.health import HealthMonitor
from bot4.venues.limits import Limit, RateLimiter
from bot4.venues.quirks import quirk

PAGE = 1000
KNOWN_ORDERS = 100_000
CLOCK_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an adapter is given from outside. `folder` holds the budgets that all processes share.

    `limits` replaces the documented ones, where an exchange on this machine has lifted its own.
    """

    clock: Clock
    secrets: Secrets
    folder: Path
    parsers: FrameParsers
    timing: Timing = field(default_factory=Timing)
    patience: Patience = field(default_factory=Patience)
    keep_s: float = 1800.0
    max_message: int = 8 << 20
    limits: tuple[Limit, ...] = ()


class Known(OrderedDict[str, str]):
    """The last orders of which something is known, at most `KNOWN_ORDERS`; `forgotten` counts the others."""

    forgotten = 0

    def keep(self, key: str, value: str) -> None:
        """Remember, and forget the oldest when there are too many."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > KNOWN_ORDERS:
            self.popitem(last=False)
            self.forgotten += 1


class Face(ABC):
    """The common half of both adapters; `spot.BinanceSpot` and `usdm.BinanceUsdm` complete it."""

    name: str
    capabilities: Capabilities
    table: dict[str, Endpoint]
    streams: tuple[tuple[str, tuple[str, ...]], ...]  # host attribute and the streams of a symbol on it
    trade_memory_ms: int  # how far back own trades go; 0: for ever, and they are found by their number

    def __init__(self, hosts: Hosts, wiring: Wiring, limits: Sequence[Limit]) -> None:
        self.hosts = hosts
        self.wiring = wiring
        self.sync = ClockSync(wiring.clock, self.name)
        self.health = HealthMonitor(wiring.clock)
        host = hosts.rest.split("//")[-1].replace(":", "_").replace("/", "_")
        counts = wiring.folder / f"{self.name}-{host}.limits"
        self.limiter = RateLimiter(counts, wiring.limits or limits, wiring.clock)
        key = wiring.secrets.api_key(self.name)
        measures = Measures(wiring.clock, self.sync, self.limiter, self.health)
        self.rest = Rest(self.name, hosts.rest, key, self.table["time"], measures, wiring.timing)
        self._key = key
        self.listing = Listing(self.name, (), {})
        self._client_ids = Known()  # venue id: client id
        self._private: PrivateFeed | None = None
        self._feed: MarketFeed | None = None
        self._clock_task: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Measure the clock, load the rules, open the private stream."""
        await self.rest.measure()
        self.sync.require()
        await self.rules()
        if self._private is None:
            self._private = PrivateFeed(self._private_plan())
            self._clock_task = asyncio.create_task(self._keep_clock())
        await self._private.start()

    async def close(self) -> None:
        """End streams and connections."""
        if self._clock_task is not None:
            self._clock_task.cancel()
            await asyncio.gather(self._clock_task, return_exceptions=True)
            self._clock_task = None
        if self._private is not None:
            await self._private.stop()
            self._private = None
        await self.rest.close()
        self.limiter.close()

    async def _keep_clock(self) -> None:
        """Measure again and again; a failure leaves the old samples, whose error bound grows."""
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            try:
                await self.rest.measure(1)
            except VenueError:
                continue

    async def clock_offset_ns(self) -> int:
        """Venue time minus ours."""
        if not self.sync.measured:
            await self.rest.measure()
        return self.sync.offset_ns()

    async def rules(self) -> Sequence[Rules]:
        """All instruments with their filters, asked for anew."""
        self.listing = await self._load_rules()
        return tuple(self.listing.rules.values())

    # --- for the faces -----------------------------------------------------------------------------------

    @abstractmethod
    async def _load_rules(self) -> Listing:
        """Ask for all symbols with their filters."""

    @abstractmethod
    def _private_plan(self) -> PrivatePlan:
        """How the private stream is opened, kept and read."""

    def _wire(self, symbol: str, command: bool = False) -> str:
        """The venue's name of a symbol. Of one that is not listed a command is NotSent."""
        found = self.listing.wire.get(symbol)
        if found is None:
            error = NotSent if command else VenueUnreachable
            raise error(f"{self.name}: {symbol} is not listed (or not connected yet)", c.R_INSTRUMENT)
        return found

    def _bot4(self, wire: str) -> str:
        """bot4's name of a venue's symbol; the venue's own for one that is not listed."""
        return self.listing.name.get(wire, wire)

    def _remember(self, venue_id: str, client_id: str) -> None:
        """Keep whose order `venue_id` is: trades name only that."""
        self._client_ids.keep(venue_id, client_id)

    def _asked(
        self,
        endpoint: Endpoint,
        reply: OrderReply,
        wire: str,
        *,
        client_id: str = "",
        number: str = "",
        order: ApprovedOrder | None = None,
        beside: Decimal = Decimal(0),
    ) -> OrderReply:
        """`reply`, when it is of the order that `endpoint` was asked about; else nothing is known.

        `beside`: what it has more than `order` asks for, because that much was filled before.
        """
        told = reply.orig_client_order_id or reply.client_order_id
        wrong = reply.symbol != wire or (client_id and told != client_id)
        wrong = wrong or (number and str(reply.order_id) != number)
        if order is not None and not wrong:
            intent = order.intent
            quantity = intent.quantity.to_decimal() + beside
            wrong = side_of(reply.side) != intent.side or reply.orig_qty != quantity
        if wrong:
            raise self.rest.strange(
                endpoint, f"the answer is of another order ({reply.symbol[:40]} {told[:40]})"
            )
        return reply

    def _all_of(self, endpoint: Endpoint, symbols: Iterable[str], wire: str | None) -> None:
        """The rows of an answer are of the symbol that was asked for, when one was."""
        if wire is not None and any(symbol != wire for symbol in symbols):
            raise self.rest.strange(endpoint, f"the answer is not of {wire} alone")

    def _known(self, report: OrderReport) -> OrderReport:
        self._remember(report.venue_id, report.client_id)
        return report

    def is_urgent(self, order: ApprovedOrder) -> bool:
        """Whether an order takes risk away: it may use the reserve of the rate limit."""
        return order.intent.reduce_only or order.intent.purpose in ("exit", "stop", "target", "flatten")

    async def socket(self, url: str) -> Socket:
        """A WebSocket, counted against the limit of new connections. Pings watch the line itself."""
        await self.limiter.acquire({CONNECTIONS: 1}, urgent=True)
        try:
            return await self.rest.open().ws_connect(
                url,
                heartbeat=20.0,
                max_msg_size=self.wiring.max_message,
                decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise VenueUnreachable(f"{self.name}: no stream ({type(error).__name__})", c.R_NETWORK) from None

    # --- streams -----------------------------------------------------------------------------------------

    async def private(self) -> AsyncIterator[PrivateEvent]:
        """The private stream, from `connect` on."""
        if self._private is None:
            raise VenueUnreachable(f"{self.name}: connect first", c.R_PRIVATE_DOWN)
        async for event in self._private.events():
            yield event

    async def market(self, symbols: Sequence[str]) -> AsyncIterator[MarketBatch]:
        """Market data of `symbols`; an event's instrument is the place in that list."""
        lanes = []
        for index, symbol in enumerate(symbols):
            wire, instrument = self._wire(symbol), self.listing.rules[symbol].instrument
            parser = self.wiring.parsers.parser(wire, index, instrument)
            lanes.append(Lane(index, wire, instrument, parser, DepthSync(), bytearray(), []))
        plan = FeedPlan(
            hosts=tuple((getattr(self.hosts, host), suffixes) for host, suffixes in self.streams),
            snapshot=self._snapshot,
            connect=self.socket,
            clock=self.wiring.clock,
            patience=self.wiring.patience,
        )
        self._feed = feed = MarketFeed(plan, lanes)
        async for batch in feed.batches():
            yield batch

    def resync(self, symbol: str) -> None:
        """Begin the book of `symbol` anew; nothing happens while no market data is read."""
        if self._feed is not None:
            self._feed.resync(self._wire(symbol))

    async def bars(self, symbol: str, bar_ns: int, since_ns: int, until_ns: int) -> Sequence[BarReport]:
        """Closed candles by REST, page by page; Unsupported for a length that there is not."""
        wire, name = self._wire(symbol), SPOT_INTERVALS.get(bar_ns)
        if name is None or bar_ns not in self.capabilities.bar_lengths:
            raise Unsupported(f"{self.name}: no candles of {bar_ns / 1e9:g} s", c.R_VENUE)
        found: list[BarReport] = []
        while since_ns < until_ns:
            params = {
                "symbol": wire,
                "interval": name,
                "startTime": since_ns // MS,
                "endTime": until_ns // MS - 1,
                "limit": KLINES,
            }
            page = await self.rest.get(list[Candle], self.table["bars"], params)
            now_ms = self.sync.venue_ns() // MS
            try:
                found += [bar_of(candle) for candle in page if candle[6] < now_ms]
            except ValueError as error:
                raise self.rest.strange(self.table["bars"], str(error)) from None
            if len(page) < KLINES:
                break
            after_ns = page[-1][0] * MS + bar_ns
            if after_ns <= since_ns:
                raise self.rest.strange(self.table["bars"], "the page ends before it begins")
            since_ns = after_ns
        return found

    async def _snapshot(self, wire: str) -> bytes:
        return await self.rest.ask(self.table["depth"], {"symbol": wire, "limit": PAGE})

    # --- trades ------------------------------------------------------------------------------------------

    async def trades(self, symbol: str, since_ns: int) -> Sequence[TradeReport]:
        """Own executions at or after `since_ns`, oldest first, all pages."""
        wire, since_ms = self._wire(symbol), -(-since_ns // MS)
        replies = await self._first_trades(wire, since_ms)
        page = replies
        while len(page) >= PAGE:
            first = page[-1].id + 1
            page = await self._trades_page({"symbol": wire, "fromId": first})
            if page and page[0].id < first:
                raise self.rest.strange(self.table["trades"], f"trade {page[0].id}, asked from {first} on")
            replies += page
        wanted = [r for r in replies if r.time >= since_ms]
        return [trade_of(r, symbol, await self._owner(wire, str(r.order_id))) for r in wanted]

    async def _trades_page(self, params: dict[str, object]) -> list[TradeReply]:
        page = await self.rest.get(list[TradeReply], self.table["trades"], {**params, "limit": PAGE})
        self._all_of(self.table["trades"], (reply.symbol for reply in page), str(params["symbol"]))
        return sorted(page, key=lambda reply: reply.id)

    async def _first_trades(self, wire: str, since_ms: int) -> list[TradeReply]:
        """The first page with trades. From an old start on the venue is asked by number, or span by span."""
        span = quirk(self.name, "trade-span").value
        now_ms = self.sync.venue_ns() // MS
        if now_ms - since_ms > span and not self.trade_memory_ms:
            return await self._trades_page({"symbol": wire, "fromId": 0})
        start = max(since_ms, now_ms - self.trade_memory_ms) if self.trade_memory_ms else since_ms
        while now_ms - start > span:
            found = await self._trades_page({"symbol": wire, "startTime": start, "endTime": start + span})
            if found:
                return found
            start += span + 1
        return await self._trades_page({"symbol": wire, "startTime": start})

    async def _owner(self, wire: str, venue_id: str) -> str:
        """The client id of the order behind a trade; empty when the venue knows it no more."""
        if venue_id not in self._client_ids:
            try:
                reply = await self.rest.get(
                    OrderReply, self.table["order"], {"symbol": wire, "orderId": venue_id}
                )
            except NotFound:
                return ""
            reply = self._asked(self.table["order"], reply, wire, number=venue_id)
            self._remember(venue_id, reply.client_order_id)
        return self._client_ids[venue_id]
