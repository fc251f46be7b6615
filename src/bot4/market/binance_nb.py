"""Recorded or live Binance frames, straight from bytes to event records.

A line is `RECEIVED_NS SPACE JSON NEWLINE`. The JSON is a combined-stream wrapper
({"stream":..,"data":{..}}), the bare data object, or a REST depth snapshot. Keys may come in any
order and unknown keys are skipped; values are taken strictly. A frame is atomic: whatever is
wrong in it rejects all of it, under a counted reason.

Formats: Binance spot "Web Socket Streams" and USD-M futures "Websocket Market Streams"
(depthUpdate, bookTicker, trade, aggTrade) and the REST `depth` reply.
"""

from typing import NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.market import scan_nb as s
from bot4.market.scan_nb import (
    Array,
    decimal_nb,
    integer_nb,
    same_text_nb,
    skip_space_nb,
    skip_string_nb,
    skip_value_nb,
    time_ns_nb,
)
from bot4.market.shape_nb import META, SHAPES, TEXT, learn_shape_nb, match_shape_nb
from bot4.model import codes_nb as c

# --- slots: where the value of a known key starts; work[S_AT + slot] ------------------
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

# --- FrameParser.work: the grid ---------------------------------------------------
G_PRICE_EXP = 0
G_PRICE_STEP = 1
G_QTY_EXP = 2
G_QTY_STEP = 3
G_INSTRUMENT = 4
G_VENUE = 5
G_AGG = 6  # 1: aggTrade counts as trade (set when the feed has no `trade` stream)
G_MANY = 7  # 1: several symbols share the feed, a bare snapshot must be near the last price

# --- FrameParser.work: the state ----------------------------------------------------
T_LINE = 8  # lines read
T_VENUE = 9  # last known venue time of the connection, ns
T_LOCAL = 10  # receive time of the last accepted frame, ns
T_PRICE = 11  # last price in ticks
T_BAD = 12  # rows used in `bad`
T_MIN_DELAY = 13  # least receive minus venue time so far, ns
T_END = 14  # scratch: where the walk of a whole line ended
T_SHAPES = 15  # shapes learnt

S_AT = 16
N_SLOTS = 17
N_WORK = S_AT + N_SLOTS

DAY_NS = 86_400_000_000_000
FAR = 2**62

# keys whose values change from line to line: all but e, s, X
_VARIABLE = (1 << N_SLOTS) - 1 - (1 << S_EVENT) - (1 << S_SYMBOL) - (1 << S_TYPE)

_KEYS = np.full(128, S_SKIP, np.int64)
for _name, _slot in zip("esETUutpqbBaAmX", [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]):
    _KEYS[ord(_name)] = _slot


def _word(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8).copy()


_AGG_TRADE = -1

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

    symbol: Array  # u1, upper case; empty: every symbol is taken
    work: Array  # i8[N_WORK]: grid (G_*), state (T_*) and the slots of a line
    counts: Array  # i8[N_P], lines by outcome
    bad: Array  # i8[k, 2], line number and outcome of the first rejected lines
    text: Array  # u1[SHAPES * TEXT], literal text of the shapes
    meta: Array  # i8[SHAPES * META], their pieces


def new_parser(
    symbol: str, instrument: int, price_grid: tuple[int, int], qty_grid: tuple[int, int], venue: int = 0
) -> FrameParser:
    """A parser for `symbol` as the venue writes it ("BTCUSDT"; "": every symbol).

    A grid is (decimals, step in units of 10**-decimals): tick 0.5 is (1, 5), lot 0.001 is (3, 1).
    """
    work = np.zeros(N_WORK, np.int64)
    work[:6] = [*price_grid, *qty_grid, instrument, venue]
    work[T_MIN_DELAY] = FAR
    counts = np.zeros(s.N_P, np.int64)
    return FrameParser(
        _word(symbol.upper()),
        work,
        counts,
        np.zeros((16, 2), np.int64),
        np.zeros(SHAPES * TEXT, np.uint8),
        np.zeros(SHAPES * META, np.int64),
    )


@kernel
def _key_slot_nb(buf: Array, start: int, length: int) -> int:
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
def _levels_nb(work: Array, buf: Array, i: int, out: Array, n: int, flag: int) -> tuple[int, int, int]:
    """Levels from `i` (after the opening bracket) into out[n:]: (position, n, code)."""
    price_exp, price_step = work[0], work[1]
    qty_exp, qty_step = work[2], work[3]
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
        row["price"] = price
        row["qty"] = qty
        row["flags"] = flag
        n += 1
        i = skip_space_nb(buf, i + 1)
        if buf[i] == 93:
            return i + 1, n, 0
        if buf[i] != 44:
            return i, n, 6
        i = skip_space_nb(buf, i + 1)


@kernel
def _object_nb(symbol: Array, work: Array, buf: Array, i: int, out: Array, n: int) -> tuple[int, int, int]:
    """Walk the object at `i`: (slots seen, rows used, code). Levels go to out[n + 1:].

    A wrong number inside levels does not stop the walk: the frame may turn out to be another
    instrument's, whose grid is not ours.
    """
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
            work[S_AT + slot] = i + 1 if first == 34 else i
        if first == 91 and slot in (S_BID, S_ASK):
            flag = 1 if slot == S_BID else 0
            end, rows, code = _levels_nb(work, buf, i + 1, out, rows, flag)
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
            i = skip_string_nb(buf, i + 1) + 1 if first == 34 else skip_value_nb(buf, i)
            if i <= 0:
                return seen, rows, 6
            ours = slot != S_SYMBOL or symbol.shape[0] == 0
            if not ours and not same_text_nb(buf, work[S_AT + S_SYMBOL], symbol):
                return seen, rows, 2
        i = skip_space_nb(buf, i)
        while buf[i] == 125 and depth > 0:
            depth -= 1
            i = skip_space_nb(buf, i + 1)
        if depth > 0:
            if buf[i] != 44:
                return seen, rows, 6
            i = skip_space_nb(buf, i + 1)
    if buf[i] != 10:
        return seen, rows, 6
    work[T_END] = i
    return seen, rows, bad


@kernel
def _venue_time_nb(work: Array, buf: Array, seen: int, local: int) -> int:
    """The frame's venue time: T, else E, else the last one known; 0 if it is absurd.

    A frame without any time takes the connection's last venue time, or the receive time while
    none is known. More than a day between the two clocks is a damaged stamp.
    """
    if seen & ((1 << S_TIME) | (1 << S_EVENT_TIME)):
        slot = S_TIME if seen & (1 << S_TIME) else S_EVENT_TIME
        venue = time_ns_nb(integer_nb(buf, work[S_AT + slot]))
        if seen & (1 << S_EVENT_TIME) and time_ns_nb(integer_nb(buf, work[S_AT + S_EVENT_TIME])) == 0:
            return 0
        return venue if abs(local - venue) <= DAY_NS else 0
    if work[T_VENUE] == 0:
        return local
    return int(work[T_VENUE]) if abs(local - work[T_LOCAL]) <= DAY_NS else 0


@kernel
def _stamp_nb(work: Array, out: Array, n: int, kind: int, venue_ns: int, local: int, seq: int) -> None:
    """Fill the fields that every record has; x, y, price, qty, flags are the caller's."""
    row = out[n]
    row["ts_venue"] = venue_ns
    row["ts_local"] = local
    row["seq"] = seq
    row["kind"] = kind
    row["instrument"] = work[G_INSTRUMENT]
    row["venue"] = work[G_VENUE]
    row["spare"] = 0


@kernel
def _depth_nb(
    work: Array,
    buf: Array,
    seen: int,
    out: Array,
    n: int,
    rows: int,
    times: tuple[int, int],
) -> tuple[int, int]:
    """Head and stamps of a diff or a snapshot whose levels stand in out[n+1:rows]: (n, code)."""
    head = out[n]
    head.x = 0
    head.y = 0
    kind = c.EV_SNAPSHOT_HEAD
    if seen & (1 << S_SNAPSHOT):
        if not (seen & (1 << S_BID) and seen & (1 << S_ASK)):
            return n, 8
        seq = integer_nb(buf, work[S_AT + S_SNAPSHOT])
        if seq <= 0:
            return n, 14
        if work[G_MANY] != 0:
            last = work[T_PRICE]
            if rows == n + 1 or last == 0 or abs(out[n + 1].price - last) * 20 > last:
                return n, 5
    else:
        kind = c.EV_DEPTH_HEAD
        need = (1 << S_FIRST) | (1 << S_LAST) | (1 << S_BID) | (1 << S_ASK)
        if seen & need != need:
            return n, 8
        seq = integer_nb(buf, work[S_AT + S_LAST])
        first = integer_nb(buf, work[S_AT + S_FIRST])
        previous = integer_nb(buf, work[S_AT + S_PREVIOUS]) if seen & (1 << S_PREVIOUS) else -2
        if first <= 0 or seq < first or previous == -1:
            return n, 14
        head.x = first
        head.y = max(previous, -1)
    head.price = 0
    head.qty = 0
    head["flags"] = c.FLAG_LAST if rows == n + 1 else 0
    _stamp_nb(work, out, n, kind, times[0], times[1], seq)
    for k in range(n + 1, rows):
        level = out[k]
        level.x = 0
        level.y = 0
        _stamp_nb(work, out, k, c.EV_DEPTH, times[0], times[1], seq)
    if rows > n + 1:
        out[rows - 1]["flags"] |= c.FLAG_LAST
    return rows, 0


@kernel
def _pair_nb(work: Array, buf: Array, price_slot: int, qty_slot: int) -> tuple[int, int, int]:
    """(ticks, lots, code) of two slots; positions right after a quote are stepped back onto it."""
    i = work[S_AT + price_slot]
    _, price, code = decimal_nb(buf, i - 1 if buf[i - 1] == 34 else i, work[0], work[1])
    if code != 0:
        return 0, 0, code
    i = work[S_AT + qty_slot]
    _, qty, code = decimal_nb(buf, i - 1 if buf[i - 1] == 34 else i, work[2], work[3])
    if code == 0 and price == 0:
        code = 11
    return price, qty, code


@kernel
def _ticker_nb(
    work: Array, buf: Array, seen: int, out: Array, n: int, times: tuple[int, int]
) -> tuple[int, int]:
    """A bookTicker: (n, code)."""
    need = (1 << S_LAST) | (1 << S_BID) | (1 << S_BID_QTY) | (1 << S_ASK) | (1 << S_ASK_QTY)
    if seen & need != need:
        return n, 8
    seq = integer_nb(buf, work[S_AT + S_LAST])
    if seq <= 0:
        return n, 14
    bid, bid_qty, code = _pair_nb(work, buf, S_BID, S_BID_QTY)
    if code != 0:
        return n, code
    ask, ask_qty, code = _pair_nb(work, buf, S_ASK, S_ASK_QTY)
    if code != 0:
        return n, code
    row = out[n]
    row["price"] = bid
    row["qty"] = bid_qty
    row["x"] = ask
    row["y"] = ask_qty
    row["flags"] = 0
    _stamp_nb(work, out, n, c.EV_BOOK_TICKER, times[0], times[1], seq)
    work[T_PRICE] = bid
    return n + 1, 0


@kernel
def _trade_nb(
    work: Array,
    buf: Array,
    seen: int,
    out: Array,
    n: int,
    times: tuple[int, int],
    id_slot: int,
) -> tuple[int, int]:
    """A trade or aggTrade: (n, code)."""
    need = (1 << id_slot) | (1 << S_PRICE) | (1 << S_QTY) | (1 << S_MAKER)
    if seen & need != need:
        return n, 8
    if seen & (1 << S_TYPE) and not same_text_nb(buf, work[S_AT + S_TYPE], _W_MARKET):
        return n, 4
    seq = integer_nb(buf, work[S_AT + id_slot])
    if seq < 0:
        return n, 14
    price, qty, code = _pair_nb(work, buf, S_PRICE, S_QTY)
    if code == 11 and qty == 0:
        return n, 4
    if code != 0:
        return n, code
    if qty == 0:
        return n, 4
    maker = buf[work[S_AT + S_MAKER]]
    if maker != 116 and maker != 102:  # true, false
        return n, 6
    row = out[n]
    row["price"] = price
    row["qty"] = qty
    row["x"] = 0
    row["y"] = 0
    row["flags"] = c.FLAG_BUYER_MAKER if maker == 116 else 0
    _stamp_nb(work, out, n, c.EV_TRADE, times[0], times[1], seq)
    work[T_PRICE] = price
    return n + 1, 0


@kernel
def _event_nb(work: Array, buf: Array, seen: int) -> int:
    """What the frame is: EV_DEPTH_HEAD, EV_BOOK_TICKER, EV_TRADE, _AGG_TRADE, or 0."""
    if seen & (1 << S_EVENT):
        at = work[S_AT + S_EVENT]
        if same_text_nb(buf, at, _W_TICKER):
            return c.EV_BOOK_TICKER
        if same_text_nb(buf, at, _W_TRADE):
            return c.EV_TRADE
        if same_text_nb(buf, at, _W_DEPTH):
            return c.EV_DEPTH_HEAD
        if same_text_nb(buf, at, _W_AGG) and work[G_AGG] != 0:
            return _AGG_TRADE
        return 0
    if seen & (1 << S_SNAPSHOT):
        return c.EV_DEPTH_HEAD
    if seen & (1 << S_BID_QTY) and seen & (1 << S_LAST):
        return c.EV_BOOK_TICKER  # spot: no event name, no time
    return 0


@kernel
def _fields_nb(
    work: Array, buf: Array, event: int, seen: int, out: Array, n: int, rows: int, local: int
) -> tuple[int, int]:
    """Rows of a frame whose keys have been found: (n, code)."""
    venue_ns = _venue_time_nb(work, buf, seen, local)
    if venue_ns == 0:
        return n, 7
    times = (venue_ns, local)
    if event == c.EV_BOOK_TICKER:
        n, code = _ticker_nb(work, buf, seen, out, n, times)
    elif event == c.EV_DEPTH_HEAD:
        n, code = _depth_nb(work, buf, seen, out, n, rows, times)
    elif event == c.EV_TRADE:
        n, code = _trade_nb(work, buf, seen, out, n, times, S_TRADE_ID)
    else:
        n, code = _trade_nb(work, buf, seen, out, n, times, S_ASK)
    if code == 0:
        work[T_LOCAL] = local
        if seen & ((1 << S_TIME) | (1 << S_EVENT_TIME)):
            work[T_VENUE] = venue_ns
            if local - venue_ns < work[T_MIN_DELAY]:
                work[T_MIN_DELAY] = local - venue_ns
    return n, code


@kernel
def _frame_nb(
    symbol: Array, work: Array, text: Array, meta: Array, buf: Array, pos: int, end: int, out: Array, n: int
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
    i = skip_space_nb(buf, i)
    shapes = work[T_SHAPES]
    for shape in range(shapes):
        stop = match_shape_nb(text, meta, shape, buf, i, end, work, S_AT)
        if stop > 0:
            work[T_END] = stop
            seen = meta[shape * META + 1]
            event = int(meta[shape * META + META - 1])
            return _fields_nb(work, buf, event, seen, out, n, n + 1, local)
    seen, rows, code = _object_nb(symbol, work, buf, i, out, n)
    if code != 0:
        return n, code
    event = _event_nb(work, buf, seen)
    if event == 0:
        return n, 3
    if (
        shapes < SHAPES
        and event != c.EV_DEPTH_HEAD
        and not (seen & (1 << S_TYPE) and not same_text_nb(buf, work[S_AT + S_TYPE], _W_MARKET))
        and learn_shape_nb(text, meta, shapes, buf, i, work, S_AT, seen & ~(1 << S_TYPE), _VARIABLE)
    ):
        meta[shapes * META + META - 1] = event
        work[T_SHAPES] = shapes + 1
    return _fields_nb(work, buf, event, seen, out, n, rows, local)


@kernel
def parse_frames_nb(
    ctx: FrameParser, buf: Array, start: int, end: int, out: Array, n: int
) -> tuple[int, int]:
    """Parse the lines of buf[start:end] into out[n:]: (position reached, rows used).

    `buf` is uint8 and buf[end - 1] must be a newline. Stops before a frame that does not fit in
    what is left of `out`; a frame that cannot fit in an empty `out` is rejected. One row for
    every eight bytes of text plus one is always enough. Live use: the same call with one line.
    """
    # arrays are taken out of the tuple once: taking them out costs atomic reference counts
    symbol, work, counts, bad = ctx.symbol, ctx.work, ctx.counts, ctx.bad
    text, meta = ctx.text, ctx.meta
    pos = start
    work[T_END] = start
    while pos < end:
        rows, code = _frame_nb(symbol, work, text, meta, buf, pos, end, out, n)
        if code == 16:
            if n > 0:
                return pos, n
            code = 15
        else:
            n = rows
        work[T_LINE] += 1
        counts[code] += 1
        if code >= 6:
            k = work[T_BAD]
            if k < bad.shape[0]:
                bad[k, 0] = work[T_LINE]
                bad[k, 1] = code
                work[T_BAD] = k + 1
        pos = max(pos, work[T_END])
        while buf[pos] != 10:
            pos += 1
        pos += 1
    return pos, n
