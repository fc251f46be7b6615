"""The gate of the cold plane: the only maker of `ApprovedOrder`.

The seal is taken once, when this module is imported. The judgement itself is `gate_nb`, the same code as
in the hot plane; this module only translates words to integers and back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bot4.model import names
from bot4.model.approved import ApprovedOrder, take_seal
from bot4.model.codes_nb import (
    ACT_NEW,
    OF_REDUCE_ONLY,
    R_INSTRUMENT,
    R_OK,
    R_OPERATOR,
    R_PRICE_TICK,
    R_QTY_LOT,
    R_UNCHECKED,
    ST_PENDING,
    TIF_IOC,
    TYPE_MARKET,
)
from bot4.model.errors import CallerError, SafetyError
from bot4.model.events import INTENT_DTYPE, ORDER_DTYPE
from bot4.model.instrument import Instrument
from bot4.model.values import I64_MAX, Price, Quantity
from bot4.model.words import Intent
from bot4.safety.gate_nb import SafetyState, gate_nb, refuse_nb
from bot4.safety.modes_nb import kill_nb

_SEAL = take_seal()
_TYPES = {word: code for code, word in names.ORDER_TYPES.items()}
_PURPOSES = {word: code for code, word in names.PURPOSES.items()}
_TIFS = {word: code for code, word in names.TIFS.items()}

_OWNER = re.compile(r"[A-Za-z0-9]{1,8}")
MAX_EPOCH = 10**10 - 1
MAX_ORDER_ID = 10**14 - 1


def client_order_id(owner: str, epoch: int, order_id: int) -> str:
    """`b4{owner}-{epoch}-{id}`: at most 36 characters of [A-Za-z0-9-], unique in one account.

    `owner` is 1 to 8 letters or digits; `epoch` (one per start) has at most 10 digits and `order_id`
    (from 1) at most 14; CallerError otherwise.
    """
    if not _OWNER.fullmatch(owner):
        raise CallerError(f"client order id: owner {owner!r} must be 1 to 8 of A-Z a-z 0-9")
    if not 0 <= epoch <= MAX_EPOCH:
        raise CallerError(f"client order id: epoch {epoch} is not in 0..{MAX_EPOCH}")
    if not 1 <= order_id <= MAX_ORDER_ID:
        raise CallerError(f"client order id: order {order_id} is not in 1..{MAX_ORDER_ID}")
    return f"b4{owner}-{epoch}-{order_id}"


@dataclass(frozen=True, slots=True)
class Refused:
    """The gate's no: R_* `reason`."""

    reason: int

    def __str__(self) -> str:
        return f"refused: {names.reason(self.reason)}"


@dataclass(frozen=True, slots=True)
class GateContext:
    """What the gate must know beside the intent.

    `spec` is the instrument's row of INSTRUMENT_DTYPE, `now` in ns UTC, `ref_price` the mark (None: unknown),
    `reducing` the live reduce-only quantity of the same purpose on that side.
    """

    instrument: Instrument
    spec: np.ndarray[Any, Any]
    now: int
    ref_price: Price | None
    open_orders: int
    position: Quantity
    reducing: Quantity


def _words_reason(intent: Intent, context: GateContext) -> int:
    """Checks that integers can no longer see: the instrument, its grids, and words that exist."""
    instrument = context.instrument
    if intent.instrument != instrument.symbol:
        return R_INSTRUMENT
    if intent.type not in _TYPES or intent.purpose not in _PURPOSES or intent.side not in (-1, 1):
        return R_UNCHECKED
    if intent.tif not in _TIFS:
        return R_UNCHECKED
    for quantity in (intent.quantity, context.position, context.reducing):
        if quantity.lot != instrument.lot or abs(quantity.lots) > I64_MAX:
            return R_QTY_LOT
    for price in (intent.price, intent.stop_price, context.ref_price):
        if price is not None and (price.tick != instrument.tick or abs(price.ticks) > I64_MAX):
            return R_PRICE_TICK
    return R_OK


def _intent_row(intent: Intent) -> np.ndarray[Any, Any]:
    row = np.zeros(1, INTENT_DTYPE)
    r = row[0]
    r["price"] = intent.price.ticks if intent.price else 0
    r["stop_price"] = intent.stop_price.ticks if intent.stop_price else 0
    r["qty"] = intent.quantity.lots
    r["action"] = ACT_NEW
    r["type"] = _TYPES[intent.type]
    r["tif"] = TIF_IOC if _TYPES[intent.type] == TYPE_MARKET else _TIFS[intent.tif]
    r["flags"] = OF_REDUCE_ONLY if intent.reduce_only else 0
    r["purpose"] = _PURPOSES[intent.purpose]
    r["side"] = intent.side
    return row


class Gate:
    """Approves intents of the cold plane, under one SafetyState and one byte of kill latch."""

    def __init__(
        self, state: SafetyState, owner: str, epoch: int, latch: np.ndarray[Any, Any] | None = None
    ) -> None:
        client_order_id(owner, epoch, 1)
        self._state = state
        self._owner = owner
        self._epoch = epoch
        self._latch = np.zeros(1, np.uint8) if latch is None else latch

    def approve(
        self, intent: Intent, verdicts: Mapping[str, int], context: GateContext
    ) -> ApprovedOrder | Refused:
        """The order with its proof, or why not; every answer is counted in the state.

        `verdicts` names each risk layer with its R_OK, reason, or -1 when it could not answer.
        """
        state = self._state
        if self._latch[0]:
            kill_nb(state, R_OPERATOR, context.now)
        reason = _words_reason(intent, context)
        if reason != R_OK:
            return Refused(int(refuse_nb(state, reason)))
        answers = np.array([*verdicts.values(), -1], np.int64)
        order = np.zeros(1, ORDER_DTYPE)
        reason = gate_nb(
            state,
            context.spec[0],
            _intent_row(intent),
            0,
            context.now,
            context.ref_price.ticks if context.ref_price else 0,
            context.open_orders,
            context.position.lots,
            context.reducing.lots,
            answers,
            len(verdicts),
            order,
            0,
        )
        if reason != R_OK:
            return Refused(int(reason))
        order_id = int(order[0]["id"])
        passed = (*(name for name, verdict in verdicts.items() if verdict == R_OK), "gate")
        text = client_order_id(self._owner, self._epoch, order_id)
        return ApprovedOrder(intent, order_id, text, passed, _SEAL)


def sealed(row: np.ndarray[Any, Any], instrument: Instrument, owner: str, epoch: int) -> ApprovedOrder:
    """The order that the compiled gate approved (one row of ORDER_DTYPE), in the words a venue takes.

    SafetyError for a row that the gate did not leave pending: it must not be sent.
    """
    r = row[0] if row.ndim else row
    if int(r["id"]) < 1 or int(r["status"]) != ST_PENDING or int(r["action"]) != ACT_NEW:
        raise SafetyError(f"order {int(r['id'])}: the gate has not approved it, or it was sent before")
    price, stop = int(r["price"]), int(r["stop_price"])
    intent = Intent(
        instrument=instrument.symbol,
        side=int(r["side"]),
        type=names.ORDER_TYPES[int(r["type"])],
        quantity=Quantity(int(r["qty"]), instrument.lot),
        price=Price(price, instrument.tick) if price > 0 else None,
        stop_price=Price(stop, instrument.tick) if stop > 0 else None,
        reduce_only=bool(int(r["flags"]) & OF_REDUCE_ONLY),
        purpose=names.PURPOSES[int(r["purpose"])],
        tif=names.TIFS[int(r["tif"])],
    )
    order_id = int(r["id"])
    return ApprovedOrder(intent, order_id, client_order_id(owner, epoch, order_id), ("gate_nb",), _SEAL)


def triggered(stop: ApprovedOrder, limit: Price) -> ApprovedOrder:
    """The exit that an approved stop becomes once it is passed: at once, no worse than `limit`.

    For a stop that the venue will not hold. SafetyError unless it is a reduce-only stop: nothing else may
    change after its approval.
    """
    intent = stop.intent
    if not intent.reduce_only or intent.stop_price is None:
        raise SafetyError(f"order {stop.order_id}: only a reduce-only stop can be triggered")
    exit_ = replace(intent, type="limit", tif="ioc", price=limit, stop_price=None)
    return ApprovedOrder(exit_, stop.order_id, stop.client_order_id, (*stop.passed, "triggered"), _SEAL)
