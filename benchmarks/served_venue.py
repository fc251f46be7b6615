"""The served exchange on loopback: orders a second and round trips over REST and the WebSocket API.

    python benchmarks/served_venue.py [--orders 2000] [--out benchmarks/results/served_venue.json]

The server runs in a process of its own, as `bot4 exchange serve`; the client here places limit orders far from the
market and cancels them, one at a time (round trips) and with 32 requests under way (throughput). Both share
the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

UNDER_WAY = 32
LIMITS = {"weight": 10**9, "orders_10s": 10**9, "orders_long": 10**9}


def start() -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A server on a free port, and its addresses."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bot4.app.main", "exchange", "serve", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used (Linux): honest on a busy machine, where wall time is not."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parameters(number: int, key: str = "") -> dict[str, str]:
    """A limit order that rests, and is cancelled by its own id."""
    found = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
    found |= {"price": "30000.0", "newClientOrderId": f"b{number}", "signature": "practice"}
    found |= {"timestamp": str(int(time.time() * 1000))}
    return found | ({"apiKey": key} if key else {})


class Rest:
    """Places and cancels over one keep-alive session."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.url = session, f"{base}/api/v3/order"

    async def place(self, number: int) -> None:
        """One order; AssertionError when it is refused."""
        await self._send("POST", parameters(number))

    async def cancel(self, number: int) -> None:
        """Its cancel."""
        sent = {"symbol": "BTCUSDT", "origClientOrderId": f"b{number}", "signature": "practice"}
        await self._send("DELETE", sent | {"timestamp": str(int(time.time() * 1000))})

    async def _send(self, method: str, sent: dict[str, str]) -> None:
        async with self.session.request(
            method, self.url, params=sent, headers={"X-MBX-APIKEY": "bench-rest"}
        ) as reply:
            assert reply.status == 200, await reply.text()
            await reply.read()


class Socket:
    """Places and cancels over one connection of the WebSocket API."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            answer = json.loads(message.data)
            self._waiting.pop(answer["id"]).set_result(answer)

    async def _send(self, name: str, method: str, sent: dict[str, str]) -> None:
        future = self._waiting[name] = asyncio.get_running_loop().create_future()
        await self.socket.send_str(json.dumps({"id": name, "method": method, "params": sent}))
        answer = await future
        assert answer["status"] == 200, answer

    async def place(self, number: int) -> None:
        """One order; AssertionError when it is refused."""
        await self._send(f"p{number}", "order.place", parameters(number, "bench-ws"))

    async def cancel(self, number: int) -> None:
        """Its cancel."""
        sent = {"symbol": "BTCUSDT", "origClientOrderId": f"b{number}", "signature": "practice"}
        sent |= {"apiKey": "bench-ws", "timestamp": str(int(time.time() * 1000))}
        await self._send(f"c{number}", "order.cancel", sent)


async def measure(face: Rest | Socket, orders: int, pid: int) -> dict[str, float]:
    """Round trips of places one at a time, then placed and cancelled orders a second, 32 under way."""
    for number in range(50):
        await face.place(number)
        await face.cancel(number)
    trips = []
    for number in range(1000, 1000 + orders):
        began = time.perf_counter_ns()
        await face.place(number)
        trips.append(time.perf_counter_ns() - began)
        await face.cancel(number)
    numbers = iter(range(10**6, 10**6 + orders))

    async def work(run: Callable[[int], Awaitable[None]]) -> None:
        for number in numbers:
            await run(number)

    async def both(number: int) -> None:
        await face.place(number)
        await face.cancel(number)

    began, used = time.perf_counter(), cpu_s(pid)
    await asyncio.gather(*(work(both) for _ in range(UNDER_WAY)))
    seconds, used = time.perf_counter() - began, cpu_s(pid) - used
    p50, p99 = np.percentile(trips, (50, 99)) / 1e6
    return {
        "place_p50_ms": round(float(p50), 3),
        "place_p99_ms": round(float(p99), 3),
        "requests_per_s": round(2 * orders / seconds, 1),
        "orders_per_s": round(orders / seconds, 1),
        "server_cpu_us_a_request": round(used / (2 * orders) * 1e6, 1),
        "orders": orders,
    }


async def run(where: dict[str, str], orders: int, pid: int) -> dict[str, Any]:
    """Both faces, one after the other."""
    async with aiohttp.ClientSession() as session:
        await session.post(f"{where['rest']}/_bot4/admin", json={"do": "limits", "limits": LIMITS})
        rest = await measure(Rest(session, where["rest"]), orders, pid)
        async with session.ws_connect(f"{where['ws']}/ws-api/v3") as socket:
            over_socket = await measure(Socket(socket), orders, pid)
    return {"rest": rest, "ws_api": over_socket}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "served_venue.json")
    chosen = parser.parse_args()
    process, where = start()
    try:
        found = asyncio.run(run(where, chosen.orders, process.pid))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    document = {
        "what": "served exchange on loopback, server and client on one machine, generated market running",
        "machine": {"python": platform.python_version(), "cpus": os.cpu_count(), "system": platform.system()},
        "load_average": [round(load, 1) for load in os.getloadavg()],
        **found,
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
