"""Handmade and generated frames in the venue's form."""

import json
import random

import numba
import numpy as np

from bot4.model.events import EVENT_DTYPE

T0 = 1_723_161_255_000
NO_JIT = bool(numba.config.DISABLE_JIT)


def line(data, local_ms=None, stream=None):
    """One recorded line."""
    local = (local_ms if local_ms is not None else T0) * 1_000_000
    body = data if stream is None else {"stream": stream, "data": data}
    return f"{local} {json.dumps(body, separators=(',', ':'))}\n".encode()


def ticker(u=10, bid="100.1", bid_qty="1.5", ask="100.2", ask_qty="2", ms=T0, **more):
    return {"e": "bookTicker", "u": u, "s": "BTCUSDT", "b": bid, "B": bid_qty, "a": ask, "A": ask_qty,
            "T": ms, "E": ms, **more}  # fmt: skip


def trade(t=1, price="100.1", qty="0.5", maker=False, ms=T0, **more):
    return {"e": "trade", "E": ms, "T": ms, "s": "BTCUSDT", "t": t, "p": price, "q": qty, "X": "MARKET",
            "m": maker, **more}  # fmt: skip


def diff(first, last, previous=None, bids=(), asks=(), ms=T0):
    data = {"e": "depthUpdate", "E": ms, "T": ms, "s": "BTCUSDT", "U": first, "u": last}
    if previous is not None:
        data["pu"] = previous
    return {**data, "b": [list(x) for x in bids], "a": [list(x) for x in asks]}


def snapshot(last, bids, asks, ms=T0):
    return {
        "lastUpdateId": last,
        "E": ms,
        "T": ms,
        "bids": [list(x) for x in bids],
        "asks": [list(x) for x in asks],
    }


def rows(n=4096):
    """Room for events; rows readable by attribute in plain Python too."""
    made = np.zeros(n, EVENT_DTYPE)
    return made.view(np.recarray) if NO_JIT else made


def session(frames=200, seed=7, perp=True):
    """(bytes, messages): a consistent feed with a snapshot early on, without a gap."""
    rng = random.Random(seed)
    mid, u, trade_id = 1000, 50, 1
    bids = {mid - 1 - k: 1 + k for k in range(30)}
    asks = {mid + 1 + k: 1 + k for k in range(30)}
    out, messages = [], []

    def text(ticks):
        return f"{ticks // 10}.{ticks % 10}0"

    def levels(side):
        return [(text(p), f"{q}.000") for p, q in side.items()]

    def send(data, ms, stream):
        messages.append(data)
        out.append(line(data, ms, stream))

    for k in range(frames):
        ms = T0 + 10 * k
        if k == 5:
            send(snapshot(u, levels(bids), levels(asks), ms), ms + 3, None)
        kind = rng.randrange(4)
        if kind == 0:
            price = rng.choice([max(bids), min(asks)])
            qty = f"0.{rng.randrange(1, 999):03d}"
            send(trade(trade_id, text(price), qty, rng.random() < 0.5, ms), ms + 2,
                 "btcusdt@trade")  # fmt: skip
            trade_id += 1
        elif kind == 1:
            b, a = max(bids), min(asks)
            send(
                ticker(u, text(b), f"{bids[b]}.000", text(a), f"{asks[a]}.000", ms),
                ms + 2,
                "btcusdt@bookTicker",
            )
        else:
            changed = ([], [])
            for _ in range(rng.randrange(1, 6)):
                side = rng.randrange(2)
                book = bids if side == 0 else asks
                edge = min(asks) - 1 if side == 0 else max(bids) + 1
                price = edge - rng.randrange(40) if side == 0 else edge + rng.randrange(40)
                qty = rng.choice([0, 0, 1, 2, 5])
                if qty == 0 and len(book) < 5:
                    qty = 3
                if qty:
                    book[price] = qty
                else:
                    book.pop(price, None)
                changed[side].append((text(price), f"{qty}.000"))
            first = u + 1
            previous = u
            u += rng.randrange(1, 9)
            send(diff(first, u, previous if perp else None, *changed, ms=ms), ms + 2, "btcusdt@depth@0ms")
    return b"".join(out), messages, bids, asks
