"""A quoting strategy: one bid and one ask at the touch, skewed by inventory, looked at on a timer."""

from typing import Any

import numpy as np

from bot4.engine.decide_nb import cancel_intent_nb, data_reason_nb, record_nb
from bot4.engine.layout_nb import N_INTENTS
from bot4.engine.parts_nb import orders_of
from bot4.execution.orders_nb import find_nb
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    ACT_NEW,
    BUY,
    D_QUOTE,
    D_REFUSED,
    FOR_QUOTE,
    MODE_NORMAL,
    R_BOOK_INVALID,
    R_MODE,
    R_OK,
    R_REQUOTE,
    SELL,
    ST_PARTIAL,
    ST_PENDING,
    TIF_POST,
    TYPE_LIMIT,
)
from bot4.safety.modes_nb import halted_nb


@kernel
def skew_nb(position: int, step: int) -> int:
    """Ticks by which the quotes move against the inventory: position / step, half to even."""
    if step <= 0:
        return 0
    double = 2 * abs(position)
    whole = double // (2 * step)
    rest = double - whole * 2 * step
    if rest > step or (rest == step and whole % 2 == 1):
        whole += 1
    return -whole if position > 0 else whole


@kernel
def keep_quote_nb(s: Any, inst: int, order_id: int, price: int) -> int:
    """Look after one standing quote.

    1: it stands at `price`. 2: it is still in force elsewhere, a cancel was written. 0: there is none.
    """
    if order_id == 0:
        return 0
    slot = find_nb(orders_of(s), order_id)
    if slot < 0:
        return 0
    order = s["table"][slot]
    state = int(np.int64(order["status"]))
    if order["id"] != order_id or not (ST_PENDING <= state <= ST_PARTIAL):
        return 0
    if order["price"] == price:
        return 1
    s["n"][N_INTENTS] = cancel_intent_nb(s["intents"], s["n"][N_INTENTS], inst, order_id, R_REQUOTE)
    return 2


@kernel
def new_quote_nb(s: Any, inst: int, side: int, price: int) -> None:
    """Write the intent of a post-only limit order."""
    n = s["n"][N_INTENTS]
    r = s["intents"][n]
    r["price"] = price
    r["stop_price"] = 0
    r["qty"] = s["params"][0]["quote_qty"]
    r["ref"] = 0
    r["decision"] = 0
    r["instrument"] = inst
    r["action"] = ACT_NEW
    r["type"] = TYPE_LIMIT
    r["tif"] = TIF_POST
    r["flags"] = 0
    r["purpose"] = FOR_QUOTE
    r["side"] = side
    s["n"][N_INTENTS] = n + 1


@kernel
def quote_side_nb(s: Any, inst: int, side: int, price: int, room: bool) -> int:
    """Keep, move or place the quote of one side; 1 when an order is to be placed."""
    row = s["inst"][inst]
    order_id = row["bid_id"] if side == BUY else row["ask_id"]
    if keep_quote_nb(s, inst, order_id, price) == 1 or not room:
        return 0
    new_quote_nb(s, inst, side, price)
    return 1


@kernel
def quoter_nb(s: Any, inst: int) -> None:
    """One look at the quotes of `inst`."""
    p = s["params"][0]
    reason = data_reason_nb(s, inst)
    if reason == R_OK and s["control"][0]["mode"] != MODE_NORMAL:
        reason = R_MODE
    if reason == R_OK:
        reason = halted_nb(s["halts"], inst)
    top = s["top"][inst]
    bid = top["bid"]
    ask = top["ask"]
    if reason != R_OK or bid <= 0 or ask <= bid:
        row = s["inst"][inst]
        keep_quote_nb(s, inst, row["bid_id"], -1)
        keep_quote_nb(s, inst, row["ask_id"], -1)
        if reason == R_OK:
            reason = R_BOOK_INVALID
        record_nb(s, inst, D_REFUSED, reason, 0, 0)
        return
    pos = s["positions"][inst]["qty"]
    shift = skew_nb(pos, p["quote_skew"])
    placed = quote_side_nb(s, inst, BUY, min(bid, bid + shift), pos < p["quote_max"])
    placed += quote_side_nb(s, inst, SELL, max(ask, ask + shift), pos > -p["quote_max"])
    record_nb(s, inst, D_QUOTE, R_OK, 0, placed)


@kernel
def adopt_quotes_nb(s: Any, first: int, last: int) -> None:
    """Remember the ids of the quotes that the gate has just approved (outgoing ring [first, last))."""
    for k in range(first, last):
        order = s["sent"][k]
        if int(np.int64(order["purpose"])) == FOR_QUOTE and int(np.int64(order["action"])) == ACT_NEW:
            row = s["inst"][int(np.int64(order["instrument"]))]
            if int(np.int64(order["side"])) == BUY:
                row["bid_id"] = order["id"]
            else:
                row["ask_id"] = order["id"]
