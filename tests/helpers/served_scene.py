"""A served venue on loopback for tests, and the real clients pointed at it."""

import hashlib
import hmac
import time
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import ccxt.pro

from bot4.safety.system_clock import SystemClock
from bot4.venues.served.listing import generated_exchanges
from bot4.venues.served.server import ServedOptions, ServedVenue


@asynccontextmanager
async def served(accounts=(), **options):
    """A running venue on a free port: generated markets, practice accounts."""
    clock = SystemClock()
    exchanges = generated_exchanges(7, clock.now_ns())
    for key, secret, balances, margin in accounts:
        exchanges["spot"].open_account(key, secret, balances, {})
        exchanges["usdm"].open_account(key, secret, {}, margin)
    for exchange in exchanges.values():
        exchange.advance(exchange.now_ns + 10**9)
    venue = ServedVenue(exchanges, clock, ServedOptions(**options))
    async with venue.running():
        yield venue
    assert venue.failure is None


def point(client, port):
    """Point a ccxt client at the local server, as docs/exchange.md says."""
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    api = {k: f"{http}/{v.split('/', 3)[3]}" for k, v in client.urls["api"].items() if k != "ws"}
    api["ws"] = {
        "spot": f"{ws}/stream/ws",
        "margin": f"{ws}/stream/ws",
        "linear": f"{ws}/fut/ws",
        "inverse": f"{ws}/inv/ws",
        "ws-api": {
            "spot": f"{ws}/stream/ws-api/v3",
            "linear": f"{ws}/ws-fapi/v1",
            "inverse": f"{ws}/ws-dapi/v1",
        },
    }
    client.urls["api"] = api
    return client


def ccxt_options(**more):
    """Settings that keep ccxt to the endpoints that are served."""
    return {
        "apiKey": "ccxt",
        "secret": "any secret",
        "options": {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot", "linear"]},
            **more,
        },
    }


@asynccontextmanager
async def ccxt_client(port, name="binance", **more):
    """A ccxt.pro client, closed at the end."""
    client = point(getattr(ccxt.pro, name)(ccxt_options(**more)), port)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def control(venue):
    """A function that calls the control endpoints."""
    base = f"http://127.0.0.1:{venue.port}/_bot4/"
    async with aiohttp.ClientSession() as session:

        async def call(method, path, body=None):
            async with session.request(method, base + path, json=body) as reply:
                return reply.status, await reply.json()

        yield call


class Raw:
    """A client that signs and sends, and shows everything that comes back."""

    def __init__(self, session, port, key="raw", secret="s"):
        self.session, self.key, self.secret = session, key, secret
        self.http, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"

    async def signed(self, method, path, **values):
        values = {k: str(v) for k, v in values.items()}
        values["timestamp"] = values.get("timestamp", str(int(time.time() * 1000)))
        text = urlencode(values)
        mark = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        url = f"{self.http}{path}?{text}&signature={mark}"
        async with self.session.request(method, url, headers={"X-MBX-APIKEY": self.key}) as reply:
            return reply.status, await reply.json(), reply.headers

    async def limit_buy(self, price="50000.0", **more):
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": price}
        return await self.signed("POST", "/api/v3/order", timeInForce="GTC", **order, **more)

    async def open(self):
        return (await self.signed("GET", "/api/v3/openOrders"))[1]
