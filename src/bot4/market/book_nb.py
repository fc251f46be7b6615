"""L2 book per instrument: sequence check, price ladder, best bid and ask.

A book is valid (synced) or not. While it is not, diffs wait in a pending buffer; a snapshot
replaces the ladder and the pending diffs that follow it are replayed. A missing id makes the book
invalid until the next snapshot, and so does a crossed or locked book after a whole frame. What is
unknown reads as 0, never as the last value.

Sequence rules as Binance documents them ("How to manage a local order book correctly"):
spot: diffs with u <= lastUpdateId are dropped, the first has U <= lastUpdateId + 1 <= u, then each
U is the previous u + 1. USD-M futures: the first diff has U <= lastUpdateId <= u (here: pu <=
lastUpdateId, which holds in that case and also where the snapshot fell between two diffs), then
each pu is the previous u.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.kernels.ladder_nb import (
    Ladder,
    ladder_best_nb,
    ladder_clear_nb,
    ladder_qty_nb,
    ladder_set_nb,
    ladder_worse_nb,
    side_set,
)
from bot4.market.scan_nb import Array
from bot4.model import codes_nb as c

# --- what fold_book_nb answers (bits) -------------------------------------------------
BOOK_TOP = 1  # best price or quantity of the L2 book changed
BOOK_FRAME = 2  # a frame is complete and the book is valid
BOOK_GAP = 4  # ids are missing or a frame was cut: the book is no longer valid
BOOK_CROSSED = 8  # bid >= ask after a frame: the book is no longer valid
BOOK_SYNCED = 16  # the book became valid
BOOK_QUOTE = 32  # the freshest quote changed
BOOK_REFUSED = 64  # a crossed bookTicker was not folded

# --- what the events of the current frame are for (top.mode) ----------------------------
_IDLE = 0
_APPLY = 1
_BUFFER = 2
_DROP = 3
_SNAPSHOT = 4

_STALE = 0
_NEXT = 1
_GAP = 2


class BookState(NamedTuple):
    """Books of all instruments; make it with `bot4.market.book.new_book`."""

    ladder: Ladder
    top: Array  # TOP_DTYPE[instrument]
    pending: Array  # EVENT_DTYPE[instrument, capacity], diffs that wait for a snapshot


@kernel
def _continues_nb(last: int, fresh: int, first_id: int, last_id: int, previous: int) -> int:
    """Whether a diff follows id `last`: _STALE, _NEXT or _GAP. `fresh`: first one after a snapshot."""
    if last_id <= last:
        return _STALE
    if previous >= 0:
        return _NEXT if previous == last or (fresh != 0 and previous < last) else _GAP
    return _NEXT if first_id == last + 1 or (fresh != 0 and first_id <= last) else _GAP


@kernel
def _lose_nb(top: Array, inst: int) -> None:
    """The book is unknown from here on."""
    row = top[inst]
    row["valid"] = 0
    row["fresh"] = 0
    row["bid"] = 0
    row["bid_qty"] = 0
    row["ask"] = 0
    row["ask_qty"] = 0
    row["mode"] = _IDLE


@kernel
def _quote_nb(top: Array, inst: int, seq: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> int:
    """Take a quote that is at least as fresh as the held one: BOOK_QUOTE if it changes anything."""
    row = top[inst]
    if seq < row["quote_u"]:
        return 0
    row["quote_u"] = seq
    if (
        row["quote_bid"] == bid
        and row["quote_ask"] == ask
        and row["quote_bid_qty"] == bid_qty
        and row["quote_ask_qty"] == ask_qty
    ):
        return 0
    row["quote_bid"] = bid
    row["quote_bid_qty"] = bid_qty
    row["quote_ask"] = ask
    row["quote_ask_qty"] = ask_qty
    return BOOK_QUOTE


@kernel
def _complete_nb(ladder: Ladder, top: Array, inst: int) -> int:
    """A frame has been applied: take the best levels, refuse a crossed book."""
    row = top[inst]
    row["mode"] = _IDLE
    bid = max(0, ladder_best_nb(ladder, inst, 0))
    ask = max(0, ladder_best_nb(ladder, inst, 1))
    if bid > 0 and ask > 0 and bid >= ask:
        _lose_nb(top, inst)
        row["crossed"] += 1
        return BOOK_CROSSED
    bid_qty = ladder_qty_nb(ladder, inst, 0, bid) if bid > 0 else 0
    ask_qty = ladder_qty_nb(ladder, inst, 1, ask) if ask > 0 else 0
    flags = BOOK_FRAME
    if row["bid"] != bid or row["ask"] != ask or row["bid_qty"] != bid_qty or row["ask_qty"] != ask_qty:
        flags |= BOOK_TOP
        row["bid"] = bid
        row["ask"] = ask
        row["bid_qty"] = bid_qty
        row["ask_qty"] = ask_qty
    row["frames"] += 1
    if bid > 0 and ask > 0:
        flags |= _quote_nb(top, inst, row["last_u"], bid, bid_qty, ask, ask_qty)
    return flags


@kernel
def _replay_nb(ladder: Ladder, top: Array, pending: Array, inst: int) -> bool:
    """Apply the pending diffs beyond the snapshot; False if one is missing in between."""
    row = top[inst]
    take = False
    for k in range(row["pending"]):
        ev = pending[inst, k]
        if ev["kind"] == c.EV_DEPTH_HEAD:
            step = _continues_nb(row["last_u"], row["fresh"], ev["x"], ev["seq"], ev["y"])
            if step == _GAP:
                return False
            take = step == _NEXT
            if take:
                row["last_u"] = ev["seq"]
                row["fresh"] = 0
            else:
                row["stale_diffs"] += 1
        elif take:
            ladder_set_nb(ladder, inst, 1 - (ev["flags"] & c.FLAG_BID), ev["price"], ev["qty"])
    return True


@kernel
def _snapshot_done_nb(ladder: Ladder, top: Array, pending: Array, inst: int) -> int:
    """The last level of a snapshot is in: replay what waited and become valid."""
    row = top[inst]
    if not _replay_nb(ladder, top, pending, inst):
        # the snapshot is older than the first diff that we hold: wait for the next one
        _lose_nb(top, inst)
        row["last_u"] = row["chain"]
        row["late_snapshots"] += 1
        return 0
    row["pending"] = 0
    row["valid"] = 1
    flags = _complete_nb(ladder, top, inst)
    if flags & BOOK_FRAME:
        flags |= BOOK_SYNCED
    return flags


@kernel
def _wait_nb(top: Array, pending: Array, inst: int, ev: Any) -> None:
    """Put one event of a diff into the pending buffer; a full buffer is emptied and counted."""
    row = top[inst]
    if row["pending"] >= pending.shape[1]:
        row["dropped"] += row["pending"]
        row["pending"] = 0
        if ev["kind"] != c.EV_DEPTH_HEAD:  # the rest of this frame cannot stand without its head
            row["dropped"] += 1
            row["mode"] = _DROP
            return
    pending[inst, row["pending"]] = ev
    row["pending"] += 1


@kernel
def _diff_head_nb(top: Array, pending: Array, inst: int, ev: Any) -> int:
    """A diff starts: decide whether its levels are applied, buffered or dropped."""
    row = top[inst]
    step = _continues_nb(row["last_u"], row["fresh"], ev["x"], ev["seq"], ev["y"])
    flags = 0
    if row["last_u"] == 0:
        step = _NEXT
    if step == _STALE:
        row["stale_diffs"] += 1
        row["mode"] = _DROP
        return 0
    if step == _GAP:
        row["gaps"] += 1
        row["pending"] = 0
        _lose_nb(top, inst)
        flags = BOOK_GAP
    row["last_u"] = ev["seq"]
    row["fresh"] = 0
    if row["valid"] != 0:
        row["mode"] = _APPLY
    else:
        row["mode"] = _BUFFER
        _wait_nb(top, pending, inst, ev)
    return flags


@kernel
def _head_nb(book: BookState, inst: int, ev: Any) -> int:
    """A diff or a snapshot starts."""
    top, pending = book.top, book.pending
    row = top[inst]
    flags = 0
    if row["mode"] != _IDLE:  # the previous frame never ended
        if row["mode"] != _DROP:
            row["gaps"] += 1
            row["pending"] = 0
            _lose_nb(top, inst)
            flags = BOOK_GAP
        row["mode"] = _IDLE
    if ev["kind"] == c.EV_DEPTH_HEAD:
        flags |= _diff_head_nb(top, pending, inst, ev)
    elif row["valid"] != 0 and ev["seq"] < row["last_u"]:
        row["stale_diffs"] += 1
        row["mode"] = _DROP
    else:
        ladder_clear_nb(book.ladder, inst)
        row["chain"] = row["last_u"]
        row["valid"] = 0
        row["last_u"] = ev["seq"]
        row["fresh"] = 1
        row["mode"] = _SNAPSHOT
    if row["mode"] != _DROP:
        row["ts_venue"] = ev["ts_venue"]
        row["ts_local"] = ev["ts_local"]
    if ev["flags"] & c.FLAG_LAST:
        flags |= _last_nb(book, inst)
    return flags


@kernel
def _last_nb(book: BookState, inst: int) -> int:
    """The frame ends."""
    row = book.top[inst]
    mode = row["mode"]
    row["mode"] = _IDLE
    if mode == _APPLY:
        return _complete_nb(book.ladder, book.top, inst)
    if mode == _SNAPSHOT:
        return _snapshot_done_nb(book.ladder, book.top, book.pending, inst)
    return 0


@kernel
def _ticker_nb(top: Array, inst: int, ev: Any) -> int:
    """A bookTicker: refused when crossed or empty, else the freshest quote."""
    row = top[inst]
    if ev["price"] <= 0 or ev["x"] <= ev["price"]:
        row["refused"] += 1
        return BOOK_REFUSED
    row["ts_venue"] = max(row["ts_venue"], ev["ts_venue"])
    row["ts_local"] = ev["ts_local"]
    return _quote_nb(top, inst, ev["seq"], ev["price"], ev["qty"], ev["x"], ev["y"])


@kernel
def fold_book_nb(book: BookState, ev: Any) -> int:
    """Fold one event (a record of EVENT_DTYPE) into its instrument's book: BOOK_* bits.

    Takes EV_DEPTH_HEAD, EV_SNAPSHOT_HEAD, EV_DEPTH and EV_BOOK_TICKER; other kinds answer 0. The
    events of a frame must come without those of another frame of the same instrument between.
    """
    kind = ev["kind"]
    inst = int(np.int64(ev["instrument"]))
    if kind == c.EV_DEPTH:
        row = book.top[inst]
        mode = row["mode"]
        if mode in (_APPLY, _SNAPSHOT):
            ladder_set_nb(
                book.ladder, inst, 1 - (int(np.int64(ev["flags"])) & c.FLAG_BID), ev["price"], ev["qty"]
            )
        elif mode == _BUFFER:
            _wait_nb(book.top, book.pending, inst, ev)
        else:
            row["dropped"] += 1
        if ev["flags"] & c.FLAG_LAST:
            return _last_nb(book, inst)
        return 0
    if kind == c.EV_BOOK_TICKER:
        return _ticker_nb(book.top, inst, ev)
    if kind == c.EV_DEPTH_HEAD or kind == c.EV_SNAPSHOT_HEAD:
        return _head_nb(book, inst, ev)
    return 0


@kernel
def fold_levels_nb(sides: Array, top: Array, events: Array, i: int, end: int) -> int:
    """Fold the depth levels events[i:end] up to the end of their frame; how many were folded.

    Only plain cases are taken: EV_DEPTH of one instrument and one receive time while its frame is
    being applied. It stops before the frame's last level and before anything else, which are
    `fold_book_nb`'s; the result is the same as folding one by one. `sides` is the ladder's array.
    """
    first = events[i]
    inst = np.int64(first["instrument"])
    mode = top[inst]["mode"]
    if mode != _APPLY and mode != _SNAPSHOT:
        return 0
    ts = first["ts_local"]
    k = i
    while k < end:
        ev = events[k]
        flags = int(np.int64(ev["flags"]))
        if (
            np.int64(ev["kind"]) != c.EV_DEPTH
            or flags & c.FLAG_LAST
            or ev["ts_local"] != ts
            or np.int64(ev["instrument"]) != inst
        ):
            break
        side = 1 - (flags & c.FLAG_BID)
        side_set(sides[inst, side], int(side), ev["price"], ev["qty"])
        k += 1
    return k - i


@kernel
def fold_books_nb(book: BookState, events: Array) -> int:
    """Fold a batch: the OR of all answers."""
    flags = 0
    for k in range(events.shape[0]):
        flags |= fold_book_nb(book, events[k])
    return flags


@kernel
def depth_nb(book: BookState, inst: int, side: int, n: int, px_out: Array, qty_out: Array) -> int:
    """The best `n` levels of a side (0 bid, 1 ask) into px_out (ticks) and qty_out (lots): how many.

    0 while the book is not valid.
    """
    if book.top[inst]["valid"] == 0:
        return 0
    ladder = book.ladder
    count = 0
    tick = ladder_best_nb(ladder, inst, side)
    while tick > 0 and count < n:
        px_out[count] = tick
        qty_out[count] = ladder_qty_nb(ladder, inst, side, tick)
        count += 1
        tick = ladder_worse_nb(ladder, inst, side, tick)
    return count
