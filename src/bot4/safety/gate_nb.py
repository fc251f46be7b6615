"""The order gate: nothing becomes an order except through `gate_nb`.

Two lanes. A new order without OF_REDUCE_ONLY can raise risk and must pass every check. Reduce-only
orders and cancels have a lane that no state closes (kill, mode, Disabled, verdicts and rate do not
hold them), but a reduce-only order must really reduce. A check that cannot be evaluated refuses.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    ACT_CANCEL,
    ACT_NEW,
    BUY,
    FOR_ENTRY,
    FOR_FLATTEN,
    MODE_NORMAL,
    N_REASONS,
    OF_REDUCE_ONLY,
    R_INSTRUMENT,
    R_KILLED,
    R_MAX_ORDER,
    R_MAX_QTY,
    R_MIN_NOTIONAL,
    R_MIN_QTY,
    R_MODE,
    R_NOT_ENABLED,
    R_NOT_RECONCILED,
    R_OK,
    R_ORDER_RATE,
    R_OVERFLOW,
    R_PRICE_BAND,
    R_PRICE_TICK,
    R_PRIVATE_DOWN,
    R_QTY_LOT,
    R_REDUCE_ONLY,
    R_SHORT_SPOT,
    R_TOO_MANY_ORDERS,
    R_UNCHECKED,
    SELL,
    ST_NONE,
    ST_PENDING,
    TIF_GTC,
    TIF_POST,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP,
)

MAX_TICKS = 1 << 53
"""Largest price, in ticks, that the band arithmetic takes."""
MAX_LOTS = 1 << 61
"""Largest position or working quantity, in lots, that sums without overflow."""
MAX_BAND_E4 = 10_000_000
"""A band wider than a thousand times the reference is cut to that (no overflow below)."""
MAX_MONEY = float(1 << 62)
"""Largest order value, in money units; above it the exact product might not fit 64 bits."""


class SafetyState(NamedTuple):
    """All that the gate and the modes remember: CONTROL_DTYPE[1], GATE_PARAMS_DTYPE[1], i8[N_REASONS]."""

    control: np.ndarray[Any, Any]
    params: np.ndarray[Any, Any]
    refusals: np.ndarray[Any, Any]


@kernel
def killed_reason_nb(control: Any) -> int:
    """R_KILLED once the kill latch was raised."""
    return R_KILLED if control["killed"] != 0 else R_OK


@kernel
def enabled_reason_nb(control: Any) -> int:
    """R_NOT_ENABLED unless trading was enabled."""
    return R_OK if control["enabled"] == 1 else R_NOT_ENABLED


@kernel
def mode_reason_nb(control: Any) -> int:
    """R_MODE in any mode but Normal."""
    return R_OK if control["mode"] == MODE_NORMAL else R_MODE


@kernel
def reconciled_reason_nb(control: Any) -> int:
    """R_NOT_RECONCILED unless ledger and venue have agreed."""
    return R_OK if control["reconciled"] == 1 else R_NOT_RECONCILED


@kernel
def stream_reason_nb(control: Any) -> int:
    """R_PRIVATE_DOWN while the venue's answers do not come by themselves."""
    return R_OK if control["private_down"] == 0 else R_PRIVATE_DOWN


@kernel
def state_reason_nb(control: Any) -> int:
    """Why the state of control refuses new risk, or R_OK; anything but a clear yes refuses."""
    reason = killed_reason_nb(control)
    if reason == R_OK:
        reason = enabled_reason_nb(control)
    if reason == R_OK:
        reason = mode_reason_nb(control)
    if reason == R_OK:
        reason = reconciled_reason_nb(control)
    return stream_reason_nb(control) if reason == R_OK else reason


@kernel
def words_reason_nb(intent: Any, spec: Any) -> int:
    """R_UNCHECKED for an unknown side, type, tif or purpose; R_INSTRUMENT for an unset spec."""
    side = int(np.int64(intent["side"]))
    if side != BUY and side != SELL:
        return R_UNCHECKED
    kind = int(np.int64(intent["type"]))
    if kind < TYPE_LIMIT or kind > TYPE_STOP:
        return R_UNCHECKED
    tif = int(np.int64(intent["tif"]))
    if tif < TIF_GTC or tif > TIF_POST:
        return R_UNCHECKED
    purpose = int(np.int64(intent["purpose"]))
    if purpose < FOR_ENTRY or purpose > FOR_FLATTEN:
        return R_UNCHECKED
    if spec["money_mult"] <= 0:
        return R_INSTRUMENT
    return R_OK


@kernel
def price_of_nb(intent: Any, ref_price: int) -> int:
    """Ticks at which the order would trade: its limit, its stop, or the reference for a market order."""
    kind = int(np.int64(intent["type"]))
    if kind == TYPE_LIMIT:
        return int(np.int64(intent["price"]))
    if kind == TYPE_STOP:
        return int(np.int64(intent["stop_price"]))
    return ref_price


@kernel
def quantity_reason_nb(intent: Any, spec: Any) -> int:
    """R_QTY_LOT for a quantity that is not positive, R_MIN_QTY, R_MAX_QTY, or R_OK."""
    qty = intent["qty"]
    if qty <= 0:
        return R_QTY_LOT
    if qty < spec["min_qty"]:
        return R_MIN_QTY
    if qty > spec["max_qty"]:
        return R_MAX_QTY
    return R_OK


@kernel
def band_reason_nb(intent: Any, price: int, ref_price: int, band_e4: int, reduces: bool) -> int:
    """R_PRICE_BAND when `price` is further than band_e4 x 1e-4 from the reference (both in ticks).

    New risk: both sides of the reference. A reducing limit: only the side that gives money away
    (a target far off is harmless). A reducing stop: none, at worst it exits at once. Market: none.
    """
    kind = int(np.int64(intent["type"]))
    if kind == TYPE_MARKET or ref_price <= 0 or (reduces and kind == TYPE_STOP):
        return R_OK
    band = min(band_e4, MAX_BAND_E4)
    whole = ref_price // 10_000
    bound = whole * band + (ref_price - whole * 10_000) * band // 10_000
    away = price - ref_price
    if reduces:
        away *= int(np.int64(intent["side"]))
    elif away < 0:
        away = -away
    return R_PRICE_BAND if away > bound else R_OK


@kernel
def reduces_nb(side: int, qty: int, pos_qty: int, reducing_qty: int) -> bool:
    """Whether `qty` on `side` only closes position, beside `reducing_qty` lots already on their way."""
    if pos_qty == 0 or (pos_qty > 0) == (side > 0) or reducing_qty < 0:
        return False
    return qty <= abs(pos_qty) - reducing_qty


@kernel
def numbers_reason_nb(
    spec: Any, intent: Any, ref_price: int, pos_qty: int, reducing_qty: int, reduces: bool
) -> int:
    """R_OVERFLOW, R_UNCHECKED (no reference price) or R_PRICE_TICK: numbers that nothing can be judged by.

    A reducing market order needs no reference price.
    """
    if abs(pos_qty) > MAX_LOTS or abs(reducing_qty) > MAX_LOTS or ref_price > MAX_TICKS:
        return R_OVERFLOW
    if ref_price <= 0 and not reduces:
        return R_UNCHECKED
    price = price_of_nb(intent, ref_price)
    if price <= 0:
        return R_OK if reduces and int(np.int64(intent["type"])) == TYPE_MARKET else R_PRICE_TICK
    value = float(price) * float(intent["qty"]) * float(spec["money_mult"])
    return R_OVERFLOW if price > MAX_TICKS or value >= MAX_MONEY else R_OK


@kernel
def notional_reason_nb(spec: Any, price: int, qty: int, closes_all: bool) -> int:
    """R_MIN_NOTIONAL below the venue's least value, unless the order closes all that is left."""
    if closes_all:
        return R_OK
    return R_MIN_NOTIONAL if price * qty * spec["money_mult"] < spec["min_notional"] else R_OK


@kernel
def shape_reason_nb(
    params: Any,
    spec: Any,
    intent: Any,
    ref_price: int,
    pos_qty: int,
    reducing_qty: int,
    reduces: bool,
) -> int:
    """Checks of the order by itself: quantity, price, value, band; R_OK or the reason.

    A reduce-only order that closes all that is left is exempt from min_notional; with no
    reference price (ref_price <= 0) a reducing order's band and market value are left to the venue.
    """
    reason = quantity_reason_nb(intent, spec)
    if reason == R_OK:
        reason = numbers_reason_nb(spec, intent, ref_price, pos_qty, reducing_qty, reduces)
    if reason != R_OK:
        return reason
    price = price_of_nb(intent, ref_price)
    if price <= 0:
        return R_OK
    qty = intent["qty"]
    reason = notional_reason_nb(spec, price, qty, reduces and qty == abs(pos_qty) - reducing_qty)
    if reason != R_OK:
        return reason
    return band_reason_nb(intent, price, ref_price, params["band_e4"], reduces)


@kernel
def spot_reason_nb(spec: Any, intent: Any, pos_qty: int, reducing_qty: int) -> int:
    """R_SHORT_SPOT for a spot sale of more than is held and not yet being sold."""
    sells = spec["kind"] == 0 and int(np.int64(intent["side"])) == SELL
    return R_SHORT_SPOT if sells and intent["qty"] > pos_qty - reducing_qty else R_OK


@kernel
def value_reason_nb(params: Any, spec: Any, intent: Any, ref_price: int) -> int:
    """R_MAX_ORDER above the absolute cap of one order; its numbers were found good before."""
    value = price_of_nb(intent, ref_price) * intent["qty"] * spec["money_mult"]
    return R_MAX_ORDER if value > params["max_order_money"] else R_OK


@kernel
def open_orders_reason_nb(params: Any, open_orders: int) -> int:
    """R_TOO_MANY_ORDERS at the cap of working orders, or for a count that makes no sense."""
    return R_OK if 0 <= open_orders < params["max_open_orders"] else R_TOO_MANY_ORDERS


@kernel
def window_reason_nb(control: Any, params: Any, now: int) -> int:
    """R_ORDER_RATE when the running window of `window_ns` holds max_orders_window new-risk orders.

    A clock that went back stays in the old window: it can only refuse more.
    """
    if params["window_ns"] <= 0:
        return R_ORDER_RATE
    if now - control["window_start"] >= params["window_ns"]:
        control["window_start"] = now
        control["window_count"] = 0
    return R_OK if control["window_count"] < params["max_orders_window"] else R_ORDER_RATE


@kernel
def verdict_reason_nb(verdict: int) -> int:
    """R_OK, the reason that a layer of risk gave, or R_UNCHECKED for what is no answer."""
    return verdict if 0 <= verdict < N_REASONS else R_UNCHECKED


@kernel
def verdicts_reason_nb(verdicts: np.ndarray[Any, Any], n_verdicts: int) -> int:
    """The first verdict that is not R_OK; R_UNCHECKED for none at all, an unset (-1) or an unknown one."""
    if n_verdicts <= 0 or n_verdicts > len(verdicts):
        return R_UNCHECKED
    for k in range(n_verdicts):
        reason = verdict_reason_nb(int(np.int64(verdicts[k])))
        if reason != R_OK:
            return reason
    return R_OK


@kernel
def risk_reason_nb(
    control: Any,
    params: Any,
    spec: Any,
    intent: Any,
    now: int,
    ref_price: int,
    open_orders: int,
    pos_qty: int,
    reducing_qty: int,
    verdicts: np.ndarray[Any, Any],
    n_verdicts: int,
) -> int:
    """Every check that a new order which can raise risk must pass, in their fixed order."""
    reason = state_reason_nb(control)
    if reason != R_OK:
        return reason
    reason = words_reason_nb(intent, spec)
    if reason != R_OK:
        return reason
    reason = shape_reason_nb(params, spec, intent, ref_price, pos_qty, reducing_qty, False)
    if reason != R_OK:
        return reason
    reason = spot_reason_nb(spec, intent, pos_qty, reducing_qty)
    if reason == R_OK:
        reason = value_reason_nb(params, spec, intent, ref_price)
    if reason == R_OK:
        reason = open_orders_reason_nb(params, open_orders)
    if reason != R_OK:
        return reason
    reason = window_reason_nb(control, params, now)
    if reason != R_OK:
        return reason
    return verdicts_reason_nb(verdicts, n_verdicts)


@kernel
def reduce_only_reason_nb(intent: Any, pos_qty: int, reducing_qty: int) -> int:
    """R_REDUCE_ONLY for an order that says it reduces and could do anything else."""
    reduces = reduces_nb(int(np.int64(intent["side"])), intent["qty"], pos_qty, reducing_qty)
    return R_OK if reduces else R_REDUCE_ONLY


@kernel
def reduce_reason_nb(
    params: Any, spec: Any, intent: Any, ref_price: int, pos_qty: int, reducing_qty: int
) -> int:
    """The checks of the reduce-only lane: well formed, and really reducing."""
    reason = words_reason_nb(intent, spec)
    if reason != R_OK:
        return reason
    reason = shape_reason_nb(params, spec, intent, ref_price, pos_qty, reducing_qty, True)
    if reason != R_OK:
        return reason
    return reduce_only_reason_nb(intent, pos_qty, reducing_qty)


@kernel
def refuse_nb(s: SafetyState, reason: int) -> int:
    """Count a refusal and give its reason back."""
    s.refusals[reason] += 1
    s.control[0]["refused"] += 1
    return reason


@kernel
def write_order_nb(order: Any, intent: Any, order_id: int, now: int) -> None:
    """Write every field of `order` from `intent`, as pending."""
    order["id"] = order_id
    order["parent"] = intent["ref"]
    order["decision"] = intent["decision"]
    order["price"] = intent["price"]
    order["stop_price"] = intent["stop_price"]
    order["qty"] = intent["qty"]
    order["filled"] = 0
    order["cost"] = 0
    order["fees"] = 0
    order["ts_created"] = now
    order["ts_updated"] = now
    order["instrument"] = intent["instrument"]
    order["reason"] = R_OK
    order["side"] = intent["side"]
    order["type"] = intent["type"]
    order["tif"] = intent["tif"]
    order["flags"] = intent["flags"]
    order["purpose"] = intent["purpose"]
    order["status"] = ST_PENDING
    order["action"] = ACT_NEW
    for k in range(5):
        order["spare"][k] = 0


@kernel
def write_cancel_nb(order: Any, intent: Any, now: int) -> None:
    """Write the request to cancel order `intent.ref`: its id, no quantity, status ST_NONE.

    A cancel takes no fresh id. `intent.price` carries the reason of the cancel (R_*, else 0).
    """
    reason = intent["price"]
    write_order_nb(order, intent, intent["ref"], now)
    order["parent"] = 0
    order["price"] = 0
    order["stop_price"] = 0
    order["qty"] = 0
    order["reason"] = reason if 0 < reason < N_REASONS else R_OK
    order["status"] = ST_NONE
    order["action"] = ACT_CANCEL


@kernel
def gate_nb(
    s: SafetyState,
    spec: Any,
    intents: np.ndarray[Any, Any],
    i: int,
    now: int,
    ref_price: int,
    open_orders: int,
    pos_qty: int,
    reducing_qty: int,
    verdicts: np.ndarray[Any, Any],
    n_verdicts: int,
    orders: np.ndarray[Any, Any],
    slot: int,
) -> int:
    """Judge `intents[i]`: R_OK and `orders[slot]` written in full, or the reason and nothing written.

    `spec` is a row of INSTRUMENT_DTYPE, `now` the event's time (ns), `ref_price` the mark (ticks, <= 0:
    unknown), `open_orders` our live orders, `pos_qty` the signed position and `reducing_qty` the lots
    of our live reduce-only orders of the same purpose on that side. `verdicts[:n_verdicts]` holds each
    risk layer's R_OK, reason, or -1 when it has not answered. A spot sell that is not reduce-only should
    be given all pending sell lots as `reducing_qty`, so that several together cannot oversell.
    An approved new order takes control.next_order_id; an approved cancel is a request row (see
    `write_cancel_nb`) and needs a slot of an outbox, not of the order table.
    """
    if slot < 0 or slot >= len(orders):
        return refuse_nb(s, R_TOO_MANY_ORDERS)
    control = s.control[0]
    params = s.params[0]
    intent = intents[i]
    action = int(np.int64(intent["action"]))
    if action == ACT_CANCEL:
        if intent["ref"] <= 0:
            return refuse_nb(s, R_UNCHECKED)
        write_cancel_nb(orders[slot], intent, now)
        control["approved"] += 1
        return R_OK
    if action != ACT_NEW:
        return refuse_nb(s, R_UNCHECKED)
    if int(np.int64(intent["flags"])) & OF_REDUCE_ONLY:
        reason = reduce_reason_nb(params, spec, intent, ref_price, pos_qty, reducing_qty)
        risk = 0
    else:
        reason = risk_reason_nb(
            control,
            params,
            spec,
            intent,
            now,
            ref_price,
            open_orders,
            pos_qty,
            reducing_qty,
            verdicts,
            n_verdicts,
        )
        risk = 1
    if reason != R_OK:
        return refuse_nb(s, reason)
    write_order_nb(orders[slot], intent, control["next_order_id"], now)
    control["next_order_id"] += 1
    control["approved"] += 1
    control["window_count"] += risk
    return R_OK
