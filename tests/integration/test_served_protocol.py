"""The protocol itself, over the wire: shapes, error codes, keys, limits, sockets. Golden shapes are written here."""

import asyncio
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from served_scene import Raw, control, served

from bot4.venues.served.sockets import SocketRules

FUNDS = {"USDT": Decimal(1000), "BTC": Decimal(1)}
KNOWN = ("known", "its secret", FUNDS, {"USDT": Decimal(1000)})
SHARED = Path(os.environ.get("BOT4_SHARED") or Path(__file__).parents[3] / "shared")
PAYLOADS = SHARED / "data" / "payloads"
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": "58000"}
LIMIT = ORDER | {"timeInForce": "GTC"}
STOP = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}


@pytest.fixture
async def venue():
    async with served(accounts=[KNOWN]) as running:
        yield running


@pytest.fixture
async def raw(venue):
    async with aiohttp.ClientSession() as session:
        yield Raw(session, venue.port)


async def code_of(raw, method, path, **values):
    status, body, _ = await raw.signed(method, path, **values)
    assert status >= 400, body
    return body["code"]


def without(order, name):
    return {k: v for k, v in order.items() if k != name}


REFUSED_SPOT = (
    (without(LIMIT, "symbol"), -1102),
    (LIMIT | {"symbol": "NOPE"}, -1121),
    (LIMIT | {"side": "UP"}, -1117),
    (LIMIT | {"type": "HOPE"}, -1116),
    (LIMIT | {"timeInForce": "NOW"}, -1115),
    (ORDER, -1102),
    (LIMIT | {"quantity": "x"}, -1100),
    (LIMIT | {"quantity": "-1"}, -1013),
    (LIMIT | {"quantity": "0.000001"}, -1013),
    (LIMIT | {"quantity": "0.0000000001"}, -1111),
    (LIMIT | {"price": "58000.01"}, -1013),
    (LIMIT | {"price": "0"}, -1013),
    (LIMIT | {"stopPrice": "1"}, -1106),
    (LIMIT | {"quantity": "0.00001"}, -1013),
    (LIMIT | {"quantity": "9000"}, -2010),
    (LIMIT | {"newClientOrderId": "no spaces"}, -1100),
    (LIMIT | {"newOrderRespType": "NOVEL"}, -1130),
    (LIMIT | {"selfTradePreventionMode": "HOPE"}, -1130),
    (LIMIT | {"recvWindow": "70000"}, -1131),
    (LIMIT | {"timestamp": "1"}, -1021),
    (LIMIT | {"timestamp": str(2**45)}, -1021),
    ({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}, -1102),
    ({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "quoteOrderQty": "1"}, -1128),
    ({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "price": "1"}, -1106),
    (ORDER | {"type": "LIMIT_MAKER", "price": "70000"}, -2010),
    (LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "50000"}, -2010),
)


async def test_spot_orders_that_are_refused(raw):
    for order, code in REFUSED_SPOT:
        assert await code_of(raw, "POST", "/api/v3/order", **order) == code, order


REFUSED_USDM = (
    (LIMIT | {"side": "UP"}, -1117),
    (LIMIT | {"type": "HOPE"}, -1116),
    (LIMIT | {"type": "STOP_MARKET", "stopPrice": "50000"}, -4120),
    (LIMIT | {"quantity": "0.0001"}, -1111),
    (LIMIT | {"quantity": "0"}, -4003),
    (LIMIT | {"quantity": "5000"}, -4005),
    (LIMIT | {"price": "58000.05"}, -4014),
    (LIMIT | {"price": "58000.005"}, -1111),
    (LIMIT | {"price": "-1"}, -4001),
    (LIMIT | {"price": "90000"}, -4016),
    (LIMIT | {"quantity": "0.001"}, -4164),
    (LIMIT | {"quantity": "900"}, -2019),
    (LIMIT | {"reduceOnly": "true"}, -2022),
    (LIMIT | {"positionSide": "LONG"}, -4061),
    (LIMIT | {"positionSide": "UP"}, -1130),
    (LIMIT | {"timeInForce": "GTX", "price": "62000"}, -5022),
    (LIMIT | {"timeInForce": "FOK"}, -5021),
    (LIMIT | {"timeInForce": "GTD"}, -4188),
    (LIMIT | {"newClientOrderId": "x" * 40}, -4015),
)


async def test_usdm_orders_that_are_refused(raw):
    for order, code in REFUSED_USDM:
        assert await code_of(raw, "POST", "/fapi/v1/order", **order) == code, order


async def test_other_refusals(raw):
    for method, path, values, code in (
        ("GET", "/api/v3/order", {"symbol": "BTCUSDT"}, -1102),
        ("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "9"}, -2013),
        ("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "9"}, -2011),
        ("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, -2011),
        ("GET", "/api/v3/orderList", {"orderListId": "9"}, -2018),
        ("DELETE", "/api/v3/orderList", {"symbol": "BTCUSDT", "orderListId": "9"}, -2011),
        ("GET", "/api/v3/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("GET", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "x"}, -1100),
        ("GET", "/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, -4021),
        ("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "9"}, -2011),
        ("GET", "/fapi/v1/openOrder", {"symbol": "BTCUSDT", "orderId": "9"}, -2013),
        ("DELETE", "/fapi/v1/algoOrder", {"algoId": "9"}, -2011),
        ("GET", "/fapi/v1/algoOrder", {}, -1102),
        ("POST", "/fapi/v1/algoOrder", STOP | {"quantity": "0.01", "triggerPrice": "90000"}, -2021),
        ("POST", "/fapi/v1/algoOrder", STOP | {"algoType": "VP"}, -1130),
        ("POST", "/fapi/v1/algoOrder", STOP | {"type": "LIMIT"}, -1116),
        ("POST", "/fapi/v1/algoOrder", STOP | {"closePosition": "true", "quantity": "1"}, -4136),
        (
            "POST",
            "/fapi/v1/algoOrder",
            STOP | {"type": "TRAILING_STOP_MARKET", "quantity": "1", "callbackRate": "50"},
            -2007,
        ),
        ("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "500"}, -4028),
        ("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, -4046),
        ("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "HALF"}, -4054),
        ("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("POST", "/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "false"}, -4171),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": "[]"}, -4082),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": "{"}, -1102),
        ("PUT", "/api/v3/userDataStream", {"listenKey": "no"}, -1125),
        ("POST", "/sapi/v1/capital/withdraw/apply", {"coin": "BTC"}, -4026),
        ("GET", "/api/v3/nothing", {}, -5000),
    ):
        assert await code_of(raw, method, path, **values) == code, (path, values)


async def test_keys_and_signatures(venue, raw):
    async with aiohttp.ClientSession() as session:
        for key, secret, code in (("", "s", -2014), ("known", "wrong", -1022)):
            assert await code_of(Raw(session, venue.port, key, secret), "GET", "/api/v3/account") == code
        good = Raw(session, venue.port, "known", "its secret")
        status, account, _ = await good.signed("GET", "/api/v3/account", omitZeroBalances="true")
        assert status == 200
        assert {b["asset"]: b["free"] for b in account["balances"]} == {
            "BTC": "1.00000000",
            "USDT": "1000.00000000",
        }
        async with session.get(f"{raw.http}/api/v3/account", headers={"X-MBX-APIKEY": "k"}) as reply:
            assert (await reply.json())["code"] == -1102
    async with served(practice=False) as strict, aiohttp.ClientSession() as session:
        assert await code_of(Raw(session, strict.port), "GET", "/fapi/v2/account") == -2015


async def test_every_read_answers(raw):
    await raw.signed("POST", "/api/v3/order", **LIMIT)
    await raw.signed("POST", "/fapi/v1/order", **LIMIT)
    for path in (
        "account", "openOrders", "allOrders", "myTrades", "rateLimit/order", "openOrderList", "allOrderList",
        "account/commission", "historicalTrades", "aggTrades", "avgPrice", "ticker/24hr", "ticker/price",
        "ticker/bookTicker", "exchangeInfo", "uiKlines",
    ):  # fmt: skip
        status, body, headers = await raw.signed("GET", f"/api/v3/{path}", symbol="BTCUSDT", interval="1m")
        assert status == 200, (path, body)
        assert int(headers["X-MBX-USED-WEIGHT-1M"]) > 0
    for path in (
        "v1/openOrders", "v1/allOrders", "v1/userTrades", "v2/account", "v3/account", "v2/balance", "v3/balance",
        "v2/positionRisk", "v3/positionRisk", "v1/income", "v1/commissionRate", "v1/leverageBracket",
        "v1/positionSide/dual", "v1/multiAssetsMargin", "v1/forceOrders", "v1/accountConfig", "v1/symbolConfig",
        "v1/premiumIndex", "v1/fundingRate", "v1/fundingInfo", "v1/allAlgoOrders", "v1/openAlgoOrders",
        "v1/openInterest", "v1/klines",
    ):  # fmt: skip
        status, body, _ = await raw.signed("GET", f"/fapi/{path}", symbol="BTCUSDT", interval="1m")
        assert status == 200, (path, body)
    for path in ("capital/config/getall", "account/status", "account/apiRestrictions", "asset/tradeFee",
                 "margin/allPairs", "margin/isolated/allPairs", "system/status"):  # fmt: skip
        assert (await raw.signed("GET", f"/sapi/v1/{path}"))[0] == 200, path


async def test_lists_live_and_end(raw):
    legs = {"aboveType": "LIMIT_MAKER", "abovePrice": "66000", "belowType": "STOP_LOSS_LIMIT"}
    legs |= {"belowPrice": "53000", "belowStopPrice": "54000", "belowTimeInForce": "GTC"}
    new = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"}
    made = (await raw.signed("POST", "/api/v3/orderList/oco", listClientOrderId="pair", **new, **legs))[1]
    assert [r["type"] for r in made["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
    asked = (await raw.signed("GET", "/api/v3/orderList", origClientOrderId="pair"))[1]
    assert asked["orderListId"] == made["orderListId"]
    assert len((await raw.signed("GET", "/api/v3/openOrderList"))[1]) == 1
    gone = (await raw.signed("DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="pair"))[1]
    assert gone["listOrderStatus"] == "ALL_DONE"
    assert {r["status"] for r in gone["orderReports"]} == {"CANCELED"}
    old = new | {
        "price": "66000",
        "stopPrice": "54000",
        "stopLimitPrice": "53000",
        "stopLimitTimeInForce": "GTC",
    }
    assert (await raw.signed("POST", "/api/v3/order/oco", **old))[0] == 200
    wrong = legs | {"belowType": "LIMIT_MAKER"}
    assert await code_of(raw, "POST", "/api/v3/orderList/oco", **new, **wrong) == -1158


async def test_cancel_replace_and_amend(raw):
    first = (await raw.signed("POST", "/api/v3/order", **LIMIT))[1]
    swap = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": first["orderId"]}
    done = (await raw.signed("POST", "/api/v3/order/cancelReplace", **swap, **LIMIT))[1]
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    status, body, _ = await raw.signed("POST", "/api/v3/order/cancelReplace", **swap, **LIMIT)
    assert (status, body["code"], body["data"]["newOrderResult"]) == (400, -2022, "NOT_ATTEMPTED")
    swap["cancelReplaceMode"] = "ALLOW_FAILURE"
    status, body, _ = await raw.signed("POST", "/api/v3/order/cancelReplace", **swap, **LIMIT)
    assert (status, body["code"], body["data"]["newOrderResult"]) == (409, -2021, "SUCCESS")
    number = done["newOrderResponse"]["orderId"]
    change = {"symbol": "BTCUSDT", "orderId": number}
    less = await raw.signed("PUT", "/api/v3/order/amend/keepPriority", newQty="0.005", **change)
    assert less[1]["amendedOrder"]["origQty"] == "0.00500000"
    assert await code_of(raw, "PUT", "/api/v3/order/amend/keepPriority", newQty="1", **change) == -2038


async def test_modes_leverage_and_margin(raw):
    assert (await raw.signed("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage="7"))[1]["leverage"] == 7
    isolated = {"symbol": "BTCUSDT", "marginType": "ISOLATED"}
    assert (await raw.signed("POST", "/fapi/v1/marginType", **isolated))[0] == 200
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.01"}
    made = (await raw.signed("POST", "/fapi/v1/order", newOrderRespType="RESULT", **order))[1]
    assert made["status"] == "FILLED" and float(made["avgPrice"]) > 0
    risk = (await raw.signed("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT"))[1][0]
    assert (risk["positionAmt"], risk["marginType"], risk["leverage"]) == ("-0.010", "isolated", "7")
    assert float(risk["liquidationPrice"]) > float(risk["entryPrice"])
    assert await code_of(raw, "POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="CROSSED") == -4048


async def test_the_dead_mans_switch_goes_off(raw):
    await raw.signed("POST", "/fapi/v1/order", **LIMIT)
    stopped = {"symbol": "BTCUSDT", "countdownTime": "600000"}
    await raw.signed("POST", "/fapi/v1/countdownCancelAll", **stopped)
    await raw.signed("POST", "/fapi/v1/countdownCancelAll", **(stopped | {"countdownTime": "0"}))
    await raw.signed("POST", "/fapi/v1/countdownCancelAll", **(stopped | {"countdownTime": "50"}))
    while (await raw.signed("GET", "/fapi/v1/openOrders", symbol="BTCUSDT"))[1]:
        await asyncio.sleep(0.01)


async def test_an_algo_order_triggers_into_an_order(raw):
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    await raw.signed("POST", "/fapi/v1/order", **order)
    async with raw.session.post(f"{raw.http}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "raw"}) as reply:
        key = (await reply.json())["listenKey"]
    socket = await raw.session.ws_connect(
        f"{raw.ws}/fut/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE"
    )
    mark = float((await raw.signed("GET", "/fapi/v1/ticker/bookTicker", symbol="BTCUSDT"))[1]["bidPrice"])
    close = STOP | {"closePosition": "true", "clientAlgoId": "stop-1"}
    made = (await raw.signed("POST", "/fapi/v1/algoOrder", triggerPrice=f"{mark - 0.3:.1f}", **close))[1]
    seen = []
    while not any(m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["X"] == "FILLED" for m in seen):
        seen.append(await asyncio.wait_for(socket.receive_json(), 25))
    algo = [m["o"]["X"] for m in seen if m["e"] == "ALGO_UPDATE"]
    assert algo[0] == "NEW" and "TRIGGERED" in algo
    shown = (await raw.signed("GET", "/fapi/v1/algoOrder", clientAlgoId="stop-1"))[1]
    assert shown["algoId"] == made["algoId"] and shown["algoStatus"] == "FINISHED"
    assert (await raw.signed("GET", "/fapi/v3/positionRisk"))[1] == []


async def test_subscriptions_on_one_socket(raw):
    socket = await raw.session.ws_connect(f"{raw.ws}/stream?streams=btcusdt@bookTicker")
    assert (await asyncio.wait_for(socket.receive_json(), 20))["stream"] == "btcusdt@bookTicker"

    async def say(message):
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        while True:
            answer = await asyncio.wait_for(socket.receive_json(), 20)
            if "stream" not in answer:
                return answer

    names = ["ethusdt@trade", "!miniTicker@arr", "btcusdt@kline_1s"]
    assert await say({"id": 1, "method": "SUBSCRIBE", "params": names}) == {"result": None, "id": 1}
    listed = (await say({"id": 2, "method": "LIST_SUBSCRIPTIONS"}))["result"]
    assert set(listed) == {"btcusdt@bookTicker", *names}
    await say({"id": 3, "method": "UNSUBSCRIBE", "params": names})
    assert (await say({"id": 4, "method": "LIST_SUBSCRIPTIONS"}))["result"] == ["btcusdt@bookTicker"]
    assert (await say({"id": 5, "method": "GET_PROPERTY", "params": ["combined"]}))["result"] is True
    for wrong in ("{", {"id": 6, "method": "DANCE"}, {"id": 7, "method": "SUBSCRIBE", "params": "x"}):
        assert "error" in await say(wrong)
    many = [f"a{n}@trade" for n in range(1025)]
    assert (await say({"id": 8, "method": "SUBSCRIBE", "params": many}))["error"]["code"] == 4


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/ws/btcusdt@depth5@100ms", "lastUpdateId bids asks"),
        ("/ws/btcusdt@aggTrade", "e E s a p q f l T m M"),
        ("/ws/btcusdt@kline_1s", "e E s k"),
        ("/ws/btcusdt@miniTicker", "e E s c o h l v q"),
        ("/ws/!ticker@arr", ""),
        ("/fut/ws/btcusdt@depth5@100ms", "e E T s U u pu b a"),
        ("/fut/ws/btcusdt@markPrice@1s", "e E s p i P r T"),
        ("/fut/market/ws/1?streams=!markPrice@arr@1s", ""),
        ("/fut/market/stream?streams=btcusdt@trade", "stream data"),
        ("/fstream.binance.com/ws/btcusdt@bookTicker", "e u s b B a A T E"),
    ],
)
async def test_stream_shapes(raw, path, keys):
    socket = await raw.session.ws_connect(raw.ws + path)
    message = await asyncio.wait_for(socket.receive_json(), 20)
    if keys:
        assert set(message) == set(keys.split())
    else:
        assert message[0]["s"] == "BTCUSDT"


async def test_the_websocket_api_answers_and_errs(raw):
    socket = await raw.session.ws_connect(f"{raw.ws}/ws-api/v3")

    async def ask(method, **params):
        await socket.send_json({"id": method, "method": method, "params": params})
        return await asyncio.wait_for(socket.receive_json(), 20)

    assert (await ask("ping"))["result"] == {}
    assert (await ask("depth", symbol="BTCUSDT", limit=5))["result"]["bids"]
    assert (await ask("dance"))["error"]["code"] == -1020
    assert (await ask("session.status"))["result"]["apiKey"] is None
    key = {"apiKey": "ws", "timestamp": int(time.time() * 1000), "signature": "any"}
    made = await ask("order.place", **LIMIT, **key)
    assert made["status"] == 200 and made["rateLimits"][1]["count"] == 1
    number = made["result"]["orderId"]
    assert (await ask("order.status", symbol="BTCUSDT", orderId=number, **key))["result"]["status"] == "NEW"
    subscribed = await ask("userDataStream.subscribe", **key)
    assert subscribed["result"] == {"subscriptionId": 0}
    await ask("userDataStream.unsubscribe", subscriptionId=0)
    assert (await ask("order.cancel", symbol="BTCUSDT", orderId=number, **key))["result"][
        "status"
    ] == "CANCELED"
    for text in ("{", "[]"):
        await socket.send_str(text)
        assert (await socket.receive_json())["status"] == 400


async def test_pings_come_and_old_sockets_are_closed():
    rules = SocketRules(ping_every=0.02, longest=0.4)
    async with served(sockets=rules) as venue, aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{venue.port}/ws/btcusdt@depth"
        socket = await session.ws_connect(url, autoping=False)
        kinds = set()
        while not socket.closed:
            kinds.add((await asyncio.wait_for(socket.receive(), 20)).type)
        assert aiohttp.WSMsgType.PING in kinds and aiohttp.WSMsgType.CLOSE in kinds


async def test_order_limits_are_counted_and_bite(venue, raw):
    async with control(venue) as call:
        await call("POST", "admin", {"do": "limits", "limits": {"orders_10s": 2}})
    seen = [await raw.signed("POST", "/api/v3/order", **LIMIT) for _ in range(3)]
    status, body, headers = seen[-1]
    assert (status, body["code"], headers["X-MBX-ORDER-COUNT-10S"]) == (429, -1015, "2")


def _keys(path, pick=lambda payload: payload):
    found = sorted(PAYLOADS.glob(f"nautilus/**/{path}"))
    if not found:
        pytest.skip(f"recorded payload {path} is not here")
    return set(pick(json.loads(found[0].read_text())))


async def test_shapes_have_the_keys_of_recorded_payloads(raw):
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    made = (await raw.signed("POST", "/api/v3/order", **market))[1]
    assert _keys("new_order_full_response.json") <= set(made)
    query = {"symbol": "BTCUSDT", "orderId": made["orderId"]}
    assert _keys("spot/http_json/order_response.json") <= set(
        (await raw.signed("GET", "/api/v3/order", **query))[1]
    )
    assert _keys("account_response.json") <= set((await raw.signed("GET", "/api/v3/account"))[1])
    trades = (await raw.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT"))[1]
    assert _keys("account_trades_response.json", lambda rows: rows[0]) <= set(trades[0])
    ticker = (await raw.signed("GET", "/api/v3/ticker/24hr", symbol="BTCUSDT"))[1]
    assert _keys("ticker_24hr_response.json") <= set(ticker)
    made = (await raw.signed("POST", "/fapi/v1/order", **market))[1]
    query = {"symbol": "BTCUSDT", "orderId": made["orderId"]}
    shown = (await raw.signed("GET", "/fapi/v1/order", **query))[1]
    assert _keys("futures/http_json/order_response.json") <= set(shown)
    risk = (await raw.signed("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT"))[1]
    assert _keys("position_risk.json", lambda rows: rows[0]) <= set(risk[0])
    stop = STOP | {"quantity": "0.01", "triggerPrice": "50000"}
    await raw.signed("POST", "/fapi/v1/algoOrder", **stop)
    algo = (await raw.signed("GET", "/fapi/v1/openAlgoOrders"))[1]
    assert _keys("open_algo_orders.json", lambda rows: rows[0]) <= set(algo[0])
