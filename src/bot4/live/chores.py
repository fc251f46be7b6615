"""What a session does again and again besides trading: the venue's rules, the dead man's timer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot4.execution.desk import Desk
from bot4.ports.alarm import Alarm
from bot4.ports.venue import Venue, VenueError


async def keep_rules(venue: Venue, desk: Desk, every_ns: int) -> None:
    """Read the rules every `every_ns`: filters follow, a changed meaning quarantines (`Desk.learn`)."""
    while True:
        await asyncio.sleep(every_ns / 1e9)
        try:
            desk.learn(await venue.rules())
        except VenueError:
            continue  # those read last hold; the next try comes


async def keep_dead_man(venue: Venue, symbols: Sequence[str], after_ns: int, alarm: Alarm) -> None:
    """Wind the venue's timer: unless wound again within `after_ns` it cancels the orders in the book.

    Ended by cancellation, which stops the timers: orders that are left there on purpose stay.
    """
    told = False
    try:
        while True:
            try:
                for symbol in symbols:
                    await venue.set_dead_man(symbol, after_ns)
                told = False
            except VenueError as error:
                if not told:
                    alarm.tell("warning", f"the venue's dead man's timer was not wound: {error}")
                told = True
            await asyncio.sleep(after_ns / 3e9)
    finally:
        for symbol in symbols:
            try:
                await venue.set_dead_man(symbol, 0)
            except VenueError as error:
                alarm.tell("warning", f"{symbol}: the dead man's timer still runs at the venue: {error}")
