"""The price gate: a jump of the price is acted upon only when something else confirms it.

A price more than `move` away from the mark, in one step, is a jump. A second source (the venue's index or
mark price, not older than `wait_ns`) decides at once: it agrees with the new price, and that one holds; or it
does not, and the price is in doubt for as long as it says so. Without a second source the price decides by
standing: one that is still there `wait_ns` after the jump is taken as real. So the mark stands still for at
most 2 x `wait_ns` (a source that falls silent counts until it is too old) unless a living source objects.

While the price is in doubt nothing follows from it: no mark, no profit, no stop held here, no entry.
"""

from typing import Any

from bot4.kernels.jit_nb import kernel

GATE_PASS = 0
GATE_DOUBT = 1
GATE_CONFIRMED = 2


@kernel
def jumped_nb(before: int, price: int, move: float) -> bool:
    """Whether `price` is more than a factor of 1 + `move` away from `before`; both positive ticks."""
    factor = 1.0 + move
    return float(price) > float(before) * factor or float(price) * factor < float(before)


@kernel
def agrees_nb(row: Any, price: int, ts: int, move: float, wait_ns: int) -> bool:
    """Whether a second source that is fresh at `ts` (ns) is near `price` (ticks)."""
    known = row["second"] > 0 and ts - row["second_ts"] <= wait_ns
    return bool(known and not jumped_nb(row["second"], price, move))


@kernel
def doubt_nb(row: Any, price: int, ts: int, move: float) -> None:
    """Note that `price` is in doubt, since now unless it has been already."""
    if row["doubt"] == 0 or jumped_nb(row["doubted"], price, move):
        row["doubt"] = ts
        row["doubted"] = price


@kernel
def price_gate_nb(row: Any, price: int, ts: int, move: float, wait_ns: int) -> int:
    """GATE_PASS, GATE_CONFIRMED, or GATE_DOUBT: `price` (positive ticks) may not become the mark now.

    `row` holds `mark` (ticks, 0: none yet), `second`, `second_ts`, and the gate's own `doubt`, `doubted`.
    `move` is a fraction; 0 turns the gate off. `ts` is now, ns. The first mark of all
    passes unless a second source objects.
    """
    mark = row["mark"]
    if move == 0.0:
        return GATE_PASS
    asked = row["second"] > 0 and ts - row["second_ts"] <= wait_ns
    if not jumped_nb(mark if mark > 0 else price, price, move) and (mark > 0 or not asked):
        row["doubt"] = 0
        return GATE_PASS
    if asked:
        real = not jumped_nb(row["second"], price, move)
    else:
        same = row["doubt"] > 0 and not jumped_nb(row["doubted"], price, move)
        real = same and ts - row["doubt"] >= wait_ns
    if real:
        row["doubt"] = 0
        return GATE_CONFIRMED
    doubt_nb(row, price, ts, move)
    return GATE_DOUBT
