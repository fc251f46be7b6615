"""Good answers of Binance as its documents show them: REST replies, private events, the WebSocket API.

`OURS` and the orders below belong together: a buy of 0.020 at 60000 that is half filled, a stop of 0.020 at
59000, trades 9 and 10.
"""

NOW_MS = 1_764_000_000_000
ENTRY, STOP, TARGET, FOREIGN = "b4t-1-1", "b4t-1-2", "b4t-1-3", "web_abc"


def rest_spot(**changed):
    """GET /api/v3/order."""
    return {
        "symbol": "BTCUSDT", "orderId": 71, "orderListId": -1, "clientOrderId": ENTRY, "price": "60000.00000000",
        "origQty": "0.02000000", "executedQty": "0.01000000", "cummulativeQuoteQty": "600.00000000",
        "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
        "stopPrice": "0.00000000", "icebergQty": "0.00000000", "time": NOW_MS, "updateTime": NOW_MS + 5,
        "isWorking": True, "workingTime": NOW_MS, "selfTradePreventionMode": "NONE", **changed,
    }  # fmt: skip


def canceled_spot():
    """DELETE /api/v3/order: `clientOrderId` is the request's own."""
    return rest_spot(status="CANCELED", origClientOrderId=ENTRY, clientOrderId="aBcD", transactTime=NOW_MS)


def list_of_spot():
    """POST /api/v3/orderList/oco: a target and a stop."""
    more = {"side": "SELL", "executedQty": "0", "cummulativeQuoteQty": "0", "status": "NEW", "orderListId": 3}
    return {
        "orderListId": 3, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED", "symbol": "BTCUSDT",
        "orders": [{"symbol": "BTCUSDT", "orderId": 72, "clientOrderId": TARGET}],
        "orderReports": [
            rest_spot(orderId=72, clientOrderId=TARGET, type="LIMIT_MAKER", price="61000.0", **more),
            rest_spot(orderId=73, clientOrderId=STOP, type="STOP_LOSS", price="0", stopPrice="59000", **more),
        ],
    }  # fmt: skip


def trades_spot():
    """GET /api/v3/myTrades."""
    return [
        {
            "symbol": "BTCUSDT", "id": 9 + k, "orderId": 71, "orderListId": -1, "price": "60000.00000000",
            "qty": "0.00500000", "quoteQty": "300.0", "commission": "0.30000000", "commissionAsset": "USDT",
            "time": NOW_MS + k, "isBuyer": True, "isMaker": False, "isBestMatch": True,
        }
        for k in range(2)
    ]  # fmt: skip


def account_spot():
    """GET /api/v3/account."""
    return {
        "makerCommission": 15, "canTrade": True, "canWithdraw": True, "canDeposit": True, "updateTime": NOW_MS,
        "accountType": "SPOT", "permissions": ["SPOT"], "uid": 354937868,
        "balances": [
            {"asset": "BTC", "free": "0.01000000", "locked": "0.00000000"},
            {"asset": "USDT", "free": "9400.00000000", "locked": "600.00000000"},
        ],
    }  # fmt: skip


def report_spot(**changed):
    """executionReport: the first half was just filled."""
    return {
        "e": "executionReport", "E": NOW_MS, "s": "BTCUSDT", "c": ENTRY, "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.02000000", "p": "60000.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "",
        "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE", "i": 71, "l": "0.01000000", "z": "0.01000000",
        "L": "60000.00000000", "n": "0.60000000", "N": "USDT", "T": NOW_MS, "t": 9, "I": 8641984, "w": True,
        "m": False, "M": False, "O": NOW_MS, "Z": "600.00000000", "Y": "600.00000000", "Q": "0", "V": "NONE",
        **changed,
    }  # fmt: skip


def positions_spot():
    """outboundAccountPosition."""
    rows = [{"a": "USDT", "f": "9400.0", "l": "600.0"}, {"a": "BTC", "f": "0.01", "l": "0"}]
    return {"e": "outboundAccountPosition", "E": NOW_MS, "u": NOW_MS, "B": rows}


def info(perp):
    """exchangeInfo with two symbols."""
    rows = []
    for base in ("BTC", "ETH"):
        row = {
            "symbol": base + "USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
            "orderTypes": ["LIMIT", "MARKET"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.0", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000.0", "stepSize": "0.001"},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "100.0", "stepSize": "0.0"},
                {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
                {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
            ],
        }  # fmt: skip
        if perp:
            row |= {"contractType": "PERPETUAL", "maintMarginPercent": "2.5000", "pricePrecision": 2}
        rows.append(row)
    return {"timezone": "UTC", "serverTime": NOW_MS, "rateLimits": [], "symbols": rows}


def rest_usdm(**changed):
    """GET /fapi/v1/order."""
    return {
        "orderId": 71, "symbol": "BTCUSDT", "status": "PARTIALLY_FILLED", "clientOrderId": ENTRY, "price": "60000",
        "avgPrice": "60000.00000", "origQty": "0.020", "executedQty": "0.010", "cumQuote": "600", "side": "BUY",
        "timeInForce": "GTC", "type": "LIMIT", "reduceOnly": False, "closePosition": False, "positionSide": "BOTH",
        "stopPrice": "0", "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": "LIMIT",
        "time": NOW_MS, "updateTime": NOW_MS + 5, **changed,
    }  # fmt: skip


def rest_algo(**changed):
    """GET /fapi/v1/algoOrder: a stop that waits."""
    return {
        "algoId": 5, "clientAlgoId": STOP, "algoType": "CONDITIONAL", "orderType": "STOP_MARKET", "symbol": "BTCUSDT",
        "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.020", "algoStatus": "NEW",
        "actualOrderId": "", "actualPrice": "0.0", "triggerPrice": "59000.0", "price": "0.000",
        "icebergQuantity": None, "workingType": "CONTRACT_PRICE", "closePosition": False, "reduceOnly": True,
        "createTime": NOW_MS, "updateTime": NOW_MS, "triggerTime": 0, **changed,
    }  # fmt: skip


def trades_usdm():
    """GET /fapi/v1/userTrades."""
    return [
        {
            "symbol": "BTCUSDT", "id": 9 + k, "orderId": 71, "side": "BUY", "price": "60000.0", "qty": "0.005",
            "realizedPnl": "0", "quoteQty": "300", "commission": "0.12", "commissionAsset": "USDT",
            "time": NOW_MS + k, "positionSide": "BOTH", "buyer": True, "maker": False,
        }
        for k in range(2)
    ]  # fmt: skip


def account_usdm():
    """GET /fapi/v3/account."""
    return {
        "totalWalletBalance": "10000.0", "canTrade": True,
        "assets": [{"asset": "USDT", "walletBalance": "10000.00", "availableBalance": "9000.00"}],
        "positions": [],
    }  # fmt: skip


def positions_usdm():
    """GET /fapi/v2/positionRisk."""
    return [
        {
            "symbol": "BTCUSDT", "positionAmt": "0.010", "entryPrice": "60000.0", "markPrice": "60010.1",
            "unRealizedProfit": "0.1", "liquidationPrice": "31000.2", "leverage": "5", "maxNotionalValue": "1e6",
            "marginType": "isolated", "isolatedMargin": "120.0", "positionSide": "BOTH", "updateTime": NOW_MS,
        },
        {
            "symbol": "ETHUSDT", "positionAmt": "0.000", "entryPrice": "0.0", "markPrice": "0.0",
            "liquidationPrice": "0", "leverage": "20", "marginType": "cross", "positionSide": "BOTH",
        },
    ]  # fmt: skip


def report_usdm(**changed):
    """ORDER_TRADE_UPDATE: the first half was just filled."""
    order = {
        "s": "BTCUSDT", "c": ENTRY, "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.020", "p": "60000", "ap": "60000",
        "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 71, "l": "0.010", "z": "0.010", "L": "60000",
        "N": "USDT", "n": "0.24", "T": NOW_MS, "t": 9, "b": "0", "a": "0", "m": False, "R": False,
        "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, **changed,
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": NOW_MS, "T": NOW_MS, "o": order}


def report_algo(**changed):
    """ALGO_UPDATE: the stop waits."""
    order = {
        "caid": STOP, "aid": 5, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL", "ps": "BOTH",
        "f": "GTC", "q": "0.020", "X": "NEW", "ai": "", "ap": "0", "aq": "0", "act": "0", "tp": "59000", "p": "0",
        "R": True, "tt": 0, "rm": "", **changed,
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "E": NOW_MS, "T": NOW_MS, "o": order}


def change_usdm():
    """ACCOUNT_UPDATE."""
    held = {
        "s": "BTCUSDT",
        "pa": "0.010",
        "ep": "60000.0",
        "cr": "0",
        "up": "0",
        "mt": "isolated",
        "ps": "BOTH",
    }
    money = {"a": "USDT", "wb": "9999.76", "cw": "9879.76", "bc": "0"}
    return {"e": "ACCOUNT_UPDATE", "E": NOW_MS, "T": NOW_MS, "a": {"m": "ORDER", "B": [money], "P": [held]}}


def mark_price():
    """markPriceUpdate with its stream's envelope."""
    data = {
        "e": "markPriceUpdate", "E": NOW_MS, "s": "BTCUSDT", "p": "60000.10000000", "i": "60000.2", "P": "60000.3",
        "r": "0.00010000", "T": NOW_MS + 28_800_000,
    }  # fmt: skip
    return {"stream": "btcusdt@markPrice@1s", "data": data}
