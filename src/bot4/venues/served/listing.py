"""The markets that are served, and their events: made up, or recorded and moved to the present."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.venues.served.errors import Product
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.generative import GenParams
from bot4.venues.simulator.realism import Realism
from bot4.venues.simulator.sources import GenerativeSource, MergedSource, Source
from bot4.venues.simulator.words import Market

S = 1_000_000_000


def spot_market(base: str, tick: str, lot: str) -> Market:
    """A spot market against USDT with filters like the venue's."""
    step = Decimal(lot)
    return Market(
        symbol=f"{base}USDT",
        kind="spot",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=step,
        min_qty=1,
        max_qty=int(Decimal(9000) / step),
        market_max_qty=int(Decimal(120) / step),
        min_notional=Decimal(5),
        maker_e8=100_000,
        taker_e8=100_000,
    )


def perp_market(base: str, tick: str, lot: str) -> Market:
    """A USD-M perpetual with filters like the venue's."""
    step = Decimal(lot)
    return Market(
        symbol=f"{base}USDT",
        kind="perp",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=step,
        min_qty=1,
        max_qty=int(Decimal(1000) / step),
        market_max_qty=int(Decimal(120) / step),
        min_notional=Decimal(100) if base == "BTC" else Decimal(20),
        price_up=Decimal("1.05"),
        price_down=Decimal("0.95"),
        max_stops=200,
    )


class Moved:
    """A recorded source that begins at another instant, and begins anew when it is over if it is to loop."""

    def __init__(self, make: Callable[[], Source], start_ns: int, loop: bool) -> None:
        self.start_ns = start_ns
        self._make = make
        self._loop = loop
        self._source = make()
        self._offset = start_ns - self._source.start_ns
        self._last = start_ns

    def until(self, ts: int) -> np.ndarray[Any, Any]:
        """Events up to `ts`, in the times of the present."""
        parts = [self._moved(ts)]
        if self._loop and self._source.finished():
            self._source = self._make()
            self._offset = max(self._last + S, ts) - self._source.start_ns
            parts.append(self._moved(ts))
        return np.concatenate(parts)

    def _moved(self, ts: int) -> np.ndarray[Any, Any]:
        events = self._source.until(ts - self._offset).copy()
        events["ts_venue"] += self._offset
        events["ts_local"] += self._offset
        if len(events):
            self._last = max(self._last, int(events["ts_venue"].max()))
        return events

    def finished(self) -> bool:
        """Whether there will be no more."""
        return not self._loop and self._source.finished()


def _generated(market: Market, mid: str, seed: int, start_ns: int) -> Source:
    """A made-up market in the grid of `market`; sizes are as many coins whatever the lot."""
    fine = Decimal("0.001") / market.lot
    return GenerativeSource(
        GenParams(
            symbol=market.symbol,
            base=market.base,
            quote=market.quote,
            mid=Decimal(mid),
            tick=market.tick,
            lot=market.lot,
            market_lots=float(20 * fine),
            limit_lots=float(80 * fine),
        ),
        seed,
        start_ns,
    )


def generated_exchanges(seed: int, now_ns: int) -> dict[Product, Exchange]:
    """Bitcoin and ether, spot and perpetual, each on a made-up market of its own."""
    spot = [spot_market("BTC", "0.10", "0.00001"), spot_market("ETH", "0.01", "0.0001")]
    perps = [perp_market("BTC", "0.10", "0.001"), perp_market("ETH", "0.01", "0.001")]
    mids = ("60000.0", "3000.00")
    found: dict[Product, Exchange] = {}
    sides: tuple[tuple[Product, list[Market]], ...] = (("spot", spot), ("usdm", perps))
    for number, (product, markets) in enumerate(sides):
        sources = [
            _generated(market, mid, seed + 10 * number + n, now_ns)
            for n, (market, mid) in enumerate(zip(markets, mids, strict=True))
        ]
        found[product] = exchange_of(markets, MergedSource(sources), seed, now_ns)
    return found


def exchange_of(markets: list[Market], source: Source, seed: int, now_ns: int) -> Exchange:
    """An exchange whose accounts are opened by the desk."""
    return Exchange(markets, source, seed=seed, now_ns=now_ns, practice=False, params=Realism())
