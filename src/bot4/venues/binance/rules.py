"""exchangeInfo as Rules, exactly: grids, bands and counts of each symbol."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from bot4.model.errors import InstrumentError
from bot4.model.instrument import Instrument
from bot4.model.values import plain_step, steps_down
from bot4.ports.venue import Rules
from bot4.venues.binance.checks import read
from bot4.venues.binance.wire import Filter, SymbolInfo, SymbolKind

HOUR_NS = 3600 * 10**9
_THOUSANDS = re.compile(r"(1000000|1000|1M)(?=[A-Z])")
_SIZES = {"1000": Decimal(1000), "1000000": Decimal(1_000_000), "1M": Decimal(1_000_000)}
_STATUS: dict[str, Literal["trading", "halted", "closing", "delisted"]] = {
    "TRADING": "trading",
    "HALT": "halted",
    "BREAK": "halted",
    "PRE_TRADING": "halted",
    "POST_TRADING": "halted",
    "END_OF_DAY": "halted",
    "AUCTION_MATCH": "halted",
    "PENDING_TRADING": "halted",
    "PRE_SETTLE": "closing",
    "PRE_DELIVERING": "closing",
    "SETTLING": "closing",
    "DELIVERING": "closing",
    "CLOSE": "delisted",
    "DELIVERED": "delisted",
}


def contract_unit(base: str) -> tuple[str, Decimal]:
    """(coin, coins in one unit) of a perpetual's base asset: 1000SHIB is 1000 SHIB, 1INCH is itself."""
    found = _THOUSANDS.match(base)
    if found is None:
        return base, Decimal(1)
    return base[found.end() :], _SIZES[found[1]]


def _filter(info: SymbolInfo, *names: str) -> Filter | None:
    return next((f for name in names for f in info.filters if f.filter_type == name), None)


def _bands(info: SymbolInfo) -> tuple[Decimal | None, Decimal | None]:
    """(up, down) as multiples of the reference; where the sides differ the narrower one."""
    by_side = _filter(info, "PERCENT_PRICE_BY_SIDE")
    if by_side is not None:
        ups = [m for m in (by_side.bid_multiplier_up, by_side.ask_multiplier_up) if m is not None]
        downs = [m for m in (by_side.bid_multiplier_down, by_side.ask_multiplier_down) if m is not None]
        return min(ups, default=None), max(downs, default=None)
    both = _filter(info, "PERCENT_PRICE")
    return (both.multiplier_up, both.multiplier_down) if both is not None else (None, None)


def rules_of(info: SymbolInfo, venue: str, hours: int = 8) -> Rules:
    """The rules of one symbol; InstrumentError when it has no price or lot filter.

    `hours` is a perpetual's funding interval.
    """
    price, lot = _filter(info, "PRICE_FILTER"), _filter(info, "LOT_SIZE")
    if price is None or lot is None or not price.tick_size or not lot.step_size:
        raise InstrumentError(f"{venue} {info.symbol}: exchangeInfo has no PRICE_FILTER or LOT_SIZE step")
    perp = info.contract_type == "PERPETUAL"
    market = _filter(info, "MARKET_LOT_SIZE")
    notional = _filter(info, "NOTIONAL", "MIN_NOTIONAL")
    least = (notional.min_notional or notional.notional) if notional is not None else None
    orders, stops = _filter(info, "MAX_NUM_ORDERS"), _filter(info, "MAX_NUM_ALGO_ORDERS")
    up, down = _bands(info)
    step, tick = plain_step(lot.step_size), plain_step(price.tick_size)
    least_qty = max(1, steps_down(lot.min_qty or step, step, f"{info.symbol} minQty"))
    most_qty = steps_down(lot.max_qty or step * 10**12, step, f"{info.symbol} maxQty")
    if least_qty > most_qty:
        raise InstrumentError(f"{venue} {info.symbol}: minQty is above maxQty")
    name = f"{info.base_asset}-{info.quote_asset}{'-PERP' if perp else ''}"
    base, size = contract_unit(info.base_asset) if perp else (info.base_asset, Decimal(1))
    instrument = Instrument(
        symbol=name,
        venue=venue,
        base=base,
        quote=info.quote_asset,
        kind="perp" if perp else "spot",
        tick=tick,
        lot=step,
        min_qty=least_qty * step,
        max_qty=most_qty * step,
        min_notional=least or Decimal(0),
        contract=info.contract_size or Decimal(1),
    )
    return Rules(
        instrument=instrument,
        status=_STATUS.get(info.status, "halted"),
        contract_size=(info.contract_size or Decimal(1)) * size,
        price_up=up,
        price_down=down,
        max_orders=(orders.max_num_orders or orders.limit) if orders is not None else None,
        max_stops=(stops.max_num_algo_orders or stops.limit) if stops is not None else None,
        market_max_qty=market.max_qty if market is not None and market.max_qty else None,
        maintenance=info.maint_margin_percent / 100 if info.maint_margin_percent is not None else None,
        funding_interval_ns=hours * HOUR_NS if perp else None,
    )


class Listing:
    """The symbols of a venue by both of their names; `rows` are those of exchangeInfo.

    What cannot be read, or is told twice, is not listed; `unreadable` says why, by the venue's name or place.
    """

    def __init__(self, venue: str, rows: Iterable[msgspec.Raw], hours: dict[str, int]) -> None:
        self.rules: dict[str, Rules] = {}
        self.wire: dict[str, str] = {}
        self.name: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        for place, row in enumerate(rows):
            name = f"#{place}"
            try:
                kind = read(row, SymbolKind)
                if kind.contract_type not in ("", "PERPETUAL"):
                    continue  # dated futures are not traded
                name = kind.symbol
                info = read(row, SymbolInfo)
                made = rules_of(info, venue, hours.get(name, 8))
            except (InstrumentError, msgspec.DecodeError) as error:
                self.unreadable[name] = str(error)
                continue
            symbol = made.instrument.symbol
            if name in self.name:
                self.unreadable[name] = f"{name} is listed twice"
            self.rules[symbol], self.wire[symbol], self.name[name] = made, name, symbol
        for name in self.unreadable.keys() & self.name.keys():
            symbol = self.name.pop(name)
            del self.rules[symbol], self.wire[symbol]

    def on_wire(self, symbol: str) -> str:
        """The venue's name of bot4's `symbol`; InstrumentError when it is not listed."""
        if symbol not in self.wire:
            raise InstrumentError(f"{symbol} is not listed at this venue")
        return self.wire[symbol]
