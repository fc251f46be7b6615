"""Candles and the statistics of a day, as REST rows and stream messages."""

from __future__ import annotations

from decimal import Decimal

from bot4.model.values import unit_of
from bot4.venues.served.desk import Desk
from bot4.venues.served.errors import VenueError
from bot4.venues.served.figures import amount, plain
from bot4.venues.served.spot_shapes import MS, Json
from bot4.venues.simulator.tape import Kline

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
INTERVALS = {
    "1s": SECOND,
    **{f"{n}m": n * MINUTE for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": 7 * DAY,
}
ZERO = Decimal(0)


def interval_ns(name: str) -> int:
    """Length of a candle; -1120 for an interval there is not."""
    length = INTERVALS.get(name)
    if length is None:
        raise VenueError(-1120, "Invalid interval.")
    return length


def candle_row(desk: Desk, symbol: str, candle: Kline, length: int) -> list[object]:
    """A candle as the klines endpoint shows it."""
    figures = desk.figures(symbol)
    price = figures.price.text
    bought, paid = desk.memory.bought(symbol, candle.open_ns, length)
    return [
        candle.open_ns // MS,
        price(candle.open),
        price(candle.high),
        price(candle.low),
        price(candle.close),
        figures.qty.text(candle.volume),
        candle.close_ns // MS,
        amount(candle.quote),
        candle.trades,
        figures.qty.text(bought),
        figures.spent(paid),
        "0",
    ]


def candle_event(desk: Desk, symbol: str, candle: Kline, interval: str, closed: bool) -> Json:
    """A candle as the kline stream shows it."""
    row = candle_row(desk, symbol, candle, INTERVALS[interval])
    last = desk.memory.last.get(symbol)
    final = last.id if last else -1
    return {
        "e": "kline",
        "E": desk.exchange.now_ns // MS,
        "s": symbol,
        "k": {
            "t": row[0],
            "T": row[6],
            "s": symbol,
            "i": interval,
            "f": max(-1, final - candle.trades + 1),
            "L": final,
            "o": row[1],
            "c": row[4],
            "h": row[2],
            "l": row[3],
            "v": row[5],
            "n": candle.trades,
            "x": closed,
            "q": row[7],
            "V": row[9],
            "Q": row[10],
            "B": "0",
        },
    }


def _day(desk: Desk, symbol: str) -> Json:
    """24 h statistics under the names of REST."""
    figures = desk.figures(symbol)
    now = desk.exchange.now_ns
    candles = [k for k in desk.exchange.klines(symbol, MINUTE, 1441) if k.close_ns > now - DAY]
    last = desk.memory.last.get(symbol)
    unit, price = figures.price.step, figures.price.text
    first = candles[0].open if candles else 0
    close = last.price if last else 0
    volume, quote = sum(k.volume for k in candles), sum((k.quote for k in candles), ZERO)
    count = sum(k.trades for k in candles)
    change = Decimal(close - first) * 100 / first if first else ZERO
    weighted = quote / figures.qty.value(volume) if volume else ZERO
    return {
        "symbol": symbol,
        "priceChange": price(close - first),
        "priceChangePercent": plain(change.quantize(Decimal("0.001"))),
        "weightedAvgPrice": plain(weighted.quantize(unit_of(max(8, figures.price.decimals))))
        if weighted
        else plain(unit * 0),
        "prevClosePrice": price(first),
        "lastPrice": price(close),
        "lastQty": figures.qty.text(last.qty if last else 0),
        "openPrice": price(first),
        "highPrice": price(max((k.high for k in candles), default=0)),
        "lowPrice": price(min((k.low for k in candles), default=0)),
        "volume": figures.qty.text(volume),
        "quoteVolume": amount(quote),
        "openTime": (now - DAY) // MS,
        "closeTime": now // MS,
        "firstId": last.id - count + 1 if last else -1,
        "lastId": last.id if last else -1,
        "count": count,
    }


def _best(desk: Desk, symbol: str) -> Json:
    _, bids, asks = desk.exchange.depth(symbol, 1)
    figures = desk.figures(symbol)
    bid, ask = (bids or [(0, 0)])[0], (asks or [(0, 0)])[0]
    return {
        "bidPrice": figures.price.text(bid[0]),
        "bidQty": figures.qty.text(bid[1]),
        "askPrice": figures.price.text(ask[0]),
        "askQty": figures.qty.text(ask[1]),
    }


def day_ticker(desk: Desk, symbol: str) -> Json:
    """24 h statistics as REST shows them."""
    row = _day(desk, symbol)
    if desk.product == "spot":
        return row | _best(desk, symbol)
    del row["prevClosePrice"]
    return row


_STREAMED = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}
_SPOT_STREAMED = {"x": "prevClosePrice", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}


def ticker_event(desk: Desk, symbol: str) -> Json:
    """24 h statistics as the ticker stream shows them."""
    row = day_ticker(desk, symbol)
    names = _STREAMED | _SPOT_STREAMED if desk.product == "spot" else _STREAMED
    head: Json = {"e": "24hrTicker", "E": desk.exchange.now_ns // MS, "s": symbol}
    return head | {short: row[name] for short, name in names.items()}


def mini_ticker_event(desk: Desk, symbol: str) -> Json:
    """The short form of the ticker."""
    full = ticker_event(desk, symbol)
    return {"e": "24hrMiniTicker"} | {k: full[k] for k in ("E", "s", "c", "o", "h", "l", "v", "q")}
