"""Public market data of both products: books, trades, candles, tickers."""

from __future__ import annotations

from decimal import Decimal

from bot4.model.values import Rate
from bot4.venues.served.candles import candle_row, day_ticker, interval_ns
from bot4.venues.served.desk import Call, Desk, Reply, Route
from bot4.venues.served.errors import VenueError
from bot4.venues.served.figures import plain
from bot4.venues.served.parameters import Parameters
from bot4.venues.served.spot_shapes import MS, Json
from bot4.venues.simulator.words import Market, Print

KLINES = {"spot": (500, 1000), "usdm": (500, 1500)}
USDM_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
FIVE_MINUTES = 5 * 60_000_000_000


def ping(call: Call) -> Reply:
    """GET ping."""
    return {}


def time(call: Call) -> Reply:
    """GET time: the clock that timestamps of requests are held against."""
    return {"serverTime": call.now_ms}


def levels(desk: Desk, symbol: str, limit: int) -> tuple[int, list[list[str]], list[list[str]]]:
    """Update id, bids and asks as text."""
    update_id, bids, asks = desk.exchange.depth(symbol, limit)
    figures = desk.figures(symbol)
    price, qty = figures.price.text, figures.qty.text
    return update_id, [[price(p), qty(q)] for p, q in bids], [[price(p), qty(q)] for p, q in asks]


def depth(call: Call) -> Reply:
    """GET depth."""
    market = call.market()
    spot = call.desk.product == "spot"
    limit = call.parameters.whole("limit", 100 if spot else 500, 1, 5000 if spot else 1000)
    if not spot and limit not in USDM_DEPTHS:
        raise VenueError(-4021, f"{limit} is not valid depth limit")
    update_id, bids, asks = levels(call.desk, market.symbol, limit)
    now = call.desk.exchange.now_ns // MS
    times: Json = {} if spot else {"E": now, "T": now}
    return {"lastUpdateId": update_id, **times, "bids": bids, "asks": asks}


def _depth_weight(parameters: Parameters) -> int:
    limit = parameters.whole("limit", 100)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def _usdm_depth_weight(parameters: Parameters) -> int:
    limit = parameters.whole("limit", 500)
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _trade(call: Call, told: Print) -> Json:
    figures = call.desk.figures(told.symbol)
    row: Json = {
        "id": told.id,
        "price": figures.price.text(told.price),
        "qty": figures.qty.text(told.qty),
        "quoteQty": figures.spent(told.price * told.qty),
        "time": told.ts // MS,
        "isBuyerMaker": told.buyer_maker,
    }
    if call.desk.product == "spot":
        row["isBestMatch"] = True
    return row


def trades(call: Call) -> Reply:
    """GET trades: the latest."""
    market = call.market()
    found = call.desk.exchange.recent_trades(market.symbol, call.parameters.whole("limit", 500, 1, 1000))
    return [_trade(call, told) for told in found]


def historical(call: Call) -> Reply:
    """GET historicalTrades from a trade id on, as far back as the tape goes."""
    market = call.market()
    limit = call.parameters.whole("limit", 500, 1, 1000)
    kept = call.desk.exchange.recent_trades(market.symbol, 10_000)
    if "fromId" in call.parameters:
        first = call.parameters.whole("fromId", 0)
        return [_trade(call, told) for told in kept if told.id >= first][:limit]
    return [_trade(call, told) for told in kept[-limit:]]


def aggregated(call: Call) -> Reply:
    """GET aggTrades: every trade is an aggregate of its own here."""
    market = call.market()
    limit = call.parameters.whole("limit", 500, 1, 1000)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    first = call.parameters.whole("fromId", 0)
    figures, spot = call.desk.figures(market.symbol), call.desk.product == "spot"
    kept = call.desk.exchange.recent_trades(market.symbol, 10_000)
    found = [t for t in kept if t.id >= first and start <= t.ts // MS <= end]
    rows = []
    for told in found[:limit] if first or start else found[-limit:]:
        row = {
            "a": told.id,
            "p": figures.price.text(told.price),
            "q": figures.qty.text(told.qty),
            "f": told.id,
            "l": told.id,
            "T": told.ts // MS,
            "m": told.buyer_maker,
        }
        rows.append(row | {"M": True} if spot else row)
    return rows


def klines(call: Call) -> Reply:
    """GET klines."""
    market = call.market()
    length = interval_ns(call.parameters.need("interval"))
    limit = call.parameters.whole("limit", KLINES[call.desk.product][0], 1, KLINES[call.desk.product][1])
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    bounded = start or end < 2**62
    found = call.desk.exchange.klines(market.symbol, length, 50_000 if bounded else limit)
    found = [k for k in found if start <= k.open_ns // MS <= end]
    chosen = found[:limit] if start else found[-limit:]
    return [candle_row(call.desk, market.symbol, k, length) for k in chosen]


def average_price(call: Call) -> Reply:
    """GET avgPrice: volume-weighted over five minutes."""
    market = call.market()
    now = call.desk.exchange.now_ns
    kept = call.desk.exchange.recent_trades(market.symbol, 10_000)
    recent = [t for t in kept if t.ts > now - FIVE_MINUTES] or kept[-1:]
    lots, spent = sum(t.qty for t in recent), sum(t.price * t.qty for t in recent)
    figures = call.desk.figures(market.symbol)
    close = recent[-1].ts // MS if recent else now // MS
    return {"mins": 5, "price": figures.average_padded(spent, lots), "closeTime": close}


def _chosen(call: Call) -> list[Market] | None:
    """Markets named by `symbols`, or all; None when one was named by `symbol`."""
    if "symbol" in call.parameters:
        return None
    listed = [m for m in call.desk.exchange.markets.values() if m.status != "delisted"]
    text = call.parameters.text("symbols")
    if not text:
        return listed
    names = [name.strip(' "') for name in text.strip("[] ").split(",")]
    return [call.desk.market(name) for name in names]


def ticker_day(call: Call) -> Reply:
    """GET ticker/24hr of one symbol, some, or all."""
    some = _chosen(call)
    if some is None:
        return day_ticker(call.desk, call.market().symbol)
    return [day_ticker(call.desk, market.symbol) for market in some]


def _price(call: Call, market: Market) -> Json:
    figures, told = call.desk.figures(market.symbol), call.desk.memory.last.get(market.symbol)
    row: Json = {"symbol": market.symbol, "price": figures.price.text(told.price if told else 0)}
    if call.desk.product == "usdm":
        row["time"] = told.ts // MS if told else call.now_ms
    return row


def ticker_price(call: Call) -> Reply:
    """GET ticker/price."""
    some = _chosen(call)
    return _price(call, call.market()) if some is None else [_price(call, m) for m in some]


def _best(call: Call, market: Market) -> Json:
    figures = call.desk.figures(market.symbol)
    update_id, bids, asks = levels(call.desk, market.symbol, 1)
    none = [figures.price.text(0), figures.qty.text(0)]
    bid, ask = (bids or [none])[0], (asks or [none])[0]
    row: Json = {"symbol": market.symbol, "bidPrice": bid[0], "bidQty": bid[1]}
    row |= {"askPrice": ask[0], "askQty": ask[1]}
    if call.desk.product == "usdm":
        row |= {"time": call.desk.exchange.now_ns // MS, "lastUpdateId": update_id}
    return row


def ticker_book(call: Call) -> Reply:
    """GET ticker/bookTicker."""
    some = _chosen(call)
    return _best(call, call.market()) if some is None else [_best(call, m) for m in some]


def premium(call: Call) -> Reply:
    """GET premiumIndex: mark, index and the coming funding."""
    some = _chosen(call)
    return _premium(call, call.market()) if some is None else [_premium(call, m) for m in some]


def _premium(call: Call, market: Market) -> Json:
    told = call.desk.memory.marks.get(market.symbol) or call.desk.exchange.mark(market.symbol)
    if told is None:
        raise VenueError(-4141, "The mark price is not known yet.")
    rate = plain(Rate(told.rate_e8).to_decimal())
    return {
        "symbol": market.symbol,
        "markPrice": plain(told.mark.quantize(Decimal("0.00000001"))),
        "indexPrice": plain(told.index.quantize(Decimal("0.00000001"))),
        "estimatedSettlePrice": plain(told.mark.quantize(Decimal("0.00000001"))),
        "lastFundingRate": rate,
        "interestRate": "0.00010000",
        "nextFundingTime": told.next_ns // MS,
        "time": told.ts // MS,
    }


def funding_rates(call: Call) -> Reply:
    """GET fundingRate: those paid since the start of this server."""
    symbol = call.parameters.text("symbol")
    if symbol:
        call.desk.market(symbol)
    start, end = call.parameters.whole("startTime", 0), call.parameters.whole("endTime", 2**62)
    limit = call.parameters.whole("limit", 100, 1, 1000)
    rows = [
        {
            "symbol": told.symbol,
            "fundingTime": told.next_ns // MS,
            "fundingRate": plain(Rate(told.rate_e8).to_decimal()),
            "markPrice": plain(told.mark.quantize(Decimal("0.00000001"))),
        }
        for name, paid in call.desk.memory.funding.items()
        if symbol in ("", name)
        for told in paid
        if start <= told.next_ns // MS <= end
    ]
    return rows[-limit:]


def open_interest(call: Call) -> Reply:
    """GET openInterest: what the customers of this venue hold long, or short if that is more."""
    market = call.market()
    held = call.desk.memory.holdings(market.symbol)
    lots = max(sum(q for q in held if q > 0), -sum(q for q in held if q < 0))
    text = call.desk.figures(market.symbol).qty.text(lots)
    return {"openInterest": text, "symbol": market.symbol, "time": call.now_ms}


def funding_info(call: Call) -> Reply:
    """GET fundingInfo: interval and bounds."""
    return [
        {
            "symbol": m.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": m.funding_interval_ns // 3_600_000_000_000,
            "disclaimer": False,
        }
        for m in call.desk.exchange.markets.values()
    ]


SHARED = (
    Route("GET", "ping", ping, 1, "open", 0, "ping"),
    Route("GET", "time", time, 1, "open", 0, "time"),
    Route("GET", "aggTrades", aggregated, 4, "open", 0, "trades.aggregate"),
    Route("GET", "klines", klines, 2, "open", 0, "klines"),
    Route("GET", "trades", trades, 25, "open", 0, "trades.recent"),
    Route("GET", "historicalTrades", historical, 25, "key", 0, "trades.historical"),
    Route("GET", "ticker/24hr", ticker_day, lambda p: 2 if "symbol" in p else 80, "open", 0, "ticker.24hr"),
    Route(
        "GET", "ticker/price", ticker_price, lambda p: 2 if "symbol" in p else 4, "open", 0, "ticker.price"
    ),
    Route(
        "GET", "ticker/bookTicker", ticker_book, lambda p: 2 if "symbol" in p else 4, "open", 0, "ticker.book"
    ),
)
SPOT_ROUTES = (
    *SHARED,
    Route("GET", "depth", depth, _depth_weight, "open", 0, "depth"),
    Route("GET", "uiKlines", klines, 2, "open", 0, "uiKlines"),
    Route("GET", "avgPrice", average_price, 2, "open", 0, "avgPrice"),
)
USDM_ROUTES = (
    *SHARED,
    Route("GET", "depth", depth, _usdm_depth_weight, "open", 0, "depth"),
    Route("GET", "premiumIndex", premium, lambda p: 1 if "symbol" in p else 10),
    Route("GET", "fundingRate", funding_rates, 1),
    Route("GET", "fundingInfo", funding_info, 1),
    Route("GET", "openInterest", open_interest, 1),
)
