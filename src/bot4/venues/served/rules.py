"""What the exchange trades, with all its filters: exchangeInfo of both products."""

from __future__ import annotations

from decimal import Decimal

from bot4.model.values import places
from bot4.venues.served.desk import Call, Reply, Route
from bot4.venues.served.figures import plain
from bot4.venues.served.limits import Limits
from bot4.venues.served.spot_shapes import Json
from bot4.venues.simulator.words import Market

HIGHEST = 10_000_000
"""Highest price in ticks that PRICE_FILTER allows at futures, and spot."""

SPOT_STATUS = {"trading": "TRADING", "halted": "HALT", "closing": "BREAK", "delisted": "BREAK"}
USDM_STATUS = {"trading": "TRADING", "halted": "PENDING_TRADING", "closing": "CLOSE", "delisted": "CLOSE"}
SELF_TRADE = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]


def _text(value: Decimal, decimals: int) -> str:
    return f"{value:.{max(decimals, places(value))}f}"


def _limits(limits: Limits) -> list[Json]:
    long = ("DAY", 1) if limits.long_name == "1D" else ("MINUTE", 1)
    rows = [
        ("REQUEST_WEIGHT", "MINUTE", 1, limits.weight),
        ("ORDERS", "SECOND", 10, limits.orders_10s),
        ("ORDERS", *long, limits.orders_long),
    ]
    return [
        {"rateLimitType": kind, "interval": name, "intervalNum": n, "limit": limit}
        for kind, name, n, limit in rows
    ]


def _grid_filters(m: Market, decimals: int) -> list[Json]:
    def lots(n: int) -> str:
        return _text(m.lot * n, decimals)

    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": _text(m.tick, decimals),
            "maxPrice": _text(m.tick * HIGHEST * 10, decimals),
            "tickSize": _text(m.tick, decimals),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": lots(m.min_qty),
            "maxQty": lots(m.max_qty),
            "stepSize": lots(1),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": lots(m.min_qty),
            "maxQty": lots(m.market_max_qty),
            "stepSize": lots(1),
        },
    ]


def _spot_filters(m: Market) -> list[Json]:
    price, lot, market_lot = _grid_filters(m, 8)
    up, down = plain(m.price_up), plain(m.price_down)
    return [
        price,
        lot,
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        market_lot,
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": _text(m.min_notional, 8),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": m.max_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": m.max_stops},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]


def _spot_symbol(m: Market) -> Json:
    return {
        "symbol": m.symbol,
        "status": SPOT_STATUS[m.status],
        "baseAsset": m.base,
        "baseAssetPrecision": 8,
        "quoteAsset": m.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _spot_filters(m),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": SELF_TRADE,
    }


def spot_info(call: Call) -> Reply:
    """GET /api/v3/exchangeInfo of one symbol, some, or all."""
    symbol, several = call.parameters.text("symbol"), call.parameters.text("symbols")
    names = [symbol] if symbol else [n.strip(' "') for n in several.strip("[] ").split(",") if n.strip(' "')]
    markets = [call.desk.market(n) for n in names] if names else list(call.desk.exchange.markets.values())
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "rateLimits": _limits(call.desk.meter.limits),
        "exchangeFilters": [],
        "symbols": [_spot_symbol(m) for m in markets if m.status != "delisted"],
        "sors": [],
    }


def _usdm_filters(m: Market) -> list[Json]:
    return [
        *_grid_filters(m, 0),
        {"filterType": "MAX_NUM_ORDERS", "limit": m.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": m.max_stops},
        {"filterType": "MIN_NOTIONAL", "notional": plain(m.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": plain(m.price_up),
            "multiplierDown": plain(m.price_down),
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def _usdm_symbol(m: Market) -> Json:
    return {
        "symbol": m.symbol,
        "pair": m.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": USDM_STATUS[m.status],
        "maintMarginPercent": plain(m.maintenance * 100),
        "requiredMarginPercent": plain(Decimal(100) / m.max_leverage),
        "baseAsset": m.base,
        "quoteAsset": m.quote,
        "marginAsset": m.quote,
        "pricePrecision": max(2, places(m.tick)),
        "quantityPrecision": places(m.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": plain(m.liquidation_fee),
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "contractSize": plain(m.contract_size),
        "filters": _usdm_filters(m),
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "permissionSets": ["COPY"],
    }


def usdm_info(call: Call) -> Reply:
    """GET /fapi/v1/exchangeInfo."""
    markets = [m for m in call.desk.exchange.markets.values() if m.status != "delisted"]
    quotes = sorted({m.quote for m in markets})
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": _limits(call.desk.meter.limits),
        "exchangeFilters": [],
        "assets": [
            {"asset": name, "marginAvailable": True, "autoAssetExchange": "-10000"} for name in quotes
        ],
        "symbols": [_usdm_symbol(m) for m in markets],
    }


SPOT_ROUTES = (Route("GET", "exchangeInfo", spot_info, 20, "open", 0, "exchangeInfo"),)
USDM_ROUTES = (Route("GET", "exchangeInfo", usdm_info, 1),)
