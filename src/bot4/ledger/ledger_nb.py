"""The ledger's reducer: fills, funding and marks folded into cash and positions, in exact integers.

Sign rules. A buy lowers cash by its notional and raises the position's signed cost by the same
amount; a sale does the reverse; a perpetual is booked like a spot purchase, so that

    initial + external + realised - fees - funding - cash - sum(cost) == 0

holds to the last unit after every posting (double entry: each posting moves cash, and cost,
realised, fees or funding by amounts that sum to zero).

Cost basis. Average cost: a partial close releases floor(|cost| x closed / |qty|) of the basis, the
rest (at most one unit more than its exact share) stays with what is still held, and all of it is
released by the close that leaves the position flat. So rounding moves less than one unit between two
closes of the same trade, and nothing is lost.

Adoption. A position that the venue states and the ledger does not know is booked as if it had been traded at
the venue's average entry price: cost against cash, nothing realised. What the cash then lacks or has too
much came or went outside trading, and is booked as such by `transfer_nb`.

Overflow. Every amount must stay below 2**62 money units; `fits_nb` says whether an order's
notional does. A fill that breaks this, or makes no sense (price or quantity not positive,
side not +-1), is not booked: `residual` counts it and `conserved_nb` is False from then on, so
that the caller stops instead of trading on wrong books.
"""

from typing import Any, NamedTuple

import numpy as np

from bot4.kernels.fixed_nb import mul_div_floor, rate_of
from bot4.kernels.jit_nb import kernel

LIMIT = 4611686018427387904  # 2**62
LIMIT_FLOAT = 4.6e18  # a little below, so that a product rounded in float64 is surely below LIMIT
_SMALL = 2147483648  # 2**31: below it products of two remainders fit 63 bits
_RATE_ONE = 100_000_000


class LedgerState(NamedTuple):
    """`account`: one row of ACCOUNT_DTYPE; `positions`: a row of POSITION_DTYPE per instrument."""

    account: np.ndarray[Any, Any]
    positions: np.ndarray[Any, Any]


@kernel
def fits_nb(spec: np.ndarray[Any, Any], inst: int, price: int, qty: int) -> bool:
    """Whether |price x qty x money_mult| is below 2**62 (price in ticks, qty in lots)."""
    return abs(float(price) * float(qty) * float(spec[inst]["money_mult"])) < LIMIT_FLOAT


@kernel
def share_nb(amount: int, part: int, whole: int) -> int:
    """`amount` x part / whole rounded towards zero; 0 <= part <= whole, 0 < whole < 2**62, exact.

    For whole >= 2**31 the product of the remainders is divided bit by bit (schoolbook long
    division), because it does not fit 64 bits.
    """
    size = abs(amount)
    if whole < _SMALL:
        result = mul_div_floor(size, part, whole)
    else:
        quotient = size // whole
        rest = size - quotient * whole
        low = 0
        carry = 0
        for bit in range(62):
            carry += carry
            low += low
            if carry >= whole:
                carry -= whole
                low += 1
            if (part >> (61 - bit)) & 1:
                carry += rest
                if carry >= whole:
                    carry -= whole
                    low += 1
        result = quotient * part + low
    return result if amount >= 0 else -result


@kernel
def _end_trade_nb(acc: Any, pos: Any) -> None:
    """The position came back to zero: book its trade as won or lost, net of fees and funding."""
    net = pos["trade_realised"] - pos["trade_fees"]
    if net > 0:
        acc["n_wins"] += 1
        acc["gross_profit"] += net
    elif net < 0:
        acc["n_losses"] += 1
        acc["gross_loss"] -= net
    pos["n_trades"] += 1
    pos["trade_realised"] = 0
    pos["trade_fees"] = 0
    pos["entry_ts"] = 0
    pos["entry_cost"] = 0
    pos["high_water"] = 0


@kernel
def _close_nb(acc: Any, pos: Any, side: int, qty: int, notional: int, fee: int) -> int:
    """Reduce the position by `qty` <= |held| lots for `notional`; the realised money units."""
    held = abs(pos["qty"])
    cost = pos["cost"]
    released = cost if qty == held else share_nb(cost, qty, held)
    realised = -side * notional - released
    pos["qty"] += side * qty
    pos["cost"] -= released
    acc["cost_basis"] -= released
    pos["realised"] += realised
    acc["realised"] += realised
    pos["trade_realised"] += realised
    pos["trade_fees"] += fee
    if qty == held:
        _end_trade_nb(acc, pos)
    return realised


@kernel
def _open_nb(acc: Any, pos: Any, side: int, qty: int, notional: int, fee: int) -> None:
    """Open or enlarge the position by `qty` lots for `notional`."""
    pos["qty"] += side * qty
    pos["cost"] += side * notional
    acc["cost_basis"] += side * notional
    pos["entry_cost"] += notional
    pos["trade_fees"] += fee


@kernel
def apply_fill_nb(
    led: LedgerState,
    spec: np.ndarray[Any, Any],
    inst: int,
    side: int,
    price: int,
    qty: int,
    fee: int,
    ts: int,
) -> int:
    """Book one fill; returns the realised money units, fee excluded.

    `side` +1 buy, -1 sell; `price` ticks, `qty` lots, `fee` money units (negative: rebate), `ts` ns. A fill
    larger than an opposite position closes it and opens the rest; the fee is then shared by quantity. A fill
    marks an instrument that has no mark yet. What cannot be booked counts in `residual`.
    """
    acc = led.account[0]
    pos = led.positions[inst]
    mult = spec[inst]["money_mult"]
    if (
        price <= 0
        or qty <= 0
        or (side != 1 and side != -1)
        or float(price) * float(qty) * float(mult) >= LIMIT_FLOAT
    ):
        acc["residual"] += 1
        return 0
    notional = price * qty * mult
    held = pos["qty"] * side  # positive: the fill enlarges
    closed = min(qty, -held) if held < 0 else 0
    if (
        abs(float(acc["cash"]) - float(side * notional) - float(fee)) >= LIMIT_FLOAT
        or abs(float(pos["cost"])) + float(notional) >= LIMIT_FLOAT
    ):
        acc["residual"] += 1
        return 0
    realised = 0
    fee_closed = 0
    if closed > 0:
        fee_closed = fee if closed == qty else share_nb(fee, closed, qty)
        realised = _close_nb(acc, pos, side, closed, price * closed * mult, fee_closed)
    if closed < qty:
        if pos["qty"] == 0:
            pos["entry_ts"] = ts
            pos["high_water"] = price
        _open_nb(acc, pos, side, qty - closed, price * (qty - closed) * mult, fee - fee_closed)
    acc["cash"] -= side * notional + fee
    acc["fees"] += fee
    pos["fees"] += fee
    acc["n_fills"] += 1
    acc["turnover"] = min(acc["turnover"] + notional, LIMIT)
    if pos["mark"] == 0:
        pos["mark"] = price
    return realised


@kernel
def apply_funding_nb(
    led: LedgerState, spec: np.ndarray[Any, Any], inst: int, rate_e8: int, price: int
) -> int:
    """Book one funding payment and return it in money units; positive: we paid.

    A long pays a positive rate, a short receives it; the amount is rounded against us. `rate_e8` in 1e-8
    of notional; `price` ticks, 0 or less: the last mark. A rate beyond +-1 is not booked and counts in
    `residual`.
    """
    acc = led.account[0]
    pos = led.positions[inst]
    if pos["qty"] == 0:
        return 0
    ticks = price if price > 0 else pos["mark"]
    mult = spec[inst]["money_mult"]
    if (
        rate_e8 > _RATE_ONE
        or rate_e8 < -_RATE_ONE
        or abs(float(pos["qty"]) * float(ticks) * float(mult)) >= LIMIT_FLOAT
    ):
        acc["residual"] += 1
        return 0
    payment = rate_of(pos["qty"] * ticks * mult, rate_e8)
    acc["cash"] -= payment
    acc["funding"] += payment
    pos["funding"] += payment
    pos["trade_fees"] += payment
    return payment


@kernel
def adopt_nb(led: LedgerState, spec: np.ndarray[Any, Any], inst: int, qty: int, price: int, ts: int) -> int:
    """Set the position to `qty` signed lots at `price` ticks on average, against cash; 1 if booked.

    The trade statistics begin anew: what was won or lost before is not known. A price that is not
    positive (unless flat), or an amount too large, is not booked and counts in `residual`.
    """
    acc = led.account[0]
    pos = led.positions[inst]
    mult = spec[inst]["money_mult"]
    if (qty != 0 and price <= 0) or abs(float(price) * float(qty) * float(mult)) >= LIMIT_FLOAT:
        acc["residual"] += 1
        return 0
    cost = qty * price * mult
    moved = cost - pos["cost"]
    if abs(float(acc["cash"]) - float(moved)) >= LIMIT_FLOAT:
        acc["residual"] += 1
        return 0
    pos["qty"] = qty
    pos["cost"] = cost
    acc["cost_basis"] += moved
    acc["cash"] -= moved
    acc["n_adopted"] += 1
    pos["trade_realised"] = 0
    pos["trade_fees"] = 0
    pos["entry_ts"] = ts if qty != 0 else 0
    pos["entry_cost"] = abs(cost)
    pos["high_water"] = price if qty != 0 else 0
    if pos["mark"] == 0:
        pos["mark"] = price
    return 1


@kernel
def transfer_nb(led: LedgerState, amount: int) -> int:
    """Book `amount` money units that came (negative: went) outside trading; 1 if booked, else `residual`."""
    acc = led.account[0]
    if abs(float(acc["cash"]) + float(amount)) >= LIMIT_FLOAT:
        acc["residual"] += 1
        return 0
    acc["cash"] += amount
    acc["external"] += amount
    return 1


@kernel
def mark_nb(led: LedgerState, inst: int, price: int) -> None:
    """Value the instrument at `price` ticks; a price that is not positive is ignored (no news).

    While a position is held, `high_water` follows the best mark: the highest for a long, the lowest for
    a short.
    """
    if price <= 0:
        return
    pos = led.positions[inst]
    pos["mark"] = price
    qty = pos["qty"]
    if (qty > 0 and price > pos["high_water"]) or (qty < 0 and price < pos["high_water"]):
        pos["high_water"] = price


@kernel
def equity_nb(led: LedgerState, spec: np.ndarray[Any, Any]) -> int:
    """Cash + sum of qty x mark x money_mult, money units; also kept in `account.equity`.

    Each |qty x mark x money_mult| must be below 2**62 (see `fits_nb`).
    """
    acc = led.account[0]
    positions = led.positions
    total = acc["cash"]
    for inst in range(positions.shape[0]):
        pos = positions[inst]
        qty = pos["qty"]
        if qty != 0:
            total += qty * pos["mark"] * spec[inst]["money_mult"]
    acc["equity"] = total
    return int(total)


@kernel
def exposure_nb(led: LedgerState, spec: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Sum of |position value| and of signed position values at the marks, money units."""
    positions = led.positions
    gross = 0
    net = 0
    for inst in range(positions.shape[0]):
        pos = positions[inst]
        qty = pos["qty"]
        if qty != 0:
            value = qty * pos["mark"] * spec[inst]["money_mult"]
            net += value
            gross += abs(value)
    return gross, net


@kernel
def conserved_nb(led: LedgerState) -> bool:
    """The double-entry identity, exactly, and account totals equal to the positions' sums.

    False as well once a fill or payment could not be booked (`residual`), or if a flat position keeps
    a cost.
    """
    acc = led.account[0]
    positions = led.positions
    realised = 0
    fees = 0
    funding = 0
    cost = 0
    for inst in range(positions.shape[0]):
        pos = positions[inst]
        realised += pos["realised"]
        fees += pos["fees"]
        funding += pos["funding"]
        cost += pos["cost"]
        if pos["qty"] == 0 and pos["cost"] != 0:
            return False
    return bool(
        acc["residual"] == 0
        and acc["initial"] + acc["external"] + realised - fees - funding - acc["cash"] - cost == 0
        and acc["realised"] == realised
        and acc["fees"] == fees
        and acc["funding"] == funding
        and acc["cost_basis"] == cost
    )
