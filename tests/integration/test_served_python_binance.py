"""The real python-binance, unchanged, trades on the served venue: async, sync and sockets."""

import asyncio
import sys
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():  # it imports names that websockets is about to drop
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager, Client
    from binance.exceptions import BinanceAPIException

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from served_scene import served

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
async def venue():
    async with served() as running:
        yield running


def point(monkeypatch, port):
    """Point python-binance at the local server, as docs/exchange.md says."""
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    for kind in (Client, AsyncClient):
        monkeypatch.setattr(kind, "API_URL", f"{http}/api")
        monkeypatch.setattr(kind, "MARGIN_API_URL", f"{http}/sapi")
        monkeypatch.setattr(kind, "FUTURES_URL", f"{http}/fapi")
        monkeypatch.setattr(kind, "WS_API_URL", f"{ws}/ws-api/v3")
        monkeypatch.setattr(kind, "WS_FUTURES_URL", f"{ws}/ws-fapi/v1")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{ws}/")
    monkeypatch.setattr(BinanceSocketManager, "FSTREAM_URL", f"{ws}/fut/")


@pytest.fixture
async def client(venue, monkeypatch):
    point(monkeypatch, venue.port)
    client = await AsyncClient.create("pb", "any secret")
    yield client
    await client.close_connection()


async def test_spot_rest(client):
    info = await client.get_symbol_info("BTCUSDT")
    assert info["status"] == "TRADING"
    book = await client.get_order_book(symbol="BTCUSDT", limit=5)
    assert len(book["bids"]) == 5
    bought = await client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
    assert bought["status"] == "FILLED" and bought["fills"]
    low = f"{float(book['bids'][0][0]) * 0.9:.1f}"
    resting = await client.order_limit_buy(
        symbol="BTCUSDT", quantity="0.01", price=low, newClientOrderId="pb-1"
    )
    assert (await client.get_open_orders(symbol="BTCUSDT"))[0]["orderId"] == resting["orderId"]
    gone = await client.cancel_order(symbol="BTCUSDT", origClientOrderId="pb-1")
    assert gone["status"] == "CANCELED" and gone["origClientOrderId"] == "pb-1"
    with pytest.raises(BinanceAPIException) as error:
        await client.get_order(symbol="BTCUSDT", orderId=999_999)
    assert error.value.code == -2013
    high = f"{float(book['bids'][0][0]) * 1.1:.1f}"
    pair = await client.create_oco_order(
        symbol="BTCUSDT",
        side="SELL",
        quantity="0.01",
        aboveType="LIMIT_MAKER",
        abovePrice=high,
        belowType="STOP_LOSS_LIMIT",
        belowStopPrice=low,
        belowPrice=low,
        belowTimeInForce="GTC",
    )
    assert len(pair["orders"]) == 2
    assert len(await client.get_open_orders()) == 2
    await client.cancel_all_open_orders(symbol="BTCUSDT")
    assert (await client.get_asset_balance("BTC"))["locked"] == "0.00000000"
    assert len(await client.get_my_trades(symbol="BTCUSDT")) == len(bought["fills"])
    assert await client.get_klines(symbol="BTCUSDT", interval="1m")
    assert (await client.get_account())["canWithdraw"] is False


async def test_futures_rest(client):
    await client.futures_change_leverage(symbol="BTCUSDT", leverage=7)
    await client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    position = (await client.futures_position_information(symbol="BTCUSDT"))[0]
    assert position["positionAmt"] == "0.010"
    low = f"{float(position['entryPrice']) * 0.97:.1f}"
    stop = await client.futures_create_algo_order(
        symbol="BTCUSDT", side="SELL", type="STOP_MARKET", quantity="0.01", triggerPrice=low
    )
    assert stop["algoStatus"] == "NEW"
    assert [o["algoId"] for o in await client.futures_get_open_algo_orders()] == [stop["algoId"]]
    await client.futures_cancel_algo_order(algoId=stop["algoId"])
    resting = await client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", quantity="0.01", price=low, timeInForce="GTX"
    )
    assert (await client.futures_get_order(symbol="BTCUSDT", orderId=resting["orderId"]))["status"] == "NEW"
    await client.futures_cancel_all_open_orders(symbol="BTCUSDT")
    assert await client.futures_get_open_orders() == []
    assert (await client.futures_account())["positions"]
    assert {row["incomeType"] for row in await client.futures_income_history()} == {"COMMISSION"}
    assert (await client.futures_mark_price(symbol="BTCUSDT"))["markPrice"]
    assert (await client.futures_account_balance())[0]["asset"] == "USDT"


async def test_market_sockets(client):
    manager = BinanceSocketManager(client)
    for socket in (
        manager.depth_socket("BTCUSDT", depth="5"),
        manager.trade_socket("BTCUSDT"),
        manager.kline_socket("BTCUSDT"),
        manager.symbol_ticker_socket("BTCUSDT"),
        manager.multiplex_socket(["btcusdt@bookTicker", "ethusdt@bookTicker"]),
        manager.symbol_mark_price_socket("BTCUSDT"),
        manager.aggtrade_futures_socket("BTCUSDT"),
        manager.kline_futures_socket("BTCUSDT"),
    ):
        async with socket as stream:
            message = await asyncio.wait_for(stream.recv(), 20)
        assert message.get("e") != "error", message


async def test_user_sockets_and_orders_over_the_websocket_api(client):
    manager = BinanceSocketManager(client)
    async with manager.user_socket() as stream:
        made = await client.ws_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
        seen = [await asyncio.wait_for(stream.recv(), 20) for _ in range(3)]
    reports = [m for m in seen if m["e"] == "executionReport"]
    assert reports[0]["i"] == made["orderId"]
    async with manager.futures_user_socket() as stream:
        made = await client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
        seen = [await asyncio.wait_for(stream.recv(), 20) for _ in range(4)]
    assert {"ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"} <= {m["e"] for m in seen}


async def test_the_synchronous_client(venue, monkeypatch):
    point(monkeypatch, venue.port)

    def trade():
        loop = asyncio.new_event_loop()  # the client wants one, and leaves one it makes itself unclosed
        asyncio.set_event_loop(loop)
        client = Client("sync", "any secret")
        try:
            made = client.order_market_sell(symbol="ETHUSDT", quantity="0.5")
            short = client.futures_create_order(
                symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.5", newOrderRespType="RESULT"
            )
            return made["status"], short["status"]
        finally:
            client.close_connection()
            loop.close()

    assert await asyncio.to_thread(trade) == ("FILLED", "FILLED")
