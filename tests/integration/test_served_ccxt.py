"""The real ccxt client, unchanged, trades on the served venue: spot and USD-M, REST and WebSocket."""

import sys
from pathlib import Path

import ccxt
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from served_scene import ccxt_client, control, served

SPOT, PERP = "BTC/USDT", "BTC/USDT:USDT"


_reached: set[str] = set()


def _watch(event, details):
    """Hears every connection and every look-up of a name that this process makes."""
    if event == "socket.connect" and isinstance(details[1], tuple):
        _reached.add(str(details[1][0]))
    elif event == "socket.getaddrinfo":
        _reached.add(str(details[0]))


sys.addaudithook(_watch)


@pytest.fixture
async def venue():
    _reached.clear()
    async with served() as running:
        yield running
    assert _reached <= {"127.0.0.1"}, "the client reached for the world outside"
    assert _reached


async def test_spot_markets_books_and_candles(venue):
    async with ccxt_client(venue.port) as client:
        markets = await client.load_markets()
        assert {SPOT, "ETH/USDT", PERP, "ETH/USDT:USDT"} <= set(markets)
        assert markets[SPOT]["precision"]["price"] == pytest.approx(0.1)
        book = await client.fetch_order_book(SPOT, 20)
        assert book["bids"][0][0] < book["asks"][0][0] and len(book["bids"]) == 20
        assert (await client.fetch_ticker(SPOT))["last"] > 0
        assert len(await client.fetch_trades(SPOT, limit=5)) == 5
        assert await client.fetch_ohlcv(SPOT, "1m", limit=2)
        funding = await client.fetch_funding_rate(PERP)
        assert funding["fundingRate"] == pytest.approx(0.0001)
        assert (await client.fetch_order_book(PERP, 20))["asks"]


async def test_spot_orders(venue):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        bought = await client.create_order(SPOT, "market", "buy", 0.01)
        assert bought["status"] == "closed" and bought["filled"] == pytest.approx(0.01)
        assert bought["fee"]["currency"] == "BTC"
        spent = await client.create_order(SPOT, "market", "buy", None, None, {"quoteOrderQty": 100})
        assert 95 < spent["cost"] <= 100.01
        price = round(bought["average"] * 0.9, 1)
        resting = await client.create_order(SPOT, "limit", "buy", 0.01, price, {"clientOrderId": "mine-1"})
        assert resting["status"] == "open" and resting["clientOrderId"] == "mine-1"
        assert (await client.fetch_order(resting["id"], SPOT))["price"] == pytest.approx(price)
        assert [o["id"] for o in await client.fetch_open_orders(SPOT)] == [resting["id"]]
        with pytest.raises(ccxt.InvalidOrder):
            await client.create_order(SPOT, "limit", "buy", 0.01, price, {"clientOrderId": "mine-1"})
        moved = await client.edit_order(resting["id"], SPOT, "limit", "buy", 0.02, price - 10)
        assert moved["amount"] == pytest.approx(0.02)
        gone = await client.cancel_order_with_client_order_id(moved["clientOrderId"], SPOT)
        assert gone["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(moved["id"], SPOT)
        trades = await client.fetch_my_trades(SPOT)
        assert sum(t["amount"] for t in trades if t["order"] == bought["id"]) == pytest.approx(0.01)
        balance = await client.fetch_balance()
        assert balance["BTC"]["total"] > 10 and balance["USDT"]["used"] == 0


async def test_spot_stop_and_oco(venue):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        last = (await client.fetch_ticker(SPOT))["last"]
        low, high = round(last * 0.9, 1), round(last * 1.1, 1)
        stop = await client.create_order(
            SPOT, "limit", "sell", 0.01, low, {"stopLossPrice": low + 1, "clientOrderId": "stop-1"}
        )
        assert (await client.fetch_order(stop["id"], SPOT))["triggerPrice"] == pytest.approx(low + 1)
        pair = await client.private_post_orderlist_oco(
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "quantity": "0.01",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": str(high),
                "belowType": "STOP_LOSS",
                "belowStopPrice": str(low),
            }
        )
        assert pair["listOrderStatus"] == "EXECUTING" and len(pair["orderReports"]) == 2
        assert len(await client.fetch_open_orders(SPOT)) == 3
        await client.cancel_order(pair["orders"][0]["orderId"], SPOT)
        assert [o["id"] for o in await client.fetch_open_orders(SPOT)] == [stop["id"]]
        await client.cancel_all_orders(SPOT)
        assert await client.fetch_open_orders(SPOT) == []


async def test_errors_reach_the_client_as_its_own(venue):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order(SPOT, "limit", "buy", 1000, 50000)
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            await client.create_order(SPOT, "limit", "buy", 0.00005, 50000)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("123456", SPOT)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await client.create_order(SPOT, "limit", "buy", 0.01, 66000, {"postOnly": True})


async def test_usdm_orders(venue):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        await client.set_leverage(10, PERP)
        await client.create_order(PERP, "market", "buy", 0.01)
        position = (await client.fetch_positions([PERP]))[0]
        assert position["contracts"] == pytest.approx(0.01) and position["side"] == "long"
        entry = position["entryPrice"]
        trades = await client.fetch_my_trades(PERP)
        assert sum(t["amount"] for t in trades) == pytest.approx(0.01)
        low = round(entry * 0.97, 1)
        resting = await client.create_order(PERP, "limit", "buy", 0.01, low, {"clientOrderId": "f-1"})
        changed = await client.edit_order(resting["id"], PERP, "limit", "buy", 0.02, low - 1)
        assert changed["amount"] == pytest.approx(0.02)
        stop = await client.create_order(PERP, "market", "sell", 0.01, None, {"stopLossPrice": low})
        assert stop["triggerPrice"] == pytest.approx(low)
        assert [o["id"] for o in await client.fetch_open_orders(PERP)] == [resting["id"]]
        hidden = await client.fetch_open_orders(PERP, params={"trigger": True})
        assert [o["id"] for o in hidden] == [stop["id"]]
        await client.cancel_order(stop["id"], PERP, {"trigger": True})
        await client.cancel_order_with_client_order_id("f-1", PERP)
        batch = await client.create_orders(
            [
                {"symbol": PERP, "type": "limit", "side": "buy", "amount": 0.01, "price": low},
                {"symbol": PERP, "type": "limit", "side": "buy", "amount": 0.01, "price": low - 1},
            ]
        )
        assert [o["status"] for o in batch] == ["open", "open"]
        await client.cancel_orders([o["id"] for o in batch], PERP)
        assert await client.fetch_open_orders(PERP) == []
        closed = await client.create_order(PERP, "market", "sell", 0.01, None, {"reduceOnly": True})
        assert closed["id"]
        assert (await client.fetch_positions([PERP])) == []
        balance = await client.fetch_balance({"type": "future"})
        assert 990_000 < balance["USDT"]["total"] < 1_000_100


async def test_usdm_plain_stop_is_refused_with_the_new_code(venue):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        with pytest.raises(ccxt.BaseError, match="4120"):
            await client.fapiprivate_post_order(
                {
                    "symbol": "BTCUSDT",
                    "side": "SELL",
                    "type": "STOP_MARKET",
                    "quantity": "0.01",
                    "stopPrice": "50000",
                }
            )


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_books_trades_and_quotes_stream(venue, symbol):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        book = await client.watch_order_book(symbol)
        first = book["nonce"]
        while book["nonce"] < first + 10:
            book = await client.watch_order_book(symbol)
        assert book["bids"][0][0] < book["asks"][0][0]
        trades = await client.watch_trades(symbol)
        assert trades[-1]["symbol"] == symbol and trades[-1]["price"] > 0
        quotes = await client.watch_bids_asks([symbol])
        assert quotes[symbol]["bid"] < quotes[symbol]["ask"]
        candles = await client.watch_ohlcv(symbol, "1m")
        assert candles[-1][4] > 0
        ticker = await client.watch_ticker(symbol)
        assert ticker["last"] > 0


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_gap_is_noticed_and_the_book_built_again(venue, symbol):
    async with ccxt_client(venue.port) as client, control(venue) as call:
        await client.load_markets()
        await client.watch_order_book(symbol)
        rule = {"match": {"face": "ws", "stream": "btcusdt@depth*", "nth": 2}, "do": {"kind": "gap"}}
        assert (await call("POST", "faults", rule))[0] == 200
        with pytest.raises(ccxt.BaseError):
            for _ in range(200):
                await client.watch_order_book(symbol)
        book = await client.watch_order_book(symbol)
        assert book["bids"][0][0] < book["asks"][0][0]
        log = (await call("GET", "faults"))[1]["log"]
        assert [row["kind"] for row in log] == ["gap"]


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_orders_trades_and_balance_stream(venue, symbol):
    import asyncio

    async with ccxt_client(
        venue.port, watchPositions={"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    ) as client:
        await client.load_markets()
        kind = {"type": "spot" if symbol == SPOT else "future"}
        orders = asyncio.ensure_future(client.watch_orders(symbol))
        trades = asyncio.ensure_future(client.watch_my_trades(symbol))
        while not venue.listening("ccxt"):
            await asyncio.sleep(0.01)
        made = await client.create_order(symbol, "market", "buy", 0.01)
        seen = await asyncio.wait_for(orders, 20)
        assert seen[-1]["id"] == made["id"]
        filled = await asyncio.wait_for(trades, 20)
        assert filled[-1]["order"] == made["id"]
        balance = asyncio.ensure_future(client.watch_balance(kind))
        await asyncio.sleep(0)
        while not balance.done():
            await client.create_order(symbol, "market", "buy", 0.01)
            await asyncio.wait([balance], timeout=0.5)
        assert balance.result()["USDT"]["total"] > 0


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_orders_over_the_websocket_api(venue, symbol):
    async with ccxt_client(venue.port) as client:
        await client.load_markets()
        last = (await client.fetch_ticker(symbol))["last"]
        made = await client.create_order_ws(symbol, "limit", "buy", 0.01, round(last * 0.97, 1))
        assert made["status"] == "open"
        gone = await client.cancel_order_ws(made["id"], symbol)
        assert gone["status"] == "canceled"
