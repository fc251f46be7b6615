"""Which checks refuse an order: all of them, one bit each. The gate gives the first as its reason.

Asked only for an order that was refused, so it costs an approved one nothing. Checks that need a number which
is missing or too large are not evaluated: the bit of `numbers` says why. Bits are never renumbered.
"""

from typing import Any

import numpy as np

from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import OF_REDUCE_ONLY, R_OK
from bot4.safety.gate_nb import (
    band_reason_nb,
    enabled_reason_nb,
    killed_reason_nb,
    mode_reason_nb,
    notional_reason_nb,
    numbers_reason_nb,
    open_orders_reason_nb,
    price_of_nb,
    quantity_reason_nb,
    reconciled_reason_nb,
    reduce_only_reason_nb,
    spot_reason_nb,
    stream_reason_nb,
    value_reason_nb,
    verdict_reason_nb,
    window_reason_nb,
    words_reason_nb,
)

(
    FAIL_KILLED,
    FAIL_ENABLED,
    FAIL_MODE,
    FAIL_RECONCILED,
    FAIL_STREAM,
    FAIL_WORDS,
    FAIL_QUANTITY,
    FAIL_NUMBERS,
    FAIL_NOTIONAL,
    FAIL_BAND,
    FAIL_SPOT,
    FAIL_VALUE,
    FAIL_OPEN_ORDERS,
    FAIL_RATE,
    FAIL_REDUCE_ONLY,
    FAIL_TABLE,
) = range(16)
FAIL_VERDICTS = 16
"""The first verdict of risk; the others follow in their order."""
MAX_FAILED = 52
"""Bits that a float64 holds exactly, because the explain record is one of floats."""


@kernel
def bit_nb(reason: int, place: int) -> int:
    """1 << place for a refusal, else 0."""
    return 0 if reason == R_OK else 1 << place


@kernel
def shape_failed_nb(
    params: Any, spec: Any, intent: Any, ref_price: int, pos_qty: int, reducing_qty: int, reduces: bool
) -> int:
    """The bits of the order by itself, for either lane."""
    found = bit_nb(words_reason_nb(intent, spec), FAIL_WORDS)
    found |= bit_nb(quantity_reason_nb(intent, spec), FAIL_QUANTITY)
    numbers = numbers_reason_nb(spec, intent, ref_price, pos_qty, reducing_qty, reduces)
    found |= bit_nb(numbers, FAIL_NUMBERS)
    price = price_of_nb(intent, ref_price)
    if numbers == R_OK and price > 0:
        qty = intent["qty"]
        closes_all = reduces and qty == abs(pos_qty) - reducing_qty
        found |= bit_nb(notional_reason_nb(spec, price, qty, closes_all), FAIL_NOTIONAL)
        found |= bit_nb(band_reason_nb(intent, price, ref_price, params["band_e4"], reduces), FAIL_BAND)
        if not reduces:
            found |= bit_nb(value_reason_nb(params, spec, intent, ref_price), FAIL_VALUE)
    if reduces:
        found |= bit_nb(reduce_only_reason_nb(intent, pos_qty, reducing_qty), FAIL_REDUCE_ONLY)
    return found


@kernel
def verdicts_failed_nb(verdicts: np.ndarray[Any, Any], n_verdicts: int) -> int:
    """The bits of risk; all of the first MAX_FAILED when there is no verdict at all."""
    if n_verdicts <= 0 or n_verdicts > len(verdicts):
        return (1 << MAX_FAILED) - (1 << FAIL_VERDICTS)
    found = 0
    for k in range(min(n_verdicts, MAX_FAILED - FAIL_VERDICTS)):
        found |= bit_nb(verdict_reason_nb(int(np.int64(verdicts[k]))), FAIL_VERDICTS + k)
    return found


@kernel
def failed_nb(
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
    has_slot: bool,
) -> int:
    """Every check that refuses a new order, as bits FAIL_*; arguments as of `gate_nb`."""
    table = 0 if has_slot else 1 << FAIL_TABLE
    if int(np.int64(intent["flags"])) & OF_REDUCE_ONLY:
        return table | shape_failed_nb(params, spec, intent, ref_price, pos_qty, reducing_qty, True)
    found = table | bit_nb(killed_reason_nb(control), FAIL_KILLED)
    found |= bit_nb(enabled_reason_nb(control), FAIL_ENABLED)
    found |= bit_nb(mode_reason_nb(control), FAIL_MODE)
    found |= bit_nb(reconciled_reason_nb(control), FAIL_RECONCILED)
    found |= bit_nb(stream_reason_nb(control), FAIL_STREAM)
    found |= shape_failed_nb(params, spec, intent, ref_price, pos_qty, reducing_qty, False)
    found |= bit_nb(spot_reason_nb(spec, intent, pos_qty, reducing_qty), FAIL_SPOT)
    found |= bit_nb(open_orders_reason_nb(params, open_orders), FAIL_OPEN_ORDERS)
    found |= bit_nb(window_reason_nb(control, params, now), FAIL_RATE)
    return found | verdicts_failed_nb(verdicts, n_verdicts)
