"""Every kind of fault, seen from a client's side; each firing stands in the log."""

import asyncio
import sys
import time
from pathlib import Path

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from served_scene import Raw, control, served


@pytest.fixture
async def venue():
    async with served() as running:
        yield running


@pytest.fixture
async def scene(venue):
    async with aiohttp.ClientSession() as session, control(venue) as call:

        async def fault(do, **match):
            status, body = await call("POST", "faults", {"match": match, "do": do})
            assert status == 200, body

        async def log():
            return [row["kind"] for row in (await call("GET", "faults"))[1]["log"]]

        yield Raw(session, venue.port), fault, log, call


async def test_drop_and_lost_reply(scene):
    raw, fault, log, _ = scene
    await fault("drop", path="/api/v3/order", nth=1)
    with pytest.raises(aiohttp.ClientError):
        await raw.limit_buy()
    assert await raw.open() == []
    await fault("accept_then_lose_reply", path="/api/v3/order", count=1)
    with pytest.raises(aiohttp.ClientError):
        await raw.limit_buy(newClientOrderId="lost")
    assert [o["clientOrderId"] for o in await raw.open()] == ["lost"]
    assert await log() == ["drop", "accept_then_lose_reply"]


async def test_status_before_and_after(scene):
    raw, fault, log, _ = scene
    await fault(
        {"kind": "status", "http": 429, "code": -1003, "retry_after": 7}, path="/api/v3/order", count=1
    )
    status, body, headers = await raw.limit_buy()
    assert (status, body["code"], headers["Retry-After"]) == (429, -1003, "7")
    assert await raw.open() == []
    await fault({"kind": "status", "http": 503, "processed": True}, path="/api/v3/order", count=1)
    assert (await raw.limit_buy())[0] == 503
    assert len(await raw.open()) == 1
    assert await log() == ["status", "status"]


async def test_an_order_is_not_found_for_a_while(scene):
    raw, fault, _, call = scene
    await fault({"kind": "not_found_for", "seconds": 600}, path="/api/v3/order", method="POST", count=1)
    made = (await raw.limit_buy())[1]
    status, body, _ = await raw.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=made["orderId"])
    assert (status, body["code"]) == (400, -2013)
    assert await raw.open() == []
    await call("DELETE", "faults")
    await fault({"kind": "not_found_for", "seconds": 1}, path="/api/v3/order", method="GET", count=1)
    other = (await raw.limit_buy())[1]
    query = {"symbol": "BTCUSDT", "orderId": other["orderId"]}
    assert (await raw.signed("GET", "/api/v3/order", **query))[1]["code"] == -2013
    assert (await raw.signed("GET", "/api/v3/order", **query))[1]["status"] == "NEW"


async def test_duplicate_and_delay_of_requests(scene):
    raw, fault, log, _ = scene
    await fault("duplicate", path="/api/v3/order", count=1)
    assert (await raw.limit_buy())[0] == 200
    assert len(await raw.open()) == 2
    await fault({"kind": "delay", "ms": 60, "sigma": 0.5}, path="/api/v3/time")
    began = time.monotonic()
    async with raw.session.get(raw.http + "/api/v3/time") as reply:
        assert reply.status == 200
    assert time.monotonic() - began > 0.001
    assert await log() == ["duplicate", "delay"]


async def test_skew_breaks_timestamps_and_freeze_stops_the_clock(scene):
    raw, fault, log, _ = scene
    await fault({"kind": "skew", "skew_ms": 20_000}, path="/api/v3/ping")
    async with raw.session.get(raw.http + "/api/v3/ping"):
        pass
    status, body, _ = await raw.limit_buy()
    assert (status, body["code"]) == (400, -1021)
    await fault({"kind": "freeze", "seconds": 600}, face="time")

    async def clock():
        async with raw.session.get(raw.http + "/api/v3/time") as reply:
            return (await reply.json())["serverTime"]

    while "freeze" not in await log():
        await asyncio.sleep(0.01)
    first = await clock()
    await asyncio.sleep(0.01)
    assert await clock() == first
    assert first > time.time() * 1000 + 15_000


async def test_maintenance(scene):
    raw, fault, _, _ = scene
    socket = await raw.session.ws_connect(raw.ws + "/ws/btcusdt@trade")
    await fault({"kind": "maintenance", "seconds": 600}, face="time")
    while not socket.closed:
        await socket.receive()
    async with raw.session.get(raw.http + "/api/v3/depth?symbol=BTCUSDT") as reply:
        assert reply.status == 503 and "maintenance" in (await reply.json())["msg"]


async def test_stops_vanish_silently(scene):
    raw, fault, _, _ = scene
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "0.01"}
    await raw.signed("POST", "/api/v3/order", stopPrice="40000", **stop)
    await raw.limit_buy()
    socket = await raw.session.ws_connect(raw.ws + "/ws-api/v3")
    key = {"apiKey": raw.key, "timestamp": int(time.time() * 1000)}
    await socket.send_json(
        {"id": 1, "method": "userDataStream.subscribe.signature", "params": key | {"signature": "x"}}
    )
    assert (await socket.receive_json())["result"] == {"subscriptionId": 0}
    await fault("cancel_stops", face="time", account="raw")
    while len(await raw.open()) != 1:
        await asyncio.sleep(0.01)
    await raw.limit_buy(newClientOrderId="after")
    event = (await socket.receive_json())["event"]
    assert event["c"] == "after"
    await fault("cancel_silently", face="time", account="raw", symbol="BTCUSDT")
    while await raw.open():
        await asyncio.sleep(0.01)


async def test_filters_change(scene):
    raw, fault, _, _ = scene
    change = {"kind": "set_market", "changes": {"min_notional": "5000"}}
    await fault(change, face="time", product="spot", symbol="BTCUSDT")
    while (await raw.limit_buy())[0] == 200:
        await asyncio.sleep(0.01)
    assert "NOTIONAL" in (await raw.limit_buy())[1]["msg"]


async def _messages(socket, count):
    return [await asyncio.wait_for(socket.receive_json(), 20) for _ in range(count)]


async def test_market_messages_are_dropped_doubled_swapped_and_frozen(scene):
    raw, fault, log, _ = scene
    stream = "btcusdt@depth@100ms"
    await fault("drop", face="ws", stream=stream, nth=2)
    await fault("duplicate", face="ws", stream=stream, nth=4)
    await fault("reorder", face="ws", stream=stream, nth=6)
    await fault("freeze", face="ws", stream=stream, nth=8)
    socket = await raw.session.ws_connect(f"{raw.ws}/ws/{stream}")
    got = await _messages(socket, 11)
    first = [m["U"] for m in got]
    assert got[1]["U"] > got[0]["u"] + 1  # the second was dropped
    assert first[2] == first[3]  # the fourth came twice
    assert first[5] > first[6]  # the sixth came after the seventh
    assert len({m["E"] for m in got[8:]}) == 1
    assert sorted(set(await log())) == ["drop", "duplicate", "freeze", "reorder"]


async def test_delay_gap_silence_and_close_of_a_socket(scene):
    raw, fault, log, _ = scene
    await fault({"kind": "delay", "ms": 50}, face="ws", stream="btcusdt@trade", nth=1)
    await fault({"kind": "gap", "messages": 3}, face="ws", stream="btcusdt@trade", nth=3)
    socket = await raw.session.ws_connect(raw.ws + "/ws/btcusdt@trade")
    got = await _messages(socket, 3)
    assert [m["t"] - got[0]["t"] for m in got] == [0, 1, 5]
    await fault("silence", face="ws", stream="btcusdt@trade", count=1)
    while "silence" not in await log():
        await asyncio.sleep(0.01)
    await socket.ping()
    with pytest.raises(asyncio.TimeoutError):
        while True:
            await asyncio.wait_for(socket.receive(), 0.5)
    other = await raw.session.ws_connect(raw.ws + "/ws/ethusdt@trade")
    await fault("close", face="ws", stream="ethusdt@trade", count=1)
    while not other.closed:
        await asyncio.wait_for(other.receive(), 20)
    assert await log() == ["delay", "gap", "silence", "close"]


async def test_user_messages_have_faults_of_their_own(scene):
    raw, fault, log, _ = scene
    await fault("drop", face="user", stream="executionReport", nth=1)
    async with raw.session.post(
        raw.http + "/api/v3/userDataStream", headers={"X-MBX-APIKEY": "raw"}
    ) as reply:
        key = (await reply.json())["listenKey"]
    socket = await raw.session.ws_connect(f"{raw.ws}/ws/{key}")
    await raw.limit_buy(newClientOrderId="unseen")
    await raw.limit_buy(newClientOrderId="seen")
    while True:
        event = await asyncio.wait_for(socket.receive_json(), 20)
        if event["e"] == "executionReport":
            break
    assert event["c"] == "seen"
    assert await log() == ["drop"]


async def test_a_timed_rule_silences_and_closes_sockets(scene):
    raw, fault, log, _ = scene
    socket = await raw.session.ws_connect(raw.ws + "/fut/ws/btcusdt@trade")
    await fault("silence", face="time", product="usdm")
    await fault({"kind": "close"}, face="time", product="usdm", after=0.05)
    while not socket.closed:
        await asyncio.wait_for(socket.receive(), 20)
    assert await log() == ["silence", "close"]


async def test_the_same_seed_draws_the_same_faults():
    async def drawn():
        async with served(seed=5) as venue, aiohttp.ClientSession() as session, control(venue) as call:
            rule = {"match": {"path": "*ping", "probability": 0.4}, "do": {"kind": "status"}}
            await call("POST", "faults", rule)
            found = []
            for _ in range(30):
                async with session.get(f"http://127.0.0.1:{venue.port}/api/v3/ping") as reply:
                    found.append(reply.status)
            return found

    first = await drawn()
    assert first == await drawn()
    assert {200, 500} == set(first)


async def test_rules_that_make_no_sense_are_refused_by_name(scene):
    _, _, _, call = scene
    for rule, text in (
        ({"name": "bad", "match": {"face": "mail"}, "do": "drop"}, "rule 1 (bad).match.face"),
        ({"match": {"probability": 2}, "do": "drop"}, "rule 1.match.probability"),
        ({"match": {}, "do": {"kind": "delay"}}, "rule 1.do.ms"),
        ({"match": {"face": "ws"}, "do": {"kind": "status"}}, "rule 1.do.kind"),
        ({"match": {"nth": -1}, "do": "drop"}, "rule 1.match.nth"),
        ({"match": {"when": 1}, "do": "drop"}, "rule 1.match.when"),
        ({"do": {"kind": "drop", "ms": 5}}, "rule 1.do.ms"),
        ({"match": {}}, "rule 1.do"),
        ({"do": {"kind": "status", "http": 200}}, "rule 1.do.http"),
        (
            {"match": {"symbol": "X", "face": "time"}, "do": {"kind": "set_market", "changes": {"size": 1}}},
            "size",
        ),
    ):
        status, body = await call("POST", "faults", rule)
        assert status == 400 and text in body["error"], (rule, body)


async def test_state_accounts_and_an_operators_hand(scene):
    raw, _, _, call = scene
    made = (await raw.limit_buy())[1]
    state = (await call("GET", "state"))[1]
    assert state["orders"] == 1 and state["markets"]["spot"]["BTCUSDT"] == "trading"
    account = (await call("GET", "accounts?key=raw"))[1]
    assert account["spot"]["open_orders"][0]["id"] == made["orderId"]
    best = (await raw.signed("GET", "/api/v3/ticker/bookTicker", symbol="BTCUSDT"))[1]["bidPrice"]
    near = (await raw.limit_buy(price=f"{float(best) - 1:.1f}"))[1]
    order = {"do": "fill", "key": "raw", "symbol": "BTCUSDT", "order_id": near["orderId"]}
    assert (await call("POST", "admin", order))[0] == 200
    query = {"symbol": "BTCUSDT", "orderId": near["orderId"]}
    assert (await raw.signed("GET", "/api/v3/order", **query))[1]["status"] == "FILLED"
    for body in (
        {"do": "deposit", "key": "raw", "asset": "USDT", "amount": "5"},
        {"do": "cancel", "key": "raw", "symbol": "BTCUSDT", "order_id": made["orderId"]},
        {"do": "limits", "limits": {"weight": 10}},
        {"do": "halt", "symbol": "BTCUSDT"},
        {"do": "resume", "symbol": "BTCUSDT"},
        {"do": "set_market", "symbol": "BTCUSDT", "changes": {"min_notional": "6"}},
        {"do": "delist", "symbol": "ETHUSDT"},
    ):
        status, answer = await call("POST", "admin", body)
        assert status == 200, answer
    assert (await raw.signed("GET", "/api/v3/ticker/price", symbol="ETHUSDT"))[1]["code"] == -1121
    for body in ({"do": "dance"}, {}, {"do": "halt", "symbol": "NO"}, {"do": "halt", "product": "x"}):
        assert (await call("POST", "admin", body))[0] == 400
    assert (await call("GET", "nothing"))[0] == 404


async def test_adl_by_hand_closes_a_position(scene):
    raw, _, _, call = scene
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    await raw.signed("POST", "/fapi/v1/order", **order)
    hand = {"product": "usdm", "do": "adl", "key": "raw", "symbol": "BTCUSDT", "quantity": "0.01"}
    assert (await call("POST", "admin", hand))[0] == 200
    assert (await raw.signed("GET", "/fapi/v3/positionRisk"))[1] == []
    assert len((await raw.signed("GET", "/fapi/v1/forceOrders"))[1]) == 1


async def test_limits_bite_with_429_and_then_418(scene):
    raw, _, _, call = scene
    limits = {"weight": 5, "refusals_to_ban": 3, "ban_ms": 60_000}
    await call("POST", "admin", {"do": "limits", "limits": limits})
    seen = []
    for _ in range(12):
        async with raw.session.get(raw.http + "/api/v3/ping") as reply:
            seen.append(reply.status)
            last = reply.headers
    assert seen[:5] == [200] * 5 and seen[5:8] == [429] * 3 and set(seen[8:]) == {418}
    assert int(last["Retry-After"]) > 0 and int(last["X-MBX-USED-WEIGHT-1M"]) >= 5
