"""Letting go of a WebSocket, also when the one who does it is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import aiohttp

Socket = aiohttp.ClientWebSocketResponse[bool]


async def let_go(socket: Socket) -> None:
    """Close. A cancellation waits until that is done, which the close time-out bounds: no line leaks."""
    closing = asyncio.ensure_future(socket.close())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await closing
        raise
    finally:
        # a line that broke, rather than closed, is not given back by `close` (aiohttp 3.14)
        socket._response.close()
