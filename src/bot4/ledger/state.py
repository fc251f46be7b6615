"""The ledger's records, and an empty ledger.

All amounts are integer money units of the account (10**-money_exp of its currency), prices integer
ticks, quantities integer lots, times integer ns UTC.
"""

import numpy as np

from bot4.ledger.ledger_nb import LIMIT, LedgerState

ACCOUNT_DTYPE = np.dtype(
    [
        ("initial", "<i8"),
        ("cash", "<i8"),
        ("realised", "<i8"),
        ("fees", "<i8"),  # paid; rebates lower it
        ("funding", "<i8"),  # paid; receipts lower it
        ("cost_basis", "<i8"),  # sum of the positions' signed cost
        ("residual", "<i8"),  # postings that could not be booked: 0, or the books are not to be trusted
        ("n_fills", "<i8"),
        ("turnover", "<i8"),  # sum of fill notionals; stays at 2**62 once it gets there
        ("equity", "<i8"),  # as last computed by equity_nb
        ("n_wins", "<i8"),  # trades (flat to flat) with a net gain
        ("n_losses", "<i8"),
        ("gross_profit", "<i8"),  # of the won trades, net of fees and funding
        ("gross_loss", "<i8"),  # of the lost trades, net, as a positive number
        ("gap_loss", "<i8"),  # the caller's tally: lost to prices that jumped over a stop
        ("ambiguous", "<i8"),  # the caller's tally: bars that held both stop and target
        ("ambiguous_diff", "<i8"),  # what the kinder reading of those bars would have added
        ("external", "<i8"),  # cash that came (or went, negative) outside trading
        ("n_adopted", "<i8"),  # positions taken over as the venue states them
    ]
)
"""The account, one row, 152 bytes."""

POSITION_DTYPE = np.dtype(
    [
        ("qty", "<i8"),  # lots, signed
        ("cost", "<i8"),  # signed cost basis of what is held
        ("realised", "<i8"),
        ("fees", "<i8"),
        ("funding", "<i8"),
        ("mark", "<i8"),  # ticks; 0: never marked
        ("entry_ts", "<i8"),  # when the position was opened; 0 when flat
        ("entry_cost", "<i8"),  # notional put in since it was flat
        ("trade_realised", "<i8"),  # since flat
        ("trade_fees", "<i8"),  # fees and funding paid since flat
        ("n_trades", "<i8"),  # ended trades
        ("high_water", "<i8"),  # best mark since entry, ticks: highest (long) or lowest (short)
        ("spare", "<i8"),
    ]
)
"""One position, a row per instrument, 104 bytes."""


def new_ledger(n_instruments: int, initial_money_units: int) -> LedgerState:
    """An empty ledger for `n_instruments` with the opening capital as cash; ValueError outside 0..2**62."""
    if not 0 <= initial_money_units < LIMIT:
        raise ValueError(f"opening capital of {initial_money_units} money units is not in [0, 2**62)")
    if n_instruments < 1:
        raise ValueError(f"a ledger needs at least one instrument, got {n_instruments}")
    account = np.zeros(1, ACCOUNT_DTYPE)
    for name in ("initial", "cash", "equity"):
        account[name] = initial_money_units
    return LedgerState(account, np.zeros(n_instruments, POSITION_DTYPE))
