"""Recorded or live Binance frames, straight from bytes to event records.

A line is `RECEIVED_NS SPACE JSON NEWLINE`. The JSON is a combined-stream wrapper
({"stream":..,"data":{..}}), the bare data object, or a REST depth snapshot. Keys may come in any
order and unknown keys are skipped; values are taken strictly. A frame is atomic: whatever is
wrong in it rejects all of it, under a counted reason.

Formats: Binance spot "Web Socket Streams" and USD-M futures "Websocket Market Streams"
(depthUpdate, bookTicker, trade, aggTrade) and the REST `depth` reply.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market import scan_nb as s
from bot4.market.scan_nb import (
    decimal_nb,
    integer_nb,
    same_text_nb,
    skip_space_nb,
    skip_string_nb,
    skip_value_nb,
    time_ns_nb,
)
from bot4.model import codes_nb as c

# --- slots: where the value of a known key starts -----------------------------------
S_EVENT = 0
S_SYMBOL = 1
S_EVENT_TIME = 2
S_TIME = 3
S_FIRST = 4
S_LAST = 5
S_PREVIOUS = 6
S_TRADE_ID = 7
S_PRICE = 8
S_QTY = 9
S_BID = 10
S_BID_QTY = 11
S_ASK = 12
S_ASK_QTY = 13
S_MAKER = 14
S_TYPE = 15
S_SNAPSHOT = 16
S_SKIP = 17
S_DESCEND = 18
N_SLOTS = 17

# --- FrameParser.grid ---------------------------------------------------------------
G_PRICE_EXP = 0
G_PRICE_STEP = 1
G_QTY_EXP = 2
G_QTY_STEP = 3
G_INSTRUMENT = 4
G_VENUE = 5
G_AGG = 6  # 1: aggTrade counts as trade (set when the feed has no `trade` stream)
G_MANY = 7  # 1: several symbols share the feed, a bare snapshot must be near the last price

# --- FrameParser.state --------------------------------------------------------------
T_LINE = 0  # lines read
T_VENUE = 1  # last known venue time of the connection, ns
T_LOCAL = 2  # receive time of the last accepted frame, ns
T_PRICE = 3  # last price in ticks
T_BAD = 4  # rows used in `bad`
T_MIN_DELAY = 5  # least receive minus venue time so far, ns

DAY_NS = 86_400_000_000_000
FAR = 2**62

_KEYS = np.full(128, S_SKIP, np.int64)
for _name, _slot in zip("esETUutpqbBaAmX", [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]):
    _KEYS[ord(_name)] = _slot


def _word(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(text.encode(), np.uint8).copy()


_W_DEPTH = _word("depthUpdate")
_W_TICKER = _word("bookTicker")
_W_TRADE = _word("trade")
_W_AGG = _word("aggTrade")
_W_MARKET = _word("MARKET")
_W_LAST_UPDATE = _word("lastUpdateId")
_W_BIDS = _word("bids")
_W_ASKS = _word("asks")
_W_DATA = _word("data")
_W_RESULT = _word("result")


class FrameParser(NamedTuple):
    """What the parser of one instrument on one connection must hold."""

    symbol: np.ndarray[Any, Any]  # u1, upper case; empty: every symbol is taken
    grid: np.ndarray[Any, Any]  # i8[8], G_*
    state: np.ndarray[Any, Any]  # i8[8], T_*
    counts: np.ndarray[Any, Any]  # i8[N_P], lines by outcome
    bad: np.ndarray[Any, Any]  # i8[k, 2], line number and outcome of the first rejected lines
    slots: np.ndarray[Any, Any]  # i8[N_SLOTS], scratch


def new_parser(
    symbol: str, instrument: int, price_grid: tuple[int, int], qty_grid: tuple[int, int], venue: int = 0
) -> FrameParser:
    """A parser for `symbol` as the venue writes it ("BTCUSDT"; "": every symbol).

    A grid is (decimals, step in units of 10**-decimals): tick 0.5 is (1, 5), lot 0.001 is (3, 1).
    """
    grid = np.zeros(8, np.int64)
    grid[:6] = [*price_grid, *qty_grid, instrument, venue]
    state = np.zeros(8, np.int64)
    state[T_MIN_DELAY] = FAR
    return FrameParser(
        _word(symbol.upper()),
        grid,
        state,
        np.zeros(s.N_P, np.int64),
        np.zeros((16, 2), np.int64),
        np.zeros(N_SLOTS, np.int64),
    )


@kernel
def _key_slot_nb(buf: np.ndarray[Any, Any], start: int, length: int) -> int:
    """The slot of the key whose text stands at `start`."""
    if length == 1:
        return int(_KEYS[buf[start] & 127])
    if length == 2:
        return S_PREVIOUS if buf[start] == 112 and buf[start + 1] == 117 else S_SKIP
    if length == 4:
        if same_text_nb(buf, start, _W_DATA):
            return S_DESCEND
        if same_text_nb(buf, start, _W_BIDS):
            return S_BID
        if same_text_nb(buf, start, _W_ASKS):
            return S_ASK
    elif length == 6 and same_text_nb(buf, start, _W_RESULT):
        return S_DESCEND
    elif length == 12 and same_text_nb(buf, start, _W_LAST_UPDATE):
        return S_SNAPSHOT
    return S_SKIP


@kernel
def _levels_nb(
    grid: np.ndarray[Any, Any], buf: np.ndarray[Any, Any], i: int, out: np.ndarray[Any, Any], n: int, flag: int
) -> tuple[int, int, int]:
    """Levels from `i` (after the opening bracket) into out[n:]: (position, n, code)."""
    price_exp, price_step = grid[0], grid[1]
    qty_exp, qty_step = grid[2], grid[3]
    room = out.shape[0]
    i = skip_space_nb(buf, i)
    if buf[i] == 93:
        return i + 1, n, 0
    while True:
        if buf[i] != 91:
            return i, n, 6
        i, price, code = decimal_nb(buf, skip_space_nb(buf, i + 1), price_exp, price_step)
        if code != 0:
            return i, n, code
        i = skip_space_nb(buf, i)
        if buf[i] != 44:
            return i, n, 6
        i, qty, code = decimal_nb(buf, skip_space_nb(buf, i + 1), qty_exp, qty_step)
        if code != 0:
            return i, n, code
        i = skip_space_nb(buf, i)
        if buf[i] == 44:  # some old replies carry a third, empty element
            i = skip_value_nb(buf, skip_space_nb(buf, i + 1))
            if i < 0:
                return 0, n, 6
        if buf[i] != 93:
            return i, n, 6
        if price == 0:
            return i, n, 11
        if n >= room:
            return i, n, 16
        row = out[n]
        row.price = price
        row.qty = qty
        row.flags = flag
        n += 1
        i = skip_space_nb(buf, i + 1)
        if buf[i] == 93:
            return i + 1, n, 0
        if buf[i] != 44:
            return i, n, 6
        i = skip_space_nb(buf, i + 1)


@kernel
def _object_nb(
    ctx: FrameParser, buf: np.ndarray[Any, Any], i: int, out: np.ndarray[Any, Any], n: int
) -> tuple[int, int, int]:
    """Walk the object at `i`: (slots seen, rows used, code). Levels go to out[n + 1:].

    A wrong number inside levels does not stop the walk: the frame may turn out to be another
    instrument's, whose grid is not ours.
    """
    slots = ctx.slots
    i = skip_space_nb(buf, i)
    if buf[i] != 123:
        if buf[i] == 91 and skip_value_nb(buf, i) > 0:
            return 0, n, 3
        return 0, n, 6
    depth = 1
    seen = 0
    bad = 0
    rows = n + 1
    i = skip_space_nb(buf, i + 1)
    if buf[i] == 125:
        depth = 0
        i += 1
    while depth > 0:
        if buf[i] != 34:
            return seen, rows, 6
        start = i + 1
        i = skip_string_nb(buf, start)
        if i < 0:
            return seen, rows, 6
        slot = _key_slot_nb(buf, start, i - start)
        i = skip_space_nb(buf, i + 1)
        if buf[i] != 58:
            return seen, rows, 6
        i = skip_space_nb(buf, i + 1)
        first = buf[i]
        if slot < S_SKIP:
            if seen & (1 << slot):
                return seen, rows, 6
            seen |= 1 << slot
            slots[slot] = i + 1 if first == 34 else i
        if first == 91 and (slot == S_BID or slot == S_ASK):
            flag = 1 if slot == S_BID else 0
            end, rows, code = _levels_nb(ctx.grid, buf, i + 1, out, rows, flag)
            if code == 6 or code == 16:
                return seen, rows, code
            if code != 0:
                bad = code
                end = skip_value_nb(buf, i)
                if end < 0:
                    return seen, rows, 6
            i = end
        elif first == 123 and slot == S_DESCEND:
            depth += 1
            i = skip_space_nb(buf, i + 1)
            if buf[i] != 125:
                continue
        else:
            i = skip_value_nb(buf, i)
            if i < 0:
                return seen, rows, 6
            if slot == S_SYMBOL and ctx.symbol.shape[0] > 0:
                if not same_text_nb(buf, slots[S_SYMBOL], ctx.symbol):
                    return seen, rows, 2
        i = skip_space_nb(buf, i)
        while buf[i] == 125 and depth > 0:
            depth -= 1
            i = skip_space_nb(buf, i + 1)
        if depth > 0:
            if buf[i] != 44:
                return seen, rows, 6
            i = skip_space_nb(buf, i + 1)
    if buf[skip_space_nb(buf, i)] != 10:
        return seen, rows, 6
    return seen, rows, bad


@kernel
def _venue_time_nb(ctx: FrameParser, buf: np.ndarray[Any, Any], seen: int, local: int) -> int:
    """The frame's venue time: T, else E, else the last one known; 0 if it is absurd.

    A frame without any time takes the connection's last venue time, or the receive time while
    none is known. More than a day between the two clocks is a damaged stamp.
    """
    state = ctx.state
    if seen & ((1 << S_TIME) | (1 << S_EVENT_TIME)):
        slot = S_TIME if seen & (1 << S_TIME) else S_EVENT_TIME
        venue = time_ns_nb(integer_nb(buf, ctx.slots[slot]))
        if seen & (1 << S_EVENT_TIME) and time_ns_nb(integer_nb(buf, ctx.slots[S_EVENT_TIME])) == 0:
            return 0
        return venue if abs(local - venue) <= DAY_NS else 0
    if state[T_VENUE] == 0:
        return local
    return int(state[T_VENUE]) if abs(local - state[T_LOCAL]) <= DAY_NS else 0


@kernel
def _stamp_nb(
    ctx: FrameParser, out: np.ndarray[Any, Any], n: int, kind: int, venue_ns: int, local: int, seq: int
) -> None:
    """Fill the fields that every record has; x, y, price, qty, flags are the caller's."""
    row = out[n]
    row.ts_venue = venue_ns
    row.ts_local = local
    row.seq = seq
    row.kind = kind
    row.instrument = ctx.grid[G_INSTRUMENT]
    row.venue = ctx.grid[G_VENUE]
    row.spare = 0


@kernel
def _depth_nb(
    ctx: FrameParser,
    buf: np.ndarray[Any, Any],
    seen: int,
    out: np.ndarray[Any, Any],
    n: int,
    rows: int,
    times: tuple[int, int],
) -> tuple[int, int]:
    """Head and stamps of a diff or a snapshot whose levels stand in out[n+1:rows]: (n, code)."""
    slots = ctx.slots
    head = out[n]
    head.x = 0
    head.y = 0
    kind = c.EV_SNAPSHOT_HEAD
    if seen & (1 << S_SNAPSHOT):
        if not (seen & (1 << S_BID) and seen & (1 << S_ASK)):
            return n, 8
        seq = integer_nb(buf, slots[S_SNAPSHOT])
        if seq <= 0:
            return n, 14
        if ctx.grid[G_MANY] != 0:
            last = ctx.state[T_PRICE]
            if rows == n + 1 or last == 0 or abs(out[n + 1].price - last) * 20 > last:
                return n, 5
    else:
        kind = c.EV_DEPTH_HEAD
        need = (1 << S_FIRST) | (1 << S_LAST) | (1 << S_BID) | (1 << S_ASK)
        if seen & need != need:
            return n, 8
        seq = integer_nb(buf, slots[S_LAST])
        first = integer_nb(buf, slots[S_FIRST])
        previous = integer_nb(buf, slots[S_PREVIOUS]) if seen & (1 << S_PREVIOUS) else -2
        if first <= 0 or seq < first or previous == -1:
            return n, 14
        head.x = first
        head.y = max(previous, -1)
    head.price = 0
    head.qty = 0
    head.flags = c.FLAG_LAST if rows == n + 1 else 0
    _stamp_nb(ctx, out, n, kind, times[0], times[1], seq)
    for k in range(n + 1, rows):
        level = out[k]
        level.x = 0
        level.y = 0
        _stamp_nb(ctx, out, k, c.EV_DEPTH, times[0], times[1], seq)
    if rows > n + 1:
        out[rows - 1].flags |= c.FLAG_LAST
    return rows, 0


@kernel
def _pair_nb(
    ctx: FrameParser, buf: np.ndarray[Any, Any], price_slot: int, qty_slot: int
) -> tuple[int, int, int]:
    """(ticks, lots, code) of two slots; positions right after a quote are stepped back onto it."""
    grid = ctx.grid
    i = ctx.slots[price_slot]
    _, price, code = decimal_nb(buf, i - 1 if buf[i - 1] == 34 else i, grid[0], grid[1])
    if code != 0:
        return 0, 0, code
    i = ctx.slots[qty_slot]
    _, qty, code = decimal_nb(buf, i - 1 if buf[i - 1] == 34 else i, grid[2], grid[3])
    if code == 0 and price == 0:
        code = 11
    return price, qty, code


@kernel
def _ticker_nb(
    ctx: FrameParser, buf: np.ndarray[Any, Any], seen: int, out: np.ndarray[Any, Any], n: int, times: tuple[int, int]
) -> tuple[int, int]:
    """A bookTicker: (n, code)."""
    need = (1 << S_LAST) | (1 << S_BID) | (1 << S_BID_QTY) | (1 << S_ASK) | (1 << S_ASK_QTY)
    if seen & need != need:
        return n, 8
    seq = integer_nb(buf, ctx.slots[S_LAST])
    if seq <= 0:
        return n, 14
    bid, bid_qty, code = _pair_nb(ctx, buf, S_BID, S_BID_QTY)
    if code != 0:
        return n, code
    ask, ask_qty, code = _pair_nb(ctx, buf, S_ASK, S_ASK_QTY)
    if code != 0:
        return n, code
    row = out[n]
    row.price = bid
    row.qty = bid_qty
    row.x = ask
    row.y = ask_qty
    row.flags = 0
    _stamp_nb(ctx, out, n, c.EV_BOOK_TICKER, times[0], times[1], seq)
    ctx.state[T_PRICE] = bid
    return n + 1, 0


@kernel
def _trade_nb(
    ctx: FrameParser,
    buf: np.ndarray[Any, Any],
    seen: int,
    out: np.ndarray[Any, Any],
    n: int,
    times: tuple[int, int],
    id_slot: int,
) -> tuple[int, int]:
    """A trade or aggTrade: (n, code)."""
    slots = ctx.slots
    need = (1 << id_slot) | (1 << S_PRICE) | (1 << S_QTY) | (1 << S_MAKER)
    if seen & need != need:
        return n, 8
    if seen & (1 << S_TYPE) and not same_text_nb(buf, slots[S_TYPE], _W_MARKET):
        return n, 4
    seq = integer_nb(buf, slots[id_slot])
    if seq < 0:
        return n, 14
    price, qty, code = _pair_nb(ctx, buf, S_PRICE, S_QTY)
    if code == 11 and qty == 0:
        return n, 4
    if code != 0:
        return n, code
    if qty == 0:
        return n, 4
    maker = buf[slots[S_MAKER]]
    if maker != 116 and maker != 102:  # true, false
        return n, 6
    row = out[n]
    row.price = price
    row.qty = qty
    row.x = 0
    row.y = 0
    row.flags = c.FLAG_BUYER_MAKER if maker == 116 else 0
    _stamp_nb(ctx, out, n, c.EV_TRADE, times[0], times[1], seq)
    ctx.state[T_PRICE] = price
    return n + 1, 0


@kernel
def _frame_nb(
    ctx: FrameParser, buf: np.ndarray[Any, Any], pos: int, out: np.ndarray[Any, Any], n: int
) -> tuple[int, int]:
    """One line at `pos` into out[n:]: (rows used, P_* code)."""
    if n >= out.shape[0]:
        return n, 16
    i = skip_space_nb(buf, pos)
    if buf[i] == 10:
        return n, 1
    local = time_ns_nb(integer_nb(buf, i))
    if local == 0:
        return n, 7
    while buf[i] != 32 and buf[i] != 10:
        i += 1
    seen, rows, code = _object_nb(ctx, buf, i, out, n)
    if code != 0:
        return n, code
    slots = ctx.slots
    event = 0
    if seen & (1 << S_EVENT):
        at = slots[S_EVENT]
        if same_text_nb(buf, at, _W_TICKER):
            event = 2
        elif same_text_nb(buf, at, _W_TRADE):
            event = 3
        elif same_text_nb(buf, at, _W_DEPTH):
            event = 1
        elif same_text_nb(buf, at, _W_AGG) and ctx.grid[G_AGG] != 0:
            event = 4
    elif seen & (1 << S_SNAPSHOT):
        event = 1
    elif seen & (1 << S_BID_QTY) and seen & (1 << S_LAST):
        event = 2  # spot bookTicker: no event name, no time
    if event == 0:
        return n, 3
    venue_ns = _venue_time_nb(ctx, buf, seen, local)
    if venue_ns == 0:
        return n, 7
    if event == 2:
        n, code = _ticker_nb(ctx, buf, seen, out, n, (venue_ns, local))
    elif event == 1:
        n, code = _depth_nb(ctx, buf, seen, out, n, rows, (venue_ns, local))
    else:
        slot = S_TRADE_ID if event == 3 else S_ASK
        n, code = _trade_nb(ctx, buf, seen, out, n, (venue_ns, local), slot)
    if code == 0:
        state = ctx.state
        state[T_LOCAL] = local
        if seen & ((1 << S_TIME) | (1 << S_EVENT_TIME)):
            state[T_VENUE] = venue_ns
            if local - venue_ns < state[T_MIN_DELAY]:
                state[T_MIN_DELAY] = local - venue_ns
    return n, code


@kernel
def parse_frames_nb(
    ctx: FrameParser, buf: np.ndarray[Any, Any], start: int, end: int, out: np.ndarray[Any, Any], n: int
) -> tuple[int, int]:
    """Parse the lines of buf[start:end] into out[n:]: (position reached, rows used).

    `buf` is uint8 and buf[end - 1] must be a newline. Stops before a frame that does not fit in
    what is left of `out`; a frame that cannot fit in an empty `out` is rejected. One row for
    every eight bytes of text plus one is always enough. Live use: the same call with one line.
    """
    pos = start
    while pos < end:
        rows, code = _frame_nb(ctx, buf, pos, out, n)
        if code == 16:
            if n > 0:
                return pos, n
            code = 15
        else:
            n = rows
        ctx.state[T_LINE] += 1
        ctx.counts[code] += 1
        if code >= 6:
            k = ctx.state[T_BAD]
            if k < ctx.bad.shape[0]:
                ctx.bad[k, 0] = ctx.state[T_LINE]
                ctx.bad[k, 1] = code
                ctx.state[T_BAD] = k + 1
        while buf[pos] != 10:
            pos += 1
        pos += 1
    return pos, n
