"""Accounts on the served venue over a longer story: user data, liquidation, algo orders, batches, listen keys."""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from served_scene import Raw, control, served

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": "58000"}
LIMIT |= {"timeInForce": "GTC"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
ALGO = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"}


@pytest.fixture
async def scene():
    async with served() as venue, aiohttp.ClientSession() as session, control(venue) as call:
        yield venue, Raw(session, venue.port), call


async def keyed(raw, method, path, **values):
    headers = {"X-MBX-APIKEY": raw.key}
    async with raw.session.request(method, raw.http + path, params=values, headers=headers) as reply:
        return reply.status, await reply.json()


async def until(socket, wanted, seen):
    while not wanted(seen):
        seen.append(await asyncio.wait_for(socket.receive_json(), 40))
    return seen


async def test_a_liquidation_is_told_to_its_owner_and_to_the_public(scene):
    _, raw, call = scene
    key = (await keyed(raw, "POST", "/fapi/v1/listenKey"))[1]["listenKey"]
    mine = await raw.session.ws_connect(f"{raw.ws}/fut/ws/{key}")
    public = await raw.session.ws_connect(f"{raw.ws}/fut/ws/!forceOrder@arr")
    await raw.signed("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage="50")
    await raw.signed("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    await raw.signed("POST", "/fapi/v1/order", **MARKET)
    harsh = {"do": "set_market", "product": "usdm", "symbol": "BTCUSDT", "changes": {"maintenance": "0.9"}}
    assert (await call("POST", "admin", harsh))[0] == 200
    forced = await asyncio.wait_for(public.receive_json(), 40)
    assert forced["e"] == "forceOrder" and forced["o"]["S"] == "SELL"
    seen = await until(mine, lambda seen: any(m.get("o", {}).get("o") == "LIQUIDATION" for m in seen), [])
    kinds = {m["e"] for m in seen}
    assert {"ACCOUNT_CONFIG_UPDATE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE"} <= kinds
    assert len((await raw.signed("GET", "/fapi/v1/forceOrders", symbol="BTCUSDT"))[1]) == 1
    kinds = {row["incomeType"] for row in (await raw.signed("GET", "/fapi/v1/income"))[1]}
    assert "COMMISSION" in kinds


async def test_deposits_lists_and_the_end_of_a_listen_key(scene):
    _, raw, call = scene
    key = (await keyed(raw, "POST", "/api/v3/userDataStream"))[1]["listenKey"]
    socket = await raw.session.ws_connect(f"{raw.ws}/stream?streams={key}")
    money = {"do": "deposit", "key": "raw", "asset": "USDT", "amount": "7"}
    for _ in range(2):
        await call("POST", "admin", money)
    legs = {
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "66000",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "54000",
    }
    pair = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"} | legs
    made = (await raw.signed("POST", "/api/v3/orderList/oco", **pair))[1]
    await raw.signed("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=made["orderListId"])
    done = lambda seen: [m for m in seen if m["data"].get("L") == "ALL_DONE"]  # noqa: E731
    seen = [m["data"] for m in await until(socket, done, [])]
    assert {"7.00000000"} <= {m["d"] for m in seen if m["e"] == "balanceUpdate"}
    canceled = [m for m in seen if m.get("x") == "CANCELED"]
    assert {m["C"] for m in canceled} == {o["clientOrderId"] for o in made["orders"]}
    assert (await keyed(raw, "PUT", "/api/v3/userDataStream", listenKey=key))[0] == 200
    await call("POST", "faults", {"do": {"kind": "skew", "skew_ms": 3_700_000}, "match": {"face": "time"}})
    seen = await until(socket, lambda seen: seen and seen[-1]["data"]["e"] == "listenKeyExpired", [])
    assert seen[-1]["data"]["listenKey"] == key
    assert (await keyed(raw, "DELETE", "/api/v3/userDataStream", listenKey=key))[1]["code"] == -1125


async def test_algo_orders_of_every_kind(scene):
    _, raw, _ = scene
    await raw.signed("POST", "/fapi/v1/order", **MARKET)
    for more in (
        {"type": "STOP", "triggerPrice": "58000", "price": "57900"},
        {"type": "TAKE_PROFIT", "triggerPrice": "62000", "price": "62000", "timeInForce": "GTC"},
        {
            "type": "TAKE_PROFIT_MARKET",
            "triggerPrice": "70000",
            "workingType": "MARK_PRICE",
            "reduceOnly": "true",
        },
        {"type": "TRAILING_STOP_MARKET", "callbackRate": "5"},
    ):
        status, body, _ = await raw.signed("POST", "/fapi/v1/algoOrder", **ALGO, **more)
        assert status == 200 and body["algoStatus"] == "NEW", body
        one = (await raw.signed("GET", "/fapi/v1/algoOrder", algoId=body["algoId"]))[1]
        assert one["orderType"] == more["type"]
        query = {"symbol": "BTCUSDT", "orderId": body["algoId"]}
        assert (await raw.signed("GET", "/fapi/v1/order", **query))[1]["code"] == -2013
    wrong = {"type": "STOP_MARKET", "triggerPrice": "1", "workingType": "MOON"}
    assert (await raw.signed("POST", "/fapi/v1/algoOrder", **ALGO, **wrong))[1]["code"] == -1130
    assert len((await raw.signed("GET", "/fapi/v1/openAlgoOrders"))[1]) == 4
    await raw.signed("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    assert (await raw.signed("GET", "/fapi/v1/openAlgoOrders", symbol="BTCUSDT"))[1] == []
    history = (await raw.signed("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT"))[1]
    assert [row["algoStatus"] for row in history] == ["CANCELED"] * 4
    gone = await raw.signed("DELETE", "/fapi/v1/algoOrder", algoId=history[0]["algoId"])
    assert gone[1]["code"] == -2011


async def test_batches_and_changes_of_futures_orders(scene):
    _, raw, _ = scene
    rows = [LIMIT | {"newClientOrderId": "one", "reduceOnly": False}, LIMIT | {"side": "UP"}]
    made = (await raw.signed("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(rows)))[1]
    assert made[0]["status"] == "NEW" and made[1]["code"] == -1117
    change = {"symbol": "BTCUSDT", "orderId": made[0]["orderId"], "side": "BUY"}
    same = change | {"quantity": "0.01", "price": "58000"}
    assert (await raw.signed("PUT", "/fapi/v1/order", **same))[1]["code"] == -5027
    assert (await raw.signed("PUT", "/fapi/v1/order", **(same | {"side": "SELL"})))[1]["code"] == -1117
    assert (await raw.signed("PUT", "/fapi/v1/order", **(same | {"price": "57000"})))[1]["price"] == "57000.0"
    assert (await raw.signed("GET", "/fapi/v1/openOrder", symbol="BTCUSDT", origClientOrderId="one"))[
        0
    ] == 200
    named = {"symbol": "BTCUSDT", "origClientOrderIdList": '["one","two"]'}
    gone = (await raw.signed("DELETE", "/fapi/v1/batchOrders", **named))[1]
    assert gone[0]["status"] == "CANCELED" and gone[1]["code"] == -2011
    for text in ("{", "[]"):
        wrong = named | {"origClientOrderIdList": text}
        assert (await raw.signed("DELETE", "/fapi/v1/batchOrders", **wrong))[0] == 400
    query = {"symbol": "BTCUSDT", "orderId": made[0]["orderId"]}
    assert (await raw.signed("GET", "/fapi/v1/openOrder", **query))[1]["code"] == -2013
    assert (await raw.signed("POST", "/fapi/v1/order/test", **LIMIT))[1] == {}
    assert (await raw.signed("POST", "/api/v3/order/test", **LIMIT))[1] == {}
    await raw.signed("POST", "/fapi/v1/order", **LIMIT)
    assert (await raw.signed("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT"))[1]["code"] == 200
    assert len((await raw.signed("GET", "/fapi/v1/allOrders", symbol="BTCUSDT"))[1]) == 2
    for more, code in (
        ({"price": "1", "type": "MARKET"}, -1106),
        ({"priceMatch": "QUEUE"}, -4184),
        ({"newOrderRespType": "FULL"}, -1130),
        ({"price": "30000", "side": "SELL"}, -4024),
    ):
        assert (await raw.signed("POST", "/fapi/v1/order", **(LIMIT | more)))[1]["code"] == code, more


async def test_hedge_mode_is_switched_and_orders_are_refused(scene):
    _, raw, _ = scene
    assert (await raw.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true"))[0] == 200
    assert (await raw.signed("GET", "/fapi/v1/positionSide/dual"))[1]["dualSidePosition"] is True
    assert (await raw.signed("POST", "/fapi/v1/order", **LIMIT))[1]["code"] == -4061
    status, body, _ = await raw.signed("POST", "/fapi/v1/order", **LIMIT, positionSide="LONG")
    assert (status, body["code"]) == (400, -4061)
    assert (await raw.signed("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="true"))[1][
        "code"
    ] == -4169


async def test_public_reads_with_bounds(scene):
    _, raw, _ = scene
    trades = (await raw.signed("GET", "/api/v3/historicalTrades", symbol="BTCUSDT", fromId="3", limit="2"))[1]
    assert [t["id"] for t in trades] == [3, 4]
    some = (await raw.signed("GET", "/api/v3/ticker/price", symbols='["BTCUSDT","ETHUSDT"]'))[1]
    assert [row["symbol"] for row in some] == ["BTCUSDT", "ETHUSDT"]
    assert len((await raw.signed("GET", "/fapi/v1/premiumIndex"))[1]) == 2
    now = int(time.time() * 1000)
    bounded = {"symbol": "BTCUSDT", "interval": "1m", "startTime": str(now - 600_000), "endTime": str(now)}
    assert (await raw.signed("GET", "/api/v3/klines", **bounded))[1]
    listed = (await raw.signed("GET", "/api/v3/exchangeInfo", symbols='["ETHUSDT"]'))[1]["symbols"]
    assert [row["symbol"] for row in listed] == ["ETHUSDT"]
    first = {"symbol": "BTCUSDT", "fromId": "2", "limit": "1"}
    assert [row["a"] for row in (await raw.signed("GET", "/api/v3/aggTrades", **first))[1]] == [2]


async def test_icebergs_trailing_stops_and_keys_on_spot(scene):
    _, raw, _ = scene
    iceberg = (await raw.signed("POST", "/api/v3/order", **LIMIT, icebergQty="0.005"))[1]
    assert iceberg["icebergQty"] == "0.00500000"
    trail = MARKET | {
        "type": "STOP_LOSS",
        "side": "SELL",
        "trailingDelta": "100",
        "newOrderRespType": "RESULT",
    }
    made = (await raw.signed("POST", "/api/v3/order", **trail))[1]
    assert made["trailingDelta"] == 100 and made["workingTime"] == -1
    key = (await keyed(raw, "POST", "/fapi/v1/listenKey"))[1]["listenKey"]
    assert (await keyed(raw, "PUT", "/fapi/v1/listenKey"))[1] == {"listenKey": key}
    assert (await keyed(raw, "DELETE", "/fapi/v1/listenKey"))[1] == {}
    bought = (await raw.signed("POST", "/api/v3/order", **MARKET))[1]
    mine = {"symbol": "BTCUSDT", "orderId": bought["orderId"]}
    assert (await raw.signed("GET", "/api/v3/myTrades", **mine))[1][0]["isBuyer"] is True
    small = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "0.01"}
    assert (await raw.signed("POST", "/api/v3/order", **small))[1]["code"] == -1013
