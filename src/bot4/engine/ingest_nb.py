"""Market events into books, bars, marks: the first phase of the step."""

from typing import Any

import numpy as np

from bot4.engine.decide_nb import observe_nb
from bot4.engine.layout_nb import (
    CK_FUNDINGS,
    CK_MARKET,
    CK_NOW,
    CK_POS,
    CK_QUARANTINED,
    CK_SUBSTITUTED,
    HOLE_FILL,
    HOLE_SYNC,
    N_BARS_DUE,
)
from bot4.engine.parts_nb import bars_of, book_features_of, book_of, ledger_of, limits_of, quality_of
from bot4.features.book_nb import update_quote_nb, update_trade_nb
from bot4.features.micro.toxicity_nb import flow_quote_nb, flow_trade_nb
from bot4.kernels.jit_nb import kernel
from bot4.ledger.ledger_nb import apply_funding_nb, mark_nb
from bot4.market.bars_nb import bar_clock_nb, bar_trade_nb
from bot4.market.book_nb import BOOK_CROSSED, BOOK_GAP, BOOK_QUOTE, BOOK_SYNCED, fold_book_nb, fold_levels_nb
from bot4.model.codes_nb import (
    EV_BAR,
    EV_BOOK_TICKER,
    EV_DEPTH,
    EV_DEPTH_HEAD,
    EV_FUNDING,
    EV_MARK,
    EV_SNAPSHOT_HEAD,
    EV_STATUS,
    EV_TRADE,
    FLAG_BACKFILL,
    FLAG_BUYER_MAKER,
    FLAG_LAST,
    STATUS_CROSSED,
    STATUS_DISCONNECTED,
    STATUS_GAP,
    STATUS_OK,
    STATUS_QUARANTINED,
)
from bot4.quality.checks_nb import Q_OK, Q_OUTLIER, check_nb, settle_nb
from bot4.quality.second_nb import GATE_DOUBT, agrees_nb, doubt_nb, jumped_nb, price_gate_nb


@kernel
def quote_nb(s: Any, inst: int, ts: int) -> None:
    """The best quote of `inst` changed: move the mark, refresh the quote features."""
    top = s["top"][inst]
    bid = top["quote_bid"]
    ask = top["quote_ask"]
    if bid <= 0 or ask <= bid:
        return
    row = s["inst"][inst]
    p = s["params"][0]
    middle = (bid + ask) >> 1
    if price_gate_nb(row, middle, ts, p["gate_move"], p["gate_ns"]) == GATE_DOUBT:
        row["quarantined"] += 1
        s["clock"][CK_QUARANTINED] += 1
        return
    row["mark"] = middle
    mark_nb(ledger_of(s), inst, middle)
    flow_quote_nb(s["flow"][inst], ts, bid, top["quote_bid_qty"], ask, top["quote_ask_qty"])
    if s["params"][0]["use_book"] == 1:
        update_quote_nb(book_features_of(s), inst, ts, bid, top["quote_bid_qty"], ask, top["quote_ask_qty"])


@kernel
def doubts_nb(s: Any, now: int) -> None:
    """Look again at prices in doubt, so that a market that falls silent is decided upon as well."""
    for inst in range(s["spec"].shape[0]):
        if s["inst"][inst]["doubt"] != 0:
            quote_nb(s, inst, now)


@kernel
def due_nb(s: Any, inst: int) -> None:
    """Note that a bar of `inst` has closed; the step looks at it in its second phase."""
    n = s["n"][N_BARS_DUE]
    s["due"][n] = inst
    s["n"][N_BARS_DUE] = n + 1


@kernel
def take_closed_nb(s: Any, inst: int) -> None:
    """Copy the bar that `market.bars_nb` closed into the instrument's row, in quote currency.

    A bar that misses trades is left out: nothing is made of it.
    """
    closed = s["bars_closed"][inst]
    spec = s["spec"][inst]
    row = s["inst"][inst]
    if closed["ts_open"] < row["hole"]:
        return
    tick = spec["tick_size"]
    row["open"] = closed["open"] * tick
    row["high"] = closed["high"] * tick
    row["low"] = closed["low"] * tick
    row["close"] = closed["close"] * tick
    row["volume"] = closed["volume"] * spec["lot_size"]
    row["bar_open"] = closed["ts_open"]
    row["bar_ts"] = closed["ts_close"]
    due_nb(s, inst)


@kernel
def bars_clock_nb(s: Any, now: int) -> None:
    """Close time bars whose end has passed without a trade."""
    for inst in range(s["spec"].shape[0]):
        if bar_clock_nb(bars_of(s), inst, now) > 0:
            take_closed_nb(s, inst)


@kernel
def status_nb(inst_rows: np.ndarray, inst: int, flags: int, ts: int) -> None:
    """Carry what the book found at `ts` into the instrument's status."""
    row = inst_rows[inst]
    if flags & BOOK_GAP:
        row["status"] = STATUS_GAP
    elif flags & BOOK_CROSSED:
        row["status"] = STATUS_CROSSED
    elif flags & BOOK_SYNCED:
        row["status"] = STATUS_OK
        if row["hole"] == HOLE_SYNC:
            row["hole"] = ts


@kernel
def told_nb(row: Any, status: int, reason: int) -> None:
    """Take a status from outside. A pause does not hide a broken book, and its end does not mend one."""
    ours = status == STATUS_QUARANTINED or status == STATUS_OK
    known = row["status"] == STATUS_QUARANTINED or row["status"] == STATUS_OK
    if ours and not known:
        return
    row["status"] = status
    row["status_reason"] = reason


@kernel
def book_event_nb(s: Any, events: np.ndarray, i: int, inst: int, ts: int) -> None:
    """Fold a depth or quote event."""
    flags = fold_book_nb(book_of(s), events[i])
    if flags & (BOOK_GAP | BOOK_CROSSED | BOOK_SYNCED):
        status_nb(s["inst"], inst, flags, ts)
    if flags & BOOK_QUOTE:
        quote_nb(s, inst, ts)


@kernel
def levels_nb(s: Any, events: np.ndarray, i: int, end: int) -> int:
    """Fold the plain depth levels of a frame from `i` on (before `end`) at once; how many.

    Nothing else can be due between them: they have one receive time, and decide nothing.
    """
    n = fold_levels_nb(s["sides"], s["top"], events, i, end)
    if n > 0:
        clock = s["clock"]
        clock[CK_POS] += n
        clock[CK_MARKET] += n
        clock[CK_NOW] = max(clock[CK_NOW], events[i]["ts_local"])
    return n


@kernel
def trade_event_nb(s: Any, events: np.ndarray, i: int, inst: int, ts: int) -> None:
    """Fold a trade: last price, trade features, bars."""
    e = events[i]
    row = s["inst"][inst]
    price = e["price"]
    buyer_maker = (int(np.int64(e["flags"])) & FLAG_BUYER_MAKER) != 0
    row["last"] = price
    if s["top"][inst]["quote_bid"] <= 0:
        row["mark"] = price
        mark_nb(ledger_of(s), inst, price)
    flow_trade_nb(s["flow"][inst], ts, price, e["qty"], buyer_maker)
    if s["params"][0]["use_book"] == 1:
        update_trade_nb(book_features_of(s), inst, ts, price, e["qty"], buyer_maker)
    if bar_trade_nb(bars_of(s), inst, e["ts_venue"], price, e["qty"], buyer_maker) > 0:
        take_closed_nb(s, inst)


@kernel
def bar_event_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """Fold a recorded bar: it is known at its close. One that fills a hole is observed, and no more."""
    e = events[i]
    spec = s["spec"][inst]
    row = s["inst"][inst]
    tick = spec["tick_size"]
    late = (int(np.int64(e["flags"])) & FLAG_BACKFILL) != 0
    if not late:
        row["last"] = e["price"]
        row["mark"] = e["price"]
        mark_nb(ledger_of(s), inst, e["price"])
    row["open"] = e["x"] * tick
    row["high"] = e["y"] * tick
    row["low"] = e["seq"] * tick
    row["close"] = e["price"] * tick
    row["volume"] = e["qty"] * spec["lot_size"]
    row["bar_open"] = e["ts_venue"]
    row["bar_ts"] = e["ts_local"]
    if not late:
        due_nb(s, inst)
        return
    row["bar_ts"] = e["ts_venue"] + spec["bar_ns"]
    observe_nb(s, inst)


@kernel
def hole_end_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """The last bar of a back-fill ends the hole where it closes, whatever the checks say of it."""
    e = events[i]
    flags = int(np.int64(e["flags"]))
    if flags & FLAG_BACKFILL and flags & FLAG_LAST:
        s["inst"][inst]["hole"] = e["ts_venue"] + s["spec"][inst]["bar_ns"]


@kernel
def told_status_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """What the cold plane says of the feed; a feed that broke leaves a hole in the trades."""
    e = events[i]
    row = s["inst"][inst]
    told_nb(row, e["x"], e["y"])
    if int(np.int64(e["flags"])) & FLAG_BACKFILL:
        row["hole"] = HOLE_FILL
    elif e["x"] == STATUS_DISCONNECTED:
        row["hole"] = max(row["hole"], HOLE_SYNC)


@kernel
def mark_event_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """A second source of the price: the venue's index, or its mark where there is no index."""
    e = events[i]
    price = e["x"] if e["x"] > 0 else e["price"]
    if price > 0:
        s["inst"][inst]["second"] = price
        s["inst"][inst]["second_ts"] = e["ts_local"]


@kernel
def second_opinion_nb(s: Any, events: np.ndarray, i: int, inst: int, verdict: int) -> int:
    """The verdict on a trade or ticker, once a second source was asked about a jump.

    What it confirms is accepted at once; a trade far from the quotes is in doubt unless it confirms it.
    """
    e = events[i]
    kind = int(np.int64(e["kind"]))
    row = s["inst"][inst]
    p = s["params"][0]
    ts = e["ts_local"]
    if kind == EV_TRADE:
        price = e["price"]
    elif kind == EV_BOOK_TICKER and verdict == Q_OUTLIER:
        price = (e["price"] + e["x"]) >> 1
    else:
        return verdict
    if verdict == Q_OUTLIER:
        if not agrees_nb(row, price, ts, p["gate_move"], p["gate_ns"]):
            return verdict
        settle_nb(quality_of(s), inst, kind, float(price))
        return Q_OK
    if s["top"][inst]["quote_bid"] <= 0:
        gate = price_gate_nb(row, price, ts, p["gate_move"], p["gate_ns"])
        return Q_OUTLIER if gate == GATE_DOUBT else verdict
    far = row["mark"] > 0 and jumped_nb(row["mark"], price, p["gate_move"])
    if far and not agrees_nb(row, price, ts, p["gate_move"], p["gate_ns"]):
        doubt_nb(row, price, ts, p["gate_move"])
        return Q_OUTLIER
    return verdict


@kernel
def funding_event_nb(s: Any, events: np.ndarray, i: int, inst: int) -> None:
    """Pay or receive funding. seq = -1 marks a substitute for missing data: it is always paid."""
    e = events[i]
    qty = s["positions"][inst]["qty"]
    if qty == 0 or s["spec"][inst]["kind"] == 0:
        return
    rate = e["x"]
    if e["seq"] == -1:
        rate = abs(rate) if qty > 0 else -abs(rate)
        s["clock"][CK_SUBSTITUTED] += 1
    price = e["price"] if e["price"] > 0 else s["inst"][inst]["mark"]
    apply_funding_nb(ledger_of(s), s["spec"], inst, rate, price)
    s["clock"][CK_FUNDINGS] += 1


@kernel
def market_event_nb(s: Any, events: np.ndarray, i: int) -> None:
    """Fold one market event; what fails its checks is counted and goes no further."""
    e = events[i]
    kind = int(np.int64(e["kind"]))
    inst = int(np.int64(e["instrument"]))
    ts = e["ts_local"]
    s["clock"][CK_MARKET] += 1
    row = s["inst"][inst]
    if kind == EV_DEPTH:
        book_event_nb(s, events, i, inst, ts)
        return
    if kind == EV_STATUS:
        told_status_nb(s, events, i, inst)
        return
    if kind == EV_MARK:
        mark_event_nb(s, events, i, inst)
        return
    verdict = check_nb(quality_of(s), limits_of(s), inst, e)
    if verdict == Q_OK or verdict == Q_OUTLIER:
        verdict = second_opinion_nb(s, events, i, inst, verdict)
    if kind == EV_BAR:
        hole_end_nb(s, events, i, inst)
    if verdict != 0:
        row["quarantined"] += 1
        s["clock"][CK_QUARANTINED] += 1
        if kind == EV_DEPTH_HEAD or kind == EV_SNAPSHOT_HEAD:
            # its levels must still be folded, or the sequence would break; it is not traded on
            row["status"] = STATUS_QUARANTINED
            row["status_reason"] = 0
        else:
            return
    row["last_ts"] = ts
    if kind == EV_TRADE:
        trade_event_nb(s, events, i, inst, ts)
    elif kind == EV_BAR:
        bar_event_nb(s, events, i, inst)
    elif kind == EV_FUNDING:
        funding_event_nb(s, events, i, inst)
    elif kind == EV_BOOK_TICKER or kind == EV_DEPTH_HEAD or kind == EV_SNAPSHOT_HEAD:
        book_event_nb(s, events, i, inst, ts)
